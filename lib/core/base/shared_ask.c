/* SPDX-License-Identifier: MIT */
/* See shared_ask.h. */
#include "base/shared_ask.h"

#include <string.h>

#define NODE_BYTES 255u

enum { NAME = 1, NODE = 2, COUNT = 4, ENTRIES = 8, NUMBER = 16, BUCKET = 32, USERS = 64 };

/* What each op needs. */
static const uint8_t NEEDS[] = {
    [CHAT_SHARED_ONLINE] = NAME | NODE,
    [CHAT_SHARED_OFFLINE] = NAME | NODE,
    [CHAT_SHARED_WHO] = USERS,
    [CHAT_SHARED_DEVICES] = 0,
    [CHAT_SHARED_QUEUE_PUT] = 0,
    [CHAT_SHARED_QUEUE_READ] = NAME | COUNT | ENTRIES,
    [CHAT_SHARED_QUEUE_ACK] = NAME | NUMBER,
    [CHAT_SHARED_QUEUE_DROP] = NAME,
    [CHAT_SHARED_RESERVE] = NAME | NUMBER,
    [CHAT_SHARED_TAKE] = COUNT | BUCKET,
    [CHAT_SHARED_RECENT_PUT] = NUMBER,
    [CHAT_SHARED_RECENT_READ] = COUNT | ENTRIES,
    [CHAT_SHARED_RECENT_CUT] = NUMBER,
};

static int is_text(chat_view text, size_t max_bytes)
{
    return text.len > 0 && text.len <= max_bytes && text.data != NULL &&
           memchr(text.data, '\0', text.len) == NULL;
}

static int are_users(const chat_view *users, size_t n)
{
    if (n == 0 || n > CHAT_SHARED_MAX_USERS || users == NULL)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_text(users[i], CHAT_CHAT_ID_MAX_BYTES))
            return 0;
    }
    return 1;
}

/* What is wrong, as a set of needs. */
static uint32_t wrong_of(const chat_shared_ask *ask)
{
    const struct {
        uint32_t need;
        int is_met;
    } rows[] = {
        {NAME, is_text(ask->name, CHAT_CHAT_ID_MAX_BYTES)},
        {NODE, is_text(ask->value, NODE_BYTES)},
        {COUNT, ask->count > 0},
        {ENTRIES, ask->count <= CHAT_SHARED_MAX_ENTRIES},
        {NUMBER, ask->number > 0},
        {BUCKET, ask->rate > 0 && ask->burst > 0},
    };
    uint32_t wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        wrong |= rows[i].is_met ? 0 : rows[i].need;
    return wrong;
}

int chat__shared_ask_is_right(const chat_shared_ask *ask)
{
    if ((uint32_t)ask->op == 0 || (uint32_t)ask->op >= sizeof NEEDS)
        return 0;
    if (NEEDS[ask->op] == USERS)
        return are_users(ask->users, ask->n_users);
    return is_text(ask->owner, CHAT_CHAT_ID_MAX_BYTES) && ask->number < UINT64_C(1) << 63 &&
           (ask->value.len == 0 || ask->value.data != NULL) &&
           (NEEDS[ask->op] & wrong_of(ask)) == 0;
}
