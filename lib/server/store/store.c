/* SPDX-License-Identifier: MIT */
/* Opens and closes a store, and takes its writes. See store.h. */
#include "store/internal.h"
#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PARTITIONS_MAX  65536u
#define CACHE_MIN_BYTES (1u << 20)
#define DECODER_MAX     (CHAT__RECORD_PAYLOAD_MAX + 1024u)

void chat__store_options_init(chat__store_options *options)
{
    memset(options, 0, sizeof *options);
    options->n_partitions = 64;
    options->segment_bytes = 64u << 20;
    options->checkpoint_bytes = 64u << 20;
    options->state_cache_bytes = 64u << 20;
    options->offline_ttl_ms = UINT64_C(604800000);
    options->offline_limit = 10000;
    options->device_ttl_ms = UINT64_C(2592000000);
    options->max_devices = 32;
}

void chat__store_say(chat__store *store, chat_log_level level, const char *format, ...)
{
    char line[512];
    va_list arguments;
    if (store->sink.write == NULL)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    store->sink.write(store->sink.ctx, level, line);
}

static void tell_damage(void *ctx, uint64_t at)
{
    chat__store_say(ctx, CHAT_LOG_ERROR,
                    "store: damaged record in the log at %" PRIu64
                    ", left out; restore it from a backup if you have one",
                    at);
}

