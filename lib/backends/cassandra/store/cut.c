/* SPDX-License-Identifier: MIT */
/*
 * How much of what a device lacks it is still sent: no more than offline_limit records over all
 * chats and none older than offline_ttl_ms. Records are counted by their ordinals, so each round of
 * the search asks for one record of each chat, all together, and only of those chats that have
 * records where the search still is; when these are few their places are fetched.
 */
#include "backends/cassandra/store/user.h"

#include <chat/id.h>

#include "base/alloc.h"
#include "queue/cut.h"

#include <string.h>

#define FETCH_ROWS 2000u

/* A chat that the device is behind in. */
typedef struct backlog {
    chat__cstore_user_chat *chat;
    chat__cstore_buckets buckets;
    int has_buckets;
    uint64_t newest_seq, newest_ordinal; /* up to last_seq */
    uint64_t start_ordinal;              /* of the newest that is not behind */
    uint64_t low_ordinal, high_ordinal;  /* at the ends of the search */
    uint64_t found_seq, found_ordinal;   /* of the last find */
} backlog;

typedef struct cutting {
    const chat__cstore_reader *reader;
    backlog *items;
    size_t n_items;
    chat__cstore_place *places;
} cutting;

static uint64_t start_of(const backlog *each)
{
    return each->chat->gap_seq > each->chat->cursor ? each->chat->gap_seq : each->chat->cursor;
}

static int is_behind(const chat__cstore_user_chat *chat)
{
    chat_view user;
    uint64_t start = chat->gap_seq > chat->cursor ? chat->gap_seq : chat->cursor;
    return chat->last_seq > start && chat_self_user(chat->chat, &user) != CHAT_OK;
}

/* --- records at a seq --- */

static chat_status load_buckets(cutting *c, const uint8_t *wanted)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, c->reader->session);
    for (size_t i = 0; i < c->n_items; i++) {
        if (wanted[i] && !c->items[i].has_buckets)
            (void)chat__cstore_ask_buckets(&call, c->items[i].chat->chat);
    }
    chat_status status = chat__cstore_run(&call);
    uint32_t item = 0;
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        if (!wanted[i] || c->items[i].has_buckets)
            continue;
        status = chat__cstore_take_buckets(c->reader, &call, item++, &c->items[i].buckets);
        c->items[i].has_buckets = 1;
    }
    chat__cstore_call_done(&call);
    return status;
}

/* For those that are wanted: found_seq, found_ordinal of the newest record up to seqs[i]. */
static chat_status find(cutting *c, const uint8_t *wanted, const uint64_t *seqs)
{
    size_t n = 0;
    chat_status status = load_buckets(c, wanted);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        if (wanted[i])
            c->places[n++] =
                chat__cstore_place_of(c->items[i].chat->chat, &c->items[i].buckets, seqs[i]);
    }
    if (status == CHAT_OK)
        status = chat__cstore_find_places(c->reader, c->places, n);
    n = 0;
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        if (!wanted[i])
            continue;
        c->items[i].found_seq = c->places[n].found_seq;
        c->items[i].found_ordinal = c->places[n++].ordinal;
    }
    return status;
}

/* Wants and seqs of a round, one of each chat. */
typedef struct round_of {
    uint8_t *wanted;
    uint64_t *seqs;
} round_of;

static chat_status find_newest(cutting *c, const round_of *r)
{
    for (size_t i = 0; i < c->n_items; i++) {
        backlog *each = &c->items[i];
        const chat__cstore_head *head = &each->chat->head;
        each->newest_seq = head->seq;
        each->newest_ordinal = head->ordinal;
        r->wanted[i] = head->seq > each->chat->last_seq;
        r->seqs[i] = each->chat->last_seq;
    }
    chat_status status = find(c, r->wanted, r->seqs);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        if (!r->wanted[i])
            continue;
        c->items[i].newest_seq = c->items[i].found_seq;
        c->items[i].newest_ordinal = c->items[i].found_ordinal;
    }
    return status;
}

/* What is up to `seq` is not sent. */
static chat_status cut_at(cutting *c, const round_of *r, uint64_t seq)
{
    for (size_t i = 0; i < c->n_items; i++) {
        const backlog *each = &c->items[i];
        r->wanted[i] = seq > start_of(each) && is_behind(each->chat) && each->newest_seq > seq;
        r->seqs[i] = seq;
    }
    chat_status status = find(c, r->wanted, r->seqs);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        backlog *each = &c->items[i];
        uint64_t found = r->wanted[i] ? each->found_seq : each->newest_seq;
        if (seq > start_of(each) && is_behind(each->chat) && found > start_of(each))
            each->chat->gap_seq = found;
    }
    return status;
}

/* --- to the limit --- */

