/* SPDX-License-Identifier: MIT */
/* Integers in byte order, on any alignment. */
#ifndef CHAT_BASE_BITS_H
#define CHAT_BASE_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint16_t chat__load16be(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t chat__load32be(const uint8_t *p)
{
    return (uint32_t)chat__load16be(p) << 16 | chat__load16be(p + 2);
}

static inline uint64_t chat__load64be(const uint8_t *p)
{
    return (uint64_t)chat__load32be(p) << 32 | chat__load32be(p + 4);
}

static inline void chat__store16be(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void chat__store32be(uint8_t *p, uint32_t value)
{
    chat__store16be(p, (uint16_t)(value >> 16));
    chat__store16be(p + 2, (uint16_t)value);
}

static inline void chat__store64be(uint8_t *p, uint64_t value)
{
    chat__store32be(p, (uint32_t)(value >> 32));
    chat__store32be(p + 4, (uint32_t)value);
}

static inline uint32_t chat__load32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t chat__load64le(const uint8_t *p)
{
    return (uint64_t)chat__load32le(p) | (uint64_t)chat__load32le(p + 4) << 32;
}

static inline void chat__store32le(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}

static inline void chat__store64le(uint8_t *p, uint64_t value)
{
    chat__store32le(p, (uint32_t)value);
    chat__store32le(p + 4, (uint32_t)(value >> 32));
}

#endif
