/* SPDX-License-Identifier: MIT */
/* Requests of a driver: taken, copied, and found their partition. See driver.h. */
#include "backends/cassandra/driver_internal.h"

#include "base/alloc.h"
#include "base/sized.h"
#include "base/view.h"

#include <string.h>

chat_status chat__cql_driver_statement(chat__cql_driver *driver, const char *text,
                                       uint32_t *out_number)
{
    if (text == NULL || text[0] == '\0')
        return CHAT_ERR_ARG;
    if (driver->n_statements == CHAT_CASSANDRA_MAX_STATEMENTS)
        return CHAT_ERR_LIMIT;
    size_t len = strlen(text);
    char *copy = chat__alloc_zero(&driver->allocator, len + 1);
    if (copy == NULL)
        return CHAT_ERR_NOMEM;
    memcpy(copy, text, len);
    driver->statements[driver->n_statements].text = copy;
    driver->texts[driver->n_statements] = copy;
    *out_number = driver->n_statements++;
    return CHAT_OK;
}

/* --- queues --- */

void chat__cql_queue_put(chat__cql_queue *queue, chat__cql_request *request)
{
    request->next = NULL;
    if (queue->first == NULL)
        queue->first = request;
    else
        queue->last->next = request;
    queue->last = request;
}

chat__cql_request *chat__cql_queue_take(chat__cql_queue *queue)
{
    chat__cql_request *request = queue->first;
    if (request != NULL)
        queue->first = request->next;
    return request;
}

void chat__cql_queue_remove(chat__cql_queue *queue, chat__cql_request *request)
{
    chat__cql_queue rest = {NULL, NULL};
    if (queue->first == request) {
        (void)chat__cql_queue_take(queue);
        return;
    }
    for (chat__cql_request *at = chat__cql_queue_take(queue); at != NULL;
         at = chat__cql_queue_take(queue))
        if (at != request)
            chat__cql_queue_put(&rest, at);
    *queue = rest;
}

/* --- memory --- */

static chat__cql_request *new_request(chat__cql_driver *driver)
{
    chat__cql_request *request = driver->free_requests;
    if (request != NULL) {
        driver->free_requests = request->next;
    } else {
        request = chat__alloc_zero(&driver->allocator, sizeof *request);
        if (request == NULL)
            return NULL;
        chat__buf_init(&request->body, &driver->allocator, driver->options.max_request_bytes);
        chat__buf_init(&request->text, &driver->allocator, driver->options.max_request_bytes);
        request->number = driver->n_requests;
        driver->requests[driver->n_requests++] = request;
    }
    return request;
}

/* Back to the pool, as new but for its memory. */
static void recycle(chat__cql_driver *driver, chat__cql_request *request)
{
    chat__cql_request clean = {
        .number = request->number, .body = request->body, .text = request->text};
    clean.body.len = clean.text.len = 0;
    if (clean.body.cap > CHAT__CQL_KEEP_BYTES)
        chat__buf_done(&clean.body);
    *request = clean;
    request->next = driver->free_requests;
    driver->free_requests = request;
}

void chat__cql_request_free(chat__cql_driver *driver, chat__cql_request *request)
{
    chat__heap_remove(&driver->timers, &request->timer);
    driver->waiting_bytes -= request->body.len + request->text.len;
    driver->n_waiting--;
    recycle(driver, request);
}

/* --- what it says --- */

static chat__cql_params params_of(const chat_cassandra_request *from)
{
    chat__cql_params params = {.consistency = CHAT__CQL_LOCAL_QUORUM,
                               .n_values = from->n_values,
                               .values = from->values,
                               .page_size = from->page_size,
                               .paging_state = from->paging_state,
                               .timestamp_us = from->timestamp_us};
    if (from->consistency != 0)
        params.consistency = (chat__cql_consistency)from->consistency;
    return params;
}

static chat_status write_body(chat__cql_request *request, const chat_cassandra_request *from,
                              uint32_t n)
{
    chat__cql_writer writer = {&request->body, 0, CHAT_OK};
    for (uint32_t i = 0; i < n; i++) {
        chat__cql_params item = params_of(&from[i]);
        chat__cql_put_batch_item(&writer, from[i].statement, &item);
    }
    chat__cql_params params = params_of(&from[0]);
    chat__cql_put_params(&writer, &params, request->kind);
    if (writer.status == CHAT_OK && request->kind == CHAT__CQL_ASK_QUERY)
        writer.status = chat__buf_append(&request->text, from->text, strlen(from->text) + 1);
    return writer.status;
}

