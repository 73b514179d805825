/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/token.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return n;
}

/* The first is what a server of version 5.0.5 answers to token(7 as bigint); all are as Cassandra's
   own drivers compute them. Plain Murmur3 differs where a byte of the tail is above 127. */
static void tokens_are_those_of_cassandra(void **state)
{
    static const struct {
        const char *hex;
        int64_t token;
    } ROWS[] = {
        {"0000000000000007", -5038316157564330072},
        {"80ff", -1866254034066908819},
        {"ffffffffffffffff", 7071048584287372947},
        {"68656c6c6fff776f726c648120616e64206d6f7265207468616e207369787465656efe",
         3731773849652976928},
        {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint8_t key[64];
        size_t len = from_hex(ROWS[i].hex, key);
        assert_true(chat__cql_token(chat__view(key, len)) == ROWS[i].token);
    }
}

static void a_routing_key_of_several_parts_has_their_lengths(void **state)
{
    chat_view parts[2] = {chat__view_str("ab"), chat__view_str("c")};
    chat__buf buf;
    (void)state;
    chat__buf_init(&buf, NULL, 1000);
    assert_int_equal(chat__cql_routing_key(parts, 1, &buf), CHAT_OK);
    assert_int_equal(buf.len, 2);
    buf.len = 0;
    assert_int_equal(chat__cql_routing_key(parts, 2, &buf), CHAT_OK);
    assert_int_equal(buf.len, 9);
    assert_memory_equal(buf.data, "\0\2ab\0\0\1c\0", 9);
    parts[1].len = 65536;
    assert_int_equal(chat__cql_routing_key(parts, 2, &buf), CHAT_ERR_LIMIT);
    assert_int_equal(buf.len, 9);
    chat__buf_done(&buf);
}

static void put(chat__cql_ring *ring, const char *token, uint32_t host)
{
    assert_int_equal(chat__cql_ring_add(ring, chat__view_str(token), host), CHAT_OK);
}

static void replicas_are_the_next_hosts_clockwise(void **state)
{
    static const struct {
        int64_t token;
        size_t max, n;
        uint32_t hosts[3];
    } ROWS[] = {
        {-100, 3, 3, {2, 0, 1}}, {-99, 1, 1, {0}},          {0, 2, 2, {0, 1}},
        {51, 3, 3, {2, 0, 1}},   {INT64_MAX, 2, 2, {2, 0}}, {INT64_MIN, 9, 3, {2, 0, 1}},
    };
    chat__cql_ring ring;
    uint32_t hosts[9];
    (void)state;
    chat__cql_ring_init(&ring, NULL, 16);
    chat__cql_ring_sort(&ring);
    assert_int_equal(chat__cql_ring_replicas(&ring, 0, hosts, 9), 0);
    put(&ring, "50", 1);
    put(&ring, "0", 0);
    put(&ring, "-100", 2);
    put(&ring, "25", 0);
    chat__cql_ring_sort(&ring);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        assert_int_equal(chat__cql_ring_replicas(&ring, ROWS[i].token, hosts, ROWS[i].max),
                         ROWS[i].n);
        assert_memory_equal(hosts, ROWS[i].hosts, ROWS[i].n * sizeof hosts[0]);
    }
    chat__cql_ring_done(&ring);
}

static void a_token_is_a_number_of_64_bits(void **state)
{
    static const char *const WRONG[] = {
        "", "-", "1x", "+1", "9223372036854775808", "-9223372036854775809", "99999999999999999999"};
    chat__cql_ring ring;
    (void)state;
    chat__cql_ring_init(&ring, NULL, 2);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        assert_int_equal(chat__cql_ring_add(&ring, chat__view_str(WRONG[i]), 0), CHAT_ERR_ARG);
    put(&ring, "9223372036854775807", 0);
    put(&ring, "-9223372036854775808", 1);
    chat__cql_ring_sort(&ring);
    assert_true(ring.items[0].token == INT64_MIN && ring.items[1].token == INT64_MAX);
    chat__cql_ring_done(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_cassandra),
        cmocka_unit_test(a_routing_key_of_several_parts_has_their_lengths),
        cmocka_unit_test(replicas_are_the_next_hosts_clockwise),
        cmocka_unit_test(a_token_is_a_number_of_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
