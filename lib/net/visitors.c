/* SPDX-License-Identifier: MIT */
/*
 * Handshakes of each address. One table for the process, as the kernel spreads the connections of
 * an address over shards as it likes; the lock is held for a look-up only. The table is bounded:
 * who came longest ago is forgotten. IPv6 counts by /64, which is what one customer gets.
 */
#include "net/visitors.h"
#include "base/alloc.h"
#include "base/bucket.h"
#include "base/map.h"
#include "base/view.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_VISITORS 65536u
#define KEY_BYTES    CHAT__VISITORS_KEY_BYTES

typedef struct visitor {
    struct visitor *prev, *next;
    struct visitor *prev_owing, *next_owing;
    chat__bucket bucket;
    uint64_t held_until_ms; /* the bucket that members share has no more */
    uint32_t owed;          /* to it */
    uint8_t is_owing;       /* in the list */
    uint8_t is_asked;       /* how it ends is not known yet */
    uint8_t key[KEY_BYTES];
} visitor;

struct chat__visitors {
    chat_allocator allocator;
    chat__bucket_rule rule;
    uint32_t max;
    pthread_mutex_t mutex;
    chat__map by_key;
    uint64_t now_ms;       /* latest: the clocks of two loops differ a little */
    visitor *first, *last; /* who came longest ago is first */
    visitor *owing;
    void (*wake)(void *ctx); /* NULL: this member counts alone */
    void *wake_ctx;
};

chat_status chat__visitors_new(const chat__visitors_options *options, chat__visitors **out)
{
    chat__visitors *visitors = chat__alloc_zero(options->allocator, sizeof *visitors);
    if (visitors == NULL)
        return CHAT_ERR_NOMEM;
    if (pthread_mutex_init(&visitors->mutex, NULL) != 0) {
        chat__alloc_free(options->allocator, visitors);
        return CHAT_ERR_NOMEM;
    }
    visitors->allocator = *options->allocator;
    visitors->rule.rate = options->rate;
    visitors->rule.burst = options->burst;
    visitors->max = options->max > 0 ? options->max : MAX_VISITORS;
    chat__map_init(&visitors->by_key, options->allocator, visitors->max, options->seed);
    *out = visitors;
    return CHAT_OK;
}

void chat__visitors_free(chat__visitors *visitors)
{
    if (visitors == NULL)
        return;
    chat_allocator allocator = visitors->allocator;
    for (visitor *one = visitors->first; one != NULL;) {
        visitor *next = one->next;
        chat__alloc_free(&allocator, one);
        one = next;
    }
    chat__map_done(&visitors->by_key);
    pthread_mutex_destroy(&visitors->mutex);
    chat__alloc_free(&allocator, visitors);
}

/* Whether it is an address that can be counted. */
static int key_of(const struct sockaddr *address, uint8_t key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        key[0] = 4;
        memcpy(key + 1, &in->sin_addr, 4);
        return 1;
    }
    if (address->sa_family != AF_INET6)
        return 0;
    const struct sockaddr_in6 *in6 = (const void *)address;
    int is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
    key[0] = is_mapped ? 4 : 6;
    memcpy(key + 1, in6->sin6_addr.s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 8);
    return 1;
}

static void unlink_one(chat__visitors *visitors, visitor *one)
{
    *(one->prev != NULL ? &one->prev->next : &visitors->first) = one->next;
    *(one->next != NULL ? &one->next->prev : &visitors->last) = one->prev;
}

static void append(chat__visitors *visitors, visitor *one)
{
    one->prev = visitors->last;
    one->next = NULL;
    *(visitors->last != NULL ? &visitors->last->next : &visitors->first) = one;
    visitors->last = one;
}

/* --- what is owed to a bucket that members share --- */

static void leave_owing(chat__visitors *visitors, visitor *one)
{
    if (!one->is_owing)
        return;
    *(one->prev_owing != NULL ? &one->prev_owing->next_owing : &visitors->owing) = one->next_owing;
    if (one->next_owing != NULL)
        one->next_owing->prev_owing = one->prev_owing;
    one->is_owing = 0;
}

/* Whether it is the first. */
static int enter_owing(chat__visitors *visitors, visitor *one)
{
    if (one->is_owing || one->is_asked || one->owed == 0)
        return 0;
    one->is_owing = 1;
    one->prev_owing = NULL;
    one->next_owing = visitors->owing;
    if (visitors->owing != NULL)
        visitors->owing->prev_owing = one;
    visitors->owing = one;
    return one->next_owing == NULL;
}

