/* SPDX-License-Identifier: MIT */
/*
 * The rows of records: in the first round the records and what they mean for users, in the second
 * the heads of chats with what the chat is, and how far users have read.
 */
#include "backends/cassandra/store/apply_internal.h"
#include "backends/cassandra/store/marks.h"

#include "base/view.h"

/* --- how far users have read --- */

static chat__cstore_entry *read_of(chat__cstore_applying *a, const chat__facts *facts)
{
    uint8_t raw[CHAT__CSTORE_KEY_BYTES];
    return chat__cstore_cache_put(&a->reads, chat__cstore_key_of(facts->user, facts->of, raw));
}

static chat_status ask_read(chat__cstore_applying *a, uint32_t i)
{
    const chat__facts *facts = a->facts;
    chat_status status = chat__cstore_facts_of(a, i);
    if (status != CHAT_OK || facts->what != CHAT__FACT_READ)
        return status;
    size_t n_before = a->reads.map.n_items;
    chat__cstore_entry *entry = read_of(a, facts);
    if (entry == NULL)
        return CHAT_ERR_NOMEM;
    if (a->reads.map.n_items == n_before)
        return CHAT_OK;
    entry->tag = a->records[i].partition;
    pthread_mutex_lock(&a->writer->lock);
    const chat__cstore_entry *known =
        chat__cstore_cache_get(&a->writer->reads, chat__view(entry->key, entry->key_len));
    if (known != NULL)
        entry->numbers[CHAT__CSTORE_READ_SEQ] = known->numbers[0];
    pthread_mutex_unlock(&a->writer->lock);
    if (known != NULL)
        return CHAT_OK;
    entry->numbers[CHAT__CSTORE_READ_ITEM] =
        chat__cstore_ask(&a->call, CHAT__CSTORE_GET_READ) + UINT64_C(1);
    chat__cstore_text(&a->call, facts->user);
    chat__cstore_text(&a->call, facts->of);
    return CHAT_OK;
}

chat_status chat__cstore_ask_reads(chat__cstore_applying *a)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < a->n && status == CHAT_OK; i++) {
        if (a->records[i].kind == CHAT_FRAME_MARKER)
            status = ask_read(a, i);
    }
    return status;
}

void chat__cstore_take_reads(chat__cstore_applying *a)
{
    for (chat__cstore_entry *each = a->reads.oldest; each != NULL; each = each->newer) {
        if (each->numbers[CHAT__CSTORE_READ_ITEM] == 0)
            continue;
        chat__cstore_rows rows =
            chat__cstore_rows_of(&a->call, (uint32_t)each->numbers[CHAT__CSTORE_READ_ITEM] - 1);
        if (chat__cstore_next(&rows))
            each->numbers[CHAT__CSTORE_READ_SEQ] = chat__cstore_get_u64(&rows);
    }
}

/* --- the first round --- */

void chat__cstore_message_values(chat__cstore_call *call, const chat__cstore_message *message,
                                 uint64_t timestamp)
{
    chat__cstore_text(call, message->chat);
    chat__cstore_u32(call, chat__cstore_bucket_of(message->seq));
    chat__cstore_u64(call, message->seq);
    chat__cstore_u64(call, message->id);
    chat__cstore_u32(call, message->kind);
    chat__cstore_u64(call, message->prev);
    chat__cstore_u64(call, message->ordinal);
    chat__cstore_text(call, message->payload);
    chat__cstore_u64(call, timestamp);
}

static void put_bucket(chat__cstore_applying *a, const chat_store_record *record)
{
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_BUCKET);
    chat__cstore_text(&a->call, record->chat);
    chat__cstore_u32(&a->call, chat__cstore_bucket_of(record->seq));
    chat__cstore_u64(&a->call, record->seq);
}

/* Those of a bucket together. */
static void put_messages(chat__cstore_applying *a, const chat__cstore_moving *head)
{
    uint32_t open_span = CHAT__CSTORE_NONE;
    for (uint32_t i = head->first; i != CHAT__CSTORE_NONE; i = a->places[i].next) {
        const chat_store_record *record = &a->records[i];
        const chat__cstore_placed *place = &a->places[i];
        uint32_t span = chat__cstore_bucket_of(record->seq);
        chat__cstore_message message = {record->chat,   record->seq,  record->id,     place->prev,
                                        place->ordinal, record->kind, record->payload};
        if (place->is_stored)
            continue;
        if (place->prev == 0 || chat__cstore_bucket_of(place->prev) != span) {
            put_bucket(a, record);
            open_span = CHAT__CSTORE_NONE;
        }
        if (span == open_span)
            (void)chat__cstore_join(&a->call, CHAT__CSTORE_PUT_MESSAGE);
        else
            (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_MESSAGE);
        open_span = span;
        chat__cstore_message_values(&a->call, &message, record->seq);
    }
}

