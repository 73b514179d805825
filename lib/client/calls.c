/* SPDX-License-Identifier: MIT */
/* <chat/client.h>: what the application asks for. Nothing is written here, only noted. */
#include "base/role.h"
#include "base/sized.h"
#include "base/utf8.h"
#include "base/view.h"
#include "keep.h"

static chat_status put(chat_client *client, const chat_target *target,
                       const chat__client_message *message, chat_client_cid *out_cid)
{
    chat_status status = CHAT_ERR_STATE;
    chat_client_cid cid;
    chat__client_enter(client);
    if (!client->is_leaving)
        status = chat__client_say(client->core, target, message, &cid);
    if (status == CHAT_OK)
        status = chat__keep_said(client);
    if (status == CHAT_OK && out_cid != NULL)
        *out_cid = cid;
    if (status == CHAT_OK)
        chat__client_wake_self(client);
    chat__client_exit(client);
    return status;
}

chat_status chat_client_send(chat_client *client, const chat_target *target, chat_view body,
                             chat_client_cid *out_cid)
{
    if (client == NULL || target == NULL)
        return CHAT_ERR_ARG;
    chat__client_message message = {body, {NULL, 0}, 0};
    return put(client, target, &message, out_cid);
}

chat_status chat_client_reply(chat_client *client, const chat_target *target, uint64_t re,
                              chat_view body, chat_client_cid *out_cid)
{
    if (client == NULL || target == NULL || re == 0)
        return CHAT_ERR_ARG;
    chat__client_message message = {body, {NULL, 0}, re};
    return put(client, target, &message, out_cid);
}

chat_status chat_client_send_again(chat_client *client, const chat_target *target, chat_view body,
                                   chat_view cid)
{
    if (client == NULL || target == NULL || cid.len == 0)
        return CHAT_ERR_ARG;
    chat__client_message message = {body, cid, 0};
    return put(client, target, &message, NULL);
}

size_t chat_client_outbox_count(const chat_client *client)
{
    if (client == NULL)
        return 0;
    chat__client_enter(client);
    size_t count = chat__client_outbox_count(client->core);
    chat__client_exit(client);
    return count;
}

/* Of the server, or of the file where that may answer. */
static chat_status ask(chat_client *client, const chat_frame *frame, uint32_t source,
                       uint64_t *out_r)
{
    uint64_t r = 0;
    chat_status status = CHAT_ERR_STATE;
    chat__client_enter(client);
    if (!client->is_leaving)
        status = chat__keep_ask(client, frame, source, &r);
    if (status == CHAT_EMPTY)
        status = chat__client_request(client->core, frame, &r);
    if (status == CHAT_OK)
        chat__client_wake_self(client);
    chat__client_exit(client);
    if (status == CHAT_OK && out_r != NULL)
        *out_r = r;
    return status;
}

static chat_status request(chat_client *client, const chat_frame *frame, uint64_t *out_r)
{
    return ask(client, frame, CHAT_HISTORY_SERVER, out_r);
}

chat_status chat_client_history(chat_client *client, const chat_history_query *given,
                                uint64_t *out_r)
{
    chat_frame frame;
    chat_history_query known = {0};
    const chat_history_query *query = &known;
    if (client == NULL || given == NULL ||
        chat__sized_take(&known, sizeof known, given) != CHAT_OK ||
        query->direction > CHAT_HISTORY_AFTER || query->source > CHAT_HISTORY_SERVER ||
        chat__client_address(&query->target, CHAT_FRAME_HISTORY, &frame) != CHAT_OK)
        return CHAT_ERR_ARG;
    if (query->direction == CHAT_HISTORY_BEFORE)
        CHAT_FRAME_SET(&frame, BEFORE, before, query->seq);
    if (query->direction == CHAT_HISTORY_AFTER)
        CHAT_FRAME_SET(&frame, AFTER, after, query->seq);
    if (query->limit > 0)
        CHAT_FRAME_SET(&frame, LIMIT, limit, query->limit);
    return ask(client, &frame, query->source, out_r);
}

/* A request about a chat. CHAT_OK, CHAT_ERR_ARG. */
static chat_status about(chat_client *client, const chat_target *target, chat_frame_type type,
                         chat_frame *out)
{
    if (client == NULL || target == NULL)
        return CHAT_ERR_ARG;
    return chat__client_address(target, type, out);
}

chat_status chat_client_read(chat_client *client, const chat_target *target, uint64_t seq,
                             uint64_t *out_r)
{
    chat_frame frame;
    chat_status status = about(client, target, CHAT_FRAME_READ, &frame);
    if (status != CHAT_OK)
        return status;
    CHAT_FRAME_SET(&frame, SEQ, seq, seq);
    return request(client, &frame, out_r);
}

