/* SPDX-License-Identifier: MIT */
/* Judges histories in files: see docs/history.md. */
#include <chat/history.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: check-history FILE...\n"
    "\n"
    "Judges the history of a run, in one file or several that are read one after the other (- is\n"
    "stdin): lines of JSON as docs/history.md describes them. Exit code 0: all guarantees held, "
    "as\n"
    "far as the history shows it; 1: one did not, and it is said which and where; 2: the history\n"
    "cannot be read.\n";

static int refuse(const char *path, unsigned long long line, const char *why)
{
    fprintf(stderr, "check-history: %s:%llu: %s\n", path, line, why);
    return 2;
}

static int read_file(chat_history *history, const char *path, unsigned long long *n_lines)
{
    char *text = NULL;
    size_t cap = 0;
    unsigned long long line = 0;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "check-history: cannot read %s: %s\n", path, strerror(errno));
        return 2;
    }
    chat_status status = CHAT_OK;
    for (ssize_t len; status == CHAT_OK && (len = getline(&text, &cap, file)) >= 0;) {
        chat_view view = {(const uint8_t *)text, (size_t)len};
        while (view.len > 0 && (text[view.len - 1] == '\n' || text[view.len - 1] == '\r'))
            view.len--;
        line++;
        status = chat_history_add(history, view);
    }
    free(text);
    if (file != stdin)
        fclose(file);
    *n_lines += line;
    if (status == CHAT_ERR_SYNTAX)
        return refuse(path, line, "no line of a history: see docs/history.md");
    return status == CHAT_OK ? 0 : refuse(path, line, chat_status_text(status));
}

static int judge(chat_history *history, unsigned long long n_lines)
{
    chat_history_verdict verdict = {.struct_size = sizeof verdict};
    chat_status status = chat_history_judge(history, &verdict);
    if (status == CHAT_ERR_NOMEM) {
        fprintf(stderr, "check-history: %s\n", chat_status_text(status));
        return 2;
    }
    if (verdict.line > 0 && status != CHAT_OK)
        printf("line %llu: ", (unsigned long long)verdict.line);
    if (status != CHAT_OK)
        printf("%s\n", verdict.violation);
    printf("%llu lines, %u devices, %llu acknowledgements, %llu records seen, %llu stored: %s\n",
           n_lines, verdict.n_observers, (unsigned long long)verdict.n_sent,
           (unsigned long long)verdict.n_seen, (unsigned long long)verdict.n_stored,
           status == CHAT_OK ? "no violation" : "VIOLATED");
    return status == CHAT_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    chat_history *history = NULL;
    unsigned long long n_lines = 0;
    int is_help = argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    if (argc < 2 || is_help) {
        fputs(USAGE, is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    if (chat_history_new(&history) != CHAT_OK)
        return refuse(argv[1], 0, "out of memory");
    int code = 0;
    for (int i = 1; i < argc && code == 0; i++)
        code = read_file(history, argv[i], &n_lines);
    if (code == 0 && n_lines == 0)
        code = refuse(argv[1], 0, "it is empty: nothing was judged");
    if (code == 0)
        code = judge(history, n_lines);
    chat_history_free(history);
    return code;
}
