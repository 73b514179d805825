/* SPDX-License-Identifier: MIT */
/* A log in memory, for tests: what is stored, and appends with the fates that a test gives them. */
#include "log.h"

#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <chat/partition.h>

#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

void chat__log_wake(const chat_test_log_handle *handle)
{
    uint64_t one = 1;
    ssize_t put = write(handle->fd, &one, sizeof one);
    (void)put; /* full: it is readable */
}

void chat__log_wake_all(const chat_test_log *log)
{
    for (const chat_test_log_handle *at = log->handles; at != NULL; at = at->next)
        chat__log_wake(at);
}

/* --- appending --- */

static void store(chat_test_log *log, chat__log_entry *entry)
{
    chat__log_partition *partition = &log->partitions[entry->partition];
    entry->next = NULL;
    entry->offset = partition->end++;
    if (partition->last == NULL)
        partition->first = entry;
    else
        partition->last->next = entry;
    partition->last = entry;
    for (chat_test_log_handle *at = log->handles; at != NULL; at = at->next)
        if (at->group != NULL && at->readers[entry->partition].is_read)
            chat__log_wake(at);
}

/* The first that waits: its fate is fulfilled, and answered. CHAT_ERR_NOMEM: later. */
static chat_status finish_first(chat_test_log_handle *handle)
{
    chat_test_log *log = handle->log;
    chat__log_entry *entry = handle->waiting;
    chat__log_answer *answer = chat__alloc_zero(&log->allocator, sizeof *answer);
    if (answer == NULL)
        return CHAT_ERR_NOMEM;
    handle->waiting = entry->next;
    if (handle->waiting == NULL)
        handle->last_waiting = &handle->waiting;
    answer->tag = entry->tag;
    answer->partition = entry->partition;
    answer->status = entry->status;
    if (entry->status == CHAT_OK) {
        store(log, entry);
        answer->status = entry->is_lost ? CHAT_ERR_TIMEOUT : CHAT_OK;
        answer->offset = entry->is_lost ? 0 : entry->offset;
    } else {
        chat__alloc_free(&log->allocator, entry);
    }
    *handle->last_answer = answer;
    handle->last_answer = &answer->next;
    chat__log_wake(handle);
    return CHAT_OK;
}

/* Those whose time has come, in order. */
static void finish(chat_test_log_handle *handle)
{
    while (handle->waiting != NULL && !handle->is_held && handle->waiting->turns == 0)
        if (finish_first(handle) != CHAT_OK)
            break;
    if (handle->waiting != NULL && !handle->is_held)
        chat__log_wake(handle);
}

static chat_status take(chat_test_log_handle *handle, uint64_t tag, uint32_t partition,
                        const chat_log_record *record)
{
    chat_test_log *log = handle->log;
    if (handle->n_waiting == log->options.max_waiting)
        return CHAT_ERR_BUSY;
    chat__log_entry *entry = chat__alloc_zero(&log->allocator, sizeof *entry + record->chat.len +
                                                                   record->payload.len + 1);
    if (entry == NULL)
        return CHAT_ERR_NOMEM;
    entry->tag = tag;
    entry->partition = partition;
    entry->id = record->id;
    entry->term = record->term;
    entry->kind = record->kind;
    entry->is_fence = record->id == 0;
    entry->chat_len = record->chat.len;
    entry->payload_len = record->payload.len;
    if (record->chat.len > 0)
        memcpy(entry->bytes, record->chat.data, record->chat.len);
    if (record->payload.len > 0)
        memcpy(entry->bytes + record->chat.len, record->payload.data, record->payload.len);
    entry->status = handle->fails;
    entry->turns = handle->slow_turns;
    if (handle->n_lose > 0) {
        handle->n_lose--;
        entry->is_lost = 1;
    }
    *handle->last_waiting = entry;
    handle->last_waiting = &entry->next;
    handle->n_waiting++;
    finish(handle);
    return CHAT_OK;
}

static chat_status append(void *ctx, uint64_t tag, const chat_log_record *from)
{
    chat_test_log_handle *handle = ctx;
    chat_log_record record = {.struct_size = sizeof record};
    if (from == NULL || from->struct_size < offsetof(chat_log_record, term) ||
        chat__sized_take(&record, sizeof record, from) != CHAT_OK || record.id == 0 ||
        record.id >> 63 != 0 || record.kind > UINT16_MAX || record.chat.len == 0)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&handle->log->mutex);
    chat_status status =
        take(handle, tag, chat_partition_of(record.chat, handle->table.n_partitions), &record);
    pthread_mutex_unlock(&handle->log->mutex);
    return status;
}

