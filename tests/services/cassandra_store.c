/* SPDX-License-Identifier: MIT */
/* The store of libchat-cassandra, its writing side, against a real Cassandra: CHAT_CASSANDRA. */
#include <chat/cassandra_schema.h>

#include "backends/cassandra/store/session.h"
#include "base/view.h"
#include "unit/unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYSPACE   "chat_store_test"
#define TIMEOUT_MS 120000u

static struct {
    chat_cassandra *driver; /* for statements of the tests' own */
    chat_cassandra_event event;
    chat__cstore_session *session;
} t;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static chat_cassandra_options options(void)
{
    chat_cassandra_options it;
    chat_cassandra_options_init(&it);
    it.contact_points = getenv("CHAT_CASSANDRA");
    it.keyspace = KEYSPACE;
    it.request_timeout_ms = TIMEOUT_MS;
    return it;
}

/* CHAT_OK: `t.event` is the answer. */
static chat_status run(const char *text)
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

static void must_run(const char *text)
{
    if (run(text) != CHAT_OK)
        fail_msg("%s: %s", text, t.event.text);
}

static chat_cassandra_migration migrate(void)
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

static int set_up(void **state)
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

static int tear_down(void **state)
{
    (void)state;
    chat__cstore_session_free(t.session);
    must_run("DROP KEYSPACE " KEYSPACE);
    chat_cassandra_free(t.driver);
    return 0;
}

/* --- versions --- */

/* The tables of version 1, as far as they matter. */
static const char *const VERSION_1[] = {
    "CREATE KEYSPACE chat_store_old WITH replication = "
    "{'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE chat_store_old.messages (chat_id text, bucket int, seq bigint, id bigint, "
    "kind int, prev bigint, payload blob, PRIMARY KEY ((chat_id, bucket), seq)) WITH CLUSTERING "
    "ORDER BY (seq DESC) AND default_time_to_live = 9000 AND compaction = "
    "{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', "
    "'compaction_window_size': 60}",
    "CREATE TABLE chat_store_old.message_buckets (chat_id text, bucket int, PRIMARY KEY (chat_id, "
    "bucket)) WITH CLUSTERING ORDER BY (bucket DESC) AND default_time_to_live = 9000",
    "CREATE TABLE chat_store_old.last_read (user_id text, chat_id text, seq bigint, "
    "PRIMARY KEY (user_id, chat_id))",
    "CREATE TABLE chat_store_old.message_status (message_id bigint PRIMARY KEY)",
    "CREATE TABLE chat_store_old.members (chat_id text, user_id text, seq bigint, role tinyint, "
    "PRIMARY KEY (chat_id, user_id, seq)) WITH CLUSTERING ORDER BY (user_id ASC, seq DESC)",
    "CREATE TABLE chat_store_old.schema_version (name text PRIMARY KEY, version int)",
    "INSERT INTO chat_store_old.schema_version (name, version) VALUES ('tables', 1)",
    "INSERT INTO chat_store_old.messages (chat_id, bucket, seq, id) VALUES ('c', 1, 7, 8)",
};

static void expect_version_2(const chat_cassandra_options *opened)
{
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    chat_cassandra_schema_init(&schema);
    if (chat_cassandra_migrate(opened, &schema, TIMEOUT_MS, &done) != CHAT_OK)
        fail_msg("%s", done.problem);
    assert_int_equal(done.from_version, 1);
    assert_int_equal(done.to_version, 2);
    must_run("SELECT id, ordinal FROM chat_store_old.messages WHERE chat_id = 'c' AND bucket = 1");
    assert_int_equal(t.event.n_rows, 1);
    must_run("SELECT value FROM chat_store_old.members WHERE chat_id = 'c'");
    assert_int_equal(run("SELECT * FROM chat_store_old.message_status"), CHAT_ERR_ARG);
}

static void tables_of_version_1_become_those_of_2(void **state)
{
    chat_cassandra_options opened = options();
    opened.keyspace = "chat_store_old";
    (void)state;
    must_run("DROP KEYSPACE IF EXISTS chat_store_old");
    for (size_t i = 0; i < sizeof VERSION_1 / sizeof VERSION_1[0]; i++)
        must_run(VERSION_1[i]);
    expect_version_2(&opened);
    /* As after a kill behind the last step. */
    must_run("UPDATE chat_store_old.schema_version SET version = 1 WHERE name = 'tables'");
    expect_version_2(&opened);
    must_run("DROP KEYSPACE chat_store_old");
}

/* Windows of compaction are of the calendar although timestamps are places in the log. */
static void windows_follow_the_places_of_records(void **state)
{
    (void)state;
    must_run("SELECT compaction FROM system_schema.tables WHERE keyspace_name = '" KEYSPACE
             "' AND table_name = 'messages'");
    char text[1024] = "";
    memcpy(text, t.event.cells.data,
           t.event.cells.len < sizeof text ? t.event.cells.len : sizeof text - 1);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = text[i] == '\0' && i < t.event.cells.len ? ' ' : text[i];
    assert_non_null(strstr(text, "NANOSECONDS"));
    assert_non_null(strstr(text, "504")); /* 60 days and 8.39 times as many */
}

