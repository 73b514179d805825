/* SPDX-License-Identifier: MIT */
/* See plan.h. */
#include "plan.h"

#include <string.h>

#define NONE UINT32_MAX

typedef struct plan {
    const chat_places_picture *picture;
    uint32_t self;
    uint32_t most; /* of `runs_slots` */
    uint32_t counts[CHAT_PLACES_MAX_MEMBERS];
    uint32_t owners[CHAT_PLACES_MAX_SLOTS]; /* index of the member, NONE: nobody who is there */
} plan;

static uint32_t index_of(const chat_places_picture *picture, uint32_t member)
{
    for (uint32_t i = 0; i < picture->n_members; i++)
        if (picture->members[i].member == member)
            return i;
    return NONE;
}

static int is_taker(const plan *p, uint32_t i)
{
    return p->picture->members[i].runs_slots != 0;
}

/* Who has the fewest, of those that slots go to; the first of them. */
static uint32_t poorest(const plan *p)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < p->picture->n_members; i++)
        if (is_taker(p, i) && p->picture->members[i].runs_slots == p->most &&
            (best == NONE || p->counts[i] < p->counts[best]))
            best = i;
    return best;
}

/* Who has to give one up: first who takes none, then who has the most; the last of them. */
static uint32_t richest(const plan *p)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < p->picture->n_members; i++) {
        if (!is_taker(p, i) && p->counts[i] > 0)
            return i;
        if (best == NONE || p->counts[i] >= p->counts[best])
            best = i;
    }
    return best;
}

static void count(plan *p)
{
    for (uint32_t i = 0; i < p->picture->n_members; i++)
        if (p->picture->members[i].runs_slots > p->most)
            p->most = p->picture->members[i].runs_slots;
    for (uint32_t i = 0; i < p->picture->n_slots; i++) {
        const chat_places_slot *slot = &p->picture->slots[i];
        p->owners[i] =
            slot->member == CHAT_PLACES_NOBODY ? NONE : index_of(p->picture, slot->member);
        if (p->owners[i] != NONE)
            p->counts[p->owners[i]]++;
    }
}

static void give_away_free(plan *p, chat__plan_step *out)
{
    for (uint32_t i = 0; i < p->picture->n_slots; i++) {
        uint32_t to = poorest(p);
        if (p->picture->slots[i].member != CHAT_PLACES_NOBODY || to == NONE)
            continue;
        p->counts[to]++;
        if (p->picture->members[to].member == p->self)
            out[i] = CHAT__PLAN_CLAIM;
    }
}

/* The last one of a member that it was not to give up yet. */
static uint32_t last_of(const plan *p, uint32_t owner)
{
    for (uint32_t i = p->picture->n_slots; i > 0; i--)
        if (p->owners[i - 1] == owner)
            return i - 1;
    return NONE;
}

static void move(plan *p, chat__plan_step *out)
{
    for (;;) {
        uint32_t to = poorest(p), from = richest(p);
        if (from == NONE || p->counts[from] == 0)
            return;
        if (is_taker(p, from) && (to == NONE || p->counts[from] < p->counts[to] + 2))
            return;
        uint32_t slot = last_of(p, from);
        if (slot == NONE)
            return; /* it has only what it does not have yet */
        p->owners[slot] = NONE;
        p->counts[from]--;
        if (to != NONE)
            p->counts[to]++;
        if (p->picture->members[from].member == p->self)
            out[slot] = CHAT__PLAN_GIVE_UP;
    }
}

void chat__plan(const chat_places_picture *picture, uint32_t self,
                chat__plan_step out[CHAT_PLACES_MAX_SLOTS])
{
    plan p;
    memset(&p, 0, sizeof p);
    p.picture = picture;
    p.self = self;
    memset(out, 0, CHAT_PLACES_MAX_SLOTS * sizeof *out);
    if (!picture->is_known)
        return;
    count(&p);
    give_away_free(&p, out);
    move(&p, out);
}
