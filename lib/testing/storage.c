/* SPDX-License-Identifier: MIT */
/*
 * Storage of the simulation: a log that loses what was not committed (all of it, or all but a
 * start) in a crash, and cursors that lose what was not flushed. Answers are taken when asked or
 * when given, by chance: a real store may do either.
 */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

static const char *name_of(char *out, size_t cap, chat_view view)
{
    chat__sim_copy_name(out, cap, view);
    return out;
}

static int is_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- the log --- */

static uint64_t last_seq_of(const sim *s, const char *chat, int only_durable)
{
    for (size_t i = s->storage.n_records; i > 0; i--) {
        const sim_record *record = &s->storage.records[i - 1];
        if (is_text(record->chat, chat) && (record->is_durable || !only_durable))
            return record->seq;
    }
    return 0;
}

int chat__sim_is_first(const sim *s, const sim_record *record)
{
    for (const sim_record *each = s->storage.records; each < record; each++) {
        if (is_text(each->chat, record->chat))
            return 0;
    }
    return 1;
}

/* Mostly quick, now and then a disk that takes its time. */
static uint64_t commit_ms(sim *s)
{
    int is_slow = chat__sim_chance(s, 3);
    uint64_t ms = 1 + chat__sim_random(s, is_slow ? 3000 : 30);
    if (is_slow)
        chat__sim_trace(s, "the disk takes %llu ms", (unsigned long long)ms);
    return ms;
}

void chat__sim_storage_append(sim *s, uint32_t node, const chat__effect *effect)
{
    sim_storage *storage = &s->storage;
    if (storage->is_dead) {
        chat__node_appended(s->nodes[node], effect->tag, CHAT_ERR_IO, 0, 0);
        return;
    }
    if (!chat__sim_grow(s, (void **)&storage->records, &storage->cap, storage->n_records,
                        sizeof *storage->records))
        return;
    uint8_t newer[SIM_NEWER_BYTES];
    chat_view bytes = chat__sim_newer_frame(s, node, effect->bytes, newer);
    uint8_t *payload = malloc(bytes.len);
    if (payload == NULL) {
        s->is_out_of_memory = 1;
        return;
    }
    sim_record *record = &storage->records[storage->n_records];
    memset(record, 0, sizeof *record);
    chat__sim_copy_name(record->chat, sizeof record->chat, effect->chat);
    record->prev = last_seq_of(s, record->chat, 0);
    record->partition = effect->partition;
    record->kind = effect->kind;
    record->node = node;
    record->id = effect->id;
    record->tag = effect->tag;
    record->order = ++storage->n_appended;
    record->payload = payload;
    record->len = bytes.len;
    memcpy(payload, bytes.data, bytes.len);
    uint64_t *last = &storage->last_seq[effect->partition];
    record->seq = effect->id > *last + 1 ? effect->id : *last + 1;
    *last = record->seq;
    storage->n_records++;
    if (s->plant == SIM_PLANT_ACK_BEFORE_FSYNC) {
        chat__node_appended(s->nodes[node], record->tag, CHAT_OK, record->seq, record->prev);
        record->tag = 0;
    }
    if (!storage->is_commit_due) {
        chat_view none = {NULL, 0};
        storage->is_commit_due = 1;
        if (s->is_calm)
            return;
        (void)chat__sim_schedule(s, SIM_EV_COMMIT, s->now_ms + commit_ms(s), none);
    }
}

void chat__sim_storage_restore(sim *s)
{
    sim_storage *storage = &s->storage;
    memset(storage->last_seq, 0, sizeof storage->last_seq);
    for (size_t i = 0; i < storage->n_records; i++)
        storage->last_seq[storage->records[i].partition] = storage->records[i].seq;
}

/* Answer the staged records. After a failed sync they are neither readable nor gone: a restart
   finds some of them. */
void chat__sim_storage_answer(sim *s, chat_status status)
{
    sim_storage *storage = &s->storage;
    size_t first = 0;
    while (first < storage->n_records && storage->records[first].is_durable)
        first++;
    size_t n = storage->n_records;
    for (size_t i = first; status == CHAT_OK && i < n; i++)
        storage->records[i].is_durable = 1;
    for (size_t i = first; i < n; i++) {
        sim_record *record = &storage->records[i];
        uint64_t tag = record->tag;
        record->tag = 0;
        if (tag != 0)
            chat__node_appended(s->nodes[record->node], tag, status, record->seq, record->prev);
    }
    if (status != CHAT_ERR_FULL)
        return;
    for (size_t i = first; i < n; i++)
        free(storage->records[i].payload);
    storage->n_records = first;
    chat__sim_storage_restore(s);
}

