/* SPDX-License-Identifier: MIT */
/* See shown.h. An edit or a deletion is a record behind the message; where it is, `notes` says. */
#include "backends/cassandra/store/shown.h"
#include "backends/cassandra/store/places.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

#define EDITS_ITEM   0u /* of the call `notes` */
#define DELETES_ITEM 1u

static chat__cstore_shown_row *row_at(const chat__cstore_shown *shown, size_t i)
{
    return (chat__cstore_shown_row *)(void *)shown->rows.data + i;
}

chat_status chat__cstore_shown_begin(chat__cstore_shown *shown, const chat__cstore_reader *reader,
                                     chat_view chat, uint64_t head_seq)
{
    memset(shown, 0, sizeof *shown);
    shown->reader = reader;
    shown->chat = chat;
    shown->head_seq = head_seq;
    chat__cstore_call_init(&shown->notes, reader->session);
    chat__cstore_call_init(&shown->edits, reader->session);
    chat__buf_init(&shown->rows, &reader->allocator, SIZE_MAX / 2);
    chat__buf_init(&shown->bytes, &reader->allocator, SIZE_MAX / 2);
    return chat_decoder_new(&reader->allocator, CHAT__CSTORE_DECODER_MAX, &shown->decoder);
}

void chat__cstore_shown_end(chat__cstore_shown *shown)
{
    chat_decoder_free(shown->decoder);
    chat__buf_done(&shown->bytes);
    chat__buf_done(&shown->rows);
    chat__cstore_call_done(&shown->edits);
    chat__cstore_call_done(&shown->notes);
}

uint32_t chat__cstore_ask_notes(chat__cstore_call *call, chat_view chat, chat__cstore_note what,
                                uint64_t first, uint64_t last)
{
    uint32_t item = chat__cstore_ask(call, CHAT__CSTORE_GET_NOTES);
    chat__cstore_text(call, chat);
    chat__cstore_u8(call, (uint8_t)what);
    chat__cstore_u64(call, first);
    chat__cstore_u64(call, last);
    return item;
}

/* --- what was done --- */

/* By halving: rows go up or down. NULL: no such row. */
static chat__cstore_shown_row *find(const chat__cstore_shown *shown, const chat_store_row *rows,
                                    size_t n, uint64_t seq)
{
    int is_down = n > 1 && rows[0].seq > rows[1].seq;
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].seq == seq)
            return row_at(shown, middle);
        if ((rows[middle].seq < seq) != is_down)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The message that an edit is of: what it says is of no use when that was deleted. */
static void ask_of(chat__cstore_shown *shown, const chat_store_row *row,
                   chat__cstore_shown_row *out)
{
    chat_frame edit;
    if (row->kind != CHAT_FRAME_NOTE ||
        chat_frame_decode(shown->decoder, CHAT_ENCODING_CBOR, row->payload, &edit) != CHAT_OK ||
        !CHAT_FRAME_HAS(&edit, BODY))
        return;
    out->of_item = chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__CSTORE_NOTE_DELETE,
                                          edit.re_seq, edit.re_seq);
}

static void take_notes(chat__cstore_shown *shown, const chat_store_row *rows, size_t n,
                       uint32_t item)
{
    chat__cstore_rows found = chat__cstore_rows_of(&shown->notes, item);
    while (chat__cstore_next(&found)) {
        chat__cstore_shown_row *row = find(shown, rows, n, chat__cstore_get_u64(&found));
        (void)chat__cstore_get_text(&found);
        uint64_t seq = chat__cstore_get_u64(&found);
        if (row == NULL || seq > shown->head_seq)
            continue;
        if (item == DELETES_ITEM)
            row->is_deleted = 1;
        else if (seq > row->edit_seq)
            row->edit_seq = seq;
    }
}

/* The records of the edits that are shown. */
static chat_status load_edits(chat__cstore_shown *shown, const chat_store_row *rows, size_t n)
{
    chat__cstore_reset(&shown->edits);
    for (size_t i = 0; i < n; i++) {
        chat__cstore_shown_row *row = row_at(shown, i);
        if (rows[i].kind != CHAT_FRAME_MSG || row->edit_seq == 0 || row->is_deleted)
            continue;
        row->seq = rows[i].seq;
        row->edit_item = chat__cstore_ask(&shown->edits, CHAT__CSTORE_GET_RECORD);
        chat__cstore_text(&shown->edits, shown->chat);
        chat__cstore_u32(&shown->edits, chat__cstore_bucket_of(row->edit_seq));
        chat__cstore_u64(&shown->edits, row->edit_seq);
    }
    return chat__cstore_run(&shown->edits);
}

