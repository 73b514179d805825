/* SPDX-License-Identifier: MIT */
/*
 * The fair queue beside the small chats. What costs is the socket of each member, so the queue is
 * on the node where the users live: a record for many members is encoded once and waits here, and
 * each turn takes a part of it to the devices, round robin over the chats, when everything else of
 * the turn is written. Records of a chat leave in order: what comes for a chat that waits waits
 * behind.
 *
 * It is as if the record had gone to all when it came: a connection that said hello later has it
 * from storage, and so has one that read the chat back meanwhile. More than the queue holds makes
 * the connections fall behind, to be read back.
 */
#include "node/notify.h"

#include <string.h>

/* Of one chat, then it is the next one's turn. */
#define QUANTUM_MEMBERS 16u
/* Of a turn, beside fanout_turn_sockets: bytes written, and members who are looked up. */
#define TURN_BYTES   (256u << 10)
#define TURN_MEMBERS 1024u
/* What waits over all chats. */
#define MAX_BYTES ((size_t)64 << 20)

/* A record on its way; the names behind it. */
typedef struct fan_item {
    struct fan_item *next;
    chat__msg *msg;
    uint64_t prev;
    uint64_t number;
    chat__conn origin; /* has it already, 0: nobody */
    size_t size;
    uint32_t n_to, next_to;
    chat_view to[];
} fan_item;

/* A connection that read a chat back up to `seq` while records of it waited. */
typedef struct fan_read {
    struct fan_read *next;
    chat__conn conn;
    uint64_t seq;
} fan_read;

/* A chat with records that wait. */
struct chat__fan {
    struct chat__fan *next; /* in the round */
    fan_item *first, *last;
    fan_read *reads;
    uint32_t n_items;
    uint8_t key_len;
    uint8_t key[];
};

static chat_view key_of(const chat__fan *fan)
{
    return chat__view(fan->key, fan->key_len);
}

/* --- the queue --- */

static void append_fan(chat__node *node, chat__fan *fan)
{
    fan->next = NULL;
    if (node->last_fan != NULL)
        node->last_fan->next = fan;
    else
        node->first_fan = fan;
    node->last_fan = fan;
}

static chat__fan *take_fan(chat__node *node)
{
    chat__fan *fan = node->first_fan;
    node->first_fan = fan->next;
    if (node->first_fan == NULL)
        node->last_fan = NULL;
    return fan;
}

static chat__fan *new_fan(chat__node *node, chat_view chat)
{
    chat__fan *fan = chat__node_alloc(node, sizeof *fan + chat.len);
    if (fan == NULL)
        return NULL;
    fan->key_len = (uint8_t)chat.len;
    memcpy(fan->key, chat.data, chat.len);
    if (chat__map_put(&node->fans, key_of(fan), fan) != CHAT_OK) {
        chat__node_dealloc(node, fan);
        return NULL;
    }
    append_fan(node, fan);
    return fan;
}

static void drop_first(chat__node *node, chat__fan *fan)
{
    fan_item *item = fan->first;
    fan->first = item->next;
    if (fan->first == NULL)
        fan->last = NULL;
    fan->n_items--;
    node->fan_bytes -= item->size;
    chat__msg_release(node, item->msg);
    chat__node_dealloc(node, item);
}

/* It is in no list any more. */
static void free_fan(chat__node *node, chat__fan *fan)
{
    while (fan->first != NULL)
        drop_first(node, fan);
    while (fan->reads != NULL) {
        fan_read *read = fan->reads;
        fan->reads = read->next;
        chat__node_dealloc(node, read);
    }
    (void)chat__map_remove(&node->fans, key_of(fan));
    chat__node_dealloc(node, fan);
}

void chat__fanout_done(chat__node *node)
{
    while (node->first_fan != NULL)
        free_fan(node, take_fan(node));
    chat__map_done(&node->fans);
}

static fan_item *new_item(chat__node *node, const chat_frame *frame, chat_view_list to)
{
    size_t size = sizeof(fan_item) + to.n_items * sizeof(chat_view);
    for (size_t i = 0; i < to.n_items; i++)
        size += to.items[i].len;
    fan_item *item = chat__node_alloc(node, size);
    if (item == NULL)
        return NULL;
    item->msg = chat__msg_new(node, frame);
    if (item->msg == NULL) {
        chat__node_dealloc(node, item);
        return NULL;
    }
    chat__msg_share(node, item->msg);
    item->msg->live_ms = frame->ts;
    item->msg->is_fresh = 1;
    uint8_t *text = (uint8_t *)(item->to + to.n_items);
    for (size_t i = 0; i < to.n_items; i++) {
        memcpy(text, to.items[i].data, to.items[i].len);
        item->to[i] = chat__view(text, to.items[i].len);
        text += to.items[i].len;
    }
    item->n_to = (uint32_t)to.n_items;
    item->size = size + item->msg->bytes[CHAT_ENCODING_CBOR].len;
    return item;
}

/* --- serving --- */

