/* SPDX-License-Identifier: MIT */
/* What the files of the simulator share: its world, its events, its storage. */
#ifndef CHAT_TESTING_SIM_H
#define CHAT_TESTING_SIM_H

#include "testing/sim_client.h"

typedef enum sim_plant {
    SIM_PLANT_NONE,
    SIM_PLANT_ACK_BEFORE_FSYNC,
    SIM_PLANT_CURSOR_TOO_EARLY,
    SIM_PLANT_LIVE_OVERTAKES,
    SIM_PLANT_NO_DEDUPE,
    SIM_PLANT_CLOCK_FLOOR,
    SIM_PLANT_MARKER_GOES_BACK,
    SIM_PLANT_GAP_NOT_TOLD,
    SIM_PLANT_NOTES_UNSEEN,
    SIM_PLANT_NO_LEASE,
    SIM_PLANT_HISTORY_SKIPS,
    SIM_PLANT_HISTORY_OF_OTHERS,
    SIM_PLANT_DELETED_SHOWN,
    SIM_PLANT_DELETED_EDIT_SHOWN,
    SIM_PLANT_REACTIONS_ADD_UP,
    SIM_PLANT_REMOVED_STAYS,
    SIM_PLANT_MUTED_IS_TOLD,
    SIM_PLANT_WHY_INVENTS,
    SIM_PLANT_BLOCK_FORGOTTEN,
    SIM_PLANT_LOST_LINK_UNTOLD
} sim_plant;

typedef enum sim_event_type {
    SIM_EV_TO_SERVER = 1, /* bytes of a client arrive */
    SIM_EV_TO_CLIENT,
    SIM_EV_SERVER_CLOSED, /* the client hears that its connection is gone */
    SIM_EV_CLIENT_GONE,   /* the server hears it */
    SIM_EV_LINK,
    SIM_EV_COMMIT,
    SIM_EV_ANSWER, /* storage answers an effect */
    SIM_EV_CLIENT_STEP,
    SIM_EV_PEER_LOST, /* a node hears that a link is broken */
    SIM_EV_LINK_UP,
    SIM_EV_NODE_START,
    SIM_EV_SECOND /* may crash, flushes cursors now and then */
} sim_event_type;

typedef struct sim_event {
    uint64_t at_ms;
    uint64_t order;
    sim_event_type type;
    uint32_t epoch; /* of the nodes; an event of an older one is void */
    uint32_t node, from_node;
    uint32_t life, link; /* of the node, and of the link that it comes by: else it is void */
    uint32_t client, wire;
    uint64_t tag;
    chat__conn conn;
    struct sim_answer *answer;
    uint8_t *bytes;
    size_t len;
} sim_event;

/* A record of the simulated log. */
typedef struct sim_record {
    char chat[SIM_CHAT_BYTES];
    uint32_t partition, kind, node;
    uint64_t id, seq, prev, tag;
    uint8_t *payload;
    size_t len;
    int is_durable;
    uint64_t order; /* of appending, never given again */
    uint32_t told;  /* a bit for each user who was notified of it */
} sim_record;

typedef struct sim_cursor {
    char user[SIM_NAME_BYTES], device[SIM_NAME_BYTES], chat[SIM_CHAT_BYTES];
    uint64_t seq, flushed_seq;
    uint64_t start; /* where the device began, the last time that it was new */
} sim_cursor;

typedef struct sim_device {
    char user[SIM_NAME_BYTES], device[SIM_NAME_BYTES];
    uint64_t seen_ms, was_seen_ms; /* unix; on disk */
    uint32_t n_hellos;             /* as a new device */
    int is_known, was_known;
} sim_device;

typedef struct sim_storage {
    sim_record *records;
    size_t n_records, cap;
    sim_cursor *cursors;
    size_t n_cursors, cursors_cap;
    sim_device devices[SIM_MAX_CLIENTS]; /* in the order in which they came first */
    size_t n_devices;
    uint64_t n_appended; /* ever */
    uint64_t last_seq[SIM_PARTITIONS];
    int is_commit_due;
    int is_dead; /* a sync failed: nothing is taken until a restart */
} sim_storage;

