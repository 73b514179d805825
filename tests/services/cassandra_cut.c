/* SPDX-License-Identifier: MIT */
/* The store of libchat-cassandra, what it cuts of a backlog, against a real Cassandra. */
#include "services/cassandra_rows.h"

/* --- what devices are sent --- */

#define N_CHATS 9u

typedef struct expected {
    char chat[16];
    uint64_t cursor, gap;
} expected;

static expected chats[N_CHATS];
static uint64_t all_seqs[N_CHATS][MAX_ROWS / 4];
static size_t n_seqs[N_CHATS];

static void check_gap(void *ctx, const chat_store_user_chat *row)
{
    size_t *n = ctx;
    for (size_t i = 0; i < N_CHATS; i++) {
        if (!chat__view_equal(row->chat, text(chats[i].chat)))
            continue;
        ++*n;
        assert_int_equal(row->cursor, chats[i].cursor);
        assert_int_equal(row->last_seq, all_seqs[i][n_seqs[i] - 1]);
        if (row->gap_seq != chats[i].gap)
            fail_msg("%s: gap %llu, not %llu", chats[i].chat, (unsigned long long)row->gap_seq,
                     (unsigned long long)chats[i].gap);
    }
}

/* Whether the device lacks the record, and it is not too old. */
static int is_wanted(size_t c, size_t i, uint64_t oldest)
{
    return all_seqs[c][i] > chats[c].cursor && all_seqs[c][i] >= oldest;
}

/* The newest place below `probe` with records that are wanted, and how many; 0: there is none. */
static uint64_t next_below(uint64_t probe, uint64_t oldest, uint64_t *n)
{
    uint64_t next = 0;
    for (size_t c = 0; c < N_CHATS; c++)
        for (size_t i = 0; i < n_seqs[c]; i++)
            if (all_seqs[c][i] < probe && all_seqs[c][i] >= next && is_wanted(c, i, oldest)) {
                *n += 1;
                if (all_seqs[c][i] > next)
                    *n = 1;
                next = all_seqs[c][i];
            }
    return next;
}

/* Newest first over all chats: what is left of `limit`, and not before `oldest`. */
static void expect_gaps(uint64_t limit, uint64_t oldest)
{
    uint64_t n = 0, n_here = 0;
    uint64_t cut = next_below(NEVER, oldest, &n_here);
    while (cut > 0 && (limit == 0 || n + n_here <= limit)) {
        n += n_here;
        n_here = 0;
        cut = next_below(cut, oldest, &n_here);
    }
    for (size_t c = 0; c < N_CHATS; c++) {
        chats[c].gap = 0;
        for (size_t i = 0; i < n_seqs[c]; i++)
            if (all_seqs[c][i] > chats[c].cursor &&
                (all_seqs[c][i] <= cut || all_seqs[c][i] < oldest))
                chats[c].gap = all_seqs[c][i];
    }
}

static void write_chats(uint64_t now_seq)
{
    uint64_t seed = 7;
    for (size_t c = 0; c < N_CHATS; c++) {
        uint64_t seq = now_seq - (c + 1) * BUCKET / 3;
        snprintf(chats[c].chat, sizeof chats[c].chat, "cut%zu", c);
        begin_chat();
        n_seqs[c] = c == 0 ? 1900 : 30 + 40 * c;
        put_event(chats[c].chat, "ann", seq, 9);
        for (size_t i = 0; i < n_seqs[c]; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            all_seqs[c][i] = seq;
            put_record(chats[c].chat, seq, CHAT_FRAME_MSG, text("no frame"));
            seq += 1 + (seed >> 33) % ((c + 1) * BUCKET / 3 / (n_seqs[c] + 1) + 1);
        }
        put_head(chats[c].chat);
        write_all();
    }
}

static void check_cut(uint64_t now, uint64_t limit, uint64_t ttl_ms)
{
    chat_store_visit visit = {.user = text("ann"), .device = text("phone"), .now_unix_ms = now};
    size_t n = 0;
    t.rules.offline_limit = limit;
    t.rules.offline_ttl_ms = ttl_ms;
    expect_gaps(limit, ttl_ms > 0 ? chat_snowflake_first_at(now - ttl_ms) : 0);
    assert_int_equal(chat__cstore_load_user(&t.reader, &visit, check_gap, &n), CHAT_OK);
    assert_int_equal(n, N_CHATS);
}

static void ignore_chat(void *ctx, const chat_store_user_chat *row)
{
    (void)ctx;
    (void)row;
}

static void a_backlog_is_cut_over_all_chats(void **state)
{
    static const uint64_t LIMITS[] = {0, 1, 2, 10, 100, 500, 1000, 2500, 3500, 100000};
    uint64_t now = CHAT_EPOCH_MS + (UINT64_C(40) << 30);
    chat_store_visit visit = {.user = text("ann"), .device = text("phone"), .now_unix_ms = now};
    uint64_t generation;
    (void)state;
    write_chats(chat_snowflake_first_at(now));
    assert_int_equal(chat__cstore_load_user(&t.reader, &visit, ignore_chat, NULL), CHAT_EMPTY);
    for (size_t l = 0; l < sizeof LIMITS / sizeof *LIMITS; l++) {
        check_cut(now, LIMITS[l], 0);
        check_cut(now, LIMITS[l], UINT64_C(1) << 30);
        check_cut(now, LIMITS[l], UINT64_C(1) << 29);
    }
    assert_int_equal(chat__cstore_introduce(&t.devices, &visit, &generation), CHAT_OK);
    for (size_t c = 0; c < N_CHATS; c++) {
        chats[c].cursor = all_seqs[c][n_seqs[c] * c / N_CHATS];
        put_cursor_row("ann", "phone", generation, chats[c].chat, chats[c].cursor);
    }
    write_all();
    for (size_t l = 0; l < sizeof LIMITS / sizeof *LIMITS; l++) {
        check_cut(now, LIMITS[l], 0);
        check_cut(now, LIMITS[l], UINT64_C(1) << 29);
    }
    t.rules.offline_limit = 0;
    t.rules.offline_ttl_ms = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_backlog_is_cut_over_all_chats)};
    return cmocka_run_group_tests(tests, set_up_reader, tear_down_reader);
}
