/* SPDX-License-Identifier: MIT */
/* Between the two files of the link. */
#ifndef CHAT_CLIENT_LINK_IO_H
#define CHAT_CLIENT_LINK_IO_H

#include "link.h"

/* Drop the connection and say why; returns `status`. */
chat_status chat__link_fail(chat__link *link, chat_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tell epoll what the connection waits for. CHAT_OK; else down. */
chat_status chat__link_watch(chat__link *link);

/* Append received bytes to rx. CHAT_OK, CHAT_EMPTY; else down. */
chat_status chat__link_receive(chat__link *link);

#endif
