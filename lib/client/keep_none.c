/* SPDX-License-Identifier: MIT */
/* See keep.h: a build without SQLite has no file. */
#include "keep.h"

chat_status chat__keep_open(chat_client *client, const chat_client_options *options,
                            chat__client_options *core)
{
    (void)core;
    if (options->store_file == NULL)
        return CHAT_OK;
    chat__client_say_line(client, CHAT_LOG_ERROR, "store",
                          "this library was built without it: build with -Dclient-store=enabled");
    return CHAT_ERR_UNSUPPORTED;
}

chat_status chat__keep_restore(chat_client *client)
{
    (void)client;
    return CHAT_OK;
}

void chat__keep_close(chat_client *client)
{
    (void)client;
}

chat_status chat__keep_said(chat_client *client)
{
    (void)client;
    return CHAT_OK;
}

chat_status chat__keep_heard(chat_client *client)
{
    (void)client;
    return CHAT_OK;
}

void chat__keep_event(chat_client *client, const chat_event *event)
{
    (void)client;
    (void)event;
}

int chat__keep_commit(chat_client *client, chat_status *out_status)
{
    (void)client;
    (void)out_status;
    return 1;
}

chat_status chat__keep_next(chat_client *client, uint64_t after, chat_outbox_item *out)
{
    (void)client;
    (void)after;
    (void)out;
    return CHAT_EMPTY;
}

chat_status chat__keep_find(chat_client *client, chat_view cid, chat_outbox_item *out)
{
    (void)client;
    (void)cid;
    (void)out;
    return CHAT_EMPTY;
}

chat_status chat__keep_retry(chat_client *client, chat_view cid)
{
    (void)client;
    (void)cid;
    return CHAT_EMPTY;
}

chat_status chat__keep_drop(chat_client *client, chat_view cid)
{
    (void)client;
    (void)cid;
    return CHAT_EMPTY;
}

chat_status chat__keep_ask(chat_client *client, const chat_frame *request, uint32_t source,
                           uint64_t *out_r)
{
    (void)client;
    (void)request;
    (void)source;
    (void)out_r;
    return CHAT_EMPTY;
}

chat_status chat__keep_next_event(chat_client *client, const chat_event **out)
{
    (void)client;
    (void)out;
    return CHAT_EMPTY;
}

int chat__keep_has_event(const chat_client *client)
{
    (void)client;
    return 0;
}
