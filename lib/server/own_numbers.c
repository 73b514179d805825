/* SPDX-License-Identifier: MIT */
/* Node numbers of a server that stands alone. See lessee.h. */
#include "lessee.h"
#include "base/sized.h"

static chat_status open_lease(void *ctx, const chat_lease_wish *wish, chat_lease_time now)
{
    chat__own_numbers *own = ctx;
    (void)now;
    if (!own->is_alone || own->n_numbers > 0)
        return CHAT_ERR_STATE;
    if (wish->n_numbers == 0 || wish->n_numbers > CHAT_LEASE_MAX_NUMBERS)
        return CHAT_ERR_ARG;
    own->n_numbers = wish->n_numbers;
    for (uint32_t i = 0; i < own->n_numbers; i++)
        own->numbers[i] = i;
    own->event = CHAT_LEASE_HELD;
    return CHAT_OK;
}

static int get_fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static uint64_t get_deadline(void *ctx)
{
    const chat__own_numbers *own = ctx;
    return own->event != 0 ? 0 : UINT64_MAX;
}

static void process(void *ctx, chat_lease_time now)
{
    (void)ctx;
    (void)now;
}

static chat_status next_event(void *ctx, chat_lease_event *out)
{
    chat__own_numbers *own = ctx;
    if (own->event == 0)
        return CHAT_EMPTY;
    chat_lease_event event = {.struct_size = sizeof event, .type = own->event, .why = ""};
    if (own->event == CHAT_LEASE_HELD) {
        event.until_unix_ms = UINT64_MAX;
        event.numbers = own->numbers;
        event.n_numbers = own->n_numbers;
    }
    own->event = 0;
    return chat__sized_give(out, &event, sizeof event);
}

static void release(void *ctx, chat_lease_time now)
{
    chat__own_numbers *own = ctx;
    (void)now;
    own->event = CHAT_LEASE_RELEASED;
}

void chat__own_numbers_table(chat__own_numbers *own, chat_lease *out)
{
    const chat_lease table = {.struct_size = sizeof table,
                              .ctx = own,
                              .open = open_lease,
                              .fd = get_fd,
                              .deadline = get_deadline,
                              .process = process,
                              .next_event = next_event,
                              .release = release};
    *out = table;
}
