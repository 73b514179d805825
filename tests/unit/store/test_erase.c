/* SPDX-License-Identifier: MIT */
/* What a deleted message and its edits said is in no file any more, whatever happens meanwhile. */
#include "notes_helper.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Every text that is to go has it in its first bytes and in its last. */
#define SECRET "the-secret"

static const char *secret(size_t len)
{
    static char text[8000];
    assert_true(len < sizeof text && len >= 2 * strlen(SECRET));
    memset(text, 'x', len);
    memcpy(text, SECRET, strlen(SECRET));
    memcpy(text + len - strlen(SECRET), SECRET, strlen(SECRET));
    text[len] = 0;
    return text;
}

/* --- looking for it --- */

static size_t n_found;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || st->st_size == 0)
        return 0;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = (size_t)st->st_size;
    char *bytes = malloc(size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    (void)fclose(file);
    n_found += memmem(bytes, size, SECRET, strlen(SECRET)) != NULL;
    free(bytes);
    return 0;
}

static size_t count_in(const faulty_bytes *bytes)
{
    return bytes->size > 0 && memmem(bytes->data, bytes->size, SECRET, strlen(SECRET)) != NULL;
}

/* Files of the directory, and of the faulty disk, that have it. */
static size_t n_files_with_it(fixture *f)
{
    n_found = 0;
    (void)nftw(f->dir, look_into, 16, FTW_PHYS);
    for (size_t i = 0; f->disk != NULL && i < f->disk->n_files; i++)
        n_found += count_in(&f->disk->files[i].now) + count_in(&f->disk->files[i].durable);
    return n_found;
}

/* --- the messages --- */

static void add_row(void *ctx, const chat__store_row *row)
{
    fixture *f = ctx;
    chat_decoder *decoder;
    chat_frame frame;
    size_t used = strlen(f->text);
    assert_int_equal(chat_decoder_new(NULL, 16384, &decoder), CHAT_OK);
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR, row->payload, &frame), CHAT_OK);
    if (CHAT_FRAME_HAS(&frame, BODY) || frame.type == CHAT_FRAME_MSG)
        snprintf(f->text + used, sizeof f->text - used, "%d %.*s%s, ", (int)row->seq,
                 frame.body.len < 12 ? (int)frame.body.len : 12, (const char *)frame.body.data,
                 CHAT_FRAME_HAS(&frame, DELETED) ? "-" : "");
    chat_decoder_free(decoder);
}

/* All records that say something or are messages. */
static const char *texts(fixture *f)
{
    chat__store_query query = {.chat = chat__view_str(DIRECT), .after = 0, .limit = 1000};
    f->text[0] = 0;
    assert_int_equal(chat__store_read(f->store, &query, add_row, f), CHAT_OK);
    return f->text;
}

#define AFTERWARDS "10 first, 20 -, 40 between, 70 last, "

/* A message with two edits among others, then its deletion. */
static void put_and_delete(fixture *f, size_t len)
{
    put_message(f, 10, "first");
    put_message(f, 20, secret(len));
    put_note(f, "edit", 20, "alice", secret(len / 2 + 20), 30);
    put_message(f, 40, "between");
    put_note(f, "edit", 20, "alice", secret(len + 7), 50);
    put_note(f, "react", 20, "bob", "+", 60);
    put_message(f, 70, "last");
    put_note(f, "delete", 20, "alice", "", 80);
}

/* --- tests --- */

static void what_was_deleted_is_in_no_file(void **state)
{
    fixture *f = fixture_of(state);
    put_and_delete(f, 3000);
    assert_true(n_files_with_it(f) > 0);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(n_files_with_it(f), 0);
    assert_string_equal(texts(f), AFTERWARDS);
    reopen(f);
    assert_int_equal(f->report.n_damaged_records, 0);
    assert_string_equal(texts(f), AFTERWARDS);
}

static void a_kill_before_the_flush_is_made_good(void **state)
{
    fixture *f = fixture_of(state);
    put_and_delete(f, 100);
    kill_it(f);
    assert_true(n_files_with_it(f) > 0);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_int_equal(n_files_with_it(f), 0);
    assert_string_equal(texts(f), AFTERWARDS);
}

/* The disk fails at each write and each sync of the recovery that erases, and the power goes with
   it: every mixture of old and new sectors is read. Returns whether there was something to fail. */
static int lose_power(fixture *f, faulty *image, uint64_t n_writes, uint64_t n_syncs)
{
    faulty_restore(f->disk, image);
    put_back_db(f);
    f->disk->writes_to_fail = n_writes;
    f->disk->syncs_to_fail = n_syncs;
    chat_status status = try_open(f);
    faulty_heal(f->disk);
    if (status == CHAT_OK) {
        chat__store_close(f->store);
        f->store = NULL;
        return 0;
    }
    assert_int_equal(status, CHAT_ERR_IO);
    faulty_crash(f->disk, &f->random);
    put_back_db(f);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_int_equal(f->report.n_damaged_records, 0);
    assert_int_equal(f->report.n_torn_bytes, 0);
    assert_string_equal(texts(f), AFTERWARDS);
    assert_int_equal(n_files_with_it(f), 0);
    chat__store_close(f->store);
    f->store = NULL;
    return 1;
}

