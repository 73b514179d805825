/* SPDX-License-Identifier: MIT */
/*
 * A careless application and a server that lies, for as many seeds as the first argument says,
 * beginning with the second: any call in any state, any frame at any time. What must hold: no call
 * crashes or runs for ever, what is read can be read, what is sent is well-formed, a record is
 * given once and in order, a message ends at most once.
 */
#include "hostile.h"
#include "every_call.h"
#include "folder.h"

#include <stdlib.h>

#define N_STEPS    150
#define MAX_EVENTS 20000 /* in one turn: more is for ever */
#define N_CHATS    8

struct world {
    struct hostile server;
    chat_client *client;
    uint64_t number, now_ms, seed;
    unsigned n_said, n_ended;
    struct {
        char name[CHAT_CHAT_ID_MAX_BYTES + 1];
        uint64_t seq;
    } last[N_CHATS]; /* record given of each chat */
    char folder[128], path[160];
    uint64_t sum; /* of all bytes that were given */
};

static chat_client *open_client(struct world *w)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_client_options_init(&options);
    options.url = "ws://memory";
    options.device = "d";
    options.own_transport = 1;
    options.token_lead_ms = (uint32_t)hostile_random(&w->server, 2) * 1000;
    options.max_requests = 1 + (uint32_t)hostile_random(&w->server, 40);
    options.max_outbox_count = 1 + (uint32_t)hostile_random(&w->server, 100);
    options.max_chats = N_CHATS;
    options.cache_messages = 1 + (uint32_t)hostile_random(&w->server, 20);
    options.cache_total = 1 + (uint32_t)hostile_random(&w->server, 40);
    options.ignore_stream = hostile_random(&w->server, 10) == 0;
#ifdef HAS_CLIENT_STORE
    if (w->seed % 4 == 0)
        options.store_file = w->path;
#endif
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    return client;
}

/* --- what is given --- */

static void read_view(struct world *w, chat_view view)
{
    for (size_t i = 0; i < view.len; i++)
        w->sum += view.data[i];
}

static void read_frame(struct world *w, const chat_frame *given)
{
    chat_frame frame = *given;
    for (uint64_t has = frame.has; has != 0; has &= has - 1) {
        const chat__wire_field *field = &chat__wire_fields[__builtin_ctzll(has)];
        if (field->kind == CHAT__WIRE_IDS)
            for (size_t i = 0; i < chat__wire_list_at(&frame, field)->n_items; i++)
                read_view(w, chat__wire_list_at(&frame, field)->items[i]);
        else if (field->kind <= CHAT__WIRE_TEXT)
            read_view(w, *chat__wire_text_at(&frame, field));
    }
}

/* Each record behind the ones of its chat before it. */
static void expect_order(struct world *w, const chat_frame *record)
{
    if (!CHAT_FRAME_HAS(record, SEQ) || !CHAT_FRAME_HAS(record, CHAT) || record->seq == 0)
        return; /* no place: the client cannot know it again */
    for (int i = 0; i < N_CHATS; i++) {
        chat_view name = chat__view_str(w->last[i].name);
        if (name.len > 0 && !chat__view_equal(name, record->chat))
            continue;
        assert_true(name.len == 0 || record->seq > w->last[i].seq);
        snprintf(w->last[i].name, sizeof w->last[i].name, "%.*s", (int)record->chat.len,
                 (const char *)record->chat.data);
        w->last[i].seq = record->seq;
        return;
    }
}

static void look_at(struct world *w, const chat_event *event)
{
    assert_int_equal(event->struct_size, sizeof *event);
    assert_in_range(event->state, CHAT_CLIENT_WAITING, CHAT_CLIENT_CLOSED);
    read_view(w, event->text);
    if (event->frame != NULL)
        read_frame(w, event->frame);
    if (event->type >= CHAT_EVENT_MESSAGE && event->type <= CHAT_EVENT_BLOCKED)
        assert_non_null(event->frame);
    if (event->type == CHAT_EVENT_MESSAGE || event->type == CHAT_EVENT_CHAT ||
        event->type == CHAT_EVENT_CHANGE || event->type == CHAT_EVENT_NOTE)
        expect_order(w, event->frame);
    w->n_ended += event->type == CHAT_EVENT_SENT || event->type == CHAT_EVENT_FAILED;
    assert_true(w->n_ended <= w->n_said);
}

/* --- what the application does --- */

static void say(struct world *w)
{
    static const char *const chats[] = {"room", "dm:5:alice:bob", "other"};
    chat_target target = {{NULL, 0}, {NULL, 0}};
    if (hostile_random(&w->server, 3) == 0)
        target.to = chat__view_str("bob");
    else
        target.chat = chat__view_str(chats[hostile_random(&w->server, 3)]);
    w->n_said += chat_client_send(w->client, &target, chat__view_str("hello"), NULL) == CHAT_OK;
}

