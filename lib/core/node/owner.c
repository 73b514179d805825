/* SPDX-License-Identifier: MIT */
/*
 * The node that owns a chat: takes what users submit to it in order, refuses who is no member,
 * answers what was sent before as the first time, and appends the others (append.c).
 */
#include "node/block.h"
#include "node/cid.h"
#include "node/note.h"
#include "node/search.h"
#include "node/self.h"
#include "wire/wire.h"

#include <assert.h>
#include <string.h>

typedef enum step {
    STEP_DONE, /* answered, refused or being appended */
    STEP_WAIT  /* storage was asked; comes again */
} step;

/* --- answers --- */

static void answer(chat__node *node, uint32_t to_node, const chat_frame *frame)
{
    if (to_node == node->options.self)
        chat__deliver_answer(node, frame);
    else
        (void)chat__node_emit_link(node, to_node, frame); /* unanswered, the client asks again */
}

/* What a request is about: for one of a self stream, the chat that it names. */
static chat_view subject_of(const chat_frame *submit)
{
    return CHAT_FRAME_HAS(submit, OF) ? submit->of : submit->chat;
}

static void init_answer(chat_frame *out, const chat_frame *submit, chat_frame_type kind)
{
    chat_frame_init(out, CHAT_FRAME_ANSWER);
    CHAT_FRAME_SET(out, CONN, conn, submit->conn);
    CHAT_FRAME_SET(out, KIND, kind, kind);
    if (CHAT_FRAME_HAS(submit, R))
        CHAT_FRAME_SET(out, R, r, submit->r);
    if (CHAT_FRAME_HAS(submit, CID))
        CHAT_FRAME_SET(out, CID, cid, submit->cid);
    CHAT_FRAME_SET(out, CHAT, chat, subject_of(submit));
}

void chat__owner_refuse_for(chat__node *node, const chat_frame *submit, chat_status status,
                            const char *text, uint32_t retry_ms)
{
    chat_frame out;
    init_answer(&out, submit, CHAT_FRAME_ERROR);
    CHAT_FRAME_SET(&out, CODE, code, chat__view_str(chat_status_wire(status)));
    CHAT_FRAME_SET(&out, TEXT, text, chat__view_str(text));
    if (chat_status_kind_of(status) == CHAT_KIND_RETRY)
        CHAT_FRAME_SET(&out, RETRY_AFTER, retry_after_ms, retry_ms);
    answer(node, (uint32_t)submit->node, &out);
}

void chat__owner_refuse(chat__node *node, const chat_frame *submit, chat_status status,
                        const char *text)
{
    chat__owner_refuse_for(node, submit, status, text, CHAT__BUSY_RETRY_MS);
}

static void answer_known(chat__node *node, const chat_frame *submit, const chat__cid *cid)
{
    chat_frame out;
    int is_message = submit->kind == CHAT_FRAME_SEND;
    init_answer(&out, submit, is_message ? CHAT_FRAME_SENT : CHAT_FRAME_RESULT);
    if (is_message || cid->id != 0) {
        CHAT_FRAME_SET(&out, ID, id, cid->id);
        CHAT_FRAME_SET(&out, SEQ, seq, cid->seq);
    }
    if (is_message)
        CHAT_FRAME_SET(&out, TS, ts, cid->ts);
    answer(node, (uint32_t)submit->node, &out);
}

void chat__owner_done(chat__node *node, const chat_frame *submit)
{
    chat_frame out;
    init_answer(&out, submit, CHAT_FRAME_RESULT);
    answer(node, (uint32_t)submit->node, &out);
}

/* --- asking storage for a chat --- */

chat__effect *chat__owner_ask(chat__node *node, chat__room *room, const chat_frame *submit,
                              chat__effect_type type, chat__op *op)
{
    chat_view none = {NULL, 0};
    chat_view user = CHAT_FRAME_HAS(submit, OF) ? submit->from : none;
    chat__effect *effect = NULL;
    if (op != NULL)
        effect = chat__node_emit_about(node, type, subject_of(submit), user, none);
    if (effect == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        chat__owner_refuse(node, submit, CHAT_ERR_BUSY, "too much is waiting for storage");
        return NULL;
    }
    op->room = room;
    room->is_busy = 1;
    effect->tag = (uint64_t)(uintptr_t)op;
    return effect;
}

static step load_room(chat__node *node, chat__room *room, const chat_frame *submit)
{
    chat__op *op = chat__op_new(node, CHAT__OP_ROOM, 0);
    if (chat__owner_ask(node, room, submit, CHAT__EFFECT_LOAD_CHAT, op) == NULL)
        return STEP_DONE;
    room->state = CHAT__ROOM_LOADING;
    room->is_stale = 0;
    return STEP_WAIT;
}

