/* SPDX-License-Identifier: MIT */
/*
 * libchat-redis against real servers: CHAT_REDIS names them, CHAT_REDIS_MODE says how they are
 * (standalone, shards, sentinel, cluster), CHAT_REDIS_MASTER is for sentinels. Without a word: the
 * contract. `survive`: reservations while somebody kills a server, told by the line "now" on
 * standard output. `try`: one ask; what is wrong is printed.
 */
#include "base/view.h"
#include "contract/shared.h"

#include <chat/redis.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static chat_redis *redis_;
static char prefix_[32];

static uint64_t now_ms(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void wait_ms(void *ctx, uint64_t ms)
{
    const chat_shared *shared = chat_redis_table(redis_);
    (void)ctx;
    uint64_t now = now_ms(NULL), at = shared->deadline(shared->ctx);
    uint64_t left = at <= now ? 0 : at - now < ms ? at - now : ms;
    struct pollfd p = {.fd = shared->fd(shared->ctx), .events = POLLIN};
    (void)poll(&p, 1, (int)left);
}

static const char *setting(const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "CHAT_REDIS%s", name);
    const char *value = getenv(whole);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static chat_redis_options options_of(void)
{
    static const char *const modes[] = {"standalone", "shards", "sentinel", "cluster"};
    chat_redis_options options;
    const char *mode = setting("_MODE");
    chat_redis_options_init(&options);
    for (uint32_t i = 0; mode != NULL && i < 4; i++) {
        if (strcmp(mode, modes[i]) == 0)
            options.mode = (chat_redis_mode)i;
    }
    options.servers = setting("");
    options.master = setting("_MASTER");
    options.user = setting("_USER");
    options.password = setting("_PASSWORD");
    options.ca_file = setting("_CA");
    options.tls = setting("_TLS") != NULL;
    options.database = setting("_DATABASE") != NULL ? (uint32_t)atoi(setting("_DATABASE")) : 0;
    options.presence_ttl_s = SHARED_PRESENCE_TTL_S;
    options.queue_limit = SHARED_QUEUE_LIMIT;
    options.recent_count = SHARED_RECENT_COUNT;
    return options;
}

static shared_world open_world(chat_redis_options *options)
{
    char why[400];
    if (chat_redis_new(options, why, sizeof why, &redis_) != CHAT_OK) {
        printf("%s\n", why);
        exit(2);
    }
    snprintf(prefix_, sizeof prefix_, "-%d", (int)getpid());
    shared_world world = {NULL, chat_redis_table(redis_), prefix_, now_ms, wait_ms};
    return world;
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_here(void **state)                                                          \
    {                                                                                              \
        chat_redis_options options = options_of();                                                 \
        shared_world world = open_world(&options);                                                 \
        (void)state;                                                                               \
        name(&world);                                                                              \
        chat_redis_free(redis_);                                                                   \
    }
SHARED_CONTRACT(CONTRACT_TEST)

/* --- a server is killed --- */

typedef struct tally {
    uint32_t n_asked, n_done, n_unknown, n_not_done, n_wrong;
    uint64_t longest_ms;
} tally;

#define N_SURVIVE    20000u
#define MOST_AT_ONCE 64u

static void reserve(const shared_world *world, uint64_t tag, uint64_t id)
{
    char name[32];
    snprintf(name, sizeof name, "c%u", (unsigned)tag);
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_RESERVE, "user");
    char owner[64];
    snprintf(owner, sizeof owner, "user-%u%s", (unsigned)(tag % 97), world->prefix);
    ask.owner = chat__view_str(owner);
    ask.name = chat__view_str(name);
    ask.number = id;
    ask.tag = tag;
    if (world->shared->ask(world->shared->ctx, &ask, now_ms(NULL)) != CHAT_OK)
        exit(3);
}

static void take_answer(const chat_shared_event *event, const uint64_t *asked_at_ms, tally *t)
{
    uint64_t took = now_ms(NULL) - asked_at_ms[event->tag];
    t->longest_ms = took > t->longest_ms ? took : t->longest_ms;
    t->n_done += event->status == CHAT_OK;
    t->n_unknown += event->status == CHAT_ERR_TIMEOUT;
    t->n_not_done += event->status != CHAT_OK && event->status != CHAT_ERR_TIMEOUT;
    t->n_wrong += event->status == CHAT_OK && event->number != event->tag + 1;
}

/* Reservations, each with an id of its own, until the server was killed and as many again are done.
 */
static int survive(void)
{
    static uint64_t asked_at_ms[N_SURVIVE];
    chat_redis_options options = options_of();
    options.wait_ms = 20000;
    shared_world world = open_world(&options);
    const chat_shared *shared = world.shared;
    chat_shared_event event = {.struct_size = sizeof event};
    tally t = {0};
    uint32_t n_ended = 0;
    while (n_ended < N_SURVIVE) {
        while (t.n_asked < N_SURVIVE && t.n_asked - n_ended < MOST_AT_ONCE) {
            asked_at_ms[t.n_asked] = now_ms(NULL);
            reserve(&world, t.n_asked, t.n_asked + 1);
            if (++t.n_asked == N_SURVIVE / 4) {
                printf("now\n");
                fflush(stdout);
            }
        }
        shared->process(shared->ctx, now_ms(NULL));
        while (shared->next_event(shared->ctx, &event) == CHAT_OK) {
            if (event.type == CHAT_SHARED_EVENT_PROBLEM)
                printf("problem: %s\n", event.text);
            if (event.type == CHAT_SHARED_EVENT_ANSWER) {
                take_answer(&event, asked_at_ms, &t);
                n_ended++;
            }
        }
        if (t.n_asked - n_ended == MOST_AT_ONCE || t.n_asked == N_SURVIVE)
            wait_ms(NULL, 1000);
    }
    printf("done %u unknown %u not %u wrong %u longest %u ms\n", t.n_done, t.n_unknown,
           t.n_not_done, t.n_wrong, (unsigned)t.longest_ms);
    chat_redis_free(redis_);
    return 0;
}

static int try_it(void)
{
    chat_redis_options options = options_of();
    options.wait_ms = 2500;
    options.timeout_ms = 1000;
    shared_world world = open_world(&options);
    chat_shared_ask ask = shared_about(&world, CHAT_SHARED_DEVICES, "user");
    shared_answer answer;
    shared_ask(&world, &ask, &answer);
    printf("%s\n", chat_status_name(answer.status));
    chat_shared_event event = {.struct_size = sizeof event};
    while (world.shared->next_event(world.shared->ctx, &event) == CHAT_OK)
        printf("%s\n", event.text != NULL ? event.text : "");
    chat_redis_free(redis_);
    return answer.status != CHAT_OK;
}

int main(int argc, char **argv)
{
#define CONTRACT_ROW(name) cmocka_unit_test(name##_here),
    const struct CMUnitTest tests[] = {SHARED_CONTRACT(CONTRACT_ROW)};
    if (argc > 1 && strcmp(argv[1], "survive") == 0)
        return survive();
    if (argc > 1 && strcmp(argv[1], "try") == 0)
        return try_it();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
