/* SPDX-License-Identifier: MIT */
/* Records into the tables of a real Cassandra: CHAT_CASSANDRA. */
#include "backends/cassandra/store/apply.h"

#include <chat/frame.h>

#define KEYSPACE "chat_apply_test"
#include "cassandra_store.h"

#define MAX_RECORDS 16u
#define FRAME_BYTES 512u
#define SECOND      (UINT64_C(1) << 33) /* of a seq, some 1,000 ms */

static struct {
    chat__cstore_writer writer;
    chat_store_record records[MAX_RECORDS];
    uint8_t frames[MAX_RECORDS][FRAME_BYTES];
    size_t n;
} a;

static int open_writer(void **state)
{
    (void)state;
    a.n = 0;
    chat__cstore_writer_init(&a.writer, t.session, 4, 100);
    return 0;
}

static int close_writer(void **state)
{
    (void)state;
    chat__cstore_writer_done(&a.writer);
    return 0;
}

/* As of another server: nothing is remembered. */
static void become_another(void)
{
    (void)close_writer(NULL);
    chat__cstore_writer_init(&a.writer, t.session, 4, 100);
}

static void add(const char *chat, uint64_t seq, const chat_frame *frame)
{
    size_t len = 0;
    chat_store_record *record = &a.records[a.n];
    assert_true(a.n < MAX_RECORDS);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, a.frames[a.n], FRAME_BYTES, &len),
                     CHAT_OK);
    *record = (chat_store_record){.struct_size = sizeof *record, .partition = 1, .id = seq - 1};
    record->seq = seq;
    record->kind = frame->type;
    record->chat = chat__view_str(chat);
    record->payload = chat__view(a.frames[a.n++], len);
}

static void add_message(const char *chat, uint64_t seq, const char *body)
{
    chat_frame frame = {.type = CHAT_FRAME_MSG};
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(&frame, ID, id, seq - 1);
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    CHAT_FRAME_SET(&frame, TS, ts, 5);
    add(chat, seq, &frame);
}

static void add_note(const char *chat, uint64_t seq, const char *what, uint64_t re_seq,
                     const char *body)
{
    chat_frame frame = {.type = CHAT_FRAME_NOTE};
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(&frame, ID, id, seq - 1);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, RE, re, re_seq - 1);
    CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, re_seq);
    CHAT_FRAME_SET(&frame, TS, ts, 6);
    if (body != NULL)
        CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    add(chat, seq, &frame);
}

static void add_marker(uint64_t seq, const char *of, uint64_t read_seq, uint64_t ts)
{
    chat_frame frame = {.type = CHAT_FRAME_MARKER};
    CHAT_FRAME_SET(&frame, OF, of, chat__view_str(of));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, read_seq);
    CHAT_FRAME_SET(&frame, TS, ts, ts);
    add("me:ann", seq, &frame);
}

static void apply(size_t first, size_t n)
{
    assert_true(first + n <= a.n);
    for (size_t i = first; i < first + n; i++)
        a.records[i].prev = 77;
    assert_int_equal(chat__cstore_apply(&a.writer, a.records + first, n), CHAT_OK);
}

static void look(const char *columns, const char *chat, uint64_t seq)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "SELECT %s FROM " KEYSPACE ".messages WHERE chat_id = '%s' AND bucket = %u "
                   "AND seq = %llu",
                   columns, chat, (unsigned)(seq >> 53), (unsigned long long)seq);
    must_run(text);
}

static void expect_place(const char *chat, uint64_t seq, uint64_t prev, uint64_t ordinal)
{
    look("prev, ordinal", chat, seq);
    assert_true(cell(0) == prev);
    assert_int_equal(cell(1), ordinal);
}

