/* SPDX-License-Identifier: MIT */
/* Random histories told to a store and to one that is known to be right: both answer the same. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_HISTORIES 6u
#define N_STEPS     160u
#define ASK_EVERY   20u

static const char *const USERS[] = {"alice", "bob", "carol", "dave"};
static const char *const DEVICES[] = {"phone", "pad", "desk", "tv"};
static const char *const CHATS[] = {"g", "h", "alice+bob", "alice+carol", "bob+dave"};

#define N_USERS   (sizeof USERS / sizeof *USERS)
#define N_DEVICES (sizeof DEVICES / sizeof *DEVICES)
#define N_CHATS   (sizeof CHATS / sizeof *CHATS)
#define N_GROUPS  2u

typedef struct history {
    tale *t;
    uint64_t random;
    struct {
        size_t n;
        unsigned chat;
    } messages[N_STEPS];
    size_t n_messages;
    size_t last[N_CHATS]; /* record of each chat, 0: none */
} history;

static uint64_t draw(history *h, uint64_t n)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random % n;
}

static const char *any_user(history *h)
{
    return USERS[draw(h, N_USERS)];
}

static const char *any_device(history *h)
{
    return DEVICES[draw(h, N_DEVICES)];
}

/* --- steps --- */

static void write_message(history *h)
{
    char body[32];
    unsigned chat = (unsigned)draw(h, N_CHATS);
    snprintf(body, sizeof body, "m%zu", h->n_messages);
    h->last[chat] = h->messages[h->n_messages].n =
        tale_message(h->t, CHATS[chat], any_user(h), body);
    h->messages[h->n_messages++].chat = chat;
}

static void make_group(history *h)
{
    static const char *const users[] = {"bob carol", "", "alice bob carol dave"};
    unsigned chat = (unsigned)draw(h, N_GROUPS);
    h->last[chat] = tale_group(h->t, CHATS[chat], any_user(h), users[draw(h, 3)],
                               draw(h, 2) ? "Open" : "Closed");
}

static void change_group(history *h)
{
    static const char *const kinds[] = {"join", "leave", "add", "remove", "role", "odd"};
    static const char *const roles[] = {NULL, "member", "admin", "owner"};
    unsigned chat = (unsigned)draw(h, N_GROUPS);
    const char *role = roles[draw(h, 4)];
    if (draw(h, 6) == 0)
        h->last[chat] = tale_title(h->t, CHATS[chat], draw(h, 2) ? "New" : "");
    else
        h->last[chat] = tale_change(h->t, CHATS[chat], kinds[draw(h, 6)], any_user(h), role,
                                    draw(h, 2) ? any_user(h) : NULL);
}

static void note(history *h)
{
    static const char *const kinds[] = {"edit", "delete", "react", "react", "react", "odd"};
    if (h->n_messages == 0)
        return;
    size_t i = draw(h, h->n_messages);
    unsigned kind = (unsigned)draw(h, 6);
    int is_bare = kind == 1 || (kind > 1 && draw(h, 3) == 0); /* an edit has content */
    const char *text = is_bare ? NULL : "text";
    h->last[h->messages[i].chat] = tale_note(h->t, CHATS[h->messages[i].chat], kinds[kind],
                                             any_user(h), h->messages[i].n, text);
}

/* One that is unlike the others; what it says of a chat that is not there is nothing. */
static void tell_self(history *h)
{
    const char *user = any_user(h);
    unsigned chat = (unsigned)draw(h, N_CHATS);
    uint64_t what = draw(h, 4);
    if (what == 0)
        (void)tale_mute(h->t, user, CHATS[chat], draw(h, 3));
    else if (what == 1)
        (void)tale_block(h->t, user, any_user(h), (int)draw(h, 2));
    else if (h->last[chat] != 0)
        (void)tale_marker(h->t, user, CHATS[chat], 1 + draw(h, h->last[chat]));
}

static void write_bad(history *h)
{
    static const uint32_t kinds[] = {CHAT_FRAME_CHAT,   CHAT_FRAME_CHANGE, CHAT_FRAME_NOTE,
                                     CHAT_FRAME_MARKER, CHAT_FRAME_MSG,    777};
    unsigned chat = (unsigned)draw(h, N_CHATS);
    chat_view bad = {(const uint8_t *)"bad", 3};
    h->last[chat] = tale_raw(h->t, CHATS[chat], kinds[draw(h, 6)], bad);
}

/* Devices acknowledge what their user is sent. */
static int is_member(history *h, const char *user, unsigned chat)
{
    const char *names = chat < N_GROUPS ? tale_chat(h->t, CHATS[chat]) : CHATS[chat];
    return strstr(names, user) != NULL;
}

