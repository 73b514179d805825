/* SPDX-License-Identifier: MIT */
/* See chain.h. */
#include "store/chain.h"
#include "store/scan.h"
#include "base/view.h"

#include <string.h>

/* Most records fit into one read; a head with its key always does. */
#define FIRST_READ_BYTES 512u
/* Readers take no lock of the eraser: what they find half written is read again. */
#define READ_TRIES 3

/* Sizes of the trees of `n` records: the newest last. */
static size_t last_trees(uint64_t n, uint64_t *out_last, uint64_t *out_before)
{
    size_t n_trees = 0;
    *out_last = 0;
    *out_before = 0;
    while (n > 0) {
        unsigned top = n == UINT64_MAX ? 64 : 63u - (unsigned)__builtin_clzll(n + 1);
        uint64_t size = top == 64 ? UINT64_MAX : (UINT64_C(1) << top) - 1;
        *out_before = *out_last;
        *out_last = size;
        n -= size;
        n_trees++;
    }
    return n_trees;
}

size_t chat__chain_n_roots(uint64_t ordinal)
{
    uint64_t last;
    uint64_t before;
    return last_trees(ordinal, &last, &before);
}

uint64_t chat__chain_skip_ordinal(uint64_t ordinal)
{
    uint64_t last;
    uint64_t before;
    (void)last_trees(ordinal, &last, &before);
    return ordinal - last;
}

int chat__chain_joins(uint64_t ordinal)
{
    uint64_t last;
    uint64_t before;
    (void)last_trees(ordinal - 1, &last, &before);
    return last > 0 && last == before;
}

size_t chat__chain_push(chat__root *roots, size_t n_roots, int joins, chat__root added)
{
    if (joins)
        n_roots -= 2;
    roots[n_roots] = added;
    return n_roots + 1;
}

void chat__chain_init(chat__chain *chain, chat__segments *segments, chat__chain_shared *shared,
                      const chat_allocator *allocator, chat_view chat)
{
    chain->segments = segments;
    chain->shared = shared;
    chain->chat = chat;
    chat__buf_init(&chain->bytes, allocator,
                   CHAT__RECORD_KEYED_MAX + CHAT__RECORD_PAYLOAD_MAX + CHAT__RECORD_ALIGN);
}

void chat__chain_done(chat__chain *chain)
{
    chat__buf_done(&chain->bytes);
}

/* Have `want` bytes of the log from `at` on, fewer at the end of a segment. */
static chat_status load(chat__chain *chain, const chat__segment *segment, uint64_t at, size_t want)
{
    const chat__files *files = chain->segments->files;
    uint64_t left = segment->base + segment->size - at;
    if (want > left)
        want = (size_t)left;
    chain->bytes.len = 0;
    chat_status status = chat__buf_reserve(&chain->bytes, want);
    while (status == CHAT_OK && chain->bytes.len < want) {
        int64_t n = files->pread(files->ctx, segment->file, chain->bytes.data + chain->bytes.len,
                                 want - chain->bytes.len, at - segment->base + chain->bytes.len);
        if (n < 0)
            return chat__files_status(n);
        if (n == 0)
            break;
        chain->bytes.len += (size_t)n;
    }
    return status;
}

static void tell_damage(chat__chain_shared *shared, uint64_t at)
{
    int is_known = 0;
    pthread_mutex_lock(&shared->lock);
    for (size_t i = 0; i < CHAT__CHAIN_TOLD_MAX && i < shared->n_told; i++)
        is_known |= shared->told[i] == at;
    if (!is_known)
        shared->told[shared->n_told++ % CHAT__CHAIN_TOLD_MAX] = at;
    pthread_mutex_unlock(&shared->lock);
    if (!is_known && shared->tell != NULL)
        shared->tell(shared->tell_ctx, at);
}

chat_status chat__chain_read(chat__chain *chain, uint64_t at, chat__record *out)
{
    chat__segment segment;
    chat_status status = chat__segments_find(chain->segments, at, &segment);
    if (status != CHAT_OK)
        return CHAT_ERR_CORRUPT;
    /* It may be read while it is being erased. */
    for (int i = 0; i < READ_TRIES; i++) {
        status = load(chain, &segment, at, FIRST_READ_BYTES);
        if (status != CHAT_OK)
            return status;
        if (chat__record_decode(chain->bytes.data, chain->bytes.len, segment.salt, at, out) &&
            chat__view_equal(out->chat, chain->chat)) {
            out->chat = chain->chat;
            return CHAT_OK;
        }
    }
    return CHAT_ERR_CORRUPT;
}

/* Head and payload in one read. CHAT_OK, CHAT_ERR_CORRUPT, CHAT_ERR_IO, CHAT_ERR_NOMEM. */
static chat_status load_whole(chat__chain *chain, const chat__segment *segment,
                              chat__record *record)
{
    chat__record again;
    size_t keyed = CHAT__RECORD_HEAD_BYTES + record->chat.len;
    size_t want = keyed + record->payload_len;
    chat_status status = load(chain, segment, record->at, want);
    if (status != CHAT_OK)
        return status;
    if (chain->bytes.len < want ||
        !chat__record_decode(chain->bytes.data, want, segment->salt, record->at, &again) ||
        again.chat.len != record->chat.len || again.payload_len != record->payload_len ||
        !chat__record_take_payload(&again, chain->bytes.data + keyed))
        return CHAT_ERR_CORRUPT;
    record->is_erased = again.is_erased;
    return CHAT_OK;
}

