/* SPDX-License-Identifier: MIT */
/* UTF-8 as of RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CHAT_BASE_UTF8_H
#define CHAT_BASE_UTF8_H

#include <chat/types.h>

/* Whether all of it is valid UTF-8; empty is. */
int chat__utf8_is_valid(chat_view text);

/* Whether it contains U+0000..U+001F or U+007F..U+009F; `text` is valid UTF-8. */
int chat__utf8_has_control(chat_view text);

#endif
