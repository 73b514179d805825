/* SPDX-License-Identifier: MIT */
/* See common.h. */
#include "common.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

double bench_wall_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double bench_cpu_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t bench_resident_bytes(void)
{
    uint64_t all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &all, &resident) != 2)
        resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void bench_check(int is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

uint64_t bench_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

void bench_make_dir(const char *parent, char *out, size_t cap)
{
    const char *tmp = parent != NULL ? parent : getenv("TMPDIR");
    int len = snprintf(out, cap, "%s/chat-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    bench_check(len > 0 && (size_t)len < cap && mkdtemp(out) != NULL, "making a directory");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bench_remove_tree(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *bench_word(int argc, char **argv, const char *name)
{
    const char *word = NULL;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            word = argv[i + 1];
    }
    return word;
}

uint64_t bench_number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *word = bench_word(argc, argv, name);
    char *end = NULL;
    if (word == NULL)
        return otherwise;
    uint64_t number = strtoull(word, &end, 10);
    if (*word < '0' || *word > '9' || *end != '\0' || number == 0) {
        fprintf(stderr, "bench: %s takes a number above 0, not `%s`\n", name, word);
        exit(2);
    }
    return number;
}

void bench_take_only(int argc, char **argv, const char *usage)
{
    for (int i = 1; i < argc; i++) {
        const char *at = strstr(usage, argv[i]);
        int is_asked = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        int is_known = at != NULL && strchr(" ]", at[strlen(argv[i])]) != NULL;
        if (!is_asked && (argv[i][0] != '-' || is_known))
            continue;
        fprintf(is_asked ? stdout : stderr, "%s\n", usage);
        exit(is_asked ? 0 : 2);
    }
}
