/* SPDX-License-Identifier: MIT */
/* See wire.h. */
#include "backends/cassandra/wire.h"

#include "base/bits.h"
#include "base/view.h"

#include <string.h>

/* --- reading --- */

chat__cql_reader chat__cql_read(chat_view bytes)
{
    chat__cql_reader reader = {bytes.data, bytes.data + bytes.len, 0};
    return reader;
}

chat_view chat__cql_get_raw(chat__cql_reader *reader, size_t n)
{
    if (reader->is_bad || (size_t)(reader->end - reader->at) < n) {
        reader->is_bad = 1;
        return chat__view(NULL, 0);
    }
    chat_view view = chat__view(reader->at, n);
    reader->at += n;
    return view;
}

uint8_t chat__cql_get_u8(chat__cql_reader *reader)
{
    chat_view raw = chat__cql_get_raw(reader, 1);
    return raw.len == 1 ? raw.data[0] : 0;
}

uint16_t chat__cql_get_u16(chat__cql_reader *reader)
{
    chat_view raw = chat__cql_get_raw(reader, 2);
    return raw.len == 2 ? chat__load16be(raw.data) : 0;
}

int32_t chat__cql_get_i32(chat__cql_reader *reader)
{
    chat_view raw = chat__cql_get_raw(reader, 4);
    return raw.len == 4 ? (int32_t)chat__load32be(raw.data) : 0;
}

chat_view chat__cql_get_string(chat__cql_reader *reader)
{
    return chat__cql_get_raw(reader, chat__cql_get_u16(reader));
}

chat_view chat__cql_get_bytes(chat__cql_reader *reader)
{
    int32_t len = chat__cql_get_i32(reader);
    return len < 0 ? chat__view(NULL, 0) : chat__cql_get_raw(reader, (size_t)len);
}

chat_status chat__cql_read_header(chat_view bytes, chat__cql_header *out)
{
    if (bytes.len > 0 && bytes.data[0] != CHAT__CQL_RESPONSE)
        return bytes.data[0] >= CHAT__CQL_OLDEST_RESPONSE &&
                       bytes.data[0] <= CHAT__CQL_NEWEST_RESPONSE
                   ? CHAT_ERR_VERSION
                   : CHAT_ERR_PROTOCOL;
    if (bytes.len < CHAT__CQL_HEADER_BYTES)
        return CHAT_MORE;
    out->flags = bytes.data[1];
    out->stream = (int16_t)chat__load16be(bytes.data + 2);
    out->opcode = bytes.data[4];
    out->body_len = chat__load32be(bytes.data + 5);
    return CHAT_OK;
}

/* --- writing --- */

void chat__cql_put_raw(chat__cql_writer *writer, chat_view bytes)
{
    if (writer->status == CHAT_OK)
        writer->status = chat__buf_append(writer->buf, bytes.data, bytes.len);
}

void chat__cql_begin(chat__cql_writer *writer, chat__buf *buf, chat__cql_opcode opcode,
                     uint16_t stream)
{
    writer->buf = buf;
    writer->start = buf->len;
    writer->status = CHAT_OK;
    chat__cql_put_u8(writer, CHAT__CQL_REQUEST);
    chat__cql_put_u8(writer, 0);
    chat__cql_put_u16(writer, stream);
    chat__cql_put_u8(writer, (uint8_t)opcode);
    chat__cql_put_i32(writer, 0); /* the length: chat__cql_end() */
}

void chat__cql_put_u8(chat__cql_writer *writer, uint8_t value)
{
    chat__cql_put_raw(writer, chat__view(&value, 1));
}

void chat__cql_put_u16(chat__cql_writer *writer, uint16_t value)
{
    uint8_t raw[2];
    chat__store16be(raw, value);
    chat__cql_put_raw(writer, chat__view(raw, sizeof raw));
}

void chat__cql_put_i32(chat__cql_writer *writer, int32_t value)
{
    uint8_t raw[4];
    chat__store32be(raw, (uint32_t)value);
    chat__cql_put_raw(writer, chat__view(raw, sizeof raw));
}

void chat__cql_put_u64(chat__cql_writer *writer, uint64_t value)
{
    uint8_t raw[8];
    chat__store64be(raw, value);
    chat__cql_put_raw(writer, chat__view(raw, sizeof raw));
}

void chat__cql_put_string(chat__cql_writer *writer, chat_view text)
{
    if (text.len > UINT16_MAX)
        writer->status = CHAT_ERR_LIMIT;
    chat__cql_put_u16(writer, (uint16_t)text.len);
    chat__cql_put_raw(writer, text);
}

void chat__cql_put_long_string(chat__cql_writer *writer, chat_view text)
{
    if (text.len > INT32_MAX)
        writer->status = CHAT_ERR_LIMIT;
    chat__cql_put_i32(writer, (int32_t)text.len);
    chat__cql_put_raw(writer, text);
}

void chat__cql_put_bytes(chat__cql_writer *writer, chat_view bytes)
{
    if (bytes.data == NULL)
        chat__cql_put_i32(writer, -1);
    else
        chat__cql_put_long_string(writer, bytes);
}

chat_status chat__cql_end(chat__cql_writer *writer)
{
    if (writer->status != CHAT_OK) {
        writer->buf->len = writer->start;
        return writer->status;
    }
    size_t body_len = writer->buf->len - writer->start - CHAT__CQL_HEADER_BYTES;
    chat__store32be(writer->buf->data + writer->start + 5, (uint32_t)body_len);
    return CHAT_OK;
}