void chat__sim_storage_commit(sim *s)
{
    sim_storage *storage = &s->storage;
    storage->is_commit_due = 0;
    for (uint32_t node = 0; node < s->options.n_nodes; node++)
        chat__sim_begin(s, node);
    if (!s->is_settling && !storage->is_dead && chat__sim_chance(s, 1)) {
        storage->is_dead = 1;
        chat__sim_trace(s, "fdatasync fails: the log takes nothing more until a restart");
    }
    if (storage->is_dead) {
        chat__sim_storage_answer(s, CHAT_ERR_IO);
    } else if (!s->is_settling && chat__sim_chance(s, 2)) {
        chat__sim_trace(s, "the disk is full");
        chat__sim_storage_answer(s, CHAT_ERR_FULL);
    } else {
        chat__sim_storage_answer(s, CHAT_OK);
    }
    for (uint32_t node = 0; node < s->options.n_nodes; node++)
        chat__sim_run_effects(s, node);
}

uint64_t chat__sim_storage_max_id(const sim *s, uint32_t node)
{
    uint64_t max_id = 0;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (s->storage.records[i].id > max_id &&
            chat_snowflake_decode(s->storage.records[i].id).node == node)
            max_id = s->storage.records[i].id;
    }
    return max_id;
}

/* --- cursors --- */

static sim_cursor *cursor_of(sim *s, const char *user, const char *device, const char *chat)
{
    sim_storage *storage = &s->storage;
    for (size_t i = 0; i < storage->n_cursors; i++) {
        sim_cursor *cursor = &storage->cursors[i];
        if (is_text(cursor->user, user) && is_text(cursor->device, device) &&
            is_text(cursor->chat, chat))
            return cursor;
    }
    if (!chat__sim_grow(s, (void **)&storage->cursors, &storage->cursors_cap, storage->n_cursors,
                        sizeof *storage->cursors))
        return NULL;
    sim_cursor *cursor = &storage->cursors[storage->n_cursors++];
    memset(cursor, 0, sizeof *cursor);
    chat__sim_copy_name(cursor->user, sizeof cursor->user, chat__sim_view(user));
    chat__sim_copy_name(cursor->device, sizeof cursor->device, chat__sim_view(device));
    chat__sim_copy_name(cursor->chat, sizeof cursor->chat, chat__sim_view(chat));
    return cursor;
}

void chat__sim_storage_cursor(sim *s, const chat__effect *effect)
{
    char user[SIM_NAME_BYTES], device[SIM_NAME_BYTES], chat[SIM_CHAT_BYTES];
    sim_cursor *cursor = cursor_of(s, name_of(user, sizeof user, effect->user),
                                   name_of(device, sizeof device, effect->device),
                                   name_of(chat, sizeof chat, effect->chat));
    if (cursor != NULL && cursor->seq < effect->seq)
        cursor->seq = effect->seq;
}

void chat__sim_storage_flush(sim *s)
{
    for (size_t i = 0; i < s->storage.n_cursors; i++)
        s->storage.cursors[i].flushed_seq = s->storage.cursors[i].seq;
    chat__sim_devices_flush(s);
}

void chat__sim_storage_keep_cursors(sim *s, const char *user, const char *device)
{
    size_t n = s->storage.n_cursors;
    for (size_t i = 0; i < n; i++) {
        sim_cursor *cursor = &s->storage.cursors[i];
        uint64_t seq = cursor->seq;
        if (!is_text(cursor->user, user) || !is_text(cursor->device, device))
            continue;
        cursor->seq = 0;
        /* The cursors move when one more is made. */
        char chat[SIM_CHAT_BYTES];
        memcpy(chat, cursor->chat, sizeof chat);
        sim_cursor *kept = cursor_of(s, user, "", chat);
        if (kept != NULL && kept->seq < seq)
            kept->seq = seq;
    }
}

uint64_t chat__sim_storage_start(const sim *s, const char *user, const char *device,
                                 const char *chat)
{
    for (size_t i = 0; i < s->storage.n_cursors; i++) {
        const sim_cursor *cursor = &s->storage.cursors[i];
        if (is_text(cursor->user, user) && is_text(cursor->device, device) &&
            is_text(cursor->chat, chat))
            return cursor->start;
    }
    return 0;
}

/* --- questions --- */

uint64_t chat__sim_storage_delivered(const sim *s, const char *user, const char *chat)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < s->storage.n_cursors; i++) {
        const sim_cursor *cursor = &s->storage.cursors[i];
        if (is_text(cursor->user, user) && is_text(cursor->chat, chat) && cursor->seq > seq)
            seq = cursor->seq;
    }
    return seq;
}

