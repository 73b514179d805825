/* SPDX-License-Identifier: MIT */
/* Bodies of requests. See wire.h. */
#include "backends/etcd/wire.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>

#define NUMBER_BYTES 24u

chat__etcd_writer chat__etcd_write(chat__buf *buf)
{
    chat__etcd_writer writer = {buf, 0, CHAT_OK};
    return writer;
}

static void put(chat__etcd_writer *writer, const char *text, size_t len)
{
    if (writer->status == CHAT_OK)
        writer->status = chat__buf_append(writer->buf, text, len);
}

void chat__etcd_put_raw(chat__etcd_writer *writer, const char *text)
{
    put(writer, text, strlen(text));
}

static void put_u64(chat__etcd_writer *writer, const char *name, uint64_t value)
{
    char number[NUMBER_BYTES];
    (void)snprintf(number, sizeof number, "%" PRIu64, value);
    chat__etcd_put_raw(writer, name);
    chat__etcd_put_raw(writer, number);
    chat__etcd_put_raw(writer, "\"");
}

static void put_base64(chat__etcd_writer *writer, chat_view bytes)
{
    static const char alphabet[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put(writer, "\"", 1);
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= n > 2 ? bytes.data[i + 2] : 0;
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                         n > 1 ? alphabet[bits >> 6 & 63] : '=', n > 2 ? alphabet[bits & 63] : '='};
        put(writer, group, sizeof group);
    }
    put(writer, "\"", 1);
}

static void put_key(chat__etcd_writer *writer, const char *name, const char *key)
{
    chat__etcd_put_raw(writer, name);
    put_base64(writer, chat__view_str(key));
}

void chat__etcd_put_string(chat__etcd_writer *writer, chat_view text)
{
    char code[8];
    put(writer, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20)
            (void)snprintf(code, sizeof code, "\\u%04x", c);
        else
            (void)snprintf(code, sizeof code, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
        chat__etcd_put_raw(writer, code);
    }
    put(writer, "\"", 1);
}

void chat__etcd_put_grant(chat__etcd_writer *writer, uint64_t ttl_s)
{
    put_u64(writer, "{\"TTL\":\"", ttl_s);
    chat__etcd_put_raw(writer, "}");
}

void chat__etcd_put_lease(chat__etcd_writer *writer, uint64_t lease)
{
    put_u64(writer, "{\"ID\":\"", lease);
    chat__etcd_put_raw(writer, "}");
}

void chat__etcd_put_watch(chat__etcd_writer *writer, const char *from, const char *end)
{
    put_key(writer, "{\"create_request\":{\"key\":", from);
    put_key(writer, ",\"range_end\":", end);
    chat__etcd_put_raw(writer, "}}");
}

/* --- transactions --- */

static void separate(chat__etcd_writer *writer)
{
    if (writer->n_items++ > 0)
        chat__etcd_put_raw(writer, ",");
}

void chat__etcd_txn_begin(chat__etcd_writer *writer)
{
    writer->n_items = 0;
    chat__etcd_put_raw(writer, "{\"compare\":[");
}

static void compare(chat__etcd_writer *writer, const char *key, const char *what, uint64_t value)
{
    separate(writer);
    put_key(writer, "{\"key\":", key);
    put_u64(writer, what, value);
    chat__etcd_put_raw(writer, "}");
}

void chat__etcd_txn_if_absent(chat__etcd_writer *writer, const char *key)
{
    compare(writer, key, ",\"target\":\"CREATE\",\"create_revision\":\"", 0);
}

void chat__etcd_txn_if_revision(chat__etcd_writer *writer, const char *key, uint64_t revision)
{
    compare(writer, key, ",\"target\":\"MOD\",\"mod_revision\":\"", revision);
}

void chat__etcd_txn_if_lease(chat__etcd_writer *writer, const char *key, uint64_t lease)
{
    compare(writer, key, ",\"target\":\"LEASE\",\"lease\":\"", lease);
}

void chat__etcd_txn_then(chat__etcd_writer *writer)
{
    writer->n_items = 0;
    chat__etcd_put_raw(writer, "],\"success\":[");
}

void chat__etcd_txn_otherwise(chat__etcd_writer *writer)
{
    writer->n_items = 0;
    chat__etcd_put_raw(writer, "],\"failure\":[");
}

void chat__etcd_txn_put(chat__etcd_writer *writer, const char *key, chat_view value, uint64_t lease)
{
    separate(writer);
    put_key(writer, "{\"request_put\":{\"key\":", key);
    chat__etcd_put_raw(writer, ",\"value\":");
    put_base64(writer, value);
    if (lease != 0)
        put_u64(writer, ",\"lease\":\"", lease);
    chat__etcd_put_raw(writer, "}}");
}

void chat__etcd_txn_range(chat__etcd_writer *writer, const char *from, const char *end)
{
    separate(writer);
    put_key(writer, "{\"request_range\":{\"key\":", from);
    if (end != NULL)
        put_key(writer, ",\"range_end\":", end);
    chat__etcd_put_raw(writer, "}}");
}

void chat__etcd_txn_delete(chat__etcd_writer *writer, const char *key)
{
    separate(writer);
    put_key(writer, "{\"request_delete_range\":{\"key\":", key);
    chat__etcd_put_raw(writer, "}}");
}

void chat__etcd_txn_end(chat__etcd_writer *writer)
{
    chat__etcd_put_raw(writer, "]}");
}