static void records_follow_each_other_however_they_are_applied(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 4; i++)
        add_message("r1", i * SECOND, "x");
    add_message("r1", UINT64_C(5) << 53, "much later");
    apply(0, 2);
    apply(2, 1);
    assert_true(a.records[2].prev == 2 * SECOND);
    apply(0, 5); /* again, and further */
    for (size_t i = 0; i < 4; i++)
        assert_true(a.records[i].prev == i * SECOND);
    become_another();
    apply(1, 4);
    for (uint64_t i = 1; i <= 4; i++)
        expect_place("r1", i * SECOND, (i - 1) * SECOND, i);
    expect_place("r1", UINT64_C(5) << 53, 4 * SECOND, 5);
    assert_true(a.records[4].prev == 4 * SECOND);
    must_run("SELECT head_seq, head_ordinal FROM " KEYSPACE ".chats WHERE chat_id = 'r1'");
    assert_true(cell(0) == UINT64_C(5) << 53);
    assert_int_equal(cell(1), 5);
    must_run("SELECT bucket FROM " KEYSPACE ".message_buckets WHERE chat_id = 'r1'");
    assert_int_equal(t.event.n_rows, 2);
}

/* Who died had written some rows and no head. */
static void a_writer_that_dies_leaves_nothing_that_the_next_does_not_mend(void **state)
{
    char text[256];
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        add_message("r2", i * SECOND, "x");
    apply(0, 1);
    (void)snprintf(text, sizeof text,
                   "INSERT INTO " KEYSPACE ".messages (chat_id, bucket, seq, prev, ordinal, "
                   "payload) VALUES ('r2', 0, %llu, %llu, 3, 0x00) USING TIMESTAMP %llu",
                   (unsigned long long)(3 * SECOND), (unsigned long long)(2 * SECOND),
                   (unsigned long long)(3 * SECOND));
    must_run(text);
    become_another();
    apply(1, 2);
    expect_place("r2", 2 * SECOND, SECOND, 2);
    expect_place("r2", 3 * SECOND, 2 * SECOND, 3);
    assert_true(a.records[2].prev == 2 * SECOND);
}

/* Another server took the partition for a while. */
static void what_is_forgotten_is_looked_up(void **state)
{
    chat__cstore_writer other;
    (void)state;
    for (uint64_t i = 1; i <= 3; i++)
        add_message("r3", i * SECOND, "x");
    apply(0, 1);
    chat__cstore_writer_init(&other, t.session, 4, 100);
    assert_int_equal(chat__cstore_apply(&other, a.records + 1, 1), CHAT_OK);
    chat__cstore_writer_done(&other);
    chat__cstore_forget(&a.writer, 1);
    apply(2, 1);
    expect_place("r3", 3 * SECOND, 2 * SECOND, 3);
}

/* 1: the payload has the bytes. */
static int says(const char *chat, uint64_t seq, const char *word)
{
    look("payload", chat, seq);
    assert_int_equal(t.event.n_rows, 1);
    return memmem(t.event.cells.data, t.event.cells.len, word, strlen(word)) != NULL;
}

static void a_deleted_message_and_its_edits_say_nothing_any_more(void **state)
{
    (void)state;
    add_message("n1", SECOND, "secret");
    add_message("n1", 2 * SECOND, "another");
    add_note("n1", 3 * SECOND, "edit", SECOND, "secret two");
    add_note("n1", 4 * SECOND, "edit", SECOND, "secret three");
    apply(0, 4);
    assert_true(says("n1", SECOND, "secret"));
    must_run("SELECT has_notes FROM " KEYSPACE ".chats WHERE chat_id = 'n1'");
    assert_int_equal(cell(0), 1);
    add_note("n1", 5 * SECOND, "delete", SECOND, NULL);
    apply(4, 1);
    for (int round = 0; round < 2; round++) {
        assert_false(says("n1", SECOND, "secret"));
        assert_true(says("n1", 2 * SECOND, "another"));
        assert_false(says("n1", 3 * SECOND, "secret"));
        assert_false(says("n1", 4 * SECOND, "secret"));
        expect_place("n1", SECOND, 0, 1);
        become_another();
        apply(0, 5); /* the log still has it */
    }
}

static void edit_and_deletion_may_come_together(void **state)
{
    (void)state;
    add_message("n2", SECOND, "secret");
    add_note("n2", 2 * SECOND, "edit", SECOND, "secret two");
    add_note("n2", 3 * SECOND, "delete", SECOND, NULL);
    apply(0, 3);
    assert_false(says("n2", SECOND, "secret"));
    assert_false(says("n2", 2 * SECOND, "secret"));
}

