/* SPDX-License-Identifier: MIT */
/*
 * The contract of a log on a real Kafka, CHAT_KAFKA=host:port,..., and writers that do not know of
 * each other. Without a word: the contract. `fences`: two writers that fence each other in turns,
 * while somebody kills a broker, told by the line "now". `zombie TOPIC`, `successor TOPIC` and
 * `judge TOPIC`: three processes, of which the first is frozen for a while.
 */
#include "contract/log.h"
#include "unit/kafka/rig.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char topic_[64];

/* On one broker there is one copy, on three as a real topic has it. */
static chat_kafka_options options_of(const char *topic, const char *group, uint32_t partitions)
{
    const char *where = getenv("CHAT_KAFKA");
    assert_non_null(where);
    chat_kafka_options options = rig_options(where, topic, group);
    options.replication = strchr(where, ',') != NULL ? 3 : 1;
    options.min_in_sync = strchr(where, ',') != NULL ? 2 : 1;
    options.create_topic = 1;
    options.partitions = partitions;
    options.delivery_timeout_ms = 120000;
    return options;
}

/* --- the contract --- */

static const chat_log *open_it(void *ctx, const char *group, int is_assigned)
{
    chat_kafka_options options = options_of(topic_, NULL, LOG_PARTITIONS);
    char name[96];
    (void)ctx;
    snprintf(name, sizeof name, "%s-%s", topic_, group == NULL ? "" : group);
    options.group = group == NULL ? NULL : name;
    options.is_assigned = (uint32_t)is_assigned;
    options.window_records = LOG_WINDOW;
    return chat_kafka_table(rig_open(&options));
}

