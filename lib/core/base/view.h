/* SPDX-License-Identifier: MIT */
/* Byte views: made, compared, and nothing else. */
#ifndef CHAT_BASE_VIEW_H
#define CHAT_BASE_VIEW_H

#include <chat/types.h>

#include <string.h>

static inline chat_view chat__view(const void *data, size_t len)
{
    chat_view view = {(const uint8_t *)data, len};
    return view;
}

/* Of a zero-terminated string, without the zero. */
static inline chat_view chat__view_str(const char *text)
{
    return chat__view(text, strlen(text));
}

static inline int chat__view_equal(chat_view a, chat_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* By byte order, shorter first when one is the start of the other: negative, 0 or positive. */
static inline int chat__view_compare(chat_view a, chat_view b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static inline int chat__view_starts_with(chat_view view, const char *prefix)
{
    size_t len = strlen(prefix);
    return view.len >= len && (len == 0 || memcmp(view.data, prefix, len) == 0);
}

#endif
