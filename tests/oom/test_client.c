/* SPDX-License-Identifier: MIT */
/*
 * The client's machine, with a server that answers at once and memory that runs out at any
 * allocation: what was given to the outbox is sent, what the server pushes is seen once, and a
 * request gets its answer, however often the connection is made again meanwhile.
 */
#include "oom.h"

#include "client/rig.h"

#define N_STEPS        60
#define N_STEPS_IN_OOM 10

typedef struct talk {
    struct rig rig;
    int n_connects; /* that the server has seen */
    int is_welcomed;
    int is_pushed; /* on this connection */
    int is_acked;
    uint64_t r;
    int n_sent;
    int n_messages;
    int n_results;
} talk;

static void make(talk *it, oom_memory *memory)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__client_options options = rig_options();
    memset(it, 0, sizeof *it);
    it->rig.now_ms = T0;
    options.allocator = &allocator;
    options.agent = chat__view_str("app/1");
    chat_status status = chat__client_new(&options, &it->rig.client);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(it->rig.client);
        oom_recover(memory);
        assert_int_equal(chat__client_new(&options, &it->rig.client), CHAT_OK);
    }
}

/* Into the outbox once; without memory it is not in, and may be put in again. */
static void put_message(talk *it, oom_memory *memory)
{
    chat__client *client = it->rig.client;
    chat_view body = chat__view_str("hi");
    chat_view cid = chat__view_str("c1");
    chat_status status = client_send(client, &ROOM, body, cid, NULL);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_int_equal(chat__client_outbox_count(client), 0);
        oom_recover(memory);
        assert_int_equal(client_send(client, &ROOM, body, cid, NULL), CHAT_OK);
    }
    assert_int_equal(chat__client_outbox_count(client), 1);
}

static void put_request(talk *it, oom_memory *memory)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_CHATS);
    chat_status status = chat__client_request(it->rig.client, &frame, &it->r);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(chat__client_request(it->rig.client, &frame, &it->r), CHAT_OK);
    }
}

static void read_events(talk *it)
{
    const chat_event *event;
    while (chat__client_next_event(it->rig.client, &event) == CHAT_OK) {
        assert_int_not_equal(event->type, CHAT_EVENT_FAILED);
        it->n_sent += event->type == CHAT_EVENT_SENT;
        it->n_messages += event->type == CHAT_EVENT_MESSAGE;
        /* A request that its connection outlived may fail; it may not stay open. */
        if (event->type == CHAT_EVENT_RESULT || event->type == CHAT_EVENT_ERROR)
            it->n_results += event->frame->r == it->r;
    }
}

static void hear(talk *it, const char *json)
{
    chat__client_receive(it->rig.client, chat__view_str(json));
    read_events(it);
}

/* What a server does with what was written to it. */
static void serve(talk *it)
{
    const char *out = rig_written(&it->rig);
    char result[64];
    if (strstr(out, "\"t\":\"hello\"") != NULL) {
        hear(it, "{\"t\":\"welcome\",\"user\":\"alice\",\"device\":\"phone\","
                 "\"heartbeat_ms\":30000,\"max_body_bytes\":1000}");
        it->is_welcomed = 1;
    }
    if (strstr(out, "\"t\":\"ack\"") != NULL)
        it->is_acked = 1;
    if (strstr(out, "\"t\":\"send\"") != NULL)
        hear(it, "{\"t\":\"sent\",\"cid\":\"c1\",\"chat\":\"room\",\"id\":\"5\",\"seq\":\"5\","
                 "\"ts\":1}");
    if (strstr(out, "\"t\":\"chats\"") != NULL) {
        snprintf(result, sizeof result, "{\"t\":\"result\",\"r\":%d,\"count\":0}", (int)it->r);
        hear(it, result);
    }
    if (it->is_welcomed && !it->is_acked && !it->is_pushed) {
        hear(it, "{\"t\":\"msg\",\"chat\":\"room\",\"from\":\"bob\",\"id\":\"7\",\"seq\":\"7\","
                 "\"prev\":\"5\",\"ts\":1,\"body\":\"ho\"}");
        it->is_pushed = 1;
    }
}

static void step(talk *it)
{
    int is_waiting = chat__client_state(it->rig.client) == CHAT_CLIENT_WAITING;
    rig_turn(&it->rig, is_waiting ? 40000 : 20);
    if (it->rig.n_connects > it->n_connects) {
        it->n_connects = it->rig.n_connects;
        it->is_welcomed = 0;
        it->is_pushed = 0;
        chat__client_opened(it->rig.client);
        rig_turn(&it->rig, 1);
    }
    read_events(it);
    serve(it);
}

