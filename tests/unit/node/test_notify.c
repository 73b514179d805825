/* SPDX-License-Identifier: MIT */
/* Who is notified, of what and when. */
#include "harness.h"

#define INTERVAL_MS 60000u

static void start(world *w)
{
    chat__node_options options;
    memset(w, 0, sizeof *w);
    chat__node_options_init(&options);
    options.window_count = 4;
    options.notify_users = 2;
    options.notify_interval_ms = INTERVAL_MS;
    assert_int_equal(chat__node_new(&options, &w->node), CHAT_OK);
    pass_time(w, 1000);
    join(w, 0, "alice", "phone");
}

static void send_to(world *w, int i, const char *to)
{
    char frame[160];
    snprintf(frame, sizeof frame,
             "{\"t\":\"send\",\"cid\":\"%d-%zu\",\"to\":\"%s\",\"body\":\"x\"}", i, w->n_records,
             to);
    say(w, i, frame);
}

/* What was told since the last call. */
static void assert_told(world *w, const char *expected)
{
    assert_string_equal(w->told, expected);
    w->told[0] = 0;
}

static void a_message_to_who_is_away_is_told_once(void **state)
{
    world w;
    (void)state;
    start(&w);
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice;");
    say(&w, 0, "{\"t\":\"send\",\"cid\":\"0-0\",\"to\":\"bob\",\"body\":\"x\"}");
    assert_told(&w, "");
    pass_time(&w, 10 * INTERVAL_MS);
    assert_told(&w, "");
    world_done(&w);
}

static void who_acknowledges_is_not_told(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "bob", "laptop");
    send_to(&w, 0, "bob");
    say(&w, 1, "{\"t\":\"ack\",\"n\":1}");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_told(&w, "");
    world_done(&w);
}

static void what_was_not_acknowledged_is_told_when_the_last_device_goes(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "bob", "laptop");
    join(&w, 2, "bob", "phone");
    send_to(&w, 0, "bob");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_told(&w, "");
    chat__node_closed(w.node, w.conns[2]);
    run(&w);
    assert_told(&w, "bob:1 alice;");
    world_done(&w);
}

/* The window holds 4: the rest is behind. */
static void so_is_what_was_not_even_pushed(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "bob", "laptop");
    for (int i = 0; i < 6; i++)
        send_to(&w, 0, "bob");
    say(&w, 1, "{\"t\":\"ack\",\"n\":4}");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_told(&w, "bob:1 alice;bob:1 alice;");
    world_done(&w);
}

static void what_was_told_is_not_told_again_after_a_visit(void **state)
{
    world w;
    (void)state;
    start(&w);
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice;");
    join(&w, 1, "bob", "laptop");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    assert_told(&w, "");
    world_done(&w);
}

static void above_ten_they_are_told_together_once_in_an_interval(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "carol", "phone");
    for (int i = 0; i < 10; i++)
        send_to(&w, 0, "bob");
    w.told[0] = 0;
    send_to(&w, 1, "bob");
    assert_told(&w, "bob:11 alice carol;");
    for (int i = 0; i < 5; i++)
        send_to(&w, 0, "bob");
    assert_told(&w, "");
    say(&w, 0, "{\"t\":\"ping\"}");
    say(&w, 1, "{\"t\":\"ping\"}");
    assert_true(chat__node_deadline(w.node) <= w.now_ms + INTERVAL_MS);
    pass_time(&w, INTERVAL_MS);
    assert_told(&w, "bob:16 alice carol;");
    pass_time(&w, INTERVAL_MS);
    assert_told(&w, "");
    world_done(&w);
}

static void nobody_is_told_of_his_own_message(void **state)
{
    world w;
    (void)state;
    start(&w);
    w.is_append_held = 1;
    send_to(&w, 0, "bob");
    chat__node_closed(w.node, w.conns[0]);
    w.is_append_held = 0;
    run(&w);
    assert_told(&w, "bob:1 alice;");
    world_done(&w);
}

/* The table has room for two: the first is forgotten, so it counts anew. */
static void the_table_is_bounded(void **state)
{
    world w;
    (void)state;
    start(&w);
    send_to(&w, 0, "bob");
    send_to(&w, 0, "carol");
    send_to(&w, 0, "dave");
    assert_told(&w, "bob:1 alice;carol:1 alice;dave:1 alice;");
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice;");
    world_done(&w);
}

static const chat_view DEVICES[] = {{(const uint8_t *)"phone", 5}, {(const uint8_t *)"watch", 5}};

static void the_devices_that_lack_it_are_named(void **state)
{
    world w;
    (void)state;
    start(&w);
    w.away = (chat__node_away){.devices = DEVICES, .n_devices = 2, .n_known = 3};
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice@phone@watch;");
    w.away.n_devices = 0;
    send_to(&w, 0, "bob");
    assert_told(&w, "");
    world_done(&w);
}

