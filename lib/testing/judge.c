/* SPDX-License-Identifier: MIT */
/*
 * Judges a history by what clients were told and saw: acknowledged is durable, exactly once; every
 * reader sees one order; who was a member at a record's place gets it, on each of his devices,
 * nobody else does; ids are unique and grow.
 */
#include "testing/judge.h"
#include "base/sized.h"
#include "base/view.h"

#include <chat/id.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void chat__judge_violate(judge *j, uint64_t line, const char *format, ...)
{
    va_list args;
    if (j->out->violation[0] != 0)
        return;
    va_start(args, format);
    vsnprintf(j->out->violation, sizeof j->out->violation, format, args);
    va_end(args);
    j->out->line = line;
}

const char *chat__judge_name(const judge *j, uint32_t index)
{
    return chat__name_of(j->history, index);
}

static const char *observer_name(const judge *j, uint32_t by)
{
    return chat__judge_name(j, j->history->observers[by].name);
}

static int compare_number(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_place(const void *left, const void *right)
{
    const chat__happening *a = left, *b = right;
    int order = compare_number(a->by, b->by);
    if (order == 0)
        order = compare_number(a->chat, b->chat);
    if (order == 0)
        order = compare_number(a->seq, b->seq);
    return order != 0 ? order : compare_number(a->line, b->line);
}

static int by_id(const void *left, const void *right)
{
    const chat__happening *a = left, *b = right;
    return compare_number(a->id, b->id);
}

static int by_cid(const void *left, const void *right)
{
    const chat__happening *a = left, *b = right;
    int order = compare_number(a->from, b->from);
    if (order == 0)
        order = compare_number(a->cid, b->cid);
    return order != 0 ? order : compare_number(a->chat, b->chat);
}

/* The first with this place, or NULL. */
const chat__happening *chat__judge_find(const chat__happening *items, size_t n, uint32_t by,
                                        uint32_t chat, uint64_t seq)
{
    chat__happening wanted = {.by = by, .chat = chat, .seq = seq};
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_place(&items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    const chat__happening *found = &items[low];
    return low < n && found->by == by && found->chat == chat && found->seq == seq ? found : NULL;
}

/* A copy of those of a kind, sorted. */
static chat_status pick(const judge *j, int is_log, chat__happening **out, size_t *out_n)
{
    const chat_history *history = j->history;
    chat__happening *items = malloc((history->n_items + 1) * sizeof *items);
    size_t n = 0;
    if (items == NULL)
        return CHAT_ERR_NOMEM;
    for (size_t i = 0; i < history->n_items; i++) {
        chat__happening_type type = history->items[i].type;
        int is_one = is_log ? type == CHAT__HAPPENED_STORED
                            : type == CHAT__HAPPENED_SEEN || type == CHAT__HAPPENED_SENT;
        if (is_one)
            items[n++] = history->items[i];
    }
    qsort(items, n, sizeof *items, by_place);
    *out = items;
    *out_n = n;
    return CHAT_OK;
}

/* --- what one device saw --- */

/* In the order in which it saw it. Own records are known by their answer and may come before what
   was stored in front of them, so they are not in this order. */
static void check_orders(judge *j)
{
    const chat_history *history = j->history;
    const chat__happening *first = j->seen;
    for (size_t i = 0; i < j->n_seen; i++) {
        const chat__happening *item = &first[i];
        const chat__happening *next = i + 1 < j->n_seen ? item + 1 : NULL;
        if (next == NULL || next->by != item->by || next->chat != item->chat)
            continue;
        if (item->seq == next->seq && item->id != 0 && next->id != 0 && item->id != next->id)
            chat__judge_violate(j, next->line, "one order: %s was told two ids for seq %llu of %s",
                                observer_name(j, item->by), (unsigned long long)item->seq,
                                chat__judge_name(j, item->chat));
        if (item->type != CHAT__HAPPENED_SEEN || next->type != CHAT__HAPPENED_SEEN)
            continue;
        if (item->seq == next->seq)
            chat__judge_violate(j, next->line, "once: %s saw seq %llu of %s twice",
                                observer_name(j, item->by), (unsigned long long)item->seq,
                                chat__judge_name(j, item->chat));
        else if (item->line > next->line)
            chat__judge_violate(j, item->line, "one order: %s saw seq %llu of %s after seq %llu",
                                observer_name(j, item->by), (unsigned long long)item->seq,
                                chat__judge_name(j, item->chat), (unsigned long long)next->seq);
    }
    if (history->bad_line != 0)
        chat__judge_violate(j, history->bad_line, "%s", history->bad);
}

/* --- against what was stored --- */

static void check_log(judge *j)
{
    chat__happening *items = j->log;
    for (size_t i = 0; i + 1 < j->n_log; i++) {
        const chat__happening *item = &items[i], *next = &items[i + 1];
        if (item->chat != next->chat)
            continue;
        uint64_t nodes = (item->id ^ next->id) >> 13 & 1023; /* of a snowflake: <chat/id.h> */
        if (item->seq == next->seq)
            chat__judge_violate(j, next->line, "one order: seq %llu is there twice in %s",
                                (unsigned long long)item->seq, chat__judge_name(j, item->chat));
        else if (nodes == 0 && item->id > next->id)
            chat__judge_violate(j, next->line,
                                "growing ids: seq %llu of %s has a smaller id than the one "
                                "before it, of the same node",
                                (unsigned long long)next->seq, chat__judge_name(j, item->chat));
    }
}

static void check_unique(judge *j, chat__happening *items)
{
    memcpy(items, j->log, j->n_log * sizeof *items);
    qsort(items, j->n_log, sizeof *items, by_id);
    for (size_t i = 0; i + 1 < j->n_log; i++) {
        if (items[i].id == items[i + 1].id)
            chat__judge_violate(j, items[i + 1].line, "unique ids: %llu was given twice",
                                (unsigned long long)items[i].id);
    }
    qsort(items, j->n_log, sizeof *items, by_cid);
    for (size_t i = 0; i + 1 < j->n_log; i++) {
        if (items[i].cid != CHAT__NO_NAME && by_cid(&items[i], &items[i + 1]) == 0)
            chat__judge_violate(j, items[i + 1].line, "once: %s of %s is stored twice",
                                chat__judge_name(j, items[i].cid),
                                chat__judge_name(j, items[i].from));
    }
}

static void check_against_log(judge *j, const chat__happening *item)
{
    const chat__happening *stored =
        chat__judge_find(j->log, j->n_log, CHAT__NO_NAME, item->chat, item->seq);
    const char *by = observer_name(j, item->by);
    unsigned long long seq = item->seq;
    int is_same = stored != NULL && (item->id == 0 || item->id == stored->id);
    if (is_same)
        return;
    if (item->type == CHAT__HAPPENED_SENT)
        chat__judge_violate(
            j, item->line, "acknowledged is durable: %s of %s, seq %llu of %s, is lost",
            item->cid != CHAT__NO_NAME ? chat__judge_name(j, item->cid) : "a request", by, seq,
            chat__judge_name(j, item->chat));
    else
        chat__judge_violate(j, item->line,
                            "one order: %s saw seq %llu of %s, which the chat does not have", by,
                            seq, chat__judge_name(j, item->chat));
}

/* One answer for a message, over whatever connection. */
static void check_answers(judge *j, chat__happening *items)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n_seen; i++) {
        if (j->seen[i].type == CHAT__HAPPENED_SENT && j->seen[i].cid != CHAT__NO_NAME) {
            items[n] = j->seen[i];
            items[n++].from = j->history->observers[j->seen[i].by].user;
        }
    }
    qsort(items, n, sizeof *items, by_cid);
    for (size_t i = 0; i + 1 < n; i++) {
        if (by_cid(&items[i], &items[i + 1]) == 0 && items[i].seq != items[i + 1].seq)
            chat__judge_violate(
                j, items[i + 1].line, "one-copy: %s of %s was answered with two places",
                chat__judge_name(j, items[i].cid), chat__judge_name(j, items[i].from));
    }
}

