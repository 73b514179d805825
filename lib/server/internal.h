/* SPDX-License-Identifier: MIT */
/*
 * What the files of the server runtime share. Nobody else includes it.
 *
 * Threads: the control thread is the caller of chat_server_run(); a shard is a thread with a loop,
 * a node and its connections; the log thread appends and commits for all shards; the state thread
 * writes views back. They talk by batches in mailboxes. A function says `@thread` who calls it.
 */
#ifndef CHAT_SERVER_INTERNAL_H
#define CHAT_SERVER_INTERNAL_H

#include <chat/backend/store.h>
#include <chat/server.h>

#include "base/buf.h"
#include "net/io.h"
#include "net/http.h"
#include "net/jwt.h"
#include "net/tls.h"
#include "net/ws.h"
#include "node/node.h"
#include "options.h"
#include "store/store.h"
#include "net/visitors.h"

#include <stdatomic.h>
#include <uv.h>

#define CHAT__SERVER_READ_BYTES 65536u /* at most read from a connection in a turn */
/* Taken in by a turn: what that makes of it stays in the cache of a CPU, and nobody waits long. */
#define CHAT__SERVER_TURN_BYTES   131072u
#define CHAT__SERVER_LINGER_MS    2000u /* for the peer to take our last words */
#define CHAT__SERVER_LATE_MS      20u   /* what is in no hurry waits for something to go with */
#define CHAT__SERVER_MAX_SHARDS   256u
#define CHAT__SERVER_WHY_BYTES    512u
#define CHAT__SERVER_SPARE_BYTES  65536u /* a spare buffer above this goes back to the allocator */
#define CHAT__SERVER_SPARE_COUNT  64u
#define CHAT__CLOSE_INTERNAL      1011u /* RFC 6455 section 7.4.1 */
#define CHAT__SERVER_SHARED_COUNT 16u   /* messages to many that a shard remembers */

typedef struct chat__shard chat__shard;

/* --- batches and mailboxes (mail.c) --- */

typedef enum chat__mail_kind {
    CHAT__MAIL_LINK = 1,  /* frames for this shard's node: length (4 bytes), frame */
    CHAT__MAIL_APPEND,    /* chat__append_head with its bytes, to the log and back */
    CHAT__MAIL_GUEST,     /* a connection that lives here */
    CHAT__MAIL_NEWCOMERS, /* devices that came or were removed, to the state thread and back */
    CHAT__MAIL_TOLD,      /* what became of notifications */
    CHAT__MAIL_SLOTS,     /* where slots run now (slots.h) */
    CHAT__MAIL_TO_HOME,   /* of connections whose user lives here (tunnel.h) */
    CHAT__MAIL_TO_SOCKET, /* for connections whose socket is here */
    CHAT__MAIL_ANSWER,    /* of a store that is shared (askers.h) */
    CHAT__MAIL_WHO,       /* to the thread of the commons and back (commons.h) */
    CHAT__MAIL_RECENT     /* to that thread: newest records to be kept, or asked for (recent.h) */
} chat__mail_kind;

typedef struct chat__guest chat__guest;
struct chat__question;
struct chat__recent_ask;

typedef struct chat__batch {
    struct chat__batch *next;
    chat__mail_kind kind;
    uint32_t from; /* shard */
    uint32_t n_items;
    chat_status status; /* NEWCOMERS: of the flush */
    uint32_t start;     /* where the frames begin in `bytes`: behind the head of a record */
    uint32_t member;    /* that it came from */
    uint64_t session;   /* of its link */
    uint64_t credit;    /* bytes that count against its window until this is dealt with */
    uint64_t life;      /* of the slot that it is for, 0: whichever */
    chat__guest *guest;
    struct chat__question *question; /* ANSWER: with its answer */
    struct chat__recent_ask *recent; /* RECENT: a question */
    chat__buf bytes;
} chat__batch;

