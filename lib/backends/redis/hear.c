/* SPDX-License-Identifier: MIT */
/* Replies become events. A reply of another shape than its script gives is a broken server. */
#include "backends/redis/internal.h"

#include "base/view.h"

static chat_status add(chat_redis *redis, chat_view name, chat_view value, uint64_t number)
{
    chat_shared_item item = {name, value, number};
    return chat__buf_append(&redis->items, &item, sizeof item);
}

static chat_status hear_devices(chat_redis *redis, const chat__redis_reply *reply,
                                chat_shared_event *out)
{
    (void)out;
    uint32_t n = reply->values[0].n_items;
    if (reply->values[0].type != CHAT__REDIS_ARRAY || n % 2 != 0 || reply->n_values != n + 1)
        return CHAT_ERR_PROTOCOL;
    chat_status status = CHAT_OK;
    for (uint32_t i = 1; i < n && status == CHAT_OK; i += 2)
        status = add(redis, chat__redis_text(reply, i), chat__redis_text(reply, i + 1), 0);
    return status;
}

/* Lost, the position of the first, entries. */
static chat_status hear_queue(chat_redis *redis, const chat__redis_reply *reply,
                              chat_shared_event *out)
{
    uint64_t at;
    if (reply->values[0].n_items != 3 || reply->values[1].type != CHAT__REDIS_INTEGER ||
        reply->values[2].type != CHAT__REDIS_INTEGER ||
        reply->n_values != 4 + reply->values[3].n_items ||
        chat__redis_number(reply, 1, &out->number) != CHAT_OK ||
        chat__redis_number(reply, 2, &at) != CHAT_OK)
        return CHAT_ERR_PROTOCOL;
    chat_status status = CHAT_OK;
    for (uint32_t i = 4; i < reply->n_values && status == CHAT_OK; i++)
        status = add(redis, chat__view("", 0), chat__redis_text(reply, i), at++);
    return status;
}

static chat_status hear_recent(chat_redis *redis, const chat__redis_reply *reply,
                               chat_shared_event *out)
{
    (void)out;
    if (reply->values[0].type != CHAT__REDIS_ARRAY ||
        reply->n_values != reply->values[0].n_items + 1)
        return CHAT_ERR_PROTOCOL;
    for (uint32_t i = 1; i < reply->n_values; i++) {
        chat_view text = chat__redis_text(reply, i);
        uint64_t seq = 0;
        if (text.len < CHAT__REDIS_SEQ_DIGITS)
            return CHAT_ERR_PROTOCOL;
        for (size_t k = 0; k < CHAT__REDIS_SEQ_DIGITS; k++) {
            uint8_t c = text.data[k];
            if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
                return CHAT_ERR_PROTOCOL;
            seq = seq << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        chat_status status = add(
            redis, chat__view("", 0),
            chat__view(text.data + CHAT__REDIS_SEQ_DIGITS, text.len - CHAT__REDIS_SEQ_DIGITS), seq);
        if (status != CHAT_OK)
            return status;
    }
    return CHAT_OK;
}

static chat_status hear_number(chat_redis *redis, const chat__redis_reply *reply,
                               chat_shared_event *out)
{
    (void)redis;
    return chat__redis_number(reply, 0, &out->number);
}

static chat_status hear_done(chat_redis *redis, const chat__redis_reply *reply,
                             chat_shared_event *out)
{
    (void)redis;
    (void)reply;
    (void)out;
    return CHAT_OK;
}

/* The presence of users, from `first` on: a reply has them in the order of the command. */
static chat_status hear_who(chat__redis_op *op, uint32_t first, const chat__redis_reply *reply)
{
    uint32_t user = first, n = reply->values[0].n_items;
    if (reply->values[0].type != CHAT__REDIS_ARRAY || reply->n_values != n + 1)
        return CHAT_ERR_PROTOCOL;
    for (uint32_t i = 1; i <= n; i++) {
        op->is_online[user] = reply->values[i].type == CHAT__REDIS_STRING;
        if (op->next_user[user] == 0)
            return i == n ? CHAT_OK : CHAT_ERR_PROTOCOL;
        user = op->next_user[user];
    }
    return CHAT_ERR_PROTOCOL;
}

static chat_status tell_who(chat_redis *redis, const chat__redis_op *op)
{
    chat_status status = op->status;
    for (uint32_t i = 0; i < op->n_users && status == CHAT_OK; i++)
        status = add(redis, chat__view("", 0), chat__view("", 0), op->is_online[i]);
    return status;
}

typedef chat_status hear(chat_redis *redis, const chat__redis_reply *reply, chat_shared_event *out);

static hear *const HEAR[] = {
    [CHAT_SHARED_ONLINE] = hear_done,        [CHAT_SHARED_OFFLINE] = hear_number,
    [CHAT_SHARED_DEVICES] = hear_devices,    [CHAT_SHARED_QUEUE_PUT] = hear_number,
    [CHAT_SHARED_QUEUE_READ] = hear_queue,   [CHAT_SHARED_QUEUE_ACK] = hear_done,
    [CHAT_SHARED_QUEUE_DROP] = hear_done,    [CHAT_SHARED_RESERVE] = hear_number,
    [CHAT_SHARED_TAKE] = hear_number,        [CHAT_SHARED_RECENT_PUT] = hear_done,
    [CHAT_SHARED_RECENT_READ] = hear_recent, [CHAT_SHARED_RECENT_CUT] = hear_done,
};

static chat_status hear_answer(chat_redis *redis, const chat__redis_fleet_event *event,
                               chat_shared_event *out)
{
    chat__redis_op *op = &redis->ops[(uint32_t)event->tag];
    chat_status status = event->status;
    out->type = CHAT_SHARED_EVENT_ANSWER;
    out->op = op->op;
    out->tag = op->tag;
    if (op->op == CHAT_SHARED_WHO) {
        if (status == CHAT_OK)
            status = hear_who(op, (uint32_t)(event->tag >> 32), &event->reply);
        if (op->status == CHAT_OK)
            op->status = status;
        if (--op->n_left > 0)
            return CHAT_EMPTY;
        status = tell_who(redis, op);
    } else if (status == CHAT_OK) {
        status = HEAR[op->op](redis, &event->reply, out);
    }
    chat__redis_op_free(redis, op);
    out->status = status;
    if (status != CHAT_OK) {
        out->number = 0;
        return CHAT_OK;
    }
    out->items =
        redis->items.len > 0 ? (const chat_shared_item *)(const void *)redis->items.data : NULL;
    out->n_items = redis->items.len / sizeof *out->items;
    return CHAT_OK;
}

chat_status chat__redis_hear(chat_redis *redis, const chat__redis_fleet_event *event,
                             chat_shared_event *out)
{
    chat__buf_consume(&redis->items, redis->items.len);
    memset(out, 0, sizeof *out);
    out->struct_size = sizeof *out;
    if (event->type == CHAT__REDIS_FLEET_ANSWER)
        return hear_answer(redis, event, out);
    out->type = event->type == CHAT__REDIS_FLEET_PROBLEM ? CHAT_SHARED_EVENT_PROBLEM
                                                         : CHAT_SHARED_EVENT_WELL;
    out->status = event->status;
    out->text = event->why;
    return CHAT_OK;
}
