/* SPDX-License-Identifier: MIT */
/* Received frames, and the events that the application reads. */
#include "base/alloc.h"
#include "base/view.h"
#include "client/internal.h"

#include <assert.h>

#define BIT(name) CHAT_FIELD_BIT(CHAT_FIELD_KEY_##name)

/* One frame gives at most one event; it borrows what the frame borrows. */
void chat__client_give(chat__client *client, chat_event_type type, chat_status status)
{
    client->event.type = type;
    client->event.status = status;
    client->event.frame = &client->frame;
    if (CHAT_FRAME_HAS(&client->frame, RETRY_AFTER))
        client->event.retry_ms = client->frame.retry_after_ms;
    if (CHAT_FRAME_HAS(&client->frame, TEXT))
        client->event.text = client->frame.text;
    client->has_event = 1;
    if (type == CHAT_EVENT_MESSAGE)
        chat__typists_said(client, &client->frame);
}

static chat__client_item *request_of(const chat__client *client, const chat_frame *frame)
{
    chat__client_item *item = client->requests.first;
    if (!CHAT_FRAME_HAS(frame, R))
        return NULL;
    while (item != NULL && item->frame.r != frame->r)
        item = item->next;
    return item;
}

/* It is there until the next event is read, for who keeps what was asked. */
static void end_request(chat__client *client, chat__client_item *item)
{
    chat__client_list_remove(&client->requests, item);
    chat__alloc_free(&client->allocator, client->told);
    client->told = item;
    client->asked = &item->frame;
}

static void on_welcome(chat__client *client)
{
    uint64_t heartbeat = client->frame.heartbeat_ms;
    if (!chat__client_move(client, CHAT__STEP_WELCOME))
        return;
    if (heartbeat == 0)
        heartbeat = CHAT__CLIENT_HEARTBEAT_MS;
    if (heartbeat > CHAT__CLIENT_HEARTBEAT_MAX)
        heartbeat = CHAT__CLIENT_HEARTBEAT_MAX;
    client->heartbeat_ms = heartbeat;
    client->is_resumed = 0;
    client->ping_at_ms = client->now_ms + heartbeat;
    client->live_since_ms = client->now_ms;
    chat__client_copy_text(client->user, sizeof client->user, client->frame.user);
    if (client->frame.max_body_bytes > 0)
        client->max_body_bytes = client->frame.max_body_bytes;
    client->is_heard = 1;
    chat__client_give(client, CHAT_EVENT_STATE, CHAT_OK);
}

static void on_stream(chat__client *client, chat_event_type type)
{
    chat_frame *frame = &client->frame;
    uint64_t gap_after = 0;
    client->n_stream++;
    if (client->options.ignore_stream || chat__repair_holds(client, frame))
        return;
    client->is_heard = 1;
    if (CHAT_FRAME_HAS(frame, SEQ) && CHAT_FRAME_HAS(frame, CHAT) &&
        chat__client_seen_frame(&client->seen, frame->chat, frame->seq,
                                CHAT_FRAME_HAS(frame, PREV) ? frame->prev : 0,
                                &gap_after) == CHAT_EMPTY)
        return;
    if (chat__client_is_own(client, frame))
        return;
    /* A marker says it all: one that is missing is made up for by the next. */
    int is_own =
        type == CHAT_EVENT_MARKER || type == CHAT_EVENT_SETTING || type == CHAT_EVENT_BLOCKED;
    client->event.gap_after = is_own ? 0 : gap_after;
    chat__client_give(client, type, CHAT_OK);
}

chat_event_type chat__client_event_of(const chat_frame *record)
{
    switch (record->type) {
    case CHAT_FRAME_MSG:
        return CHAT_EVENT_MESSAGE;
    case CHAT_FRAME_CHAT:
        return CHAT_EVENT_CHAT;
    case CHAT_FRAME_NOTE:
        return CHAT_EVENT_NOTE;
    default:
        return CHAT_EVENT_CHANGE;
    }
}

