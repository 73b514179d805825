/* SPDX-License-Identifier: MIT */
/* Taking partitions of the log over, and leaving them. See appender.h. */
#include "appender_internal.h"
#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_FENCES 8u
#define WHY_BYTES  320u
#define COUNT_AT   48u /* in a term */
#define SECOND_AT  16u
#define MAX_SECOND UINT64_C(0xfff00000) /* the year 2105 */

static void open_slot(chat__appender *appender, uint32_t slot)
{
    chat__appender_slot *to = &appender->slots[slot];
    to->is_here = 1;
    to->is_told = 0;
    to->n_opening = 0;
    appender->must_assign = 1;
    for (uint32_t i = slot; i < appender->log.n_partitions; i += appender->server->n_shards) {
        appender->parts[i] =
            (chat__part){.state = CHAT__PART_OPENING, .term = appender->parts[i].term};
        to->n_opening++;
    }
}

/* Those that were read are answered with the others of their harvest. */
static void close_slot(chat__appender *appender, uint32_t slot)
{
    chat__appender_slot *to = &appender->slots[slot];
    for (uint32_t i = slot; i < appender->log.n_partitions; i += appender->server->n_shards) {
        chat__part *part = &appender->parts[i];
        for (; part->first != NULL; part->first = part->first->next) {
            part->first->head->status = CHAT_ERR_STATE;
            part->first->flight->n_left--;
        }
        part->state = CHAT__PART_CLOSED;
    }
    if (to->is_told) {
        uv_mutex_lock(&appender->mutex);
        appender->n_open--;
        uv_mutex_unlock(&appender->mutex);
    }
    to->is_here = to->is_told = 0;
    appender->must_assign = 1;
}

static void follow_wishes(chat__appender *appender)
{
    for (uint32_t i = 0; i < appender->server->n_shards; i++) {
        chat__appender_slot *slot = &appender->slots[i];
        uv_mutex_lock(&appender->mutex);
        int is_wanted = slot->is_wanted;
        uint32_t n_closes = slot->n_closes;
        uv_mutex_unlock(&appender->mutex);
        int is_left = slot->n_closed != n_closes;
        if (is_left && slot->is_here)
            close_slot(appender, i);
        else if (is_wanted && !slot->is_here)
            open_slot(appender, i);
        for (; slot->n_closed != n_closes; slot->n_closed++)
            appender->hooks.closed(appender->hooks.ctx, i);
    }
}

static void assign(chat__appender *appender)
{
    const chat_allocator *allocator = &appender->server->allocator;
    uint32_t n_partitions = appender->log.n_partitions;
    appender->must_assign = 0;
    uint32_t *list = chat__alloc_zero(allocator, n_partitions * sizeof *list);
    size_t n = 0;
    for (uint32_t i = 0; list != NULL && i < n_partitions; i++)
        if (appender->parts[i].state != CHAT__PART_CLOSED)
            list[n++] = i;
    chat_status status =
        list == NULL ? CHAT_ERR_NOMEM : appender->log.assign(appender->log.ctx, list, n);
    chat__alloc_free(allocator, list);
    if (status != CHAT_OK)
        chat__appender_fail(appender, status,
                            "the log does not let itself be read: the server "
                            "ends");
}

/* What was left is told before anything is opened: the log says where a partition is to be read
   from only when it was not read before. */
void chat__appender_assign(chat__appender *appender)
{
    if (appender->must_assign)
        assign(appender);
    follow_wishes(appender);
    if (appender->must_assign)
        assign(appender);
}

/* A fence that is there twice counts once, so it is tried again where another record is not. */
static int is_passing(chat_status status)
{
    return status == CHAT_ERR_BUSY || status == CHAT_ERR_NOT_FOUND || status == CHAT_ERR_TIMEOUT;
}

static void fail_fence(chat__appender *appender, chat_status status)
{
    chat__appender_fail(appender, status,
                        "a partition of the log could not be taken over: the server ends");
}

static void fence(chat__appender *appender, uint32_t partition)
{
    chat__part *part = &appender->parts[partition];
    chat_status status =
        appender->log.fence(appender->log.ctx, CHAT__APPENDER_FENCE_TAG, partition, part->term);
    if (status == CHAT_OK)
        part->state = CHAT__PART_FENCING;
    else if (!is_passing(status))
        fail_fence(appender, status);
}

void chat__appender_on_unfenced(chat__appender *appender, const chat_log_event *event)
{
    chat__part *part = &appender->parts[event->partition];
    if (!is_passing(event->status))
        fail_fence(appender, event->status);
    else if (part->state == CHAT__PART_FENCING)
        part->state = CHAT__PART_WAITING;
}

void chat__appender_fence_all(chat__appender *appender)
{
    for (uint32_t i = 0; i < appender->log.n_partitions; i++)
        if (appender->parts[i].state == CHAT__PART_WAITING)
            fence(appender, i);
}

void chat__appender_note_seq(chat__part *part, uint64_t seq)
{
    if (seq > part->seq)
        part->seq = seq;
}

/*
 * Terms say first how many partitions their writer knows, so that who knows fewer has none that is
 * high enough. Then they follow the clock: who comes later has a higher one at once, mostly. The
 * last bits are random, so that two never have the same.
 */
