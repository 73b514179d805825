/* SPDX-License-Identifier: MIT */
/* What the files of this room share. Nobody else includes it. */
#ifndef CHAT_NODE_INTERNAL_H
#define CHAT_NODE_INTERNAL_H

#include "node/node.h"

#include "base/arena.h"
#include "base/bucket.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/view.h"
#include "session/session.h"

#include <chat/id.h>
#include <chat/presence.h>

/* A record on its way to devices: encoded once for each encoding, counted by references. */
typedef struct chat__msg {
    struct chat__msg *next_dead;
    uint32_t n_refs;
    uint16_t is_receipt_wanted;
    uint8_t is_message;
    uint8_t is_fresh; /* nobody was notified of it: is to be when it is not acknowledged */
    uint64_t seq;
    uint64_t id;
    uint64_t trail_key; /* 0: leaves no trail */
    uint64_t live_ms;   /* accepted at; 0: not pushed as it came */
    uint64_t share;     /* 0: for a few only */
    chat_view chat;
    chat_view from;
    chat_view bytes[3]; /* by chat_encoding; JSON is made when it is first needed */
} chat__msg;

/* A chat of which a connection has not been sent everything. */
typedef struct chat__behind {
    struct chat__behind *next;
    uint64_t after;      /* sent up to here */
    uint64_t target;     /* known to exist */
    uint64_t asked;      /* `target` when storage was asked last */
    uint64_t owed;       /* `resumed` is said when it was sent up to here; 0: fell behind later */
    uint64_t fresh_from; /* messages since here came meanwhile and are not notified; 0: none */
    uint32_t n_fresh;
    uint16_t chat_len;
    uint16_t is_unsure; /* `after` may lie behind what was lost: the check knows */
    uint8_t chat[];
} chat__behind;

/* A chat of which a connection was not sent all that it lacked, and was told so. */
typedef struct chat__gap {
    struct chat__gap *next;
    uint64_t last; /* seq of the last record in it */
    uint64_t held; /* acked behind it: the cursor goes there when the gap is filled */
    uint32_t chat_len;
    uint8_t chat[];
} chat__gap;

typedef struct chat__user chat__user;
typedef struct chat__lookup chat__lookup;
typedef struct chat__typing chat__typing;
typedef struct chat__fan chat__fan;
typedef struct chat__notify chat__notify;
typedef struct chat__trail chat__trail;

/* A record that was just appended, for one connection. */
typedef struct chat__live {
    chat__msg *msg;
    uint64_t prev;
    int is_own;    /* the connection made it and has it */
    int must_wait; /* it is to be read back, even if there is room */
} chat__live;

/* Whether storage is asked if a connection lacks what was lost with a link. */
typedef enum chat__check {
    CHAT__CHECK_NONE,
    CHAT__CHECK_ASKED,
    CHAT__CHECK_DUE /* (again) when the answer that is awaited is there */
} chat__check;

/* Idle ones are most of what a node holds: keep it below 256 bytes. */
typedef struct chat__node_conn {
    chat__heap_item timer; /* first: the heap gives it back */
    chat__session session;
    chat__conn id;
    struct chat__node_conn *next; /* of the same user */
    chat__user *user;
    chat__behind *behind; /* the first is being read */
    chat__behind *last_behind;
    chat__gap *gaps;          /* not filled yet */
    chat__lookup *lookups;    /* questions about presence that are not answered */
    struct chat__op *waiting; /* what needs to be known who hides, see hide.c */
    chat__typing *typing;     /* what was passed on lately, may be NULL */
    uint32_t turn_bytes;      /* written in turn `turn` */
    uint32_t turn;
    uint32_t n_submitted; /* requests whose answer is outstanding */
    uint32_t n_resumed;   /* records read back of what `resumed` waits for */
    uint64_t fan_from;    /* what was in the fair queue at hello comes from storage */
    chat__bucket questions;
    /* See chat__conn_device(). A long name has memory of its own. */
    union {
        uint8_t near[16];
        uint8_t *far;
    } device;
    uint32_t seen_due; /* after hello: tell storage that the device is here; low bits of mono_ms */
    int8_t broken;     /* a status: close it for that in the next turn */
    uint8_t device_len;
    uint16_t check : 4;    /* chat__check, see peer.c */
    uint16_t encoding : 4; /* chat_encoding */
    uint16_t is_reading : 1;
    uint16_t is_bye_said : 1;
    uint16_t is_watching : 1; /* presence of others */
    uint16_t is_removed : 1;  /* its device is being forgotten: it is sent nothing more */
    uint16_t is_resuming : 1; /* `resumed` is still to be said */
    uint16_t is_reset : 1;    /* the device was not known */
    uint16_t has_gap : 1;     /* it was told of one */
} chat__node_conn;

