/* SPDX-License-Identifier: MIT */
/*
 * Recovery: read the log from where the views are true to its end, apply what is there, count what
 * is damaged, and cut off the end what no valid record follows: it was never acknowledged.
 */
#include "store/internal.h"

#include <inttypes.h>
#include <string.h>

/* Publish so often, and write the views back when they fill the memory. */
#define REPLAY_BATCH 1024u

static chat_status apply(chat__store *store, const chat__record *record, const uint8_t *payload)
{
    chat__state_chat *chat;
    chat__record head = *record;
    /* Damaged content says nothing about members, but the record is still a link of its chain. */
    if (payload == NULL)
        head.kind = CHAT_FRAME_MSG;
    chat_view view = {payload, payload == NULL ? 0 : record->payload_len};
    chat_status status = chat__store_prepare(store, &head, 0, view, &chat);
    if (status == CHAT_ERR_ARG) {
        head.kind = CHAT_FRAME_MSG;
        status = chat__store_prepare(store, &head, 0, view, &chat);
    }
    if (status == CHAT_OK)
        chat__store_accept(store, &head);
    return status;
}

static chat_status publish(chat__store *store, uint64_t end)
{
    chat__store_publish(store, end);
    return chat__state_is_full(&store->state) ? chat__store_flush(store) : CHAT_OK;
}

static void report_damage(chat__store *store, chat__store_report *report, uint64_t at, uint64_t end)
{
    report->n_damaged_records++;
    chat__store_say(store, CHAT_LOG_ERROR,
                    "store: damaged record in the log at %" PRIu64 " to %" PRIu64
                    ", stepped over; restore it from a backup if you have one",
                    at, end);
}

/* The last record, when its payload is damaged: whether it counts depends on what follows. */
typedef struct pending {
    int is_there;
    uint64_t end;
    chat__record record;
    uint8_t chat[CHAT_CHAT_ID_MAX_BYTES];
} pending;

static chat_status settle(chat__store *store, chat__store_report *report, pending *last)
{
    if (!last->is_there)
        return CHAT_OK;
    last->is_there = 0;
    report_damage(store, report, last->record.at, last->end);
    report->n_records++;
    return apply(store, &last->record, NULL);
}

static void hold(pending *last, const chat__record *record, uint64_t end)
{
    last->is_there = 1;
    last->end = end;
    last->record = *record;
    memcpy(last->chat, record->chat.data, record->chat.len);
    last->record.chat.data = last->chat;
}

static chat_status replay(chat__store *store, chat__scan *scan, chat__store_report *report,
                          pending *last)
{
    chat__record record;
    const uint8_t *payload;
    chat_status status;
    while ((status = chat__scan_next(scan, &record, &payload)) == CHAT_OK) {
        if (record.partition >= store->state.n_partitions)
            return CHAT_ERR_CORRUPT;
        status = settle(store, report, last);
        if (status != CHAT_OK)
            return status;
        if (scan->damage_at != UINT64_MAX)
            report_damage(store, report, scan->damage_at, record.at);
        if (payload == NULL) {
            hold(last, &record, scan->end);
            continue;
        }
        report->n_records++;
        status = apply(store, &record, payload);
        if (status == CHAT_OK && store->state.n_changes >= REPLAY_BATCH)
            status = publish(store, scan->end);
        if (status != CHAT_OK)
            return status;
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* The segment in which a position lies or, at its very end, ends. */
static size_t segment_of(const chat__segments *set, uint64_t at)
{
    size_t i = 0;
    while (i + 1 < set->n_items && set->items[i + 1].base < at)
        i++;
    return i;
}

/* Files behind `end` hold nothing; what is behind it in its own file must never come back. */
static chat_status cut(chat__store *store, uint64_t end, int is_dirty)
{
    chat__log *log = &store->log;
    chat__segments *set = &log->segments;
    chat_status status = CHAT_OK;
    log->tail = segment_of(set, end);
    while (status == CHAT_OK && set->n_items > log->tail + 1)
        status = chat__segments_remove_last(set);
    if (status == CHAT_OK && is_dirty)
        status = chat__segments_cut(set, log->tail, end);
    log->end = end;
    return status;
}

/* What was found may never have been synced. Those who ask are told from now on that it is there.
 */
static chat_status sync_tail(chat__store *store)
{
    const chat__segments *set = &store->log.segments;
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < 2 && i <= store->log.tail && status == CHAT_OK; i++)
        status = chat__files_status(
            set->files->datasync(set->files->ctx, set->items[store->log.tail - i].file));
    return status;
}

static chat_status finish(chat__store *store, const chat__scan *scan, const pending *last,
                          chat__store_report *report)
{
    const chat__segments *set = &store->log.segments;
    uint64_t end = last->is_there ? last->record.at : scan->end;
    uint64_t dirty_end = scan->damage_at != UINT64_MAX ? scan->damage_end : last->end;
    int is_dirty = scan->damage_at != UINT64_MAX || last->is_there;
    if (set->n_items == 0)
        return CHAT_OK;
    size_t index = segment_of(set, end);
    if (end < set->items[index].base + CHAT__SEGMENT_DATA_AT)
        end = set->items[index].base + CHAT__SEGMENT_DATA_AT;
    if (is_dirty) {
        report->n_torn_bytes = dirty_end - end;
        chat__store_say(store, CHAT_LOG_WARN,
                        "store: cut %" PRIu64 " bytes off the end of the log at %" PRIu64
                        ": a write that was never acknowledged",
                        report->n_torn_bytes, end);
    }
    return cut(store, end, is_dirty);
}

int chat__store_log_has(chat__store *store, uint64_t at)
{
    static const uint8_t zeros[CHAT__RECORD_HEAD_BYTES];
    uint8_t bytes[CHAT__RECORD_HEAD_BYTES];
    chat__segment segment;
    if (chat__segments_find(&store->log.segments, at, &segment) != CHAT_OK)
        return 0;
    int64_t n = store->files->pread(store->files->ctx, segment.file, bytes, sizeof bytes,
                                    at - segment.base);
    return n == (int64_t)sizeof bytes && memcmp(bytes, zeros, sizeof bytes) != 0;
}

chat_status chat__store_recover(chat__store *store, uint64_t from, chat__store_report *report)
{
    chat__scan scan;
    pending last = {0};
    chat__scan_init(&scan, &store->log.segments, &store->allocator, from, UINT64_MAX);
    chat_status status = replay(store, &scan, report, &last);
    if (status == CHAT_OK)
        status = finish(store, &scan, &last, report);
    if (status == CHAT_OK && report->n_records > 0 && !store->options.is_volatile)
        status = sync_tail(store);
    if (status == CHAT_OK)
        status = publish(store, store->log.end);
    else
        chat__store_discard(store);
    chat__scan_done(&scan);
    return status;
}
