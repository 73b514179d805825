/* SPDX-License-Identifier: MIT */
/* Rows of the store of libchat-cassandra, written one by one: also as a writer that died leaves
   them, and in many buckets. For tests of the reading side. */
#ifndef CHAT_TESTS_CASSANDRA_ROWS_H
#define CHAT_TESTS_CASSANDRA_ROWS_H

#include <chat/cassandra_schema.h>
#include <chat/frame.h>
#include <chat/id.h>

#include "backends/cassandra/store/places.h"
#include "base/alloc.h"
#include "base/view.h"
#include "unit/unit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_MS 120000u
#define BUCKET     (UINT64_C(1) << CHAT__CSTORE_BUCKET_BITS)
#define MAX_ROWS   8000u
#define NEVER      UINT64_MAX

static struct {
    char keyspace[48];
    chat__cstore_session *session;
    chat__cstore_devices devices;
    chat_store_rules rules;
    chat__cstore_reader reader;
    chat__cstore_call call;
    uint64_t last_seq, last_ordinal; /* of the chat that is being written */
    uint64_t seqs[MAX_ROWS];
    size_t n;
} t;

static inline uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline chat_cassandra_options options(void)
{
    chat_cassandra_options it;
    chat_cassandra_options_init(&it);
    it.contact_points = getenv("CHAT_CASSANDRA");
    it.keyspace = t.keyspace;
    it.request_timeout_ms = TIMEOUT_MS;
    return it;
}

static inline int set_up_keyspace(void)
{
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    const char *name = getenv("CHAT_KEYSPACE");
    snprintf(t.keyspace, sizeof t.keyspace, "%s", name != NULL ? name : "chat_reads_test");
    chat_cassandra_options opened = options();
    chat_cassandra_schema_init(&schema);
    schema.replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    if (chat_cassandra_migrate(&opened, &schema, TIMEOUT_MS, &done) != CHAT_OK)
        fail_msg("%s", done.problem);
    return 0;
}

static inline int set_up_reader(void **state)
{
    chat_log_sink none = {NULL, NULL};
    (void)state;
    (void)set_up_keyspace();
    chat_cassandra_options opened = options();
    assert_int_equal(chat__cstore_session_new(&opened, none, 256, &t.session), CHAT_OK);
    chat__cstore_devices_init(&t.devices, t.session, &t.rules, 1000, 0);
    t.reader.session = t.session;
    t.reader.devices = &t.devices;
    t.reader.rules = &t.rules;
    t.reader.allocator = chat__alloc_or_libc(NULL);
    chat__cstore_call_init(&t.call, t.session);
    return 0;
}

/* Tables take memory in a node, also when they are empty. */
static inline void drop_keyspace(void)
{
    chat_cassandra *driver;
    chat_cassandra_options opened = options();
    chat_cassandra_event event = {.struct_size = sizeof event};
    char drop[80];
    snprintf(drop, sizeof drop, "DROP KEYSPACE %s", t.keyspace);
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = CHAT_CASSANDRA_TEXT,
                                      .text = drop,
                                      .is_idempotent = 1};
    assert_int_equal(chat_cassandra_new(&opened, &driver), CHAT_OK);
    assert_int_equal(chat_cassandra_ask(driver, 1, &request, now_ms()), CHAT_OK);
    while (event.type != CHAT_CASSANDRA_EVENT_ANSWER && event.type != CHAT_CASSANDRA_EVENT_FAILED) {
        struct pollfd wait = {chat_cassandra_fd(driver), POLLIN, 0};
        (void)poll(&wait, 1, chat_cassandra_timeout(driver, now_ms()));
        chat_cassandra_process(driver, now_ms());
        while (chat_cassandra_next_event(driver, &event) == CHAT_OK &&
               event.type != CHAT_CASSANDRA_EVENT_ANSWER &&
               event.type != CHAT_CASSANDRA_EVENT_FAILED)
            continue;
    }
    chat_cassandra_free(driver);
}

static inline int tear_down_reader(void **state)
{
    (void)state;
    chat__cstore_call_done(&t.call);
    chat__cstore_devices_done(&t.devices);
    chat__cstore_session_free(t.session);
    drop_keyspace();
    return 0;
}

/* --- rows --- */

static inline chat_view text(const char *it)
{
    return chat__view_str(it);
}

static inline void write_all(void)
{
    assert_int_equal(chat__cstore_run(&t.call), CHAT_OK);
    chat__cstore_reset(&t.call);
}

