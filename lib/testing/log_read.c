/* SPDX-License-Identifier: MIT */
/* A log in memory, for tests: who reads what, from where, and what is committed. */
#include "log.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

/* --- commits --- */

static void store_position(const chat_test_log_handle *handle, uint32_t i)
{
    chat__log_reader *reader = &handle->readers[i];
    handle->group->positions[i] = (chat__log_position){reader->commit_offset, reader->commit_at, 1};
    reader->is_dirty = 0;
}

static void commit_one(chat_test_log_handle *handle, uint32_t i)
{
    chat__log_reader *reader = &handle->readers[i];
    if (!reader->is_dirty)
        return;
    store_position(handle, i);
    reader->told_offset = reader->commit_offset - 1;
    handle->n_told += !reader->tells_committed;
    reader->tells_committed = 1;
    chat__log_wake(handle);
}

void chat__log_commit_all(chat_test_log_handle *handle)
{
    for (uint32_t i = 0; i < handle->table.n_partitions; i++)
        commit_one(handle, i);
}

static chat_status commit(chat_test_log_handle *handle, uint32_t partition, uint64_t offset,
                          uint64_t seq)
{
    if (handle->group == NULL || partition >= handle->table.n_partitions)
        return CHAT_ERR_STATE;
    chat__log_reader *reader = &handle->readers[partition];
    int is_ours = reader->is_read || (reader->is_leaving && handle->way == CHAT_TEST_LOG_GROUP);
    if (!is_ours || offset >= reader->next || offset + 1 < reader->commit_offset)
        return CHAT_ERR_STATE;
    if (offset + 1 == reader->commit_offset)
        return CHAT_OK;
    reader->commit_offset = offset + 1;
    chat__follow_at_offset(&reader->follow, offset, &reader->commit_at);
    chat__follow_forget(&reader->follow, offset);
    reader->commit_at.seq = seq;
    reader->is_dirty = 1;
    chat__log_wake(handle);
    return CHAT_OK;
}

chat_status chat__log_commit(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq)
{
    chat_test_log_handle *handle = ctx;
    pthread_mutex_lock(&handle->log->mutex);
    chat_status status = commit(handle, partition, offset, seq);
    pthread_mutex_unlock(&handle->log->mutex);
    return status;
}

chat_status chat__log_pause(void *ctx, uint32_t partition, int is_paused)
{
    chat_test_log_handle *handle = ctx;
    uint32_t n = 0;
    if (handle->group == NULL)
        return CHAT_ERR_STATE;
    pthread_mutex_lock(&handle->log->mutex);
    for (uint32_t i = 0; i < handle->table.n_partitions; i++) {
        chat__log_reader *reader = &handle->readers[i];
        if (!reader->is_read || (partition != i && partition != CHAT_LOG_ALL_PARTITIONS))
            continue;
        reader->is_paused = is_paused != 0;
        n++;
    }
    chat__log_wake(handle);
    pthread_mutex_unlock(&handle->log->mutex);
    return n > 0 ? CHAT_OK : CHAT_ERR_STATE;
}

/* --- who reads what --- */

static void want(chat_test_log_handle *handle, uint32_t i, int is_wanted)
{
    handle->readers[i].is_wanted = is_wanted != 0;
    handle->is_unsettled = 1;
    chat__log_wake(handle);
}

void chat__log_share(chat_test_log *log, const chat__log_group *group)
{
    uint32_t n = 0, k = 0;
    for (chat_test_log_handle *at = log->handles; at != NULL; at = at->next)
        n += at->group == group && at->way == CHAT_TEST_LOG_GROUP;
    for (chat_test_log_handle *at = log->handles; at != NULL; at = at->next) {
        if (at->group != group || at->way != CHAT_TEST_LOG_GROUP)
            continue;
        for (uint32_t i = 0; i < log->options.partitions; i++)
            want(at, i, i % n == k);
        k++;
    }
}

chat_status chat__log_assign(void *ctx, const uint32_t *partitions, size_t n)
{
    chat_test_log_handle *handle = ctx;
    uint32_t n_partitions = handle->table.n_partitions;
    if (handle->group == NULL || handle->way != CHAT_TEST_LOG_ASSIGNED)
        return CHAT_ERR_STATE;
    for (size_t i = 0; i < n; i++) {
        if (partitions == NULL || partitions[i] >= n_partitions)
            return CHAT_ERR_ARG;
        for (size_t k = 0; k < i; k++)
            if (partitions[k] == partitions[i])
                return CHAT_ERR_ARG;
    }
    pthread_mutex_lock(&handle->log->mutex);
    for (uint32_t i = 0; i < n_partitions; i++)
        want(handle, i, 0);
    for (size_t i = 0; i < n; i++)
        want(handle, partitions[i], 1);
    for (uint32_t i = 0; i < n_partitions; i++) {
        chat__log_reader *reader = &handle->readers[i];
        reader->is_leaving |= reader->is_read && !reader->is_wanted;
        reader->is_read = reader->is_read && reader->is_wanted;
    }
    pthread_mutex_unlock(&handle->log->mutex);
    return CHAT_OK;
}

