/* SPDX-License-Identifier: MIT */
/* <chat/client_transport.h>: the link's bytes are carried by the application. */
#include <chat/client_transport.h>

#include "handle.h"

#include <string.h>

/* CHAT_OK: `number` is the connection that there is. */
static chat_status check(const chat_client *client, uint64_t number)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    if (!client->link.is_own)
        return CHAT_ERR_STATE;
    return number != 0 && number == chat__link_number(&client->link) ? CHAT_OK : CHAT_ERR_CLOSED;
}

uint64_t chat_client_transport_wanted(chat_client *client)
{
    if (client == NULL || !client->link.is_own)
        return 0;
    chat__client_enter(client);
    uint64_t number = chat__link_number(&client->link);
    chat__client_exit(client);
    return number;
}

static chat_status opened(chat_client *client, uint64_t number)
{
    chat_status status = check(client, number);
    if (status != CHAT_OK)
        return status;
    if (client->link.state != CHAT__LINK_CONNECTING || client->link.is_own_open)
        return CHAT_ERR_STATE;
    client->link.is_own_open = 1;
    chat__client_wake_self(client);
    return CHAT_OK;
}

chat_status chat_client_transport_opened(chat_client *client, uint64_t number)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = opened(client, number);
    chat__client_exit(client);
    return status;
}

static chat_status feed(chat_client *client, uint64_t number, chat_view bytes, size_t *out_used)
{
    chat__buf *in = &client->link.own_in;
    chat_status status = check(client, number);
    if (status != CHAT_OK)
        return status;
    if (!client->link.is_own_open || client->link.is_own_over)
        return CHAT_ERR_STATE;
    if (bytes.len > in->max_bytes - in->len)
        bytes.len = in->max_bytes - in->len;
    status = chat__buf_append(in, bytes.data, bytes.len);
    if (status != CHAT_OK)
        return status;
    *out_used = bytes.len;
    chat__client_wake_self(client);
    return CHAT_OK;
}

chat_status chat_client_transport_feed(chat_client *client, uint64_t number, const uint8_t *bytes,
                                       size_t len, size_t *out_used)
{
    chat_view view = {bytes, len};
    if (client == NULL || out_used == NULL || (bytes == NULL && len > 0))
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = feed(client, number, view, out_used);
    chat__client_exit(client);
    return status;
}

static chat_status take(chat_client *client, uint64_t number, uint8_t *out, size_t cap,
                        size_t *out_len)
{
    chat__buf *tx = &client->link.tx;
    chat_status status = check(client, number);
    if (status != CHAT_OK)
        return status;
    size_t n = tx->len < cap ? tx->len : cap;
    if (n == 0)
        return CHAT_EMPTY;
    memcpy(out, tx->data, n);
    chat__buf_consume(tx, n);
    if (tx->len == 0)
        chat__client_wake_self(client); /* there may be more to write */
    *out_len = n;
    return CHAT_OK;
}

chat_status chat_client_transport_take(chat_client *client, uint64_t number, uint8_t *out,
                                       size_t cap, size_t *out_len)
{
    if (client == NULL || out == NULL || out_len == NULL || cap == 0)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = take(client, number, out, cap, out_len);
    chat__client_exit(client);
    return status;
}

chat_status chat_client_transport_lost(chat_client *client, uint64_t number)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = check(client, number);
    if (status == CHAT_OK) {
        client->link.is_own_over = 1;
        chat__client_wake_self(client);
    }
    chat__client_exit(client);
    return status;
}
