/* SPDX-License-Identifier: MIT */
/* One connection: see tls_pair.h. */
#include "tls_pair.h"
#include "unit.h"

#include <fcntl.h>
#include <mbedtls/base64.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void carries_bytes_both_ways_and_closes(void **state)
{
    static uint8_t bytes[1000000];
    tls_pair p;
    uint8_t byte;
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(tls_pair_shake_hands(&p), CHAT_OK);
    tls_pair_send_all(p.client, p.server, bytes, sizeof bytes);
    tls_pair_send_all(p.server, p.client, bytes, sizeof bytes);
    tls_pair_send_all(p.client, p.server, bytes, 1);
    chat__tls_close(p.client);
    assert_int_equal(chat__tls_read(p.server, &byte, 1, &n), CHAT_ERR_CLOSED);
    assert_int_equal(chat__tls_read(p.server, &byte, 1, &n), CHAT_ERR_CLOSED);
    tls_pair_close(&p);
}

static void reads_and_writes_shake_hands_first(void **state)
{
    tls_pair p;
    static const uint8_t hello[] = "hello";
    (void)state;
    tls_pair_open(&p, "good", "good.crt", 1, "127.0.0.1");
    tls_pair_send_all(p.client, p.server, hello, sizeof hello);
    tls_pair_close(&p);
}

static void checks_the_certificate(void **state)
{
    static const struct {
        const char *name, *ca, *host, *why;
        int verify;
        chat_status status;
    } rows[] = {
        {"good", "good.crt", "localhost", "nothing", 1, CHAT_OK},
        {"good", "good.crt", "127.0.0.1", "nothing", 1, CHAT_OK},
        {"good", "good.crt", "127.0.0.2", "another host", 1, CHAT_ERR_TLS},
        {"good", "good.crt", "::1", "another host", 1, CHAT_ERR_TLS},
        {"good", "good.crt", "example.org", "another host", 1, CHAT_ERR_TLS},
        {"good", "other.crt", "localhost", "nobody who is trusted", 1, CHAT_ERR_TLS},
        {"old", "old.crt", "localhost", "expired", 1, CHAT_ERR_TLS},
        {"old", "other.crt", "example.org", "nothing", 0, CHAT_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tls_pair p;
        tls_pair_open(&p, rows[i].name, rows[i].ca, rows[i].verify, rows[i].host);
        assert_int_equal(tls_pair_shake_hands(&p), rows[i].status);
        assert_non_null(strstr(chat__tls_why(p.client), rows[i].why));
        uint8_t byte;
        size_t n;
        assert_int_equal(chat__tls_read(p.server, &byte, 1, &n),
                         rows[i].status == CHAT_OK ? CHAT_MORE : CHAT_ERR_TLS);
        tls_pair_close(&p);
    }
}

/* Bytes that the server sent for a handshake. */
static int bytes_of_handshake(tls_pair *p)
{
    int most = 0;
    for (int i = 0; i < 20; i++) {
        int n = 0;
        (void)chat__tls_handshake(p->client);
        (void)chat__tls_handshake(p->server);
        (void)ioctl(p->fds[1], FIONREAD, &n);
        most = n > most ? n : most;
    }
    assert_int_equal(chat__tls_handshake(p->client), CHAT_OK);
    return most;
}

static void reconnect_pair(tls_pair *p)
{
    chat__tls_free(p->server);
    chat__tls_free(p->client);
    assert_int_equal(chat__tls_new(p->contexts[0], p->fds[0], NULL, &p->server), CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[1], p->fds[1], "localhost", &p->client), CHAT_OK);
}

static void a_session_is_resumed(void **state)
{
    tls_pair p;
    (void)state;
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    int full = bytes_of_handshake(&p);
    reconnect_pair(&p);
    int resumed = bytes_of_handshake(&p);
    tls_pair_send_all(p.client, p.server, (const uint8_t *)"hello", 5);
    assert_true(resumed < full / 2);
    tls_pair_close(&p);
}

static void only_the_pinned_key_is_accepted(void **state)
{
    char pin[64], why[256] = "";
    tls_pair p;
    (void)state;
    for (int is_right = 0; is_right < 2; is_right++) {
        mbedtls_x509_crt cert;
        uint8_t hash[32];
        size_t len = 0;
        mbedtls_x509_crt_init(&cert);
        assert_int_equal(
            mbedtls_x509_crt_parse_file(&cert, tls_pair_path(is_right ? "good.crt" : "other.crt")),
            0);
        mbedtls_sha256_ret(cert.pk_raw.p, cert.pk_raw.len, hash, 0);
        mbedtls_base64_encode((uint8_t *)pin, sizeof pin, &len, hash, sizeof hash);
        mbedtls_x509_crt_free(&cert);
        tls_pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(chat__tls_client_pin(p.contexts[1], "short", why, sizeof why),
                         CHAT_ERR_ARG);
        assert_int_equal(chat__tls_client_pin(p.contexts[1], pin, why, sizeof why), CHAT_OK);
        assert_int_equal(tls_pair_shake_hands(&p), is_right ? CHAT_OK : CHAT_ERR_TLS);
        if (is_right) { /* and when the session is resumed */
            reconnect_pair(&p);
            assert_int_equal(tls_pair_shake_hands(&p), CHAT_OK);
        }
        tls_pair_close(&p);
    }
}

