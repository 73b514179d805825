/* SPDX-License-Identifier: MIT */
/* See slots_map.h. A row for each member and one for ourselves; the place of a slot follows from
   all rows, and what was told of it is kept beside. */
#include "slots_map.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <string.h>

typedef struct claim {
    uint64_t life, term;
} claim;

typedef struct row {
    uint32_t member;
    uint64_t session;
    claim *claims; /* by slot */
} row;

struct chat__slots_map {
    chat_allocator allocator;
    uint32_t n_slots;
    uint32_t n_rows;    /* the first is ours */
    uint32_t next;      /* slot that is looked at next */
    uint32_t n_to_look; /* slots from there on, going round */
    row *rows;
    chat__slot_place *told; /* by slot */
};

chat_status chat__slots_map_add(chat__slots_map *map, uint32_t member)
{
    claim *claims = chat__alloc_zero(&map->allocator, map->n_slots * sizeof *claims);
    row *rows =
        chat__alloc_resize(&map->allocator, map->rows, (map->n_rows + 1) * sizeof *map->rows);
    if (rows != NULL)
        map->rows = rows;
    if (claims == NULL || rows == NULL) {
        chat__alloc_free(&map->allocator, claims);
        return CHAT_ERR_NOMEM;
    }
    map->rows[map->n_rows++] = (row){.member = member, .claims = claims};
    return CHAT_OK;
}

chat_status chat__slots_map_new(const chat_allocator *allocator, uint32_t n_slots,
                                chat__slots_map **out)
{
    chat__slots_map *map = chat__alloc_zero(allocator, sizeof *map);
    if (map == NULL)
        return CHAT_ERR_NOMEM;
    map->allocator = *allocator;
    map->n_slots = n_slots;
    map->told = chat__alloc_zero(allocator, n_slots * sizeof *map->told);
    if (map->told == NULL || chat__slots_map_add(map, CHAT__SLOTS_HERE) != CHAT_OK) {
        chat__slots_map_free(map);
        return CHAT_ERR_NOMEM;
    }
    *out = map;
    return CHAT_OK;
}

void chat__slots_map_free(chat__slots_map *map)
{
    if (map == NULL)
        return;
    chat_allocator allocator = map->allocator;
    for (uint32_t i = 0; i < map->n_rows; i++)
        chat__alloc_free(&allocator, map->rows[i].claims);
    chat__alloc_free(&allocator, map->rows);
    chat__alloc_free(&allocator, map->told);
    chat__alloc_free(&allocator, map);
}

static row *row_of(const chat__slots_map *map, uint32_t member)
{
    for (uint32_t i = 1; i < map->n_rows; i++)
        if (map->rows[i].member == member)
            return &map->rows[i];
    return NULL;
}

/* Anything may have changed. */
static void look(chat__slots_map *map)
{
    map->n_to_look = map->n_slots;
}

void chat__slots_map_start(chat__slots_map *map, uint32_t slot, uint64_t term, uint64_t life)
{
    map->rows[0].claims[slot] = (claim){life, term};
    look(map);
}

void chat__slots_map_stop(chat__slots_map *map, uint32_t slot)
{
    map->rows[0].claims[slot] = (claim){0, 0};
    look(map);
}

static void set_session(chat__slots_map *map, uint32_t member, uint64_t session)
{
    row *of = row_of(map, member);
    if (of == NULL)
        return;
    memset(of->claims, 0, map->n_slots * sizeof *of->claims);
    of->session = session;
    look(map);
}

void chat__slots_map_up(chat__slots_map *map, uint32_t member, uint64_t session)
{
    set_session(map, member, session);
}

void chat__slots_map_lost(chat__slots_map *map, uint32_t member)
{
    set_session(map, member, 0);
}

/* --- what members say: for each slot its number, the life (0: it has ended) and the term --- */

