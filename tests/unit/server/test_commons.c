/* SPDX-License-Identifier: MIT */
/* Between the shards and what servers share in memory, which is slow, fails, or has lost all. */
#include "unit.h"
#include "commons.h"
#include "recent.h"
#include "small.h"
#include "base/view.h"

#include <chat/testing_shared.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_ASKS 256u

/* What is shared, with a look at what is asked, and a server for it that does not run. */
typedef struct script {
    small place;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    chat_test_shared *shared;
    const chat_shared *real;
    chat_shared table;
    chat_server *server;
    int fd;
    chat_shared_event_type event; /* to be told next, 0: none */
    char asks[MAX_ASKS][64];
    size_t n_asks;
} script;

static int on_fd(void *ctx)
{
    script *self = ctx;
    return self->fd;
}

static uint64_t on_deadline(void *ctx)
{
    script *self = ctx;
    pthread_mutex_lock(&self->mutex);
    uint64_t at = self->event != 0 ? 0 : self->real->deadline(self->real->ctx);
    pthread_mutex_unlock(&self->mutex);
    return at;
}

static chat_status on_ask(void *ctx, const chat_shared_ask *ask, uint64_t now_ms)
{
    static const char *const names[] = {
        [CHAT_SHARED_ONLINE] = "online",   [CHAT_SHARED_OFFLINE] = "offline",
        [CHAT_SHARED_WHO] = "who",         [CHAT_SHARED_TAKE] = "take",
        [CHAT_SHARED_RECENT_PUT] = "keep", [CHAT_SHARED_RECENT_READ] = "recent",
        [CHAT_SHARED_RECENT_CUT] = "cut"};
    script *self = ctx;
    pthread_mutex_lock(&self->mutex);
    chat_status status = self->real->ask(self->real->ctx, ask, now_ms);
    if (self->n_asks < MAX_ASKS)
        snprintf(self->asks[self->n_asks++], sizeof self->asks[0], "%s %.*s/%.*s", names[ask->op],
                 (int)ask->owner.len, ask->owner.len ? (const char *)ask->owner.data : "",
                 (int)ask->name.len, ask->name.len ? (const char *)ask->name.data : "");
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    return status;
}

static void on_process(void *ctx, uint64_t now_ms)
{
    script *self = ctx;
    uint64_t count;
    pthread_mutex_lock(&self->mutex);
    ssize_t ignored = read(self->fd, &count, sizeof count);
    (void)ignored;
    self->real->process(self->real->ctx, now_ms);
    pthread_mutex_unlock(&self->mutex);
}

static chat_status on_next_event(void *ctx, chat_shared_event *out)
{
    script *self = ctx;
    chat_status status = CHAT_OK;
    pthread_mutex_lock(&self->mutex);
    if (self->event != 0) {
        *out = (chat_shared_event){.struct_size = sizeof *out,
                                   .type = self->event,
                                   .status = CHAT_ERR_NETWORK,
                                   .text = "somebody has pulled the plug"};
        self->event = 0;
    } else {
        status = self->real->next_event(self->real->ctx, out);
    }
    pthread_mutex_unlock(&self->mutex);
    return status;
}

/* Of a store that has a use for what is at hand; nobody calls it. */
static chat_status no_page(void *ctx, const chat_store_query *query, chat_store_recent *recent,
                           chat_store_row_fn fn, void *fn_ctx)
{
    return ctx && query && recent && fn && fn_ctx ? CHAT_ERR_ARG : CHAT_OK;
}

