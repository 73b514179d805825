/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "store/log.h"

#include <string.h>

void chat__log_init(chat__log *log, const chat_allocator *allocator, const chat__files *files,
                    const char *dir, uint64_t segment_bytes, int is_volatile)
{
    memset(log, 0, sizeof *log);
    chat__segments_init(&log->segments, allocator, files, dir);
    chat__buf_init(&log->buf, allocator, CHAT__LOG_BATCH_MAX);
    log->segment_bytes = segment_bytes;
    log->is_volatile = is_volatile;
}

void chat__log_done(chat__log *log)
{
    chat__segments_done(&log->segments);
    chat__buf_done(&log->buf);
}

uint64_t chat__log_staged_end(const chat__log *log)
{
    const chat__log_piece *last = &log->pieces[log->n_pieces > 0 ? log->n_pieces - 1 : 0];
    return log->n_pieces == 0 ? log->end : last->at + last->len;
}

static size_t staged_tail(const chat__log *log)
{
    return log->n_pieces == 0 ? log->tail : log->pieces[log->n_pieces - 1].segment;
}

/* The segment behind `index`, made if it is not there yet. */
static chat_status next_segment(chat__log *log, size_t index, size_t *out_index)
{
    chat__segments *set = &log->segments;
    size_t next = set->n_items == 0 ? 0 : index + 1;
    if (next == set->n_items) {
        chat_status status = chat__segments_add(set, log->segment_bytes);
        if (status != CHAT_OK)
            return status;
    }
    *out_index = next;
    return CHAT_OK;
}

static int fits(const chat__log *log, size_t index, uint64_t at, uint64_t size)
{
    if (log->segments.n_items == 0)
        return 0;
    const chat__segment *segment = &log->segments.items[index];
    return size <= segment->base + segment->size - at;
}

/* Where a record of this size goes. */
static chat_status find_room(chat__log *log, uint64_t size, size_t *out_index, uint64_t *out_at)
{
    size_t index = staged_tail(log);
    uint64_t at = chat__log_staged_end(log);
    /* Nothing was ever committed, but a batch that failed has made the first segment. */
    if (at == 0 && log->segments.n_items > 0)
        at = log->segments.items[0].base + CHAT__SEGMENT_DATA_AT;
    if (!fits(log, index, at, size)) {
        if (log->n_pieces == 2)
            return CHAT_ERR_BUSY;
        chat_status status = next_segment(log, index, &index);
        if (status != CHAT_OK)
            return status;
        at = log->segments.items[index].base + CHAT__SEGMENT_DATA_AT;
        if (!fits(log, index, at, size))
            return CHAT_ERR_LIMIT;
    }
    *out_index = index;
    *out_at = at;
    return chat__segments_reserve(&log->segments, index);
}

chat_status chat__log_stage(chat__log *log, uint64_t size, uint64_t *out_at, uint64_t *out_salt,
                            uint8_t **out)
{
    size_t index;
    if (log->is_dead)
        return CHAT_ERR_IO;
    if (size > log->segment_bytes - CHAT__SEGMENT_DATA_AT)
        return CHAT_ERR_LIMIT;
    chat_status status = chat__buf_reserve(&log->buf, (size_t)size);
    if (status != CHAT_OK)
        return status == CHAT_ERR_LIMIT ? CHAT_ERR_BUSY : status;
    status = find_room(log, size, &index, out_at);
    if (status != CHAT_OK)
        return status;
    if (log->n_pieces == 0 || log->pieces[log->n_pieces - 1].segment != index) {
        chat__log_piece *piece = &log->pieces[log->n_pieces++];
        piece->segment = index;
        piece->at = *out_at;
        piece->from = log->buf.len;
        piece->len = 0;
    }
    *out_salt = log->segments.items[index].salt;
    *out = log->buf.data + log->buf.len;
    log->buf.len += (size_t)size;
    log->pieces[log->n_pieces - 1].len += (size_t)size;
    return CHAT_OK;
}

static chat_status write_piece(chat__log *log, const chat__log_piece *piece)
{
    const chat__segment *segment = &log->segments.items[piece->segment];
    return chat__files_status(chat__files_write(log->segments.files, segment->file,
                                                log->buf.data + piece->from, piece->len,
                                                piece->at - segment->base));
}

/* Take back what a full disk cut short, so that no restart finds it. */
static chat_status take_back(chat__log *log)
{
    for (size_t i = log->n_pieces; i-- > 0;) {
        const chat__log_piece *piece = &log->pieces[i];
        if (chat__segments_cut(&log->segments, piece->segment, piece->at) != CHAT_OK)
            return CHAT_ERR_IO;
    }
    return CHAT_OK;
}

static chat_status write_all(chat__log *log)
{
    const chat__files *files = log->segments.files;
    for (size_t i = 0; i < log->n_pieces; i++) {
        const chat__log_piece *piece = &log->pieces[i];
        chat_status status = write_piece(log, piece);
        if (status == CHAT_ERR_FULL && take_back(log) == CHAT_OK)
            return CHAT_ERR_FULL;
        if (status != CHAT_OK)
            return CHAT_ERR_IO;
        /* After a failed sync nobody knows what is on the disk: never tried again. */
        if (!log->is_volatile &&
            files->datasync(files->ctx, log->segments.items[piece->segment].file) != 0)
            return CHAT_ERR_IO;
    }
    return CHAT_OK;
}

chat_status chat__log_commit(chat__log *log)
{
    if (log->is_dead)
        return CHAT_ERR_IO;
    chat_status status = write_all(log);
    if (status == CHAT_ERR_IO)
        log->is_dead = 1;
    if (status == CHAT_OK) {
        log->tail = staged_tail(log);
        log->end = chat__log_staged_end(log);
        log->batch++;
    }
    chat__log_discard(log);
    return status;
}

void chat__log_discard(chat__log *log)
{
    log->n_pieces = 0;
    log->buf.len = 0;
}
