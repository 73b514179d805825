/* SPDX-License-Identifier: MIT */
/* How far the members of a chat are, and since when; all of them are asked for together. */
#include "backends/cassandra/store/events.h"
#include "backends/cassandra/store/places.h"

#include <chat/id.h>

#include "base/alloc.h"
#include "base/view.h"

#define SINCE_DELIVERED 1u
#define SINCE_READ      2u

typedef struct marking {
    const chat__cstore_reader *reader;
    chat_view chat, user;
    uint64_t seq;
    chat__cstore_call call; /* names are borrowed from it */
    uint32_t buckets_item, members_item, read_item, delivered_item;
    chat_view direct[2];
    int is_direct;
    chat__cstore_head head;
    chat_store_mark *items;
    size_t n_items;
    uint64_t newest_seq;
} marking;

static uint32_t ask_of_chat(marking *m, chat__cstore_statement statement)
{
    uint32_t item = chat__cstore_ask(&m->call, statement);
    chat__cstore_text(&m->call, m->chat);
    return item;
}

static void ask_all(marking *m)
{
    (void)chat__cstore_ask_head(&m->call, m->chat);
    m->buckets_item = chat__cstore_ask_buckets(&m->call, m->chat);
    if (!m->is_direct)
        m->members_item = ask_of_chat(m, CHAT__CSTORE_GET_MEMBERS);
    if (m->user.len > 0) {
        m->read_item = chat__cstore_ask(&m->call, CHAT__CSTORE_GET_READ);
        chat__cstore_text(&m->call, m->user);
        chat__cstore_text(&m->call, m->chat);
        return;
    }
    m->read_item = ask_of_chat(m, CHAT__CSTORE_GET_READ_BY);
    m->delivered_item = ask_of_chat(m, CHAT__CSTORE_GET_DELIVERED_TO);
}

/* --- members --- */

static chat_status take_group(marking *m)
{
    chat__cstore_events events = {NULL, 0};
    chat__member *members = NULL;
    size_t n = 0;
    const chat_allocator *allocator = &m->reader->allocator;
    chat_status status = chat__cstore_take_events(m->reader, &m->call, m->members_item, &events);
    if (status == CHAT_OK)
        status = chat__cstore_members_of(m->reader, &events, &members, &n);
    m->items = chat__alloc_zero(allocator, (n + 1) * sizeof *m->items);
    if (status == CHAT_OK && m->items == NULL)
        status = CHAT_ERR_NOMEM;
    if (status == CHAT_OK)
        m->n_items = n;
    for (size_t i = 0; i < m->n_items; i++)
        m->items[i].user = members[i].user;
    chat__alloc_free(allocator, members);
    chat__alloc_free(allocator, events.items);
    return status;
}

static chat_status take_members(marking *m)
{
    if (!m->is_direct)
        return m->head.is_group ? take_group(m) : CHAT_ERR_NOT_FOUND;
    m->items = chat__alloc_zero(&m->reader->allocator, 2 * sizeof *m->items);
    if (m->items == NULL)
        return CHAT_ERR_NOMEM;
    m->n_items = 2;
    m->items[0].user = m->direct[0];
    m->items[1].user = m->direct[1];
    return CHAT_OK;
}

