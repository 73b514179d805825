/* SPDX-License-Identifier: MIT */
/*
 * The requests of calls on their way: given to the driver, answered, and when the last of a call is
 * answered its caller is woken. After a failure the rest of a call is not asked. The session's
 * thread is the only one here.
 */
#include "backends/cassandra/link.h"
#include "backends/cassandra/store/session_internal.h"

#include "base/alloc.h"
#include "base/view.h"

#include <stdio.h>
#include <string.h>

#define ITEMS_A_TURN     16u
#define MAX_BATCH_BYTES  65536u
#define MAX_ANSWER_BYTES (64u * 1024 * 1024) /* of a call */
#define LINE_BYTES       640u
#define SAY_EVERY_MS     1000u

static void say(const chat__cstore_session *session, chat_log_level level, const char *text)
{
    char line[LINE_BYTES];
    if (session->log.write == NULL)
        return;
    (void)snprintf(line, sizeof line, "cassandra: %s", text);
    session->log.write(session->log.ctx, level, line);
}

/* --- the end of a call --- */

static chat__cstore_item *item_of(const chat__cstore_call *call, uint32_t i)
{
    return (chat__cstore_item *)(void *)call->items.data + i;
}

static void finish(chat__cstore_session *session, chat__cstore_call *call)
{
    session->slots[call->slot] = NULL;
    pthread_mutex_lock(&session->lock);
    call->is_done = 1;
    (void)pthread_cond_signal(&call->is_over);
    pthread_mutex_unlock(&session->lock);
}

static int is_over(const chat__cstore_call *call)
{
    return call->n_flying == 0 &&
           (call->status != CHAT_OK || (call->n_asked == call->n_items && call->n_pages == 0));
}

/* What the driver says in words of the store: what is wrong is none of the caller's doing. */
static chat_status as_store(chat_status status)
{
    switch (status) {
    case CHAT_ERR_BUSY:
    case CHAT_ERR_TIMEOUT:
    case CHAT_ERR_NETWORK:
    case CHAT_ERR_LIMIT:
    case CHAT_ERR_NOMEM:
        return status;
    default:
        return CHAT_ERR_IO;
    }
}

static void fail(chat__cstore_call *call, chat_status status)
{
    if (call->status == CHAT_OK)
        call->status = as_store(status);
}

/* --- asking --- */

static void fill(chat__cstore_session *session, const chat__cstore_call *call, uint32_t i,
                 uint32_t place)
{
    const chat__cstore_item *item = item_of(call, i);
    const chat__cstore_value *values =
        (const chat__cstore_value *)(const void *)call->values.data + item->first_value;
    chat_cassandra_request *request = &session->requests[place];
    chat_view *views = &session->views[(size_t)place * CHAT__CSTORE_MAX_VALUES];
    memset(request, 0, sizeof *request);
    for (uint32_t k = 0; k < item->n_values && k < CHAT__CSTORE_MAX_VALUES; k++)
        views[k] = values[k].len == UINT32_MAX
                       ? chat__view(NULL, 0)
                       : chat__view(call->bytes.len > 0 ? call->bytes.data + values[k].at
                                                        : (const uint8_t *)"",
                                    values[k].len);
    request->struct_size = sizeof *request;
    request->statement = session->numbers[item->statement];
    request->values = views;
    request->n_values = item->n_values;
    request->page_size = item->page_size;
    request->is_idempotent = 1;
    if (item->answer != NULL)
        request->paging_state = chat__buf_view(&item->answer->paging);
}

static size_t bytes_of(const chat__cstore_call *call, uint32_t i)
{
    const chat__cstore_item *item = item_of(call, i);
    const chat__cstore_value *values =
        (const chat__cstore_value *)(const void *)call->values.data + item->first_value;
    size_t n = 0;
    for (uint32_t k = 0; k < item->n_values; k++)
        n += values[k].len == UINT32_MAX ? 0 : values[k].len;
    return n;
}

static uint64_t tag_of(const chat__cstore_call *call, uint32_t i)
{
    return (uint64_t)call->slot << 32 | i;
}

/* How many items from `i` on go together. */
static uint32_t batch_of(const chat__cstore_call *call, uint32_t i)
{
    uint32_t n = 1;
    size_t n_bytes = bytes_of(call, i);
    while (i + n < call->n_items && n < CHAT__CSTORE_MAX_BATCH && item_of(call, i + n)->is_joined) {
        n_bytes += bytes_of(call, i + n);
        if (n_bytes > MAX_BATCH_BYTES)
            break;
        n++;
    }
    return n;
}

/* The driver's word about a request that it was given; CHAT_ERR_BUSY: not now. */
static chat_status note_given(chat__cstore_session *session, chat__cstore_call *call,
                              chat_status status)
{
    if (status == CHAT_OK) {
        call->n_flying++;
        session->n_flying++;
    } else if (status == CHAT_ERR_BUSY && session->n_flying > 0) {
        session->is_full = 1;
    } else {
        fail(call, status);
    }
    return status;
}

static chat_status give_next(chat__cstore_session *session, chat__cstore_call *call)
{
    uint32_t first = call->n_asked;
    uint32_t n = batch_of(call, first);
    for (uint32_t i = 0; i < n; i++)
        fill(session, call, first + i, i);
    chat_status status = n == 1 ? chat_cassandra_ask(session->cassandra, tag_of(call, first),
                                                     session->requests, chat__cql_now_ms())
                                : chat_cassandra_batch(session->cassandra, tag_of(call, first),
                                                       session->requests, n, chat__cql_now_ms());
    status = note_given(session, call, status);
    if (status == CHAT_OK)
        call->n_asked += n;
    return status;
}

