/* SPDX-License-Identifier: MIT */
/*
 * The messages of a link between two hosts (trunk.h), each one binary WebSocket message: a type and
 * fixed fields, little endian. Reading refuses what is too short, too long or out of range.
 *
 *   dialer    HELLO    version, who I am, whom I want, cluster, random
 *   acceptor  WELCOME  version, who I am, random, proof of the secret
 *   dialer    PROOF    proof of the secret, what I have of an earlier connection
 *   acceptor  RESUME   the session, and what I have of it
 *   both      DATA     records from a place of the stream on
 *   both      CREDIT   the stream was worked off up to a place
 *   both      WAITING  I have more, and may not send it: credit is wanted as soon as there is any
 *   both      REFUSE   why not
 */
#ifndef CHAT_NET_TRUNK_WIRE_H
#define CHAT_NET_TRUNK_WIRE_H

#include <chat/status.h>

#include "base/buf.h"

#define CHAT__TRUNK_VERSION      1u /* the newest that we speak */
#define CHAT__TRUNK_OLDEST       1u /* and the oldest */
#define CHAT__TRUNK_PATH         "/chat-link"
#define CHAT__TRUNK_RANDOM_BYTES 32u
#define CHAT__TRUNK_PROOF_BYTES  32u /* HMAC-SHA256 */
#define CHAT__TRUNK_MAX_TEXT     128u
#define CHAT__TRUNK_MAX_GREETING 512u /* any message before DATA */
#define CHAT__TRUNK_RECORD_HEAD  12u
#define CHAT__TRUNK_DATA_HEAD    9u
#define CHAT__TRUNK_MAX_RECORD   (6u << 20) /* with its head; frames are smaller */
#define CHAT__TRUNK_CHUNK_BYTES  16384u     /* of records in a DATA, unless one alone is larger */
#define CHAT__TRUNK_MAX_MESSAGE  (CHAT__TRUNK_MAX_RECORD + CHAT__TRUNK_DATA_HEAD)
#define CHAT__TRUNK_MIN_WINDOW   4096u
#define CHAT__TRUNK_MIN_TIMEOUT  30u
#define CHAT__TRUNK_MAX_WINDOW   (1u << 30)

typedef enum chat__trunk_type {
    CHAT__TRUNK_HELLO = 1,
    CHAT__TRUNK_WELCOME = 2,
    CHAT__TRUNK_PROOF = 3,
    CHAT__TRUNK_RESUME = 4,
    CHAT__TRUNK_REFUSE = 5,
    CHAT__TRUNK_DATA = 16,
    CHAT__TRUNK_CREDIT = 17,
    CHAT__TRUNK_WAITING = 18
} chat__trunk_type;

/* X(name, value, status, text): the text is for people of either side. New rows go to the end. */
#define CHAT__TRUNK_REFUSALS(X)                                                                    \
    X(VERSION, 1, CHAT_ERR_VERSION, "the two servers are of versions that do not know each other") \
    X(CLUSTER, 2, CHAT_ERR_ARG, "the other server is of another cluster: compare link-cluster")    \
    X(MEMBER, 3, CHAT_ERR_ARG,                                                                     \
      "another member answers at this address: compare link-member and link-peers")                \
    X(SECRET, 4, CHAT_ERR_AUTH,                                                                    \
      "the other server has another secret: compare the files of link-secret-file")                \
    X(SETUP, 5, CHAT_ERR_ARG, "the two servers are set up differently")                            \
    X(IN_USE, 6, CHAT_ERR_IN_USE,                                                                  \
      "a living server has this number already: give each its own link-member")                    \
    X(UNKNOWN, 7, CHAT_ERR_FORBIDDEN, "nobody has named this member: see link-peers")              \
    X(GOING, 8, CHAT_ERR_DRAIN, "the other server is going away")

typedef enum chat__trunk_refusal {
#define CHAT__TRUNK_REFUSAL_ROW(name, value, status, text) CHAT__TRUNK_NO_##name = value,
    CHAT__TRUNK_REFUSALS(CHAT__TRUNK_REFUSAL_ROW)
#undef CHAT__TRUNK_REFUSAL_ROW
} chat__trunk_refusal;

/* For what an older version does not know: CHAT_ERR_PROTOCOL and a line that says so. */
chat_status chat__trunk_refusal_status(uint32_t refusal);
const char *chat__trunk_refusal_text(uint32_t refusal);

/* One struct for all messages; which fields count, the table at the top says. */
typedef struct chat__trunk_message {
    chat__trunk_type type;
    uint32_t version, oldest;   /* HELLO, WELCOME (`version`: the one that counts) */
    uint32_t member, to_member; /* HELLO; WELCOME: `member` */
    uint64_t instance;          /* HELLO, WELCOME: random, of the process */
    uint64_t session;           /* PROOF (0: none), RESUME */
    uint64_t received;          /* PROOF, RESUME: of the session */
    uint32_t timeout_ms;        /* PROOF, RESUME: silence that the sender of this puts up with */
    uint32_t window_bytes;      /* PROOF, RESUME: what the sender of this takes */
    uint64_t offset;            /* DATA: of its first byte; CREDIT */
    uint32_t refusal;           /* REFUSE */
    const uint8_t *random;      /* HELLO, WELCOME */
    const uint8_t *proof;       /* WELCOME, PROOF */
    chat_view cluster, setup;   /* HELLO; WELCOME: `setup` */
    chat_view records;          /* DATA */
} chat__trunk_message;

/* Append the message without DATA's records. CHAT_OK; CHAT_ERR_LIMIT: a text is too long;
   CHAT_ERR_NOMEM. */
chat_status chat__trunk_write(const chat__trunk_message *message, chat__buf *out);

/* Read a whole message; `out` borrows from it. CHAT_OK; CHAT_ERR_UNSUPPORTED: a type that only a
   newer version knows; CHAT_ERR_SYNTAX. */
chat_status chat__trunk_read(chat_view bytes, chat__trunk_message *out);

/* A frame from one node to another. */
typedef struct chat__trunk_record {
    uint32_t from, to;
    chat_view frame;
} chat__trunk_record;

void chat__trunk_write_record_head(const chat__trunk_record *record, uint8_t *out);
/* Take the first of `rest`. CHAT_OK, CHAT_EMPTY; CHAT_ERR_SYNTAX: no whole record is there. */
chat_status chat__trunk_next_record(chat_view *rest, chat__trunk_record *out);

/* HMAC-SHA256 with the cluster's secret over what was said so far; dialer and acceptor prove
   different things, so that none can be sent back as the other. */
chat_status chat__trunk_prove(chat_view secret, int is_dialer, chat_view said,
                              uint8_t out[CHAT__TRUNK_PROOF_BYTES]);
/* In constant time. */
int chat__trunk_proof_is(const uint8_t *a, const uint8_t *b);

#endif