/* Members are in the order of their names. */
static chat_store_mark *find(const marking *m, chat_view user)
{
    size_t low = 0;
    size_t high = m->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = chat__view_compare(m->items[middle].user, user);
        if (order == 0)
            return &m->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static chat_status take_marks(marking *m)
{
    chat__cstore_rows rows = chat__cstore_rows_of(&m->call, m->read_item);
    if (m->user.len > 0) {
        chat_store_mark *own = find(m, m->user);
        if (own != NULL && chat__cstore_next(&rows))
            own->read_seq = chat__cstore_get_u64(&rows);
        return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
    }
    while (chat__cstore_next(&rows)) {
        chat_store_mark *mark = find(m, chat__cstore_get_text(&rows));
        if (mark != NULL)
            mark->read_seq = chat__cstore_get_u64(&rows);
    }
    chat__cstore_rows delivered = chat__cstore_rows_of(&m->call, m->delivered_item);
    while (chat__cstore_next(&delivered)) {
        chat_store_mark *mark = find(m, chat__cstore_get_text(&delivered));
        if (mark != NULL)
            mark->delivered_seq = chat__cstore_get_u64(&delivered);
    }
    return rows.is_bad || delivered.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

/* --- since when --- */

static void ask_since(const marking *m, chat__cstore_call *call, chat_view user, uint8_t type)
{
    (void)chat__cstore_ask(call, CHAT__CSTORE_GET_SINCE);
    chat__cstore_text(call, user);
    chat__cstore_text(call, m->chat);
    chat__cstore_u8(call, type);
    chat__cstore_u64(call, m->seq);
}

/* The first run that reaches it, if the one before is known. */
static uint64_t take_since(const marking *m, const chat__cstore_call *call, uint32_t item)
{
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    if (!chat__cstore_next(&rows))
        return 0;
    uint64_t at_ms = chat__cstore_get_u64(&rows);
    return chat__cstore_get_u64(&rows) < m->seq ? at_ms : 0;
}

static chat_status load_times(marking *m)
{
    chat__cstore_call call;
    uint32_t item = 0;
    chat__cstore_call_init(&call, m->reader->session);
    for (size_t i = 0; i < m->n_items; i++) {
        if (m->items[i].delivered_seq >= m->seq)
            ask_since(m, &call, m->items[i].user, SINCE_DELIVERED);
        if (m->items[i].read_seq >= m->seq)
            ask_since(m, &call, m->items[i].user, SINCE_READ);
    }
    chat_status status = chat__cstore_run(&call);
    for (size_t i = 0; i < m->n_items && status == CHAT_OK; i++) {
        if (m->items[i].delivered_seq >= m->seq)
            m->items[i].delivered_unix_ms = take_since(m, &call, item++);
        if (m->items[i].read_seq >= m->seq)
            m->items[i].read_unix_ms = take_since(m, &call, item++);
    }
    chat__cstore_call_done(&call);
    return status;
}

/* --- all of it --- */

static chat_status find_newest(marking *m)
{
    chat__cstore_buckets buckets = {NULL, 0};
    if (m->seq == 0 || m->head.seq <= m->seq) {
        m->newest_seq = m->seq == 0 ? 0 : m->head.seq;
        return CHAT_OK;
    }
    chat_status status = chat__cstore_take_buckets(m->reader, &m->call, m->buckets_item, &buckets);
    if (status == CHAT_OK) {
        chat__cstore_place place = chat__cstore_place_of(m->chat, &buckets, m->seq);
        status = chat__cstore_find_places(m->reader, &place, 1);
        m->newest_seq = place.found_seq;
    }
    chat__alloc_free(&m->reader->allocator, buckets.items);
    return status;
}

static chat_status load(marking *m)
{
    ask_all(m);
    chat_status status = chat__cstore_run(&m->call);
    if (status != CHAT_OK)
        return status;
    m->head = chat__cstore_take_head(&m->call, 0);
    status = take_members(m);
    if (status == CHAT_OK)
        status = take_marks(m);
    if (status == CHAT_OK && m->user.len == 0 && m->seq > 0 &&
        m->n_items < CHAT_STORE_RECEIPT_MEMBERS)
        status = load_times(m);
    return status == CHAT_OK ? find_newest(m) : status;
}

chat_status chat__cstore_load_marks(const chat__cstore_reader *reader, chat_view chat,
                                    chat_view user, uint64_t seq, chat_store_marks_fn fn, void *ctx)
{
    marking m = {.reader = reader, .chat = chat, .user = user, .seq = seq};
    if (!chat__cstore_is_chat(chat) || (user.len > 0 && !chat__cstore_is_user(user)))
        return CHAT_ERR_NOT_FOUND;
    m.is_direct = chat_direct_members(chat, m.direct) == CHAT_OK;
    chat__cstore_call_init(&m.call, reader->session);
    chat_status status = load(&m);
    if (status == CHAT_OK) {
        chat_store_marks marks = {m.items, m.n_items, m.newest_seq};
        fn(ctx, &marks);
    }
    chat__alloc_free(&reader->allocator, m.items);
    chat__cstore_call_done(&m.call);
    return status;
}