/* One record in an APPEND batch; chat and payload follow, padded to 8 bytes. */
typedef struct chat__append_head {
    uint64_t tag, id, seq, prev;
    uint32_t partition, kind;
    uint32_t chat_len, payload_len;
    int32_t status;
    uint32_t is_staged;
    uint32_t hash; /* see chat__store_expect() */
} chat__append_head;

typedef struct chat__mailbox {
    uv_mutex_t mutex;
    chat__batch *first, *last;
} chat__mailbox;

/* 0 or a libuv error. */
int chat__mailbox_init(chat__mailbox *box);
/* Frees what is in it, too. */
void chat__mailbox_done(chat__mailbox *box, const chat_allocator *allocator);
/* @thread any. Whether it was empty. Takes the batch. */
int chat__mailbox_put(chat__mailbox *box, chat__batch *batch);
/* @thread any. All that is there, oldest first, or NULL. */
chat__batch *chat__mailbox_take(chat__mailbox *box);

/* Batches of a turn, with the buffers of those that were dealt with before. */
chat__batch *chat__shard_batch(chat__shard *shard, chat__mail_kind kind);
void chat__shard_drop_batch(chat__shard *shard, chat__batch *batch);
void chat__shard_free_batches(chat__shard *shard);
chat__batch *chat__batch_new(const chat_allocator *allocator, chat__mail_kind kind, uint32_t from);
void chat__batch_free(const chat_allocator *allocator, chat__batch *batch);
/* Append one record. CHAT_OK; CHAT_ERR_NOMEM, CHAT_ERR_LIMIT: as it was. */
chat_status chat__batch_add_record(chat__batch *batch, const chat__effect *effect);
/* The record at `*at`, NULL at the end; moves `*at` on. */
chat__append_head *chat__batch_next_record(chat__batch *batch, size_t *at);

/* --- connections --- */

/* A message for many connections as it goes to the sockets of some of them. */
typedef struct chat__shared {
    uint64_t share; /* the node's name for its bytes, 0: none */
    uint32_t way;
    uint32_t n_refs;
    chat__buf bytes;
} chat__shared;

/* What waits to be sent; borrowed from the shard while there is something. */
typedef struct chat__out {
    struct chat__out *next;
    chat__shared *shared; /* instead of `bytes`, which are empty then */
    size_t sent;          /* of `shared` or `bytes` */
    size_t retry_bytes;   /* of TLS: what it was given when it could not send */
    chat__buf bytes;
} chat__out;

/* A place in a list of things that have the same time to live. */
typedef struct chat__due {
    struct chat__due *prev, *next;
    uint64_t at_ms;
} chat__due;

typedef struct chat__due_list {
    chat__due *first, *last;
} chat__due_list;

/* A connection before the upgrade. */
typedef struct chat__greet {
    uv_poll_t poll;
    chat__due due;
    chat__tls *tls;
    chat__buf head;   /* what came */
    chat__buf answer; /* a refusal on its way */
    size_t answered;
    int fd;
    uint8_t is_closing;   /* the handle is */
    uint8_t is_lingering; /* the answer is out, what comes is thrown away */
} chat__greet;

/* A connection that was let in, on its way to the user's shard. Owns all of it. */
struct chat__guest {
    chat__tls *tls;
    int fd;
    uint8_t encoding;
    uint8_t has_deflate;
    uint8_t user_len;
    uint8_t user[CHAT_ID_MAX_BYTES];
    uint64_t expires_unix_ms;
    uint64_t since_ms; /* when it was accepted */
    uint32_t home;     /* slot of the user */
    uint8_t is_far;    /* which runs on another member */
    chat__buf answer;  /* 101 */
    chat__buf rest;    /* came behind the request */
};

