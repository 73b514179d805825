/* SPDX-License-Identifier: MIT */
/* Devices: made known, seen, forgotten. See devices.h; how far they are is in cursors.c. */
#include "backends/cassandra/link.h"
#include "backends/cassandra/store/devices_internal.h"

#include "base/view.h"

#include <string.h>
#include <time.h>

/* Forgotten for one that comes, those that were not seen for long among them. */
#define MAX_FORGOTTEN 64u

void chat__cstore_devices_init(chat__cstore_devices *devices, chat__cstore_session *session,
                               const chat_store_rules *rules, uint32_t max_cached,
                               uint32_t trust_ms)
{
    memset(devices, 0, sizeof *devices);
    devices->session = session;
    devices->rules = rules;
    devices->trust_ms = trust_ms;
    (void)pthread_mutex_init(&devices->lock, NULL);
    chat__cstore_cache_init(&devices->known, max_cached);
    chat__cstore_cache_init(&devices->delivered, max_cached);
}

void chat__cstore_devices_done(chat__cstore_devices *devices)
{
    chat__cstore_cache_done(&devices->known);
    chat__cstore_cache_done(&devices->delivered);
    (void)pthread_mutex_destroy(&devices->lock);
}

/* --- what is remembered --- */

int chat__cstore_recall(chat__cstore_devices *devices, chat_view user, chat_view device,
                        chat__cstore_device *out)
{
    uint8_t raw[CHAT__CSTORE_KEY_BYTES];
    pthread_mutex_lock(&devices->lock);
    const chat__cstore_entry *entry =
        chat__cstore_cache_get(&devices->known, chat__cstore_key_of(user, device, raw));
    int is_fresh = entry != NULL && chat__cql_now_ms() - entry->numbers[2] < devices->trust_ms;
    if (is_fresh)
        *out = (chat__cstore_device){entry->numbers[0], entry->numbers[1]};
    pthread_mutex_unlock(&devices->lock);
    return is_fresh;
}

void chat__cstore_remember(chat__cstore_devices *devices, chat_view user, chat_view device,
                           const chat__cstore_device *it)
{
    uint8_t raw[CHAT__CSTORE_KEY_BYTES];
    chat_view key = chat__cstore_key_of(user, device, raw);
    pthread_mutex_lock(&devices->lock);
    if (it->generation == 0) {
        chat__cstore_cache_drop(&devices->known, key);
    } else {
        chat__cstore_entry *entry = chat__cstore_cache_put(&devices->known, key);
        if (entry != NULL) {
            entry->numbers[0] = it->generation;
            entry->numbers[1] = it->seen_ms;
            entry->numbers[2] = chat__cql_now_ms();
        }
    }
    pthread_mutex_unlock(&devices->lock);
}

/* Above all that this process gave, and above `old`. */
static uint64_t next_generation(chat__cstore_devices *devices, uint64_t old)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t generation = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    pthread_mutex_lock(&devices->lock);
    if (generation <= devices->last_generation)
        generation = devices->last_generation + 1;
    if (generation <= old)
        generation = old + 1;
    devices->last_generation = generation;
    pthread_mutex_unlock(&devices->lock);
    return generation;
}

/* --- one device --- */

static int is_id(chat_view id)
{
    return id.len > 0 && id.len <= CHAT_ID_MAX_BYTES;
}

static int is_visit(const chat_store_visit *visit)
{
    return is_id(visit->user) && is_id(visit->device) && visit->now_unix_ms <= INT64_MAX;
}

void chat__cstore_ask_device(chat__cstore_call *call, chat_view user, chat_view device)
{
    (void)chat__cstore_ask(call, CHAT__CSTORE_GET_DEVICE);
    chat__cstore_text(call, user);
    chat__cstore_text(call, device);
}

