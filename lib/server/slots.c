/* SPDX-License-Identifier: MIT */
/* See slots.h. */
#include "slots.h"
#include "links.h"
#include "tunnel.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

#define RECORD_BYTES (1u << 20) /* of frames in a record, unless one alone is larger */
#define LEN_BYTES    4u

chat_status chat__slots_init(chat__shard *shard)
{
    if (shard->server->cluster == NULL)
        return CHAT_OK;
    shard->slots = chat__alloc_zero(chat__shard_allocator(shard), sizeof *shard->slots);
    return shard->slots != NULL ? chat__tunnels_init(shard) : CHAT_ERR_NOMEM;
}

void chat__slots_done(chat__shard *shard)
{
    if (shard->slots == NULL)
        return;
    chat__tunnels_done(shard);
    for (uint32_t i = 0; i < CHAT__SLOTS_MAX; i++)
        chat__batch_free(chat__shard_allocator(shard), shard->slots->to_home[i]);
    chat__alloc_free(chat__shard_allocator(shard), shard->slots);
    shard->slots = NULL;
}

const chat__slot_place *chat__slots_place(const chat__shard *shard, uint32_t slot)
{
    return shard->slots != NULL ? &shard->slots->places[slot] : NULL;
}

/* --- frames --- */

chat_status chat__slots_add(chat__shard *shard, chat__batch **batch, chat__mail_kind kind,
                            chat_view a, chat_view b)
{
    static const uint8_t head[CHAT__SLOTS_HEAD] = {0};
    uint8_t len[LEN_BYTES];
    if (*batch == NULL) {
        *batch = chat__shard_batch(shard, kind);
        if (*batch == NULL)
            return CHAT_ERR_NOMEM;
        (*batch)->start = shard->slots != NULL ? CHAT__SLOTS_HEAD : 0;
    }
    chat__buf *bytes = &(*batch)->bytes;
    chat_status status = chat__buf_reserve(bytes, CHAT__SLOTS_HEAD + sizeof len + a.len + b.len);
    if (status != CHAT_OK)
        return status;
    if (bytes->len < (*batch)->start)
        (void)chat__buf_append(bytes, head, (*batch)->start);
    chat__store32le(len, (uint32_t)(a.len + b.len));
    (void)chat__buf_append(bytes, len, sizeof len);
    (void)chat__buf_append(bytes, a.data, a.len);
    (void)chat__buf_append(bytes, b.data, b.len);
    (*batch)->n_items++;
    return CHAT_OK;
}

chat_status chat__slots_next(chat_view *left, chat_view *out)
{
    if (left->len < LEN_BYTES)
        return CHAT_EMPTY;
    size_t len = chat__load32le(left->data);
    if (len > left->len - LEN_BYTES)
        return CHAT_EMPTY;
    *out = chat__view(left->data + LEN_BYTES, len);
    *left = chat__view(out->data + len, left->len - LEN_BYTES - len);
    return CHAT_OK;
}

/* As many frames as fit into a record. */
static size_t cut(chat_view left)
{
    chat_view rest = left, frame;
    size_t len = 0;
    while (chat__slots_next(&rest, &frame) == CHAT_OK) {
        size_t next = left.len - rest.len;
        if (len > 0 && next > RECORD_BYTES)
            break;
        len = next;
    }
    return len;
}

static chat__slots_record record_of(const chat__batch *batch)
{
    switch (batch->kind) {
    case CHAT__MAIL_TO_HOME:
        return CHAT__SLOTS_TO_HOME;
    case CHAT__MAIL_TO_SOCKET:
        return CHAT__SLOTS_TO_SOCKET;
    default:
        return CHAT__SLOTS_FRAMES;
    }
}

