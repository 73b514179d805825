/* SPDX-License-Identifier: MIT */
/* The store of libchat-cassandra, its pages and counts, against a real Cassandra: CHAT_CASSANDRA.
 */
#include "services/cassandra_rows.h"

/* --- pages --- */

typedef struct got {
    uint64_t seqs[MAX_ROWS];
    size_t n;
    uint64_t n_bytes;
} got;

static got g;

static void take_row(void *ctx, const chat_store_row *row)
{
    (void)ctx;
    assert_true(g.n < MAX_ROWS);
    g.seqs[g.n++] = row->seq;
    g.n_bytes += row->payload.len;
}

static chat_status read_page(const char *chat, uint64_t after, uint64_t before, uint32_t limit,
                             uint32_t max_bytes)
{
    chat_store_query query = {.chat = text(chat),
                              .after = after,
                              .before = before,
                              .limit = limit,
                              .max_bytes = max_bytes};
    g.n = 0;
    g.n_bytes = 0;
    return chat__cstore_read(&t.reader, &query, take_row, NULL);
}

/* What a page of all records that were written must be. */
static void expect_page(const char *chat, uint64_t after, uint64_t before, uint32_t limit)
{
    uint64_t want[MAX_ROWS];
    size_t n = 0;
    int is_back = after == NEVER;
    for (size_t i = 0; i < t.n; i++) {
        uint64_t seq = t.seqs[is_back ? t.n - 1 - i : i];
        if (is_back ? seq < before : seq > after)
            want[n++] = seq;
    }
    int is_more = n > limit;
    chat_status status = read_page(chat, after, before, limit, 0);
    if (g.n != (is_more ? limit : n) || status != (is_more ? CHAT_MORE : CHAT_OK) ||
        memcmp(want, g.seqs, g.n * sizeof *want) != 0)
        fail_msg("%s after %llu before %llu limit %u: %zu rows, %d", chat,
                 (unsigned long long)after, (unsigned long long)before, limit, g.n, (int)status);
}

static void pages_go_over_buckets_in_both_directions(void **state)
{
    static const uint32_t LIMITS[] = {1, 2, 7, 50, 64, 65, 299, 300, 301, 1000};
    (void)state;
    /* In one, in three, in one each; some buckets are empty. */
    static const uint64_t EACH[] = {3, BUCKET / 100, BUCKET + 17, 3 * BUCKET + 1};
    for (size_t e = 0; e < sizeof EACH / sizeof *EACH; e++) {
        char chat[16];
        size_t n = EACH[e] > BUCKET ? 40 : 300;
        snprintf(chat, sizeof chat, "pages%zu", e);
        put_many(chat, 5 * BUCKET - 20, EACH[e], n);
        for (size_t l = 0; l < sizeof LIMITS / sizeof *LIMITS; l++) {
            expect_page(chat, NEVER, NEVER, LIMITS[l]);
            expect_page(chat, 0, NEVER, LIMITS[l]);
            for (size_t i = 0; i < n; i += n / 6) {
                expect_page(chat, NEVER, t.seqs[i], LIMITS[l]);
                expect_page(chat, NEVER, t.seqs[i] + 1, LIMITS[l]);
                expect_page(chat, t.seqs[i], NEVER, LIMITS[l]);
                expect_page(chat, t.seqs[i] - 1, NEVER, LIMITS[l]);
            }
        }
    }
}

static void a_page_has_a_thousand_rows_at_most(void **state)
{
    (void)state;
    put_many("long", 1000, 1, 2500);
    assert_int_equal(read_page("long", NEVER, NEVER, 5000, 0), CHAT_MORE);
    assert_int_equal(g.n, 1000);
    assert_int_equal(read_page("long", 2499, NEVER, 1000, 0), CHAT_OK);
    assert_int_equal(g.n, 1000);
    assert_int_equal(g.seqs[999], 3499);
    assert_int_equal(read_page("long", 0, NEVER, 0, 0), CHAT_MORE);
    assert_int_equal(read_page("nowhere", 0, NEVER, 0, 0), CHAT_OK);
}

static void a_page_ends_before_it_is_too_long(void **state)
{
    (void)state;
    put_many("bytes", 1000, 1, 100); /* of 8 bytes */
    assert_int_equal(read_page("bytes", NEVER, NEVER, 50, 80), CHAT_MORE);
    assert_int_equal(g.n, 10);
    assert_int_equal(read_page("bytes", 0, NEVER, 50, 3), CHAT_MORE);
    assert_int_equal(g.n, 1);
    assert_int_equal(g.seqs[0], 1000);
}

static void long_records_are_read_in_smaller_chunks(void **state)
{
    size_t len = 1u << 20;
    uint8_t *bytes = calloc(1, len);
    (void)state;
    begin_chat();
    for (uint64_t i = 1; i <= 24; i++) {
        put_record("heavy", i, CHAT_FRAME_MSG, chat__view(bytes, len));
        write_all();
    }
    put_head("heavy");
    write_all();
    expect_page("heavy", NEVER, NEVER, 24);
    expect_page("heavy", 0, NEVER, 20);
    assert_int_equal(g.n_bytes, 20 * len);
    free(bytes);
}