static chat_status make(script *self)
{
    chat_server_options options;
    chat_test_shared_options shared;
    small_options(&self->place, &options);
    chat_test_shared_options_init(&shared);
    options.shared = &self->table;
    options.redis_presence_ttl_s = 3;
    options.rate_handshakes = 10;
    if (chat_test_shared_new(&shared, &self->shared) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    self->real = chat_test_shared_table(self->shared);
    chat_status status = chat_server_new(&options, &self->server);
    if (status == CHAT_OK)
        self->server->store_table.read_recent = no_page;
    return status;
}

static int set_up(void **state)
{
    script *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -1;
    *state = self;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->fd = eventfd(0, EFD_NONBLOCK);
    self->table = (chat_shared){.struct_size = sizeof self->table,
                                .ctx = self,
                                .fd = on_fd,
                                .deadline = on_deadline,
                                .ask = on_ask,
                                .process = on_process,
                                .next_event = on_next_event};
    if (small_make(&self->place) != 0 || make(self) != CHAT_OK)
        return -1;
    return chat__commons_start(self->server) == CHAT_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    script *self = *state;
    chat__commons_stop(self->server);
    chat_server_free(self->server);
    chat_test_shared_free(self->shared);
    small_remove(&self->place);
    close(self->fd);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return 0;
}

/* --- steps --- */

static void wake(script *self)
{
    const uint64_t one = 1;
    assert_int_equal(write(self->fd, &one, sizeof one), sizeof one);
}

static void hold(script *self, int is_held)
{
    pthread_mutex_lock(&self->mutex);
    chat_test_shared_hold(self->shared, is_held);
    pthread_mutex_unlock(&self->mutex);
    wake(self);
}

static void fail_with(script *self, chat_status status)
{
    pthread_mutex_lock(&self->mutex);
    chat_test_shared_fail(self->shared, status);
    pthread_mutex_unlock(&self->mutex);
}

static void tell(script *self, chat_shared_event_type event)
{
    pthread_mutex_lock(&self->mutex);
    self->event = event;
    pthread_mutex_unlock(&self->mutex);
    wake(self);
}

static void say(script *self, int is_here, const char *device)
{
    chat__effect effect = {.type = CHAT__EFFECT_PRESENCE,
                           .kind = is_here != 0,
                           .user = chat__view_str("alice"),
                           .device = chat__view_str(device)};
    chat__commons_put(&self->server->shards[0], &effect);
    chat__commons_send(&self->server->shards[0]);
}

static size_t count_asks(const script *self, const char *ask)
{
    size_t n = 0;
    for (size_t i = 0; i < self->n_asks; i++)
        n += strcmp(self->asks[i], ask) == 0;
    return n;
}

static void await(script *self, const char *ask, size_t n)
{
    pthread_mutex_lock(&self->mutex);
    while (count_asks(self, ask) < n)
        pthread_cond_wait(&self->changed, &self->mutex);
    pthread_mutex_unlock(&self->mutex);
}

static size_t count(script *self, const char *ask)
{
    pthread_mutex_lock(&self->mutex);
    size_t n = count_asks(self, ask);
    pthread_mutex_unlock(&self->mutex);
    return n;
}

static void ask_who(script *self, const char *user)
{
    chat_view name = chat__view_str(user);
    chat__effect effect = {.type = CHAT__EFFECT_WHO, .conn = 7, .id = 9, .names = {&name, 1}};
    chat__commons_put(&self->server->shards[0], &effect);
    chat__commons_send(&self->server->shards[0]);
}

/* The mail with the answer; the last byte says whether the user is online. */
static chat_status await_answer(script *self, int *out_is_online)
{
    chat__batch *answer = NULL;
    while (answer == NULL) {
        answer = chat__mailbox_take(&self->server->shards[0].box);
        usleep(1000);
    }
    assert_int_equal(answer->kind, CHAT__MAIL_WHO);
    chat_status status = answer->status;
    *out_is_online = answer->bytes.data[answer->bytes.len - 1];
    atomic_fetch_sub(&self->server->n_mail, 1);
    chat__batch_free(&self->server->allocator, answer);
    return status;
}

static chat__commons_figures figures_of(const script *self)
{
    chat__commons_figures now;
    assert_int_equal(chat__commons_figures_get(self->server, &now), 1);
    return now;
}

/* --- tests --- */

static void devices_are_told_again_and_when_they_go(void **state)
{
    script *self = *state;
    int is_online;
    say(self, 1, "phone");
    await(self, "online alice/phone", 2);
    ask_who(self, "alice");
    assert_int_equal(await_answer(self, &is_online), CHAT_OK);
    assert_int_equal(is_online, 1);
    say(self, 0, "phone");
    await(self, "offline alice/phone", 1);
    ask_who(self, "alice");
    assert_int_equal(await_answer(self, &is_online), CHAT_OK);
    assert_int_equal(is_online, 0);
}

/* Two at the same time would be done in any order. */
static void one_ask_about_a_device_is_under_way(void **state)
{
    script *self = *state;
    hold(self, 1);
    say(self, 1, "phone");
    await(self, "online alice/phone", 1);
    say(self, 0, "phone");
    say(self, 1, "phone");
    say(self, 0, "phone");
    say(self, 1, "laptop"); /* another one waits for nothing */
    await(self, "online alice/laptop", 1);
    assert_int_equal(count(self, "offline alice/phone"), 0);
    hold(self, 0);
    await(self, "offline alice/phone", 1);
    assert_int_equal(count(self, "online alice/phone"), 1);
}

static void a_shard_takes_its_devices_with_it(void **state)
{
    script *self = *state;
    say(self, 1, "phone");
    say(self, 1, "laptop");
    await(self, "online alice/phone", 1);
    await(self, "online alice/laptop", 1);
    chat__commons_drop(&self->server->shards[0]);
    await(self, "offline alice/phone", 1);
    await(self, "offline alice/laptop", 1);
}

static void a_server_that_stops_says_that_all_are_away(void **state)
{
    script *self = *state;
    say(self, 1, "phone");
    await(self, "online alice/phone", 1);
    chat__commons_stop(self->server);
    assert_int_equal(count(self, "offline alice/phone"), 1);
    assert_int_equal(figures_of(self).n_devices, 0);
}

static void what_failed_is_told_again(void **state)
{
    script *self = *state;
    int is_online;
    fail_with(self, CHAT_ERR_TIMEOUT);
    say(self, 1, "phone");
    await(self, "online alice/phone", 1);
    ask_who(self, "alice");
    assert_int_not_equal(await_answer(self, &is_online), CHAT_OK);
    fail_with(self, CHAT_OK);
    await(self, "online alice/phone", 2);
    ask_who(self, "alice");
    assert_int_equal(await_answer(self, &is_online), CHAT_OK);
    assert_int_equal(is_online, 1);
    assert_true(figures_of(self).n_failed >= 2);
}

static void await_up(script *self, uint64_t is_up)
{
    while (figures_of(self).is_up != is_up)
        usleep(1000);
}

static void when_a_problem_is_over_all_is_told_anew(void **state)
{
    script *self = *state;
    int is_online;
    fail_with(self, CHAT_ERR_NETWORK);
    tell(self, CHAT_SHARED_EVENT_PROBLEM);
    await_up(self, 0);
    ask_who(self, "alice"); /* what is asked in vain is not asked twice */
    assert_int_not_equal(await_answer(self, &is_online), CHAT_OK);
    ask_who(self, "alice");
    assert_int_not_equal(await_answer(self, &is_online), CHAT_OK);
    assert_int_equal(count(self, "who /"), 1);
    say(self, 1, "phone");
    await(self, "online alice/phone", 1);
    fail_with(self, CHAT_OK);
    tell(self, CHAT_SHARED_EVENT_WELL);
    await_up(self, 1);
    await(self, "online alice/phone", 2);
}

static void handshakes_are_counted(void **state)
{
    script *self = *state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(0x0a000001)}};
    for (int i = 0; i < 3; i++)
        assert_true(chat__visitors_admit(self->server->visitors, (const struct sockaddr *)&in,
                                         chat__server_mono_ms()));
    await(self, "take handshakes:10.0.0.1/", 1);
}

