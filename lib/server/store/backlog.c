/* SPDX-License-Identifier: MIT */
/*
 * How much of what a device lacks it is still sent: no more than offline_limit records over all
 * chats and none older than offline_ttl_ms. Records are counted by their ordinals along the chain,
 * in O(log n) heads for each count; no payload is read.
 */
#include "store/internal.h"

#include "queue/cut.h"

#include <chat/id.h>

static uint64_t start_of(const chat__backlog *each)
{
    return each->gap_seq > each->cursor ? each->gap_seq : each->cursor;
}

static int is_behind(const chat__backlog *each)
{
    chat_view user;
    return each->last_seq > start_of(each) && chat_self_user(each->chat, &user) != CHAT_OK;
}

/* The newest record with a seq of at most `seq`; ordinal and seq are 0 where there is none. */
static chat_status find(chat__store *store, const chat__backlog *each, uint64_t seq,
                        chat__record *out)
{
    chat__chain chain;
    *out = each->newest;
    if (seq == UINT64_MAX || each->newest.seq <= seq)
        return CHAT_OK;
    chat__chain_init(&chain, &store->log.segments, &store->chains, &store->allocator, each->chat);
    chat_status status = chat__chain_find(&chain, seq + 1, UINT64_MAX, out);
    chat__chain_done(&chain);
    if (status == CHAT_EMPTY)
        memset(out, 0, sizeof *out);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

static chat_status find_newest(chat__store *store, chat__backlog *each)
{
    chat__chain chain;
    chat__state_head head;
    memset(&each->newest, 0, sizeof each->newest);
    chat_status status = chat__store_head(store, each->chat, &head);
    if (status != CHAT_OK)
        return status;
    chat__chain_init(&chain, &store->log.segments, &store->chains, &store->allocator, each->chat);
    status = chat__chain_at_or_before(&chain, head.at, 0, &each->newest);
    chat__chain_done(&chain);
    if (status == CHAT_OK && each->newest.seq > each->last_seq)
        status = find(store, each, each->last_seq, &each->newest);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* What is up to `seq` is not sent. */
static chat_status cut_at(chat__store *store, chat__backlog *each, uint64_t seq)
{
    chat__record record;
    if (seq <= start_of(each))
        return CHAT_OK;
    chat_status status = find(store, each, seq, &record);
    if (status == CHAT_OK && record.seq > start_of(each))
        each->gap_seq = record.seq;
    return status;
}

static chat_status count_behind(chat__store *store, const chat__backlog *each, uint64_t seq,
                                uint64_t *out_n)
{
    chat__record record;
    uint64_t from = seq > start_of(each) ? seq : start_of(each);
    *out_n = 0;
    if (!is_behind(each) || each->newest.seq <= from)
        return CHAT_OK;
    chat_status status = find(store, each, from, &record);
    if (status == CHAT_OK)
        *out_n = each->newest.ordinal - record.ordinal;
    return status;
}

static chat_status count_all(chat__store *store, const chat__backlog *first, uint64_t seq,
                             uint64_t *out_n)
{
    chat_status status = CHAT_OK;
    *out_n = 0;
    for (const chat__backlog *each = first; each != NULL && status == CHAT_OK; each = each->next) {
        uint64_t n;
        status = count_behind(store, each, seq, &n);
        if (status == CHAT_OK)
            *out_n += n;
    }
    return status;
}

/* Oldest first over all chats, as if they were one list: a seq is no clock, but close to one. */
static chat_status cut_to_limit(chat__store *store, chat__backlog *first)
{
    chat__queue_cut cut;
    uint64_t probe;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    chat_status status = CHAT_OK;
    for (const chat__backlog *each = first; each != NULL; each = each->next) {
        if (is_behind(each) && start_of(each) < low)
            low = start_of(each);
        if (is_behind(each) && each->last_seq > high)
            high = each->last_seq;
    }
    chat__queue_cut_init(&cut, low, high, store->options.offline_limit);
    while (status == CHAT_OK && chat__queue_cut_next(&cut, &probe)) {
        uint64_t n;
        status = count_all(store, first, probe, &n);
        if (status == CHAT_OK)
            chat__queue_cut_give(&cut, probe, n);
    }
    for (chat__backlog *each = first; each != NULL && status == CHAT_OK; each = each->next) {
        if (is_behind(each))
            status = cut_at(store, each, cut.high);
    }
    return status;
}

chat_status chat__store_cut_backlog(chat__store *store, chat__backlog *first, uint64_t now_unix_ms)
{
    uint64_t n = 0;
    uint64_t ttl_ms = store->options.offline_ttl_ms;
    uint64_t oldest_ms = chat__queue_expires_below(now_unix_ms, ttl_ms);
    uint64_t oldest_seq = oldest_ms > CHAT_EPOCH_MS ? chat_snowflake_first_at(oldest_ms) : 0;
    chat_status status = CHAT_OK;
    for (chat__backlog *each = first; each != NULL && status == CHAT_OK; each = each->next) {
        if (!is_behind(each))
            continue;
        status = find_newest(store, each);
        if (status == CHAT_OK && oldest_seq > 0)
            status = cut_at(store, each, oldest_seq - 1);
        n += each->newest.ordinal; /* never less than what is behind */
    }
    if (status != CHAT_OK || store->options.offline_limit == 0 || n <= store->options.offline_limit)
        return status;
    status = count_all(store, first, 0, &n);
    return status == CHAT_OK && n > store->options.offline_limit ? cut_to_limit(store, first)
                                                                 : status;
}
