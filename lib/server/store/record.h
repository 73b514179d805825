/* SPDX-License-Identifier: MIT */
/*
 * One record of the log as bytes: encode, decode, check. Pure. docs/storage.md has the same table.
 * Two checksums: the head's covers all that leads on to other records, so that a hop along a chain
 * reads no payload, and a damaged payload costs itself alone.
 */
#ifndef CHAT_STORE_RECORD_H
#define CHAT_STORE_RECORD_H

#include <chat/status.h>

#define CHAT__RECORD_HEAD_BYTES  88u
#define CHAT__RECORD_ALIGN       8u
#define CHAT__RECORD_PAYLOAD_MAX (1u << 20)
/* Head and chat key of any record. */
#define CHAT__RECORD_KEYED_MAX (CHAT__RECORD_HEAD_BYTES + CHAT_CHAT_ID_MAX_BYTES)

typedef struct chat__record {
    uint64_t at; /* position in the log */
    uint64_t offset;
    uint64_t seq;
    uint64_t id;
    uint64_t prev_seq;
    uint64_t prev_at; /* record before it in its chat, 0: none */
    uint64_t skip_at; /* an older one, see chain.h; 0: none or not known */
    uint64_t skip_seq;
    uint64_t ordinal; /* 1 for the first of the chat */
    uint32_t partition;
    uint32_t batch;
    uint32_t payload_crc;
    uint32_t payload_len;
    uint16_t kind;
    chat_view chat; /* borrowed */
} chat__record;

/* Bytes in the log, padding included. */
uint64_t chat__record_size(size_t chat_len, size_t payload_len);

/* Write chat__record_size() bytes. `salt` is the segment's; payload_crc and _len are computed. */
void chat__record_encode(const chat__record *record, chat_view payload, uint64_t salt,
                         uint8_t *out);

/*
 * Whether `bytes` start with a record's head that was written for this place. The payload, which
 * may be longer than `len` says is there, is not looked at. `out->chat` borrows from `bytes`.
 */
int chat__record_decode(const uint8_t *bytes, size_t len, uint64_t salt, uint64_t at,
                        chat__record *out);

/* Whether the payload is what was written; `payload` has record->payload_len bytes. */
int chat__record_payload_is_good(const chat__record *record, const uint8_t *payload);

#endif
