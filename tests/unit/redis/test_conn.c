/* SPDX-License-Identifier: MIT */
#include "backends/redis/conn.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define INFO_COMMAND "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"
#define GET_COMMAND  "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define INFO_REPLY   "$44\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\r\n"

/* A server that is told what to say. */
typedef struct peer {
    chat__redis_conn_options options;
    chat__redis_conn *conn;
    chat__redis_conn_event event;
    uint64_t now_ms;
    size_t step; /* bytes fed at a time, 0: all */
} peer;

static void prepare(peer *p)
{
    memset(p, 0, sizeof *p);
    chat__redis_conn_options_init(&p->options);
    p->options.max_in_flight = 4;
    p->options.max_unsent_bytes = 4096;
    p->options.max_reply_bytes = 4096;
    p->options.seed = 1;
    p->now_ms = 1000;
}

static void make(peer *p)
{
    assert_int_equal(chat__redis_conn_new(&p->options, &p->conn), CHAT_OK);
}

static void dial(peer *p)
{
    assert_true(chat__redis_conn_may_dial(p->conn, p->now_ms));
    chat__redis_conn_dialling(p->conn, p->now_ms);
    chat__redis_conn_opened(p->conn, p->now_ms);
}

static void sends(peer *p, const char *text)
{
    chat_view out = chat__redis_conn_unsent(p->conn);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    chat__redis_conn_sent(p->conn, out.len);
}

static chat_status event(peer *p)
{
    return chat__redis_conn_next_event(p->conn, p->now_ms, &p->event);
}

static void expect(peer *p, chat__redis_conn_event_type type)
{
    assert_int_equal(event(p), CHAT_OK);
    assert_int_equal(p->event.type, type);
}

static void says(peer *p, const char *text)
{
    size_t len = strlen(text), step = p->step > 0 ? p->step : len;
    for (size_t i = 0; i < len; i += step) {
        size_t n = len - i < step ? len - i : step;
        chat__redis_conn_feed(p->conn, chat__view(text + i, n));
        if (i + n < len)
            assert_int_equal(event(p), CHAT_EMPTY);
    }
}

static chat_status say(peer *p, uint64_t ticket)
{
    return chat__redis_conn_say(p->conn, ticket, chat__view_str(GET_COMMAND), p->now_ms);
}

static void open_it(peer *p)
{
    prepare(p);
    make(p);
    dial(p);
    sends(p, INFO_COMMAND);
    says(p, INFO_REPLY);
    expect(p, CHAT__REDIS_CONN_READY);
}