static chat_status set_up(chat__store *store)
{
    const chat__store_options *options = &store->options;
    size_t partition_bytes = options->n_partitions * sizeof *store->flush_partitions;
    uint64_t cache = options->state_cache_bytes;
    store->flush_partitions = chat__alloc_zero(&store->allocator, partition_bytes);
    if (store->flush_partitions == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = chat_decoder_new(&store->allocator, DECODER_MAX, &store->decoder);
    if (status != CHAT_OK)
        return status;
    chat__log_init(&store->log, &store->allocator, store->files, store->log_dir,
                   options->segment_bytes, options->is_volatile);
    pthread_mutex_init(&store->chains.lock, NULL);
    store->chains.tell = tell_damage;
    store->chains.tell_ctx = store;
    pthread_mutex_init(&store->flush_lock, NULL);
    pthread_mutex_init(&store->read_lock, NULL);
    store->has_state = 1;
    return chat__state_init(&store->state, &store->allocator, options->n_partitions,
                            cache < CACHE_MIN_BYTES ? CACHE_MIN_BYTES : cache);
}

static void tear_down(chat__store *store)
{
    chat_allocator allocator = store->allocator;
    if (store->has_state) {
        chat__store_close_views(store);
        chat__state_done(&store->state);
        chat__log_done(&store->log);
        pthread_mutex_destroy(&store->chains.lock);
        pthread_mutex_destroy(&store->flush_lock);
        pthread_mutex_destroy(&store->read_lock);
    }
    chat_decoder_free(store->decoder);
    chat__alloc_free(&allocator, store->flush_partitions);
    chat__store_close_dir(store);
    chat__alloc_free(&allocator, store);
}

/* Views that cannot be used make room for ones that are made anew from the whole log. */
static chat_status start_over(chat__store *store, chat__store_report *report, const char *why)
{
    const chat__segments *set = &store->log.segments;
    if ((set->n_items > 0 && set->items[0].base != 0) || set->n_damaged > 0) {
        snprintf(report->problem, sizeof report->problem,
                 "%.120s/state.db %s, and the log does not reach back to its beginning. "
                 "Restore the directory from a backup.",
                 store->dir, why);
        return CHAT_ERR_CORRUPT;
    }
    chat__store_close_views(store);
    chat__state_done(&store->state);
    chat_status status = chat__store_move_views_aside(store);
    chat_status again = chat__state_init(&store->state, &store->allocator,
                                         store->options.n_partitions, store->state.max_bytes);
    chat__store_say(store, CHAT_LOG_ERROR,
                    "store: state.db %s: moved aside, making it anew from the log. What devices "
                    "had received is forgotten: they get messages again and drop those they know",
                    why);
    return status == CHAT_OK ? again : status;
}

static chat_status explain(chat__store *store, chat__store_report *report, chat_status status)
{
    static const char *const state_text = "cannot open the state (state.db)";
    if (report->problem[0] != 0 || status == CHAT_OK)
        return status;
    if (status == CHAT_ERR_VERSION)
        snprintf(report->problem, sizeof report->problem,
                 "%.150s/state.db was written by a newer version. Use that version.", store->dir);
    else
        snprintf(report->problem, sizeof report->problem,
                 "%.120s: %s: %s. Check rights, space and the disk.", store->dir,
                 status == CHAT_ERR_NOMEM ? "cannot open" : state_text, chat_status_text(status));
    return status;
}

static chat_status open_views(chat__store *store, chat__store_report *report, uint64_t *out_from)
{
    chat_status status = chat__store_open_views(store, out_from);
    if (status == CHAT_ERR_CORRUPT) {
        status = start_over(store, report, "is damaged");
        if (status == CHAT_OK)
            status = chat__store_open_views(store, out_from);
    }
    if (status == CHAT_OK && *out_from > 0 && store->log.segments.n_items == 0) {
        snprintf(report->problem, sizeof report->problem,
                 "%.150s/log is empty, but state.db knows of messages in it. Restore it from a "
                 "backup.",
                 store->dir);
        return CHAT_ERR_CORRUPT;
    }
    return explain(store, report, status);
}

/* The views know of records that the log has not (an older copy of it, say). */
static int is_ahead(chat__store *store)
{
    uint64_t last_at = store->state.last_at;
    return last_at > 0 && !chat__store_log_has(store, last_at);
}

static chat_status recover(chat__store *store, chat__store_report *report, uint64_t from)
{
    int must_start_over = is_ahead(store);
    chat_status status = must_start_over ? CHAT_OK : chat__store_recover(store, from, report);
    must_start_over |= store->log.end < store->heads_end;
    if (status == CHAT_OK && must_start_over) {
        status = start_over(store, report, "is ahead of the log");
        if (status == CHAT_OK)
            status = chat__store_open_views(store, &from);
        report->n_records = 0;
        if (status == CHAT_OK)
            status = chat__store_recover(store, from, report);
    }
    if (status == CHAT_OK)
        status = chat__store_flush(store);
    if (status == CHAT_OK)
        status = chat__store_mark_clean(store, 0);
    report->max_id = store->state.max_id;
    return status;
}

static chat_status open_log(chat__store *store, chat__store_report *report)
{
    chat_status status = chat__segments_open(&store->log.segments);
    if (status != CHAT_OK)
        snprintf(report->problem, sizeof report->problem, "%.150s: cannot read the log: %s.",
                 store->log_dir, chat_status_text(status));
    report->n_damaged_records += store->log.segments.n_damaged;
    if (store->log.segments.n_damaged > 0)
        chat__store_say(store, CHAT_LOG_ERROR,
                        "store: %zu log files without a readable head, left alone",
                        store->log.segments.n_damaged);
    return status;
}

static chat_status open_all(chat__store *store, chat__store_report *report)
{
    uint64_t from = 0;
    chat_status status = chat__store_open_dir(store, report);
    if (status == CHAT_OK)
        status = set_up(store);
    if (status == CHAT_OK)
        status = open_log(store, report);
    if (status == CHAT_OK)
        status = open_views(store, report, &from);
    if (status == CHAT_OK)
        status = recover(store, report, from);
    if (status != CHAT_OK && report->problem[0] == 0)
        snprintf(report->problem, sizeof report->problem, "%.150s: cannot recover: %s.", store->dir,
                 chat_status_text(status));
    return status;
}

static chat_status take_options(chat__store *store, const chat__store_options *options)
{
    store->options = *options;
    store->files = options->files != NULL ? options->files : chat__files_os();
    store->sink = options->log;
    store->lock_file = -1;
    if (options->dir == NULL || options->dir[0] == 0 ||
        strlen(options->dir) + 1 > sizeof store->dir || options->n_partitions == 0 ||
        options->n_partitions > PARTITIONS_MAX ||
        options->segment_bytes < CHAT__SEGMENT_MIN_BYTES ||
        options->segment_bytes > CHAT__SEGMENT_MAX_BYTES ||
        options->segment_bytes % CHAT__RECORD_ALIGN != 0)
        return CHAT_ERR_ARG;
    snprintf(store->dir, sizeof store->dir, "%s", options->dir);
    snprintf(store->log_dir, sizeof store->log_dir, "%s/log", store->dir);
    snprintf(store->db_path, sizeof store->db_path, "%s/state.db", store->dir);
    store->options.dir = store->dir;
    return CHAT_OK;
}

chat_status chat__store_open(const chat__store_options *options, chat__store_report *report,
                             chat__store **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    memset(report, 0, sizeof *report);
    chat__store *store = chat__alloc_zero(&allocator, sizeof *store);
    if (store == NULL)
        return CHAT_ERR_NOMEM;
    store->allocator = allocator;
    chat_status status = take_options(store, options);
    if (status == CHAT_OK)
        status = open_all(store, report);
    else
        snprintf(report->problem, sizeof report->problem,
                 "Bad storage options: directory, partitions or segment size out of range.");
    if (status != CHAT_OK) {
        tear_down(store);
        return status;
    }
    *out = store;
    return CHAT_OK;
}

void chat__store_close(chat__store *store)
{
    if (store == NULL)
        return;
    chat__log_discard(&store->log);
    chat__store_discard(store);
    if (chat__store_flush(store) == CHAT_OK && !store->is_damaged && !store->log.is_dead)
        (void)chat__store_mark_clean(store, 1);
    tear_down(store);
}

static int is_known_kind(uint32_t kind)
{
    static const uint32_t KINDS[] = {CHAT_FRAME_MSG,    CHAT_FRAME_CHAT, CHAT_FRAME_MARKER,
                                     CHAT_FRAME_CHANGE, CHAT_FRAME_NOTE, CHAT_FRAME_SETTING,
                                     CHAT_FRAME_BLOCKED};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (KINDS[i] == kind)
            return 1;
    }
    return 0;
}