static size_t lose_power_everywhere(uint64_t seed)
{
    static const char filler[513] = {0};
    void *state = NULL;
    size_t n_failures = 0;
    assert_int_equal(set_up_faulty(&state), 0);
    fixture *f = state;
    f->random = seed + 1;
    /* Each place of a record in its sector: its two sums may lie in two. */
    chat__store_record record = {.kind = CHAT_FRAME_MSG, .id = 1, .chat = chat__view_str("room")};
    record.payload = chat__view(filler, (size_t)(seed % 64) * 8);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    put_and_delete(f, 700);
    kill_it(f);
    faulty_settle(f->disk);
    faulty *image = faulty_copy(f->disk);
    for (uint64_t n = 0; lose_power(f, image, n, UINT64_MAX); n++)
        n_failures++;
    for (uint64_t n = 0; lose_power(f, image, UINT64_MAX, n); n++)
        n_failures++;
    faulty_free(image);
    (void)tear_down(&state);
    return n_failures;
}

static void the_power_may_go_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 64; seed++)
        assert_true(lose_power_everywhere(seed) >= 10);
}

static void a_disk_that_fails_is_tried_again(void **state)
{
    fixture *f = fixture_of(state);
    put_and_delete(f, 100);
    f->disk->writes_to_fail = 2;
    assert_int_equal(chat__store_flush(f->store), CHAT_ERR_IO);
    assert_string_equal(texts(f), AFTERWARDS);
    faulty_heal(f->disk);
    f->disk->syncs_to_fail = 1;
    assert_int_equal(chat__store_flush(f->store), CHAT_ERR_IO);
    assert_string_equal(texts(f), AFTERWARDS);
    faulty_heal(f->disk);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(n_files_with_it(f), 0);
    assert_string_equal(texts(f), AFTERWARDS);
}

/* More than are erased together, over several files. */
static void many_are_erased(void **state)
{
    fixture *f = fixture_of(state);
    for (uint64_t i = 1; i <= 150; i++)
        put_message(f, i, secret(1000));
    assert_true(f->disk->n_files > 4);
    for (uint64_t i = 1; i <= 150; i++)
        put_note(f, "delete", i, "alice", "", 1000 + i);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(n_files_with_it(f), 0);
    reopen(f);
    assert_int_equal(f->report.n_damaged_records, 0);
}

/* Where the payload with this text begins to differ from what was written. */
static void flip(fixture *f, const char *text)
{
    faulty_bytes *log = &faulty_find(f->disk, ".log", 0)->now;
    uint8_t *at = memmem(log->data, log->size, text, strlen(text));
    assert_non_null(at);
    at[0] ^= 1;
    faulty_settle(f->disk);
}

static void of_a_damaged_record_all_goes(void **state)
{
    fixture *f = fixture_of(state);
    put_message(f, 10, "first");
    put_message(f, 20, secret(200));
    put_message(f, 30, "last");
    flip(f, "xxxx");
    put_note(f, "delete", 20, "alice", "", 40);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    assert_int_equal(n_files_with_it(f), 0);
    assert_string_equal(texts(f), "10 first, 30 last, ");
    reopen(f);
    assert_string_equal(texts(f), "10 first, 30 last, ");
}

/* The deletion is damaged, and the views are made anew without it. */
static void what_was_erased_stays_a_tombstone(void **state)
{
    fixture *f = fixture_of(state);
    char path[128];
    put_and_delete(f, 100);
    put_message(f, 90, "behind");
    reopen(f);
    chat__store_close(f->store);
    f->store = NULL;
    flip(f, "fdelete");
    snprintf(path, sizeof path, "%s/state.db", f->dir);
    assert_int_equal(remove(path), 0);
    assert_int_equal(try_open(f), CHAT_OK);
    assert_int_equal(f->report.n_damaged_records, 1);
    assert_string_equal(texts(f), AFTERWARDS "90 behind, ");
}

static size_t n_good_reads;

/* After some reads all of them give rubbish. */
static int64_t read_rubbish(void *ctx, int handle, void *out, size_t len, uint64_t at)
{
    faulty *disk = ctx;
    if (at >= disk->files[handle].now.size)
        return 0;
    if (len > disk->files[handle].now.size - at)
        len = (size_t)(disk->files[handle].now.size - at);
    memcpy(out, disk->files[handle].now.data + at, len);
    if (n_good_reads == 0)
        memset(out, 0xa5, len);
    n_good_reads -= n_good_reads > 0;
    return (int64_t)len;
}

