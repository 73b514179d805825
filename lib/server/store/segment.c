/* SPDX-License-Identifier: MIT */
/* See segment.h. */
#include "store/segment.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/crc32c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HEAD_BYTES   64u
#define SECOND_AT    2048u
#define HEAD_VERSION 1u
#define PATH_MAX_LEN 4096u

static const char MAGIC[8] = {'c', 'h', 'a', 't', 'l', 'o', 'g', '\n'};

chat_status chat__files_status(int64_t result)
{
    switch (result) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return CHAT_ERR_FULL;
    case -ENOMEM:
        return CHAT_ERR_NOMEM;
    default:
        return result >= 0 ? CHAT_OK : CHAT_ERR_IO;
    }
}

int chat__files_write(const chat__files *files, int file, const void *bytes, size_t len,
                      uint64_t at)
{
    const uint8_t *p = bytes;
    for (size_t done = 0; done < len;) {
        int64_t n = files->pwrite(files->ctx, file, p + done, len - done, at + done);
        if (n < 0)
            return (int)n;
        /* No progress and no error: the disk takes nothing more. */
        if (n == 0)
            return -ENOSPC;
        done += (size_t)n;
    }
    return 0;
}

void chat__segments_init(chat__segments *set, const chat_allocator *allocator,
                         const chat__files *files, const char *dir)
{
    memset(set, 0, sizeof *set);
    set->allocator = chat__alloc_or_libc(allocator);
    set->files = files;
    set->dir = dir;
    pthread_mutex_init(&set->lock, NULL);
}

void chat__segments_done(chat__segments *set)
{
    for (size_t i = 0; i < set->n_items; i++)
        set->files->close(set->files->ctx, set->items[i].file);
    chat__alloc_free(&set->allocator, set->items);
    set->items = NULL;
    set->n_items = 0;
    set->cap = 0;
    pthread_mutex_destroy(&set->lock);
}

static int path_of(const chat__segments *set, uint64_t base, char path[PATH_MAX_LEN])
{
    int len = snprintf(path, PATH_MAX_LEN, "%s/%016" PRIx64 ".log", set->dir, base);
    return len > 0 && len < (int)PATH_MAX_LEN;
}

int chat__segments_reopen(const chat__segments *set, const chat__segment *segment)
{
    char path[PATH_MAX_LEN];
    return path_of(set, segment->base, path) ? set->files->open(set->files->ctx, path, 1, 0)
                                             : -ENAMETOOLONG;
}

static void encode_head(const chat__segment *segment, uint8_t out[HEAD_BYTES])
{
    memset(out, 0, HEAD_BYTES);
    memcpy(out, MAGIC, sizeof MAGIC);
    chat__store32le(out + 8, HEAD_VERSION);
    chat__store64le(out + 16, segment->base);
    chat__store64le(out + 24, segment->size);
    chat__store64le(out + 32, segment->salt);
    chat__store32le(out + 60, chat__crc32c(0, out, 60));
}

static int decode_head(const uint8_t bytes[HEAD_BYTES], uint64_t base, chat__segment *out)
{
    if (memcmp(bytes, MAGIC, sizeof MAGIC) != 0 || chat__load32le(bytes + 8) != HEAD_VERSION ||
        chat__load32le(bytes + 60) != chat__crc32c(0, bytes, 60))
        return 0;
    out->base = chat__load64le(bytes + 16);
    out->size = chat__load64le(bytes + 24);
    out->salt = chat__load64le(bytes + 32);
    return out->base == base && (base | out->size) % 8 == 0 &&
           out->size >= CHAT__SEGMENT_MIN_BYTES && out->size <= CHAT__SEGMENT_MAX_BYTES &&
           out->base <= UINT64_MAX - out->size;
}

/* CHAT_OK, CHAT_ERR_CORRUPT when neither copy is good, CHAT_ERR_IO. */
static chat_status read_head(const chat__files *files, uint64_t base, chat__segment *segment)
{
    static const uint64_t places[2] = {0, SECOND_AT};
    uint8_t head[HEAD_BYTES];
    for (size_t i = 0; i < 2; i++) {
        int64_t n = files->pread(files->ctx, segment->file, head, sizeof head, places[i]);
        if (n < 0)
            return chat__files_status(n);
        if (n == (int64_t)sizeof head && decode_head(head, base, segment))
            return CHAT_OK;
    }
    return CHAT_ERR_CORRUPT;
}

