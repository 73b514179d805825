/* SPDX-License-Identifier: MIT */
/* What is asked of etcd and when, with answers by hand. The contract is in tests/contract. */
#include "backends/etcd/numbers.h"
#include "backends/etcd/wire.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define UNIX  UINT64_C(1800000000000)
#define TOKEN "0123456789abcdef0123456789abcdef"
#define GRANT "{\"header\":{\"revision\":\"1\"},\"ID\":\"7\",\"TTL\":\"3\"}"
#define NONE                                                                                       \
    "{\"header\":{\"revision\":\"1\"},\"succeeded\":true,\"responses\":[{\"response_range\":{}},{" \
    "\"response_range\":{}}]}"
#define TAKEN "{\"header\":{\"revision\":\"2\"},\"succeeded\":true}"
#define ALIVE "{\"result\":{\"ID\":\"7\",\"TTL\":\"3\"}}"
#define GONE  "{\"error\":\"requested lease not found\",\"code\":5}"

static const char *const ENDPOINTS[] = {"http://one", "http://two"};

typedef struct talk {
    chat__etcd_numbers *numbers;
    chat_lease_time now;
    chat__etcd_call call;
    chat_lease_event event;
} talk;

static chat_lease_wish wish_of(uint32_t n_numbers)
{
    chat_lease_wish wish = {sizeof wish, n_numbers, chat__view_str("na\"me"),
                            chat__view_str("1.2.3.4:5"), chat__view_str("all")};
    return wish;
}

static chat_status make(talk *t, uint32_t n_numbers)
{
    chat_lease_wish wish = wish_of(n_numbers);
    chat__etcd_numbers_options options = {NULL, "p/", {ENDPOINTS, 2}, 3000, TOKEN, &wish};
    memset(t, 0, sizeof *t);
    t->now.mono_ms = 1000;
    t->now.unix_ms = UNIX + 1000;
    return chat__etcd_numbers_new(&options, &t->numbers);
}

static void pass(talk *t, uint64_t ms)
{
    t->now.mono_ms += ms;
    t->now.unix_ms += ms;
    chat__etcd_numbers_begin(t->numbers, t->now);
}

static void expect_call(talk *t, uint32_t endpoint, const char *path)
{
    pass(t, 0);
    assert_int_equal(chat__etcd_numbers_next_call(t->numbers, &t->call), CHAT_OK);
    assert_string_equal(t->call.path, path);
    assert_int_equal(t->call.endpoint, endpoint);
}

static void expect_no_call(talk *t)
{
    assert_int_equal(chat__etcd_numbers_next_call(t->numbers, &t->call), CHAT_EMPTY);
}

static void answer(talk *t, uint32_t http_status, const char *text)
{
    chat__etcd_reply reply = {http_status, chat__view_str(http_status == 0 ? "" : text), text};
    chat__etcd_numbers_reply(t->numbers, &reply);
}

static void expect_event(talk *t, chat_lease_event_type type, const char *words)
{
    memset(&t->event, 0, sizeof t->event);
    t->event.struct_size = sizeof t->event;
    assert_int_equal(chat__etcd_numbers_next_event(t->numbers, &t->event), CHAT_OK);
    assert_int_equal(t->event.type, type);
    assert_non_null(strstr(t->event.why, words));
}

static void expect_no_event(talk *t)
{
    assert_int_equal(chat__etcd_numbers_next_event(t->numbers, &t->event), CHAT_EMPTY);
}

static void hold(talk *t, uint32_t n_numbers)
{
    assert_int_equal(make(t, n_numbers), CHAT_OK);
    expect_call(t, 0, "/v3/lease/grant");
    answer(t, 200, GRANT);
    expect_call(t, 0, "/v3/kv/txn");
    answer(t, 200, NONE);
    expect_call(t, 0, "/v3/kv/txn");
    answer(t, 200, TAKEN);
    expect_event(t, CHAT_LEASE_HELD, "");
    expect_no_event(t);
}

