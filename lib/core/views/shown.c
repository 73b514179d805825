/* SPDX-License-Identifier: MIT */
/* See shown.h. The frames have no lists: one decoder serves two of them. */
#include "views/shown.h"
#include "base/view.h"
#include "wire/wire.h"

#include <string.h>

static chat_status encode(chat__buf *bytes, const chat_frame *frame, chat_view *out)
{
    bytes->len = 0;
    chat_status status = chat__frame_encode_buf(CHAT_ENCODING_CBOR, frame, bytes);
    if (status == CHAT_OK)
        *out = chat__buf_view(bytes);
    return status;
}

static int decode(chat_decoder *decoder, chat_view payload, chat_frame *out)
{
    return chat_frame_decode(decoder, CHAT_ENCODING_CBOR, payload, out) == CHAT_OK;
}

chat_status chat__shown_message(chat_decoder *decoder, chat__buf *bytes, const chat_view *edit,
                                int is_deleted, chat_view *payload)
{
    chat_frame message;
    chat_frame by;
    if ((edit == NULL && !is_deleted) || !decode(decoder, *payload, &message))
        return CHAT_OK;
    if (is_deleted) {
        CHAT_FRAME_SET(&message, BODY, body, chat__view(NULL, 0));
        CHAT_FRAME_SET(&message, DELETED, deleted, 1);
        return encode(bytes, &message, payload);
    }
    if (!decode(decoder, *edit, &by))
        return CHAT_OK;
    CHAT_FRAME_SET(&message, BODY, body, CHAT_FRAME_HAS(&by, BODY) ? by.body : chat__view(NULL, 0));
    CHAT_FRAME_SET(&message, EDITED, edited, CHAT_FRAME_HAS(&by, TS) ? by.ts : 0);
    return encode(bytes, &message, payload);
}

int chat__shown_is_edit(chat_decoder *decoder, chat_view payload, uint64_t *out_re_seq)
{
    chat_frame edit;
    if (!decode(decoder, payload, &edit) || !CHAT_FRAME_HAS(&edit, BODY))
        return 0;
    *out_re_seq = edit.re_seq;
    return 1;
}

chat_status chat__shown_empty_edit(chat_decoder *decoder, chat__buf *bytes, chat_view *payload)
{
    chat_frame edit;
    if (!decode(decoder, *payload, &edit) || !CHAT_FRAME_HAS(&edit, BODY))
        return CHAT_OK;
    edit.has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_BODY);
    return encode(bytes, &edit, payload);
}

int chat__shown_is_unread(chat_decoder *decoder, uint32_t kind, chat_view payload, chat_view user)
{
    chat_frame frame;
    return kind == CHAT_FRAME_MSG && decode(decoder, payload, &frame) &&
           frame.type == CHAT_FRAME_MSG && !CHAT_FRAME_HAS(&frame, DELETED) &&
           !chat__view_equal(frame.from, user);
}

static chat__reaction *reaction_of(chat__reactions *all, chat_view user)
{
    chat__reaction *item = all->items;
    for (size_t i = 0; i < all->n_items; i++, item++) {
        if (chat__view_equal(chat__view(item->user, item->user_len), user))
            return item;
    }
    if (all->n_items == CHAT__REACTIONS_MAX || user.len == 0 || user.len > sizeof item->user)
        return NULL;
    all->n_items++;
    memset(item, 0, sizeof *item);
    item->user_len = (uint8_t)user.len;
    memcpy(item->user, user.data, user.len);
    return item;
}

void chat__reactions_take(chat__reactions *all, chat__note_what what, chat_view user, uint64_t seq)
{
    if (what == CHAT__NOTE_DELETE)
        all->is_deleted = 1;
    if (what != CHAT__NOTE_REACT && what != CHAT__NOTE_UNREACT)
        return;
    chat__reaction *item = reaction_of(all, user);
    if (item == NULL)
        return;
    uint64_t *newest = what == CHAT__NOTE_REACT ? &item->seq : &item->end_seq;
    if (seq > *newest)
        *newest = seq;
}

int chat__reactions_count(const chat__reactions *all, const chat__reaction *item)
{
    return !all->is_deleted && item->seq > item->end_seq;
}