/* Whether the frame is a row of an answer. One without its request is late, and dropped: the
   request was answered or given up. */
static int take_row(chat__client *client)
{
    chat__client_item *item = request_of(client, &client->frame);
    if (item != NULL) {
        item->n_rows++;
        client->is_heard = 1;
        client->asked = &item->frame;
        chat__client_give(client, CHAT_EVENT_ROW, CHAT_OK);
    }
    return CHAT_FRAME_HAS(&client->frame, R);
}

static void on_record(chat__client *client)
{
    if (!take_row(client))
        on_stream(client, chat__client_event_of(&client->frame));
}

static void on_presence(chat__client *client)
{
    if (!take_row(client))
        chat__client_give(client, CHAT_EVENT_PRESENCE, CHAT_OK);
}

static void on_typing(chat__client *client)
{
    if (CHAT_FRAME_HAS(&client->frame, CHAT) && CHAT_FRAME_HAS(&client->frame, USER) &&
        chat__typists_heard(client))
        chat__client_give(client, CHAT_EVENT_TYPING, CHAT_OK);
}

static void on_receipt(chat__client *client)
{
    if (!take_row(client))
        chat__client_give(client, CHAT_EVENT_RECEIPT, CHAT_OK);
}

static void on_marker(chat__client *client)
{
    on_stream(client, CHAT_EVENT_MARKER);
}

static void on_setting(chat__client *client)
{
    on_stream(client, CHAT_EVENT_SETTING);
}

static void on_blocked(chat__client *client)
{
    if (!take_row(client))
        on_stream(client, CHAT_EVENT_BLOCKED);
}

/* A server says it once; an application may count on that. */
static void on_resumed(chat__client *client)
{
    if (client->is_resumed)
        return;
    client->is_resumed = 1;
    if (!chat__repair_on_resumed(client))
        chat__client_give(client, CHAT_EVENT_RESUMED, CHAT_OK);
}

static void on_sent(chat__client *client)
{
    const chat_frame *frame = &client->frame;
    chat__client_seen_own(&client->seen, frame->chat, frame->seq);
    if (chat__client_outbox_sent(&client->outbox, frame->cid) == CHAT_OK)
        chat__client_give(client, CHAT_EVENT_SENT, CHAT_OK);
}

static void on_result(chat__client *client)
{
    chat__client_item *item = request_of(client, &client->frame);
    if (item == NULL)
        return;
    end_request(client, item);
    client->is_heard = 1;
    chat__client_give(client, CHAT_EVENT_RESULT, CHAT_OK);
}

/* Storage failed: whether the message is durable is not known, so only its repetition can tell. */
static int is_worth_repeating(chat_status status, const chat_frame *frame)
{
    return CHAT_FRAME_HAS(frame, RETRY_AFTER) || status == CHAT_ERR_IO ||
           chat_status_kind_of(status) == CHAT_KIND_RETRY;
}

static void on_error(chat__client *client)
{
    const chat_frame *frame = &client->frame;
    chat_status status = chat_status_from_wire(frame->code);
    chat__client_item *item = request_of(client, frame);
    if (client->phase == CHAT__PHASE_HELLO) {
        char why[CHAT__CLIENT_WHY_BYTES];
        chat_view text = CHAT_FRAME_HAS(frame, TEXT) ? frame->text : frame->code;
        chat__client_copy_text(why, sizeof why, text);
        chat__client_drop_connection(client, 1000, "hello was refused");
        chat__client_lost(client, status,
                          CHAT_FRAME_HAS(frame, RETRY_AFTER) ? frame->retry_after_ms : 0, why);
    } else if (item != NULL) {
        end_request(client, item);
        chat__client_give(client, CHAT_EVENT_ERROR, status);
    } else if (CHAT_FRAME_HAS(frame, CID)) {
        uint64_t wait =
            CHAT_FRAME_HAS(frame, RETRY_AFTER) ? frame->retry_after_ms : CHAT__CLIENT_HOLD_MS;
        if (wait > CHAT__CLIENT_MAX_RETRY_MS)
            wait = CHAT__CLIENT_MAX_RETRY_MS;
        if (chat__client_outbox_refused(&client->outbox, frame->cid,
                                        is_worth_repeating(status, frame), status,
                                        client->now_ms + wait) == CHAT_OK)
            chat__client_give(client, CHAT_EVENT_FAILED, status);
    } else if (!CHAT_FRAME_HAS(frame, R)) {
        chat__client_give(client, CHAT_EVENT_ERROR, status);
    }
}

