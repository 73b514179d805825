/* SPDX-License-Identifier: MIT */
/*
 * What every notifier has to do (<chat/backend/notifier.h>), on each that there is. Another one is
 * a row of BACKENDS: how it is made, how what it was asked for is read back, and how it is broken.
 */
#include "unit.h"
#include "herald.h"

#include "base/alloc.h"
#include "base/view.h"

#include <chat/testing_notifier.h>
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_REPORTS 64u

typedef struct world world;

typedef struct backend {
    const char *name;
    void (*make)(world *w);
    void (*unmake)(world *w);
    void (*break_it)(world *w);                    /* from now on nothing arrives */
    void (*read)(world *w, char *out, size_t cap); /* the next notification: see text_of() */
} backend;

typedef struct reported {
    uint64_t number;
    uint32_t state;
    char device[CHAT_ID_MAX_BYTES + 1];
} reported;

struct world {
    const backend *backend;
    chat_notifier notifier;
    chat_test_notifier *scripted;
    chat_allocator allocator;
    char path[64];
    FILE *file;
    pthread_mutex_t mutex;
    reported reports[MAX_REPORTS];
    size_t n_reports;
};

/* --- a notification as text: user chat id seq count from... others badge devices... text --- */

static void add(char *out, size_t cap, const char *text, size_t len)
{
    size_t used = strlen(out);
    snprintf(out + used, cap - used, "%.*s|", (int)len, text);
}

static void add_view(char *out, size_t cap, chat_view view)
{
    add(out, cap, (const char *)view.data, view.len);
}

static void add_number(char *out, size_t cap, uint64_t number)
{
    char text[32];
    add(out, cap, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)number));
}

static void text_of(const chat_notification *what, char *out, size_t cap)
{
    out[0] = 0;
    add_view(out, cap, what->user);
    add_view(out, cap, what->chat);
    add_number(out, cap, what->id);
    add_number(out, cap, what->seq);
    add_number(out, cap, what->count);
    for (size_t i = 0; i < what->n_from; i++)
        add_view(out, cap, what->from[i]);
    add_number(out, cap, what->has_others);
    if (what->has_badge)
        add_number(out, cap, what->badge);
    for (size_t i = 0; i < what->n_devices; i++)
        add_view(out, cap, what->devices[i]);
    add_view(out, cap, what->text);
}

/* --- the notifier that appends lines to a file --- */