static void take_user_chat(sim *s, sim_answer *answer, const char *chat, int is_new)
{
    sim_group group;
    chat__sim_group_of(s, chat, &group);
    const sim_member *member = chat__sim_member_of(&group, answer->user);
    if (member == NULL)
        return;
    chat__node_user_chat *row = &answer->chats[answer->n_rows++];
    sim_cursor *cursor = cursor_of(s, answer->user, answer->device, chat);
    if (cursor == NULL)
        return;
    if (is_new) {
        cursor->seq = chat__sim_storage_delivered(s, answer->user, chat);
        cursor->flushed_seq = cursor->seq;
        cursor->start = cursor->seq;
    }
    char *name = answer->names + (answer->n_rows - 1) * SIM_CHAT_BYTES;
    chat__sim_copy_name(name, SIM_CHAT_BYTES, chat__sim_view(chat));
    row->chat = chat__sim_view(name);
    row->cursor = cursor->seq;
    if (!member->was_from_start && row->cursor < member->first - 1)
        row->cursor = member->first - 1;
    row->is_past = member->left != 0;
    row->last_seq = row->is_past ? member->left : last_seq_of(s, chat, 1);
}

static void take_user(sim *s, sim_answer *answer)
{
    sim_storage *storage = &s->storage;
    answer->status = answer->device[0] != 0 ? chat__sim_device_hello(s, answer) : CHAT_OK;
    int is_new = answer->status == CHAT_EMPTY;
    if (answer->status < 0)
        return;
    answer->chats = calloc(storage->n_records + 1, sizeof *answer->chats);
    answer->names = calloc(storage->n_records + 1, SIM_CHAT_BYTES);
    if (answer->chats == NULL || answer->names == NULL)
        return;
    for (size_t i = 0; i < storage->n_records; i++) {
        const sim_record *record = &storage->records[i];
        if (record->is_durable && chat__sim_is_first(s, record))
            take_user_chat(s, answer, record->chat, is_new);
    }
    chat__sim_storage_cut(s, answer);
}

/* Which records a user may read; all of them when there is no user. */
static uint8_t *readable_of(sim *s, const sim_answer *answer)
{
    sim_group group;
    uint64_t first_out = 0;
    uint8_t *may = calloc(s->storage.n_records + 1, 1);
    chat__sim_group_init(&group, answer->chat);
    for (size_t i = 0; may != NULL && i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (!record->is_durable || !is_text(record->chat, answer->chat))
            continue;
        chat__sim_group_apply(s, &group, record);
        may[i] = answer->user[0] == 0 || s->plant == SIM_PLANT_HISTORY_OF_OTHERS ||
                 chat__sim_is_for(&group, answer->user, record->seq);
        const sim_member *member = chat__sim_member_of(&group, answer->user);
        if (member != NULL && first_out == 0)
            first_out = i + 1;
    }
    /* Before the first membership too. */
    for (size_t i = 0; may != NULL && i + 1 < first_out; i++)
        may[i] = 1;
    return may;
}

static void take_rows(sim *s, sim_answer *answer)
{
    sim_storage *storage = &s->storage;
    int is_back = answer->after == UINT64_MAX;
    uint8_t *may = readable_of(s, answer);
    answer->rows = calloc(answer->limit + 1, sizeof *answer->rows);
    for (size_t k = 0; may != NULL && answer->rows != NULL && k < storage->n_records; k++) {
        size_t i = is_back ? storage->n_records - 1 - k : k;
        const sim_record *record = &storage->records[i];
        int is_wanted = is_back ? record->seq < answer->before : record->seq > answer->after;
        if (!record->is_durable || !is_wanted || !may[i] || !is_text(record->chat, answer->chat))
            continue;
        if (answer->n_rows == answer->limit) {
            answer->has_more = 1;
            break;
        }
        chat__node_row *row = &answer->rows[answer->n_rows++];
        row->seq = record->seq;
        row->prev = record->prev;
        row->payload.data = record->payload;
        row->payload.len = record->len;
        chat__sim_notes_apply(s, answer, record, row);
    }
    free(may);
}

