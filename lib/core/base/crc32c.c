/* SPDX-License-Identifier: MIT */
/*
 * See crc32c.h. Slicing by 8 (Kounavis and Berry, 2005). The remainder of a byte is the exclusive
 * or of the remainders of its bits, so each of the eight tables is written down as eight numbers
 * and the compiler makes the other 248 of them.
 */
#include "base/crc32c.h"
#include "base/bits.h"

/* Remainder of the byte `b`, from those of 0x01, 0x02, 0x04 .. 0x80. */
#define ENTRY(b, c0, c1, c2, c3, c4, c5, c6, c7)                                                   \
    (((b)&1u) * (c0)) ^ (((b) >> 1 & 1u) * (c1)) ^ (((b) >> 2 & 1u) * (c2)) ^                      \
        (((b) >> 3 & 1u) * (c3)) ^ (((b) >> 4 & 1u) * (c4)) ^ (((b) >> 5 & 1u) * (c5)) ^           \
        (((b) >> 6 & 1u) * (c6)) ^ (((b) >> 7 & 1u) * (c7))
#define ENTRIES_4(b, ...)                                                                          \
    ENTRY((b), __VA_ARGS__), ENTRY((b) + 1u, __VA_ARGS__), ENTRY((b) + 2u, __VA_ARGS__),           \
        ENTRY((b) + 3u, __VA_ARGS__)
#define ENTRIES_16(b, ...)                                                                         \
    ENTRIES_4((b), __VA_ARGS__), ENTRIES_4((b) + 4u, __VA_ARGS__),                                 \
        ENTRIES_4((b) + 8u, __VA_ARGS__), ENTRIES_4((b) + 12u, __VA_ARGS__)
#define ENTRIES_64(b, ...)                                                                         \
    ENTRIES_16((b), __VA_ARGS__), ENTRIES_16((b) + 16u, __VA_ARGS__),                              \
        ENTRIES_16((b) + 32u, __VA_ARGS__), ENTRIES_16((b) + 48u, __VA_ARGS__)
#define SLICE(...)                                                                                 \
    {                                                                                              \
        ENTRIES_64(0u, __VA_ARGS__), ENTRIES_64(64u, __VA_ARGS__), ENTRIES_64(128u, __VA_ARGS__),  \
            ENTRIES_64(192u, __VA_ARGS__)                                                          \
    }

/* SLICES[k]: remainders of a byte with k zero bytes behind it. */
static const uint32_t SLICES[8][256] = {
    SLICE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu, 0x20bd8edeu, 0x417b1dbcu,
          0x82f63b78u),
    SLICE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u, 0x7f8be302u, 0xff17c604u,
          0xfbc3faf9u),
    SLICE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au, 0xe144fb14u, 0xc76580d9u,
          0x8b277743u),
    SLICE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du, 0xd725148bu, 0xaba65fe7u,
          0x52a0c93fu),
    SLICE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u, 0x1ba8b557u, 0x37516aaeu,
          0x6ea2d55cu),
    SLICE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu, 0x85f4168du, 0x0e045bebu,
          0x1c08b7d6u),
    SLICE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u, 0x3d5b83bdu, 0x7ab7077au,
          0xf56e0ef4u),
    SLICE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u, 0x0d006599u, 0x1a00cb32u,
          0x34019664u),
};

uint32_t chat__crc32c_sliced(uint32_t crc, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint32_t low = chat__load32le(p) ^ crc;
        uint32_t high = chat__load32le(p + 4);
        crc = SLICES[7][low & 0xff] ^ SLICES[6][low >> 8 & 0xff] ^ SLICES[5][low >> 16 & 0xff] ^
              SLICES[4][low >> 24] ^ SLICES[3][high & 0xff] ^ SLICES[2][high >> 8 & 0xff] ^
              SLICES[1][high >> 16 & 0xff] ^ SLICES[0][high >> 24];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ SLICES[0][(crc ^ *p) & 0xff];
    return ~crc;
}
