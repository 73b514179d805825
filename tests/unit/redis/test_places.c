/* SPDX-License-Identifier: MIT */
#include "rig.h"

/* --- a primary that sentinels name --- */

#define MASTER_ASKED "*3\r\n$8\r\nSENTINEL\r\n$23\r\nget-master-addr-by-name\r\n$4\r\nchat\r\n"

static world *watched(void)
{
    static world w;
    start(&w, CHAT__REDIS_WATCHED, "s:1,t:2");
    turn(&w);
    assert_string_equal(w.dialled_host, "s:1");
    greet(&w, "sentinel", "");
    sent(&w, 0, MASTER_ASKED);
    says(&w, 0, "*2\r\n$1\r\na\r\n$1\r\n7\r\n");
    assert_int_equal(event(&w), CHAT_EMPTY);
    assert_string_equal(w.dialled_host, "a:7");
    greet(&w, "standalone", PRIMARY);
    return &w;
}

static void it_goes_where_the_primary_goes(void **state)
{
    world *w = watched();
    uint32_t old = w->dialled;
    (void)state;
    ask(w, 1, "x");
    sent(w, old, get("x"));
    chat__redis_fleet_closed(w->fleet, old, CHAT_ERR_CLOSED, "killed");
    told(w, CHAT_ERR_CLOSED, "killed");
    sent(w, 0, MASTER_ASKED); /* at once */
    says(w, 0, "*2\r\n$1\r\na\r\n$1\r\n7\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    w->now_ms += 100;
    turn(w);
    sent(w, 0, MASTER_ASKED);
    says(w, 0, "*2\r\n$1\r\nb\r\n$1\r\n8\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    assert_string_equal(w->dialled_host, "b:8");
    uint32_t link = w->dialled;
    chat__redis_fleet_opened(w->fleet, link, w->now_ms);
    forget(w, link);
    says(w, link, "$1\r\nx\r\n" PRIMARY);
    well(w);
    sent(w, link, get("x"));
    says(w, link, ":1\r\n");
    answered(w, 1, CHAT_OK);
    chat__redis_fleet_free(w->fleet);
}

static void a_primary_that_is_a_replica_now_is_left(void **state)
{
    world *w = watched();
    uint32_t link = w->dialled;
    (void)state;
    ask(w, 1, "x");
    says(w, link, "-READONLY You can't write against a read only replica.\r\n");
    told(w, CHAT_ERR_STATE, "replica");
    assert_int_equal(event(w), CHAT_EMPTY);
    sent(w, 0, MASTER_ASKED);
    says(w, 0, "*2\r\n$1\r\nb\r\n$1\r\n8\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    assert_string_equal(w->dialled_host, "b:8");
    chat__redis_fleet_free(w->fleet);
}

static void the_next_sentinel_is_asked_when_one_is_gone(void **state)
{
    world *w = watched();
    (void)state;
    chat__redis_fleet_closed(w->fleet, 0, CHAT_ERR_CLOSED, "gone");
    told(w, CHAT_ERR_CLOSED, "gone");
    well(w); /* the primary is there */
    assert_string_equal(w->dialled_host, "t:2");
    chat__redis_fleet_free(w->fleet);
}

static void a_name_that_no_sentinel_knows_is_told(void **state)
{
    world w;
    (void)state;
    start(&w, CHAT__REDIS_WATCHED, "s:1");
    turn(&w);
    greet(&w, "sentinel", "");
    forget(&w, 0);
    says(&w, 0, "*-1\r\n");
    told(&w, CHAT_ERR_NOT_FOUND, "`master`");
    chat__redis_fleet_free(w.fleet);
}

/* --- a cluster --- */

/* A has the slots below 8192, b the others. foo is in 12182, bar in 5061. */
#define HALVES                                                                                     \
    "*2\r\n*3\r\n:0\r\n:8191\r\n*2\r\n$1\r\na\r\n:1\r\n*4\r\n:8192\r\n:16383\r\n"                  \
    "*4\r\n$1\r\nb\r\n:2\r\n$2\r\nid\r\n*0\r\n*2\r\n$1\r\nc\r\n:3\r\n"

static uint32_t b_;

static world *clustered(void)
{
    static world w;
    start(&w, CHAT__REDIS_CLUSTERED, "a:1");
    turn(&w);
    greet(&w, "cluster", "");
    sent(&w, 0, SLOTS_ASKED);
    says(&w, 0, HALVES);
    assert_int_equal(event(&w), CHAT_EMPTY);
    assert_string_equal(w.dialled_host, "b:2");
    b_ = greet(&w, "cluster", "");
    w.now_ms += 100;
    turn(&w);
    for (uint32_t i = 0; i < 2; i++) { /* whoever is asked now that all are connected */
        if (chat__redis_fleet_unsent(w.fleet, i).len > 0) {
            sent(&w, i, SLOTS_ASKED);
            says(&w, i, HALVES);
        }
    }
    assert_int_equal(event(&w), CHAT_EMPTY);
    assert_true(chat__redis_fleet_deadline(w.fleet) == UINT64_MAX);
    return &w;
}

static void a_key_goes_to_the_server_of_its_slot(void **state)
{
    world *w = clustered();
    (void)state;
    ask(w, 1, "foo");
    ask(w, 2, "bar");
    sent(w, b_, get("foo"));
    sent(w, 0, get("bar"));
    assert_true(chat__redis_fleet_part(w->fleet, chat__view_str("foo")) == 12182);
    chat__redis_fleet_free(w->fleet);
}

static void moved_is_followed_and_the_slots_are_asked_again(void **state)
{
    world *w = clustered();
    (void)state;
    ask(w, 1, "bar");
    forget(w, 0);
    says(w, 0, "-MOVED 5061 b:2\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    sent(w, b_, get("bar"));
    w->now_ms += 100;
    turn(w);
    chat_view zero = chat__redis_fleet_unsent(w->fleet, 0);
    sent(w, zero.len > 0 ? 0 : b_, SLOTS_ASKED);
    says(w, b_, ":1\r\n");
    answered(w, 1, CHAT_OK);
    chat__redis_fleet_free(w->fleet);
}

static void ask_is_followed_once(void **state)
{
    char both[128];
    world *w = clustered();
    (void)state;
    ask(w, 1, "bar");
    forget(w, 0);
    says(w, 0, "-ASK 5061 b:2\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    snprintf(both, sizeof both, "*1\r\n$6\r\nASKING\r\n%s", get("bar"));
    sent(w, b_, both);
    says(w, b_, "+OK\r\n:1\r\n");
    answered(w, 1, CHAT_OK);
    ask(w, 2, "bar");
    sent(w, 0, get("bar"));
    chat__redis_fleet_free(w->fleet);
}

static void what_passes_is_tried_again(void **state)
{
    static const char *const errors[] = {"-TRYAGAIN x\r\n", "-CLUSTERDOWN x\r\n", "-LOADING x\r\n",
                                         "-READONLY x\r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        world *w = clustered();
        ask(w, 1, "bar");
        forget(w, 0);
        says(w, 0, errors[i]);
        assert_int_equal(event(w), CHAT_OK);
        assert_int_equal(w->event.type, CHAT__REDIS_FLEET_PROBLEM);
        assert_true(chat__redis_fleet_unsent(w->fleet, 0).len == 0);
        assert_true(chat__redis_fleet_deadline(w->fleet) <= w->now_ms + 100);
        w->now_ms += 100;
        turn(w);
        chat_view out = chat__redis_fleet_unsent(w->fleet, 0);
        const char *want = get("bar");
        assert_true(out.len >= strlen(want));
        assert_memory_equal(out.data + out.len - strlen(want), want, strlen(want));
        chat__redis_fleet_free(w->fleet);
    }
}

static void what_a_lost_server_had_waits_for_the_next(void **state)
{
    world *w = clustered();
    (void)state;
    ask(w, 1, "bar");
    forget(w, 0);
    chat__redis_fleet_closed(w->fleet, 0, CHAT_ERR_CLOSED, "killed");
    told(w, CHAT_ERR_CLOSED, "killed");
    w->now_ms += 100;
    turn(w);
    sent(w, b_, SLOTS_ASKED);
    says(w, b_, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\nb\r\n:2\r\n");
    well(w);
    sent(w, b_, get("bar"));
    chat__redis_fleet_free(w->fleet);
}

static void slots_that_make_no_sense_are_left_out(void **state)
{
    static const char *const replies[] = {
        "*0\r\n",
        ":1\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:9\r\n:8\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n*0\r\n:8\r\n*2\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n*1\r\n$1\r\na\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$1\r\na\r\n:99999\r\n",
        "*1\r\n*3\r\n:0\r\n:16383\r\n*1\r\n$1\r\na\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        world w;
        start(&w, CHAT__REDIS_CLUSTERED, "a:1");
        turn(&w);
        greet(&w, "cluster", "");
        forget(&w, 0);
        says(&w, 0, replies[i]);
        told(&w, CHAT_ERR_BUSY, "have no server");
        assert_int_equal(event(&w), CHAT_EMPTY);
        w.now_ms += 100;
        turn(&w);
        sent(&w, 0, SLOTS_ASKED); /* again */
        chat__redis_fleet_free(w.fleet);
    }
}

static void a_server_that_names_itself_by_its_port_is_found(void **state)
{
    world w;
    (void)state;
    start(&w, CHAT__REDIS_CLUSTERED, "a:1");
    turn(&w);
    greet(&w, "cluster", "");
    forget(&w, 0);
    says(&w, 0, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:1\r\n");
    assert_int_equal(event(&w), CHAT_EMPTY);
    ask(&w, 1, "x");
    sent(&w, 0, get("x"));
    says(&w, 0, "-MOVED 1 :9\r\n");
    assert_int_equal(event(&w), CHAT_EMPTY);
    assert_string_equal(w.dialled_host, "a:9");
    chat__redis_fleet_free(w.fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_where_the_primary_goes),
        cmocka_unit_test(a_primary_that_is_a_replica_now_is_left),
        cmocka_unit_test(the_next_sentinel_is_asked_when_one_is_gone),
        cmocka_unit_test(a_name_that_no_sentinel_knows_is_told),
        cmocka_unit_test(a_key_goes_to_the_server_of_its_slot),
        cmocka_unit_test(moved_is_followed_and_the_slots_are_asked_again),
        cmocka_unit_test(ask_is_followed_once),
        cmocka_unit_test(what_passes_is_tried_again),
        cmocka_unit_test(what_a_lost_server_had_waits_for_the_next),
        cmocka_unit_test(slots_that_make_no_sense_are_left_out),
        cmocka_unit_test(a_server_that_names_itself_by_its_port_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
