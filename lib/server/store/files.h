/* SPDX-License-Identifier: MIT */
/*
 * Every file operation of the log goes through this table, so that tests and the simulator can tear
 * writes, flip bits, fail fdatasync and fill the disk. All return 0 (or a count) or -errno.
 */
#ifndef CHAT_STORE_FILES_H
#define CHAT_STORE_FILES_H

#include <stddef.h>
#include <stdint.h>

typedef struct chat__files {
    void *ctx;
    int (*open)(void *ctx, const char *path, int writable, int create); /* handle >= 0 or -errno */
    void (*close)(void *ctx, int file);
    int64_t (*size)(void *ctx, int file);
    int64_t (*pread)(void *ctx, int file, void *out, size_t len, uint64_t at);
    int64_t (*pwrite)(void *ctx, int file, const void *bytes, size_t len, uint64_t at);
    int (*preallocate)(void *ctx, int file, uint64_t bytes); /* reserve, size grows, zeros */
    int (*truncate)(void *ctx, int file, uint64_t bytes);
    int (*datasync)(void *ctx, int file);
    int (*sync_dir)(void *ctx, const char *dir);
    int (*remove)(void *ctx, const char *path);
    int (*lock)(void *ctx, int file); /* exclusive, -EWOULDBLOCK when another has it */
    int (*list)(void *ctx, const char *dir, void (*fn)(void *arg, const char *name), void *arg);
} chat__files;

/* The operating system's; static. */
const chat__files *chat__files_os(void);

#endif
