/* SPDX-License-Identifier: MIT */
#include "backends/redis/reply.h"
#include "base/alloc.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_BYTES  256u
#define MAX_VALUES 16u

static chat__redis_parser *parser;

static int start(void **state)
{
    chat_allocator allocator = chat__alloc_or_libc(NULL);
    (void)state;
    return chat__redis_parser_new(&allocator, MAX_BYTES, MAX_VALUES, &parser) != CHAT_OK;
}

static int stop(void **state)
{
    (void)state;
    chat__redis_parser_free(parser);
    return 0;
}

static size_t show(const chat__redis_reply *reply, uint32_t value, char *out, size_t cap)
{
    const chat__redis_value *v = &reply->values[value];
    chat_view text = chat__redis_text(reply, value);
    if (v->type == CHAT__REDIS_INTEGER)
        return (size_t)snprintf(out, cap, "%lld", (long long)v->integer);
    if (v->type != CHAT__REDIS_ARRAY)
        return (size_t)snprintf(out, cap, "%c%.*s", "_+-:$"[v->type], (int)text.len, text.data);
    size_t len = (size_t)snprintf(out, cap, "[");
    for (uint32_t i = 0; i < v->n_items; i++) {
        len += show(reply, chat__redis_item(reply, value, i), out + len, cap - len);
        len += (size_t)snprintf(out + len, cap - len, " ");
    }
    return len + (size_t)snprintf(out + len, cap - len, "]");
}

/* All replies in `wire`, fed `step` bytes at a time, and how it ended. */
static chat_status parse(const char *wire, size_t len, size_t step, char *out, size_t cap)
{
    chat__redis_reply reply;
    chat_status status = CHAT_EMPTY;
    size_t n = 0;
    assert_int_equal(chat__redis_parser_reset(parser), CHAT_OK);
    out[0] = '\0';
    for (size_t i = 0; i < len && status == CHAT_EMPTY; i += step) {
        size_t part = len - i < step ? len - i : step;
        assert_int_equal(chat__redis_parser_feed(parser, chat__view(wire + i, part)), CHAT_OK);
        while ((status = chat__redis_parser_next(parser, &reply)) == CHAT_OK) {
            n += show(&reply, 0, out + n, cap - n);
            n += (size_t)snprintf(out + n, cap - n, "\n");
        }
    }
    return status;
}

typedef struct row {
    const char *wire, *shown;
    chat_status end;
} row;

static void replies_are_the_same_whole_and_byte_by_byte(void **state)
{
    static const row rows[] = {
        {"+OK\r\n", "+OK\n", CHAT_EMPTY},
        {"-ERR no\r\n:-7\r\n", "-ERR no\n-7\n", CHAT_EMPTY},
        {"$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n", "$a\r\nbc\n$\n_\n", CHAT_EMPTY},
        {"*-1\r\n*0\r\n", "_\n[]\n", CHAT_EMPTY},
        {"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n+b\r\n$1\r\nc\r\n", "[1 [$a [+b ] ] $c ]\n",
         CHAT_EMPTY},
        {"*2\r\n*0\r\n*1\r\n:2\r\n+x\r\n", "[[] [2 ] ]\n+x\n", CHAT_EMPTY},
        {"+OK\r\n$10\r\nabc", "+OK\n", CHAT_EMPTY},
        {"+OK\r\nHTTP/1.1 400\r\n", "+OK\n", CHAT_ERR_PROTOCOL},
        {"$-2\r\n", "", CHAT_ERR_PROTOCOL},
        {"$x\r\n", "", CHAT_ERR_PROTOCOL},
        {":9223372036854775808\r\n", "", CHAT_ERR_PROTOCOL},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "", CHAT_ERR_PROTOCOL},
        {"*17\r\n", "", CHAT_ERR_LIMIT},
        {"*2147483647\r\n", "", CHAT_ERR_LIMIT},
        {"*9223372036854775807\r\n", "", CHAT_ERR_PROTOCOL},
        {"*2\r\n*15\r\n" /* 17 in all, told when the last begins */
         ":1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:"
         "6\r\n",
         "", CHAT_ERR_LIMIT},
    };
    char shown[512];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step <= 64; step += 9) {
            chat_status end = parse(rows[i].wire, strlen(rows[i].wire), step, shown, sizeof shown);
            assert_string_equal(shown, rows[i].shown);
            assert_int_equal(end, rows[i].end);
        }
    }
}

/* A peer that announces much, or says much, and never ends. */
static void a_reply_without_an_end_costs_no_more_than_the_limit(void **state)
{
    char shown[1024], wire[1024], line[1024];
    (void)state;
    memset(wire, 'a', sizeof wire);
    memset(line, 'b', sizeof line);
    memcpy(wire, "$99999999999\r\n", 14);
    line[0] = '+';
    assert_int_equal(parse(wire, 200, 10, shown, sizeof shown), CHAT_EMPTY);
    assert_int_equal(parse(wire, sizeof wire, 10, shown, sizeof shown), CHAT_ERR_LIMIT);
    assert_int_equal(parse(line, sizeof line, 10, shown, sizeof shown), CHAT_ERR_LIMIT);
    /* Small ones in an array count together. */
    size_t n = (size_t)snprintf(wire, sizeof wire, "*16\r\n");
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(wire + n, sizeof wire - n, "$20\r\n%020d\r\n", i);
    assert_int_equal(parse(wire, n, 10, shown, sizeof shown), CHAT_ERR_LIMIT);
}

static void a_number_is_an_integer_or_digits(void **state)
{
    static const struct {
        const char *wire;
        chat_status status;
        uint64_t number;
    } rows[] = {
        {":12\r\n", CHAT_OK, 12},
        {":-1\r\n", CHAT_ERR_PROTOCOL, 0},
        {"$20\r\n18446744073709551615\r\n", CHAT_OK, UINT64_MAX},
        {"$20\r\n18446744073709551616\r\n", CHAT_ERR_PROTOCOL, 0},
        {"$2\r\n1 \r\n", CHAT_ERR_PROTOCOL, 0},
        {"$0\r\n\r\n", CHAT_ERR_PROTOCOL, 0},
        {"$-1\r\n", CHAT_ERR_PROTOCOL, 0},
        {"-12\r\n", CHAT_ERR_PROTOCOL, 0},
    };
    chat__redis_reply reply;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t number = 0;
        (void)chat__redis_parser_feed(parser, chat__view_str(rows[i].wire));
        assert_int_equal(chat__redis_parser_next(parser, &reply), CHAT_OK);
        assert_int_equal(chat__redis_number(&reply, 0, &number), rows[i].status);
        assert_int_equal(number, rows[i].number);
    }
}

static void a_command_is_written_with_all_its_bytes(void **state)
{
    static const char *const args[] = {"SET", "k", "a\r\n\0b"};
    static const size_t lens[] = {3, 1, 5};
    static const char wire[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\n\0b\r\n";
    chat__buf buf;
    (void)state;
    chat__buf_init(&buf, NULL, sizeof wire - 1);
    assert_int_equal(chat__redis_format(&buf, 3, args, lens), CHAT_OK);
    assert_int_equal(buf.len, sizeof wire - 1);
    assert_memory_equal(buf.data, wire, buf.len);
    assert_int_equal(chat__redis_format(&buf, 3, args, lens), CHAT_ERR_LIMIT);
    assert_int_equal(buf.len, sizeof wire - 1);
    chat__buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replies_are_the_same_whole_and_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(a_reply_without_an_end_costs_no_more_than_the_limit, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_number_is_an_integer_or_digits, start, stop),
        cmocka_unit_test(a_command_is_written_with_all_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