static void it_logs_in_selects_and_asks_for_the_role(void **state)
{
    peer p;
    (void)state;
    for (size_t step = 0; step < 3; step++) {
        prepare(&p);
        p.step = step;
        p.options.user = "chat";
        p.options.password = "secret";
        p.options.database = 3;
        p.options.must_be_primary = 1;
        make(&p);
        dial(&p);
        sends(&p, "*3\r\n$4\r\nAUTH\r\n$4\r\nchat\r\n$6\r\nsecret\r\n" INFO_COMMAND
                  "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$4\r\nROLE\r\n");
        assert_int_equal(say(&p, 1), CHAT_ERR_STATE);
        says(&p, "+OK\r\n" INFO_REPLY "+OK\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
        expect(&p, CHAT__REDIS_CONN_READY);
        assert_int_equal(event(&p), CHAT_EMPTY);
        chat__redis_conn_free(p.conn);
    }
}

static void replies_come_to_their_tickets_in_order(void **state)
{
    peer p;
    (void)state;
    open_it(&p);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(say(&p, 10 + i), CHAT_OK);
    assert_int_equal(say(&p, 14), CHAT_ERR_BUSY);
    sends(&p, GET_COMMAND GET_COMMAND GET_COMMAND GET_COMMAND);
    says(&p, ":0\r\n:1\r\n-ERR 2\r\n:3\r\n");
    for (uint64_t i = 0; i < 4; i++) {
        expect(&p, CHAT__REDIS_CONN_REPLY);
        assert_int_equal(p.event.ticket, 10 + i);
        assert_int_equal(p.event.reply.values[0].type,
                         i == 2 ? CHAT__REDIS_ERROR : CHAT__REDIS_INTEGER);
    }
    assert_int_equal(event(&p), CHAT_EMPTY);
    assert_int_equal(say(&p, 14), CHAT_OK);
    chat__redis_conn_free(p.conn);
}

static void what_is_unsent_has_a_limit(void **state)
{
    static char large[4097];
    peer p;
    (void)state;
    open_it(&p);
    assert_int_equal(chat__redis_conn_say(p.conn, 1, chat__view(large, sizeof large), p.now_ms),
                     CHAT_ERR_BUSY);
    assert_int_equal(chat__redis_conn_unsent(p.conn).len, 0);
    chat__redis_conn_free(p.conn);
}

static void all_that_waits_is_told_when_it_is_lost(void **state)
{
    peer p;
    (void)state;
    open_it(&p);
    (void)say(&p, 1);
    (void)say(&p, 2);
    says(&p, ":1\r\n$5\r\nab"); /* and half of the second */
    expect(&p, CHAT__REDIS_CONN_REPLY);
    chat__redis_conn_closed(p.conn, CHAT_ERR_CLOSED, "closed");
    assert_int_equal(chat__redis_conn_unsent(p.conn).len, 0);
    expect(&p, CHAT__REDIS_CONN_LOST);
    assert_int_equal(p.event.ticket, 2);
    assert_int_equal(p.event.status, CHAT_ERR_CLOSED);
    expect(&p, CHAT__REDIS_CONN_DOWN);
    assert_string_equal(p.event.why, "closed");
    assert_int_equal(event(&p), CHAT_EMPTY);
    /* The half is forgotten with the socket. */
    p.now_ms = chat__redis_conn_deadline(p.conn);
    dial(&p);
    says(&p, INFO_REPLY);
    expect(&p, CHAT__REDIS_CONN_READY);
    chat__redis_conn_free(p.conn);
}

static void a_late_reply_ends_it(void **state)
{
    peer p;
    (void)state;
    open_it(&p);
    assert_true(chat__redis_conn_deadline(p.conn) == UINT64_MAX);
    (void)say(&p, 1);
    p.now_ms += 500;
    (void)say(&p, 2);
    assert_int_equal(chat__redis_conn_deadline(p.conn), 1000 + 2000);
    says(&p, ":1\r\n");
    expect(&p, CHAT__REDIS_CONN_REPLY);
    assert_int_equal(chat__redis_conn_deadline(p.conn), 1500 + 2000);
    p.now_ms = 3499;
    chat__redis_conn_process(p.conn, p.now_ms);
    assert_int_equal(event(&p), CHAT_EMPTY);
    p.now_ms = 3500;
    chat__redis_conn_process(p.conn, p.now_ms);
    assert_int_equal(chat__redis_conn_get_state(p.conn), CHAT__REDIS_ENDING);
    expect(&p, CHAT__REDIS_CONN_LOST);
    assert_int_equal(p.event.status, CHAT_ERR_TIMEOUT);
    expect(&p, CHAT__REDIS_CONN_DOWN);
    assert_non_null(strstr(p.event.why, "`timeout_ms`"));
    chat__redis_conn_free(p.conn);
}

static void pauses_grow_have_jitter_and_begin_anew(void **state)
{
    uint64_t most[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000};
    uint64_t pauses[2] = {0, 0};
    peer p;
    (void)state;
    for (uint64_t seed = 0; seed < 2; seed++) {
        prepare(&p);
        p.options.seed = seed;
        make(&p);
        for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
            assert_true(chat__redis_conn_may_dial(p.conn, p.now_ms));
            chat__redis_conn_dialling(p.conn, p.now_ms);
            chat__redis_conn_closed(p.conn, CHAT_ERR_NETWORK, "refused");
            expect(&p, CHAT__REDIS_CONN_DOWN);
            uint64_t pause = chat__redis_conn_deadline(p.conn) - p.now_ms;
            assert_in_range(pause, most[i] / 2, most[i]);
            assert_false(chat__redis_conn_may_dial(p.conn, p.now_ms + pause - 1));
            p.now_ms += pause;
            pauses[seed] += pause;
        }
        dial(&p);
        says(&p, INFO_REPLY);
        expect(&p, CHAT__REDIS_CONN_READY);
        chat__redis_conn_closed(p.conn, CHAT_ERR_CLOSED, "closed");
        expect(&p, CHAT__REDIS_CONN_DOWN);
        assert_in_range(chat__redis_conn_deadline(p.conn) - p.now_ms, 50, 100);
        chat__redis_conn_free(p.conn);
    }
    assert_true(pauses[0] != pauses[1]);
}

typedef struct wrong {
    const char *name, *says;
    chat__redis_kind kind;
    chat_status status;
    const char *words;
} wrong;