static void numbers_are_taken_and_renewed_in_a_third_of_the_time(void **state)
{
    talk t;
    (void)state;
    hold(&t, 2);
    assert_int_equal(t.event.n_numbers, 2);
    assert_int_equal(t.event.numbers[0], 0);
    assert_int_equal(t.event.numbers[1], 1);
    assert_true(t.event.from_unix_ms == UNIX + 1000);
    assert_true(t.event.until_unix_ms == UNIX + 4000);
    assert_true(chat__etcd_numbers_deadline(t.numbers) == 2000);
    pass(&t, 999);
    expect_no_call(&t);
    pass(&t, 1);
    expect_call(&t, 0, "/v3/lease/keepalive");
    assert_int_equal(t.call.timeout_ms, 600);
    answer(&t, 200, ALIVE);
    expect_call(&t, 0, "/v3/kv/txn");
    answer(&t, 200, TAKEN);
    expect_event(&t, CHAT_LEASE_HELD, "");
    assert_true(t.event.from_unix_ms == UNIX + 1000);
    assert_true(t.event.until_unix_ms == UNIX + 5000);
    chat__etcd_numbers_free(t.numbers);
}

static void the_next_endpoint_is_asked_at_once_and_trouble_is_told_once(void **state)
{
    talk t;
    (void)state;
    hold(&t, 1);
    pass(&t, 1000);
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 0, "refused");
    expect_no_event(&t);
    expect_call(&t, 1, "/v3/lease/keepalive");
    answer(&t, 503, "{\"error\":\"no leader\",\"code\":14}");
    expect_event(&t, CHAT_LEASE_TROUBLE, "etcd http://two: no leader");
    assert_non_null(strstr(t.event.why, "for 2000 ms more: see --etcd"));
    expect_no_call(&t); /* a pause */
    pass(&t, 100);
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 200, "<html>");
    expect_call(&t, 1, "/v3/lease/keepalive");
    answer(&t, 200, "{}");
    expect_no_event(&t);
    pass(&t, 1900);
    expect_event(&t, CHAT_LEASE_LOST, "--etcd-ttl-ms");
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 200, ALIVE);
    expect_call(&t, 0, "/v3/kv/txn");
    answer(&t, 200, TAKEN);
    expect_event(&t, CHAT_LEASE_HELD, "");
    chat__etcd_numbers_free(t.numbers);
}

static void trouble_is_told_again_when_more_is_known_of_it(void **state)
{
    static const char DENIED[] = "{\"error\":\"etcdserver: permission denied\",\"code\":7}";
    talk t;
    (void)state;
    hold(&t, 1);
    pass(&t, 1000);
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 0, "refused");
    expect_call(&t, 1, "/v3/lease/keepalive");
    answer(&t, 0, "timed out");
    expect_event(&t, CHAT_LEASE_TROUBLE, "timed out");
    for (int i = 0; i < 2; i++) {
        pass(&t, 200);
        expect_call(&t, 0, "/v3/lease/keepalive");
        answer(&t, 403, DENIED);
        expect_call(&t, 1, "/v3/lease/keepalive");
        answer(&t, 403, DENIED);
        if (i == 0)
            expect_event(&t, CHAT_LEASE_TROUBLE, "--etcd-user");
    }
    expect_no_event(&t);
    chat__etcd_numbers_free(t.numbers);
}

static void a_lease_that_is_gone_is_told_and_another_is_made(void **state)
{
    static const char *const gone[] = {GONE, "{\"result\":{\"ID\":\"7\"}}"};
    talk t;
    (void)state;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        hold(&t, 1);
        pass(&t, 1000);
        expect_call(&t, 0, "/v3/lease/keepalive");
        answer(&t, 200, gone[i]);
        expect_event(&t, CHAT_LEASE_LOST, "lease on the node numbers end");
        expect_call(&t, 0, "/v3/lease/grant");
        answer(&t, 200, GRANT);
        expect_call(&t, 0, "/v3/kv/txn");
        chat__etcd_numbers_free(t.numbers);
    }
}

