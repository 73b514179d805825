/* SPDX-License-Identifier: MIT */
/* What a connection says to its node. See conn.h. */
#include "backends/cassandra/conn_internal.h"

#include "base/view.h"

#include <assert.h>
#include <string.h>

/* [4.1.4] flags of parameters */
#define WITH_VALUES       0x01u
#define SKIP_METADATA     0x02u
#define WITH_PAGE_SIZE    0x04u
#define WITH_PAGING_STATE 0x08u
#define WITH_TIMESTAMP    0x20u

/* --- streams --- */

chat__cql_slot *chat__cql_slot_get(chat__cql_conn *conn)
{
    if (conn->first_free == 0)
        return NULL;
    chat__cql_slot *slot = &conn->slots[conn->first_free - 1];
    conn->first_free = slot->next_free;
    conn->n_used++;
    slot->next_free = 0;
    slot->is_prepare = 0;
    slot->is_register = 0;
    slot->is_doomed = 0;
    slot->n_prepares = 0;
    slot->params.len = 0;
    memset(&slot->statement, 0, sizeof slot->statement);
    return slot;
}

void chat__cql_slot_free(chat__cql_conn *conn, chat__cql_slot *slot)
{
    if (slot->state != CHAT__CQL_SLOT_FREE)
        conn->n_used--;
    slot->state = CHAT__CQL_SLOT_FREE;
    slot->next_free = conn->first_free;
    conn->first_free = (uint32_t)(slot - conn->slots) + 1;
}

/* A slot that was taken and not used. */
static void give_back(chat__cql_conn *conn, chat__cql_slot *slot)
{
    slot->state = CHAT__CQL_SLOT_WAITING;
    chat__cql_slot_free(conn, slot);
}

static uint16_t stream_of(const chat__cql_conn *conn, const chat__cql_slot *slot)
{
    return (uint16_t)(slot - conn->slots);
}

/* --- the start --- */

chat_status chat__cql_keep_secret(chat__cql_conn *conn, const char *user, const char *password)
{
    uint8_t zero = 0;
    chat_status status = chat__buf_append(&conn->secret, &zero, 1);
    if (status == CHAT_OK)
        status = chat__buf_append(&conn->secret, user, strlen(user));
    if (status == CHAT_OK)
        status = chat__buf_append(&conn->secret, &zero, 1);
    if (status == CHAT_OK)
        status = chat__buf_append(&conn->secret, password, strlen(password));
    return status;
}

chat_status chat__cql_say_startup(chat__cql_conn *conn)
{
    chat__cql_writer writer;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_STARTUP, 0);
    chat__cql_put_u16(&writer, 1);
    chat__cql_put_string(&writer, chat__view_str("CQL_VERSION"));
    chat__cql_put_string(&writer, chat__view_str("3.0.0"));
    return chat__cql_end(&writer);
}

chat_status chat__cql_say_secret(chat__cql_conn *conn)
{
    chat__cql_writer writer;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_AUTH_RESPONSE, 0);
    chat__cql_put_bytes(&writer, chat__buf_view(&conn->secret));
    return chat__cql_end(&writer);
}

chat_status chat__cql_say_register(chat__cql_conn *conn)
{
    static const char *const KINDS[] = {"TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE"};
    chat__cql_writer writer;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    if (slot == NULL)
        return CHAT_ERR_BUSY;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_REGISTER, stream_of(conn, slot));
    chat__cql_put_u16(&writer, sizeof KINDS / sizeof KINDS[0]);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        chat__cql_put_string(&writer, chat__view_str(KINDS[i]));
    chat_status status = chat__cql_end(&writer);
    slot->is_register = 1;
    slot->state = CHAT__CQL_SLOT_FLYING;
    if (status != CHAT_OK)
        give_back(conn, slot);
    return status;
}

/* --- requests --- */

static void put_params(chat__cql_writer *writer, const chat__cql_params *params, int is_prepared)
{
    uint32_t flags =
        (params->n_values > 0 ? WITH_VALUES : 0) | (params->page_size > 0 ? WITH_PAGE_SIZE : 0) |
        (params->paging_state.len > 0 ? WITH_PAGING_STATE : 0) |
        (params->timestamp_us > 0 ? WITH_TIMESTAMP : 0) | (is_prepared ? SKIP_METADATA : 0);
    chat__cql_put_u16(writer, (uint16_t)params->consistency);
    chat__cql_put_u8(writer, (uint8_t)flags);
    if (params->n_values > 0)
        chat__cql_put_u16(writer, (uint16_t)params->n_values);
    for (uint32_t i = 0; i < params->n_values; i++)
        chat__cql_put_bytes(writer, params->values[i]);
    if (params->page_size > 0)
        chat__cql_put_i32(writer, (int32_t)params->page_size);
    if (params->paging_state.len > 0)
        chat__cql_put_bytes(writer, params->paging_state);
    if (params->timestamp_us > 0)
        chat__cql_put_u64(writer, params->timestamp_us);
}

