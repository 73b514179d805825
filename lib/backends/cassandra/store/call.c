/* SPDX-License-Identifier: MIT */
/* What a call asks and what it was answered: values written and cells read. See session.h. */
#include "backends/cassandra/store/session.h"

#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <assert.h>
#include <string.h>

/* Of one call. */
#define MAX_BYTES (64u * 1024 * 1024)
#define PAGE_ROWS 1000u

static chat__cstore_item *item_of(const chat__cstore_call *call, size_t i)
{
    assert(i < call->n_items);
    return (chat__cstore_item *)(void *)call->items.data + i;
}

/* --- life --- */

void chat__cstore_call_init(chat__cstore_call *call, chat__cstore_session *session)
{
    memset(call, 0, sizeof *call);
    call->session = session;
    chat__buf_init(&call->items, NULL, MAX_BYTES);
    chat__buf_init(&call->values, NULL, MAX_BYTES);
    chat__buf_init(&call->bytes, NULL, MAX_BYTES);
    (void)pthread_cond_init(&call->is_over, NULL);
}

void chat__cstore_reset(chat__cstore_call *call)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    for (size_t i = 0; i < call->n_items; i++) {
        chat__cstore_answer *answer = item_of(call, i)->answer;
        if (answer == NULL)
            continue;
        chat__buf_done(&answer->cells);
        chat__buf_done(&answer->paging);
        chat__alloc_free(&libc, answer);
    }
    call->status = CHAT_OK;
    call->n_items = 0;
    call->items.len = 0;
    call->values.len = 0;
    call->bytes.len = 0;
    call->n_answer_bytes = 0;
}

void chat__cstore_call_done(chat__cstore_call *call)
{
    chat__cstore_reset(call);
    chat__buf_done(&call->items);
    chat__buf_done(&call->values);
    chat__buf_done(&call->bytes);
    (void)pthread_cond_destroy(&call->is_over);
}

/* --- requests --- */

static void keep(chat__cstore_call *call, chat_status status)
{
    if (call->status == CHAT_OK)
        call->status = status;
}

static uint32_t add_item(chat__cstore_call *call, chat__cstore_statement statement, int is_joined)
{
    chat__cstore_item item = {.statement = (uint16_t)statement,
                              .is_joined = is_joined && call->n_items > 0,
                              .page_size = PAGE_ROWS,
                              .first_value =
                                  (uint32_t)(call->values.len / sizeof(chat__cstore_value))};
    chat_status status = chat__buf_append(&call->items, &item, sizeof item);
    keep(call, status);
    call->n_items += status == CHAT_OK;
    return call->n_items > 0 ? call->n_items - 1 : 0;
}

uint32_t chat__cstore_ask(chat__cstore_call *call, chat__cstore_statement statement)
{
    return add_item(call, statement, 0);
}

uint32_t chat__cstore_join(chat__cstore_call *call, chat__cstore_statement statement)
{
    return add_item(call, statement, 1);
}

void chat__cstore_page(chat__cstore_call *call, uint32_t page_size, uint32_t max_rows)
{
    if (call->status != CHAT_OK)
        return;
    chat__cstore_item *item = item_of(call, call->n_items - 1);
    item->page_size = page_size > 0 ? page_size : PAGE_ROWS;
    item->max_rows = max_rows;
    if (max_rows > 0 && max_rows < item->page_size)
        item->page_size = max_rows;
}

static void add_value(chat__cstore_call *call, chat_view value)
{
    chat__cstore_value place = {(uint32_t)call->bytes.len,
                                value.data == NULL ? UINT32_MAX : (uint32_t)value.len};
    if (call->status == CHAT_OK && value.len > MAX_BYTES)
        call->status = CHAT_ERR_LIMIT;
    if (call->status == CHAT_OK && value.len > 0)
        call->status = chat__buf_append(&call->bytes, value.data, value.len);
    if (call->status == CHAT_OK)
        call->status = chat__buf_append(&call->values, &place, sizeof place);
    if (call->status == CHAT_OK)
        item_of(call, call->n_items - 1)->n_values++;
}

void chat__cstore_text(chat__cstore_call *call, chat_view text)
{
    add_value(call, text.data == NULL ? chat__view("", 0) : text);
}

void chat__cstore_u64(chat__cstore_call *call, uint64_t bigint)
{
    uint8_t raw[8];
    chat__store64be(raw, bigint < INT64_MAX ? bigint : INT64_MAX);
    add_value(call, chat__view(raw, sizeof raw));
}

void chat__cstore_u32(chat__cstore_call *call, uint32_t number)
{
    uint8_t raw[4];
    chat__store32be(raw, number < INT32_MAX ? number : INT32_MAX);
    add_value(call, chat__view(raw, sizeof raw));
}

void chat__cstore_u8(chat__cstore_call *call, uint8_t number)
{
    add_value(call, chat__view(&number, 1));
}

void chat__cstore_null(chat__cstore_call *call)
{
    add_value(call, chat__view(NULL, 0));
}

/* --- answers --- */

chat__cstore_rows chat__cstore_rows_of(const chat__cstore_call *call, size_t i)
{
    chat__cstore_rows rows = {.n_rows = 0};
    const chat__cstore_answer *answer = i < call->n_items ? item_of(call, i)->answer : NULL;
    if (answer != NULL) {
        rows.cells = chat__buf_view(&answer->cells);
        rows.n_rows = answer->n_rows;
        rows.n_columns = answer->n_columns;
    }
    return rows;
}

int chat__cstore_has_more(const chat__cstore_call *call, size_t i)
{
    const chat__cstore_answer *answer = i < call->n_items ? item_of(call, i)->answer : NULL;
    return answer != NULL && answer->has_more;
}

static chat_view take(chat__cstore_rows *rows)
{
    chat_view cell = {NULL, 0};
    if (rows->n_left == 0 || chat_cassandra_take_cell(&rows->cells, &cell) != CHAT_OK) {
        rows->is_bad = 1;
        return cell;
    }
    rows->n_left--;
    return cell;
}

int chat__cstore_next(chat__cstore_rows *rows)
{
    while (rows->n_left > 0 && !rows->is_bad)
        (void)take(rows);
    if (rows->n_rows == 0 || rows->is_bad)
        return 0;
    rows->n_rows--;
    rows->n_left = rows->n_columns;
    return 1;
}

chat_view chat__cstore_get_text(chat__cstore_rows *rows)
{
    return take(rows);
}

/* A number in big endian. */
static uint64_t get_number(chat__cstore_rows *rows, size_t len)
{
    uint64_t number = 0;
    chat_view cell = take(rows);
    if (cell.data == NULL)
        return 0;
    if (cell.len != len) {
        rows->is_bad = 1;
        return 0;
    }
    for (size_t i = 0; i < len; i++)
        number = number << 8 | cell.data[i];
    return number;
}

uint64_t chat__cstore_get_u64(chat__cstore_rows *rows)
{
    return get_number(rows, 8);
}

uint32_t chat__cstore_get_u32(chat__cstore_rows *rows)
{
    return (uint32_t)get_number(rows, 4);
}

uint8_t chat__cstore_get_u8(chat__cstore_rows *rows)
{
    return (uint8_t)get_number(rows, 1);
}
