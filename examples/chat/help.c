/* SPDX-License-Identifier: MIT */
/* The text of --help. */
#include "cli.h"

static const char usage[] = "usage: chat [OPTION...] [VERB ARGUMENT...]\n"
                            "\n"
                            "Talk through a chat server. Without a verb: interactive.\n"
                            "\n"
                            "verbs\n";

static const char help[] =
    "CHAT is the id of a group, or @USER for the direct chat with USER. MESSAGE is CHAT/ID as\n"
    "send, history and listen print it, or two words, CHAT ID.\n"
    "chat VERB --help says how one verb is called.\n"
    "\n"
    "connection\n"
    "  --url URL                  ws://HOST[:PORT][/PATH] or wss://...; or CHAT_URL\n"
    "  --token TOKEN              or --token-file FILE, or CHAT_TOKEN\n"
    "  --device ID                this device; the server keeps a position in the stream for\n"
    "                             each device of a user. Default: \"cli\" for listen and\n"
    "                             interactive, \"cli-watch\" for watch, \"cli-once\" for the\n"
    "                             other verbs, which take no messages from the stream: they stay\n"
    "                             for the next listen\n"
    "  --ca FILE                  trust these certificates (PEM) instead of the system's\n"
    "  --pin SHA256               the server's public key must have this hash (base64)\n"
    "  --proxy URL                CONNECT through http://[USER:PASSWORD@]HOST[:PORT]\n"
    "  --store FILE               outbox and cache on disk: what is not sent is sent by a later\n"
    "                             run. All verbs are then the device \"cli\"\n"
    "  --offline                  with --store and send, history, chats: make no connection\n"
    "  --insecure                 accept any certificate: for tests only\n"
    "  --encoding cbor|json       on the wire (default: cbor)\n"
    "  --timeout SECONDS          give up after so long without progress (default: 15; listen\n"
    "                             and interactive: never)\n"
    "\n"
    "output\n"
    "  --json                     one JSON object per event on stdout: the protocol's frames,\n"
    "                             {\"t\":\"state\",...}, {\"t\":\"gap\",...} and\n"
    "                             {\"t\":\"typing_ended\",...}\n"
    "  --help, --version\n"
    "Options may stand before or after the verb; -- ends them.\n"
    "\n"
    "The connection is made again after 1, 2, 4, 8 and up to 30 s, each varied by 20 %.\n"
    "\n"
    "interactive: a line is sent to the current chat; incoming messages appear above it.\n"
    "  /to CHAT   /history [N]   /chats   /typing   /help   /quit, and as the\n"
    "  verbs above: /create /update /join /leave /add /remove /role /members\n"
    "Marks: \"...\" not sent yet, \"\xe2\x9c\x93\" the server has it, \"\xe2\x9c\x93\xe2\x9c\x93\" "
    "delivered,\n"
    "\"\xe2\x9c\x93\xe2\x9c\x93 read\" read. What is shown of the current chat counts as read.\n"
    "\n"
    "exit codes\n"
    "  0  done\n"
    "  1  refused or failed: by the server, or a token that is not valid\n"
    "  2  the command line is wrong\n"
    "  3  no connection, or no answer in time\n"
    "  4  a local problem: a file, memory, output\n";

void help_print(FILE *out, const char *verb)
{
    if (verb != NULL && command_find(verb) == NULL)
        verb = NULL;
    if (verb != NULL)
        fputs("usage: chat [OPTION...] VERB ...\n\n", out);
    else
        fputs(usage, out);
    commands_print(out, verb);
    fputs(verb != NULL ? "\nWhat CHAT and MESSAGE are, and the options: chat --help\n" : help, out);
}
