/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/token.h"
#include "scripted.h"

#define OVERLOADED    0x1001
#define WRITE_TIMEOUT 0x1100
#define INVALID       0x2200
#define UNPREPARED    0x2500

static scripted s;

static int set_up(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    scripted_start(&s, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chat__cql_driver_free(s.driver);
    return 0;
}

static void ask(uint64_t tag, int is_idempotent)
{
    assert_int_equal(scripted_ask(&s, tag, "key", is_idempotent), CHAT_OK);
    scripted_settle(&s);
}

static void expect_answer(uint64_t tag)
{
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_ANSWER);
    assert_int_equal(s.event.tag, tag);
}

static void expect_failure(uint64_t tag, chat_status status)
{
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_FAILED);
    assert_int_equal(s.event.tag, tag);
    assert_int_equal(s.event.status, status);
    assert_true(strlen(s.event.text) > 0);
}

static void close_wire(uint32_t wire)
{
    s.is_open[wire] = 0;
    chat__cql_driver_closed(s.driver, wire, CHAT_ERR_CLOSED, "it closed the connection");
}

static void all_nodes_are_found_and_get_a_wire(void **state)
{
    (void)state;
    chat_cassandra_figures figures = chat__cql_driver_figures(s.driver);
    assert_int_equal(figures.nodes_known, 3);
    assert_int_equal(figures.nodes_up, 3);
    assert_int_equal(figures.connects, 4);
    assert_string_equal(s.host[0], "first");
    assert_string_equal(s.host[1], "127.0.0.1");
    assert_string_equal(s.host[3], "127.0.0.3");
    assert_int_equal(s.n_registers, 1);
}

/* Once the key is known each goes to the only replica of its partition. */
static void requests_go_to_a_replica(void **state)
{
    (void)state;
    ask(0, 1);
    (void)scripted_answer(&s);
    expect_answer(0);
    for (uint64_t i = 1; i < 50; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%u", (unsigned)i);
        int64_t token = chat__cql_token(chat__view_str(key));
        uint32_t owner = 0;
        while (owner < 3 && token > strtoll(SCRIPTED_THREE[owner].tokens[0], NULL, 10))
            owner++;
        assert_int_equal(scripted_ask(&s, i, key, 1), CHAT_OK);
        scripted_settle(&s);
        assert_int_equal(scripted_answer(&s), owner % 3 + 1);
        expect_answer(i);
    }
    assert_int_equal(chat__cql_driver_figures(s.driver).to_replica, 49);
}

static void what_is_idempotent_goes_to_another_node_when_one_is_lost(void **state)
{
    (void)state;
    ask(1, 1);
    scripted_asked lost = scripted_take_asked(&s);
    close_wire(lost.wire);
    scripted_settle(&s);
    uint32_t next = scripted_answer(&s);
    assert_int_not_equal(next, lost.wire);
    expect_answer(1);
    assert_int_equal(chat__cql_driver_figures(s.driver).retries, 1);
}

static void what_is_not_idempotent_is_sent_once(void **state)
{
    (void)state;
    ask(1, 0);
    close_wire(scripted_take_asked(&s).wire);
    expect_failure(1, CHAT_ERR_TIMEOUT);
    assert_int_equal(s.n_asked, 0);
    ask(2, 0);
    (void)scripted_refuse(&s, WRITE_TIMEOUT);
    expect_failure(2, CHAT_ERR_TIMEOUT);
}

/* Nothing of it was said as long as its statement was not prepared. */
static void what_was_not_said_goes_to_another_node(void **state)
{
    (void)state;
    s.is_mute = 1;
    assert_int_equal(scripted_ask(&s, 1, "key", 0), CHAT_OK);
    for (uint32_t wire = 1; wire < 4; wire++) {
        chat_view out = chat__cql_driver_unsent(s.driver, wire);
        if (out.len > 0) {
            assert_int_equal(out.data[4], CHAT__CQL_OP_PREPARE);
            close_wire(wire);
            break;
        }
    }
    s.is_mute = 0;
    scripted_settle(&s);
    (void)scripted_answer(&s);
    expect_answer(1);
}

static void a_node_that_did_nothing_is_followed_by_the_next(void **state)
{
    (void)state;
    ask(1, 0);
    uint32_t first = scripted_refuse(&s, OVERLOADED);
    scripted_settle(&s);
    uint32_t second = scripted_refuse(&s, OVERLOADED);
    scripted_settle(&s);
    assert_int_not_equal(first, second);
    (void)scripted_refuse(&s, OVERLOADED);
    expect_failure(1, CHAT_ERR_BUSY); /* max_tries */
    assert_int_equal(s.n_asked, 0);
    ask(2, 1);
    (void)scripted_refuse(&s, INVALID);
    expect_failure(2, CHAT_ERR_ARG); /* all nodes would say so */
}

