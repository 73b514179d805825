/* SPDX-License-Identifier: MIT */
/* The table of verbs: what --help says, how many words each takes, and what runs it. */
#include "cli.h"

#include <string.h>

#define WORDS_COLUMNS 29 /* where the texts of --help begin */
#define MANY          CHAT_GROUP_MAX_MEMBERS

/* A second row of the same name is another way to call it, for --help. */
static const struct command commands[] = {
    {"send", 2, 2, &verb_send, 1, "CHAT TEXT", "send one message, wait until it is durable"},
    {"send", 2, 2, &verb_send, 1, "CHAT -", "send each line of stdin as a message"},
    {"listen", 0, 0, &verb_listen, 0, "[--count N]",
     "print what arrives; with N leave after N messages"},
    {"history", 1, 1, &verb_history, 1, "CHAT [--before SEQ | --after SEQ] [--limit N]",
     "print a page of a chat, downwards; without SEQ the newest"},
    {"chats", 0, 0, &verb_chats, 1, "[--limit N]",
     "print my chats and how many messages are unread"},
    {"read", 2, 2, &verb_read, 1, "CHAT SEQ", "say that I have read the chat up to SEQ"},
    {"receipts", 2, 2, &verb_receipts, 1, "MESSAGE",
     "print who has read or got the message, and when"},
    {"why", 2, 3, &verb_why, 1, "MESSAGE [DEVICE]",
     "print where the message is, on its way to a device or to all"},
    {"reply", 3, 3, &verb_reply, 1, "MESSAGE TEXT", "send a message in reply to this one"},
    {"edit", 3, 3, &verb_note, 1, "MESSAGE TEXT", "give my message another text"},
    {"delete", 2, 2, &verb_note, 1, "MESSAGE", "delete my message, or as owner or admin any"},
    {"react", 2, 3, &verb_note, 1, "MESSAGE [REACTION]",
     "say what I think of a message; nothing: take it back"},
    {"reactions", 2, 2, &verb_note, 1, "MESSAGE", "print who thinks what of a message"},
    {"mute", 1, 2, &verb_mute, 1, "CHAT [SECONDS]",
     "do not notify me of a chat for so long, or for good"},
    {"unmute", 1, 1, &verb_mute, 1, "CHAT", "notify me again"},
    {"block", 1, 1, &verb_block, 1, "USER",
     "take no direct messages of a user, look offline to him"},
    {"unblock", 1, 1, &verb_block, 1, "USER", "take them again"},
    {"blocks", 0, 0, &verb_blocks, 1, "", "print whom I have blocked"},
    {"devices", 0, 0, &verb_devices, 1, "", "print my devices: connected, or last seen when"},
    {"device-remove", 1, 1, &verb_device_remove, 1, "DEVICE",
     "forget a device of mine and close its connection"},
    {"create", 1, MANY + 1, &verb_group, 1, "CHAT USER... [--title T] [--open]",
     "make the group CHAT of me and the users; with --open anybody\nmay join it"},
    {"update", 2, 2, &verb_group, 1, "CHAT TITLE", "give a group another title"},
    {"join", 1, 1, &verb_group, 1, "CHAT", "become a member of an open group"},
    {"leave", 1, 1, &verb_group, 1, "CHAT", "be no member any more"},
    {"add", 2, MANY + 1, &verb_group, 1, "CHAT USER...", "make users members"},
    {"remove", 2, MANY + 1, &verb_group, 1, "CHAT USER...", "remove members"},
    {"role", 3, 3, &verb_group, 1, "CHAT USER ROLE", "make a member owner, admin or member"},
    {"members", 1, 1, &verb_group, 1, "CHAT", "print who is in a group"},
    {"presence", 1, MANY, &verb_presence, 1, "USER...",
     "print who is online, or was last seen when"},
    {"watch", 1, MANY, &verb_watch, 0, "USER...",
     "the same, and go on printing who comes and goes"},
    {"hide", 1, 1, &verb_hide, 1, "on|off", "look offline to others, or no longer"},
    {"typing", 1, 1, &verb_typing, 1, "CHAT", "tell who is there that I am typing, once"},
    {"outbox", 0, 2, &verb_outbox, 1, "[retry CID | drop CID]",
     "print what waits or failed in the file of --store, or put what\n"
     "failed back, or forget it; no connection is made"},
    {"token", 0, 4, NULL, 1, "--secret-file F --user U [--ttl SECONDS]",
     "print an HS256 token (default: valid for 86400 s)"},
    {"token", 0, 4, NULL, 1, "verify [--signature-only] ALG KEY TOKEN",
     "check a token; KEY is oct:BASE64URL or spki:BASE64DER,\n"
     "ALG is HS256, RS256 or ES256, TOKEN - reads it from stdin"},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int command_is_of_message(const struct command *command)
{
    return strncmp(command->words, "MESSAGE", strlen("MESSAGE")) == 0;
}

static void print_row(FILE *out, const struct command *command)
{
    const char *at = command->text;
    int column = fprintf(out, "  %s%s%s", command->name, command->words[0] != '\0' ? " " : "",
                         command->words);
    if (column >= WORDS_COLUMNS) {
        fputc('\n', out);
        column = 0;
    }
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");
        fprintf(out, "%*s%.*s\n", WORDS_COLUMNS - column, "", (int)len, at);
        column = 0;
        at += len + (at[len] == '\n');
    }
}

void commands_print(FILE *out, const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (name == NULL || strcmp(name, commands[i].name) == 0)
            print_row(out, &commands[i]);
}
