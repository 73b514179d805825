/* SPDX-License-Identifier: MIT */
#include "rig.h"

static const char DIGEST[] = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"; /* sha1sum */

/* --- one server --- */

static world *one(void)
{
    static world w;
    start(&w, CHAT__REDIS_ONE, "a:1");
    turn(&w);
    assert_string_equal(w.dialled_host, "a:1");
    return &w;
}

static void asks_wait_for_a_server_and_go_together(void **state)
{
    world *w = one();
    char both[128];
    (void)state;
    ask(w, 1, "x");
    ask(w, 2, "y");
    greet(w, "standalone", "");
    snprintf(both, sizeof both, "%s%s", get("x"), get("y"));
    sent(w, 0, both);
    says(w, 0, ":1\r\n:2\r\n");
    answered(w, 1, CHAT_OK);
    assert_int_equal(w->event.reply.values[0].integer, 1);
    answered(w, 2, CHAT_OK);
    assert_int_equal(event(w), CHAT_EMPTY);
    assert_true(chat__redis_fleet_deadline(w->fleet) == UINT64_MAX);
    chat__redis_fleet_free(w->fleet);
}

static void what_was_lost_is_said_again_if_that_does_no_harm(void **state)
{
    world *w = one();
    (void)state;
    greet(w, "standalone", "");
    ask(w, 1, "x");
    assert_int_equal(ask_as(w, 2, "y", 0), CHAT_OK);
    forget(w, 0);
    chat__redis_fleet_closed(w->fleet, 0, CHAT_ERR_CLOSED, "closed");
    answered(w, 2, CHAT_ERR_TIMEOUT);
    told(w, CHAT_ERR_CLOSED, "redis a:1: closed");
    assert_int_equal(event(w), CHAT_EMPTY);
    w->now_ms += 100;
    turn(w);
    assert_int_equal(w->n_dials, 2);
    uint32_t link = w->dialled;
    chat__redis_fleet_opened(w->fleet, link, w->now_ms);
    forget(w, link);
    says(w, link, "$3\r\nx:y\r\n");
    well(w);
    sent(w, 0, get("x"));
    says(w, 0, ":7\r\n");
    answered(w, 1, CHAT_OK);
    chat__redis_fleet_free(w->fleet);
}

static void an_ask_is_answered_at_its_deadline(void **state)
{
    world *w = one();
    (void)state;
    ask(w, 1, "x");
    chat__redis_fleet_closed(w->fleet, 0, CHAT_ERR_AUTH, "wrong password");
    told(w, CHAT_ERR_AUTH, "wrong password");
    w->now_ms = 5999;
    assert_int_equal(event(w), CHAT_EMPTY);
    w->now_ms = 6000;
    answered(w, 1, CHAT_ERR_AUTH); /* was never said */
    chat__redis_fleet_free(w->fleet);
    w = one();
    greet(w, "standalone", "");
    ask(w, 2, "x");
    w->now_ms = 6000;
    answered(w, 2, CHAT_ERR_TIMEOUT); /* nobody knows */
    chat__redis_fleet_free(w->fleet);
}

static void a_late_reply_belongs_to_nobody(void **state)
{
    world w;
    (void)state;
    start(&w, CHAT__REDIS_ONE, "a:1");
    chat__redis_fleet_free(w.fleet);
    w.options.wait_ms = 500;
    assert_int_equal(chat__redis_fleet_new(&w.options, w.why, &w.fleet), CHAT_OK);
    turn(&w);
    greet(&w, "standalone", "");
    ask(&w, 1, "x");
    w.now_ms += 500;
    answered(&w, 1, CHAT_ERR_TIMEOUT);
    ask(&w, 2, "y"); /* in the same place */
    says(&w, 0, ":1\r\n");
    assert_int_equal(event(&w), CHAT_EMPTY);
    says(&w, 0, ":2\r\n");
    answered(&w, 2, CHAT_OK);
    assert_int_equal(w.event.reply.values[0].integer, 2);
    chat__redis_fleet_free(w.fleet);
}

static void what_waits_has_limits(void **state)
{
    static char large[1100];
    world *w = one();
    (void)state;
    memset(large, 'k', sizeof large - 1);
    ask(w, 1, "x");
    assert_int_equal(ask_as(w, 2, large, 1), CHAT_ERR_BUSY);
    for (uint64_t i = 2; i < 5; i++)
        ask(w, i, "x");
    assert_int_equal(ask_as(w, 5, "x", 1), CHAT_ERR_BUSY);
    chat__redis_fleet_free(w->fleet);
}

