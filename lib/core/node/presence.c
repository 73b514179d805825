/* SPDX-License-Identifier: MIT */
/*
 * Who is online, over all nodes. The node where a user lives has the user's connections as leases
 * and tells the nodes that watch; the node of who watches passes it on to its connections. So a
 * change travels once to each node. The silence of a connection ends it, and its lease with it.
 */
#include "node/hide.h"
#include "node/hints.h"
#include "node/lookup.h"
#include "node/peer.h"
#include "node/share.h"

#define BUSY_TEXT       "too many questions about presence at the same time"
#define WATCH_FULL_TEXT "too many users are watched"

chat_status chat__presence_init(chat__node *node)
{
    chat_presence_options options;
    chat_presence_options_init(&options);
    options.allocator = &node->allocator;
    options.seed[0] = node->options.seed[0];
    options.seed[1] = node->options.seed[1];
    options.ttl_ms = 0;
    options.max_leases = node->options.max_connections;
    options.max_users = node->options.presence_count;
    options.max_watched = UINT32_MAX;
    chat_status status = chat_presence_new(&options, &node->presence);
    options.max_watched = node->options.max_watched;
    if (status == CHAT_OK)
        status = chat_presence_new(&options, &node->watched);
    return status;
}

void chat__presence_done(chat__node *node)
{
    while (node->lookup_first != NULL)
        chat__lookup_drop(node, node->lookup_first);
    chat_presence_free(node->presence);
    chat_presence_free(node->watched);
    node->presence = NULL;
    node->watched = NULL;
}

/* --- changes --- */

static void fill_state(chat_frame *out, chat_view user, const chat_presence_state *state)
{
    CHAT_FRAME_SET(out, USER, user, user);
    CHAT_FRAME_SET(out, ONLINE, online, state->is_online);
    if (!state->is_online && state->seen_ms != 0)
        CHAT_FRAME_SET(out, TS, ts, state->seen_ms);
}

/* Where he lives is not reached. */
static void set_unknown(chat_frame *out)
{
    CHAT_FRAME_SET(out, CODE, code, chat__view_str(chat_status_wire(CHAT_ERR_TIMEOUT)));
}

/* A user who lives here came or went: tell a node that watches. */
static void tell_node(chat__node *node, const chat_presence_change *change)
{
    chat_frame tell;
    uint32_t to_node = (uint32_t)change->watcher;
    if (to_node == node->options.self) {
        chat_presence_tell(node->watched, change->user, (int)change->state.is_online,
                           change->state.seen_ms);
        return;
    }
    chat_frame_init(&tell, CHAT_FRAME_PRESENCE_TELL);
    fill_state(&tell, change->user, &change->state);
    (void)chat__node_emit_link(node, to_node, &tell); /* the next change tells it again */
}

static void tell_conn(chat__node *node, const chat_presence_change *change)
{
    chat_frame out;
    chat__node_conn *conn = chat__conn_of(node, change->watcher);
    if (conn == NULL || chat__hide_is(node, conn->user, change->user))
        return;
    chat_frame_init(&out, CHAT_FRAME_PRESENCE);
    fill_state(&out, change->user, &change->state);
    if (node->is_lost[chat__node_of_user(change->user, node->options.n_nodes)])
        set_unknown(&out);
    chat__conn_write_hint(node, conn, &out);
}

/* Nobody here watches the user any more. */
static void drop_user(chat__node *node, chat_view user)
{
    chat_frame drop;
    uint32_t home = chat__node_of_user(user, node->options.n_nodes);
    chat_view_list users = {&user, 1};
    if (home == node->options.self) {
        chat_presence_watch_remove(node->presence, home, user);
        return;
    }
    chat_frame_init(&drop, CHAT_FRAME_PRESENCE_DROP);
    CHAT_FRAME_SET(&drop, USERS, users, users);
    (void)chat__node_emit_link(node, home, &drop); /* what is told in vain is dropped here */
}

