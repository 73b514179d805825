/* SPDX-License-Identifier: MIT */
/* What numbers.c (what to do when) and take.c (which numbers, and the bodies) share. */
#ifndef CHAT_ETCD_NUMBERS_INTERNAL_H
#define CHAT_ETCD_NUMBERS_INTERNAL_H

#include <chat/id.h>

#include "backends/etcd/numbers.h"
#include "backends/etcd/wire.h"

#define CHAT__ETCD_LINE_BYTES 512u
#define CHAT__ETCD_MAX_EVENTS 8u
#define CHAT__ETCD_WINDOW     64u /* numbers that are looked at together */
/* Numbers of one transaction: etcd takes none with more than 128 conditions or operations, two for
   each, and the member's key. */
#define CHAT__ETCD_PART         63u
#define CHAT__ETCD_MEMBER_BYTES CHAT__ETCD_VALUE_MAX

typedef enum chat__etcd_step {
    CHAT__ETCD_GRANT = 1, /* get a lease */
    CHAT__ETCD_LIST,      /* see which numbers are free */
    CHAT__ETCD_TAKE,      /* write that they are ours, and for how long */
    CHAT__ETCD_BEAT,      /* keep the lease alive */
    CHAT__ETCD_REVOKE,    /* give it back */
    CHAT__ETCD_DONE
} chat__etcd_step;

typedef struct chat__etcd_pick {
    uint32_t number;
    int is_own;              /* its holder hangs on our lease already */
    uint64_t until_revision; /* of its `until`, 0: it has none */
} chat__etcd_pick;

typedef struct chat__etcd_event {
    chat_lease_event_type type;
    uint64_t from_ms, until_ms;
    char why[CHAT__ETCD_LINE_BYTES];
} chat__etcd_event;

struct chat__etcd_numbers {
    chat_allocator allocator;
    chat__etcd_endpoints endpoints;
    char prefix[CHAT__ETCD_PREFIX_MAX + 1];
    char token[CHAT__ETCD_TOKEN_LEN + 1];
    chat__buf member; /* what others may know, up to the numbers */
    chat__buf body;
    chat_lease_time now;
    uint64_t ttl_ms;
    uint64_t lease;            /* 0: none */
    uint64_t alive_mono_ms;    /* the lease lives for ttl_ms from here on at least */
    uint64_t sent_mono_ms;     /* when the call under way was made */
    uint64_t listed_ms;        /* unix: the times of others were over by then */
    uint64_t from_ms;          /* the same, of what was written, or may have been; only grows */
    uint64_t asked_until_ms;   /* unix: what was written last, or may have been; only grows */
    uint64_t first_until_ms;   /* the same, of the first part */
    uint64_t at_mono_ms;       /* of the step */
    uint64_t released_mono_ms; /* REVOKE is given up */
    chat__etcd_step step;
    int is_calling, is_held, is_troubled;
    const char *advice; /* that was told with the trouble; NULL: none */
    uint32_t endpoint, n_failures;
    uint32_t window; /* first number of it */
    uint32_t n_wanted, n_picks;
    uint32_t part; /* first pick that TAKE takes */
    chat__etcd_pick picks[CHAT__ETCD_MAX_NUMBERS];
    uint32_t numbers[CHAT__ETCD_MAX_NUMBERS]; /* that were told */
    chat__etcd_event events[CHAT__ETCD_MAX_EVENTS];
    uint32_t first_event, n_events;
};

/* take.c */
chat_status chat__etcd_copy_wish(chat__etcd_numbers *self, const chat_lease_wish *wish);
chat_status chat__etcd_write_list(chat__etcd_numbers *self);
/* Add what is free in the window to the picks. */
void chat__etcd_pick_free(chat__etcd_numbers *self, const chat__etcd_answer *answer);
chat_status chat__etcd_write_take(chat__etcd_numbers *self);
/* It was done. 1: for all. */
int chat__etcd_taken(chat__etcd_numbers *self, const chat__etcd_answer *answer);
/* It was not: whether all its picks are ours nevertheless, as when it was done before and nobody
   heard of it. The picks are then as they are in etcd. */
int chat__etcd_is_ours(chat__etcd_numbers *self, const chat__etcd_answer *answer);

#endif
