/* SPDX-License-Identifier: MIT */
/* Where slots run, with members whose sessions break and slots that move at random times: no node
   hears of a former life, and none hears from one that it was not told of. */
#include "unit.h"

#include "base/alloc.h"
#include "base/view.h"
#include "server/slots_map.h"

#include <stdlib.h>
#include <string.h>

#define N_SLOTS   6u
#define N_MEMBERS 3u
#define N_STEPS   4000
#define N_SEEDS   30
#define MAX_QUEUE 4096

static chat__slots_map *make(uint32_t self)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    uint32_t others[N_MEMBERS];
    uint32_t n = 0;
    chat__slots_map *map = NULL;
    for (uint32_t i = 0; i < N_MEMBERS; i++)
        if (i != self)
            others[n++] = i;
    assert_int_equal(chat__slots_map_new(&libc, N_SLOTS, &map), CHAT_OK);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(chat__slots_map_add(map, others[i]), CHAT_OK);
    return map;
}

static void tell(chat__slots_map *from, chat__slots_map *to, uint32_t member)
{
    chat__buf said;
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat__buf_init(&said, &libc, 1 << 16);
    assert_int_equal(chat__slots_map_say_all(from, &said), CHAT_OK);
    assert_int_equal(chat__slots_map_told(to, member, chat__buf_view(&said)), CHAT_OK);
    chat__buf_done(&said);
}

static void expect_change(chat__slots_map *map, uint32_t slot, uint64_t was, uint64_t is)
{
    chat__slots_change change;
    assert_int_equal(chat__slots_map_next(map, &change), CHAT_OK);
    assert_int_equal(change.slot, slot);
    assert_int_equal(change.was.life, was);
    assert_int_equal(change.is.life, is);
}

static void expect_nothing(chat__slots_map *map)
{
    chat__slots_change change;
    assert_int_equal(chat__slots_map_next(map, &change), CHAT_EMPTY);
}

static void knows_what_a_member_says_until_its_session_ends(void **state)
{
    chat__slots_map *a = make(0), *b = make(1);
    (void)state;
    chat__slots_map_start(b, 2, 7, 100);
    expect_change(b, 2, 0, 100);
    chat__slots_map_up(a, 1, 55);
    expect_nothing(a);
    tell(b, a, 1);
    expect_change(a, 2, 0, 100);
    expect_nothing(a);
    assert_int_equal(chat__slots_map_place(a, 2)->member, 1);
    assert_int_equal(chat__slots_map_place(a, 2)->session, 55);
    chat__slots_map_lost(a, 1);
    expect_change(a, 2, 100, 0);
    expect_nothing(a);
    chat__slots_map_free(a);
    chat__slots_map_free(b);
}

static void a_new_session_is_a_loss_even_of_the_same_life(void **state)
{
    chat__slots_map *a = make(0), *b = make(1);
    (void)state;
    chat__slots_map_start(b, 0, 0, 9);
    chat__slots_map_up(a, 1, 1);
    tell(b, a, 1);
    expect_change(a, 0, 0, 9);
    chat__slots_map_up(a, 1, 2);
    tell(b, a, 1);
    expect_change(a, 0, 9, 9);
    expect_nothing(a);
    chat__slots_map_free(a);
    chat__slots_map_free(b);
}

static void the_higher_term_counts(void **state)
{
    chat__slots_map *a = make(0), *b = make(1), *c = make(2);
    (void)state;
    chat__slots_map_start(b, 3, 5, 50);
    chat__slots_map_start(c, 3, 6, 60);
    chat__slots_map_up(a, 1, 1);
    chat__slots_map_up(a, 2, 1);
    tell(c, a, 2);
    expect_change(a, 3, 0, 60);
    tell(b, a, 1);
    expect_nothing(a);
    assert_false(chat__slots_map_lets_in(a, 1, 3, 0, 1));
    chat__slots_map_start(a, 3, 7, 70);
    expect_change(a, 3, 60, 70);
    assert_int_equal(chat__slots_map_place(a, 3)->member, CHAT__SLOTS_HERE);
    chat__slots_map_stop(a, 3);
    expect_change(a, 3, 70, 60);
    chat__slots_map_free(a);
    chat__slots_map_free(b);
    chat__slots_map_free(c);
}

static void of_equal_terms_who_was_there_stays(void **state)
{
    chat__slots_map *a = make(0), *b = make(1), *c = make(2);
    (void)state;
    chat__slots_map_start(b, 3, 5, 50);
    chat__slots_map_start(c, 3, 5, 60);
    chat__slots_map_up(a, 1, 1);
    chat__slots_map_up(a, 2, 1);
    tell(c, a, 2);
    expect_change(a, 3, 0, 60);
    tell(b, a, 1);
    expect_nothing(a);
    chat__slots_map_free(a);
    chat__slots_map_free(b);
    chat__slots_map_free(c);
}

