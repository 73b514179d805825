/* SPDX-License-Identifier: MIT */
/*
 * Who has blocked a user, while he is connected: hashes of names, in order, asked of storage once
 * and then kept up to date by the owners of self streams. Most have nobody there, which costs a
 * look. Whoever is blocked by more than BLOCKERS_MAX sees nobody's presence any more.
 */
#include "node/hide.h"
#include "node/hints.h"
#include "wire/wire.h"

#include <string.h>

#define BLOCKERS_MAX 16384u
#define BLOCKERS_MIN 4u
#define MAX_WAITING  16u /* frames of a connection */
#define MAX_HINTS    8u  /* of those, as far as nobody is told that there are too many */

enum { NOT_KNOWN, KNOWN, TOO_MANY };

static uint64_t hash_of(const chat__node *node, chat_view id)
{
    return chat__siphash(node->options.seed, id.data, id.len);
}

/* Where the hash is, or would be. */
static uint32_t place_of(const chat__user *user, uint64_t hash)
{
    uint32_t from = 0;
    uint32_t to = user->n_blockers;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (user->blockers[middle] < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int has(const chat__user *user, uint32_t at, uint64_t hash)
{
    return at < user->n_blockers && user->blockers[at] == hash;
}

/* CHAT_OK, CHAT_ERR_BUSY. */
static chat_status ask(chat__node *node, chat__user *user)
{
    chat_view none = {NULL, 0};
    chat_view name = {user->id, user->id_len};
    chat__effect *effect = NULL;
    chat__op *op = chat__op_new(node, CHAT__OP_BLOCKERS, name.len);
    if (op != NULL)
        effect = chat__node_emit_about(node, CHAT__EFFECT_LOAD_BLOCKS, none, name, none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        return CHAT_ERR_BUSY;
    }
    chat__op_keep(op, name);
    op->id = ++node->n_tellings;
    user->asking = op->id;
    user->has_changed = 0;
    effect->tag = (uint64_t)(uintptr_t)op;
    effect->kind = CHAT__BLOCKS_BY_OTHERS;
    effect->limit = BLOCKERS_MAX;
    return CHAT_OK;
}

/* Who could not be asked for, for lack of memory say, is asked for when it is needed next. */
static void learn(chat__node *node, chat__user *user)
{
    if (user->knows_blockers == NOT_KNOWN && user->asking == 0)
        (void)ask(node, user);
}

int chat__hide_is(const chat__node *node, const chat__user *user, chat_view other)
{
    if (user->knows_blockers == KNOWN && user->n_blockers == 0)
        return 0;
    if (chat__view_equal(other, chat__view(user->id, user->id_len)))
        return 0;
    if (user->knows_blockers != KNOWN)
        return 1;
    uint64_t hash = hash_of(node, other);
    return has(user, place_of(user, hash), hash);
}

int chat__hide_refuses(chat__node *node, chat__node_conn *conn, const chat__op *op,
                       const chat_frame *about)
{
    chat_view members[2];
    chat_view user = chat__conn_user(conn);
    if (chat_direct_members(op->bytes, members) != CHAT_OK)
        return 0;
    int is_first = chat__view_equal(members[0], user);
    if (!chat__hide_is(node, conn->user, members[is_first]))
        return 0;
    learn(node, conn->user);
    if (conn->user->knows_blockers == NOT_KNOWN)
        chat__request_busy(node, conn, about);
    else
        chat__request_refuse(node, conn, about, CHAT_ERR_FORBIDDEN, "this user has blocked you");
    return 1;
}

/* --- learning --- */

void chat__hide_learn(chat__node *node, chat__node_conn *conn)
{
    learn(node, conn->user);
}

/* At the end of those of the connection, if they are fewer than `max`. */
static chat_status put_waiting(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                               size_t max)
{
    size_t n = 0;
    chat__op **link = &conn->waiting;
    for (; *link != NULL; link = &(*link)->next)
        n++;
    chat_view bytes = chat__node_encode(node, CHAT_ENCODING_CBOR, frame);
    chat__op *op = NULL;
    if (n < max && bytes.len > 0)
        op = chat__op_new(node, CHAT__OP_WAIT, bytes.len);
    if (op == NULL)
        return CHAT_ERR_BUSY;
    chat__op_keep(op, bytes);
    *link = op;
    return CHAT_OK;
}

int chat__hide_must_wait(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__user *user = conn->user;
    if (user->knows_blockers != NOT_KNOWN)
        return 0;
    if ((user->asking == 0 && ask(node, user) != CHAT_OK) ||
        put_waiting(node, conn, frame, MAX_WAITING) != CHAT_OK)
        chat__request_busy(node, conn, frame);
    return 1;
}

int chat__hide_holds(chat__node *node, chat__node_conn *conn, chat_view other, chat_view chat,
                     const chat_frame *hint)
{
    chat_view members[2];
    if (!chat__hide_is(node, conn->user, other) || chat_direct_members(chat, members) != CHAT_OK)
        return 0;
    learn(node, conn->user);
    if (conn->user->asking != 0)
        (void)put_waiting(node, conn, hint, MAX_HINTS); /* else the next one comes soon */
    return 1;
}

int chat__hide_follows(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    return conn->waiting != NULL && put_waiting(node, conn, frame, MAX_WAITING) == CHAT_OK;
}

chat__node_conn *chat__hide_conn(const chat__user *user)
{
    chat__node_conn *conn = user != NULL ? user->conns : NULL;
    while (conn != NULL && conn->session.state == CHAT__SESSION_HELLO)
        conn = conn->next;
    return conn;
}

void chat__hide_leave(chat__node *node, chat__node_conn *conn)
{
    while (conn->waiting != NULL) {
        chat__op *op = conn->waiting;
        conn->waiting = op->next;
        chat__op_free(node, op);
    }
}

/* Shell's: the hashes are random, so no order makes it slow. */
static void sort(uint64_t *hashes, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < n; i++) {
            uint64_t hash = hashes[i];
            size_t at = i;
            for (; at >= gap && hashes[at - gap] > hash; at -= gap)
                hashes[at] = hashes[at - gap];
            hashes[at] = hash;
        }
    }
}

