/* SPDX-License-Identifier: MIT */
/* See utf8.h. */
#include "base/utf8.h"

#include <string.h>

/* Length of the well-formed sequence at `p`, 0 if there is none: table 3-7 of Unicode 15. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t len = lead < 0x80   ? 1
                 : lead < 0xc2 ? 0
                 : lead < 0xe0 ? 2
                 : lead < 0xf0 ? 3
                 : lead < 0xf5 ? 4
                               : 0;
    if (len == 0 || len > left)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    if (lead == 0xed)
        high = 0x9f;
    if (lead == 0xf0)
        low = 0x90;
    if (lead == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf) {
        if (p[i] < low || p[i] > high)
            return 0;
    }
    return len;
}

int chat__utf8_is_valid(chat_view text)
{
    size_t i = 0;
    if (text.data == NULL)
        return text.len == 0;
    while (i < text.len) {
        uint64_t word;
        /* Eight ASCII bytes at a time: most text is. */
        if (text.len - i >= 8) {
            memcpy(&word, text.data + i, 8);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += 8;
                continue;
            }
        }
        size_t len = sequence_len(text.data + i, text.len - i);
        if (len == 0)
            return 0;
        i += len;
    }
    return 1;
}

int chat__utf8_has_control(chat_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return 1;
        if (byte == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0)
            return 1;
    }
    return 0;
}
