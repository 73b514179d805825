/* SPDX-License-Identifier: MIT */
/*
 * The links of this server to the others of its cluster (net/trunk.h), on a thread with a loop of
 * its own: it listens, dials the members with higher numbers, greets, and connects again. Between
 * two members there is one link: the one with the lower number dials, and of two connections of the
 * same process the newer one counts. What the links are made of is in the link-* options.
 */
#ifndef CHAT_SERVER_LINKS_H
#define CHAT_SERVER_LINKS_H

#include "internal.h"
#include "net/trunk.h"

#define CHAT__LINKS_MAX_MEMBER 1023u
#define CHAT__LINKS_MAX_OTHERS 64u /* members besides this one */

typedef struct chat__links chat__links;

/* @thread links, all of them. */
typedef struct chat__links_hooks {
    void *ctx;
    /* Records of a member, borrowed during the call. They count against its window until
       chat__links_consumed() is told of them, with their heads. */
    void (*records)(void *ctx, uint32_t member, uint64_t session, chat_view records);
    void (*up)(void *ctx, uint32_t member);
    /* Whatever was sent and not answered is lost, with it all that the member knew of us. */
    void (*lost)(void *ctx, uint32_t member);
} chat__links_hooks;

/* Of all links. */
typedef struct chat__links_figures {
    uint64_t n_up, n_connects, n_lost, n_refused, received_bytes, sent_bytes, kept_bytes;
} chat__links_figures;

/* @thread any. */
void chat__links_random(void *out, size_t len);
/* Whether the options ask for links. */
int chat__links_are_wanted(const chat_server_options *options);

/* Check the link-* options and the files they name; what is wrong goes to options->log. CHAT_OK,
   CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__links_check(const chat_server_options *options);

/* Whether members find each other by what says who runs which slot: `link-peers` names none. */
int chat__links_are_found(const chat_server_options *options);

/* The members that `link-peers` names besides this one. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__links_list(const chat_server_options *options,
                             uint32_t out[CHAT__LINKS_MAX_OTHERS], uint32_t *out_n);

/*
 * Open the listener; nothing is connected yet. `options` is borrowed, `setup` copied: what must be
 * the same for all members (see chat__trunk_hello_options). CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_IN_USE,
 * CHAT_ERR_NETWORK with a line in the log; CHAT_ERR_NOMEM.
 */
chat_status chat__links_new(const chat_server_options *options, const char *setup,
                            const chat__links_hooks *hooks, chat__links **out);
chat_status chat__links_start(chat__links *links);
/* Say goodbye and end the thread. */
void chat__links_stop(chat__links *links);
void chat__links_free(chat__links *links);
uint16_t chat__links_port(const chat__links *links);

/* Where others connect to this member: link-address, or link-listen when that names a host. */
void chat__links_address(const chat__links *links, char *out, size_t cap);
/* @thread control. Where a member is, "": not known; one that is new comes to the others. CHAT_OK;
   CHAT_ERR_ARG: no address; CHAT_ERR_LIMIT; CHAT_ERR_NOMEM. */
chat_status chat__links_meet(chat__links *links, uint32_t member, const char *address);

/* --- @thread any --- */

/* A member's session, 0: there is none. */
uint64_t chat__links_session(chat__links *links, uint32_t member);
/* Send a frame to a member, in order. CHAT_OK; CHAT_ERR_BUSY: as many bytes wait as may;
   CHAT_ERR_CLOSED: the member is not there, or its session is another one than `session` (0: any);
   CHAT_ERR_LIMIT: it is too large; CHAT_ERR_NOMEM; CHAT_ERR_NOT_FOUND: there is no such member. */
chat_status chat__links_send_in(chat__links *links, uint32_t member, uint64_t session,
                                const chat__trunk_record *record);
/* Send frames to a member, in order. As chat__links_send_in() in any session; `*out_n` of them were
   taken. */
chat_status chat__links_send(chat__links *links, uint32_t member, const chat__trunk_record *records,
                             size_t n, size_t *out_n);
void chat__links_consumed(chat__links *links, uint32_t member, uint64_t session, uint64_t bytes);
int chat__links_is_up(chat__links *links, uint32_t member);
/* The session, if it is `session` (0: whichever), is over now: `lost` will be called, and a new one
   begins. */
void chat__links_give_up(chat__links *links, uint32_t member, uint64_t session);
/* The `i`-th member besides this one; 0: there are fewer. */
int chat__links_member(chat__links *links, uint32_t i, uint32_t *out_member);
void chat__links_figures_get(chat__links *links, chat__links_figures *out);

#endif
