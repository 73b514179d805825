/* SPDX-License-Identifier: MIT */
/* See apply.h: the heads of chats and the places of records. */
#include "backends/cassandra/store/apply_internal.h"

#include "base/alloc.h"
#include "base/view.h"

#include <string.h>

/* Of payload in a round; with all that follows from it that is some MiB of requests. */
#define BYTES_A_ROUND (1u << 20)
#define DECODER_MAX   (2u << 20)

/* Numbers of what is remembered of a head. */
enum { SEQ = 0, ORDINAL = 1, HAS_NOTES = 2 };

void chat__cstore_writer_init(chat__cstore_writer *writer, chat__cstore_session *session,
                              uint32_t n_partitions, uint32_t max_cached)
{
    memset(writer, 0, sizeof *writer);
    writer->session = session;
    writer->n_partitions = n_partitions;
    (void)pthread_mutex_init(&writer->lock, NULL);
    chat__cstore_cache_init(&writer->heads, max_cached);
    chat__cstore_cache_init(&writer->reads, max_cached);
}

void chat__cstore_writer_done(chat__cstore_writer *writer)
{
    chat__cstore_cache_done(&writer->heads);
    chat__cstore_cache_done(&writer->reads);
    (void)pthread_mutex_destroy(&writer->lock);
}

void chat__cstore_forget(chat__cstore_writer *writer, uint32_t partition)
{
    pthread_mutex_lock(&writer->lock);
    chat__cstore_cache_drop_tag(&writer->heads, partition);
    chat__cstore_cache_drop_tag(&writer->reads, partition);
    pthread_mutex_unlock(&writer->lock);
}

/* --- heads --- */

static chat_status group(chat__cstore_applying *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const chat_store_record *record = &a->records[i];
        chat__cstore_entry *entry = chat__cstore_cache_put(&a->by_chat, record->chat);
        if (entry == NULL)
            return CHAT_ERR_NOMEM;
        if (entry->numbers[0] == 0) {
            a->heads[a->n_heads++] = (chat__cstore_moving){.chat = record->chat,
                                                           .partition = record->partition,
                                                           .item = CHAT__CSTORE_NONE,
                                                           .first = i,
                                                           .last = i};
            entry->numbers[0] = a->n_heads;
        }
        a->places[i].head = (uint32_t)entry->numbers[0] - 1;
        a->places[i].next = CHAT__CSTORE_NONE;
        a->places[i].item = CHAT__CSTORE_NONE;
        chat__cstore_moving *head = &a->heads[a->places[i].head];
        if (head->last != i)
            a->places[head->last].next = i;
        head->last = i;
    }
    return CHAT_OK;
}

static void recall_heads(chat__cstore_applying *a)
{
    pthread_mutex_lock(&a->writer->lock);
    for (uint32_t i = 0; i < a->n_heads; i++) {
        chat__cstore_moving *head = &a->heads[i];
        const chat__cstore_entry *entry = chat__cstore_cache_get(&a->writer->heads, head->chat);
        if (entry == NULL) {
            head->item = chat__cstore_ask(&a->call, CHAT__CSTORE_GET_HEAD);
            chat__cstore_text(&a->call, head->chat);
            continue;
        }
        head->seq = entry->numbers[SEQ];
        head->ordinal = entry->numbers[ORDINAL];
        head->has_notes = entry->numbers[HAS_NOTES] != 0;
    }
    pthread_mutex_unlock(&a->writer->lock);
}

static chat_status load_heads(chat__cstore_applying *a)
{
    recall_heads(a);
    chat_status status = chat__cstore_run(&a->call);
    for (uint32_t i = 0; i < a->n_heads && status == CHAT_OK; i++) {
        chat__cstore_moving *head = &a->heads[i];
        chat__cstore_rows rows = {.n_rows = 0};
        if (head->item != CHAT__CSTORE_NONE)
            rows = chat__cstore_rows_of(&a->call, head->item);
        if (!chat__cstore_next(&rows))
            continue;
        head->seq = chat__cstore_get_u64(&rows);
        head->ordinal = chat__cstore_get_u64(&rows);
        head->has_notes = chat__cstore_get_u8(&rows) != 0;
        status = rows.is_bad ? CHAT_ERR_IO : CHAT_OK;
    }
    chat__cstore_reset(&a->call);
    return status;
}

