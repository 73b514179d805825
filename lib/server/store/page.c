/* SPDX-License-Identifier: MIT */
/* History: pages of a chat's records, read straight from the log along its chain. */
#include "store/internal.h"
#include "base/alloc.h"

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
    const chat__store_query *query;
    chat__store_row_fn fn;
    void *ctx;
    uint32_t limit;
    uint32_t n_rows;
    uint64_t n_bytes;
} page_read;

/* CHAT_MORE: the page is full, this row is not in it. A damaged row is left out. */
static chat_status emit(page_read *page, const chat__record *record)
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
    chat_status status = chat__chain_find(&page->chain, page->query->before, UINT64_MAX, record);
    while (status == CHAT_OK) {
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
    if (newest->seq <= page->query->after)
        return CHAT_OK;
    chat_status status = chat__chain_find(&page->chain, page->query->after + 1, UINT64_MAX, &start);
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

chat_status chat__store_read(chat__store *store, const chat__store_query *query,
                             chat__store_row_fn fn, void *ctx)
{
    chat__state_head head;
    chat__record newest;
    page_read page = {.query = query, .fn = fn, .ctx = ctx};
    chat_status status = chat__store_head(store, query->chat, &head);
    if (status != CHAT_OK || head.ordinal == 0)
        return status;
    page.limit = query->limit < PAGE_ROWS_MAX ? query->limit : PAGE_ROWS_MAX;
    if (page.limit == 0)
        return CHAT_MORE;
    chat__chain_init(&page.chain, &store->log.segments, &store->chains, &store->allocator,
                     query->chat);
    status = chat__chain_at_or_before(&page.chain, head.at, 0, &newest);
    if (status == CHAT_OK)
        status =
            query->after == UINT64_MAX ? read_before(&page, &newest) : read_after(&page, &newest);
    chat__chain_done(&page.chain);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}
