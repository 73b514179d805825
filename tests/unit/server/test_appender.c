/* SPDX-License-Identifier: MIT */
/* A server takes over a log that others have written, with as many partitions or with fewer: the
   log is a script that has fences, and no records. */
#include "small.h"
#include "unit.h"

#include "server/appender.h"
#include "store/store.h"
#include "store/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_PARTITIONS 64u
#define MAX_EVENTS     1024u
#define LONG_AGO       UINT64_C(1000)
#define FAR_AHEAD      UINT64_C(0xf0000000)

typedef struct row {
    const char *name;
    uint32_t partitions, slots;
    uint32_t before; /* partitions that the position's term tells of; 0: none */
    uint32_t on_way; /* those of a fence behind the position; 0: none */
    uint64_t second; /* in both */
    chat_status status;
    const char *words; /* of what is said */
    uint32_t n_unsure; /* fences of which it is not known whether they are in the log */
} row;

static const row ROWS[] = {
    {"new", 16, 8, 0, 0, 0, CHAT_OK, "", 0},
    {"as before", 16, 8, 16, 0, LONG_AGO, CHAT_OK, "", 0},
    {"by a clock that was ahead", 16, 8, 16, 0, FAR_AHEAD, CHAT_OK, "", 0},
    {"fenced by a clock that was ahead", 16, 8, 0, 16, FAR_AHEAD, CHAT_OK, "", 0},
    {"twice as many", 32, 8, 16, 0, LONG_AGO, CHAT_OK, "", 0},
    {"twice as many, and the clock was ahead", 32, 8, 16, 0, FAR_AHEAD, CHAT_OK, "", 0},
    {"twice as many, by a fence", 32, 8, 0, 16, LONG_AGO, CHAT_OK, "", 0},
    {"half as many more", 24, 8, 16, 0, LONG_AGO, CHAT_OK, "", 0},
    {"fewer", 16, 8, 32, 0, LONG_AGO, CHAT_ERR_ARG, "set partitions to 32", 0},
    {"fewer, by a fence", 16, 8, 0, 32, LONG_AGO, CHAT_ERR_ARG, "set partitions to 32", 0},
    {"fewer, by a fence behind an own one", 16, 8, 16, 32, LONG_AGO, CHAT_ERR_ARG,
     "set partitions to 32", 0},
    {"slots do not divide the new count", 32, 6, 18, 0, LONG_AGO, CHAT_ERR_ARG, "divides 18 and",
     0},
    {"slots do not divide the old count", 48, 12, 16, 0, LONG_AGO, CHAT_ERR_ARG, "divides 16 and",
     0},
    {"slots divide neither, but it is as before", 16, 6, 16, 0, LONG_AGO, CHAT_OK, "", 0},
    {"a topic that some brokers do not know yet", 16, 8, 0, 0, 0, CHAT_OK, "", 20},
    {"a server alone", 32, 0, 16, 0, LONG_AGO, CHAT_OK, "", 0},
    {"a server alone with fewer", 16, 0, 32, 0, LONG_AGO, CHAT_ERR_ARG, "set partitions to 32", 0},
};

typedef struct script {
    const row *row;
    small place;
    char said[4096];
    pthread_mutex_t mutex;
    int fd;
    uint64_t now[MAX_PARTITIONS]; /* the current term */
    uint64_t fenced[MAX_PARTITIONS];
    uint8_t is_read[MAX_PARTITIONS];
    uint32_t n_unsure;
    atomic_uint taken; /* another server takes the partition before this one; 0: none */
    chat_log_event events[MAX_EVENTS];
    size_t n_events, next_event;
    chat__store *store;
    chat__store_table *table;
} script;

static uint64_t term_of(const script *self, uint32_t count)
{
    return count == 0 ? 0 : (uint64_t)(count - 1) << 48 | self->row->second << 16 | 7;
}

static void tell(script *self, chat_log_event_type type, uint32_t partition, uint64_t term)
{
    assert_true(self->n_events < MAX_EVENTS);
    self->events[self->n_events++] = (chat_log_event){
        .struct_size = sizeof(chat_log_event), .type = type, .partition = partition, .term = term};
    (void)eventfd_write(self->fd, 1);
}