static uint64_t term_above(const chat__appender *appender, uint64_t term, uint64_t own)
{
    const uint64_t mask = ((uint64_t)1 << SECOND_AT) - 1;
    uint64_t count = (uint64_t)(appender->log.n_partitions - 1) << COUNT_AT;
    uint64_t second = chat__server_unix_ms() / 1000;
    uint64_t now = count | (second < MAX_SECOND ? second : MAX_SECOND) << SECOND_AT;
    uint64_t next = ((term > own ? term : own) | mask) + 1;
    return (now > next ? now : next) | (appender->server->seed[0] & mask);
}

/* How many partitions the writer with this term knows; 0: nobody wrote. */
static uint32_t count_of(uint64_t term)
{
    return term == 0 ? 0 : (uint32_t)(term >> COUNT_AT) + 1;
}

/* Whether all that was written under `term` in chats of this slot is in its partitions here. A chat
   keeps its slot while that is its hash by `slots`: as long as these divide both counts. */
static int is_all_here(const chat__appender *appender, uint64_t term)
{
    const chat_server *server = appender->server;
    uint32_t n = appender->log.n_partitions, before = count_of(term);
    int is_kept =
        server->cluster == NULL || (n % server->n_shards == 0 && before % server->n_shards == 0);
    return before == 0 || before == n || (before < n && is_kept);
}

static void leave_slot(chat__appender *appender, uint32_t slot)
{
    close_slot(appender, slot);
    uv_mutex_lock(&appender->mutex);
    appender->n_wanted -= appender->slots[slot].is_wanted;
    appender->slots[slot].is_wanted = 0;
    uv_mutex_unlock(&appender->mutex);
}

static void refuse(chat__appender *appender, uint32_t partition, uint64_t term)
{
    char why[WHY_BYTES];
    uint32_t slot = chat__appender_slot_of(appender, partition);
    uint32_t n = appender->log.n_partitions, before = count_of(term);
    int len = snprintf(why, sizeof why,
                       "slot %" PRIu32 " cannot run here: it was written with %" PRIu32
                       " partitions, and partitions is %" PRIu32,
                       slot, before, n);
    if (before > n)
        (void)snprintf(why + len, sizeof why - (size_t)len,
                       ": set partitions to %" PRIu32 " and start this server again", before);
    else
        (void)snprintf(why + len, sizeof why - (size_t)len,
                       ", which moves chats to other slots, for slots (%" PRIu32
                       ") does not divide both: stop all members and set slots to a number that "
                       "divides %" PRIu32 " and %" PRIu32,
                       appender->server->n_shards, before, n);
    if (appender->hooks.refused == NULL) {
        chat__appender_fail(appender, CHAT_ERR_ARG, why);
        return;
    }
    chat__server_log(appender->server, CHAT_LOG_ERROR, "%s", why);
    leave_slot(appender, slot);
    appender->hooks.refused(appender->hooks.ctx, slot);
}

void chat__appender_on_assigned(chat__appender *appender, const chat_log_event *event)
{
    chat__part *part = &appender->parts[event->partition];
    if (part->state != CHAT__PART_OPENING)
        return;
    if (!is_all_here(appender, event->term)) {
        refuse(appender, event->partition, event->term);
        return;
    }
    part->term = term_above(appender, event->term, part->term);
    part->state = CHAT__PART_WAITING;
    chat__appender_note_seq(part, event->seq);
    appender->store.forget(appender->store.ctx, event->partition);
}

void chat__appender_lose(chat__appender *appender, uint32_t partition)
{
    uint32_t slot = chat__appender_slot_of(appender, partition);
    if (appender->parts[partition].state == CHAT__PART_CLOSED)
        return;
    chat__server_log(appender->server, CHAT_LOG_WARN,
                     "slot %" PRIu32 ": partition %" PRIu32
                     " of the log was taken over by another server",
                     slot, partition);
    leave_slot(appender, slot);
    appender->hooks.lost(appender->hooks.ctx, slot);
}

void chat__appender_on_fenced(chat__appender *appender, const chat_log_event *event)
{
    chat__part *part = &appender->parts[event->partition];
    int is_opening = part->state == CHAT__PART_WAITING || part->state == CHAT__PART_FENCING;
    if (is_opening && event->term == part->term) {
        part->state = CHAT__PART_OPEN;
        appender->slots[chat__appender_slot_of(appender, event->partition)].n_opening--;
        return;
    }
    if (is_opening && !is_all_here(appender, event->term)) {
        refuse(appender, event->partition, event->term);
        return;
    }
    if (event->term <= part->term)
        return; /* an older one, on the way to ours */
    if (is_opening && part->n_fences++ < MAX_FENCES) {
        part->term = term_above(appender, event->term, part->term);
        part->state = CHAT__PART_WAITING;
        return;
    }
    chat__appender_lose(appender, event->partition);
}

/* Slots whose partitions are open, once the store has what was in them. */
void chat__appender_tell_open(chat__appender *appender)
{
    for (uint32_t i = 0; i < appender->server->n_shards; i++) {
        chat__appender_slot *slot = &appender->slots[i];
        uint64_t max_seq = 0;
        if (!slot->is_here || slot->is_told || slot->n_opening > 0 || slot->n_found > 0)
            continue;
        for (uint32_t p = i; p < appender->log.n_partitions; p += appender->server->n_shards)
            max_seq = appender->parts[p].seq > max_seq ? appender->parts[p].seq : max_seq;
        slot->is_told = 1;
        appender->hooks.opened(appender->hooks.ctx, i, max_seq);
        uv_mutex_lock(&appender->mutex);
        appender->max_seq = max_seq > appender->max_seq ? max_seq : appender->max_seq;
        appender->n_open++;
        uv_cond_signal(&appender->open_wake);
        uv_mutex_unlock(&appender->mutex);
    }
}
