/* SPDX-License-Identifier: MIT */
/**
 * @file
 * A client on the application's own transport: bytes in, bytes out. The client opens no socket and
 * looks no name up; the application carries the bytes of one connection after the other, with TLS
 * of its own where it wants TLS. HTTP, WebSocket, reconnecting and all the rest stay the client's.
 *
 *     options.own_transport = 1;
 *     ...
 *     if (chat_client_transport_wanted(client) != number)
 *         close the old connection, open one, chat_client_transport_opened(client, number)
 *     chat_client_transport_feed(client, number, bytes, len, &used);
 *     chat_client_process(client, now_ms); read the events
 *     while (chat_client_transport_take(client, number, out, sizeof out, &n) == CHAT_OK)
 *         write the n bytes
 *
 * chat_client_timeout() says when to call chat_client_process() at the latest, as always. A call
 * with the number of an older connection answers CHAT_ERR_CLOSED and does nothing.
 */
#ifndef CHAT_CLIENT_TRANSPORT_H
#define CHAT_CLIENT_TRANSPORT_H

#include <chat/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Number of the connection that the client wants or has; 0: none. When it changes, the one before
 * is over: close it. Look after each chat_client_process() and each event. */
CHAT_API uint64_t chat_client_transport_wanted(chat_client *client);

/**
 * The connection is there: bytes can be carried.
 * @return CHAT_OK
 * @return CHAT_ERR_CLOSED  another connection is wanted, or none
 * @return CHAT_ERR_STATE   the client has no `own_transport`, or was told already
 */
CHAT_API chat_status chat_client_transport_opened(chat_client *client, uint64_t number);

/**
 * Hand over received bytes; chat_client_process() and the reading of events take them.
 *
 * Memory: `bytes` are copied. `*out_used` may be less than `len`: read the events, give the rest.
 * @return CHAT_OK; CHAT_ERR_CLOSED and CHAT_ERR_STATE as above; CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_client_transport_feed(chat_client *client, uint64_t number,
                                                const uint8_t *bytes, size_t len, size_t *out_used);

/**
 * Take up to `cap` bytes to be sent.
 * @return CHAT_OK     `*out_len` (not 0) bytes are in `out`
 * @return CHAT_EMPTY  nothing now
 * @return CHAT_ERR_CLOSED and CHAT_ERR_STATE as above; CHAT_ERR_ARG
 */
CHAT_API chat_status chat_client_transport_take(chat_client *client, uint64_t number, uint8_t *out,
                                                size_t cap, size_t *out_len);

/** The connection failed or ended, in whichever state; what was fed is read first.
 * @return CHAT_OK; CHAT_ERR_CLOSED and CHAT_ERR_STATE as above */
CHAT_API chat_status chat_client_transport_lost(chat_client *client, uint64_t number);

#ifdef __cplusplus
}
#endif

#endif
