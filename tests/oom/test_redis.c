/* SPDX-License-Identifier: MIT */
/* libchat-redis and what is shared by tests, with memory that runs out, of ours: hiredis takes
 * libc's. */
#include "oom.h"

#include "backends/redis/fleet.h"
#include "base/view.h"

#include <chat/redis.h>
#include <chat/testing_shared.h>

#define GREETING "$22\r\nredis_version:7.0.15\r\n\r\n"

/* Until it is answered; what was lost for want of memory is dialled and said again. */
static void talk(oom_memory *memory, chat__redis_fleet *fleet)
{
    chat__redis_fleet_event event;
    chat__redis_io io;
    uint64_t now_ms = 1000;
    int n_answers = 0;
    for (int turn = 0; turn < 10 && n_answers == 0; turn++, now_ms += 200) {
        chat__redis_fleet_process(fleet, now_ms);
        while (chat__redis_fleet_next_io(fleet, now_ms, &io) == CHAT_OK) {
            if (io.type != CHAT__REDIS_IO_DIAL)
                continue;
            chat__redis_fleet_opened(fleet, io.link, now_ms);
            chat__redis_fleet_feed(fleet, io.link, chat__view_str(GREETING));
        }
        chat_view unsent = chat__redis_fleet_unsent(fleet, 0);
        int is_asked = unsent.len > 0 && memcmp(unsent.data + unsent.len - 3, "k\r\n", 3) == 0;
        chat__redis_fleet_sent(fleet, 0, unsent.len);
        if (is_asked)
            chat__redis_fleet_feed(fleet, 0, chat__view_str("*2\r\n:1\r\n$2\r\nab\r\n"));
        while (chat__redis_fleet_next_event(fleet, now_ms, &event) == CHAT_OK) {
            n_answers += event.type == CHAT__REDIS_FLEET_ANSWER;
            if (event.type == CHAT__REDIS_FLEET_PROBLEM) {
                assert_int_equal(event.status, CHAT_ERR_NOMEM);
                oom_recover(memory);
            }
        }
    }
    assert_int_equal(n_answers, 1);
}

static void ask_one(oom_memory *memory, void *ctx)
{
    const char *args[] = {"GET", "k"};
    const size_t lens[] = {3, 1};
    chat__redis_ask ask = {1, 0, 1, {(const uint8_t *)"k", 1}, 2, args, lens};
    chat__redis_fleet_options options;
    chat__redis_fleet *fleet = NULL;
    char why[CHAT__REDIS_WHY_BYTES];
    (void)ctx;
    chat__redis_fleet_options_init(&options);
    options.servers = "a:1";
    options.max_asks = 4;
    options.conn.max_in_flight = 8;
    options.conn.allocator = oom_allocator(memory);
    if (chat__redis_fleet_new(&options, why, &fleet) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(chat__redis_fleet_new(&options, why, &fleet), CHAT_OK);
    }
    chat_status status = chat__redis_fleet_ask(fleet, &ask, 1000);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(chat__redis_fleet_ask(fleet, &ask, 1000), CHAT_OK);
    }
    talk(memory, fleet);
    chat__redis_fleet_free(fleet);
}

static void one_ask(void **state)
{
    (void)state;
    assert_true(oom_loop(ask_one, NULL) >= 8);
}

static void ask_many(const chat_shared *shared, oom_memory *memory)
{
    chat_view users[2] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
    chat_shared_ask asks[] = {
        {.op = CHAT_SHARED_WHO, .users = users, .n_users = 2},
        {.op = CHAT_SHARED_RECENT_PUT, .owner = users[0], .number = 1, .value = users[1]},
        {.op = CHAT_SHARED_RECENT_READ, .owner = users[0], .count = 1}};
    for (size_t i = 0; i < 3; i++) {
        asks[i].struct_size = sizeof asks[i];
        chat_status status = shared->ask(shared->ctx, &asks[i], 1);
        if (status == CHAT_OK)
            continue;
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(shared->ask(shared->ctx, &asks[i], 1), CHAT_OK);
    }
}

static void make_redis(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_redis_options options;
    chat_redis *redis = NULL;
    (void)ctx;
    chat_redis_options_init(&options);
    options.servers = "a:1";
    options.max_asks = 8;
    options.allocator = &allocator;
    if (chat_redis_new(&options, NULL, 0, &redis) != CHAT_OK) {
        assert_null(redis);
        oom_recover(memory);
        assert_int_equal(chat_redis_new(&options, NULL, 0, &redis), CHAT_OK);
    }
    ask_many(chat_redis_table(redis), memory);
    chat_redis_free(redis);
}

static void asks_that_were_not_answered(void **state)
{
    (void)state;
    assert_true(oom_loop(make_redis, NULL) >= 8);
}

static void make_shared(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_test_shared_options options;
    chat_test_shared *shared = NULL;
    (void)ctx;
    chat_test_shared_options_init(&options);
    options.allocator = &allocator;
    if (chat_test_shared_new(&options, &shared) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(chat_test_shared_new(&options, &shared), CHAT_OK);
    }
    ask_many(chat_test_shared_table(shared), memory);
    chat_test_shared_free(shared);
}

static void what_tests_share(void **state)
{
    (void)state;
    assert_true(oom_loop(make_shared, NULL) >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_ask),
        cmocka_unit_test(asks_that_were_not_answered),
        cmocka_unit_test(what_tests_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