/* What is known of a chat at a seq without looking: 1, with the ordinal. */
static int is_plain(const backlog *each, uint64_t seq, uint64_t *out_ordinal)
{
    if (!is_behind(each->chat) || seq >= each->newest_seq)
        *out_ordinal = each->newest_ordinal;
    else if (seq <= start_of(each))
        *out_ordinal = each->start_ordinal;
    else if (each->low_ordinal == each->high_ordinal)
        *out_ordinal = each->low_ordinal;
    else
        return 0;
    return 1;
}

/* Where each chat starts; how many records are behind in all. */
static chat_status find_starts(cutting *c, const round_of *r, uint64_t *out_n)
{
    *out_n = 0;
    for (size_t i = 0; i < c->n_items; i++) {
        const backlog *each = &c->items[i];
        r->seqs[i] = start_of(each);
        r->wanted[i] = is_behind(each->chat) && each->newest_seq > r->seqs[i] && r->seqs[i] > 0;
    }
    chat_status status = find(c, r->wanted, r->seqs);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        backlog *each = &c->items[i];
        each->start_ordinal = r->wanted[i] ? each->found_ordinal : 0;
        if (!is_behind(each->chat) || each->newest_seq <= start_of(each) ||
            each->start_ordinal > each->newest_ordinal)
            each->start_ordinal = each->newest_ordinal;
        each->low_ordinal = each->start_ordinal;
        each->high_ordinal = each->newest_ordinal;
        *out_n += each->newest_ordinal - each->start_ordinal;
    }
    return status;
}

/* Records behind `probe`; found_ordinal of each chat is that of its newest up to there. */
static chat_status count_behind(cutting *c, const round_of *r, uint64_t probe, uint64_t *out_n)
{
    *out_n = 0;
    for (size_t i = 0; i < c->n_items; i++) {
        uint64_t ignored;
        r->wanted[i] = !is_plain(&c->items[i], probe, &ignored);
        r->seqs[i] = probe;
    }
    chat_status status = find(c, r->wanted, r->seqs);
    for (size_t i = 0; i < c->n_items && status == CHAT_OK; i++) {
        backlog *each = &c->items[i];
        if (!r->wanted[i])
            (void)is_plain(each, probe, &each->found_ordinal);
        if (each->found_ordinal < each->low_ordinal)
            each->found_ordinal = each->low_ordinal;
        *out_n += each->newest_ordinal - each->found_ordinal;
    }
    return status;
}

/* Records between the ends of the search. */
static uint64_t take_probe(cutting *c, int is_low)
{
    uint64_t n = 0;
    for (size_t i = 0; i < c->n_items; i++) {
        backlog *each = &c->items[i];
        *(is_low ? &each->low_ordinal : &each->high_ordinal) = each->found_ordinal;
        n += each->high_ordinal - each->low_ordinal;
    }
    return n;
}

static void ask_seqs(chat__cstore_call *call, const backlog *each, uint64_t low, uint64_t high)
{
    const chat__cstore_buckets *buckets = &each->buckets;
    uint32_t oldest = chat__cstore_bucket_of(low);
    for (size_t i = chat__cstore_first_bucket(buckets, high);
         i < buckets->n_items && buckets->items[i] >= oldest; i++) {
        (void)chat__cstore_ask(call, CHAT__CSTORE_GET_SEQS);
        chat__cstore_text(call, each->chat->chat);
        chat__cstore_u32(call, buckets->items[i]);
        chat__cstore_u64(call, low);
        chat__cstore_u64(call, high);
    }
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* All seqs in (low, high] of what is behind, no more than `cap`. */
static chat_status fetch_seqs(cutting *c, const chat__queue_cut *cut, chat__buf *seqs)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, c->reader->session);
    for (size_t i = 0; i < c->n_items; i++) {
        const backlog *each = &c->items[i];
        uint64_t low = start_of(each) > cut->low ? start_of(each) : cut->low;
        if (each->low_ordinal < each->high_ordinal)
            ask_seqs(&call, each, low, lesser(cut->high, each->newest_seq));
    }
    chat_status status = chat__cstore_run(&call);
    for (uint32_t i = 0; i < call.n_items && status == CHAT_OK; i++) {
        chat__cstore_rows rows = chat__cstore_rows_of(&call, i);
        while (status == CHAT_OK && chat__cstore_next(&rows)) {
            uint64_t seq = chat__cstore_get_u64(&rows);
            status = chat__buf_append(seqs, &seq, sizeof seq);
        }
    }
    chat__cstore_call_done(&call);
    return status;
}

/* Newest first. */
static void sort(uint64_t *seqs, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (size_t i = gap; i < n; i++) {
            uint64_t seq = seqs[i];
            size_t k = i;
            for (; k >= gap && seqs[k - gap] < seq; k -= gap)
                seqs[k] = seqs[k - gap];
            seqs[k] = seq;
        }
    }
}

