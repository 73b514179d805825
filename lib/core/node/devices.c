/* SPDX-License-Identifier: MIT */
/*
 * The devices of a user: listed, removed, and seen. All connections of a user are on his node, so
 * it says which devices are connected, and storage all the rest. Removing is done when it is
 * durable; from the request on what the device acknowledges counts no more.
 */
#include "node/devices.h"

#include <string.h>

static int is_connected(const chat__node_conn *conn, chat_view device)
{
    return conn->session.state != CHAT__SESSION_HELLO &&
           chat__view_equal(chat__conn_device(conn), device);
}

static int is_online(const chat__user *user, chat_view device)
{
    const chat__node_conn *conn = user->conns;
    while (conn != NULL && (conn->is_removed || !is_connected(conn, device)))
        conn = conn->next;
    return conn != NULL;
}

/* --- seen --- */

void chat__devices_seen(chat__node *node, chat__node_conn *conn)
{
    chat_view none = {NULL, 0};
    conn->seen_due = (uint32_t)node->mono_ms + node->options.device_seen_ms;
    if (conn->session.state != CHAT__SESSION_HELLO && !conn->is_removed)
        (void)chat__node_emit_about(node, CHAT__EFFECT_SEEN, none, chat__conn_user(conn),
                                    chat__conn_device(conn));
}

uint64_t chat__devices_due(const chat__node *node, const chat__node_conn *conn)
{
    int32_t left_ms = (int32_t)(conn->seen_due - (uint32_t)node->mono_ms);
    if (conn->session.state == CHAT__SESSION_HELLO)
        return UINT64_MAX;
    return node->mono_ms + (left_ms > 0 ? (uint64_t)left_ms : 0);
}

int chat__devices_connected(chat__node *node, const chat__user *user, chat_view_list *out)
{
    size_t n = 0;
    for (const chat__node_conn *conn = user->conns; conn != NULL; conn = conn->next)
        n++;
    chat_view *items = chat__arena_get(&node->arena, (n + 1) * sizeof *items);
    out->items = items;
    out->n_items = 0;
    if (items == NULL)
        return 0;
    for (const chat__node_conn *conn = user->conns; conn != NULL; conn = conn->next) {
        if (conn->session.state == CHAT__SESSION_HELLO)
            continue;
        items[out->n_items] = chat__arena_copy(&node->arena, chat__conn_device(conn));
        if (items[out->n_items++].len != conn->device_len)
            return 0;
    }
    return 1;
}

/* --- devices --- */

void chat__devices_list(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__op *op = chat__request_op(node, conn, CHAT__OP_DEVICES, frame, chat__view(NULL, 0), 0);
    (void)chat__request_emit(node, conn, frame, CHAT__EFFECT_LOAD_DEVICES, op);
}

static void write_row(chat__node *node, chat__node_conn *conn, const chat__op *op,
                      const chat__node_device *row)
{
    chat_frame out;
    int online = is_online(conn->user, row->device);
    chat_frame_init(&out, CHAT_FRAME_DEVICE);
    CHAT_FRAME_SET(&out, R, r, op->r);
    CHAT_FRAME_SET(&out, DEVICE, device, row->device);
    CHAT_FRAME_SET(&out, ONLINE, online, online != 0);
    CHAT_FRAME_SET(&out, TS, ts, online ? node->unix_ms : row->seen_unix_ms);
    chat__conn_write_frame(node, conn, &out);
}

void chat__devices_loaded(chat__node *node, chat__op *op, chat_status status,
                          const chat__node_device *rows, size_t n_rows)
{
    chat_frame about;
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    if (conn != NULL && status < 0) {
        chat__request_about(op, &about);
        chat__request_refuse(node, conn, &about, status, chat_status_text(status));
    } else if (conn != NULL) {
        for (size_t i = 0; i < n_rows; i++)
            write_row(node, conn, op, &rows[i]);
        chat__request_result(node, conn, op, n_rows, 0);
    }
    chat__op_free(node, op);
}

/* --- device.remove --- */

void chat__devices_remove(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_view user = chat__conn_user(conn);
    if (chat__request_is_draining(node, conn, frame))
        return;
    chat__op *op = chat__request_op(node, conn, CHAT__OP_REMOVE, frame, frame->device, user.len);
    if (op != NULL) {
        memcpy(op->storage + op->bytes.len, user.data, user.len);
        op->n_pages = (uint32_t)user.len;
    }
    chat__effect *effect = chat__request_emit(node, conn, frame, CHAT__EFFECT_FORGET, op);
    if (effect == NULL)
        return;
    effect->device = op->bytes;
    for (chat__node_conn *each = conn->user->conns; each != NULL; each = each->next) {
        if (is_connected(each, frame->device))
            each->is_removed = 1;
    }
}

static void close_removed(chat__node *node, chat_view name, chat_view device, int is_done)
{
    chat__user *user = chat__map_get(&node->users, name);
    chat__node_conn *conn = user != NULL ? user->conns : NULL;
    while (conn != NULL) {
        chat__node_conn *next = conn->next;
        if (conn->is_removed && chat__view_equal(chat__conn_device(conn), device)) {
            if (is_done)
                chat__conn_close(node, conn, CHAT_ERR_REMOVED, "this device was removed");
            else
                chat__conn_close(node, conn, CHAT_ERR_BUSY, "what this device has is not known");
        }
        conn = next;
    }
}

static size_t count_removed(const chat__node *node, chat_view name, chat_view device)
{
    size_t n = 0;
    const chat__user *user = chat__map_get(&node->users, name);
    for (const chat__node_conn *conn = user != NULL ? user->conns : NULL; conn != NULL;
         conn = conn->next)
        n += conn->is_removed && chat__view_equal(chat__conn_device(conn), device);
    return n;
}

void chat__devices_forgotten(chat__node *node, chat__op *op, chat_status status)
{
    chat_frame about;
    chat_view device = op->bytes;
    chat_view user = chat__view(op->storage + device.len, op->n_pages);
    chat__node_conn *conn = chat__conn_of(node, op->conn);
    /* Storage had forgotten it, as one that was not seen for long: its connection goes all the
       same. */
    if (status == CHAT_ERR_NOT_FOUND && count_removed(node, user, device) > 0)
        status = CHAT_OK;
    chat__request_about(op, &about);
    if (conn != NULL && status == CHAT_OK)
        chat__conn_write_frame(node, conn, &about);
    else if (conn != NULL)
        chat__request_refuse(node, conn, &about, status,
                             status == CHAT_ERR_NOT_FOUND ? "you have no such device"
                                                          : chat_status_text(status));
    close_removed(node, user, device, status == CHAT_OK);
    chat__op_free(node, op);
}
