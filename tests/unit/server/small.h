/* SPDX-License-Identifier: MIT */
/* A server that lets nobody in, and a directory of its own: for what runs beside its shards. */
#ifndef CHAT_TESTS_UNIT_SERVER_SMALL_H
#define CHAT_TESTS_UNIT_SERVER_SMALL_H

#include <chat/server.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SMALL_DIR_BYTES = 64 };

typedef struct small {
    char dir[SMALL_DIR_BYTES];
    char data[SMALL_DIR_BYTES + 8];
    char secret[SMALL_DIR_BYTES + 8]; /* see small_secret() */
} small;

static inline chat_status small_let_nobody_in(void *ctx, const chat_server_login *login,
                                              chat_server_identity *out)
{
    (void)ctx;
    (void)login;
    (void)out;
    return CHAT_ERR_AUTH;
}

/* 0, or -1: no directory. */
static inline int small_make(small *self)
{
    strcpy(self->dir, "/tmp/chat-unit-XXXXXX");
    if (mkdtemp(self->dir) == NULL)
        return -1;
    snprintf(self->data, sizeof self->data, "%s/data", self->dir);
    return 0;
}

/* A file for link-secret-file. 0, or -1: it could not be written. */
static inline int small_secret(small *self)
{
    snprintf(self->secret, sizeof self->secret, "%s/secret", self->dir);
    FILE *secret = fopen(self->secret, "w");
    if (secret == NULL)
        return -1;
    int is_written = fputs("a secret that is long enough for a test", secret) >= 0;
    return fclose(secret) == 0 && is_written && chmod(self->secret, 0600) == 0 ? 0 : -1;
}

/* One shard; borrows the directory's name. */
static inline void small_options(const small *self, chat_server_options *options)
{
    chat_server_options_init(options);
    options->data = self->data;
    options->hooks.authenticate = small_let_nobody_in;
    options->listen = "127.0.0.1:0";
    options->shards = 1;
    options->segment_bytes = 1 << 20;
}

static inline int small_remove_one(const char *path, const struct stat *about, int kind,
                                   struct FTW *at)
{
    (void)about;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline void small_remove(const small *self)
{
    nftw(self->dir, small_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