static step search(chat__node *node, chat__room *room, const chat_frame *submit, uint64_t before,
                   uint32_t n_pages)
{
    chat__op *op = chat__op_new(node, CHAT__OP_SEARCH, 0);
    chat__effect *effect = chat__owner_ask(node, room, submit, CHAT__EFFECT_READ, op);
    if (effect == NULL)
        return STEP_DONE;
    op->n_pages = n_pages;
    effect->after = UINT64_MAX;
    effect->before = before;
    effect->limit = CHAT__SEARCH_PAGE_ROWS;
    return STEP_WAIT;
}

/* --- one request --- */

/* The first copy is on its way to the disk: the newest connection gets the answer, and the request
   of the older one is over without one. */
static void retarget(chat__node *node, chat__op *op, const chat_frame *submit)
{
    chat_frame over;
    chat_frame_init(&over, CHAT_FRAME_ANSWER);
    CHAT_FRAME_SET(&over, CONN, conn, op->conn);
    CHAT_FRAME_SET(&over, KIND, kind, CHAT_FRAME_ACK);
    answer(node, op->node, &over);
    op->conn = submit->conn;
    op->node = (uint32_t)submit->node;
    op->has_r = CHAT_FRAME_HAS(submit, R);
    op->r = op->has_r ? submit->r : 0;
}

/* Refuses who may not write here; the chat's members are known. */
int chat__owner_is_refused(chat__node *node, const chat_frame *submit, const chat__room *room)
{
    chat_view members[2];
    if (chat_direct_members(submit->chat, members) == CHAT_OK) {
        if (chat__view_equal(members[0], submit->from) ||
            chat__view_equal(members[1], submit->from))
            return chat__block_refuses(node, submit, room);
    } else if (room->state == CHAT__ROOM_MISSING) {
        chat__owner_refuse(node, submit, CHAT_ERR_NOT_FOUND,
                           "there is no such chat: create it first");
        return 1;
    } else if (chat__room_role(room, submit->from) != CHAT__ROLE_NONE) {
        return 0;
    }
    chat__owner_refuse(node, submit, CHAT_ERR_FORBIDDEN, "you are no member of this chat");
    return 1;
}

/* Whether storage must say first who the members are, or who has blocked the other. */
static int must_load(const chat__room *room)
{
    return room == NULL || room->state == CHAT__ROOM_NEW;
}

/* Whether history must be searched: it is sent again, and not known here. */
static int must_search(chat__node *node, const chat_frame *submit, int is_searched)
{
    if (!CHAT_FRAME_HAS(submit, CID) || !CHAT_FRAME_HAS(submit, RESEND) || !submit->resend ||
        is_searched)
        return 0;
    const chat__cid *mark = chat__cid_search(node, submit->from, submit->chat);
    return mark == NULL || mark->is_open;
}

/* Whether it was sent before, by its `cid`: then it gets the answer of the first time. */
static int answer_again(chat__node *node, const chat_frame *submit)
{
    chat__cid *cid = NULL;
    if (CHAT_FRAME_HAS(submit, CID))
        cid = chat__cid_find(node, submit->from, submit->chat, submit->cid);
    if (cid == NULL)
        return 0;
    if (cid->op == NULL)
        answer_known(node, submit, cid);
    else
        retarget(node, cid->op, submit);
    return 1;
}

static step take_send(chat__node *node, const chat_frame *submit, chat__room *room, int is_searched)
{
    if (answer_again(node, submit))
        return STEP_DONE;
    if (must_load(room))
        return STEP_WAIT;
    /* Who was removed or blocked meanwhile still learns that the first copy is there. */
    if (room->state == CHAT__ROOM_READY && must_search(node, submit, is_searched))
        return STEP_WAIT;
    if (chat__owner_is_refused(node, submit, room))
        return STEP_DONE;
    chat__owner_append(node, submit, room->is_direct ? 2 : room->roster->n_members, room);
    return STEP_DONE;
}