/* A connection of a user. Idle ones are all that a server with many users holds: keep it small. */
typedef struct chat__peer {
    uv_poll_t poll;
    chat__ws ws;
    chat__conn id; /* 0: the node has forgotten it */
    chat__tls *tls;
    chat__out *out;
    struct chat__peer *next_dirty;
    chat__due due;  /* while is_late or is_ending */
    uint32_t place; /* in shard->peers */
    uint8_t encoding;
    uint8_t events;           /* polled for */
    uint8_t is_dirty : 1;     /* in the dirty list */
    uint8_t is_late : 1;      /* what it has to send may wait, in the list `late` */
    uint8_t is_unsent : 1;    /* the node knows of bytes that the socket did not take */
    uint8_t is_ending : 1;    /* a close frame is out or on its way */
    uint8_t is_shut : 1;      /* everything is out, waiting for the peer's end */
    uint8_t is_closing : 1;   /* the handle is */
    uint8_t is_peer_done : 1; /* its close frame was read */
    uint8_t kind : 2;
} chat__peer;

/* Socket and user of a connection may be on two members of a cluster (tunnel.h). */
enum {
    CHAT__PEER_WHOLE = 0, /* both are here */
    CHAT__PEER_USER,      /* the user is: no socket */
    CHAT__PEER_SOCKET     /* the socket is: not known to the node */
};

/* --- the log thread and the state thread (commit.c) --- */

typedef struct chat__committer {
    chat_server *server;
    chat__mailbox box;
    chat__mailbox flush_box; /* what waits for the state to be on disk */
    uv_mutex_t mutex;
    uv_mutex_t log_lock; /* who has it writes the log */
    uv_cond_t log_wake, state_wake;
    atomic_int is_fast;   /* the last commit was */
    atomic_uint n_handed; /* batches that are with the log thread */
    _Atomic uint64_t n_commits, commit_ns;
    uv_thread_t log_thread, state_thread;
    int has_sync; /* mutex and conditions are there */
    int is_log_running, is_state_running;
    int is_stopping;
} chat__committer;

chat_status chat__committer_init(chat__committer *committer, chat_server *server);
void chat__committer_done(chat__committer *committer);
/* @thread control */
chat_status chat__committer_start(chat__committer *committer);
/* @thread control. Finishes what was handed in, writes the state back. */
void chat__committer_stop(chat__committer *committer);
/* @thread shards. Takes the batch; it comes back by mail with its statuses. */
void chat__committer_append(chat__committer *committer, chat__batch *batch);

/* @thread shards. Takes the batch; it comes back by mail when all that was put before is on disk.
 */
void chat__committer_flush(chat__committer *committer, chat__batch *batch);

/* @thread shards, with nothing handed in before. Write the batch now, when nobody waits for that:
   1, and its statuses are there. 0: hand it in. */
int chat__committer_try(chat__committer *committer, chat__batch *batch);

/* --- shards --- */

/* Of a shard, as it was at the end of a turn. Written by its thread, read by all. */
typedef struct chat__figures {
    _Atomic uint64_t events[CHAT__EVENT_COUNT];
    _Atomic uint64_t latency[CHAT__LATENCY_COUNT];
    _Atomic uint64_t latency_ms;
    _Atomic uint64_t connections;
    _Atomic uint64_t appending_bytes;
    _Atomic uint64_t log_batches;
    _Atomic uint64_t received_bytes, sent_bytes;
    _Atomic uint64_t node_number;
} chat__figures;