/* What a user may still ask to be stored: over all of his connections. */
typedef struct chat__allowance {
    chat__bucket messages;
    chat__bucket bytes;
    uint64_t held_until_ms; /* after a refusal all is refused until then */
} chat__allowance;

struct chat__user {
    chat__node_conn *conns;
    chat__allowance allowance;
    uint64_t trail_user; /* hash of the id, see trail.h */
    uint64_t *blockers;  /* who has blocked him, see hide.h */
    uint32_t n_blockers, cap_blockers;
    uint64_t asking; /* number of the question who has, 0: none */
    uint8_t knows_blockers;
    uint8_t has_changed; /* since it was asked */
    uint8_t id_len;
    uint8_t id[];
};

typedef enum chat__op_type {
    CHAT__OP_WAIT = 1,  /* owner: a request behind others of its chat; user's node: see hide.c */
    CHAT__OP_APPEND,    /* owner: waits to be durable */
    CHAT__OP_ROOM,      /* owner: members are being loaded */
    CHAT__OP_SEARCH,    /* owner: looks for an earlier copy of a resent message */
    CHAT__OP_DEVICE,    /* user's node: what a device has */
    CHAT__OP_CHECK,     /* user's node: the same, after a link was lost */
    CHAT__OP_BACKLOG,   /* user's node: reading behind a device's cursor */
    CHAT__OP_CHATS,     /* user's node: request `chats` */
    CHAT__OP_DEVICES,   /* user's node: request `devices` */
    CHAT__OP_REMOVE,    /* user's node: request `device.remove` */
    CHAT__OP_MEMBERS,   /* user's node: request `chat.members` */
    CHAT__OP_HISTORY,   /* user's node: request `history` */
    CHAT__OP_FIND,      /* user's node: request `receipts`, looking for the message */
    CHAT__OP_RECEIPTS,  /* user's node: request `receipts`, who has it */
    CHAT__OP_MARKS,     /* owner of a self stream: may the marker move? */
    CHAT__OP_BLOCK,     /* owner of a self stream: whom the user has blocked already */
    CHAT__OP_BLOCKS,    /* user's node: request `blocks` */
    CHAT__OP_BLOCKERS,  /* user's node: who has blocked him */
    CHAT__OP_TARGET,    /* owner: the message that an edit, a deletion or a reaction is about */
    CHAT__OP_REACTIONS, /* owner: what is thought of it, before another reaction */
    CHAT__OP_AWAY       /* user's node: which of his devices lack a message */
} chat__op_type;

typedef struct chat__room chat__room;
typedef struct chat__cid chat__cid;

/* The members of a group, in one block of memory; grouped by the node where they live. */
typedef struct chat__roster {
    uint32_t n_members;
    chat__node_member members[]; /* bytes of the names behind */
} chat__roster;

/* Something that waits for storage. Its address is the tag of the effect. */
typedef struct chat__op {
    struct chat__op *prev_all, *next_all;
    struct chat__op *next; /* in its chat's queue */
    chat__op_type type;
    chat_frame_type kind; /* of the request */
    chat__conn conn;
    uint32_t node;
    uint32_t n_pages;
    uint32_t limit;
    uint8_t has_r;
    uint8_t is_searched;
    uint64_t r;
    uint64_t before, after;
    uint64_t id, ts, seq, prev; /* APPEND: of the record */
    chat__room *room;
    chat__cid *cid;
    uint64_t telling;        /* a block: number of what other nodes were told */
    uint64_t telling_due_ms; /* when it is given up */
    uint32_t n_telling;      /* of them, that have not answered */
    uint32_t is_told;
    chat__roster *roster; /* APPEND: the members from this record on, NULL: as before */
    chat_view bytes; /* WAIT: the submit frame; APPEND: the payload; MEMBERS, HISTORY: the chat;
                        REMOVE: the device */
    uint8_t storage[];
} chat__op;

