/* SPDX-License-Identifier: MIT */
/* What a scripted Cassandra says of its cluster. */
#ifndef CHAT_TESTS_CASSANDRA_ROWS_H
#define CHAT_TESTS_CASSANDRA_ROWS_H

#include "backends/cassandra/result.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

#define ROWS_MAX_TOKENS 2

typedef struct rows_node {
    uint8_t id; /* 16 times */
    const char *datacenter, *rack;
    const char *tokens[ROWS_MAX_TOKENS];
    uint8_t address[4];
} rows_node;

static inline void rows_put_text(chat__cql_writer *writer, const char *text)
{
    chat__cql_put_bytes(writer, chat__view_str(text));
}

/* One column after the other: type does not matter here, none is named. */
static inline void rows_head(chat__cql_writer *writer, uint32_t n_columns, uint32_t n_rows)
{
    chat__cql_put_i32(writer, CHAT__CQL_ROWS);
    chat__cql_put_i32(writer, 4); /* no metadata */
    chat__cql_put_i32(writer, (int32_t)n_columns);
    chat__cql_put_i32(writer, (int32_t)n_rows);
}

static inline void rows_put_node(chat__cql_writer *writer, const rows_node *node)
{
    uint8_t id[16];
    int32_t n_tokens = 0, bytes = 4;
    memset(id, node->id, sizeof id);
    chat__cql_put_bytes(writer, chat__view(id, sizeof id));
    rows_put_text(writer, node->datacenter);
    rows_put_text(writer, node->rack);
    for (int i = 0; i < ROWS_MAX_TOKENS && node->tokens[i] != NULL; i++, n_tokens++)
        bytes += 4 + (int32_t)strlen(node->tokens[i]);
    chat__cql_put_i32(writer, n_tokens > 0 ? bytes : -1);
    if (n_tokens > 0)
        chat__cql_put_i32(writer, n_tokens);
    for (int i = 0; i < n_tokens; i++)
        rows_put_text(writer, node->tokens[i]);
    chat__cql_put_bytes(writer, chat__view(node->address, 4));
}

static inline void rows_write_nodes(chat__buf *buf, const rows_node *nodes, uint32_t n)
{
    chat__cql_writer writer = {buf, 0, CHAT_OK};
    chat__buf_init(buf, NULL, 65536);
    rows_head(&writer, 5, n);
    for (uint32_t i = 0; i < n; i++)
        rows_put_node(&writer, &nodes[i]);
    assert_int_equal(writer.status, CHAT_OK);
}

/* A row with a map of text, key and value in turn. */
static inline void rows_write_keyspace(chat__buf *buf, const char *const *pairs, uint32_t n_pairs)
{
    chat__cql_writer writer = {buf, 0, CHAT_OK};
    int32_t bytes = 4;
    chat__buf_init(buf, NULL, 65536);
    for (uint32_t i = 0; i < 2 * n_pairs; i++)
        bytes += 4 + (int32_t)strlen(pairs[i]);
    rows_head(&writer, 1, 1);
    chat__cql_put_i32(&writer, bytes);
    chat__cql_put_i32(&writer, (int32_t)n_pairs);
    for (uint32_t i = 0; i < 2 * n_pairs; i++)
        rows_put_text(&writer, pairs[i]);
    assert_int_equal(writer.status, CHAT_OK);
}

static inline void rows_of_nodes(chat__buf *buf, chat__cql_result *out, const rows_node *nodes,
                                 uint32_t n)
{
    rows_write_nodes(buf, nodes, n);
    assert_int_equal(chat__cql_read_result(chat__buf_view(buf), out), CHAT_OK);
}

static inline void rows_of_keyspace(chat__buf *buf, chat__cql_result *out, const char *const *pairs,
                                    uint32_t n_pairs)
{
    rows_write_keyspace(buf, pairs, n_pairs);
    assert_int_equal(chat__cql_read_result(chat__buf_view(buf), out), CHAT_OK);
}

#endif
