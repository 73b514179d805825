/* SPDX-License-Identifier: MIT */
/* Presence and typing over two nodes: alice and carol live on one, bob on the other. */
#include "node/node.h"

#include <chat/id.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define N_NODES 2u
#define N_CONNS 6

static struct {
    chat__node *nodes[N_NODES];
    uint64_t now_ms;
    chat__conn conns[N_CONNS];
    uint32_t home[N_CONNS];
    char written[N_CONNS][8192];
    chat_status closed[N_CONNS];
    int is_link_cut;
    int is_link_held; /* the frame below waits, later ones are cut off */
    struct {
        uint8_t bytes[512];
        size_t len;
        uint32_t from, to;
    } held;
} w;

static void keep(uint32_t node, const chat__effect *effect)
{
    for (int i = 0; i < N_CONNS; i++) {
        if (w.conns[i] != effect->conn || w.home[i] != node)
            continue;
        size_t used = strlen(w.written[i]);
        snprintf(w.written[i] + used, sizeof w.written[i] - used, "%.*s\n", (int)effect->bytes.len,
                 (const char *)effect->bytes.data);
    }
}

static void carry(uint32_t node, const chat__effect *effect)
{
    if (w.is_link_held && w.held.len == 0) {
        assert_true(effect->bytes.len <= sizeof w.held.bytes);
        memcpy(w.held.bytes, effect->bytes.data, effect->bytes.len);
        w.held.len = effect->bytes.len;
        w.held.from = node;
        w.held.to = effect->to_node;
    } else if (!w.is_link_cut && !w.is_link_held)
        assert_int_equal(chat__node_link(w.nodes[effect->to_node], node, effect->bytes), CHAT_OK);
}

static void run_effect(uint32_t node, const chat__effect *effect)
{
    chat__node_member members[3] = {{chat__view_str("alice"), 1, CHAT__ROLE_OWNER},
                                    {chat__view_str("bob"), 1, CHAT__ROLE_MEMBER},
                                    {chat__view_str("carol"), 1, CHAT__ROLE_MEMBER}};
    chat__node_chat team = {.members = members, .n_members = 3};
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
        keep(node, effect);
        break;
    case CHAT__EFFECT_LINK:
        carry(node, effect);
        break;
    case CHAT__EFFECT_LOAD_USER:
        chat__node_user_loaded(w.nodes[node], effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_LOAD_BLOCKS:
        chat__node_blocks_loaded(w.nodes[node], effect->tag, CHAT_OK, NULL, 0);
        break;
    case CHAT__EFFECT_LOAD_CHAT:
        chat__node_chat_loaded(w.nodes[node], effect->tag, CHAT_OK, &team);
        break;
    default:
        break;
    }
    for (int i = 0; effect->type == CHAT__EFFECT_CLOSE && i < N_CONNS; i++) {
        if (w.conns[i] == effect->conn && w.home[i] == node)
            w.closed[i] = effect->status;
    }
}

static void run(void)
{
    chat__effect effect;
    int is_quiet = 0;
    while (!is_quiet) {
        is_quiet = 1;
        for (uint32_t i = 0; i < N_NODES; i++) {
            while (chat__node_next_effect(w.nodes[i], &effect) == CHAT_OK) {
                run_effect(i, &effect);
                is_quiet = 0;
            }
        }
    }
}

static void release_link(void)
{
    w.is_link_held = 0;
    assert_true(w.held.len > 0);
    assert_int_equal(
        chat__node_link(w.nodes[w.held.to], w.held.from, chat__view(w.held.bytes, w.held.len)),
        CHAT_OK);
    run();
}

static void pass_time(uint64_t ms)
{
    w.now_ms += ms;
    for (uint32_t i = 0; i < N_NODES; i++)
        chat__node_begin(w.nodes[i], w.now_ms, CHAT_EPOCH_MS + w.now_ms);
    run();
}

static void make_nodes(uint32_t max_watched, uint32_t presence_count)
{
    chat__node_options options;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.n_nodes = N_NODES;
    options.heartbeat_ms = 1000;
    options.max_watched = max_watched;
    options.presence_count = presence_count;
    for (options.self = 0; options.self < N_NODES; options.self++)
        assert_int_equal(chat__node_new(&options, &w.nodes[options.self]), CHAT_OK);
    pass_time(1000);
}

static void free_nodes(void)
{
    for (uint32_t i = 0; i < N_NODES; i++)
        chat__node_free(w.nodes[i]);
}

