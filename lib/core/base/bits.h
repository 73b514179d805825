/* SPDX-License-Identifier: MIT */
/* Integers in byte order, on any alignment. By copies and swaps: of single bytes that are stored
   compilers make vectors, and fifty instructions of what is one. */
#ifndef CHAT_BASE_BITS_H
#define CHAT_BASE_BITS_H

#include <stdint.h>
#include <string.h>

#define CHAT__IS_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

static inline uint16_t chat__load16be(const uint8_t *p)
{
    uint16_t value;
    memcpy(&value, p, sizeof value);
    return CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap16(value) : value;
}

static inline void chat__store16be(uint8_t *p, uint16_t value)
{
    value = CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap16(value) : value;
    memcpy(p, &value, sizeof value);
}

static inline uint32_t chat__load32be(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap32(value) : value;
}

static inline void chat__store32be(uint8_t *p, uint32_t value)
{
    value = CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap32(value) : value;
    memcpy(p, &value, sizeof value);
}

static inline uint64_t chat__load64be(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap64(value) : value;
}

static inline void chat__store64be(uint8_t *p, uint64_t value)
{
    value = CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap64(value) : value;
    memcpy(p, &value, sizeof value);
}

static inline uint32_t chat__load32le(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return !CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap32(value) : value;
}

static inline void chat__store32le(uint8_t *p, uint32_t value)
{
    value = !CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap32(value) : value;
    memcpy(p, &value, sizeof value);
}

static inline uint64_t chat__load64le(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return !CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap64(value) : value;
}

static inline void chat__store64le(uint8_t *p, uint64_t value)
{
    value = !CHAT__IS_LITTLE_ENDIAN ? __builtin_bswap64(value) : value;
    memcpy(p, &value, sizeof value);
}

#endif
