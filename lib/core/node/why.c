/* SPDX-License-Identifier: MIT */
/*
 * `why`: where a message is. That it was accepted and is durable, and who has it, storage knows;
 * what happened on the way to each device, the nodes where the members live remember (trail.h).
 * Every member is told of everybody what `receipts` tells; of devices the author is told all, and
 * everybody else only of his own.
 */
#include "node/lookup.h"
#include "node/self.h"
#include "node/trail.h"

#define BUSY_TEXT "too many questions at the same time"

static const char *const EVENT_NAMES[CHAT__EVENT_COUNT + CHAT__FATE_COUNT] = {
#define EVENT_NAME(NAME, name, text) name,
    CHAT__EVENT_TABLE(EVENT_NAME)
#undef EVENT_NAME
#define FATE_NAME(NAME, name, text) "notify_" name,
        CHAT__FATE_TABLE(FATE_NAME)
#undef FATE_NAME
};

void chat__why_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__self_find(node, conn, frame);
}

/* --- on a node where members live --- */

static void take_row(chat__node *node, const chat_frame *row)
{
    chat__lookup *lookup = chat__lookup_of(node, row);
    chat_frame out = *row;
    if (lookup == NULL)
        return;
    if (lookup->device_len > 0 &&
        (!CHAT_FRAME_HAS(row, DEVICE) ||
         !chat__view_equal(row->device, chat__view(lookup->device, lookup->device_len))))
        return;
    out.type = CHAT_FRAME_TRAIL;
    out.has &= ~(CHAT_FIELD_BIT(CHAT_FIELD_KEY_CONN) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_N));
    CHAT_FRAME_SET(&out, R, r, lookup->r);
    lookup->count++;
    chat__conn_write_frame(node, lookup->conn, &out);
}

static chat_status tell_row(chat__node *node, uint32_t to_node, const chat_frame *ask,
                            chat_view user, const chat__trail_row *row)
{
    chat_frame out;
    chat__lookup_init_answer(&out, CHAT_FRAME_WHY_ROW, ask);
    CHAT_FRAME_SET(&out, USER, user, user);
    CHAT_FRAME_SET(&out, STATE, state, chat__view_str(EVENT_NAMES[row->event]));
    CHAT_FRAME_SET(&out, TS, ts, row->at_ms);
    if (row->device_len > 0)
        CHAT_FRAME_SET(&out, DEVICE, device, chat__view(row->device, row->device_len));
    if (to_node != node->options.self)
        return chat__node_emit_link(node, to_node, &out);
    take_row(node, &out);
    return CHAT_OK;
}

static chat_status tell_rows(chat__node *node, uint32_t from_node, const chat_frame *ask)
{
    uint64_t key = chat__trail_key(node, ask->chat, ask->seq);
    uint64_t *users = chat__arena_get(&node->arena, (ask->users.n_items + 1) * sizeof *users);
    const chat__trail_row *row;
    if (users == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < ask->users.n_items; i++)
        users[i] = chat__trail_user(node, ask->users.items[i]);
    for (uint32_t i = 0; (row = chat__trail_at(node, i)) != NULL; i++) {
        for (size_t k = 0; row->key == key && k < ask->users.n_items; k++) {
            if (row->user == users[k] &&
                tell_row(node, from_node, ask, ask->users.items[k], row) != CHAT_OK)
                return CHAT_ERR_NOMEM;
        }
    }
    return CHAT_OK;
}

static void take_ask(chat__node *node, uint32_t from_node, const chat_frame *ask)
{
    chat__lookup_end(node, from_node, ask, tell_rows(node, from_node, ask));
}

chat_status chat__why_link(chat__node *node, uint32_t from_node, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_WHY_ASK)
        take_ask(node, from_node, frame);
    else if (frame->type == CHAT_FRAME_WHY_ROW)
        take_row(node, frame);
    else
        return CHAT_ERR_ARG;
    return CHAT_OK;
}

/* --- on the asker's node --- */

static void write_row(chat__node *node, chat__lookup *lookup, chat_view user, const char *state,
                      uint64_t ts)
{
    chat_frame out;
    chat_frame_init(&out, CHAT_FRAME_TRAIL);
    CHAT_FRAME_SET(&out, R, r, lookup->r);
    CHAT_FRAME_SET(&out, STATE, state, chat__view_str(state));
    if (user.len > 0)
        CHAT_FRAME_SET(&out, USER, user, user);
    if (ts > 0)
        CHAT_FRAME_SET(&out, TS, ts, ts);
    lookup->count++;
    chat__conn_write_frame(node, lookup->conn, &out);
}

void chat__why_miss(chat__node *node, chat__lookup *lookup, chat_view user)
{
    write_row(node, lookup, user, "not_reached", 0);
}

static void write_durable(chat__node *node, chat__lookup *lookup, const chat__op *op,
                          chat_view author, const chat__node_marks *marks)
{
    chat_view nobody = {NULL, 0};
    write_row(node, lookup, nobody, "accepted", chat_snowflake_decode(op->id).unix_ms);
    write_row(node, lookup, nobody, "durable", 0);
    for (size_t i = 0; i < marks->n_items; i++) {
        const chat__node_mark *mark = &marks->items[i];
        if (chat__view_equal(mark->user, author))
            continue;
        write_row(node, lookup, mark->user,
                  mark->read_seq >= op->seq        ? "read"
                  : mark->delivered_seq >= op->seq ? "acked"
                                                   : "waiting",
                  0);
    }
}

/* The nodes of all members for the author, else the asker's own. */
static void ask_nodes(chat__node *node, chat__lookup *lookup, const chat__op *op,
                      const chat__node_marks *marks, int is_author)
{
    chat_frame question;
    size_t n = is_author ? marks->n_items : 1;
    chat_view *names = chat__arena_get(&node->arena, (n + 1) * sizeof *names);
    chat_view_list users = {names, n};
    if (names == NULL) {
        chat__lookup_close_part(node, lookup, CHAT_ERR_NOMEM);
        return;
    }
    names[0] = chat__conn_user(lookup->conn);
    for (size_t i = 0; is_author && i < n; i++)
        names[i] = marks->items[i].user;
    chat_frame_init(&question, CHAT_FRAME_WHY_ASK);
    CHAT_FRAME_SET(&question, CHAT, chat, op->bytes);
    CHAT_FRAME_SET(&question, SEQ, seq, op->seq);
    chat__lookup_ask(node, lookup, users, &question, take_ask);
}

void chat__why_answer(chat__node *node, chat__node_conn *conn, const chat__op *op,
                      const chat__node_marks *marks)
{
    chat_frame about;
    chat_view author = chat__view(op->storage + op->bytes.len, op->limit);
    chat_view device = chat__view(op->storage + op->bytes.len + CHAT_ID_MAX_BYTES, op->n_pages);
    chat_frame_init(&about, CHAT_FRAME_WHY);
    CHAT_FRAME_SET(&about, R, r, op->r);
    chat__lookup *lookup = chat__lookup_begin(node, conn, &about);
    if (lookup == NULL) {
        chat__request_refuse(node, conn, &about, CHAT_ERR_BUSY, BUSY_TEXT);
        return;
    }
    lookup->device_len = (uint8_t)device.len;
    for (size_t i = 0; i < device.len; i++)
        lookup->device[i] = device.data[i];
    if (device.len == 0)
        write_durable(node, lookup, op, author, marks);
    ask_nodes(node, lookup, op, marks, chat__view_equal(author, chat__conn_user(conn)));
}
