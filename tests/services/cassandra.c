/* SPDX-License-Identifier: MIT */
/*
 * libchat-cassandra against a real cluster, the nodes in CHAT_CASSANDRA. Without an argument its
 * rules (over TLS with CHAT_CASSANDRA_CA); `refused`: why the first connection ends; `survive`:
 * writes while a node is killed (it says "now") and started again; `speed COUNT`: inserts a second.
 */
#include <chat/cassandra_schema.h>

#include "unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_BYTES 200u
#define WAIT_MS    30000
#define N_SURVIVE  60000u
#define WINDOW     200u /* nodes of the tests write eight rows with each sync */
#define SURVIVE_S  25.0

static struct {
    chat_cassandra *it;
    chat_cassandra_event event;
    uint32_t insert, select, n_factor;
    uint64_t n_down, n_up;
    char down_text[400];
} c;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t now_ms(void)
{
    return (uint64_t)(seconds() * 1000);
}

static void store64(uint8_t out[8], uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t load64(chat_view cell)
{
    uint64_t value = 0;
    assert_int_equal(cell.len, 8);
    for (int i = 0; i < 8; i++)
        value = value << 8 | cell.data[i];
    return value;
}

static void start(const char *contacts)
{
    chat_cassandra_options options;
    memset(&c, 0, sizeof c);
    chat_cassandra_options_init(&options);
    options.contact_points = contacts;
    options.keyspace = "chat_driver_test";
    options.ca_file = getenv("CHAT_CASSANDRA_CA");
    options.use_tls = options.ca_file != NULL;
    options.speculative_ms = 500;
    options.request_timeout_ms = WAIT_MS;
    assert_int_equal(chat_cassandra_new(&options, &c.it), CHAT_OK);
}

/* The next answer or failure; of nodes that come and go it is counted. */
static chat_cassandra_event *next(void)
{
    double until = seconds() + WAIT_MS / 1000.0;
    c.event.struct_size = sizeof c.event;
    for (;;) {
        while (chat_cassandra_next_event(c.it, &c.event) == CHAT_OK) {
            if (c.event.type <= CHAT_CASSANDRA_EVENT_FAILED)
                return &c.event;
            c.n_up += c.event.type == CHAT_CASSANDRA_EVENT_NODE_UP;
            if (c.event.type != CHAT_CASSANDRA_EVENT_NODE_DOWN)
                continue;
            c.n_down++;
            (void)snprintf(c.down_text, sizeof c.down_text, "%s", c.event.text);
        }
        struct pollfd wait = {chat_cassandra_fd(c.it), POLLIN, 0};
        if (seconds() > until)
            fail_msg("no answer; the last that ended: %s", c.down_text);
        int timeout = chat_cassandra_timeout(c.it, now_ms());
        (void)poll(&wait, 1, timeout < 0 || timeout > 1000 ? 1000 : timeout);
        chat_cassandra_process(c.it, now_ms());
    }
}

static void expect_answer(uint64_t tag)
{
    chat_cassandra_event *event = next();
    if (event->type == CHAT_CASSANDRA_EVENT_FAILED)
        fail_msg("%s: %s", chat_status_name(event->status), event->text);
    assert_true(event->tag == tag);
}

static void run(const char *text)
{
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = CHAT_CASSANDRA_TEXT,
                                      .text = text,
                                      .consistency = CHAT_CASSANDRA_QUORUM};
    assert_int_equal(chat_cassandra_ask(c.it, 99, &request, now_ms()), CHAT_OK);
    expect_answer(99);
}

static uint32_t count_nodes(const char *contacts)
{
    uint32_t n = 1;
    for (; *contacts != '\0'; contacts++)
        n += *contacts == ',';
    return n;
}

