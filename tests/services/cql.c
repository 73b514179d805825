/* SPDX-License-Identifier: MIT */
/* The CQL connection against a real Cassandra: the first address in CHAT_CASSANDRA. */
#include "backends/cassandra/conn.h"
#include "backends/cassandra/token.h"
#include "base/bits.h"
#include "base/view.h"
#include "unit/unit.h"

#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define N_ROWS    10000u
#define WAIT_MS   20000
#define N_TOKENS  500u
#define BODY_SIZE 200u

static const chat__cql_statement INSERT = {
    0, "INSERT INTO chat_test.messages (chat, seq, body) VALUES (?, ?, ?)"};
static const chat__cql_statement SELECT = {
    1, "SELECT seq, body FROM chat_test.messages WHERE chat = ?"};
static const chat__cql_statement TOKEN = {
    2, "SELECT token(chat) FROM chat_test.messages WHERE chat = ? LIMIT 1"};

static struct link {
    int fd;
    chat__cql_conn *conn;
    chat__cql_conn_event event;
    uint32_t n_pushed;
} link_;

static void connect_link(void)
{
    const char *where = getenv("CHAT_CASSANDRA");
    char host[64] = "", port[16] = "";
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    assert_non_null(where);
    assert_int_equal(sscanf(where, "%63[^:]:%15[0-9]", host, port), 2);
    assert_int_equal(getaddrinfo(host, port, &hints, &found), 0);
    link_.fd = socket(found->ai_family, SOCK_STREAM, 0);
    assert_int_equal(connect(link_.fd, found->ai_addr, found->ai_addrlen), 0);
    freeaddrinfo(found);
}

