/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Which partition a chat belongs to: the Java Kafka client's default partitioner.
 */
#ifndef CHAT_PARTITION_H
#define CHAT_PARTITION_H

#include <chat/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** murmur2 as in org.apache.kafka.common.utils.Utils. Thread: any. Time: linear in `key.len`. */
CHAT_API uint32_t chat_murmur2(chat_view key);

/**
 * Partition of a chat: (murmur2(chat) & 0x7fffffff) % n_partitions.
 * Thread: any. `n_partitions` 0 counts as 1.
 */
CHAT_API uint32_t chat_partition_of(chat_view chat, uint32_t n_partitions);

#ifdef __cplusplus
}
#endif

#endif
