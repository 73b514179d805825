/* SPDX-License-Identifier: MIT */
/*
 * Snowflake generators, for one caller and for many. Neither reads a clock: the caller's time goes
 * in, and what it cannot give is told by a status, so waiting is up to the caller.
 */
#include <chat/id.h>

#define TIME_SHIFT  (CHAT_SNOWFLAKE_NODE_BITS + CHAT_SNOWFLAKE_SEQUENCE_BITS)
#define N_TIMES     (UINT64_C(1) << (64 - TIME_SHIFT))
#define N_SEQUENCES (CHAT_SNOWFLAKE_MAX_SEQUENCE + 1)

static uint64_t make_id(uint64_t ms, uint32_t node, uint64_t sequence)
{
    return ms << TIME_SHIFT | (uint64_t)node << CHAT_SNOWFLAKE_SEQUENCE_BITS | sequence;
}

chat_snowflake chat_snowflake_decode(uint64_t id)
{
    chat_snowflake parts = {
        .unix_ms = CHAT_EPOCH_MS + (id >> TIME_SHIFT),
        .node = (uint32_t)(id >> CHAT_SNOWFLAKE_SEQUENCE_BITS) & CHAT_SNOWFLAKE_MAX_NODE,
        .sequence = (uint32_t)id & CHAT_SNOWFLAKE_MAX_SEQUENCE,
    };
    return parts;
}

uint64_t chat_snowflake_first_at(uint64_t unix_ms)
{
    uint64_t ms = unix_ms > CHAT_EPOCH_MS ? unix_ms - CHAT_EPOCH_MS : 0;
    return ms < N_TIMES ? ms << TIME_SHIFT : UINT64_MAX;
}

/*
 * The first sequence in the millisecond of `id` that makes a larger id on this node; N_SEQUENCES
 * when there is none. The node's bits weigh more than the sequence: a higher node has all of the
 * millisecond left, a lower one nothing.
 */
static uint32_t first_sequence_after(uint64_t id, uint32_t node)
{
    chat_snowflake last = chat_snowflake_decode(id);
    if (node != last.node)
        return node > last.node ? 0 : N_SEQUENCES;
    return last.sequence + 1;
}

/* What the time allows; on CHAT_OK `*out_ms` is the time since the epoch. */
static chat_status check_time(uint64_t now_ms, uint64_t lease_until_ms, uint64_t *out_ms)
{
    if (now_ms >= lease_until_ms && lease_until_ms != UINT64_MAX)
        return CHAT_ERR_LEASE;
    /* A time before the epoch wraps around to one that is far too large. */
    uint64_t ms = now_ms - CHAT_EPOCH_MS;
    if (ms >= N_TIMES)
        return CHAT_ERR_CLOCK;
    *out_ms = ms;
    return CHAT_OK;
}

chat_status chat_idgen_init(chat_idgen *gen, uint32_t node, uint64_t not_before_id)
{
    if (gen == NULL || node > CHAT_SNOWFLAKE_MAX_NODE)
        return CHAT_ERR_ARG;
    gen->last_ms = not_before_id >> TIME_SHIFT;
    gen->lease_until_ms = UINT64_MAX;
    gen->max_backward_ms = CHAT_SNOWFLAKE_MAX_BACKWARD_MS;
    gen->node = node;
    gen->next_sequence = first_sequence_after(not_before_id, node);
    return CHAT_OK;
}

chat_status chat_idgen_set_node(chat_idgen *gen, uint32_t node, uint64_t from_ms)
{
    uint64_t ms = from_ms > CHAT_EPOCH_MS ? from_ms - CHAT_EPOCH_MS : 0;
    if (gen == NULL || node > CHAT_SNOWFLAKE_MAX_NODE)
        return CHAT_ERR_ARG;
    if (node < gen->node) /* its ids of this millisecond are smaller */
        gen->next_sequence = N_SEQUENCES;
    if (ms > gen->last_ms) {
        gen->last_ms = ms;
        gen->next_sequence = 0;
    }
    gen->node = node;
    return CHAT_OK;
}

void chat_idgen_set_lease(chat_idgen *gen, uint64_t until_ms)
{
    gen->lease_until_ms = until_ms;
}

chat_status chat_idgen_next(chat_idgen *gen, uint64_t now_ms, uint64_t *out_id)
{
    uint64_t ms;
    chat_status status = check_time(now_ms, gen->lease_until_ms, &ms);
    if (status != CHAT_OK)
        return status;
    if (ms < gen->last_ms)
        return gen->last_ms - ms <= gen->max_backward_ms ? CHAT_ERR_BUSY : CHAT_ERR_CLOCK;
    if (ms > gen->last_ms) {
        gen->last_ms = ms;
        gen->next_sequence = 0;
    }
    if (gen->next_sequence >= N_SEQUENCES)
        return CHAT_ERR_BUSY;
    *out_id = make_id(ms, gen->node, gen->next_sequence++);
    return CHAT_OK;
}

/*
 * The shared state is the number of the next free slot: milliseconds * 8192 + sequence. One past
 * the last slot of a millisecond is the first of the next, so exhaustion needs no flag.
 */
chat_status chat_idgen_shared_init(chat_idgen_shared *gen, uint32_t node, uint64_t not_before_id)
{
    if (gen == NULL || node > CHAT_SNOWFLAKE_MAX_NODE)
        return CHAT_ERR_ARG;
    uint64_t slot = (not_before_id >> TIME_SHIFT) << CHAT_SNOWFLAKE_SEQUENCE_BITS;
    gen->state = slot + first_sequence_after(not_before_id, node);
    gen->lease_until_ms = UINT64_MAX;
    gen->max_backward_ms = CHAT_SNOWFLAKE_MAX_BACKWARD_MS;
    gen->node = node;
    gen->reserved = 0;
    return CHAT_OK;
}

void chat_idgen_shared_set_lease(chat_idgen_shared *gen, uint64_t until_ms)
{
    __atomic_store_n(&gen->lease_until_ms, until_ms, __ATOMIC_RELAXED);
}

/* Why a moment has no slot left when the next free one is `slot`, which lies behind it. */
static chat_status refuse(const chat_idgen_shared *gen, uint64_t ms, uint64_t slot)
{
    uint64_t last_ms = (slot - 1) >> CHAT_SNOWFLAKE_SEQUENCE_BITS;
    return last_ms <= ms || last_ms - ms <= gen->max_backward_ms ? CHAT_ERR_BUSY : CHAT_ERR_CLOCK;
}

chat_status chat_idgen_shared_next(chat_idgen_shared *gen, uint64_t now_ms, uint64_t *out_id)
{
    uint64_t ms;
    uint64_t lease_until_ms = __atomic_load_n(&gen->lease_until_ms, __ATOMIC_RELAXED);
    chat_status status = check_time(now_ms, lease_until_ms, &ms);
    if (status != CHAT_OK)
        return status;
    /* Relaxed: all threads agree on the order of changes of one variable, and no other data
       hangs on it. */
    uint64_t next = __atomic_load_n(&gen->state, __ATOMIC_RELAXED);
    uint64_t slot;
    do {
        slot = ms << CHAT_SNOWFLAKE_SEQUENCE_BITS;
        if (next > slot)
            slot = next;
        if (slot >> CHAT_SNOWFLAKE_SEQUENCE_BITS != ms)
            return refuse(gen, ms, slot);
    } while (!__atomic_compare_exchange_n(&gen->state, &next, slot + 1, 1, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    *out_id = make_id(ms, gen->node, slot & CHAT_SNOWFLAKE_MAX_SEQUENCE);
    return CHAT_OK;
}
