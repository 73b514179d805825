/* SPDX-License-Identifier: MIT */
/* What the programs that test the store of libchat-cassandra share: a keyspace with the tables, a
   session, and statements of their own. */
#ifndef CHAT_TESTS_CASSANDRA_STORE_H
#define CHAT_TESTS_CASSANDRA_STORE_H

#include <chat/cassandra_schema.h>

#include "backends/cassandra/store/session.h"
#include "base/view.h"
#include "unit/unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_MS 120000u

static struct {
    chat_cassandra *driver; /* for statements of the tests' own */
    chat_cassandra_event event;
    chat__cstore_session *session;
} t;

static inline uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline chat_cassandra_options options(void)
{
    chat_cassandra_options it;
    chat_cassandra_options_init(&it);
    it.contact_points = getenv("CHAT_CASSANDRA");
    it.keyspace = KEYSPACE;
    it.request_timeout_ms = TIMEOUT_MS;
    return it;
}

/* CHAT_OK: `t.event` is the answer. */
static inline chat_status run(const char *text)
{
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = CHAT_CASSANDRA_TEXT,
                                      .text = text,
                                      .is_idempotent = 1};
    assert_int_equal(chat_cassandra_ask(t.driver, 1, &request, now_ms()), CHAT_OK);
    t.event.struct_size = sizeof t.event;
    for (;;) {
        while (chat_cassandra_next_event(t.driver, &t.event) == CHAT_OK) {
            if (t.event.type == CHAT_CASSANDRA_EVENT_ANSWER)
                return CHAT_OK;
            if (t.event.type == CHAT_CASSANDRA_EVENT_FAILED)
                return t.event.status;
        }
        struct pollfd wait = {chat_cassandra_fd(t.driver), POLLIN, 0};
        (void)poll(&wait, 1, chat_cassandra_timeout(t.driver, now_ms()));
        chat_cassandra_process(t.driver, now_ms());
    }
}

static inline void must_run(const char *text)
{
    if (run(text) != CHAT_OK)
        fail_msg("%s: %s", text, t.event.text);
}

static inline chat_cassandra_migration migrate(void)
{
    chat_cassandra_options opened = options();
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    chat_cassandra_schema_init(&schema);
    schema.replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    if (chat_cassandra_migrate(&opened, &schema, TIMEOUT_MS, &done) != CHAT_OK)
        fail_msg("%s", done.problem);
    return done;
}

static inline int set_up(void **state)
{
    chat_cassandra_options opened = options();
    chat_log_sink none = {NULL, NULL};
    (void)state;
    assert_int_equal(chat_cassandra_new(&opened, &t.driver), CHAT_OK);
    must_run("DROP KEYSPACE IF EXISTS " KEYSPACE);
    (void)migrate();
    assert_int_equal(chat__cstore_session_new(&opened, none, 64, &t.session), CHAT_OK);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    chat__cstore_session_free(t.session);
    must_run("DROP KEYSPACE " KEYSPACE);
    chat_cassandra_free(t.driver);
    return 0;
}

/* The number in a cell of the only row of the last answer; it must have one. */
static inline uint64_t cell(uint32_t column)
{
    uint64_t number = 0;
    chat_view cells = t.event.cells, found = {NULL, 0};
    assert_int_equal(t.event.n_rows, 1);
    for (uint32_t i = 0; i <= column; i++)
        assert_int_equal(chat_cassandra_take_cell(&cells, &found), CHAT_OK);
    for (size_t i = 0; i < found.len && i < 8; i++)
        number = number << 8 | found.data[i];
    return number;
}

#endif