static chat_status fence(void *ctx, uint64_t tag, uint32_t partition, uint64_t term)
{
    chat_test_log_handle *handle = ctx;
    chat_log_record record = {.struct_size = sizeof record, .term = term};
    if (partition >= handle->table.n_partitions || term == 0)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&handle->log->mutex);
    chat_status status = take(handle, tag, partition, &record);
    pthread_mutex_unlock(&handle->log->mutex);
    return status;
}

/* --- the rest of the table --- */

static int get_fd(void *ctx)
{
    return ((const chat_test_log_handle *)ctx)->fd;
}

static void process(void *ctx)
{
    chat_test_log_handle *handle = ctx;
    uint64_t count;
    pthread_mutex_lock(&handle->log->mutex);
    ssize_t got = read(handle->fd, &count, sizeof count);
    (void)got; /* nothing in it: as good */
    if (!handle->is_held)
        for (chat__log_entry *at = handle->waiting; at != NULL; at = at->next)
            at->turns -= at->turns > 0;
    finish(handle);
    if (handle->group != NULL)
        chat__log_commit_all(handle);
    pthread_mutex_unlock(&handle->log->mutex);
}

static int give_answer(chat_test_log_handle *handle, chat_log_event *out)
{
    chat__log_answer *answer = handle->answers;
    if (answer == NULL)
        return 0;
    handle->answers = answer->next;
    if (handle->answers == NULL)
        handle->last_answer = &handle->answers;
    handle->n_waiting--;
    out->type = CHAT_LOG_EVENT_APPENDED;
    out->tag = answer->tag;
    out->partition = answer->partition;
    out->offset = answer->offset;
    out->status = answer->status;
    out->text = answer->status == CHAT_OK ? NULL : chat_status_text(answer->status);
    chat__alloc_free(&handle->log->allocator, answer);
    return 1;
}

static chat_status next_event(void *ctx, chat_log_event *out)
{
    chat_test_log_handle *handle = ctx;
    chat_log_event event = {.struct_size = sizeof event};
    if (out == NULL || out->struct_size < sizeof out->struct_size)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&handle->log->mutex);
    chat_status status = CHAT_EMPTY;
    if (give_answer(handle, &event))
        status = CHAT_OK;
    else if (handle->group != NULL)
        status = chat__log_next(handle, &event);
    pthread_mutex_unlock(&handle->log->mutex);
    return status == CHAT_OK ? chat__sized_give(out, &event, sizeof event) : status;
}

/* --- switches --- */

void chat_test_log_hold(chat_test_log_handle *handle, int is_held)
{
    pthread_mutex_lock(&handle->log->mutex);
    handle->is_held = is_held;
    finish(handle);
    pthread_mutex_unlock(&handle->log->mutex);
}

void chat_test_log_lose(chat_test_log_handle *handle, uint32_t n)
{
    handle->n_lose = n;
}

void chat_test_log_fail(chat_test_log_handle *handle, chat_status status)
{
    handle->fails = status;
}

void chat_test_log_slow(chat_test_log_handle *handle, uint32_t turns)
{
    handle->slow_turns = turns;
}

void chat_test_log_cut(chat_test_log *log, uint32_t partition, uint64_t offset)
{
    if (partition >= log->options.partitions)
        return;
    pthread_mutex_lock(&log->mutex);
    chat__log_partition *of = &log->partitions[partition];
    of->begin = offset < of->end ? offset : of->end; /* they are freed at the end: some are lent */
    chat__log_wake_all(log);
    pthread_mutex_unlock(&log->mutex);
}

/* --- life --- */

void chat_test_log_options_init(chat_test_log_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->partitions = 4;
    options->window_records = 1024;
    options->max_waiting = 65536;
}

chat_status chat_test_log_new(const chat_test_log_options *options, chat_test_log **out)
{
    chat_test_log_options o;
    chat_test_log_options_init(&o);
    if (out == NULL || options == NULL || chat__sized_take(&o, sizeof o, options) != CHAT_OK ||
        o.partitions == 0 || o.window_records == 0 || o.max_waiting == 0)
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(o.allocator);
    chat_test_log *log =
        chat__alloc_zero(&allocator, sizeof *log + o.partitions * sizeof *log->partitions);
    if (log == NULL)
        return CHAT_ERR_NOMEM;
    log->allocator = allocator;
    log->options = o;
    log->partitions = (chat__log_partition *)(log + 1);
    (void)pthread_mutex_init(&log->mutex, NULL);
    *out = log;
    return CHAT_OK;
}

