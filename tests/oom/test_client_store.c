/* SPDX-License-Identifier: MIT */
/* A client with a file, with each of its allocations failing: what was taken is sent once, whatever
   else fails. SQLite has memory of its own. */
#include "oom.h"

#include "base/view.h"
#include "client/cache/cache.h"

#include <chat/client_store.h>
#include <stdio.h>
#include <unistd.h>

static char folder[64];
static char path[96];
static const chat_target BOB = {{NULL, 0}, {(const uint8_t *)"bob", 3}};

static chat_status make(oom_memory *memory, chat_client **out)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_client_options options;
    chat_client_options_init(&options);
    options.allocator = &allocator;
    options.url = "ws://memory";
    options.device = "d";
    options.own_transport = 1;
    options.store_file = path;
    return chat_client_new(&options, out);
}

static void make_for_sure(oom_memory *memory, chat_client **out)
{
    *out = NULL;
    chat_status status = make(memory, out);
    if (status == CHAT_OK)
        return;
    assert_int_equal(status, CHAT_ERR_NOMEM);
    assert_null(*out);
    oom_recover(memory);
    assert_int_equal(make(memory, out), CHAT_OK);
}

static void say(oom_memory *memory, chat_client *client)
{
    chat_client_cid cid;
    size_t before = chat_client_outbox_count(client);
    chat_status status = chat_client_send(client, &BOB, chat__view_str("hi"), &cid);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_int_equal(chat_client_outbox_count(client), before);
        oom_recover(memory);
        assert_int_equal(chat_client_send(client, &BOB, chat__view_str("hi"), &cid), CHAT_OK);
    }
}

static unsigned count_items(oom_memory *memory, chat_client *client)
{
    chat_outbox_item item = {.struct_size = sizeof item};
    uint64_t after = 0;
    unsigned count = 0;
    for (;;) {
        chat_status status = chat_client_outbox_next(client, after, &item);
        if (status == CHAT_EMPTY)
            return count;
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            oom_recover(memory);
            continue;
        }
        assert_true(chat__view_equal(item.body, chat__view_str("hi")));
        chat_outbox_item same = {.struct_size = sizeof same};
        status = chat_client_outbox_find(client, item.cid, &same);
        if (status == CHAT_ERR_NOMEM) {
            oom_recover(memory);
            continue;
        }
        assert_int_equal(status, CHAT_OK);
        assert_int_equal(same.number, item.number);
        after = same.number;
        count++;
    }
}

static void tend(oom_memory *memory, chat_client *client)
{
    static const chat_view none = {(const uint8_t *)"none", 4};
    chat_outbox_item item = {.struct_size = sizeof item};
    (void)memory;
    assert_int_equal(chat_client_outbox_find(client, none, &item), CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_retry(client, none), CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_drop(client, none), CHAT_ERR_NOT_FOUND);
}

/* Answered to its end, or refused: nothing in between. */
static void ask(oom_memory *memory, chat_client *client)
{
    const chat_event *event;
    uint64_t r = 0;
    int is_answered = 0;
    chat_status status = chat_client_chats(client, 0, &r);
    if (status == CHAT_ERR_NOMEM) {
        oom_recover(memory);
        status = chat_client_chats(client, 0, &r);
    }
    assert_int_equal(status, CHAT_OK);
    for (int i = 0; i < 2 && !is_answered; i++) {
        while (chat_client_next_event(client, &event) == CHAT_OK)
            is_answered |= event->type == CHAT_EVENT_RESULT && event->frame->r == r;
        if (!is_answered)
            oom_recover(memory);
    }
    assert_true(is_answered);
}

static void remove_file(void)
{
    char side[128];
    (void)unlink(path);
    snprintf(side, sizeof side, "%s-wal", path);
    (void)unlink(side);
}

static void over_a_restart(oom_memory *memory, void *ctx)
{
    chat_client *client;
    (void)ctx;
    remove_file();
    make_for_sure(memory, &client);
    say(memory, client);
    say(memory, client);
    tend(memory, client);
    ask(memory, client);
    chat_client_free(client);
    make_for_sure(memory, &client);
    assert_int_equal(chat_client_outbox_count(client), 2);
    assert_int_equal(count_items(memory, client), 2);
    chat_client_free(client);
}

static void every_allocation(void **state)
{
    (void)state;
    assert_true(oom_loop(over_a_restart, NULL) >= 20);
}

/* --- what is received --- */

static chat_frame record(uint64_t seq)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("room"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("bob"));
    CHAT_FRAME_SET(&frame, ID, id, seq);
    CHAT_FRAME_SET(&frame, SEQ, seq, seq);
    CHAT_FRAME_SET(&frame, PREV, prev, seq - 1);
    CHAT_FRAME_SET(&frame, TS, ts, seq);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("hi"));
    return frame;
}

static chat__cache *open_cache(oom_memory *memory)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__cache_options options = {.allocator = &allocator,
                                   .path = path,
                                   .device = chat__view_str("d"),
                                   .family = 1,
                                   .max_chat_records = 10,
                                   .max_records = 100};
    char why[CHAT__CACHE_WHY_BYTES];
    chat__cache *cache = NULL;
    chat_status status = chat__cache_open(&options, why, &cache);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(cache);
        oom_recover(memory);
        assert_int_equal(chat__cache_open(&options, why, &cache), CHAT_OK);
    }
    return cache;
}

/* What is not kept is told as a loss, and comes again; what is kept is there. */
static void receive(oom_memory *memory, void *ctx)
{
    chat__cache_query query = {chat__view_str("room"), CHAT_HISTORY_BEFORE, 1, INT64_MAX};
    chat_frame row;
    (void)ctx;
    remove_file();
    chat__cache *cache = open_cache(memory);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        chat_frame frame = record(seq);
        if (chat__cache_put_record(cache, &frame) != CHAT_OK) {
            oom_recover(memory);
            assert_int_equal(chat__cache_loss(cache), CHAT_ERR_NOMEM);
            assert_int_equal(chat__cache_put_record(cache, &frame), CHAT_OK);
        }
        assert_int_equal(chat__cache_commit(cache), CHAT_OK);
    }
    if (chat__cache_next_row(cache, &query, &row) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(chat__cache_next_row(cache, &query, &row), CHAT_OK);
    }
    assert_int_equal(row.seq, 3);
    chat__cache_close(cache);
}

static void every_allocation_of_what_is_received(void **state)
{
    (void)state;
    assert_true(oom_loop(receive, NULL) >= 5);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/chat-oom-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/store", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_file();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation),
        cmocka_unit_test(every_allocation_of_what_is_received),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
