/* SPDX-License-Identifier: MIT */
/*
 * How much a user may ask to be stored. All connections of a user are on this node, so one pair of
 * buckets limits each of them and all together. What a user owes outlives the last connection in a
 * table of fixed size: connecting again is no way out, unless another user has taken the place.
 */
#include "node/limits.h"
#include "base/alloc.h"

#define N_DEBTS 4096u
/* What was on its way when a refusal was written is refused too, else it would overtake what was
   refused: it comes within a round trip. */
#define HOLD_MS 1000u

struct chat__debt {
    uint64_t user; /* hash, 0: none */
    chat__allowance allowance;
};

static chat__bucket_rule messages_rule(const chat__node *node)
{
    chat__bucket_rule rule = {node->options.rate_msgs, node->options.burst_msgs};
    return rule;
}

static chat__bucket_rule bytes_rule(const chat__node *node)
{
    chat__bucket_rule rule = {node->options.rate_bytes, node->options.burst_bytes};
    return rule;
}

static uint64_t hash_of(const chat__node *node, const chat__user *user)
{
    return chat__siphash(node->options.seed, user->id, user->id_len) | 1;
}

static struct chat__debt *place_of(const chat__node *node, uint64_t hash)
{
    return &node->debts[(hash >> 32) % N_DEBTS];
}

void chat__limits_arrive(chat__node *node, chat__user *user)
{
    if (node->debts == NULL)
        return;
    uint64_t hash = hash_of(node, user);
    struct chat__debt *debt = place_of(node, hash);
    if (debt->user != hash)
        return;
    user->allowance = debt->allowance;
    debt->user = 0;
}

void chat__limits_leave(chat__node *node, chat__user *user)
{
    chat__allowance *own = &user->allowance;
    chat__bucket_rule messages = messages_rule(node), bytes = bytes_rule(node);
    if (chat__bucket_is_full(&own->messages, &messages, node->mono_ms) &&
        chat__bucket_is_full(&own->bytes, &bytes, node->mono_ms) &&
        own->held_until_ms <= node->mono_ms)
        return;
    if (node->debts == NULL)
        node->debts = chat__alloc_zero(&node->allocator, N_DEBTS * sizeof *node->debts);
    if (node->debts == NULL)
        return; /* forgiven */
    uint64_t hash = hash_of(node, user);
    struct chat__debt *debt = place_of(node, hash);
    debt->user = hash;
    debt->allowance = *own;
}

void chat__limits_done(chat__node *node)
{
    chat__alloc_free(&node->allocator, node->debts);
    node->debts = NULL;
}

/* How long until the request can be taken; 0: it was. */
static uint64_t take(chat__node *node, chat__allowance *own, size_t n_bytes)
{
    chat__bucket_rule messages = messages_rule(node), bytes = bytes_rule(node);
    uint64_t now_ms = node->mono_ms;
    if (own->held_until_ms > now_ms)
        return own->held_until_ms - now_ms;
    uint64_t wait_ms = chat__bucket_wait(&own->bytes, &bytes, n_bytes, now_ms);
    if (wait_ms == 0 &&
        chat__bucket_take(&own->messages, &messages, 1, now_ms, &wait_ms) == CHAT_OK)
        return chat__bucket_take(&own->bytes, &bytes, n_bytes, now_ms, &wait_ms) == CHAT_OK
                   ? 0
                   : wait_ms;
    if (wait_ms < HOLD_MS)
        wait_ms = HOLD_MS;
    own->held_until_ms = now_ms + wait_ms;
    return wait_ms;
}

int chat__limits_admit(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    size_t n_bytes = CHAT_FRAME_HAS(frame, BODY) ? frame->body.len : 0;
    uint64_t wait_ms = take(node, &conn->user->allowance, n_bytes);
    if (wait_ms == 0)
        return 1;
    chat__count(&node->counts, CHAT__EVENT_REFUSED);
    chat__request_refuse_for(node, conn, frame, CHAT_ERR_RATE,
                             "more than this user may send in this time", wait_ms);
    return 0;
}

int chat__limits_admit_question(chat__node *node, chat__node_conn *conn, const chat_frame *frame)
{
    chat__bucket_rule rule = {node->options.rate_requests, node->options.burst_requests};
    uint64_t wait_ms = 0;
    if (chat__bucket_take(&conn->questions, &rule, 1, node->mono_ms, &wait_ms) == CHAT_OK)
        return 1;
    chat__count(&node->counts, CHAT__EVENT_REFUSED);
    chat__request_refuse_for(node, conn, frame, CHAT_ERR_RATE,
                             "more than a connection may ask in this time", wait_ms);
    return 0;
}
