/* SPDX-License-Identifier: MIT */
/* Edits, deletions and reactions: who may, in which order, and what the members get. */
#include "harness.h"

static world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    w.has_ids_as_seqs = 1;
    join(&w, 0, "alice", "a");
    join(&w, 1, "bob", "b");
    join(&w, 2, "carol", "c");
    say(&w, 0, "{\"t\":\"chat.create\",\"r\":1,\"chat\":\"trip\",\"users\":[\"bob\",\"carol\"]}");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void forget_written(void)
{
    for (int k = 0; k < MAX_CONNS; k++)
        w.written[k][0] = 0;
}

/* Sends a message and gives its id, as text. */
static const char *send_text(int i, const char *where, const char *body)
{
    static char id[32];
    char json[256];
    forget_written();
    snprintf(json, sizeof json, "{\"t\":\"send\",%s,\"cid\":\"%s\",\"body\":\"%s\"}", where, body,
             body);
    say(&w, i, json);
    const char *at = strstr(w.written[i], "\"id\":\"");
    assert_non_null(at);
    snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 6, "\""), at + 6);
    return id;
}

static void ask(int i, const char *type, const char *where, const char *id, const char *more)
{
    char json[512];
    snprintf(json, sizeof json, "{\"t\":\"%s\",\"r\":7,%s,\"re\":\"%s\"%s}", type, where, id, more);
    say(&w, i, json);
}

#define TRIP   "\"chat\":\"trip\""
#define TO_BOB "\"to\":\"bob\""

static void all_members_get_an_edit_its_author_too(void **state)
{
    (void)state;
    const char *id = send_text(1, TRIP, "helo");
    forget_written();
    ask(1, "edit", TRIP, id, ",\"body\":\"hello\"");
    assert_written(&w, 1, "\"t\":\"result\"");
    for (int i = 0; i < 3; i++) {
        assert_written(&w, i, "\"t\":\"note\"");
        assert_written(&w, i, "\"what\":\"edit\"");
        assert_written(&w, i, "\"body\":\"hello\"");
    }
}

static void what_is_so_already_leaves_no_record(void **state)
{
    (void)state;
    const char *id = send_text(1, TRIP, "hello");
    size_t n = w.n_records;
    forget_written();
    ask(1, "edit", TRIP, id, ",\"body\":\"hello\",\"resend\":true");
    assert_written(&w, 1, "\"t\":\"result\"");
    assert_not_written(&w, 0, "note");
    assert_int_equal(w.n_records, n);
}

/* What the last `result` names, as text: the place of the record, or "" when there is none. */
static const char *result_place(int i)
{
    static char place[64];
    const char *at = strstr(w.written[i], "\"t\":\"result\"");
    assert_non_null(at);
    const char *id = strstr(at, "\"id\":");
    snprintf(place, sizeof place, "%.*s", id == NULL ? 0 : (int)strcspn(id, "}"),
             id == NULL ? "" : id);
    return place;
}

/* The server starts again and remembers nothing but its records. */
static void restart(void)
{
    chat__node_options options;
    chat__node_free(w.node);
    chat__node_options_init(&options);
    options.not_before_id = w.records[w.n_records - 1].seq;
    assert_int_equal(chat__node_new(&options, &w.node), CHAT_OK);
    w.group = NULL;
    pass_time(&w, 1);
    join(&w, 0, "alice", "a");
    join(&w, 1, "bob", "b");
}

static void check_resent(int is_restarted)
{
    char id[32], first[64];
    snprintf(id, sizeof id, "%s", send_text(0, TO_BOB, "one"));
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e1\",\"body\":\"two\"");
    snprintf(first, sizeof first, "%s", result_place(0));
    assert_string_not_equal(first, "");
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e2\",\"body\":\"three\"");
    size_t n = w.n_records;
    if (is_restarted)
        restart();
    forget_written();
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e1\",\"body\":\"two\",\"resend\":true");
    assert_string_equal(result_place(0), first);
    assert_int_equal(w.n_records, n);
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e3\",\"body\":\"four\",\"resend\":true");
    assert_int_equal(w.n_records, n + 1);
}

static void a_resent_edit_undoes_no_newer_one(void **state)
{
    (void)state;
    check_resent(0);
}

static void a_resent_edit_is_found_in_history(void **state)
{
    (void)state;
    check_resent(1);
}

/* The same name in another chat is another message. */
static void a_name_is_of_one_chat(void **state)
{
    (void)state;
    (void)send_text(0, TO_BOB, "same");
    (void)send_text(0, "\"to\":\"carol\"", "same");
    assert_written(&w, 2, "\"body\":\"same\"");
}

/* It left no record, and undoes nothing when it comes again. */
static void what_was_so_already_is_remembered(void **state)
{
    (void)state;
    char id[32];
    snprintf(id, sizeof id, "%s", send_text(0, TO_BOB, "one"));
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e1\",\"body\":\"one\"");
    assert_string_equal(result_place(0), "");
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e2\",\"body\":\"two\"");
    size_t n = w.n_records;
    ask(0, "edit", TO_BOB, id, ",\"cid\":\"e1\",\"body\":\"one\",\"resend\":true");
    assert_string_equal(result_place(0), "");
    assert_int_equal(w.n_records, n);
}