/* What was accepted is still answered before the server closes, so reading goes on for a while. */
static void on_bye(chat__client *client)
{
    const chat_frame *frame = &client->frame;
    chat_view text = CHAT_FRAME_HAS(frame, TEXT) ? frame->text : frame->code;
    client->bye_status = chat_status_from_wire(frame->code);
    client->bye_retry_ms = CHAT_FRAME_HAS(frame, RETRY_AFTER) ? frame->retry_after_ms : 0;
    client->bye_ms = client->now_ms + CHAT__CLIENT_BYE_GRACE_MS;
    chat__client_copy_text(client->bye_why, sizeof client->bye_why, text);
    if (!chat__client_is_final(client->bye_status) && client->phase == CHAT__PHASE_LIVE)
        return;
    chat__client_drop_connection(client, 1000, "bye");
    chat__client_lost(client, client->bye_status, 0, "");
}

/* What is not here is of a newer server, or not meant for a client. */
static void on_frame(chat__client *client)
{
    static const struct {
        chat_frame_type type;
        int needs_live;
        void (*take)(chat__client *client);
    } HANDLERS[] = {
        {CHAT_FRAME_WELCOME, 0, on_welcome},
        {CHAT_FRAME_ERROR, 0, on_error},
        {CHAT_FRAME_BYE, 0, on_bye},
        {CHAT_FRAME_MSG, 1, on_record},
        {CHAT_FRAME_CHAT, 1, on_record},
        {CHAT_FRAME_SENT, 1, on_sent},
        {CHAT_FRAME_RECEIPT, 1, on_receipt},
        {CHAT_FRAME_TRAIL, 1, on_receipt},
        {CHAT_FRAME_RESULT, 1, on_result},
        {CHAT_FRAME_PONG, 1, on_result},
        {CHAT_FRAME_PRESENCE, 1, on_presence},
        {CHAT_FRAME_TYPING, 1, on_typing},
        {CHAT_FRAME_CHANGE, 1, on_record},
        {CHAT_FRAME_MEMBER, 1, on_record},
        {CHAT_FRAME_DEVICE, 1, on_record},
        {CHAT_FRAME_SETTING, 1, on_setting},
        {CHAT_FRAME_BLOCKED, 1, on_blocked},
        {CHAT_FRAME_MARKER, 1, on_marker},
        {CHAT_FRAME_NOTE, 1, on_record},
        {CHAT_FRAME_RESUMED, 1, on_resumed},
        {CHAT_FRAME_GAP, 1, chat__repair_on_gap},
    };
    int is_live = client->phase == CHAT__PHASE_LIVE;
    if (is_live && chat__repair_takes(client))
        return;
    for (size_t i = 0; i < sizeof HANDLERS / sizeof *HANDLERS; i++) {
        if (HANDLERS[i].type == client->frame.type && (is_live || !HANDLERS[i].needs_live)) {
            HANDLERS[i].take(client);
            return;
        }
    }
}

/* A frame that we cannot read may be one of the stream, and then every later number would be wrong:
   the connection is made again, and what was not acknowledged comes again. */