chat_status chat_client_mute(chat_client *client, const chat_target *target, uint64_t until_unix_ms,
                             uint64_t *out_r)
{
    chat_frame frame;
    if (until_unix_ms > CHAT_MUTE_FOREVER)
        return CHAT_ERR_ARG;
    chat_status status = about(client, target, CHAT_FRAME_MUTE, &frame);
    if (status != CHAT_OK)
        return status;
    if (until_unix_ms > 0)
        CHAT_FRAME_SET(&frame, UNTIL, until, until_unix_ms);
    return request(client, &frame, out_r);
}

static chat_status block(chat_client *client, chat_frame_type type, chat_view user, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL || !chat_id_is_valid(user))
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, type);
    CHAT_FRAME_SET(&frame, USER, user, user);
    return request(client, &frame, out_r);
}

chat_status chat_client_block(chat_client *client, chat_view user, uint64_t *out_r)
{
    return block(client, CHAT_FRAME_BLOCK, user, out_r);
}

chat_status chat_client_unblock(chat_client *client, chat_view user, uint64_t *out_r)
{
    return block(client, CHAT_FRAME_UNBLOCK, user, out_r);
}

chat_status chat_client_blocks(chat_client *client, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_BLOCKS);
    return request(client, &frame, out_r);
}

chat_status chat_client_receipts(chat_client *client, const chat_target *target, uint64_t id,
                                 uint64_t *out_r)
{
    chat_frame frame;
    chat_status status = about(client, target, CHAT_FRAME_RECEIPTS, &frame);
    if (status != CHAT_OK)
        return status;
    CHAT_FRAME_SET(&frame, ID, id, id);
    return request(client, &frame, out_r);
}

chat_status chat_client_why(chat_client *client, const chat_target *target, uint64_t id,
                            chat_view device, uint64_t *out_r)
{
    chat_frame frame;
    chat_status status = about(client, target, CHAT_FRAME_WHY, &frame);
    if (status == CHAT_OK && device.len > 0 && !chat_id_is_valid(device))
        status = CHAT_ERR_ARG;
    if (status != CHAT_OK)
        return status;
    CHAT_FRAME_SET(&frame, ID, id, id);
    if (device.len > 0)
        CHAT_FRAME_SET(&frame, DEVICE, device, device);
    return request(client, &frame, out_r);
}

chat_status chat_client_devices(chat_client *client, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_DEVICES);
    return request(client, &frame, out_r);
}

chat_status chat_client_device_remove(chat_client *client, chat_view device, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL || !chat_id_is_valid(device))
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_DEVICE_REMOVE);
    CHAT_FRAME_SET(&frame, DEVICE, device, device);
    return request(client, &frame, out_r);
}

static chat_status check_note(chat_frame_type type, const chat_note_request *note)
{
    int has_text = type == CHAT_FRAME_EDIT || type == CHAT_FRAME_REACT;
    if (!has_text && type != CHAT_FRAME_DELETE && type != CHAT_FRAME_REACTIONS)
        return CHAT_ERR_ARG;
    if (note->re == 0 || (has_text && !chat__utf8_is_valid(note->text)))
        return CHAT_ERR_ARG;
    return type == CHAT_FRAME_REACT && note->text.len > CHAT_REACTION_MAX_BYTES ? CHAT_ERR_LIMIT
                                                                                : CHAT_OK;
}

chat_status chat_client_note(chat_client *client, chat_frame_type type, const chat_target *target,
                             const chat_note_request *given, uint64_t *out_r)
{
    chat_frame frame;
    chat_note_request known = {0};
    const chat_note_request *note = &known;
    if (given == NULL || chat__sized_take(&known, sizeof known, given) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_status status = check_note(type, note);
    if (status == CHAT_OK)
        status = about(client, target, type, &frame);
    if (status != CHAT_OK)
        return status;
    CHAT_FRAME_SET(&frame, RE, re, note->re);
    if (type == CHAT_FRAME_EDIT)
        CHAT_FRAME_SET(&frame, BODY, body, note->text);
    else if (type == CHAT_FRAME_REACT && note->text.len > 0)
        CHAT_FRAME_SET(&frame, REACTION, reaction, note->text);
    return request(client, &frame, out_r);
}

chat_status chat_client_chats(chat_client *client, uint32_t limit, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_CHATS);
    if (limit > 0)
        CHAT_FRAME_SET(&frame, LIMIT, limit, limit);
    return ask(client, &frame, CHAT_HISTORY_ANY, out_r);
}

chat_status chat_client_create(chat_client *client, chat_view chat, chat_view title,
                               chat_view_list users, uint64_t *out_r)
{
    chat_group_request group;
    memset(&group, 0, sizeof group);
    group.struct_size = sizeof group;
    group.chat = chat;
    group.title = title;
    group.users = users;
    return chat_client_group(client, CHAT_FRAME_CHAT_CREATE, &group, out_r);
}

static int are_users(chat_view_list users)
{
    if (users.n_items > CHAT_GROUP_MAX_MEMBERS || (users.items == NULL && users.n_items > 0))
        return 0;
    for (size_t i = 0; i < users.n_items; i++)
        if (!chat_id_is_valid(users.items[i]))
            return 0;
    return 1;
}

