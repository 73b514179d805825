/* SPDX-License-Identifier: MIT */
/* What a connection says to its node. See conn.h. */
#include "backends/cassandra/conn_internal.h"

#include "backends/cassandra/lz4.h"
#include "base/bits.h"
#include "base/view.h"

#include <assert.h>
#include <string.h>

/* [4.1.4] flags of parameters */
#define WITH_VALUES       0x01u
#define SKIP_METADATA     0x02u
#define WITH_PAGE_SIZE    0x04u
#define WITH_PAGING_STATE 0x08u
#define WITH_TIMESTAMP    0x20u

/* [4.1.7] */
#define UNLOGGED 1u
#define BY_ID    1u

#define LZ4_MIN_BYTES 512u /* of a body: less is not worth it */

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
    slot->is_ping = 0;
    slot->n_items = 0;
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

chat_status chat__cql_say_options(chat__cql_conn *conn)
{
    chat__cql_writer writer;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_OPTIONS, 0);
    return chat__cql_end(&writer);
}

chat_status chat__cql_say_startup(chat__cql_conn *conn)
{
    chat__cql_writer writer;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_STARTUP, 0);
    chat__cql_put_u16(&writer, conn->has_lz4 ? 2 : 1);
    chat__cql_put_string(&writer, chat__view_str("CQL_VERSION"));
    chat__cql_put_string(&writer, chat__view_str("3.0.0"));
    if (conn->has_lz4) {
        chat__cql_put_string(&writer, chat__view_str("COMPRESSION"));
        chat__cql_put_string(&writer, chat__view_str("lz4"));
    }
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

/* The end of a frame that may be large: compressed when that is worth it. As chat__cql_end(). */
static chat_status end_large(chat__cql_conn *conn, chat__cql_writer *writer)
{
    chat_status status = chat__cql_end(writer);
    uint8_t *frame = status == CHAT_OK ? conn->out.data + writer->start : NULL;
    size_t len = status == CHAT_OK ? conn->out.len - writer->start - CHAT__CQL_HEADER_BYTES : 0;
    conn->squeezed.len = 0;
    if (!conn->has_lz4 || len < LZ4_MIN_BYTES ||
        chat__lz4_compress(chat__view(frame + CHAT__CQL_HEADER_BYTES, len), &conn->squeezed) !=
            CHAT_OK)
        return status; /* it goes as it is */
    frame[1] |= CHAT__CQL_COMPRESSED;
    chat__store32be(frame + 5, (uint32_t)conn->squeezed.len);
    memcpy(frame + CHAT__CQL_HEADER_BYTES, conn->squeezed.data, conn->squeezed.len);
    conn->out.len = writer->start + CHAT__CQL_HEADER_BYTES + conn->squeezed.len;
    return CHAT_OK;
}

void chat__cql_put_params(chat__cql_writer *writer, const chat__cql_params *params,
                          chat__cql_ask_kind kind)
{
    uint32_t n_values = kind == CHAT__CQL_ASK_BATCH ? 0 : params->n_values;
    uint32_t flags = (n_values > 0 ? WITH_VALUES : 0) |
                     (params->page_size > 0 ? WITH_PAGE_SIZE : 0) |
                     (params->paging_state.len > 0 ? WITH_PAGING_STATE : 0) |
                     (params->timestamp_us > 0 ? WITH_TIMESTAMP : 0) |
                     (kind == CHAT__CQL_ASK_EXECUTE ? SKIP_METADATA : 0);
    chat__cql_put_u16(writer, (uint16_t)params->consistency);
    chat__cql_put_u8(writer, (uint8_t)flags);
    if (n_values > 0)
        chat__cql_put_u16(writer, (uint16_t)n_values);
    for (uint32_t i = 0; i < n_values; i++)
        chat__cql_put_bytes(writer, params->values[i]);
    if (params->page_size > 0)
        chat__cql_put_i32(writer, (int32_t)params->page_size);
    if (params->paging_state.len > 0)
        chat__cql_put_bytes(writer, params->paging_state);
    if (params->timestamp_us > 0)
        chat__cql_put_u64(writer, params->timestamp_us);
}

/* In a slot: number and length, 4 bytes each, then what stands behind the id in the batch [4.1.7].
 */
