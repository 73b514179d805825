/* SPDX-License-Identifier: MIT */
/* What fleet.c, asks.c, sentinel.c and cluster.c share. Nobody else includes it. */
#ifndef CHAT_REDIS_FLEET_INTERNAL_H
#define CHAT_REDIS_FLEET_INTERNAL_H

#include "backends/redis/fleet.h"
#include "backends/redis/greeting.h"

#define CHAT__REDIS_NO_LINK    UINT32_MAX
#define CHAT__REDIS_DIGEST     40u  /* hexadecimal digits of SHA-1 */
#define CHAT__REDIS_RETRY_MS   100u /* before something is asked again that was not possible */
#define CHAT__REDIS_SLOT_OF_NO UINT8_MAX

/* Tickets that are no asks; those of asks have a generation in the upper half. */
typedef enum chat__redis_ticket {
    CHAT__REDIS_TICKET_IGNORE = 1, /* ASKING, SCRIPT LOAD */
    CHAT__REDIS_TICKET_SLOTS,
    CHAT__REDIS_TICKET_MASTER
} chat__redis_ticket;

typedef struct chat__redis_link {
    chat__redis_conn *conn; /* NULL: there is none */
    chat__redis_address address;
    uint8_t is_wanted;  /* it is dialled whenever it is down */
    uint8_t is_seed;    /* of `servers`: kept for good */
    uint8_t is_in_map;  /* a primary of the cluster */
    uint8_t has_socket; /* the driver was told to dial */
    uint8_t has_news;   /* there may be events */
} chat__redis_link;

typedef enum chat__redis_ask_state {
    CHAT__REDIS_ASK_FREE,
    CHAT__REDIS_ASK_WAITING,
    CHAT__REDIS_ASK_FLYING
} chat__redis_ask_state;

typedef struct chat__redis_slot_ask {
    chat__redis_ask_state state;
    uint8_t was_lost; /* with its connection: it may have been carried out */
    uint8_t is_repeatable;
    uint8_t n_tries; /* after errors that led to a new try */
    uint32_t script; /* index + 1 */
    uint32_t link;   /* of ASK: said there once, with ASKING in front */
    uint16_t crc;
    uint32_t generation;
    uint32_t older, newer; /* by age; of those that are free the next in `newer` */
    uint64_t tag;
    uint64_t deadline_ms, retry_at_ms;
    chat_status status; /* of the error that led to the last try */
    chat__buf command;
} chat__redis_slot_ask;

struct chat__redis_fleet {
    chat_allocator allocator;
    chat__redis_fleet_options options;
    chat__buf strings; /* what the options point to */
    chat__redis_link links[CHAT__REDIS_MAX_LINKS];
    uint32_t n_links; /* places that were ever used */
    uint32_t n_seeds; /* the first ones */
    uint32_t seed;    /* that is asked of sentinels, or of a cluster that is not known */
    uint32_t primary; /* WATCHED: its link */
    uint8_t slots[CHAT__REDIS_N_SLOTS]; /* CLUSTERED: link of each */
    uint8_t has_slots;
    uint8_t is_asking; /* SLOTS or MASTER is under way */
    uint8_t is_due;    /* asks wait that may be said now */
    uint64_t poll_at_ms;
    uint32_t n_polls; /* without a primary that is ready, one after the other */
    /* asks, by age */
    chat__redis_slot_ask *asks;
    uint32_t oldest, newest, first_free; /* index + 1, 0: none */
    uint64_t n_ask_bytes;
    uint64_t retry_at_ms; /* the earliest of those that wait */
    char digests[CHAT__REDIS_MAX_SCRIPTS][CHAT__REDIS_DIGEST + 1];
    /* what is wrong */
    chat_status problem;
    uint8_t is_problem_new, is_well_new;
    char why[CHAT__REDIS_WHY_BYTES];
    chat__redis_address asked; /* of the problem */
};

/* --- fleet.c --- */
/* The link to an address, made when there is none. CHAT__REDIS_NO_LINK: too many, no memory. */
uint32_t chat__redis_link_to(chat__redis_fleet *fleet, const chat__redis_address *address,
                             chat__redis_kind kind);
int chat__redis_link_is_ready(const chat__redis_fleet *fleet, uint32_t link);
/* Not wanted any more: its connection ends. */
void chat__redis_link_drop(chat__redis_fleet *fleet, uint32_t link, const char *why);
void chat__redis_problem(chat__redis_fleet *fleet, const chat__redis_address *of,
                         chat_status status, const char *why);
/* Say a command of our own. */
chat_status chat__redis_link_say(chat__redis_fleet *fleet, uint32_t link, chat__redis_ticket ticket,
                                 const char *const *words, int n, uint64_t now_ms);

/* --- asks.c --- */
chat_status chat__redis_asks_init(chat__redis_fleet *fleet);
void chat__redis_asks_done(chat__redis_fleet *fleet);
/* Say what waits and can be said. */
void chat__redis_asks_route(chat__redis_fleet *fleet, uint64_t now_ms);
/* A reply to an ask, or its connection was lost (`reply` NULL). 1: `out` is the answer. */
int chat__redis_asks_take(chat__redis_fleet *fleet, uint32_t link, uint64_t ticket,
                          const chat__redis_reply *reply, uint64_t now_ms,
                          chat__redis_fleet_event *out);
/* The oldest is answered when its time is over. 1: `out` is the answer. */
int chat__redis_asks_expire(chat__redis_fleet *fleet, uint64_t now_ms,
                            chat__redis_fleet_event *out);
uint64_t chat__redis_asks_deadline(const chat__redis_fleet *fleet);

/* --- sentinel.c --- */
void chat__redis_watch_process(chat__redis_fleet *fleet, uint64_t now_ms);
void chat__redis_watch_take(chat__redis_fleet *fleet, uint32_t link,
                            const chat__redis_reply *reply);

/* --- cluster.c --- */
void chat__redis_cluster_process(chat__redis_fleet *fleet, uint64_t now_ms);
void chat__redis_cluster_take(chat__redis_fleet *fleet, uint32_t link,
                              const chat__redis_reply *reply);
/* "MOVED 1 host:2" or "ASK 1 host:2": the link to it, CHAT__REDIS_NO_LINK when there can be none.
 */
uint32_t chat__redis_cluster_moved(chat__redis_fleet *fleet, uint32_t from, chat_view text,
                                   uint16_t *out_slot);
/* Ask for the slots soon. */
void chat__redis_cluster_refresh(chat__redis_fleet *fleet, uint64_t now_ms);

#endif
