/* SPDX-License-Identifier: MIT */
/* What the disk can do to the log, one fault a test: what was committed is read back. */
#include "store_helper.h"
#include "store/record.h"
#include "store/segment.h"

#include <stdlib.h>
#include <string.h>

static const char *const CHATS[] = {"room", "dm:3:ann:bob"};

static void check_all(fixture *f)
{
    check_pages(f, CHATS[0], 3);
    check_pages(f, CHATS[1], 100);
}

static void put_some(fixture *f, size_t n)
{
    static const char *const bodies[] = {"", "a", "some more text", "a body that is not short"};
    for (size_t i = 0; i < n; i++)
        (void)put(f, CHATS[f->n_rows % 2], f->n_rows * 7 + 1, bodies[f->n_rows % 4]);
}

/* Nothing of an earlier tail may come back, whatever is written over it. */
static void goes_on(fixture *f)
{
    faulty_bytes held[2] = {f->db[0], f->db[1]};
    memset(f->db, 0, sizeof f->db);
    (void)put(f, "room", 1, "x");
    commit(f);
    check_all(f);
    kill_it(f);
    free(f->db[0].data);
    free(f->db[1].data);
    memcpy(f->db, held, sizeof held);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_true(f->report.n_torn_bytes == 0);
    check_all(f);
}

/* How many of the first nine records are still whole. */
static size_t count_whole(fixture *f, faulty *whole)
{
    const uint8_t *now = faulty_find(f->disk, ".log", 0)->now.data;
    const uint8_t *before = faulty_find(whole, ".log", 0)->now.data;
    size_t n = 5;
    while (n < 9 &&
           memcmp(now + place_of(f, n), before + place_of(f, n), size_of(&f->rows[n])) == 0)
        n++;
    return n;
}

static void a_write_torn_at_every_byte_leaves_all_before_it(void **state)
{
    fixture *f = *state;
    put_some(f, 5);
    commit(f);
    put_some(f, 4);
    commit(f);
    kill_it(f);
    faulty *whole = faulty_copy(f->disk);
    model_row rows[4];
    uint64_t from = place_of(f, 5);
    uint64_t to = place_of(f, 9);
    memcpy(rows, &f->rows[5], sizeof rows);
    for (uint64_t cut = from; cut < to; cut++) {
        faulty_restore(f->disk, whole);
        put_back_db(f);
        memcpy(&f->rows[5], rows, sizeof rows);
        faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
        memset(log->data + cut, 0, log->size - cut);
        f->n_committed = f->n_rows = count_whole(f, whole);
        assert_int_equal(try_open(f), CHAT_OK);
        assert_true(f->report.n_damaged_records == 0);
        assert_true(f->report.n_records == f->n_rows);
        check_all(f);
        goes_on(f);
        chat__store_close(f->store);
        f->store = NULL;
    }
    faulty_free(whole);
}

/* Flip one bit in each byte of a record, with state.db as it was before it or after it. */
static void flip_each_byte(fixture *f, size_t row, int is_last)
{
    faulty *whole = faulty_copy(f->disk);
    uint64_t at = place_of(f, row);
    uint64_t used = CHAT__RECORD_HEAD_BYTES + strlen(f->rows[row].chat) + strlen(f->rows[row].body);
    f->rows[row].is_lost = 1;
    for (uint64_t i = 0; i < used; i++) {
        faulty_restore(f->disk, whole);
        put_back_db(f);
        faulty_find(f->disk, ".log", 0)->now.data[at + i] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(try_open(f), CHAT_OK);
        assert_true(f->report.n_damaged_records == !is_last);
        assert_true((f->report.n_torn_bytes > 0) == is_last);
        check_all(f);
        chat__store_close(f->store);
        f->store = NULL;
    }
    faulty_free(whole);
}

static void a_flipped_bit_in_the_middle_costs_one_record(void **state)
{
    fixture *f = *state;
    put_some(f, 12);
    commit(f);
    kill_it(f);
    flip_each_byte(f, 6, 0);
}

static void a_flipped_bit_in_the_last_record_cuts_it_and_says_so(void **state)
{
    fixture *f = *state;
    put_some(f, 12);
    commit(f);
    kill_it(f);
    flip_each_byte(f, 11, 1);
}

static void a_flipped_bit_behind_the_checkpoint_is_stepped_over(void **state)
{
    fixture *f = *state;
    put_some(f, 40);
    commit(f);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    kill_it(f);
    faulty *whole = faulty_copy(f->disk);
    for (size_t row = 0; row < 40; row++) {
        faulty_restore(f->disk, whole);
        put_back_db(f);
        faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
        log->data[place_of(f, row) + (row * 5) % 90] ^= 0x10;
        f->rows[row].is_lost = 1;
        assert_int_equal(try_open(f), CHAT_OK);
        check_all(f);
        check_all(f);
        chat__store_close(f->store);
        f->store = NULL;
        f->rows[row].is_lost = 0;
    }
    faulty_free(whole);
}

