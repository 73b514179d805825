/* SPDX-License-Identifier: MIT */
#include "wired.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES 262144u

/* --- the network --- */

void wired_net_init(wired_net *net)
{
    memset(net, 0, sizeof *net);
    etcd_model_init(&net->model);
    net->rtt_ms = 2;
}

void wired_net_done(wired_net *net)
{
    for (size_t i = 0; i < net->n_late; i++)
        free(net->late[i].body);
    etcd_model_done(&net->model);
}

static void arrive(wired_net *net, size_t i)
{
    chat__buf ignored;
    chat__buf_init(&ignored, NULL, ANSWER_BYTES);
    wired_late *late = &net->late[i];
    (void)etcd_model_call(&net->model, late->path, chat__view(late->body, late->len), &ignored);
    chat__buf_done(&ignored);
    free(late->body);
    *late = net->late[--net->n_late];
}

void wired_net_at(wired_net *net, uint64_t now_ms)
{
    net->now_ms = now_ms;
    etcd_model_at(&net->model, now_ms);
    for (size_t i = net->n_late; i-- > 0;)
        if (net->late[i].at_ms <= now_ms)
            arrive(net, i);
}

static void delay(wired_net *net, const chat__etcd_call *call, uint64_t at_ms)
{
    if (net->n_late == WIRED_MAX_LATE)
        return;
    wired_late *late = &net->late[net->n_late++];
    snprintf(late->path, sizeof late->path, "%s", call->path);
    late->body = malloc(call->body.len);
    memcpy(late->body, call->body.data, call->body.len);
    late->len = call->body.len;
    late->at_ms = at_ms;
}

/* --- calls --- */

static void send(wired *w)
{
    wired_net *net = w->net;
    if (chat__etcd_numbers_next_call(w->numbers, &w->call) != CHAT_OK)
        return;
    net->n_calls++;
    w->is_calling = 1;
    w->sent_ms = net->now_ms;
    w->of_call = net->fate != NULL ? net->fate(net->ctx, &w->call) : WIRED_ANSWERED;
    int is_heard = w->of_call == WIRED_ANSWERED || w->of_call == WIRED_REFUSED;
    w->due_ms = net->now_ms + (is_heard ? net->rtt_ms : w->call.timeout_ms);
    if (w->of_call == WIRED_LATE)
        delay(net, &w->call, w->due_ms + w->call.timeout_ms);
}

static void receive(wired *w)
{
    chat__buf answer;
    chat__etcd_reply reply = {0, {NULL, 0}, "Connection refused"};
    if (!w->is_calling || w->net->now_ms < w->due_ms)
        return;
    w->is_calling = 0;
    chat__buf_init(&answer, NULL, ANSWER_BYTES);
    if (w->of_call == WIRED_ANSWERED || w->of_call == WIRED_ANSWER_LOST)
        reply.http_status = etcd_model_call(&w->net->model, w->call.path, w->call.body, &answer);
    reply.body = chat__buf_view(&answer);
    if (w->of_call == WIRED_ANSWER_LOST)
        reply.http_status = 0;
    chat__etcd_numbers_reply(w->numbers, &reply);
    chat__buf_done(&answer);
}

/* --- the lease --- */

void wired_init(wired *w, wired_net *net, uint64_t number, uint64_t ttl_ms)
{
    memset(w, 0, sizeof *w);
    w->net = net;
    w->ttl_ms = ttl_ms;
    w->n_endpoints = 1;
    snprintf(w->token, sizeof w->token, "%032" PRIu64, number);
}

void wired_done(wired *w)
{
    chat__etcd_numbers_free(w->numbers);
    w->numbers = NULL;
    w->is_calling = 0;
}

static chat_status open_wired(void *ctx, const chat_lease_wish *wish, chat_lease_time now)
{
    static const char *const endpoints[] = {"http://one", "http://two", "http://three"};
    wired *w = ctx;
    chat__etcd_numbers_options options = {.prefix = "test/",
                                          .endpoints = {endpoints, w->n_endpoints},
                                          .ttl_ms = w->ttl_ms,
                                          .token = w->token,
                                          .wish = wish};
    chat_status status = chat__etcd_numbers_new(&options, &w->numbers);
    if (status != CHAT_OK)
        return status;
    chat__etcd_numbers_begin(w->numbers, now);
    send(w);
    return CHAT_OK;
}

static int get_fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static uint64_t get_deadline(void *ctx)
{
    const wired *w = ctx;
    uint64_t at_ms = chat__etcd_numbers_deadline(w->numbers);
    return w->is_calling && w->due_ms < at_ms ? w->due_ms : at_ms;
}

static void process(void *ctx, chat_lease_time now)
{
    wired *w = ctx;
    chat__etcd_numbers_begin(w->numbers, now);
    receive(w);
    send(w);
}

static chat_status next_event(void *ctx, chat_lease_event *out)
{
    return chat__etcd_numbers_next_event(((wired *)ctx)->numbers, out);
}

static void release(void *ctx, chat_lease_time now)
{
    wired *w = ctx;
    chat__etcd_numbers_release(w->numbers, now);
    send(w);
}

void wired_table(wired *w, chat_lease *out)
{
    const chat_lease table = {sizeof table, 0,       w,          open_wired, get_fd,
                              get_deadline, process, next_event, release};
    *out = table;
}