static void make_file(world *w)
{
    strcpy(w->path, "/tmp/chat-contract-XXXXXX");
    int file = mkstemp(w->path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(CHAT_OK, chat__notify_file_new(&w->allocator, w->path, &w->notifier));
    w->file = fopen(w->path, "r");
    assert_non_null(w->file);
}

static void unmake_file(world *w)
{
    chat__notify_file_free(&w->allocator, &w->notifier);
    fclose(w->file);
    remove(w->path);
}

/* Every write fails: the disk is full. Before it is opened. */
static void break_file(world *w)
{
    chat__notify_file_free(&w->allocator, &w->notifier);
    assert_int_equal(CHAT_OK, chat__notify_file_new(&w->allocator, "/dev/full", &w->notifier));
}

static void add_json(char *out, size_t cap, const cJSON *item)
{
    if (cJSON_IsArray(item)) {
        const cJSON *each;
        cJSON_ArrayForEach(each, item) add_json(out, cap, each);
    } else if (cJSON_IsString(item)) {
        add(out, cap, item->valuestring, strlen(item->valuestring));
    } else if (item != NULL) {
        add_number(out, cap, cJSON_IsTrue(item) ? 1 : (uint64_t)item->valuedouble);
    }
}

static void read_file(world *w, char *out, size_t cap)
{
    static const char *const names[] = {"user", "chat",   "id",    "seq",     "count",
                                        "from", "others", "badge", "devices", "text"};
    char line[4096];
    out[0] = 0;
    assert_non_null(fgets(line, sizeof line, w->file));
    cJSON *json = cJSON_Parse(line);
    assert_non_null(json);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_json(out, cap, cJSON_GetObjectItem(json, names[i]));
    cJSON_Delete(json);
}

/* --- the one for tests --- */

static void make_scripted(world *w)
{
    assert_int_equal(CHAT_OK, chat_test_notifier_new(&w->allocator, &w->scripted));
    w->notifier = *chat_test_notifier_table(w->scripted);
}

static void unmake_scripted(world *w)
{
    chat_test_notifier_free(w->scripted);
}

static void break_scripted(world *w)
{
    chat_view all = {NULL, 0};
    assert_int_equal(CHAT_OK, chat_test_notifier_script(w->scripted, all, CHAT_NOTIFY_FAILED));
}

static void read_scripted(world *w, char *out, size_t cap)
{
    const chat_notification *what = NULL;
    uint64_t number = 0;
    assert_int_equal(CHAT_OK, chat_test_notifier_take(w->scripted, 0, &number, &what));
    text_of(what, out, cap);
}

static const backend BACKENDS[] = {
    {"file", make_file, unmake_file, break_file, read_file},
    {"scripted", make_scripted, unmake_scripted, break_scripted, read_scripted},
};

/* --- the server's side --- */

static void on_report(void *ctx, const chat_notify_report *report)
{
    world *w = ctx;
    pthread_mutex_lock(&w->mutex);
    assert_true(w->n_reports < MAX_REPORTS);
    assert_true(report->struct_size >= sizeof *report);
    reported *added = &w->reports[w->n_reports++];
    added->number = report->number;
    added->state = report->state;
    snprintf(added->device, sizeof added->device, "%.*s", (int)report->device.len,
             (const char *)report->device.data);
    pthread_mutex_unlock(&w->mutex);
}

static void begin(world *w)
{
    chat_notifier_sink sink = {w, on_report};
    assert_true(w->notifier.struct_size >= sizeof w->notifier);
    assert_non_null(w->notifier.notify);
    if (w->notifier.open != NULL)
        assert_int_equal(CHAT_OK, w->notifier.open(w->notifier.ctx, &sink));
    memset(&sink, 0, sizeof sink); /* it was to be copied */
}

static void end(world *w)
{
    if (w->notifier.close != NULL)
        w->notifier.close(w->notifier.ctx);
}

/* How many ends were reported that hold for the device. */
static size_t n_ends(world *w, uint64_t number, const char *device, int is_good)
{
    size_t n = 0;
    pthread_mutex_lock(&w->mutex);
    for (size_t i = 0; i < w->n_reports; i++) {
        const reported *each = &w->reports[i];
        int is_end = is_good ? each->state == CHAT_NOTIFY_ACCEPTED
                             : each->state == CHAT_NOTIFY_FAILED || each->state == CHAT_NOTIFY_GONE;
        n += is_end && each->number == number &&
             (each->device[0] == 0 || strcmp(each->device, device) == 0);
    }
    pthread_mutex_unlock(&w->mutex);
    return n;
}

/* Texts of its own, which are gone after the call. */
static chat_status tell(world *w, uint64_t number, const chat_notification *what)
{
    char bytes[5][64];
    chat_notification lent = *what;
    chat_view *views[] = {&lent.user, &lent.chat, &lent.text};
    chat_view devices[2];
    for (size_t i = 0; i < 3; i++) {
        memcpy(bytes[i], views[i]->data, views[i]->len);
        views[i]->data = (const uint8_t *)bytes[i];
    }
    for (size_t i = 0; i < what->n_devices; i++) {
        devices[i] = what->devices[i];
        memcpy(bytes[3 + i], devices[i].data, devices[i].len);
        devices[i].data = (const uint8_t *)bytes[3 + i];
    }
    lent.devices = devices;
    chat_status status = w->notifier.notify(w->notifier.ctx, number, &lent);
    memset(bytes, 'x', sizeof bytes);
    memset(devices, 0, sizeof devices);
    return status;
}

static const chat_view DEVICES[] = {{(const uint8_t *)"phone", 5}, {(const uint8_t *)"w\"\\", 3}};
static const chat_view FROM[] = {{(const uint8_t *)"b\xc3\xb6", 3}, {(const uint8_t *)"dave", 4}};

static chat_notification example(uint64_t id)
{
    return (chat_notification){.struct_size = sizeof(chat_notification),
                               .count = 1,
                               .user = chat__view_str("carol"),
                               .chat = chat__view_str("a \"chat\" \\"),
                               .id = id,
                               .seq = id + 1,
                               .from = FROM,
                               .n_from = 1,
                               .has_badge = 1,
                               .badge = 7,
                               .text = chat__view_str("You have a new message"),
                               .devices = DEVICES,
                               .n_devices = 2};
}

/* --- the rules --- */

static void assert_read(world *w, const chat_notification *what)
{
    char wanted[1024], got[1024];
    text_of(what, wanted, sizeof wanted);
    w->backend->read(w, got, sizeof got);
    assert_string_equal(wanted, got);
}

static void what_it_is_asked_for_it_keeps_whole_and_in_order(void **state)
{
    world *w = *state;
    chat_notification one = example(1), many = example(2), nobody = example(UINT32_MAX);
    many.count = 47;
    many.n_from = 2;
    many.has_others = 1;
    many.has_badge = 0;
    nobody.n_devices = 0;
    nobody.n_from = 0;
    begin(w);
    assert_int_equal(CHAT_OK, tell(w, 1, &one));
    assert_int_equal(CHAT_OK, tell(w, 2, &many));
    assert_int_equal(CHAT_OK, tell(w, 3, &nobody));
    end(w);
    assert_read(w, &one);
    assert_read(w, &many);
    assert_read(w, &nobody);
}

static void each_ends_once_on_each_device(void **state)
{
    world *w = *state;
    begin(w);
    for (uint64_t i = 1; i <= 5; i++) {
        chat_notification what = example(i);
        assert_int_equal(CHAT_OK, tell(w, i, &what));
    }
    end(w);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_int_equal(1, n_ends(w, i, "phone", 1));
        assert_int_equal(1, n_ends(w, i, "w\"\\", 1));
        assert_int_equal(0, n_ends(w, i, "phone", 0));
    }
}