static void two_damaged_records_in_a_row_cost_two(void **state)
{
    fixture *f = *state;
    put_some(f, 20);
    commit(f);
    kill_it(f);
    faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
    for (size_t row = 8; row < 12; row++) {
        log->data[place_of(f, row) + 40] ^= 1;
        f->rows[row].is_lost = 1;
    }
    assert_int_equal(try_open(f), CHAT_OK);
    assert_true(f->report.n_damaged_records >= 1);
    check_all(f);
    put_some(f, 20);
    commit(f);
    check_all(f);
}

static void a_short_write_is_continued(void **state)
{
    fixture *f = *state;
    f->disk->max_write = 7;
    put_some(f, 10);
    commit(f);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
}

static void a_failing_write_is_final(void **state)
{
    fixture *f = *state;
    put_some(f, 3);
    commit(f);
    f->disk->writes_to_fail = 0;
    put_some(f, 3);
    assert_int_equal(try_commit(f), CHAT_ERR_IO);
    faulty_heal(f->disk);
    assert_int_equal(try_put(f, "room", 1, "x"), CHAT_ERR_IO);
    assert_int_equal(try_commit(f), CHAT_ERR_IO);
    check_all(f);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
}

/* A kill between write and sync: what the next start finds is given to readers, so it must stay. */
static void what_a_start_has_found_is_synced(void **state)
{
    fixture *f = *state;
    put_some(f, 3);
    commit(f);
    put_some(f, 3);
    size_t n = f->n_rows;
    f->disk->syncs_to_fail = 0;
    assert_int_equal(chat__store_commit(f->store), CHAT_ERR_IO);
    kill_it(f);
    faulty_heal(f->disk);
    f->n_rows = f->n_committed = n;
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
    const faulty_file *log = faulty_find(f->disk, ".log", 0);
    assert_int_equal(log->durable.size, log->now.size);
    assert_memory_equal(log->durable.data, log->now.data, log->now.size);
}

static void a_failing_sync_is_final_and_never_tried_again(void **state)
{
    fixture *f = *state;
    put_some(f, 3);
    commit(f);
    f->disk->syncs_to_fail = 0;
    put_some(f, 3);
    assert_int_equal(try_commit(f), CHAT_ERR_IO);
    faulty_heal(f->disk);
    uint64_t n_datasyncs = f->disk->n_datasyncs;
    assert_int_equal(try_put(f, "room", 1, "x"), CHAT_ERR_IO);
    assert_int_equal(try_commit(f), CHAT_ERR_IO);
    assert_true(f->disk->n_datasyncs == n_datasyncs);
    check_all(f);
}

static void a_disk_full_at_preallocation_refuses_and_recovers(void **state)
{
    fixture *f = *state;
    size_t n_before;
    f->disk->capacity = 100u << 10; /* one segment and no second */
    chat_status status = CHAT_OK;
    while (status == CHAT_OK) {
        status = try_put(f, "room", 1, "body");
        if (status == CHAT_OK && f->n_rows % 10 == 0)
            commit(f);
    }
    assert_int_equal(status, CHAT_ERR_FULL);
    commit(f);
    n_before = f->n_committed;
    assert_int_equal(try_put(f, "room", 1, "body"), CHAT_ERR_FULL);
    check_all(f);
    crash(f);
    f->disk->capacity = 100u << 10;
    assert_int_equal(try_open(f), CHAT_OK);
    assert_int_equal(try_put(f, "room", 1, "body"), CHAT_ERR_FULL);
    faulty_heal(f->disk);
    put_some(f, 20);
    commit(f);
    assert_true(f->n_committed == n_before + 20);
    check_all(f);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
}

/* A file system that has no room although it was reserved: nothing of the batch may stay. */
static void a_disk_full_in_a_write_takes_the_batch_back(void **state)
{
    fixture *f = *state;
    put_some(f, 5);
    commit(f);
    for (uint64_t room = 0; room < 700; room += 23) {
        f->disk->writable_bytes = room;
        put_some(f, 8);
        assert_int_equal(try_commit(f), CHAT_ERR_FULL);
        check_all(f);
        kill_it(f);
        faulty_heal(f->disk);
        assert_int_equal(try_open(f), CHAT_OK);
        assert_true(f->report.n_torn_bytes == 0);
        check_all(f);
        f->disk->writable_bytes = room;
        put_some(f, 8);
        assert_int_equal(try_commit(f), CHAT_ERR_FULL);
        faulty_heal(f->disk);
        put_some(f, 1);
        commit(f);
        crash(f);
        assert_int_equal(try_open(f), CHAT_OK);
        check_all(f);
    }
}

