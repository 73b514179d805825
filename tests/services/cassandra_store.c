/* SPDX-License-Identifier: MIT */
/* The store of libchat-cassandra against a real Cassandra: CHAT_CASSANDRA. Its tables, its session,
   and what it knows of devices. */
#include "backends/cassandra/store/devices.h"

#define KEYSPACE "chat_store_test"
#include "cassandra_store.h"

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

/* --- devices --- */

static chat__cstore_devices d;
static chat_store_rules rules;

static void open_devices(uint32_t max_devices, uint32_t trust_ms)
{
    rules = (chat_store_rules){.struct_size = sizeof rules, .max_devices = max_devices};
    rules.device_ttl_ms = 1000;
    chat__cstore_devices_init(&d, t.session, &rules, 100, trust_ms);
}

static chat_store_visit visit_of(const char *user, const char *device, uint64_t now_unix_ms)
{
    chat_store_visit visit = {chat__view_str(user), chat__view_str(device), now_unix_ms, NULL, 0};
    return visit;
}

static chat_status come(const char *user, const char *device, uint64_t now_unix_ms,
                        uint64_t *out_generation)
{
    chat_store_visit visit = visit_of(user, device, now_unix_ms);
    return chat__cstore_introduce(&d, &visit, out_generation);
}

static void put(const char *user, const char *device, uint64_t seq, uint64_t at_ms)
{
    chat_store_cursor cursor = {chat__view_str(user), chat__view_str(device), chat__view_str("c"),
                                seq, at_ms};
    assert_int_equal(chat__cstore_put_cursors(&d, &cursor, 1), CHAT_OK);
}

/* What the device has of the chat. */
static uint64_t cursor_of(const char *user, const char *device, uint64_t generation)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "SELECT seq FROM " KEYSPACE ".cursors WHERE user_id = '%s' AND "
                   "device_id = '%s' AND generation = %llu AND chat_id = 'c'",
                   user, device, (unsigned long long)generation);
    must_run(text);
    return t.event.n_rows == 0 ? 0 : cell(0);
}

static void a_device_starts_where_the_furthest_is_or_was(void **state)
{
    uint64_t first = 0, again = 0, second = 0;
    chat_store_visit visit = visit_of("d1", "phone", 5000);
    (void)state;
    open_devices(0, 0);
    put("d1", "phone", 7, 0); /* it is not known: nothing */
    assert_int_equal(come("d1", "phone", 5000, &first), CHAT_EMPTY);
    assert_int_equal(cursor_of("d1", "phone", first), 0);
    put("d1", "phone", 9, 0);
    put("d1", "phone", 8, 0);
    assert_int_equal(cursor_of("d1", "phone", first), 9);
    assert_int_equal(come("d1", "phone", 5500, &again), CHAT_OK);
    assert_true(again == first);
    assert_int_equal(chat__cstore_forget_device(&d, &visit), CHAT_OK);
    assert_int_equal(chat__cstore_forget_device(&d, &visit), CHAT_ERR_NOT_FOUND);
    assert_int_equal(cursor_of("d1", "phone", first), 0);
    assert_int_equal(come("d1", "tablet", 5500, &second), CHAT_EMPTY);
    assert_int_equal(cursor_of("d1", "tablet", second), 9);
    assert_int_equal(come("d1", "phone", 5500, &again), CHAT_EMPTY);
    assert_true(again > first);
    chat__cstore_devices_done(&d);
}

/* Another server may still believe in the device. */
static void what_comes_for_a_forgotten_device_is_nothing(void **state)
{
    uint64_t generation = 0;
    chat__cstore_devices late;
    chat_store_visit visit = visit_of("d2", "phone", 5000);
    chat_store_cursor cursor = {visit.user, visit.device, chat__view_str("c"), 9, 0};
    (void)state;
    open_devices(0, 0);
    assert_int_equal(come("d2", "phone", 5000, &generation), CHAT_EMPTY);
    chat__cstore_devices_init(&late, t.session, &rules, 100, 60000);
    assert_int_equal(chat__cstore_put_cursors(&late, &cursor, 1), CHAT_OK);
    assert_int_equal(cursor_of("d2", "phone", generation), 9);
    assert_int_equal(chat__cstore_forget_device(&d, &visit), CHAT_OK);
    cursor.seq = 10;
    assert_int_equal(chat__cstore_put_cursors(&late, &cursor, 1), CHAT_OK);
    visit.now_unix_ms = 5001;
    assert_int_equal(chat__cstore_see_device(&late, &visit), CHAT_OK);
    assert_int_equal(cursor_of("d2", "phone", generation), 0);
    must_run("SELECT generation FROM " KEYSPACE ".devices WHERE user_id = 'd2'");
    assert_int_equal(t.event.n_rows, 0);
    chat__cstore_devices_done(&late);
    chat__cstore_devices_done(&d);
}