static chat_status set_all(chat__node *node, chat__user *user, const chat_view *users, size_t n)
{
    uint64_t *hashes = NULL;
    if (n > 0) {
        hashes = chat__node_alloc(node, n * sizeof *hashes);
        if (hashes == NULL)
            return CHAT_ERR_NOMEM;
        for (size_t i = 0; i < n; i++)
            hashes[i] = hash_of(node, users[i]);
        sort(hashes, n);
    }
    chat__node_dealloc(node, user->blockers);
    user->blockers = hashes;
    user->n_blockers = (uint32_t)n;
    user->cap_blockers = (uint32_t)n;
    user->knows_blockers = KNOWN;
    return CHAT_OK;
}

static void take_hint(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    switch (frame->type) {
    case CHAT_FRAME_TYPING:
        chat__typing_on_client(node, conn, frame);
        return;
    case CHAT_FRAME_TYPING_PUSH:
        chat__typing_on_push(node, frame);
        return;
    default:
        chat__deliver_receipt(node, frame);
        return;
    }
}

/* What waited, as if it came now; without an answer of storage, what needs it is not passed on. */
static void take_waiting(chat__node *node, chat__node_conn *conn, const chat_frame *frame,
                         chat_status status)
{
    switch (frame->type) {
    case CHAT_FRAME_PING:
        chat__request_pong(node, conn, frame);
        return;
    case CHAT_FRAME_PRESENCE_GET:
    case CHAT_FRAME_PRESENCE_WATCH:
        if (status < 0)
            chat__request_refuse(node, conn, frame, status, chat_status_text(status));
        else
            chat__presence_ask(node, conn, frame);
        return;
    default:
        if (status >= 0)
            take_hint(node, conn, frame);
        return;
    }
}