/* A question to storage with its answer, as of the moment when it was asked or answered. */
typedef struct sim_answer {
    chat__effect_type type;
    uint64_t tag, after, before, seq, id;
    uint32_t limit, kind;
    char chat[SIM_CHAT_BYTES], user[SIM_NAME_BYTES], device[SIM_NAME_BYTES];
    int is_taken;
    chat_status status;
    chat__node_member *members;
    size_t n_members;
    int is_open;
    chat__node_user_chat *chats;
    char *names; /* of `chats`, SIM_CHAT_BYTES each */
    chat__node_row *rows;
    chat__node_device *devices;
    char *connected; /* devices, SIM_NAME_BYTES each */
    size_t n_connected;
    uint8_t **owned; /* payloads of rows that are not as in the log */
    size_t n_owned;
    size_t n_rows;
    int has_more;
} sim_answer;

typedef struct sim {
    chat_sim_options options;
    chat_sim_report *report;
    sim_plant plant;
    uint64_t rng;
    uint64_t now_ms, unix_base_ms;
    uint64_t order;
    sim_event *events;
    size_t n_events, events_cap;
    chat__node *nodes[SIM_MAX_NODES];
    uint64_t link_ms[SIM_MAX_NODES][SIM_MAX_NODES];
    uint32_t links[SIM_MAX_NODES][SIM_MAX_NODES]; /* number of the link, from and to */
    uint8_t is_link_cut[SIM_MAX_NODES][SIM_MAX_NODES];
    uint32_t lives[SIM_MAX_NODES]; /* number of the process, even while it runs */
    uint64_t mortal_rng;
    int is_mortal;                          /* nodes die by themselves, links break */
    uint32_t n_cut;                         /* nodes and links that come back by themselves */
    uint64_t lease_until_ms[SIM_MAX_NODES]; /* unix; of the node numbers */
    int64_t skew_ms[SIM_MAX_NODES];         /* of their clocks */
    int is_newer[SIM_MAX_NODES];            /* version */
    uint32_t epoch, next_wire, next_cid;
    uint32_t n_clients, n_to_send;
    sim_block_told *blocks;
    size_t n_blocks, blocks_cap;
    uint64_t offline_limit, offline_ttl_ms; /* 0: none */
    uint64_t device_ttl_ms;                 /* 0: never */
    uint32_t max_devices;                   /* 0: no limit */
    int has_removals;
    int is_settling;
    int is_quiet; /* all is sent and arrived: history is looked at now */
    int is_calm;  /* a test server: nothing by chance */
    int is_out_of_memory;
    sim_client clients[SIM_MAX_CLIENTS];
    sim_storage storage;
    chat_decoder *decoder;
    struct chat_history *history;
} sim;

/* --- world.c --- */
uint32_t chat__sim_random(sim *s, uint32_t below);
int chat__sim_chance(sim *s, uint32_t percent);
void chat__sim_trace(sim *s, const char *format, ...);
void chat__sim_violate(sim *s, const char *format, ...);
/* Copies `bytes`; NULL when out of memory. */
sim_event *chat__sim_schedule(sim *s, sim_event_type type, uint64_t at_ms, chat_view bytes);
int chat__sim_next_event(sim *s, sim_event *out);
void chat__sim_drop_events(sim *s);
void chat__sim_copy_name(char *out, size_t cap, chat_view name);
chat_view chat__sim_view(const char *name);
/* Room for one more element; 0 when out of memory. */
int chat__sim_grow(sim *s, void **items, size_t *cap, size_t n, size_t size);

/* --- mixed.c: nodes that are not alike --- */
void chat__sim_mixed_init(sim *s);
uint64_t chat__sim_unix_ms(const sim *s, uint32_t node);
/* A frame (CBOR) as the node sends or writes it: in `out` if it is of a newer version. */
chat_view chat__sim_newer_frame(const sim *s, uint32_t node, chat_view bytes,
                                uint8_t out[SIM_NEWER_BYTES]);
