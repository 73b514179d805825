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

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_VISITORS 65536u
#define KEY_BYTES    9u /* family, address */

typedef struct visitor {
    struct visitor *prev, *next;
    chat__bucket bucket;
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

int chat__visitors_admit(chat__visitors *visitors, const struct sockaddr *address, uint64_t now_ms)
{
    uint8_t key[KEY_BYTES];
    uint64_t wait_ms;
    int is_admitted = 1;
    if (!key_of(address, key))
        return 1;
    pthread_mutex_lock(&visitors->mutex);
    if (now_ms > visitors->now_ms)
        visitors->now_ms = now_ms;
    visitor *one = get(visitors, key);
    if (one != NULL)
        is_admitted = chat__bucket_take(&one->bucket, &visitors->rule, 1, visitors->now_ms,
                                        &wait_ms) == CHAT_OK;
    pthread_mutex_unlock(&visitors->mutex);
    return is_admitted;
}
