/* SPDX-License-Identifier: MIT */
/* The thread that calls the log. See appender.h. */
#include "appender_internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Read and not applied: above it nothing more is read. */
#define MAX_READ_BYTES ((size_t)16 << 20)
#define MAX_POLL_MS    1000
#define WHY_BYTES      256u

static void put_flight(chat__flights *to, chat__flight *flight)
{
    flight->next = NULL;
    if (to->first == NULL)
        to->first = flight;
    else
        to->last->next = flight;
    to->last = flight;
}

/* --- what shards put in --- */

static void take_batch(chat__appender *appender, chat__batch *batch)
{
    const chat_allocator *allocator = &appender->server->allocator;
    size_t bytes = sizeof(chat__flight) + batch->n_items * sizeof(chat__sent);
    chat__flight *flight = chat__alloc_zero(allocator, bytes);
    if (flight == NULL) {
        chat__batch_free(allocator, batch);
        chat__appender_fail(appender, CHAT_ERR_NOMEM, "out of memory: the server ends");
        return;
    }
    flight->batch = batch;
    flight->n_left = batch->n_items;
    batch->next = NULL;
    put_flight(&appender->of_shards[batch->from], flight);
}

/* Answered batches go back to their shard, in order. */
static void send_back(chat__appender *appender, chat__flights *flights)
{
    while (flights->first != NULL && flights->first->n_left == 0 &&
           flights->first->n_taken == flights->first->batch->n_items) {
        chat__flight *flight = flights->first;
        chat_server *server = appender->server;
        flights->first = flight->next;
        chat__shard_post(&server->shards[flight->batch->from], flight->batch);
        chat__alloc_free(&server->allocator, flight);
    }
}

static void send_all_back(chat__appender *appender)
{
    for (uint32_t i = 0; i < appender->server->n_shards; i++)
        send_back(appender, &appender->of_shards[i]);
}

/* Append the next record of a batch. CHAT_ERR_BUSY: not now. */
static chat_status append_one(chat__appender *appender, chat__flight *flight)
{
    size_t at = flight->at;
    chat__append_head *head = chat__batch_next_record(flight->batch, &at);
    const uint8_t *bytes = (const uint8_t *)(head + 1);
    chat__part *part = &appender->parts[head->partition];
    chat__sent *sent = &flight->items[flight->n_taken];
    chat_log_record record = {.struct_size = sizeof record,
                              .id = head->id,
                              .term = part->term,
                              .kind = head->kind,
                              .chat = chat__view(bytes, head->chat_len),
                              .payload = chat__view(bytes + head->chat_len, head->payload_len)};
    chat_status status = CHAT_ERR_IO;
    if (part->state == CHAT__PART_OPEN)
        status = appender->log.append(appender->log.ctx, (uint64_t)(uintptr_t)sent, &record);
    if (status == CHAT_ERR_BUSY)
        return status;
    flight->at = at;
    flight->n_taken++;
    if (status != CHAT_OK) {
        head->status = status;
        flight->n_left--;
        return CHAT_OK;
    }
    sent->head = head;
    sent->flight = flight;
    if (part->first == NULL)
        part->first = sent;
    else
        part->last->next = sent;
    part->last = sent;
    atomic_fetch_add_explicit(&appender->n_appended, 1, memory_order_relaxed);
    return CHAT_OK;
}

/* The batches of a shard one after another; of the shards each as much as the log takes. */
static void append_all(chat__appender *appender)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < appender->server->n_shards && status == CHAT_OK; i++) {
        chat__flight *flight = appender->of_shards[i].first;
        for (; flight != NULL && status == CHAT_OK; flight = flight->next)
            while (flight->n_taken < flight->batch->n_items && status == CHAT_OK)
                status = append_one(appender, flight);
    }
}

/* --- what the log says --- */

static void on_appended(chat__appender *appender, const chat_log_event *event)
{
    char why[WHY_BYTES];
    if (event->status == CHAT_OK)
        return; /* it counts when it is read */
    if (event->tag == CHAT__APPENDER_FENCE_TAG) {
        chat__appender_on_unfenced(appender, event);
        return;
    }
    snprintf(why, sizeof why,
             "whether a record is in the log is not known (%s): the server ends, and clients send "
             "again what was not answered",
             chat_status_text(event->status));
    chat__appender_fail(appender, event->status, why);
}

