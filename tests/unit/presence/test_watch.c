/* SPDX-License-Identifier: MIT */
#include <chat/presence.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static chat_presence *presence;
static char told[512];

static int setup(void **state)
{
    chat_presence_options options;
    (void)state;
    chat_presence_options_init(&options);
    options.max_watched = 3;
    options.max_users = 6;
    assert_int_equal(chat_presence_new(&options, &presence), CHAT_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chat_presence_free(presence);
    return 0;
}

/* Everything that there is to tell, as "watcher:user+" (online), "-" (offline), "!" (unwatched). */
static const char *changes(void)
{
    chat_presence_change change;
    told[0] = 0;
    while (chat_presence_next_change(presence, &change) == CHAT_OK) {
        char mark = change.state.is_online ? '+' : '-';
        size_t used = strlen(told);
        snprintf(told + used, sizeof told - used, "%d:%.*s%c ", (int)change.watcher,
                 (int)change.user.len, (const char *)change.user.data,
                 change.type == CHAT_PRESENCE_UNWATCHED ? '!' : mark);
    }
    return told;
}

static chat_status watch(uint64_t watcher, const char *list)
{
    chat_view users[16];
    size_t n = 0;
    for (const char *at = list; *at != 0; at += strcspn(at, " "), at += *at == ' ')
        users[n++] = chat__view(at, strcspn(at, " "));
    return chat_presence_watch(presence, watcher, users, n);
}

static void come(const char *user, uint64_t lease)
{
    assert_int_equal(chat_presence_renew(presence, chat__view_str(user), lease, 10), CHAT_OK);
}

static void go(const char *user, uint64_t lease)
{
    chat_presence_release(presence, chat__view_str(user), lease, 20);
}

static void watchers_hear_of_the_first_and_the_last_device(void **state)
{
    (void)state;
    assert_int_equal(watch(7, "bob"), CHAT_OK);
    assert_string_equal(changes(), "");
    come("bob", 1);
    assert_string_equal(changes(), "7:bob+ ");
    come("bob", 2);
    go("bob", 1);
    assert_string_equal(changes(), "");
    go("bob", 2);
    assert_string_equal(changes(), "7:bob- ");
}

static void who_goes_and_comes_back_has_not_changed(void **state)
{
    (void)state;
    come("bob", 1);
    (void)watch(7, "bob");
    go("bob", 1);
    come("bob", 2);
    assert_string_equal(changes(), "");
    come("ann", 1);
    go("ann", 1);
    assert_string_equal(changes(), "");
}

static void hiding_is_told_as_going(void **state)
{
    (void)state;
    come("bob", 1);
    (void)watch(7, "bob");
    (void)watch(8, "bob");
    (void)chat_presence_hide(presence, chat__view_str("bob"), 1, 5);
    assert_string_equal(changes(), "8:bob- 7:bob- ");
    go("bob", 1);
    come("bob", 1);
    assert_string_equal(changes(), "");
    (void)chat_presence_hide(presence, chat__view_str("bob"), 0, 6);
    assert_string_equal(changes(), "8:bob+ 7:bob+ ");
}

static void a_new_list_replaces_the_old_one(void **state)
{
    (void)state;
    (void)watch(7, "ann bob bob");
    (void)watch(7, "bob cid");
    assert_string_equal(changes(), "0:ann! ");
    come("ann", 1);
    come("bob", 1);
    come("cid", 1);
    assert_string_equal(changes(), "7:bob+ 7:cid+ ");
    (void)watch(7, "");
    assert_string_equal(changes(), "0:cid! 0:bob! ");
}

static void a_list_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    (void)watch(7, "ann bob");
    assert_int_equal(watch(7, "cid dan eve fay"), CHAT_ERR_LIMIT);
    assert_int_equal(watch(7, "cid a\nb"), CHAT_ERR_ARG);
    (void)changes();
    come("ann", 1);
    come("cid", 1);
    assert_string_equal(changes(), "7:ann+ ");
}

static void users_that_are_watched_are_limited(void **state)
{
    (void)state;
    assert_int_equal(watch(1, "a b c"), CHAT_OK);
    assert_int_equal(watch(2, "d e f"), CHAT_OK);
    assert_int_equal(watch(3, "a d g"), CHAT_ERR_LIMIT);
    assert_int_equal(watch(3, "a d f"), CHAT_OK);
    chat_presence_unwatch(presence, 2);
    (void)changes();
    assert_int_equal(watch(2, "g"), CHAT_OK);
}

static void lists_grow_and_shrink_by_one(void **state)
{
    (void)state;
    assert_int_equal(chat_presence_watch_add(presence, 1, chat__view_str("bob")), CHAT_OK);
    assert_int_equal(chat_presence_watch_add(presence, 1, chat__view_str("bob")), CHAT_OK);
    assert_int_equal(chat_presence_watch_add(presence, 2, chat__view_str("bob")), CHAT_OK);
    come("bob", 1);
    assert_string_equal(changes(), "2:bob+ 1:bob+ ");
    chat_presence_watch_remove(presence, 2, chat__view_str("bob"));
    chat_presence_watch_remove(presence, 2, chat__view_str("ann"));
    go("bob", 1);
    assert_string_equal(changes(), "1:bob- ");
    chat_presence_watch_remove(presence, 1, chat__view_str("bob"));
    assert_string_equal(changes(), "0:bob! ");
}

static void a_watcher_may_go_while_changes_are_told(void **state)
{
    chat_presence_change change;
    (void)state;
    (void)watch(1, "bob");
    (void)watch(2, "bob");
    (void)watch(3, "bob");
    come("bob", 1);
    assert_int_equal(chat_presence_next_change(presence, &change), CHAT_OK);
    assert_int_equal(change.watcher, 3);
    chat_presence_unwatch(presence, 2);
    assert_string_equal(changes(), "1:bob+ ");
    chat_presence_unwatch(presence, 1);
    chat_presence_unwatch(presence, 3);
    assert_string_equal(changes(), "0:bob! ");
}

static void what_is_told_from_elsewhere_goes_to_the_watchers(void **state)
{
    (void)state;
    chat_presence_tell(presence, chat__view_str("bob"), 1, 0);
    (void)watch(7, "bob");
    assert_string_equal(changes(), "");
    chat_presence_tell(presence, chat__view_str("bob"), 0, 5);
    assert_string_equal(changes(), "7:bob- ");
    chat_presence_tell(presence, chat__view_str("bob"), 1, 0);
    assert_string_equal(changes(), "7:bob+ ");
    chat_presence_tell(presence, chat__view_str("bob"), 1, 0);
    assert_string_equal(changes(), "7:bob+ ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(watchers_hear_of_the_first_and_the_last_device),
        TEST(who_goes_and_comes_back_has_not_changed),
        TEST(hiding_is_told_as_going),
        TEST(a_new_list_replaces_the_old_one),
        TEST(a_list_that_is_refused_changes_nothing),
        TEST(users_that_are_watched_are_limited),
        TEST(lists_grow_and_shrink_by_one),
        TEST(a_watcher_may_go_while_changes_are_told),
        TEST(what_is_told_from_elsewhere_goes_to_the_watchers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
