/* SPDX-License-Identifier: MIT */
/*
 * A node whose memory runs out at any allocation: it never crashes, leaks or stays silent, and when
 * there is memory again, what was not done can be done, once. The storage behind it is that of the
 * node's unit tests.
 */
#include "oom.h"

#include "node/harness.h"

#define N_TRIES 4

typedef struct person {
    int conn;
    const char *user;
    const char *device;
} person;

static const person ALICE = {0, "alice", "phone"};
static const person BOB = {1, "bob", "laptop"};

static int is_live(const world *w, const person *who)
{
    return w->conns[who->conn] != 0 && w->closed[who->conn] == CHAT_OK;
}

static int has(const world *w, const person *who, const char *text)
{
    return strstr(w->written[who->conn], text) != NULL;
}

/* Less than any time limit that a connection has. */
static void settle(world *w)
{
    for (int i = 0; i < 5; i++)
        pass_time(w, 10);
}

static void make_node(world *w, oom_memory *memory)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__node_options options;
    memset(w, 0, sizeof *w);
    chat__node_options_init(&options);
    options.allocator = &allocator;
    options.max_connections = 8;
    options.notify_users = 4;
    chat_status status = chat__node_new(&options, &w->node);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(w->node);
        oom_recover(memory);
        assert_int_equal(chat__node_new(&options, &w->node), CHAT_OK);
    }
    pass_time(w, 1000);
}

/*
 * After a failure, with memory again: what was asked is answered or refused, or the connection is
 * closed. It may not be forgotten.
 */
static void must_have_heard(world *w, oom_memory *memory, const person *who, const char *want)
{
    assert_true(memory->n_failed > 0);
    oom_recover(memory);
    settle(w);
    if (is_live(w, who) && !has(w, who, want) && !has(w, who, "\"t\":\"error\""))
        fail_msg("silence instead of %s, run %zu: %s", want, memory->n_run, w->written[who->conn]);
}

static void try_to_join(world *w, oom_memory *memory, const person *who)
{
    char hello[128];
    w->written[who->conn][0] = 0;
    w->closed[who->conn] = CHAT_OK;
    chat_status status = chat__node_open(w->node, chat__view_str(who->user), CHAT_ENCODING_JSON,
                                         UINT64_MAX, &w->conns[who->conn]);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_true(memory->n_failed > 0);
        w->conns[who->conn] = 0;
        oom_recover(memory);
        return;
    }
    snprintf(hello, sizeof hello, "{\"t\":\"hello\",\"device\":\"%s\"}", who->device);
    say(w, who->conn, hello);
    settle(w);
    if (!has(w, who, "\"t\":\"welcome\""))
        must_have_heard(w, memory, who, "\"t\":\"welcome\"");
}

static void join_again(world *w, oom_memory *memory, const person *who)
{
    for (int i = 0; !is_live(w, who); i++) {
        assert_true(i < N_TRIES);
        try_to_join(w, memory, who);
    }
}

/* Say `json` until `want` is answered, as a client does: again after an error or a close. */
static void ask(world *w, oom_memory *memory, const person *who, const char *json, const char *want)
{
    for (int i = 0; i < N_TRIES; i++) {
        join_again(w, memory, who);
        say(w, who->conn, json);
        settle(w);
        if (!has(w, who, want))
            must_have_heard(w, memory, who, want);
        if (has(w, who, want))
            return;
    }
    fail_msg("%s was never answered by %s", json, want);
}

/* What is for a person has come, or comes at the latest over the next connection. */
static void expect(world *w, oom_memory *memory, const person *who, const char *want)
{
    settle(w);
    if (has(w, who, want))
        return;
    assert_true(memory->n_failed > 0);
    if (is_live(w, who))
        chat__node_closed(w->node, w->conns[who->conn]);
    w->conns[who->conn] = 0;
    oom_recover(memory);
    join_again(w, memory, who);
    settle(w);
    if (!has(w, who, want))
        fail_msg("%s never saw %s, run %zu", who->user, want, memory->n_run);
}

static size_t count_records(const world *w, const char *chat)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_told; i++)
        n += strcmp(w->records[i].chat, chat) == 0;
    return n;
}

static void talk(oom_memory *memory, void *ctx)
{
    static world w;
    (void)ctx;
    make_node(&w, memory);
    join_again(&w, memory, &ALICE);
    join_again(&w, memory, &BOB);
    w.written[BOB.conn][0] = 0;
    ask(&w, memory, &ALICE,
        "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\",\"resend\":true}",
        "\"t\":\"sent\"");
    expect(&w, memory, &BOB, "\"body\":\"hi\"");
    assert_int_equal(count_records(&w, "dm:5:alice:bob"), 1);
    ask(&w, memory, &BOB, "{\"t\":\"history\",\"r\":1,\"to\":\"alice\"}", "\"t\":\"result\"");
    ask(&w, memory, &BOB, "{\"t\":\"chats\",\"r\":2}", "\"t\":\"result\"");
    ask(&w, memory, &BOB, "{\"t\":\"ping\",\"r\":3}", "\"t\":\"pong\"");
    ask(&w, memory, &BOB, "{\"t\":\"presence.get\",\"r\":4,\"users\":[\"alice\"]}",
        "\"t\":\"result\"");
    ask(&w, memory, &BOB, "{\"t\":\"presence.watch\",\"r\":5,\"users\":[\"alice\",\"carol\"]}",
        "\"count\":2");
    ask(&w, memory, &BOB, "{\"t\":\"presence.hide\",\"r\":6,\"hidden\":true}", "\"t\":\"result\"");
    say(&w, ALICE.conn, "{\"t\":\"typing\",\"to\":\"bob\"}"); /* may be lost, and no more */
    chat__node_drain(w.node, 100);
    settle(&w);
    chat__node_free(w.node);
}

