/* SPDX-License-Identifier: MIT */
/*
 * Node numbers from etcd with memory that runs out at any allocation: what could not be asked is
 * asked later, and numbers are held in the end. libcurl's own memory is libc's.
 */
#include "oom.h"

#include "backends/etcd/numbers.h"
#include "backends/etcd/watch.h"
#include "base/view.h"

#include <chat/etcd.h>

#define UNIX_MS   UINT64_C(1800000000000)
#define MAX_TURNS 1000

static const chat_view NAME = {(const uint8_t *)"name", 4};

static const char *answer_to(const chat__etcd_call *call)
{
    if (strcmp(call->path, "/v3/lease/grant") == 0)
        return "{\"header\":{\"revision\":\"1\"},\"ID\":\"7\",\"TTL\":\"60\"}";
    if (strcmp(call->path, "/v3/lease/keepalive") == 0)
        return "{\"result\":{\"ID\":\"7\",\"TTL\":\"60\"}}";
    return "{\"header\":{\"revision\":\"2\"},\"succeeded\":true,\"responses\":[{},{}]}";
}

static void take(chat__etcd_numbers *numbers)
{
    chat_lease_event event = {.struct_size = sizeof event};
    chat__etcd_call call;
    uint32_t last = 0;
    for (uint64_t turn = 1; turn < MAX_TURNS && last != CHAT_LEASE_HELD; turn++) {
        chat_lease_time now = {turn * 100, UNIX_MS + turn * 100};
        chat__etcd_numbers_begin(numbers, now);
        while (chat__etcd_numbers_next_call(numbers, &call) == CHAT_OK) {
            chat__etcd_reply reply = {200, chat__view_str(answer_to(&call)), NULL};
            chat__etcd_numbers_reply(numbers, &reply);
        }
        while (chat__etcd_numbers_next_event(numbers, &event) == CHAT_OK)
            last = event.type;
        if (turn == 50)
            oom_recover(oom_cjson_memory);
    }
    assert_int_equal(last, CHAT_LEASE_HELD);
}

static void take_numbers(oom_memory *memory, void *ctx)
{
    static const char *const endpoints[] = {"http://one"};
    chat_allocator allocator = oom_allocator(memory);
    chat_lease_wish wish = {sizeof wish, 3, NAME, NAME, NAME};
    chat__etcd_numbers_options options = {
        &allocator, "chat/", {endpoints, 1}, 60000, "0123456789abcdef0123456789abcdef", &wish};
    chat__etcd_numbers *numbers = NULL;
    (void)ctx;
    chat_status status = chat__etcd_numbers_new(&options, &numbers);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(numbers);
        oom_recover(memory);
        assert_int_equal(chat__etcd_numbers_new(&options, &numbers), CHAT_OK);
    }
    take(numbers);
    chat__etcd_numbers_free(numbers);
}

static void numbers_are_held_in_the_end(void **state)
{
    (void)state;
    assert_true(oom_loop(take_numbers, NULL) >= 30);
}

static void watch(oom_memory *memory, void *ctx)
{
    static const char line[] = "{\"result\":{\"header\":{\"revision\":\"5\"},\"created\":true}}\n";
    static const char *const items[] = {"http://one"};
    const chat__etcd_endpoints endpoints = {items, 1};
    chat_allocator allocator = oom_allocator(memory);
    chat__etcd_watch watch;
    chat__etcd_call call;
    (void)ctx;
    chat__etcd_watch_init(&watch, &allocator, &endpoints, "a", "b", 1000);
    for (uint64_t turn = 1; turn < 20 && !chat__etcd_watch_is_up(&watch); turn++) {
        if (chat__etcd_watch_next_call(&watch, turn * 1000, &call) == CHAT_OK)
            (void)chat__etcd_watch_feed(&watch, chat__view_str(line), turn * 1000);
        if (turn == 5)
            oom_recover(memory);
    }
    assert_true(chat__etcd_watch_is_up(&watch));
    chat__etcd_watch_done(&watch);
}

static void a_watch_is_up_in_the_end(void **state)
{
    (void)state;
    assert_true(oom_loop(watch, NULL) >= 1);
}

static void make_and_open(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_lease_wish wish = {sizeof wish, 1, NAME, NAME, NAME};
    const chat_lease_time now = {1, UNIX_MS};
    chat_etcd_options options;
    chat_etcd_lease *lease = NULL;
    chat_lease table;
    (void)ctx;
    chat_etcd_options_init(&options);
    options.allocator = &allocator;
    options.endpoints = "http://127.0.0.1:1";
    options.ca_file = "ca.pem";
    options.user = options.password = "chat";
    if (chat_etcd_lease_new(&options, &lease) != CHAT_OK) {
        assert_null(lease);
        oom_recover(memory);
        assert_int_equal(chat_etcd_lease_new(&options, &lease), CHAT_OK);
    }
    chat_etcd_lease_table(lease, &table);
    if (table.open(table.ctx, &wish, now) != CHAT_OK) {
        oom_recover(memory);
        assert_int_equal(table.open(table.ctx, &wish, now), CHAT_OK);
    }
    table.process(table.ctx, now);
    table.release(table.ctx, now);
    chat_etcd_lease_free(lease);
}

static void a_lease_is_made(void **state)
{
    (void)state;
    assert_true(oom_loop(make_and_open, NULL) >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_are_held_in_the_end),
                                       cmocka_unit_test(a_watch_is_up_in_the_end),
                                       cmocka_unit_test(a_lease_is_made)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
