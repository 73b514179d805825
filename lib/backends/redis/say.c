/* SPDX-License-Identifier: MIT */
/* Asks become commands: keys, arguments, and the limits of what may be asked. */
#include "backends/redis/internal.h"
#include "backends/redis/scripts.h"

#include "base/alloc.h"
#include "base/shared_ask.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_BYTES 320u
#define MAX_ARGS  12u

typedef struct command {
    int n;
    const char *args[MAX_ARGS];
    size_t lens[MAX_ARGS];
    char keys[2][KEY_BYTES];
    size_t key_lens[2];
    char numbers[5][24];
    int n_numbers;
} command;

static void put(command *c, const void *bytes, size_t len)
{
    c->args[c->n] = len > 0 ? bytes : "";
    c->lens[c->n++] = len;
}

static void put_view(command *c, chat_view view)
{
    put(c, view.data, view.len);
}

static void put_number(command *c, uint64_t number)
{
    char *text = c->numbers[c->n_numbers++];
    put(c, text, (size_t)snprintf(text, sizeof c->numbers[0], "%" PRIu64, number));
}

static void put_seq(command *c, const char *before, uint64_t seq)
{
    char *text = c->numbers[c->n_numbers++];
    put(c, text, (size_t)snprintf(text, sizeof c->numbers[0], "%s%016" PRIx64, before, seq));
}

/* "BEFORE{OWNER}BEHIND". An owner that begins with } would be no hash tag, so that two keys of it
   were in different slots; what stands for it must then be no other owner's. */
static void make_key(command *c, int which, const char *before, chat_view owner, const char *behind)
{
    char *key = c->keys[which];
    const char *escape = owner.len == 0         ? ""
                         : owner.data[0] == '}' ? "%7D"
                         : owner.data[0] == '%' ? "%25"
                                                : "";
    size_t skip = escape[0] != '\0';
    c->key_lens[which] =
        (size_t)snprintf(key, KEY_BYTES, "%s{%s%.*s}%s", before, escape, (int)(owner.len - skip),
                         (const char *)owner.data + skip, behind);
}

static void put_key(command *c, int which)
{
    put(c, c->keys[which], c->key_lens[which]);
}

/* --- one command --- */

static void say_devices(command *c, const chat_shared_ask *ask, const chat_redis_options *o)
{
    make_key(c, 0, "user:", ask->owner, ":presence");
    make_key(c, 1, "user:", ask->owner, ":devices");
    put(c, "2", 1);
    put_key(c, 0);
    put_key(c, 1);
    if (ask->op == CHAT_SHARED_DEVICES)
        return;
    if (ask->op == CHAT_SHARED_ONLINE)
        put_number(c, (uint64_t)o->presence_ttl_s * 1000);
    put_view(c, ask->name);
    put_view(c, ask->value);
}

static void say_queue(command *c, const chat_shared_ask *ask, const chat_redis_options *o)
{
    /* Who is away longer than entries are kept is still told that he lost some. */
    uint64_t cursor_ttl_s = (uint64_t)o->queue_ttl_s * 4;
    make_key(c, 0, "offline_messages:", ask->owner, "");
    make_key(c, 1, "offline_cursors:", ask->owner, "");
    put(c, "2", 1);
    put_key(c, 0);
    put_key(c, 1);
    if (ask->op == CHAT_SHARED_QUEUE_PUT) {
        put_view(c, ask->value);
        put_number(c, o->queue_limit);
        put_number(c, o->queue_ttl_s);
        put_number(c, cursor_ttl_s);
        return;
    }
    put_view(c, ask->name);
    if (ask->op == CHAT_SHARED_QUEUE_READ)
        put_number(c, ask->count);
    put_number(c, cursor_ttl_s);
    if (ask->op == CHAT_SHARED_QUEUE_ACK)
        put_number(c, ask->number);
}

static void say_reserve(command *c, const chat_shared_ask *ask, const chat_redis_options *o)
{
    make_key(c, 0, "cid:", ask->owner, ":");
    memcpy(c->keys[0] + c->key_lens[0], ask->name.data, ask->name.len);
    c->key_lens[0] += ask->name.len;
    put(c, "1", 1);
    put_key(c, 0);
    put_number(c, ask->number);
    put_number(c, o->cid_ttl_s);
}

