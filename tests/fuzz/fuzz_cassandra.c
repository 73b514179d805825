/* SPDX-License-Identifier: MIT */
/*
 * What nodes of Cassandra say, to a driver. An input is commands, a letter each:
 *   f W NN bytes   wire W brings NN (2 bytes) bytes      c W  it closes     t N  N times 20 ms pass
 *   a N            a request with bits: idempotent, of a batch, of a text
 * Whatever they say, each request is told of once, and in time.
 */
#include "backends/cassandra/driver.h"
#include "backends/cassandra/wire.h"
#include "base/view.h"
#include "fuzz.h"

#include <string.h>

#define MAX_ASKED  32u
#define TIMEOUT_MS 2000u

typedef struct world {
    chat__cql_driver *driver;
    uint64_t now_ms, n_sent;
    uint32_t n_asked, n_told;
    uint8_t is_told[MAX_ASKED];
} world;

static void take_events(world *w)
{
    chat_cassandra_event event;
    while (chat__cql_driver_next_event(w->driver, &event) == CHAT_OK) {
        FUZZ_CHECK(event.text == NULL || strlen(event.text) < 512);
        for (chat_view cell; chat_cassandra_take_cell(&event.cells, &cell) == CHAT_OK;)
            FUZZ_CHECK(cell.data == NULL || cell.len <= 70000);
        if (event.type > CHAT_CASSANDRA_EVENT_FAILED)
            continue;
        FUZZ_CHECK(event.tag < w->n_asked && !w->is_told[event.tag]);
        w->is_told[event.tag] = 1;
        w->n_told++;
    }
}

/* All that is ordered is there at once, all that is said is heard. */
static void settle(world *w)
{
    chat__cql_order order;
    for (int i = 0; i < 8; i++) {
        take_events(w);
        while (chat__cql_driver_next_order(w->driver, &order) == CHAT_OK) {
            FUZZ_CHECK(order.wire < CHAT__CQL_MAX_WIRES);
            if (order.is_open)
                chat__cql_driver_opened(w->driver, order.wire);
        }
        for (uint32_t wire = 0; wire < 4; wire++) {
            size_t n = chat__cql_driver_unsent(w->driver, wire).len;
            if (n > 0)
                chat__cql_driver_sent(w->driver, wire, n);
        }
    }
}

static void ask(world *w, uint8_t bits)
{
    const chat_view key = chat__view_str("key");
    chat_cassandra_request one = {
        .struct_size = sizeof one, .values = &key, .n_values = 1, .is_idempotent = bits & 1};
    if (bits & 4) {
        one.statement = CHAT_CASSANDRA_TEXT;
        one.text = "CREATE";
    }
    chat_cassandra_request items[2] = {one, one};
    uint32_t n = (bits & 6) == 2 ? 2 : 0;
    if (w->n_asked < MAX_ASKED &&
        chat__cql_driver_ask(w->driver, w->n_asked, items, n, w->now_ms) == CHAT_OK)
        w->n_asked++;
}

static void pass(world *w, uint64_t ms)
{
    w->now_ms += ms;
    chat__cql_driver_begin(w->driver, w->now_ms);
}

/* Returns how much of the input was used. */
static size_t obey(world *w, const uint8_t *data, size_t size)
{
    uint8_t n = size > 1 ? data[1] : 0;
    if (data[0] == 'a')
        ask(w, n);
    else if (data[0] == 't')
        pass(w, n * 20u);
    else if (data[0] == 'c')
        chat__cql_driver_closed(w->driver, n % 4, CHAT_ERR_CLOSED, "closed");
    if (data[0] != 'f' || size < 4)
        return size > 1 ? 2 : 1;
    size_t len = (size_t)data[2] << 8 | data[3];
    if (len > size - 4)
        len = size - 4;
    chat__cql_driver_feed(w->driver, n % 4, chat__view(data + 4, len));
    return 4 + len;
}

static chat_cassandra_options options_of_test(void)
{
    chat_cassandra_options options = {.struct_size = sizeof options,
                                      .contact_points = "one,two",
                                      .keyspace = "k",
                                      .max_requests = 16,
                                      .max_in_flight = 4,
                                      .max_answer_bytes = 70000,
                                      .max_request_bytes = 1000,
                                      .max_waiting_bytes = 10000,
                                      .max_tries = 3,
                                      .connect_timeout_ms = 500,
                                      .request_timeout_ms = TIMEOUT_MS,
                                      .speculative_ms = 100,
                                      .heartbeat_ms = 300,
                                      .reconnect_min_ms = 50,
                                      .reconnect_max_ms = 400};
    return options;
}

static void run(const uint8_t *data, size_t size, uint32_t no_lz4)
{
    chat_cassandra_options options = options_of_test();
    world w = {.now_ms = 1000};
    uint32_t number;
    options.no_lz4 = no_lz4;
    FUZZ_CHECK(chat__cql_driver_new(&options, 1, &w.driver) == CHAT_OK);
    FUZZ_CHECK(chat__cql_driver_statement(w.driver, "INSERT", &number) == CHAT_OK);
    pass(&w, 0);
    settle(&w);
    for (size_t at = 0; at < size;) {
        at += obey(&w, data + at, size - at);
        settle(&w);
    }
    for (uint32_t i = 0; i <= TIMEOUT_MS / 50; i++) {
        pass(&w, 50);
        settle(&w);
    }
    FUZZ_CHECK(w.n_told == w.n_asked);
    FUZZ_CHECK(chat__cql_driver_figures(w.driver).waiting == 0);
    chat__cql_driver_free(w.driver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run(data, size, 1);
    run(data, size, 0);
    return 0;
}