static void tell_fence(script *self, uint32_t partition, uint64_t term)
{
    int counts = term > self->now[partition];
    if (counts)
        self->now[partition] = term;
    tell(self, counts ? CHAT_LOG_EVENT_FENCED : CHAT_LOG_EVENT_VOID, partition, term);
}

static int on_fd(void *ctx)
{
    return ((const script *)ctx)->fd;
}

static chat_status on_append(void *ctx, uint64_t tag, const chat_log_record *record)
{
    (void)ctx;
    (void)tag;
    (void)record;
    return CHAT_ERR_IO;
}

static void on_process(void *ctx)
{
    script *self = ctx;
    eventfd_t count;
    (void)eventfd_read(self->fd, &count);
    uint32_t taken = atomic_exchange(&self->taken, 0);
    if (taken > 0)
        tell(self, CHAT_LOG_EVENT_LOST, taken - 1, 0);
}

static chat_status on_next_event(void *ctx, chat_log_event *out)
{
    script *self = ctx;
    if (self->next_event == self->n_events)
        return CHAT_EMPTY;
    *out = self->events[self->next_event++];
    return CHAT_OK;
}

static chat_status on_commit(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq)
{
    (void)ctx;
    (void)partition;
    (void)offset;
    (void)seq;
    return CHAT_OK;
}

static chat_status on_pause(void *ctx, uint32_t partition, int is_paused)
{
    (void)ctx;
    (void)partition;
    (void)is_paused;
    return CHAT_OK;
}

static chat_status on_assign(void *ctx, const uint32_t *partitions, size_t n)
{
    script *self = ctx;
    uint8_t was_read[MAX_PARTITIONS];
    memcpy(was_read, self->is_read, sizeof was_read);
    memset(self->is_read, 0, sizeof self->is_read);
    for (size_t i = 0; i < n; i++) {
        uint32_t partition = partitions[i];
        self->is_read[partition] = 1;
        if (was_read[partition])
            continue;
        self->now[partition] = term_of(self, self->row->before);
        tell(self, CHAT_LOG_EVENT_ASSIGNED, partition, self->now[partition]);
        if (self->row->on_way != 0)
            tell_fence(self, partition, term_of(self, self->row->on_way));
    }
    return CHAT_OK;
}

static chat_status on_fence(void *ctx, uint64_t tag, uint32_t partition, uint64_t term)
{
    script *self = ctx;
    if (self->n_unsure < self->row->n_unsure) {
        /* Refused at once, or later, when it may be there all the same. */
        int is_refused = self->n_unsure++ % 2 == 0;
        if (is_refused)
            return CHAT_ERR_NOT_FOUND;
        tell(self, CHAT_LOG_EVENT_APPENDED, partition, 0);
        self->events[self->n_events - 1].tag = tag;
        self->events[self->n_events - 1].status = CHAT_ERR_NOT_FOUND;
        if (self->n_unsure % 4 != 0)
            return CHAT_OK;
    }
    self->fenced[partition] = term;
    tell_fence(self, partition, term);
    return CHAT_OK;
}

static void listen_to(void *ctx, chat_log_level level, const char *line)
{
    script *self = ctx;
    if (level > CHAT_LOG_WARN)
        return;
    pthread_mutex_lock(&self->mutex);
    strncat(self->said, line, sizeof self->said - strlen(self->said) - 1);
    pthread_mutex_unlock(&self->mutex);
}

static int set_up(void **state)
{
    script *self = calloc(1, sizeof *self);
    chat__store_report report;
    chat__store_options store;
    if (self == NULL)
        return -1;
    self->row = *state;
    *state = self;
    pthread_mutex_init(&self->mutex, NULL);
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->fd < 0 || small_make(&self->place) != 0 || small_secret(&self->place) != 0)
        return -1;
    chat__store_options_init(&store);
    store.dir = self->place.data;
    store.n_partitions = self->row->partitions;
    return chat__store_open(&store, &report, &self->store) == CHAT_OK &&
                   chat__store_table_new(self->store, 0, &self->table) == CHAT_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    script *self = *state;
    chat__store_table_free(self->table);
    chat__store_close(self->store);
    small_remove(&self->place);
    pthread_mutex_destroy(&self->mutex);
    close(self->fd);
    free(self);
    return 0;
}