/* Whether storage gave the record to this connection. */
static int has_read(const chat__fan *fan, const fan_item *item, const chat__node_conn *conn)
{
    if (conn->fan_from >= item->number)
        return 1;
    for (const fan_read *read = fan->reads; read != NULL; read = read->next) {
        if (read->conn == conn->id)
            return read->seq >= item->msg->seq;
    }
    return 0;
}

/* How many connections it went to. */
static uint32_t push_next(chat__node *node, const chat__fan *fan, fan_item *item, int is_full)
{
    uint32_t n = 0;
    chat__user *user = chat__map_get(&node->users, item->to[item->next_to++]);
    if (chat__notify_is_away(user, NULL))
        chat__deliver_away(node, item->to[item->next_to - 1], item->msg);
    for (chat__node_conn *conn = user != NULL ? user->conns : NULL; conn != NULL;
         conn = conn->next) {
        if (has_read(fan, item, conn))
            continue;
        chat__live live = {item->msg, item->prev, conn->id == item->origin, is_full};
        chat__deliver_live(node, conn, &live);
        n++;
    }
    return n;
}

static int has_budget(chat__node *node)
{
    if (node->fan_turn != node->turn) {
        node->fan_turn = node->turn;
        node->fan_sockets = node->fan_members = 0;
        node->fan_written = 0;
    }
    return node->fan_sockets < node->options.fanout_turn_sockets &&
           node->fan_members < TURN_MEMBERS && node->fan_written < TURN_BYTES;
}

static void serve_quantum(chat__node *node, chat__fan *fan)
{
    for (uint32_t i = 0; i < QUANTUM_MEMBERS && fan->first != NULL && has_budget(node); i++) {
        fan_item *item = fan->first;
        uint32_t n = push_next(node, fan, item, 0);
        node->fan_members++;
        node->fan_sockets += n;
        node->fan_written += n * item->msg->bytes[CHAT_ENCODING_CBOR].len;
        if (item->next_to == item->n_to)
            drop_first(node, fan);
    }
}

int chat__fanout_serve(chat__node *node)
{
    if (node->first_fan == NULL || !has_budget(node))
        return 0;
    chat__fan *fan = take_fan(node);
    serve_quantum(node, fan);
    if (fan->first != NULL)
        append_fan(node, fan);
    else
        free_fan(node, fan);
    return 1;
}

/* No room: all of it is read back instead. The chat stays, empty, until its turn comes. */
static void give_up(chat__node *node, chat__fan *fan)
{
    while (fan->first != NULL) {
        while (fan->first->next_to < fan->first->n_to)
            (void)push_next(node, fan, fan->first, 1);
        drop_first(node, fan);
    }
}

/* --- what comes in --- */

/* For how many members the record is, on all nodes. */
static uint64_t size_of(const chat_frame *frame, size_t n_here)
{
    return CHAT_FRAME_HAS(frame, COUNT) && frame->count > n_here ? frame->count : n_here;
}

chat_status chat__fanout_take(chat__node *node, const chat_frame *frame, chat_view_list to,
                              uint64_t prev, chat__conn origin)
{
    chat__fan *fan = NULL;
    if (node->fans.n_items > 0)
        fan = chat__map_get(&node->fans, frame->chat);
    if (to.n_items == 0 ||
        (fan == NULL && size_of(frame, to.n_items) < node->options.fanout_sync_members))
        return CHAT_EMPTY;
    fan_item *item = new_item(node, frame, to);
    if (item != NULL && fan == NULL)
        fan = new_fan(node, frame->chat);
    if (fan == NULL) {
        if (item != NULL) {
            chat__msg_release(node, item->msg);
            chat__node_dealloc(node, item);
        }
        return CHAT_EMPTY; /* nothing waits before it: in the turn, then */
    }
    if (item == NULL) {
        give_up(node, fan);
        return CHAT_EMPTY;
    }
    item->prev = prev;
    item->origin = origin;
    item->number = ++node->n_fanned;
    if (fan->last != NULL)
        fan->last->next = item;
    else
        fan->first = item;
    fan->last = item;
    fan->n_items++;
    node->fan_bytes += item->size;
    if (fan->n_items > node->options.fanout_chat_records || node->fan_bytes > MAX_BYTES)
        give_up(node, fan);
    return CHAT_OK;
}

void chat__fanout_read(chat__node *node, const chat__node_conn *conn, chat_view chat, uint64_t seq)
{
    chat__fan *fan = node->fans.n_items > 0 ? chat__map_get(&node->fans, chat) : NULL;
    if (fan == NULL)
        return;
    fan_read *read = fan->reads;
    while (read != NULL && read->conn != conn->id)
        read = read->next;
    if (read == NULL) {
        read = chat__node_alloc(node, sizeof *read);
        if (read == NULL)
            return; /* it gets some twice and drops them */
        read->conn = conn->id;
        read->next = fan->reads;
        fan->reads = read;
    }
    read->seq = seq;
}