typedef enum chat__room_state {
    CHAT__ROOM_NEW = 1,
    CHAT__ROOM_LOADING,
    CHAT__ROOM_READY,
    CHAT__ROOM_MISSING, /* storage knows no such group */
    CHAT__ROOM_CREATING,
    CHAT__ROOM_MARKING, /* a self stream: a marker is on its way to the disk */
    CHAT__ROOM_CHANGING /* another roster is on its way to the disk */
} chat__room_state;

/* A chat that this node owns and has used lately. */
struct chat__room {
    chat__room *prev_lru, *next_lru;
    chat__op *queue, *last; /* requests that wait their turn */
    chat__roster *roster;   /* of a group; NULL: not known yet */
    chat__op *telling;      /* of a self stream: a block that other nodes are told of */
    uint32_t n_pins;        /* records on their way to the disk */
    uint8_t state;
    uint8_t is_direct;
    uint8_t is_open;
    uint8_t is_busy;  /* the head of the queue waits for storage */
    uint8_t blocked;  /* of a direct chat: CHAT__BLOCKED_BY_* */
    uint8_t is_stale; /* that changed while it was asked for */
    uint8_t key_len;
    uint8_t key[];
};

/* What a client sent and named: the same name again gets the same answer. */
struct chat__cid {
    chat__cid *prev, *next;
    chat__op *op;         /* NULL: done */
    uint64_t id, seq, ts; /* 0: it left no record */
    uint32_t hash;        /* of the key */
    uint16_t key_len;
    uint16_t is_open; /* a search that goes on */
    uint8_t key[];    /* user, 0, chat, 0, cid */
};

struct chat__node {
    chat__node_options options;
    chat_allocator allocator;
    chat__session_limits limits;
    uint64_t mono_ms, unix_ms;
    chat_idgen idgen;
    chat_decoder *decoder;     /* for what comes from outside */
    chat_decoder *row_decoder; /* for payloads, while an outside frame is in use */
    chat__arena arena;
    chat__pool pool; /* what comes and goes with a message: ops, msgs, cids */
    chat__effect *effects;
    size_t n_effects, next_effect, effects_cap;
    chat__heap timers;
    chat__node_conn **slots; /* by connection number */
    uint32_t *generations;
    uint32_t *free_slots;
    uint32_t n_slots, n_free, n_conns;
    chat__map users;
    struct chat__debt *debts; /* what users who left still owe, NULL: nothing yet */
    chat__map rooms;
    chat__room *lru_first, *lru_last; /* rooms with an empty queue, oldest first */
    chat__map cids;
    chat__cid *cid_first, *cid_last; /* oldest first */
    chat__op *ops;
    chat__op *telling, *last_telling; /* blocks that other nodes are told of, oldest first */
    chat__op *stalled, *last_stalled; /* durable, not yet pushed: memory ran out */
    uint32_t n_ops;
    uint64_t n_tellings;     /* numbers of what is told and asked about blocks */
    uint64_t n_submitted;    /* requests to owners whose answer is outstanding */
    chat_presence *presence; /* users who live here; watchers are nodes */
    chat_presence *watched;  /* users watched from here; watchers are connections */
    chat__lookup *lookup_first, *lookup_last;
    uint64_t n_lookups; /* ever begun */
    chat__msg *dead;    /* freed at the next turn: effects may point into them */
    chat__map fans;     /* chats with records in the fair queue */
    chat__fan *first_fan, *last_fan;
    size_t fan_bytes;
    uint64_t n_fanned;  /* records that ever waited */
    uint64_t n_shared;  /* records that ever went to more than two users */
    size_t fan_written; /* in turn `fan_turn` */
    uint32_t fan_turn, fan_sockets, fan_members;
    uint32_t retry_after_ms;
    uint32_t first_generation; /* of connections */
    uint8_t *is_lost;          /* by node: there is no link to it */
    uint32_t turn;
    uint8_t is_draining;
    uint8_t has_broken;
    chat__node_counts counts;
    chat__notify *notify; /* see notify.h */
    chat__trail *trail;
};

