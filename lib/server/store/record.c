/* SPDX-License-Identifier: MIT */
/* See record.h. */
#include "store/record.h"
#include "base/bits.h"
#include "base/crc32c.h"
#include "base/view.h"
#include "wire/wire.h"

#include <string.h>

/* What content is overwritten with: UTF-8, so that the frame stays one. */
#define BLANK ' '

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
   record is one here. An erased record has another sum, without that of its payload: so four bytes
   turn one into the other, and they lie in one sector. */
static uint32_t head_crc(const uint8_t *bytes, size_t chat_len, uint64_t salt, uint64_t at,
                         int is_erased)
{
    uint8_t front[20 + AT_PARTITION - AT_PAYLOAD_CRC];
    chat__store64le(front, salt);
    chat__store64le(front + 8, at);
    memcpy(front + 16, bytes, 4);
    memcpy(front + 20, bytes + AT_PAYLOAD_CRC, AT_PARTITION - AT_PAYLOAD_CRC);
    if (is_erased) {
        memset(front + 20, 0, 4);
        front[sizeof front - 1] = 1;
    }
    uint32_t crc = chat__crc32c(0, front, sizeof front);
    return chat__crc32c(crc, bytes + AT_PARTITION,
                        CHAT__RECORD_HEAD_BYTES - AT_PARTITION + chat_len);
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
    chat__store32le(out + AT_HEAD_CRC, head_crc(out, chat_len, salt, record->at, 0));
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
    uint32_t crc = chat__load32le(bytes + AT_HEAD_CRC);
    out->is_erased = crc != head_crc(bytes, chat_len, salt, at, 0);
    if (out->is_erased && crc != head_crc(bytes, chat_len, salt, at, 1))
        return 0;
    load(bytes, out);
    out->at = at;
    out->payload_len = used - keyed;
    out->chat.data = bytes + CHAT__RECORD_HEAD_BYTES;
    out->chat.len = chat_len;
    /* Chains lead backwards only, so that following one always ends. */
    return out->prev_at < at && out->skip_at < at && out->ordinal > 0;
}

/* Where the content is in a payload; empty when it has none. */
static chat__erase_part body_of(const uint8_t *payload, size_t len)
{
    chat_view body;
    chat__erase_part part = {0, 0};
    if (chat__frame_find_text(chat__view(payload, len), CHAT_FIELD_KEY_BODY, &body) == CHAT_OK) {
        part.at = (size_t)(body.data - payload);
        part.len = body.len;
    }
    return part;
}

static chat__erase_part blank(uint8_t *payload, size_t len)
{
    chat__erase_part body = body_of(payload, len);
    memset(payload + body.at, BLANK, body.len);
    return body;
}

int chat__record_take_payload(const chat__record *record, uint8_t *payload)
{
    size_t len = record->payload_len;
    int is_good = chat__crc32c(0, payload, len) == record->payload_crc;
    if (!record->is_erased)
        return is_good;
    (void)blank(payload, len);
    /* As it was before it was erased, or as it is to be. */
    return is_good || chat__crc32c(0, payload, len) == record->payload_crc;
}

void chat__record_erase(const chat__record *record, uint8_t *bytes, uint64_t salt, int is_damaged,
                        chat__erase_part out_parts[CHAT__ERASE_STEPS])
{
    size_t keyed = CHAT__RECORD_HEAD_BYTES + record->chat.len;
    chat__erase_part body = {0, record->payload_len};
    memset(out_parts, 0, CHAT__ERASE_STEPS * sizeof *out_parts);
    if (is_damaged)
        memset(bytes + keyed, BLANK, body.len);
    else
        body = blank(bytes + keyed, record->payload_len);
    out_parts[CHAT__ERASE_BODY].at = keyed + body.at;
    out_parts[CHAT__ERASE_BODY].len = body.len;
    if (is_damaged || body.len == 0)
        return;
    chat__store32le(bytes + AT_PAYLOAD_CRC, chat__crc32c(0, bytes + keyed, record->payload_len));
    chat__store32le(bytes + AT_HEAD_CRC, head_crc(bytes, record->chat.len, salt, record->at, 1));
    out_parts[CHAT__ERASE_HEAD] = (chat__erase_part){AT_HEAD_CRC, 4};
    out_parts[CHAT__ERASE_SUM] = (chat__erase_part){AT_PAYLOAD_CRC, 4};
}
