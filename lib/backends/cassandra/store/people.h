/* SPDX-License-Identifier: MIT */
/* Devices of a user as the table has them. */
#ifndef CHAT_CASSANDRA_STORE_PEOPLE_H
#define CHAT_CASSANDRA_STORE_PEOPLE_H

#include "backends/cassandra/store/read.h"

/* `id` is borrowed from the answer. */
typedef struct chat__cstore_device_row {
    chat_view id;
    uint64_t seen_ms;
    uint64_t generation; /* cursors of others are of one that was forgotten */
} chat__cstore_device_row;

/* The next row of GET_DEVICES that is known. 0: that were all. */
int chat__cstore_next_device(const chat__cstore_reader *reader, chat__cstore_rows *rows,
                             uint64_t now_unix_ms, chat__cstore_device_row *out);

#endif