static void remember_heads(chat__cstore_applying *a)
{
    pthread_mutex_lock(&a->writer->lock);
    for (uint32_t i = 0; i < a->n_heads; i++) {
        const chat__cstore_moving *head = &a->heads[i];
        chat__cstore_entry *entry = chat__cstore_cache_put(&a->writer->heads, head->chat);
        if (entry == NULL)
            continue;
        entry->tag = head->partition;
        entry->numbers[SEQ] = head->new_seq;
        entry->numbers[ORDINAL] = head->new_ordinal;
        entry->numbers[HAS_NOTES] = head->has_notes || head->noted_seq > 0;
    }
    for (const chat__cstore_entry *each = a->reads.oldest; each != NULL; each = each->newer) {
        chat__cstore_entry *entry =
            chat__cstore_cache_put(&a->writer->reads, chat__view(each->key, each->key_len));
        if (entry == NULL)
            continue;
        entry->tag = each->tag;
        entry->numbers[0] = each->numbers[CHAT__CSTORE_READ_SEQ];
    }
    pthread_mutex_unlock(&a->writer->lock);
}

/* --- places --- */

/* The record comes twice in the same round: the first counts. */
static uint32_t twin_of(const chat__cstore_applying *a, const chat__cstore_moving *head,
                        uint64_t seq)
{
    uint32_t k = head->first;
    while (k != CHAT__CSTORE_NONE && a->records[k].seq != seq)
        k = a->places[k].next;
    return k;
}

/* What is behind the head follows it; of the others the row says where they are. */
static void place_all(chat__cstore_applying *a)
{
    for (uint32_t i = 0; i < a->n_heads; i++) {
        a->heads[i].new_seq = a->heads[i].seq;
        a->heads[i].new_ordinal = a->heads[i].ordinal;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        const chat_store_record *record = &a->records[i];
        chat__cstore_placed *place = &a->places[i];
        chat__cstore_moving *head = &a->heads[place->head];
        if (record->seq > head->new_seq) {
            place->prev = head->new_seq;
            place->ordinal = ++head->new_ordinal;
            head->new_seq = record->seq;
        } else if (record->seq > head->seq) {
            uint32_t twin = twin_of(a, head, record->seq);
            place->is_stored = 1;
            place->prev = a->places[twin].prev;
            place->ordinal = a->places[twin].ordinal;
        } else {
            place->item = chat__cstore_ask(&a->call, CHAT__CSTORE_GET_PLACE);
            chat__cstore_text(&a->call, record->chat);
            chat__cstore_u32(&a->call, chat__cstore_bucket_of(record->seq));
            chat__cstore_u64(&a->call, record->seq);
        }
    }
}

/* A row that is gone, with its time to live, left the one before it at best. */
static chat_status take_places(chat__cstore_applying *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        chat__cstore_placed *place = &a->places[i];
        if (place->item == CHAT__CSTORE_NONE)
            continue;
        chat__cstore_rows rows = chat__cstore_rows_of(&a->call, place->item);
        if (!chat__cstore_next(&rows))
            continue;
        uint64_t seq = chat__cstore_get_u64(&rows);
        place->prev = chat__cstore_get_u64(&rows);
        place->ordinal = chat__cstore_get_u64(&rows);
        if (rows.is_bad)
            return CHAT_ERR_IO;
        place->is_stored = seq == a->records[i].seq;
        if (!place->is_stored) {
            place->prev = seq;
            place->ordinal += place->ordinal > 0;
        }
    }
    return CHAT_OK;
}