static void who_has_no_device_ends_too(void **state)
{
    world *w = *state;
    chat_notification what = example(1);
    what.n_devices = 0;
    begin(w);
    assert_int_equal(CHAT_OK, tell(w, 1, &what));
    end(w);
    assert_int_equal(1, n_ends(w, 1, "", 1));
}

/* It says so in one of two ways, not in both. */
static void what_fails_is_said_once(void **state)
{
    world *w = *state;
    chat_notification what = example(1);
    w->backend->break_it(w);
    begin(w);
    chat_status status = tell(w, 1, &what);
    end(w);
    assert_int_equal(status == CHAT_OK, n_ends(w, 1, "phone", 0));
    assert_int_equal(status == CHAT_OK, n_ends(w, 1, "w\"\\", 0));
    assert_int_equal(0, n_ends(w, 1, "phone", 1));
}

/* A newer server knows of more. */
static void a_longer_struct_is_taken(void **state)
{
    struct {
        chat_notification what;
        uint64_t more[4];
    } longer = {.what = example(1)};
    world *w = *state;
    longer.what.struct_size = sizeof longer;
    begin(w);
    assert_int_equal(CHAT_OK, w->notifier.notify(w->notifier.ctx, 1, &longer.what));
    end(w);
    assert_read(w, &longer.what);
    assert_int_equal(1, n_ends(w, 1, "phone", 1));
}

static void it_is_closed_without_having_told_anything(void **state)
{
    world *w = *state;
    begin(w);
    end(w);
    assert_int_equal(0, w->n_reports);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    if (w == NULL)
        return -1;
    w->backend = *state;
    pthread_mutex_init(&w->mutex, NULL);
    w->allocator = chat__alloc_or_libc(NULL);
    w->backend->make(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    w->backend->unmake(w);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return 0;
}

#define RULE(name)                                                                                 \
    {                                                                                              \
#name, name, set_up, tear_down, NULL                                                       \
    }

int main(void)
{
    int n_failed = 0;
    for (size_t i = 0; i < sizeof BACKENDS / sizeof *BACKENDS; i++) {
        struct CMUnitTest rules[] = {
            RULE(what_it_is_asked_for_it_keeps_whole_and_in_order),
            RULE(each_ends_once_on_each_device),
            RULE(who_has_no_device_ends_too),
            RULE(what_fails_is_said_once),
            RULE(a_longer_struct_is_taken),
            RULE(it_is_closed_without_having_told_anything),
        };
        for (size_t k = 0; k < sizeof rules / sizeof *rules; k++)
            rules[k].initial_state = (void *)(uintptr_t)&BACKENDS[i];
        n_failed += cmocka_run_group_tests_name(BACKENDS[i].name, rules, NULL, NULL);
    }
    return n_failed;
}