void chat__presence_tell_changes(chat__node *node)
{
    chat_presence_change change;
    int is_done = 0;
    while (!is_done) {
        is_done = 1;
        while (chat_presence_next_change(node->presence, &change) == CHAT_OK) {
            if (change.type == CHAT_PRESENCE_CHANGED)
                tell_node(node, &change);
        }
        while (chat_presence_next_change(node->watched, &change) == CHAT_OK) {
            is_done = 0;
            if (change.type == CHAT_PRESENCE_CHANGED)
                tell_conn(node, &change);
            else
                drop_user(node, change.user);
        }
    }
}

/* --- connections --- */

chat_status chat__presence_arrive(chat__node *node, const chat__node_conn *conn)
{
    chat_status status =
        chat_presence_renew(node->presence, chat__conn_user(conn), conn->id, node->unix_ms);
    if (status == CHAT_OK)
        chat__share_arrive(node, conn);
    chat__presence_tell_changes(node);
    return status;
}

void chat__presence_leave(chat__node *node, chat__node_conn *conn)
{
    uint64_t silent_ms = node->mono_ms - conn->session.seen_ms;
    while (conn->lookups != NULL)
        chat__lookup_drop(node, conn->lookups);
    chat_presence_release(node->presence, chat__conn_user(conn), conn->id,
                          node->unix_ms > silent_ms ? node->unix_ms - silent_ms : 0);
    chat__share_leave(node, conn);
    if (conn->is_watching)
        chat_presence_unwatch(node->watched, conn->id);
    conn->is_watching = 0;
    chat__presence_tell_changes(node);
}

void chat__presence_on_hide(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_frame result;
    chat_status status = chat_presence_hide(node->presence, chat__conn_user(conn),
                                            (int)frame->hidden, node->unix_ms);
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_BUSY, chat_status_text(CHAT_ERR_BUSY));
        return;
    }
    chat__share_hide(node, conn->user, (int)frame->hidden);
    chat__presence_tell_changes(node);
    chat_frame_init(&result, CHAT_FRAME_RESULT);
    CHAT_FRAME_SET(&result, R, r, frame->r);
    chat__conn_write_frame(node, conn, &result);
}

/* --- questions --- */

static void stop_watching(chat__node *node, chat__node_conn *conn)
{
    chat_presence_unwatch(node->watched, conn->id);
    conn->is_watching = 0;
    chat__presence_tell_changes(node);
}

/* A list of which a part could not be watched is none. */
static void answer_lookup(chat__node *node, chat__lookup *lookup)
{
    chat_frame out;
    chat__node_conn *conn = lookup->conn;
    chat_frame_init(&out, CHAT_FRAME_RESULT);
    CHAT_FRAME_SET(&out, R, r, lookup->r);
    if (lookup->is_untold) {
        chat__lookup_drop(node, lookup);
        return;
    }
    if (lookup->status == CHAT_OK) {
        CHAT_FRAME_SET(&out, COUNT, count, lookup->count);
        chat__conn_write_frame(node, conn, &out);
    } else {
        const char *text = lookup->status == CHAT_ERR_BUSY
                               ? WATCH_FULL_TEXT
                               : chat_status_text((chat_status)lookup->status);
        chat__request_refuse(node, conn, &out, (chat_status)lookup->status, text);
        if (lookup->is_watch)
            stop_watching(node, conn);
    }
    chat__lookup_drop(node, lookup);
}

/* One node has answered, or could not be asked. */
void chat__lookup_close_part(chat__node *node, chat__lookup *lookup, chat_status status)
{
    if (status != CHAT_OK)
        lookup->status = status;
    if (--lookup->n_open == 0)
        answer_lookup(node, lookup);
}

/* To whom the user has blocked. */
static void look_offline(chat_frame *out)
{
    CHAT_FRAME_SET(out, ONLINE, online, 0);
    out->has &= ~CHAT_FIELD_BIT(CHAT_FIELD_KEY_TS);
}

