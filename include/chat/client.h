/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The client: one connection to a server, kept alive and made again, with an ordered outbox. It has
 * no thread of its own and calls nothing back: wait for chat_client_fd() or chat_client_timeout(),
 * call chat_client_process(), read events until CHAT_EMPTY.
 *
 *     while (...) {
 *         struct pollfd wait = {chat_client_fd(client), POLLIN, 0};
 *         poll(&wait, 1, chat_client_timeout(client, now_ms()));
 *         chat_client_process(client, now_ms());
 *         while (chat_client_next_event(client, &event) == CHAT_OK)
 *             ...
 *     }
 *
 * `now_ms` is a monotonic clock in milliseconds; one that counts sleep (CLOCK_BOOTTIME) finds a
 * dead connection sooner after a suspend. Unless a comment says otherwise: one caller at a time per
 * client, different clients are independent, no call blocks, and each is legal at any time.
 */
#ifndef CHAT_CLIENT_H
#define CHAT_CLIENT_H

#include <chat/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A client; opaque. */
typedef struct chat_client chat_client;

/** Call chat_client_options_init() first, then set fields. All memory is copied by _new. */
typedef struct chat_client_options {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t encoding;    /**< chat_encoding; CBOR */
    const char *url;      /**< ws://HOST[:PORT][/PATH] or wss://...; required */
    const char *token;    /**< JWT; NULL: none */
    const char *device;   /**< stable over restarts: the server keeps a position for it */
    const char *agent;    /**< name and version of the application, may be NULL */
    const char *ca_file;  /**< wss: trust these (PEM); NULL: the system's bundle */
    const chat_allocator *allocator; /**< NULL: libc. TLS and the resolver use libc always */
    const chat_log_sink *log;        /**< NULL: no lines */
    uint32_t insecure_tls;           /**< 1: accept any certificate. For tests only */
    uint32_t ignore_stream; /**< 1: messages of others are neither given nor acknowledged, so this
                               device's position does not move. For tools that only send or ask */
    uint32_t backoff_first_ms;   /**< 1000: first wait before connecting again; doubles */
    uint32_t backoff_max_ms;     /**< 30,000: longest wait; each varies by 20 % */
    uint32_t stable_ms;          /**< 10,000: a connection of this age resets the wait */
    uint32_t connect_timeout_ms; /**< 10,000: from look-up to `welcome` */
    uint32_t answer_timeout_ms;  /**< 30,000: for a request; for a message before reconnecting */
    uint32_t max_outbox_count;   /**< 10,000 messages without an answer */
    uint32_t max_outbox_bytes;   /**< 16 MiB of them */
    uint32_t max_requests;       /**< 64 without an answer */
    uint32_t max_frame_bytes;    /**< 131,072, received or sent */
    uint32_t max_chats;          /**< 4096 chats whose position is remembered to drop duplicates */
    uint32_t no_deflate;         /**< 1: offer no permessage-deflate */
    uint32_t own_transport;      /**< 1: see <chat/client_transport.h> */
    uint32_t token_lead_ms; /**< so long before the token expires, and when it is refused, an event
                               TOKEN_WANTED; 0: none */
    const char *pin;   /**< wss: the server's public key must have this SHA-256 (of the DER of its
                          SubjectPublicKeyInfo, in base64); NULL: any. Beside the other checks */
    const char *proxy; /**< HTTP proxy to CONNECT through: http://[USER:PASSWORD@]HOST[:PORT];
                          NULL: none. The environment is not looked at */
    const char *store_file;  /**< outbox and cache on disk, see <chat/client_store.h>; NULL: none */
    uint32_t cache_messages; /**< 1000: records of each chat that the file keeps, the newest */
    uint32_t cache_total;    /**< 100,000: records of all chats */
    uint32_t typing_ms;      /**< 5000: from the last TYPING of a user in a chat to TYPING_ENDED, if
                                no message or loss of the connection is first. 0: never comes */
    uint32_t reserved;       /**< 0 */
} chat_client_options;

/** Zero, `struct_size`, and the defaults named above. */
CHAT_API void chat_client_options_init(chat_client_options *options);

