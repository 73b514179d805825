/* SPDX-License-Identifier: MIT */
/*
 * What happens to records on a node: one table, counted where it happens. The server's metrics are
 * made from it (lib/server/metrics.c, docs/operations.md). A count costs one addition.
 */
#ifndef CHAT_NODE_EVENT_H
#define CHAT_NODE_EVENT_H

#include <stdint.h>

/* X(NAME, name in the metrics, what is counted) */
#define CHAT__EVENT_TABLE(X)                                                                       \
    X(ACCEPTED, "accepted", "requests that got an id and went to the log")                         \
    X(DURABLE, "durable", "records that are on disk")                                              \
    X(ROUTED, "routed", "records handed to a node where members live, once for each node")         \
    X(PUSHED, "pushed", "records written to a device as they came")                                \
    X(READ_BACK, "read_back", "records written to a device from its queue")                        \
    X(RETRIED, "retried", "times that a device was written all that it had not acknowledged")      \
    X(ACKED, "acked", "records that a device acknowledged")                                        \
    X(QUEUED, "queued",                                                                            \
      "records left in a queue: nobody connected, no room, or not acknowledged before the end")    \
    X(DROPPED, "dropped", "chats of which a device was told a gap: too much, or too old")          \
    X(NOTIFIED, "notified", "notifications handed to the notifier")                                \
    X(SUPPRESSED, "suppressed",                                                                    \
      "messages that are told of later together, or not: no room, or no device that is reachable") \
    X(MUTED, "muted", "messages of which a user who is away is not told: he has muted the chat")   \
    X(KNOWN, "known", "messages of which a user who is away is not told: read, or on all devices") \
    X(REFUSED, "refused", "frames of clients that were refused")

typedef enum chat__event {
#define CHAT__EVENT_VALUE(NAME, name, text) CHAT__EVENT_##NAME,
    CHAT__EVENT_TABLE(CHAT__EVENT_VALUE)
#undef CHAT__EVENT_VALUE
        CHAT__EVENT_COUNT
} chat__event;

/* What becomes of a notification: counted by the server where it happens, remembered by the node.
 */
#define CHAT__FATE_TABLE(X)                                                                        \
    X(QUEUED, "queued", "handed to the thread that calls the notifier")                            \
    X(SENT, "sent", "the notifier has sent it to the provider")                                    \
    X(ACCEPTED, "accepted", "the provider has it")                                                 \
    X(FAILED, "failed", "the notifier could not, or the provider would not")                       \
    X(GONE, "gone", "the device cannot be reached any more")                                       \
    X(READ, "read", "the user has read it meanwhile: not told")                                    \
    X(DROPPED, "dropped", "the notifier is too slow, or the server stopped: not told")

typedef enum chat__fate {
#define CHAT__FATE_VALUE(NAME, name, text) CHAT__FATE_##NAME,
    CHAT__FATE_TABLE(CHAT__FATE_VALUE)
#undef CHAT__FATE_VALUE
        CHAT__FATE_COUNT
} chat__fate;

/* Upper ends in milliseconds of the classes of the time from accepting a message to its ack. */
#define CHAT__LATENCY_TABLE(X)                                                                     \
    X(1) X(2) X(5) X(10) X(20) X(50) X(100) X(200) X(500) X(1000) X(2000) X(5000)

enum {
#define CHAT__LATENCY_ONE(ms) +1
    CHAT__LATENCY_COUNT = 1 CHAT__LATENCY_TABLE(CHAT__LATENCY_ONE) /* the last has no end */
#undef CHAT__LATENCY_ONE
};

/* The table as numbers; the last class is not in it. */
extern const uint32_t chat__event_latency_ms[CHAT__LATENCY_COUNT - 1];

typedef struct chat__node_counts {
    uint64_t connections;
    uint64_t events[CHAT__EVENT_COUNT];
    /* Messages that were pushed as they came and acknowledged; by class, not cumulative. */
    uint64_t latency[CHAT__LATENCY_COUNT];
    uint64_t latency_ms; /* all of them together */
} chat__node_counts;

static inline void chat__count(chat__node_counts *counts, chat__event event)
{
    counts->events[event]++;
}

/* Count one that took so long. */
void chat__event_latency(chat__node_counts *counts, uint64_t ms);

#endif