static void what_others_have_or_had_is_left(void **state)
{
    /* holder/0000 of lease 9; until/0001 far ahead; until/0002 over; until/0003 no time */
    static const char list[] =
        "{\"header\":{\"revision\":\"9\"},\"responses\":[{\"response_range\":{\"kvs\":[{\"key\":"
        "\"cC9ob2xkZXIvMDAwMA==\",\"value\":\"YQ==\",\"lease\":\"9\",\"mod_revision\":\"2\"}]}},"
        "{\"response_range\":{\"kvs\":[{\"key\":\"cC91bnRpbC8wMDAx\",\"value\":"
        "\"OTk5OTk5OTk5OTk5OTkgYWFh\",\"mod_revision\":\"3\"},{\"key\":\"cC91bnRpbC8wMDAy\","
        "\"value\":\"NSBhYWE=\",\"mod_revision\":\"4\"},{\"key\":\"cC91bnRpbC8wMDAz\",\"value\":"
        "\"eA==\",\"mod_revision\":\"5\"}]}}]}";
    talk t;
    (void)state;
    assert_int_equal(make(&t, 2), CHAT_OK);
    expect_call(&t, 0, "/v3/lease/grant");
    answer(&t, 200, GRANT);
    expect_call(&t, 0, "/v3/kv/txn");
    answer(&t, 200, list);
    expect_call(&t, 0, "/v3/kv/txn");
    assert_non_null(
        memmem(t.call.body.data, t.call.body.len, "\"target\":\"MOD\",\"mod_revision\":\"4\"", 33));
    answer(&t, 200, TAKEN);
    expect_event(&t, CHAT_LEASE_HELD, "");
    assert_int_equal(t.event.numbers[0], 2);
    assert_int_equal(t.event.numbers[1], 4);
    chat__etcd_numbers_free(t.numbers);
}

/* What a transaction says of 64 numbers that somebody holds. */
static const char *full_window(unsigned from)
{
    static char list[16384];
    chat__buf body;
    size_t n = (size_t)sprintf(list, "{\"header\":{\"revision\":\"9\"},\"responses\":["
                                     "{\"response_range\":{\"kvs\":[");
    for (unsigned i = from; i < from + 64; i++) {
        char key[32];
        chat__buf_init(&body, NULL, 1024);
        chat__etcd_writer writer = chat__etcd_write(&body);
        snprintf(key, sizeof key, "p/holder/%04u", i);
        chat__etcd_put_watch(&writer, key, ""); /* {"create_request":{"key":"...",...}} */
        const char *of_key = memmem(body.data, body.len, "{\"key\"", 6);
        size_t len = (size_t)((const char *)memchr(of_key, ',', body.len) - of_key);
        n += (size_t)sprintf(list + n, "%s%.*s,\"lease\":\"9\"}", i == from ? "" : ",", (int)len,
                             of_key);
        chat__buf_done(&body);
    }
    sprintf(list + n, "]}}]}");
    return list;
}

static void when_all_numbers_are_taken_it_is_told_and_tried_again(void **state)
{
    talk t;
    (void)state;
    assert_int_equal(make(&t, 1), CHAT_OK);
    expect_call(&t, 0, "/v3/lease/grant");
    answer(&t, 200, GRANT);
    for (unsigned from = 0; from < 1024; from += 64) {
        expect_call(&t, 0, "/v3/kv/txn");
        answer(&t, 200, full_window(from));
    }
    expect_event(&t, CHAT_LEASE_TROUBLE, "1 node numbers are needed and 0 are free");
    assert_non_null(strstr(t.event.why, "--etcd-prefix"));
    expect_no_call(&t);
    pass(&t, 1000);
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 200, ALIVE);
    expect_call(&t, 0, "/v3/kv/txn"); /* from the start */
    chat__etcd_numbers_free(t.numbers);
}

static void a_clock_that_jumps_ahead_renews_at_once(void **state)
{
    talk t;
    (void)state;
    hold(&t, 1);
    pass(&t, 10);
    expect_no_call(&t);
    t.now.unix_ms += 2000;
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 200, ALIVE);
    expect_call(&t, 0, "/v3/kv/txn");
    t.now.unix_ms -= 60000; /* and back: what was asked for stays */
    answer(&t, 200, TAKEN);
    expect_event(&t, CHAT_LEASE_HELD, "");
    assert_true(t.event.until_unix_ms == UNIX + 6010);
    pass(&t, 1000);
    expect_call(&t, 0, "/v3/lease/keepalive");
    answer(&t, 200, ALIVE);
    expect_call(&t, 0, "/v3/kv/txn");
    answer(&t, 200, TAKEN);
    expect_event(&t, CHAT_LEASE_HELD, "");
    assert_true(t.event.until_unix_ms == UNIX + 6010);
    chat__etcd_numbers_free(t.numbers);
}