/**
 * Make a client. It begins to connect with the first chat_client_process(); a server that is down
 * is an ordinary state. The certificates of a `wss` URL and `store_file` are the only file access.
 *
 * @return CHAT_OK
 * @return CHAT_ERR_ARG  URL, device, agent or a number is not valid, or `store_file` is another
 *                       device's or no file of ours; the log says which
 * @return CHAT_ERR_TLS  `ca_file` cannot be read
 * @return CHAT_ERR_UNSUPPORTED  `store_file`, and this library was built without SQLite
 * @return CHAT_ERR_IN_USE, CHAT_ERR_VERSION, CHAT_ERR_FULL, CHAT_ERR_IO  `store_file` is open
 *                       elsewhere, of a newer library, or cannot be made or written
 * @return CHAT_ERR_NOMEM, CHAT_ERR_LIMIT (no file descriptor left)
 */
CHAT_API chat_status chat_client_new(const chat_client_options *options, chat_client **out);

/** Free in any state, at once: what has no answer yet is given up. NULL does nothing. */
CHAT_API void chat_client_free(chat_client *client);

/** Descriptor to poll for reading (epoll inside); the same over the client's life. */
CHAT_API int chat_client_fd(const chat_client *client);

/** Milliseconds until chat_client_process() must be called, as for poll(): -1 no deadline. */
CHAT_API int chat_client_timeout(const chat_client *client, uint64_t now_ms);

/**
 * Do what is due: connect, write, read. Acknowledges the events that were read before; those are
 * no longer borrowed. Time: bounded; at most one read of 64 KiB.
 * @return CHAT_OK; CHAT_ERR_NOMEM: call again later
 */
CHAT_API chat_status chat_client_process(chat_client *client, uint64_t now_ms);

/** Make chat_client_fd() readable. Thread: any, signal handlers too, while the client lives. */
CHAT_API void chat_client_wakeup(const chat_client *client);

/** Where the connection stands. */
typedef enum chat_client_state {
    CHAT_CLIENT_WAITING = 1, /**< connects again in `retry_ms`; `status` says what happened */
    CHAT_CLIENT_CONNECTING,  /**< look-up, TCP, TLS, WebSocket, hello */
    CHAT_CLIENT_ONLINE,      /**< `frame` is the `welcome` */
    CHAT_CLIENT_REFUSED,     /**< the server does not want us (`status`: unauthorized, expired,
                                replaced, removed, version): nothing more until
                                chat_client_reconnect() */
    CHAT_CLIENT_CLOSED       /**< after chat_client_close(); final */
} chat_client_state;

/** What happened. */
typedef enum chat_event_type {
    CHAT_EVENT_STATE = 1, /**< `state`, `status`, `retry_ms`, `text`; in order, and when many were
                               not read only the latest */
    CHAT_EVENT_MESSAGE,   /**< `frame`: msg, new in a chat of mine (my other devices' included) */
    CHAT_EVENT_CHAT,      /**< `frame`: chat, made with me in it */
    CHAT_EVENT_SENT,      /**< `frame`: sent, my message `cid` is durable */
    CHAT_EVENT_RECEIPT,   /**< `frame`: receipt */
    CHAT_EVENT_ROW,       /**< `frame`: a row of an answer, with `r` */
    CHAT_EVENT_RESULT,    /**< `frame`: result or pong, request `r` is done */
    CHAT_EVENT_ERROR,     /**< `frame`: error; request `r` failed for `status` */
    CHAT_EVENT_FAILED,    /**< `frame`: error; message `cid` will not be sent for `status` */
    CHAT_EVENT_PRESENCE,  /**< `frame`: presence, a watched user came or went */
    CHAT_EVENT_TYPING,    /**< `frame`: typing; again while it goes on, every 3 s or so */
    CHAT_EVENT_MARKER,    /**< `frame`: marker, how far I have read a chat on another device */
    CHAT_EVENT_CHANGE,    /**< `frame`: change of a group of mine; the last one of a group that I
                               left or was removed from, the first one of one I was added to */
    CHAT_EVENT_RESUMED,   /**< `frame`: resumed, once a connection: what this device lacked was
                             given; `state` is `recovered`, or `reset` when the server did not know
                             the device, and `count` the records that were read back, from history
                             too. `gap`: what is between `after` and `before` in `chat`, and perhaps
                             more like it, is missing for good: history did not have it */
    CHAT_EVENT_NOTE,      /**< `frame`: note, somebody edited, deleted or reacted to a message */
    CHAT_EVENT_SETTING,   /**< `frame`: setting, I muted a chat on another device */
    CHAT_EVENT_BLOCKED,   /**< `frame`: blocked, I (un)blocked a user on another device */
    CHAT_EVENT_TOKEN_WANTED = 64, /**< say chat_client_set_token(): the old one ends soon (`status`
                                     OK) or was refused; who was refused then connects again */
    CHAT_EVENT_STORE,             /**< `store_file` was damaged; `text`: what became of it */
    CHAT_EVENT_TYPING_ENDED       /**< `frame`: typing, of a TYPING that counts no more */
} chat_event_type;

