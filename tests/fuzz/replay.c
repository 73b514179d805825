/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzzer without libFuzzer: every file of a corpus, then mutations of them that follow from
 * a seed alone. A fault shows the case it was in; that case alone runs with CASE.
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES      1024
#define MAX_FILE_BYTES (1u << 20)
#define MAX_EDITS      6
#define MAX_GROWTH     256u

typedef struct input {
    char name[256];
    uint8_t *data;
    size_t size;
} input;

static input inputs[MAX_FILES];
static size_t n_inputs;
static volatile unsigned long current_case;
static volatile int is_corpus; /* current_case counts files */
static uint64_t current_seed;

/* splitmix64: one number follows from the one before. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t n)
{
    return n == 0 ? 0 : (size_t)(next_random(state) % n);
}

static int load_file(const char *folder, const char *name)
{
    char path[2048];
    struct stat info;
    input *to = &inputs[n_inputs];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return 1;
    FILE *file = fopen(path, "rb");
    if (file == NULL || n_inputs == MAX_FILES || (size_t)info.st_size > MAX_FILE_BYTES) {
        fprintf(stderr, "cannot take %s\n", path);
        if (file != NULL)
            fclose(file);
        return 0;
    }
    to->size = (size_t)info.st_size;
    to->data = malloc(to->size + 1);
    snprintf(to->name, sizeof to->name, "%s", name);
    int is_read = to->data != NULL && fread(to->data, 1, to->size, file) == to->size;
    fclose(file);
    n_inputs++;
    return is_read;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const input *)a)->name, ((const input *)b)->name);
}

/* In the order of their names, so that a case is the same everywhere. */
static int load_folder(const char *folder)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);
    int is_good = dir != NULL;
    while (is_good && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            is_good = load_file(folder, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    qsort(inputs, n_inputs, sizeof inputs[0], by_name);
    return is_good && n_inputs > 0;
}

/* In memory of exactly its size, so that a sanitizer sees any byte too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    if (size > 0)
        memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static uint8_t odd_byte(uint64_t *state)
{
    static const uint8_t ODD[] = {0x00, 0x01, 0x18, 0x1b, 0x1f, 0x20, '"',  '\\', '0',  '-', '{',
                                  '[',  ',',  0x5f, 0x7f, 0x80, 0x9f, 0xbf, 0xc2, 0xed, 0xff};
    return (next_random(state) & 1) != 0 ? ODD[below(state, sizeof ODD)]
                                         : (uint8_t)next_random(state);
}

static size_t insert(uint8_t *data, size_t size, size_t cap, uint64_t *state)
{
    const input *from = &inputs[below(state, n_inputs)];
    size_t start = below(state, from->size);
    size_t len = below(state, from->size - start) + 1;
    size_t at = below(state, size + 1);
    if (from->size == 0 || len > cap - size)
        return size;
    memmove(data + at + len, data + at, size - at);
    memcpy(data + at, from->data + start, len);
    return size + len;
}

static size_t cut(uint8_t *data, size_t size, uint64_t *state)
{
    size_t at = below(state, size);
    size_t len = size == 0 ? 0 : below(state, size - at) + 1;
    memmove(data + at, data + at + len, size - at - len);
    return size - len;
}

static size_t edit(uint8_t *data, size_t size, size_t cap, uint64_t *state)
{
    size_t at = below(state, size);
    switch (next_random(state) % 6) {
    case 0:
        return size == 0 ? 0 : at;
    case 1:
        return insert(data, size, cap, state);
    case 2:
        return cut(data, size, state);
    case 3:
        if (size > 0)
            data[at] ^= (uint8_t)(1u << (next_random(state) & 7));
        return size;
    case 4:
        if (size > 0)
            data[at] = (uint8_t)(data[at] + (next_random(state) & 1) * 2 - 1);
        return size;
    default:
        if (size > 0)
            data[at] = odd_byte(state);
        return size;
    }
}

/* A case is a function of the seed and its number. */
static void run_case(unsigned long number, int is_shown)
{
    uint64_t state = current_seed * 0x100000001b3u + number;
    const input *from = &inputs[below(&state, n_inputs)];
    size_t cap = from->size + MAX_GROWTH;
    size_t size = from->size;
    uint8_t *data = malloc(cap);
    if (data == NULL)
        abort();
    memcpy(data, from->data, size);
    for (size_t i = below(&state, MAX_EDITS) + 1; i > 0; i--)
        size = edit(data, size, cap, &state);
    for (size_t i = 0; is_shown && i < size; i++)
        printf("%02x%s", data[i], i + 1 == size ? "\n" : "");
    fflush(stdout);
    run(data, size);
    free(data);
}

/* There under sanitizers, which end a process without a signal. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void show_case(void)
{
    char text[128];
    int len = snprintf(text, sizeof text, "fault in %s %lu of seed %llu\n",
                       is_corpus ? "file" : "case", current_case, (unsigned long long)current_seed);
    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        _exit(3);
}

static void on_fault(int signal_number)
{
    show_case();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void watch_faults(void)
{
    signal(SIGABRT, on_fault);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(show_case);
        return;
    }
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
}

static void run_corpus(void)
{
    is_corpus = 1;
    for (size_t i = 0; i < n_inputs; i++) {
        current_case = i;
        run(inputs[i].data, inputs[i].size);
    }
    is_corpus = 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s FOLDER N_MUTATIONS SEED [CASE]\n", argv[0]);
        return 2;
    }
    unsigned long n_cases = strtoul(argv[2], NULL, 10);
    current_seed = strtoull(argv[3], NULL, 10);
    if (!load_folder(argv[1])) {
        fprintf(stderr, "no corpus in %s\n", argv[1]);
        return 2;
    }
    watch_faults();
    if (argc > 4) {
        current_case = strtoul(argv[4], NULL, 10);
        run_case(current_case, 1);
    } else {
        run_corpus();
        for (current_case = 0; current_case < n_cases; current_case++)
            run_case(current_case, 0);
        printf("%zu files and %lu mutations, seed %llu\n", n_inputs, n_cases,
               (unsigned long long)current_seed);
    }
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    return 0;
}