static void free_entries(chat_test_log *log, chat__log_entry *at)
{
    while (at != NULL) {
        chat__log_entry *next = at->next;
        chat__alloc_free(&log->allocator, at);
        at = next;
    }
}

void chat_test_log_free(chat_test_log *log)
{
    if (log == NULL)
        return;
    chat_allocator allocator = log->allocator;
    for (uint32_t i = 0; i < log->options.partitions; i++)
        free_entries(log, log->partitions[i].first);
    while (log->groups != NULL) {
        chat__log_group *group = log->groups;
        log->groups = group->next;
        chat__alloc_free(&allocator, group->positions);
        chat__alloc_free(&allocator, group);
    }
    (void)pthread_mutex_destroy(&log->mutex);
    chat__alloc_free(&allocator, log);
}

/* NULL: no memory. */
static chat__log_group *group_of(chat_test_log *log, const char *name)
{
    for (chat__log_group *at = log->groups; at != NULL; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    chat__log_group *group = chat__alloc_zero(&log->allocator, sizeof *group + strlen(name) + 1);
    if (group == NULL)
        return NULL;
    group->positions =
        chat__alloc_zero(&log->allocator, log->options.partitions * sizeof *group->positions);
    if (group->positions == NULL) {
        chat__alloc_free(&log->allocator, group);
        return NULL;
    }
    memcpy(group->name, name, strlen(name));
    group->next = log->groups;
    log->groups = group;
    return group;
}

static void free_handle(chat_test_log_handle *handle)
{
    if (handle->fd >= 0)
        close(handle->fd);
    if (handle->readers != NULL)
        chat__log_close_readers(handle);
    while (handle->answers != NULL) {
        chat__log_answer *next = handle->answers->next;
        chat__alloc_free(&handle->log->allocator, handle->answers);
        handle->answers = next;
    }
    free_entries(handle->log, handle->waiting);
    chat__alloc_free(&handle->log->allocator, handle->readers);
    chat__alloc_free(&handle->log->allocator, handle);
}

static chat_status join(chat_test_log_handle *handle, const char *group)
{
    chat_test_log *log = handle->log;
    handle->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (handle->fd < 0)
        return CHAT_ERR_NOMEM;
    if (group != NULL) {
        handle->readers =
            chat__alloc_zero(&log->allocator, log->options.partitions * sizeof *handle->readers);
        handle->group = handle->readers == NULL ? NULL : group_of(log, group);
        if (handle->group == NULL)
            return CHAT_ERR_NOMEM;
    }
    handle->next = log->handles;
    log->handles = handle;
    if (handle->group != NULL && handle->way == CHAT_TEST_LOG_GROUP)
        chat__log_share(log, handle->group);
    return CHAT_OK;
}

chat_status chat_test_log_open(chat_test_log *log, const char *group, chat_test_log_way way,
                               chat_test_log_handle **out)
{
    if (log == NULL || out == NULL || way > CHAT_TEST_LOG_ASSIGNED)
        return CHAT_ERR_ARG;
    pthread_mutex_lock(&log->mutex);
    chat_status status = CHAT_ERR_NOMEM;
    chat_test_log_handle *handle = chat__alloc_zero(&log->allocator, sizeof *handle);
    if (handle != NULL) {
        handle->log = log;
        handle->way = way;
        handle->last_waiting = &handle->waiting;
        handle->last_answer = &handle->answers;
        handle->table = (chat_log){sizeof handle->table,
                                   log->options.partitions,
                                   handle,
                                   get_fd,
                                   append,
                                   process,
                                   next_event,
                                   chat__log_commit,
                                   chat__log_pause,
                                   chat__log_assign,
                                   fence};
        status = join(handle, group);
        if (status == CHAT_OK)
            *out = handle;
        else
            free_handle(handle);
    }
    pthread_mutex_unlock(&log->mutex);
    return status;
}

const chat_log *chat_test_log_table(const chat_test_log_handle *handle)
{
    return &handle->table;
}

void chat_test_log_close(chat_test_log_handle *handle)
{
    if (handle == NULL)
        return;
    chat_test_log *log = handle->log;
    pthread_mutex_lock(&log->mutex);
    chat_test_log_handle **at = &log->handles;
    while (*at != handle)
        at = &(*at)->next;
    *at = handle->next;
    const chat__log_group *group = handle->way == CHAT_TEST_LOG_GROUP ? handle->group : NULL;
    free_handle(handle);
    if (group != NULL)
        chat__log_share(log, group);
    pthread_mutex_unlock(&log->mutex);
}
