/* SPDX-License-Identifier: MIT */
/* Both ends of a TLS connection over a socket pair, with certificates made here. For tests. */
#ifndef TESTS_UNIT_NET_TLS_PAIR_H
#define TESTS_UNIT_NET_TLS_PAIR_H

#include "net/tls.h"

typedef struct tls_pair {
    int fds[2];
    chat__tls_context *contexts[2];
    chat__tls *server;
    chat__tls *client;
} tls_pair;

/* Setup and teardown of a group: good, other and old as NAME.crt and NAME.key, and `empty`. */
int tls_pair_make_files(void **state);
int tls_pair_remove_files(void **state);
/* Of one of these files; the last four are valid. */
const char *tls_pair_path(const char *name);

void tls_pair_open(tls_pair *p, const char *name, const char *ca, int verify, const char *host);
void tls_pair_close(tls_pair *p);
/* The client's result; both sides take turns until neither waits. */
chat_status tls_pair_shake_hands(tls_pair *p);
void tls_pair_send_all(chat__tls *from, chat__tls *to, const uint8_t *bytes, size_t len);

#endif
