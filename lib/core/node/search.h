/* SPDX-License-Identifier: MIT */
/* What search.c has for the owner of a chat: history, for a message that is sent again. */
#ifndef CHAT_NODE_SEARCH_H
#define CHAT_NODE_SEARCH_H

#include "node/internal.h"

#define CHAT__SEARCH_PAGE_ROWS 1000u
/* CHAT_OK: the page has what `submit` sends again; CHAT_EMPTY; CHAT_ERR_NOMEM. */
chat_status chat__search_take_page(chat__node *node, const chat_frame *submit,
                                   const chat__rows *rows);
int chat__search_goes_further(const chat__node *node, const chat__rows *rows, uint32_t n_pages);

#endif
