/* SPDX-License-Identifier: MIT */
/*
 * Takes from the log's files what deleted messages and their edits said. It is done before a flush:
 * the deletions that are not in SQLite yet are those whose content may still be there, and until
 * SQLite has them a restart replays them and erases again. The work of a step is done for many
 * records before it is synced; readers need no lock, for each state of a record is a good one.
 */
#include "store/notes.h"

#include <inttypes.h>
#include <stdlib.h>

/* Records that are erased together. */
#define BATCH 64u

typedef struct target {
    uint64_t at;
    chat_view chat; /* borrowed from a row that is being written */
} target;

typedef struct erasing {
    chat__store *store;
    target targets[BATCH];
    size_t n_targets;
    int is_writing_bad; /* so it is to be tried again, unlike what cannot be read */
} erasing;

/* --- the files --- */

/* All of a record into the chain's buffer. CHAT_OK, also with a damaged payload; CHAT_ERR_IO,
   CHAT_ERR_CORRUPT: it cannot be read; CHAT_ERR_NOMEM. */
static chat_status read_whole(chat__chain *chain, const target *of, chat__record *record,
                              int *out_is_damaged)
{
    chat_view payload;
    chat_status status = chat__chain_read(chain, of->at, record);
    if (status != CHAT_OK)
        return status;
    status = chat__chain_payload(chain, record, &payload);
    *out_is_damaged = status == CHAT_ERR_CORRUPT;
    size_t len = CHAT__RECORD_HEAD_BYTES + record->chat.len + record->payload_len;
    return *out_is_damaged && chain->bytes.len >= len ? CHAT_OK : status;
}

/* A sector that cannot be read must not keep all that comes behind from being written back. */
static void tell_unread(chat__store *store, uint64_t at)
{
    chat__store_say(store, CHAT_LOG_ERROR,
                    "store: what a deleted message said could not be erased: the log cannot be "
                    "read at %" PRIu64 ", check the disk",
                    at);
}

/* One step for one record. */
static chat_status write_step(erasing *e, const target *of, const chat__segment *segment, int file,
                              chat__erase_step step)
{
    chat__store *store = e->store;
    chat__erase_part parts[CHAT__ERASE_STEPS];
    chat__chain chain;
    chat__record record;
    int is_damaged = 0;
    chat__chain_init(&chain, &store->log.segments, &store->chains, &store->allocator, of->chat);
    chat_status status = read_whole(&chain, of, &record, &is_damaged);
    if (status == CHAT_ERR_IO || status == CHAT_ERR_CORRUPT) {
        if (step == CHAT__ERASE_BODY)
            tell_unread(store, of->at);
        status = CHAT_OK;
    } else if (status == CHAT_OK) {
        chat__record_erase(&record, chain.bytes.data, segment->salt, is_damaged, parts);
        status = chat__files_status(
            chat__files_write(store->files, file, chain.bytes.data + parts[step].at,
                              parts[step].len, of->at - segment->base + parts[step].at));
    }
    chat__chain_done(&chain);
    return status;
}

/* Step by step for targets of one segment, each step durable before the next. */
static chat_status erase_in(erasing *e, const target *first, size_t n, const chat__segment *segment)
{
    chat__store *store = e->store;
    int file = chat__segments_reopen(&store->log.segments, segment);
    chat_status status = chat__files_status(file);
    e->is_writing_bad |= status != CHAT_OK;
    if (status != CHAT_OK)
        return status;
    for (int step = 0; step < CHAT__ERASE_STEPS && status == CHAT_OK; step++) {
        for (size_t i = 0; i < n && status == CHAT_OK; i++)
            status = write_step(e, &first[i], segment, file, (chat__erase_step)step);
        if (status == CHAT_OK && !store->options.is_volatile)
            status = chat__files_status(store->files->datasync(store->files->ctx, file));
    }
    store->files->close(store->files->ctx, file);
    e->is_writing_bad |= status != CHAT_OK;
    return status;
}

