/* SPDX-License-Identifier: MIT */
/* One device as devices.c and cursors.c see it. */
#ifndef CHAT_CASSANDRA_STORE_DEVICES_INTERNAL_H
#define CHAT_CASSANDRA_STORE_DEVICES_INTERNAL_H

#include "backends/cassandra/store/devices.h"

typedef struct chat__cstore_device {
    uint64_t generation; /* 0: there is none */
    uint64_t seen_ms;
} chat__cstore_device;

/* What is remembered of it; 0: it is to be looked up. */
int chat__cstore_recall(chat__cstore_devices *devices, chat_view user, chat_view device,
                        chat__cstore_device *out);
/* Generation 0: nothing any more. */
void chat__cstore_remember(chat__cstore_devices *devices, chat_view user, chat_view device,
                           const chat__cstore_device *it);
/* Ask GET_DEVICE, and the answer. */
void chat__cstore_ask_device(chat__cstore_call *call, chat_view user, chat_view device);
chat__cstore_device chat__cstore_take_device(const chat__cstore_call *call, uint32_t item);

#endif