static void set_options(script *self, chat_server_options *to)
{
    small_options(&self->place, to);
    to->shards = 3;
    to->partitions = self->row->partitions;
    to->log = (chat_log_sink){self, listen_to};
    to->slots = self->row->slots;
    if (to->slots == 0)
        return;
    to->link_listen = "127.0.0.1:0";
    to->link_peers = "1@127.0.0.1:1";
    to->link_secret_file = self->place.secret;
}

/* What stands in the log behind it: terms that are higher, and say how many partitions there are.
 */
static void expect_terms(const script *self)
{
    uint32_t n_read = 0;
    for (uint32_t i = 0; i < self->row->partitions; i++) {
        n_read += self->is_read[i];
        if (!self->is_read[i])
            continue;
        assert_true(self->fenced[i] == self->now[i]);
        assert_true(self->fenced[i] > term_of(self, self->row->before));
        assert_true(self->fenced[i] > term_of(self, self->row->on_way));
        assert_int_equal(self->row->partitions - 1, self->fenced[i] >> 48);
    }
    assert_true(n_read >= self->row->partitions / 2);
}

static chat_status make_server(script *self, chat_server **out)
{
    chat_server_options options;
    const chat_log log = {sizeof log, self->row->partitions, self,      on_fd,    on_append,
                          on_process, on_next_event,         on_commit, on_pause, on_assign,
                          on_fence};
    set_options(self, &options);
    options.record_log = &log;
    options.store = chat__store_table_of(self->table);
    return chat_server_new(&options, out);
}

static void it_takes_the_log_over_or_says_why_not(void **state)
{
    script *self = *state;
    chat_server *server = NULL;
    assert_int_equal(self->row->status, make_server(self, &server));
    if (strstr(self->said, self->row->words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", self->row->words, self->said);
    if (self->row->status == CHAT_OK)
        expect_terms(self);
    for (uint32_t i = 0; self->row->status != CHAT_OK && i < self->row->partitions; i++)
        assert_true(self->fenced[i] <
                    term_of(self, self->row->on_way > 0 ? self->row->on_way : self->row->before));
    chat_server_free(server);
}

static int has_said(script *self, const char *words)
{
    pthread_mutex_lock(&self->mutex);
    int is_there = strstr(self->said, words) != NULL;
    pthread_mutex_unlock(&self->mutex);
    return is_there;
}

/* The log says anew where to read from: it was told that the slot was left. */
static void what_another_server_took_is_taken_back(void **state)
{
    script *self = *state;
    chat_server *server = NULL;
    uint64_t max_id;
    assert_int_equal(CHAT_OK, make_server(self, &server));
    uint32_t partition = 0;
    while (!self->is_read[partition])
        partition++;
    uint64_t before = self->fenced[partition];
    atomic_store(&self->taken, partition + 1);
    (void)eventfd_write(self->fd, 1);
    for (int i = 0; i < 10000 && !has_said(self, "was taken over"); i++)
        usleep(1000);
    assert_true(has_said(self, "was taken over"));
    chat__appender_close(server->appender, partition % self->row->slots);
    chat__appender_open(server->appender, partition % self->row->slots);
    assert_int_equal(CHAT_OK, chat__appender_wait(server->appender, 10000, &max_id));
    assert_true(self->fenced[partition] > before);
    chat_server_free(server);
}

int main(void)
{
    struct CMUnitTest tests[sizeof ROWS / sizeof *ROWS + 1];
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        tests[i] = (struct CMUnitTest){ROWS[i].name, it_takes_the_log_over_or_says_why_not, set_up,
                                       tear_down, (void *)(uintptr_t)&ROWS[i]};
    tests[sizeof ROWS / sizeof *ROWS] = (struct CMUnitTest)cmocka_unit_test_prestate_setup_teardown(
        what_another_server_took_is_taken_back, set_up, tear_down, (void *)(uintptr_t)&ROWS[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
