/* SPDX-License-Identifier: MIT */
/*
 * What is unread is counted from the records behind the marker, of several chats together: the
 * first in the list are done first, so that a budget that is too small is not spent on all of them
 * in vain. Who has sent a record is in it, so all of it is read; a chunk at a time.
 */
#include "backends/cassandra/store/shown.h"
#include "backends/cassandra/store/user.h"

#include <chat/id.h>

#include "base/alloc.h"
#include "base/view.h"

#define UNREAD_BUDGET 20000u /* records that may be looked at for all chats of a user */
#define UNREAD_MAX    999u
#define FIRST_CHUNK   CHAT__CSTORE_PAGE_ROWS
#define LATER_CHUNK   500u
#define ROUND_ROWS    2000u
#define BUCKETS_MAX   4u

/* A chat that is being counted. */
typedef struct counted {
    chat__cstore_user_chat *chat;
    chat__range *ranges;
    size_t n_ranges;
    chat__cstore_buckets buckets;
    size_t end;         /* buckets below are left */
    uint64_t low, high; /* records with these seqs are left */
    uint32_t chunk, item, n_asked, want;
    chat__cstore_rows deletes; /* in order; of the opening call */
    uint64_t deleted_seq;      /* the message that the row says, UINT64_MAX: there are no more */
    int is_done;
} counted;

typedef struct counting {
    const chat__cstore_reader *reader;
    chat_view user;
    counted *items;
    size_t n_items;
    chat__cstore_call opening, call;
    chat_decoder *decoder;
    uint32_t budget;
    uint32_t round_rows; /* fewer where rows are long */
} counting;

/* --- which there are --- */

static chat_status add(counting *c, chat__cstore_user_chat *chat)
{
    chat_view user;
    counted *each = &c->items[c->n_items];
    chat->has_unread = 1;
    if (chat->head.seq <= chat->read_seq || chat_self_user(chat->chat, &user) == CHAT_OK)
        return CHAT_OK;
    each->ranges =
        chat__alloc_resize(&c->reader->allocator, NULL, chat->n_events * sizeof *each->ranges);
    if (each->ranges == NULL)
        return CHAT_ERR_NOMEM;
    each->n_ranges = chat__ranges_of(chat->events, chat->n_events, each->ranges);
    uint64_t last = each->n_ranges > 0 ? each->ranges[each->n_ranges - 1].last : 0;
    each->chat = chat;
    each->low = chat->read_seq + 1;
    each->high = last < chat->head.seq ? last : chat->head.seq;
    each->chunk = FIRST_CHUNK;
    c->n_items++;
    return CHAT_OK;
}

static void next_deleted(counted *each)
{
    each->deleted_seq = UINT64_MAX;
    while (each->deleted_seq == UINT64_MAX && chat__cstore_next(&each->deletes)) {
        uint64_t seq = chat__cstore_get_u64(&each->deletes);
        (void)chat__cstore_get_text(&each->deletes);
        if (chat__cstore_get_u64(&each->deletes) <= each->chat->head.seq)
            each->deleted_seq = seq;
    }
}

/* Buckets of all, and what was deleted where anything was done to messages. */
static chat_status open_all(counting *c)
{
    for (size_t i = 0; i < c->n_items; i++) {
        counted *each = &c->items[i];
        each->item = chat__cstore_ask_buckets(&c->opening, each->chat->chat);
        if (each->chat->head.has_notes)
            (void)chat__cstore_ask_notes(&c->opening, each->chat->chat, CHAT__NOTE_DELETE,
                                         each->low, each->high);
    }
    chat_status status = chat__cstore_run(&c->opening);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        counted *each = &c->items[i];
        status = chat__cstore_take_buckets(c->reader, &c->opening, each->item, &each->buckets);
        each->end = each->buckets.n_items;
        if (each->chat->head.has_notes)
            each->deletes = chat__cstore_rows_of(&c->opening, each->item + 1);
        next_deleted(each);
    }
    return status;
}

/* --- a round --- */

/* Buckets that are left, oldest first: below `end`, not older than `low`, not newer than `high`. */
static void ask_of(counting *c, counted *each, uint32_t want)
{
    const chat__cstore_buckets *buckets = &each->buckets;
    uint32_t first = chat__cstore_bucket_of(each->low);
    uint32_t last = chat__cstore_bucket_of(each->high);
    uint64_t rows_each = each->chat->head.ordinal / (buckets->n_items + 1) + 1;
    uint32_t most = rows_each > want / BUCKETS_MAX ? 1 : BUCKETS_MAX;
    each->n_asked = 0;
    each->want = want;
    while (each->end > 0 && buckets->items[each->end - 1] < first)
        each->end--;
    while (each->low <= each->high && each->n_asked < most && each->n_asked < each->end) {
        uint32_t bucket = buckets->items[each->end - 1 - each->n_asked];
        if (bucket > last)
            break;
        uint32_t item = chat__cstore_ask(&c->call, CHAT__CSTORE_READ_ON);
        chat__cstore_text(&c->call, each->chat->chat);
        chat__cstore_u32(&c->call, bucket);
        chat__cstore_u64(&c->call, each->low);
        chat__cstore_u64(&c->call, each->high);
        chat__cstore_page(&c->call, CHAT__CSTORE_PAGE_ROWS, want);
        if (each->n_asked++ == 0)
            each->item = item;
    }
    each->is_done = each->n_asked == 0;
}