static void the_one_that_was_not_seen_for_longest_makes_room(void **state)
{
    uint64_t generation = 0;
    chat_view connected[2] = {chat__view_str("b"), chat__view_str("c")};
    chat_store_visit visit = visit_of("d3", "c", 5300);
    (void)state;
    open_devices(2, 5000);
    assert_int_equal(come("d3", "a", 5000, &generation), CHAT_EMPTY);
    assert_int_equal(come("d3", "b", 5100, &generation), CHAT_EMPTY);
    visit.device = chat__view_str("a");
    assert_int_equal(chat__cstore_see_device(&d, &visit), CHAT_OK);
    assert_int_equal(come("d3", "c", 5300, &generation), CHAT_EMPTY); /* in place of b */
    must_run("SELECT device_id FROM " KEYSPACE ".devices WHERE user_id = 'd3'");
    assert_int_equal(t.event.n_rows, 2);
    visit = visit_of("d3", "d", 5300);
    visit.connected = connected;
    visit.n_connected = 2;
    connected[0] = chat__view_str("a");
    assert_int_equal(chat__cstore_introduce(&d, &visit, &generation), CHAT_ERR_LIMIT);
    /* All were not seen for too long: they are nothing any more, and go. */
    visit.now_unix_ms = 9000;
    assert_int_equal(chat__cstore_introduce(&d, &visit, &generation), CHAT_EMPTY);
    must_run("SELECT seen_ms FROM " KEYSPACE ".devices WHERE user_id = 'd3'");
    assert_int_equal(cell(0), 9000);
    chat__cstore_devices_done(&d);
}

/* Since when: of what a run brought, and the earliest time. */
static void a_run_says_from_where_on_it_knows(void **state)
{
    uint64_t generation = 0;
    (void)state;
    open_devices(0, 5000);
    assert_int_equal(come("d4", "a", 5000, &generation), CHAT_EMPTY);
    assert_int_equal(come("d4", "b", 5000, &generation), CHAT_EMPTY);
    put("d4", "a", 10, 6000);
    put("d4", "b", 10, 7000); /* the other has it since before */
    put("d4", "b", 20, 8000);
    must_run("SELECT at_ms, low FROM " KEYSPACE ".since WHERE user_id = 'd4' AND chat_id = 'c' "
             "AND type = 1 AND seq = 10");
    assert_int_equal(cell(0), 6000);
    assert_int_equal(cell(1), 0);
    must_run("SELECT at_ms, low FROM " KEYSPACE ".since WHERE user_id = 'd4' AND chat_id = 'c' "
             "AND type = 1 AND seq = 20");
    assert_int_equal(cell(0), 8000);
    assert_int_equal(cell(1), 10);
    must_run("SELECT seq FROM " KEYSPACE ".delivered WHERE chat_id = 'c' AND user_id = 'd4'");
    assert_int_equal(cell(0), 20);
    chat__cstore_devices_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_version_1_become_those_of_2),
        cmocka_unit_test(windows_follow_the_places_of_records),
        cmocka_unit_test(many_requests_are_one_call_and_pages_one_answer),
        cmocka_unit_test(writes_of_a_batch_say_their_own_time),
        cmocka_unit_test(who_waits_is_told_of_the_end_at_once),
        cmocka_unit_test(a_device_starts_where_the_furthest_is_or_was),
        cmocka_unit_test(what_comes_for_a_forgotten_device_is_nothing),
        cmocka_unit_test(the_one_that_was_not_seen_for_longest_makes_room),
        cmocka_unit_test(a_run_says_from_where_on_it_knows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
