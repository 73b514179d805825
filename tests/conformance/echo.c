/* SPDX-License-Identifier: MIT */
/* See echo.h. */
#include "echo.h"

static chat_status answer(chat__ws *ws, const chat__ws_event *event, chat__buf *tx)
{
    chat_status status = CHAT_OK;
    switch (event->type) {
    case CHAT__WS_TEXT:
        return chat__ws_write(ws, CHAT__WS_OP_TEXT, event->payload, tx);
    case CHAT__WS_BINARY:
        return chat__ws_write(ws, CHAT__WS_OP_BINARY, event->payload, tx);
    case CHAT__WS_PING:
        return chat__ws_write(ws, CHAT__WS_OP_PONG, event->payload, tx);
    case CHAT__WS_PONG:
        return CHAT_OK;
    case CHAT__WS_CLOSE:
        status = chat__ws_write_close(ws, event->code == 1005 ? 1000 : event->code, NULL, tx);
        return status == CHAT_OK ? CHAT_ERR_CLOSED : status;
    case CHAT__WS_FAIL:
    default:
        status = chat__ws_write_close(ws, event->code, event->why, tx);
        return status == CHAT_OK ? CHAT_ERR_PROTOCOL : status;
    }
}

chat_status echo_receive(chat__ws *ws, uint8_t *bytes, size_t len, chat__buf *tx)
{
    size_t at = 0;
    while (at < len) {
        chat__ws_event event;
        size_t used = 0;
        chat_status status = chat__ws_read(ws, bytes + at, len - at, &used, &event);
        at += used;
        if (status == CHAT_MORE)
            continue;
        if (status == CHAT_OK)
            status = answer(ws, &event, tx);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}
