/* SPDX-License-Identifier: MIT */
/* A client of the simulation, and all that it wants, knows and waits for. */
#ifndef CHAT_TESTING_SIM_CLIENT_H
#define CHAT_TESTING_SIM_CLIENT_H

#include <chat/id.h>
#include <chat/testing.h>

#include "node/node.h"

#define SIM_MAX_NODES    16u
#define SIM_MAX_CLIENTS  64u
#define SIM_NEWER_BYTES  4096u
#define SIM_MAX_USERS    16u /* a, b, ... */
#define SIM_PARTITIONS   8u
#define SIM_NAME_BYTES   (CHAT_ID_MAX_BYTES + 1)
#define SIM_CHAT_BYTES   (CHAT_CHAT_ID_MAX_BYTES + 1)
#define SIM_MARKS        24u
#define SIM_SAYING_BYTES 80u      /* clients say less */
#define SIM_READ_R       1000000u /* numbers of `read` requests begin here */
#define SIM_MUTE_R       1100000u
#define SIM_WHY_R        1200000u

/* A message that a client wants to send or has sent. */
typedef struct sim_out {
    char cid[SIM_NAME_BYTES];
    char chat[SIM_CHAT_BYTES];
    int is_create;
    uint32_t change; /* type of the frame, 0: none */
    uint64_t re;     /* of an edit, a deletion, a reaction: id of the message */
    char whom[SIM_NAME_BYTES];
    int is_failed;          /* refused for good */
    uint64_t not_before_ms; /* refused for now: try again then */
    int is_flying;          /* was written to some connection before */
    int is_flying_here;
    int is_done;
    uint64_t id, seq;
} sim_out;

typedef struct sim_seen {
    char chat[SIM_CHAT_BYTES];
    uint64_t *seqs; /* what the application saw, in order */
    size_t n_seqs, cap;
} sim_seen;

/* What a client knows of how far its user has read a chat. */
typedef struct sim_mark {
    char chat[SIM_CHAT_BYTES];
    uint64_t wanted; /* said and not answered, 0: nothing */
    uint64_t not_before_ms;
    uint64_t told;  /* answered: must survive */
    uint64_t known; /* by answers and by the stream */
    uint64_t streamed;
    int is_flying_here;
    int is_given_up; /* refused for good */
} sim_mark;

/* A chat that a client wants to be muted, or no longer, and what was answered last. */
typedef struct sim_mute {
    char chat[SIM_CHAT_BYTES];
    uint64_t until, told;
    uint64_t not_before_ms;
    int is_wanted, is_told, was_asked, is_flying_here;
} sim_mute;

/* Where is a message? r 0: not asked. */
typedef struct sim_why {
    char chat[SIM_CHAT_BYTES];
    uint64_t id, seq, r;
    uint32_t n_rows;
    int is_durable; /* a row says so */
} sim_why;

/* What a client was told is missing and has not got from history yet. */
typedef struct sim_gap {
    char chat[SIM_CHAT_BYTES];
    uint64_t after, last, goal, page_end, r, asked_goal;
} sim_gap;

/* A way through a chat's history, page by page. */
typedef struct sim_walk {
    char chat[SIM_CHAT_BYTES]; /* empty: none */
    int is_back, is_final;
    uint64_t at; /* seq of the last row, or the end where it began */
    uint64_t r;  /* of the page that is asked for, 0: none */
    uint32_t limit, n_rows;
    size_t n_asked; /* durable records when it was asked for */
    uint64_t not_before_ms;
    uint64_t re; /* not a page, but what is thought of this message; 0: a page */
    char thoughts[SIM_MAX_USERS][2]; /* by user */
} sim_walk;

/* What a client wants to have said about another user, until it is answered. */
typedef struct sim_block {
    char whom[SIM_NAME_BYTES]; /* empty: nothing */
    int is_blocking, is_flying_here;
    uint64_t not_before_ms;
} sim_block;

/* A client was told that its user has blocked another one. */
typedef struct sim_block_told {
    char user[SIM_NAME_BYTES], whom[SIM_NAME_BYTES];
    uint64_t record, from; /* in the order of appending: of the block, and where it was told */
} sim_block_told;

typedef struct sim_client {
    char user[SIM_NAME_BYTES], device[SIM_NAME_BYTES];
    chat_encoding encoding;
    uint32_t index, node, wire; /* wire: number of the connection, 0: none */
    chat__conn conn;
    int is_welcome;
    int is_lazy; /* acks nothing for a while */
    /* Half-open: what the server says is lost, what the client says. Its own deadlines tell it. */
    int is_deaf, is_mute;
    int is_slow;           /* takes its time to read */
    int is_gone;           /* the notifier said so; until it says hello, or all nodes crash */
    size_t unsent_bytes;   /* on their way to it */
    size_t reported_bytes; /* of them, as the node was told */
    uint64_t counted, acked;
    uint64_t to_server_ms, to_client_ms; /* last arrival: a connection keeps its order */
    uint64_t heard_ms, said_ms;
    sim_out *outs;
    size_t n_outs, outs_cap;
    sim_seen *seen;
    size_t n_seen;
    sim_mark marks[SIM_MARKS];
    size_t n_marks;
    sim_gap gaps[SIM_MARKS];
    size_t n_gaps;
    sim_block block;
    uint32_t blocks_asked; /* a bit for each user */
    sim_mute mutes[SIM_MARKS];
    size_t n_mutes;
    sim_why why;
    uint64_t n_whys;
    int had_gaps;
    uint32_t n_resumed; /* over this connection */
    int is_removed;     /* it heard so, and is not back yet */
    uint64_t away_until_ms;
    uint64_t n_pages;
    sim_walk walk;
    size_t n_walked;    /* chats, at the end */
    int has_walked_all; /* of them */
} sim_client;

#endif
