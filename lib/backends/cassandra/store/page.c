/* SPDX-License-Identifier: MIT */
/*
 * Pages of a chat's records, in either direction, over its buckets. First it is asked what the chat
 * is and what the user may read of it, then for rows, a chunk at a time: so a page needs no more
 * memory than a chunk, and most are one. Who has the newest records at hand needs the head alone.
 */
#include "backends/cassandra/store/events.h"
#include "backends/cassandra/store/places.h"
#include "backends/cassandra/store/shown.h"

#include <chat/id.h>

#include "base/alloc.h"
#include "base/view.h"
#include "views/recent.h"

#include <string.h>

#define CHUNK_BYTES                                                                                \
    (8u << 20) /* about so much is asked for, once it is known how long rows are                   \
                */
#define FIRST_CHUNK   CHAT__CSTORE_PAGE_ROWS /* rows, before that */
#define LEAST_CHUNK   8u
#define BUCKETS_MAX   8u /* asked at once, where a chat has few rows in each */
#define ROW_BYTES_MIN 256u

typedef struct page {
    const chat__cstore_reader *reader;
    const chat_store_query *query;
    chat_store_row_fn fn;
    void *ctx;
    chat__cstore_head head;
    chat__cstore_buckets buckets;
    chat__range *ranges;
    size_t n_ranges;
    chat__cstore_call call; /* of a chunk */
    chat__cstore_shown shown;
    chat__buf rows; /* of chat_store_row: the chunk's */
    int is_back;
    uint32_t limit, n_rows, chunk;
    uint64_t n_bytes;
} page;

/* --- what there is to read --- */

/* A group is read by its members; what is between two needs no look. */
static int is_group(const chat_store_query *query)
{
    chat_view members[2];
    return query->user.len > 0 && chat_direct_members(query->chat, members) != CHAT_OK &&
           chat_self_user(query->chat, members) != CHAT_OK;
}

static chat_status take_ranges(page *p, const chat__cstore_call *call, uint32_t item)
{
    chat__cstore_events events = {NULL, 0};
    chat_status status = chat__cstore_take_events(p->reader, call, item, &events);
    if (status == CHAT_OK && events.n_items == 0)
        status = p->head.is_group ? CHAT_ERR_FORBIDDEN : CHAT_ERR_NOT_FOUND;
    if (status == CHAT_OK) {
        p->ranges =
            chat__alloc_resize(&p->reader->allocator, NULL, events.n_items * sizeof *p->ranges);
        status = p->ranges != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    }
    if (status == CHAT_OK)
        p->n_ranges = chat__ranges_of(events.items, events.n_items, p->ranges);
    chat__alloc_free(&p->reader->allocator, events.items);
    return status;
}

static chat_status load_buckets(page *p)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, p->reader->session);
    uint32_t buckets = chat__cstore_ask_buckets(&call, p->query->chat);
    chat_status status = chat__cstore_run(&call);
    if (status == CHAT_OK)
        status = chat__cstore_take_buckets(p->reader, &call, buckets, &p->buckets);
    chat__cstore_call_done(&call);
    return status;
}

/* The head is known before rows are asked for: so all up to it are found. */
static chat_status open_page(page *p, int has_recent)
{
    chat__cstore_call call;
    uint32_t events = 0;
    uint32_t buckets = 0;
    chat__cstore_call_init(&call, p->reader->session);
    uint32_t head = chat__cstore_ask_head(&call, p->query->chat);
    if (!has_recent)
        buckets = chat__cstore_ask_buckets(&call, p->query->chat);
    int has_user = is_group(p->query);
    if (has_user) {
        events = chat__cstore_ask(&call, CHAT__CSTORE_GET_EVENTS);
        chat__cstore_text(&call, p->query->chat);
        chat__cstore_text(&call, p->query->user);
    }
    chat_status status = chat__cstore_run(&call);
    if (status == CHAT_OK) {
        p->head = chat__cstore_take_head(&call, head);
        p->head.title = chat__view(NULL, 0); /* it goes with the call */
    }
    if (status == CHAT_OK && !has_recent)
        status = chat__cstore_take_buckets(p->reader, &call, buckets, &p->buckets);
    if (status == CHAT_OK && has_user)
        status = take_ranges(p, &call, events);
    chat__cstore_call_done(&call);
    return status;
}