/* Keeps room for one more, so that nothing can fail once the file is made. */
static chat_status grow(chat__segments *set)
{
    if (set->n_items < set->cap)
        return CHAT_OK;
    size_t cap = set->cap == 0 ? 16 : set->cap * 2;
    pthread_mutex_lock(&set->lock);
    chat__segment *items =
        chat__alloc_resize(&set->allocator, set->items, cap * sizeof(chat__segment));
    if (items != NULL) {
        set->items = items;
        set->cap = cap;
    }
    pthread_mutex_unlock(&set->lock);
    return items == NULL ? CHAT_ERR_NOMEM : CHAT_OK;
}

static void push(chat__segments *set, const chat__segment *segment)
{
    pthread_mutex_lock(&set->lock);
    set->items[set->n_items++] = *segment;
    pthread_mutex_unlock(&set->lock);
}

typedef struct names {
    chat_allocator *allocator;
    uint64_t *bases;
    size_t n_bases;
    size_t cap;
    int is_out_of_memory;
} names;

static void take_name(void *arg, const char *name)
{
    names *list = arg;
    char *end = NULL;
    uint64_t base = strtoull(name, &end, 16);
    if (strlen(name) != 20 || end != name + 16 || strcmp(end, ".log") != 0)
        return;
    if (list->n_bases == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        uint64_t *bases = chat__alloc_resize(list->allocator, list->bases, cap * sizeof *bases);
        if (bases == NULL) {
            list->is_out_of_memory = 1;
            return;
        }
        list->bases = bases;
        list->cap = cap;
    }
    list->bases[list->n_bases++] = base;
}

