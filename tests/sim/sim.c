/* SPDX-License-Identifier: MIT */
/* Runs simulations by seed: many in a row, one with a trace, or with a planted bug. */
#include <chat/testing.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: sim [--seeds N] [--from K] [--plant NAME]   run N seeds from K on\n"
    "       sim --seed K [--trace] [--plant NAME] [--history FILE]\n"
    "                                                   run one seed; FILE gets its history\n"
    "       sim --plant list                            name the bugs that can be planted\n"
    "       sim --plant all                             find each, from ten seeds on\n"
    "\n"
    "Runs simulated clusters and judges their histories. Without --plant, exit code 0 means that\n"
    "all guarantees held, 1 that one did not (the seed is printed). With --plant, exit code 0 "
    "means\n"
    "that the bug was found, 1 that no seed showed it. 2: wrong usage.\n";

#define N_STARTS  10u
#define MAX_SEEDS 5000u

typedef struct arguments {
    uint64_t n_seeds, from;
    int is_traced;
    const char *plant;
    const char *history_path;
    FILE *history;
} arguments;

static int parse_number(const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && text[0] != '-';
}

/* The option's value, or 0 with a line for the user. */
static int take_value(const char *name, const char *value, arguments *out)
{
    if (strcmp(name, "--plant") == 0 && value != NULL) {
        out->plant = value;
        return 1;
    }
    if (strcmp(name, "--history") == 0 && value != NULL) {
        out->history_path = value;
        return 1;
    }
    uint64_t *number = strcmp(name, "--seeds") == 0 ? &out->n_seeds : &out->from;
    if (strcmp(name, "--seed") == 0)
        out->n_seeds = 1;
    else if (number == &out->from && strcmp(name, "--from") != 0) {
        fprintf(stderr, "sim: unknown option %s\n\n%s", name, USAGE);
        return 0;
    }
    if (value != NULL && parse_number(value, number))
        return 1;
    fprintf(stderr, "sim: %s needs a value, as in %s 7\n", name, name);
    return 0;
}

static int parse(int argc, char **argv, arguments *out)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0)
            out->is_traced = 1;
        else if (!take_value(argv[i], i + 1 < argc ? argv[i + 1] : NULL, out))
            return 0;
        else
            i++;
    }
    return 1;
}

static void print_line(void *ctx, uint64_t now_ms, const char *line)
{
    (void)ctx;
    printf("%8llu ms  %s\n", (unsigned long long)now_ms, line);
}

static void write_line(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

static uint32_t n_nodes_of(uint64_t seed)
{
    return 1 + (uint32_t)(seed % 4);
}

static int list_plants(void)
{
    for (uint32_t i = 0; chat_sim_plant_name(i) != NULL; i++)
        printf("%s\n", chat_sim_plant_name(i));
    return 0;
}

/* How many seeds it takes to find the plant, from `from` on; 0: more than MAX_SEEDS. */
static uint64_t seeds_to_find(const char *plant, uint64_t from)
{
    chat_sim_options options;
    chat_sim_report report;
    chat_sim_options_init(&options);
    options.plant = plant;
    for (uint64_t i = 0; i < MAX_SEEDS; i++) {
        options.seed = from + i;
        options.n_nodes = n_nodes_of(options.seed);
        if (chat_sim_run(&options, &report) == CHAT_ERR_CORRUPT)
            return i + 1;
    }
    return 0;
}

/* The table of docs/history.md: the most seeds that it took. 0: each was found each time. */
static int find_plants(void)
{
    int code = 0;
    for (uint32_t i = 0; chat_sim_plant_name(i) != NULL; i++) {
        uint64_t most = 0;
        int is_found = 1;
        for (uint64_t k = 0; k < N_STARTS && is_found; k++) {
            uint64_t n = seeds_to_find(chat_sim_plant_name(i), 1 + k * MAX_SEEDS);
            is_found = n > 0;
            most = n > most ? n : most;
        }
        code |= !is_found;
        if (is_found)
            printf("| `%s` | %llu |\n", chat_sim_plant_name(i), (unsigned long long)most);
        else
            printf("| `%s` | not found |\n", chat_sim_plant_name(i));
        fflush(stdout);
    }
    return code;
}

/* 0: all seeds did as they should. */
static int run_seeds(const arguments *args)
{
    chat_sim_options options;
    chat_sim_report report;
    uint64_t n_sent = 0;
    uint64_t n_received = 0;
    uint64_t n_crashes = 0;
    chat_sim_options_init(&options);
    options.plant = args->plant;
    options.trace = args->is_traced ? print_line : NULL;
    options.history = args->history != NULL ? write_line : NULL;
    options.history_ctx = args->history;
    for (uint64_t i = 0; i < args->n_seeds; i++) {
        options.seed = args->from + i;
        options.n_nodes = n_nodes_of(options.seed);
        chat_status status = chat_sim_run(&options, &report);
        n_sent += report.n_sent;
        n_received += report.n_received;
        n_crashes += report.n_crashes;
        if (status == CHAT_OK)
            continue;
        printf("seed %llu: %s\n", (unsigned long long)options.seed,
               status == CHAT_ERR_CORRUPT ? report.violation : chat_status_text(status));
        if (status == CHAT_ERR_ARG)
            fprintf(stderr, "sim: no such plant; see --plant list\n");
        if (status == CHAT_ERR_CORRUPT && args->plant != NULL)
            printf("%s: found after %llu seeds\n", args->plant, (unsigned long long)i + 1);
        return status == CHAT_ERR_CORRUPT && args->plant != NULL ? 0 : 1;
    }
    printf("%llu seeds: %llu messages sent, %llu records received, %llu crashes, %s\n",
           (unsigned long long)args->n_seeds, (unsigned long long)n_sent,
           (unsigned long long)n_received, (unsigned long long)n_crashes,
           args->plant != NULL ? "the planted bug was not found" : "no violation");
    return args->plant != NULL;
}

int main(int argc, char **argv)
{
    arguments args = {1000, 1, 0, NULL, NULL, NULL};
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(USAGE, stdout);
        return 0;
    }
    if (!parse(argc, argv, &args))
        return 2;
    if (args.plant != NULL && strcmp(args.plant, "list") == 0)
        return list_plants();
    if (args.plant != NULL && strcmp(args.plant, "all") == 0)
        return find_plants();
    if (args.history_path != NULL && (args.history = fopen(args.history_path, "w")) == NULL) {
        fprintf(stderr, "sim: cannot write %s: %s\n", args.history_path, strerror(errno));
        return 2;
    }
    int code = run_seeds(&args);
    if (args.history != NULL && fclose(args.history) != 0) {
        fprintf(stderr, "sim: cannot write %s: %s\n", args.history_path, strerror(errno));
        return 2;
    }
    return code;
}