chat__cstore_device chat__cstore_take_device(const chat__cstore_call *call, uint32_t item)
{
    chat__cstore_device it = {0, 0};
    chat__cstore_rows rows = chat__cstore_rows_of(call, item);
    if (chat__cstore_next(&rows)) {
        it.seen_ms = chat__cstore_get_u64(&rows);
        it.generation = chat__cstore_get_u64(&rows);
    }
    return it;
}

static chat_status look_up(chat__cstore_devices *devices, const chat_store_visit *visit,
                           chat__cstore_device *out)
{
    chat__cstore_call call;
    chat__cstore_call_init(&call, devices->session);
    chat__cstore_ask_device(&call, visit->user, visit->device);
    chat_status status = chat__cstore_run(&call);
    if (status == CHAT_OK)
        *out = chat__cstore_take_device(&call, 0);
    chat__cstore_call_done(&call);
    if (status == CHAT_OK)
        chat__cstore_remember(devices, visit->user, visit->device, out);
    return status;
}

static void ask_see(chat__cstore_call *call, const chat_store_visit *visit,
                    const chat__cstore_device *it)
{
    (void)chat__cstore_ask(call, CHAT__CSTORE_SEE_DEVICE);
    chat__cstore_text(call, visit->user);
    chat__cstore_text(call, visit->device);
    chat__cstore_u64(call, it->seen_ms);
    chat__cstore_u64(call, it->generation);
}

/* It is known: it was seen at the time of the visit, or later. */
static chat_status see(chat__cstore_devices *devices, const chat_store_visit *visit,
                       chat__cstore_device it)
{
    chat__cstore_call call;
    if (it.seen_ms < visit->now_unix_ms)
        it.seen_ms = visit->now_unix_ms;
    chat__cstore_call_init(&call, devices->session);
    ask_see(&call, visit, &it);
    chat_status status = chat__cstore_run(&call);
    chat__cstore_call_done(&call);
    if (status == CHAT_OK)
        chat__cstore_remember(devices, visit->user, visit->device, &it);
    return status;
}

chat_status chat__cstore_see_device(chat__cstore_devices *devices, const chat_store_visit *visit)
{
    chat__cstore_device it = {0, 0};
    chat_status status = CHAT_OK;
    if (!is_visit(visit))
        return CHAT_ERR_ARG;
    if (!chat__cstore_recall(devices, visit->user, visit->device, &it))
        status = look_up(devices, visit, &it);
    if (status != CHAT_OK ||
        !chat__cstore_is_known(devices->rules, it.generation, it.seen_ms, visit->now_unix_ms))
        return status;
    return see(devices, visit, it);
}

/* --- forgetting --- */

/* Its cursors go whatever comes late: no device has this generation again. */
static void join_drop_cursors(chat__cstore_call *call, chat_view user, chat_view device,
                              uint64_t generation)
{
    (void)chat__cstore_join(call, CHAT__CSTORE_DROP_CURSORS);
    chat__cstore_u64(call, INT64_MAX - 1); /* Cassandra never clears away what has the greatest */
    chat__cstore_text(call, user);
    chat__cstore_text(call, device);
    chat__cstore_u64(call, generation);
}

static void join_drop(chat__cstore_call *call, chat_view user, chat_view device,
                      uint64_t generation)
{
    (void)chat__cstore_join(call, CHAT__CSTORE_DROP_DEVICE);
    chat__cstore_u64(call, generation);
    chat__cstore_text(call, user);
    chat__cstore_text(call, device);
    join_drop_cursors(call, user, device, generation);
}

chat_status chat__cstore_forget_device(chat__cstore_devices *devices, const chat_store_visit *visit)
{
    chat__cstore_call call;
    chat__cstore_device it = {0, 0};
    if (!is_visit(visit))
        return CHAT_ERR_ARG;
    chat_status status = look_up(devices, visit, &it);
    if (status != CHAT_OK)
        return status;
    if (!chat__cstore_is_known(devices->rules, it.generation, it.seen_ms, visit->now_unix_ms))
        return CHAT_ERR_NOT_FOUND;
    chat__cstore_call_init(&call, devices->session);
    join_drop(&call, visit->user, visit->device, it.generation);
    status = chat__cstore_run(&call);
    chat__cstore_call_done(&call);
    it.generation = 0;
    chat__cstore_remember(devices, visit->user, visit->device, &it);
    return status;
}