static chat_status keep_params(chat__cql_slot *slot, const chat__cql_params *params)
{
    chat__cql_writer writer = {&slot->params, 0, CHAT_OK};
    put_params(&writer, params, 1);
    return writer.status;
}

chat_status chat__cql_say_execute(chat__cql_conn *conn, chat__cql_slot *slot)
{
    const chat__cql_prepared *prepared = &conn->prepared[slot->statement.number];
    chat__cql_writer writer;
    assert(prepared->state == CHAT__CQL_KNOWN);
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_EXECUTE, stream_of(conn, slot));
    chat__cql_put_string(&writer, chat__view(prepared->id, prepared->id_len));
    chat__cql_put_raw(&writer, chat__buf_view(&slot->params));
    chat_status status = chat__cql_end(&writer);
    if (status == CHAT_OK)
        slot->state = CHAT__CQL_SLOT_FLYING;
    return status;
}

static chat_status say_prepare(chat__cql_conn *conn, const chat__cql_statement *statement)
{
    chat__cql_writer writer;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    if (slot == NULL)
        return CHAT_ERR_BUSY;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_PREPARE, stream_of(conn, slot));
    chat__cql_put_long_string(&writer, chat__view_str(statement->text));
    chat_status status = chat__cql_end(&writer);
    slot->is_prepare = 1;
    slot->statement = *statement;
    slot->state = CHAT__CQL_SLOT_FLYING;
    if (status != CHAT_OK)
        give_back(conn, slot);
    return status;
}

chat_status chat__cql_need(chat__cql_conn *conn, chat__cql_slot *slot)
{
    chat__cql_prepared *prepared = &conn->prepared[slot->statement.number];
    if (prepared->state == CHAT__CQL_KNOWN)
        return chat__cql_say_execute(conn, slot);
    slot->n_prepares++;
    if (prepared->state == CHAT__CQL_ASKED)
        return CHAT_OK;
    chat_status status = say_prepare(conn, &slot->statement);
    if (status == CHAT_OK)
        prepared->state = CHAT__CQL_ASKED;
    return status;
}

static int is_sane(const chat__cql_params *params)
{
    return params->n_values <= UINT16_MAX && params->page_size <= INT32_MAX;
}

/* More than the answer of a slow node can take: the caller waits. */
static chat_status may_ask(const chat__cql_conn *conn)
{
    if (conn->state != CHAT__CQL_CONN_OPEN)
        return CHAT_ERR_STATE;
    return conn->first_free == 0 ? CHAT_ERR_BUSY : CHAT_OK;
}

/* A full buffer is no fault of the caller's unless the request alone is too large. */
static chat_status as_busy(const chat__cql_conn *conn, chat_status status)
{
    return status == CHAT_ERR_LIMIT && conn->out.len > 0 ? CHAT_ERR_BUSY : status;
}

chat_status chat__cql_conn_execute(chat__cql_conn *conn, uint64_t tag,
                                   const chat__cql_statement *statement,
                                   const chat__cql_params *params, uint16_t *out_stream)
{
    if (!is_sane(params) || statement->number >= CHAT__CQL_MAX_STATEMENTS)
        return CHAT_ERR_ARG;
    chat_status status = may_ask(conn);
    if (status != CHAT_OK)
        return status;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    slot->tag = tag;
    slot->statement = *statement;
    slot->state = CHAT__CQL_SLOT_WAITING;
    status = keep_params(slot, params);
    if (status == CHAT_OK)
        status = chat__cql_need(conn, slot);
    if (status != CHAT_OK) {
        chat__cql_slot_free(conn, slot);
        return as_busy(conn, status);
    }
    *out_stream = stream_of(conn, slot);
    return CHAT_OK;
}

chat_status chat__cql_conn_query(chat__cql_conn *conn, uint64_t tag, const char *text,
                                 const chat__cql_params *params, uint16_t *out_stream)
{
    chat__cql_writer writer;
    if (!is_sane(params))
        return CHAT_ERR_ARG;
    chat_status status = may_ask(conn);
    if (status != CHAT_OK)
        return status;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    slot->tag = tag;
    slot->state = CHAT__CQL_SLOT_FLYING;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_QUERY, stream_of(conn, slot));
    chat__cql_put_long_string(&writer, chat__view_str(text));
    put_params(&writer, params, 0);
    status = chat__cql_end(&writer);
    if (status != CHAT_OK) {
        chat__cql_slot_free(conn, slot);
        return as_busy(conn, status);
    }
    *out_stream = stream_of(conn, slot);
    return CHAT_OK;
}
