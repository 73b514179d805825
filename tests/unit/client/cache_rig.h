/* SPDX-License-Identifier: MIT */
/* A file of the client under test, in a folder of its own, and frames to be kept in it. */
#ifndef CHAT_TESTS_CLIENT_CACHE_RIG_H
#define CHAT_TESTS_CLIENT_CACHE_RIG_H

#include "base/view.h"
#include "client/cache/cache.h"
#include "folder.h"
#include "unit.h"

#include <chat/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char folder[128];
    char path[160];
    char why[CHAT__CACHE_WHY_BYTES];
    uint32_t max_chat_records, max_records;
    chat__cache *cache;
} fixture;

static inline chat_status open_as(fixture *f, const char *device)
{
    chat__cache_options options = {.path = f->path,
                                   .device = chat__view_str(device),
                                   .family = 77,
                                   .max_chat_records = f->max_chat_records,
                                   .max_records = f->max_records};
    return chat__cache_open(&options, f->why, &f->cache);
}

static inline void reopen(fixture *f)
{
    chat__cache_close(f->cache);
    f->cache = NULL;
    assert_int_equal(open_as(f, "phone"), CHAT_OK);
}

static inline int set_up(void **state)
{
    static fixture it;
    memset(&it, 0, sizeof it);
    it.max_chat_records = 1000;
    it.max_records = 100000;
    folder_make(it.folder, sizeof it.folder);
    snprintf(it.path, sizeof it.path, "%s/store", it.folder);
    assert_int_equal(open_as(&it, "phone"), CHAT_OK);
    assert_string_equal(it.why, "");
    assert_int_equal(chat__cache_set_user(it.cache, chat__view_str("alice")), CHAT_OK);
    *state = &it;
    return 0;
}

static inline int tear_down(void **state)
{
    fixture *f = *state;
    chat__cache_close(f->cache);
    folder_remove(f->folder);
    return 0;
}

/* --- frames --- */

static inline chat_frame message_to(const char *cid, const char *body)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_SEND);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("room"));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str(cid));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    return frame;
}

static inline chat_frame message_of(const char *from, uint64_t seq, uint64_t prev)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("room"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str(from));
    CHAT_FRAME_SET(&frame, ID, id, seq);
    CHAT_FRAME_SET(&frame, SEQ, seq, seq);
    CHAT_FRAME_SET(&frame, PREV, prev, prev);
    CHAT_FRAME_SET(&frame, TS, ts, seq);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str("text"));
    return frame;
}

static inline chat_frame sent(const char *cid, uint64_t seq)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_SENT);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("room"));
    CHAT_FRAME_SET(&frame, CID, cid, chat__view_str(cid));
    CHAT_FRAME_SET(&frame, ID, id, seq);
    CHAT_FRAME_SET(&frame, SEQ, seq, seq);
    CHAT_FRAME_SET(&frame, TS, ts, seq);
    return frame;
}

static inline void put_records(fixture *f, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        chat_frame record = message_of("bob", seq, seq - 1);
        assert_int_equal(chat__cache_put_record(f->cache, &record), CHAT_OK);
    }
}

static inline void put_message(fixture *f, const char *cid, const char *body)
{
    chat_frame frame = message_to(cid, body);
    assert_int_equal(chat__cache_put_message(f->cache, &frame), CHAT_OK);
    assert_int_equal(chat__cache_commit(f->cache), CHAT_OK);
}

static inline chat__cache_query page(chat_history_direction direction, uint64_t seq, uint32_t limit)
{
    chat__cache_query query = {chat__view_str("room"), direction, limit, seq};
    return query;
}

static inline uint64_t row_below(fixture *f, uint64_t seq, chat_frame *out)
{
    chat__cache_query query = page(CHAT_HISTORY_BEFORE, seq, 1);
    return chat__cache_next_row(f->cache, &query, out) == CHAT_OK ? out->seq : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