static chat_status eval(world *w, uint64_t tag)
{
    const char *args[] = {"1", "k"};
    const size_t lens[] = {1, 1};
    chat__redis_ask ask = {tag, 1, 1, chat__view_str("k"), 2, args, lens};
    chat_status status = chat__redis_fleet_ask(w->fleet, &ask, w->now_ms);
    turn(w);
    return status;
}

static void a_script_is_loaded_where_it_is_not_known(void **state)
{
    char said[256], both[400];
    world *w = one();
    (void)state;
    greet(w, "standalone", "");
    assert_int_equal(eval(w, 1), CHAT_OK);
    snprintf(said, sizeof said, "*4\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n1\r\n$1\r\nk\r\n",
             DIGEST);
    sent(w, 0, said);
    says(w, 0, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    assert_int_equal(event(w), CHAT_EMPTY);
    snprintf(both, sizeof both, "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$8\r\nreturn 1\r\n%s", said);
    sent(w, 0, both);
    says(w, 0, "$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n:1\r\n");
    answered(w, 1, CHAT_OK);
    chat__redis_fleet_free(w->fleet);
}

static void an_error_names_the_option(void **state)
{
    world *w = one();
    (void)state;
    greet(w, "standalone", "");
    ask(w, 1, "x");
    says(w, 0, "-NOPERM this user has no permissions to run the 'get' command\r\n");
    answered(w, 1, CHAT_ERR_FORBIDDEN);
    told(w, CHAT_ERR_FORBIDDEN, "`user`");
    well(w);
    ask(w, 2, "x");
    says(w, 0, "-MOVED 1 b:2\r\n");
    answered(w, 2, CHAT_ERR_ARG);
    told(w, CHAT_ERR_ARG, "set `mode` to cluster");
    chat__redis_fleet_free(w->fleet);
}

/* --- shards --- */

static void a_user_has_a_shard(void **state)
{
    world w;
    (void)state;
    start(&w, CHAT__REDIS_SHARDS, "a:1,b:2");
    turn(&w);
    assert_int_equal(w.n_dials, 2);
    for (uint32_t i = 0; i < 2; i++) {
        w.dialled = i;
        greet(&w, "standalone", "");
    }
    for (uint64_t i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "user:{%d}:presence", (int)i);
        uint32_t shard = chat__redis_crc(chat__view_str(key)) % 2;
        assert_int_equal(chat__redis_fleet_part(w.fleet, chat__view_str(key)), shard);
        ask(&w, i, key);
        sent(&w, shard, get(key));
        says(&w, shard, ":1\r\n");
        answered(&w, i, CHAT_OK);
    }
    chat__redis_fleet_free(w.fleet);
}

/* --- options --- */

static void wrong_options_are_named(void **state)
{
    static const struct {
        chat__redis_mode mode;
        const char *servers, *words;
    } rows[] = {
        {CHAT__REDIS_ONE, "", "`servers`"},           {CHAT__REDIS_ONE, NULL, "`servers`"},
        {CHAT__REDIS_ONE, "a", "host:port"},          {CHAT__REDIS_ONE, "a:1,b:2", "set `mode`"},
        {CHAT__REDIS_SHARDS, "a:1,a:1", "different"}, {CHAT__REDIS_WATCHED, "a:1", "`master`"}};
    chat__redis_fleet_options options;
    chat__redis_fleet *fleet;
    char why[CHAT__REDIS_WHY_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat__redis_fleet_options_init(&options);
        options.mode = rows[i].mode;
        options.servers = rows[i].servers;
        assert_int_equal(chat__redis_fleet_new(&options, why, &fleet), CHAT_ERR_ARG);
        assert_non_null(strstr(why, rows[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_wait_for_a_server_and_go_together),
        cmocka_unit_test(what_was_lost_is_said_again_if_that_does_no_harm),
        cmocka_unit_test(an_ask_is_answered_at_its_deadline),
        cmocka_unit_test(a_late_reply_belongs_to_nobody),
        cmocka_unit_test(what_waits_has_limits),
        cmocka_unit_test(a_script_is_loaded_where_it_is_not_known),
        cmocka_unit_test(an_error_names_the_option),
        cmocka_unit_test(a_user_has_a_shard),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