static int is_list_of_users(uint32_t type)
{
    return type == CHAT_FRAME_CHAT_ADD || type == CHAT_FRAME_CHAT_REMOVE;
}

static int is_group_valid(uint32_t type, const chat_group_request *group)
{
    if (type == CHAT_FRAME_CHAT_ROLE &&
        (!chat_id_is_valid(group->user) || !chat__utf8_is_valid(group->role) ||
         chat__role_named(group->role) == CHAT__ROLE_NONE))
        return 0;
    if (is_list_of_users(type) && group->users.n_items == 0)
        return 0;
    return chat_group_id_is_valid(group->chat) && group->title.len <= CHAT_TITLE_MAX_BYTES &&
           chat__utf8_is_valid(group->title) && are_users(group->users);
}

/* The fields that the type has. */
static void fill_group(chat_frame *frame, const chat_group_request *group)
{
    int is_new = frame->type == CHAT_FRAME_CHAT_CREATE;
    CHAT_FRAME_SET(frame, CHAT, chat, group->chat);
    if (frame->type == CHAT_FRAME_CHAT_UPDATE || (is_new && group->title.len > 0))
        CHAT_FRAME_SET(frame, TITLE, title, group->title);
    if (is_list_of_users(frame->type) || (is_new && group->users.n_items > 0))
        CHAT_FRAME_SET(frame, USERS, users, group->users);
    if (is_new && group->is_open)
        CHAT_FRAME_SET(frame, OPEN, open, 1);
    if (frame->type == CHAT_FRAME_CHAT_ROLE) {
        CHAT_FRAME_SET(frame, USER, user, group->user);
        CHAT_FRAME_SET(frame, ROLE, role, group->role);
    }
}

chat_status chat_client_group(chat_client *client, chat_frame_type type,
                              const chat_group_request *given, uint64_t *out_r)
{
    chat_frame frame;
    chat_group_request known = {0};
    const chat_group_request *group = &known;
    int is_group_frame = type == CHAT_FRAME_CHAT_CREATE ||
                         (type >= CHAT_FRAME_CHAT_UPDATE && type <= CHAT_FRAME_CHAT_MEMBERS);
    if (client == NULL || given == NULL || !is_group_frame ||
        chat__sized_take(&known, sizeof known, given) != CHAT_OK || !is_group_valid(type, group))
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, type);
    fill_group(&frame, group);
    return request(client, &frame, out_r);
}

static chat_status request_about_users(chat_client *client, chat_frame_type type,
                                       chat_view_list users, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL || !are_users(users))
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, type);
    CHAT_FRAME_SET(&frame, USERS, users, users);
    return request(client, &frame, out_r);
}

chat_status chat_client_presence(chat_client *client, chat_view_list users, uint64_t *out_r)
{
    return request_about_users(client, CHAT_FRAME_PRESENCE_GET, users, out_r);
}

chat_status chat_client_watch(chat_client *client, chat_view_list users, uint64_t *out_r)
{
    return request_about_users(client, CHAT_FRAME_PRESENCE_WATCH, users, out_r);
}

chat_status chat_client_hide(chat_client *client, int is_hidden, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_PRESENCE_HIDE);
    CHAT_FRAME_SET(&frame, HIDDEN, hidden, is_hidden != 0);
    return request(client, &frame, out_r);
}

chat_status chat_client_typing(chat_client *client, const chat_target *target)
{
    if (client == NULL || target == NULL)
        return CHAT_ERR_ARG;
    chat_status status = CHAT_ERR_STATE;
    chat__client_enter(client);
    if (!client->is_leaving)
        status = chat__client_typing(client->core, target);
    if (status == CHAT_OK)
        chat__client_wake_self(client);
    chat__client_exit(client);
    return status;
}

chat_status chat_client_ping(chat_client *client, uint64_t *out_r)
{
    chat_frame frame;
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_frame_init(&frame, CHAT_FRAME_PING);
    return request(client, &frame, out_r);
}

chat_status chat_client_reconnect(chat_client *client)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat_status status = CHAT_ERR_STATE;
    chat__client_enter(client);
    if (!client->is_leaving)
        status = chat__client_reconnect(client->core);
    chat__client_wake_self(client);
    chat__client_exit(client);
    return status;
}

chat_status chat_client_set_token(chat_client *client, const char *token)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    chat_status status = chat__client_put_token(client, token);
    if (status == CHAT_OK)
        chat__client_wake_self(client);
    chat__client_exit(client);
    return status;
}

chat_status chat_client_close(chat_client *client)
{
    if (client == NULL)
        return CHAT_ERR_ARG;
    chat__client_enter(client);
    client->is_leaving = 1;
    chat__client_wake_self(client);
    chat__client_exit(client);
    return CHAT_OK;
}

chat_client_state chat_client_get_state(const chat_client *client)
{
    if (client == NULL)
        return CHAT_CLIENT_CLOSED;
    chat__client_enter(client);
    chat_client_state state = chat__client_state(client->core);
    chat__client_exit(client);
    return state;
}