/* --- node.c --- */
/* A zeroed effect at the end of the queue; NULL when out of memory. */
chat__effect *chat__node_emit(chat__node *node, chat__effect_type type);
/* Encode into the arena; an empty view on failure. */
chat_view chat__node_encode(chat__node *node, chat_encoding encoding, const chat_frame *frame);
/* The same with copies of views; NULL also when one of them could not be copied. */
chat__effect *chat__node_emit_about(chat__node *node, chat__effect_type type, chat_view chat,
                                    chat_view user, chat_view device);
/* Copies that live as long as the effects of the turn. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__node_copy_list(chat__node *node, chat_view_list from, chat_view_list *out);
/* Send a frame to another node. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__node_emit_link(chat__node *node, uint32_t to_node, const chat_frame *frame);
void chat__node_log(chat__node *node, const char *text);
void *chat__node_alloc(chat__node *node, size_t bytes);
void chat__node_dealloc(chat__node *node, void *ptr);
/* `extra` bytes of storage; NULL when out of memory or above max_pending. */
chat__op *chat__op_new(chat__node *node, chat__op_type type, size_t extra);
void chat__op_free(chat__node *node, chat__op *op);
/* Put `bytes` into the op's storage. */
void chat__op_keep(chat__op *op, chat_view bytes);

/* --- conn.c --- */
chat__node_conn *chat__conn_of(const chat__node *node, chat__conn id);
chat_view chat__conn_user(const chat__node_conn *conn);
/* Empty before hello. */
chat_view chat__conn_device(const chat__node_conn *conn);
/* Once. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__conn_set_device(chat__node *node, chat__node_conn *conn, chat_view device);
void chat__conn_write(chat__node *node, chat__node_conn *conn, chat_view bytes);
/* `share`: of the effect, 0: none. */
void chat__conn_write_shared(chat__node *node, chat__node_conn *conn, chat_view bytes,
                             uint64_t share);
