/* SPDX-License-Identifier: MIT */
/* The contract of places on a model of etcd in virtual time, and what is etcd's alone: calls and
   answers that are lost or late. */
#include "backends/etcd/slots.h"
#include "base/sized.h"
#include "base/view.h"
#include "etcd_model.h"
#include "places.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL_MS   3000u
#define RTT_MS   2u
#define MAX_LATE 256u
#define N_SEEDS  40u
#define N_STEPS  3000u

typedef enum fate { ANSWERED = 0, REFUSED, LOST, ANSWER_LOST, LATE } fate;

typedef struct late_call {
    char path[32];
    uint8_t *body;
    size_t len;
    uint64_t at_ms;
} late_call;

struct world;

typedef struct holder {
    struct world *world;
    chat__etcd_slots *slots;
    chat__etcd_call call;
    int is_calling;
    fate fate;
    uint64_t due_ms;
} holder;

typedef struct world {
    etcd_model model;
    uint64_t now_ms;
    holder holders[PLACES_MEMBERS];
    late_call late[MAX_LATE];
    size_t n_late;
    uint32_t rng; /* 0: all calls are answered */
    uint64_t still_until_ms;
} world;

static uint32_t chance(world *w, uint32_t below)
{
    w->rng = w->rng * 1664525u + 1013904223u;
    return (w->rng >> 8) % below;
}

static void ask(holder *h)
{
    world *w = h->world;
    if (chat__etcd_slots_next_call(h->slots, &h->call) != CHAT_OK)
        return;
    uint32_t dice = w->rng != 0 ? chance(w, 100) : 99;
    h->is_calling = 1;
    h->fate = dice < 20 ? (fate)(1 + dice % 4) : ANSWERED;
    if (w->now_ms < w->still_until_ms)
        h->fate = LATE;
    h->due_ms = w->now_ms + (h->fate <= REFUSED ? RTT_MS : h->call.timeout_ms);
    if (h->fate != LATE || w->n_late == MAX_LATE)
        return;
    late_call *late = &w->late[w->n_late++];
    strcpy(late->path, h->call.path);
    late->body = malloc(h->call.body.len);
    memcpy(late->body, h->call.body.data, h->call.body.len);
    late->len = h->call.body.len;
    late->at_ms = w->still_until_ms > 0 ? w->still_until_ms : h->due_ms + chance(w, TTL_MS);
}

static void hear(holder *h)
{
    chat__etcd_reply reply = {0, {NULL, 0}, "no answer"};
    chat__buf answer;
    if (!h->is_calling || h->world->now_ms < h->due_ms)
        return;
    h->is_calling = 0;
    chat__buf_init(&answer, NULL, 1 << 20);
    if (h->fate == ANSWERED || h->fate == ANSWER_LOST)
        reply.http_status = etcd_model_call(&h->world->model, h->call.path, h->call.body, &answer);
    if (h->fate == ANSWER_LOST)
        reply.http_status = 0;
    reply.body = chat__buf_view(&answer);
    chat__etcd_slots_reply(h->slots, &reply);
    chat__buf_done(&answer);
}

static void move_clock(world *w, uint64_t ms)
{
    w->now_ms += ms;
    if (w->now_ms < w->still_until_ms)
        return;
    if (w->still_until_ms > 0)
        etcd_model_elect(&w->model, w->now_ms);
    w->still_until_ms = 0;
    etcd_model_at(&w->model, w->now_ms);
    for (size_t i = w->n_late; i-- > 0;) {
        chat__buf ignored;
        if (w->late[i].at_ms > w->now_ms)
            continue;
        chat__buf_init(&ignored, NULL, 1 << 20);
        (void)etcd_model_call(&w->model, w->late[i].path,
                              chat__view(w->late[i].body, w->late[i].len), &ignored);
        chat__buf_done(&ignored);
        free(w->late[i].body);
        w->late[i] = w->late[--w->n_late];
    }
}

/* --- the table --- */

static chat_status open_it(void *ctx, const chat_places_wish *wish, uint64_t mono_ms)
{
    static const char *const endpoints[] = {"http://one"};
    holder *h = ctx;
    chat__etcd_slots_options options = {
        .prefix = "test/", .endpoints = {endpoints, 1}, .ttl_ms = TTL_MS, .wish = wish};
    chat_status status = chat__etcd_slots_new(&options, &h->slots);
    if (status == CHAT_OK)
        chat__etcd_slots_begin(h->slots, mono_ms);
    return status;
}

static int get_fd(void *ctx)
{
    (void)ctx;
    return -1;
}

static uint64_t get_deadline(void *ctx)
{
    const holder *h = ctx;
    uint64_t at_ms = chat__etcd_slots_deadline(h->slots);
    return h->is_calling && h->due_ms < at_ms ? h->due_ms : at_ms;
}

static void process(void *ctx, uint64_t mono_ms)
{
    holder *h = ctx;
    chat__etcd_slots_begin(h->slots, mono_ms);
    hear(h);
    ask(h);
}

static chat_status next_event(void *ctx, chat_places_event *out)
{
    return chat__etcd_slots_next_event(((holder *)ctx)->slots, out);
}

static chat_status look_at(void *ctx, chat_places_picture *out)
{
    return chat__etcd_slots_look(((holder *)ctx)->slots, out);
}

static void claim_it(void *ctx, uint32_t slot)
{
    chat__etcd_slots_claim(((holder *)ctx)->slots, slot);
}

static void give_it_up(void *ctx, uint32_t slot)
{
    chat__etcd_slots_give_up(((holder *)ctx)->slots, slot);
}

static void leave_it(void *ctx)
{
    chat__etcd_slots_leave(((holder *)ctx)->slots);
}

