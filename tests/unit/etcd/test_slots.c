/* SPDX-License-Identifier: MIT */
/* When places and slots are looked at; what is made of them is in the contract of places. */
#include "backends/etcd/slots.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

#define TTL_MS 10000u

static void answer(chat__etcd_slots *slots, const char *path, const char *text)
{
    chat__etcd_call call;
    chat__etcd_reply reply = {200, chat__view_str(text), NULL};
    assert_int_equal(chat__etcd_slots_next_call(slots, &call), CHAT_OK);
    assert_string_equal(call.path, path);
    chat__etcd_slots_reply(slots, &reply);
}

/* Member 1 is there, and nobody has a slot. */
static void look(chat__etcd_slots *slots)
{
    answer(slots, "/v3/kv/txn",
           "{\"header\":{\"revision\":\"3\"},\"succeeded\":true,\"responses\":[{\"response_range\":"
           "{}},"
           "{\"response_range\":{\"kvs\":[{\"key\":\"cC9wbGFjZS8wMDAx\",\"value\":\"MQ==\","
           "\"lease\":\"7\"}]}}]}");
}

static chat__etcd_slots *start(uint64_t now_ms)
{
    static const char *const items[] = {"http://one"};
    const chat_places_wish wish = {sizeof wish, 1, 4, 1, NULL};
    const chat__etcd_slots_options options = {NULL, "p/", {items, 1}, TTL_MS, &wish};
    chat__etcd_slots *slots = NULL;
    assert_int_equal(chat__etcd_slots_new(&options, &slots), CHAT_OK);
    chat__etcd_slots_begin(slots, now_ms);
    answer(slots, "/v3/lease/grant",
           "{\"header\":{\"revision\":\"1\"},\"ID\":\"7\",\"TTL\":\"10\"}");
    answer(slots, "/v3/kv/txn",
           "{\"header\":{\"revision\":\"2\"},\"succeeded\":true,\"responses\":[{}]}");
    look(slots);
    return slots;
}

static void expect_none_before(chat__etcd_slots *slots, uint64_t at_ms)
{
    chat__etcd_call call;
    assert_int_equal(chat__etcd_slots_next_call(slots, &call), CHAT_EMPTY);
    assert_int_equal(chat__etcd_slots_deadline(slots), at_ms);
}

static void keys_are_read_when_a_change_is_heard_of_else_now_and_then(void **state)
{
    (void)state;
    chat__etcd_slots *slots = start(1000);
    expect_none_before(slots, 1500); /* nobody tells of changes */
    chat__etcd_slots_hear(slots, 1, 0);
    expect_none_before(slots, 1000 + TTL_MS / 4);
    chat__etcd_slots_begin(slots, 1100);
    chat__etcd_slots_hear(slots, 1, 1);
    chat__etcd_slots_hear(slots, 1, 0); /* it is not forgotten */
    look(slots);
    expect_none_before(slots, 1100 + TTL_MS / 4);
    chat__etcd_slots_begin(slots, 1100 + TTL_MS / 4);
    look(slots);
    chat__etcd_slots_hear(slots, 0, 0);
    expect_none_before(slots, 1600 + TTL_MS / 4);
    chat__etcd_slots_free(slots);
}

static void a_change_while_keys_are_read_has_them_read_again(void **state)
{
    chat__etcd_call call;
    chat__etcd_reply lost = {0, {NULL, 0}, "refused"};
    (void)state;
    chat__etcd_slots *slots = start(1000);
    chat__etcd_slots_hear(slots, 1, 1);
    assert_int_equal(chat__etcd_slots_next_call(slots, &call), CHAT_OK);
    chat__etcd_slots_hear(slots, 1, 1);
    chat__etcd_slots_reply(slots, &lost);
    expect_none_before(slots, 1100); /* it pauses, then */
    chat__etcd_slots_begin(slots, 1100);
    look(slots);
    expect_none_before(slots, 1100 + TTL_MS / 4);
    chat__etcd_slots_free(slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_when_a_change_is_heard_of_else_now_and_then),
        cmocka_unit_test(a_change_while_keys_are_read_has_them_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