static int by_place(const void *left, const void *right)
{
    const target *a = left;
    const target *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

static chat_status erase_targets(erasing *e)
{
    chat_status status = CHAT_OK;
    size_t n = e->n_targets;
    e->n_targets = 0;
    qsort(e->targets, n, sizeof *e->targets, by_place);
    for (size_t i = 0, k; i < n && status == CHAT_OK; i = k) {
        chat__segment segment;
        k = i + 1;
        if (chat__segments_find(&e->store->log.segments, e->targets[i].at, &segment) != CHAT_OK)
            continue;
        while (k < n && e->targets[k].at < segment.base + segment.size)
            k++;
        status = erase_in(e, &e->targets[i], k - i, &segment);
    }
    return status;
}

/* --- what is to be erased --- */

static chat_status add(erasing *e, const chat__record *record, chat_view chat)
{
    e->targets[e->n_targets++] = (target){record->at, chat};
    return e->n_targets == BATCH ? erase_targets(e) : CHAT_OK;
}

static int is_edit_of(chat__notes *notes, chat__record *record, uint64_t re_seq)
{
    chat_view payload;
    chat_frame note;
    return record->kind == CHAT_FRAME_NOTE &&
           chat__chain_payload(&notes->chain, record, &payload) == CHAT_OK &&
           chat_frame_decode(notes->decoder, CHAT_ENCODING_CBOR, payload, &note) == CHAT_OK &&
           note.re_seq == re_seq && CHAT_FRAME_HAS(&note, BODY);
}

/* From the newest edit back to the message: the edits between are known by nothing else. */
static chat_status add_edits(erasing *e, chat__notes *notes, uint64_t re_seq, uint64_t edit_seq)
{
    chat__record record = notes->newest;
    chat_status status = chat__chain_find(&notes->chain, edit_seq + 1, UINT64_MAX, &record);
    while (status == CHAT_OK && record.seq > re_seq) {
        chat__record older;
        if (is_edit_of(notes, &record, re_seq))
            status = add(e, &record, notes->chat);
        if (status == CHAT_OK)
            status = chat__chain_prev(&notes->chain, &record, &older);
        if (status == CHAT_OK)
            record = older;
    }
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

static chat_status add_message(erasing *e, chat__notes *notes, uint64_t seq)
{
    chat__record record = notes->newest;
    chat_status status = chat__chain_find(&notes->chain, seq + 1, UINT64_MAX, &record);
    if (status == CHAT_OK && record.seq == seq && record.kind == CHAT_FRAME_MSG)
        return add(e, &record, notes->chat);
    if (status != CHAT_OK && status != CHAT_EMPTY)
        return status;
    chat__store_say(e->store, CHAT_LOG_WARN,
                    "store: the deleted message %" PRIu64 " was not found in the log: its record "
                    "is damaged, and what is left of it was not erased",
                    seq);
    return CHAT_OK;
}

/* The message and its edits. What the log cannot give is told and left. */
static chat_status add_all(erasing *e, chat__notes *notes, uint64_t head_at, uint64_t seq,
                           uint64_t edit_seq)
{
    chat_status status = chat__chain_at_or_before(&notes->chain, head_at, 0, &notes->newest);
    if (status == CHAT_OK)
        status = add_message(e, notes, seq);
    if (status == CHAT_OK && edit_seq != 0)
        status = add_edits(e, notes, seq, edit_seq);
    int is_unread = !e->is_writing_bad && (status == CHAT_ERR_IO || status == CHAT_ERR_CORRUPT);
    if (is_unread)
        tell_unread(e->store, head_at);
    return is_unread || status == CHAT_EMPTY ? CHAT_OK : status;
}

static chat_status add_deleted(erasing *e, chat_view chat, uint64_t seq)
{
    chat__notes notes;
    chat__state_head head;
    uint64_t edit_seq = 0;
    chat_status status = chat__store_head(e->store, chat, &head);
    if (status != CHAT_OK || head.at == 0)
        return status;
    chat__record newest = {0};
    status = chat__notes_begin(&notes, e->store, chat, &newest);
    if (status == CHAT_OK)
        status = chat__notes_edit_of(&notes, seq, &edit_seq);
    if (status == CHAT_OK)
        status = add_all(e, &notes, head.at, seq, edit_seq);
    chat__notes_end(&notes);
    return status;
}

chat_status chat__store_erase(chat__store *store)
{
    erasing e = {.store = store};
    chat_status status = CHAT_OK;
    const chat__state_node *node = store->state.writing.first;
    for (; node != NULL && status == CHAT_OK; node = node->next) {
        const chat__state_row *row = (const chat__state_row *)(const void *)node;
        if (!node->is_chat && row->type == CHAT__ROW_NOTE &&
            chat__state_note_what(row) == CHAT__NOTE_DELETE)
            status = add_deleted(&e, chat__state_row_chat(row), chat__state_note_re(row));
    }
    return status == CHAT_OK && e.n_targets > 0 ? erase_targets(&e) : status;
}