static int compare_bases(const void *a, const void *b)
{
    uint64_t x;
    uint64_t y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Whether nothing was ever written behind the head. */
static int is_unused(const chat__files *files, int file)
{
    uint8_t bytes[4096];
    for (uint64_t at = CHAT__SEGMENT_DATA_AT;;) {
        int64_t n = files->pread(files->ctx, file, bytes, sizeof bytes, at);
        if (n <= 0)
            return n == 0;
        for (int64_t i = 0; i < n; i++) {
            if (bytes[i] != 0)
                return 0;
        }
        at += (uint64_t)n;
    }
}

static chat_status open_one(chat__segments *set, uint64_t base, int is_last)
{
    const chat__files *files = set->files;
    char path[PATH_MAX_LEN];
    chat__segment segment = {0};
    chat_status status = grow(set);
    if (status != CHAT_OK)
        return status;
    if (!path_of(set, base, path))
        return CHAT_ERR_LIMIT;
    segment.file = files->open(files->ctx, path, 1, 0);
    if (segment.file < 0)
        return chat__files_status(segment.file);
    status = read_head(files, base, &segment);
    if (status == CHAT_OK) {
        int64_t size = files->size(files->ctx, segment.file);
        segment.is_short = size < 0 || (uint64_t)size < segment.size;
        push(set, &segment);
        return CHAT_OK;
    }
    int is_half_made = status == CHAT_ERR_CORRUPT && is_last && is_unused(files, segment.file);
    int64_t left_bytes = files->size(files->ctx, segment.file);
    files->close(files->ctx, segment.file);
    if (is_half_made)
        return chat__files_status(files->remove(files->ctx, path));
    if (status == CHAT_ERR_CORRUPT) {
        set->n_damaged++;
        set->min_next_base = base + (left_bytes > 0 ? (uint64_t)left_bytes : 0);
    }
    return status == CHAT_ERR_CORRUPT ? CHAT_OK : status;
}

chat_status chat__segments_open(chat__segments *set)
{
    names list = {.allocator = &set->allocator};
    chat_status status =
        chat__files_status(set->files->list(set->files->ctx, set->dir, take_name, &list));
    if (status == CHAT_OK && list.is_out_of_memory)
        status = CHAT_ERR_NOMEM;
    if (list.n_bases > 0)
        qsort(list.bases, list.n_bases, sizeof *list.bases, compare_bases);
    for (size_t i = 0; status == CHAT_OK && i < list.n_bases; i++)
        status = open_one(set, list.bases[i], i + 1 == list.n_bases);
    chat__alloc_free(&set->allocator, list.bases);
    return status;
}

static int write_heads(const chat__files *files, const chat__segment *segment)
{
    uint8_t head[HEAD_BYTES];
    encode_head(segment, head);
    int result = chat__files_write(files, segment->file, head, sizeof head, 0);
    return result == 0 ? chat__files_write(files, segment->file, head, sizeof head, SECOND_AT)
                       : result;
}

chat_status chat__segments_add(chat__segments *set, uint64_t size)
{
    const chat__files *files = set->files;
    const chat__segment *last = set->n_items > 0 ? &set->items[set->n_items - 1] : NULL;
    chat__segment segment = {.base = last == NULL ? 0 : last->base + last->size, .size = size};
    char path[PATH_MAX_LEN];
    chat_status status = grow(set);
    if (segment.base < set->min_next_base)
        segment.base = set->min_next_base;
    if (status != CHAT_OK)
        return status;
    if (!path_of(set, segment.base, path))
        return CHAT_ERR_LIMIT;
    if (getrandom(&segment.salt, sizeof segment.salt, 0) != (ssize_t)sizeof segment.salt)
        return CHAT_ERR_IO;
    segment.file = files->open(files->ctx, path, 1, 1);
    if (segment.file < 0)
        return chat__files_status(segment.file);
    /* Empty first: whatever an earlier try left behind must not be read as records. */
    int result = files->truncate(files->ctx, segment.file, 0);
    if (result == 0)
        result = files->preallocate(files->ctx, segment.file, size);
    if (result == 0)
        result = write_heads(files, &segment);
    if (result == 0)
        result = files->datasync(files->ctx, segment.file);
    if (result == 0)
        result = files->sync_dir(files->ctx, set->dir);
    if (result != 0) {
        files->close(files->ctx, segment.file);
        (void)files->remove(files->ctx, path);
        return chat__files_status(result);
    }
    push(set, &segment);
    return CHAT_OK;
}

chat_status chat__segments_remove_last(chat__segments *set)
{
    const chat__files *files = set->files;
    char path[PATH_MAX_LEN];
    chat__segment segment = set->items[set->n_items - 1];
    if (!path_of(set, segment.base, path))
        return CHAT_ERR_LIMIT;
    pthread_mutex_lock(&set->lock);
    set->n_items--;
    pthread_mutex_unlock(&set->lock);
    files->close(files->ctx, segment.file);
    chat_status status = chat__files_status(files->remove(files->ctx, path));
    return status == CHAT_OK ? chat__files_status(files->sync_dir(files->ctx, set->dir)) : status;
}

static void set_short(chat__segments *set, size_t index, int is_short)
{
    pthread_mutex_lock(&set->lock);
    set->items[index].is_short = is_short;
    pthread_mutex_unlock(&set->lock);
}

chat_status chat__segments_cut(chat__segments *set, size_t index, uint64_t at)
{
    const chat__files *files = set->files;
    chat__segment *segment = &set->items[index];
    int result = files->truncate(files->ctx, segment->file, at - segment->base);
    if (result == 0)
        result = files->datasync(files->ctx, segment->file);
    set_short(set, index, 1);
    if (result != 0)
        return CHAT_ERR_IO;
    chat_status status = chat__segments_reserve(set, index);
    return status == CHAT_ERR_FULL ? CHAT_OK : status;
}

chat_status chat__segments_reserve(chat__segments *set, size_t index)
{
    const chat__files *files = set->files;
    chat__segment *segment = &set->items[index];
    if (!segment->is_short)
        return CHAT_OK;
    int result = files->preallocate(files->ctx, segment->file, segment->size);
    if (result == 0)
        set_short(set, index, 0);
    return chat__files_status(result);
}

chat_status chat__segments_find(chat__segments *set, uint64_t at, chat__segment *out)
{
    chat_status status = CHAT_ERR_NOT_FOUND;
    pthread_mutex_lock(&set->lock);
    size_t low = 0;
    size_t high = set->n_items;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (set->items[mid].base <= at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low > 0 && at - set->items[low - 1].base < set->items[low - 1].size) {
        *out = set->items[low - 1];
        status = CHAT_OK;
    }
    pthread_mutex_unlock(&set->lock);
    return status;
}
