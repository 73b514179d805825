/* SPDX-License-Identifier: MIT */
/* chat: a command line client on libchat-client. */
#include "cli.h"

#include <locale.h>
#include <string.h>

int main(int argc, char **argv)
{
    static struct args args; /* too large for the stack of a small system */
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
    const struct command *command = command_find(args.verb);
    if (command->verb == NULL)
        return token_main(&args);
    return cli_run(&args, command->verb, command->is_one_shot);
}
