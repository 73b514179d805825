/* SPDX-License-Identifier: MIT */
#include "net/visitors.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void *count_resize(void *ctx, void *ptr, size_t bytes)
{
    int *left = ctx;
    if (bytes == 0) {
        free(ptr);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(ptr, bytes) : NULL;
}

static chat__visitors *make(const chat_allocator *allocator, uint32_t rate, uint32_t max)
{
    chat__visitors_options options = {
        .allocator = allocator, .rate = rate, .burst = rate, .max = max, .seed = {1, 2}};
    chat__visitors *visitors = NULL;
    assert_int_equal(chat__visitors_new(&options, &visitors), CHAT_OK);
    return visitors;
}

static int admit(chat__visitors *visitors, const char *text, uint64_t now_ms)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return chat__visitors_admit(visitors, (const struct sockaddr *)&in, now_ms);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return chat__visitors_admit(visitors, (const struct sockaddr *)&in6, now_ms);
}

static void addresses_have_their_own_limits(void **state)
{
    static const struct {
        const char *address;
        int is_admitted;
    } rows[] = {
        {"10.0.0.1", 1},         {"10.0.0.1", 0},        {"10.0.0.2", 1},    {"::ffff:10.0.0.2", 0},
        {"::ffff:10.0.0.3", 1},  {"10.0.0.3", 0},        {"2001:db8::1", 1}, {"2001:db8::2", 0},
        {"2001:db8:0:0:f::", 0}, {"2001:db8:0:1::1", 1}, {"a00:1::", 1},
    };
    int left = 1000;
    chat_allocator allocator = {.ctx = &left, .resize = count_resize};
    chat__visitors *visitors = make(&allocator, 1, 0);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (admit(visitors, rows[i].address, 5) != rows[i].is_admitted)
            fail_msg("row %zu: %s", i, rows[i].address);
    }
    assert_false(admit(visitors, "10.0.0.1", 1004));
    assert_true(admit(visitors, "10.0.0.1", 1005));
    chat__visitors_free(visitors);
}

/* Two loops see the time a little apart: that is no refill. */
static void a_late_clock_refills_nothing(void **state)
{
    int left = 1000;
    chat_allocator allocator = {.ctx = &left, .resize = count_resize};
    chat__visitors *visitors = make(&allocator, 1, 0);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 10000));
    for (int i = 0; i < 100; i++) {
        assert_false(admit(visitors, "10.0.0.1", 9900));
        assert_false(admit(visitors, "10.0.0.1", 10000));
    }
    chat__visitors_free(visitors);
}