static chat__sent *take_own(chat__part *part, uint64_t id)
{
    chat__sent *sent = part->first;
    if (sent == NULL || sent->head->id != id)
        return NULL;
    part->first = sent->next;
    return sent;
}

static void on_record(chat__appender *appender, const chat_log_record *from)
{
    chat__harvest *to = &chat__appender_lane_of(appender, from->partition)->reading;
    chat__part *part = &appender->parts[from->partition];
    chat__found found = {.offset = from->offset};
    chat_store_record record = {.struct_size = sizeof record,
                                .partition = from->partition,
                                .id = from->id,
                                .seq = from->seq,
                                .kind = from->kind,
                                .chat = from->chat,
                                .payload = from->payload};
    chat__appender_note_seq(part, from->seq);
    found.own = take_own(part, from->id);
    found.chat_at = to->bytes.len;
    found.payload_at = to->bytes.len + from->chat.len;
    if (chat__buf_append(&to->bytes, from->chat.data, from->chat.len) != CHAT_OK ||
        chat__buf_append(&to->bytes, from->payload.data, from->payload.len) != CHAT_OK ||
        chat__buf_append(&to->records, &record, sizeof record) != CHAT_OK ||
        chat__buf_append(&to->founds, &found, sizeof found) != CHAT_OK) {
        chat__appender_fail(appender, CHAT_ERR_NOMEM, "out of memory: the server ends");
        return;
    }
    to->n++;
    appender->slots[chat__appender_slot_of(appender, from->partition)].n_found++;
    atomic_fetch_add_explicit(&appender->n_read, 1, memory_order_relaxed);
}

static void on_problem(chat__appender *appender, const chat_log_event *event)
{
    if (event->status == CHAT_ERR_IO)
        chat__appender_fail(appender, CHAT_ERR_IO,
                            event->text != NULL ? event->text
                                                : "the log "
                                                  "is dead");
    else if (event->text != NULL)
        chat__server_log(appender->server, CHAT_LOG_WARN, "the log: %s", event->text);
}

static void on_gap(const chat__appender *appender, const chat_log_event *event)
{
    chat__server_log(appender->server, CHAT_LOG_ERROR,
                     "records of partition %" PRIu32 " are not in the log any more, from %" PRIu64
                     " to %" PRIu64 ": they went before they were in the store",
                     event->partition, event->from_offset, event->offset);
}

static void on_event(chat__appender *appender, const chat_log_event *event)
{
    switch (event->type) {
    case CHAT_LOG_EVENT_APPENDED:
        on_appended(appender, event);
        break;
    case CHAT_LOG_EVENT_RECORD:
        on_record(appender, &event->record);
        break;
    case CHAT_LOG_EVENT_ASSIGNED:
        chat__appender_on_assigned(appender, event);
        break;
    case CHAT_LOG_EVENT_FENCED:
        chat__appender_on_fenced(appender, event);
        break;
    case CHAT_LOG_EVENT_LOST:
        chat__appender_lose(appender, event->partition);
        break;
    case CHAT_LOG_EVENT_GAP:
        on_gap(appender, event);
        break;
    case CHAT_LOG_EVENT_PROBLEM:
        on_problem(appender, event);
        break;
    default:
        break;
    }
}

static int is_full(const chat__appender *appender)
{
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++) {
        if (appender->lanes[i].reading.n >= CHAT_STORE_MAX_ROWS)
            return 1;
    }
    return 0;
}

/* Whether more is there. */
static int take_events(chat__appender *appender)
{
    chat_log_event event = {.struct_size = sizeof event};
    while (!is_full(appender)) {
        if (appender->log.next_event(appender->log.ctx, &event) != CHAT_OK)
            return 0;
        on_event(appender, &event);
    }
    return 1;
}

/* --- to the store and back --- */

/* What is borrowed from `bytes` lies still now. */
static void settle(chat__harvest *harvest)
{
    chat_store_record *records = (chat_store_record *)(void *)harvest->records.data;
    const chat__found *founds = (const chat__found *)(const void *)harvest->founds.data;
    for (size_t i = 0; i < harvest->n; i++) {
        records[i].chat.data = harvest->bytes.data + founds[i].chat_at;
        records[i].payload.data = harvest->bytes.data + founds[i].payload_at;
    }
}