/* What cannot be sent would leave a hole: then the session is over, and all know it. */
void chat__slots_send(chat__shard *shard, chat__batch *batch, const chat__slot_place *place,
                      uint32_t to)
{
    chat__links *links = shard->server->links;
    chat_status status = CHAT_OK;
    size_t at = batch->start;
    while (at < batch->bytes.len && status == CHAT_OK) {
        size_t len = cut(chat__view(batch->bytes.data + at, batch->bytes.len - at));
        uint8_t *head = batch->bytes.data + at - CHAT__SLOTS_HEAD; /* over what was sent */
        chat__trunk_record record = {shard->index, to, {head, CHAT__SLOTS_HEAD + len}};
        head[0] = (uint8_t)record_of(batch);
        chat__store64le(head + 1, batch->kind == CHAT__MAIL_TO_SOCKET ? 0 : place->life);
        status = chat__links_send_in(links, place->member, place->session, &record);
        at += len;
    }
    if (status != CHAT_OK && status != CHAT_ERR_CLOSED) {
        chat__server_log(shard->server, CHAT_LOG_WARN,
                         "member %u does not take what there is for it (%s): the link begins anew",
                         place->member, chat_status_text(status));
        chat__links_give_up(links, place->member, place->session);
    }
    chat__shard_drop_batch(shard, batch);
}

static void send_to_slot(chat__shard *shard, chat__batch *batch, uint32_t slot)
{
    const chat__slot_place *place = chat__slots_place(shard, slot);
    if (place == NULL) {
        chat__shard_post(&shard->server->shards[slot], batch);
    } else if (place->life == 0) {
        chat__shard_drop_batch(shard, batch); /* as the node was told */
    } else if (place->member == CHAT__SLOTS_HERE) {
        batch->life = place->life;
        chat__shard_post(&shard->server->shards[slot], batch);
    } else {
        chat__slots_send(shard, batch, place, slot);
    }
}

void chat__slots_send_batches(chat__shard *shard)
{
    for (uint32_t i = 0; i < shard->server->n_shards; i++) {
        if (shard->links[i] != NULL)
            send_to_slot(shard, shard->links[i], i);
        shard->links[i] = NULL;
        if (shard->slots == NULL || shard->slots->to_home[i] == NULL)
            continue;
        send_to_slot(shard, shard->slots->to_home[i], i);
        shard->slots->to_home[i] = NULL;
    }
    if (shard->slots != NULL)
        chat__tunnels_send(shard);
}

void chat__slots_distrust(chat__shard *shard, const chat__batch *batch)
{
    if (batch->session != 0)
        chat__links_give_up(shard->server->links, batch->member, batch->session);
}

/* --- news --- */

void chat__slots_begin(chat__shard *shard)
{
    if (shard->slots == NULL || shard->node == NULL)
        return;
    chat__shard_begin(shard);
    for (uint32_t i = 0; i < shard->server->n_shards; i++)
        if (i != shard->index)
            (void)chat__node_peer_lost(shard->node, i);
}

static void drop_batch(chat__shard *shard, chat__batch **batch)
{
    if (*batch != NULL)
        chat__shard_drop_batch(shard, *batch);
    *batch = NULL;
}

static void lose(chat__shard *shard, uint32_t slot)
{
    chat__slots *slots = shard->slots;
    memset(&slots->places[slot], 0, sizeof slots->places[slot]);
    drop_batch(shard, &shard->links[slot]);
    drop_batch(shard, &slots->to_home[slot]);
    chat__tunnels_lose_slot(shard, slot);
    if (shard->node != NULL && slot != shard->index)
        (void)chat__node_peer_lost(shard->node, slot);
}

static void find(chat__shard *shard, uint32_t slot, const chat__slot_place *place)
{
    shard->slots->places[slot] = *place;
    if (shard->node != NULL && slot != shard->index)
        (void)chat__node_peer_found(shard->node, slot);
}

void chat__slots_take_news(chat__shard *shard, const chat__batch *batch)
{
    chat__slots_news news;
    /* What the node has said so far was meant for those that were there. */
    if (shard->node != NULL)
        (void)chat__shard_take_effects(shard);
    for (size_t at = 0; at + sizeof news <= batch->bytes.len; at += sizeof news) {
        memcpy(&news, batch->bytes.data + at, sizeof news);
        switch (news.type) {
        case CHAT__SLOTS_NEWS_LOST:
            lose(shard, news.slot);
            break;
        case CHAT__SLOTS_NEWS_FOUND:
            find(shard, news.slot, &news.place);
            break;
        case CHAT__SLOTS_NEWS_GONE:
            chat__tunnels_lose_member(shard, news.member);
            break;
        }
        /* And what it says now is for those that are there now. */
        if (shard->node != NULL)
            (void)chat__shard_take_effects(shard);
    }
}