static int set_up(void **state)
{
    const char *contacts = getenv("CHAT_CASSANDRA");
    char text[256];
    (void)state;
    assert_non_null(contacts);
    start(contacts);
    c.n_factor = count_nodes(contacts);
    (void)snprintf(text, sizeof text,
                   "CREATE KEYSPACE IF NOT EXISTS chat_driver_test WITH replication = "
                   "{'class': 'NetworkTopologyStrategy', 'datacenter1': %u}",
                   c.n_factor);
    run(text);
    run("DROP TABLE IF EXISTS chat_driver_test.messages");
    run("CREATE TABLE chat_driver_test.messages (chat text, bucket int, seq bigint, body blob, "
        "PRIMARY KEY ((chat, bucket), seq)) WITH CLUSTERING ORDER BY (seq DESC)");
    assert_int_equal(
        chat_cassandra_statement(c.it,
                                 "INSERT INTO chat_driver_test.messages (chat, bucket, seq, body) "
                                 "VALUES (?, ?, ?, ?)",
                                 &c.insert),
        CHAT_OK);
    assert_int_equal(chat_cassandra_statement(c.it,
                                              "SELECT seq, body FROM chat_driver_test.messages "
                                              "WHERE chat = ? AND bucket = ?",
                                              &c.select),
                     CHAT_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("DROP KEYSPACE chat_driver_test");
    chat_cassandra_free(c.it);
    return 0;
}

/* Row `number` of chat `number % n_chats`. */
typedef struct row {
    char chat[16];
    uint8_t bucket[4], seq[8], body[BODY_BYTES];
    chat_view values[4];
    chat_cassandra_request request;
} row;

static void make_row(row *it, uint64_t number, uint64_t n_chats)
{
    memset(it, 0, sizeof *it);
    int len = snprintf(it->chat, sizeof it->chat, "c%u", (unsigned)(number % n_chats));
    store64(it->seq, number + 1);
    memset(it->body, (int)(number & 0xFF), sizeof it->body);
    it->values[0] = (chat_view){(const uint8_t *)it->chat, (size_t)len};
    it->values[1] = (chat_view){it->bucket, sizeof it->bucket};
    it->values[2] = (chat_view){it->seq, sizeof it->seq};
    it->values[3] = (chat_view){it->body, sizeof it->body};
    it->request = (chat_cassandra_request){.struct_size = sizeof it->request,
                                           .statement = c.insert,
                                           .values = it->values,
                                           .n_values = 4,
                                           .consistency = CHAT_CASSANDRA_QUORUM,
                                           .is_idempotent = 1,
                                           .timestamp_us = number + 1};
}

static chat_status insert(uint64_t number, uint64_t n_chats)
{
    row it;
    make_row(&it, number, n_chats);
    return chat_cassandra_ask(c.it, number, &it.request, now_ms());
}

static void insert_many(uint64_t n, uint64_t n_chats)
{
    uint64_t sent = 0;
    for (uint64_t done = 0; done < n; done++) {
        while (sent < n && sent - done < WINDOW && insert(sent, n_chats) == CHAT_OK)
            sent++;
        if (next()->type != CHAT_CASSANDRA_EVENT_ANSWER)
            fail_msg("%llu of %llu: %s: %s; last node lost: %s", (unsigned long long)done,
                     (unsigned long long)sent, chat_status_name(c.event.status), c.event.text,
                     c.down_text);
    }
}

/* Rows of a chat; their content is checked. */
static uint64_t read_chat(const char *chat)
{
    uint64_t count = 0, before = UINT64_MAX;
    uint8_t bucket[4] = {0}, paging[512];
    chat_view values[2] = {{(const uint8_t *)chat, strlen(chat)}, {bucket, 4}};
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = c.select,
                                      .values = values,
                                      .n_values = 2,
                                      .consistency = CHAT_CASSANDRA_QUORUM,
                                      .is_idempotent = 1,
                                      .page_size = 300};
    for (uint32_t has_more = 1; has_more;) {
        assert_int_equal(chat_cassandra_ask(c.it, 7, &request, now_ms()), CHAT_OK);
        expect_answer(7);
        chat_view cells = c.event.cells, cell;
        for (uint32_t i = 0; i < c.event.n_rows; i++, count++) {
            assert_int_equal(chat_cassandra_take_cell(&cells, &cell), CHAT_OK);
            uint64_t seq = load64(cell);
            assert_true(seq < before);
            before = seq;
            assert_int_equal(chat_cassandra_take_cell(&cells, &cell), CHAT_OK);
            assert_int_equal(cell.len, BODY_BYTES);
            assert_int_equal(cell.data[9], (uint8_t)(seq - 1));
        }
        assert_int_equal(chat_cassandra_take_cell(&cells, &cell), CHAT_EMPTY);
        has_more = c.event.has_more;
        assert_true(c.event.paging_state.len <= sizeof paging);
        if (has_more)
            memcpy(paging, c.event.paging_state.data, c.event.paging_state.len);
        request.paging_state = (chat_view){paging, has_more ? c.event.paging_state.len : 0};
    }
    return count;
}

static chat_cassandra_figures figures(void)
{
    chat_cassandra_figures it = {.struct_size = sizeof it};
    assert_int_equal(chat_cassandra_get_figures(c.it, &it), CHAT_OK);
    return it;
}

