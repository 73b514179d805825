/* SPDX-License-Identifier: MIT */
/* A client whose disk is full, or gave back something else than was written. */
#include "scene.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

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

/* --- rows --- */

static void damage_row(scene *s, const char *sql)
{
    sqlite3 *handle = NULL;
    stop(&s->alice);
    assert_int_equal(sqlite3_open(s->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_changes(handle) > 0);
    sqlite3_close(handle);
    start_alice_as(s, "alice");
}

/* Each item ends as sent or as failed: the damaged one is told of, and shown until it is dropped.
 */
static void ordered_outbox_with_a_damaged_message(void **state)
{
    scene *s = *state;
    char told[32];
    (void)say(s, "one");
    chat_client_cid cid = say(s, "two");
    chat_view name = chat__view_str(cid.text);
    (void)say(s, "three");
    damage_row(s, "UPDATE outbox SET frame = x'a0' WHERE n = 2");
    snprintf(told, sizeof told, "one:1:0 :4:%d three:1:0 ", CHAT_ERR_CORRUPT);
    assert_string_equal(outbox(s->alice.client), told);
    both_go_on(s, 3000);
    snprintf(told, sizeof told, "%d:2:%d:", CHAT_EVENT_STORE, CHAT_ERR_CORRUPT);
    assert_int_equal(count_of(s->alice.seen, told), 1);
    const char *one = strstr(s->bob.seen, "2:3:0:one");
    const char *three = strstr(s->bob.seen, "2:3:0:three");
    assert_true(one != NULL && three > one);
    assert_null(strstr(s->bob.seen, "two"));
    restart_alice(s);
    go_on(&s->alice, 3000); /* told once */
    assert_int_equal(count_of(s->alice.seen, told), 0);
    assert_int_equal(chat_client_outbox_retry(s->alice.client, name), CHAT_ERR_CORRUPT);
    assert_int_equal(chat_client_outbox_drop(s->alice.client, name), CHAT_OK);
    assert_string_equal(outbox(s->alice.client), "");
}

/* Without a connection the page has what is left, and says so; with one the server fills it up. */
static void a_damaged_record_is_fetched_again(void **state)
{
    scene *s = *state;
    both_go_on(s, 2000);
    bob_says(s, "one");
    bob_says(s, "two");
    bob_says(s, "three");
    both_go_on(s, 1000);
    damage_row(s,
               "UPDATE records SET frame = x'a0'"
               " WHERE seq = (SELECT max(seq) FROM records WHERE seq < (SELECT top FROM chats))");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 3), "three one RESULT 2 1 2");
    both_go_on(s, 3000);
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 3),
                        "three two one RESULT 3 0 0");
    assert_string_equal(history(&s->alice, CHAT_HISTORY_NEWEST, 0, 3),
                        "three two one RESULT 3 0 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(a_full_disk_takes_no_message),           SCENE(a_full_disk_acknowledges_nothing),
        SCENE(a_damaged_file_is_told_and_begun_anew),  SCENE(damage_while_it_runs_costs_no_message),
        SCENE(damage_on_a_full_disk_costs_no_message), SCENE(ordered_outbox_with_a_damaged_message),
        SCENE(a_damaged_record_is_fetched_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