/* The next page of an item. */
static chat_status give_page(chat__cstore_session *session, chat__cstore_call *call)
{
    uint32_t i = 0;
    while (item_of(call, i)->answer == NULL || item_of(call, i)->answer->paging.len == 0)
        i++;
    fill(session, call, i, 0);
    chat_status status = note_given(session, call,
                                    chat_cassandra_ask(session->cassandra, tag_of(call, i),
                                                       session->requests, chat__cql_now_ms()));
    if (status == CHAT_OK) {
        item_of(call, i)->answer->paging.len = 0;
        call->n_pages--;
    }
    return status;
}

/* Some items of a call: no call has more than half of what may fly. */
static int give_some(chat__cstore_session *session, chat__cstore_call *call)
{
    int n = 0;
    uint32_t most = (session->max_flying + 1) / 2;
    for (; n < (int)ITEMS_A_TURN && call->status == CHAT_OK && !session->is_full; n++) {
        if (call->n_flying >= most || session->n_flying >= session->max_flying)
            return n;
        if (call->n_pages > 0)
            (void)give_page(session, call);
        else if (call->n_asked < call->n_items)
            (void)give_next(session, call);
        else
            return n;
    }
    return n;
}

void chat__cstore_give(chat__cstore_session *session)
{
    for (int n = 1; n > 0 && !session->is_full;) {
        n = 0;
        for (uint32_t i = 0; i < session->n_slots; i++) {
            chat__cstore_call *call = session->slots[(session->turn + i) % session->n_slots];
            if (call == NULL)
                continue;
            n += give_some(session, call);
            if (is_over(call))
                finish(session, call);
        }
        session->turn++;
    }
}

/* --- answers --- */

static chat__cstore_answer *answer_of(chat__cstore_session *session, chat__cstore_item *item)
{
    if (item->answer != NULL)
        return item->answer;
    item->answer = chat__alloc_zero(&session->allocator, sizeof *item->answer);
    if (item->answer != NULL) {
        chat__buf_init(&item->answer->cells, NULL, MAX_ANSWER_BYTES);
        chat__buf_init(&item->answer->paging, NULL, MAX_ANSWER_BYTES);
    }
    return item->answer;
}

static chat_status take_rows(chat__cstore_session *session, chat__cstore_call *call,
                             chat__cstore_item *item, const chat_cassandra_event *event)
{
    chat__cstore_answer *answer = answer_of(session, item);
    if (answer == NULL)
        return CHAT_ERR_NOMEM;
    call->n_answer_bytes += event->cells.len;
    if (call->n_answer_bytes > MAX_ANSWER_BYTES)
        return CHAT_ERR_LIMIT;
    chat_status status = chat__buf_append(&answer->cells, event->cells.data, event->cells.len);
    if (status != CHAT_OK)
        return status;
    answer->n_columns = event->n_columns;
    answer->n_rows += event->n_rows;
    int is_enough = item->max_rows > 0 && answer->n_rows >= item->max_rows;
    answer->has_more = is_enough && (event->has_more || answer->n_rows > item->max_rows);
    if (is_enough)
        answer->n_rows = item->max_rows;
    if (is_enough || !event->has_more || event->paging_state.len == 0)
        return CHAT_OK;
    status = chat__buf_append(&answer->paging, event->paging_state.data, event->paging_state.len);
    call->n_pages += status == CHAT_OK;
    return status;
}

static void say_failed(chat__cstore_session *session, const chat_cassandra_event *event)
{
    uint64_t now = chat__cql_now_ms();
    if (session->said_ms != 0 && now - session->said_ms < SAY_EVERY_MS)
        return;
    session->said_ms = now;
    say(session, as_store(event->status) == CHAT_ERR_IO ? CHAT_LOG_ERROR : CHAT_LOG_WARN,
        event->text);
}

static void take_answer(chat__cstore_session *session, const chat_cassandra_event *event)
{
    chat__cstore_call *call = session->slots[event->tag >> 32];
    chat__cstore_item *item = item_of(call, (uint32_t)event->tag);
    session->is_full = 0;
    session->n_flying--;
    call->n_flying--;
    if (event->type == CHAT_CASSANDRA_EVENT_FAILED) {
        fail(call, event->status);
        say_failed(session, event);
    } else if (event->n_columns > 0) {
        chat_status status = take_rows(session, call, item, event);
        if (status != CHAT_OK)
            fail(call, status);
    }
    if (is_over(call))
        finish(session, call);
}

void chat__cstore_take(chat__cstore_session *session, const chat_cassandra_event *event)
{
    char line[LINE_BYTES / 2];
    switch (event->type) {
    case CHAT_CASSANDRA_EVENT_ANSWER:
    case CHAT_CASSANDRA_EVENT_FAILED:
        take_answer(session, event);
        break;
    case CHAT_CASSANDRA_EVENT_NODE_UP:
        (void)snprintf(line, sizeof line, "%s takes requests", event->text);
        say(session, CHAT_LOG_INFO, line);
        break;
    case CHAT_CASSANDRA_EVENT_NODE_DOWN:
    case CHAT_CASSANDRA_EVENT_PROBLEM:
        say(session, CHAT_LOG_WARN, event->text);
        break;
    default:
        break;
    }
}