/* --- a chunk --- */

/* A span of seqs that is left to read, and the buckets of it that are. */
typedef struct span {
    uint64_t low, high;
    size_t first, end; /* in the list, newest first */
} span;

/* More than one when a chat has few rows in each. */
static uint32_t buckets_at_once(const page *p, uint32_t want)
{
    uint64_t rows_each = p->buckets.n_items > 0 ? p->head.ordinal / p->buckets.n_items : 1;
    uint64_t n = want / (rows_each > 0 ? rows_each : 1) + 1;
    return n < BUCKETS_MAX ? (uint32_t)n : BUCKETS_MAX;
}

static uint32_t ask_chunk(page *p, const span *s, uint32_t want)
{
    uint32_t n = 0;
    uint32_t most = buckets_at_once(p, want);
    chat__cstore_reset(&p->call);
    for (; n < most && s->first + n < s->end; n++) {
        size_t i = p->is_back ? s->first + n : s->end - 1 - n;
        (void)chat__cstore_ask(&p->call,
                               p->is_back ? CHAT__CSTORE_READ_BACK : CHAT__CSTORE_READ_ON);
        chat__cstore_text(&p->call, p->query->chat);
        chat__cstore_u32(&p->call, p->buckets.items[i]);
        chat__cstore_u64(&p->call, s->low);
        chat__cstore_u64(&p->call, s->high);
        chat__cstore_page(&p->call, CHAT__CSTORE_PAGE_ROWS, want);
    }
    return n;
}

