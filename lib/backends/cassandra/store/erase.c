/* SPDX-License-Identifier: MIT */
/*
 * What deleted messages and their edits said is written over, with the seq of the deletion as
 * timestamp: records that are applied again do not bring it back. What stays is the message without
 * content, marked as deleted, and the edits without theirs.
 */
#include "backends/cassandra/store/apply_internal.h"

#include "base/view.h"
#include "views/shown.h"

#define MAX_FRAME (2u << 20)

/* A record that is to say nothing any more. */
typedef struct target {
    uint32_t record; /* that deletes */
    uint32_t item;
    uint64_t seq;
    uint64_t of; /* the message */
} target;

typedef struct erasing {
    chat__cstore_applying *a;
    chat__buf targets;
    chat__buf frame;
    chat__cstore_call edits;  /* GET_EDITS, one for each deletion */
    chat__cstore_call bodies; /* GET_RECORD, one for each target */
    uint32_t n_targets;
} erasing;

static target *target_of(const erasing *e, uint32_t i)
{
    return (target *)(void *)e->targets.data + i;
}

static chat_status add(erasing *e, uint32_t record, uint64_t of, uint64_t seq)
{
    target added = {record, chat__cstore_ask(&e->bodies, CHAT__CSTORE_GET_RECORD), seq, of};
    chat__cstore_text(&e->bodies, e->a->records[record].chat);
    chat__cstore_u32(&e->bodies, chat__cstore_bucket_of(seq));
    chat__cstore_u64(&e->bodies, seq);
    e->n_targets++;
    return chat__buf_append(&e->targets, &added, sizeof added);
}

/* The messages that are deleted here. */
static chat_status find_messages(erasing *e)
{
    chat__cstore_applying *a = e->a;
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->records[i].kind != CHAT_FRAME_NOTE)
            continue;
        chat_status status = chat__cstore_facts_of(a, i);
        if (status != CHAT_OK)
            return status;
        if (a->facts->what != CHAT__FACT_NOTE || a->facts->note != CHAT__NOTE_DELETE)
            continue;
        status = add(e, i, a->facts->re_seq, a->facts->re_seq);
        if (status != CHAT_OK)
            return status;
        (void)chat__cstore_ask(&e->edits, CHAT__CSTORE_GET_EDITS);
        chat__cstore_text(&e->edits, a->records[i].chat);
        chat__cstore_u64(&e->edits, a->facts->re_seq);
    }
    return CHAT_OK;
}

static chat_status find_edits(erasing *e)
{
    uint32_t n_messages = e->n_targets;
    chat_status status = chat__cstore_run(&e->edits);
    for (uint32_t i = 0; i < n_messages && status == CHAT_OK; i++) {
        target message = *target_of(e, i);
        chat__cstore_rows rows = chat__cstore_rows_of(&e->edits, i);
        while (status == CHAT_OK && chat__cstore_next(&rows))
            status = add(e, message.record, message.of, chat__cstore_get_u64(&rows));
    }
    return status;
}

/* Without what it says, if it is what the deletion means. */
static chat_status silence(erasing *e, const target *of, chat__cstore_message *message)
{
    chat_decoder *decoder = e->a->decoder;
    uint64_t re_seq = 0;
    if (message->kind == CHAT_FRAME_MSG && of->seq == of->of)
        return chat__shown_message(decoder, &e->frame, NULL, 1, &message->payload);
    if (message->kind == CHAT_FRAME_NOTE &&
        chat__shown_is_edit(decoder, message->payload, &re_seq) && re_seq == of->of)
        return chat__shown_empty_edit(decoder, &e->frame, &message->payload);
    return CHAT_OK;
}

static chat_status write_over(erasing *e, const target *of)
{
    chat__cstore_applying *a = e->a;
    const chat_store_record *note = &a->records[of->record];
    chat__cstore_message message = {.chat = note->chat, .seq = of->seq};
    chat__cstore_rows rows = chat__cstore_rows_of(&e->bodies, of->item);
    if (of->seq >= note->seq || !chat__cstore_next(&rows))
        return CHAT_OK;
    message.id = chat__cstore_get_u64(&rows);
    message.kind = chat__cstore_get_u32(&rows);
    message.prev = chat__cstore_get_u64(&rows);
    message.ordinal = chat__cstore_get_u64(&rows);
    message.payload = chat__cstore_get_text(&rows);
    if (rows.is_bad)
        return CHAT_ERR_IO;
    chat_view before = message.payload;
    chat_status status = silence(e, of, &message);
    if (status != CHAT_OK || chat__view_equal(before, message.payload))
        return status;
    (void)chat__cstore_ask(&a->call, CHAT__CSTORE_PUT_MESSAGE);
    chat__cstore_message_values(&a->call, &message, note->seq);
    return CHAT_OK;
}

static chat_status erase_all(erasing *e)
{
    chat_status status = find_edits(e);
    if (status == CHAT_OK)
        status = chat__cstore_run(&e->bodies);
    for (uint32_t i = 0; i < e->n_targets && status == CHAT_OK; i++)
        status = write_over(e, target_of(e, i));
    if (status == CHAT_OK)
        status = chat__cstore_run(&e->a->call);
    chat__cstore_reset(&e->a->call);
    return status;
}

chat_status chat__cstore_erase(chat__cstore_applying *a)
{
    erasing e = {.a = a};
    chat__buf_init(&e.targets, NULL, SIZE_MAX / 2);
    chat__buf_init(&e.frame, NULL, MAX_FRAME);
    chat__cstore_call_init(&e.edits, a->writer->session);
    chat__cstore_call_init(&e.bodies, a->writer->session);
    chat_status status = find_messages(&e);
    if (status == CHAT_OK && e.n_targets > 0)
        status = erase_all(&e);
    chat__cstore_call_done(&e.bodies);
    chat__cstore_call_done(&e.edits);
    chat__buf_done(&e.frame);
    chat__buf_done(&e.targets);
    return status;
}