chat_status chat__chain_payload(chat__chain *chain, chat__record *record, chat_view *out)
{
    chat__segment segment;
    if (chat__segments_find(chain->segments, record->at, &segment) != CHAT_OK)
        return CHAT_ERR_CORRUPT;
    chat_status status = CHAT_ERR_CORRUPT;
    for (int i = 0; i < READ_TRIES && status == CHAT_ERR_CORRUPT; i++)
        status = load_whole(chain, &segment, record);
    if (status == CHAT_ERR_CORRUPT)
        tell_damage(chain->shared, record->at);
    if (status == CHAT_OK)
        *out = chat__view(chain->bytes.data + CHAT__RECORD_HEAD_BYTES + record->chat.len,
                          record->payload_len);
    return status;
}

static int known_detour(chat__chain_shared *shared, uint64_t damaged_at, uint64_t *out_found_at)
{
    int is_known = 0;
    pthread_mutex_lock(&shared->lock);
    for (size_t i = 0; i < CHAT__CHAIN_DETOURS_MAX; i++) {
        if (shared->detours[i].damaged_at == damaged_at) {
            *out_found_at = shared->detours[i].found_at;
            is_known = 1;
        }
    }
    pthread_mutex_unlock(&shared->lock);
    return is_known;
}

static void remember_detour(chat__chain_shared *shared, uint64_t damaged_at, uint64_t found_at)
{
    pthread_mutex_lock(&shared->lock);
    chat__detour *detour = &shared->detours[shared->n_detours++ % CHAT__CHAIN_DETOURS_MAX];
    detour->damaged_at = damaged_at;
    detour->found_at = found_at;
    pthread_mutex_unlock(&shared->lock);
}

/* The last record of the chat in a part of the log, 0: none. */
static chat_status scan_for_last(chat__chain *chain, uint64_t from, uint64_t stop,
                                 uint64_t *out_found_at)
{
    chat__scan scan;
    chat__record record;
    const uint8_t *payload;
    chat_status status;
    *out_found_at = 0;
    chat__scan_init(&scan, chain->segments, &chain->bytes.allocator, from, stop);
    while ((status = chat__scan_next(&scan, &record, &payload)) == CHAT_OK) {
        if (chat__view_equal(record.chat, chain->chat))
            *out_found_at = record.at;
    }
    chat__scan_done(&scan);
    return status == CHAT_EMPTY ? CHAT_OK : status;
}

/* Read the log from an older record of the chat up to the damage: slow, but nothing is lost. The
   older record may be damaged too, then only the whole log will do. */
static chat_status find_detour(chat__chain *chain, uint64_t damaged_at, uint64_t floor_at,
                               uint64_t *out_found_at)
{
    if (known_detour(chain->shared, damaged_at, out_found_at))
        return CHAT_OK;
    tell_damage(chain->shared, damaged_at);
    chat_status status = scan_for_last(chain, floor_at, damaged_at, out_found_at);
    if (status == CHAT_OK && *out_found_at == 0 && floor_at > 0)
        status = scan_for_last(chain, 0, floor_at, out_found_at);
    if (status == CHAT_OK)
        remember_detour(chain->shared, damaged_at, *out_found_at);
    return status;
}

chat_status chat__chain_at_or_before(chat__chain *chain, uint64_t at, uint64_t floor_at,
                                     chat__record *out)
{
    if (at == 0)
        return CHAT_EMPTY;
    chat_status status = chat__chain_read(chain, at, out);
    if (status != CHAT_ERR_CORRUPT)
        return status;
    uint64_t found_at;
    status = find_detour(chain, at, floor_at, &found_at);
    if (status != CHAT_OK)
        return status;
    return found_at == 0 ? CHAT_EMPTY : chat__chain_read(chain, found_at, out);
}

chat_status chat__chain_prev(chat__chain *chain, const chat__record *record, chat__record *out)
{
    uint64_t floor_at = record->skip_at < record->prev_at ? record->skip_at : 0;
    return chat__chain_at_or_before(chain, record->prev_at, floor_at, out);
}

chat_status chat__chain_find(chat__chain *chain, uint64_t seq_below, uint64_t max_ordinal,
                             chat__record *record)
{
    chat_status status = CHAT_OK;
    while (status == CHAT_OK && (record->seq >= seq_below || record->ordinal > max_ordinal)) {
        chat__record next;
        int is_too_far =
            record->skip_at == 0 || (record->skip_seq < seq_below &&
                                     chat__chain_skip_ordinal(record->ordinal) <= max_ordinal);
        /* A skip may land on what is sought, but so may the step before it: the newest counts. */
        status = is_too_far || chat__chain_read(chain, record->skip_at, &next) != CHAT_OK
                     ? chat__chain_prev(chain, record, &next)
                     : CHAT_OK;
        if (status == CHAT_OK)
            *record = next;
    }
    return status;
}