/* The names are in the answer. */
static void take_chat(sim *s, sim_answer *answer)
{
    sim_group group;
    chat__sim_group_of(s, answer->chat, &group);
    answer->members = calloc(SIM_MAX_CLIENTS, sizeof *answer->members);
    answer->names = calloc(SIM_MAX_CLIENTS, SIM_CHAT_BYTES);
    if (answer->members == NULL || answer->names == NULL)
        return;
    for (size_t i = 0; i < group.n_members; i++) {
        const sim_member *member = &group.members[i];
        if (member->left != 0)
            continue;
        char *name = answer->names + answer->n_members * SIM_CHAT_BYTES;
        memcpy(name, member->user, sizeof member->user);
        chat__node_member *out = &answer->members[answer->n_members++];
        out->user = chat__sim_view(name);
        out->since = member->since;
        out->role = member->role;
    }
    answer->is_open = group.is_open;
    answer->kind = chat__sim_blocks_in(s, answer->chat);
    answer->status = group.is_there || answer->kind != 0 ? CHAT_OK : CHAT_ERR_NOT_FOUND;
}

void chat__sim_storage_take(sim *s, sim_answer *answer)
{
    answer->is_taken = 1;
    answer->status = CHAT_OK;
    if (chat__sim_devices_are_asked(answer))
        chat__sim_devices_take(s, answer);
    else if (answer->type == CHAT__EFFECT_LOAD_BLOCKS)
        chat__sim_blocks_take(s, answer);
    else if (answer->type != CHAT__EFFECT_READ)
        (answer->type == CHAT__EFFECT_LOAD_CHAT ? take_chat : take_user)(s, answer);
    else
        (answer->id != 0 ? chat__sim_notes_react : take_rows)(s, answer);
}

sim_answer *chat__sim_storage_ask(sim *s, const chat__effect *effect)
{
    chat_view members[2];
    sim_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        s->is_out_of_memory = 1;
        return NULL;
    }
    answer->type = effect->type;
    answer->tag = effect->tag;
    answer->after = effect->after;
    answer->before = effect->before;
    answer->seq = effect->seq;
    answer->id = effect->id;
    answer->limit = effect->limit;
    answer->kind = effect->kind;
    chat__sim_copy_name(answer->chat, sizeof answer->chat, effect->chat);
    chat__sim_copy_name(answer->user, sizeof answer->user, effect->user);
    chat__sim_copy_name(answer->device, sizeof answer->device, effect->device);
    int is_direct = chat_direct_members(effect->chat, members) == CHAT_OK;
    if (chat__sim_devices_ask(s, answer, effect->names) ||
        ((answer->type != CHAT__EFFECT_LOAD_CHAT || is_direct) &&
         answer->type != CHAT__EFFECT_LOAD_MARKS && answer->type != CHAT__EFFECT_LOAD_AWAY &&
         chat__sim_chance(s, 50)))
        chat__sim_storage_take(s, answer);
    return answer;
}

void chat__sim_storage_give(sim *s, chat__node *node, sim_answer *answer)
{
    if (answer->type == CHAT__EFFECT_LOAD_MARKS) {
        chat__sim_marks_give(s, node, answer);
        return;
    }
    if (answer->type == CHAT__EFFECT_LOAD_AWAY) {
        chat__sim_told_give(s, node, answer);
        return;
    }
    if (!answer->is_taken)
        chat__sim_storage_take(s, answer);
    if (chat__sim_devices_are_asked(answer)) {
        chat__sim_devices_give(s, node, answer);
    } else if (answer->type == CHAT__EFFECT_LOAD_CHAT) {
        chat__node_chat chat = {.is_open = answer->is_open,
                                .blocked = answer->kind,
                                .members = answer->members,
                                .n_members = answer->n_members};
        chat__node_chat_loaded(node, answer->tag, answer->status, &chat);
    } else if (answer->type == CHAT__EFFECT_LOAD_BLOCKS) {
        chat__sim_blocks_give(node, answer);
    } else if (answer->type == CHAT__EFFECT_LOAD_USER) {
        chat__node_user_loaded(node, answer->tag, answer->status, answer->chats, answer->n_rows);
    } else {
        chat__node_rows_read(node, answer->tag, answer->status, answer->rows, answer->n_rows,
                             answer->has_more);
    }
}

void chat__sim_answer_free(sim_answer *answer)
{
    free(answer->members);
    free(answer->chats);
    free(answer->names);
    free(answer->rows);
    free(answer->devices);
    free(answer->connected);
    for (size_t i = 0; i < answer->n_owned; i++)
        free(answer->owned[i]);
    free(answer->owned);
    free(answer);
}

void chat__sim_storage_free(sim *s)
{
    for (size_t i = 0; i < s->storage.n_records; i++)
        free(s->storage.records[i].payload);
    free(s->storage.records);
    free(s->storage.cursors);
    free(s->blocks);
}
