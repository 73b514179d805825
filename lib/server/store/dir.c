/* SPDX-License-Identifier: MIT */
/* The data directory: made, locked, and checked to be one that this version can use. */
#include "store/internal.h"
#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_VERSION 1u

static int make_dir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

static chat_status explain(chat__store *store, chat__store_report *report, const char *what,
                           int error)
{
    snprintf(report->problem, sizeof report->problem,
             "%.150s: %s: %s. Check owner, rights and space.", store->dir, what, strerror(-error));
    return chat__files_status(error) == CHAT_ERR_FULL ? CHAT_ERR_FULL : CHAT_ERR_IO;
}

static void path_in(const chat__store *store, const char *name, char path[CHAT__STORE_PATH_MAX])
{
    snprintf(path, CHAT__STORE_PATH_MAX, "%s/%s", store->dir, name);
}

static chat_status refuse_second(chat__store *store, chat__store_report *report, int file)
{
    char pid[16] = "";
    int64_t n = store->files->pread(store->files->ctx, file, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = 0;
    pid[strspn(pid, "0123456789")] = 0;
    snprintf(report->problem, sizeof report->problem,
             "%.150s is in use by process %s. Stop it, or use another directory.", store->dir,
             pid[0] != 0 ? pid : "(unknown)");
    return CHAT_ERR_IN_USE;
}

static chat_status lock_dir(chat__store *store, chat__store_report *report)
{
    const chat__files *files = store->files;
    char path[CHAT__STORE_PATH_MAX];
    char pid[16];
    path_in(store, "lock", path);
    int file = files->open(files->ctx, path, 1, 1);
    if (file < 0)
        return explain(store, report, "cannot open the lock file", file);
    int result = files->lock(files->ctx, file);
    if (result != 0) {
        chat_status status = result == -EWOULDBLOCK ? refuse_second(store, report, file)
                                                    : explain(store, report, "cannot lock", result);
        files->close(files->ctx, file);
        return status;
    }
    store->lock_file = file;
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    /* Only for the message above: a full disk must not keep the server down. */
    (void)files->truncate(files->ctx, file, 0);
    (void)files->pwrite(files->ctx, file, pid, (size_t)len, 0);
    return CHAT_OK;
}

static void count_name(void *arg, const char *name)
{
    int *n = arg;
    (void)name;
    ++*n;
}

static chat_status write_format(chat__store *store, chat__store_report *report, int file)
{
    const chat__files *files = store->files;
    char text[64];
    int len = snprintf(text, sizeof text, "chat store %u\npartitions %" PRIu32 "\n", FORMAT_VERSION,
                       store->options.n_partitions);
    int result = chat__files_write(files, file, text, (size_t)len, 0);
    if (result == 0)
        result = files->truncate(files->ctx, file, (uint64_t)len);
    if (result == 0)
        result = files->datasync(files->ctx, file);
    if (result == 0)
        result = files->sync_dir(files->ctx, store->dir);
    return result == 0 ? CHAT_OK : explain(store, report, "cannot write the format file", result);
}

static chat_status check_format(chat__store *store, chat__store_report *report, const char *text)
{
    uint32_t version;
    uint32_t n_partitions;
    int n =
        sscanf(text, "chat store %" SCNu32 "\npartitions %" SCNu32 "\n", &version, &n_partitions);
    if (n >= 1 && version > FORMAT_VERSION) {
        snprintf(report->problem, sizeof report->problem,
                 "%.120s was written by a newer version (format %" PRIu32 ", this one reads %u). "
                 "Use that version.",
                 store->dir, version, FORMAT_VERSION);
        return CHAT_ERR_VERSION;
    }
    if (n != 2) {
        snprintf(report->problem, sizeof report->problem,
                 "%.150s/format is damaged. Restore it from a backup.", store->dir);
        return CHAT_ERR_CORRUPT;
    }
    if (n_partitions != store->options.n_partitions) {
        snprintf(report->problem, sizeof report->problem,
                 "%.100s was made with %" PRIu32 " partitions, not %" PRIu32
                 ". Set partitions to %" PRIu32 ", or use another directory.",
                 store->dir, n_partitions, store->options.n_partitions, n_partitions);
        return CHAT_ERR_VERSION;
    }
    return CHAT_OK;
}

/* Written when the directory is made; as long as there is no log, it may be written again. */
static chat_status open_format(chat__store *store, chat__store_report *report)
{
    const chat__files *files = store->files;
    char path[CHAT__STORE_PATH_MAX];
    char text[128];
    int n_segments = 0;
    path_in(store, "format", path);
    int file = files->open(files->ctx, path, 1, 1);
    if (file < 0)
        return explain(store, report, "cannot open the format file", file);
    int64_t n = files->pread(files->ctx, file, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    (void)files->list(files->ctx, store->log_dir, count_name, &n_segments);
    chat_status status = n < 0 ? explain(store, report, "cannot read the format file", (int)n)
                               : check_format(store, report, text);
    if (status == CHAT_ERR_CORRUPT && n_segments == 0) {
        report->problem[0] = 0;
        status = write_format(store, report, file);
    }
    files->close(files->ctx, file);
    return status;
}

chat_status chat__store_open_dir(chat__store *store, chat__store_report *report)
{
    int result = make_dir(store->dir);
    if (result != 0)
        return explain(store, report, "cannot make the data directory", result);
    chat_status status = lock_dir(store, report);
    if (status != CHAT_OK)
        return status;
    result = make_dir(store->log_dir);
    if (result != 0)
        return explain(store, report, "cannot make the log directory", result);
    return open_format(store, report);
}

void chat__store_close_dir(chat__store *store)
{
    if (store->lock_file >= 0)
        store->files->close(store->files->ctx, store->lock_file);
    store->lock_file = -1;
}
