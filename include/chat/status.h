/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The status table: every result of every function, every `error` frame and every close code
 * that has a cause in this library has its row here. docs/protocol.md shows the same table.
 */
#ifndef CHAT_STATUS_H
#define CHAT_STATUS_H

#include <chat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * X(name, value, kind, wire, close, text)
 *
 * kind:  DONE, EXPECTED (no error), CALLER (fix the call), PEER (the other side is wrong), LIMIT (a
 *        stated maximum), RETRY (the same call may work later), FATAL (the object is dead)
 * wire:  the `code` of an `error` or `bye` frame
 * close: WebSocket close code (RFC 6455 section 7.4) when the connection ends for it, else 0
 */
#define CHAT_STATUS_TABLE(X)                                                                       \
    X(OK, 0, DONE, "ok", 1000, "done")                                                             \
    X(EMPTY, 1, EXPECTED, "empty", 0, "nothing there now")                                         \
    X(MORE, 2, EXPECTED, "more", 0, "more input is needed")                                        \
    X(ERR_ARG, -1, CALLER, "bad_request", 0, "an argument or field is missing or out of range")    \
    X(ERR_NOMEM, -2, RETRY, "no_memory", 1011, "out of memory")                                    \
    X(ERR_LIMIT, -3, LIMIT, "too_large", 1009, "larger than the stated maximum")                   \
    X(ERR_PROTOCOL, -4, PEER, "protocol", 1002, "the peer broke the protocol")                     \
    X(ERR_SYNTAX, -5, PEER, "syntax", 1007, "the bytes are no well-formed frame")                  \
    X(ERR_AUTH, -6, PEER, "unauthorized", 1008, "the token is missing or not valid")               \
    X(ERR_FORBIDDEN, -7, PEER, "forbidden", 0, "not allowed for this user")                        \
    X(ERR_NOT_FOUND, -8, PEER, "not_found", 0, "no such chat, message or device")                  \
    X(ERR_EXISTS, -9, PEER, "exists", 0, "there already is one with this name")                    \
    X(ERR_RATE, -10, RETRY, "rate_limited", 0, "too many requests")                                \
    X(ERR_BUSY, -11, RETRY, "busy", 1013, "the server cannot take this now, try again later")      \
    X(ERR_CLOCK, -12, RETRY, "clock", 0, "the clock ran back further than can be waited for")      \
    X(ERR_LEASE, -13, RETRY, "no_lease", 0, "this node holds no live node number")                 \
    X(ERR_IO, -14, FATAL, "storage", 1011, "storage failed")                                       \
    X(ERR_CORRUPT, -15, PEER, "corrupt", 0, "stored data is damaged")                              \
    X(ERR_FULL, -16, RETRY, "storage_full", 0, "the disk is full")                                 \
    X(ERR_VERSION, -17, CALLER, "version", 1002, "a version or capability that is not supported")  \
    X(ERR_CLOSED, -18, RETRY, "closed", 1001, "the connection is closed")                          \
    X(ERR_TIMEOUT, -19, RETRY, "timeout", 4005, "no answer in time")                               \
    X(ERR_UNSUPPORTED, -20, PEER, "unsupported", 1003, "this kind of frame is not supported")      \
    X(ERR_STATE, -21, CALLER, "state", 1002, "not possible in this state")                         \
    X(ERR_IN_USE, -22, CALLER, "in_use", 0, "another process uses it")                             \
    X(ERR_SLOW, -23, LIMIT, "slow_reader", 4002, "the peer does not read what it is sent")         \
    X(ERR_REPLACED, -24, PEER, "replaced", 4003, "the same device connected again")                \
    X(ERR_DRAIN, -25, RETRY, "draining", 1012, "the server is going away, reconnect")              \
    X(ERR_UNACKED, -26, PEER, "unacked", 4006, "the peer acknowledges nothing")                    \
    X(ERR_EXPIRED, -27, PEER, "expired", 4001, "the token has expired")                            \
    X(ERR_NETWORK, -28, RETRY, "network", 0, "the network or the peer's host cannot be reached")   \
    X(ERR_TLS, -29, PEER, "tls", 0, "the TLS handshake or certificate check failed")               \
    X(ERR_REMOVED, -30, PEER, "removed", 4007, "the user has removed this device")                 \
    X(ERR_DEVICES, -31, LIMIT, "too_many_devices", 4008, "as many devices as may be are connected")

/** Result of a call. Zero done, positive an expected outcome, negative an error. */
typedef enum chat_status {
#define CHAT_STATUS_ENUM(name, value, kind, wire, close, text) CHAT_##name = value,
    CHAT_STATUS_TABLE(CHAT_STATUS_ENUM)
#undef CHAT_STATUS_ENUM
} chat_status;

/** What a caller can do about a status. */
typedef enum chat_status_kind {
    CHAT_KIND_DONE,
    CHAT_KIND_EXPECTED,
    CHAT_KIND_CALLER,
    CHAT_KIND_PEER,
    CHAT_KIND_LIMIT,
    CHAT_KIND_RETRY,
    CHAT_KIND_FATAL
} chat_status_kind;

/**
 * Name of a status as in the table, such as "ERR_LIMIT"; "UNKNOWN" for a value that is not there.
 * Thread: any. Memory: static text. Time: constant.
 */
CHAT_API const char *chat_status_name(chat_status status);

/** One line for people. Thread: any. Memory: static text. */
CHAT_API const char *chat_status_text(chat_status status);

/** The `code` of frames, such as "too_large". Thread: any. Memory: static text. */
CHAT_API const char *chat_status_wire(chat_status status);

/** Who can act, see the table. Thread: any. */
CHAT_API chat_status_kind chat_status_kind_of(chat_status status);

/** WebSocket close code for a status, 0 where it closes nothing. Thread: any. */
CHAT_API uint16_t chat_status_close_code(chat_status status);

/** The status for a `code` of a frame; CHAT_ERR_UNSUPPORTED for a code from a newer peer. */
CHAT_API chat_status chat_status_from_wire(chat_view code);

#ifdef __cplusplus
}
#endif

#endif
