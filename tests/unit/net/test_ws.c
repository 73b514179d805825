/* SPDX-License-Identifier: MIT */
#include "net/ws.h"
#include "net/ws_deflate.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MESSAGE 70000u

static const chat__ws_limits limits = {
    .max_message_bytes = MAX_MESSAGE, .max_fragments = 8, .deflate_min_bytes = 64};

typedef struct pair {
    chat__ws_pool *pool;
    chat__ws server;
    chat__ws client;
    chat__buf bytes; /* on the way */
    chat__buf log;   /* events as text */
} pair;

static void pair_open(pair *p, int has_deflate)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(chat__ws_pool_new(NULL, &limits, &p->pool), CHAT_OK);
    chat__ws_init(&p->server, p->pool, 0, has_deflate);
    chat__ws_init(&p->client, p->pool, 1, has_deflate);
    chat__buf_init(&p->bytes, NULL, SIZE_MAX);
    chat__buf_init(&p->log, NULL, SIZE_MAX);
}

static void pair_close(pair *p)
{
    chat__ws_done(&p->server);
    chat__ws_done(&p->client);
    chat__ws_pool_free(p->pool);
    chat__buf_done(&p->bytes);
    chat__buf_done(&p->log);
}

/* Events in a form that compares: type, code, length and payload. */
static void log_event(chat__buf *log, const chat__ws_event *event)
{
    static const char *const names[] = {"", "text", "binary", "ping", "pong", "close", "fail"};
    char line[64];
    int n = snprintf(line, sizeof line, "%s %u %zu:", names[event->type], event->code,
                     event->payload.len);
    assert_int_equal(chat__buf_append(log, line, (size_t)n), CHAT_OK);
    assert_int_equal(chat__buf_append(log, event->payload.data, event->payload.len), CHAT_OK);
    assert_int_equal(chat__buf_append(log, "\n", 1), CHAT_OK);
}

/* Feed in pieces of at most `step` bytes (0: random), each from memory of its exact size. */
static void feed(chat__ws *ws, chat_view bytes, size_t step, chat__buf *log)
{
    size_t at = 0;
    while (at < bytes.len) {
        size_t piece = step == 0 ? 1u + (size_t)rand() % 40u : step;
        piece = piece > bytes.len - at ? bytes.len - at : piece;
        uint8_t *copy = malloc(piece);
        memcpy(copy, bytes.data + at, piece);
        for (size_t done = 0; done < piece;) {
            chat__ws_event event;
            size_t used;
            chat_status status = chat__ws_read(ws, copy + done, piece - done, &used, &event);
            assert_true(status == CHAT_OK || status == CHAT_MORE);
            done = status == CHAT_MORE ? piece : done + used;
            if (status == CHAT_OK)
                log_event(log, &event);
        }
        free(copy);
        at += piece;
    }
}

/* One frame from a client with the mask 1 2 3 4. */
static void put_frame(chat__buf *out, unsigned first, chat_view payload)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t header[4] = {(uint8_t)first, 0x80, 0, 0};
    size_t len = 2;
    if (payload.len < 126) {
        header[1] |= (uint8_t)payload.len;
    } else {
        header[1] |= 126;
        header[2] = (uint8_t)(payload.len >> 8);
        header[3] = (uint8_t)payload.len;
        len = 4;
    }
    assert_int_equal(chat__buf_append(out, header, len), CHAT_OK);
    assert_int_equal(chat__buf_append(out, mask, 4), CHAT_OK);
    for (size_t i = 0; i < payload.len; i++) {
        uint8_t byte = payload.data[i] ^ mask[i % 4];
        assert_int_equal(chat__buf_append(out, &byte, 1), CHAT_OK);
    }
}

static void expect_log(const chat__buf *log, const char *want)
{
    char *got = calloc(1, log->len + 1);
    if (log->len > 0)
        memcpy(got, log->data, log->len);
    assert_string_equal(got, want);
    free(got);
}

/* Bytes from a client and the events that they must give, fed whole, byte by byte and in between.
 */