static void converse(oom_memory *memory, void *ctx)
{
    static talk it;
    (void)ctx;
    make(&it, memory);
    put_message(&it, memory);
    put_request(&it, memory);
    for (int i = 0; i < N_STEPS; i++) {
        if (i == N_STEPS_IN_OOM)
            oom_recover(memory);
        step(&it);
    }
    if (it.n_sent != 1 || it.n_messages != 1 || it.n_results != 1 || !it.is_acked)
        fail_msg("run %zu: sent %d, messages %d, results %d, acked %d, connects %d", memory->n_run,
                 it.n_sent, it.n_messages, it.n_results, it.is_acked, it.n_connects);
    assert_int_equal(chat__client_outbox_count(it.rig.client), 0);
    chat__client_free(it.rig.client);
}

static void conversing(void **state)
{
    (void)state;
    assert_true(oom_loop(converse, NULL) >= 20);
}

static void give_up(oom_memory *memory, void *ctx)
{
    static talk it;
    (void)ctx;
    make(&it, memory);
    put_message(&it, memory);
    put_request(&it, memory);
    chat__client_close(it.rig.client);
    rig_turn(&it.rig, 10);
    read_events(&it);
    chat__client_free(it.rig.client);
    chat__client_free(NULL);
}

static void giving_up_with_a_full_outbox(void **state)
{
    (void)state;
    assert_true(oom_loop(give_up, NULL) >= 4);
}

static void come_online(talk *it, oom_memory *memory)
{
    static const char welcome[] = "{\"t\":\"welcome\",\"user\":\"alice\",\"device\":\"phone\","
                                  "\"heartbeat_ms\":30000,\"max_body_bytes\":1000}";
    for (int i = 0; i < 2 && chat__client_state(it->rig.client) != CHAT_CLIENT_ONLINE; i++) {
        if (i > 0)
            oom_recover(memory);
        rig_turn(&it->rig, 60000);
        chat__client_opened(it->rig.client);
        rig_turn(&it->rig, 1);
        hear(it, welcome);
    }
    assert_int_equal(chat__client_state(it->rig.client), CHAT_CLIENT_ONLINE);
    (void)rig_written(&it->rig);
}

/* A gap is filled, or told, or the connection is given up and the server tells again: it is never
   passed over. */
static void repair(oom_memory *memory, void *ctx)
{
    static talk it;
    const chat_event *event = NULL;
    (void)ctx;
    make(&it, memory);
    come_online(&it, memory);
    hear(&it, "{\"t\":\"gap\",\"chat\":\"room\",\"after\":\"1\",\"before\":\"3\"}");
    chat__client_receive(it.rig.client, chat__view_str("{\"t\":\"resumed\",\"state\":\"gap\","
                                                       "\"count\":0}"));
    if (chat__client_next_event(it.rig.client, &event) == CHAT_OK &&
        event->type == CHAT_EVENT_RESUMED) {
        assert_true(memory->n_failed > 0);
        assert_true(chat__view_equal(event->frame->state, chat__view_str("gap")));
    } else if (chat__client_state(it.rig.client) == CHAT_CLIENT_ONLINE) {
        oom_recover(memory);
        rig_turn(&it.rig, 1);
        assert_non_null(strstr(rig_written(&it.rig), "\"t\":\"history\""));
        hear(&it, "{\"t\":\"msg\",\"r\":1,\"chat\":\"room\",\"from\":\"bob\",\"id\":\"2\","
                  "\"seq\":\"2\",\"prev\":\"1\",\"ts\":1,\"body\":\"m\"}");
        assert_int_equal(it.n_messages, 1);
        chat__client_receive(it.rig.client,
                             chat__view_str("{\"t\":\"result\",\"r\":1,\"count\":1}"));
        assert_int_equal(chat__client_next_event(it.rig.client, &event), CHAT_OK);
        assert_int_equal(event->type, CHAT_EVENT_RESUMED);
    }
    chat__client_free(it.rig.client);
}

static void filling_a_gap(void **state)
{
    (void)state;
    assert_true(oom_loop(repair, NULL) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversing),
        cmocka_unit_test(giving_up_with_a_full_outbox),
        cmocka_unit_test(filling_a_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