/* --- who gets what --- */

typedef struct members {
    uint32_t *users;
    size_t n_users, cap;
    uint32_t leavers[CHAT_GROUP_MAX_MEMBERS]; /* by this record */
    size_t n_leavers;
} members;

static int is_in(const uint32_t *users, size_t n, uint32_t user)
{
    size_t i = 0;
    while (i < n && users[i] != user)
        i++;
    return i < n;
}

static void enter(members *m, uint32_t user)
{
    if (user != CHAT__NO_NAME && !is_in(m->users, m->n_users, user) && m->n_users < m->cap)
        m->users[m->n_users++] = user;
}

static void leave(members *m, uint32_t user)
{
    for (size_t i = 0; i < m->n_users; i++) {
        if (m->users[i] != user)
            continue;
        m->users[i] = m->users[--m->n_users];
        if (m->n_leavers < CHAT_GROUP_MAX_MEMBERS)
            m->leavers[m->n_leavers++] = user;
        return;
    }
}

static void apply(const judge *j, const chat__happening *record, members *m)
{
    m->n_leavers = 0;
    if (record->is_chat)
        enter(m, record->from);
    for (uint32_t i = 0; i < record->n_users; i++) {
        uint32_t user = j->history->users[record->users_at + i];
        if (record->is_chat || record->is_joining)
            enter(m, user);
        else if (record->is_leaving)
            leave(m, user);
    }
}

