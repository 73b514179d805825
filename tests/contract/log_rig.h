/* SPDX-License-Identifier: MIT */
/* What the tests of the contract of a log have in common. */
#ifndef CHAT_TESTS_CONTRACT_LOG_RIG_H
#define CHAT_TESTS_CONTRACT_LOG_RIG_H

#include "log.h"

#include "base/view.h"

#define RIG_WAIT_MS 30000

/* A chat of this partition. */
const char *rig_chat_in(uint32_t partition);
chat_status rig_append(const chat_log *log, uint32_t partition, uint64_t id, uint64_t term);
uint64_t rig_answer(const chat_log *log, uint64_t tag);
/* By a log that only writes: its offset. */
uint64_t rig_put(const chat_log *log, uint32_t partition, uint64_t id, uint64_t term);
uint64_t rig_put_fence(const chat_log *log, uint32_t partition, uint64_t term);
const chat_log *rig_writer(const log_world *world);
/* Reads one partition, from here on. */
const chat_log *rig_reader(const log_world *world, const char *group, uint32_t partition,
                           chat_log_event *assigned);
void rig_expect_record(const chat_log *log, uint64_t id, uint64_t seq);
void rig_expect_void(const chat_log *log, uint64_t id, uint64_t term, uint64_t seq);
void rig_expect_fenced(const chat_log *log, uint64_t term, uint64_t seq);
/* All up to here is done with, and known to be; what is read meanwhile is passed over. */
void rig_commit(const chat_log *log, const chat_log_event *at);

#endif
