/* SPDX-License-Identifier: MIT */
/*
 * What a Redis server may say, as the answers to the greeting and to commands: the same events come
 * whole and byte by byte, every value lies inside of the reply, and every command is told its end.
 * Then the same from all servers of a cluster and of one with sentinels, a line or so at a time:
 * each ask is answered once.
 */
#include "backends/redis/fleet.h"
#include "base/view.h"
#include "fuzz.h"

#include <string.h>

#define N_COMMANDS 8u

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * UINT64_C(0x100000001B3);
}

static uint64_t look(const chat__redis_reply *reply, uint64_t sum)
{
    uint64_t number;
    FUZZ_CHECK(reply->n_values > 0 && chat__redis_next(reply, 0) == reply->n_values);
    for (uint32_t i = 0; i < reply->n_values; i++) {
        const chat__redis_value *v = &reply->values[i];
        chat_view text = chat__redis_text(reply, i);
        FUZZ_CHECK(chat__redis_next(reply, i) <= reply->n_values);
        sum = mix(mix(sum, v->type), (uint64_t)v->integer);
        for (size_t k = 0; k < text.len; k++)
            sum = mix(sum, text.data[k]);
        if (v->n_items > 0)
            FUZZ_CHECK(chat__redis_item(reply, i, v->n_items - 1) < reply->n_values);
        (void)chat__redis_number(reply, i, &number);
    }
    return sum;
}

static uint64_t talk(chat_view bytes, size_t step)
{
    chat__redis_conn_options options;
    chat__redis_conn *conn = NULL;
    chat__redis_conn_event event;
    uint64_t sum = 0, n_told = 0;
    chat__redis_conn_options_init(&options);
    options.max_reply_bytes = 4096;
    options.max_reply_values = 256;
    options.max_in_flight = N_COMMANDS;
    options.must_be_primary = 1;
    FUZZ_CHECK(chat__redis_conn_new(&options, &conn) == CHAT_OK);
    chat__redis_conn_dialling(conn, 0);
    chat__redis_conn_opened(conn, 0);
    uint32_t n_said = 0;
    for (size_t i = 0; i <= bytes.len; i += step) {
        size_t n = bytes.len - i < step ? bytes.len - i : step;
        if (n > 0)
            chat__redis_conn_feed(conn, chat__view(bytes.data + i, n));
        else
            chat__redis_conn_closed(conn, CHAT_ERR_CLOSED, "the end");
        while (chat__redis_conn_next_event(conn, 1, &event) == CHAT_OK) {
            sum = mix(sum, (uint64_t)event.type);
            if (event.type == CHAT__REDIS_CONN_READY)
                while (chat__redis_conn_say(conn, n_said, chat__view("x", 1), 1) == CHAT_OK)
                    n_said++;
            if (event.type == CHAT__REDIS_CONN_REPLY)
                sum = look(&event.reply, sum);
            if (event.type == CHAT__REDIS_CONN_REPLY || event.type == CHAT__REDIS_CONN_LOST)
                FUZZ_CHECK(event.ticket == n_told++);
            if (event.type == CHAT__REDIS_CONN_DOWN)
                FUZZ_CHECK(strlen(event.why) > 0 && strlen(event.why) < CHAT__REDIS_WHY_BYTES);
        }
        if (bytes.len - i < step)
            step = bytes.len - i > 0 ? bytes.len - i : 1;
    }
    FUZZ_CHECK(n_told == n_said && chat__redis_conn_get_state(conn) == CHAT__REDIS_DOWN);
    chat__redis_conn_free(conn);
    return sum;
}

/* --- many servers --- */

typedef struct crowd {
    chat__redis_fleet *fleet;
    uint64_t now_ms;
    uint32_t n_asked, n_answered;
    uint8_t is_open[CHAT__REDIS_MAX_LINKS];
} crowd;

static void turn(crowd *c)
{
    chat__redis_io io;
    chat__redis_fleet_event event;
    while (chat__redis_fleet_next_event(c->fleet, c->now_ms, &event) == CHAT_OK) {
        if (event.type != CHAT__REDIS_FLEET_ANSWER)
            continue;
        FUZZ_CHECK(event.tag < c->n_asked);
        c->n_answered++;
        if (event.status == CHAT_OK)
            (void)look(&event.reply, 0);
    }
    chat__redis_fleet_process(c->fleet, c->now_ms);
    while (chat__redis_fleet_next_io(c->fleet, c->now_ms, &io) == CHAT_OK) {
        FUZZ_CHECK(io.link < CHAT__REDIS_MAX_LINKS);
        c->is_open[io.link] = io.type == CHAT__REDIS_IO_DIAL;
        if (io.type == CHAT__REDIS_IO_DIAL)
            chat__redis_fleet_opened(c->fleet, io.link, c->now_ms);
    }
}

static void ask(crowd *c, uint32_t script)
{
    const char *args[] = {"GET", "foo"};
    const size_t lens[] = {3, 3};
    chat__redis_ask one = {c->n_asked, script, c->n_asked % 2, chat__view("foo", 3), 2, args, lens};
    if (chat__redis_fleet_ask(c->fleet, &one, c->now_ms) == CHAT_OK)
        c->n_asked++;
}

static void crowd_talk(chat_view bytes, chat__redis_mode mode)
{
    static const char *const scripts[] = {"return 1"};
    crowd c = {.now_ms = 1000};
    char why[CHAT__REDIS_WHY_BYTES];
    chat__redis_fleet_options options;
    chat__redis_fleet_options_init(&options);
    options.mode = mode;
    options.servers = "a:1,b:2";
    options.master = "m";
    options.scripts = scripts;
    options.n_scripts = 1;
    options.max_asks = N_COMMANDS;
    FUZZ_CHECK(chat__redis_fleet_new(&options, why, &c.fleet) == CHAT_OK);
    turn(&c);
    while (bytes.len > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.len);
        size_t n = end != NULL ? (size_t)(end - bytes.data) + 1 : bytes.len;
        for (uint32_t i = 0; i < CHAT__REDIS_MAX_LINKS; i++) {
            if (c.is_open[i])
                chat__redis_fleet_feed(c.fleet, i, chat__view(bytes.data, n));
        }
        ask(&c, bytes.data[0] % 2);
        bytes = chat__view(bytes.data + n, bytes.len - n);
        c.now_ms += 50;
        turn(&c);
    }
    c.now_ms += 10000;
    turn(&c);
    FUZZ_CHECK(c.n_answered == c.n_asked);
    chat__redis_fleet_free(c.fleet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 2048) /* below the limits, where a reply ends does not depend on the steps */
        size = 2048;
    chat_view bytes = {data, size};
    FUZZ_CHECK(talk(bytes, size > 0 ? size : 1) == talk(bytes, 1));
    crowd_talk(bytes, CHAT__REDIS_CLUSTERED);
    crowd_talk(bytes, CHAT__REDIS_WATCHED);
    return 0;
}
