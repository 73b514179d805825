/* SPDX-License-Identifier: MIT */
/* The machine of numbers.h as a lease, on a wire of virtual time to the model of etcd. */
#ifndef CHAT_TESTS_WIRED_H
#define CHAT_TESTS_WIRED_H

#include "backends/etcd/numbers.h"
#include "etcd_model.h"

#define WIRED_MAX_LATE 64

/* What becomes of a call. */
typedef enum wired_fate {
    WIRED_ANSWERED = 0,
    WIRED_REFUSED,     /* at once */
    WIRED_LOST,        /* etcd never sees it */
    WIRED_ANSWER_LOST, /* etcd does it, nobody hears of it */
    WIRED_LATE         /* etcd does it when nobody waits for it any more */
} wired_fate;

typedef struct wired_late {
    char path[32];
    uint8_t *body;
    size_t len;
    uint64_t at_ms;
} wired_late;

/* One etcd and its network. */
typedef struct wired_net {
    etcd_model model;
    uint64_t now_ms; /* monotonic, of all */
    uint64_t rtt_ms;
    wired_late late[WIRED_MAX_LATE];
    size_t n_late;
    wired_fate (*fate)(void *ctx, const chat__etcd_call *call);
    void *ctx;
    uint64_t n_calls;
} wired_net;

typedef struct wired {
    wired_net *net;
    chat__etcd_numbers *numbers;
    char token[CHAT__ETCD_TOKEN_LEN + 1];
    uint64_t ttl_ms;
    uint32_t n_endpoints;
    chat__etcd_call call;
    int is_calling;
    wired_fate of_call;
    uint64_t sent_ms, due_ms;
} wired;

void wired_net_init(wired_net *net);
void wired_net_done(wired_net *net);
/* Time goes on; what was late arrives. */
void wired_net_at(wired_net *net, uint64_t now_ms);

/* `number` makes the token. */
void wired_init(wired *w, wired_net *net, uint64_t number, uint64_t ttl_ms);
/* As kill -9. */
void wired_done(wired *w);
void wired_table(wired *w, chat_lease *out);

#endif
