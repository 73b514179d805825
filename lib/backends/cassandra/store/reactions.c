/* SPDX-License-Identifier: MIT */
/* The reactions to a message: the newest of each user, when he has not taken it back since. */
#include "backends/cassandra/store/places.h"
#include "backends/cassandra/store/shown.h"

#include "base/alloc.h"
#include "base/view.h"

#define FIND_ROWS 100u
#define AT_ONCE   64u /* whose words are asked for together */

typedef struct finding {
    uint64_t id;
    uint64_t seq;
} finding;

/* A record's seq is its id or somewhat more. */
static void match_row(void *ctx, const chat_store_row *row)
{
    finding *find = ctx;
    if (row->id == find->id && row->kind == CHAT_FRAME_MSG)
        find->seq = row->seq;
}

typedef struct reactions {
    const chat__cstore_reader *reader;
    chat_view chat;
    chat__reactions found;
    chat_decoder *decoder;
    chat__buf bytes;
    chat_store_row_fn fn;
    void *ctx;
} reactions;

static chat_status take_notes(reactions *all, const chat__cstore_call *call, uint32_t item,
                              chat__note_what what)
{
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    while (chat__cstore_next(&rows)) {
        (void)chat__cstore_get_u64(&rows);
        chat_view user = chat__cstore_get_text(&rows);
        chat__reactions_take(&all->found, what, user, chat__cstore_get_u64(&rows));
    }
    return rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
}

/* As it is written: with the id that the note has. */
static chat_status give(reactions *all, uint64_t seq, uint64_t prev, chat_view payload)
{
    chat_frame note;
    size_t len = 0;
    if (chat_frame_decode(all->decoder, CHAT_ENCODING_CBOR, payload, &note) != CHAT_OK)
        return CHAT_OK;
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, &note);
    all->bytes.len = 0;
    chat_status status = chat__buf_reserve(&all->bytes, cap);
    if (status != CHAT_OK)
        return status;
    if (chat_frame_encode(CHAT_ENCODING_CBOR, &note, all->bytes.data, cap, &len) == CHAT_OK) {
        chat_store_row row = {.seq = seq, .prev = prev, .id = note.id, .kind = CHAT_FRAME_NOTE};
        row.payload = chat__view(all->bytes.data, len);
        all->fn(all->ctx, &row);
    }
    return CHAT_OK;
}

static chat_status give_some(reactions *all, size_t first, size_t end)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, all->reader->session);
    for (size_t i = first; i < end; i++) {
        (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_RECORD);
        chat__cstore_text(&call, all->chat);
        chat__cstore_u32(&call, chat__cstore_bucket_of(all->found.items[i].seq));
        chat__cstore_u64(&call, all->found.items[i].seq);
    }
    chat_status status = chat__cstore_run(&call);
    for (size_t i = first; i < end && status == CHAT_OK; i++) {
        chat__cstore_rows rows = chat__cstore_rows_of(&call, i - first);
        if (!chat__cstore_next(&rows))
            continue;
        (void)chat__cstore_get_u64(&rows); /* id */
        (void)chat__cstore_get_u32(&rows); /* kind */
        uint64_t prev = chat__cstore_get_u64(&rows);
        (void)chat__cstore_get_u64(&rows); /* ordinal */
        status = give(all, all->found.items[i].seq, prev, chat__cstore_get_text(&rows));
    }
    chat__cstore_call_done(&call);
    return status;
}

/* Those that count move to the front. */
static chat_status give_all(reactions *all)
{
    chat__reactions *found = &all->found;
    size_t n = 0;
    chat_status status =
        chat_decoder_new(&all->reader->allocator, CHAT__SHOWN_DECODER_MAX, &all->decoder);
    for (size_t i = 0; i < found->n_items; i++) {
        if (chat__reactions_count(found, &found->items[i]))
            found->items[n++] = found->items[i];
    }
    for (size_t i = 0; i < n && status == CHAT_OK; i += AT_ONCE)
        status = give_some(all, i, i + AT_ONCE < n ? i + AT_ONCE : n);
    chat_decoder_free(all->decoder);
    return status;
}

static chat_status read_of(reactions *all, uint64_t seq)
{
    static const chat__note_what WHAT[] = {CHAT__NOTE_REACT, CHAT__NOTE_UNREACT, CHAT__NOTE_DELETE};
    chat__cstore_call call;
    chat__cstore_call_init(&call, all->reader->session);
    for (uint32_t i = 0; i < sizeof WHAT / sizeof *WHAT; i++)
        (void)chat__cstore_ask_notes(&call, all->chat, WHAT[i], seq, seq);
    chat_status status = chat__cstore_run(&call);
    for (uint32_t i = 0; i < sizeof WHAT / sizeof *WHAT && status == CHAT_OK; i++)
        status = take_notes(all, &call, i, WHAT[i]);
    if (status == CHAT_OK)
        status = give_all(all);
    chat__cstore_call_done(&call);
    return status;
}

chat_status chat__cstore_read_reactions(const chat__cstore_reader *reader, chat_view chat,
                                        chat_view user, uint64_t id, chat_store_row_fn fn,
                                        void *ctx)
{
    finding find = {id, 0};
    reactions all = {.reader = reader, .chat = chat, .fn = fn, .ctx = ctx};
    chat_store_query query = {.chat = chat,
                              .after = id > 0 ? id - 1 : 0,
                              .before = UINT64_MAX,
                              .limit = FIND_ROWS,
                              .user = user};
    chat_status status = chat__cstore_read(reader, &query, match_row, &find);
    if (status < 0)
        return status;
    if (find.seq == 0)
        return CHAT_ERR_NOT_FOUND;
    all.found.items =
        chat__alloc_zero(&reader->allocator, CHAT__REACTIONS_MAX * sizeof *all.found.items);
    if (all.found.items == NULL)
        return CHAT_ERR_NOMEM;
    chat__buf_init(&all.bytes, &reader->allocator, SIZE_MAX / 2);
    status = read_of(&all, find.seq);
    chat__buf_done(&all.bytes);
    chat__alloc_free(&reader->allocator, all.found.items);
    return status;
}
