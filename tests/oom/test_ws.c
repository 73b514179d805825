/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket adapter, where wslay takes its memory from libc: writing without memory changes
 * nothing and may be repeated, reading without memory ends the connection and no more.
 */
#include "libc.h"

#include "base/view.h"
#include "net/ws.h"

#include <string.h>

#define BODY_BYTES 5000u
#define PIECE      700u

static const chat__ws_limits LIMITS = {
    .max_message_bytes = 10000, .max_fragments = 8, .deflate_min_bytes = 64};

/* cmocka's checks take memory themselves. */
#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            oom_libc.is_armed = 0;                                                                 \
            fail_msg("%s", #what);                                                                 \
        }                                                                                          \
    } while (0)

static void write_message(chat__ws *ws, chat__ws_opcode opcode, chat_view payload, chat__buf *out)
{
    size_t before = out->len;
    chat_status status = chat__ws_write(ws, opcode, payload, out);
    if (status != CHAT_OK) {
        CHECK(status == CHAT_ERR_NOMEM && oom_libc.n_failed > 0);
        CHECK(out->len == before);
        oom_libc_recover();
        CHECK(chat__ws_write(ws, opcode, payload, out) == CHAT_OK);
    }
    CHECK(out->len > before);
}

/* How many events came; -1 when memory ran out. */
static int read_all(chat__ws *ws, chat__buf *bytes, chat_view body)
{
    int n_events = 0;
    for (size_t at = 0, piece; at < bytes->len; at += piece) {
        piece = bytes->len - at < PIECE ? bytes->len - at : PIECE;
        for (size_t done = 0; done < piece;) {
            chat__ws_event event;
            size_t used = 0;
            chat_status status =
                chat__ws_read(ws, bytes->data + at + done, piece - done, &used, &event);
            if (status == CHAT_ERR_NOMEM)
                return -1;
            CHECK(status == CHAT_OK || status == CHAT_MORE);
            done = status == CHAT_MORE ? piece : done + used;
            if (status != CHAT_OK)
                continue;
            CHECK(event.type == (n_events == 0 ? CHAT__WS_PING : CHAT__WS_TEXT));
            CHECK(n_events == 0 || chat__view_equal(event.payload, body));
            n_events++;
        }
    }
    return n_events;
}

static void exchange(void *ctx)
{
    static uint8_t text[BODY_BYTES];
    chat_view body = chat__view(text, BODY_BYTES);
    int has_deflate = *(const int *)ctx;
    chat__ws_pool *pool = NULL;
    chat__ws client;
    chat__ws server;
    chat__buf bytes;
    memset(text, 'a', sizeof text);
    chat_status status = chat__ws_pool_new(NULL, &LIMITS, &pool);
    if (status != CHAT_OK) {
        CHECK(status == CHAT_ERR_NOMEM && pool == NULL);
        oom_libc_recover();
        CHECK(chat__ws_pool_new(NULL, &LIMITS, &pool) == CHAT_OK);
    }
    chat__ws_init(&client, pool, 1, has_deflate);
    chat__ws_init(&server, pool, 0, has_deflate);
    chat__buf_init(&bytes, NULL, 65536);
    write_message(&client, CHAT__WS_OP_PING, chat__view("x", 1), &bytes);
    write_message(&client, CHAT__WS_OP_TEXT, body, &bytes);
    write_message(&client, CHAT__WS_OP_TEXT, body, &bytes);
    int n_events = read_all(&server, &bytes, body);
    CHECK(n_events == 3 || (n_events == -1 && oom_libc.n_failed > 0));
    chat__ws_done(&client);
    chat__ws_done(&server);
    chat__ws_pool_free(pool);
    chat__buf_done(&bytes);
}

static void exchanging_messages(void **state)
{
    int has_deflate = 0;
    (void)state;
    assert_true(oom_libc_loop(exchange, &has_deflate, 1) >= 5);
}

static void exchanging_compressed_messages(void **state)
{
    int has_deflate = 1;
    (void)state;
    assert_true(oom_libc_loop(exchange, &has_deflate, 1) >= 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanging_messages),
        cmocka_unit_test(exchanging_compressed_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
