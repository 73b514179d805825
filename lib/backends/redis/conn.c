/* SPDX-License-Identifier: MIT */
/* See conn.h. */
#include "backends/redis/greeting.h"

#include "base/alloc.h"
#include "base/view.h"

#include <stdio.h>
#include <string.h>

/* A command without a reply. */
typedef struct flying {
    uint64_t ticket;
    uint64_t said_at_ms;
    uint8_t step; /* a chat__redis_step */
} flying;

struct chat__redis_conn {
    chat__redis_conn_options options;
    chat__redis_conn_state state;
    chat__redis_parser *parser;
    chat__buf out;
    chat__buf secrets; /* the strings of the options */
    flying *ring;
    uint32_t first, n_flying, n_ring;
    uint64_t since_ms; /* DIALLING, GREETING: when it was dialled; DOWN: when it may be again */
    uint64_t random;
    uint32_t n_failures; /* one after the other */
    chat_status status;  /* of the end */
    char why[CHAT__REDIS_WHY_BYTES];
};

void chat__redis_conn_options_init(chat__redis_conn_options *options)
{
    memset(options, 0, sizeof *options);
    options->timeout_ms = 2000;
    options->first_pause_ms = 100;
    options->max_pause_ms = 5000;
    options->max_in_flight = 1024;
    options->max_unsent_bytes = 4u * 1024 * 1024;
    options->max_reply_bytes = 16u * 1024 * 1024;
    options->max_reply_values = 65536;
}

/* The strings in one buffer that is wiped. */
static chat_status keep_secrets(chat__redis_conn *conn)
{
    const char *user = conn->options.user, *password = conn->options.password;
    size_t user_bytes = user != NULL ? strlen(user) + 1 : 0;
    size_t password_bytes = password != NULL ? strlen(password) + 1 : 0;
    chat__buf *secrets = &conn->secrets;
    chat_status status = chat__buf_reserve(secrets, user_bytes + password_bytes + 1);
    if (status != CHAT_OK)
        return status;
    (void)chat__buf_append(secrets, user != NULL ? user : "", user_bytes);
    (void)chat__buf_append(secrets, password != NULL ? password : "", password_bytes);
    conn->options.user = user != NULL ? (const char *)secrets->data : NULL;
    conn->options.password = password != NULL ? (const char *)secrets->data + user_bytes : NULL;
    return CHAT_OK;
}

static int is_right(const chat__redis_conn_options *o)
{
    return o->timeout_ms > 0 && o->first_pause_ms > 0 && o->max_pause_ms >= o->first_pause_ms &&
           o->max_in_flight >= CHAT__REDIS_MAX_STEPS && o->max_unsent_bytes >= 4096 &&
           o->max_reply_bytes >= 4096 && o->max_reply_values > 0 &&
           !(o->user != NULL && o->password == NULL);
}

chat_status chat__redis_conn_new(const chat__redis_conn_options *options, chat__redis_conn **out)
{
    if (!is_right(options))
        return CHAT_ERR_ARG;
    chat_allocator allocator = chat__alloc_or_libc(&options->allocator);
    chat__redis_conn *conn = chat__alloc_zero(&allocator, sizeof *conn);
    if (conn == NULL)
        return CHAT_ERR_NOMEM;
    conn->options = *options;
    conn->options.allocator = allocator;
    conn->random = options->seed;
    chat__buf_init(&conn->out, &allocator, options->max_unsent_bytes);
    chat__buf_init(&conn->secrets, &allocator, 4096);
    conn->n_ring = options->max_in_flight;
    conn->ring = chat__alloc_zero(&allocator, conn->n_ring * sizeof *conn->ring);
    chat_status status = conn->ring != NULL ? keep_secrets(conn) : CHAT_ERR_NOMEM;
    if (status == CHAT_OK)
        status = chat__redis_parser_new(&allocator, options->max_reply_bytes,
                                        options->max_reply_values, &conn->parser);
    if (status != CHAT_OK) {
        chat__redis_conn_free(conn);
        return status;
    }
    *out = conn;
    return CHAT_OK;
}

static void wipe(chat__buf *buf)
{
    volatile uint8_t *bytes = buf->data;
    for (size_t i = 0; i < buf->cap; i++)
        bytes[i] = 0;
    chat__buf_done(buf);
}

