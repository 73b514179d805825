/* SPDX-License-Identifier: MIT */
/* Who does not know the secret, is somebody else, or breaks the rules of a link. */
#include "base/bits.h"
#include "unit.h"
#include "trunk_rig.h"

#include <stdlib.h>

/* The other side hears why, as far as it can. */
static void expect_refusal(rig *r, chat_status here, chat_status there, const char *why)
{
    rig_side *at = &r->acceptor, *other = &r->dialer;
    assert_int_equal(rig_run(r), here);
    if (strstr(chat__trunk_hello_why(at->hello), why) == NULL) {
        at = &r->dialer;
        other = &r->acceptor;
    }
    assert_non_null(strstr(chat__trunk_hello_why(at->hello), why));
    assert_int_equal(rig_pull(r, at), CHAT_OK);
    at->out.len = at->out.len > 4096 ? 4096 : at->out.len;
    assert_int_equal(rig_feed(r, other, at->out.data, at->out.len), there);
    assert_false(chat__trunk_is_joined(at->trunk) || chat__trunk_is_joined(other->trunk));
    rig_close(r);
}

static void open_rig(rig *r)
{
    assert_int_equal(rig_open(r, NULL), CHAT_OK);
}

static void dial(rig *r)
{
    assert_int_equal(rig_dial(r), CHAT_OK);
}

static void refuses_another_secret(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    r.dialer.own.secret = chat__view_str("a secret of the clusteR");
    dial(&r);
    expect_refusal(&r, CHAT_ERR_AUTH, CHAT_ERR_AUTH, "link-secret-file");
    open_rig(&r);
    r.acceptor.own.secret = chat__view_str("");
    dial(&r);
    expect_refusal(&r, CHAT_ERR_AUTH, CHAT_ERR_AUTH, "link-secret-file");
}

static void refuses_another_cluster(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    r.dialer.own.cluster = chat__view_str("there");
    dial(&r);
    expect_refusal(&r, CHAT_ERR_ARG, CHAT_ERR_ARG, "link-cluster");
}

static void refuses_another_setup_and_says_both(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    r.dialer.own.setup = chat__view_str("shards=3 partitions=64");
    dial(&r);
    expect_refusal(&r, CHAT_ERR_ARG, CHAT_ERR_ARG,
                   "here shards=3 partitions=64, there shards=2 partitions=64");
}

static void refuses_another_member(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    r.dialer.own.peer = 7;
    dial(&r);
    expect_refusal(&r, CHAT_ERR_ARG, CHAT_ERR_ARG, "link-member");
    /* Nobody links with himself. */
    open_rig(&r);
    r.dialer.own.self = 1;
    dial(&r);
    expect_refusal(&r, CHAT_ERR_ARG, CHAT_ERR_ARG, "link-member");
}

static void driver_may_refuse_too(void **state)
{
    rig r;
    (void)state;
    open_rig(&r);
    dial(&r);
    assert_int_equal(rig_carry(&r, &r.dialer, &r.acceptor), CHAT_OK);
    assert_int_equal(rig_carry(&r, &r.acceptor, &r.dialer), CHAT_OK);
    assert_int_equal(chat__trunk_hello_refuse(r.acceptor.hello, CHAT__TRUNK_NO_IN_USE), CHAT_OK);
    assert_int_equal(rig_carry(&r, &r.acceptor, &r.dialer), CHAT_ERR_IN_USE);
    assert_non_null(strstr(chat__trunk_hello_why(r.dialer.hello), "link-member"));
    rig_close(&r);
}

/* Every bit of the greeting counts, or does no harm: no forged greeting joins with another member,
   process, or session than an honest one. */
static void forged_greetings_do_not_join(void **state)
{
    rig r;
    (void)state;
    srand(1);
    for (int i = 0; i < 3000; i++) {
        rig_side *from = i % 2 == 0 ? &r.dialer : &r.acceptor;
        rig_side *to = i % 2 == 0 ? &r.acceptor : &r.dialer;
        open_rig(&r);
        dial(&r);
        for (int turn = rand() % 3; turn > 0; turn--)
            (void)(rig_carry(&r, &r.dialer, &r.acceptor) == CHAT_OK &&
                   rig_carry(&r, &r.acceptor, &r.dialer) == CHAT_OK);
        if (from->hello != NULL && to->hello != NULL && rig_pull(&r, from) == CHAT_OK &&
            from->out.len > 0)
            from->out.data[(size_t)rand() % from->out.len] ^= (uint8_t)(1u << rand() % 8);
        (void)rig_run(&r);
        if (chat__trunk_is_joined(r.acceptor.trunk)) {
            assert_int_equal(r.acceptor.peer.member, 0);
            assert_int_equal(r.acceptor.peer.instance, 100);
            assert_int_equal(r.acceptor.peer.window_bytes, 65536);
        }
        rig_close(&r);
    }
}

