/* SPDX-License-Identifier: MIT */
/*
 * One record of the log as bytes: encode, decode, check, erase. Pure. docs/storage.md has the same
 * table. Two checksums: the head's covers all that leads on to other records, so that a hop along a
 * chain reads no payload, and a damaged payload costs itself alone.
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
    uint8_t is_erased; /* what was said is overwritten, or is just being overwritten */
    chat_view chat;    /* borrowed */
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

/* Whether the payload is what was written; `payload` has record->payload_len bytes. Of an erased
   record the content is overwritten there, whatever of it was left. */
int chat__record_take_payload(const chat__record *record, uint8_t *payload);

/* What is to be written to erase a record, in this order, each durable before the next: any mixture
   of what was there and what is written is a good record, so the power may go at any moment. */
typedef enum chat__erase_step {
    CHAT__ERASE_HEAD, /* the sum of the head says that it is erased */
    CHAT__ERASE_SUM,  /* the sum of the payload is that of the overwritten one */
    CHAT__ERASE_BODY, /* the content is overwritten */
    CHAT__ERASE_STEPS
} chat__erase_step;

typedef struct chat__erase_part {
    size_t at; /* in the record's bytes */
    size_t len;
} chat__erase_part;

/*
 * Make of a whole record, that chat__record_decode() and chat__record_take_payload() have found
 * good (or not: `is_damaged`, then all of its payload goes and its sums stay), what it is once
 * erased. The parts are to be copied to the log; one may be empty.
 */
void chat__record_erase(const chat__record *record, uint8_t *bytes, uint64_t salt, int is_damaged,
                        chat__erase_part out_parts[CHAT__ERASE_STEPS]);

#endif
