/* SPDX-License-Identifier: MIT */
/*
 * See recent.h. A record is kept with what a page says of it. A deletion cuts what was before it:
 * what was said and then deleted is not to be found there either.
 */
#include "commons_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <chat/id.h>
#include <string.h>

#define WAIT_MS       20u   /* for an answer; then the store is asked */
#define REST_MS       1000u /* after one that did not come in time */
#define NS_IN_MS      UINT64_C(1000000)
#define MAX_BYTES     (4u << 20) /* that wait to be kept */
#define MAX_KEEPS     512u       /* asks without an answer: half of all are for others */
#define DECODER_BYTES (1u << 20)
#define HEAD_BYTES    20u /* of what is kept: prev, id, kind */

struct chat__recent_ask {
    chat_allocator allocator;
    atomic_int n_refs; /* who asks, and who answers */
    uv_mutex_t mutex;
    uv_cond_t wake;
    int is_done;
    chat_status status;
    chat__buf rows; /* of chat_store_row */
    chat__buf bytes;
    uint32_t count;
    size_t chat_len;
    uint8_t chat[];
};

/* In the mail; chat and payload follow. */
typedef struct keep_head {
    uint64_t seq, prev, id;
    uint32_t kind;
    uint32_t chat_len, payload_len;
    uint32_t is_cut; /* what is before it goes */
} keep_head;

/* --- what is kept: threads of the appender --- */

static int is_deletion(chat_decoder *decoder, const chat_store_record *record)
{
    chat_frame note;
    return record->kind == CHAT_FRAME_NOTE &&
           (decoder == NULL ||
            chat_frame_decode(decoder, CHAT_ENCODING_CBOR, record->payload, &note) != CHAT_OK ||
            chat__view_equal(note.what, chat__view_str("delete")));
}

static chat_status put_record(chat__batch *batch, chat_decoder *decoder,
                              const chat_store_record *record)
{
    chat_view user;
    keep_head head = {record->seq,
                      record->prev,
                      record->id,
                      record->kind,
                      (uint32_t)record->chat.len,
                      (uint32_t)record->payload.len,
                      (uint32_t)is_deletion(decoder, record)};
    if (chat_self_user(record->chat, &user) == CHAT_OK)
        return CHAT_OK; /* nobody reads pages of it */
    size_t len = batch->bytes.len;
    chat_status status = chat__buf_append(&batch->bytes, &head, sizeof head);
    if (status == CHAT_OK)
        status = chat__buf_append(&batch->bytes, record->chat.data, record->chat.len);
    if (status == CHAT_OK)
        status = chat__buf_append(&batch->bytes, record->payload.data, record->payload.len);
    if (status != CHAT_OK)
        batch->bytes.len = len;
    batch->n_items += status == CHAT_OK;
    return status;
}

static chat__batch *batch_of(chat_server *server, const chat_store_record *records, size_t n)
{
    chat_decoder *decoder = NULL;
    chat_status status = CHAT_OK;
    chat__batch *batch = chat__batch_new(&server->allocator, CHAT__MAIL_RECENT, 0);
    for (size_t i = 0; i < n && decoder == NULL && batch != NULL; i++) {
        if (records[i].kind == CHAT_FRAME_NOTE)
            (void)chat_decoder_new(&server->allocator, DECODER_BYTES, &decoder);
    }
    for (size_t i = 0; i < n && batch != NULL && status == CHAT_OK; i++)
        status = put_record(batch, decoder, &records[i]);
    chat_decoder_free(decoder);
    return batch;
}

static void shed(chat__commons *commons, uint64_t n)
{
    atomic_fetch_add_explicit(&commons->n_shed, n, memory_order_relaxed);
}

void chat__recent_keep(chat_server *server, const chat_store_record *records, size_t n)
{
    chat__commons *commons = server->commons;
    if (commons == NULL || server->store_table.read_recent == NULL ||
        atomic_load(&commons->is_stopping))
        return;
    int is_full =
        atomic_load(&commons->is_up) == 0 || atomic_load(&commons->keep_bytes) > MAX_BYTES;
    chat__batch *batch = is_full ? NULL : batch_of(server, records, n);
    if (batch == NULL) {
        shed(commons, n);
        return;
    }
    atomic_fetch_add(&commons->keep_bytes, batch->bytes.len);
    chat__commons_post(commons, batch);
}

/* --- the commons' thread --- */

static void put_number(uint8_t *to, uint64_t number, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        to[i] = (uint8_t)(number >> 8 * (n_bytes - 1 - i));
}

static uint64_t get_number(const uint8_t *from, size_t n_bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < n_bytes; i++)
        number = number << 8 | from[i];
    return number;
}

