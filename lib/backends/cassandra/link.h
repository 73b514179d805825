/* SPDX-License-Identifier: MIT */
/*
 * One TCP or TLS connection of a driver: look-up, connect, handshake, bytes. Never blocks. What it
 * waits for is in the owner's epoll descriptor; an open link's events carry CHAT__CQL_LINK_MARK and
 * its number.
 */
#ifndef CHAT_CASSANDRA_LINK_H
#define CHAT_CASSANDRA_LINK_H

#include <chat/status.h>

#include "net/dial.h"
#include "net/resolve.h"
#include "net/tls.h"

#define CHAT__CQL_LINK_MARK      (UINT64_C(1) << 63)
#define CHAT__CQL_LINK_WHY_BYTES 200u

typedef enum chat__cql_link_state {
    CHAT__CQL_LINK_DOWN,
    CHAT__CQL_LINK_RESOLVING,
    CHAT__CQL_LINK_CONNECTING,
    CHAT__CQL_LINK_SHAKING, /* hands */
    CHAT__CQL_LINK_UP
} chat__cql_link_state;

/* Where it is: the same for all links of a driver. */
typedef struct chat__cql_link_place {
    int epoll_fd;
    chat__tls_context *tls; /* NULL: none */
    const char *tls_name;   /* NULL: the host */
} chat__cql_link_place;

/* Zeroed: down. */
typedef struct chat__cql_link {
    chat__cql_link_state state;
    uint32_t number;
    int fd;
    uint8_t has_more;  /* to read, perhaps */
    uint32_t interest; /* events that are asked for */
    chat__resolve *resolve;
    chat__dial dial;
    chat__tls *tls;
    size_t tls_repeat_bytes; /* of the write that TLS wants to see again */
    char host[256];
    char why[CHAT__CQL_LINK_WHY_BYTES]; /* it went down */
} chat__cql_link;

/* Begin. CHAT_OK; else it is down. */
chat_status chat__cql_link_open(chat__cql_link *link, const chat__cql_link_place *place,
                                const char *host, uint16_t port);
/* Before it is up: go on. CHAT_OK: it is up now; CHAT_MORE; else it is down. */
chat_status chat__cql_link_work(chat__cql_link *link, const chat__cql_link_place *place,
                                uint64_t now_ms);
uint64_t chat__cql_link_deadline(const chat__cql_link *link);
/* CHAT_OK; CHAT_MORE: nothing there; else it is down. */
chat_status chat__cql_link_read(chat__cql_link *link, const chat__cql_link_place *place,
                                uint8_t *out, size_t cap, size_t *out_len);
/* The same; `bytes` begin as those did that were not taken. */
chat_status chat__cql_link_write(chat__cql_link *link, const chat__cql_link_place *place,
                                 chat_view bytes, size_t *out_len);
/* Whether it waits to write. */
void chat__cql_link_want(chat__cql_link *link, const chat__cql_link_place *place, int is_writing);
void chat__cql_link_close(chat__cql_link *link, const chat__cql_link_place *place);

/* The clock of all that is outside of the machines, `now_ms` to them: it never runs back. */
uint64_t chat__cql_now_ms(void);

#endif