static int is_good(const chat__cql_driver *driver, const chat_cassandra_request *request,
                   uint32_t n)
{
    int is_text = request->statement == CHAT_CASSANDRA_TEXT;
    if (request->n_values > UINT16_MAX || (request->n_values > 0 && request->values == NULL) ||
        request->page_size > INT32_MAX)
        return 0;
    if (is_text)
        return n == 0 && request->text != NULL && request->text[0] != '\0';
    return request->statement < driver->n_statements;
}

/* Where its partition is, when it is known which values make it up. Without it any node will do. */
static void find_token(chat__cql_driver *driver, chat__cql_request *request,
                       const chat_cassandra_request *from)
{
    chat_view parts[CHAT__CQL_MAX_KEY_PARTS];
    if (request->kind == CHAT__CQL_ASK_QUERY)
        return;
    const chat__cql_known_statement *statement = &driver->statements[request->statement];
    for (uint32_t i = 0; i < statement->n_key_parts; i++) {
        if (statement->key_parts[i] >= from->n_values)
            return;
        parts[i] = from->values[statement->key_parts[i]];
    }
    driver->key.len = 0;
    if (statement->n_key_parts == 0 ||
        chat__cql_routing_key(parts, statement->n_key_parts, &driver->key) != CHAT_OK)
        return;
    request->token = chat__cql_token(chat__buf_view(&driver->key));
    request->has_token = 1;
}

void chat__cql_learn_key(chat__cql_driver *driver, const chat__cql_request *request,
                         const chat__cql_conn *conn)
{
    chat__cql_known_statement *statement = &driver->statements[request->statement];
    if (request->kind != CHAT__CQL_ASK_QUERY && statement->n_key_parts == 0)
        statement->n_key_parts =
            chat__cql_conn_key_parts(conn, request->statement, statement->key_parts);
}

/* Older callers know smaller structs. CHAT_OK; CHAT_ERR_ARG. */
static chat_status take_struct(const chat_cassandra_request *from, chat_cassandra_request *out)
{
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    return chat__sized_take(out, sizeof *out, from);
}

static chat_status fill(chat__cql_driver *driver, chat__cql_request *request,
                        const chat_cassandra_request *from, uint32_t n)
{
    request->kind = n > 0                                    ? CHAT__CQL_ASK_BATCH
                    : from->statement == CHAT_CASSANDRA_TEXT ? CHAT__CQL_ASK_QUERY
                                                             : CHAT__CQL_ASK_EXECUTE;
    request->statement = request->kind == CHAT__CQL_ASK_QUERY ? 0 : from->statement;
    request->n_items = (uint16_t)n;
    request->is_idempotent = 1;
    for (uint32_t i = 0; i < (n > 0 ? n : 1); i++)
        if (!from[i].is_idempotent)
            request->is_idempotent = 0;
    chat_status status = write_body(request, from, n);
    if (status != CHAT_OK)
        return status;
    uint64_t bytes = request->body.len + request->text.len;
    if (driver->waiting_bytes > 0 &&
        bytes + driver->waiting_bytes > driver->options.max_waiting_bytes)
        return CHAT_ERR_BUSY;
    request->deadline_ms = driver->now_ms + driver->options.request_timeout_ms;
    status = chat__heap_set(&driver->timers, &request->timer, request->deadline_ms);
    if (status != CHAT_OK)
        return status;
    find_token(driver, request, from);
    driver->waiting_bytes += bytes;
    driver->n_waiting++;
    return CHAT_OK;
}

chat_status chat__cql_driver_ask(chat__cql_driver *driver, uint64_t tag,
                                 const chat_cassandra_request *requests, uint32_t n,
                                 uint64_t now_ms)
{
    chat_cassandra_request one;
    if (requests == NULL || n > UINT16_MAX)
        return CHAT_ERR_ARG;
    if (n == 0) {
        if (take_struct(requests, &one) != CHAT_OK)
            return CHAT_ERR_ARG;
        requests = &one;
    }
    for (uint32_t i = 0; i < (n > 0 ? n : 1); i++)
        if (!is_good(driver, &requests[i], n) || requests[i].struct_size != sizeof one)
            return CHAT_ERR_ARG;
    driver->now_ms = now_ms;
    if (driver->n_waiting >= driver->options.max_requests)
        return CHAT_ERR_BUSY;
    chat__cql_request *request = new_request(driver);
    if (request == NULL)
        return CHAT_ERR_NOMEM;
    chat_status status = fill(driver, request, requests, n);
    if (status != CHAT_OK) {
        recycle(driver, request);
        return status;
    }
    request->tag = tag;
    request->state = CHAT__CQL_REQUEST_QUEUED;
    chat__cql_queue_put(&driver->queued, request);
    driver->figures.asked++;
    chat__cql_pump(driver);
    return CHAT_OK;
}