static void take_row(counting *c, counted *each, chat__cstore_rows *rows)
{
    uint64_t seq = chat__cstore_get_u64(rows);
    (void)chat__cstore_get_u64(rows); /* prev */
    (void)chat__cstore_get_u64(rows); /* id */
    uint32_t kind = chat__cstore_get_u32(rows);
    each->low = seq + 1;
    if (!chat__ranges_have(each->ranges, each->n_ranges, seq))
        return;
    while (each->deleted_seq < seq)
        next_deleted(each);
    c->budget -= c->budget > 0;
    each->chat->unread +=
        each->deleted_seq != seq &&
        chat__shown_is_unread(c->decoder, kind, chat__cstore_get_text(rows), c->user);
}

static chat_status take_of(counting *c, counted *each)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < each->n_asked && n < each->want; i++) {
        uint32_t n_of_bucket = 0;
        chat__cstore_rows rows = chat__cstore_rows_of(&c->call, each->item + i);
        for (; n < each->want && chat__cstore_next(&rows); n++) {
            take_row(c, each, &rows);
            n_of_bucket++;
        }
        if (rows.is_bad)
            return CHAT_ERR_IO;
        if (n_of_bucket < each->want && n < each->want)
            each->end--;
    }
    each->chunk = LATER_CHUNK;
    each->is_done = each->chat->unread >= UNREAD_MAX || each->end == 0 || each->low > each->high;
    if (each->chat->unread > UNREAD_MAX)
        each->chat->unread = UNREAD_MAX;
    return CHAT_OK;
}

/* Of as many chats as the round has rows for, in their order. Returns how many were asked. */
static size_t ask_round(counting *c)
{
    size_t n = 0;
    uint32_t left = c->budget < c->round_rows ? c->budget : c->round_rows;
    for (size_t i = 0; i < c->n_items; i++) {
        counted *each = &c->items[i];
        each->n_asked = 0;
        if (each->is_done || left == 0)
            continue;
        uint32_t want = each->chunk < left ? each->chunk : left;
        ask_of(c, each, want);
        left -= each->is_done ? 0 : want;
        n += each->n_asked > 0;
    }
    return n;
}

static chat_status count_all(counting *c)
{
    chat_status status = open_all(c);
    while (status == CHAT_OK) {
        chat__cstore_reset(&c->call);
        if (ask_round(c) == 0)
            break;
        status = chat__cstore_run(&c->call);
        if (status == CHAT_ERR_LIMIT && c->round_rows > 1) {
            c->round_rows = c->round_rows > 8 ? c->round_rows / 8 : 1;
            status = CHAT_OK;
            continue;
        }
        for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
            if (c->items[i].n_asked > 0)
                status = take_of(c, &c->items[i]);
        }
    }
    for (size_t i = 0; i < c->n_items; i++)
        c->items[i].chat->has_unread = c->items[i].is_done;
    return status;
}

chat_status chat__cstore_count_unread(const chat__cstore_reader *reader, chat_view user,
                                      chat__cstore_user_chat *chats, size_t n)
{
    counting c = {.reader = reader, .user = user, .budget = UNREAD_BUDGET};
    c.round_rows = ROUND_ROWS;
    if (n == 0)
        return CHAT_OK;
    c.items = chat__alloc_zero(&reader->allocator, n * sizeof *c.items);
    if (c.items == NULL)
        return CHAT_ERR_NOMEM;
    chat__cstore_call_init(&c.opening, reader->session);
    chat__cstore_call_init(&c.call, reader->session);
    chat_status status = chat_decoder_new(&reader->allocator, CHAT__SHOWN_DECODER_MAX, &c.decoder);
    for (size_t i = 0; i < n && status == CHAT_OK; i++)
        status = add(&c, &chats[i]);
    if (status == CHAT_OK)
        status = count_all(&c);
    for (size_t i = 0; i < c.n_items; i++) {
        chat__alloc_free(&reader->allocator, c.items[i].ranges);
        chat__alloc_free(&reader->allocator, c.items[i].buckets.items);
    }
    chat_decoder_free(c.decoder);
    chat__cstore_call_done(&c.call);
    chat__cstore_call_done(&c.opening);
    chat__alloc_free(&reader->allocator, c.items);
    return status;
}
