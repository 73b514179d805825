/* SPDX-License-Identifier: MIT */
/* See cluster.h. */
#include "cluster.h"

#include <inttypes.h>
#include <stdio.h>

static void on_records(void *ctx, uint32_t member, uint64_t session, chat_view records)
{
    const chat_server *server = ctx;
    chat__links_consumed(server->links, member, session, records.len);
}

/* The links have written the log line. */
static void on_change(void *ctx, uint32_t member)
{
    (void)ctx;
    (void)member;
}

chat_status chat__cluster_init(chat_server *server)
{
    char setup[CHAT__TRUNK_MAX_TEXT];
    const chat__links_hooks hooks = {server, on_records, on_change, on_change};
    if (!chat__links_are_wanted(&server->options))
        return CHAT_OK;
    (void)snprintf(setup, sizeof setup, "partitions=%" PRIu64, server->options.partitions);
    return chat__links_new(&server->options, setup, &hooks, &server->links);
}

chat_status chat__cluster_start(chat_server *server)
{
    if (server->links == NULL)
        return CHAT_OK;
    if (server->options.link_listen != NULL)
        chat__server_log(server, CHAT_LOG_INFO, "member %" PRIu64 " takes links on port %u",
                         server->options.link_member, chat__links_port(server->links));
    return chat__links_start(server->links);
}

void chat__cluster_stop(chat_server *server)
{
    chat__links_stop(server->links);
}

void chat__cluster_done(chat_server *server)
{
    chat__links_free(server->links);
    server->links = NULL;
}