/* --- newest records --- */

static chat_store_record record_of(uint64_t seq, const char *text)
{
    return (chat_store_record){.struct_size = sizeof(chat_store_record),
                               .id = seq - 1,
                               .seq = seq,
                               .prev = seq - 10,
                               .kind = CHAT_FRAME_MSG,
                               .chat = chat__view_str("team"),
                               .payload = chat__view_str(text)};
}

static chat__recent_ask *get_recent(script *self, uint32_t limit, chat_store_recent *out)
{
    chat__effect effect = {.type = CHAT__EFFECT_READ,
                           .chat = chat__view_str("team"),
                           .after = UINT64_MAX,
                           .before = UINT64_MAX,
                           .limit = limit};
    *out = (chat_store_recent){.rows = NULL};
    return chat__recent_get(self->server, &effect, out);
}

static void what_is_kept_is_at_hand(void **state)
{
    script *self = *state;
    chat_store_recent recent;
    chat_store_record records[] = {record_of(30, "c"), record_of(10, "a"), record_of(20, "")};
    chat__recent_keep(self->server, records, 3);
    await(self, "keep team/", 3);
    chat__recent_ask *ask = get_recent(self, 1, &recent);
    assert_int_equal(recent.n_rows, 2); /* one more than the page has */
    const chat_store_row *row = &recent.rows[0];
    assert_true(row->seq == 30 && row->prev == 20 && row->id == 29 && row->kind == CHAT_FRAME_MSG);
    assert_true(chat__view_equal(row->payload, chat__view_str("c")));
    assert_true(recent.rows[1].seq == 20 && recent.rows[1].payload.len == 0);
    chat__recent_release(ask);
    assert_null(get_recent(self, CHAT__RECENT_COUNT, &recent)); /* a longer page than can be */
}

