/* SPDX-License-Identifier: MIT */
/* Who is there, from answers by hand; the stream in pieces of every size. */
#include "backends/etcd/members.h"
#include "backends/etcd/wire.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccc"

static const char *const ENDPOINTS[] = {"http://one", "http://two"};

typedef struct talk {
    chat__etcd_members *members;
    chat__etcd_members_event event;
    chat__etcd_call call;
    uint64_t now_ms;
    size_t step; /* bytes fed at a time */
    char text[8192];
    size_t len;
} talk;

static void start(talk *t, size_t step)
{
    chat__etcd_members_options options = {NULL, "p/", {ENDPOINTS, 2}, 0};
    memset(t, 0, sizeof *t);
    t->step = step;
    t->now_ms = 100;
    assert_int_equal(chat__etcd_members_new(&options, &t->members), CHAT_OK);
}

/* Key and value of a server as etcd tells them; `address` NULL: no value. */
static void put_kv(talk *t, const char *token, const char *address, unsigned revision)
{
    chat__buf body;
    char key[64];
    char value[256] = "";
    snprintf(key, sizeof key, "p/member/%s", token);
    if (address != NULL)
        snprintf(value, sizeof value,
                 "{\"name\":\"n\",\"address\":\"%s\",\"roles\":\"all\",\"numbers\":[4,5]}",
                 address);
    chat__buf_init(&body, NULL, 4096);
    chat__etcd_writer writer = chat__etcd_write(&body);
    chat__etcd_txn_put(&writer, key, chat__view_str(value), 0); /* {"request_put":{...}} */
    t->len +=
        (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%.*s,\"mod_revision\":\"%u\"}",
                         (int)body.len - 2 - 15, (const char *)body.data + 15, revision);
    chat__buf_done(&body);
}

static void put_text(talk *t, const char *text)
{
    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len, "%s", text);
}

static void expect_call(talk *t, uint32_t endpoint, const char *path)
{
    chat__etcd_members_begin(t->members, t->now_ms);
    assert_int_equal(chat__etcd_members_next_call(t->members, &t->call), CHAT_OK);
    assert_string_equal(t->call.path, path);
    assert_int_equal(t->call.endpoint, endpoint);
    assert_int_equal(t->call.is_stream, strcmp(path, "/v3/watch") == 0);
}

static void reply(talk *t, uint32_t http_status)
{
    chat__etcd_reply what = {http_status, chat__view(t->text, t->len), "refused"};
    chat__etcd_members_reply(t->members, &what);
    t->len = 0;
}

/* What was put, and a newline, in steps; all is used in the end. */
static void feed(talk *t)
{
    size_t from = 0;
    put_text(t, "\n");
    for (size_t to = 0; to < t->len;) {
        to = t->step == 0 || to + t->step > t->len ? t->len : to + t->step;
        from += chat__etcd_members_feed(t->members, chat__view(t->text + from, to - from));
    }
    assert_int_equal(from, t->len);
    t->len = 0;
}

static void expect(talk *t, chat__etcd_members_event_type type, const char *token)
{
    assert_int_equal(chat__etcd_members_next_event(t->members, &t->event), CHAT_OK);
    assert_int_equal(t->event.type, type);
    if (token != NULL)
        assert_string_equal(t->event.member->token, token);
}

static void expect_nothing(talk *t)
{
    assert_int_equal(chat__etcd_members_next_event(t->members, &t->event), CHAT_EMPTY);
}

/* A and B are there, at revision 9, and the watch begins. */
static void know_two(talk *t, size_t step)
{
    start(t, step);
    expect_call(t, 0, "/v3/kv/range");
    put_text(t, "{\"header\":{\"revision\":\"9\"},\"kvs\":[");
    put_kv(t, A, "1.1.1.1:1", 3);
    put_text(t, ",");
    put_kv(t, B, "2.2.2.2:2", 4);
    put_text(t, "]}");
    reply(t, 200);
    expect(t, CHAT__ETCD_MEMBER_IS, A);
    assert_string_equal(t->event.member->address, "1.1.1.1:1");
    assert_string_equal(t->event.member->name, "n");
    assert_string_equal(t->event.member->roles, "all");
    assert_int_equal(t->event.member->n_numbers, 2);
    assert_int_equal(t->event.member->numbers[1], 5);
    expect(t, CHAT__ETCD_MEMBER_IS, B);
    expect(t, CHAT__ETCD_MEMBERS_KNOWN, NULL);
    expect_nothing(t);
    expect_call(t, 0, "/v3/watch");
    assert_non_null(memmem(t->call.body.data, t->call.body.len, "\"start_revision\":\"10\"", 21));
}