static void a_node_alone_is_asked_again_after_a_pause(void **state)
{
    (void)state;
    close_wire(1);
    close_wire(2);
    s.dead = "127.0.0.1";
    scripted_settle(&s);
    s.n_nodes = 1;
    ask(1, 1);
    assert_int_equal(scripted_refuse(&s, OVERLOADED), 3);
    scripted_settle(&s);
    assert_int_equal(s.n_asked, 0);
    assert_true(chat__cql_driver_deadline(s.driver) > s.now_ms);
    scripted_pass(&s, 99);
    scripted_pass(&s, 1);
    scripted_settle(&s);
    assert_int_equal(s.n_asked, 1);
    (void)scripted_answer(&s);
    expect_answer(1);
}

static void requests_wait_for_a_node_and_not_for_ever(void **state)
{
    chat_cassandra_options options = scripted_options();
    uint32_t number;
    (void)state;
    chat__cql_driver_free(s.driver);
    scripted_make(&s, &options);
    assert_int_equal(chat__cql_driver_statement(s.driver, "INSERT a", &number), CHAT_OK);
    assert_int_equal(scripted_ask(&s, 1, "key", 0), CHAT_OK);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_READY);
    scripted_settle(&s);
    (void)scripted_answer(&s);
    expect_answer(1);
    s.dead = "first";
    for (uint32_t wire = 0; wire < 4; wire++)
        close_wire(wire);
    s.is_mute = 1;
    assert_int_equal(scripted_ask(&s, 2, "key", 0), CHAT_OK);
    for (int i = 0; i < 49; i++) {
        scripted_pass(&s, 100);
        scripted_settle(&s);
    }
    scripted_pass(&s, 100);
    expect_failure(2, CHAT_ERR_NETWORK);
}

static void an_answer_that_comes_too_late_is_nobodys(void **state)
{
    (void)state;
    ask(1, 1);
    scripted_pass(&s, 4999);
    scripted_settle(&s);
    scripted_pass(&s, 1);
    expect_failure(1, CHAT_ERR_TIMEOUT);
    (void)scripted_answer(&s);
    scripted_settle(&s);
    ask(2, 1); /* the streams are whole */
    (void)scripted_answer(&s);
    expect_answer(2);
}

static void a_node_that_owes_too_many_answers_is_left(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        ask(i, 1);
    scripted_pass(&s, 5000);
    for (uint64_t i = 0; i < 8; i++)
        scripted_expect(&s, CHAT_CASSANDRA_EVENT_FAILED);
    scripted_pass(&s, 1);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_DOWN);
    assert_non_null(strstr(s.event.text, "overdue"));
}

static void the_first_of_two_answers_counts(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    chat__cql_driver_free(s.driver);
    options.speculative_ms = 50;
    scripted_start(&s, &options);
    ask(1, 1);
    ask(2, 0);
    scripted_pass(&s, 50);
    scripted_settle(&s);
    assert_int_equal(s.n_asked, 3);
    assert_int_equal(chat__cql_driver_figures(s.driver).speculations, 1);
    scripted_asked slow = scripted_take_asked(&s);
    scripted_asked other = scripted_take_asked(&s);
    uint32_t fast = scripted_answer(&s);
    assert_true(fast != slow.wire || fast != other.wire);
    expect_answer(1);
    s.asked[s.n_asked++] = slow;
    (void)scripted_answer(&s);
    scripted_settle(&s); /* nobody hears of it twice */
    s.asked[s.n_asked++] = other;
    (void)scripted_answer(&s);
    expect_answer(2);
}

static void pauses_grow_and_an_event_ends_them(void **state)
{
    static const uint8_t UP[] = {0,   13,  'S', 'T', 'A', 'T', 'U', 'S', '_', 'C',
                                 'H', 'A', 'N', 'G', 'E', 0,   2,   'U', 'P', 4,
                                 127, 0,   0,   2,   0,   0,   0,   9};
    (void)state;
    s.dead = "127.0.0.2";
    close_wire(2);
    scripted_settle(&s);
    uint32_t before = s.n_dials[2];
    for (int i = 0; i < 300; i++) {
        scripted_pass(&s, 10);
        scripted_settle(&s);
    }
    /* 100, 200, 400, 800, 1000 ms, each a quarter shorter at most. */
    assert_in_range(s.n_dials[2] - before, 4, 6);
    s.dead = NULL;
    chat__cql_driver_feed(s.driver, 0, chat__view(NULL, 0));
    scripted_reply(&s, 0, 0xFFFF, CHAT__CQL_OP_EVENT, chat__view(UP, sizeof UP));
    scripted_settle(&s);
    scripted_pass(&s, 1000);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_UP);
    assert_string_equal(s.event.text, "127.0.0.2:9");
}