/** Where a ROW or RESULT is from. */
typedef enum chat_cached {
    CHAT_CACHED_NO = 0, /**< from the server */
    CHAT_CACHED_WHOLE,  /**< from `store_file`, as the server would have answered */
    CHAT_CACHED_PART    /**< what `store_file` has: there may be more with the server */
} chat_cached;

/** One event, owned by the client and borrowed until the next _next_event, _process or _free. */
typedef struct chat_event {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t type;        /**< chat_event_type */
    uint32_t state;       /**< chat_client_state when it happened */
    int32_t status;       /**< chat_status, CHAT_OK where nothing is wrong */
    uint64_t retry_ms;    /**< WAITING: how long; ERROR, FAILED: the server's advice, 0 none */
    uint64_t gap_after; /**< MESSAGE, CHAT, CHANGE: 0, or records between this `seq` and the event's
                           were not received here; chat_client_history() has them */
    chat_view text;     /**< one line for people, may be empty */
    const chat_frame *frame; /**< NULL where the list above names none */
    uint32_t cached;         /**< ROW, RESULT: chat_cached */
    uint32_t reserved;       /**< 0 */
} chat_event;

/**
 * Read the next event. The one before counts as safe with the application from then on and is
 * acknowledged to the server (once a turn for all). After each chat_client_process() read until
 * CHAT_EMPTY: what is not read stays in the socket, and the server slows down.
 *
 * When this device was away so long that the server does not send everything, the rest is fetched
 * from history first, a page at a time; what is new in such a chat comes behind it.
 *
 * A message is given once, whatever the server repeats: what has a `seq` not above the last one
 * given of its chat is dropped (remembered for the last `max_chats` chats).
 *
 * @return CHAT_OK, CHAT_EMPTY
 */
CHAT_API chat_status chat_client_next_event(chat_client *client, const chat_event **out);

/** A client message id, zero-terminated. */
typedef struct chat_client_cid {
    char text[CHAT_ID_MAX_BYTES + 1]; /**< the id */
} chat_client_cid;

/** Who is written to: `chat`, or with an empty `chat` the direct chat with user `to`. */
typedef struct chat_target {
    chat_view chat; /**< id of a chat, or empty */
    chat_view to;   /**< id of a user, or empty */
} chat_target;

/**
 * Put a message into the outbox. It is sent in order, again after each reconnect under the same
 * `cid`, until an event SENT or FAILED names it. Order is kept within a chat: a message that the
 * server turns away for now is sent again in its place, or FAILED when a later one got through.
 *
 * Memory: `target` and `body` are copied; `out_cid` may be NULL. Time: with `store_file` the
 * message is on disk when this returns: one write and one fsync, some ms on a slow disk.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG    no valid chat or user id, or the body is not UTF-8
 * @return CHAT_ERR_LIMIT  the body is too long for this server
 * @return CHAT_ERR_BUSY   the outbox is full: read events, try again
 * @return CHAT_ERR_STATE  after chat_client_close()
 * @return CHAT_ERR_FULL, CHAT_ERR_IO  `store_file` cannot be written: the message was not taken
 * @return CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_client_send(chat_client *client, const chat_target *target,
                                      chat_view body, chat_client_cid *out_cid);

/** As chat_client_send(), in reply to the message with the id `re` of the same chat. */
CHAT_API chat_status chat_client_reply(chat_client *client, const chat_target *target, uint64_t re,
                                       chat_view body, chat_client_cid *out_cid);

/**
 * As chat_client_send(), with the `cid` that an earlier run of the application was given: for those
 * who keep their outbox on disk. The server makes one message of both.
 * @return as chat_client_send(); CHAT_ERR_EXISTS: `cid` is in the outbox
 */
CHAT_API chat_status chat_client_send_again(chat_client *client, const chat_target *target,
                                            chat_view body, chat_view cid);

/** Messages without an answer; <chat/client_store.h> shows them. */
CHAT_API size_t chat_client_outbox_count(const chat_client *client);

