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
    return chat_decoder_new(&reader->allocator, CHAT__SHOWN_DECODER_MAX, &shown->decoder);
}

void chat__cstore_shown_end(chat__cstore_shown *shown)
{
    chat_decoder_free(shown->decoder);
    chat__buf_done(&shown->bytes);
    chat__buf_done(&shown->rows);
    chat__cstore_call_done(&shown->edits);
    chat__cstore_call_done(&shown->notes);
}

uint32_t chat__cstore_ask_notes(chat__cstore_call *call, chat_view chat, chat__note_what what,
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
    uint64_t re_seq;
    if (row->kind == CHAT_FRAME_NOTE && chat__shown_is_edit(shown->decoder, row->payload, &re_seq))
        out->of_item =
            chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__NOTE_DELETE, re_seq, re_seq);
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
    (void)chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__NOTE_EDIT, first, last);
    (void)chat__cstore_ask_notes(&shown->notes, shown->chat, CHAT__NOTE_DELETE, first, last);
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

/* An edit without a body may have been one before the message was deleted, since the notes were
   looked up: the deletion is there before anything is written over. */
static chat_status look_again(chat__cstore_shown *shown, uint64_t seq, int *out_is_deleted)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, shown->reader->session);
    (void)chat__cstore_ask_notes(&call, shown->chat, CHAT__NOTE_DELETE, seq, seq);
    chat_status status = chat__cstore_run(&call);
    *out_is_deleted = chat__cstore_rows_of(&call, 0).n_rows > 0;
    chat__cstore_call_done(&call);
    return status;
}

/* An edit that is not there costs itself alone. */
static chat_status give_edited(chat__cstore_shown *shown, const chat__cstore_shown_row *as,
                               chat_view *payload)
{
    uint64_t re_seq;
    int is_deleted = 0;
    chat__cstore_rows rows = chat__cstore_rows_of(&shown->edits, as->edit_item);
    if (!chat__cstore_next(&rows))
        return CHAT_OK;
    (void)chat__cstore_get_u64(&rows); /* id */
    (void)chat__cstore_get_u32(&rows); /* kind */
    (void)chat__cstore_get_u64(&rows); /* prev */
    (void)chat__cstore_get_u64(&rows); /* ordinal */
    chat_view edit = chat__cstore_get_text(&rows);
    chat_status status = CHAT_OK;
    if (!chat__shown_is_edit(shown->decoder, edit, &re_seq))
        status = look_again(shown, as->seq, &is_deleted);
    return status == CHAT_OK
               ? chat__shown_message(shown->decoder, &shown->bytes, &edit, is_deleted, payload)
               : status;
}

static int is_message_deleted(const chat__cstore_shown *shown, const chat__cstore_shown_row *as)
{
    int is_deleted = 0;
    chat__cstore_rows rows = chat__cstore_rows_of(&shown->notes, as->of_item);
    while (chat__cstore_next(&rows)) {
        (void)chat__cstore_get_u64(&rows);
        (void)chat__cstore_get_text(&rows);
        is_deleted |= chat__cstore_get_u64(&rows) <= shown->head_seq;
    }
    return is_deleted;
}

chat_status chat__cstore_shown_apply(chat__cstore_shown *shown, size_t i, chat_store_row *row)
{
    const chat__cstore_shown_row *as = row_at(shown, i);
    if (row->kind == CHAT_FRAME_NOTE && as->of_item != 0)
        return is_message_deleted(shown, as)
                   ? chat__shown_empty_edit(shown->decoder, &shown->bytes, &row->payload)
                   : CHAT_OK;
    if (row->kind == CHAT_FRAME_MSG && as->is_deleted)
        return chat__shown_message(shown->decoder, &shown->bytes, NULL, 1, &row->payload);
    return row->kind == CHAT_FRAME_MSG && as->edit_seq != 0 ? give_edited(shown, as, &row->payload)
                                                            : CHAT_OK;
}
