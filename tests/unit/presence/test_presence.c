/* SPDX-License-Identifier: MIT */
#include <chat/presence.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>

#define TTL_MS 1000u

static chat_presence *presence;

static void make(uint32_t max_leases, uint32_t max_users)
{
    chat_presence_options options;
    chat_presence_options_init(&options);
    options.ttl_ms = TTL_MS;
    options.max_leases = max_leases;
    options.max_users = max_users;
    assert_int_equal(chat_presence_new(&options, &presence), CHAT_OK);
}

static int setup(void **state)
{
    (void)state;
    make(100, 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chat_presence_free(presence);
    return 0;
}

static chat_presence_state state_of(const char *user)
{
    chat_presence_state state;
    chat_presence_get(presence, chat__view_str(user), &state);
    return state;
}

static chat_status renew(const char *user, uint64_t lease, uint64_t now_ms)
{
    return chat_presence_renew(presence, chat__view_str(user), lease, now_ms);
}

static void release(const char *user, uint64_t lease, uint64_t seen_ms)
{
    chat_presence_release(presence, chat__view_str(user), lease, seen_ms);
}

static void unknown_users_are_offline_and_never_seen(void **state)
{
    (void)state;
    assert_int_equal(state_of("bob").is_online, 0);
    assert_int_equal(state_of("bob").seen_ms, 0);
}

static void online_while_any_device_is(void **state)
{
    (void)state;
    assert_int_equal(renew("bob", 1, 10), CHAT_OK);
    assert_int_equal(renew("bob", 2, 20), CHAT_OK);
    assert_int_equal(state_of("bob").is_online, 1);
    release("bob", 1, 30);
    assert_int_equal(state_of("bob").is_online, 1);
    release("bob", 7, 35);
    release("bob", 2, 40);
    assert_int_equal(state_of("bob").is_online, 0);
    assert_int_equal(state_of("bob").seen_ms, 40);
    release("bob", 2, 50);
    assert_int_equal(state_of("bob").seen_ms, 40);
}

/* One step in the life of a lease: renewed (or not) and asked at a time. */
typedef struct moment {
    uint64_t renew_ms; /* 0: not */
    uint64_t ask_ms;
    uint32_t is_online;
    uint64_t seen_ms;
} moment;

static void leases_end_when_not_renewed(void **state)
{
    static const moment MOMENTS[] = {
        {100, 100, 1, 0},   {0, 1099, 1, 0},    {1099, 1100, 1, 0},  {0, 2098, 1, 0},
        {0, 2099, 0, 1099}, {5000, 5000, 1, 0}, {0, 99999, 0, 5000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof MOMENTS / sizeof *MOMENTS; i++) {
        if (MOMENTS[i].renew_ms != 0)
            assert_int_equal(renew("bob", 1, MOMENTS[i].renew_ms), CHAT_OK);
        chat_presence_expire(presence, MOMENTS[i].ask_ms);
        assert_int_equal(state_of("bob").is_online, MOMENTS[i].is_online);
        assert_int_equal(state_of("bob").seen_ms, MOMENTS[i].seen_ms);
    }
}

static void deadline_is_the_next_lease_to_end(void **state)
{
    (void)state;
    assert_true(chat_presence_deadline(presence) == UINT64_MAX);
    (void)renew("bob", 1, 50);
    (void)renew("ann", 1, 20);
    assert_int_equal(chat_presence_deadline(presence), 20 + TTL_MS);
    release("ann", 1, 60);
    assert_int_equal(chat_presence_deadline(presence), 50 + TTL_MS);
}

static void who_hides_looks_gone_since_then(void **state)
{
    (void)state;
    (void)renew("bob", 1, 10);
    assert_int_equal(chat_presence_hide(presence, chat__view_str("bob"), 1, 100), CHAT_OK);
    assert_int_equal(state_of("bob").is_online, 0);
    assert_int_equal(state_of("bob").is_hidden, 1);
    assert_int_equal(state_of("bob").seen_ms, 100);
    (void)renew("bob", 2, 200);
    release("bob", 1, 300);
    release("bob", 2, 300);
    assert_int_equal(state_of("bob").seen_ms, 100);
    (void)renew("bob", 3, 400);
    assert_int_equal(state_of("bob").is_online, 0);
    assert_int_equal(chat_presence_hide(presence, chat__view_str("bob"), 0, 500), CHAT_OK);
    assert_int_equal(state_of("bob").is_online, 1);
}

static void who_was_seen_longest_ago_is_forgotten_first(void **state)
{
    char name[8];
    (void)state;
    for (uint64_t i = 1; i <= 6; i++) {
        snprintf(name, sizeof name, "u%d", (int)i);
        assert_int_equal(renew(name, 1, i), CHAT_OK);
    }
    for (uint64_t i = 1; i <= 6; i++) {
        snprintf(name, sizeof name, "u%d", (int)i);
        release(name, 1, i * 10);
    }
    assert_int_equal(state_of("u1").seen_ms, 0);
    assert_int_equal(state_of("u2").seen_ms, 0);
    assert_int_equal(state_of("u3").seen_ms, 30);
    assert_int_equal(state_of("u6").seen_ms, 60);
}

static void maxima_are_kept(void **state)
{
    (void)state;
    chat_presence_free(presence);
    make(2, 1);
    assert_int_equal(renew("ann", 1, 1), CHAT_OK);
    assert_int_equal(renew("bob", 1, 1), CHAT_OK);
    assert_int_equal(renew("cid", 1, 1), CHAT_ERR_LIMIT);
    assert_int_equal(renew("ann", 1, 2), CHAT_OK);
    assert_int_equal(state_of("cid").is_online, 0);
    assert_int_equal(chat_presence_hide(presence, chat__view_str("dan"), 1, 1), CHAT_OK);
    assert_int_equal(chat_presence_hide(presence, chat__view_str("eve"), 1, 1), CHAT_ERR_LIMIT);
    assert_int_equal(chat_presence_hide(presence, chat__view_str("ann"), 1, 1), CHAT_OK);
}

static void wrong_arguments_are_refused(void **state)
{
    chat_presence *other = NULL;
    chat_presence_options options;
    (void)state;
    chat_presence_options_init(&options);
    options.max_users = 0;
    assert_int_equal(chat_presence_new(&options, &other), CHAT_ERR_ARG);
    chat_presence_options_init(&options);
    options.struct_size = 3;
    assert_int_equal(chat_presence_new(&options, &other), CHAT_ERR_ARG);
    assert_int_equal(chat_presence_new(NULL, &other), CHAT_ERR_ARG);
    assert_int_equal(renew("", 1, 1), CHAT_ERR_ARG);
    assert_int_equal(renew("a\nb", 1, 1), CHAT_ERR_ARG);
    assert_int_equal(chat_presence_hide(presence, chat__view_str(""), 1, 1), CHAT_ERR_ARG);
    chat_presence_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(unknown_users_are_offline_and_never_seen),
        TEST(online_while_any_device_is),
        TEST(leases_end_when_not_renewed),
        TEST(deadline_is_the_next_lease_to_end),
        TEST(who_hides_looks_gone_since_then),
        TEST(who_was_seen_longest_ago_is_forgotten_first),
        TEST(maxima_are_kept),
        TEST(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
