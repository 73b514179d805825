/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include "store/record.h"
#include "base/bits.h"
#include "base/crc32c.h"

#include <string.h>

enum {
    AT_LENGTH = 0,
    AT_HEAD_CRC = 4,
    AT_PAYLOAD_CRC = 8,
    AT_KIND = 12,
    AT_CHAT_LEN = 14, /* one byte; the next is 0 */
    AT_PARTITION = 16,
    AT_BATCH = 20,
    AT_OFFSET = 24,
    AT_SEQ = 32,
    AT_ID = 40,
    AT_PREV_SEQ = 48,
    AT_PREV_AT = 56,
    AT_SKIP_AT = 64,
    AT_SKIP_SEQ = 72,
    AT_ORDINAL = 80
};

uint64_t chat__record_size(size_t chat_len, size_t payload_len)
{
    uint64_t bytes = CHAT__RECORD_HEAD_BYTES + (uint64_t)chat_len + payload_len;
    return (bytes + (CHAT__RECORD_ALIGN - 1)) & ~(uint64_t)(CHAT__RECORD_ALIGN - 1);
}

/* Salt and place are in the sum: neither an older file's bytes nor a message that contains a
   record is one here. */
static uint32_t head_crc(const uint8_t *bytes, size_t chat_len, uint64_t salt, uint64_t at)
{
    uint8_t place[20];
    chat__store64le(place, salt);
    chat__store64le(place + 8, at);
    memcpy(place + 16, bytes, 4);
    uint32_t crc = chat__crc32c(0, place, sizeof place);
    return chat__crc32c(crc, bytes + AT_PAYLOAD_CRC,
                        CHAT__RECORD_HEAD_BYTES - AT_PAYLOAD_CRC + chat_len);
}

void chat__record_encode(const chat__record *record, chat_view payload, uint64_t salt, uint8_t *out)
{
    size_t chat_len = record->chat.len;
    size_t used = CHAT__RECORD_HEAD_BYTES + chat_len + payload.len;
    chat__store32le(out + AT_LENGTH, (uint32_t)used);
    chat__store32le(out + AT_PAYLOAD_CRC, chat__crc32c(0, payload.data, payload.len));
    out[AT_KIND] = (uint8_t)record->kind;
    out[AT_KIND + 1] = (uint8_t)(record->kind >> 8);
    out[AT_CHAT_LEN] = (uint8_t)chat_len;
    out[AT_CHAT_LEN + 1] = 0;
    chat__store32le(out + AT_PARTITION, record->partition);
    chat__store32le(out + AT_BATCH, record->batch);
    chat__store64le(out + AT_OFFSET, record->offset);
    chat__store64le(out + AT_SEQ, record->seq);
    chat__store64le(out + AT_ID, record->id);
    chat__store64le(out + AT_PREV_SEQ, record->prev_seq);
    chat__store64le(out + AT_PREV_AT, record->prev_at);
    chat__store64le(out + AT_SKIP_AT, record->skip_at);
    chat__store64le(out + AT_SKIP_SEQ, record->skip_seq);
    chat__store64le(out + AT_ORDINAL, record->ordinal);
    memcpy(out + CHAT__RECORD_HEAD_BYTES, record->chat.data, chat_len);
    if (payload.len > 0)
        memcpy(out + CHAT__RECORD_HEAD_BYTES + chat_len, payload.data, payload.len);
    memset(out + used, 0, (size_t)(chat__record_size(chat_len, payload.len) - used));
    chat__store32le(out + AT_HEAD_CRC, head_crc(out, chat_len, salt, record->at));
}

static void load(const uint8_t *bytes, chat__record *out)
{
    out->payload_crc = chat__load32le(bytes + AT_PAYLOAD_CRC);
    out->kind = (uint16_t)(bytes[AT_KIND] | bytes[AT_KIND + 1] << 8);
    out->partition = chat__load32le(bytes + AT_PARTITION);
    out->batch = chat__load32le(bytes + AT_BATCH);
    out->offset = chat__load64le(bytes + AT_OFFSET);
    out->seq = chat__load64le(bytes + AT_SEQ);
    out->id = chat__load64le(bytes + AT_ID);
    out->prev_seq = chat__load64le(bytes + AT_PREV_SEQ);
    out->prev_at = chat__load64le(bytes + AT_PREV_AT);
    out->skip_at = chat__load64le(bytes + AT_SKIP_AT);
    out->skip_seq = chat__load64le(bytes + AT_SKIP_SEQ);
    out->ordinal = chat__load64le(bytes + AT_ORDINAL);
}

int chat__record_decode(const uint8_t *bytes, size_t len, uint64_t salt, uint64_t at,
                        chat__record *out)
{
    if (len < CHAT__RECORD_HEAD_BYTES)
        return 0;
    uint32_t used = chat__load32le(bytes + AT_LENGTH);
    uint32_t chat_len = bytes[AT_CHAT_LEN];
    uint32_t keyed = CHAT__RECORD_HEAD_BYTES + chat_len;
    if (chat_len == 0 || chat_len > CHAT_CHAT_ID_MAX_BYTES || bytes[AT_CHAT_LEN + 1] != 0 ||
        used < keyed || used - keyed > CHAT__RECORD_PAYLOAD_MAX || keyed > len)
        return 0;
    if (chat__load32le(bytes + AT_HEAD_CRC) != head_crc(bytes, chat_len, salt, at))
        return 0;
    load(bytes, out);
    out->at = at;
    out->payload_len = used - keyed;
    out->chat.data = bytes + CHAT__RECORD_HEAD_BYTES;
    out->chat.len = chat_len;
    /* Chains lead backwards only, so that following one always ends. */
    return out->prev_at < at && out->skip_at < at && out->ordinal > 0;
}

int chat__record_payload_is_good(const chat__record *record, const uint8_t *payload)
{
    return chat__crc32c(0, payload, record->payload_len) == record->payload_crc;
}