static void a_silent_node_is_asked_for_a_sign_of_life(void **state)
{
    (void)state;
    scripted_pass(&s, 60000);
    scripted_settle(&s);
    assert_int_equal(s.n_pings, 4);
    scripted_pass(&s, 59999);
    scripted_settle(&s);
    assert_int_equal(s.n_pings, 4);
    s.is_mute = 1;
    scripted_pass(&s, 1);
    scripted_settle(&s);
    scripted_pass(&s, 60000);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_DOWN);
    assert_non_null(strstr(s.event.text, "sign of life"));
}

static void news_come_from_the_next_node_when_theirs_is_lost(void **state)
{
    static const uint8_t NEW[] = {0,   15,  'T', 'O', 'P', 'O', 'L', 'O', 'G', 'Y', '_', 'C',
                                  'H', 'A', 'N', 'G', 'E', 0,   8,   'N', 'E', 'W', '_', 'N',
                                  'O', 'D', 'E', 4,   127, 0,   0,   4,   0,   0,   0,   9};
    static const rows_node NOW[] = {
        {1, "dc1", "r1", {"0"}, {127, 0, 0, 1}},
        {2, "dc1", "r1", {"1"}, {127, 0, 0, 2}},
        {4, "dc1", "r1", {"2"}, {127, 0, 0, 4}},
    };
    (void)state;
    close_wire(0);
    scripted_settle(&s);
    scripted_pass(&s, 1);
    scripted_settle(&s);
    assert_string_equal(s.host[0], "127.0.0.1");
    s.nodes = NOW;
    scripted_reply(&s, 0, 0xFFFF, CHAT__CQL_OP_EVENT, chat__view(NEW, sizeof NEW));
    scripted_settle(&s);
    scripted_pass(&s, 1000);
    scripted_settle(&s);
    assert_int_equal(s.is_open[3], 0);
    assert_int_equal(s.is_open[4], 1);
    assert_string_equal(s.host[4], "127.0.0.4");
    assert_int_equal(chat__cql_driver_figures(s.driver).nodes_up, 3);
}

static void as_much_as_is_allowed_waits(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        ask(i, 1);
    assert_int_equal(scripted_ask(&s, 8, "key", 1), CHAT_ERR_BUSY);
    (void)scripted_answer(&s);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_ANSWER);
    ask(8, 1);
    for (uint64_t i = 0; i < 8; i++) {
        (void)scripted_answer(&s);
        scripted_expect(&s, CHAT_CASSANDRA_EVENT_ANSWER);
    }
    assert_int_equal(chat__cql_driver_figures(s.driver).waiting, 0);
}

/* Connections take four each; with one node left the others wait for room. */
static void a_full_connection_makes_requests_wait(void **state)
{
    (void)state;
    s.dead = "127.0.0.1";
    close_wire(1);
    close_wire(2);
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(scripted_ask(&s, i, "key", 1), CHAT_OK);
    uint64_t tags = 0;
    for (int i = 0; i < 8; i++) {
        scripted_settle(&s);
        assert_true(s.n_asked <= 4);
        assert_int_equal(scripted_answer(&s), 3);
        scripted_expect(&s, CHAT_CASSANDRA_EVENT_ANSWER);
        tags |= UINT64_C(1) << s.event.tag;
    }
    assert_int_equal(tags, 255);
}

static void a_batch_prepares_what_it_needs(void **state)
{
    chat_view value = chat__view_str("key");
    (void)state;
    chat_cassandra_request items[3] = {scripted_request(&value, 1), scripted_request(&value, 1),
                                       scripted_request(&value, 1)};
    items[1].statement = 1;
    assert_int_equal(chat__cql_driver_ask(s.driver, 5, items, 3, s.now_ms), CHAT_OK);
    scripted_settle(&s);
    assert_int_equal(s.n_prepares, 2);
    assert_int_equal(s.asked[0].opcode, CHAT__CQL_OP_BATCH);
    (void)scripted_refuse(&s, UNPREPARED); /* names statement a */
    scripted_settle(&s);
    assert_int_equal(s.n_prepares, 3);
    (void)scripted_answer(&s);
    expect_answer(5);
}