static void what_the_head_has_not_reached_is_not_there(void **state)
{
    (void)state;
    put_many("half", 1000, 1, 10);
    uint64_t seqs[2] = {1012, 1013}; /* of a writer that died: the one before is missing */
    size_t n = t.n;
    for (size_t i = 0; i < 2; i++)
        put_record("half", seqs[i], CHAT_FRAME_MSG, text("no frame"));
    write_all();
    t.n = n;
    expect_page("half", NEVER, NEVER, 50);
    expect_page("half", 1005, NEVER, 50);
    t.n = n + 2;
    t.last_ordinal = 12;
    put_head("half");
    write_all();
    expect_page("half", 1005, NEVER, 50);
    begin_chat();
    put_record("headless", 7, CHAT_FRAME_MSG, text("no frame"));
    write_all();
    t.n = 0;
    expect_page("headless", 0, NEVER, 50);
}

/* --- unread --- */

typedef struct counted {
    uint32_t unread, has_unread, n;
} counted;

static void take_unread(void *ctx, const chat_store_user_chat *row)
{
    counted *c = ctx;
    c->unread = row->unread;
    c->has_unread = row->has_unread;
    c->n++;
}

static counted count(const char *user)
{
    counted c = {0, 0, 0};
    chat_store_visit visit = {.user = text(user), .now_unix_ms = 1000};
    assert_int_equal(chat__cstore_load_user(&t.reader, &visit, take_unread, &c), CHAT_OK);
    return c;
}

static void unread_counts_what_others_wrote_and_did_not_delete(void **state)
{
    (void)state;
    begin_chat();
    put_event("count", "bob", 100, 9);
    for (uint64_t i = 0; i < 600; i++)
        put_message("count", 100 + i * (BUCKET / 50), i % 3 == 0 ? "bob" : "cid", "hello");
    put_head("count");
    write_all();
    counted all = count("bob");
    assert_int_equal(all.n, 1);
    assert_int_equal(all.has_unread, 1);
    assert_int_equal(all.unread, 400);
    put_read("bob", "count", t.seqs[299]);
    put_note("count", t.seqs[599], t.seqs[301], 2, "cid");
    put_note("count", t.seqs[599] + 1, t.seqs[302], 2, "cid"); /* not reached by the head */
    write_all();
    assert_int_equal(count("bob").unread, 199);
    put_event("count", "bob", t.seqs[400], 0);
    put_event("count", "bob", t.seqs[590], 1);
    write_all();
    assert_int_equal(count("bob").unread, 66 + 7);
    put_read("bob", "count", t.seqs[599]);
    write_all();
    assert_int_equal(count("bob").unread, 0);
}

static void more_than_999_are_999(void **state)
{
    (void)state;
    begin_chat();
    put_event("much", "dan", 100, 9);
    for (uint64_t i = 0; i < 1500; i++)
        put_message("much", 100 + i, "cid", "hello");
    put_head("much");
    write_all();
    counted all = count("dan");
    assert_int_equal(all.unread, 999);
    assert_int_equal(all.has_unread, 1);
}

/* --- how long it takes --- */

static void write_user(const char *user)
{
    for (size_t c = 0; c < 100; c++) {
        char chat[24];
        snprintf(chat, sizeof chat, "of-%s-%zu", user, c);
        begin_chat();
        put_event(chat, user, 100 + c, 9);
        for (uint64_t i = 0; i < 60; i++)
            put_message(chat, 100 + c + i * 100, "cid",
                        "a message of some forty characters, as is");
        put_head(chat);
        put_read(user, chat, t.seqs[57]);
        write_all();
    }
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

#define TIMES 50

static void say_median(const char *what, double *took)
{
    qsort(took, TIMES, sizeof *took, by_number);
    print_message("%s: median %.2f ms, 90%% %.2f ms\n", what, took[TIMES / 2],
                  took[TIMES * 9 / 10]);
}

static void says_how_long_it_takes(void **state)
{
    double took[TIMES];
    counted c;
    (void)state;
    if (getenv("CHAT_TIMES") == NULL)
        skip();
    write_user("timed");
    for (int device = 0; device < 2; device++) {
        chat_store_visit visit = {.user = text("timed"), .now_unix_ms = now_ms()};
        visit.device = device ? text("phone") : text("");
        for (int i = 0; i < TIMES; i++) {
            double from = wall_ms();
            assert_true(chat__cstore_load_user(&t.reader, &visit, take_unread, &c) >= 0);
            took[i] = wall_ms() - from;
        }
        say_median(device ? "load_user, device, 100 chats" : "load_user, 100 chats", took);
    }
    for (int i = 0; i < TIMES; i++) {
        double from = wall_ms();
        assert_int_equal(read_page("of-timed-7", NEVER, NEVER, 50, 0), CHAT_MORE);
        took[i] = wall_ms() - from;
    }
    say_median("a page of 50", took);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_go_over_buckets_in_both_directions),
        cmocka_unit_test(a_page_has_a_thousand_rows_at_most),
        cmocka_unit_test(a_page_ends_before_it_is_too_long),
        cmocka_unit_test(long_records_are_read_in_smaller_chunks),
        cmocka_unit_test(what_the_head_has_not_reached_is_not_there),
        cmocka_unit_test(unread_counts_what_others_wrote_and_did_not_delete),
        cmocka_unit_test(more_than_999_are_999),
        cmocka_unit_test(says_how_long_it_takes),
    };
    return cmocka_run_group_tests(tests, set_up_reader, tear_down_reader);
}
