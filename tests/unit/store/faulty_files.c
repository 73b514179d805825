/* SPDX-License-Identifier: MIT */
/* See faulty_files.h. */
#include "faulty_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u

uint64_t faulty_random(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(0x2545f4914f6cdd1d);
}

static void resize(faulty_bytes *bytes, uint64_t size)
{
    if (size > 0 && size != bytes->size) {
        bytes->data = realloc(bytes->data, size);
        if (size > bytes->size)
            memset(bytes->data + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

static void copy(faulty_bytes *to, const faulty_bytes *from)
{
    resize(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
}

static uint64_t used(const faulty *disk)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < disk->n_files; i++)
        sum += disk->files[i].is_there ? disk->files[i].now.size : 0;
    return sum;
}

static int do_open(void *ctx, const char *path, int writable, int create)
{
    faulty *disk = ctx;
    (void)writable;
    for (size_t i = 0; i < disk->n_files; i++) {
        faulty_file *file = &disk->files[i];
        if (strcmp(file->path, path) != 0)
            continue;
        if (!file->is_there && !create)
            return -ENOENT;
        if (!file->is_there)
            resize(&file->now, 0);
        file->is_there = 1;
        return (int)i;
    }
    if (!create)
        return -ENOENT;
    if (disk->n_files == FAULTY_FILES_MAX || strlen(path) >= sizeof disk->files[0].path)
        return -EMFILE;
    faulty_file *file = &disk->files[disk->n_files];
    memset(file, 0, sizeof *file);
    strcpy(file->path, path);
    file->is_there = 1;
    return (int)disk->n_files++;
}

static void do_close(void *ctx, int handle)
{
    faulty *disk = ctx;
    disk->files[handle].is_locked = 0;
}

static int64_t do_size(void *ctx, int handle)
{
    faulty *disk = ctx;
    return (int64_t)disk->files[handle].now.size;
}

static int64_t do_pread(void *ctx, int handle, void *out, size_t len, uint64_t at)
{
    faulty *disk = ctx;
    pthread_mutex_lock(&disk->lock);
    const faulty_bytes *bytes = &disk->files[handle].now;
    disk->n_preads++;
    if (at >= bytes->size)
        len = 0;
    else if (len > bytes->size - at)
        len = (size_t)(bytes->size - at);
    if (len > 0)
        memcpy(out, bytes->data + at, len);
    pthread_mutex_unlock(&disk->lock);
    return (int64_t)len;
}

static int count_down(uint64_t *left)
{
    if (*left == UINT64_MAX)
        return 0;
    if (*left == 0)
        return 1;
    --*left;
    return 0;
}

static int64_t do_pwrite(void *ctx, int handle, const void *in, size_t len, uint64_t at)
{
    faulty *disk = ctx;
    int64_t result = -ENOSPC;
    pthread_mutex_lock(&disk->lock);
    faulty_bytes *bytes = &disk->files[handle].now;
    disk->n_pwrites++;
    if (count_down(&disk->writes_to_fail)) {
        result = -EIO;
    } else {
        len = len < disk->max_write ? len : (size_t)disk->max_write;
        len = len < disk->writable_bytes ? len : (size_t)disk->writable_bytes;
        if (at + len > bytes->size && used(disk) + (at + len - bytes->size) > disk->capacity)
            len = 0;
    }
    if (result != -EIO && len > 0) {
        if (at + len > bytes->size)
            resize(bytes, at + len);
        memcpy(bytes->data + at, in, len);
        if (disk->writable_bytes != UINT64_MAX)
            disk->writable_bytes -= len;
        result = (int64_t)len;
    }
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static int do_preallocate(void *ctx, int handle, uint64_t size)
{
    faulty *disk = ctx;
    int result = 0;
    pthread_mutex_lock(&disk->lock);
    faulty_bytes *bytes = &disk->files[handle].now;
    if (size > bytes->size && used(disk) + (size - bytes->size) > disk->capacity)
        result = -ENOSPC;
    else if (size > bytes->size)
        resize(bytes, size);
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static int do_truncate(void *ctx, int handle, uint64_t size)
{
    faulty *disk = ctx;
    pthread_mutex_lock(&disk->lock);
    resize(&disk->files[handle].now, size);
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

static int do_datasync(void *ctx, int handle)
{
    faulty *disk = ctx;
    int result = 0;
    pthread_mutex_lock(&disk->lock);
    disk->n_datasyncs++;
    if (count_down(&disk->syncs_to_fail))
        result = -EIO;
    else
        copy(&disk->files[handle].durable, &disk->files[handle].now);
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static int do_sync_dir(void *ctx, const char *dir)
{
    faulty *disk = ctx;
    (void)dir;
    for (size_t i = 0; i < disk->n_files; i++)
        disk->files[i].was_there = disk->files[i].is_there;
    return 0;
}

static int do_remove(void *ctx, const char *path)
{
    faulty *disk = ctx;
    int handle = do_open(ctx, path, 1, 0);
    if (handle < 0)
        return handle;
    disk->files[handle].is_there = 0;
    return 0;
}

static int do_lock(void *ctx, int handle)
{
    faulty *disk = ctx;
    if (disk->files[handle].is_locked)
        return -EWOULDBLOCK;
    disk->files[handle].is_locked = 1;
    return 0;
}

static int do_list(void *ctx, const char *dir, void (*fn)(void *arg, const char *name), void *arg)
{
    faulty *disk = ctx;
    size_t len = strlen(dir);
    for (size_t i = 0; i < disk->n_files; i++) {
        const char *path = disk->files[i].path;
        if (disk->files[i].is_there && strncmp(path, dir, len) == 0 && path[len] == '/' &&
            strchr(path + len + 1, '/') == NULL)
            fn(arg, path + len + 1);
    }
    return 0;
}

faulty *faulty_new(void)
{
    static const chat__files table = {
        NULL,        do_open,     do_close,    do_size,   do_pread, do_pwrite, do_preallocate,
        do_truncate, do_datasync, do_sync_dir, do_remove, do_lock,  do_list,
    };
    faulty *disk = calloc(1, sizeof *disk);
    disk->table = table;
    disk->table.ctx = disk;
    pthread_mutex_init(&disk->lock, NULL);
    faulty_heal(disk);
    return disk;
}

static void drop_files(faulty *disk)
{
    for (size_t i = 0; i < disk->n_files; i++) {
        free(disk->files[i].now.data);
        free(disk->files[i].durable.data);
    }
    disk->n_files = 0;
}

void faulty_free(faulty *disk)
{
    if (disk == NULL)
        return;
    drop_files(disk);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

void faulty_heal(faulty *disk)
{
    disk->capacity = UINT64_MAX;
    disk->writable_bytes = UINT64_MAX;
    disk->max_write = UINT64_MAX;
    disk->writes_to_fail = UINT64_MAX;
    disk->syncs_to_fail = UINT64_MAX;
}

/* Sector by sector the new or the old content; the size is one or the other. */
static void tear(faulty_file *file, uint64_t *random)
{
    faulty_bytes torn = {NULL, 0};
    uint64_t sizes[2] = {file->durable.size, file->now.size};
    resize(&torn, sizes[faulty_random(random) & 1]);
    uint64_t style = faulty_random(random) % 3; /* all old, all new, mixed */
    for (uint64_t at = 0; at < torn.size; at += SECTOR) {
        uint64_t is_new = style == 2 ? faulty_random(random) & 1 : style;
        const faulty_bytes *from = is_new ? &file->now : &file->durable;
        uint64_t len = torn.size - at < SECTOR ? torn.size - at : SECTOR;
        if (at < from->size)
            memcpy(torn.data + at, from->data + at, from->size - at < len ? from->size - at : len);
    }
    copy(&file->now, &torn);
    copy(&file->durable, &torn);
    free(torn.data);
}

void faulty_crash(faulty *disk, uint64_t *random)
{
    for (size_t i = 0; i < disk->n_files; i++) {
        faulty_file *file = &disk->files[i];
        if (file->is_there != file->was_there && (faulty_random(random) & 1))
            file->is_there = file->was_there;
        file->was_there = file->is_there;
        file->is_locked = 0;
        tear(file, random);
    }
    faulty_heal(disk);
}

void faulty_settle(faulty *disk)
{
    for (size_t i = 0; i < disk->n_files; i++) {
        copy(&disk->files[i].durable, &disk->files[i].now);
        disk->files[i].was_there = disk->files[i].is_there;
        disk->files[i].is_locked = 0;
    }
}

void faulty_restore(faulty *disk, const faulty *from)
{
    drop_files(disk);
    for (size_t i = 0; i < from->n_files; i++) {
        faulty_file *file = &disk->files[i];
        *file = from->files[i];
        memset(&file->now, 0, sizeof file->now);
        memset(&file->durable, 0, sizeof file->durable);
        copy(&file->now, &from->files[i].now);
        copy(&file->durable, &from->files[i].durable);
        file->is_locked = 0;
    }
    disk->n_files = from->n_files;
}

faulty *faulty_copy(const faulty *disk)
{
    faulty *out = faulty_new();
    faulty_restore(out, disk);
    return out;
}

faulty_file *faulty_find(faulty *disk, const char *end, size_t n)
{
    faulty_file *found = NULL;
    for (size_t rank = 0; rank <= n; rank++) {
        faulty_file *next = NULL;
        for (size_t i = 0; i < disk->n_files; i++) {
            faulty_file *file = &disk->files[i];
            size_t len = strlen(file->path);
            if (!file->is_there || len < strlen(end) ||
                strcmp(file->path + len - strlen(end), end) != 0 ||
                (found != NULL && strcmp(file->path, found->path) <= 0))
                continue;
            if (next == NULL || strcmp(file->path, next->path) < 0)
                next = file;
        }
        found = next;
        if (found == NULL)
            return NULL;
    }
    return found;
}
