/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/conn.h"
#include "backends/cassandra/lz4.h"
#include "base/bits.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

static const chat__cql_statement INSERT = {3, "INSERT"};
static const uint8_t UNPREPARED[] = {0, 0, 0x25, 0, 0, 0, 0, 1, 'x'};
static const uint8_t VOID_RESULT[] = {0, 0, 0, 1};
static const uint8_t PREPARED[] = {0, 0, 0, 4, 0, 2, 'i', 'd', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

/* A server that is told what to say. */
typedef struct peer {
    chat__cql_conn *conn;
    chat__cql_conn_event event;
    uint16_t stream; /* of the last request */
    size_t step;     /* bytes fed at a time, 0: all */
    uint8_t flags;   /* of its frames */
} peer;

static void start(peer *p, const char *user)
{
    chat__cql_conn_options options;
    memset(p, 0, sizeof *p);
    chat__cql_conn_options_init(&options);
    options.max_in_flight = 4;
    options.max_frame_bytes = 1000;
    options.max_unsent_bytes = 4096;
    options.user = user;
    options.password = user;
    assert_int_equal(chat__cql_conn_new(&options, &p->conn), CHAT_OK);
}

/* The opcode of the next request, 0: there is none. */
static uint8_t request(peer *p)
{
    chat_view out = chat__cql_conn_unsent(p->conn);
    if (out.len == 0)
        return 0;
    assert_true(out.len >= 9 && out.data[0] == 4);
    uint8_t opcode = out.data[4];
    p->stream = chat__load16be(out.data + 2);
    chat__cql_conn_sent(p->conn, 9 + chat__load32be(out.data + 5));
    return opcode;
}

static void answer(peer *p, uint16_t stream, uint8_t opcode, chat_view body)
{
    uint8_t frame[256] = {0x84, p->flags};
    assert_true(body.len <= sizeof frame - 9);
    chat__store16be(frame + 2, stream);
    frame[4] = opcode;
    chat__store32be(frame + 5, (uint32_t)body.len);
    if (body.len > 0)
        memcpy(frame + 9, body.data, body.len);
    size_t step = p->step > 0 ? p->step : body.len + 9;
    for (size_t i = 0; i < body.len + 9; i += step) {
        size_t n = body.len + 9 - i < step ? body.len + 9 - i : step;
        assert_int_equal(chat__cql_conn_feed(p->conn, chat__view(frame + i, n)), CHAT_OK);
        if (i + n < body.len + 9)
            assert_int_equal(chat__cql_conn_next_event(p->conn, &p->event), CHAT_EMPTY);
    }
}

#define ANSWER(p, opcode, bytes) answer(p, (p)->stream, opcode, chat__view(bytes, sizeof(bytes)))

static void expect(peer *p, chat__cql_conn_event_type type)
{
    assert_int_equal(chat__cql_conn_next_event(p->conn, &p->event), CHAT_OK);
    assert_int_equal(p->event.type, type);
}

static void expect_nothing(peer *p)
{
    assert_int_equal(chat__cql_conn_next_event(p->conn, &p->event), CHAT_EMPTY);
}

static void open_it(peer *p)
{
    start(p, NULL);
    assert_int_equal(request(p), CHAT__CQL_OP_STARTUP);
    answer(p, 0, CHAT__CQL_OP_READY, chat__view(NULL, 0));
    expect(p, CHAT__CQL_CONN_READY);
    expect_nothing(p);
}

static chat_status execute(peer *p, uint64_t tag, uint16_t *stream)
{
    chat_view value = chat__view_str("v");
    chat__cql_params params = {CHAT__CQL_QUORUM, 1, &value, 0, {NULL, 0}, 5};
    return chat__cql_conn_execute(p->conn, tag, &INSERT, &params, stream);
}

static void a_statement_is_prepared_once_and_what_waits_goes_out(void **state)
{
    peer p;
    uint16_t stream = 0;
    (void)state;
    for (size_t step = 0; step < 3; step++) {
        open_it(&p);
        p.step = step;
        assert_int_equal(execute(&p, 7, &stream), CHAT_OK);
        assert_int_equal(execute(&p, 8, &stream), CHAT_OK);
        assert_int_equal(request(&p), CHAT__CQL_OP_PREPARE);
        assert_int_equal(request(&p), 0);
        ANSWER(&p, CHAT__CQL_OP_RESULT, PREPARED);
        expect_nothing(&p);
        assert_int_equal(request(&p), CHAT__CQL_OP_EXECUTE);
        uint16_t first = p.stream;
        assert_int_equal(request(&p), CHAT__CQL_OP_EXECUTE);
        ANSWER(&p, CHAT__CQL_OP_RESULT, VOID_RESULT);
        expect(&p, CHAT__CQL_CONN_RESULT);
        assert_true(p.event.tag == 7 || p.event.tag == 8);
        uint64_t other = 15 - p.event.tag;
        answer(&p, first, CHAT__CQL_OP_RESULT, chat__view(VOID_RESULT, sizeof VOID_RESULT));
        expect(&p, CHAT__CQL_CONN_RESULT);
        assert_true(p.event.tag == other);
        assert_int_equal(chat__cql_conn_in_flight(p.conn), 0);
        chat__cql_conn_free(p.conn);
    }
}

static void a_forgotten_statement_is_prepared_again(void **state)
{
    peer p;
    uint16_t stream = 0;
    (void)state;
    open_it(&p);
    assert_int_equal(execute(&p, 7, &stream), CHAT_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(request(&p), CHAT__CQL_OP_PREPARE);
        ANSWER(&p, CHAT__CQL_OP_RESULT, PREPARED);
        expect_nothing(&p);
        assert_int_equal(request(&p), CHAT__CQL_OP_EXECUTE);
        ANSWER(&p, CHAT__CQL_OP_ERROR, UNPREPARED);
        if (i < 2)
            expect_nothing(&p);
    }
    expect(&p, CHAT__CQL_CONN_ERROR); /* it never knows it: that ends too */
    assert_int_equal(p.event.tag, 7);
    chat__cql_conn_free(p.conn);
}

static void what_cannot_be_prepared_fails_for_each_that_waits(void **state)
{
    static const uint8_t SYNTAX[] = {0, 0, 0x20, 0, 0, 3, 'b', 'a', 'd'};
    peer p;
    uint16_t stream = 0;
    (void)state;
    open_it(&p);
    assert_int_equal(execute(&p, 7, &stream), CHAT_OK);
    assert_int_equal(execute(&p, 8, &stream), CHAT_OK);
    assert_int_equal(request(&p), CHAT__CQL_OP_PREPARE);
    ANSWER(&p, CHAT__CQL_OP_ERROR, SYNTAX);
    uint64_t tags = 0;
    for (int i = 0; i < 2; i++) {
        expect(&p, CHAT__CQL_CONN_ERROR);
        tags += p.event.tag;
        assert_int_equal(p.event.error.again, CHAT__CQL_AGAIN_NO);
        assert_true(chat__view_equal(p.event.error.message, chat__view_str("bad")));
    }
    assert_int_equal(tags, 15);
    expect_nothing(&p);
    assert_int_equal(chat__cql_conn_in_flight(p.conn), 0);
    chat__cql_conn_free(p.conn);
}

static void requests_have_a_limit_and_abandoned_ones_hold_their_stream(void **state)
{
    peer p;
    uint16_t stream = 0;
    chat__cql_params params = {CHAT__CQL_ONE, 0, NULL, 0, {NULL, 0}, 0};
    (void)state;
    open_it(&p);
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(chat__cql_conn_query(p.conn, i, "SELECT", &params, &stream), CHAT_OK);
    assert_int_equal(chat__cql_conn_query(p.conn, 9, "SELECT", &params, &stream), CHAT_ERR_BUSY);
    while (request(&p) != 0)
        ;
    assert_int_equal(chat__cql_conn_abandon(p.conn, p.stream), 1);
    assert_int_equal(chat__cql_conn_in_flight(p.conn), 3);
    assert_int_equal(chat__cql_conn_query(p.conn, 9, "SELECT", &params, &stream), CHAT_ERR_BUSY);
    ANSWER(&p, CHAT__CQL_OP_RESULT, VOID_RESULT); /* late: nobody hears of it */
    expect_nothing(&p);
    assert_int_equal(chat__cql_conn_query(p.conn, 9, "SELECT", &params, &stream), CHAT_OK);
    chat__cql_conn_free(p.conn);
}

static void the_secret_is_sent_when_it_is_asked_for(void **state)
{
    static const uint8_t CLASS[] = {0, 1, 'P'};
    static const uint8_t BAD[] = {0, 0, 1, 0, 0, 1, 'n'};
    peer p;
    (void)state;
    start(&p, "u");
    (void)request(&p);
    answer(&p, 0, CHAT__CQL_OP_AUTHENTICATE, chat__view(CLASS, sizeof CLASS));
    expect_nothing(&p);
    chat_view out = chat__cql_conn_unsent(p.conn);
    assert_memory_equal(out.data + 9, "\0\0\0\4\0u\0u", 8);
    assert_int_equal(request(&p), CHAT__CQL_OP_AUTH_RESPONSE);
    answer(&p, 0, CHAT__CQL_OP_ERROR, chat__view(BAD, sizeof BAD));
    expect(&p, CHAT__CQL_CONN_REFUSED);
    assert_non_null(strstr(p.event.error.advice, "password"));
    chat__cql_conn_free(p.conn);
    start(&p, NULL);
    answer(&p, 0, CHAT__CQL_OP_AUTHENTICATE, chat__view(CLASS, sizeof CLASS));
    expect(&p, CHAT__CQL_CONN_REFUSED);
    expect_nothing(&p);
    chat__cql_conn_free(p.conn);
}

static void a_server_that_breaks_the_protocol_is_left(void **state)
{
    static const struct {
        uint8_t bytes[9];
    } ROWS[] = {
        {{0x85, 0, 0, 0, 8, 0, 0, 0, 0}},       /* another version */
        {{0x84, 0, 0, 0, 8, 0, 0, 0, 0}},       /* an answer that nobody asked for */
        {{0x84, 0, 0x7F, 0, 8, 0, 0, 0, 0}},    /* of a stream that is not there */
        {{0x84, 0, 0xFF, 0xFE, 8, 0, 0, 0, 0}}, /* of a stream below zero */
        {{0x84, 1, 0, 0, 8, 0, 0, 0, 0}},       /* compressed */
        {{0x84, 0, 0, 0, 8, 0, 0, 4, 0}},       /* too long */
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        peer p;
        uint16_t stream = 0;
        open_it(&p);
        if (chat__cql_conn_feed(p.conn, chat__view(ROWS[i].bytes, 9)) == CHAT_OK) {
            expect(&p, CHAT__CQL_CONN_BROKEN);
            assert_int_equal(p.event.status, i == 0 ? CHAT_ERR_VERSION : CHAT_ERR_PROTOCOL);
        } else {
            assert_int_equal(i, 5);
        }
        if (i < 5)
            assert_int_equal(execute(&p, 1, &stream), CHAT_ERR_STATE);
        chat__cql_conn_free(p.conn);
    }
}

/* Its tag would be that of a request that is over. */
static void an_answer_to_a_ping_is_no_answer_to_a_request(void **state)
{
    peer p;
    uint16_t stream = 0;
    (void)state;
    open_it(&p);
    assert_int_equal(execute(&p, 7, &stream), CHAT_OK);
    (void)request(&p);
    ANSWER(&p, CHAT__CQL_OP_RESULT, PREPARED);
    expect_nothing(&p);
    (void)request(&p);
    ANSWER(&p, CHAT__CQL_OP_RESULT, VOID_RESULT);
    expect(&p, CHAT__CQL_CONN_RESULT);
    assert_int_equal(chat__cql_conn_ping(p.conn), CHAT_OK);
    assert_int_equal(request(&p), CHAT__CQL_OP_OPTIONS);
    answer(&p, p.stream, CHAT__CQL_OP_SUPPORTED, chat__view("\0\0", 2));
    expect_nothing(&p);
    assert_int_equal(chat__cql_conn_ping(p.conn), CHAT_OK);
    (void)request(&p);
    ANSWER(&p, CHAT__CQL_OP_RESULT, VOID_RESULT);
    expect(&p, CHAT__CQL_CONN_BROKEN);
    chat__cql_conn_free(p.conn);
}

#define MANY 600

/* Open, and LZ4 was agreed on. 0: it is not built in. */
static int open_with_lz4(peer *p)
{
    static const uint8_t OFFER[] = {0,   1,   0, 11, 'C', 'O', 'M', 'P', 'R', 'E', 'S', 'S', 'I',
                                    'O', 'N', 0, 2,  0,   1,   'x', 0,   3,   'l', 'z', '4'};
    chat__cql_conn_options options;
    memset(p, 0, sizeof *p);
    chat__cql_conn_options_init(&options);
    options.wants_lz4 = 1;
    assert_int_equal(chat__cql_conn_new(&options, &p->conn), CHAT_OK);
    if (!chat__lz4_is_there()) {
        assert_int_equal(request(p), CHAT__CQL_OP_STARTUP);
        return 0;
    }
    assert_int_equal(request(p), CHAT__CQL_OP_OPTIONS);
    ANSWER(p, CHAT__CQL_OP_SUPPORTED, OFFER);
    expect_nothing(p);
    assert_int_equal(request(p), CHAT__CQL_OP_STARTUP);
    answer(p, 0, CHAT__CQL_OP_READY, chat__view(NULL, 0));
    expect(p, CHAT__CQL_CONN_READY);
    p->flags = CHAT__CQL_COMPRESSED;
    return 1;
}

static void ask_for(peer *p, const char *text)
{
    chat__cql_params params = {CHAT__CQL_ONE, 0, NULL, 0, {NULL, 0}, 0};
    uint16_t stream = 0;
    assert_int_equal(chat__cql_conn_query(p->conn, 1, text, &params, &stream), CHAT_OK);
}

static void long_requests_are_compressed_when_both_can(void **state)
{
    char text[MANY + 1];
    chat__buf body;
    peer p;
    (void)state;
    memset(text, 'x', MANY);
    text[MANY] = '\0';
    if (open_with_lz4(&p)) {
        ask_for(&p, text);
        chat_view out = chat__cql_conn_unsent(p.conn);
        assert_int_equal(out.data[1], CHAT__CQL_COMPRESSED);
        assert_true(out.len < 100);
        chat__buf_init(&body, NULL, 1000);
        assert_int_equal(chat__lz4_expand(chat__view(out.data + 9, out.len - 9), &body), CHAT_OK);
        assert_memory_equal(body.data + 4, text, MANY);
        chat__buf_done(&body);
        (void)request(&p);
        ask_for(&p, "short");
        assert_int_equal(chat__cql_conn_unsent(p.conn).data[1], 0);
    }
    chat__cql_conn_free(p.conn);
}

static void compressed_answers_are_read_and_wrong_ones_refused(void **state)
{
    static const uint8_t ROW[] = {0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 2, 0x58};
    uint8_t body[sizeof ROW + MANY];
    chat__buf small;
    peer p;
    (void)state;
    memcpy(body, ROW, sizeof ROW);
    memset(body + sizeof ROW, 'y', MANY);
    chat__buf_init(&small, NULL, 1000);
    if (open_with_lz4(&p)) {
        assert_int_equal(chat__lz4_compress(chat__view(body, sizeof body), &small), CHAT_OK);
        ask_for(&p, "SELECT");
        (void)request(&p);
        answer(&p, p.stream, CHAT__CQL_OP_RESULT, chat__buf_view(&small));
        expect(&p, CHAT__CQL_CONN_RESULT);
        chat_view cell = chat__cql_get_bytes(&p.event.result.cells);
        assert_true(cell.len == MANY && cell.data[MANY - 1] == 'y');
        small.data[3]++; /* says one more than there is */
        ask_for(&p, "SELECT");
        (void)request(&p);
        answer(&p, p.stream, CHAT__CQL_OP_RESULT, chat__buf_view(&small));
        expect(&p, CHAT__CQL_CONN_BROKEN);
    }
    chat__buf_done(&small);
    chat__cql_conn_free(p.conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_is_prepared_once_and_what_waits_goes_out),
        cmocka_unit_test(a_forgotten_statement_is_prepared_again),
        cmocka_unit_test(what_cannot_be_prepared_fails_for_each_that_waits),
        cmocka_unit_test(requests_have_a_limit_and_abandoned_ones_hold_their_stream),
        cmocka_unit_test(the_secret_is_sent_when_it_is_asked_for),
        cmocka_unit_test(a_server_that_breaks_the_protocol_is_left),
        cmocka_unit_test(an_answer_to_a_ping_is_no_answer_to_a_request),
        cmocka_unit_test(long_requests_are_compressed_when_both_can),
        cmocka_unit_test(compressed_answers_are_read_and_wrong_ones_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