static int setup(void **state)
{
    (void)state;
    make_nodes(3, 8);
    assert_int_not_equal(chat__node_of_user(chat__view_str("alice"), N_NODES),
                         chat__node_of_user(chat__view_str("bob"), N_NODES));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_nodes();
    return 0;
}

static void say(int i, const char *json)
{
    for (int k = 0; k < N_CONNS; k++)
        w.written[k][0] = 0;
    chat__node_receive(w.nodes[w.home[i]], w.conns[i], chat__view_str(json));
    run();
    pass_time(1);
}

static void join(int i, const char *user)
{
    char hello[64];
    w.home[i] = chat__node_of_user(chat__view_str(user), N_NODES);
    assert_int_equal(chat__node_open(w.nodes[w.home[i]], chat__view_str(user), CHAT_ENCODING_JSON,
                                     UINT64_MAX, &w.conns[i]),
                     CHAT_OK);
    snprintf(hello, sizeof hello, "{\"t\":\"hello\",\"device\":\"d%d\"}", i);
    say(i, hello);
    assert_non_null(strstr(w.written[i], "welcome"));
}

static void leave(int i)
{
    for (int k = 0; k < N_CONNS; k++)
        w.written[k][0] = 0;
    chat__node_closed(w.nodes[w.home[i]], w.conns[i]);
    w.conns[i] = 0;
    run();
}

#define GET(users)   "{\"t\":\"presence.get\",\"r\":1,\"users\":[" users "]}"
#define WATCH(users) "{\"t\":\"presence.watch\",\"r\":2,\"users\":[" users "]}"
#define UNKNOWN_BOB  "\"user\":\"bob\",\"code\":\"timeout\",\"online\":false"
#define ONLINE(user) "{\"t\":\"presence\",\"user\":\"" user "\",\"online\":true}\n"

static void get_tells_who_is_online_on_all_nodes(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, GET("\"alice\",\"bob\",\"carol\",\"nobody\""));
    assert_non_null(strstr(w.written[0], "\"user\":\"alice\",\"online\":true"));
    assert_non_null(strstr(w.written[0], "\"user\":\"bob\",\"online\":true"));
    assert_non_null(strstr(w.written[0], "\"user\":\"carol\",\"online\":false"));
    assert_non_null(strstr(w.written[0], "{\"t\":\"result\",\"r\":1,\"count\":4}"));
    say(0, GET(""));
    assert_string_equal(w.written[0], "{\"t\":\"result\",\"r\":1,\"count\":0}\n");
}

static void last_seen_is_the_last_sign_of_life(void **state)
{
    char want[64];
    (void)state;
    join(0, "alice");
    join(1, "bob");
    pass_time(500);
    say(0, "{\"t\":\"ping\"}");
    uint64_t seen_ms = CHAT_EPOCH_MS + 1002;
    pass_time(1600);
    assert_int_equal(w.closed[1], CHAT_ERR_TIMEOUT);
    say(0, GET("\"bob\""));
    snprintf(want, sizeof want, "\"ts\":%llu,", (unsigned long long)seen_ms - 1);
    assert_non_null(strstr(w.written[0], want));
    assert_non_null(strstr(w.written[0], "\"online\":false"));
}

static void watchers_hear_of_first_and_last_device(void **state)
{
    (void)state;
    join(0, "alice");
    say(0, WATCH("\"bob\",\"carol\""));
    assert_non_null(strstr(w.written[0], "\"r\":2,\"count\":2"));
    join(1, "bob");
    assert_string_equal(w.written[0], ONLINE("bob"));
    join(2, "bob");
    assert_string_equal(w.written[0], "");
    leave(1);
    assert_string_equal(w.written[0], "");
    leave(2);
    assert_non_null(strstr(w.written[0], "\"user\":\"bob\",\"online\":false"));
    assert_non_null(strstr(w.written[0], "\"ts\":"));
    join(3, "carol");
    assert_string_equal(w.written[0], ONLINE("carol"));
}

static void a_device_that_connects_again_does_not_flicker(void **state)
{
    (void)state;
    join(0, "alice");
    say(0, WATCH("\"bob\""));
    join(1, "bob");
    chat__conn first = w.conns[1];
    join(1, "bob");
    assert_true(w.conns[1] != first);
    assert_string_equal(w.written[0], "");
}

