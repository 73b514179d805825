/* SPDX-License-Identifier: MIT */
#include "client/url.h"
#include "unit.h"

#include <string.h>

static void takes_urls_apart(void **state)
{
    static const struct {
        const char *text;
        int is_tls;
        const char *host, *port, *header, *path;
    } rows[] = {
        {"ws://localhost", 0, "localhost", "80", "localhost", "/"},
        {"wss://chat.example", 1, "chat.example", "443", "chat.example", "/"},
        {"ws://127.0.0.1:8080/", 0, "127.0.0.1", "8080", "127.0.0.1:8080", "/"},
        {"ws://[::1]:9/x/y?z=1", 0, "::1", "9", "[::1]:9", "/x/y?z=1"},
        {"ws://[fe80::1]", 0, "fe80::1", "80", "[fe80::1]", "/"},
        {"ws://h?token=a", 0, "h", "80", "h", "/?token=a"},
        {"ws://h:65535", 0, "h", "65535", "h:65535", "/"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        chat__url url;
        const char *why;
        assert_int_equal(chat__url_parse(rows[i].text, &url, &why), CHAT_OK);
        assert_int_equal(url.is_tls, rows[i].is_tls);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.port, rows[i].port);
        assert_string_equal(url.host_header, rows[i].header);
        assert_string_equal(url.path, rows[i].path);
    }
}

static void refuses_what_is_none_and_says_why(void **state)
{
    static const char *const rows[] = {
        "",
        "localhost",
        "http://localhost",
        "WS://localhost",
        "ws://",
        "ws://:80",
        "ws:///path",
        "ws://h:",
        "ws://h:0",
        "ws://h:65536",
        "ws://h:1x",
        "ws://h:-1",
        "ws://h:000080",
        "ws://u:p@h",
        "ws://[::1",
        "ws://[]",
        "ws://[",
        "ws://[::1]x",
        "ws://h/a b",
        "ws://h/a\r\nX: y",
        "ws://h/\x7f",
        "ws://h/\xc3\xa4",
        "ws://h/#top",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        chat__url url;
        const char *why = "";
        assert_int_equal(chat__url_parse(rows[i], &url, &why), CHAT_ERR_ARG);
        assert_true(why[0] != '\0');
    }
}

static void refuses_what_is_too_long(void **state)
{
    static char text[3000];
    chat__url url;
    const char *why;
    (void)state;
    memcpy(text, "ws://", 5);
    memset(text + 5, 'h', 253);
    assert_int_equal(chat__url_parse(text, &url, &why), CHAT_OK);
    text[5 + 253] = 'h';
    assert_int_equal(chat__url_parse(text, &url, &why), CHAT_ERR_ARG);
    memset(text + 6, '/', 1);
    memset(text + 7, 'p', 1023);
    text[7 + 1023] = '\0';
    assert_int_equal(chat__url_parse(text, &url, &why), CHAT_OK);
    text[7 + 1023] = 'p';
    text[7 + 1024] = '\0';
    assert_int_equal(chat__url_parse(text, &url, &why), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(refuses_what_is_none_and_says_why),
        cmocka_unit_test(refuses_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
