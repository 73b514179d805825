/* SPDX-License-Identifier: MIT */
/*
 * The server as a function of its inputs: connections, links, storage completions and time go in;
 * effects (bytes to write, records to append, questions to storage) come out. One node is one
 * shard; it runs under libuv in chatd, and by the hundred in the simulator. One caller at a time.
 *
 * A turn:  chat__node_begin(now)  ->  any inputs  ->  chat__node_next_effect() until CHAT_EMPTY.
 * Everything that an effect points at is borrowed until the next chat__node_begin(). Inputs may be
 * given between effects too (a completion at once, say); what they cause comes out behind.
 *
 * Who does what: a user *lives* on node chat__node_of_user(): all of the user's connections are
 * there. A chat is *owned* by node chat__node_of_chat(): it alone appends to the chat's partition,
 * so it alone dedupes, orders and decides membership. Nodes talk by LINK effects: reliable and in
 * order, until chat__node_peer_lost().
 *
 * A device's offline queue is a cursor: the highest `seq` acknowledged for each chat. What is
 * behind the cursor is read back from the log; while a chat is read back, what arrives for it
 * stays behind, so nothing overtakes.
 */
#ifndef CHAT_NODE_NODE_H
#define CHAT_NODE_NODE_H

#include <chat/frame.h>

#include "base/role.h"
#include "node/event.h"

typedef struct chat__node chat__node;

/* A connection; never 0, never used twice in the life of a node, nor in that of the one before it
   (by `seed`). */
typedef uint64_t chat__conn;

typedef struct chat__node_options {
    const chat_allocator *allocator;
    uint32_t self;             /* this node, 0 .. n_nodes-1 */
    uint32_t n_nodes;          /* nodes (shards) that share users and chats */
    uint32_t n_partitions;     /* of the log */
    uint32_t links_are_own;    /* 0; 1: the other nodes are in this process, and what they checked
                                  is not checked again */
    uint32_t snowflake_node;   /* 0..1023 */
    uint64_t lease_until_ms;   /* unix ms; UINT64_MAX: no lease needed (embedded) */
    uint64_t not_before_id;    /* highest id found in the log at start */
    uint64_t seed[2];          /* random, secret */
    uint32_t heartbeat_ms;     /* 30,000: told to clients; silence of twice this closes */
    uint32_t hello_timeout_ms; /* 10,000 from open (or chat__node_since()) to hello */
    uint32_t ack_timeout_ms;   /* 5,000 */
    uint32_t max_connections;
    uint32_t max_frame_bytes; /* 131,072 */
    uint32_t max_body_bytes;  /* 65,536 */
    uint32_t max_group_members;
    uint32_t window_count;     /* 256: stream frames in flight per connection */
    uint32_t window_bytes;     /* 1 MiB of payload in flight per connection */
    uint32_t max_unsent_bytes; /* 1 MiB: above it nothing is pushed to the connection */
    uint32_t slow_close_ms;    /* 30,000 over that limit closes with ERR_SLOW */
    uint32_t batch_count;      /* 100: records per read-back */
    uint32_t dedupe_count;     /* 65,536: cids that are remembered */
    uint32_t max_pending;      /* 65,536: requests that wait for storage; above it: busy */
    uint32_t chat_cache_count; /* 65,536: chats whose members and blocks are remembered */
    uint32_t shares_presence;  /* 0; 1: PRESENCE and WHO effects are done */
    uint32_t presence_count;   /* 65,536: users who are watched or whose last sight is remembered */
    uint32_t max_watched;      /* 256: users that a connection may watch */
    uint32_t device_seen_ms;   /* 86,400,000: how often storage is told of a connected device */
    uint32_t max_blocked;      /* 1,000: users that a user may block */
    uint32_t trail_count;      /* 4,096: events that are remembered for `why`; 0: none */
    uint32_t notify_users;     /* 0: nobody is notified; who are away and remembered */
    uint32_t notify_interval_ms;  /* 60,000: between two notifications of many messages */
    uint32_t fanout_sync_members; /* 50: records of chats with so many go through the fair queue */
    uint32_t fanout_turn_sockets; /* 64: writes that the fair queue does in a turn */
    uint32_t fanout_chat_records; /* 128: that may wait in it for one chat; above it the chat's
                                     devices are behind and read back */
    /* What a user may ask to be stored, over all connections: requests, and bytes of bodies, in a
       second and at once. Rate 0: no limit. */
    uint32_t rate_msgs, burst_msgs;
    uint32_t rate_bytes, burst_bytes;
    /* What a connection may ask that is not stored: history, lists, presence. */
    uint32_t rate_requests, burst_requests;
} chat__node_options;

