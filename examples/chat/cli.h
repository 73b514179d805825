/* SPDX-License-Identifier: MIT */
/* What the files of the command line client share. It uses the installed headers alone. */
#ifndef CHAT_CLI_H
#define CHAT_CLI_H

#include <chat/chat.h>
#include <chat/client.h>
#include <chat/client_store.h>
#include <chat/token.h>

#include <stdio.h>

/* Exit codes; --help names the same. */
enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_CONNECTION = 3, EXIT_LOCAL = 4 };

#define CLI_MAX_ARGS       300 /* a group's users and some */
#define CLI_MAX_LINE_BYTES (CHAT_BODY_MAX_BYTES + 1)

/* What the command line says. */
struct args {
    const char *verb; /* NULL: interactive */
    const char *items[CLI_MAX_ARGS];
    size_t n_items;
    const char *url, *token, *token_file, *device, *ca_file, *encoding;
    const char *pin, *proxy, *store_file;
    const char *secret_file, *user, *title;
    uint64_t count, limit, before, after, ttl_s, timeout_s;
    int has_before, has_after, has_timeout, has_limit;
    int is_json, is_insecure, is_signature_only, is_open, is_offline;
};

struct cli;

/* How a verb uses the connection. */
struct verb {
    int (*start)(struct cli *cli); /* -1 go on, else exit code */
    void (*on_event)(struct cli *cli, const chat_event *event);
    void (*on_input)(struct cli *cli); /* stdin is readable */
    int keeps_rows;                    /* prints ROW and RESULT itself */
    void (*on_tick)(struct cli *cli);  /* once a turn, may be NULL */
};

struct cli {
    const struct args *args;
    const struct verb *verb;
    chat_client *client;
    char user[CHAT_ID_MAX_BYTES + 1]; /* who we are, from `welcome` */
    int wants_input;                  /* stdin is polled */
    int exit_code;                    /* -1 while running */
    int result;                       /* exit code once the connection is closed, -1 not leaving */
    int is_one_shot;
    uint64_t now_ms;
    uint64_t idle_ms; /* give up after so long without progress; 0 never */
    uint64_t progress_at_ms;
    uint64_t reconnect_at_ms; /* 0: not planned */
    char trouble[256];        /* why there is no connection */
    /* send */
    uint64_t n_failed;
    char *line;
    size_t line_len;
    int is_line_too_long, is_input_over;
    /* listen */
    uint64_t n_left;
    /* history */
    char **rows;
    size_t n_rows;
};

/* args.c: -1 to go on, else the exit code. */
int args_parse(int argc, char **argv, struct args *out);
chat_target args_target(const char *chat);
/* A decimal number. 0: it is none. */
int args_number(const char *text, uint64_t *out);
uint64_t args_now_unix_ms(void);
/* NULL: said why. The caller frees; `*out_len` bytes and a zero. */
char *args_read_file(const char *path, size_t *out_len);

/* verbs.c */
struct command {
    const char *name;
    size_t min_items, max_items; /* words behind it */
    const struct verb *verb;     /* NULL: token_main() */
    int is_one_shot;
    const char *words, *text; /* for --help */
};
/* NULL: there is none. */
const struct command *command_find(const char *name);
/* Whether it begins with CHAT ID, or CHAT/ID in one word. */
int command_is_of_message(const struct command *command);
/* The rows of --help: of one verb, or of all (NULL). */
void commands_print(FILE *out, const char *name);

/* help.c: of all, or of one verb. */
void help_print(FILE *out, const char *verb);

/* loop.c */
int cli_run(const struct args *args, const struct verb *verb, int is_one_shot);
void cli_finish(struct cli *cli, int exit_code);
/* Give each line of what stdin has to `on_line`; sets is_input_over at the end. */
void cli_read_lines(struct cli *cli, void (*on_line)(struct cli *cli, chat_view line));
chat_view cli_view(const char *text);

/* show.c: events for programs and for people. */
void show_json(FILE *out, const chat_event *event);
void show_json_text(FILE *out, chat_view text); /* quoted */
void show_text(FILE *out, chat_view text);      /* nothing in it can steer the terminal */
void show_chat_name(FILE *out, const struct cli *cli, chat_view chat);
void show_row(FILE *out, const struct cli *cli, const chat_frame *frame);
void show_presence(FILE *out, const chat_frame *frame);
void show_device(FILE *out, const chat_frame *frame);
void show_receipt(FILE *out, const struct cli *cli, const chat_frame *frame);
void show_trail(FILE *out, const chat_frame *frame);
void show_marker(FILE *out, const struct cli *cli, const chat_frame *frame);
void show_setting(FILE *out, const struct cli *cli, const chat_frame *frame);
void show_blocked(FILE *out, const chat_frame *frame);
void show_state(FILE *out, const chat_event *event);

/* People read downwards: rows that come newest first are kept, and printed in reverse. */
void rows_keep(struct cli *cli, const chat_event *event);
void rows_print(struct cli *cli, int is_oldest_first);

/* oneshot.c */
extern const struct verb verb_send, verb_listen, verb_history, verb_chats;
/* Say why the library took a call not; the exit code. */
int oneshot_refuse(chat_status status, const char *what);
/* Leave when the request is answered. */
void oneshot_on_event(struct cli *cli, const chat_event *event);
/* What a message that is sent comes to. */
void send_on_event(struct cli *cli, const chat_event *event);
void send_on_tick(struct cli *cli);

/* outbox.c */
extern const struct verb verb_outbox;
/* The item that `cid` names: it waits for a run with a connection. */
void outbox_show_waiting(const struct cli *cli, const chat_client_cid *cid);

/* presence.c */
extern const struct verb verb_presence, verb_watch, verb_hide, verb_typing;

/* marks.c: what was read */
extern const struct verb verb_read, verb_receipts, verb_why, verb_mute;

/* blocks.c */
extern const struct verb verb_block, verb_blocks;
/* devices.c */
extern const struct verb verb_devices, verb_device_remove;

/* groups.c: create, update, join, leave, add, remove, role, members */
extern const struct verb verb_group;
/* What the words (name, CHAT, what it needs) ask for; CHAT_ERR_ARG also for too few or an unknown
   name. */
chat_status group_ask(struct cli *cli, const char *const *words, size_t n_words);

/* notes.c: reply, edit, delete, react, reactions */
extern const struct verb verb_reply, verb_note;
void show_note(FILE *out, const chat_frame *frame);

/* token.c */
int token_main(const struct args *args);

/* interactive.c */
extern const struct verb verb_interactive;

#endif
