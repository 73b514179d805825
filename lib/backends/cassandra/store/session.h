/* SPDX-License-Identifier: MIT */
/*
 * A driver with a thread of its own: any thread asks many requests at once and waits for all.
 * Requests of all calls fly together; a call that was asked much leaves room for the others.
 *
 *     chat__cstore_call_init(&call, session);
 *     chat__cstore_ask(&call, CHAT__CSTORE_GET_HEAD);
 *     chat__cstore_text(&call, chat);                     the values, in the order of the text
 *     status = chat__cstore_run(&call);                   waits; CHAT_OK: all were answered
 *     rows = chat__cstore_rows(&call, 0);                 of the first ask
 *     while (chat__cstore_next(&rows)) ... chat__cstore_get_u64(&rows)
 *     chat__cstore_call_done(&call);
 */
#ifndef CHAT_CASSANDRA_STORE_SESSION_H
#define CHAT_CASSANDRA_STORE_SESSION_H

#include <chat/cassandra.h>

#include "backends/cassandra/store/statements.h"
#include "base/buf.h"

#include <pthread.h>

typedef struct chat__cstore_session chat__cstore_session;

/* Of a page with payloads, each of which may have a MiB. */
#define CHAT__CSTORE_PAGE_ROWS 64u

/* Start the thread. `max_in_flight`: requests of all calls without an answer. CHAT_OK;
   CHAT_ERR_ARG; CHAT_ERR_TLS; CHAT_ERR_LIMIT; CHAT_ERR_NOMEM. */
chat_status chat__cstore_session_new(const chat_cassandra_options *options, chat_log_sink log,
                                     uint32_t max_in_flight, chat__cstore_session **out);
/* @any Calls that wait, and all later ones, end with CHAT_ERR_CLOSED at once. */
void chat__cstore_session_stop(chat__cstore_session *session);
/* The last call; NULL does nothing. */
void chat__cstore_session_free(chat__cstore_session *session);
/* @any What the driver says of itself. */
void chat__cstore_session_figures(chat__cstore_session *session, chat_cassandra_figures *out);

/* Rows of all pages that came, one behind the other. */
typedef struct chat__cstore_answer {
    chat__buf cells;
    chat__buf paging; /* of the next page, if it is to be asked for */
    uint32_t n_rows, n_columns;
    int has_more; /* there may be more rows than were wanted */
} chat__cstore_answer;

/* One request of a call. */
typedef struct chat__cstore_item {
    uint16_t statement;
    uint16_t n_values;
    uint8_t is_joined; /* in one batch with the one before */
    uint32_t page_size;
    uint32_t max_rows;           /* 0: all */
    uint32_t first_value;        /* of the call's values */
    chat__cstore_answer *answer; /* NULL: no rows */
} chat__cstore_item;

/* Where a value is in the bytes of a call. */
typedef struct chat__cstore_value {
    uint32_t at, len; /* UINT32_MAX: null */
} chat__cstore_value;

/* One thread's; used again after chat__cstore_reset(). */
typedef struct chat__cstore_call {
    chat__cstore_session *session;
    chat_status status; /* the first that failed */
    chat__buf items;    /* of chat__cstore_item */
    chat__buf values;   /* of chat__cstore_value */
    chat__buf bytes;
    uint32_t n_items;
    /* The session's while the call waits. */
    struct chat__cstore_call *next;
    pthread_cond_t is_over;
    uint32_t n_asked; /* items that were given to the driver */
    uint32_t n_flying;
    uint32_t n_pages; /* items of which the next page is to be asked for */
    uint32_t slot;
    size_t n_answer_bytes;
    int is_done;
} chat__cstore_call;

void chat__cstore_call_init(chat__cstore_call *call, chat__cstore_session *session);
void chat__cstore_call_done(chat__cstore_call *call);
/* Empty, to ask again; the answers are gone. */
void chat__cstore_reset(chat__cstore_call *call);

/* Add a request. What fails is told by chat__cstore_run(). Returns its number. */
uint32_t chat__cstore_ask(chat__cstore_call *call, chat__cstore_statement statement);
/* The same, in one batch with the one before, which is a write to the same partition. */
uint32_t chat__cstore_join(chat__cstore_call *call, chat__cstore_statement statement);
/* Of the last request: rows of a page and rows in all; 0: 1,000 a page, all rows. */
void chat__cstore_page(chat__cstore_call *call, uint32_t page_size, uint32_t max_rows);
/* Values of the last request. Texts and blobs are copied. */
void chat__cstore_text(chat__cstore_call *call, chat_view text); /* also a blob */
void chat__cstore_u64(chat__cstore_call *call, uint64_t bigint); /* above INT64_MAX: that */
void chat__cstore_u32(chat__cstore_call *call, uint32_t number); /* an int */
void chat__cstore_u8(chat__cstore_call *call, uint8_t number);   /* a tinyint */
void chat__cstore_null(chat__cstore_call *call);

/*
 * Ask all of it and wait. Nothing asked: CHAT_OK. CHAT_OK: all were answered; else the status of
 * the first that failed, others may have been done: CHAT_ERR_CLOSED, CHAT_ERR_BUSY,
 * CHAT_ERR_TIMEOUT, CHAT_ERR_NETWORK, CHAT_ERR_IO (also a statement that does not fit the tables:
 * it was logged), CHAT_ERR_LIMIT (too large, also the answers), CHAT_ERR_NOMEM.
 */
chat_status chat__cstore_run(chat__cstore_call *call);

/* --- answers, borrowed from the call --- */

typedef struct chat__cstore_rows {
    chat_view cells; /* of the rows that were not read */
    uint32_t n_rows; /* that were not read */
    uint32_t n_columns;
    uint32_t n_left; /* cells of this row */
    int is_bad;      /* a cell has another size than its type: it reads as nothing */
} chat__cstore_rows;

chat__cstore_rows chat__cstore_rows_of(const chat__cstore_call *call, size_t item);
/* The answer has more rows than were wanted. */
int chat__cstore_has_more(const chat__cstore_call *call, size_t item);
/* To the next row, from wherever in this one. 0: that were all. */
int chat__cstore_next(chat__cstore_rows *rows);
/* The next cell of the row; null reads as 0 and as an empty text with `data` NULL. */
chat_view chat__cstore_get_text(chat__cstore_rows *rows);
uint64_t chat__cstore_get_u64(chat__cstore_rows *rows);
uint32_t chat__cstore_get_u32(chat__cstore_rows *rows);
uint8_t chat__cstore_get_u8(chat__cstore_rows *rows);

#endif