/* Defaults as above, struct otherwise zero (NULL allocator: libc; 1 node, 64 partitions). */
void chat__node_options_init(chat__node_options *options);

typedef enum chat__effect_type {
    /* Send `bytes` as one WebSocket message to `conn`, behind what was written before. What many
       get has the same `share`, so that it is framed and compressed once. With `kind`
       CHAT__WRITE_LATE it may wait some milliseconds for the next one to the same connection. */
    CHAT__EFFECT_WRITE = 1,
    /* Flush what was written, close with chat_status_close_code(status) and `text`. The node has
       forgotten `conn`: no chat__node_closed() for it. */
    CHAT__EFFECT_CLOSE,
    /* Hand `bytes` to node `to_node`. */
    CHAT__EFFECT_LINK,
    /* Append to `partition`: key `chat`, `id`, `kind` (chat_frame_type MSG, CHAT, CHANGE, MARKER,
       SETTING or BLOCKED), payload `bytes`, a CBOR frame of that type without seq and prev.
       Answer: chat__node_appended(tag), in the order of the effects. */
    CHAT__EFFECT_APPEND,
    /* Who is in group `chat`? Of a direct chat: who has blocked the other? Answer:
       chat__node_chat_loaded(tag). */
    CHAT__EFFECT_LOAD_CHAT,
    /* Chats of `user`, those left too, and what `device` has of each. Makes the device known; if
       there are too many, the one that was not seen for longest is forgotten, but none of `names`.
       Answer: chat__node_user_loaded(tag). `limit` rows at most when not 0. Without a device: how
       far the user has read each, and how much is unread. */
    CHAT__EFFECT_LOAD_USER,
    /* Which devices has `user`? Answer: chat__node_devices_loaded(tag). */
    CHAT__EFFECT_LOAD_DEVICES,
    /* Forget `device` of `user` and its cursors, for good: a later CURSOR is of a new one. Answer,
       when it is durable: chat__node_forgotten(tag). In the order of the effects with LOAD_USER,
       SEEN and CURSOR of the same user. */
    CHAT__EFFECT_FORGET,
    /* `device` of `user` is here now. No answer; nothing if the device is not known. */
    CHAT__EFFECT_SEEN,
    /* Records of `chat` with seq > `after` oldest first, or (when `after` is UINT64_MAX) with seq <
       `before` newest first; at most `limit`. With `user` only those that this user may read of a
       group: CHAT_ERR_FORBIDDEN: never was a member; CHAT_ERR_NOT_FOUND: no such group. Answer:
       chat__node_rows_read(tag). With an `id` instead the reactions to that message that count, as
       `note` records; CHAT_ERR_NOT_FOUND: no such message. Messages are as they are now: edited, or
       with DELETED. */
    CHAT__EFFECT_READ,
    /* Who is in `chat`, and how far has each of them read it and got it? With a `user` only his own
       marks are wanted. Which is the newest record with a seq of at most `seq`? Answer:
       chat__node_marks_loaded(tag). */
    CHAT__EFFECT_LOAD_MARKS,
    /* Which of `user`'s devices lack the record `seq` of `chat`, and has he muted the chat? Answer:
       chat__node_away_loaded(tag). */
    CHAT__EFFECT_LOAD_AWAY,
    /* Whom has `user` blocked? `kind` CHAT__BLOCKS_BY_OTHERS: who has blocked `user`? CHAT_MORE
       when there are more than `limit` (if not 0). Answer: chat__node_blocks_loaded(tag). */
    CHAT__EFFECT_LOAD_BLOCKS,
    /* `user`'s `device` has everything of `chat` up to `seq`, since `after` (unix ms; 0: nobody
       will ask). No answer; may be written late. */
    CHAT__EFFECT_CURSOR,
    /* Tell `user`, who is away, of `limit` messages of the authors `names` (`kind` 1: and others),
       on his `devices`; empty: none is known. `id` and `seq` in `chat` are of the newest. What
       becomes of it: chat__node_told() with `tag` and `after` as its keys, any number of times. */
    CHAT__EFFECT_NOTIFY,
    /* `device` of `user` is connected and `kind` is 1: others may know; 0: not any more, or the
       user hides. No answer; may be lost. */
    CHAT__EFFECT_PRESENCE,
    /* Which of `names`, CHAT__WHO_MAX at most, are online? Their node `to_node` did not answer.
       Answer: chat__node_who_told(conn, id). */
    CHAT__EFFECT_WHO,
    /* One line for the operator in `text`. */
    CHAT__EFFECT_LOG
} chat__effect_type;

#define CHAT__BLOCKS_BY_OTHERS 1u
#define CHAT__WRITE_LATE       1u
#define CHAT__WHO_MAX          256u