static const wrong WRONG[] = {
    {"no password", "-NOAUTH Authentication required.\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_AUTH,
     "set `password`"},
    {"wrong password", "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
     CHAT__REDIS_STANDALONE, CHAT_ERR_AUTH, "correct `user` and `password`"},
    {"password for none",
     "-ERR AUTH <password> called without any password configured for the "
     "default user.\r\n",
     CHAT__REDIS_STANDALONE, CHAT_ERR_AUTH, "leave `password` out"},
    {"an old server", "$21\r\nredis_version:5.0.14\r\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_VERSION,
     "Redis 5.0.14: too old: Redis 6 or newer is needed behind `servers`"},
    {"a cluster", "$18\r\nredis_mode:cluster\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_ARG,
     "set `mode` to cluster"},
    {"no cluster", "$21\r\nredis_mode:standalone\r\n", CHAT__REDIS_CLUSTER, CHAT_ERR_ARG,
     "set `mode` to standalone"},
    {"a sentinel", "$19\r\nredis_mode:sentinel\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_ARG,
     "set `mode` to sentinel"},
    {"no sentinel", "$21\r\nredis_mode:standalone\r\n", CHAT__REDIS_SENTINEL, CHAT_ERR_ARG,
     "set `mode` to standalone"},
    {"full", "-ERR max number of clients reached\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_BUSY,
     "maxclients"},
    {"a web server", "HTTP/1.1 400 Bad Request\r\n", CHAT__REDIS_STANDALONE, CHAT_ERR_PROTOCOL,
     "check `servers`"},
    {"an alert of TLS", "\x15\x03\x03", CHAT__REDIS_STANDALONE, CHAT_ERR_PROTOCOL, "`tls`"},
};

static void wrong_settings_name_the_option(void **state)
{
    peer p;
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        prepare(&p);
        p.options.kind = WRONG[i].kind;
        make(&p);
        dial(&p);
        says(&p, WRONG[i].says);
        expect(&p, CHAT__REDIS_CONN_DOWN);
        if (p.event.status != WRONG[i].status || strstr(p.event.why, WRONG[i].words) == NULL)
            fail_msg("%s: %d \"%s\"", WRONG[i].name, p.event.status, p.event.why);
        chat__redis_conn_free(p.conn);
    }
}

static void a_replica_is_no_primary_and_a_user_who_may_not_look_is_let_in(void **state)
{
    peer p;
    (void)state;
    prepare(&p);
    p.options.must_be_primary = 1;
    make(&p);
    dial(&p);
    says(&p, INFO_REPLY "*2\r\n$5\r\nslave\r\n$1\r\nx\r\n");
    expect(&p, CHAT__REDIS_CONN_DOWN);
    assert_int_equal(p.event.status, CHAT_ERR_STATE);
    p.now_ms += 200;
    dial(&p);
    says(&p, "-NOPERM no info for you\r\n*1\r\n$6\r\nmaster\r\n");
    expect(&p, CHAT__REDIS_CONN_READY);
    chat__redis_conn_free(p.conn);
}

static void a_reply_to_nothing_ends_it(void **state)
{
    peer p;
    (void)state;
    open_it(&p);
    says(&p, "+what\r\n");
    expect(&p, CHAT__REDIS_CONN_DOWN);
    assert_int_equal(p.event.status, CHAT_ERR_PROTOCOL);
    chat__redis_conn_free(p.conn);
}

static void options_that_cannot_be_are_refused(void **state)
{
    peer p;
    (void)state;
    prepare(&p);
    p.options.user = "only";
    assert_int_equal(chat__redis_conn_new(&p.options, &p.conn), CHAT_ERR_ARG);
    p.options.user = NULL;
    p.options.timeout_ms = 0;
    assert_int_equal(chat__redis_conn_new(&p.options, &p.conn), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_logs_in_selects_and_asks_for_the_role),
        cmocka_unit_test(replies_come_to_their_tickets_in_order),
        cmocka_unit_test(what_is_unsent_has_a_limit),
        cmocka_unit_test(all_that_waits_is_told_when_it_is_lost),
        cmocka_unit_test(a_late_reply_ends_it),
        cmocka_unit_test(pauses_grow_have_jitter_and_begin_anew),
        cmocka_unit_test(wrong_settings_name_the_option),
        cmocka_unit_test(a_replica_is_no_primary_and_a_user_who_may_not_look_is_let_in),
        cmocka_unit_test(a_reply_to_nothing_ends_it),
        cmocka_unit_test(options_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
