/* SPDX-License-Identifier: MIT */
/* The heads in memory: which of them go when there is no room, and how they are found. */
#include "base/view.h"
#include "store/state.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define MAX_BYTES 65536u

static chat__state_chat *put(chat__state *state, const char *name)
{
    chat__state_chat *chat;
    const chat__state_head head = {.at = 0};
    assert_int_equal(chat__state_put_chat(state, chat__view_str(name), &head, NULL, &chat),
                     CHAT_OK);
    return chat;
}

static chat__state_chat *find(chat__state *state, const char *name, uint32_t hash)
{
    return chat__state_find(state, chat__view_str(name), hash);
}

static void what_is_used_stays_while_others_come_and_go(void **test)
{
    chat__state state;
    char name[16];
    (void)test;
    assert_int_equal(chat__state_init(&state, NULL, 1, MAX_BYTES), CHAT_OK);
    chat__state_chat *used = put(&state, "used");
    (void)put(&state, "idle");
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        (void)put(&state, name);
        assert_ptr_equal(find(&state, "used", 0), used);
        assert_true(state.n_bytes < MAX_BYTES + 1024);
    }
    assert_null(find(&state, "idle", 0));
    assert_non_null(find(&state, "other-1999", 0));
    chat__state_done(&state);
}

/* Dirty ones are all that there is of them; those that were used have to go in the end. */
static void only_what_is_written_goes(void **test)
{
    chat__state state;
    char name[16];
    (void)test;
    assert_int_equal(chat__state_init(&state, NULL, 1, MAX_BYTES), CHAT_OK);
    chat__state_chat *dirty = put(&state, "dirty");
    pthread_mutex_lock(&state.lock);
    chat__state_mark_dirty(&state, &dirty->node);
    pthread_mutex_unlock(&state.lock);
    for (int i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "other-%d", i);
        (void)put(&state, name);
        (void)find(&state, name, 0);
    }
    assert_ptr_equal(find(&state, "dirty", 0), dirty);
    assert_true(state.n_bytes < MAX_BYTES * 5 / 4);
    chat__state_done(&state);
}

static void who_is_expected_is_found_by_the_hash(void **test)
{
    chat__state state;
    char name[16];
    uint32_t hashes[100];
    (void)test;
    assert_int_equal(chat__state_init(&state, NULL, 1, MAX_BYTES), CHAT_OK);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "c-%d", i);
        hashes[i] = chat__state_expect(&state, chat__view_str(name));
        assert_null(find(&state, name, hashes[i]));
        (void)put(&state, name);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "c-%d", i);
        assert_int_equal(chat__state_expect(&state, chat__view_str(name)), hashes[i]);
        assert_ptr_equal(find(&state, name, hashes[i]), find(&state, name, 0));
        assert_non_null(find(&state, name, hashes[i]));
    }
    chat__state_done(&state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_used_stays_while_others_come_and_go),
        cmocka_unit_test(only_what_is_written_goes),
        cmocka_unit_test(who_is_expected_is_found_by_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
