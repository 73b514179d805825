/* SPDX-License-Identifier: MIT */
/* A client with a file, over its restarts: what it sends, what it knows without the server. */
#include "end.h"
#include "cache_rig.h"

#include <chat/client_store.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

typedef struct scene {
    char folder[128];
    char path[160];
    chat_test_server *server;
    struct end alice, bob; /* alice has the file */
} scene;

static void start_alice_as(scene *s, const char *user)
{
    chat_client_options options = options_for(user);
    memset(&s->alice, 0, sizeof s->alice);
    options.store_file = s->path;
    s->alice.server = s->server;
    s->alice.piece = 4096;
    assert_int_equal(chat_client_new(&options, &s->alice.client), CHAT_OK);
}

/* The application is gone; the server hears of it. */
static void stop(struct end *end)
{
    if (end->number != 0)
        chat_test_server_hangup(end->server, end->conn);
    chat_client_free(end->client);
    end->client = NULL;
    end->number = 0;
}

static void restart_alice(scene *s)
{
    stop(&s->alice);
    start_alice_as(s, "alice");
}

static int set_up_scene(void **state)
{
    static scene it;
    memset(&it, 0, sizeof it);
    folder_make(it.folder, sizeof it.folder);
    snprintf(it.path, sizeof it.path, "%s/store", it.folder);
    it.server = new_server();
    start_alice_as(&it, "alice");
    begin(&it.bob, it.server, "bob");
    *state = &it;
    return 0;
}

static int tear_down_scene(void **state)
{
    scene *s = *state;
    chat_client_free(s->alice.client);
    chat_client_free(s->bob.client);
    chat_test_server_free(s->server);
    folder_remove(s->folder);
    return 0;
}

static void both_go_on(scene *s, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        if (s->alice.client != NULL)
            go_on(&s->alice, 1);
        go_on(&s->bob, 1);
    }
}

/* The items of the outbox as "body:state:status ". */
static const char *outbox(chat_client *client)
{
    static char text[1024];
    chat_outbox_item item = {.struct_size = sizeof item};
    text[0] = '\0';
    while (chat_client_outbox_next(client, item.number, &item) == CHAT_OK) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%.*s:%u:%d ", (int)item.body.len,
                 (const char *)item.body.data, item.state, item.status);
    }
    return text;
}

static chat_client_cid say(scene *s, const char *text)
{
    chat_client_cid cid;
    assert_int_equal(chat_client_send(s->alice.client, &BOB, chat__view_str(text), &cid), CHAT_OK);
    return cid;
}

/* The answer to a question as bodies, then "RESULT count more cached". */
static const char *answer(struct end *end, uint64_t r)
{
    static char text[8192];
    const chat_event *event;
    text[0] = '\0';
    for (unsigned i = 0; i < 20000; i++) {
        if (chat_client_next_event(end->client, &event) != CHAT_OK) {
            go_on(end, 0);
            (void)chat_client_process(end->client, chat_test_server_now(end->server));
            follow(end);
            carry(end);
            chat_test_server_advance(end->server, 1);
            continue;
        }
        size_t len = strlen(text);
        if (event->frame == NULL || !CHAT_FRAME_HAS(event->frame, R) || event->frame->r != r)
            continue;
        if (event->type == CHAT_EVENT_ROW)
            snprintf(text + len, sizeof text - len, "%.*s ", (int)event->frame->body.len,
                     (const char *)event->frame->body.data);
        if (event->type == CHAT_EVENT_RESULT) {
            snprintf(text + len, sizeof text - len, "RESULT %u %u %u",
                     (unsigned)event->frame->count, (unsigned)event->frame->more, event->cached);
            return text;
        }
    }
    return text;
}

static const char *history(struct end *end, chat_history_direction direction, uint64_t seq,
                           uint32_t limit)
{
    chat_history_query query = {.struct_size = sizeof query,
                                .direction = direction,
                                .target = BOB,
                                .seq = seq,
                                .limit = limit};
    uint64_t r = 0;
    assert_int_equal(chat_client_history(end->client, &query, &r), CHAT_OK);
    return answer(end, r);
}

static void bob_says(scene *s, const char *text)
{
    const chat_target alice = {{NULL, 0}, chat__view_str("alice")};
    assert_int_equal(chat_client_send(s->bob.client, &alice, chat__view_str(text), NULL), CHAT_OK);
}

/* --- the outbox --- */

