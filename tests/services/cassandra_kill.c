/* SPDX-License-Identifier: MIT */
/*
 * Writers that stop anywhere, and others that go on from somewhere before, against a real
 * Cassandra: CHAT_CASSANDRA. What a reader may see is whole at any time, and at the end all is as
 * if one writer had written all of it. The seed is printed; CHAT_SEED gives one.
 */
#include "backends/cassandra/store/apply.h"

#include <chat/frame.h>

#define KEYSPACE "chat_kill_test"
#include "cassandra_store.h"

#define N_RECORDS   600u
#define N_CHATS     3u
#define FRAME_BYTES 256u
#define ROUNDS      15
#define A_CALL      40u
#define SECOND      (UINT64_C(1) << 33)

static struct {
    chat_store_record records[N_RECORDS];
    uint8_t frames[N_RECORDS][FRAME_BYTES];
    char bodies[N_RECORDS][32];
    size_t n_secrets;
    uint64_t seed;
    size_t n_applied; /* by any writer */
} k;

static const char *const CHATS[N_CHATS] = {"k0", "k1", "dm:3:ann:bob"};

static uint32_t draw(uint32_t below)
{
    k.seed = k.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(k.seed >> 33) % below;
}

/* --- records --- */

static void set_common(chat_frame *frame, const char *chat, uint64_t seq)
{
    CHAT_FRAME_SET(frame, CHAT, chat, chat__view_str(chat));
    CHAT_FRAME_SET(frame, ID, id, seq - 1);
    CHAT_FRAME_SET(frame, FROM, from, chat__view_str("ann"));
    CHAT_FRAME_SET(frame, TS, ts, 5);
}

/* A message of the chat that is deleted later on is one that says a secret. */
static void make_frame(size_t i, chat_frame *frame, const char **out_chat)
{
    uint64_t seq = (i + 1) * SECOND;
    size_t re = i - i % 5; /* the message before it, in the same chat */
    memset(frame, 0, sizeof *frame);
    *out_chat = CHATS[re / 5 % N_CHATS];
    set_common(frame, *out_chat, seq);
    frame->type = i == re ? CHAT_FRAME_MSG : CHAT_FRAME_NOTE;
    (void)snprintf(k.bodies[i], sizeof k.bodies[i], "%s %u", re % 2 == 0 ? "secret" : "open",
                   (unsigned)i);
    if (i % 5 < 3)
        CHAT_FRAME_SET(frame, BODY, body, chat__view_str(k.bodies[i]));
    if (i == re)
        return;
    CHAT_FRAME_SET(frame, WHAT, what,
                   chat__view_str(i % 5 < 3     ? "edit"
                                  : re % 2 == 0 ? "delete"
                                                : "react"));
    CHAT_FRAME_SET(frame, RE, re, (re + 1) * SECOND - 1);
    CHAT_FRAME_SET(frame, RE_SEQ, re_seq, (re + 1) * SECOND);
}

static void make_marker(size_t i, chat_frame *frame, const char **out_chat)
{
    memset(frame, 0, sizeof *frame);
    frame->type = CHAT_FRAME_MARKER;
    *out_chat = "me:ann";
    CHAT_FRAME_SET(frame, OF, of, chat__view_str(CHATS[i % N_CHATS]));
    CHAT_FRAME_SET(frame, READ_SEQ, read_seq, i);
    CHAT_FRAME_SET(frame, TS, ts, 1000 + i);
}

static void make_records(void)
{
    for (size_t i = 0; i < N_RECORDS; i++) {
        chat_frame frame;
        const char *chat;
        size_t len = 0;
        if (i % 5 == 4)
            make_marker(i, &frame, &chat);
        else
            make_frame(i, &frame, &chat);
        assert_int_equal(
            chat_frame_encode(CHAT_ENCODING_CBOR, &frame, k.frames[i], FRAME_BYTES, &len), CHAT_OK);
        k.records[i] = (chat_store_record){.struct_size = sizeof k.records[i],
                                           .seq = (i + 1) * SECOND,
                                           .id = (i + 1) * SECOND - 1,
                                           .kind = frame.type,
                                           .chat = chat__view_str(chat),
                                           .payload = chat__view(k.frames[i], len)};
    }
}

/* --- a writer --- */

typedef struct stopping {
    chat__cstore_session *session;
    uint32_t after_us;
} stopping;

static void *stop_later(void *ctx)
{
    const stopping *stop = ctx;
    struct timespec pause = {0, (int64_t)stop->after_us * 1000};
    (void)nanosleep(&pause, NULL);
    chat__cstore_session_stop(stop->session);
    return NULL;
}

/* From `first` on, until it is stopped or all is applied. */
static chat_status write_from(chat__cstore_session *session, size_t first)
{
    chat__cstore_writer writer;
    chat_status status = CHAT_OK;
    chat__cstore_writer_init(&writer, session, 1, 50);
    for (size_t i = first; i < N_RECORDS && status == CHAT_OK;) {
        size_t n = 1 + draw(A_CALL);
        n = i + n > N_RECORDS ? N_RECORDS - i : n;
        status = chat__cstore_apply(&writer, k.records + i, n);
        i += n;
        if (status == CHAT_OK && i > k.n_applied)
            k.n_applied = i;
    }
    chat__cstore_writer_done(&writer);
    return status;
}

