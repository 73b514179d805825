/* SPDX-License-Identifier: MIT */
/* History: pages of a chat's records, read straight from the log along its chain. */
#include "store/notes.h"
#include "base/alloc.h"

#include <chat/id.h>

#include <string.h>

/* Rows of one page at most, whatever is asked for; there are more then. */
#define PAGE_ROWS_MAX 1000u

chat_status chat__store_head(chat__store *store, chat_view chat, chat__state_head *out)
{
    chat__state *state = &store->state;
    chat__db_chat stored;
    memset(out, 0, sizeof *out);
    if (chat.len == 0 || chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return CHAT_OK;
    pthread_mutex_lock(&state->lock);
    const chat__state_chat *found = chat__map_get(&state->chats, chat);
    if (found != NULL)
        *out = found->head;
    pthread_mutex_unlock(&state->lock);
    if (found != NULL)
        return CHAT_OK;
    /* Not in memory, so it was not dirty: SQLite has what was true then, or newer. */
    pthread_mutex_lock(&store->read_lock);
    chat_status status = chat__db_get_chat(&store->read_db, chat, &stored);
    pthread_mutex_unlock(&store->read_lock);
    if (status == CHAT_OK)
        *out = stored.head;
    return chat__store_note(store, status == CHAT_EMPTY ? CHAT_OK : status);
}

/* A page under way. */
typedef struct page_read {
    chat__chain chain;
    chat__notes notes;
    const chat__store_query *query;
    chat__store_row_fn fn;
    void *ctx;
    uint64_t after; /* of the query, or narrower */
    uint64_t before;
    uint32_t limit;
    uint32_t n_rows;
    uint64_t n_bytes;
} page_read;

/* CHAT_MORE: the page is full, this row is not in it. A damaged row is left out. */
static chat_status emit(page_read *page, chat__record *record)
{
    chat_view payload;
    if (page->n_rows == page->limit)
        return CHAT_MORE;
    if (page->n_rows > 0 && page->query->max_bytes > 0 &&
        page->n_bytes + record->payload_len > page->query->max_bytes)
        return CHAT_MORE;
    chat_status status = chat__chain_payload(&page->chain, record, &payload);
    if (status == CHAT_ERR_CORRUPT)
        return CHAT_OK;
    if (status == CHAT_OK)
        status = chat__notes_apply(&page->notes, record, &payload);
    if (status != CHAT_OK)
        return status;
    chat__store_row row = {record->seq, record->prev_seq, record->id, record->kind, payload};
    page->n_rows++;
    page->n_bytes += payload.len;
    page->fn(page->ctx, &row);
    return CHAT_OK;
}

static chat_status read_before(page_read *page, chat__record *record)
{
    chat_status status = chat__chain_find(&page->chain, page->before, UINT64_MAX, record);
    while (status == CHAT_OK && (page->after == 0 || record->seq > page->after)) {
        chat__record older;
        status = emit(page, record);
        if (status == CHAT_OK)
            status = chat__chain_prev(&page->chain, record, &older);
        if (status == CHAT_OK)
            *record = older;
    }
    return status;
}

/* Collect records from the one with ordinal `last` back to `first`, newest first. */
static chat_status collect(page_read *page, chat__record record, uint64_t first, uint64_t last,
                           chat__record *items, size_t *out_n)
{
    chat_status status = chat__chain_find(&page->chain, UINT64_MAX, last, &record);
    *out_n = 0;
    while (status == CHAT_OK && record.ordinal >= first) {
        chat__record older;
        items[(*out_n)++] = record;
        if (record.ordinal == first)
            break;
        status = chat__chain_prev(&page->chain, &record, &older);
        if (status == CHAT_OK)
            record = older;
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* Chains lead backwards: find the far end of the page, walk back, and give the rows in order. */
static chat_status read_window(page_read *page, const chat__record *newest, uint64_t first,
                               uint64_t last, chat__record *items)
{
    size_t n;
    chat_status status = collect(page, *newest, first, last, items, &n);
    while (status == CHAT_OK && n > 0)
        status = emit(page, &items[--n]);
    return status;
}

static chat_status read_after(page_read *page, const chat__record *newest)
{
    const chat_allocator *allocator = &page->chain.bytes.allocator;
    chat__record start = *newest;
    if (newest->seq <= page->after)
        return CHAT_OK;
    chat_status status = chat__chain_find(&page->chain, page->after + 1, UINT64_MAX, &start);
    if (status < 0)
        return status;
    uint64_t first = status == CHAT_EMPTY ? 1 : start.ordinal + 1;
    chat__record *items = chat__alloc_resize(allocator, NULL, page->limit * sizeof *items);
    if (items == NULL)
        return CHAT_ERR_NOMEM;
    status = CHAT_OK;
    /* A window whose rows are all damaged must not look like an empty page. */
    while (status == CHAT_OK && first <= newest->ordinal) {
        uint64_t last =
            newest->ordinal - first < page->limit ? newest->ordinal : first + page->limit - 1;
        if (page->n_rows == page->limit) {
            status = CHAT_MORE;
            break;
        }
        status = read_window(page, newest, first, last, items);
        first = last + 1;
    }
    chat__alloc_free(allocator, items);
    return status;
}

/* The part of the page that lies in one range. CHAT_EMPTY as CHAT_OK: nothing there. */
static chat_status read_range(page_read *page, chat__record newest, const chat__range *range)
{
    const chat__store_query *query = page->query;
    chat_status status = CHAT_OK;
    if (query->after == UINT64_MAX) {
        page->before = range->last < query->before ? range->last + 1 : query->before;
        /* What is older than the range is cut off below. */
        page->after = range->first > 0 ? range->first - 1 : 0;
        return read_before(page, &newest);
    }
    page->after = range->first > query->after + 1 ? range->first - 1 : query->after;
    if (range->last < newest.seq)
        status = chat__chain_find(&page->chain, range->last + 1, UINT64_MAX, &newest);
    return status == CHAT_OK ? read_after(page, &newest) : status;
}

/* Range by range in the direction of the page; when it is full, what is in the next is more. */
static chat_status read_ranges(page_read *page, const chat__record *newest,
                               const chat__range *ranges, size_t n)
{
    int is_back = page->query->after == UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        const chat__range *range = &ranges[is_back ? n - 1 - i : i];
        int is_beside =
            is_back ? range->first >= page->query->before : range->last <= page->query->after;
        if (is_beside)
            continue;
        if (page->n_rows == page->limit)
            return CHAT_MORE;
        chat_status status = read_range(page, *newest, range);
        if (status != CHAT_OK && status != CHAT_EMPTY)
            return status;
    }
    return CHAT_OK;
}

static chat_status read_all(page_read *page, chat__store *store, const chat__state_head *head,
                            const chat__range *ranges, size_t n)
{
    chat__record newest;
    chat__chain_init(&page->chain, &store->log.segments, &store->chains, &store->allocator,
                     page->query->chat);
    chat_status status = chat__chain_at_or_before(&page->chain, head->at, 0, &newest);
    if (status == CHAT_OK) {
        status = chat__notes_begin(&page->notes, store, page->query->chat, &newest);
        if (status == CHAT_OK)
            status = read_ranges(page, &newest, ranges, n);
        chat__notes_end(&page->notes);
    }
    chat__chain_done(&page->chain);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

chat_status chat__store_read(chat__store *store, const chat__store_query *query,
                             chat__store_row_fn fn, void *ctx)
{
    chat__state_head head;
    chat_view members[2];
    chat__range whole = {0, UINT64_MAX};
    chat__range *ranges = NULL;
    size_t n = 1;
    page_read page = {.query = query, .fn = fn, .ctx = ctx};
    chat_status status = chat__store_head(store, query->chat, &head);
    if (status == CHAT_OK && query->user.len > 0 &&
        chat_direct_members(query->chat, members) != CHAT_OK &&
        chat_self_user(query->chat, members) != CHAT_OK)
        status = chat__store_ranges(store, query->chat, query->user, &ranges, &n);
    page.limit = query->limit < PAGE_ROWS_MAX ? query->limit : PAGE_ROWS_MAX;
    if (status == CHAT_OK && head.ordinal > 0)
        status = page.limit == 0
                     ? CHAT_MORE
                     : read_all(&page, store, &head, ranges != NULL ? ranges : &whole, n);
    chat__alloc_free(&store->allocator, ranges);
    return status;
}