static void expect_read(int has_deflate, chat_view bytes, const char *want)
{
    static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 0, 0, 0};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pair p;
        pair_open(&p, has_deflate);
        feed(&p.server, bytes, steps[i], &p.log);
        expect_log(&p.log, want);
        pair_close(&p);
    }
}

typedef struct frame_row {
    unsigned first;
    const char *payload;
    size_t len;
} frame_row;

typedef struct rule_row {
    const char *rule;
    int has_deflate;
    frame_row frames[4];
    const char *want;
} rule_row;

#define S(text) text, sizeof(text) - 1

static const rule_row rules[] = {
    {"text", 0, {{0x81, S("hello")}}, "text 0 5:hello\n"},
    {"empty text", 0, {{0x81, S("")}}, "text 0 0:\n"},
    {"binary", 0, {{0x82, S("\x01\xff")}}, "binary 0 2:\x01\xff\n"},
    {"fragments", 0, {{0x01, S("he")}, {0x00, S("")}, {0x80, S("llo")}}, "text 0 5:hello\n"},
    {"ping between fragments",
     0,
     {{0x01, S("he")}, {0x89, S("p")}, {0x80, S("llo")}},
     "ping 0 1:p\ntext 0 5:hello\n"},
    {"pong", 0, {{0x8a, S("x")}}, "pong 0 1:x\n"},
    {"close between fragments",
     0,
     {{0x01, S("he")},
      {0x88, S("\x03\xe8"
               "bye")}},
     "close 1000 3:bye\n"},
    {"close without code", 0, {{0x88, S("")}}, "close 1005 0:\n"},
    {"nothing after close", 0, {{0x88, S("")}, {0x81, S("x")}}, "close 1005 0:\n"},
    {"character over two fragments",
     0,
     {{0x01, S("\xc3")}, {0x80, S("\xa4")}},
     "text 0 2:\xc3\xa4\n"},
    {"half a close code", 0, {{0x88, S("\x03")}}, "fail 1002 0:\n"},
    {"close 1005", 0, {{0x88, S("\x03\xed")}}, "fail 1002 0:\n"},
    {"close 999", 0, {{0x88, S("\x03\xe7")}}, "fail 1002 0:\n"},
    {"close 2999", 0, {{0x88, S("\x0b\xb7")}}, "fail 1002 0:\n"},
    {"close 3000", 0, {{0x88, S("\x0b\xb8")}}, "close 3000 0:\n"},
    {"close 5000", 0, {{0x88, S("\x13\x88")}}, "fail 1002 0:\n"},
    {"close reason not UTF-8", 0, {{0x88, S("\x03\xe8\xff")}}, "fail 1007 0:\n"},
    {"rsv1 without deflate", 0, {{0xc1, S("x")}}, "fail 1002 0:\n"},
    {"rsv2", 1, {{0xa1, S("x")}}, "fail 1002 0:\n"},
    {"rsv3", 1, {{0x91, S("x")}}, "fail 1002 0:\n"},
    {"rsv1 on control", 1, {{0xc9, S("x")}}, "fail 1002 0:\n"},
    {"rsv1 on continuation", 1, {{0x01, S("x")}, {0xc0, S("y")}}, "fail 1002 0:\n"},
    {"opcode 3", 0, {{0x83, S("")}}, "fail 1002 0:\n"},
    {"opcode 7", 0, {{0x87, S("")}}, "fail 1002 0:\n"},
    {"opcode 11", 0, {{0x8b, S("")}}, "fail 1002 0:\n"},
    {"opcode 15", 0, {{0x8f, S("")}}, "fail 1002 0:\n"},
    {"fragmented ping", 0, {{0x09, S("")}}, "fail 1002 0:\n"},
    {"continuation first", 0, {{0x80, S("x")}}, "fail 1002 0:\n"},
    {"continuation after the end",
     0,
     {{0x01, S("a")}, {0x80, S("b")}, {0x80, S("c")}},
     "text 0 2:ab\nfail 1002 0:\n"},
    {"text inside a message", 0, {{0x01, S("a")}, {0x81, S("b")}}, "fail 1002 0:\n"},
    {"text not UTF-8", 0, {{0x81, S("\xed\xa0\x80")}}, "fail 1007 0:\n"},
    {"text cut in a character", 0, {{0x81, S("\xe2\x82")}}, "fail 1007 0:\n"},
    /* RFC 7692 section 7.2.3: "Hello" compressed, in two fragments, and with a final block. */
    {"deflate", 1, {{0xc1, S("\xf2\x48\xcd\xc9\xc9\x07\x00")}}, "text 0 5:Hello\n"},
    {"deflate in fragments",
     1,
     {{0x41, S("\xf2\x48\xcd")}, {0x80, S("\xc9\xc9\x07\x00")}},
     "text 0 5:Hello\n"},
    {"deflate with a final block",
     1,
     {{0xc1, S("\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}},
     "text 0 5:Hello\n"},
    {"deflate, stored block",
     1,
     {{0xc1, S("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00")}},
     "text 0 5:Hello\n"},
    {"deflate, empty", 1, {{0xc1, S("\x00")}}, "text 0 0:\n"},
    {"not compressed though negotiated", 1, {{0x81, S("plain")}}, "text 0 5:plain\n"},
    {"no deflate data", 1, {{0xc1, S("\xff\xff\xff")}}, "fail 1007 0:\n"},
    {"deflate cut short", 1, {{0xc1, S("\xf2\x48")}}, "fail 1007 0:\n"},
};

static void follows_the_rules_of_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        chat__buf bytes;
        if (rules[i].has_deflate && !chat__ws_zip_is_there())
            continue; /* never agreed on */
        chat__buf_init(&bytes, NULL, SIZE_MAX);
        for (size_t k = 0; k < 4 && rules[i].frames[k].payload != NULL; k++)
            put_frame(&bytes, rules[i].frames[k].first,
                      chat__view(rules[i].frames[k].payload, rules[i].frames[k].len));
        print_message("%s\n", rules[i].rule);
        expect_read(rules[i].has_deflate, chat__buf_view(&bytes), rules[i].want);
        chat__buf_done(&bytes);
    }
}

typedef struct header_row {
    const char *rule;
    const char *bytes;
    size_t len;
    const char *want;
} header_row;

/* Decided on the header alone: no payload follows. */
static const header_row headers[] = {
    {"not masked", S("\x81\x01"), "fail 1002 0:\n"},
    {"ping of 126 bytes", S("\x89\xfe"), "fail 1002 0:\n"},
    {"16-bit length of 125", S("\x82\xfe\x00\x7d"), "fail 1002 0:\n"},
    {"64-bit length of 65535", S("\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"), "fail 1002 0:\n"},
    {"64-bit length, top bit", S("\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00"), "fail 1002 0:\n"},
    {"larger than the maximum", S("\x82\xff\x00\x00\x00\x00\x00\x01\x11\x71"), "fail 1009 0:\n"},
    {"as large as can be", S("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"), "fail 1009 0:\n"},
    {"just the maximum", S("\x82\xff\x00\x00\x00\x00\x00\x01\x11\x70"), ""},
};

static void decides_on_the_header_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        print_message("%s\n", headers[i].rule);
        expect_read(0, chat__view(headers[i].bytes, headers[i].len), headers[i].want);
    }
}