static void talking(void **state)
{
    (void)state;
    assert_true(oom_loop(talk, NULL) >= 20);
}

static void list_and_remove(oom_memory *memory, void *ctx)
{
    static world w;
    (void)ctx;
    make_node(&w, memory);
    w.forgets_at_once = 1;
    w.devices[0] = "laptop";
    join_again(&w, memory, &ALICE);
    ask(&w, memory, &ALICE, "{\"t\":\"devices\",\"r\":1}", "\"t\":\"result\"");
    ask(&w, memory, &ALICE, "{\"t\":\"device.remove\",\"r\":2,\"device\":\"laptop\"}",
        "\"t\":\"result\"");
    chat__node_drain(w.node, 100);
    settle(&w);
    chat__node_free(w.node);
}

static void devices(void **state)
{
    (void)state;
    assert_true(oom_loop(list_and_remove, NULL) >= 20);
}

static void mark_read(oom_memory *memory, void *ctx)
{
    static world w;
    (void)ctx;
    make_node(&w, memory);
    join_again(&w, memory, &ALICE);
    join_again(&w, memory, &BOB);
    ask(&w, memory, &ALICE,
        "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\",\"resend\":true}",
        "\"t\":\"sent\"");
    ask(&w, memory, &BOB, "{\"t\":\"read\",\"r\":1,\"to\":\"alice\",\"seq\":\"10\"}",
        "\"t\":\"result\",\"r\":1,\"chat\":\"dm:5:alice:bob\",\"seq\":\"10\"");
    assert_int_equal(count_records(&w, "me:bob"), 1);
    ask(&w, memory, &ALICE, "{\"t\":\"receipts\",\"r\":2,\"to\":\"bob\",\"id\":\"1\"}",
        "\"code\":\"not_found\"");
    chat__node_drain(w.node, 100);
    settle(&w);
    chat__node_free(w.node);
}

static void block_and_write(oom_memory *memory, void *ctx)
{
    world w;
    (void)ctx;
    make_node(&w, memory);
    ask(&w, memory, &ALICE, "{\"t\":\"presence.watch\",\"r\":1,\"users\":[\"bob\"]}", "\"r\":1");
    ask(&w, memory, &BOB, "{\"t\":\"block\",\"r\":2,\"user\":\"alice\"}", "\"t\":\"result\"");
    ask(&w, memory, &ALICE, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"x\"}",
        "\"forbidden\"");
    ask(&w, memory, &BOB, "{\"t\":\"blocks\",\"r\":3}", "\"count\":1");
    ask(&w, memory, &BOB, "{\"t\":\"unblock\",\"r\":4,\"user\":\"alice\"}", "\"t\":\"result\"");
    ask(&w, memory, &ALICE, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c2\",\"body\":\"x\"}",
        "\"t\":\"sent\"");
    world_done(&w);
}

static void blocking(void **state)
{
    (void)state;
    assert_true(oom_loop(block_and_write, NULL) >= 20);
}

static void marking_as_read(void **state)
{
    (void)state;
    assert_true(oom_loop(mark_read, NULL) >= 20);
}

static void make_group(oom_memory *memory, void *ctx)
{
    static world w;
    (void)ctx;
    make_node(&w, memory);
    join_again(&w, memory, &ALICE);
    join_again(&w, memory, &BOB);
    w.written[BOB.conn][0] = 0;
    ask(&w, memory, &ALICE,
        "{\"t\":\"chat.create\",\"r\":1,\"chat\":\"team\",\"title\":\"T\",\"users\":[\"bob\"],"
        "\"resend\":true}",
        "\"t\":\"result\"");
    expect(&w, memory, &BOB, "\"chat\":\"team\"");
    w.group = "team";
    w.written[BOB.conn][0] = 0;
    ask(&w, memory, &ALICE,
        "{\"t\":\"send\",\"chat\":\"team\",\"cid\":\"c2\",\"body\":\"ho\",\"resend\":true}",
        "\"t\":\"sent\"");
    expect(&w, memory, &BOB, "\"body\":\"ho\"");
    assert_int_equal(count_records(&w, "team"), 2);
    chat__node_free(w.node);
}

static void making_a_group(void **state)
{
    (void)state;
    assert_true(oom_loop(make_group, NULL) >= 20);
}

/* A notification may be lost for lack of memory, and is never made twice. */
static void tell_away(oom_memory *memory, void *ctx)
{
    static world w;
    (void)ctx;
    make_node(&w, memory);
    w.has_ids_as_seqs = 1;
    join_again(&w, memory, &ALICE);
    ask(&w, memory, &ALICE,
        "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\",\"resend\":true}",
        "\"t\":\"sent\"");
    assert_true(w.told[0] == 0 || strcmp(w.told, "bob:1 alice;") == 0);
    char why[128];
    snprintf(why, sizeof why, "{\"t\":\"why\",\"r\":2,\"to\":\"bob\",\"id\":\"%llu\"}",
             (unsigned long long)w.records[0].seq);
    ask(&w, memory, &ALICE, why, "\"t\":\"result\",\"r\":2");
    chat__node_free(w.node);
}

static void telling_who_is_away(void **state)
{
    (void)state;
    assert_true(oom_loop(tell_away, NULL) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talking),         cmocka_unit_test(devices),
        cmocka_unit_test(marking_as_read), cmocka_unit_test(blocking),
        cmocka_unit_test(making_a_group),  cmocka_unit_test(telling_who_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
