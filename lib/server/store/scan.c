/* SPDX-License-Identifier: MIT */
/* See scan.h. */
#include "store/scan.h"
#include "base/bits.h"

#include <string.h>

#define WINDOW_BYTES (CHAT__RECORD_PAYLOAD_MAX + (1u << 20))

void chat__scan_init(chat__scan *scan, chat__segments *segments, const chat_allocator *allocator,
                     uint64_t at, uint64_t stop)
{
    memset(scan, 0, sizeof *scan);
    scan->segments = segments;
    chat__buf_init(&scan->window, allocator, WINDOW_BYTES);
    scan->at = at;
    scan->end = at;
    scan->stop = stop;
    scan->damage_at = UINT64_MAX;
}

void chat__scan_done(chat__scan *scan)
{
    chat__buf_done(&scan->window);
}

/* Go on to the first record place at or behind `at`. CHAT_EMPTY when there is no such file. */
static chat_status enter_segment(chat__scan *scan, chat__segment *out)
{
    chat__segments *set = scan->segments;
    chat_status status = CHAT_EMPTY;
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->n_items; i++) {
        chat__segment *segment = &set->items[i];
        if (scan->at >= segment->base + segment->size)
            continue;
        *out = *segment;
        if (scan->at < segment->base + CHAT__SEGMENT_DATA_AT)
            scan->at = segment->base + CHAT__SEGMENT_DATA_AT;
        status = CHAT_OK;
        break;
    }
    pthread_mutex_unlock(&set->lock);
    return status == CHAT_OK && scan->at >= scan->stop ? CHAT_EMPTY : status;
}

/* Have the bytes from `at` on in the window, as many as it takes or the segment has. */
static chat_status fill(chat__scan *scan, const chat__segment *segment, size_t want)
{
    chat__buf *window = &scan->window;
    uint64_t limit = segment->base + segment->size;
    if (want > limit - scan->at)
        want = (size_t)(limit - scan->at);
    if (scan->at >= scan->window_at && scan->at - scan->window_at <= window->len &&
        window->len - (scan->at - scan->window_at) >= want)
        return CHAT_OK;
    chat_status status = chat__buf_reserve(window, WINDOW_BYTES - window->len);
    if (status != CHAT_OK)
        return status;
    size_t room = WINDOW_BYTES;
    if (room > limit - scan->at)
        room = (size_t)(limit - scan->at);
    const chat__files *files = scan->segments->files;
    window->len = 0;
    scan->window_at = scan->at;
    while (window->len < room) {
        int64_t n = files->pread(files->ctx, segment->file, window->data + window->len,
                                 room - window->len, scan->at - segment->base + window->len);
        if (n < 0)
            return chat__files_status(n);
        if (n == 0)
            break;
        window->len += (size_t)n;
    }
    /* A file that is shorter than it should be reads as zeros: nothing is there. */
    memset(window->data + window->len, 0, room - window->len);
    window->len = room;
    return CHAT_OK;
}

static void note_damage(chat__scan *scan, uint64_t at, uint64_t end)
{
    if (scan->damage_at == UINT64_MAX)
        scan->damage_at = at;
    scan->damage_end = end;
}

/* Skip what is no record inside the window: zeros are free space, anything else is damage. No
   record starts with zeros, so all of them are skipped at once: a segment is mostly that. */
static void skip_words(chat__scan *scan, const uint8_t *bytes, size_t len)
{
    size_t skipped = 0;
    while (len - skipped >= CHAT__RECORD_ALIGN && chat__load64le(bytes + skipped) == 0)
        skipped += CHAT__RECORD_ALIGN;
    if (skipped == 0) {
        skipped = len < CHAT__RECORD_ALIGN ? len : CHAT__RECORD_ALIGN;
        note_damage(scan, scan->at, scan->at + skipped);
    }
    scan->at += skipped;
}

/* The payload, NULL when it is damaged. CHAT_ERR_CORRUPT: longer than the segment. */
static chat_status take_payload(chat__scan *scan, const chat__segment *segment, chat__record *out,
                                const uint8_t **out_payload)
{
    size_t keyed = CHAT__RECORD_HEAD_BYTES + out->chat.len;
    uint64_t size = chat__record_size(out->chat.len, out->payload_len);
    if (size > segment->base + segment->size - scan->at)
        return CHAT_ERR_CORRUPT;
    chat_status status = fill(scan, segment, (size_t)size);
    if (status != CHAT_OK)
        return status;
    uint8_t *bytes = scan->window.data + (scan->at - scan->window_at);
    out->chat.data = bytes + CHAT__RECORD_HEAD_BYTES;
    *out_payload = chat__record_take_payload(out, bytes + keyed) ? bytes + keyed : NULL;
    scan->at += size;
    scan->end = scan->at;
    return CHAT_OK;
}

chat_status chat__scan_next(chat__scan *scan, chat__record *out, const uint8_t **out_payload)
{
    chat__segment segment;
    chat_status status;
    scan->damage_at = UINT64_MAX;
    while ((status = enter_segment(scan, &segment)) == CHAT_OK) {
        uint64_t limit = segment.base + segment.size;
        while (scan->at < limit && scan->at < scan->stop) {
            status = fill(scan, &segment, CHAT__RECORD_KEYED_MAX);
            if (status != CHAT_OK)
                return status;
            size_t skipped = (size_t)(scan->at - scan->window_at);
            const uint8_t *bytes = scan->window.data + skipped;
            size_t len = scan->window.len - skipped;
            if (chat__record_decode(bytes, len, segment.salt, scan->at, out)) {
                status = take_payload(scan, &segment, out, out_payload);
                if (status != CHAT_ERR_CORRUPT)
                    return status;
            }
            skip_words(scan, bytes, len);
        }
    }
    return status;
}