static void a_new_list_replaces_the_old_one(void **state)
{
    (void)state;
    join(0, "alice");
    join(3, "carol");
    say(0, WATCH("\"bob\""));
    say(3, WATCH("\"bob\""));
    say(0, WATCH("\"dan\""));
    join(1, "bob");
    assert_string_equal(w.written[0], "");
    assert_string_equal(w.written[3], ONLINE("bob"));
    say(3, WATCH(""));
    leave(1);
    assert_string_equal(w.written[3], "");
}

static void who_hides_looks_offline(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, WATCH("\"bob\""));
    say(1, "{\"t\":\"presence.hide\",\"r\":3,\"hidden\":true}");
    assert_string_equal(w.written[1], "{\"t\":\"result\",\"r\":3}\n");
    assert_non_null(strstr(w.written[0], "\"online\":false"));
    leave(1);
    join(1, "bob");
    assert_string_equal(w.written[0], "");
    say(1, "{\"t\":\"presence.hide\",\"r\":4,\"hidden\":false}");
    assert_string_equal(w.written[0], ONLINE("bob"));
}

static void lists_are_limited_and_told_so(void **state)
{
    (void)state;
    join(0, "alice");
    say(0, WATCH("\"a\",\"b\",\"c\",\"d\""));
    assert_non_null(strstr(w.written[0], "\"code\":\"too_large\""));
    free_nodes();
    make_nodes(8, 2);
    join(0, "alice");
    join(3, "carol");
    say(0, WATCH("\"a\",\"b\""));
    assert_non_null(strstr(w.written[0], "\"count\":2"));
    say(3, WATCH("\"c\",\"d\""));
    assert_non_null(strstr(w.written[3], "\"code\":\"busy\""));
    leave(0);
    say(3, WATCH("\"c\",\"d\""));
    assert_non_null(strstr(w.written[3], "\"count\":2"));
}

static void a_node_that_is_silent_costs_what_it_knows_only(void **state)
{
    (void)state;
    join(0, "alice");
    w.is_link_cut = 1;
    say(0, GET("\"alice\",\"bob\""));
    assert_null(strstr(w.written[0], "\"t\":\"result\""));
    for (int i = 0; i < 8; i++) {
        pass_time(700);
        chat__node_alive(w.nodes[w.home[0]], w.conns[0]);
    }
    assert_non_null(strstr(w.written[0], UNKNOWN_BOB));
    assert_non_null(strstr(w.written[0], "\"count\":2"));
    w.is_link_cut = 0;
    say(0, GET("\"bob\""));
    assert_non_null(strstr(w.written[0], "\"count\":1"));
}

#define TYPE_TO_BOB  "{\"t\":\"typing\",\"to\":\"bob\"}"
#define TYPE_IN_TEAM "{\"t\":\"typing\",\"chat\":\"team\"}"

static void typing_reaches_the_peer_once_in_three_seconds(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, TYPE_TO_BOB);
    assert_string_equal(w.written[1],
                        "{\"t\":\"typing\",\"chat\":\"dm:5:alice:bob\",\"user\":\"alice\"}\n");
    assert_string_equal(w.written[0], "");
    say(0, TYPE_TO_BOB);
    assert_string_equal(w.written[1], "");
    for (int i = 0; i < 3; i++) {
        pass_time(1000);
        chat__node_alive(w.nodes[w.home[0]], w.conns[0]);
        chat__node_alive(w.nodes[w.home[1]], w.conns[1]);
    }
    say(0, TYPE_TO_BOB);
    assert_non_null(strstr(w.written[1], "\"t\":\"typing\""));
    assert_null(strstr(w.written[0], "\"t\":\"error\""));
}

static void typing_in_a_group_reaches_members_only(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    join(2, "alice");
    join(3, "carol");
    join(4, "mallory");
    say(4, TYPE_IN_TEAM); /* its members are loaded by this */
    assert_string_equal(w.written[0], "");
    assert_string_equal(w.written[4], "");
    say(0, TYPE_IN_TEAM);
    assert_non_null(strstr(w.written[1], "\"chat\":\"team\",\"user\":\"alice\""));
    assert_non_null(strstr(w.written[3], "\"chat\":\"team\",\"user\":\"alice\""));
    assert_string_equal(w.written[0], "");
    assert_string_equal(w.written[2], "");
    assert_string_equal(w.written[4], "");
}

static void typing_where_one_is_no_member_is_refused(void **state)
{
    (void)state;
    join(0, "alice");
    say(0, "{\"t\":\"typing\",\"chat\":\"dm:3:bob:carol\"}");
    assert_non_null(strstr(w.written[0], "\"code\":\"forbidden\""));
    say(0, "{\"t\":\"typing\"}");
    assert_non_null(strstr(w.written[0], "\"code\":\"bad_request\""));
}