void chat__client_receive(chat__client *client, chat_view message)
{
    client->is_heard = 0;
    client->asked = NULL;
    if (client->phase != CHAT__PHASE_HELLO && client->phase != CHAT__PHASE_LIVE)
        return;
    client->heard_ms = client->now_ms;
    memset(&client->event, 0, sizeof client->event);
    client->has_event = 0;
    chat_status status =
        chat_frame_decode(client->decoder, client->options.encoding, message, &client->frame);
    if (status == CHAT_OK) {
        on_frame(client);
    } else if (status != CHAT_ERR_UNSUPPORTED) {
        chat__client_drop_connection(client, chat_status_close_code(status),
                                     "a frame could not be read");
        chat__client_lost(client, status, 0, "a frame of the server could not be read");
    }
}

static void tell_change(chat__client *client)
{
    client->change = client->changes[0];
    client->n_changes--;
    memmove(client->changes, client->changes + 1, client->n_changes * sizeof *client->changes);
    client->event.type = CHAT_EVENT_STATE;
    client->event.status = client->change.status;
    client->event.retry_ms = client->change.retry_ms;
    client->event.text = chat__view_str(client->change.why);
}

/* An `error` as a server would say it, for what ends here. */
static void tell_end(chat__client *client, chat__client_list *list, chat_event_type type)
{
    chat__client_item *item = list->first;
    chat_frame *frame = &client->frame;
    chat__client_list_remove(list, item);
    client->told = item;
    chat_frame_init(frame, CHAT_FRAME_ERROR);
    CHAT_FRAME_SET(frame, CODE, code, chat__view_str(chat_status_wire(item->status)));
    CHAT_FRAME_SET(frame, TEXT, text, chat__view_str(chat_status_text(item->status)));
    if (type == CHAT_EVENT_ERROR)
        CHAT_FRAME_SET(frame, R, r, item->frame.r);
    else
        CHAT_FRAME_SET(frame, CID, cid, item->frame.cid);
    if (item->frame.has & BIT(CHAT))
        CHAT_FRAME_SET(frame, CHAT, chat, item->frame.chat);
    chat__client_give(client, type, item->status);
}

void chat__client_want_token(chat__client *client, chat_status status)
{
    client->is_token_wanted = 1;
    client->token_status = status;
}

chat_status chat__client_left_status(const chat__client *client)
{
    return client->left_status;
}

static void tell_token(chat__client *client)
{
    client->is_token_wanted = 0;
    client->event.type = CHAT_EVENT_TOKEN_WANTED;
    client->event.status = client->token_status;
}

/* What does not come from a frame. 0: nothing. */
static int tell_next(chat__client *client)
{
    int is_any = 1;
    if (client->n_changes > 0)
        tell_change(client);
    else if (client->outbox.failed.first != NULL)
        tell_end(client, &client->outbox.failed, CHAT_EVENT_FAILED);
    else if (client->dead.first != NULL)
        tell_end(client, &client->dead, CHAT_EVENT_ERROR);
    else if (client->is_token_wanted)
        tell_token(client);
    else
        is_any = chat__typists_tell(client);
    return is_any;
}

chat_status chat__client_next_event(chat__client *client, const chat_event **out)
{
    chat__alloc_free(&client->allocator, client->told);
    client->told = NULL;
    if (!client->has_event) {
        client->n_taken = client->n_stream;
        memset(&client->event, 0, sizeof client->event);
        if (!tell_next(client))
            return CHAT_EMPTY;
    }
    client->has_event = 0;
    client->event.struct_size = sizeof client->event;
    client->event.state = client->event.type == CHAT_EVENT_STATE && client->event.frame == NULL
                              ? client->change.state
                              : chat__client_state(client);
    *out = &client->event;
    return CHAT_OK;
}

const chat_frame *chat__client_heard(const chat__client *client)
{
    return client->is_heard ? &client->frame : NULL;
}

const chat_frame *chat__client_asked(const chat__client *client)
{
    return client->asked;
}

uint64_t chat__client_unacked(const chat__client *client)
{
    return client->n_stream - client->n_acked;
}