static void what_was_said_offline_is_sent_by_the_next_run(void **state)
{
    scene *s = *state;
    chat_outbox_item item = {.struct_size = sizeof item};
    chat_client_cid first = say(s, "one");
    (void)say(s, "two");
    assert_string_equal(outbox(s->alice.client), "one:1:0 two:1:0 ");
    restart_alice(s);
    (void)say(s, "three");
    assert_string_equal(outbox(s->alice.client), "one:1:0 two:1:0 three:1:0 ");
    assert_int_equal(chat_client_outbox_count(s->alice.client), 3);
    both_go_on(s, 3000);
    assert_string_equal(outbox(s->alice.client), "");
    const char *one = strstr(s->bob.seen, "2:3:0:one");
    const char *two = strstr(s->bob.seen, "2:3:0:two");
    const char *three = strstr(s->bob.seen, "2:3:0:three");
    assert_true(one != NULL && two > one && three > two);
    assert_int_equal(chat_client_outbox_find(s->alice.client, chat__view_str(first.text), &item),
                     CHAT_OK);
    assert_int_equal(item.state, CHAT_OUTBOX_SENT);
    assert_true(item.seq != 0 && item.id != 0);
    assert_true(chat__view_equal(item.body, chat__view_str("one")));
}

/* one-copy: the server has it, and the application ended before it was told. */
static void what_the_server_has_is_not_sent_twice(void **state)
{
    scene *s = *state;
    (void)say(s, "once");
    for (int i = 0; i < 3000 && strstr(outbox(s->alice.client), ":2:") == NULL; i++)
        go_on(&s->alice, 1);
    assert_string_equal(outbox(s->alice.client), "once:2:0 ");
    carry(&s->alice);
    chat_test_server_advance(s->server, 50); /* the server works, the application does not */
    restart_alice(s);
    assert_string_equal(outbox(s->alice.client), "once:1:0 ");
    both_go_on(s, 3000);
    assert_int_equal(count_of(s->bob.seen, "once"), 1);
    assert_int_equal(count_of(s->alice.seen, " 4:3:0:"), 1);
    assert_int_equal(count_of(s->alice.seen, "2:3:0:once"), 0); /* SENT tells of it */
    assert_string_equal(outbox(s->alice.client), "");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 1), "once RESULT 1 1 1");
}

static void what_failed_can_be_tried_again_or_dropped(void **state)
{
    scene *s = *state;
    const chat_target closed = {chat__view_str("closed"), {NULL, 0}};
    chat_client *client = s->alice.client;
    chat_client_cid cid;
    char expected[32];
    assert_int_equal(chat_client_send(client, &closed, chat__view_str("x"), &cid), CHAT_OK);
    chat_view name = chat__view_str(cid.text);
    assert_int_equal(chat_client_outbox_retry(client, name), CHAT_ERR_NOT_FOUND);
    go_on(&s->alice, 3000);
    assert_non_null(strstr(outbox(client), "x:4:-"));
    snprintf(expected, sizeof expected, "%s", outbox(client));
    restart_alice(s);
    client = s->alice.client;
    assert_string_equal(outbox(client), expected);
    assert_int_equal(chat_client_outbox_count(client), 0);
    assert_int_equal(chat_client_outbox_retry(client, name), CHAT_OK);
    assert_string_equal(outbox(client), "x:1:0 ");
    go_on(&s->alice, 3000);
    assert_string_equal(outbox(client), expected);
    assert_int_equal(chat_client_outbox_drop(client, name), CHAT_OK);
    assert_int_equal(chat_client_outbox_drop(client, name), CHAT_ERR_NOT_FOUND);
    assert_string_equal(outbox(client), "");
}

static void without_a_file_the_outbox_is_in_memory(void **state)
{
    scene *s = *state;
    chat_client_cid cid;
    chat_outbox_item item = {.struct_size = sizeof item};
    const chat_target alice = {{NULL, 0}, chat__view_str("alice")};
    chat_client *bob = s->bob.client;
    assert_int_equal(chat_client_send(bob, &alice, chat__view_str("m"), &cid), CHAT_OK);
    assert_string_equal(outbox(bob), "m:1:0 ");
    assert_int_equal(chat_client_outbox_find(bob, chat__view_str(cid.text), &item), CHAT_OK);
    assert_true(chat__view_equal(item.to, chat__view_str("alice")));
    assert_int_equal(chat_client_outbox_find(bob, chat__view_str("other"), &item),
                     CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_retry(bob, chat__view_str(cid.text)), CHAT_ERR_NOT_FOUND);
    assert_int_equal(chat_client_outbox_next(NULL, 0, &item), CHAT_ERR_ARG);
    item.struct_size = 0;
    assert_int_equal(chat_client_outbox_next(bob, 0, &item), CHAT_ERR_ARG);
}

/* --- the file --- */