/* A new table; the answer of the node that made it. */
static void change_schema(uint64_t tag)
{
    static const uint8_t CREATED[] = {0, 0, 0, 5, 0, 1, 'C', 0, 1, 'T', 0, 1, 'k', 0, 1, 't'};
    chat_cassandra_request request = {
        .struct_size = sizeof request, .statement = CHAT_CASSANDRA_TEXT, .text = "CREATE TABLE"};
    assert_int_equal(chat__cql_driver_ask(s.driver, tag, &request, 0, s.now_ms), CHAT_OK);
    scripted_settle(&s);
    scripted_asked asked = scripted_take_asked(&s);
    scripted_reply(&s, asked.wire, asked.stream, CHAT__CQL_OP_RESULT,
                   chat__view(CREATED, sizeof CREATED));
}

static void a_change_of_the_schema_is_answered_when_all_know_it(void **state)
{
    (void)state;
    s.behind = "127.0.0.3";
    change_schema(1);
    scripted_settle(&s);
    for (int i = 0; i < 10; i++) {
        scripted_pass(&s, 100);
        scripted_settle(&s);
    }
    assert_in_range(s.n_versions, 10, 11);
    s.behind = NULL;
    scripted_pass(&s, 100);
    expect_answer(1);
    s.behind = "127.0.0.3"; /* what is said of a node that is away is old */
    close_wire(3);
    s.dead = s.behind;
    change_schema(2);
    expect_answer(2);
}

static void a_schema_that_not_all_learn_is_told(void **state)
{
    (void)state;
    s.behind = "127.0.0.3";
    change_schema(1);
    scripted_settle(&s);
    scripted_pass(&s, 5000);
    expect_failure(1, CHAT_ERR_TIMEOUT);
    assert_non_null(strstr(s.event.text, "schema"));
    s.behind = NULL;
    scripted_pass(&s, 100);
    scripted_settle(&s);
}

static void a_wrong_password_is_told(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    chat__cql_driver_free(s.driver);
    scripted_make(&s, &options);
    s.refuses_password = 1;
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_DOWN);
    assert_int_equal(s.event.status, CHAT_ERR_AUTH);
    assert_non_null(strstr(s.event.text, "cassandra-user"));
}

static void settings_are_advised_until_a_node_was_up(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    chat__cql_driver_closed(s.driver, 1, CHAT_ERR_NETWORK, "refused");
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_DOWN);
    assert_null(strstr(s.event.text, "`cassandra`"));
    chat__cql_driver_free(s.driver);
    scripted_make(&s, &options);
    s.dead = "first";
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_NODE_DOWN);
    assert_non_null(
        strstr(s.event.text, "first:9: refused: are host and port in `cassandra` right"));
}

static void a_datacenter_without_nodes_is_told(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    chat__cql_driver_free(s.driver);
    options.datacenter = "elsewhere";
    scripted_make(&s, &options);
    scripted_expect(&s, CHAT_CASSANDRA_EVENT_PROBLEM);
    assert_non_null(strstr(s.event.text, "elsewhere"));
}

#define ROW(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(all_nodes_are_found_and_get_a_wire),
        ROW(requests_go_to_a_replica),
        ROW(what_is_idempotent_goes_to_another_node_when_one_is_lost),
        ROW(what_is_not_idempotent_is_sent_once),
        ROW(what_was_not_said_goes_to_another_node),
        ROW(a_node_that_did_nothing_is_followed_by_the_next),
        ROW(a_node_alone_is_asked_again_after_a_pause),
        ROW(requests_wait_for_a_node_and_not_for_ever),
        ROW(an_answer_that_comes_too_late_is_nobodys),
        ROW(a_node_that_owes_too_many_answers_is_left),
        ROW(the_first_of_two_answers_counts),
        ROW(pauses_grow_and_an_event_ends_them),
        ROW(a_silent_node_is_asked_for_a_sign_of_life),
        ROW(news_come_from_the_next_node_when_theirs_is_lost),
        ROW(as_much_as_is_allowed_waits),
        ROW(a_full_connection_makes_requests_wait),
        ROW(a_batch_prepares_what_it_needs),
        ROW(a_change_of_the_schema_is_answered_when_all_know_it),
        ROW(a_schema_that_not_all_learn_is_told),
        ROW(a_wrong_password_is_told),
        ROW(settings_are_advised_until_a_node_was_up),
        ROW(a_datacenter_without_nodes_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