static void markers_are_kept_by_user_and_by_chat_with_their_times(void **state)
{
    (void)state;
    add_marker(SECOND, "m", 10, 1000);
    add_marker(2 * SECOND, "m", 20, 2000);
    add_marker(3 * SECOND, "m", 15, 3000);
    for (int round = 0; round < 2; round++) {
        apply(0, 3);
        must_run("SELECT seq FROM " KEYSPACE ".last_read WHERE user_id = 'ann' AND chat_id = 'm'");
        assert_int_equal(cell(0), 20);
        must_run("SELECT seq FROM " KEYSPACE ".read_by WHERE chat_id = 'm' AND user_id = 'ann'");
        assert_int_equal(cell(0), 20);
        must_run("SELECT at_ms, low FROM " KEYSPACE ".since WHERE user_id = 'ann' AND "
                 "chat_id = 'm' AND type = 2 AND seq = 20");
        assert_int_equal(cell(0), 2000);
        assert_int_equal(cell(1), 10);
        must_run("SELECT at_ms FROM " KEYSPACE ".since WHERE user_id = 'ann' AND chat_id = 'm'");
        assert_int_equal(t.event.n_rows, 2);
        become_another();
    }
}

static void a_group_is_there_with_its_members(void **state)
{
    chat_frame frame = {.type = CHAT_FRAME_CHAT};
    chat_view users[2] = {chat__view_str("bob"), chat__view_str("eve")};
    (void)state;
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(&frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str("Group"));
    CHAT_FRAME_SET(&frame, OPEN, open, 1);
    frame.users.items = users;
    frame.users.n_items = 2;
    frame.has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_USERS);
    add("g", SECOND, &frame);
    chat_frame change = {.type = CHAT_FRAME_CHANGE};
    CHAT_FRAME_SET(&change, CHAT, chat, chat__view_str("g"));
    CHAT_FRAME_SET(&change, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(&change, ID, id, 2 * SECOND - 1);
    CHAT_FRAME_SET(&change, TS, ts, 6);
    CHAT_FRAME_SET(&change, WHAT, what, chat__view_str("title"));
    CHAT_FRAME_SET(&change, TITLE, title, chat__view_str("Other"));
    add("g", 2 * SECOND, &change);
    apply(0, 2);
    apply(0, 1); /* the older title does not come back */
    must_run("SELECT is_open FROM " KEYSPACE ".chats WHERE chat_id = 'g' AND title = 'Other' "
             "ALLOW FILTERING");
    assert_int_equal(cell(0), 1);
    must_run("SELECT value FROM " KEYSPACE ".members WHERE chat_id = 'g' AND user_id = 'ann'");
    assert_int_equal(cell(0), 11);
    must_run("SELECT value FROM " KEYSPACE ".memberships WHERE user_id = 'eve' AND chat_id = 'g'");
    assert_int_equal(cell(0), 9);
}

static void what_cannot_be_read_is_kept_and_means_nothing(void **state)
{
    (void)state;
    add_message("dm:3:ann:bob", SECOND, "x");
    a.records[0].kind = CHAT_FRAME_CHANGE;
    a.records[0].payload = chat__view("\xff\xff", 2);
    apply(0, 1);
    expect_place("dm:3:ann:bob", SECOND, 0, 1);
    a.records[0].partition = 4;
    assert_int_equal(chat__cstore_apply(&a.writer, a.records, 1), CHAT_ERR_ARG);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, open_writer, close_writer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(records_follow_each_other_however_they_are_applied),
        EACH(a_writer_that_dies_leaves_nothing_that_the_next_does_not_mend),
        EACH(what_is_forgotten_is_looked_up),
        EACH(a_deleted_message_and_its_edits_say_nothing_any_more),
        EACH(edit_and_deletion_may_come_together),
        EACH(markers_are_kept_by_user_and_by_chat_with_their_times),
        EACH(a_group_is_there_with_its_members),
        EACH(what_cannot_be_read_is_kept_and_means_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