/* In order. */
static void take_all_waiting(chat__node *node, chat__node_conn *conn, chat_status status)
{
    while (conn->waiting != NULL) {
        chat_frame frame;
        chat__op *op = conn->waiting;
        conn->waiting = op->next;
        if (chat__frame_decode_own(node->row_decoder, op->bytes, &frame) == CHAT_OK)
            take_waiting(node, conn, &frame, status);
        chat__op_free(node, op);
    }
}

void chat__hide_loaded(chat__node *node, chat__op *op, chat_status status, const chat_view *users,
                       size_t n_users)
{
    uint64_t number = op->id;
    chat__user *user = chat__map_get(&node->users, op->bytes);
    chat__op_free(node, op);
    if (user == NULL || user->asking != number)
        return; /* he left, and whoever came back has asked himself */
    user->asking = 0;
    if (status >= 0 && user->has_changed) {
        status = ask(node, user);
        if (status == CHAT_OK)
            return;
    }
    if (status == CHAT_MORE)
        user->knows_blockers = TOO_MANY;
    else if (status == CHAT_OK)
        status = set_all(node, user, users, n_users);
    for (chat__node_conn *conn = user->conns; conn != NULL; conn = conn->next)
        take_all_waiting(node, conn, status);
}

void chat__hide_learn_again(chat__node *node)
{
    size_t cursor = 0;
    chat__user *user = chat__map_next(&node->users, &cursor);
    for (; user != NULL; user = chat__map_next(&node->users, &cursor)) {
        if (user->asking != 0)
            user->has_changed = 1;
        else if (ask(node, user) != CHAT_OK)
            user->knows_blockers = NOT_KNOWN; /* the next question asks */
    }
}

/* --- what changes --- */

static chat_status grow(chat__node *node, chat__user *user)
{
    if (user->n_blockers < user->cap_blockers)
        return CHAT_OK;
    uint32_t cap = user->cap_blockers < BLOCKERS_MIN ? BLOCKERS_MIN : user->cap_blockers * 2;
    uint64_t *hashes = chat__node_alloc(node, cap * sizeof *hashes);
    if (hashes == NULL)
        return CHAT_ERR_NOMEM;
    if (user->n_blockers > 0)
        memcpy(hashes, user->blockers, user->n_blockers * sizeof *hashes);
    chat__node_dealloc(node, user->blockers);
    user->blockers = hashes;
    user->cap_blockers = cap;
    return CHAT_OK;
}

static void change(chat__node *node, chat__user *user, uint64_t hash, int is_blocked)
{
    uint32_t at = place_of(user, hash);
    int is_there = has(user, at, hash);
    if (is_there == is_blocked)
        return;
    if (is_there) {
        user->n_blockers--;
        memmove(user->blockers + at, user->blockers + at + 1,
                (user->n_blockers - at) * sizeof *user->blockers);
        return;
    }
    if (user->n_blockers >= BLOCKERS_MAX) {
        user->knows_blockers = TOO_MANY;
        return;
    }
    if (grow(node, user) != CHAT_OK) {
        user->knows_blockers = NOT_KNOWN; /* the next question asks */
        return;
    }
    memmove(user->blockers + at + 1, user->blockers + at,
            (user->n_blockers - at) * sizeof *user->blockers);
    user->blockers[at] = hash;
    user->n_blockers++;
}

void chat__hide_take(chat__node *node, chat_view id, chat_view from, int is_blocked)
{
    chat__user *user = chat__map_get(&node->users, id);
    if (user == NULL)
        return;
    if (user->knows_blockers == KNOWN)
        change(node, user, hash_of(node, from), is_blocked);
    if (user->knows_blockers != KNOWN || user->asking != 0)
        user->has_changed = 1;
    for (chat__node_conn *conn = user->conns; conn != NULL; conn = conn->next)
        chat__presence_blocked(node, conn, from, is_blocked);
}