static void say_take(command *c, const chat_shared_ask *ask, const chat_redis_options *o)
{
    (void)o;
    make_key(c, 0, "rate:", ask->owner, "");
    put(c, "1", 1);
    put_key(c, 0);
    put_number(c, ask->rate);
    put_number(c, ask->burst > ask->rate ? ask->burst : ask->rate);
    put_number(c, ask->count);
}

static void say_recent(command *c, const chat_shared_ask *ask, const chat_redis_options *o)
{
    make_key(c, 0, "recent:", ask->owner, "");
    if (ask->op == CHAT_SHARED_RECENT_READ) {
        put(c, "ZREVRANGEBYLEX", 14);
        put_key(c, 0);
        if (ask->number != 0)
            put_seq(c, "(", ask->number);
        else
            put(c, "(" CHAT__REDIS_RECENT_END, 1 + CHAT__REDIS_SEQ_DIGITS);
        put(c, "-", 1);
        put(c, "LIMIT", 5);
        put(c, "0", 1);
        put_number(c, ask->count);
        return;
    }
    put(c, "1", 1);
    put_key(c, 0);
    put_seq(c, "", ask->number);
    put_seq(c, "", ask->number + 1);
    if (ask->op == CHAT_SHARED_RECENT_PUT) {
        put_view(c, ask->value);
        put_number(c, o->recent_count);
    }
    put_number(c, o->recent_ttl_s);
}

typedef struct kind_of_op {
    void (*say)(command *c, const chat_shared_ask *ask, const chat_redis_options *o);
    chat__redis_script script;
    uint8_t is_repeatable;
} kind_of_op;

static const kind_of_op ROWS[] = {
    [CHAT_SHARED_ONLINE] = {say_devices, CHAT__REDIS_SCRIPT_ONLINE, 1},
    [CHAT_SHARED_OFFLINE] = {say_devices, CHAT__REDIS_SCRIPT_OFFLINE, 1},
    [CHAT_SHARED_WHO] = {NULL, CHAT__REDIS_NO_SCRIPT, 1},
    [CHAT_SHARED_DEVICES] = {say_devices, CHAT__REDIS_SCRIPT_DEVICES, 1},
    [CHAT_SHARED_QUEUE_PUT] = {say_queue, CHAT__REDIS_SCRIPT_QUEUE_PUT, 0},
    [CHAT_SHARED_QUEUE_READ] = {say_queue, CHAT__REDIS_SCRIPT_QUEUE_READ, 1},
    [CHAT_SHARED_QUEUE_ACK] = {say_queue, CHAT__REDIS_SCRIPT_QUEUE_ACK, 1},
    [CHAT_SHARED_QUEUE_DROP] = {say_queue, CHAT__REDIS_SCRIPT_QUEUE_ACK, 1},
    [CHAT_SHARED_RESERVE] = {say_reserve, CHAT__REDIS_SCRIPT_RESERVE, 1},
    [CHAT_SHARED_TAKE] = {say_take, CHAT__REDIS_SCRIPT_TAKE, 0},
    [CHAT_SHARED_RECENT_PUT] = {say_recent, CHAT__REDIS_SCRIPT_RECENT_PUT, 1},
    [CHAT_SHARED_RECENT_READ] = {say_recent, CHAT__REDIS_NO_SCRIPT, 1},
    [CHAT_SHARED_RECENT_CUT] = {say_recent, CHAT__REDIS_SCRIPT_RECENT_CUT, 1},
};

static chat_status send(chat_redis *redis, const command *c, uint64_t tag, const kind_of_op *row)
{
    chat__redis_ask ask = {
        tag,     row->script, row->is_repeatable, chat__view(c->keys[0], c->key_lens[0]), c->n,
        c->args, c->lens};
    return chat__redis_fleet_ask(redis->fleet, &ask, redis->now_ms);
}

/* --- many users: those whose keys are in the same place go into one MGET --- */