static void limits_fragments_and_their_sum(void **state)
{
    chat__buf bytes;
    static uint8_t half[40000];
    (void)state;
    chat__buf_init(&bytes, NULL, SIZE_MAX);
    put_frame(&bytes, 0x02, chat__view("a", 1));
    for (int i = 1; i < 9; i++)
        put_frame(&bytes, 0x00, chat__view("", 0));
    expect_read(0, chat__buf_view(&bytes), "fail 1008 0:\n");
    bytes.len = 0;
    put_frame(&bytes, 0x02, chat__view(half, sizeof half));
    put_frame(&bytes, 0x80, chat__view(half, sizeof half));
    expect_read(0, chat__buf_view(&bytes), "fail 1009 0:\n");
    chat__buf_done(&bytes);
}

static void round_trip(int has_deflate, size_t len)
{
    pair p;
    chat__ws_event event;
    size_t used;
    int is_zipped = has_deflate && chat__ws_zip_is_there();
    uint8_t *message = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        message[i] = (uint8_t)("abcdefgh"[(i * i / 7) % 8]);
    pair_open(&p, has_deflate);
    for (int back = 0; back < 2; back++) {
        chat__ws *from = back ? &p.server : &p.client;
        chat__ws *to = back ? &p.client : &p.server;
        p.bytes.len = 0;
        assert_int_equal(chat__ws_write(from, CHAT__WS_OP_TEXT, chat__view(message, len), &p.bytes),
                         CHAT_OK);
        assert_int_equal(p.bytes.data[0], is_zipped && len >= 64 ? 0xc1 : 0x81);
        assert_int_equal(p.bytes.data[1] >> 7, !back);
        assert_int_equal(chat__ws_read(to, p.bytes.data, p.bytes.len, &used, &event), CHAT_OK);
        assert_int_equal(used, p.bytes.len);
        assert_int_equal(event.type, CHAT__WS_TEXT);
        assert_true(chat__view_equal(event.payload, chat__view(message, len)));
        assert_null(to->partial);
    }
    pair_close(&p);
    free(message);
}

