/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-testing: the server's engine inside a test, with a clock and faults that the test
 * controls. It opens no socket: what a client would send is fed to a connection, what the server
 * answers is taken from it, as bytes of HTTP and WebSocket. So a client can be joined to it in
 * memory, or over any socket by a loop that copies.
 *
 *     chat_test_server_accept(server, &conn);
 *     chat_test_server_feed(server, conn, bytes, len);
 *     while (chat_test_server_take(server, conn, out, sizeof out, &n) == CHAT_OK)
 *         ...
 *
 * Who connects with token `alice` is the user alice, unless options.secret asks for signed tokens.
 * Everything is kept in memory, and small: at most 64 devices, 60 members of a group; `chats` tells
 * neither titles nor what is unread or muted. One caller at a time per server; servers are
 * independent.
 */
#ifndef CHAT_TESTING_SERVER_H
#define CHAT_TESTING_SERVER_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A server of a test; opaque. */
typedef struct chat_test_server chat_test_server;

/** A connection; never 0, never used twice in the life of a server. */
typedef uint64_t chat_test_conn;

/** Call chat_test_server_options_init() first, then set fields. */
typedef struct chat_test_server_options {
    uint32_t struct_size;    /**< sizeof of this struct */
    uint32_t heartbeat_ms;   /**< 30,000: told to clients; twice as much silence closes */
    uint64_t seed;           /**< what a crash loses follows from it: 1 */
    uint64_t unix_ms;        /**< the wall clock at the start: one day after CHAT_EPOCH_MS */
    chat_view secret;        /**< HS256 of tokens (32 bytes at least); empty: the token is the
                                user's name */
    uint32_t max_body_bytes; /**< 65,536 */
    uint32_t no_deflate;     /**< 1: refuse permessage-deflate */
} chat_test_server_options;

/** Defaults as named at the fields. Thread: any. */
CHAT_API void chat_test_server_options_init(chat_test_server_options *options);

/**
 * Make a server with nothing in it. Memory: `options` is copied, all memory is libc's.
 * @return CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_test_server_new(const chat_test_server_options *options,
                                          chat_test_server **out);

/** Free the server and all of its connections. NULL does nothing. */
CHAT_API void chat_test_server_free(chat_test_server *server);

/** A client connected: TCP, as it were. @return CHAT_OK; CHAT_ERR_NOMEM */
CHAT_API chat_status chat_test_server_accept(chat_test_server *server, chat_test_conn *out);

/**
 * Bytes of the client arrive. They are copied, and all of them are taken.
 * @return CHAT_OK
 * @return CHAT_ERR_CLOSED     the server ended this connection, or never knew it
 * @return CHAT_ERR_LIMIT      more than a head or a frame may have: the connection is over
 * @return CHAT_ERR_NOMEM      the connection is over
 */
CHAT_API chat_status chat_test_server_feed(chat_test_server *server, chat_test_conn conn,
                                           const uint8_t *bytes, size_t len);

/**
 * Take up to `cap` bytes that the server wrote. Ask every connection after each feed and advance:
 * what one client says is answered to others too.
 * @return CHAT_OK           `*out_len` (not 0) bytes are in `out`
 * @return CHAT_EMPTY        nothing now
 * @return CHAT_ERR_CLOSED   all was taken and the server ended the connection, which is forgotten
 */
CHAT_API chat_status chat_test_server_take(chat_test_server *server, chat_test_conn conn,
                                           uint8_t *out, size_t cap, size_t *out_len);

/** The client's end is gone; the server hears of it and forgets the connection. */
CHAT_API void chat_test_server_hangup(chat_test_server *server, chat_test_conn conn);

/** Milliseconds since the start, by the clock that only chat_test_server_advance() moves. */
CHAT_API uint64_t chat_test_server_now(const chat_test_server *server);

/** Move the clock by `ms` and do what is due until then, in order. */
CHAT_API void chat_test_server_advance(chat_test_server *server, uint64_t ms);

/** How long from now until something is due; UINT64_MAX: nothing. */
CHAT_API uint64_t chat_test_server_due(const chat_test_server *server);

/** What can go wrong with a connection. */
typedef enum chat_test_fault {
    CHAT_TEST_FAULT_DELAY = 1, /**< what the server writes comes `value` ms later */
    CHAT_TEST_FAULT_MUTE,      /**< `value` 1: what the server writes is lost, 0: no longer. Bytes
                                  that are lost break the stream: cut it afterwards */
    CHAT_TEST_FAULT_DEAF,      /**< the same for what the client writes; both: half-open */
    CHAT_TEST_FAULT_CUT        /**< both ends hear that it is over; what was not taken is lost */
} chat_test_fault;

/**
 * Let something go wrong with a connection; `conn` 0: with each that there is.
 * @return CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOT_FOUND: no such connection
 */
CHAT_API chat_status chat_test_server_fault(chat_test_server *server, chat_test_conn conn,
                                            chat_test_fault fault, uint64_t value);

/** Refuse new connections with this HTTP status (401, 429, 503 ...); 0: let them in again. */
CHAT_API void chat_test_server_refuse(chat_test_server *server, uint32_t http_status);

/** 1: the disk hangs. What is sent is neither acknowledged nor delivered until 0. */
CHAT_API void chat_test_server_hold_disk(chat_test_server *server, int is_held);

/**
 * kill -9, and a start at once: all connections are cut; what was not acknowledged is there or not
 * by chance (options.seed), what was acknowledged is. @return CHAT_OK; CHAT_ERR_NOMEM: the server
 * stays down, refuses everybody, and this may be called again
 */
CHAT_API chat_status chat_test_server_crash(chat_test_server *server);

/** Say `bye` to everybody as a server that is drained does. New connections are refused (503) until
 * chat_test_server_crash(). */
CHAT_API void chat_test_server_drain(chat_test_server *server, uint32_t retry_after_ms);

#ifdef __cplusplus
}
#endif

#endif
