/* SPDX-License-Identifier: MIT */
/* Where a message is, who is told, and what. */
#include "harness.h"

#define WHY "{\"t\":\"why\",\"r\":9,\"to\":\"%s\",\"id\":\"%llu\"%s}"

static uint64_t sent_id(const world *w, int i)
{
    const char *at = strstr(w->written[i], "\"id\":\"");
    assert_non_null(at);
    return strtoull(at + 6, NULL, 10);
}

/* One message of alice to bob; the world has ids as seqs, as a server has. */
static uint64_t start(world *w, int is_bob_there)
{
    world_init(w);
    w->has_ids_as_seqs = 1;
    join(w, 0, "alice", "phone");
    if (is_bob_there)
        join(w, 1, "bob", "laptop");
    say(w, 0, "{\"t\":\"send\",\"cid\":\"1\",\"to\":\"bob\",\"body\":\"x\"}");
    return sent_id(w, 0);
}

static void ask(world *w, int i, const char *to, uint64_t id, const char *more)
{
    char frame[256];
    snprintf(frame, sizeof frame, WHY, to, (unsigned long long)id, more);
    say(w, i, frame);
}

static void the_author_is_told_of_every_device(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    ask(&w, 0, "bob", id, "");
    assert_written(&w, 0, "\"state\":\"accepted\"");
    assert_written(&w, 0, "\"state\":\"durable\"");
    assert_written(&w, 0, "\"device\":\"laptop\",\"state\":\"pushed\"");
    assert_written(&w, 0, "\"device\":\"laptop\",\"state\":\"acked\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":5");
    world_done(&w);
}

static void who_is_away_has_it_in_the_queue(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 0);
    ask(&w, 0, "bob", id, "");
    assert_written(&w, 0, "\"user\":\"bob\",\"state\":\"queued\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":4");
    world_done(&w);
}

static void a_device_is_asked_about_alone(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    ask(&w, 0, "bob", id, ",\"device\":\"laptop\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":1");
    ask(&w, 0, "bob", id, ",\"device\":\"watch\"");
    assert_written(&w, 0, "\"t\":\"result\",\"r\":9,\"count\":0");
    world_done(&w);
}

static void another_member_is_told_of_his_own_devices(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    join(&w, 2, "alice", "laptop");
    ask(&w, 1, "alice", id, "");
    assert_written(&w, 1, "\"device\":\"laptop\",\"state\":\"pushed\"");
    assert_not_written(&w, 1, "\"user\":\"alice\"");
    world_done(&w);
}

static void a_non_member_is_told_nothing(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    join(&w, 2, "mallory", "phone");
    char frame[256];
    snprintf(frame, sizeof frame,
             "{\"t\":\"why\",\"r\":9,\"chat\":\"dm:5:alice:bob\",\"id\":\"%llu\"}",
             (unsigned long long)id);
    say(&w, 2, frame);
    assert_written(&w, 2, "\"code\":\"forbidden\"");
    assert_not_written(&w, 2, "\"t\":\"trail\"");
    world_done(&w);
}

static void a_message_that_is_not_there_is_said(void **state)
{
    world w;
    (void)state;
    uint64_t id = start(&w, 1);
    ask(&w, 0, "bob", id + 1, "");
    assert_written(&w, 0, "\"code\":\"not_found\"");
    ask(&w, 0, "bob", 0, "");
    assert_written(&w, 0, "\"t\":\"error\"");
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_author_is_told_of_every_device),
        cmocka_unit_test(who_is_away_has_it_in_the_queue),
        cmocka_unit_test(a_device_is_asked_about_alone),
        cmocka_unit_test(another_member_is_told_of_his_own_devices),
        cmocka_unit_test(a_non_member_is_told_nothing),
        cmocka_unit_test(a_message_that_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