/** Which records of a chat, relative to `seq`. */
typedef enum chat_history_direction {
    CHAT_HISTORY_NEWEST = 0, /**< the newest, newest first; `seq` is not used */
    CHAT_HISTORY_BEFORE,     /**< smaller than `seq`, newest first */
    CHAT_HISTORY_AFTER       /**< larger than `seq`, oldest first */
} chat_history_direction;

/** One page of a chat. Zero it, set `struct_size`. */
typedef struct chat_history_query {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t direction;   /**< chat_history_direction */
    chat_target target;   /**< which chat */
    uint64_t seq;         /**< see `direction` */
    uint32_t limit;       /**< most rows; 0: the server's default */
    uint32_t source;      /**< chat_history_source */
} chat_history_query;

/** Who is asked. Without `store_file` always the server. */
typedef enum chat_history_source {
    CHAT_HISTORY_ANY = 0, /**< the cache, if it has all that is asked for or there is no connection;
                             else the server */
    CHAT_HISTORY_CACHE,   /**< the cache, whatever it has */
    CHAT_HISTORY_SERVER   /**< the server */
} chat_history_source;

/**
 * Ask for records of a chat: events ROW with `r`, then RESULT (or ERROR) with `r`; `cached` says
 * where they are from. The server is asked as soon as there is a connection; after
 * `answer_timeout_ms` the answer is ERROR with CHAT_ERR_TIMEOUT.
 *
 * The other requests below work alike. Numbers are never used twice in the life of a client.
 * @return CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_BUSY (max_requests), CHAT_ERR_STATE, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_client_history(chat_client *client, const chat_history_query *query,
                                         uint64_t *out_r);

/** Ask for the user's chats, with what is unread: ROW for each, then RESULT. `limit` 0: the
 * server's default. Without a connection the cache answers, if there is one. */
CHAT_API chat_status chat_client_chats(chat_client *client, uint32_t limit, uint64_t *out_r);

/** Make the group `chat` of the user and `users`; `title` may be empty. Answer: RESULT. */
CHAT_API chat_status chat_client_create(chat_client *client, chat_view chat, chat_view title,
                                        chat_view_list users, uint64_t *out_r);

/** What is asked about a group, and by whom else. Zero it, set `struct_size` and what applies. */
typedef struct chat_group_request {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t is_open;     /**< CREATE: anybody may join */
    chat_view chat;       /**< always */
    chat_view title;      /**< CREATE (may be empty), UPDATE */
    chat_view_list users; /**< CREATE (may be empty), ADD, REMOVE */
    chat_view user;       /**< ROLE */
    chat_view role;       /**< ROLE: "owner", "admin" or "member" */
    uint64_t reserved[4]; /**< 0 */
} chat_group_request;

/**
 * Ask about a group: `type` is CHAT_FRAME_CHAT_CREATE, _UPDATE, _JOIN, _LEAVE, _ADD, _REMOVE,
 * _ROLE (answer: RESULT) or _MEMBERS (ROW with a `member` for each, then RESULT). What is so
 * already is done at once. As chat_client_history().
 */
CHAT_API chat_status chat_client_group(chat_client *client, chat_frame_type type,
                                       const chat_group_request *request, uint64_t *out_r);

/** Ask who of at most 256 `users` is online: a ROW (presence) for each, then RESULT. */
CHAT_API chat_status chat_client_presence(chat_client *client, chat_view_list users,
                                          uint64_t *out_r);

/**
 * The same, and events PRESENCE when they come and go. The list replaces the one before, and ends
 * with the connection: ask again at each state ONLINE. An empty one ends it. A connection that
 * reads slowly may miss changes.
 */
CHAT_API chat_status chat_client_watch(chat_client *client, chat_view_list users, uint64_t *out_r);
/** Look offline to others (1), or no longer (0). Answer: RESULT. */
CHAT_API chat_status chat_client_hide(chat_client *client, int is_hidden, uint64_t *out_r);

/**
 * Tell the others that the user is typing. Call as often as keys are hit: the server passes on one
 * in 3 s. Without a connection nothing happens, and nothing is kept.
 * @return CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_STATE, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_client_typing(chat_client *client, const chat_target *target);

/**
 * Say that I have read the chat up to `seq`. Never moves back; the answer, RESULT, has in `seq`
 * what counts now. My other devices get MARKER, the other members of a small chat RECEIPT.
 */
