/* SPDX-License-Identifier: MIT */
/* What the files of the client share. */
#ifndef CHAT_CLIENT_HANDLE_H
#define CHAT_CLIENT_HANDLE_H

#include "client/client.h"
#include "link.h"

struct chat_client {
    chat_allocator allocator;
    chat_log_sink log;
    chat__client *core;
    chat__link link;
    chat__tls_context *tls_context;
    char *token;
    int epoll_fd;
    int wake_fd;
    uint32_t connect_timeout_ms;
    uint64_t now_ms;
    int is_woken;            /* by ourselves, since the last turn */
    int reads_left;          /* in this turn */
    int is_leaving;          /* chat_client_close() was called */
    uint64_t leave_until_ms; /* 0: leaving has not begun */
};

/* Something is to be done: whoever waits on the descriptor must come back. */
void chat__client_wake_self(chat_client *client);

/* Copy a token. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__client_put_token(chat_client *client, const char *token);

#endif
