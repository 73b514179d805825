/* SPDX-License-Identifier: MIT */
/**
 * @file
 * The client's outbox, to be shown and tended. With `chat_client_options.store_file` it is on disk,
 * and so is what was received: then messages that were composed offline outlive the application,
 * chat_client_history() and chat_client_chats() answer without a connection, and messages that
 * failed stay until they are dropped. Without the file the outbox is in memory, and what failed is
 * told once by FAILED.
 *
 *     chat_outbox_item item = {sizeof item};
 *     while (chat_client_outbox_next(client, item.number, &item) == CHAT_OK)
 *         show(item.chat, item.to, item.body, item.state);
 *
 * The file is of one user and one device, and of one process at a time. Its directory must be
 * there; the file is made with mode 0600. A damaged one is moved aside (FILE.corrupt-1), what waits
 * in it is saved as far as it can be read, and an event STORE says so; what was received is with
 * the server. A single message that cannot be read any more is FAILED for CHAT_ERR_CORRUPT, with
 * its `cid` alone, and costs no other.
 */
#ifndef CHAT_CLIENT_STORE_H
#define CHAT_CLIENT_STORE_H

#include <chat/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How far a message is. */
typedef enum chat_outbox_state {
    CHAT_OUTBOX_WAITING = 1, /**< not written to this connection yet */
    CHAT_OUTBOX_WRITTEN,     /**< sent, and not answered */
    CHAT_OUTBOX_SENT,        /**< durable: `id` and `seq` are known. In no list, only to be found */
    CHAT_OUTBOX_FAILED       /**< will not be sent, for `status` */
} chat_outbox_state;

/** A message in the outbox. Zero it, set `struct_size`. */
typedef struct chat_outbox_item {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t state;       /**< chat_outbox_state */
    uint64_t number;      /**< its place: larger is later; 0 for SENT */
    chat_view cid;        /**< its local id, as from chat_client_send() */
    chat_view chat;       /**< where it goes: a chat, or empty */
    chat_view to;         /**< and then this user */
    chat_view body;       /**< what it says */
    uint64_t re;          /**< id of the message that it is a reply to, 0: none */
    uint64_t id;          /**< SENT: its id */
    uint64_t seq;         /**< SENT: its place in the chat */
    int32_t status;       /**< FAILED: chat_status; else CHAT_OK */
    uint32_t reserved;    /**< 0 */
} chat_outbox_item;

/**
 * The first message with a larger `number` than `after` (0: the first of all) that waits, is
 * unanswered or failed.
 *
 * Thread: one at a time with _next and _find. Memory: the views of `*out` are borrowed until the
 * next _next, _find or _free.
 * @return CHAT_OK; CHAT_EMPTY: none; CHAT_ERR_ARG; CHAT_ERR_NOMEM; CHAT_ERR_IO, CHAT_ERR_CORRUPT:
 *         the file cannot be read
 */
CHAT_API chat_status chat_client_outbox_next(chat_client *client, uint64_t after,
                                             chat_outbox_item *out);

/**
 * One message by its local id, a sent one too as long as the file has it.
 * @return as chat_client_outbox_next(), and CHAT_ERR_NOT_FOUND instead of CHAT_EMPTY
 */
CHAT_API chat_status chat_client_outbox_find(chat_client *client, chat_view cid,
                                             chat_outbox_item *out);

/**
 * Send a message again that failed, behind the others.
 * @return CHAT_OK; CHAT_ERR_NOT_FOUND: no failed one with this id is kept; CHAT_ERR_BUSY: the
 * outbox is full; CHAT_ERR_CORRUPT: it cannot be read any more; CHAT_ERR_FULL, CHAT_ERR_IO: the
 * file cannot be written, it stays failed; CHAT_ERR_STATE, CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_client_outbox_retry(chat_client *client, chat_view cid);

/** Forget a message that failed. @return as chat_client_outbox_retry() */
CHAT_API chat_status chat_client_outbox_drop(chat_client *client, chat_view cid);

#ifdef __cplusplus
}
#endif

#endif
