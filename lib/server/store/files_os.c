/* SPDX-License-Identifier: MIT */
/* The file table over POSIX calls. See files.h. */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int os_open(void *ctx, const char *path, int writable, int create)
{
    (void)ctx;
    int flags = (writable ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0) | O_CLOEXEC;
    int file = open(path, flags, 0600);
    return file < 0 ? -errno : file;
}

static void os_close(void *ctx, int file)
{
    (void)ctx;
    (void)close(file);
}

static int64_t os_size(void *ctx, int file)
{
    struct stat st;
    (void)ctx;
    return fstat(file, &st) != 0 ? -errno : (int64_t)st.st_size;
}

static int64_t os_pread(void *ctx, int file, void *out, size_t len, uint64_t at)
{
    (void)ctx;
    for (;;) {
        ssize_t n = pread(file, out, len, (off_t)at);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

static int64_t os_pwrite(void *ctx, int file, const void *bytes, size_t len, uint64_t at)
{
    (void)ctx;
    for (;;) {
        ssize_t n = pwrite(file, bytes, len, (off_t)at);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

/* For file systems without fallocate: the blocks are reserved by writing them. */
static int write_zeros(int file, uint64_t bytes)
{
    static const char zeros[65536];
    int64_t size = os_size(NULL, file);
    if (size < 0)
        return (int)size;
    for (uint64_t at = (uint64_t)size; at < bytes;) {
        size_t len = bytes - at < sizeof zeros ? (size_t)(bytes - at) : sizeof zeros;
        int64_t n = os_pwrite(NULL, file, zeros, len, at);
        if (n <= 0)
            return n == 0 ? -ENOSPC : (int)n;
        at += (uint64_t)n;
    }
    return 0;
}

static int os_preallocate(void *ctx, int file, uint64_t bytes)
{
    (void)ctx;
    while (fallocate(file, 0, 0, (off_t)bytes) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return write_zeros(file, bytes);
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int os_truncate(void *ctx, int file, uint64_t bytes)
{
    (void)ctx;
    return ftruncate(file, (off_t)bytes) != 0 ? -errno : 0;
}

static int os_datasync(void *ctx, int file)
{
    (void)ctx;
    return fdatasync(file) != 0 ? -errno : 0;
}

static int os_sync_dir(void *ctx, const char *dir)
{
    (void)ctx;
    int file = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int result = fsync(file) != 0 ? -errno : 0;
    (void)close(file);
    return result;
}

static int os_remove(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) != 0 ? -errno : 0;
}

/* flock() belongs to the open file, so a second store in the same process is refused too. */
static int os_lock(void *ctx, int file)
{
    (void)ctx;
    return flock(file, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
}

static int os_list(void *ctx, const char *dir, void (*fn)(void *arg, const char *name), void *arg)
{
    (void)ctx;
    DIR *stream = opendir(dir);
    if (stream == NULL)
        return -errno;
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fn(arg, entry->d_name);
        errno = 0;
    }
    int result = -errno;
    (void)closedir(stream);
    return result;
}

static const chat__files OS_FILES = {
    NULL,        os_open,     os_close,    os_size,   os_pread, os_pwrite, os_preallocate,
    os_truncate, os_datasync, os_sync_dir, os_remove, os_lock,  os_list,
};

const chat__files *chat__files_os(void)
{
    return &OS_FILES;
}