struct chat__shard {
    chat_server *server;
    uint32_t index;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_poll_t wake;
    int wake_fd; /* readable: see is_woken */
    atomic_int is_woken;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t timer;
    uv_timer_t accept_timer;
    uv_poll_t listener;
    int listen_fd, reserve_fd;
    uint8_t has_loop, has_handles, has_box, is_running;
    uint8_t is_in_turn, is_draining, is_reported_idle;
    chat__node_lease lease;    /* what the control thread set, behind lessee.mutex */
    atomic_uint lease_serial;  /* changes with it */
    unsigned lease_seen;       /* the serial that the node has */
    chat__node *node;          /* NULL: the slot does not run here */
    struct chat__slots *slots; /* NULL: this server is alone */
    uint64_t life;             /* of the node, when there are slots */
    uint64_t term;             /* in which it runs, when places are given (slot.h) */
    uint64_t slot_until_ms;    /* it stops, by then at the latest */
    uint8_t is_placed;         /* the control thread says whether it runs here */
    _Atomic uint64_t wanted_term, slot_term;
    atomic_int is_slot_lost;
    atomic_int is_slot_refused; /* storage cannot take it over here, ever */
    uint8_t is_opening;         /* storage was asked to take the slot's partitions over */
    uint32_t n_closes;          /* times that it was asked to leave them */
    atomic_uint n_closed;
    atomic_int is_slot_open; /* they are ours, up to: */
    _Atomic uint64_t slot_max_id;
    chat__ws_pool *ws_pool;
    chat__tls_context *tls;
    chat__mailbox box;
    chat__peer **peers;   /* by place */
    chat__peer **by_conn; /* by the low half of the node's number */
    uint32_t n_peers, peers_cap, by_conn_cap;
    chat__peer *dirty;
    chat__due_list greeting, lingering, ending, late;
    chat__out *spare_outs;
    uint32_t n_spare_outs;
    chat__shared *shared[CHAT__SERVER_SHARED_COUNT];
    chat__batch *appends;       /* of this turn */
    chat__batch *newcomers;     /* of this turn */
    chat__batch *commons;       /* of this turn */
    chat__batch **links;        /* of this turn, by shard */
    chat__batch *done;          /* mail that was dealt with in this turn */
    chat__batch *spare_batches; /* empty, with their buffers */
    uint32_t n_spare_batches;
    uint64_t n_appending_bytes; /* not yet durable */
    uint32_t n_handed;          /* batches with the log thread */
    uint64_t n_received_bytes, n_sent_bytes;
    size_t turn_bytes; /* taken in since the turn began */
    chat__figures figures;
    uint64_t timer_at_ms;
    uint64_t accept_warned_ms;
    atomic_int is_idle;
    uint8_t read[CHAT__SERVER_READ_BYTES];
};

/* @thread any: as chat_server_new() does, one after another. */
chat_status chat__shard_init(chat__shard *shard, chat_server *server, uint32_t index);
/* @thread control, when the shard's thread is gone or never was. */
void chat__shard_done(chat__shard *shard);
/* @thread control */
int chat__shard_start(chat__shard *shard);
/* @thread any */
void chat__shard_wake(chat__shard *shard);
void chat__shard_post(chat__shard *to, chat__batch *batch);

/* The rest: @thread the shard's own. */
uint64_t chat__shard_now(const chat__shard *shard);
/* Before any input to the node. */
void chat__shard_begin(chat__shard *shard);
void chat__shard_end(chat__shard *shard);
/* So much was taken in: the turn ends when it is enough for one. */
void chat__shard_took(chat__shard *shard, size_t bytes);
chat_allocator *chat__shard_allocator(chat__shard *shard);

/* effects.c: take all effects of the node and do them. Whether there was one. */
/* Answer what the device of a LOAD_USER effect has; `is_new`: it was registered just now. */
void chat__shard_answer_user(chat__shard *shard, const chat__effect *effect, int is_new);
int chat__shard_take_effects(chat__shard *shard);
/* Write what was collected for the log in this thread, if that is the faster way; 0: it was not. */
int chat__shard_commit(chat__shard *shard);
/* Hand on what was collected for the log and for other shards. */
void chat__shard_send_batches(chat__shard *shard);
void chat__shard_take_mail(chat__shard *shard);

/* due lists (mail.c): all in a list have the same time to live, so the first is due first */
void chat__due_add(chat__due_list *list, chat__due *due, uint64_t at_ms);
void chat__due_remove(chat__due_list *list, chat__due *due);