/* Whether it sends one more, of a type that nobody knows. */
int chat__sim_newer_type(sim *s, uint32_t node, chat_view *out);

/* --- nodes.c: their lives, and links that break --- */
chat_status chat__sim_nodes_start(sim *s);
void chat__sim_nodes_stop(sim *s);
void chat__sim_nodes_crash(sim *s);
void chat__sim_nodes_init(sim *s);
/* A node dies, or a link breaks, by chance. */
void chat__sim_nodes_second(sim *s);
void chat__sim_nodes_event(sim *s, const sim_event *event);
void chat__sim_begin(sim *s, uint32_t node);
void chat__sim_renew_lease(sim *s, uint32_t node);
/* The event is for a node, and void when that dies or the link breaks first. */
void chat__sim_to_node(const sim *s, sim_event *event, uint32_t from_node, uint32_t node);
int chat__sim_is_void(const sim *s, const sim_event *event);

/* --- plants.c --- */
/* SIM_PLANT_NONE: there is no such plant, or `name` is NULL. */
sim_plant chat__sim_plant_named(const char *name);

/* --- storage.c --- */
void chat__sim_storage_append(sim *s, uint32_t node, const chat__effect *effect);
void chat__sim_storage_commit(sim *s);
/* What was appended is durable (CHAT_OK), lost (CHAT_ERR_FULL) or neither. */
void chat__sim_storage_answer(sim *s, chat_status status);
/* The newest `seq` of each partition is that of the records that there are. */
void chat__sim_storage_restore(sim *s);
/* Whether it is the first record of its chat that there is: it stands for the chat. */
int chat__sim_is_first(const sim *s, const sim_record *record);
void chat__sim_storage_flush(sim *s);
void chat__sim_storage_cursor(sim *s, const chat__effect *effect);
sim_answer *chat__sim_storage_ask(sim *s, const chat__effect *effect);
void chat__sim_storage_take(sim *s, sim_answer *answer);
void chat__sim_storage_give(sim *s, chat__node *node, sim_answer *answer);
void chat__sim_answer_free(sim_answer *answer);
void chat__sim_storage_free(sim *s);
/* The greatest id that the node has given. */
uint64_t chat__sim_storage_max_id(const sim *s, uint32_t node);
/* A device is forgotten: what it had, its user has. */
void chat__sim_storage_keep_cursors(sim *s, const char *user, const char *device);
uint64_t chat__sim_storage_start(const sim *s, const char *user, const char *device,
                                 const char *chat);

/* --- losses.c --- */
/* What was not flushed is lost; of what was just written nobody knows. */
void chat__sim_storage_crash(sim *s);
/* The same for what one node had not flushed. */
void chat__sim_storage_died(sim *s, uint32_t node);

/* --- members.c: who is in a chat, by the records alone --- */
typedef struct sim_member {
    char user[SIM_NAME_BYTES];
    uint64_t since;     /* seq of the record that began this membership */
    uint64_t first;     /* and the first of all */
    uint64_t left;      /* 0: is a member */
    int was_from_start; /* the first was the chat's first record */
    chat__role role;
} sim_member;
typedef struct sim_group {
    int is_there, is_open;
    sim_member members[SIM_MAX_CLIENTS];
    size_t n_members;
} sim_group;
void chat__sim_group_init(sim_group *group, const char *chat);
/* The next record of the chat. */
void chat__sim_group_apply(sim *s, sim_group *group, const sim_record *record);
/* All durable records of the chat. */
void chat__sim_group_of(sim *s, const char *chat, sim_group *out);
sim_member *chat__sim_member_of(sim_group *group, const char *user);
/* Whether the user gets this record: is a member, or it is the one that ends that. Call after
   chat__sim_group_apply() of the record. */
int chat__sim_is_for(sim_group *group, const char *user, uint64_t seq);