/* The maker first, then `users`, each once, in the arena. */
static chat_status all_members(chat__node *node, const chat_frame *submit, chat_view_list *out)
{
    size_t n_users = CHAT_FRAME_HAS(submit, USERS) ? submit->users.n_items : 0;
    chat_view *items = chat__arena_get(&node->arena, (n_users + 1) * sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return CHAT_ERR_NOMEM;
    items[n++] = submit->from;
    for (size_t i = 0; i < n_users; i++) {
        size_t k = 0;
        while (k < n && !chat__view_equal(items[k], submit->users.items[i]))
            k++;
        if (k == n)
            items[n++] = submit->users.items[i];
    }
    out->items = items;
    out->n_items = n;
    return n <= node->options.max_group_members ? CHAT_OK : CHAT_ERR_LIMIT;
}

static chat_status set_first_members(chat__node *node, chat__room *room, chat_view_list names)
{
    chat__node_member *members = chat__arena_get(&node->arena, names.n_items * sizeof *members);
    if (members == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < names.n_items; i++) {
        members[i].user = names.items[i];
        members[i].since = 0;
        members[i].role = i == 0 ? CHAT__ROLE_OWNER : CHAT__ROLE_MEMBER;
    }
    chat__roster *roster = chat__roster_new(node, members, names.n_items);
    if (roster == NULL)
        return CHAT_ERR_NOMEM;
    chat__room_set_roster(node, room, roster);
    return CHAT_OK;
}

static void answer_existing(chat__node *node, const chat_frame *submit, const chat__room *room)
{
    int is_resent = CHAT_FRAME_HAS(submit, RESEND) && submit->resend;
    if (is_resent && chat__room_role(room, submit->from) != CHAT__ROLE_NONE)
        chat__owner_done(node, submit);
    else
        chat__owner_refuse(node, submit, CHAT_ERR_EXISTS, "a chat of this name exists");
}

static step take_create(chat__node *node, const chat_frame *submit, chat__room *room)
{
    chat_frame created = *submit;
    if (room == NULL || room->state == CHAT__ROOM_NEW)
        return STEP_WAIT;
    if (room->state == CHAT__ROOM_READY) {
        answer_existing(node, submit, room);
        return STEP_DONE;
    }
    chat_status status = all_members(node, submit, &created.users);
    if (status == CHAT_OK)
        status = set_first_members(node, room, created.users);
    if (status != CHAT_OK) {
        chat__owner_refuse(node, submit, status, chat_status_text(status));
        return STEP_DONE;
    }
    room->is_open = CHAT_FRAME_HAS(submit, OPEN) && submit->open;
    created.has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
    chat__owner_append(node, &created, room->roster->n_members, room);
    return STEP_DONE;
}

/* The message must be looked up in any case. */
static step take_note(chat__node *node, const chat_frame *submit, chat__room *room, int is_searched)
{
    if (answer_again(node, submit))
        return STEP_DONE;
    if (must_search(node, submit, is_searched))
        return STEP_WAIT;
    return chat__note_take(node, submit, room) ? STEP_WAIT : STEP_DONE;
}

static int is_unsettled(const chat__room *room)
{
    return room->is_busy || room->state == CHAT__ROOM_CREATING ||
           room->state == CHAT__ROOM_CHANGING;
}

static step take(chat__node *node, const chat_frame *submit, chat__room *room, int is_searched)
{
    if (room != NULL && is_unsettled(room))
        return STEP_WAIT;
    if (chat__self_is(submit->kind))
        return STEP_WAIT;
    if (submit->kind == CHAT_FRAME_CHAT_CREATE)
        return take_create(node, submit, room);
    if (chat__note_is(submit->kind))
        return take_note(node, submit, room, is_searched);
    if (chat__group_is_change(submit->kind))
        return chat__group_take(node, submit, room) ? STEP_WAIT : STEP_DONE;
    return take_send(node, submit, room, is_searched);
}

/* The search is over: keep its mark only when it went all the way. */
static void end_search(chat__node *node, const chat_frame *submit, int is_complete)
{
    chat__cid *mark = chat__cid_search(node, submit->from, submit->chat);
    if (mark != NULL && is_complete)
        mark->is_open = 0;
    else if (mark != NULL)
        chat__cid_forget(node, mark);
}

/* The head of a chat's queue could not be taken: ask storage for what it lacks. */
static step ask_for(chat__node *node, const chat_frame *submit, chat__room *room)
{
    if (chat__self_is(submit->kind))
        return chat__self_ask(node, room, submit) ? STEP_WAIT : STEP_DONE;
    if (is_unsettled(room))
        return STEP_WAIT;
    if (must_load(room))
        return load_room(node, room, submit);
    if (chat__note_is(submit->kind) && !must_search(node, submit, room->queue->is_searched))
        return chat__note_ask(node, room, submit) ? STEP_WAIT : STEP_DONE;
    (void)chat__cid_search_new(node, submit->from, submit->chat);
    step next = search(node, room, submit, UINT64_MAX, 1);
    if (next == STEP_DONE)
        end_search(node, submit, 0);
    return next;
}

/* Take what waits in a chat's queue, in order, as far as it goes. */
void chat__owner_run_queue(chat__node *node, chat__room *room)
{
    while (room->queue != NULL) {
        chat_frame submit;
        chat__op *op = room->queue;
        chat_status status = chat__frame_decode_own(node->row_decoder, op->bytes, &submit);
        assert(status == CHAT_OK);
        if (status == CHAT_OK && take(node, &submit, room, op->is_searched) == STEP_WAIT &&
            ask_for(node, &submit, room) == STEP_WAIT)
            return;
        chat__owner_drop_head(node, room);
    }
    chat__room_release(node, room);
}

void chat__owner_submit(chat__node *node, const chat_frame *submit)
{
    chat__room *room = chat__room_find(node, submit->chat);
    if (room == NULL || room->queue == NULL) {
        if (take(node, submit, room, 0) == STEP_DONE)
            return;
    }
    chat_view bytes = chat__node_encode(node, CHAT_ENCODING_CBOR, submit);
    chat__op *op = bytes.len > 0 ? chat__op_new(node, CHAT__OP_WAIT, bytes.len) : NULL;
    room = op != NULL ? chat__room_get(node, submit->chat) : NULL;
    if (room == NULL) {
        if (op != NULL)
            chat__op_free(node, op);
        chat__owner_refuse(node, submit, CHAT_ERR_BUSY, "too much is waiting for storage");
        return;
    }
    int is_first = room->queue == NULL;
    chat__op_keep(op, bytes);
    chat__room_enqueue(node, room, op);
    if (is_first)
        chat__owner_run_queue(node, room);
}

/* --- storage answers --- */

void chat__owner_room_loaded(chat__node *node, chat__op *op, chat_status status,
                             const chat__node_chat *chat)
{
    chat__room *room = op->room;
    chat__roster *roster = NULL;
    chat__op_free(node, op);
    room->is_busy = 0;
    room->state = CHAT__ROOM_MISSING;
    if (room->is_direct && (status == CHAT_OK || status == CHAT_ERR_NOT_FOUND)) {
        room->blocked = status == CHAT_OK ? (uint8_t)chat->blocked : 0;
        room->state = room->is_stale ? CHAT__ROOM_NEW : CHAT__ROOM_READY;
        chat__owner_run_queue(node, room);
        return;
    }
    if (status == CHAT_OK) {
        roster = chat__roster_new(node, chat->members, chat->n_members);
        status = roster == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
    }
    if (status == CHAT_OK) {
        chat__room_set_roster(node, room, roster);
        room->is_open = chat->is_open != 0;
        room->state = CHAT__ROOM_READY;
    }
    if (status != CHAT_OK && status != CHAT_ERR_NOT_FOUND) {
        /* Not known whether it exists: refuse who waits, ask again for the next. */
        room->state = CHAT__ROOM_NEW;
        while (room->queue != NULL) {
            chat_frame submit;
            if (chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, room->queue->bytes,
                                  &submit) == CHAT_OK)
                chat__owner_refuse(node, &submit, status, chat_status_text(status));
            chat__owner_drop_head(node, room);
        }
    }
    chat__owner_run_queue(node, room);
}