static chat_status take_rows(page *p, uint32_t item, uint32_t want, uint64_t *n_bytes)
{
    chat__cstore_rows rows = chat__cstore_rows_of(&p->call, item);
    while (p->rows.len / sizeof(chat_store_row) < want && chat__cstore_next(&rows)) {
        chat_store_row row = {.seq = chat__cstore_get_u64(&rows)};
        row.prev = chat__cstore_get_u64(&rows);
        row.id = chat__cstore_get_u64(&rows);
        row.kind = chat__cstore_get_u32(&rows);
        row.payload = chat__cstore_get_text(&rows);
        *n_bytes += row.payload.len;
        chat_status status = chat__buf_append(&p->rows, &row, sizeof row);
        if (status != CHAT_OK)
            return status;
    }
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

/* How many rows are asked for next, from how long these were. */
static void set_chunk(page *p, uint64_t n_bytes)
{
    uint64_t n_rows = p->rows.len / sizeof(chat_store_row);
    uint64_t each = n_rows > 0 ? n_bytes / n_rows : 0;
    uint64_t n = CHUNK_BYTES / (each > ROW_BYTES_MIN ? each : ROW_BYTES_MIN);
    p->chunk = n < LEAST_CHUNK           ? LEAST_CHUNK
               : n < CHAT_STORE_MAX_ROWS ? (uint32_t)n
                                         : CHAT_STORE_MAX_ROWS + 1;
}

/* The next rows of a span, `want` at most, and how many buckets were asked. */
static chat_status load_chunk(page *p, const span *s, uint32_t want, uint32_t *out_n_buckets)
{
    uint64_t n_bytes = 0;
    *out_n_buckets = ask_chunk(p, s, want);
    chat_status status = chat__cstore_run(&p->call);
    p->rows.len = 0;
    for (uint32_t i = 0; i < *out_n_buckets && status == CHAT_OK; i++)
        status = take_rows(p, i, want, &n_bytes);
    if (status != CHAT_OK)
        return status;
    set_chunk(p, n_bytes);
    return p->head.has_notes
               ? chat__cstore_shown_load(&p->shown, (chat_store_row *)(void *)p->rows.data,
                                         p->rows.len / sizeof(chat_store_row))
               : CHAT_OK;
}

/* --- rows --- */

/* CHAT_MORE: the page is full, this row is not in it. */
static chat_status emit(page *p, size_t i, chat_store_row *row)
{
    if (p->n_rows == p->limit)
        return CHAT_MORE;
    if (p->n_rows > 0 && p->query->max_bytes > 0 &&
        p->n_bytes + row->payload.len > p->query->max_bytes)
        return CHAT_MORE;
    chat_status status = p->head.has_notes ? chat__cstore_shown_apply(&p->shown, i, row) : CHAT_OK;
    if (status != CHAT_OK)
        return status;
    p->n_rows++;
    p->n_bytes += row->payload.len;
    p->fn(p->ctx, row);
    return CHAT_OK;
}

/* Behind the chunk: its last row, or the buckets that have nothing more. */
static void step(const page *p, span *s, uint32_t want, uint32_t n_buckets)
{
    size_t n = p->rows.len / sizeof(chat_store_row);
    const chat_store_row *rows = (const chat_store_row *)(const void *)p->rows.data;
    if (n < want) {
        s->first += p->is_back ? n_buckets : 0;
        s->end -= p->is_back ? 0 : n_buckets;
        return;
    }
    uint64_t last = rows[n - 1].seq;
    uint32_t bucket = chat__cstore_bucket_of(last);
    if (p->is_back) {
        s->high = last - 1;
        while (p->buckets.items[s->first] > bucket)
            s->first++;
    } else {
        s->low = last + 1;
        while (p->buckets.items[s->end - 1] < bucket)
            s->end--;
    }
}

static chat_status read_span(page *p, uint64_t low, uint64_t high)
{
    span s = {low, high < p->head.seq ? high : p->head.seq, 0, 0};
    chat_status status = CHAT_OK;
    s.first = chat__cstore_first_bucket(&p->buckets, s.high);
    s.end = low >> CHAT__CSTORE_BUCKET_BITS > 0
                ? chat__cstore_first_bucket(
                      &p->buckets,
                      ((uint64_t)chat__cstore_bucket_of(low) << CHAT__CSTORE_BUCKET_BITS) - 1)
                : p->buckets.n_items;
    while (status == CHAT_OK && s.low <= s.high && s.first < s.end) {
        uint32_t n_buckets;
        uint32_t want = p->limit - p->n_rows + 1;
        if (want > p->chunk)
            want = p->chunk;
        status = load_chunk(p, &s, want, &n_buckets);
        if (status == CHAT_ERR_LIMIT && p->chunk > 1) {
            p->chunk = want > 4 ? want / 4 : 1; /* longer rows than those before */
            status = CHAT_OK;
            continue;
        }
        for (size_t i = 0; status == CHAT_OK && i < p->rows.len / sizeof(chat_store_row); i++)
            status = emit(p, i, (chat_store_row *)(void *)p->rows.data + i);
        if (status == CHAT_OK)
            step(p, &s, want, n_buckets);
    }
    return status;
}

/* The part of the page that lies in one range. */
static chat_status read_range(page *p, const chat__range *range)
{
    const chat_store_query *query = p->query;
    if (p->is_back) {
        uint64_t high = range->last < query->before ? range->last : query->before - 1;
        return read_span(p, range->first, high);
    }
    uint64_t low = range->first > query->after + 1 ? range->first : query->after + 1;
    return read_span(p, low, range->last);
}

/* Range by range in the direction of the page; when it is full, what is in the next is more. */
static chat_status read_ranges(page *p)
{
    for (size_t i = 0; i < p->n_ranges; i++) {
        const chat__range *range = &p->ranges[p->is_back ? p->n_ranges - 1 - i : i];
        int is_beside =
            p->is_back ? range->first >= p->query->before : range->last <= p->query->after;
        if (is_beside)
            continue;
        if (p->n_rows == p->limit)
            return CHAT_MORE;
        chat_status status = read_range(p, range);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

/* --- rows that are at hand --- */

/* The rows of the page, and one more if there is one. What was done to a message is behind it: so
   without a note among them none was changed. CHAT_OK, CHAT_ERR_NOMEM; CHAT_EMPTY: it is not
   there. */
static chat_status take_recent(page *p, const chat_store_recent *recent)
{
    chat__recent_place places[CHAT__RECENT_MAX];
    uint32_t picked[CHAT__RECENT_MAX + 1];
    chat__recent of = {.places = places,
                       .head_seq = p->head.seq,
                       .ranges = p->ranges,
                       .n_ranges = p->n_ranges,
                       .after = p->query->after,
                       .before = p->query->before,
                       .limit = p->limit};
    size_t n = 0;
    int has_notes = 0;
    for (; of.n_places < recent->n_rows && of.n_places < CHAT__RECENT_MAX; of.n_places++) {
        const chat_store_row *row = &recent->rows[of.n_places];
        places[of.n_places] = (chat__recent_place){row->seq, row->prev};
        has_notes |= row->kind == CHAT_FRAME_NOTE;
    }
    if (p->limit >= CHAT__RECENT_MAX || chat__recent_pick(&of, picked, &n) != CHAT_OK)
        return CHAT_EMPTY;
    p->head.has_notes = p->head.has_notes && has_notes;
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < n && status == CHAT_OK; i++)
        status = chat__buf_append(&p->rows, &recent->rows[picked[i]], sizeof *recent->rows);
    return status;
}

static chat_status give_recent(page *p)
{
    chat_status status = CHAT_OK;
    chat_store_row *rows = (chat_store_row *)(void *)p->rows.data;
    size_t n = p->rows.len / sizeof *rows;
    if (p->head.has_notes)
        status = chat__cstore_shown_load(&p->shown, rows, n);
    for (size_t i = 0; i < n && status == CHAT_OK; i++)
        status = emit(p, i, &rows[i]);
    return status;
}

/* --- all of it --- */

static chat_status read_shown(page *p, int is_recent)
{
    chat_status status = CHAT_OK;
    int has_notes = p->head.has_notes;
    if (has_notes)
        status = chat__cstore_shown_begin(&p->shown, p->reader, p->query->chat, p->head.seq);
    if (status == CHAT_OK)
        status = is_recent ? give_recent(p) : read_ranges(p);
    if (has_notes)
        chat__cstore_shown_end(&p->shown);
    return status;
}

static chat_status read_all(page *p, chat_store_recent *recent)
{
    chat_status status = CHAT_EMPTY;
    chat__cstore_call_init(&p->call, p->reader->session);
    chat__buf_init(&p->rows, &p->reader->allocator, SIZE_MAX / 2);
    if (recent != NULL)
        status = take_recent(p, recent);
    int is_recent = status == CHAT_OK;
    if (recent != NULL)
        recent->is_used = (uint32_t)is_recent;
    if (status == CHAT_EMPTY)
        status = recent != NULL ? load_buckets(p) : CHAT_OK;
    if (status == CHAT_OK)
        status = read_shown(p, is_recent);
    chat__buf_done(&p->rows);
    chat__cstore_call_done(&p->call);
    return status;
}

chat_status chat__cstore_read(const chat__cstore_reader *reader, const chat_store_query *query,
                              chat_store_row_fn fn, void *ctx)
{
    return chat__cstore_read_recent(reader, query, NULL, fn, ctx);
}

chat_status chat__cstore_read_recent(const chat__cstore_reader *reader,
                                     const chat_store_query *query, chat_store_recent *recent,
                                     chat_store_row_fn fn, void *ctx)
{
    chat__range whole = {0, UINT64_MAX};
    page p = {.reader = reader, .query = query, .fn = fn, .ctx = ctx};
    if (!chat__cstore_is_chat(query->chat))
        return is_group(query) ? CHAT_ERR_NOT_FOUND : CHAT_OK;
    p.is_back = query->after == UINT64_MAX;
    p.limit = query->limit < CHAT_STORE_MAX_ROWS ? query->limit : CHAT_STORE_MAX_ROWS;
    p.chunk = FIRST_CHUNK;
    if (recent != NULL)
        recent->is_used = 0;
    if (recent != NULL && recent->n_rows == 0)
        recent = NULL;
    chat_status status = open_page(&p, recent != NULL);
    int is_whole = p.ranges == NULL;
    if (is_whole) {
        p.ranges = &whole;
        p.n_ranges = 1;
    }
    if (status == CHAT_OK && p.head.seq > 0)
        status = p.limit == 0 ? CHAT_MORE : read_all(&p, recent);
    if (!is_whole)
        chat__alloc_free(&reader->allocator, p.ranges);
    chat__alloc_free(&reader->allocator, p.buckets.items);
    return status;
}