/* --- told.c: who is notified --- */
void chat__sim_told(sim *s, const chat__effect *effect, uint32_t node);
/* Storage says which devices lack a message, and whether its chat is muted. */
void chat__sim_told_give(sim *s, chat__node *node, const sim_answer *answer);

/* --- marks.c: how far users have read --- */
void chat__sim_marks_give(sim *s, chat__node *node, const sim_answer *answer);
/* Say what was read, now and then, and again what has no answer. */
void chat__sim_marks_step(sim *s, sim_client *client);
void chat__sim_marks_frame(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_marks_lost(sim_client *client);
int chat__sim_marks_are_settled(const sim_client *client);
void chat__sim_marks_check(sim *s);
/* Whether the client ever said to have read what the marker is about. */
int chat__sim_marks_has_asked(sim *s, const sim_client *client, const sim_record *record);
uint64_t chat__sim_storage_read(sim *s, const char *user, const char *chat);
uint64_t chat__sim_storage_delivered(const sim *s, const char *user, const char *chat);
int chat__sim_is_first_device(const sim *s, const sim_client *client);

/* --- devices.c --- */
void chat__sim_devices_init(sim *s);
int chat__sim_device_is_known(sim *s, const char *user, const char *device);
/* CHAT_OK; CHAT_EMPTY: it is new; CHAT_ERR_LIMIT: it is one too many. */
chat_status chat__sim_device_hello(sim *s, const sim_answer *answer);
void chat__sim_devices_seen(sim *s, const chat__effect *effect);
int chat__sim_devices_are_asked(const sim_answer *answer);
/* Whether it must be taken now. */
int chat__sim_devices_ask(sim *s, sim_answer *answer, chat_view_list connected);
void chat__sim_devices_take(sim *s, sim_answer *answer);
void chat__sim_devices_give(sim *s, chat__node *node, const sim_answer *answer);
void chat__sim_devices_flush(sim *s);
/* What was not flushed is lost, of the users of a node or (n_nodes) of all. */
void chat__sim_devices_crash(sim *s, uint32_t node);
/* Whether the user lives on this node; on any, when it is n_nodes. */
int chat__sim_lives_on(const sim *s, const char *user, uint32_t node);
void chat__sim_devices_sweep(sim *s);
void chat__sim_devices_step(sim *s, sim_client *client);
void chat__sim_devices_frame(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_devices_lost(sim_client *client);
int chat__sim_devices_is_away(const sim *s, sim_client *client);
/* A node writes to the client: nothing of the stream, if its device is forgotten. */
void chat__sim_devices_write(sim *s, const sim_client *client, chat_view bytes);
/* Whether the device was new more than once. */
int chat__sim_device_is_restarted(const sim *s, const sim_client *client);
void chat__sim_devices_check(sim *s);

/* --- asks.c: chats are muted, and where is a message? --- */
uint64_t chat__sim_muted_until(sim *s, const char *user, const char *chat);
/* The user is notified of this chat. */
void chat__sim_judge_mute(sim *s, const char *user, chat_view chat);
void chat__sim_asks_step(sim *s, sim_client *client);
void chat__sim_asks_frame(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_asks_lost(sim_client *client);
int chat__sim_asks_are_settled(const sim_client *client);
/* Whether the client ever asked for the setting of this record. */
int chat__sim_asks_has_asked(sim *s, const sim_client *client, const sim_record *record);
void chat__sim_asks_check(sim *s);

/* --- blocks.c: who has blocked whom --- */
uint32_t chat__sim_blocks_in(sim *s, const char *chat);
void chat__sim_blocks_take(sim *s, sim_answer *answer);
void chat__sim_blocks_give(chat__node *node, const sim_answer *answer);
void chat__sim_blocks_step(sim *s, sim_client *client);
void chat__sim_blocks_frame(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_blocks_lost(sim_client *client);
int chat__sim_blocks_are_settled(const sim_client *client);
/* Whether the client ever asked for what the record says of its user. */
int chat__sim_blocks_has_asked(sim *s, const sim_client *client, const sim_record *record);
void chat__sim_blocks_check(sim *s);

/* --- gaps.c --- */
/* Say what of a device's backlog is too much or too old. */
void chat__sim_storage_cut(sim *s, sim_answer *answer);
/* Whether the frame was about gaps. */
int chat__sim_gaps_frame(sim *s, sim_client *client, const chat_frame *frame);
/* Whether a stream frame is not to be shown now: history has it too. */
int chat__sim_gaps_hold(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_gaps_step(sim *s, sim_client *client);
void chat__sim_gaps_lost(sim_client *client);
int chat__sim_gaps_are_settled(const sim_client *client);

/* --- notes.c: edits, deletions, reactions --- */
/* 0: there is no message yet. */
int chat__sim_notes_choose(sim *s, const sim_client *client, sim_out *out);
void chat__sim_notes_fill(const sim_out *out, chat_frame *frame);
/* The message of a row as it is now. */
void chat__sim_notes_apply(sim *s, sim_answer *answer, const sim_record *record,
                           chat__node_row *row);
/* The reactions to the message `id` of the answer. */
void chat__sim_notes_react(sim *s, sim_answer *answer);
void chat__sim_notes_check(sim *s, const char *chat);
/* What a message or a note says, at some moment. */
typedef struct sim_saying {
    char text[2][SIM_SAYING_BYTES]; /* body, reaction */
    int has_body, is_deleted;
    uint64_t edited;
} sim_saying;
void chat__sim_notes_say(const chat_frame *frame, sim_saying *out);
/* A row of history is `record` as it was at some moment since the page was asked for. */
void chat__sim_notes_judge(sim *s, const sim_client *client, const sim_record *record,
                           const sim_saying *shown);

/* What is thought of the message of the walk is what was thought at such a moment. */
void chat__sim_notes_judge_thoughts(sim *s, const sim_client *client);

/* --- pages.c: what history shows --- */
/* Whether the frame belongs to such a question. */
int chat__sim_pages_frame(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_pages_step(sim *s, sim_client *client);
void chat__sim_pages_lost(sim_client *client);
int chat__sim_pages_are_settled(const sim_client *client);
/* Whether what is written to the client is lost, by a planted bug. */
int chat__sim_pages_drop(sim *s, const sim_client *client, chat_view bytes);

/* --- client.c --- */
/* The application is shown a record, unless it has seen it. */
void chat__sim_client_saw(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_client_say(sim *s, sim_client *client, const chat_frame *frame);
void chat__sim_client_step(sim *s, sim_client *client);
void chat__sim_client_frame(sim *s, sim_client *client, chat_view bytes);
void chat__sim_client_lost(sim *s, sim_client *client);
int chat__sim_client_is_settled(const sim_client *client);
void chat__sim_client_free(sim_client *client);

/* --- tell.c: the history. To have a new kind of event in it: tell it where a client's application
   would hear of it, and give it a row in history.c. --- */
/* `open`, `lost`, `resumed`. */
void chat__sim_tell(sim *s, const sim_client *client, const char *t);
/* A frame as the application saw it; `client` NULL: a record of a chat at the end. */
void chat__sim_tell_frame(sim *s, const sim_client *client, const chat_frame *frame);
/* It says, for the first time, what `out` names. */
void chat__sim_tell_said(sim *s, const sim_client *client, const sim_out *out);
/* It asks that its user blocks another one, or no longer; or that is answered. */
void chat__sim_tell_block(sim *s, const sim_client *client, int is_done);
/* The answer to `read`. */
void chat__sim_tell_read(sim *s, const sim_client *client, const chat_frame *result);
void chat__sim_judge(sim *s);

/* --- checker.c --- */
void chat__sim_check(sim *s);
int chat__sim_has_seen(const sim_client *client, const char *chat, uint64_t seq);
/* The newest record of the chat that the client was shown, 0: none. */
uint64_t chat__sim_last_seen(const sim_client *client, const char *chat);

/* --- sim.c --- */
void chat__sim_run_effects(sim *s, uint32_t node);

#endif
