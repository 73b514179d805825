/* SPDX-License-Identifier: MIT */
/* A folder for a test's files, gone behind it. */
#ifndef CHAT_TESTS_CLIENT_FOLDER_H
#define CHAT_TESTS_CLIENT_FOLDER_H

#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void folder_make(char *out, size_t cap)
{
    const char *base = getenv("TMPDIR");
    snprintf(out, cap, "%s/chat-client-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(out));
}

static inline void folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[512];
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        (void)unlink(path);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
}

#endif