static void another_user_is_not_let_in(void **state)
{
    scene *s = *state;
    (void)say(s, "of alice");
    go_on(&s->alice, 2000);
    (void)say(s, "not sent");
    stop(&s->alice);
    start_alice_as(s, "mallory");
    both_go_on(s, 3000);
    assert_int_equal(chat_client_get_state(s->alice.client), CHAT_CLIENT_REFUSED);
    assert_null(strstr(s->bob.seen, "not sent"));
    restart_alice(s);
    both_go_on(s, 3000);
    assert_non_null(strstr(s->bob.seen, "not sent"));
}

static void the_second_client_of_a_file_is_refused(void **state)
{
    scene *s = *state;
    chat_client_options options = options_for("alice");
    chat_client *client = NULL;
    options.store_file = s->path;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_IN_USE);
    options.store_file = s->folder;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_IO);
    options.store_file = s->path;
    options.cache_messages = 0;
    assert_int_equal(chat_client_new(&options, &client), CHAT_ERR_ARG);
    assert_null(client);
}

/* No file of this process grows any more, as on a full disk. */
static void fill_disk(rlim_t bytes)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_takes_no_message(void **state)
{
    scene *s = *state;
    (void)say(s, "before");
    fill_disk(1);
    chat_status status = chat_client_send(s->alice.client, &BOB, chat__view_str("no"), NULL);
    fill_disk(RLIM_INFINITY);
    assert_true(status == CHAT_ERR_FULL || status == CHAT_ERR_IO);
    assert_string_equal(outbox(s->alice.client), "before:1:0 ");
    assert_int_equal(chat_client_outbox_count(s->alice.client), 1);
    (void)say(s, "after");
    both_go_on(s, 3000);
    assert_null(strstr(s->bob.seen, ":no "));
    assert_non_null(strstr(s->bob.seen, ":after "));
}

/* What could not be kept is not acknowledged: it comes again, and is given once. */
static void a_full_disk_acknowledges_nothing(void **state)
{
    scene *s = *state;
    both_go_on(s, 2000);
    bob_says(s, "kept");
    fill_disk(1);
    both_go_on(s, 200);
    assert_int_equal(count_of(s->alice.seen, "2:3:0:kept"), 1);
    assert_int_equal(chat_client_get_state(s->alice.client), CHAT_CLIENT_WAITING);
    fill_disk(RLIM_INFINITY);
    both_go_on(s, 5000);
    assert_int_equal(count_of(s->alice.seen, "2:3:0:kept"), 1);
    restart_alice(s);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 10), "kept RESULT 1 0 2");
}

static void write_junk(const char *path, off_t from)
{
    char junk[4096];
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    off_t end = lseek(fd, 0, SEEK_END);
    memset(junk, 0x5a, sizeof junk);
    for (off_t at = from; at < end || at == from; at += (off_t)sizeof junk)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), (ssize_t)sizeof junk);
    close(fd);
}

static void a_damaged_file_is_told_and_begun_anew(void **state)
{
    scene *s = *state;
    char told[16];
    stop(&s->alice);
    write_junk(s->path, 0);
    start_alice_as(s, "alice");
    (void)say(s, "hello");
    both_go_on(s, 3000);
    snprintf(told, sizeof told, "%d:2:%d:", CHAT_EVENT_STORE, CHAT_ERR_CORRUPT);
    assert_non_null(strstr(s->alice.seen, told));
    assert_non_null(strstr(s->bob.seen, ":hello"));
}

/* More than SQLite keeps in memory, then no server. */
static void fill_and_leave(scene *s)
{
    static char body[60000];
    memset(body, 'b', sizeof body - 1);
    for (int i = 0; i < 60; i++) {
        bob_says(s, body);
        s->bob.seen[0] = s->alice.seen[0] = '\0';
        both_go_on(s, 60);
    }
    both_go_on(s, 2000);
    chat_test_server_refuse(s->server, 503);
    (void)chat_test_server_fault(s->server, 0, CHAT_TEST_FAULT_CUT, 0);
    both_go_on(s, 100);
}

/* Pages go bad under a client that runs: what waits is not lost. */
static void damage_while_it_runs_costs_no_message(void **state)
{
    scene *s = *state;
    fill_and_leave(s);
    (void)say(s, "waits");
    s->alice.seen[0] = '\0';
    write_junk(s->path, 65536);
    (void)history(&s->alice, CHAT_HISTORY_NEWEST, 0, 100);
    go_on(&s->alice, 10);
    assert_non_null(strstr(s->alice.seen, "65:"));
    assert_string_equal(outbox(s->alice.client), "waits:1:0 ");
    restart_alice(s);
    assert_string_equal(outbox(s->alice.client), "waits:1:0 ");
    chat_test_server_refuse(s->server, 0);
    both_go_on(s, 40000);
    assert_int_equal(count_of(s->bob.seen, ":waits "), 1);
}