chat_status chat__slots_map_told(chat__slots_map *map, uint32_t member, chat_view said)
{
    row *of = row_of(map, member);
    if (of == NULL || of->session == 0)
        return CHAT_ERR_STATE;
    if (said.len % CHAT__SLOTS_SAY_LEN != 0)
        return CHAT_ERR_SYNTAX;
    for (size_t at = 0; at < said.len; at += CHAT__SLOTS_SAY_LEN)
        if (chat__load32le(said.data + at) >= map->n_slots)
            return CHAT_ERR_SYNTAX;
    for (size_t at = 0; at < said.len; at += CHAT__SLOTS_SAY_LEN) {
        claim *to = &of->claims[chat__load32le(said.data + at)];
        to->life = chat__load64le(said.data + at + 4);
        to->term = to->life != 0 ? chat__load64le(said.data + at + 12) : 0;
    }
    look(map);
    return CHAT_OK;
}

chat_status chat__slots_map_say(const chat__slots_map *map, uint32_t slot, chat__buf *out)
{
    const claim *own = &map->rows[0].claims[slot];
    uint8_t bytes[CHAT__SLOTS_SAY_LEN];
    chat__store32le(bytes, slot);
    chat__store64le(bytes + 4, own->life);
    chat__store64le(bytes + 12, own->term);
    return chat__buf_append(out, bytes, sizeof bytes);
}

chat_status chat__slots_map_say_all(const chat__slots_map *map, chat__buf *out)
{
    chat_status status = CHAT_OK;
    for (uint32_t i = 0; i < map->n_slots && status == CHAT_OK; i++)
        if (map->rows[0].claims[i].life != 0)
            status = chat__slots_map_say(map, i, out);
    return status;
}

/* --- what follows --- */

static chat__slot_place place_in(const row *of, uint32_t slot)
{
    chat__slot_place place = {of->claims[slot].life, of->claims[slot].term, of->session,
                              of->member};
    return place;
}

static int is_same(const chat__slot_place *a, const chat__slot_place *b)
{
    return a->life == b->life &&
           (a->life == 0 || (a->member == b->member && a->session == b->session));
}

/* The highest term counts; of equal ones who was there before, then the first. */
static chat__slot_place find(const chat__slots_map *map, uint32_t slot)
{
    chat__slot_place best = {0, 0, 0, 0};
    for (uint32_t i = 0; i < map->n_rows; i++) {
        chat__slot_place place = place_in(&map->rows[i], slot);
        if (place.life == 0)
            continue;
        if (best.life == 0 || place.term > best.term ||
            (place.term == best.term && is_same(&place, &map->told[slot])))
            best = place;
    }
    return best;
}

chat_status chat__slots_map_next(chat__slots_map *map, chat__slots_change *out)
{
    while (map->n_to_look > 0) {
        uint32_t slot = map->next;
        chat__slot_place now = find(map, slot);
        map->next = (slot + 1) % map->n_slots;
        map->n_to_look--;
        if (is_same(&now, &map->told[slot]))
            continue;
        out->slot = slot;
        out->was = map->told[slot];
        out->is = now;
        map->told[slot] = now;
        return CHAT_OK;
    }
    return CHAT_EMPTY;
}

const chat__slot_place *chat__slots_map_place(const chat__slots_map *map, uint32_t slot)
{
    return &map->told[slot];
}

uint64_t chat__slots_map_own_life(const chat__slots_map *map, uint32_t slot)
{
    return map->rows[0].claims[slot].life;
}

uint64_t chat__slots_map_session(const chat__slots_map *map, uint32_t member)
{
    const row *of = row_of(map, member);
    return of != NULL ? of->session : 0;
}

int chat__slots_map_lets_in(const chat__slots_map *map, uint32_t member, uint32_t from, uint32_t to,
                            uint64_t to_life)
{
    if (from >= map->n_slots || to >= map->n_slots || to_life == 0)
        return 0;
    const chat__slot_place *sender = &map->told[from];
    return sender->life != 0 && sender->member == member && map->rows[0].claims[to].life == to_life;
}
