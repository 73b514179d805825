/* SPDX-License-Identifier: MIT */
/*
 * Devices of users and how far they are. Each time a device is new it has a new generation, to
 * which its cursors belong: what was acknowledged before it was forgotten is nothing to it. A
 * generation is a time in microseconds and the timestamp of all writes of its device's row: of two
 * that see the device the later time counts, and once it is forgotten none does.
 */
#ifndef CHAT_CASSANDRA_STORE_DEVICES_H
#define CHAT_CASSANDRA_STORE_DEVICES_H

#include <chat/backend/store.h>

#include "backends/cassandra/store/cache.h"
#include "backends/cassandra/store/session.h"

typedef struct chat__cstore_devices {
    chat__cstore_session *session;
    const chat_store_rules *rules;
    uint32_t trust_ms; /* so long is a generation believed without looking */
    pthread_mutex_t lock;
    chat__cstore_cache known;     /* by user and device: generation, seen_ms, looked up at */
    chat__cstore_cache delivered; /* by user and chat: seq */
    uint64_t last_generation;
} chat__cstore_devices;

/* At most so many devices and chats of users are remembered. */
void chat__cstore_devices_init(chat__cstore_devices *devices, chat__cstore_session *session,
                               const chat_store_rules *rules, uint32_t max_cached,
                               uint32_t trust_ms);
void chat__cstore_devices_done(chat__cstore_devices *devices);

/* Whether a row of `devices` is a device that is known at `now_unix_ms`. */
static inline int chat__cstore_is_known(const chat_store_rules *rules, uint64_t generation,
                                        uint64_t seen_ms, uint64_t now_unix_ms)
{
    uint64_t ttl_ms = rules->device_ttl_ms;
    return generation > 0 &&
           (ttl_ms == 0 || now_unix_ms <= seen_ms || now_unix_ms - seen_ms <= ttl_ms);
}

/*
 * @any For load_user: the device of the visit is known from now on, durable, and was seen now. One
 * that is new has cursors where its user's furthest device is or was. CHAT_OK: its cursors are
 * those of `*out_generation`; CHAT_EMPTY: the same, it was not known before; CHAT_ERR_LIMIT:
 * max_devices, and all are connected; errors of a call.
 */
chat_status chat__cstore_introduce(chat__cstore_devices *devices, const chat_store_visit *visit,
                                   uint64_t *out_generation);

/* @any As <chat/backend/store.h> says. */
chat_status chat__cstore_see_device(chat__cstore_devices *devices, const chat_store_visit *visit);
chat_status chat__cstore_forget_device(chat__cstore_devices *devices,
                                       const chat_store_visit *visit);
chat_status chat__cstore_put_cursors(chat__cstore_devices *devices,
                                     const chat_store_cursor *cursors, size_t n);

#endif
