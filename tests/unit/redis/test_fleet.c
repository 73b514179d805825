/* SPDX-License-Identifier: MIT */
#include "backends/redis/fleet.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define PRIMARY     "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define SLOTS_ASKED "*2\r\n$7\r\nCLUSTER\r\n$5\r\nSLOTS\r\n"

static const char *const SCRIPTS[] = {"return 1"};
static const char DIGEST[] = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"; /* sha1sum */

/* Servers that are told what to say. */
typedef struct world {
    chat__redis_fleet_options options;
    chat__redis_fleet *fleet;
    chat__redis_fleet_event event;
    uint64_t now_ms;
    uint32_t dialled; /* the last one */
    uint32_t n_dials, n_hang_ups;
    char dialled_host[32];
    char why[CHAT__REDIS_WHY_BYTES];
} world;

static void start(world *w, chat__redis_mode mode, const char *servers)
{
    memset(w, 0, sizeof *w);
    chat__redis_fleet_options_init(&w->options);
    w->options.mode = mode;
    w->options.servers = servers;
    w->options.master = "chat";
    w->options.scripts = SCRIPTS;
    w->options.n_scripts = 1;
    w->options.max_asks = 4;
    w->options.max_ask_bytes = 1000;
    w->now_ms = 1000;
    assert_int_equal(chat__redis_fleet_new(&w->options, w->why, &w->fleet), CHAT_OK);
}

/* Process and do what is to be done with sockets. */
static void turn(world *w)
{
    chat__redis_io io;
    chat__redis_fleet_process(w->fleet, w->now_ms);
    while (chat__redis_fleet_next_io(w->fleet, w->now_ms, &io) == CHAT_OK) {
        if (io.type == CHAT__REDIS_IO_HANG_UP) {
            w->n_hang_ups++;
            continue;
        }
        w->n_dials++;
        w->dialled = io.link;
        snprintf(w->dialled_host, sizeof w->dialled_host, "%.20s:%u", io.address.host,
                 (unsigned)io.address.port);
    }
}

static chat_status event(world *w)
{
    chat_status status = chat__redis_fleet_next_event(w->fleet, w->now_ms, &w->event);
    turn(w);
    return status;
}

static void says(world *w, uint32_t link, const char *text)
{
    chat__redis_fleet_feed(w->fleet, link, chat__view_str(text));
}

/* The link says so and nothing else, which was sent. */
static void sent(world *w, uint32_t link, const char *text)
{
    chat_view out = chat__redis_fleet_unsent(w->fleet, link);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    chat__redis_fleet_sent(w->fleet, link, out.len);
}

static void forget(world *w, uint32_t link)
{
    chat__redis_fleet_sent(w->fleet, link, chat__redis_fleet_unsent(w->fleet, link).len);
}

/* The server that was dialled last greets. */
static uint32_t greet(world *w, const char *mode, const char *more)
{
    char text[256], info[128];
    uint32_t link = w->dialled;
    snprintf(info, sizeof info, "redis_version:7.0.15\r\nredis_mode:%s\r\n", mode);
    snprintf(text, sizeof text, "$%d\r\n%s\r\n%s", (int)strlen(info), info, more);
    chat__redis_fleet_opened(w->fleet, link, w->now_ms);
    forget(w, link);
    says(w, link, text);
    assert_int_equal(event(w), CHAT_EMPTY);
    return link;
}

static chat_status ask_as(world *w, uint64_t tag, const char *key, int is_repeatable)
{
    const char *args[] = {"GET", key};
    const size_t lens[] = {3, strlen(key)};
    chat__redis_ask ask = {tag, 0, is_repeatable, chat__view_str(key), 2, args, lens};
    chat_status status = chat__redis_fleet_ask(w->fleet, &ask, w->now_ms);
    turn(w);
    return status;
}

static void ask(world *w, uint64_t tag, const char *key)
{
    assert_int_equal(ask_as(w, tag, key, 1), CHAT_OK);
}

static const char *get(const char *key)
{
    static char text[2][64];
    static int which;
    which = !which;
    snprintf(text[which], sizeof text[which], "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", (int)strlen(key),
             key);
    return text[which];
}

static void answered(world *w, uint64_t tag, chat_status status)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_ANSWER);
    assert_int_equal(w->event.tag, tag);
    assert_int_equal(w->event.status, status);
}

static void told(world *w, chat_status status, const char *words)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_PROBLEM);
    if (w->event.status != status || strstr(w->event.why, words) == NULL)
        fail_msg("%d %s", w->event.status, w->event.why);
}

static void well(world *w)
{
    assert_int_equal(event(w), CHAT_OK);
    assert_int_equal(w->event.type, CHAT__REDIS_FLEET_WELL);
}

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
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