static void close_it(void *ctx, const chat_log *log)
{
    (void)ctx;
    chat_kafka_free(log->ctx);
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_here(void **state)                                                          \
    {                                                                                              \
        const log_world world = {NULL, open_it, close_it};                                         \
        (void)state;                                                                               \
        snprintf(topic_, sizeof topic_, "%.40s-%d", #name, (int)getpid());                         \
        name(&world);                                                                              \
    }
LOG_CONTRACT(CONTRACT_TEST)

/* --- one partition, with terms --- */

static chat_kafka *open_one(const char *group)
{
    chat_kafka_options options = options_of(topic_, group, 1);
    const uint32_t all[] = {0};
    options.is_assigned = group != NULL;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    if (group != NULL)
        assert_int_equal(CHAT_OK, log->assign(log->ctx, all, 1));
    return kafka;
}

static chat_status append(const chat_log *log, uint64_t id, uint64_t term)
{
    chat_log_record record = {.struct_size = sizeof record, .id = id, .kind = 3, .term = term};
    record.chat = chat__view_str("chat");
    record.payload = chat__view_str("some words that somebody has written");
    return log->append(log->ctx, id, &record);
}

/* What a reader makes of an offset. */
typedef struct told {
    uint64_t type, id, seq, term; /* no holes: they are compared as bytes */
} told;

#define MAX_OFFSETS (1u << 20)

static told told_[2][MAX_OFFSETS];

static int tell(told *to, const chat_log_event *event)
{
    if (event->type != CHAT_LOG_EVENT_RECORD && event->type != CHAT_LOG_EVENT_FENCED &&
        event->type != CHAT_LOG_EVENT_VOID)
        return 0;
    assert_true(event->offset < MAX_OFFSETS);
    to[event->offset] =
        (told){event->type, event->type == CHAT_LOG_EVENT_RECORD ? event->record.id : event->id,
               event->seq, event->term};
    return 1;
}

/* Up to `end`; every `stride` events from a position that was committed. */
static void read_all(const char *group, told *to, uint64_t end, uint32_t stride)
{
    chat_log_event event;
    for (uint64_t next = 0; next < end;) {
        chat_kafka *kafka = open_one(group);
        const chat_log *log = chat_kafka_table(kafka);
        for (uint32_t n = 0; n < stride && next < end;) {
            assert_int_equal(CHAT_OK, rig_next(log, &event, RIG_WAIT_MS));
            if (event.type == CHAT_LOG_EVENT_ASSIGNED)
                assert_true(event.offset == next);
            if (!tell(to, &event))
                continue;
            assert_int_equal(CHAT_OK, log->commit(log->ctx, 0, event.offset, event.seq));
            next = event.offset + 1;
            n++;
        }
        chat_kafka_free(kafka);
    }
}

/* --- fences --- */

#define N_TURNS    40u
#define N_ACTIVE   300u /* records of a turn, by who has it */
#define N_ZOMBIE   60u  /* by who has lost it, on each side of the fence */
#define MAX_WRITES (N_TURNS * (N_ACTIVE + 2 * N_ZOMBIE + 1) + 1)

typedef struct written {
    uint64_t term, offset;
    uint8_t is_fence, is_answered, is_failed;
} written;

static written writes_[MAX_WRITES];
static uint32_t n_writes_ = 1, n_answers_, n_failed_;
static chat_kafka *writers_[2], *reads_;
static uint64_t term_; /* as the reader knows it */

static void take_answers(const chat_log *log)
{
    chat_log_event event = {.struct_size = sizeof event};
    log->process(log->ctx);
    while (log->next_event(log->ctx, &event) == CHAT_OK) {
        if (event.type != CHAT_LOG_EVENT_APPENDED)
            continue;
        written *write = &writes_[event.tag];
        write->is_answered = event.status == CHAT_OK;
        write->is_failed = event.status != CHAT_OK;
        write->offset = event.offset;
        n_failed_ += event.status != CHAT_OK;
        n_answers_++;
    }
}

static void turn_all(void)
{
    chat_log_event event;
    take_answers(chat_kafka_table(writers_[0]));
    take_answers(chat_kafka_table(writers_[1]));
    while (rig_next(chat_kafka_table(reads_), &event, 1) == CHAT_OK)
        if (event.type == CHAT_LOG_EVENT_FENCED)
            term_ = event.term;
}

static void write_some(uint32_t who, uint64_t term, uint32_t n)
{
    const chat_log *log = chat_kafka_table(writers_[who]);
    for (uint32_t i = 0; i < n; i++) {
        writes_[n_writes_].term = term;
        while (append(log, n_writes_, term) != CHAT_OK)
            turn_all();
        n_writes_++;
        if (i % 16 == 0)
            turn_all();
    }
}

/* As a server does it: fence, read up to the fence, write. The other one never knows. */
static void take_turn(uint32_t who, uint64_t term)
{
    const chat_log *log = chat_kafka_table(writers_[who]);
    uint64_t until_ms = rig_now_ms() + 120000;
    write_some(1 - who, term - 1, N_ZOMBIE);
    writes_[n_writes_] = (written){.term = term, .is_fence = 1};
    while (log->fence(log->ctx, n_writes_, 0, term) != CHAT_OK)
        turn_all();
    n_writes_++;
    while (term_ != term) {
        turn_all();
        assert_true(rig_now_ms() < until_ms);
    }
    write_some(1 - who, term - 1, N_ZOMBIE);
    write_some(who, term, N_ACTIVE);
}

/* By offset, of what was answered: the term that is current there. */
static void judge_answers(const told *seen, uint64_t end)
{
    static uint32_t at[MAX_OFFSETS];
    uint64_t term = 0;
    uint32_t n_counting = 0, n_void = 0;
    for (uint32_t i = 1; i < n_writes_; i++)
        if (writes_[i].is_answered)
            at[writes_[i].offset] = i;
    for (uint64_t offset = 0; offset < end; offset++) {
        const written *write = &writes_[at[offset]];
        if (at[offset] == 0) { /* not answered, or written twice: the log says what it is */
            term = seen[offset].type == CHAT_LOG_EVENT_FENCED ? seen[offset].term : term;
            continue;
        }
        chat_log_event_type type = write->is_fence       ? CHAT_LOG_EVENT_FENCED
                                   : write->term == term ? CHAT_LOG_EVENT_RECORD
                                                         : CHAT_LOG_EVENT_VOID;
        term = write->is_fence ? write->term : term;
        assert_int_equal(type, seen[offset].type);
        assert_true(write->is_fence || seen[offset].id == at[offset]);
        n_counting += type == CHAT_LOG_EVENT_RECORD;
        n_void += type == CHAT_LOG_EVENT_VOID;
    }
    printf("written %u, failed %u, count %u, void %u\n", n_writes_ - 1, n_failed_, n_counting,
           n_void);
    assert_int_equal(0, n_failed_);
    assert_true(n_counting > N_TURNS && n_void > N_TURNS); /* who is overtaken is not told */
}

static uint64_t end_of(void)
{
    uint64_t end = 0;
    for (uint32_t i = 1; i < n_writes_; i++)
        if (writes_[i].is_answered && writes_[i].offset >= end)
            end = writes_[i].offset + 1;
    return end;
}

static void two_writers_fence_each_other(void **state)
{
    (void)state;
    snprintf(topic_, sizeof topic_, "fences-%d", (int)getpid());
    writers_[0] = open_one(NULL);
    writers_[1] = open_one(NULL);
    reads_ = open_one("watch");
    for (uint64_t term = 1; term <= N_TURNS; term++) {
        take_turn((uint32_t)(term % 2), term);
        if (term == N_TURNS / 4) {
            printf("now\n");
            fflush(stdout);
        }
        if (term % 4 == 0) /* the next turns are still to come when the broker dies */
            usleep(200000);
    }
    uint64_t until_ms = rig_now_ms() + 180000;
    while (n_answers_ < n_writes_ - 1 && rig_now_ms() < until_ms)
        turn_all();
    assert_int_equal(n_writes_ - 1, n_answers_);
    chat_kafka_free(writers_[0]);
    chat_kafka_free(writers_[1]);
    chat_kafka_free(reads_);
    uint64_t end = end_of();
    read_all("whole", told_[0], end, UINT32_MAX);
    read_all("parts", told_[1], end, 1999);
    assert_memory_equal(told_[0], told_[1], end * sizeof *told_[0]);
    judge_answers(told_[0], end);
}

/* --- a process that is frozen --- */

/* Writes with term 1 until it reads that it is over. */
static void zombie(void **state)
{
    chat_log_event event;
    uint64_t id = 1, n_void = 0;
    int is_told = 0;
    (void)state;
    chat_kafka *kafka = open_one("zombie");
    const chat_log *log = chat_kafka_table(kafka);
    assert_int_equal(CHAT_OK, log->fence(log->ctx, 0, 0, 1));
    while (n_void == 0) {
        for (int i = 0; i < 20 && append(log, id, 1) == CHAT_OK; i++)
            id++;
        while (rig_next(log, &event, 2) == CHAT_OK && n_void == 0) {
            if (!is_told && event.type == CHAT_LOG_EVENT_RECORD && event.record.id > 1000) {
                printf("running\n");
                fflush(stdout);
                is_told = 1;
            }
            n_void += event.type == CHAT_LOG_EVENT_VOID && event.term == 1;
        }
    }
    printf("void: %llu at %llu\n", (unsigned long long)event.id, (unsigned long long)event.offset);
    chat_kafka_free(kafka);
}

static void successor(void **state)
{
    chat_log_event event;
    uint64_t n = 0, fence = 0;
    (void)state;
    chat_kafka *kafka = open_one("successor");
    const chat_log *log = chat_kafka_table(kafka);
    assert_int_equal(CHAT_OK, log->fence(log->ctx, 0, 0, 2));
    do {
        assert_int_equal(CHAT_OK, rig_next(log, &event, RIG_WAIT_MS));
        n += event.type == CHAT_LOG_EVENT_RECORD;
        fence = event.type == CHAT_LOG_EVENT_FENCED ? event.term : fence;
    } while (fence != 2);
    printf("fenced at %llu behind %llu\n", (unsigned long long)event.offset, (unsigned long long)n);
    for (uint64_t id = 1000001; id <= 1000100; id++)
        assert_int_equal(CHAT_OK, append(log, id, 2));
    for (uint64_t id = 1000001; id <= 1000100; id++) {
        rig_until(log, CHAT_LOG_EVENT_RECORD, &event);
        assert_int_equal(id, event.record.id);
    }
    chat_kafka_free(kafka);
}

static void judge(void **state)
{
    uint64_t end = 0, counts[3] = {0, 0, 0}, n_void = 0, term = 0;
    (void)state;
    chat_kafka *kafka = open_one(NULL);
    const chat_log *log = chat_kafka_table(kafka);
    chat_log_event event;
    assert_int_equal(CHAT_OK, append(log, 2000000, 2));
    rig_until(log, CHAT_LOG_EVENT_APPENDED, &event);
    end = event.offset + 1;
    chat_kafka_free(kafka);
    read_all("whole", told_[0], end, UINT32_MAX);
    read_all("parts", told_[1], end, 997);
    assert_memory_equal(told_[0], told_[1], end * sizeof *told_[0]);
    for (uint64_t i = 0; i < end; i++) {
        const told *at = &told_[0][i];
        term = at->type == CHAT_LOG_EVENT_FENCED ? at->term : term;
        assert_true(at->type != CHAT_LOG_EVENT_RECORD || at->term == term);
        counts[at->term] += at->type == CHAT_LOG_EVENT_RECORD;
        n_void += at->type == CHAT_LOG_EVENT_VOID;
    }
    printf("term 1: %llu, term 2: %llu, void: %llu\n", (unsigned long long)counts[1],
           (unsigned long long)counts[2], (unsigned long long)n_void);
    assert_true(counts[1] > 1000 && counts[2] == 101 && n_void > 0);
}

int main(int argc, char **argv)
{
#define CONTRACT_ROW(name) cmocka_unit_test(name##_here),
    const struct CMUnitTest contract[] = {LOG_CONTRACT(CONTRACT_ROW)};
    const struct {
        const char *word;
        const struct CMUnitTest test;
    } rows[] = {{"fences", cmocka_unit_test(two_writers_fence_each_other)},
                {"zombie", cmocka_unit_test(zombie)},
                {"successor", cmocka_unit_test(successor)},
                {"judge", cmocka_unit_test(judge)}};
    if (argc > 2)
        snprintf(topic_, sizeof topic_, "%s", argv[2]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && argc > 1; i++)
        if (strcmp(argv[1], rows[i].word) == 0) {
            const struct CMUnitTest one[] = {rows[i].test};
            return cmocka_run_group_tests(one, NULL, NULL);
        }
    return cmocka_run_group_tests(contract, NULL, NULL);
}
