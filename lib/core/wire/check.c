/* SPDX-License-Identifier: MIT */
/* What a value of each kind may be, the same for both encodings and both directions. */
#include "wire/wire.h"
#include "base/utf8.h"
#include "base/view.h"

#include <chat/id.h>

/* Whether it is printable ASCII: most ids are, and then no look at characters is needed. */
static int is_plain(chat_view text)
{
    unsigned odd = 0;
    for (size_t i = 0; i < text.len; i++)
        odd |= (uint8_t)(text.data[i] - 0x20u) >= 0x5fu;
    return odd == 0;
}

static int is_direct_or_group(chat_view chat)
{
    chat_view members[2];
    if (chat__view_starts_with(chat, "dm:"))
        return chat_direct_members(chat, members) == CHAT_OK;
    if (chat__view_starts_with(chat, "me:"))
        return chat_self_user(chat, members) == CHAT_OK;
    if (chat.len > 0 && chat.len <= CHAT_ID_MAX_BYTES && is_plain(chat))
        return 1;
    return chat_group_id_is_valid(chat);
}

static int is_id(chat_view id)
{
    if (id.len == 0 || id.len > CHAT_ID_MAX_BYTES)
        return 0;
    return is_plain(id) || chat_id_is_valid(id);
}

static int is_text(chat_view text, size_t max)
{
    if (text.len > max || !chat__utf8_is_valid(text))
        return 0;
    return text.len == 0 || memchr(text.data, 0, text.len) == NULL;
}

chat_status chat__wire_check_text(const chat__wire_field *field, chat_view text)
{
    int is_good = field->kind == CHAT__WIRE_TEXT   ? is_text(text, field->max)
                  : field->kind == CHAT__WIRE_CHAT ? is_direct_or_group(text)
                                                   : is_id(text);
    if (is_good)
        return CHAT_OK;
    return chat__utf8_is_valid(text) ? CHAT_ERR_ARG : CHAT_ERR_SYNTAX;
}

chat_status chat__wire_check_number(const chat__wire_field *field, uint64_t value)
{
    uint64_t max = field->kind == CHAT__WIRE_BOOL   ? 1
                   : field->kind == CHAT__WIRE_UINT ? CHAT__WIRE_UINT_MAX
                                                    : UINT64_MAX;
    return value <= max ? CHAT_OK : CHAT_ERR_ARG;
}

static int is_good_list(const chat__wire_field *field, const chat_view_list *list)
{
    if (list->n_items > field->max)
        return 0;
    for (size_t i = 0; i < list->n_items; i++) {
        if (!is_id(list->items[i]))
            return 0;
    }
    return 1;
}

static int is_good_field(const chat__wire_field *field, chat_frame *frame)
{
    switch (field->kind) {
    case CHAT__WIRE_ID:
    case CHAT__WIRE_CHAT:
    case CHAT__WIRE_TEXT:
        return chat__wire_check_text(field, *chat__wire_text_at(frame, field)) == CHAT_OK;
    case CHAT__WIRE_IDS:
        return is_good_list(field, chat__wire_list_at(frame, field));
    default:
        return chat__wire_check_number(field, *chat__wire_number_at(frame, field)) == CHAT_OK;
    }
}

chat_status chat__wire_check_frame(const chat_frame *frame)
{
    const chat__wire_type *type = chat__wire_type_of(frame->type);
    if (type == NULL || (type->required & ~frame->has) != 0)
        return CHAT_ERR_ARG;
    for (uint64_t left = frame->has & type->allowed; left != 0; left &= left - 1) {
        const chat__wire_field *field = &chat__wire_fields[__builtin_ctzll(left)];
        /* The accessors are shared with the decoder; nothing is written. */
        if (!is_good_field(field, (chat_frame *)(uintptr_t)frame))
            return CHAT_ERR_ARG;
    }
    return CHAT_OK;
}

chat_status chat__wire_conclude(chat_frame *frame, uint64_t bad)
{
    const chat__wire_type *type = chat__wire_type_of(frame->type);
    chat_status status = CHAT_OK;
    /* Bit 0 stands for the type: missing or unreadable when bad. */
    if ((bad & 1) != 0)
        status = CHAT_ERR_ARG;
    else if (type == NULL)
        status = CHAT_ERR_UNSUPPORTED;
    else if ((bad & type->allowed) != 0 || (type->required & ~frame->has) != 0)
        status = CHAT_ERR_ARG;
    frame->has &= status == CHAT_OK ? type->allowed : CHAT__WIRE_ANSWER_BITS;
    return status;
}