static void refuses_what_cannot_be(void **state)
{
    uint8_t bytes[CHAT__SLOTS_SAY_LEN + 1] = {N_SLOTS};
    chat__slots_map *map = make(0);
    (void)state;
    assert_int_equal(chat__slots_map_told(map, 1, chat__view(bytes, CHAT__SLOTS_SAY_LEN)),
                     CHAT_ERR_STATE);
    chat__slots_map_up(map, 1, 1);
    assert_int_equal(chat__slots_map_told(map, 1, chat__view(bytes, sizeof bytes)),
                     CHAT_ERR_SYNTAX);
    assert_int_equal(chat__slots_map_told(map, 1, chat__view(bytes, CHAT__SLOTS_SAY_LEN)),
                     CHAT_ERR_SYNTAX);
    assert_int_equal(chat__slots_map_told(map, 7, chat__view(bytes, 0)), CHAT_ERR_STATE);
    expect_nothing(map);
    chat__slots_map_free(map);
}

/* --- a world of members --- */

typedef struct item {
    int is_frame;
    uint32_t from, to;
    uint64_t from_life, to_life;
    uint8_t said[CHAT__SLOTS_SAY_LEN * N_SLOTS];
    size_t said_len;
} item;

/* One direction of a link. What its ends believe of the session may differ for a while. */
typedef struct line {
    item items[MAX_QUEUE];
    size_t first, n;
} line;

typedef struct member {
    chat__slots_map *map;
    uint64_t lives[N_SLOTS];             /* that run here; 0: not here */
    uint64_t known[N_SLOTS][N_SLOTS];    /* [node here][other]: life that it was told of */
    uint64_t sessions[N_SLOTS][N_SLOTS]; /* in which it may write to it */
    uint32_t where[N_SLOTS][N_SLOTS];
    uint64_t sent_to_me[N_SLOTS];
} member;

typedef struct world {
    member members[N_MEMBERS];
    line lines[N_MEMBERS][N_MEMBERS];
    uint64_t session[N_MEMBERS][N_MEMBERS]; /* of the wire, both ways the same; 0: none */
    uint64_t last_life, last_session;
    uint64_t terms[N_SLOTS];
    uint64_t n_frames, n_taken;
    uint32_t rng;
} world;

static uint32_t chance(world *w, uint32_t below)
{
    w->rng = w->rng * 1664525u + 1013904223u;
    return (w->rng >> 8) % below;
}

static void put(world *w, uint32_t from, uint32_t to, const item *what)
{
    line *at = &w->lines[from][to];
    if (at->n < MAX_QUEUE)
        at->items[(at->first + at->n++) % MAX_QUEUE] = *what;
}

/* What follows is told to the nodes here at once. */
static void drain(world *w, uint32_t at)
{
    member *m = &w->members[at];
    chat__slots_change change;
    while (chat__slots_map_next(m->map, &change) == CHAT_OK) {
        for (uint32_t node = 0; node < N_SLOTS; node++) {
            m->known[node][change.slot] = change.is.life;
            m->sessions[node][change.slot] = change.is.session;
            m->where[node][change.slot] = change.is.member;
        }
    }
}

static void say(world *w, uint32_t at, uint32_t slot)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    for (uint32_t to = 0; to < N_MEMBERS; to++) {
        item what = {0};
        chat__buf said;
        uint64_t session = to == at ? 0 : chat__slots_map_session(w->members[at].map, to);
        if (session == 0 || session != w->session[at][to])
            continue;
        chat__buf_init(&said, &libc, 1 << 16);
        assert_int_equal(slot == N_SLOTS ? chat__slots_map_say_all(w->members[at].map, &said)
                                         : chat__slots_map_say(w->members[at].map, slot, &said),
                         CHAT_OK);
        memcpy(what.said, said.data != NULL ? said.data : what.said, said.len);
        what.said_len = said.len;
        put(w, at, to, &what);
        chat__buf_done(&said);
    }
}

static void start_or_stop(world *w)
{
    uint32_t at = chance(w, N_MEMBERS), slot = chance(w, N_SLOTS);
    member *m = &w->members[at];
    if (m->lives[slot] != 0) {
        m->lives[slot] = 0;
        chat__slots_map_stop(m->map, slot);
    } else {
        m->lives[slot] = ++w->last_life;
        w->terms[slot] += chance(w, 2);
        chat__slots_map_start(m->map, slot, w->terms[slot], m->lives[slot]);
    }
    drain(w, at);
    say(w, at, slot);
}