static void write_and_die(void)
{
    chat_cassandra_options opened = options();
    chat_log_sink none = {NULL, NULL};
    pthread_t thread;
    stopping stop = {NULL, 0};
    chat__cstore_call call;
    assert_int_equal(chat__cstore_session_new(&opened, none, 256, &stop.session), CHAT_OK);
    chat__cstore_call_init(&call, stop.session); /* it is connected */
    (void)chat__cstore_ask(&call, CHAT__CSTORE_GET_HEAD);
    chat__cstore_text(&call, chat__view_str("none"));
    assert_int_equal(chat__cstore_run(&call), CHAT_OK);
    chat__cstore_call_done(&call);
    stop.after_us = 1000 + draw(400000);
    size_t first = draw(3) == 0 ? 0 : draw((uint32_t)k.n_applied + 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_later, &stop), 0);
    (void)write_from(stop.session, first);
    assert_int_equal(pthread_join(thread, NULL), 0);
    chat__cstore_session_free(stop.session);
}

/* --- what is there --- */

static uint64_t take_number(chat_view *cells)
{
    uint64_t number = 0;
    chat_view found = {NULL, 0};
    assert_int_equal(chat_cassandra_take_cell(cells, &found), CHAT_OK);
    for (size_t i = 0; i < found.len && i < 8; i++)
        number = number << 8 | found.data[i];
    return number;
}

/* All up to the head, one after the other. Returns how many. */
static uint64_t check_chat(const char *chat)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "SELECT head_seq, head_ordinal FROM " KEYSPACE ".chats WHERE chat_id = '%s'",
                   chat);
    must_run(text);
    if (t.event.n_rows == 0)
        return 0;
    uint64_t head_seq = cell(0), head_ordinal = cell(1), prev = 0, ordinal = 0;
    (void)snprintf(text, sizeof text,
                   "SELECT seq, prev, ordinal FROM " KEYSPACE ".messages WHERE chat_id = '%s' AND "
                   "bucket = 0 AND seq <= %llu ORDER BY seq ASC",
                   chat, (unsigned long long)head_seq);
    must_run(text);
    chat_view cells = t.event.cells;
    for (uint32_t i = 0; i < t.event.n_rows; i++) {
        uint64_t seq = take_number(&cells);
        assert_true(take_number(&cells) == prev);
        assert_true(take_number(&cells) == ++ordinal);
        prev = seq;
    }
    assert_true(prev == head_seq);
    assert_true(ordinal == head_ordinal);
    return ordinal;
}

static int is_silent(size_t i)
{
    char text[256];
    chat_view chat = k.records[i].chat;
    (void)snprintf(text, sizeof text,
                   "SELECT payload FROM " KEYSPACE ".messages WHERE chat_id = '%.*s' AND "
                   "bucket = 0 AND seq = %llu",
                   (int)chat.len, (const char *)chat.data, (unsigned long long)k.records[i].seq);
    must_run(text);
    assert_int_equal(t.event.n_rows, 1);
    return memmem(t.event.cells.data, t.event.cells.len, "secret", 6) == NULL &&
           memmem(t.event.cells.data, t.event.cells.len, "open", 4) == NULL;
}

static void check_end(void)
{
    uint64_t n = check_chat("me:ann");
    for (uint32_t i = 0; i < N_CHATS; i++)
        n += check_chat(CHATS[i]);
    assert_int_equal(n, N_RECORDS);
    for (size_t i = 0; i < N_RECORDS; i++) {
        if (i % 5 < 3)
            assert_int_equal(is_silent(i), i / 5 * 5 % 2 == 0);
    }
    must_run("SELECT seq FROM " KEYSPACE ".last_read WHERE user_id = 'ann' AND chat_id = 'k0'");
    assert_int_equal(cell(0), N_RECORDS / 15 * 15 - 6);
    must_run("SELECT low, at_ms FROM " KEYSPACE ".since WHERE user_id = 'ann' AND "
             "chat_id = 'k0' AND type = 2 AND seq = 24");
    assert_int_equal(cell(0), 9);
    assert_int_equal(cell(1), 1024);
    must_run("SELECT user_id FROM " KEYSPACE ".members WHERE chat_id = 'dm:3:ann:bob'");
    assert_int_equal(t.event.n_rows, 2);
}

static void who_goes_on_makes_whole_what_another_left(void **state)
{
    const char *given = getenv("CHAT_SEED");
    (void)state;
    k.seed = given != NULL ? strtoull(given, NULL, 10) : now_ms();
    printf("seed %llu\n", (unsigned long long)k.seed);
    make_records();
    for (int i = 0; i < ROUNDS; i++) {
        write_and_die();
        for (uint32_t c = 0; c < N_CHATS; c++)
            (void)check_chat(CHATS[c]);
        printf("%zu ", k.n_applied);
    }
    printf("records applied\n");
    assert_int_equal(write_from(t.session, k.n_applied / 2), CHAT_OK);
    check_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_goes_on_makes_whole_what_another_left),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