void chat__owner_drop_head(chat__node *node, chat__room *room)
{
    chat__op *head = room->queue;
    room->queue = head->next;
    if (room->queue == NULL)
        room->last = NULL;
    chat__op_free(node, head);
}

void chat__owner_searched(chat__node *node, chat__op *op, const chat__rows *rows)
{
    chat__room *room = op->room;
    uint32_t n_pages = op->n_pages;
    chat_frame submit;
    chat__op_free(node, op);
    room->is_busy = 0;
    assert(room->queue != NULL);
    (void)chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, room->queue->bytes, &submit);
    chat_status status =
        rows->status < 0 ? rows->status : chat__search_take_page(node, &submit, rows);
    if (status == CHAT_EMPTY && chat__search_goes_further(node, rows, n_pages)) {
        uint64_t before = rows->rows[rows->n_rows - 1].seq;
        if (search(node, room, &submit, before, n_pages + 1) == STEP_WAIT)
            return;
        end_search(node, &submit, 0);
        chat__owner_drop_head(node, room);
    } else if (status < 0) {
        chat__owner_refuse(node, &submit, status, chat_status_text(status));
        end_search(node, &submit, 0);
        chat__owner_drop_head(node, room);
    } else {
        end_search(node, &submit, status == CHAT_EMPTY);
        room->queue->is_searched = 1;
    }
    chat__owner_run_queue(node, room);
}

void chat__owner_free_all(chat__node *node)
{
    size_t cursor = 0;
    chat__room *room = chat__map_next(&node->rooms, &cursor);
    while (room != NULL) {
        chat__node_dealloc(node, room->roster);
        chat__node_dealloc(node, room);
        room = chat__map_next(&node->rooms, &cursor);
    }
    while (node->cid_first != NULL)
        chat__cid_forget(node, node->cid_first);
}