static void put_users(chat__cstore_applying *a, const chat_store_record *record)
{
    const chat__facts *facts = a->facts;
    for (size_t i = 0; i < facts->n_users; i++) {
        if (i > 0)
            (void)chat__cstore_join(&a->call, CHAT__CSTORE_PUT_MEMBER);
        else
            (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_MEMBER);
        chat__cstore_text(&a->call, record->chat);
        chat__cstore_text(&a->call, facts->users[i]);
        chat__cstore_u64(&a->call, record->seq);
        chat__cstore_u8(&a->call, facts->values[i]);
        chat__cstore_u64(&a->call, record->seq);
    }
    for (size_t i = 0; i < facts->n_users; i++) {
        (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_MEMBERSHIP);
        chat__cstore_text(&a->call, facts->users[i]);
        chat__cstore_text(&a->call, record->chat);
        chat__cstore_u64(&a->call, record->seq);
        chat__cstore_u8(&a->call, facts->values[i]);
        chat__cstore_u64(&a->call, record->seq);
    }
}

/* Of what was read before by another marker it is known since when. */
static void put_read_run(chat__cstore_applying *a)
{
    const chat__facts *facts = a->facts;
    chat__cstore_entry *entry = read_of(a, facts);
    if (entry == NULL || facts->read_seq <= entry->numbers[CHAT__CSTORE_READ_SEQ])
        return;
    chat__cstore_run_of run = {facts->user,           facts->of,
                               CHAT__CSTORE_WAS_READ, entry->numbers[CHAT__CSTORE_READ_SEQ],
                               facts->read_seq,       facts->at_ms};
    chat__cstore_put_run(&a->call, &run);
    entry->numbers[CHAT__CSTORE_READ_SEQ] = facts->read_seq;
}

static void put_mute(chat__cstore_applying *a, uint64_t seq)
{
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_MUTE);
    chat__cstore_text(&a->call, a->facts->user);
    chat__cstore_text(&a->call, a->facts->of);
    chat__cstore_u64(&a->call, a->facts->until_ms);
    chat__cstore_u64(&a->call, seq);
    chat__cstore_u64(&a->call, seq);
}

static void put_block(chat__cstore_applying *a, uint64_t seq)
{
    const chat_view both[2] = {a->facts->user, a->facts->of};
    for (int i = 0; i < 2; i++) {
        (void)chat__cstore_ask(&a->call,
                               i == 0 ? CHAT__CSTORE_PUT_BLOCK : CHAT__CSTORE_PUT_BLOCKED_BY);
        chat__cstore_text(&a->call, both[i]);
        chat__cstore_text(&a->call, both[1 - i]);
        chat__cstore_u8(&a->call, a->facts->is_blocked ? 1 : 2);
        chat__cstore_u64(&a->call, seq);
        chat__cstore_u64(&a->call, seq);
    }
}

static void put_note(chat__cstore_applying *a, uint32_t i)
{
    const chat__facts *facts = a->facts;
    const chat_store_record *record = &a->records[i];
    chat__cstore_moving *head = &a->heads[a->places[i].head];
    if (!head->has_notes && head->noted_seq == 0)
        head->noted_seq = record->seq;
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_NOTE);
    chat__cstore_text(&a->call, record->chat);
    chat__cstore_u64(&a->call, facts->re_seq);
    chat__cstore_u8(&a->call, (uint8_t)facts->note);
    chat__cstore_text(&a->call, facts->user);
    chat__cstore_u64(&a->call, record->seq);
    chat__cstore_u64(&a->call, record->seq);
    if (facts->note != CHAT__NOTE_EDIT)
        return;
    (void)chat__cstore_join(&a->call, CHAT__CSTORE_PUT_EDIT);
    chat__cstore_text(&a->call, record->chat);
    chat__cstore_u64(&a->call, facts->re_seq);
    chat__cstore_u64(&a->call, record->seq);
    chat__cstore_u64(&a->call, record->seq);
}