/* The newest `n_kept` of those between the ends stay, if that many have the same end. */
static chat_status finish_search(cutting *c, chat__queue_cut *cut, uint64_t n_kept)
{
    chat__buf seqs;
    chat__buf_init(&seqs, &c->reader->allocator, SIZE_MAX / 2);
    chat_status status = fetch_seqs(c, cut, &seqs);
    size_t n = seqs.len / sizeof(uint64_t);
    uint64_t *items = (uint64_t *)(void *)seqs.data;
    if (status == CHAT_OK && n > 0) {
        sort(items, n);
        cut->high = n > n_kept ? items[n_kept] : cut->low;
    }
    chat__buf_done(&seqs);
    return status;
}

static chat_status search(cutting *c, const round_of *r, chat__queue_cut *cut, uint64_t n_between)
{
    uint64_t probe;
    uint64_t n_behind_high = 0;
    while (n_between > FETCH_ROWS && chat__queue_cut_next(cut, &probe)) {
        uint64_t n;
        chat_status status = count_behind(c, r, probe, &n);
        if (status != CHAT_OK)
            return status;
        chat__queue_cut_give(cut, probe, n);
        int is_low = n > cut->limit;
        if (!is_low)
            n_behind_high = n;
        n_between = take_probe(c, is_low);
        if (n == cut->limit)
            return CHAT_OK;
    }
    return n_between > FETCH_ROWS ? CHAT_OK : finish_search(c, cut, cut->limit - n_behind_high);
}

/* Oldest first over all chats, as if they were one list: a seq is no clock, but close to one. */
static chat_status cut_to_limit(cutting *c, const round_of *r, uint64_t n_behind)
{
    chat__queue_cut cut;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    uint8_t *all = r->wanted;
    for (size_t i = 0; i < c->n_items; i++) {
        const backlog *each = &c->items[i];
        all[i] = is_behind(each->chat) != 0;
        if (all[i] && start_of(each) < low)
            low = start_of(each);
        if (all[i] && each->chat->last_seq > high)
            high = each->chat->last_seq;
    }
    chat_status status = load_buckets(c, all);
    chat__queue_cut_init(&cut, low, high, c->reader->rules->offline_limit);
    if (status == CHAT_OK)
        status = search(c, r, &cut, n_behind);
    return status == CHAT_OK ? cut_at(c, r, cut.high) : status;
}

/* --- all of it --- */

static chat_status cut_all(cutting *c, const round_of *r, uint64_t now_unix_ms)
{
    uint64_t n = 0;
    uint64_t limit = c->reader->rules->offline_limit;
    uint64_t oldest_ms = chat__queue_expires_below(now_unix_ms, c->reader->rules->offline_ttl_ms);
    uint64_t oldest_seq = oldest_ms > CHAT_EPOCH_MS ? chat_snowflake_first_at(oldest_ms) : 0;
    chat_status status = find_newest(c, r);
    if (status == CHAT_OK && oldest_seq > 0)
        status = cut_at(c, r, oldest_seq - 1);
    for (size_t i = 0; i < c->n_items; i++)
        n += c->items[i].newest_ordinal; /* never less than what is behind */
    if (status != CHAT_OK || limit == 0 || n <= limit)
        return status;
    status = find_starts(c, r, &n);
    return status == CHAT_OK && n > limit ? cut_to_limit(c, r, n) : status;
}

static void collect(cutting *c, chat__cstore_user_chat *chats, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_behind(&chats[i]))
            c->items[c->n_items++].chat = &chats[i];
    }
}

chat_status chat__cstore_cut(const chat__cstore_reader *reader, chat__cstore_user_chat *chats,
                             size_t n, uint64_t now_unix_ms)
{
    const chat_allocator *allocator = &reader->allocator;
    cutting c = {.reader = reader};
    size_t n_behind = 0;
    for (size_t i = 0; i < n; i++)
        n_behind += is_behind(&chats[i]) != 0;
    if (n_behind == 0)
        return CHAT_OK;
    round_of r = {chat__alloc_zero(allocator, n_behind),
                  chat__alloc_zero(allocator, n_behind * sizeof(uint64_t))};
    c.items = chat__alloc_zero(allocator, n_behind * sizeof *c.items);
    c.places = chat__alloc_zero(allocator, n_behind * sizeof *c.places);
    chat_status status = CHAT_ERR_NOMEM;
    if (r.wanted != NULL && r.seqs != NULL && c.items != NULL && c.places != NULL) {
        collect(&c, chats, n);
        status = cut_all(&c, &r, now_unix_ms);
    }
    for (size_t i = 0; i < c.n_items; i++)
        chat__alloc_free(allocator, c.items[i].buckets.items);
    chat__alloc_free(allocator, c.places);
    chat__alloc_free(allocator, c.items);
    chat__alloc_free(allocator, r.seqs);
    chat__alloc_free(allocator, r.wanted);
    return status;
}
