/* SPDX-License-Identifier: MIT */
/*
 * Frames of the CQL native protocol, version 4: bytes read with every length checked, bytes written
 * into a buffer. Numbers in brackets are sections of Cassandra's native_protocol_v4.spec.
 */
#ifndef CHAT_CASSANDRA_WIRE_H
#define CHAT_CASSANDRA_WIRE_H

#include "base/buf.h"

#define CHAT__CQL_HEADER_BYTES    9u /* [2] */
#define CHAT__CQL_REQUEST         0x04u
#define CHAT__CQL_RESPONSE        0x84u
#define CHAT__CQL_OLDEST_RESPONSE 0x81u
#define CHAT__CQL_NEWEST_RESPONSE 0x86u
#define CHAT__CQL_MAX_STREAMS     32768u /* [2.3] */

/* [2.2] */
#define CHAT__CQL_COMPRESSED 0x01u
#define CHAT__CQL_TRACED     0x02u
#define CHAT__CQL_PAYLOAD    0x04u
#define CHAT__CQL_WARNINGS   0x08u

/* [2.4] */
typedef enum chat__cql_opcode {
    CHAT__CQL_OP_ERROR = 0x00,
    CHAT__CQL_OP_STARTUP = 0x01,
    CHAT__CQL_OP_READY = 0x02,
    CHAT__CQL_OP_AUTHENTICATE = 0x03,
    CHAT__CQL_OP_OPTIONS = 0x05,
    CHAT__CQL_OP_SUPPORTED = 0x06,
    CHAT__CQL_OP_QUERY = 0x07,
    CHAT__CQL_OP_RESULT = 0x08,
    CHAT__CQL_OP_PREPARE = 0x09,
    CHAT__CQL_OP_EXECUTE = 0x0A,
    CHAT__CQL_OP_REGISTER = 0x0B,
    CHAT__CQL_OP_EVENT = 0x0C,
    CHAT__CQL_OP_BATCH = 0x0D,
    CHAT__CQL_OP_AUTH_CHALLENGE = 0x0E,
    CHAT__CQL_OP_AUTH_RESPONSE = 0x0F,
    CHAT__CQL_OP_AUTH_SUCCESS = 0x10
} chat__cql_opcode;

/* [3] */
typedef enum chat__cql_consistency {
    CHAT__CQL_ONE = 1,
    CHAT__CQL_QUORUM = 4,
    CHAT__CQL_ALL = 5,
    CHAT__CQL_LOCAL_QUORUM = 6,
    CHAT__CQL_SERIAL = 8,
    CHAT__CQL_LOCAL_SERIAL = 9,
    CHAT__CQL_LOCAL_ONE = 10
} chat__cql_consistency;

/* --- reading: what does not fit in reads as zero and sets is_bad --- */

typedef struct chat__cql_reader {
    const uint8_t *at, *end;
    int is_bad;
} chat__cql_reader;

chat__cql_reader chat__cql_read(chat_view bytes);
uint8_t chat__cql_get_u8(chat__cql_reader *reader);
uint16_t chat__cql_get_u16(chat__cql_reader *reader);
int32_t chat__cql_get_i32(chat__cql_reader *reader);
/* `n` bytes. */
chat_view chat__cql_get_raw(chat__cql_reader *reader, size_t n);
/* [string] and [short bytes]: a length of two bytes. */
chat_view chat__cql_get_string(chat__cql_reader *reader);
/* [bytes]: a length of four bytes; below zero is null, given as data NULL. */
chat_view chat__cql_get_bytes(chat__cql_reader *reader);

typedef struct chat__cql_header {
    uint8_t flags;
    int16_t stream;
    uint8_t opcode;
    uint32_t body_len;
} chat__cql_header;

/* CHAT_OK; CHAT_MORE: fewer than nine bytes; CHAT_ERR_VERSION: a response of another
   version; CHAT_ERR_PROTOCOL: none. */
chat_status chat__cql_read_header(chat_view bytes, chat__cql_header *out);

/* --- writing: one frame at a time at the end of a buffer --- */

typedef struct chat__cql_writer {
    chat__buf *buf;
    size_t start;
    chat_status status; /* the first that failed; nothing is written behind it */
} chat__cql_writer;

void chat__cql_begin(chat__cql_writer *writer, chat__buf *buf, chat__cql_opcode opcode,
                     uint16_t stream);
void chat__cql_put_u8(chat__cql_writer *writer, uint8_t value);
void chat__cql_put_u16(chat__cql_writer *writer, uint16_t value);
void chat__cql_put_i32(chat__cql_writer *writer, int32_t value);
void chat__cql_put_u64(chat__cql_writer *writer, uint64_t value);
void chat__cql_put_raw(chat__cql_writer *writer, chat_view bytes);
void chat__cql_put_string(chat__cql_writer *writer, chat_view text);
void chat__cql_put_long_string(chat__cql_writer *writer, chat_view text);
/* data NULL: null. */
void chat__cql_put_bytes(chat__cql_writer *writer, chat_view bytes);
/* CHAT_OK; CHAT_ERR_LIMIT, CHAT_ERR_NOMEM: the buffer is as it was before chat__cql_begin(). */
chat_status chat__cql_end(chat__cql_writer *writer);

#endif