/* --- the session --- */

static void put_kept(chat__cstore_call *call, uint32_t chat, uint64_t seq)
{
    char name[16];
    (void)snprintf(name, sizeof name, "c%u", (unsigned)chat);
    (void)chat__cstore_ask(call, CHAT__CSTORE_PUT_KEPT);
    chat__cstore_text(call, chat__view_str("u"));
    chat__cstore_text(call, chat__view_str(name));
    chat__cstore_u64(call, seq);
    chat__cstore_u64(call, seq);
}

static uint32_t count_kept(uint32_t page_size, uint32_t max_rows, int *out_has_more)
{
    chat__cstore_call call;
    uint32_t n = 0;
    chat__cstore_call_init(&call, t.session);
    uint32_t item = chat__cstore_ask(&call, CHAT__CSTORE_GET_KEPT);
    chat__cstore_text(&call, chat__view_str("u"));
    chat__cstore_page(&call, page_size, max_rows);
    assert_int_equal(chat__cstore_run(&call), CHAT_OK);
    chat__cstore_rows rows = chat__cstore_rows_of(&call, item);
    for (; chat__cstore_next(&rows); n++) {
        assert_int_equal(chat__cstore_get_text(&rows).data[0], 'c');
        assert_true(chat__cstore_get_u64(&rows) >= 100);
    }
    assert_false(rows.is_bad);
    *out_has_more = chat__cstore_has_more(&call, item);
    chat__cstore_call_done(&call);
    return n;
}

static void many_requests_are_one_call_and_pages_one_answer(void **state)
{
    chat__cstore_call call;
    int has_more = 1;
    (void)state;
    chat__cstore_call_init(&call, t.session);
    for (uint32_t i = 0; i < 1000; i++)
        put_kept(&call, i, 100 + i);
    assert_int_equal(chat__cstore_run(&call), CHAT_OK);
    chat__cstore_call_done(&call);
    assert_int_equal(count_kept(70, 0, &has_more), 1000);
    assert_false(has_more);
    assert_int_equal(count_kept(70, 250, &has_more), 250);
    assert_true(has_more);
    assert_int_equal(count_kept(0, 5000, &has_more), 1000);
    assert_false(has_more);
}

/* A timestamp of its own for each write of a batch; an older one changes nothing. */
static void writes_of_a_batch_say_their_own_time(void **state)
{
    chat__cstore_call call;
    (void)state;
    chat__cstore_call_init(&call, t.session);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint64_t seq = 500; seq > 200; seq -= 100) {
            (void)chat__cstore_join(&call, CHAT__CSTORE_PUT_READ);
            chat__cstore_text(&call, chat__view_str("b"));
            chat__cstore_text(&call, chat__view_str("c"));
            chat__cstore_u64(&call, seq);
            chat__cstore_u64(&call, seq);
        }
        assert_int_equal(chat__cstore_run(&call), CHAT_OK);
        chat__cstore_reset(&call);
        (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_READ);
        chat__cstore_text(&call, chat__view_str("b"));
        chat__cstore_text(&call, chat__view_str("c"));
        assert_int_equal(chat__cstore_run(&call), CHAT_OK);
        chat__cstore_rows rows = chat__cstore_rows_of(&call, 0);
        assert_true(chat__cstore_next(&rows));
        assert_int_equal(chat__cstore_get_u64(&rows), 500);
        chat__cstore_reset(&call);
    }
    chat__cstore_call_done(&call);
}

static void *wait_in_vain(void *ctx)
{
    static chat_status status;
    chat__cstore_call call;
    chat__cstore_call_init(&call, ctx);
    put_kept(&call, 1, 1);
    status = chat__cstore_run(&call);
    chat__cstore_call_done(&call);
    return &status;
}

static void who_waits_is_told_of_the_end_at_once(void **state)
{
    chat_cassandra_options opened = options();
    chat_log_sink none = {NULL, NULL};
    chat__cstore_session *session = NULL;
    pthread_t thread;
    void *status = NULL;
    (void)state;
    opened.contact_points = "127.0.0.1:1";
    assert_int_equal(chat__cstore_session_new(&opened, none, 64, &session), CHAT_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, session), 0);
    struct timespec pause = {0, 100 * 1000 * 1000};
    (void)nanosleep(&pause, NULL);
    uint64_t began = now_ms();
    chat__cstore_session_stop(session);
    assert_int_equal(pthread_join(thread, &status), 0);
    assert_true(now_ms() - began < 2000);
    assert_int_equal(*(chat_status *)status, CHAT_ERR_CLOSED);
    assert_int_equal(*(chat_status *)wait_in_vain(session), CHAT_ERR_CLOSED);
    chat__cstore_session_free(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_version_1_become_those_of_2),
        cmocka_unit_test(windows_follow_the_places_of_records),
        cmocka_unit_test(many_requests_are_one_call_and_pages_one_answer),
        cmocka_unit_test(writes_of_a_batch_say_their_own_time),
        cmocka_unit_test(who_waits_is_told_of_the_end_at_once),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