static void release_it(void *ctx, uint64_t mono_ms)
{
    holder *h = ctx;
    h->is_calling = 0;
    chat__etcd_slots_release(h->slots, mono_ms);
    ask(h);
}

/* --- the world --- */

static chat_status make(void *ctx, unsigned which, chat_places *out)
{
    world *w = ctx;
    const chat_places table = {sizeof table, 0,        &w->holders[which], open_it, get_fd,
                               get_deadline, process,  next_event,         look_at, claim_it,
                               give_it_up,   leave_it, release_it};
    memset(&w->holders[which], 0, sizeof w->holders[which]);
    w->holders[which].world = w;
    *out = table;
    return CHAT_OK;
}

static void kill_it(void *ctx, unsigned which)
{
    world *w = ctx;
    chat__etcd_slots_free(w->holders[which].slots);
    w->holders[which].slots = NULL;
    w->holders[which].is_calling = 0;
}

static uint64_t now(void *ctx)
{
    return ((world *)ctx)->now_ms;
}

static void wait_for(void *ctx, const chat_places *places, unsigned n, uint64_t ms)
{
    world *w = ctx;
    uint64_t at_ms = w->now_ms + ms;
    for (unsigned i = 0; i < n; i++) {
        uint64_t of_one = places[i].deadline(places[i].ctx);
        at_ms = of_one < at_ms ? of_one : at_ms;
    }
    move_clock(w, at_ms > w->now_ms ? at_ms - w->now_ms : 1);
}

static void stand_still(void *ctx, uint64_t until_ms)
{
    ((world *)ctx)->still_until_ms = until_ms;
}

static void take_away(void *ctx, unsigned which)
{
    char text[64];
    chat__buf body, ignored;
    world *w = ctx;
    (void)snprintf(text, sizeof text, "test/place/%04u", which);
    uint64_t lease = etcd_model_find(&w->model, text)->lease;
    chat__buf_init(&body, NULL, 64);
    chat__buf_init(&ignored, NULL, 1 << 20);
    chat__etcd_writer writer = chat__etcd_write(&body);
    chat__etcd_put_lease(&writer, lease);
    assert_int_equal(
        etcd_model_call(&w->model, "/v3/lease/revoke", chat__buf_view(&body), &ignored), 200);
    chat__buf_done(&body);
    chat__buf_done(&ignored);
}

static void open_world(world *w)
{
    memset(w, 0, sizeof *w);
    etcd_model_init(&w->model);
    w->now_ms = 1000;
}

static void close_world(world *w)
{
    for (unsigned i = 0; i < PLACES_MEMBERS; i++)
        kill_it(w, i);
    while (w->n_late > 0)
        free(w->late[--w->n_late].body);
    etcd_model_done(&w->model);
}

static void with_model(void (*rule)(const places_world *world))
{
    world w;
    places_world of = {&w, TTL_MS, make, kill_it, now, wait_for, stand_still, take_away};
    open_world(&w);
    rule(&of);
    close_world(&w);
}

#define ROW(name)                                                                                  \
    static void name##_of_etcd(void **state)                                                       \
    {                                                                                              \
        (void)state;                                                                               \
        with_model(name);                                                                          \
    }
PLACES_CONTRACT(ROW)
PLACES_FAULTS(ROW)
#undef ROW

/* --- a network that loses and delays --- */

/* Of two that say a slot is theirs, and whose time is not over, one lies. */
static void expect_one_owner(world *w, const chat_places *all)
{
    for (uint32_t slot = 0; slot < PLACES_SLOTS; slot++) {
        unsigned n = 0;
        for (unsigned i = 0; i < PLACES_MEMBERS; i++) {
            chat_places_picture picture = {.struct_size = sizeof picture};
            assert_int_equal(all[i].look(all[i].ctx, &picture), CHAT_OK);
            n += picture.slots[slot].is_ours && picture.until_mono_ms > w->now_ms;
        }
        assert_true(n <= 1);
    }
}

static void step_of(world *w, const chat_places *one, uint64_t *n_claimed)
{
    chat_places_picture picture = {.struct_size = sizeof picture};
    chat_places_event event = {.struct_size = sizeof event};
    uint32_t slot = chance(w, PLACES_SLOTS), what = chance(w, 20);
    if (what >= 8)
        one->process(one->ctx, w->now_ms); /* else it hangs for a while */
    while (one->next_event(one->ctx, &event) == CHAT_OK)
        continue;
    (void)one->look(one->ctx, &picture);
    if (what < 2 && picture.slots[slot].is_ours) {
        one->give_up(one->ctx, slot);
        ++*n_claimed;
    } else if (what > 15) {
        one->claim(one->ctx, slot);
    }
}

static void a_slot_has_one_owner_whatever_is_lost(void **state)
{
    uint64_t n_claimed = 0;
    (void)state;
    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) {
        world w;
        chat_places all[PLACES_MEMBERS];
        open_world(&w);
        w.rng = seed * 7919;
        for (unsigned i = 0; i < PLACES_MEMBERS; i++) {
            chat_places_wish wish = {sizeof wish, i, PLACES_SLOTS, 1, NULL};
            (void)make(&w, i, &all[i]);
            assert_int_equal(all[i].open(all[i].ctx, &wish, w.now_ms), CHAT_OK);
        }
        for (uint32_t step = 0; step < N_STEPS; step++) {
            step_of(&w, &all[chance(&w, PLACES_MEMBERS)], &n_claimed);
            expect_one_owner(&w, all);
            move_clock(&w, chance(&w, 40));
        }
        close_world(&w);
    }
    assert_true(n_claimed > N_SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test(name##_of_etcd),
        PLACES_CONTRACT(ROW) PLACES_FAULTS(ROW)
#undef ROW
            cmocka_unit_test(a_slot_has_one_owner_whatever_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