static void a_slow_reader_is_spared_hints(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, WATCH("\"bob\""));
    chat__node_unsent(w.nodes[w.home[1]], w.conns[1], 600000);
    chat__node_unsent(w.nodes[w.home[0]], w.conns[0], 600000);
    say(0, TYPE_TO_BOB);
    assert_string_equal(w.written[1], "");
    say(1, "{\"t\":\"presence.hide\",\"r\":3,\"hidden\":true}");
    assert_string_equal(w.written[0], "");
    assert_non_null(strstr(w.written[1], "\"t\":\"result\""));
}

static void lose(int i)
{
    assert_int_equal(chat__node_peer_lost(w.nodes[w.home[0]], w.home[i]), CHAT_OK);
    run();
}

static void find(int i)
{
    assert_int_equal(chat__node_peer_found(w.nodes[w.home[i]], w.home[0]), CHAT_OK);
    assert_int_equal(chat__node_peer_found(w.nodes[w.home[0]], w.home[i]), CHAT_OK);
    run();
}

/* Whose node is back: first how he is, then what becomes of him. */
static void expect_news_of_bob(void)
{
    w.written[0][0] = 0;
    find(1);
    assert_string_equal(w.written[0], ONLINE("bob"));
    w.written[0][0] = 0;
    leave(1);
    assert_non_null(strstr(w.written[0], "\"user\":\"bob\",\"online\":false"));
}

static void a_watch_of_who_is_not_reached_begins_when_he_is(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    lose(1);
    say(0, WATCH("\"alice\",\"bob\""));
    assert_non_null(strstr(w.written[0], UNKNOWN_BOB));
    assert_non_null(strstr(w.written[0], "\"user\":\"alice\",\"online\":true"));
    assert_non_null(strstr(w.written[0], "{\"t\":\"result\",\"r\":2,\"count\":2}"));
    expect_news_of_bob();
}

/* Which is what a slot does that another member runs from then on: nobody is there yet. */
static void who_is_offline_when_his_node_is_back_is_told_so(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, WATCH("\"bob\""));
    w.written[0][0] = 0;
    lose(1);
    assert_non_null(strstr(w.written[0], "\"code\":\"timeout\""));
    leave(1);
    w.written[0][0] = 0;
    find(1);
    assert_non_null(strstr(w.written[0], "\"user\":\"bob\",\"online\":false"));
    assert_null(strstr(w.written[0], "code"));
}

/* Late is better than never for who watches. */
static void a_watched_user_is_told_when_his_node_answers_at_last(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    w.is_link_held = 1;
    say(0, WATCH("\"bob\""));
    for (int i = 0; i < 8; i++) {
        pass_time(700);
        chat__node_alive(w.nodes[w.home[0]], w.conns[0]);
        chat__node_alive(w.nodes[w.home[1]], w.conns[1]);
    }
    assert_non_null(strstr(w.written[0], UNKNOWN_BOB));
    w.written[0][0] = 0;
    release_link();
    assert_string_equal(w.written[0], ONLINE("bob"));
}

static void presence_bound_of_a_node_that_is_lost(void **state)
{
    (void)state;
    join(0, "alice");
    join(1, "bob");
    say(0, WATCH("\"bob\""));
    w.written[0][0] = 0;
    lose(1);
    assert_non_null(strstr(w.written[0], UNKNOWN_BOB));
    /* It lives, and is as it was, but for who watches. */
    expect_news_of_bob();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(get_tells_who_is_online_on_all_nodes),
        TEST(last_seen_is_the_last_sign_of_life),
        TEST(watchers_hear_of_first_and_last_device),
        TEST(a_device_that_connects_again_does_not_flicker),
        TEST(a_new_list_replaces_the_old_one),
        TEST(who_hides_looks_offline),
        TEST(lists_are_limited_and_told_so),
        TEST(presence_bound_of_a_node_that_is_lost),
        TEST(a_watch_of_who_is_not_reached_begins_when_he_is),
        TEST(who_is_offline_when_his_node_is_back_is_told_so),
        TEST(a_watched_user_is_told_when_his_node_answers_at_last),
        TEST(a_node_that_is_silent_costs_what_it_knows_only),
        TEST(typing_reaches_the_peer_once_in_three_seconds),
        TEST(typing_in_a_group_reaches_members_only),
        TEST(typing_where_one_is_no_member_is_refused),
        TEST(a_slow_reader_is_spared_hints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