void chat__visitors_share(chat__visitors *visitors, void (*wake)(void *ctx), void *ctx)
{
    visitors->wake = wake;
    visitors->wake_ctx = ctx;
}

chat_status chat__visitors_next_count(chat__visitors *visitors, chat__visitors_count *out)
{
    pthread_mutex_lock(&visitors->mutex);
    visitor *one = visitors->owing;
    if (one != NULL) {
        leave_owing(visitors, one);
        memcpy(out->key, one->key, KEY_BYTES);
        out->count = one->owed;
        one->owed = 0;
        one->is_asked = 1;
    }
    pthread_mutex_unlock(&visitors->mutex);
    return one != NULL ? CHAT_OK : CHAT_EMPTY;
}

void chat__visitors_counted(chat__visitors *visitors, const chat__visitors_count *count,
                            uint64_t wait_ms, uint64_t now_ms)
{
    pthread_mutex_lock(&visitors->mutex);
    visitor *one = chat__map_get(&visitors->by_key, chat__view(count->key, KEY_BYTES));
    if (one != NULL) {
        one->is_asked = 0;
        one->held_until_ms = wait_ms > 0 ? now_ms + wait_ms : 0;
        /* What was not given is asked for with the next that is admitted. */
        if (wait_ms > 0)
            one->owed += count->count;
        else
            (void)enter_owing(visitors, one);
    }
    pthread_mutex_unlock(&visitors->mutex);
}

void chat__visitors_name(const chat__visitors_count *count, char out[CHAT__VISITORS_NAME_BYTES])
{
    uint8_t address[16] = {0};
    char text[INET6_ADDRSTRLEN] = "";
    int is_v4 = count->key[0] == 4;
    memcpy(address, count->key + 1, is_v4 ? 4 : 8);
    (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, address, text, sizeof text);
    (void)snprintf(out, CHAT__VISITORS_NAME_BYTES, "handshakes:%s", text);
}

/* --- addresses --- */

/* Find or make, now the latest; NULL when out of memory. */
static visitor *get(chat__visitors *visitors, const uint8_t key[KEY_BYTES])
{
    visitor *one = chat__map_get(&visitors->by_key, chat__view(key, KEY_BYTES));
    if (one != NULL) {
        unlink_one(visitors, one);
        append(visitors, one);
        return one;
    }
    if (visitors->by_key.n_items >= visitors->max) {
        one = visitors->first;
        (void)chat__map_remove(&visitors->by_key, chat__view(one->key, KEY_BYTES));
        unlink_one(visitors, one);
        leave_owing(visitors, one);
        memset(one, 0, sizeof *one);
    } else {
        one = chat__alloc_zero(&visitors->allocator, sizeof *one);
    }
    if (one == NULL)
        return NULL;
    memcpy(one->key, key, KEY_BYTES);
    if (chat__map_put(&visitors->by_key, chat__view(one->key, KEY_BYTES), one) != CHAT_OK) {
        chat__alloc_free(&visitors->allocator, one);
        return NULL;
    }
    append(visitors, one);
    return one;
}

static int admit(chat__visitors *visitors, visitor *one, int *out_wakes)
{
    uint64_t wait_ms;
    if (one->held_until_ms > visitors->now_ms ||
        chat__bucket_take(&one->bucket, &visitors->rule, 1, visitors->now_ms, &wait_ms) != CHAT_OK)
        return 0;
    if (visitors->wake != NULL && one->owed < UINT32_MAX / 2) {
        one->owed++;
        *out_wakes = enter_owing(visitors, one);
    }
    return 1;
}

int chat__visitors_admit(chat__visitors *visitors, const struct sockaddr *address, uint64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    int is_admitted = 1;
    int wakes = 0;
    if (!key_of(address, key))
        return 1;
    pthread_mutex_lock(&visitors->mutex);
    if (now_ms > visitors->now_ms)
        visitors->now_ms = now_ms;
    visitor *one = get(visitors, key);
    if (one != NULL)
        is_admitted = admit(visitors, one, &wakes);
    pthread_mutex_unlock(&visitors->mutex);
    if (wakes)
        visitors->wake(visitors->wake_ctx);
    return is_admitted;
}
