/* SPDX-License-Identifier: MIT */
#include "lease.h"

#include <string.h>

typedef struct holder {
    const lease_world *world;
    unsigned which;
    chat_lease table;
    int is_open, is_held;
    uint64_t until_ms;
    uint32_t numbers[LEASE_COUNT];
    chat_idgen gen;
} holder;

static const chat_view NAME = {(const uint8_t *)"name", 4};

/* CHAT_OK, or why there is none. */
static chat_status open_it(holder *h, const lease_world *world, unsigned which)
{
    memset(h, 0, sizeof *h);
    h->world = world;
    h->which = which;
    chat_status status = world->make(world->ctx, which, &h->table);
    if (status != CHAT_OK)
        return status;
    chat_lease_wish wish = {sizeof wish, LEASE_COUNT, NAME, NAME, NAME};
    assert_int_equal(h->table.open(h->table.ctx, &wish, world->now(world->ctx)), CHAT_OK);
    h->is_open = 1;
    return CHAT_OK;
}

static void on_held(holder *h, const chat_lease_event *event)
{
    chat_lease_time now = h->world->now(h->world->ctx);
    assert_int_equal(event->n_numbers, LEASE_COUNT);
    assert_true(event->until_unix_ms > now.unix_ms);
    for (size_t i = 0; i < LEASE_COUNT; i++) {
        h->numbers[i] = event->numbers[i];
        assert_true(h->numbers[i] <= CHAT_SNOWFLAKE_MAX_NODE);
        assert_true(i == 0 || h->numbers[i] != h->numbers[i - 1]);
    }
    if (!h->is_held)
        assert_int_equal(chat_idgen_init(&h->gen, h->numbers[0], 0), CHAT_OK);
    assert_true(event->from_unix_ms <= now.unix_ms);
    assert_int_equal(chat_idgen_set_node(&h->gen, h->numbers[0], event->from_unix_ms), CHAT_OK);
    h->is_held = 1;
    h->until_ms = event->until_unix_ms;
    chat_idgen_set_lease(&h->gen, h->until_ms);
}

/* Events until one of `type`; 0: it is not there. */
static int read_events(holder *h, uint32_t type)
{
    chat_lease_event event = {.struct_size = sizeof event};
    while (h->table.next_event(h->table.ctx, &event) == CHAT_OK) {
        assert_int_equal(event.struct_size, sizeof event);
        assert_non_null(event.why);
        if (event.type == CHAT_LEASE_HELD)
            on_held(h, &event);
        if (event.type == CHAT_LEASE_LOST)
            h->is_held = 0;
        if (event.type == type)
            return 1;
    }
    return 0;
}

/* Until it tells `type`, for at most `ms`. */
static int runs_to(holder *h, uint32_t type, uint64_t ms)
{
    const lease_world *world = h->world;
    uint64_t end_ms = world->now(world->ctx).mono_ms + ms;
    while (!read_events(h, type)) {
        chat_lease_time now = world->now(world->ctx);
        if (now.mono_ms >= end_ms)
            return 0;
        world->wait(world->ctx, &h->table, end_ms - now.mono_ms);
        h->table.process(h->table.ctx, world->now(world->ctx));
    }
    return 1;
}

static void hold(holder *h, const lease_world *world, unsigned which)
{
    assert_int_equal(open_it(h, world, which), CHAT_OK);
    assert_true(runs_to(h, CHAT_LEASE_HELD, 3 * world->ttl_ms));
}

static void give_back(holder *h)
{
    if (!h->is_open)
        return;
    h->table.release(h->table.ctx, h->world->now(h->world->ctx));
    assert_true(runs_to(h, CHAT_LEASE_RELEASED, 2500));
    h->world->kill(h->world->ctx, h->which);
}

static int shares(const holder *a, const holder *b)
{
    for (size_t i = 0; i < LEASE_COUNT; i++)
        for (size_t k = 0; k < LEASE_COUNT; k++)
            if (a->numbers[i] == b->numbers[k])
                return 1;
    return 0;
}

static chat_status next_id(holder *h, uint64_t *out)
{
    return chat_idgen_next(&h->gen, h->world->now(h->world->ctx).unix_ms, out);
}

