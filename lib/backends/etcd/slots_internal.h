/* SPDX-License-Identifier: MIT */
/* What slots.c (what to do when) and slots_keys.c (what is written and read) share. */
#ifndef CHAT_ETCD_SLOTS_INTERNAL_H
#define CHAT_ETCD_SLOTS_INTERNAL_H

#include "backends/etcd/numbers.h"
#include "backends/etcd/slots.h"
#include "backends/etcd/wire.h"

#define CHAT__SLOTS_MAX_MEMBER 1023u
#define CHAT__SLOTS_LINE_BYTES 512u

typedef enum chat__etcd_slots_step {
    CHAT__SLOTS_GRANT = 1, /* get a lease */
    CHAT__SLOTS_JOIN,      /* say that we are there */
    CHAT__SLOTS_BEAT,      /* keep the lease alive */
    CHAT__SLOTS_CLAIM,
    CHAT__SLOTS_GIVE_UP,
    CHAT__SLOTS_LOOK,
    CHAT__SLOTS_REVOKE, /* end the lease, or the old one */
    CHAT__SLOTS_DONE
} chat__etcd_slots_step;

struct chat__etcd_slots {
    chat_allocator allocator;
    chat__etcd_endpoints endpoints;
    char prefix[CHAT__ETCD_PREFIX_MAX + 1];
    uint64_t ttl_ms, now_ms;
    uint64_t lease;       /* 0: none */
    uint64_t old_lease;   /* over by our clock, by etcd's perhaps not: to be ended; 0: none */
    uint64_t alive_ms;    /* the lease lives for ttl_ms from here on at least */
    uint64_t sent_ms;     /* when the call under way was made */
    uint64_t pause_ms;    /* nothing is asked before */
    uint64_t looked_ms;   /* 0: never */
    uint64_t released_ms; /* CHAT__SLOTS_REVOKE is given up */
    chat__buf body;
    chat__etcd_slots_step step; /* of the call under way */
    uint32_t slot;
    uint32_t member, n_slots, runs_slots;
    char address[CHAT_PLACES_ADDRESS_BYTES];
    uint32_t endpoint, n_failures;
    int is_calling, is_joined, is_troubled, is_leaving, is_done;
    int is_heard, has_news; /* of changes */
    const char *advice;     /* that was told with the trouble; NULL: none */
    int is_changed, is_lost, is_trouble_due, is_released_due;
    char why[CHAT__SLOTS_LINE_BYTES];
    char lost_why[CHAT__SLOTS_LINE_BYTES];
    uint32_t n_members;
    uint8_t wants[CHAT_PLACES_MAX_SLOTS]; /* CHAT__SLOTS_CLAIM, CHAT__SLOTS_GIVE_UP or 0 */
    chat_places_slot slots[CHAT_PLACES_MAX_SLOTS];
    chat_places_member members[CHAT_PLACES_MAX_MEMBERS];
};

int chat__etcd_slots_is_known(const chat__etcd_slots *self);

/* slots_keys.c */
/* The body of the call for `step` and `slot`. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__etcd_slots_write(chat__etcd_slots *self);
void chat__etcd_slots_on_claim(chat__etcd_slots *self, const chat__etcd_answer *answer);
void chat__etcd_slots_on_give_up(chat__etcd_slots *self);
void chat__etcd_slots_on_look(chat__etcd_slots *self, const chat__etcd_answer *answer);

#endif