void chat__cql_put_batch_item(chat__cql_writer *writer, uint32_t number,
                              const chat__cql_params *params)
{
    size_t at = writer->buf->len;
    chat__cql_put_i32(writer, (int32_t)number);
    chat__cql_put_i32(writer, 0);
    chat__cql_put_u16(writer, (uint16_t)params->n_values);
    for (uint32_t i = 0; i < params->n_values; i++)
        chat__cql_put_bytes(writer, params->values[i]);
    if (writer->status == CHAT_OK)
        chat__store32be(writer->buf->data + at + 4, (uint32_t)(writer->buf->len - at - 8));
}

static chat_status keep_params(chat__cql_slot *slot, const chat__cql_params *params)
{
    chat__cql_writer writer = {&slot->params, 0, CHAT_OK};
    chat__cql_put_params(&writer, params, CHAT__CQL_ASK_EXECUTE);
    return writer.status;
}

/* All that it needs is known. */
static chat_status say_execute(chat__cql_conn *conn, chat__cql_slot *slot)
{
    const chat__cql_prepared *prepared = &conn->prepared[slot->statement.number];
    chat__cql_writer writer;
    assert(prepared->state == CHAT__CQL_KNOWN);
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_EXECUTE, stream_of(conn, slot));
    chat__cql_put_string(&writer, chat__view(prepared->id, prepared->id_len));
    chat__cql_put_raw(&writer, chat__buf_view(&slot->params));
    return end_large(conn, &writer);
}

static chat_status say_batch(chat__cql_conn *conn, chat__cql_slot *slot)
{
    chat__cql_reader reader = chat__cql_read(chat__buf_view(&slot->params));
    chat__cql_writer writer;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_BATCH, stream_of(conn, slot));
    chat__cql_put_u8(&writer, UNLOGGED);
    chat__cql_put_u16(&writer, slot->n_items);
    for (uint32_t i = 0; i < slot->n_items; i++) {
        const chat__cql_prepared *prepared = &conn->prepared[chat__cql_get_i32(&reader)];
        chat__cql_put_u8(&writer, BY_ID);
        chat__cql_put_string(&writer, chat__view(prepared->id, prepared->id_len));
        chat__cql_put_raw(&writer, chat__cql_get_bytes(&reader));
    }
    chat__cql_put_raw(&writer, chat__view(reader.at, (size_t)(reader.end - reader.at)));
    return end_large(conn, &writer);
}

