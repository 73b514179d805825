/* SPDX-License-Identifier: MIT */
/*
 * libchat-kafka against a real Kafka, CHAT_KAFKA=host:port. Without a word: the rules. `survive`:
 * 100,000 records while somebody kills the broker and starts it again, told by the line "now" on
 * standard output.
 */
#include "unit/kafka/rig.h"

#include <chat/partition.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_RECORDS    100000u
#define N_CHATS      1000u
#define N_PARTITIONS 64u

static char topic_[64];

static const char *brokers(void)
{
    const char *where = getenv("CHAT_KAFKA");
    assert_non_null(where);
    return where;
}

/* A topic of one's own for each test, and a group of its name. */
static chat_kafka_options fresh(const char *name, uint32_t n_partitions)
{
    snprintf(topic_, sizeof topic_, "%s-%d", name, (int)getpid());
    chat_kafka_options options = rig_options(brokers(), topic_, topic_);
    options.create_topic = 1;
    options.partitions = n_partitions;
    return options;
}

static void fails(const chat_kafka_options *options, chat_status status, const char *words)
{
    chat_kafka *kafka = NULL;
    assert_int_equal(CHAT_OK, chat_kafka_new(options, &kafka));
    chat_status got = chat_kafka_open(kafka, 5000);
    if (got != status || strstr(chat_kafka_problem(kafka), words) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", chat_status_name(got), chat_kafka_problem(kafka),
                 words);
    chat_kafka_free(kafka);
}

/* --- rules --- */

static void wrong_settings_name_the_option(void **state)
{
    chat_kafka_options options = fresh("settings", 4);
    const chat_kafka_property sasl[] = {{"kafka.security.protocol", "sasl_plaintext"},
                                        {"kafka.sasl.mechanism", "PLAIN"},
                                        {"kafka.sasl.username", "a"},
                                        {"kafka.sasl.password", "b"}};
    (void)state;
    chat_kafka_options other = options;
    other.create_topic = 0;
    fails(&other, CHAT_ERR_NOT_FOUND, "`create_topic`");
    other = options;
    other.replication = 3;
    fails(&other, CHAT_ERR_ARG, "`replication`");
    other = options;
    other.topic = "no/name";
    fails(&other, CHAT_ERR_ARG, "`topic`");
    other = options;
    other.properties = sasl;
    other.n_properties = 4;
    fails(&other, CHAT_ERR_AUTH, "kafka.sasl.password");
    chat_kafka_free(rig_open(&options));
    other = options;
    other.partitions = 5;
    fails(&other, CHAT_ERR_ARG, "set `partitions` to 4");
    other = options;
    other.replication = 2;
    fails(&other, CHAT_ERR_ARG, "lower `replication`");
}

static void a_topic_gets_more_partitions_and_never_fewer(void **state)
{
    chat_kafka_options options = fresh("grow", 4);
    (void)state;
    chat_kafka_free(rig_open(&options));
    chat_kafka_options other = options;
    other.partitions = 8;
    fails(&other, CHAT_ERR_ARG, "set `partitions` to 4");
    other.grow_topic = 8;
    fails(&other, CHAT_ERR_ARG, "`grow_topic` is 8 and must divide both");
    other.grow_topic = 2;
    chat_kafka *kafka = rig_open(&other);
    assert_int_equal(8, chat_kafka_table(kafka)->n_partitions);
    chat_kafka_free(kafka);
    fails(&options, CHAT_ERR_ARG, "never fewer");
    options.grow_topic = 2;
    fails(&options, CHAT_ERR_ARG, "set `partitions` to 8");
}

static void read_ids(const chat_log *log, uint64_t first, uint64_t last, chat_log_event *out)
{
    for (uint64_t id = first; id <= last; id++) {
        rig_until(log, CHAT_LOG_EVENT_RECORD, out);
        assert_int_equal(id, out->record.id);
    }
}

/* Commit and wait until it is done. */
static void commit(const chat_log *log, const chat_log_event *at)
{
    chat_log_event event;
    assert_int_equal(CHAT_OK, log->commit(log->ctx, at->partition, at->offset, at->seq));
    log->process(log->ctx);
    rig_until(log, CHAT_LOG_EVENT_COMMITTED, &event);
    assert_int_equal(CHAT_OK, event.status);
    assert_int_equal(at->offset, event.offset);
}

/* Appended by another log, so that no record is passed over. */
static void put(const chat_kafka_options *options, const char *chat, uint64_t first, uint64_t last)
{
    chat_kafka_options writing = *options;
    writing.group = NULL;
    chat_kafka *kafka = rig_open(&writing);
    for (uint64_t id = first; id <= last; id++)
        rig_put(chat_kafka_table(kafka), chat, id);
    chat_kafka_free(kafka);
}

static chat_kafka *open_reader(const chat_kafka_options *options)
{
    chat_kafka_options reading = *options;
    reading.read_only = 1;
    return rig_open(&reading);
}