static void take_state(chat__node *node, const chat_frame *tell)
{
    chat_presence_tell(node->watched, tell->user, (int)tell->online,
                       CHAT_FRAME_HAS(tell, TS) ? tell->ts : 0);
    chat__presence_tell_changes(node);
}

static void take_row(chat__node *node, const chat_frame *row)
{
    chat_frame out = *row;
    chat__lookup *lookup = chat__lookup_of(node, row);
    if (lookup == NULL) {
        take_state(node, row); /* nobody waits for it: who watches is told */
        return;
    }
    out.type = CHAT_FRAME_PRESENCE;
    if (chat__hide_is(node, lookup->conn->user, row->user))
        look_offline(&out);
    if (!lookup->is_untold)
        CHAT_FRAME_SET(&out, R, r, lookup->r);
    lookup->count++;
    chat__conn_write_frame(node, lookup->conn, &out);
}

static void take_end(chat__node *node, uint32_t from_node, const chat_frame *end)
{
    chat__lookup *lookup = chat__lookup_of(node, end);
    if (lookup == NULL || !chat__lookup_is_answered(node, lookup, from_node))
        return;
    chat__lookup_close_part(node, lookup,
                            CHAT_FRAME_HAS(end, CODE) ? chat_status_from_wire(end->code) : CHAT_OK);
}

void chat__presence_miss(chat__node *node, chat__lookup *lookup, chat_view user)
{
    chat_frame row;
    chat_frame_init(&row, CHAT_FRAME_PRESENCE_ROW);
    CHAT_FRAME_SET(&row, CONN, conn, lookup->conn->id);
    CHAT_FRAME_SET(&row, N, n, lookup->number);
    CHAT_FRAME_SET(&row, USER, user, user);
    CHAT_FRAME_SET(&row, ONLINE, online, 0);
    set_unknown(&row);
    take_row(node, &row);
}

static chat_status tell_row(chat__node *node, uint32_t to_node, const chat_frame *row)
{
    if (to_node != node->options.self)
        return chat__node_emit_link(node, to_node, row);
    take_row(node, row);
    return CHAT_OK;
}

void chat__lookup_end(chat__node *node, uint32_t to_node, const chat_frame *ask, chat_status status)
{
    chat_frame end;
    chat__lookup_init_answer(&end, CHAT_FRAME_PRESENCE_END, ask);
    if (status != CHAT_OK)
        CHAT_FRAME_SET(&end, CODE, code, chat__view_str(chat_status_wire(status)));
    if (to_node == node->options.self)
        take_end(node, to_node, &end);
    else
        (void)chat__node_emit_link(node, to_node, &end); /* it gives up in time */
}

/* Users who live here, asked by a node. */
static void take_ask(chat__node *node, uint32_t from_node, const chat_frame *ask)
{
    chat_frame out;
    chat_status result = CHAT_OK;
    for (size_t i = 0; i < ask->users.n_items; i++) {
        chat_presence_state state;
        chat_view user = ask->users.items[i];
        chat_status status = CHAT_OK;
        if (chat__node_of_user(user, node->options.n_nodes) != node->options.self)
            continue;
        if (ask->kind == CHAT_FRAME_PRESENCE_WATCH)
            status = chat_presence_watch_add(node->presence, from_node, user);
        chat_presence_get(node->presence, user, &state);
        chat__lookup_init_answer(&out, CHAT_FRAME_PRESENCE_ROW, ask);
        fill_state(&out, user, &state);
        if (status == CHAT_OK)
            status = tell_row(node, from_node, &out);
        if (status != CHAT_OK)
            result = status == CHAT_ERR_LIMIT ? CHAT_ERR_BUSY : status;
    }
    chat__lookup_end(node, from_node, ask, result);
}