static chat_status say(chat__cql_conn *conn, chat__cql_slot *slot)
{
    chat_status status = slot->n_items > 0 ? say_batch(conn, slot) : say_execute(conn, slot);
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

/* Of a batch: the next statement that is not known; 0: all are. */
static int needs_more(chat__cql_conn *conn, chat__cql_slot *slot)
{
    chat__cql_reader reader = chat__cql_read(chat__buf_view(&slot->params));
    for (uint32_t i = 0; i < slot->n_items; i++) {
        uint32_t number = (uint32_t)chat__cql_get_i32(&reader);
        (void)chat__cql_get_bytes(&reader);
        slot->statement.number = number;
        slot->statement.text = conn->prepared[number].text;
        if (conn->prepared[number].state != CHAT__CQL_KNOWN)
            return 1;
    }
    return slot->n_items == 0 && conn->prepared[slot->statement.number].state != CHAT__CQL_KNOWN;
}

chat_status chat__cql_need(chat__cql_conn *conn, chat__cql_slot *slot)
{
    if (!needs_more(conn, slot))
        return say(conn, slot);
    chat__cql_prepared *prepared = &conn->prepared[slot->statement.number];
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
    return conn->n_used >= conn->max_in_flight ? CHAT_ERR_BUSY : CHAT_OK;
}

/* A full buffer is no fault of the caller's unless the request alone is too large. */
static chat_status as_busy(const chat__cql_conn *conn, chat_status status)
{
    return status == CHAT_ERR_LIMIT && conn->out.len > 0 ? CHAT_ERR_BUSY : status;
}

/* The request is in its slot, or `status` says why not. */
static chat_status send_slot(chat__cql_conn *conn, chat__cql_slot *slot, chat_status status,
                             uint16_t *out_stream)
{
    slot->state = CHAT__CQL_SLOT_WAITING;
    if (status == CHAT_OK)
        status = chat__cql_need(conn, slot);
    if (status != CHAT_OK) {
        chat__cql_slot_free(conn, slot);
        return as_busy(conn, status);
    }
    *out_stream = stream_of(conn, slot);
    return CHAT_OK;
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
    conn->prepared[statement->number].text = statement->text;
    return send_slot(conn, slot, keep_params(slot, params), out_stream);
}

/* CHAT_ERR_ARG: what is in there is no batch. */
static chat_status know_texts(chat__cql_conn *conn, const chat__cql_ask *ask)
{
    chat__cql_reader reader = chat__cql_read(ask->body);
    for (uint32_t i = 0; i < ask->n_items; i++) {
        uint32_t number = (uint32_t)chat__cql_get_i32(&reader);
        if (number >= CHAT__CQL_MAX_STATEMENTS || ask->texts[number] == NULL)
            return CHAT_ERR_ARG;
        conn->prepared[number].text = ask->texts[number];
        (void)chat__cql_get_bytes(&reader);
    }
    return ask->n_items > 0 && !reader.is_bad ? CHAT_OK : CHAT_ERR_ARG;
}

static chat_status send_query(chat__cql_conn *conn, uint64_t tag, const char *text,
                              const chat_view *body, uint16_t *out_stream)
{
    chat__cql_writer writer;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    slot->tag = tag;
    slot->state = CHAT__CQL_SLOT_FLYING;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_QUERY, stream_of(conn, slot));
    chat__cql_put_long_string(&writer, chat__view_str(text));
    chat__cql_put_raw(&writer, *body);
    chat_status status = end_large(conn, &writer);
    if (status != CHAT_OK) {
        chat__cql_slot_free(conn, slot);
        return as_busy(conn, status);
    }
    *out_stream = stream_of(conn, slot);
    return CHAT_OK;
}

chat_status chat__cql_conn_ask(chat__cql_conn *conn, uint64_t tag, const chat__cql_ask *ask,
                               uint16_t *out_stream)
{
    chat_status status = may_ask(conn);
    if (status == CHAT_OK && ask->kind == CHAT__CQL_ASK_BATCH)
        status = know_texts(conn, ask);
    if (status != CHAT_OK)
        return status;
    if (ask->kind == CHAT__CQL_ASK_QUERY)
        return send_query(conn, tag, ask->statement.text, &ask->body, out_stream);
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    slot->tag = tag;
    if (ask->kind == CHAT__CQL_ASK_BATCH) {
        slot->n_items = ask->n_items;
    } else {
        slot->statement = ask->statement;
        conn->prepared[ask->statement.number].text = ask->statement.text;
    }
    return send_slot(conn, slot, chat__buf_append(&slot->params, ask->body.data, ask->body.len),
                     out_stream);
}

chat_status chat__cql_conn_query(chat__cql_conn *conn, uint64_t tag, const char *text,
                                 const chat__cql_params *params, uint16_t *out_stream)
{
    chat__buf body;
    chat__cql_writer writer = {&body, 0, CHAT_OK};
    chat_status status = is_sane(params) ? may_ask(conn) : CHAT_ERR_ARG;
    if (status != CHAT_OK)
        return status;
    chat__buf_init(&body, &conn->allocator, conn->out.max_bytes);
    chat__cql_put_params(&writer, params, CHAT__CQL_ASK_QUERY);
    chat_view view = chat__buf_view(&body);
    status = writer.status;
    if (status == CHAT_OK)
        status = send_query(conn, tag, text, &view, out_stream);
    chat__buf_done(&body);
    return status;
}

chat_status chat__cql_conn_ping(chat__cql_conn *conn)
{
    chat__cql_writer writer;
    chat_status status = may_ask(conn);
    if (status != CHAT_OK)
        return status;
    chat__cql_slot *slot = chat__cql_slot_get(conn);
    slot->is_ping = 1;
    slot->state = CHAT__CQL_SLOT_FLYING;
    chat__cql_begin(&writer, &conn->out, CHAT__CQL_OP_OPTIONS, stream_of(conn, slot));
    status = chat__cql_end(&writer);
    if (status != CHAT_OK)
        chat__cql_slot_free(conn, slot);
    return status;
}