static void a_message_goes_both_ways(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 4081, 4082, 4096, 5000, 65535, 65536, 70000};
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        round_trip(0, lens[i]);
        round_trip(1, lens[i]);
        round_trip(9, lens[i]);
    }
}

static void what_does_not_shrink_is_sent_as_it_is(void **state)
{
    pair p;
    uint8_t noise[500];
    (void)state;
    srand(7);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)rand();
    pair_open(&p, 1);
    assert_int_equal(
        chat__ws_write(&p.server, CHAT__WS_OP_BINARY, chat__view(noise, sizeof noise), &p.bytes),
        CHAT_OK);
    assert_int_equal(p.bytes.data[0], 0x82);
    assert_int_equal(p.bytes.len, sizeof noise + 4);
    pair_close(&p);
}

static void a_bomb_is_stopped_at_the_maximum(void **state)
{
    static uint8_t zeros[MAX_MESSAGE + 1];
    pair p, big;
    (void)state;
    if (!chat__ws_zip_is_there())
        skip();
    pair_open(&big, 1);
    pair_open(&p, 1);
    assert_int_equal(
        chat__ws_write(&p.client, CHAT__WS_OP_BINARY, chat__view(zeros, sizeof zeros), &p.bytes),
        CHAT_OK);
    assert_true(p.bytes.len < 1000);
    feed(&p.server, chat__buf_view(&p.bytes), SIZE_MAX, &p.log);
    expect_log(&p.log, "fail 1009 0:\n");
    pair_close(&p);
    pair_close(&big);
}

static void each_client_frame_has_another_mask(void **state)
{
    pair p;
    uint32_t last = 0;
    int n_equal = 0;
    (void)state;
    pair_open(&p, 0);
    for (int i = 0; i < 200; i++) {
        uint32_t mask;
        p.bytes.len = 0;
        assert_int_equal(chat__ws_write(&p.client, CHAT__WS_OP_PING, chat__view("x", 1), &p.bytes),
                         CHAT_OK);
        assert_int_equal(p.bytes.len, 7);
        memcpy(&mask, p.bytes.data + 2, 4);
        n_equal += mask == last;
        last = mask;
    }
    assert_true(n_equal < 3);
    pair_close(&p);
}