void chat__redis_conn_free(chat__redis_conn *conn)
{
    if (conn == NULL)
        return;
    chat__redis_parser_free(conn->parser);
    wipe(&conn->out);
    wipe(&conn->secrets);
    if (conn->ring != NULL)
        chat__alloc_free(&conn->options.allocator, conn->ring);
    chat__alloc_free(&conn->options.allocator, conn);
}

/* --- states --- */

chat__redis_conn_state chat__redis_conn_get_state(const chat__redis_conn *conn)
{
    return conn->state;
}

int chat__redis_conn_may_dial(const chat__redis_conn *conn, uint64_t now_ms)
{
    return conn->state == CHAT__REDIS_DOWN && now_ms >= conn->since_ms;
}

void chat__redis_conn_dialling(chat__redis_conn *conn, uint64_t now_ms)
{
    conn->state = CHAT__REDIS_DIALLING;
    conn->since_ms = now_ms;
}

static void fly(chat__redis_conn *conn, uint64_t ticket, uint8_t step, uint64_t now_ms)
{
    flying one = {ticket, now_ms, step};
    conn->ring[(conn->first + conn->n_flying++) % conn->n_ring] = one;
}

void chat__redis_conn_opened(chat__redis_conn *conn, uint64_t now_ms)
{
    uint8_t steps[CHAT__REDIS_MAX_STEPS];
    uint32_t n = 0;
    if (conn->state != CHAT__REDIS_DIALLING)
        return;
    chat_status status = chat__redis_parser_reset(conn->parser);
    if (status == CHAT_OK)
        status = chat__redis_greet(&conn->options, &conn->out, steps, &n);
    conn->state = CHAT__REDIS_GREETING;
    if (status != CHAT_OK) {
        chat__redis_conn_closed(conn, status, "no memory to log in");
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        fly(conn, 0, steps[i], now_ms);
}

void chat__redis_conn_closed(chat__redis_conn *conn, chat_status status, const char *why)
{
    if (conn->state == CHAT__REDIS_DOWN || conn->state == CHAT__REDIS_ENDING)
        return;
    snprintf(conn->why, sizeof conn->why, "%s", why);
    conn->status = status;
    conn->state = CHAT__REDIS_ENDING;
    chat__buf_consume(&conn->out, conn->out.len);
}

static uint64_t next_random(chat__redis_conn *conn)
{
    /* splitmix64 (Steele, Lea and Flood, 2014) */
    uint64_t z = conn->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Half of the pause is fixed, the other half is by chance. */
static uint64_t pause_ms(chat__redis_conn *conn)
{
    uint64_t pause = conn->options.first_pause_ms;
    for (uint32_t i = 0; i < conn->n_failures && pause < conn->options.max_pause_ms; i++)
        pause *= 2;
    pause = pause < conn->options.max_pause_ms ? pause : conn->options.max_pause_ms;
    conn->n_failures += conn->n_failures < UINT32_MAX;
    return pause / 2 + next_random(conn) % (pause - pause / 2 + 1);
}

uint64_t chat__redis_conn_deadline(const chat__redis_conn *conn)
{
    switch (conn->state) {
    case CHAT__REDIS_DOWN:
        return conn->since_ms;
    case CHAT__REDIS_DIALLING:
    case CHAT__REDIS_GREETING:
        return conn->since_ms + conn->options.timeout_ms;
    case CHAT__REDIS_READY:
        return conn->n_flying > 0 ? conn->ring[conn->first].said_at_ms + conn->options.timeout_ms
                                  : UINT64_MAX;
    case CHAT__REDIS_ENDING:
        break;
    }
    return 0; /* there are events */
}

void chat__redis_conn_process(chat__redis_conn *conn, uint64_t now_ms)
{
    if (conn->state == CHAT__REDIS_DOWN || conn->state == CHAT__REDIS_ENDING ||
        now_ms < chat__redis_conn_deadline(conn))
        return;
    chat__redis_conn_closed(
        conn, CHAT_ERR_TIMEOUT,
        conn->state == CHAT__REDIS_DIALLING   ? "nobody answers there: check host and port in "
                                                "`servers`, and firewalls"
        : conn->state == CHAT__REDIS_GREETING ? "it does not answer as Redis does: check "
                                                "`servers`, and whether `tls` is right for the port"
                                              : "the server hangs: no answer within `timeout_ms`");
}

/* --- commands and replies --- */

void chat__redis_conn_feed(chat__redis_conn *conn, chat_view bytes)
{
    if (conn->state != CHAT__REDIS_GREETING && conn->state != CHAT__REDIS_READY)
        return;
    if (chat__redis_parser_feed(conn->parser, bytes) != CHAT_OK)
        chat__redis_conn_closed(conn, CHAT_ERR_NOMEM, "no memory for a reply");
}

chat_view chat__redis_conn_unsent(const chat__redis_conn *conn)
{
    return chat__buf_view(&conn->out);
}

void chat__redis_conn_sent(chat__redis_conn *conn, size_t n)
{
    chat__buf_consume(&conn->out, n < conn->out.len ? n : conn->out.len);
}

chat_status chat__redis_conn_say(chat__redis_conn *conn, uint64_t ticket, chat_view command,
                                 uint64_t now_ms)
{
    if (conn->state != CHAT__REDIS_READY)
        return CHAT_ERR_STATE;
    if (conn->n_flying == conn->n_ring)
        return CHAT_ERR_BUSY;
    chat_status status = chat__buf_append(&conn->out, command.data, command.len);
    if (status != CHAT_OK)
        return status == CHAT_ERR_LIMIT ? CHAT_ERR_BUSY : status;
    fly(conn, ticket, CHAT__REDIS_NO_STEP, now_ms);
    return CHAT_OK;
}

static flying take_first(chat__redis_conn *conn)
{
    flying one = conn->ring[conn->first];
    conn->first = (conn->first + 1) % conn->n_ring;
    conn->n_flying--;
    return one;
}

static void broken(chat__redis_conn *conn, chat_status status)
{
    chat__redis_conn_closed(conn, status,
                            status == CHAT_ERR_LIMIT   ? "a reply is larger than `max_reply_bytes`"
                            : status == CHAT_ERR_NOMEM ? "no memory for a reply"
                            : conn->state == CHAT__REDIS_GREETING
                                ? "it does not answer as Redis does: check `servers`, and whether "
                                  "`tls` is right for the port"
                                : "what came is no RESP");
}

/* 1: `out` is an event. */
static int take_reply(chat__redis_conn *conn, chat__redis_conn_event *out)
{
    char why[CHAT__REDIS_WHY_BYTES];
    if (conn->n_flying == 0) {
        /* A server that is full says so unasked. */
        if (out->reply.values[0].type == CHAT__REDIS_ERROR)
            chat__redis_conn_closed(conn, chat__redis_advice(&out->reply, why), why);
        else
            broken(conn, CHAT_ERR_PROTOCOL);
        return 0;
    }
    flying one = take_first(conn);
    out->type = CHAT__REDIS_CONN_REPLY;
    out->ticket = one.ticket;
    if (one.step == CHAT__REDIS_NO_STEP)
        return 1;
    chat_status status =
        chat__redis_greeted(&conn->options, (chat__redis_step)one.step, &out->reply, why);
    if (status != CHAT_OK) {
        chat__redis_conn_closed(conn, status, why);
    } else if (conn->n_flying == 0) {
        conn->state = CHAT__REDIS_READY;
        conn->n_failures = 0;
        out->type = CHAT__REDIS_CONN_READY;
        return 1;
    }
    return 0;
}

/* What waits for a reply, then the end itself. */
static void tell_end(chat__redis_conn *conn, uint64_t now_ms, chat__redis_conn_event *out)
{
    while (conn->n_flying > 0) {
        flying one = take_first(conn);
        if (one.step != CHAT__REDIS_NO_STEP)
            continue;
        out->type = CHAT__REDIS_CONN_LOST;
        out->ticket = one.ticket;
        out->status = conn->status;
        return;
    }
    conn->state = CHAT__REDIS_DOWN;
    conn->since_ms = now_ms + pause_ms(conn);
    out->type = CHAT__REDIS_CONN_DOWN;
    out->status = conn->status;
    out->why = conn->why;
}

chat_status chat__redis_conn_next_event(chat__redis_conn *conn, uint64_t now_ms,
                                        chat__redis_conn_event *out)
{
    memset(out, 0, sizeof *out);
    while (conn->state == CHAT__REDIS_GREETING || conn->state == CHAT__REDIS_READY) {
        chat_status status = chat__redis_parser_next(conn->parser, &out->reply);
        if (status == CHAT_EMPTY)
            return CHAT_EMPTY;
        if (status != CHAT_OK)
            broken(conn, status);
        else if (take_reply(conn, out))
            return CHAT_OK;
        memset(out, 0, sizeof *out);
    }
    if (conn->state != CHAT__REDIS_ENDING)
        return CHAT_EMPTY;
    tell_end(conn, now_ms, out);
    return CHAT_OK;
}