static void a_device_that_is_gone_is_not_named_until_it_is_back(void **state)
{
    world w;
    (void)state;
    start(&w);
    w.away = (chat__node_away){.devices = DEVICES, .n_devices = 2, .n_known = 2};
    send_to(&w, 0, "bob");
    chat__told told = {w.told_keys[0], w.told_keys[1], CHAT__FATE_GONE, DEVICES[0]};
    chat__node_told(w.node, &told);
    w.told[0] = 0;
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice@watch;");
    told.device = DEVICES[1];
    chat__node_told(w.node, &told);
    send_to(&w, 0, "bob");
    assert_told(&w, "");
    join(&w, 1, "bob", "phone");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice@phone;");
    world_done(&w);
}

static void a_muted_chat_is_not_told_and_does_not_count(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "carol", "phone");
    w.away.muted_until_ms = UINT64_MAX;
    for (int i = 0; i < 12; i++)
        send_to(&w, 0, "bob");
    assert_told(&w, "");
    assert_int_equal(1, w.n_away_loads);
    w.away.muted_until_ms = 0;
    send_to(&w, 1, "bob");
    assert_told(&w, "bob:1 carol;");
    world_done(&w);
}

/* The device that muted it is gone before its request is on disk. */
static void a_mute_that_comes_late_counts(void **state)
{
    world w;
    (void)state;
    start(&w);
    join(&w, 1, "bob", "phone");
    w.is_append_held = 1;
    say(&w, 1, "{\"t\":\"mute\",\"r\":1,\"to\":\"alice\",\"until\":9000000000000}");
    chat__node_closed(w.node, w.conns[1]);
    run(&w);
    w.is_append_held = 0;
    send_to(&w, 0, "bob");
    assert_told(&w, "bob:1 alice;");
    w.away.muted_until_ms = UINT64_MAX;
    send_to(&w, 0, "bob");
    assert_told(&w, "");
    world_done(&w);
}

static void who_has_read_it_is_not_told(void **state)
{
    world w;
    (void)state;
    start(&w);
    w.away.read_seq = UINT64_MAX;
    send_to(&w, 0, "bob");
    assert_told(&w, "");
    world_done(&w);
}

static void who_comes_back_meanwhile_is_not_told(void **state)
{
    world w;
    (void)state;
    start(&w);
    w.is_away_held = 1;
    send_to(&w, 0, "bob");
    join(&w, 1, "bob", "phone");
    chat__node_away_loaded(w.node, w.away_tag, CHAT_OK, &w.away);
    run(&w);
    assert_told(&w, "");
    chat__node_closed(w.node, w.conns[1]);
    send_to(&w, 0, "bob");
    chat__node_away_loaded(w.node, w.away_tag, CHAT_ERR_IO, NULL);
    run(&w);
    assert_told(&w, "");
    world_done(&w);
}

/* Of many it is the newest that counts, as it is when they are told. */
static void many_are_told_on_the_devices_that_are_there_then(void **state)
{
    world w;
    (void)state;
    start(&w);
    for (int i = 0; i < 11; i++)
        send_to(&w, 0, "bob");
    w.told[0] = 0;
    size_t n_loads = w.n_away_loads;
    for (int i = 0; i < 5; i++)
        send_to(&w, 0, "bob");
    assert_told(&w, "");
    assert_int_equal(n_loads, w.n_away_loads);
    say(&w, 0, "{\"t\":\"ping\"}");
    w.away = (chat__node_away){.devices = DEVICES, .n_devices = 1, .n_known = 2};
    pass_time(&w, INTERVAL_MS);
    assert_told(&w, "bob:16 alice@phone;");
    assert_int_equal(n_loads + 1, w.n_away_loads);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_to_who_is_away_is_told_once),
        cmocka_unit_test(who_acknowledges_is_not_told),
        cmocka_unit_test(what_was_not_acknowledged_is_told_when_the_last_device_goes),
        cmocka_unit_test(so_is_what_was_not_even_pushed),
        cmocka_unit_test(what_was_told_is_not_told_again_after_a_visit),
        cmocka_unit_test(above_ten_they_are_told_together_once_in_an_interval),
        cmocka_unit_test(nobody_is_told_of_his_own_message),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(the_devices_that_lack_it_are_named),
        cmocka_unit_test(a_device_that_is_gone_is_not_named_until_it_is_back),
        cmocka_unit_test(a_muted_chat_is_not_told_and_does_not_count),
        cmocka_unit_test(a_mute_that_comes_late_counts),
        cmocka_unit_test(who_has_read_it_is_not_told),
        cmocka_unit_test(who_comes_back_meanwhile_is_not_told),
        cmocka_unit_test(many_are_told_on_the_devices_that_are_there_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