/* listen.c */
/* The next shard's. */
chat_status chat__listen_open(chat_server *server, int *out_fd);
/* One that shares its port with nobody. What is wrong goes to the log, with the option's name. */
chat_status chat__listen_socket(const chat_server_options *options, const char *option,
                                const char *address, int *out_fd, uint16_t *out_port);
chat_status chat__listen_start(chat__shard *shard);
void chat__listen_stop(chat__shard *shard);

/* greet.c: takes `fd`. */
void chat__greet_new(chat__shard *shard, int fd);
void chat__greet_expire(chat__shard *shard, uint64_t now_ms);
void chat__greet_close_all(chat__shard *shard);
void chat__guest_free(const chat_allocator *allocator, chat__guest *guest);

/* peer.c */
/* Takes the guest. */
void chat__peer_new(chat__shard *shard, chat__guest *guest);
/* `share`: a name of the bytes that others are sent too, 0: they are not. */
void chat__peer_write(chat__shard *shard, chat__peer *peer, chat_view message, uint64_t share);
/* The same with what may wait for CHAT__SERVER_LATE_MS: a receipt costs no packet of its own. */
void chat__peer_write_late(chat__shard *shard, chat__peer *peer, chat_view message);
/* The node has closed it. */
void chat__peer_end(chat__shard *shard, chat__peer *peer, uint16_t code, const char *text);
/* Send what the turn wrote. Whether anything was written. */
int chat__peer_flush_all(chat__shard *shard);
void chat__peer_expire(chat__shard *shard, uint64_t now_ms);
void chat__peer_close_all(chat__shard *shard);
/* It has something to send, or to tell. */
void chat__peer_mark_dirty(chat__shard *shard, chat__peer *peer);
/* Close it with this code; whoever serves its user hears of that. */
void chat__peer_end_ourselves(chat__shard *shard, chat__peer *peer, uint16_t code,
                              const char *text);

/* shared.c */
/* The frame for this connection, one reference more; NULL when out of memory. */
chat__shared *chat__shared_get(chat__shard *shard, chat__ws *ws, chat__ws_opcode opcode,
                               chat_view message, uint64_t share);
void chat__shared_release(chat__shard *shard, chat__shared *shared);
void chat__shared_free(chat__shard *shard);

/* peers.c */
chat__peer *chat__peers_find(chat__shard *shard, chat__conn id);
/* CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__peers_add(chat__shard *shard, chat__peer *peer);
void chat__peers_remove(chat__shard *shard, chat__peer *peer);
/* It has this number of the node, until it is forgotten. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__peers_number(chat__shard *shard, chat__peer *peer, chat__conn id);
void chat__peers_forget(chat__shard *shard, chat__peer *peer);
/* NULL when out of memory. */
chat__out *chat__peers_borrow_out(chat__shard *shard);
void chat__peers_return_out(chat__shard *shard, chat__peer *peer);
void chat__peers_free(chat__shard *shard);
/* Let the node know of it. CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM, CHAT_ERR_DRAIN, CHAT_ERR_BUSY.
 */
chat_status chat__peers_open(chat__shard *shard, chat__peer *peer, const chat__guest *guest);
/* The close code when it was refused so. */
uint16_t chat__peers_refusal(chat_status status);
/* To the node of the connection's user, wherever that is. */
int chat__peers_is_open(const chat__peer *peer);
void chat__peers_receive(chat__shard *shard, chat__peer *peer, chat_view message);
void chat__peers_alive(chat__shard *shard, chat__peer *peer);
void chat__peers_unsent(chat__shard *shard, chat__peer *peer, size_t bytes);
/* It is forgotten there and here. */
void chat__peers_closed(chat__shard *shard, chat__peer *peer);

/* io.c. CHAT_OK, CHAT_MORE (not now), CHAT_ERR_CLOSED, CHAT_ERR_NETWORK, CHAT_ERR_TLS */