static chat_status ask_keep(chat__commons *commons, const keep_head *head, chat_view chat,
                            const uint8_t *payload)
{
    chat__commons_flight flight = {.kind = CHAT__COMMONS_KEEP};
    chat_shared_ask ask = {.struct_size = sizeof ask,
                           .op = CHAT_SHARED_RECENT_CUT,
                           .owner = chat,
                           .number = head->seq - 1};
    chat_status status = CHAT_OK;
    if (head->is_cut && !commons->has_cut && ask.number > 0) {
        status = chat__commons_ask(commons, &flight, &ask);
        commons->has_cut = status == CHAT_OK;
    }
    if (status != CHAT_OK)
        return status;
    uint8_t bytes[HEAD_BYTES];
    put_number(bytes, head->prev, 8);
    put_number(bytes + 8, head->id, 8);
    put_number(bytes + 16, head->kind, 4);
    commons->value.len = 0;
    status = chat__buf_append(&commons->value, bytes, sizeof bytes);
    if (status == CHAT_OK)
        status = chat__buf_append(&commons->value, payload, head->payload_len);
    if (status != CHAT_OK)
        return status;
    ask.op = CHAT_SHARED_RECENT_PUT;
    ask.number = head->seq;
    ask.value = chat__buf_view(&commons->value);
    status = chat__commons_ask(commons, &flight, &ask);
    commons->has_cut = commons->has_cut && status == CHAT_ERR_BUSY;
    return status;
}

/* Of the first batch. CHAT_ERR_BUSY: the rest is for later. */
static chat_status keep_some(chat__commons *commons, chat__batch *batch)
{
    while (batch->start < batch->bytes.len) {
        keep_head head;
        const uint8_t *at = batch->bytes.data + batch->start;
        memcpy(&head, at, sizeof head);
        at += sizeof head;
        if (chat__commons_is_useless(commons)) {
            shed(commons, batch->n_items);
            return CHAT_OK;
        }
        if (commons->n_keeps >= MAX_KEEPS)
            return CHAT_ERR_BUSY;
        chat_status status =
            ask_keep(commons, &head, chat__view(at, head.chat_len), at + head.chat_len);
        if (status == CHAT_ERR_BUSY)
            return status;
        if (status != CHAT_OK)
            shed(commons, 1);
        else
            atomic_fetch_add_explicit(&commons->n_kept, 1, memory_order_relaxed);
        batch->n_items--;
        batch->start += (uint32_t)(sizeof head + head.chat_len + head.payload_len);
    }
    return CHAT_OK;
}

static void pop_keeping(chat__commons *commons)
{
    chat__batch *batch = commons->keeping;
    commons->keeping = batch->next;
    if (commons->keeping == NULL)
        commons->last_keeping = NULL;
    atomic_fetch_sub(&commons->keep_bytes, batch->bytes.len);
    chat__batch_free(&commons->server->allocator, batch);
}

void chat__commons_keep_due(chat__commons *commons)
{
    while (commons->keeping != NULL && keep_some(commons, commons->keeping) == CHAT_OK)
        pop_keeping(commons);
}

/* What is kept, as it was put. */
static chat_status take_item(chat__recent_ask *question, const chat_shared_item *item)
{
    if (item->value.len < HEAD_BYTES)
        return CHAT_ERR_IO;
    chat_store_row row = {
        .seq = item->number,
        .prev = get_number(item->value.data, 8),
        .id = get_number(item->value.data + 8, 8),
        .kind = (uint32_t)get_number(item->value.data + 16, 4),
        .payload = {(const uint8_t *)(uintptr_t)question->bytes.len, item->value.len - HEAD_BYTES}};
    chat_status status =
        chat__buf_append(&question->bytes, item->value.data + HEAD_BYTES, row.payload.len);
    return status == CHAT_OK ? chat__buf_append(&question->rows, &row, sizeof row) : status;
}

/* NULL: it could not be asked. */
static void tell(chat__recent_ask *question, const chat_shared_event *event)
{
    chat_status status = event != NULL ? event->status : CHAT_ERR_BUSY;
    for (size_t i = 0; status == CHAT_OK && i < event->n_items; i++)
        status = take_item(question, &event->items[i]);
    uv_mutex_lock(&question->mutex);
    question->is_done = 1;
    question->status = status;
    uv_cond_signal(&question->wake);
    uv_mutex_unlock(&question->mutex);
    chat__recent_release(question);
}

static void ask_recent(chat__commons *commons, chat__recent_ask *question)
{
    chat__commons_flight flight = {.kind = CHAT__COMMONS_RECENT, .recent = question};
    chat_shared_ask ask = {.struct_size = sizeof ask,
                           .op = CHAT_SHARED_RECENT_READ,
                           .owner = chat__view(question->chat, question->chat_len),
                           .count = question->count};
    if (chat__commons_is_useless(commons) || chat__commons_ask(commons, &flight, &ask) != CHAT_OK)
        tell(question, NULL);
}

int chat__commons_take_recent(chat__commons *commons, chat__batch *mail)
{
    if (mail->kind != CHAT__MAIL_RECENT)
        return 0;
    if (mail->recent != NULL) {
        ask_recent(commons, mail->recent);
        mail->recent = NULL;
        chat__batch_free(&commons->server->allocator, mail);
        return 1;
    }
    mail->next = NULL;
    mail->start = 0;
    if (commons->keeping == NULL)
        commons->keeping = mail;
    else
        commons->last_keeping->next = mail;
    commons->last_keeping = mail;
    return 1;
}

