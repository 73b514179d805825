/* SPDX-License-Identifier: MIT */
/* The verbs about groups: one request each; the words are the same in a conversation. */
#include "cli.h"

#include <string.h>

#define MAX_USERS (CHAT_GROUP_MAX_MEMBERS + 1)

static const struct {
    const char *name;
    chat_frame_type type;
    size_t n_words, max_words; /* with the name and the chat */
    const char *done;
} kinds[] = {{"create", CHAT_FRAME_CHAT_CREATE, 2, MAX_USERS + 2, "created"},
             {"update", CHAT_FRAME_CHAT_UPDATE, 3, 3, "updated"},
             {"join", CHAT_FRAME_CHAT_JOIN, 2, 2, "joined"},
             {"leave", CHAT_FRAME_CHAT_LEAVE, 2, 2, "left"},
             {"add", CHAT_FRAME_CHAT_ADD, 3, MAX_USERS + 2, "added to"},
             {"remove", CHAT_FRAME_CHAT_REMOVE, 3, MAX_USERS + 2, "removed from"},
             {"role", CHAT_FRAME_CHAT_ROLE, 4, 4, "role changed in"},
             {"members", CHAT_FRAME_CHAT_MEMBERS, 2, 2, NULL}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static size_t kind_named(const char *name)
{
    size_t i = 0;
    while (i < N_KINDS && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

static chat_view user_view(const char *word)
{
    return cli_view(word + (word[0] == '@'));
}

chat_status group_ask(struct cli *cli, const char *const *words, size_t n_words)
{
    chat_group_request request;
    chat_view users[MAX_USERS];
    size_t kind = kind_named(words[0]);
    if (kind == N_KINDS || n_words < kinds[kind].n_words || n_words > kinds[kind].max_words)
        return CHAT_ERR_ARG;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.chat = cli_view(words[1]);
    if (kinds[kind].type == CHAT_FRAME_CHAT_UPDATE) {
        request.title = cli_view(words[2]);
    } else if (kinds[kind].type == CHAT_FRAME_CHAT_ROLE) {
        request.user = user_view(words[2]);
        request.role = cli_view(words[3]);
    } else {
        for (size_t i = 2; i < n_words; i++)
            users[i - 2] = user_view(words[i]);
        request.users.items = users;
        request.users.n_items = n_words - 2;
    }
    if (kinds[kind].type == CHAT_FRAME_CHAT_CREATE) {
        request.title = cli_view(cli->args->title != NULL ? cli->args->title : "");
        request.is_open = cli->args->is_open != 0;
    }
    return chat_client_group(cli->client, kinds[kind].type, &request, NULL);
}

static int group_start(struct cli *cli)
{
    const char *words[CLI_MAX_ARGS + 1];
    words[0] = cli->args->verb;
    memcpy(words + 1, cli->args->items, cli->args->n_items * sizeof *words);
    chat_status status = group_ask(cli, words, cli->args->n_items + 1);
    if (status == CHAT_OK)
        return -1;
    fprintf(stderr, "chat: the group, a user or the role cannot be used: %s\n",
            chat_status_text(status));
    return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_REFUSED;
}

static void group_on_event(struct cli *cli, const chat_event *event)
{
    const char *done = kinds[kind_named(cli->args->verb)].done;
    if (!cli->args->is_json && event->type == CHAT_EVENT_ROW)
        show_row(stdout, cli, event->frame);
    if (!cli->args->is_json && event->type == CHAT_EVENT_RESULT && done != NULL)
        printf("%s %s\n", done, cli->args->items[0]);
    oneshot_on_event(cli, event);
}

const struct verb verb_group = {group_start, group_on_event, NULL, 0, NULL};
