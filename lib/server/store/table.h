/* SPDX-License-Identifier: MIT */
/* The embedded store as <chat/backend/store.h> wants one, over an open store that nobody else
   writes to: for one process, and for tests of what is over such a table. */
#ifndef CHAT_STORE_TABLE_H
#define CHAT_STORE_TABLE_H

#include <chat/backend/store.h>

#include "store/store.h"

typedef struct chat__store_table chat__store_table;

/* `store` is borrowed, until the table is freed. What a call wrote is durable when it returns, but
   for when a device was seen; with `is_lazy` only when the caller has flushed. Partitions of
   records are below the store's n_partitions. CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__store_table_new(chat__store *store, int is_lazy, chat__store_table **out);
const chat_store *chat__store_table_of(const chat__store_table *table);
/* NULL does nothing. */
void chat__store_table_free(chat__store_table *table);

#endif
