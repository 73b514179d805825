/* SPDX-License-Identifier: MIT */
/*
 * A link between hosts. The first byte says who hears the rest: an acceptor or a dialer that
 * greets, or one of them behind the greeting. In pieces and whole give the same, and nobody without
 * the secret is taken for somebody.
 */
#include "base/bits.h"
#include "base/view.h"
#include "fuzz.h"
#include "net/trunk.h"

#include <string.h>

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(0x100000001b3);
}

static uint64_t greet(chat__ws_pool *pool, int is_dialer, const uint8_t *data, size_t size,
                      size_t step)
{
    chat__trunk_hello_options options = {.pool = pool,
                                         .is_dialer = is_dialer,
                                         .host_header = "a:1",
                                         .secret = chat__view_str("secret"),
                                         .cluster = chat__view_str("here"),
                                         .setup = chat__view_str("s"),
                                         .self = is_dialer ? 0 : 1,
                                         .peer = 1,
                                         .instance = 7,
                                         .window_bytes = 65536,
                                         .timeout_ms = 9000};
    chat__trunk_hello *hello = NULL;
    chat__trunk_peer peer;
    chat_status status = CHAT_MORE;
    FUZZ_CHECK(chat__trunk_hello_new(&options, &hello) == CHAT_OK);
    for (size_t at = 0, piece; at < size && status == CHAT_MORE; at += piece) {
        size_t used = 0;
        piece = size - at < step ? size - at : step;
        uint8_t *copy = malloc(piece);
        FUZZ_CHECK(copy != NULL);
        memcpy(copy, data + at, piece);
        status = chat__trunk_hello_feed(hello, copy, piece, &used, &peer);
        FUZZ_CHECK(used <= piece && status != CHAT_OK);
        free(copy);
    }
    chat__buf *out = chat__trunk_hello_output(hello);
    /* Why a head is refused depends on how much of it is there. */
    uint64_t sum = mix((uint64_t)(uint32_t)status, status == CHAT_MORE ? out->len : 0);
    FUZZ_CHECK(status == CHAT_MORE || chat__trunk_hello_why(hello)[0] != '\0');
    chat__trunk_hello_free(hello);
    return sum;
}

static void work_off(chat__trunk *trunk, chat_view records, uint64_t *sum)
{
    uint64_t session, received;
    chat__trunk_record record;
    chat_view rest = records;
    chat__trunk_state(trunk, &session, &received);
    while (chat__trunk_next_record(&rest, &record) == CHAT_OK)
        *sum = mix(*sum, (uint64_t)record.from << 32 | (record.to ^ record.frame.len));
    FUZZ_CHECK(rest.len == 0);
    chat__trunk_consumed(trunk, session, records.len / 2);
}

static uint64_t listen_to(chat__ws_pool *pool, int is_dialer, const uint8_t *data, size_t size,
                          size_t step)
{
    chat__trunk_options options = {NULL, pool, 4096, 65536, 9000};
    chat__trunk_peer peer = {1, 9, is_dialer ? 5 : 0, 0, 4096, 9000};
    chat__trunk_record record = {0, 1, chat__view_str("frame")};
    chat__trunk *trunk = NULL;
    chat__buf out;
    uint64_t sum = 0;
    chat_status status = CHAT_MORE;
    chat__buf_init(&out, NULL, SIZE_MAX);
    FUZZ_CHECK(chat__trunk_new(&options, &trunk) == CHAT_OK);
    FUZZ_CHECK(chat__trunk_join(trunk, is_dialer, &peer, 6, 1) == CHAT_OK);
    FUZZ_CHECK(chat__trunk_send(trunk, &record) == CHAT_OK);
    FUZZ_CHECK(chat__trunk_pull(trunk, SIZE_MAX, 1, &out) == CHAT_OK);
    for (size_t at = 0, piece; at < size && status >= 0; at += piece) {
        piece = size - at < step ? size - at : step;
        uint8_t *copy = malloc(piece);
        FUZZ_CHECK(copy != NULL);
        memcpy(copy, data + at, piece);
        for (size_t done = 0, used; done < piece && status >= 0; done += used) {
            chat_view records;
            status = chat__trunk_feed(trunk, copy + done, piece - done, &used, &records);
            FUZZ_CHECK(used <= piece - done);
            if (status == CHAT_OK)
                work_off(trunk, records, &sum);
        }
        free(copy);
    }
    chat__trunk_free(trunk);
    chat__buf_done(&out);
    return mix(sum, (uint64_t)(uint32_t)status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chat__ws_pool *greeting = NULL, *linked = NULL;
    if (size < 1)
        return 0;
    int is_dialer = data[0] & 1;
    size_t step = 1u + (data[0] >> 2);
    FUZZ_CHECK(chat__ws_pool_new(NULL, &chat__trunk_hello_limits, &greeting) == CHAT_OK);
    FUZZ_CHECK(chat__ws_pool_new(NULL, &chat__trunk_limits, &linked) == CHAT_OK);
    if (data[0] & 2)
        FUZZ_CHECK(listen_to(linked, is_dialer, data + 1, size - 1, SIZE_MAX) ==
                   listen_to(linked, is_dialer, data + 1, size - 1, step));
    else
        FUZZ_CHECK(greet(greeting, is_dialer, data + 1, size - 1, SIZE_MAX) ==
                   greet(greeting, is_dialer, data + 1, size - 1, step));
    chat__ws_pool_free(greeting);
    chat__ws_pool_free(linked);
    return 0;
}