typedef struct chat__effect {
    chat__effect_type type;
    chat_status status;
    chat__conn conn;
    uint64_t tag;
    uint64_t id;
    uint64_t seq;
    uint64_t after;
    uint64_t before;
    uint64_t share; /* WRITE: not 0: the same `bytes` as of all others with this number */
    uint32_t kind;
    uint32_t limit;
    uint32_t partition;
    uint32_t to_node;
    chat_view chat;
    chat_view user;
    chat_view device;
    chat_view bytes;
    chat_view_list names;
    chat_view_list devices;
    const char *text;
} chat__effect;

/* A record as read back. */
typedef struct chat__node_row {
    uint64_t seq;
    uint64_t prev; /* seq of the record before it in its chat, 0: none */
    chat_view payload;
} chat__node_row;

/* A chat of a user. `cursor`: what the device has, or where its part begins; `last_seq`: newest
   durable record that the user may read. */
typedef struct chat__node_user_chat {
    chat_view chat;
    chat_view title;
    uint64_t cursor;
    uint64_t last_seq;
    uint64_t read_seq;       /* without a device: the user has read so far */
    uint32_t unread;         /* messages of others behind it, 999 at most */
    uint32_t has_unread;     /* else it was too much to count */
    int is_past;             /* no member any more */
    uint64_t gap_seq;        /* above the cursor, up to here is not sent: see history; 0: nothing */
    uint64_t muted_until_ms; /* without a device: unix ms, 0: never muted */
} chat__node_user_chat;

typedef struct chat__node_device {
    chat_view device;
    uint64_t seen_unix_ms; /* last */
} chat__node_device;

/* A member of a chat and how far he is. */
typedef struct chat__node_mark {
    chat_view user;
    uint64_t read_seq;
    uint64_t delivered_seq; /* of his furthest device */
    /* Since when he has, or has read, the `seq` that was asked for without a `user`; 0: not known,
       as in a chat of CHAT__RECEIPT_MEMBERS and more. */
    uint64_t delivered_unix_ms;
    uint64_t read_unix_ms;
} chat__node_mark;

typedef struct chat__node_marks {
    const chat__node_mark *items;
    size_t n_items;
    uint64_t seq; /* of the newest record up to the one that was asked for, 0: none */
} chat__node_marks;

/* A user to whom a message came. */
typedef struct chat__node_away {
    uint64_t muted_until_ms;  /* the chat; unix ms, 0: never muted */
    uint64_t read_seq;        /* he has read the chat so far */
    const chat_view *devices; /* that have not acknowledged the message */
    size_t n_devices;
    size_t n_known; /* of all his devices */
} chat__node_away;

/* What became of a notification. */
typedef struct chat__told {
    uint64_t key, user_key; /* `tag` and `after` of the effect */
    chat__fate fate;
    chat_view device; /* empty: of all that were named */
} chat__told;

/* Who of the two in a direct chat's id has blocked the other. */
#define CHAT__BLOCKED_BY_FIRST  1u
#define CHAT__BLOCKED_BY_SECOND 2u

/* A group as storage knows it: who is a member now. Or a direct chat, without members. */
typedef struct chat__node_member {
    chat_view user;
    uint64_t since; /* seq of the record that made them a member */
    chat__role role;
} chat__node_member;

typedef struct chat__node_chat {
    chat_view title;
    int is_open;      /* anybody may join */
    uint32_t blocked; /* of a direct chat: CHAT__BLOCKED_BY_* */
    const chat__node_member *members;
    size_t n_members;
} chat__node_chat;

/* CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__node_new(const chat__node_options *options, chat__node **out);
void chat__node_free(chat__node *node);

uint32_t chat__node_of_user(chat_view user, uint32_t n_nodes);
uint32_t chat__node_of_chat(chat_view chat, uint32_t n_partitions, uint32_t n_nodes);

/* Start a turn: release what effects pointed at, take the time, do what is due. Both clocks in
   milliseconds; `mono_ms` never runs back, `unix_ms` may. */
void chat__node_begin(chat__node *node, uint64_t mono_ms, uint64_t unix_ms);

/* When chat__node_begin() must be called at the latest (mono_ms); UINT64_MAX: no deadline. */
uint64_t chat__node_deadline(const chat__node *node);

/* CHAT_OK, CHAT_EMPTY. */
chat_status chat__node_next_effect(chat__node *node, chat__effect *out);

/* An authenticated connection of a user who lives here. CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM,
   CHAT_ERR_DRAIN: refuse it. `expires_unix_ms`: end of the token, UINT64_MAX: none. */
chat_status chat__node_open(chat__node *node, chat_view user, chat_encoding encoding,
                            uint64_t expires_unix_ms, chat__conn *out);