#define USERS_OF_MGET 32u

static chat_status say_some(chat_redis *redis, chat__redis_op *op, const chat_shared_ask *ask,
                            const uint16_t *which, uint32_t n)
{
    char keys[USERS_OF_MGET][KEY_BYTES];
    const char *args[USERS_OF_MGET + 1] = {"MGET"};
    size_t lens[USERS_OF_MGET + 1] = {4};
    for (uint32_t i = 0; i < n; i++) {
        command c;
        make_key(&c, 0, "user:", ask->users[which[i]], ":presence");
        memcpy(keys[i], c.keys[0], c.key_lens[0]);
        args[i + 1] = keys[i];
        lens[i + 1] = c.key_lens[0];
        op->next_user[which[i]] = i + 1 < n ? which[i + 1] : 0;
    }
    uint64_t index = (uint64_t)(op - redis->ops);
    chat__redis_ask one = {(uint64_t)which[0] << 32 | index,
                           0,
                           1,
                           chat__view(keys[0], lens[1]),
                           (int)n + 1,
                           args,
                           lens};
    return chat__redis_fleet_ask(redis->fleet, &one, redis->now_ms);
}

static chat_status say_who(chat_redis *redis, chat__redis_op *op, const chat_shared_ask *ask)
{
    uint32_t parts[CHAT_SHARED_MAX_USERS];
    uint8_t is_said[CHAT_SHARED_MAX_USERS] = {0};
    chat_status status = CHAT_OK;
    op->n_users = (uint32_t)ask->n_users;
    op->next_user = chat__alloc_zero(&redis->allocator, op->n_users * 3);
    if (op->next_user == NULL)
        return CHAT_ERR_NOMEM;
    op->is_online = (uint8_t *)(op->next_user + op->n_users);
    for (uint32_t i = 0; i < op->n_users; i++) {
        command c;
        make_key(&c, 0, "user:", ask->users[i], ":presence");
        parts[i] = chat__redis_fleet_part(redis->fleet, chat__view(c.keys[0], c.key_lens[0]));
    }
    for (uint32_t i = 0; i < op->n_users && status == CHAT_OK; i++) {
        uint16_t which[USERS_OF_MGET];
        uint32_t n = 0;
        for (uint32_t k = i; k < op->n_users && n < USERS_OF_MGET && !is_said[i]; k++) {
            if (!is_said[k] && parts[k] == parts[i])
                which[n++] = (uint16_t)k;
        }
        for (uint32_t k = 0; k < n; k++)
            is_said[which[k]] = 1;
        if (n > 0)
            status = say_some(redis, op, ask, which, n);
        op->n_left += n > 0 && status == CHAT_OK;
    }
    if (op->n_left == 0)
        return status;
    op->status = status; /* what was said is waited for */
    return CHAT_OK;
}

void chat__redis_op_free(chat_redis *redis, chat__redis_op *op)
{
    if (op->next_user != NULL)
        chat__alloc_free(&redis->allocator, op->next_user);
    memset(op, 0, sizeof *op);
    op->next_free = redis->first_free;
    redis->first_free = (uint32_t)(op - redis->ops) + 1;
}

chat_status chat__redis_say(chat_redis *redis, const chat_shared_ask *ask)
{
    if (!chat__shared_ask_is_right(ask))
        return CHAT_ERR_ARG;
    if (redis->first_free == 0)
        return CHAT_ERR_BUSY;
    chat__redis_op *op = &redis->ops[redis->first_free - 1];
    const kind_of_op *row = &ROWS[ask->op];
    chat_status status;
    redis->first_free = op->next_free;
    op->op = ask->op;
    op->tag = ask->tag;
    if (row->say != NULL) {
        command c;
        c.n = 0;
        c.n_numbers = 0;
        row->say(&c, ask, &redis->options);
        op->n_left = 1;
        status = send(redis, &c, (uint64_t)(op - redis->ops), row);
    } else {
        status = say_who(redis, op, ask);
    }
    if (status != CHAT_OK)
        chat__redis_op_free(redis, op);
    return status;
}
