/* SPDX-License-Identifier: MIT */
/* See token.h. */
#include "backends/cassandra/token.h"

#include "base/alloc.h"
#include "base/bits.h"
#include "base/view.h"

#include <assert.h>
#include <string.h>

#define C1 UINT64_C(0x87c37b91114253d5)
#define C2 UINT64_C(0x4cf5ad432745937f)

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t mix_end(uint64_t k)
{
    k ^= k >> 33;
    k *= UINT64_C(0xff51afd7ed558ccd);
    k ^= k >> 33;
    k *= UINT64_C(0xc4ceb9fe1a85ec53);
    return k ^ k >> 33;
}

static uint64_t mix_first(uint64_t k)
{
    return rotate(k * C1, 31) * C2;
}

static uint64_t mix_second(uint64_t k)
{
    return rotate(k * C2, 33) * C1;
}

/* Bytes from..to-1 of the tail, each sign-extended before it is shifted: so does Java. */
static uint64_t tail_word(const uint8_t *tail, size_t from, size_t to)
{
    uint64_t word = 0;
    for (size_t i = from; i < to; i++)
        word ^= (uint64_t)(int64_t)(int8_t)tail[i] << (8 * (i - from));
    return word;
}

int64_t chat__cql_token(chat_view key)
{
    uint64_t h1 = 0, h2 = 0;
    size_t n_blocks = key.len / 16;
    for (size_t i = 0; i < n_blocks; i++) {
        h1 ^= mix_first(chat__load64le(key.data + 16 * i));
        h1 = (rotate(h1, 27) + h2) * 5 + UINT64_C(0x52dce729);
        h2 ^= mix_second(chat__load64le(key.data + 16 * i + 8));
        h2 = (rotate(h2, 31) + h1) * 5 + UINT64_C(0x38495ab5);
    }
    size_t n_tail = key.len - 16 * n_blocks;
    const uint8_t *tail = n_tail > 0 ? key.data + 16 * n_blocks : NULL;
    if (n_tail > 8)
        h2 ^= mix_second(tail_word(tail, 8, n_tail));
    if (n_tail > 0)
        h1 ^= mix_first(tail_word(tail, 0, n_tail < 8 ? n_tail : 8));
    h1 ^= key.len;
    h2 ^= key.len;
    h1 += h2;
    h2 += h1;
    h1 = mix_end(h1) + mix_end(h2);
    return (int64_t)h1 == INT64_MIN ? INT64_MAX : (int64_t)h1;
}

chat_status chat__cql_routing_key(const chat_view *parts, size_t n_parts, chat__buf *buf)
{
    size_t start = buf->len;
    if (n_parts == 1)
        return chat__buf_append(buf, parts[0].data, parts[0].len);
    for (size_t i = 0; i < n_parts; i++) {
        uint8_t len[2], zero = 0;
        chat_status status = parts[i].len > UINT16_MAX ? CHAT_ERR_LIMIT : CHAT_OK;
        chat__store16be(len, (uint16_t)parts[i].len);
        if (status == CHAT_OK)
            status = chat__buf_reserve(buf, parts[i].len + 3);
        if (status != CHAT_OK) {
            buf->len = start;
            return status;
        }
        (void)chat__buf_append(buf, len, sizeof len);
        (void)chat__buf_append(buf, parts[i].data, parts[i].len);
        (void)chat__buf_append(buf, &zero, 1);
    }
    return CHAT_OK;
}

/* --- the ring --- */

void chat__cql_ring_init(chat__cql_ring *ring, const chat_allocator *allocator, size_t max_items)
{
    memset(ring, 0, sizeof *ring);
    ring->allocator = chat__alloc_or_libc(allocator);
    ring->max_items = max_items;
}

void chat__cql_ring_done(chat__cql_ring *ring)
{
    if (ring->items != NULL)
        chat__alloc_free(&ring->allocator, ring->items);
    ring->items = NULL;
    ring->n_items = 0;
    ring->cap = 0;
}

/* CHAT_ERR_ARG: no decimal number of 64 bits with sign. */
static chat_status parse_token(chat_view text, int64_t *out)
{
    size_t i = text.len > 0 && text.data[0] == '-' ? 1 : 0;
    uint64_t max = (uint64_t)INT64_MAX + i;
    uint64_t value = 0;
    if (i == text.len)
        return CHAT_ERR_ARG;
    int is_negative = i == 1;
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (max - digit) / 10)
            return CHAT_ERR_ARG;
        value = value * 10 + digit;
    }
    *out = (int64_t)(is_negative ? 0 - value : value);
    return CHAT_OK;
}

static chat_status grow(chat__cql_ring *ring)
{
    size_t cap = ring->cap == 0 ? 64 : ring->cap * 2;
    if (ring->n_items < ring->cap)
        return CHAT_OK;
    if (ring->n_items >= ring->max_items)
        return CHAT_ERR_LIMIT;
    void *items = chat__alloc_resize(&ring->allocator, ring->items, cap * sizeof *ring->items);
    if (items == NULL)
        return CHAT_ERR_NOMEM;
    ring->items = items;
    ring->cap = cap;
    return CHAT_OK;
}

chat_status chat__cql_ring_add(chat__cql_ring *ring, chat_view token, uint32_t host)
{
    int64_t value = 0;
    chat_status status = parse_token(token, &value);
    if (status == CHAT_OK)
        status = grow(ring);
    if (status != CHAT_OK)
        return status;
    ring->items[ring->n_items].token = value;
    ring->items[ring->n_items].host = host;
    ring->n_items++;
    ring->is_sorted = 0;
    return CHAT_OK;
}

static void sift_down(chat__cql_ring_entry *items, size_t i, size_t n)
{
    for (size_t child = 2 * i + 1; child < n; child = 2 * i + 1) {
        if (child + 1 < n && items[child].token < items[child + 1].token)
            child++;
        if (items[i].token >= items[child].token)
            return;
        chat__cql_ring_entry swap = items[i];
        items[i] = items[child];
        items[child] = swap;
        i = child;
    }
}

void chat__cql_ring_sort(chat__cql_ring *ring)
{
    /* Heapsort: no recursion, no memory, no bad case by chosen tokens. */
    for (size_t i = ring->n_items / 2; i > 0; i--)
        sift_down(ring->items, i - 1, ring->n_items);
    for (size_t n = ring->n_items; n > 1; n--) {
        chat__cql_ring_entry swap = ring->items[0];
        ring->items[0] = ring->items[n - 1];
        ring->items[n - 1] = swap;
        sift_down(ring->items, 0, n - 1);
    }
    ring->is_sorted = 1;
}

/* Index of the first entry with at least this token; n_items: none. */
static size_t lower_bound(const chat__cql_ring *ring, int64_t token)
{
    size_t low = 0, high = ring->n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->items[middle].token < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t chat__cql_ring_replicas(const chat__cql_ring *ring, int64_t token, uint32_t *out, size_t max)
{
    size_t n = 0;
    assert(ring->is_sorted || ring->n_items == 0);
    size_t first = lower_bound(ring, token);
    for (size_t i = 0; i < ring->n_items && n < max; i++) {
        uint32_t host = ring->items[(first + i) % ring->n_items].host;
        size_t k = 0;
        while (k < n && out[k] != host)
            k++;
        if (k == n)
            out[n++] = host;
    }
    return n;
}
