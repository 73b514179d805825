/* SPDX-License-Identifier: MIT */
/* WebSocket frames for the benchmarks: see wsframe.h. */
#include "wsframe.h"

#include <string.h>

#include "base/bits.h"

int bench_ws_read(uint8_t *bytes, size_t len, bench_ws_frame *out)
{
    size_t head = 2;
    uint64_t payload;
    int is_masked;

    if (len < head)
        return 0;
    if ((bytes[0] & 0xb0) != 0x80)
        return -1;
    is_masked = (bytes[1] & 0x80) != 0;
    payload = bytes[1] & 0x7f;
    head += payload == 126 ? 2 : payload == 127 ? 8 : 0;
    head += is_masked ? 4 : 0;
    if (len < head)
        return 0;
    if (payload == 126)
        payload = chat__load16be(bytes + 2);
    else if (payload == 127)
        payload = chat__load64be(bytes + 2);
    if (payload > UINT32_MAX)
        return -1;
    if (len - head < payload)
        return 0;
    out->opcode = bytes[0] & 0x0f;
    out->is_compressed = (bytes[0] & 0x40) != 0;
    out->payload = bytes + head;
    out->len = (size_t)payload;
    out->total = head + out->len;
    if (is_masked)
        bench_ws_mask(out->payload, out->len, bytes + head - 4);
    return 1;
}

size_t bench_ws_head(uint8_t *out, uint8_t opcode, size_t len, const uint8_t mask[4])
{
    size_t at = 2;

    out[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        out[1] = (uint8_t)len;
    } else if (len <= UINT16_MAX) {
        out[1] = 126;
        chat__store16be(out + 2, (uint16_t)len);
        at = 4;
    } else {
        out[1] = 127;
        chat__store64be(out + 2, len);
        at = 10;
    }
    if (mask != NULL) {
        out[1] |= 0x80;
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}

void bench_ws_mask(uint8_t *bytes, size_t len, const uint8_t mask[4])
{
    uint64_t wide, word;
    size_t i = 0;

    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, bytes + i, 8);
        word ^= wide;
        memcpy(bytes + i, &word, 8);
    }
    for (; i < len; i++)
        bytes[i] ^= mask[i & 3];
}