/* A new chat for each test: its name says which. */
static inline void begin_chat(void)
{
    t.last_seq = 0;
    t.last_ordinal = 0;
    t.n = 0;
}

static inline void put_head(const char *chat)
{
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_HEAD);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u64(&t.call, t.last_seq);
    chat__cstore_u64(&t.call, t.last_ordinal);
    chat__cstore_u64(&t.call, t.last_seq);
}

static inline void put_record(const char *chat, uint64_t seq, uint32_t kind, chat_view payload)
{
    uint32_t bucket = chat__cstore_bucket_of(seq);
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_MESSAGE);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u32(&t.call, bucket);
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u32(&t.call, kind);
    chat__cstore_u64(&t.call, t.last_seq);
    chat__cstore_u64(&t.call, ++t.last_ordinal);
    chat__cstore_text(&t.call, payload);
    chat__cstore_u64(&t.call, seq);
    if (t.last_seq == 0 || chat__cstore_bucket_of(t.last_seq) != bucket) {
        (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_BUCKET);
        chat__cstore_text(&t.call, text(chat));
        chat__cstore_u32(&t.call, bucket);
        chat__cstore_u64(&t.call, seq);
    }
    t.last_seq = seq;
    assert_true(t.n < MAX_ROWS);
    t.seqs[t.n++] = seq;
}

/* The frame of a message or of a note, with all that either has. */
static inline chat_frame frame_of(uint32_t kind, const char *chat, uint64_t id, const char *from)
{
    chat_frame frame;
    chat_frame_init(&frame, (chat_frame_type)kind);
    CHAT_FRAME_SET(&frame, CHAT, chat, text(chat));
    CHAT_FRAME_SET(&frame, FROM, from, text(from));
    CHAT_FRAME_SET(&frame, ID, id, id);
    CHAT_FRAME_SET(&frame, TS, ts, 1000);
    return frame;
}

static inline void put_frame(const char *chat, uint64_t seq, const chat_frame *frame)
{
    uint8_t bytes[2048];
    size_t len = 0;
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    put_record(chat, seq, (uint32_t)frame->type, chat__view(bytes, len));
}

static inline void put_message(const char *chat, uint64_t seq, const char *from, const char *body)
{
    chat_frame frame = frame_of(CHAT_FRAME_MSG, chat, seq, from);
    CHAT_FRAME_SET(&frame, BODY, body, text(body));
    put_frame(chat, seq, &frame);
}

static inline void put_event(const char *chat, const char *user, uint64_t seq, uint8_t value)
{
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_MEMBER);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_text(&t.call, text(user));
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u8(&t.call, value);
    chat__cstore_u64(&t.call, seq);
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_MEMBERSHIP);
    chat__cstore_text(&t.call, text(user));
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u8(&t.call, value);
    chat__cstore_u64(&t.call, seq);
}

/* `n` records, `each` apart; the head is written behind them. */
static inline void put_many(const char *chat, uint64_t first, uint64_t each, size_t n)
{
    begin_chat();
    for (size_t i = 0; i < n; i++)
        put_record(chat, first + i * each, CHAT_FRAME_MSG, text("no frame"));
    put_head(chat);
    write_all();
}

static inline void put_cursor_row(const char *user, const char *device, uint64_t generation,
                                  const char *chat, uint64_t seq)
{
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_CURSOR);
    chat__cstore_text(&t.call, text(user));
    chat__cstore_text(&t.call, text(device));
    chat__cstore_u64(&t.call, generation);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u64(&t.call, seq);
}

static inline void put_read(const char *user, const char *chat, uint64_t seq)
{
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_READ);
    chat__cstore_text(&t.call, text(user));
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u64(&t.call, seq);
}

static inline void put_note(const char *chat, uint64_t seq, uint64_t re_seq, uint8_t what,
                            const char *user)
{
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_NOTE);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u64(&t.call, re_seq);
    chat__cstore_u8(&t.call, what);
    chat__cstore_text(&t.call, text(user));
    chat__cstore_u64(&t.call, seq);
    chat__cstore_u64(&t.call, seq);
    (void)chat__cstore_ask(&t.call, CHAT__CSTORE_PUT_NOTED);
    chat__cstore_text(&t.call, text(chat));
    chat__cstore_u8(&t.call, 1);
    chat__cstore_u64(&t.call, seq);
}

#endif