chat_status chat__cstore_shown_load(chat__cstore_shown *shown, const chat_store_row *rows, size_t n)
{
    if (n == 0)
        return CHAT_OK;
    uint64_t first = rows[0].seq < rows[n - 1].seq ? rows[0].seq : rows[n - 1].seq;
    uint64_t last = rows[0].seq < rows[n - 1].seq ? rows[n - 1].seq : rows[0].seq;
    shown->rows.len = 0;
    chat_status status = chat__buf_reserve(&shown->rows, n * sizeof(chat__cstore_shown_row));
    if (status != CHAT_OK)
        return status;
    shown->rows.len = n * sizeof(chat__cstore_shown_row);
    memset(shown->rows.data, 0, shown->rows.len);
    chat__cstore_reset(&shown->notes);
    (void)chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__CSTORE_NOTE_EDIT, first, last);
    (void)chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__CSTORE_NOTE_DELETE, first, last);
    for (size_t i = 0; i < n; i++)
        ask_of(shown, &rows[i], row_at(shown, i));
    status = chat__cstore_run(&shown->notes);
    if (status != CHAT_OK)
        return status;
    take_notes(shown, rows, n, EDITS_ITEM);
    take_notes(shown, rows, n, DELETES_ITEM);
    return load_edits(shown, rows, n);
}

/* --- a message as it is now --- */

static chat_status encode(chat__cstore_shown *shown, const chat_frame *frame, chat_view *out)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_CBOR, frame);
    size_t len = 0;
    shown->bytes.len = 0;
    chat_status status = chat__buf_reserve(&shown->bytes, cap);
    if (status == CHAT_OK)
        status = chat_frame_encode(CHAT_ENCODING_CBOR, frame, shown->bytes.data, cap, &len);
    if (status == CHAT_OK)
        *out = chat__view(shown->bytes.data, len);
    return status;
}

static chat_status give_tombstone(chat__cstore_shown *shown, chat_frame *message,
                                  chat_view *payload)
{
    CHAT_FRAME_SET(message, BODY, body, chat__view(NULL, 0));
    CHAT_FRAME_SET(message, DELETED, deleted, 1);
    return encode(shown, message, payload);
}

/* An edit without a body may have been one before the message was deleted, since the notes were
   looked up: the deletion is there before anything is written over. */
static chat_status look_again(chat__cstore_shown *shown, uint64_t seq, int *out_is_deleted)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, shown->reader->session);
    (void)chat__cstore_ask_notes(&call, shown->chat, CHAT__CSTORE_NOTE_DELETE, seq, seq);
    chat_status status = chat__cstore_run(&call);
    *out_is_deleted = chat__cstore_rows_of(&call, 0).n_rows > 0;
    chat__cstore_call_done(&call);
    return status;
}

/* An edit that is not there, or is no edit, costs itself alone. Frames have no lists here: one
   decoder serves both. */
static chat_status give_edited(chat__cstore_shown *shown, const chat__cstore_shown_row *as,
                               chat_frame *message, chat_view *payload)
{
    chat_frame edit;
    chat__cstore_rows rows = chat__cstore_rows_of(&shown->edits, as->edit_item);
    if (!chat__cstore_next(&rows))
        return CHAT_OK;
    (void)chat__cstore_get_u64(&rows); /* id */
    (void)chat__cstore_get_u32(&rows); /* kind */
    (void)chat__cstore_get_u64(&rows); /* prev */
    (void)chat__cstore_get_u64(&rows); /* ordinal */
    if (chat_frame_decode(shown->decoder, CHAT_ENCODING_CBOR, chat__cstore_get_text(&rows),
                          &edit) != CHAT_OK)
        return CHAT_OK;
    int has_body = CHAT_FRAME_HAS(&edit, BODY) != 0;
    if (!has_body) {
        int is_deleted = 0;
        chat_status status = look_again(shown, as->seq, &is_deleted);
        if (status != CHAT_OK || is_deleted)
            return status == CHAT_OK ? give_tombstone(shown, message, payload) : status;
    }
    CHAT_FRAME_SET(message, BODY, body, has_body ? edit.body : chat__view(NULL, 0));
    CHAT_FRAME_SET(message, EDITED, edited, edit.ts);
    return encode(shown, message, payload);
}

static chat_status apply_to_edit(chat__cstore_shown *shown, const chat__cstore_shown_row *as,
                                 chat_view *payload)
{
    chat_frame edit;
    int is_deleted = 0;
    chat__cstore_rows rows = chat__cstore_rows_of(&shown->notes, as->of_item);
    while (chat__cstore_next(&rows)) {
        (void)chat__cstore_get_u64(&rows);
        (void)chat__cstore_get_text(&rows);
        is_deleted |= chat__cstore_get_u64(&rows) <= shown->head_seq;
    }
    if (!is_deleted ||
        chat_frame_decode(shown->decoder, CHAT_ENCODING_CBOR, *payload, &edit) != CHAT_OK)
        return CHAT_OK;
    edit.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
    return encode(shown, &edit, payload);
}

chat_status chat__cstore_shown_apply(chat__cstore_shown *shown, size_t i, chat_store_row *row)
{
    const chat__cstore_shown_row *as = row_at(shown, i);
    chat_frame message;
    if (row->kind == CHAT_FRAME_NOTE && as->of_item != 0)
        return apply_to_edit(shown, as, &row->payload);
    if (row->kind != CHAT_FRAME_MSG || (as->edit_seq == 0 && !as->is_deleted) ||
        chat_frame_decode(shown->decoder, CHAT_ENCODING_CBOR, row->payload, &message) != CHAT_OK)
        return CHAT_OK;
    return as->is_deleted ? give_tombstone(shown, &message, &row->payload)
                          : give_edited(shown, as, &message, &row->payload);
}
