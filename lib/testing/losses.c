/* SPDX-License-Identifier: MIT */
/* What storage of the simulation loses, when all nodes crash or one dies. */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

int chat__sim_lives_on(const sim *s, const char *user, uint32_t node)
{
    uint32_t n_nodes = s->options.n_nodes;
    return node == n_nodes || chat__node_of_user(chat__sim_view(user), n_nodes) == node;
}

static void lose_cursors(sim *s, uint32_t node)
{
    for (size_t i = 0; i < s->storage.n_cursors; i++) {
        sim_cursor *cursor = &s->storage.cursors[i];
        if (chat__sim_lives_on(s, cursor->user, node))
            cursor->seq = cursor->flushed_seq;
    }
    chat__sim_devices_crash(s, node);
}

/* What the log has of its appends when the next one reads it is durable, the rest never comes: some
   of those that nobody was told of survive. The durable ones stay in front. */
void chat__sim_storage_died(sim *s, uint32_t node)
{
    sim_storage *storage = &s->storage;
    size_t first = 0, n_lost = 0;
    while (first < storage->n_records && storage->records[first].is_durable)
        first++;
    int percent = (int)chat__sim_random(s, 3) * 50;
    for (size_t i = first; i < storage->n_records; i++) {
        sim_record record = storage->records[i];
        if (record.node != node)
            continue;
        record.tag = 0;
        record.is_durable = chat__sim_chance(s, (uint32_t)percent);
        if (record.is_durable) {
            memmove(&storage->records[first + 1], &storage->records[first],
                    (i - first) * sizeof record);
            storage->records[first++] = record;
            continue;
        }
        n_lost++;
        free(record.payload);
        memmove(&storage->records[i], &storage->records[i + 1],
                (--storage->n_records - i) * sizeof record);
        i--;
    }
    chat__sim_storage_restore(s);
    lose_cursors(s, node);
    chat__sim_trace(s, "%zu of its records are lost", n_lost);
}

void chat__sim_storage_crash(sim *s)
{
    sim_storage *storage = &s->storage;
    size_t n = 0;
    while (n < storage->n_records && storage->records[n].is_durable)
        n++;
    /* Bytes may have reached the disk although nobody was told so: a start of the write, or any
       part of it, for sectors have no order. */
    size_t n_lost = storage->n_records - n;
    size_t n_kept = n_lost > 0 ? chat__sim_random(s, (uint32_t)n_lost + 1) : 0;
    int is_start = chat__sim_chance(s, 50);
    size_t end = n;
    for (size_t i = n; i < storage->n_records; i++) {
        if (is_start ? i >= n + n_kept : chat__sim_random(s, (uint32_t)n_lost) >= n_kept) {
            free(storage->records[i].payload);
            continue;
        }
        storage->records[end] = storage->records[i];
        storage->records[end++].is_durable = 1;
    }
    storage->n_records = end;
    n_kept = end - n;
    chat__sim_storage_restore(s);
    lose_cursors(s, s->options.n_nodes);
    storage->is_commit_due = 0;
    storage->is_dead = 0;
    chat__sim_trace(s, "crash: %zu records were not acknowledged, %zu of them survived", n_lost,
                    n_kept);
}