static void hear_up(world *w, uint32_t at, uint32_t of)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    item what = {0};
    chat__buf said;
    chat__slots_map_up(w->members[at].map, of, w->session[at][of]);
    chat__buf_init(&said, &libc, 1 << 16);
    assert_int_equal(chat__slots_map_say_all(w->members[at].map, &said), CHAT_OK);
    memcpy(what.said, said.data != NULL ? said.data : what.said, said.len);
    what.said_len = said.len;
    put(w, at, of, &what);
    chat__buf_done(&said);
    drain(w, at);
}

/* The wire breaks, or is there again; each side hears of it when it looks. */
static void break_or_mend(world *w)
{
    uint32_t a = chance(w, N_MEMBERS), b = chance(w, N_MEMBERS);
    if (a == b)
        return;
    if (w->session[a][b] != 0) {
        w->session[a][b] = w->session[b][a] = 0;
        w->lines[a][b].n = w->lines[b][a].n = 0;
        return;
    }
    if (chat__slots_map_session(w->members[a].map, b) != 0 ||
        chat__slots_map_session(w->members[b].map, a) != 0)
        return; /* not before both know that the old one is over */
    w->session[a][b] = w->session[b][a] = ++w->last_session;
    hear_up(w, a, b);
    hear_up(w, b, a);
}

static void notice(world *w)
{
    uint32_t at = chance(w, N_MEMBERS), of = chance(w, N_MEMBERS);
    if (at == of || w->session[at][of] != 0 || chat__slots_map_session(w->members[at].map, of) == 0)
        return;
    chat__slots_map_lost(w->members[at].map, of);
    drain(w, at);
}

/* A node here writes to a node that it was told of, as it was told. */
static void write_frame(world *w)
{
    uint32_t at = chance(w, N_MEMBERS), from = chance(w, N_SLOTS), to = chance(w, N_SLOTS);
    member *m = &w->members[at];
    uint32_t where = m->where[from][to];
    if (m->lives[from] == 0 || from == to || m->known[from][to] == 0 || where == CHAT__SLOTS_HERE ||
        m->sessions[from][to] != w->session[at][where])
        return;
    item what = {1, from, to, m->lives[from], m->known[from][to], {0}, 0};
    put(w, at, where, &what);
    w->n_frames++;
}

static void take_frame(world *w, uint32_t at, uint32_t of, const item *what)
{
    member *m = &w->members[at];
    if (!chat__slots_map_lets_in(m->map, of, what->from, what->to, what->to_life))
        return;
    w->n_taken++;
    assert_int_equal(m->lives[what->to], what->to_life);
    assert_int_equal(m->known[what->to][what->from], what->from_life);
    assert_int_equal(m->where[what->to][what->from], of);
}

static void deliver(world *w)
{
    uint32_t at = chance(w, N_MEMBERS), of = chance(w, N_MEMBERS);
    line *from = &w->lines[of][at];
    if (at == of || from->n == 0)
        return;
    item what = from->items[from->first];
    from->first = (from->first + 1) % MAX_QUEUE;
    from->n--;
    if (what.is_frame) {
        take_frame(w, at, of, &what);
        return;
    }
    assert_int_equal(
        chat__slots_map_told(w->members[at].map, of, chat__view(what.said, what.said_len)),
        CHAT_OK);
    drain(w, at);
}

static void take_step(world *w)
{
    static const struct {
        uint32_t weight;
        void (*step)(world *);
    } steps[] = {
        {4, start_or_stop}, {2, break_or_mend}, {4, notice}, {45, write_frame}, {45, deliver}};
    uint32_t at = chance(w, 100), i = 0;
    while (at >= steps[i].weight)
        at -= steps[i++].weight;
    steps[i].step(w);
}

static void no_frame_crosses_a_life(void **state)
{
    uint64_t n_taken = 0, n_frames = 0;
    (void)state;
    for (uint32_t seed = 1; seed <= N_SEEDS; seed++) {
        world *w = calloc(1, sizeof *w);
        assert_non_null(w);
        w->rng = seed * 7919;
        for (uint32_t i = 0; i < N_MEMBERS; i++)
            w->members[i].map = make(i);
        for (int step = 0; step < N_STEPS; step++)
            take_step(w);
        n_taken += w->n_taken;
        n_frames += w->n_frames;
        for (uint32_t i = 0; i < N_MEMBERS; i++)
            chat__slots_map_free(w->members[i].map);
        free(w);
    }
    assert_true(n_taken > 1000 && n_taken < n_frames);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_a_member_says_until_its_session_ends),
        cmocka_unit_test(a_new_session_is_a_loss_even_of_the_same_life),
        cmocka_unit_test(the_higher_term_counts),
        cmocka_unit_test(of_equal_terms_who_was_there_stays),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(no_frame_crosses_a_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