/* --- a device comes --- */

typedef struct coming {
    chat__cstore_devices *devices;
    const chat_store_visit *visit;
    chat__cstore_call all;   /* of the user's devices */
    chat__cstore_call kept;  /* how far they are, or were */
    chat__cstore_call write; /* all of the user's: they go in one batch as far as there is room */
    chat__cstore_device it;  /* the row of the one that comes */
    uint64_t generation;     /* of its new life */
    uint32_t n_known;        /* others */
} coming;

typedef struct other {
    chat_view id;
    chat__cstore_device it;
    int is_known;
} other;

/* The next row of all; 0: that were all. */
static int next_other(const coming *c, chat__cstore_rows *rows, other *out)
{
    while (chat__cstore_next(rows)) {
        out->id = chat__cstore_get_text(rows);
        out->it.seen_ms = chat__cstore_get_u64(rows);
        out->it.generation = chat__cstore_get_u64(rows);
        if (out->it.generation == 0)
            continue; /* seen behind its end */
        out->is_known = chat__cstore_is_known(c->devices->rules, out->it.generation,
                                              out->it.seen_ms, c->visit->now_unix_ms);
        return 1;
    }
    return 0;
}

static int is_connected(const chat_store_visit *visit, chat_view id)
{
    for (size_t i = 0; i < visit->n_connected; i++) {
        if (chat__view_equal(visit->connected[i], id))
            return 1;
    }
    return 0;
}

static void forget_other(coming *c, const other *it)
{
    chat__cstore_device none = {0, 0};
    join_drop(&c->write, c->visit->user, it->id, it->it.generation);
    chat__cstore_remember(c->devices, c->visit->user, it->id, &none);
}

/* What is there of the one that comes; others that were not seen for too long go. */
static void look_around(coming *c)
{
    other each;
    uint32_t n_gone = 0;
    chat__cstore_rows rows = chat__cstore_rows_of(&c->all, 0);
    while (next_other(c, &rows, &each)) {
        if (chat__view_equal(each.id, c->visit->device))
            c->it = each.it;
        else if (each.is_known)
            c->n_known++;
        else if (n_gone++ < MAX_FORGOTTEN)
            forget_other(c, &each);
    }
}

/* Of those that were seen later than `after`, or then and come behind it, the first. */
static int longest_unseen(const coming *c, const other *after, other *out)
{
    other each;
    int is_found = 0;
    chat__cstore_rows rows = chat__cstore_rows_of(&c->all, 0);
    while (next_other(c, &rows, &each)) {
        int is_later =
            after->id.len == 0 || each.it.seen_ms > after->it.seen_ms ||
            (each.it.seen_ms == after->it.seen_ms && chat__view_compare(each.id, after->id) > 0);
        int is_older =
            !is_found || each.it.seen_ms < out->it.seen_ms ||
            (each.it.seen_ms == out->it.seen_ms && chat__view_compare(each.id, out->id) < 0);
        if (!each.is_known || !is_later || !is_older || is_connected(c->visit, each.id) ||
            chat__view_equal(each.id, c->visit->device))
            continue;
        *out = each;
        is_found = 1;
    }
    return is_found;
}

/* Room for one more: those that were not seen for longest go. */
static chat_status make_room(coming *c)
{
    other last = {.id = {NULL, 0}};
    uint32_t max = c->devices->rules->max_devices;
    uint32_t n_known = c->n_known;
    for (uint32_t i = 0; max > 0 && n_known >= max && i < MAX_FORGOTTEN; i++, n_known--) {
        other found = {.id = {NULL, 0}};
        if (!longest_unseen(c, &last, &found))
            return CHAT_ERR_LIMIT;
        forget_other(c, &found);
        last = found;
    }
    return CHAT_OK;
}

