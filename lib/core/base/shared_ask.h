/* SPDX-License-Identifier: MIT */
/* What may be asked of what nodes share: the limits that <chat/backend/shared.h> states, for all
   who answer. */
#ifndef CHAT_BASE_SHARED_ASK_H
#define CHAT_BASE_SHARED_ASK_H

#include <chat/backend/shared.h>

int chat__shared_ask_is_right(const chat_shared_ask *ask);

#endif
