/* SPDX-License-Identifier: MIT */
/*
 * Devices that were not known before. Each is on disk before it gets anything: a kill must not make
 * it begin anew, further on, where another device of its user is. And devices that were removed:
 * that is answered when it is on disk. All that come while the state is written wait for the next
 * time together, so a thousand cost a few writes.
 */
#include "internal.h"
#include "base/view.h"

#include <string.h>

typedef struct newcomer {
    uint64_t tag; /* of the question that is not answered yet */
    uint32_t user_len, device_len;
    uint32_t is_removed;
    chat_status status; /* of the removal */
} newcomer;

chat_status chat__newcomers_hold(chat__shard *shard, const chat__effect *effect)
{
    newcomer head = {effect->tag, (uint32_t)effect->user.len, (uint32_t)effect->device.len,
                     effect->type == CHAT__EFFECT_FORGET, effect->status};
    if (shard->newcomers == NULL)
        shard->newcomers =
            chat__batch_new(chat__shard_allocator(shard), CHAT__MAIL_NEWCOMERS, shard->index);
    if (shard->newcomers == NULL)
        return CHAT_ERR_NOMEM;
    chat__buf *bytes = &shard->newcomers->bytes;
    chat_status status =
        chat__buf_reserve(bytes, sizeof head + effect->user.len + effect->device.len);
    if (status != CHAT_OK)
        return status;
    (void)chat__buf_append(bytes, &head, sizeof head);
    (void)chat__buf_append(bytes, effect->user.data, effect->user.len);
    (void)chat__buf_append(bytes, effect->device.data, effect->device.len);
    shard->newcomers->n_items++;
    return CHAT_OK;
}

void chat__newcomers_send(chat__shard *shard)
{
    if (shard->newcomers == NULL)
        return;
    shard->newcomers->life = shard->life;
    if (shard->newcomers->n_items > 0)
        chat__committer_flush(&shard->server->committer, shard->newcomers);
    else
        chat__batch_free(chat__shard_allocator(shard), shard->newcomers);
    shard->newcomers = NULL;
}

/* It may have been removed while it waited. */
static void answer_newcomer(chat__shard *shard, const chat__effect *effect, chat_status status)
{
    uint64_t seen_ms;
    chat__store_visit visit = {
        .user = effect->user, .device = effect->device, .now_unix_ms = chat__server_unix_ms()};
    if (status == CHAT_OK)
        status = chat__store_find_device(shard->server->store, &visit, &seen_ms);
    if (status == CHAT_OK)
        chat__shard_answer_user(shard, effect, 1);
    else
        chat__node_user_loaded(shard->node, effect->tag, CHAT_ERR_BUSY, NULL, 0);
}

void chat__newcomers_answer(chat__shard *shard, const chat__batch *batch)
{
    chat_view left = chat__buf_view(&batch->bytes);
    for (uint32_t i = 0; i < batch->n_items; i++) {
        newcomer head;
        chat__effect effect;
        memset(&effect, 0, sizeof effect);
        memcpy(&head, left.data, sizeof head);
        effect.type = CHAT__EFFECT_LOAD_USER;
        effect.tag = head.tag;
        effect.user = chat__view(left.data + sizeof head, head.user_len);
        effect.device = chat__view(effect.user.data + head.user_len, head.device_len);
        left = chat__view(effect.device.data + head.device_len,
                          left.len - sizeof head - head.user_len - head.device_len);
        if (head.is_removed)
            chat__node_forgotten(shard->node, head.tag,
                                 batch->status == CHAT_OK ? head.status : CHAT_ERR_BUSY);
        else
            answer_newcomer(shard, &effect, batch->status);
    }
}
