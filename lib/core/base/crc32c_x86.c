/* SPDX-License-Identifier: MIT */
/* CRC-32C with the instruction that SSE 4.2 has for it, where the processor has that. */
#include "base/crc32c.h"

#include <string.h>

__attribute__((target("sse4.2"))) static uint32_t with_instruction(uint32_t crc, const void *bytes,
                                                                   size_t len)
{
    const uint8_t *p = bytes;
    uint64_t sum = ~crc;
    uint64_t words[4], word;
    uint32_t half;
    for (; len >= sizeof words; p += sizeof words, len -= sizeof words) {
        memcpy(words, p, sizeof words);
        sum = __builtin_ia32_crc32di(sum, words[0]);
        sum = __builtin_ia32_crc32di(sum, words[1]);
        sum = __builtin_ia32_crc32di(sum, words[2]);
        sum = __builtin_ia32_crc32di(sum, words[3]);
    }
    for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
        memcpy(&word, p, sizeof word);
        sum = __builtin_ia32_crc32di(sum, word);
    }
    crc = (uint32_t)sum;
    if (len >= sizeof half) {
        memcpy(&half, p, sizeof half);
        crc = __builtin_ia32_crc32si(crc, half);
        p += sizeof half;
        len -= sizeof half;
    }
    for (; len > 0; p++, len--)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return ~crc;
}

uint32_t chat__crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? with_instruction(crc, bytes, len)
                                            : chat__crc32c_sliced(crc, bytes, len);
}