/* --- all of it --- */

chat_status chat__cstore_facts_of(chat__cstore_applying *a, uint32_t i)
{
    const chat_store_record *record = &a->records[i];
    chat__facts_record of = {record->kind, a->places[i].ordinal == 1, record->id, record->chat};
    chat_status status = chat__facts_read(a->decoder, &of, record->payload, a->facts);
    return status == CHAT_ERR_ARG ? CHAT_OK : status;
}

static chat_status find_places(chat__cstore_applying *a)
{
    chat_status status = group(a);
    if (status == CHAT_OK)
        status = load_heads(a);
    if (status == CHAT_OK) {
        place_all(a);
        status = chat__cstore_ask_reads(a);
    }
    if (status == CHAT_OK)
        status = chat__cstore_run(&a->call);
    if (status == CHAT_OK)
        status = take_places(a);
    if (status == CHAT_OK)
        chat__cstore_take_reads(a);
    chat__cstore_reset(&a->call);
    return status;
}

static chat_status write_all(chat__cstore_applying *a)
{
    chat_status status = chat__cstore_write_rows(a);
    if (status == CHAT_OK)
        status = chat__cstore_erase(a);
    if (status == CHAT_OK)
        status = chat__cstore_write_heads(a);
    return status;
}

static chat_status begin(chat__cstore_applying *a)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat__cstore_call_init(&a->call, a->writer->session);
    chat__cstore_cache_init(&a->by_chat, 0);
    chat__cstore_cache_init(&a->reads, 0);
    a->places = chat__alloc_zero(&libc, a->n * sizeof *a->places);
    a->heads = chat__alloc_zero(&libc, a->n * sizeof *a->heads);
    a->facts = chat__alloc_zero(&libc, sizeof *a->facts);
    if (a->places == NULL || a->heads == NULL || a->facts == NULL)
        return CHAT_ERR_NOMEM;
    return chat_decoder_new(&libc, DECODER_MAX, &a->decoder);
}

static void end(chat__cstore_applying *a)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat_decoder_free(a->decoder);
    chat__alloc_free(&libc, a->facts);
    chat__alloc_free(&libc, a->heads);
    chat__alloc_free(&libc, a->places);
    chat__cstore_cache_done(&a->reads);
    chat__cstore_cache_done(&a->by_chat);
    chat__cstore_call_done(&a->call);
}

static chat_status apply_some(chat__cstore_writer *writer, chat_store_record *records, uint32_t n)
{
    chat__cstore_applying a = {.writer = writer, .records = records, .n = n};
    chat_status status = begin(&a);
    if (status == CHAT_OK)
        status = find_places(&a);
    if (status == CHAT_OK)
        status = write_all(&a);
    if (status == CHAT_OK) {
        remember_heads(&a);
        for (uint32_t i = 0; i < n; i++)
            records[i].prev = a.places[i].prev;
    }
    end(&a);
    return status;
}

static int is_sane(const chat__cstore_writer *writer, const chat_store_record *record)
{
    return record->chat.len > 0 && record->chat.len <= CHAT_CHAT_ID_MAX_BYTES && record->seq > 0 &&
           record->seq <= INT64_MAX && record->partition < writer->n_partitions;
}

chat_status chat__cstore_apply(chat__cstore_writer *writer, chat_store_record *records, size_t n)
{
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < n; i++) {
        if (!is_sane(writer, &records[i]))
            return CHAT_ERR_ARG;
    }
    for (size_t i = 0; i < n && status == CHAT_OK;) {
        uint32_t count = 0;
        size_t n_bytes = 0;
        while (i + count < n && count < CHAT_STORE_MAX_ROWS &&
               (count == 0 || n_bytes + records[i + count].payload.len <= BYTES_A_ROUND))
            n_bytes += records[i + count++].payload.len;
        status = apply_some(writer, records + i, count);
        i += count;
    }
    return status;
}