void chat__log_close_readers(chat_test_log_handle *handle)
{
    for (uint32_t i = 0; i < handle->table.n_partitions; i++)
        chat__follow_done(&handle->readers[i].follow);
}

static int is_taken(const chat_test_log_handle *handle, uint32_t i)
{
    for (const chat_test_log_handle *at = handle->log->handles; at != NULL; at = at->next)
        if (at != handle && at->group == handle->group && at->way == CHAT_TEST_LOG_GROUP &&
            (at->readers[i].is_read || at->readers[i].is_leaving))
            return 1;
    return 0;
}

/* The window before the position. CHAT_OK, CHAT_ERR_NOMEM. */
static chat_status show_window(const chat__log_partition *partition, chat__log_reader *reader,
                               uint32_t window)
{
    uint64_t start = reader->position > window ? reader->position - window : 0;
    if (start < partition->begin && partition->begin < reader->position &&
        chat__follow_lost(&reader->follow, partition->begin, 1) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    for (const chat__log_entry *at = partition->first; at != NULL; at = at->next) {
        chat__follow_record record = {at->offset, at->id, at->term, at->is_fence};
        if (at->offset >= start && at->offset >= partition->begin &&
            at->offset < reader->position && chat__follow_note(&reader->follow, &record) != CHAT_OK)
            return CHAT_ERR_NOMEM;
    }
    return CHAT_OK;
}

static chat_status begin(chat_test_log_handle *handle, uint32_t i)
{
    chat__log_reader *reader = &handle->readers[i], fresh = {.is_wanted = 1};
    const chat__log_partition *partition = &handle->log->partitions[i];
    chat__log_position from = handle->group->positions[i];
    uint32_t window = handle->log->options.window_records;
    chat_status status =
        chat__follow_init(&fresh.follow, &handle->log->allocator, window, &from.at);
    fresh.position = fresh.next = fresh.commit_offset = from.offset;
    fresh.commit_at = from.at;
    if (status == CHAT_OK)
        status = show_window(partition, &fresh, window);
    if (status == CHAT_OK && !from.is_there && partition->begin > 0) {
        fresh.next = partition->begin; /* the log begins there, nothing is missing */
        status = chat__follow_lost(&fresh.follow, partition->begin, 0);
    }
    if (status != CHAT_OK) {
        chat__follow_done(&fresh.follow);
        return status;
    }
    chat__follow_done(&reader->follow);
    *reader = fresh;
    reader->is_read = reader->tells_assigned = 1;
    handle->n_told++;
    return CHAT_OK;
}

static void end(chat_test_log_handle *handle, uint32_t i)
{
    chat__log_reader *reader = &handle->readers[i];
    if (reader->is_dirty)
        store_position(handle, i);
    reader->is_leaving = 0;
    handle->is_unsettled = 1;
    chat__log_wake_all(handle->log); /* somebody may wait for it */
    for (chat_test_log_handle *at = handle->log->handles; at != NULL; at = at->next)
        at->is_unsettled |= at->group == handle->group;
}

/* It is not read from now on, and the caller is told. In a group it is his until he knows. */
static void leave(chat_test_log_handle *handle, uint32_t i)
{
    chat__log_reader *reader = &handle->readers[i];
    int is_group = handle->way == CHAT_TEST_LOG_GROUP;
    if (!is_group)
        commit_one(handle, i);
    reader->is_read = 0;
    reader->is_leaving = (uint8_t)is_group;
    reader->tells_revoked = 1;
    handle->n_told++;
}

static int can_begin(const chat_test_log_handle *handle, uint32_t i)
{
    const chat__log_reader *reader = &handle->readers[i];
    return reader->is_wanted && !reader->is_read && !reader->is_leaving && !reader->tells_revoked &&
           !(handle->way == CHAT_TEST_LOG_GROUP && is_taken(handle, i));
}

/* Bring what is read to what is wanted. */
static chat_status settle(chat_test_log_handle *handle)
{
    int is_group = handle->way == CHAT_TEST_LOG_GROUP;
    chat_status status = CHAT_OK;
    handle->is_unsettled = 0;
    for (uint32_t i = 0; i < handle->table.n_partitions && status == CHAT_OK; i++) {
        chat__log_reader *reader = &handle->readers[i];
        if (is_group && reader->is_leaving && !reader->tells_revoked)
            end(handle, i); /* who reads it knows */
        if (is_group ? reader->is_read && !reader->is_wanted : reader->is_leaving)
            leave(handle, i);
        else if (can_begin(handle, i))
            status = begin(handle, i);
    }
    handle->is_unsettled |= status != CHAT_OK;
    return status;
}

/* --- events --- */

static int give_told(chat_test_log_handle *handle, chat_log_event *out)
{
    for (uint32_t i = 0; i < handle->table.n_partitions && handle->n_told > 0; i++) {
        chat__log_reader *reader = &handle->readers[i];
        out->partition = i;
        if (reader->tells_committed) {
            reader->tells_committed = 0;
            out->type = CHAT_LOG_EVENT_COMMITTED;
            out->offset = reader->told_offset;
        } else if (reader->tells_assigned) {
            reader->tells_assigned = 0;
            out->type = CHAT_LOG_EVENT_ASSIGNED;
            out->offset = reader->position;
            out->seq = reader->follow.seq;
            out->term =
                reader->follow.is_noting ? reader->follow.now.term : reader->follow.state.term;
        } else if (reader->tells_revoked) {
            reader->tells_revoked = 0;
            handle->is_unsettled = 1;
            out->type = CHAT_LOG_EVENT_REVOKED;
        } else {
            continue;
        }
        handle->n_told--;
        return 1;
    }
    return 0;
}

static const chat__log_entry *next_entry(const chat__log_partition *partition,
                                         const chat__log_reader *reader)
{
    const chat__log_entry *at = reader->at != NULL ? reader->at->next : partition->first;
    while (at != NULL && at->offset < reader->next)
        at = at->next;
    return at;
}

static void give_gap(chat__log_reader *reader, uint64_t begin, chat_log_event *out)
{
    out->type = CHAT_LOG_EVENT_GAP;
    out->from_offset = reader->next;
    out->offset = begin;
    out->seq = reader->follow.seq;
    reader->next = reader->commit_offset = begin;
    reader->is_dirty = 0;
}

static void give_record(const chat__log_entry *entry, uint64_t seq, chat_log_event *out)
{
    chat_log_record *record = &out->record;
    out->type = CHAT_LOG_EVENT_RECORD;
    record->struct_size = sizeof *record;
    record->partition = entry->partition;
    record->id = entry->id;
    record->seq = seq;
    record->offset = entry->offset;
    record->kind = entry->kind;
    record->term = entry->term;
    record->chat = chat__view(entry->bytes, entry->chat_len);
    record->payload = chat__view(entry->bytes + entry->chat_len, entry->payload_len);
}

/* The next record of a partition that the caller is to know. */
static chat_status read_one(chat_test_log_handle *handle, uint32_t i, chat_log_event *out)
{
    chat__log_reader *reader = &handle->readers[i];
    const chat__log_partition *partition = &handle->log->partitions[i];
    const chat__log_entry *entry;
    out->partition = i;
    if (partition->begin > reader->next) {
        if (chat__follow_lost(&reader->follow, partition->begin, 0) != CHAT_OK)
            return CHAT_ERR_NOMEM;
        give_gap(reader, partition->begin, out);
        return CHAT_OK;
    }
    while ((entry = next_entry(partition, reader)) != NULL) {
        chat__follow_record record = {entry->offset, entry->id, entry->term, entry->is_fence};
        uint64_t seq = 0;
        chat__follow_what what = chat__follow_next(&reader->follow, &record, &seq);
        if (what == CHAT__FOLLOW_NOMEM)
            return CHAT_ERR_NOMEM;
        reader->at = entry;
        reader->next = entry->offset + 1;
        if (what == CHAT__FOLLOW_KNOWN)
            continue;
        out->offset = entry->offset;
        out->seq = reader->follow.seq;
        out->term = entry->term;
        out->type = what == CHAT__FOLLOW_FENCED ? CHAT_LOG_EVENT_FENCED : CHAT_LOG_EVENT_VOID;
        if (what == CHAT__FOLLOW_VOID)
            out->id = entry->id;
        if (what == CHAT__FOLLOW_COUNTS)
            give_record(entry, seq, out);
        return CHAT_OK;
    }
    return CHAT_EMPTY;
}

chat_status chat__log_next(chat_test_log_handle *handle, chat_log_event *out)
{
    uint32_t n = handle->table.n_partitions;
    if (give_told(handle, out))
        return CHAT_OK;
    while (handle->is_unsettled) {
        if (settle(handle) != CHAT_OK)
            return CHAT_ERR_NOMEM;
        if (give_told(handle, out))
            return CHAT_OK;
    }
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = (handle->turn + k) % n;
        if (!handle->readers[i].is_read || handle->readers[i].is_paused)
            continue;
        chat_status status = read_one(handle, i, out);
        if (status == CHAT_EMPTY)
            continue;
        handle->turn = i;
        return status;
    }
    out->partition = 0;
    return CHAT_EMPTY;
}