static void ask_all(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_frame question;
    chat__lookup *lookup = chat__lookup_begin(node, conn, frame);
    if (lookup == NULL) {
        chat__request_refuse(node, conn, frame, CHAT_ERR_BUSY, BUSY_TEXT);
        if (frame->type == CHAT_FRAME_PRESENCE_WATCH)
            stop_watching(node, conn);
        return;
    }
    chat_frame_init(&question, CHAT_FRAME_PRESENCE_ASK);
    CHAT_FRAME_SET(&question, KIND, kind, frame->type);
    chat__lookup_ask(node, lookup, frame->users, &question, take_ask);
}

static void watch_and_ask(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat_status status =
        chat_presence_watch(node->watched, conn->id, frame->users.items, frame->users.n_items);
    if (status != CHAT_OK) {
        chat__request_refuse(node, conn, frame,
                             frame->users.n_items > node->options.max_watched ? CHAT_ERR_LIMIT
                                                                              : CHAT_ERR_BUSY,
                             WATCH_FULL_TEXT);
        return;
    }
    conn->is_watching = frame->users.n_items > 0;
    chat__presence_tell_changes(node);
    ask_all(node, conn, frame);
}

void chat__presence_ask(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (frame->type == CHAT_FRAME_PRESENCE_WATCH)
        watch_and_ask(node, conn, frame);
    else
        ask_all(node, conn, frame);
}

void chat__presence_request(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    if (!chat__hide_must_wait(node, conn, frame))
        chat__presence_ask(node, conn, frame);
}

/* How a user is now is asked where he lives; it is told as a change. */
static void tell_again(chat__node *node, chat__node_conn *conn, chat_view user)
{
    chat_frame question;
    chat_view_list users = {&user, 1};
    chat_frame_init(&question, CHAT_FRAME_PRESENCE_WATCH);
    CHAT_FRAME_SET(&question, R, r, 0);
    chat__lookup *lookup = chat__lookup_begin(node, conn, &question);
    if (lookup == NULL)
        return; /* the next change tells it */
    lookup->is_untold = 1;
    chat_frame_init(&question, CHAT_FRAME_PRESENCE_ASK);
    CHAT_FRAME_SET(&question, KIND, kind, CHAT_FRAME_PRESENCE_WATCH);
    chat__lookup_ask(node, lookup, users, &question, take_ask);
}

void chat__presence_blocked(chat__node *node, chat__node_conn *conn, chat_view user, int is_blocked)
{
    chat_frame out;
    if (!conn->is_watching || !chat_presence_is_watching(node->watched, conn->id, user))
        return;
    if (!is_blocked) {
        tell_again(node, conn, user);
        return;
    }
    chat_frame_init(&out, CHAT_FRAME_PRESENCE);
    CHAT_FRAME_SET(&out, USER, user, user);
    look_offline(&out);
    chat__conn_write_hint(node, conn, &out);
}

void chat__presence_do_due(chat__node *node)
{
    while (node->lookup_first != NULL && node->lookup_first->due_ms <= node->mono_ms)
        chat__lookup_due(node, node->lookup_first);
}

/* --- links --- */

chat_status chat__presence_link(chat__node *node, uint32_t from_node, const chat_frame *frame)
{
    switch (frame->type) {
    case CHAT_FRAME_PRESENCE_ASK:
        take_ask(node, from_node, frame);
        break;
    case CHAT_FRAME_PRESENCE_ROW:
        take_row(node, frame);
        return CHAT_OK;
    case CHAT_FRAME_PRESENCE_END:
        take_end(node, from_node, frame);
        return CHAT_OK;
    case CHAT_FRAME_PRESENCE_DROP:
        for (size_t i = 0; i < frame->users.n_items; i++)
            chat_presence_watch_remove(node->presence, from_node, frame->users.items[i]);
        break;
    case CHAT_FRAME_PRESENCE_TELL:
        take_state(node, frame);
        break;
    default:
        return CHAT_ERR_ARG;
    }
    chat__presence_tell_changes(node);
    return CHAT_OK;
}
