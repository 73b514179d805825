/* SPDX-License-Identifier: MIT */
/*
 * Gaps that the server told of, filled from history: page by page, one chat at a time. What comes
 * live in such a chat is not given but moves the goal, so the application sees everything once and
 * in order, and no message is kept here. Each page is confirmed, so that a crash does not begin
 * anew. `resumed` waits for the last page.
 */
#ifndef CHAT_CLIENT_REPAIR_H
#define CHAT_CLIENT_REPAIR_H

#include <chat/frame.h>

#define CHAT__REPAIR_PAGE_ROWS 100u

typedef struct chat__client_gap {
    struct chat__client_gap *next;
    uint64_t after;      /* the application has everything up to here */
    uint64_t last;       /* up to here it is a gap */
    uint64_t goal;       /* up to here history must go */
    uint64_t asked_goal; /* what it was when the page on its way was asked for */
    uint64_t n_given;    /* records */
    uint64_t page_end;   /* seq of the last row of this page, 0: none */
    uint32_t chat_len;
    uint8_t chat[];
} chat__client_gap;

typedef struct chat__client_repair {
    chat__client_gap *first; /* being filled */
    chat__client_gap *last;
    uint32_t n_gaps;
    uint64_t r;             /* of the page that was asked for, 0: none */
    uint64_t asked_ms;      /* when */
    uint64_t not_before_ms; /* the server was busy */
    uint64_t n_given;
    uint64_t n_held;      /* of the server's count: they come from history instead */
    uint64_t confirm_seq; /* to be said with the next ack, 0: nothing */
    uint32_t confirm_len;
    uint8_t confirm_chat[CHAT_CHAT_ID_MAX_BYTES];
    int is_resumed_held;
    int is_reset;       /* and the application was not told yet, over however many connections */
    uint64_t n_resumed; /* as the server counts */
    int is_failed;      /* one could not be filled: the first; not told yet, as is_reset */
    uint64_t failed_after, failed_before;
    uint32_t failed_len;
    uint8_t failed_chat[CHAT_CHAT_ID_MAX_BYTES];
} chat__client_repair;

struct chat__client;

/* `gap` came. */
void chat__repair_on_gap(struct chat__client *client);
/* Whether a stream frame stays out of sight, for it comes from history later. */
int chat__repair_holds(struct chat__client *client, const chat_frame *frame);
/* Whether the frame in hand is part of an answer to a page, and was taken. */
int chat__repair_takes(struct chat__client *client);
/* `resumed` came: 1 if the event is held back, else the frame in hand is ready to be given. */
int chat__repair_on_resumed(struct chat__client *client);
/* The request for the next page. 0: none is due. */
int chat__repair_request(struct chat__client *client, chat_frame *out);
void chat__repair_asked(struct chat__client *client);
/* When something is due; UINT64_MAX: nothing. A page that is late: the connection is given up. */
uint64_t chat__repair_due_at(const struct chat__client *client);
int chat__repair_is_late(const struct chat__client *client);
/* The connection is gone: the server tells again, but not what it counts as told. */
void chat__repair_reset(struct chat__client *client);

#endif