/* Cursors first: a kill between must not leave the device without. */
static void write_cursors(coming *c)
{
    chat__cstore_rows rows = chat__cstore_rows_of(&c->kept, 0);
    if (c->it.generation > 0)
        join_drop_cursors(&c->write, c->visit->user, c->visit->device, c->it.generation);
    while (chat__cstore_next(&rows)) {
        chat_view chat = chat__cstore_get_text(&rows);
        uint64_t seq = chat__cstore_get_u64(&rows);
        (void)chat__cstore_join(&c->write, CHAT__CSTORE_PUT_CURSOR);
        chat__cstore_text(&c->write, c->visit->user);
        chat__cstore_text(&c->write, c->visit->device);
        chat__cstore_u64(&c->write, c->generation);
        chat__cstore_text(&c->write, chat);
        chat__cstore_u64(&c->write, seq);
        chat__cstore_u64(&c->write, seq);
    }
}

static chat_status write_device(coming *c)
{
    chat__cstore_device it = {c->generation, c->visit->now_unix_ms > 0 ? c->visit->now_unix_ms : 1};
    chat__cstore_reset(&c->write);
    (void)chat__cstore_ask(&c->write, CHAT__CSTORE_PUT_DEVICE);
    chat__cstore_text(&c->write, c->visit->user);
    chat__cstore_text(&c->write, c->visit->device);
    chat__cstore_u64(&c->write, it.seen_ms);
    chat__cstore_u64(&c->write, it.generation);
    chat__cstore_u64(&c->write, it.generation);
    chat_status status = chat__cstore_run(&c->write);
    if (status == CHAT_OK)
        chat__cstore_remember(c->devices, c->visit->user, c->visit->device, &it);
    return status;
}

static chat_status come(coming *c)
{
    chat_status status = make_room(c);
    if (status != CHAT_OK)
        return status;
    (void)chat__cstore_ask(&c->kept, CHAT__CSTORE_GET_KEPT);
    chat__cstore_text(&c->kept, c->visit->user);
    status = chat__cstore_run(&c->kept);
    c->generation = next_generation(c->devices, c->it.generation);
    if (status == CHAT_OK) {
        write_cursors(c);
        status = chat__cstore_run(&c->write);
    }
    return status == CHAT_OK ? write_device(c) : status;
}

/* CHAT_EMPTY: it is new. */
static chat_status introduce(coming *c)
{
    const chat_store_visit *visit = c->visit;
    (void)chat__cstore_ask(&c->all, CHAT__CSTORE_GET_DEVICES);
    chat__cstore_text(&c->all, visit->user);
    chat_status status = chat__cstore_run(&c->all);
    if (status != CHAT_OK)
        return status;
    look_around(c);
    if (chat__cstore_is_known(c->devices->rules, c->it.generation, c->it.seen_ms,
                              visit->now_unix_ms)) {
        c->generation = c->it.generation;
        return see(c->devices, visit, c->it);
    }
    status = come(c);
    return status == CHAT_OK ? CHAT_EMPTY : status;
}

chat_status chat__cstore_introduce(chat__cstore_devices *devices, const chat_store_visit *visit,
                                   uint64_t *out_generation)
{
    coming c = {.devices = devices, .visit = visit};
    if (!is_visit(visit))
        return CHAT_ERR_ARG;
    chat__cstore_call_init(&c.all, devices->session);
    chat__cstore_call_init(&c.kept, devices->session);
    chat__cstore_call_init(&c.write, devices->session);
    chat_status status = introduce(&c);
    if (status >= 0)
        *out_generation = c.generation;
    chat__cstore_call_done(&c.all);
    chat__cstore_call_done(&c.kept);
    chat__cstore_call_done(&c.write);
    return status;
}