static void use_device(history *h)
{
    const char *user = any_user(h);
    const char *device = any_device(h);
    unsigned chat = (unsigned)draw(h, N_CHATS);
    uint64_t what = draw(h, 8);
    h->t->now_ms += draw(h, 3) * 1000;
    if (what == 0)
        (void)tale_forget(h->t, user, device);
    else if (what == 1)
        (void)tale_see(h->t, user, device);
    else if (what < 4)
        (void)tale_user(h->t, user, device, draw(h, 2) ? any_device(h) : "");
    else if (h->last[chat] != 0 && is_member(h, user, chat))
        tale_cursor(h->t, user, device, CHATS[chat], h->last[chat]);
}

static void pass_days(history *h)
{
    h->t->now_ms += draw(h, 4) * TALE_DAY_MS;
}

static void step(history *h)
{
    static const struct {
        uint32_t weight; /* of 100 */
        void (*take)(history *h);
    } STEPS[] = {{40, write_message}, {4, make_group}, {10, change_group}, {12, note},
                 {10, tell_self},     {3, write_bad},  {1, pass_days},     {20, use_device}};
    uint64_t what = draw(h, 100);
    size_t i = 0;
    for (; what >= STEPS[i].weight; i++)
        what -= STEPS[i].weight;
    STEPS[i].take(h);
}

/* --- everything that can be asked --- */

static void ask_about_user(history *h, const char *user)
{
    tale *t = h->t;
    (void)tale_devices(t, user);
    (void)tale_user(t, user, "", "");
    (void)tale_user(t, user, any_device(h), DEVICES[draw(h, N_DEVICES)]);
    (void)tale_blocks(t, user, 0, 0);
    (void)tale_blocks(t, user, 1, 0);
    (void)tale_has_blocked(t, user, any_user(h));
    for (size_t i = 0; i < N_CHATS; i++) {
        (void)tale_away(t, user, CHATS[i], h->last[i]);
        (void)tale_marks(t, CHATS[i], user, tale_seq(t, h->last[i]));
        (void)tale_after(t, CHATS[i], user, 0, 200);
        (void)tale_before(t, CHATS[i], user, UINT64_MAX, 3);
    }
}

static void ask_about_chat(history *h, unsigned chat)
{
    tale *t = h->t;
    const char *name = CHATS[chat];
    uint64_t some = tale_seq(t, draw(h, h->last[chat] + 1));
    uint32_t limit = 1 + (uint32_t)draw(h, 7);
    (void)tale_chat(t, name);
    (void)tale_after(t, name, "", 0, 200);
    (void)tale_after(t, name, "", some, limit);
    (void)tale_after(t, name, any_user(h), some, limit);
    (void)tale_before(t, name, "", some, limit);
    (void)tale_before(t, name, any_user(h), some, limit);
    (void)tale_bytes(t, name, some, 1 + (uint32_t)draw(h, 300));
    (void)tale_marks(t, name, "", some);
    (void)tale_marks(t, name, "", tale_seq(t, h->last[chat]));
}

static void ask_all(history *h)
{
    for (size_t i = 0; i < N_USERS; i++)
        ask_about_user(h, USERS[i]);
    for (unsigned i = 0; i < N_CHATS; i++)
        ask_about_chat(h, i);
    for (size_t i = 0; i < 4 && h->n_messages > 0; i++) {
        size_t which = draw(h, h->n_messages);
        (void)tale_reactions(h->t, CHATS[h->messages[which].chat], draw(h, 2) ? any_user(h) : "",
                             h->messages[which].n);
    }
}

static void run_history(const store_world *world, uint64_t seed)
{
    char name[32];
    history h = {.random = seed * 0x9e3779b97f4a7c15u + 1};
    snprintf(name, sizeof name, "seed%llu", (unsigned long long)seed);
    h.t = tale_new(world->store, world->model, world->prefix, name);
    for (unsigned i = 1; i <= N_STEPS; i++) {
        step(&h);
        if (i % ASK_EVERY == 0)
            ask_all(&h);
    }
    if (world->store->read_recent != NULL) /* it is of use, and not for everything */
        assert_in_range(h.t->n_recent, 1, h.t->n_pages / 2 - 1);
    tale_free(h.t);
}

void store_answers_as_the_model_does(const store_world *world)
{
    uint32_t n = world->n_histories > 0 ? world->n_histories : N_HISTORIES;
    for (uint32_t i = 0; i < n; i++)
        run_history(world, world->seed + i);
}