/* It costs the deleted message at most. */
static void a_disk_that_reads_rubbish_is_survived(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        void *own = NULL;
        assert_int_equal(set_up_faulty(&own), 0);
        fixture *f = own;
        int64_t (*good)(void *, int, void *, size_t, uint64_t) = f->disk->table.pread;
        put_and_delete(f, 100);
        f->disk->table.pread = read_rubbish;
        n_good_reads = n;
        assert_int_equal(chat__store_flush(f->store), CHAT_OK);
        f->disk->table.pread = good;
        reopen(f);
        const char *got = texts(f);
        assert_non_null(strstr(got, "10 first, "));
        assert_non_null(strstr(got, "40 between, 70 last, "));
        assert_null(strstr(got, SECRET));
        (void)tear_down(&own);
    }
}

/* --- readers beside it --- */

static faulty *before; /* it was erased */
static size_t n_reads;

/* Every other read gets the first bytes as they were and the others as they are. */
static int64_t read_torn(void *ctx, int handle, void *out, size_t len, uint64_t at)
{
    faulty *disk = ctx;
    const faulty_bytes *old = &before->files[handle].now;
    size_t n_old = len < 40 ? len : 40;
    if (at + len > disk->files[handle].now.size)
        return 0;
    memcpy(out, disk->files[handle].now.data + at, len);
    if (n_reads++ % 2 == 0 && at + n_old <= old->size)
        memcpy(out, old->data + at, n_old);
    return (int64_t)len;
}

static void what_is_read_half_written_is_read_again(void **state)
{
    fixture *f = fixture_of(state);
    put_and_delete(f, 100);
    before = faulty_copy(f->disk);
    assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    f->disk->table.pread = read_torn;
    for (n_reads = 0; n_reads < 100;)
        assert_string_equal(texts(f), AFTERWARDS);
    faulty_free(before);
    assert_null(strstr(f->log, "damaged"));
}

typedef struct shared {
    chat__store *store;
    atomic_int is_done;
    atomic_int n_wrong;
} shared;

#define N_MESSAGES 300

typedef struct looked {
    size_t n_messages;
    int is_wrong;
    chat_decoder *decoder;
} looked;

/* Each is whole, or a tombstone. */
static void look(void *ctx, const chat__store_row *row)
{
    looked *seen = ctx;
    chat_frame frame;
    if (chat_frame_decode(seen->decoder, CHAT_ENCODING_CBOR, row->payload, &frame) != CHAT_OK) {
        seen->is_wrong = 1;
        return;
    }
    if (frame.type != CHAT_FRAME_MSG)
        return;
    int is_whole = frame.body.len == 700 && memcmp(frame.body.data, SECRET, strlen(SECRET)) == 0;
    seen->n_messages++;
    seen->is_wrong |= CHAT_FRAME_HAS(&frame, DELETED) ? frame.body.len != 0 : !is_whole;
}

static void *read_on(void *arg)
{
    shared *s = arg;
    looked seen = {0, 0, NULL};
    chat__store_query query = {.chat = chat__view_str(DIRECT), .limit = N_MESSAGES};
    if (chat_decoder_new(NULL, 16384, &seen.decoder) != CHAT_OK)
        atomic_fetch_add(&s->n_wrong, 1);
    while (!atomic_load(&s->is_done) && seen.decoder != NULL) {
        seen.n_messages = 0;
        if (chat__store_read(s->store, &query, look, &seen) < 0 || seen.is_wrong ||
            seen.n_messages != N_MESSAGES)
            atomic_fetch_add(&s->n_wrong, 1);
    }
    chat_decoder_free(seen.decoder);
    return NULL;
}

static void readers_see_it_whole_or_erased(void **state)
{
    fixture *f = fixture_of(state);
    pthread_t threads[2];
    shared s = {.store = f->store};
    for (uint64_t i = 1; i <= N_MESSAGES; i++)
        put_message(f, i, secret(700));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &s), 0);
    for (uint64_t i = 1; i <= N_MESSAGES; i++) {
        put_note(f, "delete", i, "alice", "", 1000 + i);
        if (i % 3 == 0)
            assert_int_equal(chat__store_flush(f->store), CHAT_OK);
    }
    atomic_store(&s.is_done, 1);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&s.n_wrong), 0);
    assert_int_equal(n_files_with_it(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_deleted_is_in_no_file),
        FAULTY_TEST(a_kill_before_the_flush_is_made_good),
        cmocka_unit_test(the_power_may_go_at_any_moment),
        FAULTY_TEST(a_disk_that_fails_is_tried_again),
        FAULTY_TEST(many_are_erased),
        FAULTY_TEST(of_a_damaged_record_all_goes),
        FAULTY_TEST(what_was_erased_stays_a_tombstone),
        cmocka_unit_test(a_disk_that_reads_rubbish_is_survived),
        FAULTY_TEST(what_is_read_half_written_is_read_again),
        TEST(readers_see_it_whole_or_erased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