static void write_unsent(void)
{
    chat_view out = chat__cql_conn_unsent(link_.conn);
    if (out.len == 0)
        return;
    ssize_t n = send(link_.fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        chat__cql_conn_sent(link_.conn, (size_t)n);
}

/* The next event that no schema change is; fails when none comes. */
static chat__cql_conn_event *next(void)
{
    static uint8_t bytes[65536];
    for (;;) {
        while (chat__cql_conn_next_event(link_.conn, &link_.event) == CHAT_OK) {
            if (link_.event.type != CHAT__CQL_CONN_PUSHED)
                return &link_.event;
            link_.n_pushed++;
        }
        write_unsent();
        struct pollfd wait = {link_.fd, POLLIN, 0};
        if (chat__cql_conn_unsent(link_.conn).len > 0)
            wait.events |= POLLOUT;
        assert_true(poll(&wait, 1, WAIT_MS) > 0);
        if (wait.revents & POLLIN) {
            ssize_t n = recv(link_.fd, bytes, sizeof bytes, 0);
            assert_true(n > 0);
            assert_int_equal(chat__cql_conn_feed(link_.conn, chat__view(bytes, (size_t)n)),
                             CHAT_OK);
        }
    }
}

static void expect_result(uint64_t tag)
{
    chat__cql_conn_event *event = next();
    if (event->type == CHAT__CQL_CONN_ERROR)
        fail_msg("%.*s", (int)event->error.message.len, (const char *)event->error.message.data);
    assert_int_equal(event->type, CHAT__CQL_CONN_RESULT);
    assert_true(event->tag == tag);
}

static void run(const char *text)
{
    uint16_t stream;
    chat__cql_params params = {.consistency = CHAT__CQL_QUORUM};
    assert_int_equal(chat__cql_conn_query(link_.conn, 1, text, &params, &stream), CHAT_OK);
    expect_result(1);
}

static void make_table(void)
{
    run("DROP TABLE IF EXISTS chat_test.messages");
    run("CREATE TABLE chat_test.messages (chat text, seq bigint, body blob, "
        "PRIMARY KEY (chat, seq)) WITH CLUSTERING ORDER BY (seq DESC)");
}

static int set_up(void **state)
{
    chat__cql_conn_options options;
    (void)state;
    chat__cql_conn_options_init(&options);
    options.has_events = 1;
    assert_int_equal(chat__cql_conn_new(&options, &link_.conn), CHAT_OK);
    connect_link();
    assert_int_equal(next()->type, CHAT__CQL_CONN_READY);
    run("CREATE KEYSPACE IF NOT EXISTS chat_test WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}");
    make_table();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("DROP KEYSPACE chat_test");
    chat__cql_conn_free(link_.conn);
    close(link_.fd);
    return 0;
}

static chat_status insert(const char *chat, uint64_t seq)
{
    static uint8_t body[BODY_SIZE];
    uint8_t raw[8];
    uint16_t stream;
    chat__store64be(raw, seq);
    memset(body, (int)(seq & 0xFF), sizeof body);
    chat_view values[] = {chat__view_str(chat), chat__view(raw, 8), chat__view(body, sizeof body)};
    chat__cql_params params = {CHAT__CQL_QUORUM, 3, values, 0, {NULL, 0}, seq + 1};
    return chat__cql_conn_execute(link_.conn, seq, &INSERT, &params, &stream);
}

static void insert_many(const char *chat, uint64_t n)
{
    uint64_t sent = 0;
    for (uint64_t done = 0; done < n;) {
        while (sent < n && insert(chat, sent) == CHAT_OK)
            sent++;
        chat__cql_conn_event *event = next();
        assert_int_equal(event->type, CHAT__CQL_CONN_RESULT);
        done++;
    }
}

/* Reads the chat from its newest record on; returns how many there are. */
static uint64_t read_all(const char *chat, uint64_t n)
{
    uint64_t count = 0, expected = n;
    uint8_t paging[512];
    chat_view value = chat__view_str(chat);
    chat__cql_params params = {CHAT__CQL_QUORUM, 1, &value, 500, {NULL, 0}, 0};
    for (int has_more = 1; has_more;) {
        uint16_t stream;
        assert_int_equal(chat__cql_conn_execute(link_.conn, 5, &SELECT, &params, &stream), CHAT_OK);
        expect_result(5);
        chat__cql_result *page = &link_.event.result;
        for (uint32_t i = 0; i < page->n_rows; i++, count++) {
            chat_view seq = chat__cql_get_bytes(&page->cells);
            chat_view body = chat__cql_get_bytes(&page->cells);
            assert_int_equal(seq.len, 8);
            assert_true(chat__load64be(seq.data) == --expected);
            assert_true(body.len == BODY_SIZE && body.data[9] == (uint8_t)expected);
        }
        assert_false(page->cells.is_bad);
        has_more = page->has_more;
        assert_true(page->paging_state.len <= sizeof paging);
        if (has_more)
            memcpy(paging, page->paging_state.data, page->paging_state.len);
        params.paging_state = chat__view(paging, has_more ? page->paging_state.len : 0);
    }
    return count;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void what_is_written_in_parallel_is_read_in_pages(void **state)
{
    (void)state;
    double began = seconds();
    insert_many("big", N_ROWS);
    printf("%u inserts of %u bytes: %.0f a second\n", N_ROWS, BODY_SIZE,
           N_ROWS / (seconds() - began));
    assert_int_equal(read_all("big", N_ROWS), N_ROWS);
    insert_many("big", 100); /* the same keys again change nothing */
    assert_int_equal(read_all("big", N_ROWS), N_ROWS);
}

static void a_table_that_is_made_anew_prepares_again(void **state)
{
    (void)state;
    uint32_t before = link_.n_pushed;
    insert_many("again", 3);
    make_table();
    insert_many("again", 7);
    assert_int_equal(read_all("again", 7), 7);
    assert_true(link_.n_pushed > before); /* the server told of the schema change */
}

static void tokens_are_what_the_server_says(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < N_TOKENS; i++) {
        char chat[64] = "";
        uint16_t stream;
        int len = snprintf(chat, sizeof chat, "%.*s\xC3\xA9\xE2\x82\xAC%u", (int)(i % 40),
                           "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop", (unsigned)i);
        assert_int_equal(insert(chat, 1), CHAT_OK);
        expect_result(1);
        chat_view value = chat__view(chat, (size_t)len);
        chat__cql_params params = {CHAT__CQL_QUORUM, 1, &value, 0, {NULL, 0}, 0};
        assert_int_equal(chat__cql_conn_execute(link_.conn, 6, &TOKEN, &params, &stream), CHAT_OK);
        expect_result(6);
        chat_view token = chat__cql_get_bytes(&link_.event.result.cells);
        assert_int_equal(token.len, 8);
        assert_true((int64_t)chat__load64be(token.data) == chat__cql_token(value));
    }
}

static void a_wrong_statement_is_told_with_advice(void **state)
{
    uint16_t stream;
    chat__cql_params params = {.consistency = CHAT__CQL_ONE};
    (void)state;
    assert_int_equal(
        chat__cql_conn_query(link_.conn, 2, "SELECT x FROM chat_test.nothing", &params, &stream),
        CHAT_OK);
    assert_int_equal(next()->type, CHAT__CQL_CONN_ERROR);
    assert_int_equal(link_.event.error.again, CHAT__CQL_AGAIN_NO);
    assert_non_null(strstr(link_.event.error.advice, "migrate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_in_parallel_is_read_in_pages),
        cmocka_unit_test(a_table_that_is_made_anew_prepares_again),
        cmocka_unit_test(tokens_are_what_the_server_says),
        cmocka_unit_test(a_wrong_statement_is_told_with_advice),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