/* Each row: what bob says, and whether it leaves a record. */
static void a_reaction_that_is_so_already_leaves_no_record(void **state)
{
    static const struct {
        const char *more;
        size_t n_new;
    } ROWS[] = {
        {"", 0},
        {",\"reaction\":\"+\"", 1},
        {",\"reaction\":\"+\",\"resend\":true", 0},
        {",\"reaction\":\"-\"", 1},
        {",\"reaction\":\"+\",\"cid\":\"r1\"", 1},
        {",\"reaction\":\"\"", 1},
        {"", 0},
        {",\"reaction\":\"+\",\"cid\":\"r1\",\"resend\":true", 0},
    };
    (void)state;
    char id[32];
    snprintf(id, sizeof id, "%s", send_text(1, TRIP, "of bob"));
    ask(2, "react", TRIP, id, ",\"reaction\":\"+\"");
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        size_t n = w.n_records;
        forget_written();
        ask(1, "react", TRIP, id, ROWS[i].more);
        assert_written(&w, 1, "\"t\":\"result\"");
        assert_int_equal(w.n_records, n + ROWS[i].n_new);
    }
}

static void who_may_do_what(void **state)
{
    static const struct {
        int who;
        const char *type, *more;
        int may;
    } ROWS[] = {
        {2, "edit", ",\"body\":\"x\"", 0},
        {0, "edit", ",\"body\":\"x\"", 0},
        {2, "delete", "", 0},
        {2, "react", ",\"reaction\":\"x\"", 1},
        {1, "react", "", 1},
        {1, "edit", ",\"body\":\"x\"", 1},
        {0, "delete", "", 1},
    };
    (void)state;
    char id[32];
    snprintf(id, sizeof id, "%s", send_text(1, TRIP, "of bob"));
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        forget_written();
        ask(ROWS[i].who, ROWS[i].type, TRIP, id, ROWS[i].more);
        assert_written(&w, ROWS[i].who, ROWS[i].may ? "\"t\":\"result\"" : "\"forbidden\"");
    }
    forget_written();
    ask(1, "edit", TRIP, "77", ",\"body\":\"x\"");
    assert_written(&w, 1, "\"not_found\"");
}

static void in_a_direct_chat_only_the_author_deletes(void **state)
{
    (void)state;
    const char *id = send_text(0, TO_BOB, "hi");
    forget_written();
    ask(1, "delete", "\"to\":\"alice\"", id, "");
    assert_written(&w, 1, "\"forbidden\"");
    ask(2, "react", "\"chat\":\"dm:5:alice:bob\"", id, "");
    assert_written(&w, 2, "\"forbidden\"");
    ask(0, "delete", TO_BOB, id, "");
    assert_written(&w, 1, "\"what\":\"delete\"");
    assert_not_written(&w, 2, "note");
}

/* The second one looks the message up only when the first is durable, and messages wait behind. */
static void one_after_the_other_and_messages_behind(void **state)
{
    (void)state;
    char id[32];
    snprintf(id, sizeof id, "%s", send_text(0, TO_BOB, "hi"));
    size_t n = w.n_records;
    w.is_append_held = 1;
    ask(0, "edit", TO_BOB, id, ",\"body\":\"x\"");
    ask(0, "delete", TO_BOB, id, "");
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"z\",\"body\":\"behind\"}");
    assert_int_equal(w.n_records, n + 1);
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_int_equal(w.n_records, n + 3);
    const char *expected[] = {"edit", "delete", "behind"};
    for (size_t i = 0; i < 3; i++)
        assert_non_null(memmem(w.records[n + i].payload, w.records[n + i].len, expected[i],
                               strlen(expected[i])));
}

static void a_disk_that_fails_refuses_and_frees_the_chat(void **state)
{
    (void)state;
    char id[32];
    snprintf(id, sizeof id, "%s", send_text(0, TO_BOB, "hi"));
    w.append_status = CHAT_ERR_FULL;
    forget_written();
    ask(0, "delete", TO_BOB, id, "");
    assert_written(&w, 0, "\"storage_full\"");
    w.append_status = CHAT_OK;
    (void)send_text(0, TO_BOB, "again");
    assert_written(&w, 1, "again");
}

static void a_reply_names_its_message(void **state)
{
    (void)state;
    say(&w, 0, "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"q\",\"body\":\"yes\",\"re\":\"17\"}");
    assert_written(&w, 1, "\"re\":\"17\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_members_get_an_edit_its_author_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_so_already_leaves_no_record, setup, teardown),
        cmocka_unit_test_setup_teardown(a_resent_edit_undoes_no_newer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_resent_edit_is_found_in_history, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_is_of_one_chat, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_so_already_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reaction_that_is_so_already_leaves_no_record, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_may_do_what, setup, teardown),
        cmocka_unit_test_setup_teardown(in_a_direct_chat_only_the_author_deletes, setup, teardown),
        cmocka_unit_test_setup_teardown(one_after_the_other_and_messages_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_refuses_and_frees_the_chat, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reply_names_its_message, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