void chat__conn_write_frame(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The same for what is in no hurry. */
void chat__conn_write_late(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The same for what nobody misses: dropped for who has not said hello or reads slowly. */
void chat__conn_write_hint(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* Say `bye`, close, forget. */
void chat__conn_close(chat__node *node, chat__node_conn *conn, chat_status status,
                      const char *text);
/* Close it in the next turn: for the depths of a loop. */
void chat__conn_break(chat__node *node, chat__node_conn *conn, chat_status status);
void chat__conn_destroy(chat__node *node, chat__node_conn *conn);
void chat__conn_reschedule(chat__node *node, chat__node_conn *conn);
void chat__conn_timer_due(chat__node *node, chat__node_conn *conn);
/* Say `bye`; the connection goes when its requests are answered. */
void chat__conn_bye(chat__node *node, chat__node_conn *conn);
void chat__conn_free_all(chat__node *node);

/* A refused request may be tried again after so long, if nothing better is known. */
#define CHAT__BUSY_RETRY_MS 1000u

/* --- requests.c: frames of a client, answered on the user's node --- */
void chat__request(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* The chat that a frame names, by `chat` or `to`; the user is a member if it is a direct one. */
chat_status chat__request_chat(const chat__node_conn *conn, const chat_frame *frame,
                               chat_direct_name *storage, chat_view *out, const char **why);
/* An op that answers to a request of this connection, with a copy of `keep` and room for more. */
chat__op *chat__request_op(chat__node *node, const chat__node_conn *conn, chat__op_type type,
                           const chat_frame *frame, chat_view keep, size_t more);
/* Emit the effect of an op (may be NULL); on failure the op is gone and the request refused. */
chat__effect *chat__request_emit(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                                 chat__effect_type type, chat__op *op);
/* The same to read the chat that the op keeps. */
chat__effect *chat__request_read(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                                 chat__op *op);
/* Hand a request to the owner of `chat`. */
void chat__request_submit(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                          chat_view chat);
/* Whether it was refused because the server is going away. */
int chat__request_is_draining(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* `r`, `cid` and `chat` are taken from `about` (may be NULL). */
void chat__request_refuse(chat__node *node, chat__node_conn *conn, const chat_frame *about,
                          chat_status status, const char *text);
/* The same; `retry_ms` counts for statuses of kind RETRY. */
void chat__request_refuse_for(chat__node *node, chat__node_conn *conn, const chat_frame *about,
                              chat_status status, const char *text, uint64_t retry_ms);
void chat__request_busy(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
/* A frame with the request's number, to refuse or answer from an op. */
void chat__request_pong(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__request_about(const chat__op *op, chat_frame *out);
void chat__request_result(chat__node *node, chat__node_conn *conn, const chat__op *op, size_t count,
                          int has_more);
void chat__request_chats_loaded(chat__node *node, chat__op *op, chat_status status,
                                const chat__node_user_chat *chats, size_t n_chats);
typedef struct chat__rows {
    chat_status status;
    int has_more;
    const chat__node_row *rows;
    size_t n_rows;
} chat__rows;
void chat__request_history_read(chat__node *node, chat__op *op, const chat__rows *rows);

/* --- group_requests.c: frames about groups --- */
void chat__request_group_change(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__request_members(chat__node *node, chat__node_conn *conn, const chat_frame *frame);
void chat__request_members_loaded(chat__node *node, chat__op *op, chat_status status,
                                  const chat__node_chat *chat);

/* --- owner.c: the node that owns a chat --- */
void chat__owner_submit(chat__node *node, const chat_frame *frame);
void chat__owner_room_loaded(chat__node *node, chat__op *op, chat_status status,
                             const chat__node_chat *chat);
void chat__owner_searched(chat__node *node, chat__op *op, const chat__rows *rows);
/* Tell who submitted. */
void chat__owner_refuse(chat__node *node, const chat_frame *submit, chat_status status,
                        const char *text);
/* The same; `retry_ms` counts for statuses of kind RETRY. */
void chat__owner_refuse_for(chat__node *node, const chat_frame *submit, chat_status status,
                            const char *text, uint32_t retry_ms);
/* Ask storage what the head of the queue, `submit`, needs to be judged; `op` (may be NULL) is
   taken. NULL: it was refused. */
chat__effect *chat__owner_ask(chat__node *node, chat__room *room, const chat_frame *submit,
                              chat__effect_type type, chat__op *op);
/* Whether it was: who may not write here is; the chat's members are known. */
int chat__owner_is_refused(chat__node *node, const chat_frame *submit, const chat__room *room);
/* The head of the queue is done with. */
void chat__owner_drop_head(chat__node *node, chat__room *room);
/* Tell that it is done, or was already. */
void chat__owner_done(chat__node *node, const chat_frame *submit);
/* Take what waits in a chat's queue, in order, as far as it goes. */
void chat__owner_run_queue(chat__node *node, chat__room *room);
void chat__owner_free_all(chat__node *node);

/* --- group.c: who may change a group, and how --- */
int chat__group_is_change(uint64_t kind);
/* 0: answered, refused or being appended; 1: the members are not known yet. */
int chat__group_take(chat__node *node, const chat_frame *submit, chat__room *room);

/* --- append.c --- */
/* Push what memory was short for. */
void chat__owner_push_stalled(chat__node *node);
/* Append the request's record, or refuse it. `room` (NULL or transient for a direct chat) keeps its
   members until the record is durable. */
void chat__owner_append(chat__node *node, const chat_frame *submit, uint32_t n_members,
                        chat__room *room);
/* The same with the payload's own fields given; `roster` (NULL: none) is taken in any case. */
void chat__owner_append_record(chat__node *node, const chat_frame *submit, chat__room *room,
                               chat_frame *payload, chat__roster *roster);
/* The same for what is so already: all is done but the record. */
void chat__owner_repeat(chat__node *node, const chat_frame *submit, chat__room *room,
                        chat_frame *payload);
/* Refuse what an op is about, although it goes on. */
void chat__owner_answer_early(chat__node *node, chat__op *op, chat_status status, const char *text);
/* All nodes that must know of an op's record first have it. */
void chat__owner_told(chat__node *node, chat__op *op);
void chat__owner_appended(chat__node *node, chat__op *op, chat_status status, uint64_t seq,
                          uint64_t prev);

/* --- room.c: chats that a node owns, with their members and waiting requests --- */
chat__room *chat__room_find(chat__node *node, chat_view chat);
/* Find or make; NULL when out of memory. */
chat__room *chat__room_get(chat__node *node, chat_view chat);
/* Copies; NULL when out of memory. */
chat__roster *chat__roster_new(chat__node *node, const chat__node_member *members, size_t n);
/* In the arena, in the same order; `items` is NULL when out of memory. */
chat_view_list chat__roster_names(chat__node *node, const chat__roster *roster);
/* Takes `roster`. */
void chat__room_set_roster(chat__node *node, chat__room *room, chat__roster *roster);
/* CHAT__ROLE_NONE: no member. */
chat__role chat__room_role(const chat__room *room, chat_view user);
/* Keep it, with its members, until `n_pins` is counted down. */
void chat__room_pin(chat__node *node, chat__room *room);
void chat__room_enqueue(chat__node *node, chat__room *room, chat__op *op);
/* Call when the queue may have become empty: keeps it in the cache, or frees it. */
void chat__room_release(chat__node *node, chat__room *room);
void chat__room_free(chat__node *node, chat__room *room);

/* --- deliver.c: the node where a user lives --- */
void chat__deliver_push(chat__node *node, const chat_frame *push);
void chat__deliver_live(chat__node *node, chat__node_conn *conn, const chat__live *live);
/* A message came while the user is away. */
void chat__deliver_away(chat__node *node, chat_view user, const chat__msg *msg);
void chat__deliver_answer(chat__node *node, const chat_frame *answer);
void chat__deliver_receipt(chat__node *node, const chat_frame *delivered);
void chat__deliver_acked(chat__node *node, chat__node_conn *conn, uint64_t n);
/* The client has the gap of the chat up to `seq`. */
void chat__deliver_filled(chat__node *node, chat__node_conn *conn, chat_view chat, uint64_t seq);
void chat__deliver_retry(chat__node *node, chat__node_conn *conn);
void chat__deliver_pump(chat__node *node, chat__node_conn *conn);
void chat__deliver_device_loaded(chat__node *node, chat__op *op, chat_status status,
                                 const chat__node_user_chat *chats, size_t n_chats);
void chat__deliver_backlog_read(chat__node *node, chat__op *op, const chat__rows *rows);
void chat__deliver_drop_all(chat__node *node, chat__node_conn *conn);

/* --- msg.c --- */
/* `frame` is the stream frame as clients get it. NULL when out of memory. */
chat__msg *chat__msg_new(chat__node *node, const chat_frame *frame);
/* More than two users get it: its frames are shared. */
void chat__msg_share(chat__node *node, chat__msg *msg);
/* The number of its bytes in an encoding, for the effect. */
uint64_t chat__msg_share_of(const chat__msg *msg, uint8_t encoding);
/* The bytes for an encoding; made once. Empty when out of memory. */
chat_view chat__msg_bytes(chat__node *node, chat__msg *msg, uint8_t encoding);
void chat__msg_release(chat__node *node, chat__msg *msg);

/* --- fanout.c: records for many members --- */
/* The stream frame `frame`, for users of this node; `origin` (0: none) has it. CHAT_OK: it waits.
   CHAT_EMPTY: push it in this turn. */
chat_status chat__fanout_take(chat__node *node, const chat_frame *frame, chat_view_list to,
                              uint64_t prev, chat__conn origin);
/* Take a part to the devices. 0: there is none, or the turn has done its share. */
int chat__fanout_serve(chat__node *node);
/* The connection has read the chat back up to `seq`. */
void chat__fanout_read(chat__node *node, const chat__node_conn *conn, chat_view chat, uint64_t seq);
void chat__fanout_done(chat__node *node);

#endif
