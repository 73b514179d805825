/* SPDX-License-Identifier: MIT */
/* A node beside one of a newer version, and beside one with another clock. */
#include "harness.h"

#define N_NODES 2

static world w;
static uint32_t other;
static char chat[16];        /* of alice, owned by this node */
static uint8_t linked[1024]; /* the last frame to the other node */
static size_t linked_len;

/* Run until nothing is left to do, keeping what goes to the other node. */
static void run_linked(void)
{
    chat__effect effect;
    linked_len = 0;
    while (chat__node_next_effect(w.node, &effect) == CHAT_OK) {
        if (effect.type == CHAT__EFFECT_LINK) {
            assert_true(effect.bytes.len <= sizeof linked);
            linked_len = effect.bytes.len;
            memcpy(linked, effect.bytes.data, linked_len);
        } else {
            run_effect(&w, &effect);
        }
    }
}

static int setup(void **state)
{
    chat__node_options options;
    (void)state;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.n_nodes = N_NODES;
    options.self = chat__node_of_user(chat__view_str("alice"), N_NODES);
    other = 1 - options.self;
    for (int i = 0; i == 0 || chat__node_of_chat(chat__view_str(chat), options.n_partitions,
                                                 N_NODES) != options.self;
         i++)
        snprintf(chat, sizeof chat, "g%d", i);
    w.group = chat;
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

static chat_status hand(const uint8_t *bytes, size_t len)
{
    chat_status status = chat__node_link(w.node, other, chat__view(bytes, len));
    run_linked();
    return status;
}

static chat_status hand_frame(const chat_frame *frame, const void *more, size_t more_len)
{
    uint8_t bytes[512];
    size_t len = 0;
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    if (more_len > 0) {
        assert_true(bytes[0] < 0xb7); /* room in the head of the map */
        bytes[0]++;
        memcpy(bytes + len, more, more_len);
    }
    return hand(bytes, len + more_len);
}

/* What a message to alice looks like, of the other node. */
static void make_push(chat_frame *push, uint64_t kind)
{
    static const chat_view users[1] = {{(const uint8_t *)"alice", 5}};
    chat_view_list list = {users, 1};
    chat_frame_init(push, CHAT_FRAME_PUSH);
    CHAT_FRAME_SET(push, KIND, kind, kind);
    CHAT_FRAME_SET(push, CHAT, chat, chat__view_str("dm:5:alice:bob"));
    CHAT_FRAME_SET(push, FROM, from, chat__view_str("bob"));
    CHAT_FRAME_SET(push, ID, id, 50);
    CHAT_FRAME_SET(push, SEQ, seq, 50);
    CHAT_FRAME_SET(push, PREV, prev, 0);
    CHAT_FRAME_SET(push, TS, ts, 1);
    CHAT_FRAME_SET(push, BODY, body, chat__view_str("hi"));
    CHAT_FRAME_SET(push, USERS, users, list);
}

static void rolling_upgrade_skips_fields_that_it_does_not_know(void **state)
{
    static const uint8_t more[] = {0x19, 0x01, 0x2c, 0xa1, 0x01, 0x82, 0xf6, 0x61, 'x'};
    chat_frame push;
    (void)state;
    make_push(&push, CHAT_FRAME_MSG);
    assert_int_equal(hand_frame(&push, more, sizeof more), CHAT_OK);
    assert_written(&w, 0, "\"body\":\"hi\"");
}

static void rolling_upgrade_skips_types_that_it_does_not_know(void **state)
{
    static const uint8_t unknown[] = {0xa2, 0x00, 0x18, 0xfa, 0x19, 0x01, 0x2c, 0x60};
    (void)state;
    assert_int_equal(hand(unknown, sizeof unknown), CHAT_OK);
    assert_string_equal(w.written[0], "");
    assert_int_equal(linked_len, 0);
}

static void rolling_upgrade_skips_records_that_it_does_not_know(void **state)
{
    chat_frame push;
    (void)state;
    make_push(&push, 119);
    assert_int_equal(hand_frame(&push, NULL, 0), CHAT_OK);
    assert_string_equal(w.written[0], "");
    make_push(&push, CHAT_FRAME_MSG);
    assert_int_equal(hand_frame(&push, NULL, 0), CHAT_OK);
    assert_written(&w, 0, "\"body\":\"hi\"");
}

/* Else the client of the newer node would wait for its answer. */
static void rolling_upgrade_answers_requests_that_it_does_not_know(void **state)
{
    chat_frame submit, answer;
    chat_decoder *decoder = NULL;
    (void)state;
    chat_frame_init(&submit, CHAT_FRAME_SUBMIT);
    CHAT_FRAME_SET(&submit, CONN, conn, 77);
    CHAT_FRAME_SET(&submit, NODE, node, other);
    CHAT_FRAME_SET(&submit, KIND, kind, 119);
    CHAT_FRAME_SET(&submit, FROM, from, chat__view_str("bob"));
    CHAT_FRAME_SET(&submit, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(&submit, R, r, 5);
    assert_int_equal(hand_frame(&submit, NULL, 0), CHAT_OK);
    assert_int_equal(chat_decoder_new(NULL, sizeof linked, &decoder), CHAT_OK);
    assert_int_equal(
        chat_frame_decode(decoder, CHAT_ENCODING_CBOR, chat__view(linked, linked_len), &answer),
        CHAT_OK);
    assert_int_equal(answer.type, CHAT_FRAME_ANSWER);
    assert_int_equal(answer.kind, CHAT_FRAME_ERROR);
    assert_int_equal(answer.conn, 77);
    assert_int_equal(answer.r, 5);
    assert_true(chat__view_equal(answer.code, chat__view_str("unsupported")));
    chat_decoder_free(decoder);
}

static void what_is_wrong_is_still_refused(void **state)
{
    static const uint8_t broken[] = {0xa2, 0x00, 0x18};
    chat_frame push;
    (void)state;
    assert_int_equal(hand(broken, sizeof broken), CHAT_ERR_SYNTAX);
    make_push(&push, CHAT_FRAME_SEND);
    assert_int_equal(hand_frame(&push, NULL, 0), CHAT_ERR_ARG);
    chat_frame_init(&push, CHAT_FRAME_PONG);
    assert_int_equal(hand_frame(&push, NULL, 0), CHAT_ERR_ARG);
}

/* --- clocks --- */

static void set_clock(uint64_t unix_ms)
{
    chat__node_begin(w.node, ++w.now_ms, unix_ms);
    run(&w);
}

static void send_at(uint64_t unix_ms, const char *body)
{
    char json[256];
    snprintf(json, sizeof json, "{\"t\":\"send\",\"chat\":\"%s\",\"cid\":\"%s\",\"body\":\"%s\"}",
             chat, body, body);
    set_clock(unix_ms);
    w.written[0][0] = 0;
    chat__node_receive(w.node, w.conns[0], chat__view_str(json));
    run(&w);
}

/* Where `text` begins in what history shows; the rows are in the order of their `seq`. */
static size_t place_in_history(uint64_t unix_ms, const char *text)
{
    char json[128];
    snprintf(json, sizeof json, "{\"t\":\"history\",\"r\":1,\"chat\":\"%s\",\"after\":\"0\"}",
             chat);
    set_clock(unix_ms);
    w.written[0][0] = 0;
    chat__node_receive(w.node, w.conns[0], chat__view_str(json));
    run(&w);
    const char *at = strstr(w.written[0], text);
    assert_non_null(at);
    return (size_t)(at - w.written[0]);
}

#define DAY UINT64_C(86400000)

/* The clock goes a day ahead and comes back: nothing that was sent changes its place, and ids are
   never given twice: until the clock is there again, nothing new is taken, with a time to wait. */
static void no_wall_clock(void **state)
{
    uint64_t now = CHAT_EPOCH_MS + 10 * DAY;
    (void)state;
    send_at(now, "first");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_at(now + DAY, "second");
    assert_written(&w, 0, "\"t\":\"sent\"");
    send_at(now, "refused");
    assert_written(&w, 0, "\"code\":\"clock\"");
    assert_written(&w, 0, "retry_after_ms");
    for (int i = 0; i < 3; i++) {
        uint64_t at = now + (uint64_t)i * DAY - DAY;
        assert_true(place_in_history(at, "\"first\"") < place_in_history(at, "\"second\""));
    }
    send_at(now + DAY, "third");
    assert_written(&w, 0, "\"t\":\"sent\"");
    assert_true(place_in_history(now, "\"second\"") < place_in_history(now, "\"third\""));
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINK_TEST(rolling_upgrade_skips_fields_that_it_does_not_know),
        LINK_TEST(rolling_upgrade_skips_types_that_it_does_not_know),
        LINK_TEST(rolling_upgrade_skips_records_that_it_does_not_know),
        LINK_TEST(rolling_upgrade_answers_requests_that_it_does_not_know),
        LINK_TEST(what_is_wrong_is_still_refused),
        LINK_TEST(no_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
