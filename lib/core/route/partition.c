/* SPDX-License-Identifier: MIT */
/*
 * The partitioner. murmur2 is Austin Appleby's 32-bit MurmurHash2 with the seed that the Java Kafka
 * client uses, so that any Kafka client puts a chat's records where this library does.
 */
#include <chat/partition.h>

#include "base/bits.h"

#define MURMUR2_SEED     UINT32_C(0x9747b28c)
#define MURMUR2_MULTIPLY UINT32_C(0x5bd1e995)
#define MURMUR2_SHIFT    24

static uint32_t mix(uint32_t word)
{
    word *= MURMUR2_MULTIPLY;
    word ^= word >> MURMUR2_SHIFT;
    return word * MURMUR2_MULTIPLY;
}

uint32_t chat_murmur2(chat_view key)
{
    uint32_t hash = MURMUR2_SEED ^ (uint32_t)key.len;
    size_t i = 0;
    for (; key.len - i >= 4; i += 4)
        hash = hash * MURMUR2_MULTIPLY ^ mix(chat__load32le(key.data + i));
    if (i < key.len) {
        uint32_t tail = 0;
        for (unsigned shift = 0; i < key.len; i++, shift += 8)
            tail |= (uint32_t)key.data[i] << shift;
        hash = (hash ^ tail) * MURMUR2_MULTIPLY;
    }
    hash ^= hash >> 13;
    hash *= MURMUR2_MULTIPLY;
    return hash ^ hash >> 15;
}

uint32_t chat_partition_of(chat_view chat, uint32_t n_partitions)
{
    return n_partitions == 0 ? 0 : (chat_murmur2(chat) & 0x7fffffffu) % n_partitions;
}