static void giving_back_ends_in_time_whatever_etcd_does(void **state)
{
    talk t;
    (void)state;
    hold(&t, 1);
    chat__etcd_numbers_release(t.numbers, t.now);
    expect_call(&t, 0, "/v3/lease/revoke");
    answer(&t, 200, "{\"header\":{\"revision\":\"3\"}}");
    expect_event(&t, CHAT_LEASE_RELEASED, "");
    pass(&t, 100000);
    expect_no_call(&t);
    chat__etcd_numbers_free(t.numbers);
    hold(&t, 1);
    pass(&t, 1000);
    expect_call(&t, 0, "/v3/lease/keepalive"); /* under way: forgotten */
    chat__etcd_numbers_release(t.numbers, t.now);
    expect_call(&t, 0, "/v3/lease/revoke");
    expect_no_event(&t);
    pass(&t, 1500);
    expect_event(&t, CHAT_LEASE_RELEASED, "");
    assert_true(chat__etcd_numbers_deadline(t.numbers) == UINT64_MAX);
    chat__etcd_numbers_free(t.numbers);
}

static void hold_part(talk *t)
{
    expect_no_event(t);
    expect_call(t, 0, "/v3/kv/txn");
    pass(t, 10);
    answer(t, 200, TAKEN);
}

static void many_numbers_are_taken_in_parts(void **state)
{
    talk t;
    (void)state;
    assert_int_equal(make(&t, CHAT__ETCD_MAX_NUMBERS), CHAT_OK);
    expect_call(&t, 0, "/v3/lease/grant");
    answer(&t, 200, GRANT);
    for (unsigned i = 0; i < CHAT__ETCD_MAX_NUMBERS / 64; i++) {
        expect_call(&t, 0, "/v3/kv/txn");
        answer(&t, 200, NONE);
    }
    for (unsigned i = 0; i < CHAT__ETCD_MAX_NUMBERS / 63 + 1; i++)
        hold_part(&t);
    expect_event(&t, CHAT_LEASE_HELD, "");
    assert_int_equal(t.event.n_numbers, CHAT__ETCD_MAX_NUMBERS);
    assert_int_equal(t.event.numbers[CHAT__ETCD_MAX_NUMBERS - 1], CHAT__ETCD_MAX_NUMBERS - 1);
    assert_true(t.event.until_unix_ms == UNIX + 4000); /* of the first part */
    chat__etcd_numbers_free(t.numbers);
}

static void wishes_have_limits(void **state)
{
    static const char many[300] = "x";
    talk t;
    (void)state;
    assert_int_equal(make(&t, 0), CHAT_ERR_ARG);
    assert_int_equal(make(&t, CHAT_LEASE_MAX_NUMBERS + 1), CHAT_ERR_ARG);
    chat_lease_wish wish = wish_of(1);
    wish.name = chat__view(many, 256);
    chat__etcd_numbers_options options = {NULL, "p/", {ENDPOINTS, 2}, 3000, TOKEN, &wish};
    assert_int_equal(chat__etcd_numbers_new(&options, &t.numbers), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_and_renewed_in_a_third_of_the_time),
        cmocka_unit_test(the_next_endpoint_is_asked_at_once_and_trouble_is_told_once),
        cmocka_unit_test(trouble_is_told_again_when_more_is_known_of_it),
        cmocka_unit_test(a_lease_that_is_gone_is_told_and_another_is_made),
        cmocka_unit_test(what_others_have_or_had_is_left),
        cmocka_unit_test(when_all_numbers_are_taken_it_is_told_and_tried_again),
        cmocka_unit_test(a_clock_that_jumps_ahead_renews_at_once),
        cmocka_unit_test(giving_back_ends_in_time_whatever_etcd_does),
        cmocka_unit_test(many_numbers_are_taken_in_parts),
        cmocka_unit_test(wishes_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
