/* SPDX-License-Identifier: MIT */
/* A node whose link to another one breaks: that one died, or cannot be reached for a while. */
#include "harness.h"

#define N_NODES 2

static world w;
static uint32_t other;
static char theirs[64]; /* direct chats of alice, owned by the other node and by this one */
static char ours[64];

static void choose_chat(uint32_t owner, uint32_t n_partitions, char *out, size_t cap)
{
    chat_direct_name name;
    int i = 0;
    do {
        char peer[16];
        snprintf(peer, sizeof peer, "bob%d", i++);
        assert_int_equal(chat_direct_id(chat__view_str("alice"), chat__view_str(peer), &name),
                         CHAT_OK);
    } while (chat__node_of_chat(chat__view(name.bytes, name.len), n_partitions, N_NODES) != owner);
    snprintf(out, cap, "%.*s", (int)name.len, (const char *)name.bytes);
}

static void init_options(chat__node_options *options)
{
    chat__node_options_init(options);
    options->n_nodes = N_NODES;
    options->self = chat__node_of_user(chat__view_str("alice"), N_NODES);
}

static int setup(void **state)
{
    chat__node_options options;
    (void)state;
    memset(&w, 0, sizeof w);
    init_options(&options);
    other = 1 - options.self;
    choose_chat(other, options.n_partitions, theirs, sizeof theirs);
    choose_chat(options.self, options.n_partitions, ours, sizeof ours);
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    pass_time(&w, 1000);
    join(&w, 0, "alice", "phone");
    w.written[0][0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void make_msg(chat_frame *msg, chat_frame_type type, const char *body)
{
    chat_frame_init(msg, type);
    CHAT_FRAME_SET(msg, CHAT, chat, chat__view_str(theirs));
    CHAT_FRAME_SET(msg, FROM, from, chat__view_str("bob"));
    CHAT_FRAME_SET(msg, ID, id, 50);
    CHAT_FRAME_SET(msg, TS, ts, 1);
    CHAT_FRAME_SET(msg, BODY, body, chat__view_str(body));
}

/* The other node appended it. */
static void store(const char *body)
{
    chat_frame msg;
    chat__effect effect = {.chat = chat__view_str(theirs)};
    uint8_t bytes[256];
    make_msg(&msg, CHAT_FRAME_MSG, body);
    assert_int_equal(
        chat_frame_encode(CHAT_ENCODING_CBOR, &msg, bytes, sizeof bytes, &effect.bytes.len),
        CHAT_OK);
    effect.bytes.data = bytes;
    keep_record(&w, &effect);
    w.n_told++;
}

/* And pushes it; the turn goes on. */
static void push(const char *body)
{
    static const chat_view users[1] = {{(const uint8_t *)"alice", 5}};
    chat_view_list list = {users, 1};
    const record *last = &w.records[w.n_records - 1];
    chat_frame frame;
    uint8_t bytes[256];
    size_t len = 0;
    make_msg(&frame, CHAT_FRAME_PUSH, body);
    CHAT_FRAME_SET(&frame, KIND, kind, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, SEQ, seq, last->seq);
    CHAT_FRAME_SET(&frame, PREV, prev, last->prev);
    CHAT_FRAME_SET(&frame, USERS, users, list);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    assert_int_equal(chat__node_link(w.node, other, chat__view(bytes, len)), CHAT_OK);
}

static void send(const char *chat, const char *cid)
{
    char json[256];
    snprintf(json, sizeof json, "{\"t\":\"send\",\"chat\":\"%s\",\"cid\":\"%s\",\"body\":\"x\"}",
             chat, cid);
    say(&w, 0, json);
}

static void what_a_link_carried_when_it_broke_is_read_back(void **state)
{
    (void)state;
    store("lost");
    pass_time(&w, 1);
    assert_not_written(&w, 0, "lost");
    assert_int_equal(chat__node_peer_lost(w.node, other), CHAT_OK);
    run(&w);
    assert_written(&w, 0, "lost");
    assert_not_written(&w, 0, "resumed");
}

static void what_comes_meanwhile_waits_behind_it(void **state)
{
    (void)state;
    store("lost");
    assert_int_equal(chat__node_peer_found(w.node, other), CHAT_OK);
    store("later");
    push("later");
    run(&w);
    assert_written(&w, 0, "lost");
    assert_written(&w, 0, "later");
    assert_true(strstr(w.written[0], "lost") < strstr(w.written[0], "later"));
}

static void what_is_durable_after_the_break_is_read_when_the_node_is_found(void **state)
{
    (void)state;
    assert_int_equal(chat__node_peer_lost(w.node, other), CHAT_OK);
    run(&w);
    store("lost");
    assert_int_equal(chat__node_peer_found(w.node, other), CHAT_OK);
    run(&w);
    assert_written(&w, 0, "lost");
}

static void a_device_that_says_hello_meanwhile_misses_nothing(void **state)
{
    (void)state;
    open_conn(&w, 1, "alice");
    chat__node_receive(w.node, w.conns[1], chat__view_str("{\"t\":\"hello\",\"device\":\"pad\"}"));
    assert_int_equal(chat__node_peer_lost(w.node, other), CHAT_OK);
    chat__effect effect;
    while (chat__node_next_effect(w.node, &effect) == CHAT_OK) {
        run_effect(&w, &effect);
        if (effect.type == CHAT__EFFECT_LOAD_USER && w.n_records == 0)
            store("lost"); /* durable behind the answer to hello */
    }
    run(&w);
    assert_written(&w, 1, "lost");
    assert_written(&w, 0, "lost");
}

static void who_waits_for_an_answer_connects_again(void **state)
{
    (void)state;
    join(&w, 1, "alice", "pad");
    send(theirs, "c1");
    assert_int_equal(w.closed[0], CHAT_OK);
    assert_int_equal(chat__node_peer_lost(w.node, other), CHAT_OK);
    run(&w);
    assert_int_equal(w.closed[0], CHAT_ERR_BUSY);
    assert_int_equal(w.closed[1], CHAT_OK);
    assert_true(chat__node_is_idle(w.node));
}

static void who_asks_meanwhile_is_refused_for_now(void **state)
{
    (void)state;
    assert_int_equal(chat__node_peer_lost(w.node, other), CHAT_OK);
    send(theirs, "c1");
    assert_written(&w, 0, "\"code\":\"busy\"");
    assert_written(&w, 0, "\"retry_after_ms\":");
    say(&w, 0, "{\"t\":\"presence.get\",\"r\":7,\"users\":[\"bob\"]}");
    assert_written(&w, 0, "\"r\":7,\"user\":\"bob\",\"code\":\"timeout\",\"online\":false");
    send(ours, "c2");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_int_equal(chat__node_peer_found(w.node, other), CHAT_OK);
    send(theirs, "c3");
    assert_not_written(&w, 0, "busy");
    assert_false(chat__node_is_idle(w.node));
}

static void blocks_may_have_changed_and_are_asked_for_again(void **state)
{
    (void)state;
    send(ours, "c1");
    send(ours, "c2");
    size_t n_chats = w.n_chat_loads, n_blocks = w.n_block_loads;
    assert_int_equal(chat__node_peer_found(w.node, other), CHAT_OK);
    send(ours, "c3");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_int_equal(w.n_chat_loads, n_chats + 1);
    assert_int_equal(w.n_block_loads, n_blocks + 1);
}

/* What an answer names must be nobody's after a restart. */
static void a_node_started_anew_gives_other_numbers_to_connections(void **state)
{
    chat__node_options options;
    chat__node *node = NULL;
    chat__conn conn = 0;
    (void)state;
    init_options(&options);
    options.seed[0] = 7;
    assert_int_equal(chat__node_new(&options, &node), CHAT_OK);
    assert_int_equal(
        chat__node_open(node, chat__view_str("alice"), CHAT_ENCODING_CBOR, UINT64_MAX, &conn),
        CHAT_OK);
    assert_true(conn != w.conns[0]);
    chat__node_free(node);
}

static void there_is_no_link_to_oneself_or_to_nobody(void **state)
{
    (void)state;
    assert_int_equal(chat__node_peer_lost(w.node, 1 - other), CHAT_ERR_ARG);
    assert_int_equal(chat__node_peer_found(w.node, N_NODES), CHAT_ERR_ARG);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_a_link_carried_when_it_broke_is_read_back),
        TEST(what_comes_meanwhile_waits_behind_it),
        TEST(what_is_durable_after_the_break_is_read_when_the_node_is_found),
        TEST(a_device_that_says_hello_meanwhile_misses_nothing),
        TEST(who_waits_for_an_answer_connects_again),
        TEST(who_asks_meanwhile_is_refused_for_now),
        TEST(blocks_may_have_changed_and_are_asked_for_again),
        TEST(a_node_started_anew_gives_other_numbers_to_connections),
        TEST(there_is_no_link_to_oneself_or_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