/* --- node numbers (lessee.h) --- */

typedef struct chat__own_numbers chat__own_numbers;

typedef struct chat__lessee {
    chat_lease table;
    chat__own_numbers *own; /* NULL: `table` is the caller's */
    uv_mutex_t mutex;
    int has_mutex, is_open, is_released;
    atomic_int is_held;
    _Atomic uint64_t n_renewals, n_lost;
} chat__lessee;

/* --- the server --- */

typedef enum chat__phase {
    CHAT__PHASE_SERVING = 0,
    CHAT__PHASE_DRAINING = 1,
    CHAT__PHASE_STOPPING = 2
} chat__phase;

struct chat_server {
    chat_server_options options; /* strings are ours */
    chat_allocator allocator;
    chat__store *store;              /* NULL: log and store are shared: */
    struct chat__appender *appender; /* and records go there, */
    struct chat__askers *askers;     /* and questions here */
    chat_store store_table;          /* asked by both: the shared one, or `store` as a table */
    struct chat__store_table *table; /* of `store` */
    chat__jwt_key *key;
    chat__visitors *visitors;      /* NULL: no limit */
    struct chat__herald *herald;   /* NULL: nobody is notified */
    struct chat__commons *commons; /* NULL: nothing is shared in memory */
    chat__committer committer;
    chat__lessee lessee;
    struct chat__links *links;     /* NULL: this server is alone */
    struct chat__cluster *cluster; /* NULL: all slots are here */
    struct chat__placer *placer;   /* NULL: places are fixed */
    /* Storage that has to take a slot's partitions over before the slot runs, and says so by
       chat__slot_opened(); each close by chat__slot_closed(), also when nothing was open. NULL:
       there is none. @thread shards */
    void (*open_slot)(chat_server *server, uint32_t slot);
    void (*close_slot)(chat_server *server, uint32_t slot);
    chat__shard *shards;
    uint32_t n_shards; /* and slots: each has a thread, also where it does not run */
    uint32_t n_ready;  /* shards that were initialised */
    uint16_t port;
    int wake_read, wake_write; /* wakes the control thread */
    uint64_t max_id;
    uint64_t seed[2];
    int has_committer;
    int has_run;
    atomic_int phase;     /* what shards see */
    atomic_int wanted;    /* what was asked for */
    atomic_int is_broken; /* storage failed */
    atomic_uint n_connections;
    atomic_uint n_mail; /* batches on their way */
    _Atomic uint64_t drain_ms;
};

/* check.c. What is wrong goes to options->log: CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__server_check_options(const chat_server_options *options);
chat_status chat__server_check_tls(const chat_server_options *options);

/* server.c. @thread any */
void chat__server_log(const chat_server *server, chat_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void chat__server_wake_control(chat_server *server);
uint64_t chat__server_unix_ms(void);
/* The loops' clock, read anew: it never runs back. */
uint64_t chat__server_mono_ms(void);

/* secret.c: the key that tokens are checked with. Problems go to options->log. */
chat_status chat__secret_load(const chat_server_options *options, chat__jwt_key **out);
/* Development: make or reuse the secret in the data directory and print tokens. */
chat_status chat__secret_develop(const chat_server_options *options, chat__jwt_key **out);
/* Print ready-made tokens for the secret of the options. */
chat_status chat__secret_print_tokens(const chat_server_options *options, chat_view secret);

/* --- newcomers.c: devices that came or were removed --- */
/* Keep the question until the device is on disk. CHAT_OK, CHAT_ERR_NOMEM, CHAT_ERR_LIMIT. */
chat_status chat__newcomers_hold(chat__shard *shard, const chat__effect *effect);
/* At the end of a turn. */
void chat__newcomers_send(chat__shard *shard);
void chat__newcomers_answer(chat__shard *shard, const chat__batch *batch);

#endif