/* The greeting of an earlier connection proves nothing: the random bytes are new. */
static void recorded_greetings_do_not_join(void **state)
{
    rig r;
    chat__buf first, second;
    chat__buf_init(&first, NULL, SIZE_MAX);
    chat__buf_init(&second, NULL, SIZE_MAX);
    (void)state;
    open_rig(&r);
    dial(&r);
    chat__buf *parts[] = {&first, &second, &second};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_pull(&r, &r.dialer), CHAT_OK);
        (void)chat__buf_append(parts[i], r.dialer.out.data, r.dialer.out.len);
        (void)rig_carry(&r, &r.dialer, &r.acceptor);
        (void)rig_carry(&r, &r.acceptor, &r.dialer);
    }
    assert_true(chat__trunk_is_joined(r.acceptor.trunk));
    dial(&r);
    assert_int_equal(rig_feed(&r, &r.acceptor, first.data, first.len), CHAT_OK);
    assert_int_equal(rig_feed(&r, &r.acceptor, second.data, second.len), CHAT_ERR_AUTH);
    assert_false(chat__trunk_is_joined(r.acceptor.trunk));
    chat__buf_done(&first);
    chat__buf_done(&second);
    rig_close(&r);
}

static void keeps_little_of_strangers(void **state)
{
    rig r;
    static uint8_t junk[65536];
    (void)state;
    open_rig(&r);
    dial(&r);
    memset(junk, 'a', sizeof junk);
    memcpy(junk, "GET /chat-link HTTP/1.1\r\nX: ", 28);
    assert_int_equal(rig_feed(&r, &r.acceptor, junk, sizeof junk), CHAT_ERR_PROTOCOL);
    rig_close(&r);
}

static void other_paths_get_an_answer(void **state)
{
    rig r;
    char request[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    (void)state;
    open_rig(&r);
    dial(&r);
    assert_int_equal(rig_feed(&r, &r.acceptor, (uint8_t *)request, sizeof request - 1),
                     CHAT_ERR_PROTOCOL);
    assert_int_equal(rig_pull(&r, &r.acceptor), CHAT_OK);
    assert_memory_equal(r.acceptor.out.data, "HTTP/1.1 404", 12);
    rig_close(&r);
}

/* --- behind the greeting --- */

static void join(rig *r)
{
    open_rig(r);
    dial(r);
    assert_int_equal(rig_run(r), CHAT_OK);
}

/* The acceptor says something that it must not. */
static chat_status forge(rig *r, chat__trunk_message message, chat_view records)
{
    chat__ws ws;
    chat__buf bytes;
    chat__ws_init(&ws, r->acceptor.pool, 0, 0);
    chat__buf_init(&bytes, NULL, SIZE_MAX);
    assert_int_equal(chat__trunk_write(&message, &bytes), CHAT_OK);
    assert_int_equal(chat__buf_append(&bytes, records.data, records.len), CHAT_OK);
    r->acceptor.out.len = 0;
    assert_int_equal(
        chat__ws_write(&ws, CHAT__WS_OP_BINARY, chat__buf_view(&bytes), &r->acceptor.out), CHAT_OK);
    chat__buf_done(&bytes);
    chat_status status = rig_feed(r, &r->dialer, r->acceptor.out.data, r->acceptor.out.len);
    r->acceptor.out.len = 0;
    return status;
}

static void breaking_the_rules_ends_the_connection(void **state)
{
    static const uint8_t record[] = {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    static const uint8_t torn[] = {9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    static const uint8_t endless[] = {0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 'x'};
    const struct {
        chat__trunk_message message;
        chat_view records;
        chat_status status;
    } rows[] = {
        {{.type = CHAT__TRUNK_DATA, .offset = 0}, {record, sizeof record}, CHAT_OK},
        {{.type = CHAT__TRUNK_DATA, .offset = 5}, {record, sizeof record}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_DATA, .offset = 0}, {record, 0}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_DATA, .offset = 0}, {record, 5}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_DATA, .offset = 0}, {torn, sizeof torn}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_DATA, .offset = 0}, {endless, sizeof endless}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_CREDIT, .offset = 0}, {NULL, 0}, CHAT_OK},
        {{.type = CHAT__TRUNK_CREDIT, .offset = 1}, {NULL, 0}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_CREDIT, .offset = 0}, {record, 1}, CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_RESUME, .session = 1, .window_bytes = 65536, .timeout_ms = 9000},
         {NULL, 0},
         CHAT_ERR_PROTOCOL},
        {{.type = CHAT__TRUNK_REFUSE, .refusal = CHAT__TRUNK_NO_GOING}, {NULL, 0}, CHAT_ERR_DRAIN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig r;
        join(&r);
        assert_int_equal(forge(&r, rows[i].message, rows[i].records), rows[i].status);
        assert_true(rows[i].status == CHAT_OK || chat__trunk_why(r.dialer.trunk)[0] != '\0');
        rig_close(&r);
    }
}