static int is_for(const judge *j, const chat__happening *record, const members *m, uint32_t user)
{
    chat_view both[2];
    const char *chat = chat__judge_name(j, record->chat);
    if (chat_direct_members(chat__view_str(chat), both) != CHAT_OK)
        return is_in(m->users, m->n_users, user) || is_in(m->leavers, m->n_leavers, user);
    chat_view who = chat__view_str(chat__judge_name(j, user));
    return chat__view_equal(both[0], who) || chat__view_equal(both[1], who);
}

/* Said to be left out: the application knows. */
static int is_excused(const judge *j, uint32_t by, const chat__happening *record)
{
    for (size_t i = 0; i < j->history->n_items; i++) {
        const chat__happening *gap = &j->history->items[i];
        if (gap->type == CHAT__HAPPENED_GAP && gap->by == by && gap->chat == record->chat &&
            record->seq > gap->seq && (gap->id == 0 || record->seq < gap->id))
            return 1;
    }
    return 0;
}

/* The first that the device was sent of a chat, 0: nothing. What it wrote itself may be older. */
static uint64_t first_seen(const judge *j, uint32_t by, uint32_t chat)
{
    for (const chat__happening *seen = j->seen; seen < j->seen + j->n_seen; seen++) {
        if (seen->type == CHAT__HAPPENED_SEEN && seen->by == by && seen->chat == chat)
            return seen->seq;
    }
    return 0;
}

/* Between what the device had when it was forgotten and where it began anew. */
static int is_skipped(const judge *j, const chat__happening *forgotten,
                      const chat__happening *record)
{
    uint64_t last = 0, first = UINT64_MAX;
    for (size_t i = 0; i < j->n_seen; i++) {
        const chat__happening *seen = &j->seen[i];
        if (seen->type != CHAT__HAPPENED_SEEN || seen->by != forgotten->by ||
            seen->chat != record->chat)
            continue;
        if (seen->line < forgotten->line)
            last = seen->seq;
        else if (first == UINT64_MAX)
            first = seen->seq;
    }
    return record->seq > last && record->seq < first;
}

static int was_forgotten(const judge *j, uint32_t by, const chat__happening *record)
{
    for (size_t i = 0; i < j->history->n_items; i++) {
        const chat__happening *item = &j->history->items[i];
        if (item->type == CHAT__HAPPENED_FORGOTTEN && item->by == by && is_skipped(j, item, record))
            return 1;
    }
    return 0;
}

/* Whether another device of the user had it before this one saw anything of the chat, since
 * `after`. */
static int had_another(const judge *j, uint32_t by, uint64_t after, const chat__happening *record)
{
    uint64_t first = UINT64_MAX, had = UINT64_MAX;
    const chat__observer *observers = j->history->observers;
    for (size_t i = 0; i < j->n_seen; i++) {
        const chat__happening *seen = &j->seen[i];
        if (seen->chat != record->chat || observers[seen->by].user != observers[by].user)
            continue;
        if (seen->by == by && seen->line > after && seen->line < first)
            first = seen->line;
        if (seen->by != by && seen->seq == record->seq && seen->line < had)
            had = seen->line;
    }
    return had < first;
}

/* A later device, or one that was forgotten, begins where its user is. Older records may still be
   on their way to it then, so that the first that it sees is not where it began. */
static int is_before_start(const judge *j, uint32_t by, const chat__happening *record)
{
    if (!j->history->observers[by].is_first && had_another(j, by, 0, record))
        return 1;
    for (size_t i = 0; i < j->history->n_items; i++) {
        const chat__happening *item = &j->history->items[i];
        if (item->type == CHAT__HAPPENED_FORGOTTEN && item->by == by &&
            had_another(j, by, item->line, record))
            return 1;
    }
    return 0;
}

