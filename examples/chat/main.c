/* SPDX-License-Identifier: MIT */
/* chat: a command line client on libchat-client. */
#include "cli.h"

#include <locale.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct args args; /* too large for the stack of a small system */
    static const struct {
        const char *name;
        const struct verb *verb;
        int is_one_shot;
    } verbs[] = {
        {"send", &verb_send, 1},
        {"listen", &verb_listen, 0},
        {"history", &verb_history, 1},
        {"chats", &verb_chats, 1},
        {"create", &verb_group, 1},
        {"update", &verb_group, 1},
        {"join", &verb_group, 1},
        {"leave", &verb_group, 1},
        {"add", &verb_group, 1},
        {"remove", &verb_group, 1},
        {"role", &verb_group, 1},
        {"members", &verb_group, 1},
        {"presence", &verb_presence, 1},
        {"watch", &verb_watch, 0},
        {"hide", &verb_hide, 1},
        {"read", &verb_read, 1},
        {"receipts", &verb_receipts, 1},
        {"why", &verb_why, 1},
        {"reply", &verb_reply, 1},
        {"edit", &verb_note, 1},
        {"delete", &verb_note, 1},
        {"react", &verb_note, 1},
        {"reactions", &verb_note, 1},
        {"mute", &verb_mute, 1},
        {"block", &verb_block, 1},
        {"unblock", &verb_block, 1},
        {"blocks", &verb_blocks, 1},
        {"devices", &verb_devices, 1},
        {"device-remove", &verb_device_remove, 1},
        {"unmute", &verb_mute, 1},
        {"outbox", &verb_outbox, 1},
    };
    setlocale(LC_ALL, "");
    int code = args_parse(argc, argv, &args);
    if (code >= 0)
        return code;
    if (args.encoding != NULL && strcmp(args.encoding, "json") != 0 &&
        strcmp(args.encoding, "cbor") != 0) {
        fprintf(stderr, "chat: unknown encoding: %s\nIt is cbor or json.\n", args.encoding);
        return EXIT_USAGE;
    }
    if (args.verb == NULL)
        return cli_run(&args, &verb_interactive, 0);
    if (strcmp(args.verb, "token") == 0)
        return token_main(&args);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(args.verb, verbs[i].name) == 0)
            return cli_run(&args, verbs[i].verb, verbs[i].is_one_shot);
    return EXIT_USAGE;
}
