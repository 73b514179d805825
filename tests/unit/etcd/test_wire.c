/* SPDX-License-Identifier: MIT */
/* Bodies as etcd 3.4.23 takes them, and answers as it gave them. */
#include "backends/etcd/wire.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

static void expect_body(const chat__etcd_writer *writer, const char *text)
{
    chat_view body = chat__buf_view(writer->buf);
    assert_int_equal(writer->status, CHAT_OK);
    assert_int_equal(body.len, strlen(text));
    assert_memory_equal(body.data, text, body.len);
    chat__buf_done(writer->buf);
}

#define WRITE(name)                                                                                \
    chat__buf buf_of_##name;                                                                       \
    chat__buf_init(&buf_of_##name, NULL, 4096);                                                    \
    chat__etcd_writer name = chat__etcd_write(&buf_of_##name)

static void asks_of_leases(void **state)
{
    (void)state;
    WRITE(grant);
    chat__etcd_put_grant(&grant, 10);
    expect_body(&grant, "{\"TTL\":\"10\"}");
    WRITE(lease);
    chat__etcd_put_lease(&lease, UINT64_MAX);
    expect_body(&lease, "{\"ID\":\"18446744073709551615\"}");
}

static void asks_of_watches(void **state)
{
    (void)state;
    WRITE(watch);
    chat__etcd_put_watch(&watch, "abc", "d");
    expect_body(&watch, "{\"create_request\":{\"key\":\"YWJj\",\"range_end\":\"ZA==\"}}");
}

static void asks_for_transactions(void **state)
{
    (void)state;
    WRITE(txn);
    chat__etcd_txn_begin(&txn);
    chat__etcd_txn_if_absent(&txn, "a");
    chat__etcd_txn_if_revision(&txn, "b", 3);
    chat__etcd_txn_if_lease(&txn, "c", 9);
    chat__etcd_txn_then(&txn);
    chat__etcd_txn_put(&txn, "a", chat__view_str("v"), 9);
    chat__etcd_txn_put(&txn, "b", chat__view_str(""), 0);
    chat__etcd_txn_otherwise(&txn);
    chat__etcd_txn_range(&txn, "a", NULL);
    chat__etcd_txn_range(&txn, "a", "b");
    chat__etcd_txn_end(&txn);
    expect_body(&txn, "{\"compare\":["
                      "{\"key\":\"YQ==\",\"target\":\"CREATE\",\"create_revision\":\"0\"},"
                      "{\"key\":\"Yg==\",\"target\":\"MOD\",\"mod_revision\":\"3\"},"
                      "{\"key\":\"Yw==\",\"target\":\"LEASE\",\"lease\":\"9\"}],\"success\":["
                      "{\"request_put\":{\"key\":\"YQ==\",\"value\":\"dg==\",\"lease\":\"9\"}},"
                      "{\"request_put\":{\"key\":\"Yg==\",\"value\":\"\"}}],\"failure\":["
                      "{\"request_range\":{\"key\":\"YQ==\"}},"
                      "{\"request_range\":{\"key\":\"YQ==\",\"range_end\":\"Yg==\"}}]}");
}

static void what_does_not_fit_is_told(void **state)
{
    chat__buf buf;
    (void)state;
    chat__buf_init(&buf, NULL, 16);
    chat__etcd_writer writer = chat__etcd_write(&buf);
    chat__etcd_put_watch(&writer, "key", "end");
    assert_int_equal(writer.status, CHAT_ERR_LIMIT);
    chat__buf_done(&buf);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    WRITE(text);
    chat__etcd_put_string(&text, chat__view("a\"\\\n\x01\xc3\xa9", 7));
    expect_body(&text, "\"a\\\"\\\\\\u000a\\u0001\xc3\xa9\"");
}

static chat__etcd_answer read_text(const char *text)
{
    chat__etcd_answer answer;
    assert_int_equal(chat__etcd_read(chat__view_str(text), &answer), CHAT_OK);
    return answer;
}

static void reads_leases(void **state)
{
    (void)state;
    chat__etcd_answer answer = read_text(
        "{\"header\":{\"cluster_id\":\"3\",\"revision\":\"17\"},\"ID\":\"2324035621353655813\","
        "\"TTL\":\"5\"}");
    assert_true(answer.lease == UINT64_C(2324035621353655813));
    assert_int_equal(answer.ttl_s, 5);
    assert_int_equal(answer.revision, 17);
    assert_int_equal(answer.code, 0);
    chat__etcd_answer_done(&answer);
    answer = read_text("{\"result\":{\"header\":{\"revision\":\"1\"},\"ID\":\"77\"}}\n");
    assert_int_equal(answer.lease, 77);
    assert_int_equal(answer.ttl_s, 0);
    chat__etcd_answer_done(&answer);
}

static void reads_errors(void **state)
{
    (void)state;
    chat__etcd_answer answer = read_text("{\"error\":\"etcdserver: requested lease not found\","
                                         "\"message\":\"same\",\"code\":5}");
    assert_int_equal(answer.code, CHAT__ETCD_CODE_NOT_FOUND);
    assert_string_equal(answer.why, "etcdserver: requested lease not found");
    chat__etcd_answer_done(&answer);
    answer = read_text("{\"error\":{\"grpc_code\":14,\"message\":\"no leader\"}}");
    assert_true(answer.code != 0);
    assert_string_equal(answer.why, "no leader");
    chat__etcd_answer_done(&answer);
}

static void reads_ranges_of_transactions(void **state)
{
    chat__etcd_kv kv;
    (void)state;
    chat__etcd_answer answer = read_text(
        "{\"header\":{\"revision\":\"3\"},\"succeeded\":true,\"responses\":[{\"response_range\":{"
        "\"header\":{\"revision\":\"3\"},\"kvs\":[{\"key\":\"YQ==\",\"create_revision\":\"2\","
        "\"mod_revision\":\"2\",\"version\":\"1\",\"value\":\"YWI=\",\"lease\":\"9\"},{\"key\":"
        "\"Yg==\",\"mod_revision\":\"3\"}],\"count\":\"2\"}},{\"response_range\":{}}]}");
    assert_true(answer.has_succeeded);
    chat__etcd_cursor cursor = chat__etcd_kvs(&answer, 0);
    assert_int_equal(chat__etcd_next_kv(&cursor, &kv), CHAT_OK);
    assert_string_equal(kv.key, "a");
    assert_int_equal(kv.value_len, 2);
    assert_memory_equal(kv.value, "ab", 2);
    assert_int_equal(kv.mod_revision, 2);
    assert_int_equal(kv.lease, 9);
    assert_int_equal(chat__etcd_next_kv(&cursor, &kv), CHAT_OK);
    assert_string_equal(kv.key, "b");
    assert_int_equal(kv.value_len, 0);
    assert_int_equal(chat__etcd_next_kv(&cursor, &kv), CHAT_EMPTY);
    cursor = chat__etcd_kvs(&answer, 1);
    assert_int_equal(chat__etcd_next_kv(&cursor, &kv), CHAT_EMPTY);
    cursor = chat__etcd_kvs(&answer, 2);
    assert_int_equal(chat__etcd_next_kv(&cursor, &kv), CHAT_EMPTY);
    chat__etcd_answer_done(&answer);
}

static void reads_watches(void **state)
{
    (void)state;
    chat__etcd_answer answer =
        read_text("{\"result\":{\"header\":{\"revision\":\"4\"},\"canceled\":true}}");
    assert_int_equal(answer.revision, 4);
    assert_true(answer.is_canceled);
    chat__etcd_answer_done(&answer);
}

static void refuses_what_is_no_answer(void **state)
{
    static const char *const texts[] = {"",         "[]",    "404 page not found",
                                        "{\"a\":1", "\"x\"", "{\"a\":\"\\u0000\"}"};
    chat__etcd_answer answer;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_true(chat__etcd_read(chat__view_str(texts[i]), &answer) < 0);
}

static void base64_is_strict(void **state)
{
    static const char *const wrong[] = {
        "YQ=", "YQ", "Y===", "====", "YR==", "YWJ=", "YQ==YQ==", "Y Q=", "Y-Q="};
    uint8_t out[8];
    size_t len = 0;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(chat__etcd_base64_decode(chat__view_str(wrong[i]), out, 8, &len),
                         CHAT_ERR_SYNTAX);
    assert_int_equal(chat__etcd_base64_decode(chat__view_str("YWJj"), out, 2, &len),
                     CHAT_ERR_LIMIT);
    assert_int_equal(chat__etcd_base64_decode(chat__view_str("+/8="), out, 2, &len), CHAT_OK);
    assert_memory_equal(out, "\xfb\xff", 2);
    assert_int_equal(chat__etcd_base64_decode(chat__view_str(""), out, 0, &len), CHAT_OK);
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_of_leases),        cmocka_unit_test(asks_of_watches),
        cmocka_unit_test(asks_for_transactions), cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(strings_are_escaped),   cmocka_unit_test(reads_leases),
        cmocka_unit_test(reads_errors),          cmocka_unit_test(reads_ranges_of_transactions),
        cmocka_unit_test(reads_watches),         cmocka_unit_test(refuses_what_is_no_answer),
        cmocka_unit_test(base64_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
