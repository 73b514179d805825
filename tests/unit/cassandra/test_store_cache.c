/* SPDX-License-Identifier: MIT */
#include "backends/cassandra/store/cache.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>

static chat__cstore_cache cache;

static int set_up(void **state)
{
    (void)state;
    chat__cstore_cache_init(&cache, 3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chat__cstore_cache_done(&cache);
    return 0;
}

static chat__cstore_entry *put(const char *key, uint64_t number, uint32_t tag)
{
    chat__cstore_entry *entry = chat__cstore_cache_put(&cache, chat__view_str(key));
    assert_non_null(entry);
    entry->numbers[0] = number;
    entry->tag = tag;
    return entry;
}

static int has(const char *key)
{
    return chat__cstore_cache_get(&cache, chat__view_str(key)) != NULL;
}

static void the_one_that_was_not_used_for_longest_goes(void **state)
{
    (void)state;
    (void)put("a", 1, 0);
    (void)put("b", 2, 0);
    (void)put("c", 3, 0);
    assert_true(has("a"));
    (void)put("d", 4, 0);
    assert_false(has("b"));
    assert_true(has("a") && has("c") && has("d"));
}

static void what_is_put_again_keeps_its_numbers(void **state)
{
    (void)state;
    (void)put("a", 7, 0);
    assert_int_equal(chat__cstore_cache_put(&cache, chat__view_str("a"))->numbers[0], 7);
    assert_int_equal(chat__cstore_cache_put(&cache, chat__view_str("b"))->numbers[0], 0);
}

static void those_of_a_tag_are_dropped_together(void **state)
{
    (void)state;
    (void)put("a", 1, 5);
    (void)put("b", 2, 6);
    (void)put("c", 3, 5);
    chat__cstore_cache_drop_tag(&cache, 5);
    assert_false(has("a") || has("c"));
    assert_true(has("b"));
    chat__cstore_cache_drop(&cache, chat__view_str("b"));
    chat__cstore_cache_drop(&cache, chat__view_str("b"));
    assert_null(cache.newest);
    assert_null(cache.oldest);
}

static void two_names_are_one_key_and_no_other(void **state)
{
    uint8_t one[CHAT__CSTORE_KEY_BYTES], other[CHAT__CSTORE_KEY_BYTES];
    static const uint8_t LONG[200] = {1};
    (void)state;
    assert_false(
        chat__view_equal(chat__cstore_key_of(chat__view_str("ab"), chat__view_str("c"), one),
                         chat__cstore_key_of(chat__view_str("a"), chat__view_str("bc"), other)));
    chat_view too_long = chat__cstore_key_of(chat__view(LONG, 200), chat__view(LONG, 200), one);
    assert_int_equal(too_long.len, 0);
    assert_null(chat__cstore_cache_put(&cache, too_long));
}

static void one_without_a_limit_keeps_all(void **state)
{
    (void)state;
    tear_down(NULL);
    chat__cstore_cache_init(&cache, 0);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        (void)put(key, (uint64_t)i, 0);
    }
    assert_int_equal(cache.map.n_items, 5000);
    assert_int_equal(cache.oldest->numbers[0], 0);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_one_that_was_not_used_for_longest_goes),
        EACH(what_is_put_again_keeps_its_numbers),
        EACH(those_of_a_tag_are_dropped_together),
        EACH(two_names_are_one_key_and_no_other),
        EACH(one_without_a_limit_keeps_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