static void a_position_keeps_the_seq_and_what_was_seen(void **state)
{
    chat_kafka_options options = fresh("position", 1);
    chat_log_event event;
    (void)state;
    options.window_records = 4;
    put(&options, "a", 100, 100);
    put(&options, "a", 50, 50);
    chat_kafka *kafka = open_reader(&options);
    const chat_log *log = chat_kafka_table(kafka);
    assert_int_equal(CHAT_ERR_STATE, rig_append(log, "a", 1));
    read_ids(log, 100, 100, &event);
    read_ids(log, 50, 50, &event);
    assert_int_equal(101, event.seq);
    assert_int_equal(CHAT_ERR_STATE, log->commit(log->ctx, 0, 2, 1)); /* not read yet */
    commit(log, &event);
    assert_int_equal(CHAT_ERR_STATE, log->commit(log->ctx, 0, 0, 100)); /* backwards */
    chat_kafka_free(kafka);
    put(&options, "a", 50, 50); /* sent again */
    put(&options, "a", 60, 60);
    kafka = open_reader(&options);
    log = chat_kafka_table(kafka);
    rig_until(log, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(2, event.offset);
    assert_int_equal(101, event.seq);
    read_ids(log, 60, 60, &event);
    assert_int_equal(102, event.seq);
    assert_int_equal(3, event.offset);
    chat_kafka_free(kafka);
}

static void who_pauses_gets_nothing_until_he_goes_on(void **state)
{
    chat_kafka_options options = fresh("pause", 1);
    chat_log_event event;
    (void)state;
    put(&options, "a", 1, 20);
    chat_kafka *kafka = open_reader(&options);
    const chat_log *log = chat_kafka_table(kafka);
    read_ids(log, 1, 5, &event);
    assert_int_equal(CHAT_OK, log->pause(log->ctx, CHAT_LOG_ALL_PARTITIONS, 1));
    assert_int_equal(CHAT_ERR_STATE, log->pause(log->ctx, 7, 1));
    assert_int_equal(CHAT_EMPTY, rig_next(log, &event, 1000));
    assert_int_equal(CHAT_OK, log->pause(log->ctx, 0, 0));
    read_ids(log, 6, 20, &event);
    chat_kafka_free(kafka);
}

/* Both are driven until an event of this type comes to `log`. */
static void until(const chat_log *log, const chat_log *other, chat_log_event_type type,
                  chat_log_event *out)
{
    chat_log_event ignored;
    uint64_t until_ms = rig_now_ms() + RIG_WAIT_MS;
    while (rig_next(log, out, 20) != CHAT_OK || out->type != type) {
        if (rig_now_ms() > until_ms)
            fail_msg("no event of type %d in %d ms", (int)type, RIG_WAIT_MS);
        while (other != NULL && rig_next(other, &ignored, 0) == CHAT_OK)
            continue;
    }
}

static void partitions_move_with_their_positions(void **state)
{
    chat_kafka_options options = fresh("move", 2);
    char chat[] = "b";
    chat_log_event event;
    (void)state;
    while (chat_partition_of(chat__view_str(chat), 2) == chat_partition_of(chat__view_str("a"), 2))
        chat[0]++;
    put(&options, "a", 1, 10);
    put(&options, chat, 101, 110);
    chat_kafka *first = open_reader(&options);
    const chat_log *log = chat_kafka_table(first);
    for (int i = 0; i < 20; i++) {
        rig_until(log, CHAT_LOG_EVENT_RECORD, &event);
        assert_int_equal(CHAT_OK, log->commit(log->ctx, event.partition, event.offset, event.seq));
    }
    chat_kafka *second = open_reader(&options);
    const chat_log *other = chat_kafka_table(second);
    until(log, other, CHAT_LOG_EVENT_REVOKED, &event);
    uint32_t moved = event.partition;
    until(other, log, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(moved, event.partition);
    assert_int_equal(10, event.offset);
    assert_true(event.seq == 10 || event.seq == 110);
    assert_int_equal(CHAT_ERR_STATE, log->commit(log->ctx, moved, 9, 1));
    chat_kafka_free(second);
    until(log, NULL, CHAT_LOG_EVENT_ASSIGNED, &event);
    assert_int_equal(moved, event.partition);
    assert_int_equal(10, event.offset);
    chat_kafka_free(first);
}

/* --- survive --- */

typedef struct seen {
    uint64_t seq[N_RECORDS + 1]; /* by id; 0: not read */
    uint64_t last_id[N_CHATS];
    uint64_t last_seq[N_PARTITIONS];
    uint32_t n;
} seen;

static seen groups_[2];
static uint8_t acked_[N_RECORDS + 1];
static uint32_t n_acked_, n_failed_;

/* Two producers in turn; odd ids are of one, even of the other, chats are of one. Every 50th is
   appended twice. */
static void produce(const chat_log *log, uint64_t *next, uint32_t stride)
{
    char chat[16];
    while (*next <= N_RECORDS) {
        snprintf(chat, sizeof chat, "chat%u", (unsigned)(*next % N_CHATS));
        if (rig_append(log, chat, *next) != CHAT_OK)
            return;
        if (*next % 50 < 2 && rig_append(log, chat, *next) != CHAT_OK)
            (void)0; /* it is only once in the log, which is as good */
        *next += stride;
    }
}

static void take_answers(const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    log->process(log->ctx);
    while (log->next_event(log->ctx, &event) == CHAT_OK) {
        if (event.type != CHAT_LOG_EVENT_APPENDED)
            continue;
        n_failed_ += event.status != CHAT_OK;
        n_acked_ += event.status == CHAT_OK && !acked_[event.tag];
        acked_[event.tag] |= event.status == CHAT_OK;
    }
}

static void wait_for(const chat_log *a, const chat_log *b)
{
    struct pollfd fds[2] = {{.fd = a->fd(a->ctx), .events = POLLIN}};
    if (b != NULL)
        fds[1] = (struct pollfd){.fd = b->fd(b->ctx), .events = POLLIN};
    (void)poll(fds, b == NULL ? 1 : 2, 1000);
}

static void produce_all(chat_kafka_options options)
{
    uint64_t odd = 1, even = 2, until_ms = rig_now_ms() + 180000;
    int is_told = 0;
    options.group = NULL;
    options.max_waiting_bytes = 400000;
    options.delivery_timeout_ms = 120000;
    chat_kafka *one = rig_open(&options), *two = rig_open(&options);
    const chat_log *a = chat_kafka_table(one), *b = chat_kafka_table(two);
    while (n_acked_ < N_RECORDS && rig_now_ms() < until_ms) {
        produce(a, &odd, 2);
        produce(b, &even, 2);
        wait_for(a, b);
        take_answers(a);
        take_answers(b);
        if (!is_told && n_acked_ > N_RECORDS / 3) {
            is_told = 1;
            printf("now\n");
            fflush(stdout);
        }
    }
    chat_kafka_free(one);
    chat_kafka_free(two);
}

static void see(seen *group, const chat_log_event *event)
{
    uint64_t id = event->record.id;
    uint32_t chat = (uint32_t)(id % N_CHATS);
    if (group->seq[id] != 0)
        fail_msg("id %llu came twice", (unsigned long long)id);
    assert_true(id > group->last_id[chat]);
    assert_true(event->seq > group->last_seq[event->partition]);
    group->last_id[chat] = id;
    group->last_seq[event->partition] = event->seq;
    group->seq[id] = event->seq;
    group->n++;
}

/* Read up to `n` records in all, then commit everything. */
static void read_to(chat_kafka_options options, seen *group, uint32_t n)
{
    static struct at {
        uint64_t offset, seq;
        int is_read;
    } at[N_PARTITIONS];
    chat_log_event event;
    memset(at, 0, sizeof at);
    options.read_only = 1;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    while (group->n < n && rig_next(log, &event, RIG_WAIT_MS) == CHAT_OK) {
        if (event.type != CHAT_LOG_EVENT_RECORD)
            continue;
        see(group, &event);
        at[event.partition] = (struct at){event.offset, event.seq, 1};
    }
    for (uint32_t i = 0; i < N_PARTITIONS; i++)
        if (at[i].is_read)
            assert_int_equal(CHAT_OK, log->commit(log->ctx, i, at[i].offset, at[i].seq));
    chat_kafka_free(kafka); /* sends them */
}

static void nothing_acknowledged_is_lost(void **state)
{
    chat_kafka_options options = fresh("survive", N_PARTITIONS);
    (void)state;
    produce_all(options);
    printf("acknowledged %u, failed %u\n", n_acked_, n_failed_);
    assert_int_equal(N_RECORDS, n_acked_);
    read_to(options, &groups_[0], N_RECORDS);
    options.group = "delivery";
    read_to(options, &groups_[1], N_RECORDS / 3);
    read_to(options, &groups_[1], N_RECORDS / 2);
    read_to(options, &groups_[1], N_RECORDS);
    assert_int_equal(N_RECORDS, groups_[0].n);
    assert_int_equal(N_RECORDS, groups_[1].n);
    for (uint64_t id = 1; id <= N_RECORDS; id++)
        assert_int_equal(groups_[0].seq[id], groups_[1].seq[id]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest rules[] = {
        cmocka_unit_test(wrong_settings_name_the_option),
        cmocka_unit_test(a_topic_gets_more_partitions_and_never_fewer),
        cmocka_unit_test(a_position_keeps_the_seq_and_what_was_seen),
        cmocka_unit_test(who_pauses_gets_nothing_until_he_goes_on),
        cmocka_unit_test(partitions_move_with_their_positions),
    };
    const struct CMUnitTest survive[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};
    if (argc > 1 && strcmp(argv[1], "survive") == 0)
        return cmocka_run_group_tests(survive, NULL, NULL);
    return cmocka_run_group_tests(rules, NULL, NULL);
}