static void a_failed_batch_over_a_segments_edge_is_taken_back(void **state)
{
    fixture *f = *state;
    while (place_of(f, f->n_rows) < (60u << 10)) {
        put_some(f, 50);
        commit(f);
    }
    for (int i = 0; i < 5; i++) {
        f->disk->writable_bytes = (4u << 10) + 300 + (unsigned)i * 500; /* heads of the file too */
        put_some(f, 80);
        assert_int_equal(try_commit(f), CHAT_ERR_FULL);
        kill_it(f);
        faulty_heal(f->disk);
        assert_int_equal(try_open(f), CHAT_OK);
        check_all(f);
    }
    put_some(f, 80);
    commit(f);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
}

/* An old tail that a crash uncovers again has another place or another salt, or was cut. */
static void a_stale_tail_is_never_read_again(void **state)
{
    fixture *f = *state;
    put_some(f, 5);
    commit(f);
    put_some(f, 6);
    assert_int_equal(try_commit(f), CHAT_OK);
    kill_it(f);
    /* The first record of the batch never reached the disk, nor did the second's payload. */
    faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
    memset(log->data + place_of(f, 5), 0, place_of(f, 11) - place_of(f, 5) - 8);
    faulty_settle(f->disk);
    f->n_committed = f->n_rows = 5;
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
    put_some(f, 1);
    commit(f);
    crash(f);
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
}

/* The body of a message is a record, byte for byte as the log wrote one. */
static void a_record_inside_a_damaged_message_is_no_record(void **state)
{
    fixture *f = *state;
    put_some(f, 3);
    commit(f);
    faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
    uint8_t forged[200];
    memcpy(forged, log->data + place_of(f, 0), sizeof forged);
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = 1, .chat = chat__view_str("evil")};
    record.payload = chat__view(forged, sizeof forged);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    commit(f);
    kill_it(f);
    log = &faulty_find(f->disk, ".log", 0)->now;
    log->data[place_of(f, 3) + 50] ^= 1;
    assert_int_equal(try_open(f), CHAT_OK);
    assert_true(f->report.n_damaged_records == 1);
    assert_true(f->report.n_records == 4);
    check_all(f);
}

static void a_segments_head_is_there_twice(void **state)
{
    fixture *f = *state;
    put_some(f, 10);
    commit(f);
    kill_it(f);
    faulty_find(f->disk, ".log", 0)->now.data[20] ^= 1;
    assert_int_equal(try_open(f), CHAT_OK);
    check_all(f);
    kill_it(f);
    faulty_find(f->disk, ".log", 0)->now.data[2048 + 20] ^= 1;
    assert_int_equal(try_open(f), CHAT_ERR_CORRUPT);
    assert_true(strlen(f->report.problem) > 0);
}

static void a_later_device_is_not_forgotten_by_a_kill(void **state)
{
    fixture *f = *state;
    (void)put(f, "dm:3:ann:bob", 10, "1");
    commit(f);
    (void)user_text(f, "bob", "phone", 1);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 10);
    assert_string_equal(user_text(f, "bob", "tab", 2), "dm:3:ann:bob 10/10");
    assert_int_equal(chat__store_flush(f->store), CHAT_OK); /* as the server does */
    (void)put(f, "dm:3:ann:bob", 20, "2");
    commit(f);
    kill_it(f);
    assert_int_equal(try_open(f), CHAT_OK);
    (void)user_text(f, "bob", "phone", 3);
    put_cursor(f, "bob", "phone", "dm:3:ann:bob", 20);
    assert_string_equal(user_text(f, "bob", "tab", 4), "dm:3:ann:bob 10/20");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULTY_TEST(a_write_torn_at_every_byte_leaves_all_before_it),
        FAULTY_TEST(a_flipped_bit_in_the_middle_costs_one_record),
        FAULTY_TEST(a_flipped_bit_in_the_last_record_cuts_it_and_says_so),
        FAULTY_TEST(a_flipped_bit_behind_the_checkpoint_is_stepped_over),
        FAULTY_TEST(two_damaged_records_in_a_row_cost_two),
        FAULTY_TEST(a_short_write_is_continued),
        FAULTY_TEST(a_failing_write_is_final),
        FAULTY_TEST(what_a_start_has_found_is_synced),
        FAULTY_TEST(a_failing_sync_is_final_and_never_tried_again),
        FAULTY_TEST(a_disk_full_at_preallocation_refuses_and_recovers),
        FAULTY_TEST(a_disk_full_in_a_write_takes_the_batch_back),
        FAULTY_TEST(a_failed_batch_over_a_segments_edge_is_taken_back),
        FAULTY_TEST(a_stale_tail_is_never_read_again),
        FAULTY_TEST(a_record_inside_a_damaged_message_is_no_record),
        FAULTY_TEST(a_segments_head_is_there_twice),
        FAULTY_TEST(a_later_device_is_not_forgotten_by_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