static void more_than_the_window_ends_the_connection(void **state)
{
    rig r;
    static uint8_t records[40000];
    chat__trunk_message message = {.type = CHAT__TRUNK_DATA, .offset = 0};
    (void)state;
    join(&r);
    chat__store32le(records, sizeof records - CHAT__TRUNK_RECORD_HEAD);
    assert_int_equal(forge(&r, message, chat__view(records, sizeof records)), CHAT_OK);
    message.offset = sizeof records;
    assert_int_equal(forge(&r, message, chat__view(records, sizeof records)), CHAT_ERR_PROTOCOL);
    rig_close(&r);
}

/* A peer with the secret that lies about the session costs its own session, and nothing else. */
static void lies_about_the_session_are_seen(void **state)
{
    rig r;
    (void)state;
    join(&r);
    assert_int_equal(rig_send(&r.acceptor, 0, 100), CHAT_OK);
    assert_int_equal(rig_run(&r), CHAT_OK);
    uint64_t session, received;
    chat__trunk_state(r.dialer.trunk, &session, &received);
    chat__trunk_peer lie = {1, 200, session, 1, 65536, 9000};
    assert_int_equal(chat__trunk_join(r.dialer.trunk, 1, &lie, 0, r.now_ms), CHAT_ERR_PROTOCOL);
    assert_false(chat__trunk_is_up(r.dialer.trunk));
    lie = (chat__trunk_peer){1, 200, 0, 0, 65536, 9000};
    assert_int_equal(chat__trunk_join(r.dialer.trunk, 1, &lie, 0, r.now_ms), CHAT_ERR_PROTOCOL);
    lie = (chat__trunk_peer){1, 200, 99, 7, 65536, 9000};
    assert_int_equal(chat__trunk_join(r.dialer.trunk, 1, &lie, 0, r.now_ms), CHAT_ERR_PROTOCOL);
    rig_close(&r);
}

static void answers_pings_of_a_proxy(void **state)
{
    rig r;
    chat__ws ws;
    (void)state;
    join(&r);
    chat__ws_init(&ws, r.acceptor.pool, 0, 0);
    assert_int_equal(chat__ws_write(&ws, CHAT__WS_OP_PING, chat__view_str("you?"), &r.acceptor.out),
                     CHAT_OK);
    assert_int_equal(rig_feed(&r, &r.dialer, r.acceptor.out.data, r.acceptor.out.len), CHAT_OK);
    assert_int_equal(rig_pull(&r, &r.dialer), CHAT_OK);
    assert_int_equal(r.dialer.out.data[0], 0x80 | CHAT__WS_OP_PONG);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_another_secret),
        cmocka_unit_test(refuses_another_cluster),
        cmocka_unit_test(refuses_another_setup_and_says_both),
        cmocka_unit_test(refuses_another_member),
        cmocka_unit_test(driver_may_refuse_too),
        cmocka_unit_test(forged_greetings_do_not_join),
        cmocka_unit_test(recorded_greetings_do_not_join),
        cmocka_unit_test(keeps_little_of_strangers),
        cmocka_unit_test(other_paths_get_an_answer),
        cmocka_unit_test(breaking_the_rules_ends_the_connection),
        cmocka_unit_test(more_than_the_window_ends_the_connection),
        cmocka_unit_test(lies_about_the_session_are_seen),
        cmocka_unit_test(answers_pings_of_a_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