/* Until the driver knows keyspace and key: a node tells of a new keyspace in its own time. */
static uint64_t insert_until_routed(void)
{
    double until = seconds() + WAIT_MS / 1000.0;
    while (figures().to_replica == 0) {
        assert_true(seconds() < until);
        insert_many(10, 10);
    }
    return figures().to_replica;
}

static void all_nodes_take_part(void **state)
{
    (void)state;
    uint64_t before = insert_until_routed();
    insert_many(2000, 10);
    chat_cassandra_figures it = figures();
    assert_int_equal(it.nodes_up, c.n_factor);
    assert_int_equal(it.nodes_known, c.n_factor);
    assert_true(it.to_replica - before > 1900);
    assert_int_equal(it.failed, 0);
}

static void what_was_written_is_read_in_pages(void **state)
{
    (void)state;
    insert_many(2000, 5);
    insert_many(2000, 5); /* again: nothing changes */
    assert_int_equal(read_chat("c3"), 400);
}

static void a_batch_is_one_answer(void **state)
{
    static row rows[100];
    chat_cassandra_request items[100];
    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        make_row(&rows[i], i, 1);
        rows[i].chat[0] = 'b';
        items[i] = rows[i].request;
    }
    assert_int_equal(chat_cassandra_batch(c.it, 5, items, 100, now_ms()), CHAT_OK);
    expect_answer(5);
    assert_int_equal(read_chat("b0"), 100);
}

/* Nodes forget their statements with the table. */
static void a_table_made_anew_is_prepared_anew(void **state)
{
    (void)state;
    insert_many(100, 1);
    run("DROP TABLE chat_driver_test.messages");
    run("CREATE TABLE chat_driver_test.messages (chat text, bucket int, seq bigint, body blob, "
        "PRIMARY KEY ((chat, bucket), seq)) WITH CLUSTERING ORDER BY (seq DESC)");
    insert_many(50, 1);
    assert_int_equal(read_chat("c0"), 50);
}

static void a_wrong_statement_is_told(void **state)
{
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = CHAT_CASSANDRA_TEXT,
                                      .text = "SELECT x FROM chat_driver_test.nothing",
                                      .is_idempotent = 1};
    (void)state;
    assert_int_equal(chat_cassandra_ask(c.it, 3, &request, now_ms()), CHAT_OK);
    assert_int_equal(next()->type, CHAT_CASSANDRA_EVENT_FAILED);
    assert_int_equal(c.event.status, CHAT_ERR_ARG);
    assert_non_null(strstr(c.event.text, "migrate"));
}

static void tell_survival(uint64_t done, uint64_t failed, double longest)
{
    chat_cassandra_figures it = figures();
    printf(
        "acknowledged %llu, failed %llu, longest pause %.2f s, retries %llu, speculations %llu\n",
        (unsigned long long)(done - failed), (unsigned long long)failed, longest,
        (unsigned long long)it.retries, (unsigned long long)it.speculations);
    printf("nodes lost %llu (%s), up %u of %u\n", (unsigned long long)c.n_down, c.down_text,
           it.nodes_up, it.nodes_known);
}

static uint64_t read_all_chats(void)
{
    uint64_t rows = 0;
    for (int i = 0; i < 10; i++) {
        char chat[8];
        (void)snprintf(chat, sizeof chat, "c%d", i);
        rows += read_chat(chat);
    }
    return rows;
}

/* Versions of the tables: made once, whole after a stop in between, left alone when newer. */
static void tables_are_brought_to_a_version(void **state)
{
    chat_cassandra_options options;
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    (void)state;
    chat_cassandra_options_init(&options);
    chat_cassandra_schema_init(&schema);
    options.contact_points = getenv("CHAT_CASSANDRA");
    options.keyspace = "chat_migration_test";
    options.ca_file = getenv("CHAT_CASSANDRA_CA");
    options.use_tls = options.ca_file != NULL;
    run("DROP KEYSPACE IF EXISTS chat_migration_test");
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 120000, &done), CHAT_ERR_NOT_FOUND);
    assert_non_null(strstr(done.problem, "keyspace"));
    schema.replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    if (chat_cassandra_migrate(&options, &schema, 120000, &done) != CHAT_OK)
        fail_msg("%s", done.problem);
    assert_int_equal(done.from_version, 0);
    assert_int_equal(done.to_version, CHAT_CASSANDRA_SCHEMA_VERSION);
    run("DROP TABLE chat_migration_test.cursors");
    run("DELETE FROM chat_migration_test.schema_version WHERE name = 'tables'");
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 120000, &done), CHAT_OK);
    run("SELECT seq FROM chat_migration_test.cursors WHERE user_id = 'u'");
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 120000, &done), CHAT_OK);
    assert_int_equal(done.from_version, CHAT_CASSANDRA_SCHEMA_VERSION);
    run("UPDATE chat_migration_test.schema_version SET version = 99 WHERE name = 'tables'");
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 120000, &done), CHAT_ERR_VERSION);
    assert_int_equal(done.to_version, 99);
    run("DROP KEYSPACE chat_migration_test");
}