CHAT_API chat_status chat_client_read(chat_client *client, const chat_target *target, uint64_t seq,
                                      uint64_t *out_r);

/** Do not notify me of the chat until `until_unix_ms` (CHAT_MUTE_FOREVER: for good; 0: no longer
 * muted). Messages come as before. Answer: RESULT; my other devices get SETTING, and the rows of
 * chat_client_chats() have `until`. */
CHAT_API chat_status chat_client_mute(chat_client *client, const chat_target *target,
                                      uint64_t until_unix_ms, uint64_t *out_r);

/** Block `user`: in our direct chat nothing is accepted any more, of neither side, and he sees me
 * offline. Groups are not touched. Answer: RESULT, when it holds; other devices get BLOCKED. */
CHAT_API chat_status chat_client_block(chat_client *client, chat_view user, uint64_t *out_r);
/** Take that back. */
CHAT_API chat_status chat_client_unblock(chat_client *client, chat_view user, uint64_t *out_r);
/** Ask whom I have blocked: ROW with a `blocked` for each, then RESULT. */
CHAT_API chat_status chat_client_blocks(chat_client *client, uint64_t *out_r);

/** Ask who has message `id`: ROW with a `receipt` for each member but the author, then RESULT. */
CHAT_API chat_status chat_client_receipts(chat_client *client, const chat_target *target,
                                          uint64_t id, uint64_t *out_r);

/**
 * Ask where message `id` is: ROW with a `trail` for each thing that happened to it, then RESULT.
 * An empty `device`: for all devices that the caller may ask about, and what storage knows too.
 */
CHAT_API chat_status chat_client_why(chat_client *client, const chat_target *target, uint64_t id,
                                     chat_view device, uint64_t *out_r);

/** Ask for my devices: ROW with a `device` for each, then RESULT. */
CHAT_API chat_status chat_client_devices(chat_client *client, uint64_t *out_r);

/** Forget a device of mine, this one too. Answer: RESULT, when that is durable. Its client is told
 * CHAT_ERR_REMOVED and stays away until chat_client_reconnect(); then RESUMED says `reset`. */
CHAT_API chat_status chat_client_device_remove(chat_client *client, chat_view device,
                                               uint64_t *out_r);

/** About a message. Zero it, set `struct_size`. */
typedef struct chat_note_request {
    uint32_t struct_size; /**< sizeof */
    uint32_t reserved;    /**< 0 */
    uint64_t re;          /**< id of the message */
    chat_view text; /**< EDIT: the new content; REACT: what to think of it, empty: nothing more */
} chat_note_request;

/**
 * Ask about a message: `type` is CHAT_FRAME_EDIT (mine), _DELETE (mine, or as owner or admin),
 * _REACT (any; one reaction of a user at a time) (answer: RESULT) or _REACTIONS (ROW with a `note`
 * for each, then RESULT). The first three are done once, over however many connections they are
 * sent. What comes of them all members get as event NOTE, and history shows messages as they are
 * then. As chat_client_history(), and CHAT_ERR_LIMIT for a reaction above CHAT_REACTION_MAX_BYTES.
 */
CHAT_API chat_status chat_client_note(chat_client *client, chat_frame_type type,
                                      const chat_target *target, const chat_note_request *note,
                                      uint64_t *out_r);
/** Ask for a sign of life. Answer: RESULT with a `pong`. */
CHAT_API chat_status chat_client_ping(chat_client *client, uint64_t *out_r);

/**
 * Connect now: the network changed, or the token did. Cuts a wait short, leaves REFUSED, and
 * replaces a connection that is up; the outbox stays. @return CHAT_OK; CHAT_ERR_STATE when closed
 */
CHAT_API chat_status chat_client_reconnect(chat_client *client);

/** Use another token from the next connection on; after TOKEN_WANTED it leaves REFUSED. @return
 * CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM */
CHAT_API chat_status chat_client_set_token(chat_client *client, const char *token);

/**
 * Leave politely: acknowledge what was read, write what is waiting, close. The state CLOSED is
 * told within 2 s; go on processing until then. @return CHAT_OK
 */
CHAT_API chat_status chat_client_close(chat_client *client);

/** State now; events may still tell of earlier ones. */
CHAT_API chat_client_state chat_client_get_state(const chat_client *client);

#ifdef __cplusplus
}
#endif

#endif