/* The connection began before it was opened here, at `mono_ms`: one deadline, hello_timeout_ms from
   then, covers TLS, the upgrade and hello. */
void chat__node_since(chat__node *node, chat__conn conn, uint64_t mono_ms);

/* One WebSocket message arrived. Unknown connections are ignored (it was just closed). */
void chat__node_receive(chat__node *node, chat__conn conn, chat_view message);

/* Something arrived that is no message (a WebSocket ping, say): the peer is alive. */
void chat__node_alive(chat__node *node, chat__conn conn);

/* The connection is gone, for whatever reason. */
void chat__node_closed(chat__node *node, chat__conn conn);

/* How many bytes wait in front of the connection's socket: call when it changed in a turn and is or
   was not 0. */
void chat__node_unsent(chat__node *node, chat__conn conn, size_t bytes);

/* What another node sent by LINK. CHAT_OK, also for what only a newer version knows;
   CHAT_ERR_SYNTAX, CHAT_ERR_ARG: drop the link. */
chat_status chat__node_link(chat__node *node, uint32_t from_node, chat_view bytes);

/* The link to a node broke: what was on its way, in both directions, is lost, and so is what this
   node says to it from now on. Whether it lives is not known. Connections that wait for an answer
   of another node are closed with CHAT_ERR_BUSY; who lives there is told offline. CHAT_OK;
   CHAT_ERR_ARG: there is no such other node. */
chat_status chat__node_peer_lost(chat__node *node, uint32_t peer);

/* There is a link again, and nothing came over it yet: the node was started anew, or not. What was
   lost is found again in storage. As if chat__node_peer_lost() went before. CHAT_OK, CHAT_ERR_ARG.
 */
chat_status chat__node_peer_found(chat__node *node, uint32_t peer);

/* Answers to effects. Views are borrowed during the call. */
/* `conn`, `id` and `to_node` of the effect; with CHAT_OK `is_online` says 1 or 0 for each of its
   names, which are `users` again. */
typedef struct chat__node_who {
    chat__conn conn;
    uint64_t id;
    uint32_t node;
    chat_view_list users;
    const uint8_t *is_online;
} chat__node_who;
void chat__node_who_told(chat__node *node, chat_status status, const chat__node_who *who);
void chat__node_appended(chat__node *node, uint64_t tag, chat_status status, uint64_t seq,
                         uint64_t prev);
/* CHAT_ERR_NOT_FOUND: no such group, or a direct chat in which nobody has blocked. `chat` is not
   read unless CHAT_OK. */
void chat__node_chat_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_chat *chat);
/* CHAT_EMPTY: as CHAT_OK, and the device was not known before. CHAT_ERR_LIMIT: it would be one too
   many, and all others are connected. */
void chat__node_user_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_user_chat *chats, size_t n_chats);
void chat__node_rows_read(chat__node *node, uint64_t tag, chat_status status,
                          const chat__node_row *rows, size_t n_rows, int has_more);

void chat__node_devices_loaded(chat__node *node, uint64_t tag, chat_status status,
                               const chat__node_device *rows, size_t n_rows);
/* CHAT_ERR_NOT_FOUND: no such device. After any other error it is forgotten or not. */
void chat__node_forgotten(chat__node *node, uint64_t tag, chat_status status);

/* CHAT_ERR_NOT_FOUND: no such chat. */
void chat__node_marks_loaded(chat__node *node, uint64_t tag, chat_status status,
                             const chat__node_marks *marks);

/* `found` is not read unless CHAT_OK. */
void chat__node_away_loaded(chat__node *node, uint64_t tag, chat_status status,
                            const chat__node_away *found);

/* No answer to anything: it is remembered for `why`, and a device that is gone is named no more
   until it says hello. */
void chat__node_told(chat__node *node, const chat__told *told);

void chat__node_blocks_loaded(chat__node *node, uint64_t tag, chat_status status,
                              const chat_view *users, size_t n_users);

/* Ids are made with a node number and times that were leased. */
typedef struct chat__node_lease {
    uint32_t number;        /* 0..1023 */
    uint64_t from_unix_ms;  /* none before */
    uint64_t until_unix_ms; /* none then or later; 0: none at all, UINT64_MAX: no end */
} chat__node_lease;

void chat__node_set_lease(chat__node *node, const chat__node_lease *lease);

/* Say `bye` to everybody and refuse what is new; what was accepted is still finished. */
void chat__node_drain(chat__node *node, uint32_t retry_after_ms);

/* Whether nothing is under way any more: no request waits for storage. */
int chat__node_is_idle(const chat__node *node);

/* Of all that this node did. */
void chat__node_counts_get(const chat__node *node, chat__node_counts *out);

#endif
