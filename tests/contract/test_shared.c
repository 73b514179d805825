/* SPDX-License-Identifier: MIT */
/* The contract of what is shared, on the one in memory; and what tests can make it do. */
#include "shared.h"

#include "base/view.h"

#include <chat/testing_shared.h>
#include <string.h>

static chat_test_shared *shared_;
static uint64_t now_ms_;

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return now_ms_;
}

static void wait_ms(void *ctx, uint64_t ms)
{
    (void)ctx;
    now_ms_ += ms;
}

static shared_world open_world(void)
{
    chat_test_shared_options options;
    chat_test_shared_options_init(&options);
    options.presence_ttl_s = SHARED_PRESENCE_TTL_S;
    options.queue_limit = SHARED_QUEUE_LIMIT;
    options.recent_count = SHARED_RECENT_COUNT;
    options.max_asks = 4;
    now_ms_ = 5000;
    assert_int_equal(chat_test_shared_new(&options, &shared_), CHAT_OK);
    shared_world world = {NULL, chat_test_shared_table(shared_), "", now_ms, wait_ms};
    return world;
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_here(void **state)                                                          \
    {                                                                                              \
        shared_world world = open_world();                                                         \
        (void)state;                                                                               \
        name(&world);                                                                              \
        chat_test_shared_free(shared_);                                                            \
    }
SHARED_CONTRACT(CONTRACT_TEST)

static chat_status reserve(const shared_world *world, uint64_t id, shared_answer *out)
{
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_RESERVE, "a");
    ask.name = chat__view_str("c");
    ask.number = id;
    shared_ask(world, &ask, out);
    return out->status;
}

static void it_fails_as_it_is_told(void **state)
{
    shared_world world = open_world();
    shared_answer answer;
    (void)state;
    chat_test_shared_fail(shared_, CHAT_ERR_NETWORK);
    assert_int_equal(reserve(&world, 1, &answer), CHAT_ERR_NETWORK);
    chat_test_shared_fail(shared_, CHAT_ERR_TIMEOUT); /* was done, and nobody knows */
    assert_int_equal(reserve(&world, 2, &answer), CHAT_ERR_TIMEOUT);
    chat_test_shared_fail(shared_, CHAT_OK);
    assert_int_equal(reserve(&world, 3, &answer), CHAT_OK);
    assert_int_equal(answer.number, 2);
    chat_test_shared_lose(shared_);
    assert_int_equal(reserve(&world, 4, &answer), CHAT_OK);
    assert_int_equal(answer.number, 4);
    chat_test_shared_free(shared_);
}

static void answers_are_held_and_have_a_limit(void **state)
{
    shared_world world = open_world();
    const chat_shared *shared = world.shared;
    chat_shared_event event = {.struct_size = sizeof event};
    chat_shared_ask ask = shared_about(&world, CHAT_SHARED_DEVICES, "a");
    (void)state;
    chat_test_shared_hold(shared_, 1);
    for (ask.tag = 0; ask.tag < 4; ask.tag++)
        assert_int_equal(shared->ask(shared->ctx, &ask, now_ms_), CHAT_OK);
    assert_int_equal(shared->ask(shared->ctx, &ask, now_ms_), CHAT_ERR_BUSY);
    assert_int_equal(shared->next_event(shared->ctx, &event), CHAT_EMPTY);
    assert_true(shared->deadline(shared->ctx) == UINT64_MAX);
    chat_test_shared_hold(shared_, 0);
    for (uint64_t tag = 0; tag < 4; tag++) {
        assert_int_equal(shared->next_event(shared->ctx, &event), CHAT_OK);
        assert_int_equal(event.tag, tag);
    }
    assert_int_equal(shared->ask(shared->ctx, &ask, now_ms_), CHAT_OK);
    chat_test_shared_free(shared_); /* with one that was not read */
}

static void entries_and_ids_end_in_time(void **state)
{
    shared_world world = open_world();
    shared_answer answer;
    chat_shared_ask ask = shared_about(&world, CHAT_SHARED_QUEUE_PUT, "a");
    (void)state;
    assert_int_equal(reserve(&world, 1, &answer), CHAT_OK);
    shared_ask(&world, &ask, &answer);
    now_ms_ += UINT64_C(86400) * 1000;
    assert_int_equal(reserve(&world, 2, &answer), CHAT_OK);
    assert_int_equal(answer.number, 2);
    ask.op = CHAT_SHARED_QUEUE_READ;
    ask.name = chat__view_str("d");
    ask.count = 1;
    shared_ask(&world, &ask, &answer);
    assert_int_equal(answer.n_items, 1);
    now_ms_ += UINT64_C(604800) * 1000;
    shared_ask(&world, &ask, &answer);
    assert_int_equal(answer.n_items, 0);
    assert_int_equal(answer.number, 1); /* lost to its age, and told */
    chat_test_shared_free(shared_);
}

int main(void)
{
#define CONTRACT_ROW(name) cmocka_unit_test(name##_here),
    const struct CMUnitTest tests[] = {SHARED_CONTRACT(CONTRACT_ROW)
                                           cmocka_unit_test(it_fails_as_it_is_told),
                                       cmocka_unit_test(answers_are_held_and_have_a_limit),
                                       cmocka_unit_test(entries_and_ids_end_in_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