static void check_delivery(judge *j, const chat__happening *record, const members *m, uint32_t by)
{
    const chat__observer *observer = &j->history->observers[by];
    const chat__happening *saw =
        chat__judge_find(j->seen, j->n_seen, by, record->chat, record->seq);
    int is_meant = is_for(j, record, m, observer->user);
    if (saw != NULL && !is_meant) {
        chat__judge_violate(j, saw->line, "members only: %s saw seq %llu of %s",
                            chat__judge_name(j, observer->name), (unsigned long long)record->seq,
                            chat__judge_name(j, record->chat));
        return;
    }
    /* Who made a chat has it by his answer, or by a second one without its place. */
    int is_own = record->is_chat && record->from == observer->user;
    if (saw != NULL || !is_meant || is_own || !j->history->is_ended || observer->first_line == 0 ||
        is_excused(j, by, record))
        return;
    /* A later device of a user starts where the user is. */
    uint64_t first = observer->is_first ? 1 : first_seen(j, by, record->chat);
    if (first != 0 && record->seq >= first && !was_forgotten(j, by, record) &&
        !is_before_start(j, by, record))
        chat__judge_violate(j, record->line, "delivered or queued: %s never saw seq %llu of %s",
                            chat__judge_name(j, observer->name), (unsigned long long)record->seq,
                            chat__judge_name(j, record->chat));
}

static void check_members(judge *j, members *m)
{
    for (size_t i = 0; i < j->n_log; i++) {
        const chat__happening *record = &j->log[i];
        if (i == 0 || record->chat != j->log[i - 1].chat)
            m->n_users = 0;
        apply(j, record, m);
        for (uint32_t by = 0; by < j->history->n_observers; by++)
            check_delivery(j, record, m, by);
    }
}

/* --- resuming, reading --- */

static void check_resumed(judge *j)
{
    for (uint32_t i = 0; i < j->history->n_observers && j->history->is_ended; i++) {
        const chat__observer *observer = &j->history->observers[i];
        if (observer->is_open && observer->n_resumed == 0)
            chat__judge_violate(
                j, 0, "one-resume-event: %s never heard `resumed` over its last connection",
                chat__judge_name(j, observer->name));
    }
}

static void check_reads(judge *j)
{
    const chat_history *history = j->history;
    for (size_t i = 0; i < history->n_items; i++) {
        const chat__happening *item = &history->items[i];
        for (size_t k = i; k-- > 0 && item->type == CHAT__HAPPENED_READ;) {
            const chat__happening *before = &history->items[k];
            if (before->type != CHAT__HAPPENED_READ || before->by != item->by ||
                before->chat != item->chat)
                continue;
            if (before->seq > item->seq)
                chat__judge_violate(j, item->line, "a marker never goes back: of %s in %s it did",
                                    observer_name(j, item->by), chat__judge_name(j, item->chat));
            break;
        }
    }
}

static chat_status judge_all(judge *j)
{
    size_t n_most = j->n_log > j->n_seen ? j->n_log : j->n_seen;
    chat__happening *scratch = malloc((n_most + 1) * sizeof *scratch);
    members m = {.cap = j->history->n_names + 1};
    m.users = malloc(m.cap * sizeof *m.users);
    chat_status status = scratch != NULL && m.users != NULL ? CHAT_OK : CHAT_ERR_NOMEM;
    if (status == CHAT_OK) {
        check_orders(j);
        check_answers(j, scratch);
        check_resumed(j);
        check_reads(j);
        check_log(j);
        check_unique(j, scratch);
        for (size_t i = 0; i < j->n_seen && j->n_log > 0; i++)
            check_against_log(j, &j->seen[i]);
        check_members(j, &m);
        status = chat__judge_blocks(j);
    }
    if (status == CHAT_OK)
        status = chat__judge_fates(j);
    free(scratch);
    free(m.users);
    return status;
}

chat_status chat_history_judge(chat_history *history, chat_history_verdict *out)
{
    chat_history_verdict verdict = {.struct_size = (uint32_t)sizeof verdict};
    judge j = {.history = history, .out = &verdict};
    if (history == NULL || out == NULL ||
        chat__sized_give(out, &verdict, sizeof verdict) != CHAT_OK)
        return CHAT_ERR_ARG;
    chat_status status = pick(&j, 1, &j.log, &j.n_log);
    if (status == CHAT_OK)
        status = pick(&j, 0, &j.seen, &j.n_seen);
    if (status == CHAT_OK)
        status = judge_all(&j);
    for (size_t i = 0; i < j.n_seen; i++) {
        verdict.n_sent += j.seen[i].type == CHAT__HAPPENED_SENT;
        verdict.n_seen += j.seen[i].type == CHAT__HAPPENED_SEEN;
    }
    verdict.n_stored = j.n_log;
    verdict.n_observers = (uint32_t)history->n_observers;
    free(j.log);
    free(j.seen);
    (void)chat__sized_give(out, &verdict, sizeof verdict);
    if (status != CHAT_OK)
        return status;
    return verdict.violation[0] == 0 ? CHAT_OK : CHAT_ERR_CORRUPT;
}
