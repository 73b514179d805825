/* SPDX-License-Identifier: MIT */
/* The ids that people choose, and the name that a direct chat gets from its two members. */
#include <chat/id.h>

#include "base/utf8.h"
#include "base/view.h"

#define DIRECT_PREFIX     "dm:"
#define DIRECT_PREFIX_LEN (sizeof DIRECT_PREFIX - 1)
#define SELF_PREFIX       "me:"
#define SELF_PREFIX_LEN   (sizeof SELF_PREFIX - 1)

int chat_id_is_valid(chat_view id)
{
    return id.data != NULL && id.len > 0 && id.len <= CHAT_ID_MAX_BYTES &&
           chat__utf8_is_valid(id) && !chat__utf8_has_control(id);
}

int chat_group_id_is_valid(chat_view id)
{
    return chat_id_is_valid(id) && !chat__view_starts_with(id, DIRECT_PREFIX) &&
           !chat__view_starts_with(id, SELF_PREFIX);
}

static size_t put(chat_direct_name *name, size_t at, const void *bytes, size_t len)
{
    memcpy(name->bytes + at, bytes, len);
    return at + len;
}

chat_status chat_direct_id(chat_view a, chat_view b, chat_direct_name *out)
{
    if (out == NULL || !chat_id_is_valid(a) || !chat_id_is_valid(b))
        return CHAT_ERR_ARG;
    int order = chat__view_compare(a, b);
    if (order == 0)
        return CHAT_ERR_ARG;
    chat_view smaller = order < 0 ? a : b;
    chat_view larger = order < 0 ? b : a;
    uint8_t digits[2] = {(uint8_t)('0' + smaller.len / 10), (uint8_t)('0' + smaller.len % 10)};
    size_t n_digits = smaller.len < 10 ? 1 : 2;
    size_t len = put(out, 0, DIRECT_PREFIX, DIRECT_PREFIX_LEN);
    len = put(out, len, digits + 2 - n_digits, n_digits);
    len = put(out, len, ":", 1);
    len = put(out, len, smaller.data, smaller.len);
    len = put(out, len, ":", 1);
    len = put(out, len, larger.data, larger.len);
    out->len = (uint8_t)len;
    return CHAT_OK;
}

/* Read the length of the smaller id and the colon behind it; 0 when it is not in the one form that
   chat_direct_id() writes. `*at` is moved behind the colon. */
static size_t read_len(chat_view chat, size_t *at)
{
    size_t len = 0;
    size_t i = *at;
    while (i < chat.len && chat.data[i] >= '0' && chat.data[i] <= '9') {
        len = len * 10 + (size_t)(chat.data[i] - '0');
        if (len == 0 || len > CHAT_ID_MAX_BYTES)
            return 0;
        i++;
    }
    if (i == chat.len || chat.data[i] != ':')
        return 0;
    *at = i + 1;
    return len;
}

chat_status chat_direct_members(chat_view chat, chat_view out_members[2])
{
    if (!chat__view_starts_with(chat, DIRECT_PREFIX))
        return CHAT_EMPTY;
    size_t at = DIRECT_PREFIX_LEN;
    size_t len = read_len(chat, &at);
    /* Behind the smaller id come a colon and at least one byte. */
    if (len == 0 || chat.len - at < len + 2 || chat.data[at + len] != ':')
        return CHAT_ERR_ARG;
    chat_view smaller = chat__view(chat.data + at, len);
    chat_view larger = chat__view(chat.data + at + len + 1, chat.len - at - len - 1);
    if (!chat_id_is_valid(smaller) || !chat_id_is_valid(larger) ||
        chat__view_compare(smaller, larger) >= 0)
        return CHAT_ERR_ARG;
    out_members[0] = smaller;
    out_members[1] = larger;
    return CHAT_OK;
}

chat_status chat_self_id(chat_view user, chat_direct_name *out)
{
    if (out == NULL || !chat_id_is_valid(user))
        return CHAT_ERR_ARG;
    size_t len = put(out, 0, SELF_PREFIX, SELF_PREFIX_LEN);
    out->len = (uint8_t)put(out, len, user.data, user.len);
    return CHAT_OK;
}

chat_status chat_self_user(chat_view chat, chat_view *out_user)
{
    if (!chat__view_starts_with(chat, SELF_PREFIX))
        return CHAT_EMPTY;
    chat_view user = chat__view(chat.data + SELF_PREFIX_LEN, chat.len - SELF_PREFIX_LEN);
    if (!chat_id_is_valid(user))
        return CHAT_ERR_ARG;
    *out_user = user;
    return CHAT_OK;
}