/* The disk is full as well: the new file is made as soon as it can be. */
static void damage_on_a_full_disk_costs_no_message(void **state)
{
    scene *s = *state;
    fill_and_leave(s);
    (void)say(s, "waits");
    write_junk(s->path, 65536);
    fill_disk(1);
    (void)history(&s->alice, CHAT_HISTORY_NEWEST, 0, 100);
    chat_status status = chat_client_send(s->alice.client, &BOB, chat__view_str("no"), NULL);
    fill_disk(RLIM_INFINITY);
    assert_true(status == CHAT_ERR_FULL || status == CHAT_ERR_IO);
    (void)say(s, "more");
    restart_alice(s);
    assert_string_equal(outbox(s->alice.client), "waits:1:0 more:1:0 ");
}

/* --- what is known without the server --- */

static void history_and_chats_without_a_connection(void **state)
{
    scene *s = *state;
    uint64_t r = 0;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    (void)say(s, "b");
    both_go_on(s, 100);
    bob_says(s, "c");
    both_go_on(s, 100);
    restart_alice(s);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 2), "c b RESULT 2 1 2");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 9), "c b a RESULT 3 0 2");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_AFTER, 0, 9), "a b c RESULT 3 0 2");
    assert_int_equal(chat_client_chats(s->alice.client, 0, &r), CHAT_OK);
    const chat_event *event;
    assert_int_equal(chat_client_next_event(s->alice.client, &event), CHAT_OK);
    assert_true(chat__view_equal(event->frame->chat, chat__view_str("dm:5:alice:bob")));
    assert_int_equal(event->frame->unread, 2);
    assert_int_equal(event->cached, CHAT_CACHED_PART);
}

static void the_cache_answers_when_nothing_is_missing(void **state)
{
    scene *s = *state;
    char text[8];
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "m%d", i);
        bob_says(s, text);
    }
    both_go_on(s, 2000); /* the device is new: it begins behind what was before it */
    bob_says(s, "x");
    both_go_on(s, 100);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 1), "x RESULT 1 1 1");
    assert_non_null(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT 31 0"));
    /* It is here now, whoever gave it. */
    assert_string_equal(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT"),
                        "RESULT 31 0 1");
    restart_alice(s);
    go_on(&s->alice, 2000);
    assert_string_equal(strstr(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 31), "RESULT"),
                        "RESULT 31 0 1");
}

static void what_came_while_away_is_in_the_cache(void **state)
{
    scene *s = *state;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    stop(&s->alice);
    bob_says(s, "b");
    both_go_on(s, 100);
    start_alice_as(s, "alice");
    go_on(&s->alice, 2000);
    assert_non_null(strstr(s->alice.seen, "2:3:0:b"));
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 5), "b a RESULT 2 0 1");
}

static void the_server_can_be_asked_all_the_same(void **state)
{
    scene *s = *state;
    chat_history_query query = {
        .struct_size = sizeof query, .target = BOB, .source = CHAT_HISTORY_SERVER};
    uint64_t r = 0;
    both_go_on(s, 2000);
    bob_says(s, "a");
    both_go_on(s, 100);
    assert_int_equal(chat_client_history(s->alice.client, &query, &r), CHAT_OK);
    assert_string_equal(answer(&s->alice, r), "a RESULT 1 0 0");
    query.source = CHAT_HISTORY_SERVER + 1;
    assert_int_equal(chat_client_history(s->alice.client, &query, &r), CHAT_ERR_ARG);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up_scene, tear_down_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(what_was_said_offline_is_sent_by_the_next_run),
        SCENE(what_the_server_has_is_not_sent_twice),
        SCENE(what_failed_can_be_tried_again_or_dropped),
        SCENE(without_a_file_the_outbox_is_in_memory),
        SCENE(another_user_is_not_let_in),
        SCENE(the_second_client_of_a_file_is_refused),
        SCENE(a_full_disk_takes_no_message),
        SCENE(a_full_disk_acknowledges_nothing),
        SCENE(a_damaged_file_is_told_and_begun_anew),
        SCENE(damage_while_it_runs_costs_no_message),
        SCENE(damage_on_a_full_disk_costs_no_message),
        SCENE(history_and_chats_without_a_connection),
        SCENE(the_cache_answers_when_nothing_is_missing),
        SCENE(what_came_while_away_is_in_the_cache),
        SCENE(the_server_can_be_asked_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