static void a_cluster_that_is_not_there_is_told(void **state)
{
    chat_cassandra_options options;
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    (void)state;
    chat_cassandra_options_init(&options);
    chat_cassandra_schema_init(&schema);
    options.contact_points = "127.0.0.1:1";
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 300, &done), CHAT_ERR_NETWORK);
    assert_non_null(strstr(done.problem, "127.0.0.1:1"));
    options.keyspace = "no; DROP";
    assert_int_equal(chat_cassandra_migrate(&options, &schema, 300, &done), CHAT_ERR_ARG);
}

/* Writes for SURVIVE_S; all that was answered must be there. */
static void survive(void **state)
{
    uint64_t sent = 0, done = 0, failed = 0;
    double began = seconds(), said = 0, longest = 0, last = began;
    (void)state;
    insert_many(100, 10);
    while (seconds() - began < SURVIVE_S && done < N_SURVIVE) {
        while (sent - done < WINDOW / 4 && insert(sent, 10) == CHAT_OK)
            sent++;
        failed += next()->type != CHAT_CASSANDRA_EVENT_ANSWER;
        done++;
        double now = seconds();
        longest = now - last > longest ? now - last : longest;
        last = now;
        if (said == 0 && now - began > 1) {
            said = now;
            printf("now\n");
            (void)fflush(stdout);
        }
    }
    while (done < sent) {
        failed += next()->type != CHAT_CASSANDRA_EVENT_ANSWER;
        done++;
    }
    tell_survival(done, failed, longest);
    assert_int_equal(failed, 0);
    assert_int_equal(read_all_chats(), sent);
    assert_true(c.n_down >= 1);
}

static void speed(uint64_t n)
{
    insert_many(2000, 100);
    double began = seconds();
    clock_t cpu = clock();
    insert_many(n, 100);
    double took = seconds() - began;
    printf("inserts/s %.0f, CPU %.2f us each\n", (double)n / took,
           (double)(clock() - cpu) * 1e6 / CLOCKS_PER_SEC / (double)n);
}

/* What the first connection that ends is told to end for. */
static int refused(void)
{
    chat_cassandra_event event = {.struct_size = sizeof event};
    start(getenv("CHAT_CASSANDRA"));
    for (double until = seconds() + WAIT_MS / 1000.0; seconds() < until;) {
        struct pollfd wait = {chat_cassandra_fd(c.it), POLLIN, 0};
        chat_cassandra_process(c.it, now_ms());
        if (chat_cassandra_next_event(c.it, &event) == CHAT_OK)
            break;
        (void)poll(&wait, 1, 100);
    }
    printf("%s %s\n", chat_status_name(event.status), event.text);
    chat_cassandra_free(c.it);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest rules[] = {
        cmocka_unit_test(all_nodes_take_part),
        cmocka_unit_test(what_was_written_is_read_in_pages),
        cmocka_unit_test(a_batch_is_one_answer),
        cmocka_unit_test(a_table_made_anew_is_prepared_anew),
        cmocka_unit_test(a_wrong_statement_is_told),
        cmocka_unit_test(tables_are_brought_to_a_version),
        cmocka_unit_test(a_cluster_that_is_not_there_is_told),
    };
    const struct CMUnitTest surviving[] = {cmocka_unit_test(survive)};
    if (argc == 3 && strcmp(argv[1], "speed") == 0) {
        (void)set_up(NULL);
        speed(strtoull(argv[2], NULL, 10));
        return tear_down(NULL);
    }
    if (argc == 2 && strcmp(argv[1], "refused") == 0)
        return refused();
    if (argc == 2)
        return cmocka_run_group_tests(surviving, set_up, tear_down);
    return cmocka_run_group_tests(rules, set_up, tear_down);
}