static void ask_history(struct world *w)
{
    static const char *const chats[] = {"room", "dm:5:alice:bob", "other", "none"};
    chat_history_query query = {.struct_size = sizeof query};
    uint64_t r;
    query.target.chat = chat__view_str(chats[hostile_random(&w->server, 4)]);
    query.direction = (uint32_t)hostile_random(&w->server, 3);
    query.source = (uint32_t)hostile_random(&w->server, 3);
    query.limit = (uint32_t)hostile_random(&w->server, 5);
    query.seq = hostile_number(&w->server);
    (void)chat_client_history(w->client, &query, &r);
}

static void tend_outbox(struct world *w)
{
    chat_outbox_item item = {.struct_size = sizeof item};
    while (chat_client_outbox_next(w->client, item.number, &item) == CHAT_OK) {
        read_view(w, item.cid);
        read_view(w, item.body);
        chat_client_cid cid;
        snprintf(cid.text, sizeof cid.text, "%.*s", (int)item.cid.len, (const char *)item.cid.data);
        if (item.state != CHAT_OUTBOX_FAILED)
            continue;
        if (hostile_random(&w->server, 2) == 0)
            (void)chat_client_outbox_drop(w->client, chat__view_str(cid.text));
        else
            w->n_said += chat_client_outbox_retry(w->client, chat__view_str(cid.text)) == CHAT_OK;
    }
}

static void restart(struct world *w)
{
    w->n_said += (unsigned)chat_client_outbox_count(w->client); /* may end again */
    chat_client_free(w->client);
    hostile_hang_up(&w->server);
    w->number = 0;
    w->client = open_client(w);
    memset(w->last, 0, sizeof w->last);
}

static void call_something(struct world *w)
{
    switch (hostile_random(&w->server, 16)) {
    case 0:
        (void)chat_client_reconnect(w->client);
        break;
    case 1:
        ask_everything(w->client);
        break;
    case 2:
        (void)chat_client_set_token(w->client, "t");
        break;
    case 3:
        tend_outbox(w);
        break;
    case 4:
        if (hostile_random(&w->server, 10) == 0)
            (void)chat_client_close(w->client);
        break;
    case 5:
        if (hostile_random(&w->server, 4) == 0)
            restart(w);
        break;
    case 6:
    case 7:
        ask_history(w);
        break;
    case 8:
        (void)chat_client_transport_lost(w->client, w->number);
        break;
    default:
        say(w);
    }
}

/* --- a step --- */

static void follow(struct world *w)
{
    uint64_t wanted = chat_client_transport_wanted(w->client);
    if (wanted == w->number)
        return;
    hostile_hang_up(&w->server);
    w->number = wanted;
    if (wanted != 0 && hostile_random(&w->server, 10) != 0)
        assert_int_equal(chat_client_transport_opened(w->client, wanted), CHAT_OK);
}

static void carry(struct world *w)
{
    uint8_t bytes[4096];
    size_t n = 0, used = 0;
    size_t piece = 1 + (size_t)hostile_random(&w->server, sizeof bytes);
    while (chat_client_transport_take(w->client, w->number, bytes, piece, &n) == CHAT_OK)
        hostile_take(&w->server, bytes, n);
    for (uint64_t i = hostile_random(&w->server, 12); w->server.is_up && i > 0; i--)
        hostile_say_something(&w->server);
    n = w->server.tx.len < piece ? w->server.tx.len : piece;
    if (n > 0 &&
        chat_client_transport_feed(w->client, w->number, w->server.tx.data, n, &used) == CHAT_OK)
        chat__buf_consume(&w->server.tx, used);
}

static void step(struct world *w)
{
    const chat_event *event;
    unsigned n_events = 0;
    static const uint64_t jumps[] = {0, 1, 10, 1000, 40000, 100000};
    call_something(w);
    assert_true(chat_client_timeout(w->client, w->now_ms) >= -1);
    (void)chat_client_process(w->client, w->now_ms);
    while (chat_client_next_event(w->client, &event) == CHAT_OK) {
        assert_true(++n_events < MAX_EVENTS);
        look_at(w, event);
        if (hostile_random(&w->server, 50) == 0)
            call_something(w);
    }
    follow(w);
    carry(w);
    w->now_ms += jumps[hostile_random(&w->server, hostile_random(&w->server, 8) == 0 ? 6 : 3)];
}

static void live(uint64_t seed)
{
    static struct world w;
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.now_ms = 1000;
    hostile_init(&w.server, seed);
    folder_make(w.folder, sizeof w.folder);
    snprintf(w.path, sizeof w.path, "%s/store", w.folder);
    w.client = open_client(&w);
    for (int i = 0; i < N_STEPS; i++)
        step(&w);
    chat_client_free(w.client);
    hostile_done(&w.server);
    folder_remove(w.folder);
}

static uint64_t first_seed = 1, n_seeds = 40;

/* What was found so: a row of another chat in a page that fills a gap; a frame behind the end of
   its connection, and a row without a chat, of which memory was read that was freed. */
static void what_was_found_before(void **state)
{
    static const uint64_t seeds[] = {185, 5004, 5716};
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        live(seeds[i]);
}

static void any_call_and_any_frame_at_any_time(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        live(seed);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_before),
        cmocka_unit_test(any_call_and_any_frame_at_any_time),
    };
    if (argc > 1)
        n_seeds = strtoull(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