static void a_close_is_written_once_and_cut_at_a_character(void **state)
{
    pair p;
    char reason[130];
    (void)state;
    memset(reason, 'a', sizeof reason);
    memcpy(reason + 122, "\xc3\xa4", 2);
    reason[129] = 0;
    pair_open(&p, 0);
    assert_int_equal(chat__ws_write_close(&p.server, 1000, reason, &p.bytes), CHAT_OK);
    assert_int_equal(p.bytes.len, 2 + 2 + 122);
    assert_int_equal(chat__ws_write_close(&p.server, 1000, NULL, &p.bytes), CHAT_OK);
    assert_int_equal(p.bytes.len, 2 + 2 + 122);
    p.bytes.len = 0;
    assert_int_equal(chat__ws_write_close(&p.client, 1005, NULL, &p.bytes), CHAT_OK);
    assert_int_equal(p.bytes.len, 2 + 4);
    assert_int_equal(chat__ws_write(&p.server, CHAT__WS_OP_PING, chat__view(reason, 126), &p.bytes),
                     CHAT_ERR_LIMIT);
    pair_close(&p);
}

static void an_idle_connection_holds_nothing(void **state)
{
    pair p;
    chat__ws_event event;
    size_t used;
    uint8_t bytes[] = {0x81, 0x82, 0, 0, 0, 0, 'h', 'i'};
    (void)state;
    pair_open(&p, 0);
    assert_true(sizeof p.server <= 32);
    assert_int_equal(chat__ws_read(&p.server, bytes, 3, &used, &event), CHAT_MORE);
    assert_non_null(p.server.partial);
    assert_int_equal(chat__ws_read(&p.server, bytes + 3, 5, &used, &event), CHAT_OK);
    assert_null(p.server.partial);
    pair_close(&p);
}

/* --- memory --- */

static size_t allocations_left;

static void *failing_resize(void *ctx, void *ptr, size_t new_bytes)
{
    (void)ctx;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    if (allocations_left == 0)
        return NULL;
    allocations_left--;
    return realloc(ptr, new_bytes);
}

/* A message to and fro with deflate and a fragmented one; CHAT_OK or CHAT_ERR_NOMEM. */
static chat_status talk(const chat_allocator *allocator)
{
    static uint8_t message[5000];
    chat__ws_pool *pool;
    chat__ws server, client;
    chat__ws_event event;
    chat__buf bytes;
    size_t used;
    chat_status status = chat__ws_pool_new(allocator, &limits, &pool);
    if (status != CHAT_OK)
        return status;
    chat__buf_init(&bytes, allocator, SIZE_MAX);
    chat__ws_init(&server, pool, 0, 1);
    chat__ws_init(&client, pool, 1, 1);
    status = chat__ws_write(&client, CHAT__WS_OP_TEXT, chat__view(message, sizeof message), &bytes);
    if (status == CHAT_OK)
        status = chat__ws_read(&server, bytes.data, bytes.len, &used, &event);
    bytes.len = 0;
    if (status == CHAT_OK)
        status = chat__buf_append(&bytes, "\x01\x81\0\0\0\0a\x80\x81\0\0\0\0b", 14);
    if (status == CHAT_OK)
        status = chat__ws_read(&server, bytes.data, bytes.len, &used, &event);
    chat__ws_done(&server);
    chat__ws_done(&client);
    chat__buf_done(&bytes);
    chat__ws_pool_free(pool);
    return status;
}

static void survives_each_failing_allocation(void **state)
{
    const chat_allocator allocator = {NULL, failing_resize};
    size_t n = 0;
    chat_status status;
    (void)state;
    do {
        allocations_left = n++;
        status = talk(&allocator);
        assert_true(status == CHAT_OK || status == CHAT_ERR_NOMEM);
    } while (status != CHAT_OK);
    assert_true(n > 5 && n < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_rules_of_frames),
        cmocka_unit_test(decides_on_the_header_alone),
        cmocka_unit_test(limits_fragments_and_their_sum),
        cmocka_unit_test(a_message_goes_both_ways),
        cmocka_unit_test(what_does_not_shrink_is_sent_as_it_is),
        cmocka_unit_test(a_bomb_is_stopped_at_the_maximum),
        cmocka_unit_test(each_client_frame_has_another_mask),
        cmocka_unit_test(a_close_is_written_once_and_cut_at_a_character),
        cmocka_unit_test(an_idle_connection_holds_nothing),
        cmocka_unit_test(survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
