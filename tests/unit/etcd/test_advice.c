/* SPDX-License-Identifier: MIT */
/* What an operator is told of an etcd that does not answer as it should. */
#include "backends/etcd/advice.h"
#include "base/view.h"
#include "unit.h"

#include <chat/status.h>
#include <string.h>

static void what_is_known_names_its_option(void **state)
{
    static const char *const ROWS[][2] = {
        {"Could not resolve host: nowhere", "the host in --etcd"},
        {"error:0A00010B:SSL routines::wrong version number", "http:// in --etcd"},
        {"it answered 400 with no JSON of etcd: Client sent an HTTP request to an HTTPS server.",
         "https:// in --etcd"},
        {"it answered 400 with no JSON of etcd: CommonName of client sending a request",
         "--etcd-cert-file has no CommonName"},
        {"it answered 404 with no JSON of etcd: 404 page not found", "version 3.4"},
        {"SSL certificate problem: unable to get local issuer certificate", "--etcd-ca-file"},
        {"error:0A00045C:SSL routines::tlsv13 alert certificate required", "--etcd-cert-file"},
        {"etcdserver: user name is empty", "--etcd-password-file"},
        {"etcdserver: permission denied", "--etcd-prefix"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_non_null(strstr(chat__etcd_advice(ROWS[i][0]), ROWS[i][1]));
    assert_null(chat__etcd_advice("Connection refused"));
}

static void what_is_no_answer_is_shown_as_far_as_it_is_a_line(void **state)
{
    static const struct {
        const char *body, *text;
    } ROWS[] = {
        {"", "it answered 404 with no JSON of etcd"},
        {"not found\n<html>", "it answered 404 with no JSON of etcd: not found"},
        {"\x1b[2J", "it answered 404 with no JSON of etcd"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789",
         "it answered 404 with no JSON of etcd: "
         "012345678901234567890123456789012345678901234567890123456789"},
    };
    char text[CHAT__ETCD_ANSWER_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const chat__etcd_reply reply = {404, chat__view_str(ROWS[i].body), NULL};
        assert_string_equal(chat__etcd_no_answer(&reply, CHAT_ERR_SYNTAX, text), ROWS[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_names_its_option),
        cmocka_unit_test(what_is_no_answer_is_shown_as_far_as_it_is_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