static void a_deletion_takes_what_was_before_with_it(void **state)
{
    script *self = *state;
    chat_store_recent recent;
    uint8_t bytes[128];
    size_t len = 0;
    chat_frame note;
    chat_frame_init(&note, CHAT_FRAME_NOTE);
    CHAT_FRAME_SET(&note, WHAT, what, chat__view_str("delete"));
    CHAT_FRAME_SET(&note, CHAT, chat, chat__view_str("team"));
    CHAT_FRAME_SET(&note, FROM, from, chat__view_str("alice"));
    note.has |= CHAT_FIELD_BIT(CHAT_FIELD_KEY_ID) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_TS) |
                CHAT_FIELD_BIT(CHAT_FIELD_KEY_RE) | CHAT_FIELD_BIT(CHAT_FIELD_KEY_RE_SEQ);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, &note, bytes, sizeof bytes, &len), 0);
    chat_store_record records[] = {record_of(10, "a"), record_of(20, "b"), record_of(30, "")};
    records[2].kind = CHAT_FRAME_NOTE;
    records[2].payload = chat__view(bytes, len);
    chat__recent_keep(self->server, records, 3);
    await(self, "keep team/", 3);
    assert_int_equal(count(self, "cut team/"), 1);
    chat__recent_ask *ask = get_recent(self, 5, &recent);
    assert_int_equal(recent.n_rows, 1);
    assert_int_equal(recent.rows[0].seq, 30);
    chat__recent_release(ask);
}

static void nobody_waits_long_for_them(void **state)
{
    script *self = *state;
    chat_store_recent recent;
    hold(self, 1);
    uint64_t start_ms = chat__server_mono_ms();
    for (int i = 0; i < 100; i++)
        assert_null(get_recent(self, 5, &recent)); /* and not again at once */
    assert_true(chat__server_mono_ms() < start_ms + 1000);
    assert_int_equal(count(self, "recent team/"), 1);
    assert_int_equal(figures_of(self).n_misses, 1);
    hold(self, 0);
}

/* 2,000 at once; what is under way leaves room for others. */
static void they_leave_room_for_others(void **state)
{
    static chat_store_record records[2000];
    script *self = *state;
    int is_online;
    for (uint64_t i = 0; i < 2000; i++)
        records[i] = record_of(10 + 10 * i, "x");
    hold(self, 1);
    chat__recent_keep(self->server, records, 2000);
    await(self, "keep team/", 200);
    ask_who(self, "alice");
    hold(self, 0);
    assert_int_equal(await_answer(self, &is_online), CHAT_OK);
    while (figures_of(self).n_kept < 2000)
        usleep(1000);
    assert_int_equal(figures_of(self).n_shed, 0);
}

static void without_what_is_shared_they_are_shed(void **state)
{
    script *self = *state;
    chat_store_recent recent;
    chat_store_record record = record_of(10, "a");
    fail_with(self, CHAT_ERR_NETWORK);
    tell(self, CHAT_SHARED_EVENT_PROBLEM);
    await_up(self, 0);
    chat__recent_keep(self->server, &record, 1);
    assert_int_equal(figures_of(self).n_shed, 1);
    assert_null(get_recent(self, 5, &recent));
    assert_int_equal(count(self, "keep team/") + count(self, "recent team/"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(devices_are_told_again_and_when_they_go),
        TEST(one_ask_about_a_device_is_under_way),
        TEST(a_shard_takes_its_devices_with_it),
        TEST(a_server_that_stops_says_that_all_are_away),
        TEST(what_failed_is_told_again),
        TEST(when_a_problem_is_over_all_is_told_anew),
        TEST(handshakes_are_counted),
        TEST(what_is_kept_is_at_hand),
        TEST(a_deletion_takes_what_was_before_with_it),
        TEST(nobody_waits_long_for_them),
        TEST(they_leave_room_for_others),
        TEST(without_what_is_shared_they_are_shed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
