/* SPDX-License-Identifier: MIT */
/* UTF-8 as of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CHAT_BASE_UTF8_H
#define CHAT_BASE_UTF8_H

#include <chat/types.h>

#include <string.h>

/* Not 0: one of the eight bytes is not from 0x20 to 0x7e. A carry or borrow goes up only from a
   byte that is odd itself. */
static inline uint64_t chat__utf8_odd(uint64_t word)
{
    return (word | (word - UINT64_C(0x2020202020202020)) | (word + UINT64_C(0x0101010101010101))) &
           UINT64_C(0x8080808080808080);
}

/* Whether it is printable ASCII: most names are, and then no look at characters is needed. */
static inline int chat__utf8_is_plain(chat_view text)
{
    uint64_t odd = 0, word;
    size_t i = 0;
    for (; text.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, text.data + i, sizeof word);
        odd |= chat__utf8_odd(word);
    }
    for (; i < text.len; i++)
        odd |= (uint8_t)(text.data[i] - 0x20u) >= 0x5fu;
    return odd == 0;
}

/* Whether all of it is valid UTF-8; empty is. */
int chat__utf8_is_valid(chat_view text);

/* Whether it contains U+0000..U+001F or U+007F..U+009F; `text` is valid UTF-8. */
int chat__utf8_has_control(chat_view text);

#endif