static void changes_are_told_however_the_bytes_come(void **state)
{
    talk t;
    (void)state;
    for (size_t step = 0; step < 60; step += step < 3 ? 1 : 17) {
        know_two(&t, step);
        put_text(&t, "{\"result\":{\"header\":{\"revision\":\"9\"},\"created\":true}}");
        feed(&t);
        expect_nothing(&t);
        put_text(&t, "{\"result\":{\"header\":{\"revision\":\"12\"},\"events\":[{\"kv\":");
        put_kv(&t, C, "3.3.3.3:3", 10);
        put_text(&t, "},{\"type\":\"DELETE\",\"kv\":");
        put_kv(&t, A, NULL, 11);
        put_text(&t, "},{\"kv\":");
        put_kv(&t, B, "2.2.2.2:9", 12);
        put_text(&t, "}]}}");
        feed(&t);
        expect(&t, CHAT__ETCD_MEMBER_LEFT, A);
        expect(&t, CHAT__ETCD_MEMBER_IS, C);
        expect(&t, CHAT__ETCD_MEMBER_IS, B);
        assert_string_equal(t.event.member->address, "2.2.2.2:9");
        expect_nothing(&t);
        chat__etcd_members_free(t.members);
    }
}

static void a_watch_that_ends_goes_on_from_where_it_was(void **state)
{
    talk t;
    (void)state;
    know_two(&t, 0);
    put_text(&t, "{\"result\":{\"header\":{\"revision\":\"20\"},\"events\":[{\"kv\":");
    put_kv(&t, C, "3.3.3.3:3", 15);
    put_text(&t, "}]}}");
    feed(&t);
    expect(&t, CHAT__ETCD_MEMBER_IS, C);
    reply(&t, 0);
    expect(&t, CHAT__ETCD_MEMBERS_TROUBLE, NULL);
    assert_non_null(strstr(t.event.why, "etcd http://one: refused. See --etcd"));
    assert_int_equal(chat__etcd_members_next_call(t.members, &t.call), CHAT_EMPTY);
    t.now_ms = chat__etcd_members_deadline(t.members);
    expect_call(&t, 1, "/v3/watch"); /* from the change on, not from the header */
    assert_non_null(memmem(t.call.body.data, t.call.body.len, "\"start_revision\":\"16\"", 21));
    reply(&t, 200);
    expect_nothing(&t); /* told once */
    chat__etcd_members_free(t.members);
}

static void all_are_read_again_when_changes_are_gone_or_a_watch_is_old(void **state)
{
    talk t;
    (void)state;
    for (int is_old = 0; is_old < 2; is_old++) {
        know_two(&t, 0);
        if (is_old) {
            t.now_ms = chat__etcd_members_deadline(t.members);
            assert_int_equal(t.now_ms, 60100);
        } else {
            put_text(&t, "{\"result\":{\"canceled\":true,\"compact_revision\":\"14\"}}");
            feed(&t);
        }
        expect_call(&t, 0, "/v3/kv/range");
        put_text(&t, "{\"header\":{\"revision\":\"30\"},\"kvs\":[");
        put_kv(&t, B, "2.2.2.2:2", 4);
        put_text(&t, ",");
        put_kv(&t, C, "3.3.3.3:3", 22);
        put_text(&t, "]}");
        reply(&t, 200);
        expect(&t, CHAT__ETCD_MEMBER_LEFT, A);
        expect(&t, CHAT__ETCD_MEMBER_IS, C);
        expect(&t, CHAT__ETCD_MEMBERS_KNOWN, NULL);
        expect_nothing(&t);
        chat__etcd_members_free(t.members);
    }
}

static void who_came_and_went_unseen_is_not_told(void **state)
{
    talk t;
    (void)state;
    know_two(&t, 0);
    put_text(&t, "{\"result\":{\"events\":[{\"kv\":");
    put_kv(&t, C, "3.3.3.3:3", 10);
    put_text(&t, "},{\"type\":\"DELETE\",\"kv\":");
    put_kv(&t, C, NULL, 11);
    put_text(&t, "},{\"kv\":");
    put_kv(&t, "short", "x", 12);
    put_text(&t, "}]}}");
    feed(&t);
    expect_nothing(&t);
    chat__etcd_members_free(t.members);
}

static void answers_that_are_none_are_trouble(void **state)
{
    static const char *const texts[] = {"<html>", "{}", "{\"error\":\"no leader\",\"code\":14}"};
    talk t;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        start(&t, 0);
        expect_call(&t, 0, "/v3/kv/range");
        put_text(&t, texts[i]);
        reply(&t, 200);
        expect(&t, CHAT__ETCD_MEMBERS_TROUBLE, NULL);
        t.now_ms = chat__etcd_members_deadline(t.members);
        expect_call(&t, 1, "/v3/kv/range");
        chat__etcd_members_free(t.members);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_told_however_the_bytes_come),
        cmocka_unit_test(a_watch_that_ends_goes_on_from_where_it_was),
        cmocka_unit_test(all_are_read_again_when_changes_are_gone_or_a_watch_is_old),
        cmocka_unit_test(who_came_and_went_unseen_is_not_told),
        cmocka_unit_test(answers_that_are_none_are_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