int chat__commons_recent_end(chat__commons *commons, const chat__commons_flight *flight,
                             const chat_shared_event *event)
{
    if (flight->kind == CHAT__COMMONS_KEEP)
        commons->n_keeps--;
    else if (flight->kind == CHAT__COMMONS_RECENT)
        tell(flight->recent, event);
    else
        return 0;
    return 1;
}

void chat__commons_recent_done(chat__commons *commons)
{
    while (commons->keeping != NULL)
        pop_keeping(commons);
    chat__buf_done(&commons->value);
}

/* --- who reads: askers --- */

static chat__recent_ask *ask_new(const chat_allocator *allocator, chat_view chat, uint32_t count)
{
    chat__recent_ask *made = chat__alloc_zero(allocator, sizeof *made + chat.len);
    if (made == NULL)
        return NULL;
    if (uv_mutex_init(&made->mutex) != 0) {
        chat__alloc_free(allocator, made);
        return NULL;
    }
    if (uv_cond_init(&made->wake) != 0) {
        uv_mutex_destroy(&made->mutex);
        chat__alloc_free(allocator, made);
        return NULL;
    }
    made->allocator = *allocator;
    made->count = count;
    made->chat_len = chat.len;
    memcpy(made->chat, chat.data, chat.len);
    chat__buf_init(&made->rows, allocator, SIZE_MAX / 2);
    chat__buf_init(&made->bytes, allocator, SIZE_MAX / 2);
    atomic_store(&made->n_refs, 1);
    return made;
}

void chat__recent_release(chat__recent_ask *ask)
{
    if (ask == NULL || atomic_fetch_sub(&ask->n_refs, 1) > 1)
        return;
    const chat_allocator allocator = ask->allocator;
    chat__buf_done(&ask->rows);
    chat__buf_done(&ask->bytes);
    uv_cond_destroy(&ask->wake);
    uv_mutex_destroy(&ask->mutex);
    chat__alloc_free(&allocator, ask);
}

/* A page of the newest records that is short enough. */
static int is_for_recent(const chat_server *server, const chat__effect *effect)
{
    const chat__commons *commons = server->commons;
    chat_view user;
    return commons != NULL && server->store_table.read_recent != NULL &&
           effect->type == CHAT__EFFECT_READ && effect->id == 0 && effect->after == UINT64_MAX &&
           effect->before == UINT64_MAX && effect->limit < CHAT__RECENT_COUNT &&
           chat_self_user(effect->chat, &user) != CHAT_OK && !atomic_load(&commons->is_stopping) &&
           atomic_load(&commons->is_up) &&
           chat__server_mono_ms() >= atomic_load(&commons->rest_until_ms);
}

/* Whether it was answered. */
static int wait_for(chat__recent_ask *ask)
{
    uint64_t until_ms = chat__server_mono_ms() + WAIT_MS;
    uv_mutex_lock(&ask->mutex);
    for (uint64_t now_ms = chat__server_mono_ms(); !ask->is_done && now_ms < until_ms;
         now_ms = chat__server_mono_ms())
        (void)uv_cond_timedwait(&ask->wake, &ask->mutex, (until_ms - now_ms) * NS_IN_MS);
    int is_done = ask->is_done;
    uv_mutex_unlock(&ask->mutex);
    return is_done;
}

static void settle(chat__recent_ask *ask, chat_store_recent *out)
{
    chat_store_row *rows = (chat_store_row *)(void *)ask->rows.data;
    size_t n = ask->rows.len / sizeof *rows;
    for (size_t i = 0; i < n; i++)
        rows[i].payload.data = ask->bytes.data + (uintptr_t)rows[i].payload.data;
    *out = (chat_store_recent){.rows = rows, .n_rows = n};
}

chat__recent_ask *chat__recent_get(chat_server *server, const chat__effect *effect,
                                   chat_store_recent *out)
{
    if (!is_for_recent(server, effect))
        return NULL;
    chat__commons *commons = server->commons;
    chat__recent_ask *ask = ask_new(&server->allocator, effect->chat, effect->limit + 1);
    chat__batch *batch =
        ask != NULL ? chat__batch_new(&server->allocator, CHAT__MAIL_RECENT, 0) : NULL;
    if (batch == NULL) {
        chat__recent_release(ask);
        return NULL;
    }
    atomic_store(&ask->n_refs, 2);
    batch->recent = ask;
    chat__commons_post(commons, batch);
    if (wait_for(ask)) {
        if (ask->status == CHAT_OK)
            settle(ask, out);
        return ask;
    }
    atomic_store(&commons->rest_until_ms, chat__server_mono_ms() + REST_MS);
    chat__recent_count(server, 0);
    chat__recent_release(ask);
    return NULL;
}

void chat__recent_count(chat_server *server, int is_used)
{
    chat__commons *commons = server->commons;
    atomic_fetch_add_explicit(is_used ? &commons->n_hits : &commons->n_misses, 1,
                              memory_order_relaxed);
}