static void hand_over(chat__lane *lane)
{
    if (lane->reading.n == 0)
        return;
    uv_mutex_lock(&lane->appender->mutex);
    if (lane->place == CHAT__HARVEST_FREE) {
        chat__harvest empty = lane->applying;
        lane->applying = lane->reading;
        lane->reading = empty;
        settle(&lane->applying);
        lane->place = CHAT__HARVEST_READY;
        uv_cond_signal(&lane->wake);
    }
    uv_mutex_unlock(&lane->appender->mutex);
}

static void answer_own(const chat__found *found, const chat_store_record *record)
{
    chat__sent *sent = found->own;
    if (sent == NULL)
        return;
    sent->head->status = CHAT_OK;
    sent->head->seq = record->seq;
    sent->head->prev = record->prev;
    sent->flight->n_left--;
}

/* Positions go out with the next process(); only the last of each partition counts. */
static void take_back(chat__lane *lane)
{
    chat__appender *appender = lane->appender;
    chat__harvest *done = &lane->applying;
    uv_mutex_lock(&appender->mutex);
    int is_done = lane->place == CHAT__HARVEST_DONE;
    uv_mutex_unlock(&appender->mutex);
    if (!is_done)
        return;
    const chat_store_record *records = (const chat_store_record *)(const void *)done->records.data;
    const chat__found *founds = (const chat__found *)(const void *)done->founds.data;
    for (size_t i = 0; i < done->n; i++) {
        answer_own(&founds[i], &records[i]);
        appender->slots[chat__appender_slot_of(appender, records[i].partition)].n_found--;
        (void)appender->log.commit(appender->log.ctx, records[i].partition, founds[i].offset,
                                   records[i].seq);
    }
    done->n = 0;
    done->records.len = done->founds.len = done->bytes.len = 0;
    uv_mutex_lock(&appender->mutex);
    lane->place = CHAT__HARVEST_FREE;
    uv_mutex_unlock(&appender->mutex);
}

static void pass_on(chat__appender *appender)
{
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++) {
        take_back(&appender->lanes[i]);
        hand_over(&appender->lanes[i]);
    }
}

static void bound_reading(chat__appender *appender)
{
    size_t n_bytes = 0;
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++)
        n_bytes += appender->lanes[i].reading.bytes.len;
    atomic_store_explicit(&appender->waiting_bytes, n_bytes, memory_order_relaxed);
    int is_much = n_bytes > MAX_READ_BYTES;
    if (is_much == appender->is_paused)
        return;
    appender->is_paused = is_much;
    (void)appender->log.pause(appender->log.ctx, CHAT_LOG_ALL_PARTITIONS, is_much);
}

static void take_mail(chat__appender *appender)
{
    chat__batch *batch = chat__mailbox_take(&appender->box);
    while (batch != NULL) {
        chat__batch *next = batch->next;
        take_batch(appender, batch);
        batch = next;
    }
}

static void wait_for_more(const chat__appender *appender, int has_more)
{
    uint64_t count;
    struct pollfd fds[2] = {{.fd = appender->wake_fd, .events = POLLIN},
                            {.fd = appender->log.fd(appender->log.ctx), .events = POLLIN}};
    (void)poll(fds, 2, has_more ? 0 : MAX_POLL_MS);
    ssize_t ignored = read(appender->wake_fd, &count, sizeof count);
    (void)ignored;
}

void chat__appender_log_main(void *arg)
{
    chat__appender *appender = arg;
    while (!atomic_load(&appender->is_stopping)) {
        take_mail(appender);
        chat__appender_assign(appender);
        chat__appender_fence_all(appender);
        append_all(appender);
        appender->log.process(appender->log.ctx);
        int has_more = take_events(appender);
        pass_on(appender);
        send_all_back(appender);
        chat__appender_tell_open(appender);
        bound_reading(appender);
        wait_for_more(appender, has_more && !is_full(appender));
    }
    for (uint32_t i = 0; i < CHAT__APPENDER_LANES; i++)
        take_back(&appender->lanes[i]);
    appender->log.process(appender->log.ctx);
}