static chat_status put_facts(chat__cstore_applying *a, uint32_t i)
{
    chat_status status = chat__cstore_facts_of(a, i);
    if (status != CHAT_OK)
        return status;
    put_users(a, &a->records[i]);
    switch (a->facts->what) {
    case CHAT__FACT_READ:
        put_read_run(a);
        break;
    case CHAT__FACT_MUTE:
        put_mute(a, a->records[i].seq);
        break;
    case CHAT__FACT_BLOCK:
        put_block(a, a->records[i].seq);
        break;
    case CHAT__FACT_NOTE:
        put_note(a, i);
        break;
    default:
        break;
    }
    return CHAT_OK;
}

chat_status chat__cstore_write_rows(chat__cstore_applying *a)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < a->n_heads; i++)
        put_messages(a, &a->heads[i]);
    for (uint32_t i = 0; i < a->n && status == CHAT_OK; i++)
        status = put_facts(a, i);
    if (status == CHAT_OK)
        status = chat__cstore_run(&a->call);
    chat__cstore_reset(&a->call);
    return status;
}

/* --- the second round --- */

/* One after the other they are one partition. */
static void ask_of_chat(chat__cstore_applying *a, chat__cstore_statement statement, int *is_open)
{
    if (*is_open)
        (void)chat__cstore_join(&a->call, statement);
    else
        (void)chat__cstore_ask(&a->call, statement);
    *is_open = 1;
}

static void put_chat_fact(chat__cstore_applying *a, const chat_store_record *record, int *is_open)
{
    const chat__facts *facts = a->facts;
    if (facts->what != CHAT__FACT_GROUP && facts->what != CHAT__FACT_TITLE)
        return;
    int is_group = facts->what == CHAT__FACT_GROUP;
    ask_of_chat(a, is_group ? CHAT__CSTORE_PUT_GROUP : CHAT__CSTORE_PUT_TITLE, is_open);
    chat__cstore_text(&a->call, record->chat);
    chat__cstore_text(&a->call, facts->title);
    if (is_group) {
        chat__cstore_u8(&a->call, facts->is_open ? 1 : 0);
        chat__cstore_u64(&a->call, facts->created_ms);
    }
    chat__cstore_u64(&a->call, record->seq);
}

static chat_status put_chat(chat__cstore_applying *a, const chat__cstore_moving *head)
{
    int is_open = 0;
    chat_status status = CHAT_OK;
    if (head->new_seq > head->seq) {
        ask_of_chat(a, CHAT__CSTORE_PUT_HEAD, &is_open);
        chat__cstore_text(&a->call, head->chat);
        chat__cstore_u64(&a->call, head->new_seq);
        chat__cstore_u64(&a->call, head->new_ordinal);
        chat__cstore_u64(&a->call, head->new_seq);
    }
    if (head->noted_seq > 0) {
        ask_of_chat(a, CHAT__CSTORE_PUT_NOTED, &is_open);
        chat__cstore_text(&a->call, head->chat);
        chat__cstore_u8(&a->call, 1);
        chat__cstore_u64(&a->call, head->noted_seq);
    }
    for (uint32_t i = head->first; i != CHAT__CSTORE_NONE && status == CHAT_OK;
         i = a->places[i].next) {
        if (a->records[i].kind != CHAT_FRAME_CHAT && a->records[i].kind != CHAT_FRAME_CHANGE)
            continue;
        status = chat__cstore_facts_of(a, i);
        if (status == CHAT_OK)
            put_chat_fact(a, &a->records[i], &is_open);
    }
    return status;
}

static void put_read(chat__cstore_applying *a)
{
    const chat__facts *facts = a->facts;
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_READ);
    chat__cstore_text(&a->call, facts->user);
    chat__cstore_text(&a->call, facts->of);
    chat__cstore_u64(&a->call, facts->read_seq);
    chat__cstore_u64(&a->call, facts->read_seq);
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_READ_BY);
    chat__cstore_text(&a->call, facts->of);
    chat__cstore_text(&a->call, facts->user);
    chat__cstore_u64(&a->call, facts->read_seq);
    chat__cstore_u64(&a->call, facts->read_seq);
}

chat_status chat__cstore_write_heads(chat__cstore_applying *a)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < a->n_heads && status == CHAT_OK; i++)
        status = put_chat(a, &a->heads[i]);
    for (uint32_t i = 0; i < a->n && status == CHAT_OK; i++) {
        if (a->records[i].kind != CHAT_FRAME_MARKER)
            continue;
        status = chat__cstore_facts_of(a, i);
        if (status == CHAT_OK && a->facts->what == CHAT__FACT_READ)
            put_read(a);
    }
    if (status == CHAT_OK)
        status = chat__cstore_run(&a->call);
    chat__cstore_reset(&a->call);
    return status;
}
