/* SPDX-License-Identifier: MIT */
/* WebSocket frames. The first byte says who reads and how; in pieces and whole give the same. */
#include "base/utf8.h"
#include "fuzz.h"
#include "net/ws.h"

#include <string.h>

#define MAX_MESSAGE 4096u

static const chat__ws_limits limits = {
    .max_message_bytes = MAX_MESSAGE, .max_fragments = 16, .deflate_min_bytes = 1};

static void note(chat__buf *log, const chat__ws_event *event)
{
    uint32_t head[3] = {(uint32_t)event->type, event->code, (uint32_t)event->payload.len};
    FUZZ_CHECK(event->payload.len <= MAX_MESSAGE);
    FUZZ_CHECK(event->type != CHAT__WS_TEXT || chat__utf8_is_valid(event->payload));
    FUZZ_CHECK(event->type != CHAT__WS_FAIL || (event->why != NULL && event->code >= 1002));
    FUZZ_CHECK(chat__buf_append(log, head, sizeof head) == CHAT_OK);
    FUZZ_CHECK(chat__buf_append(log, event->payload.data, event->payload.len) == CHAT_OK);
}

static void read_all(chat__ws_pool *pool, unsigned how, const uint8_t *data, size_t size,
                     size_t step, chat__buf *log)
{
    chat__ws ws;
    chat__ws_init(&ws, pool, how & 1, how >> 1 & 1);
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = size - at < step ? size - at : step;
        uint8_t *copy = malloc(piece);
        FUZZ_CHECK(copy != NULL);
        memcpy(copy, data + at, piece);
        for (size_t done = 0; done < piece;) {
            chat__ws_event event;
            size_t used = 0;
            chat_status status = chat__ws_read(&ws, copy + done, piece - done, &used, &event);
            FUZZ_CHECK(status == CHAT_OK || status == CHAT_MORE);
            FUZZ_CHECK(used <= piece - done && (used > 0 || status == CHAT_OK));
            done += used;
            if (status == CHAT_OK)
                note(log, &event);
        }
        free(copy);
    }
    chat__ws_done(&ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chat__ws_pool *pool = NULL;
    chat__buf whole, pieces;
    if (size < 1)
        return 0;
    FUZZ_CHECK(chat__ws_pool_new(NULL, &limits, &pool) == CHAT_OK);
    chat__buf_init(&whole, NULL, SIZE_MAX);
    chat__buf_init(&pieces, NULL, SIZE_MAX);
    read_all(pool, data[0], data + 1, size - 1, SIZE_MAX, &whole);
    read_all(pool, data[0], data + 1, size - 1, 1u + (data[0] >> 2 & 15u), &pieces);
    FUZZ_CHECK(whole.len == pieces.len);
    FUZZ_CHECK(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0);
    chat__buf_done(&whole);
    chat__buf_done(&pieces);
    chat__ws_pool_free(pool);
    return 0;
}