static chat_status check(const chat__store *store, const chat__store_record *record, int is_given)
{
    int is_bad = is_given
                     ? record->kind > UINT16_MAX || record->seq == 0 || record->seq >= INT64_MAX
                     : !is_known_kind(record->kind);
    if (record->partition >= store->options.n_partitions || is_bad || record->chat.len == 0 ||
        record->chat.len > CHAT_CHAT_ID_MAX_BYTES)
        return CHAT_ERR_ARG;
    return record->payload.len > CHAT__RECORD_PAYLOAD_MAX ? CHAT_ERR_LIMIT : CHAT_OK;
}

static uint64_t next_seq(const chat__store *store, const chat__store_record *record)
{
    uint64_t last = store->state.staged_partitions[record->partition].seq;
    return last + 1 > record->id ? last + 1 : record->id;
}

/* Everything but the place in the log and the seq. */
static chat_status number(chat__store *store, const chat__state_chat *chat,
                          const chat__store_record *record, chat__record *out)
{
    const chat__state_partition *partition = &store->state.staged_partitions[record->partition];
    chat__root skip = chat__store_next_skip(chat);
    /* The next one must be possible too, and SQLite's numbers have a sign. */
    if (partition->seq >= INT64_MAX - 1 || record->id >= INT64_MAX)
        return CHAT_ERR_LIMIT;
    out->offset = partition->next_offset;
    out->prev_seq = chat->staged.seq;
    out->prev_at = chat->staged.at;
    out->skip_at = skip.at;
    out->skip_seq = skip.seq;
    out->ordinal = chat->staged.ordinal + 1;
    out->batch = store->log.batch;
    return CHAT_OK;
}

static chat_status stage(chat__store *store, chat__record *record, chat_view payload)
{
    uint64_t salt;
    uint8_t *bytes;
    uint64_t size = chat__record_size(record->chat.len, payload.len);
    chat_status status = chat__log_stage(&store->log, size, &record->at, &salt, &bytes);
    if (status != CHAT_OK)
        return status;
    chat__record_encode(record, payload, salt, bytes);
    return CHAT_OK;
}

/* What is not written here may be anything: as in recover.c, it is a link of its chain. */
static chat_status prepare(chat__store *store, const chat__record *entry,
                           const chat__store_record *record, int is_given, chat__state_chat **out)
{
    chat_status status = chat__store_prepare(store, entry, record->hash, record->payload, out);
    if (status == CHAT_ERR_ARG && is_given) {
        chat__record head = *entry;
        head.kind = CHAT_FRAME_MSG;
        status = chat__store_prepare(store, &head, record->hash, record->payload, out);
    }
    return chat__store_note(store, status);
}

static chat_status append(chat__store *store, chat__store_record *record, int is_given)
{
    chat__state_chat *chat;
    chat__record entry = {.partition = record->partition,
                          .kind = (uint16_t)record->kind,
                          .id = record->id,
                          .chat = record->chat};
    chat_status status = check(store, record, is_given);
    if (status != CHAT_OK)
        return status;
    if (store->log.is_dead)
        return CHAT_ERR_IO;
    if (store->state.n_changes % 64 == 0 && chat__state_is_full(&store->state))
        return CHAT_ERR_BUSY;
    entry.seq = is_given ? record->seq : next_seq(store, record);
    status = prepare(store, &entry, record, is_given, &chat);
    if (status != CHAT_OK)
        return status;
    int is_behind = is_given && chat->staged.seq >= entry.seq;
    status = is_behind ? CHAT_ERR_STATE : number(store, chat, record, &entry);
    if (status == CHAT_OK)
        status = stage(store, &entry, record->payload);
    if (status != CHAT_OK) {
        chat__store_unprepare(store);
        return status;
    }
    chat__store_accept(store, &entry);
    record->seq = entry.seq;
    record->prev = entry.prev_seq;
    return CHAT_OK;
}

uint32_t chat__store_expect(chat__store *store, chat_view chat)
{
    return chat__state_expect(&store->state, chat);
}

chat_status chat__store_append(chat__store *store, chat__store_record *record)
{
    return append(store, record, 0);
}

chat_status chat__store_append_given(chat__store *store, chat__store_record *record)
{
    return append(store, record, 1);
}

chat_status chat__store_commit(chat__store *store)
{
    chat_status status = chat__log_commit(&store->log);
    if (status == CHAT_OK)
        chat__store_publish(store, store->log.end);
    else
        chat__store_discard(store);
    return status;
}