void lease_gives_numbers_and_renews_them(const lease_world *world)
{
    holder h;
    uint64_t id = 0;
    uint64_t last_id = 0;
    hold(&h, world, 0);
    for (int i = 0; i < 3; i++) {
        uint64_t until_ms = h.until_ms;
        assert_int_equal(next_id(&h, &id), CHAT_OK);
        assert_true(id > last_id);
        assert_int_equal(chat_snowflake_decode(id).node, h.numbers[0]);
        last_id = id;
        if (until_ms == UINT64_MAX)
            break;
        h.table.process(h.table.ctx, world->now(world->ctx)); /* early: no harm */
        assert_true(runs_to(&h, CHAT_LEASE_HELD, world->ttl_ms));
        assert_true(h.until_ms > until_ms);
    }
    give_back(&h);
}

void lease_never_gives_a_number_twice(const lease_world *world)
{
    holder all[LEASE_HOLDERS];
    for (unsigned i = 0; i < LEASE_HOLDERS; i++) {
        chat_status status = open_it(&all[i], world, i);
        assert_true(status == CHAT_OK || (i > 0 && status == CHAT_ERR_IN_USE));
    }
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        if (all[i].is_open)
            assert_true(runs_to(&all[i], CHAT_LEASE_HELD, 3 * world->ttl_ms));
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        for (unsigned k = 0; k < i; k++)
            assert_false(all[i].is_open && all[k].is_open && shares(&all[i], &all[k]));
    for (unsigned i = 0; i < LEASE_HOLDERS; i++)
        give_back(&all[i]);
}

void lease_gives_back(const lease_world *world)
{
    holder h;
    for (unsigned i = 0; i < LEASE_HOLDERS; i++) {
        hold(&h, world, 0);
        give_back(&h);
    }
    /* Before there is anything to give. */
    assert_int_equal(open_it(&h, world, 0), CHAT_OK);
    give_back(&h);
}

/* Ids of one who died, and of one who has a number of his as soon as that can be. */
void lease_of_the_dead_ends(const lease_world *world)
{
    holder dead;
    holder heir;
    uint64_t last_id = 0;
    uint64_t id = 0;
    hold(&dead, world, 0);
    uint64_t last_ms =
        dead.until_ms == UINT64_MAX ? world->now(world->ctx).unix_ms + 1 : dead.until_ms;
    assert_int_equal(chat_idgen_next(&dead.gen, last_ms - 1, &last_id), CHAT_OK);
    world->kill(world->ctx, 0);
    int has_number = 0;
    for (unsigned i = 0; i < 20 && !has_number; i++) {
        hold(&heir, world, 1);
        has_number = shares(&heir, &dead);
        if (has_number) {
            assert_true(world->now(world->ctx).unix_ms >= last_ms - 1);
            assert_true(heir.until_ms > last_ms);
        }
        give_back(&heir);
        if (!has_number)
            world->wait(world->ctx, NULL, world->ttl_ms / 5);
    }
    assert_true(has_number);
    heir.numbers[0] = dead.numbers[0];
    assert_int_equal(chat_idgen_init(&heir.gen, dead.numbers[0], 0), CHAT_OK);
    world->wait(world->ctx, NULL, 2);
    assert_int_equal(next_id(&heir, &id), CHAT_OK);
    assert_true(id > last_id);
}

void lease_of_the_hung_gives_no_ids(const lease_world *world)
{
    holder hung;
    uint64_t id = 0;
    hold(&hung, world, 0);
    assert_int_equal(next_id(&hung, &id), CHAT_OK);
    world->wait(world->ctx, NULL, world->ttl_ms + world->ttl_ms / 2);
    if (hung.until_ms == UINT64_MAX) { /* whose hold has no end */
        give_back(&hung);
        return;
    }
    assert_int_equal(next_id(&hung, &id), CHAT_ERR_LEASE);
    hung.table.process(hung.table.ctx, world->now(world->ctx));
    assert_true(runs_to(&hung, CHAT_LEASE_LOST, 1000));
    assert_int_equal(next_id(&hung, &id), CHAT_ERR_LEASE);
    assert_true(runs_to(&hung, CHAT_LEASE_HELD, 3 * world->ttl_ms));
    assert_int_equal(next_id(&hung, &id), CHAT_OK);
    give_back(&hung);
}
