/* SPDX-License-Identifier: MIT */
/* Where a message is, who is told, and what. */
#include "harness.h"

#define WHY "{\"t\":\"why\",\"r\":9,\"to\":\"%s\",\"id\":\"%llu\"%s}"

static uint64_t sent_id(const world *w, int i)
{
    const char *at = strstr(w->written[i], "\"id\":\"");
    assert_non_null(at);
    return strtoull(at + 6, NULL, 10);
}

/* One message of alice to bob; the world has ids as seqs, as a server has. */
static uint64_t start(world *w, int is_bob_there)
{
    world_init(w);
    w->has_ids_as_seqs = 1;
    join(w, 0, "alice", "phone");
    if (is_bob_there)
        join(w, 1, "bob", "laptop");
    say(w, 0, "{\"t\":\"send\",\"cid\":\"1\",\"to\":\"bob\",\"body\":\"x\"}");
    return sent_id(w, 0);
}

static void ask(world *w, int i, const char *to, uint64_t id, const char *more)
{
    char frame[256];
    snprintf(frame, sizeof frame, WHY, to, (unsigned long long)id, more);
    say(w, i, frame);
}

static void the_author_is_told_of_every_device(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    ask(&w, 0, "bob", id, "");
    assert_written(&w, 0, "\"state\":\"accepted\"");
    assert_written(&w, 0, "\"state\":\"durable\"");
    assert_written(&w, 0, "\"device\":\"laptop\",\"state\":\"pushed\"");
    assert_written(&w, 0, "\"device\":\"laptop\",\"state\":\"acked\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":5");
    world_done(&w);
}

static void who_is_away_has_it_in_the_queue(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 0);
    ask(&w, 0, "bob", id, "");
    assert_written(&w, 0, "\"user\":\"bob\",\"state\":\"queued\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":4");
    world_done(&w);
}

static void a_device_is_asked_about_alone(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    ask(&w, 0, "bob", id, ",\"device\":\"laptop\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":1");
    ask(&w, 0, "bob", id, ",\"device\":\"watch\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":0");
    world_done(&w);
}

static void another_member_is_told_of_his_own_devices(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    join(&w, 2, "alice", "laptop");
    ask(&w, 1, "alice", id, "");
    assert_written(&w, 1, "\"device\":\"laptop\",\"state\":\"pushed\"");
    assert_not_written(&w, 1, "\"user\":\"alice\"");
    world_done(&w);
}

static void a_non_member_is_told_nothing(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    join(&w, 2, "mallory", "phone");
    char frame[256];
    snprintf(frame, sizeof frame,
             "{\"t\":\"why\",\"r\":9,\"chat\":\"dm:5:alice:bob\",\"id\":\"%llu\"}",
             (unsigned long long)id);
    say(&w, 2, frame);
    assert_written(&w, 2, "\"code\":\"forbidden\"");
    assert_not_written(&w, 2, "\"t\":\"trail\"");
    world_done(&w);
}

static void a_message_that_is_not_there_is_said(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    ask(&w, 0, "bob", id + 1, "");
    assert_written(&w, 0, "\"code\":\"not_found\"");
    ask(&w, 0, "bob", 0, "");
    assert_written(&w, 0, "\"t\":\"error\"");
    world_done(&w);
}

/* --- bob lives on another node, which is played by the test --- */

#define N_NODES 2u

typedef struct pair {
    world w;
    chat_frame ask; /* the question for the other node; type 0: none */
    uint32_t other;
    char chat[16];
} pair;

static void run_pair(pair *p)
{
    chat_decoder *decoder = NULL;
    chat_frame frame;
    chat__effect effect;
    assert_int_equal(CHAT_OK, chat_decoder_new(NULL, 4096, &decoder));
    do {
        while (chat__node_next_effect(p->w.node, &effect) == CHAT_OK) {
            run_effect(&p->w, &effect);
            if (effect.type != CHAT__EFFECT_LINK)
                continue;
            assert_int_equal(CHAT_OK,
                             chat_frame_decode(decoder, CHAT_ENCODING_CBOR, effect.bytes, &frame));
            if (frame.type == CHAT_FRAME_WHY_ASK)
                p->ask = frame; /* its numbers are used, not its texts */
        }
    } while (tell_one(&p->w));
    chat_decoder_free(decoder);
}

static void say_pair(pair *p, const char *json)
{
    p->w.written[0][0] = 0;
    chat__node_receive(p->w.node, p->w.conns[0], chat__view_str(json));
    run_pair(p);
}

/* alice asks where her message to a group with bob is. */
static void ask_over_nodes(pair *p)
{
    char frame[128];
    chat__node_options options;
    memset(p, 0, sizeof *p);
    chat__node_options_init(&options);
    options.n_nodes = N_NODES;
    options.self = chat__node_of_user(chat__view_str("alice"), N_NODES);
    p->other = chat__node_of_user(chat__view_str("bob"), N_NODES);
    assert_int_not_equal(options.self, p->other);
    for (int i = 0;
         p->chat[0] == 0 ||
         chat__node_of_chat(chat__view_str(p->chat), options.n_partitions, N_NODES) != options.self;
         i++)
        snprintf(p->chat, sizeof p->chat, "g%d", i);
    p->w.group = p->chat;
    p->w.has_ids_as_seqs = 1;
    assert_int_equal(CHAT_OK, chat__node_new(&options, &p->w.node));
    pass_time(&p->w, 1000);
    join(&p->w, 0, "alice", "phone");
    snprintf(frame, sizeof frame, "{\"t\":\"send\",\"cid\":\"1\",\"chat\":\"%s\",\"body\":\"x\"}",
             p->chat);
    say_pair(p, frame);
    snprintf(frame, sizeof frame, "{\"t\":\"why\",\"r\":9,\"chat\":\"%s\",\"id\":\"%llu\"}",
             p->chat, (unsigned long long)sent_id(&p->w, 0));
    say_pair(p, frame);
    assert_int_equal(CHAT_FRAME_WHY_ASK, p->ask.type);
    assert_written(&p->w, 0, "\"state\":\"durable\"");
    assert_not_written(&p->w, 0, "\"t\":\"result\"");
}

static void tell(pair *p, chat_frame *frame)
{
    uint8_t bytes[256];
    size_t len;
    CHAT_FRAME_SET(frame, CONN, conn, p->ask.conn);
    CHAT_FRAME_SET(frame, N, n, p->ask.n);
    assert_int_equal(CHAT_OK,
                     chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len));
    assert_int_equal(CHAT_OK, chat__node_link(p->w.node, p->other, chat__view(bytes, len)));
    run_pair(p);
}

static void tell_row(pair *p, const char *device, const char *state)
{
    chat_frame row;
    chat_frame_init(&row, CHAT_FRAME_WHY_ROW);
    CHAT_FRAME_SET(&row, USER, user, chat__view_str("bob"));
    CHAT_FRAME_SET(&row, DEVICE, device, chat__view_str(device));
    CHAT_FRAME_SET(&row, STATE, state, chat__view_str(state));
    CHAT_FRAME_SET(&row, TS, ts, CHAT_EPOCH_MS + 1);
    tell(p, &row);
}

static void tell_end(pair *p)
{
    chat_frame end;
    chat_frame_init(&end, CHAT_FRAME_PRESENCE_END);
    tell(p, &end);
}

static void another_node_tells_what_it_remembers(void **state)
{
    pair p;
    (void)state;
    ask_over_nodes(&p);
    tell_row(&p, "laptop", "pushed");
    assert_written(&p.w, 0, "\"device\":\"laptop\",\"state\":\"pushed\"");
    tell_end(&p);
    assert_written(&p.w, 0, "\"t\":\"result\",\"r\":9,\"count\":4");
    p.w.written[0][0] = 0;
    tell_row(&p, "laptop", "acked");
    tell_end(&p);
    assert_string_equal("", p.w.written[0]);
    world_done(&p.w);
}

static void a_node_that_is_silent_costs_a_row_behind_what_storage_knows(void **state)
{
    pair p;
    (void)state;
    ask_over_nodes(&p);
    for (int i = 0; i < 8; i++)
        pass_time(&p.w, 700);
    assert_written(&p.w, 0, "\"user\":\"bob\",\"state\":\"waiting\"");
    assert_written(&p.w, 0, "\"user\":\"bob\",\"state\":\"not_reached\"");
    assert_written(&p.w, 0, "\"t\":\"result\",\"r\":9,\"count\":4");
    tell_row(&p, "laptop", "pushed");
    tell_end(&p);
    assert_not_written(&p.w, 0, "laptop");
    world_done(&p.w);
}

static void a_node_that_is_lost_meanwhile_costs_a_row_at_once(void **state)
{
    pair p;
    (void)state;
    ask_over_nodes(&p);
    assert_int_equal(chat__node_peer_lost(p.w.node, p.other), CHAT_OK);
    run_pair(&p);
    assert_written(&p.w, 0, "\"user\":\"bob\",\"state\":\"not_reached\"");
    assert_written(&p.w, 0, "\"t\":\"result\",\"r\":9,\"count\":4");
    world_done(&p.w);
}

static void an_error_of_another_node_is_passed_on(void **state)
{
    pair p;
    chat_frame end;
    (void)state;
    ask_over_nodes(&p);
    chat_frame_init(&end, CHAT_FRAME_PRESENCE_END);
    CHAT_FRAME_SET(&end, CODE, code, chat__view_str(chat_status_wire(CHAT_ERR_NOMEM)));
    tell(&p, &end);
    assert_written(&p.w, 0, "\"t\":\"error\",\"r\":9,\"code\":\"no_memory\"");
    world_done(&p.w);
}

static void who_asked_may_be_gone_when_the_answer_comes(void **state)
{
    pair p;
    (void)state;
    ask_over_nodes(&p);
    chat__node_closed(p.w.node, p.w.conns[0]);
    run_pair(&p);
    tell_row(&p, "laptop", "pushed");
    tell_end(&p);
    assert_not_written(&p.w, 0, "laptop");
    world_done(&p.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_author_is_told_of_every_device),
        cmocka_unit_test(who_is_away_has_it_in_the_queue),
        cmocka_unit_test(a_device_is_asked_about_alone),
        cmocka_unit_test(another_member_is_told_of_his_own_devices),
        cmocka_unit_test(a_non_member_is_told_nothing),
        cmocka_unit_test(a_message_that_is_not_there_is_said),
        cmocka_unit_test(another_node_tells_what_it_remembers),
        cmocka_unit_test(a_node_that_is_silent_costs_a_row_behind_what_storage_knows),
        cmocka_unit_test(a_node_that_is_lost_meanwhile_costs_a_row_at_once),
        cmocka_unit_test(an_error_of_another_node_is_passed_on),
        cmocka_unit_test(who_asked_may_be_gone_when_the_answer_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
