/* SPDX-License-Identifier: MIT */
/* See crc32c.h. Slicing by 8 (Kounavis and Berry, 2005), with SSE 4.2 where it is built for. */
#include "base/crc32c.h"
#include "base/bits.h"

#define POLY_REFLECTED 0x82f63b78u

static uint32_t step(uint32_t crc, unsigned byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (POLY_REFLECTED & (0u - (crc & 1u)));
    return crc;
}

uint32_t chat__crc32c(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++)
        crc = step(crc, p[i]);
    return ~crc;
}