static void the_table_is_bounded_and_forgets_the_oldest(void **state)
{
    int left = 1000;
    chat_allocator allocator = {.ctx = &left, .resize = count_resize};
    chat__visitors *visitors = make(&allocator, 1, 2);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.2", 5));
    assert_false(admit(visitors, "10.0.0.1", 5)); /* now the latest */
    int after_two = left;
    assert_true(admit(visitors, "10.0.0.3", 5));
    assert_false(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.2", 5)); /* forgotten */
    assert_int_equal(left, after_two);
    chat__visitors_free(visitors);
}

static void without_memory_all_are_let_in(void **state)
{
    int left = 1; /* for the table */
    chat_allocator allocator = {.ctx = &left, .resize = count_resize};
    chat__visitors *visitors = make(&allocator, 1, 0);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.1", 5));
    left = 1; /* for the visitor, not for the map */
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.1", 5));
    left = 100;
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_false(admit(visitors, "10.0.0.1", 5));
    chat__visitors_free(visitors);
}

static void count_wakes(void *ctx)
{
    (*(int *)ctx)++;
}

typedef struct sharing {
    int left, n_wakes;
    chat_allocator allocator;
} sharing;

/* Five handshakes a second, counted in a bucket that members share. */
static chat__visitors *share(sharing *with, uint32_t max)
{
    *with = (sharing){.left = 1000, .allocator = {.ctx = &with->left, .resize = count_resize}};
    chat__visitors *visitors = make(&with->allocator, 5, max);
    chat__visitors_share(visitors, count_wakes, &with->n_wakes);
    return visitors;
}

static void assert_owes(chat__visitors *visitors, uint32_t count)
{
    chat__visitors_count owed = {{0}, 0};
    chat__visitors_counted(visitors, &owed, 0, 0); /* of nobody */
    if (count == 0) {
        assert_int_equal(chat__visitors_next_count(visitors, &owed), CHAT_EMPTY);
        return;
    }
    assert_int_equal(chat__visitors_next_count(visitors, &owed), CHAT_OK);
    assert_int_equal(owed.count, count);
}

static chat__visitors_count take_count(chat__visitors *visitors)
{
    chat__visitors_count owed;
    assert_int_equal(chat__visitors_next_count(visitors, &owed), CHAT_OK);
    return owed;
}

/* Nothing more is asked about an address while an answer is missing. */
static void what_is_admitted_is_owed_to_a_shared_bucket(void **state)
{
    sharing with;
    chat__visitors *visitors = share(&with, 0);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_int_equal(with.n_wakes, 1);
    chat__visitors_count owed = take_count(visitors);
    assert_int_equal(owed.count, 2);
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_owes(visitors, 0);
    chat__visitors_counted(visitors, &owed, 0, 5);
    assert_owes(visitors, 1);
    chat__visitors_free(visitors);
}

static void who_owes_what_is_not_given_is_refused_until_then(void **state)
{
    sharing with;
    chat__visitors *visitors = share(&with, 0);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 5));
    assert_true(admit(visitors, "10.0.0.1", 5));
    chat__visitors_count owed = take_count(visitors);
    chat__visitors_counted(visitors, &owed, 400, 10);
    assert_owes(visitors, 0); /* asked again with the next */
    assert_false(admit(visitors, "10.0.0.1", 409));
    assert_true(admit(visitors, "10.0.0.2", 409));
    assert_owes(visitors, 1);
    assert_true(admit(visitors, "10.0.0.1", 410));
    assert_owes(visitors, 3);
    chat__visitors_free(visitors);
}

static void who_is_forgotten_owes_nothing(void **state)
{
    sharing with;
    chat__visitors *visitors = share(&with, 1);
    (void)state;
    assert_true(admit(visitors, "10.0.0.1", 5));
    chat__visitors_count owed = take_count(visitors);
    assert_true(admit(visitors, "10.0.0.2", 5));
    assert_true(admit(visitors, "10.0.0.3", 5));
    chat__visitors_counted(visitors, &owed, 1000, 5);
    owed = take_count(visitors);
    char name[CHAT__VISITORS_NAME_BYTES];
    chat__visitors_name(&owed, name);
    assert_string_equal(name, "handshakes:10.0.0.3");
    assert_owes(visitors, 0);
    chat__visitors_free(visitors);
}

static void a_bucket_is_named_by_what_is_counted(void **state)
{
    sharing with;
    char name[CHAT__VISITORS_NAME_BYTES];
    chat__visitors *visitors = share(&with, 0);
    (void)state;
    assert_true(admit(visitors, "2001:db8:1:2:3:4:5:6", 5));
    chat__visitors_count owed = take_count(visitors);
    chat__visitors_name(&owed, name);
    assert_string_equal(name, "handshakes:2001:db8:1:2::");
    chat__visitors_free(visitors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_their_own_limits),
        cmocka_unit_test(a_late_clock_refills_nothing),
        cmocka_unit_test(the_table_is_bounded_and_forgets_the_oldest),
        cmocka_unit_test(without_memory_all_are_let_in),
        cmocka_unit_test(what_is_admitted_is_owed_to_a_shared_bucket),
        cmocka_unit_test(who_owes_what_is_not_given_is_refused_until_then),
        cmocka_unit_test(who_is_forgotten_owes_nothing),
        cmocka_unit_test(a_bucket_is_named_by_what_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