static void a_client_that_verifies_names_its_host(void **state)
{
    tls_pair p;
    chat__tls *tls = NULL;
    (void)state;
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(chat__tls_new(p.contexts[1], p.fds[1], NULL, &tls), CHAT_ERR_ARG);
    assert_null(tls);
    tls_pair_close(&p);
}

static void says_what_is_wrong_with_the_files(void **state)
{
    static const struct {
        const char *cert, *key, *why;
    } rows[] = {
        {"none.crt", "good.key", "none.crt: No such file"},
        {"good.crt", "none.key", "none.key: No such file"},
        {"empty", "good.key", "empty: no certificate"},
        {"good.crt", "good.crt", "good.crt: no private key"},
        {"good.crt", "other.key", "other.key: the key does not belong"},
    };
    char why[256];
    chat__tls_context *context = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(chat__tls_server_new(tls_pair_path(rows[i].cert),
                                              tls_pair_path(rows[i].key), why, sizeof why,
                                              &context),
                         CHAT_ERR_TLS);
        assert_non_null(strstr(why, rows[i].why));
    }
    assert_int_equal(chat__tls_client_new(tls_pair_path("none.crt"), 1, why, sizeof why, &context),
                     CHAT_ERR_TLS);
    assert_non_null(strstr(why, "none.crt: No such file"));
    assert_int_equal(chat__tls_client_new(tls_pair_path("good.key"), 1, why, sizeof why, &context),
                     CHAT_ERR_TLS);
    assert_non_null(strstr(why, "no certificate"));
    assert_null(context);
}

static chat_status give_to_server(tls_pair *p, const void *bytes, size_t len)
{
    assert_int_equal(write(p->fds[1], bytes, len), (ssize_t)len);
    return chat__tls_handshake(p->server);
}

static void refuses_what_is_not_tls(void **state)
{
    tls_pair p;
    (void)state;
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(give_to_server(&p, "GET / HTTP/1.1\r\n\r\n", 18), CHAT_ERR_TLS);
    assert_non_null(strstr(chat__tls_why(p.server), "no TLS"));
    tls_pair_close(&p);
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(give_to_server(&p, "\x16\x03", 2), CHAT_MORE);
    close(p.fds[1]);
    p.fds[1] = -1;
    assert_int_equal(chat__tls_handshake(p.server), CHAT_ERR_CLOSED);
    tls_pair_close(&p);
}

/* The client's first flight, cut into records of `step` bytes. */
static chat_status hello_in_records(tls_pair *p, size_t step)
{
    uint8_t hello[2048];
    chat_status status = CHAT_MORE;
    assert_int_equal(chat__tls_handshake(p->client), CHAT_MORE);
    ssize_t n = recv(p->fds[0], hello, sizeof hello, 0);
    assert_true(n > 50);
    for (size_t at = 5; at < (size_t)n && status == CHAT_MORE; at += step) {
        size_t piece = (size_t)n - at < step ? (size_t)n - at : step;
        uint8_t head[5] = {0x16, 3, 3, (uint8_t)(piece >> 8), (uint8_t)piece};
        uint8_t record[2048];
        memcpy(record, head, 5);
        memcpy(record + 5, hello + at, piece);
        status = give_to_server(p, record, piece + 5);
    }
    return status;
}

/* mbedTLS 2.28 would refuse such a hello. */
static void a_hello_may_come_in_several_records(void **state)
{
    static const size_t steps[] = {2000, 100, 40, 3, 1};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        tls_pair p;
        tls_pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(hello_in_records(&p, steps[i]), CHAT_MORE);
        /* The answer fits, and the hash over all messages at the end too. */
        assert_int_equal(tls_pair_shake_hands(&p), CHAT_OK);
        tls_pair_close(&p);
    }
}

static void a_hello_that_cannot_be_is_refused_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x17\x03\x03\x00\x01\x01", 6},                      /* not a handshake */
        {"\x16\x03\x03\x00\x00", 5},                          /* an empty record */
        {"\x16\x03\x03\x40\x01", 5},                          /* larger than a record can be */
        {"\x16\x03\x03\x00\x01\x02", 6},                      /* not a hello */
        {"\x16\x03\x03\x00\x04\x01\x00\x40\x00", 9},          /* a hello that is too large */
        {"\x16\x03\x03\x00\x01\x01\x15\x03\x03\x00\x02", 11}, /* an alert inside */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tls_pair p;
        tls_pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(give_to_server(&p, rows[i].bytes, rows[i].len), CHAT_ERR_TLS);
        tls_pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways_and_closes),
        cmocka_unit_test(reads_and_writes_shake_hands_first),
        cmocka_unit_test(checks_the_certificate),
        cmocka_unit_test(a_session_is_resumed),
        cmocka_unit_test(only_the_pinned_key_is_accepted),
        cmocka_unit_test(a_client_that_verifies_names_its_host),
        cmocka_unit_test(says_what_is_wrong_with_the_files),
        cmocka_unit_test(refuses_what_is_not_tls),
        cmocka_unit_test(a_hello_may_come_in_several_records),
        cmocka_unit_test(a_hello_that_cannot_be_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, tls_pair_make_files, tls_pair_remove_files);
}
