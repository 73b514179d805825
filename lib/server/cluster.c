/* SPDX-License-Identifier: MIT */
/* See cluster.h. */
#include "cluster.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/crc32c.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_NEWS_BYTES (CHAT__SLOTS_MAX * 4 * sizeof(chat__slots_news))

uint32_t chat__cluster_place_of(const chat__cluster *cluster, uint32_t member)
{
    for (uint32_t i = 0; i < cluster->n_members; i++)
        if (cluster->members[i] == member)
            return i;
    return CHAT__LINKS_MAX_OTHERS;
}

/* --- telling the shards --- */

/* Nobody may miss it: without memory for it this server ends. */
static void fail(chat_server *server)
{
    chat__server_log(server, CHAT_LOG_ERROR, "out of memory: the server ends");
    atomic_store(&server->is_broken, 1);
    chat_server_stop(server);
}

static void post(chat__shard *to, const chat__buf *news)
{
    chat_server *server = to->server;
    chat__batch *batch = chat__batch_new(&server->allocator, CHAT__MAIL_SLOTS, to->index);
    if (news->len == 0)
        chat__batch_free(&server->allocator, batch);
    else if (batch == NULL || chat__buf_append(&batch->bytes, news->data, news->len) != CHAT_OK)
        fail(server);
    else
        chat__shard_post(to, batch);
}

static void add(chat__cluster *cluster, chat__buf *to, const chat__slots_news *news)
{
    if (chat__buf_append(to, news, sizeof *news) != CHAT_OK)
        fail(cluster->server);
}

static void add_place(chat__cluster *cluster, chat__buf *to, uint32_t slot,
                      const chat__slot_place *was, const chat__slot_place *is)
{
    chat__slots_news news;
    memset(&news, 0, sizeof news);
    news.slot = slot;
    news.type = CHAT__SLOTS_NEWS_LOST;
    if (was != NULL && was->life != 0)
        add(cluster, to, &news);
    news.type = CHAT__SLOTS_NEWS_FOUND;
    news.place = *is;
    if (is->life != 0)
        add(cluster, to, &news);
}

/* Tell all shards what follows from the last input. `first`: of it, or empty. */
static void tell_shards(chat__cluster *cluster, chat__buf *first)
{
    chat_server *server = cluster->server;
    chat__slots_change change;
    while (chat__slots_map_next(cluster->map, &change) == CHAT_OK)
        add_place(cluster, first, change.slot, &change.was, &change.is);
    for (uint32_t i = 0; i < server->n_ready; i++)
        post(&server->shards[i], first);
    first->len = 0;
}

static void init_news(chat__cluster *cluster, chat__buf *news)
{
    chat__buf_init(news, &cluster->server->allocator, MAX_NEWS_BYTES);
}

/* --- telling the members --- */

static void say(chat__cluster *cluster, uint32_t member, const chat__buf *said)
{
    uint64_t session = chat__slots_map_session(cluster->map, member);
    chat__trunk_record record = {0, 0, chat__buf_view(said)};
    if (session == 0)
        return;
    chat_status status = chat__links_send_in(cluster->server->links, member, session, &record);
    if (status != CHAT_OK)
        chat__links_give_up(cluster->server->links, member, session);
}

static void start_saying(chat__cluster *cluster, chat__buf *said)
{
    static const uint8_t head[CHAT__SLOTS_HEAD] = {CHAT__SLOTS_SAID};
    chat__buf_init(said, &cluster->server->allocator, SIZE_MAX / 2);
    if (chat__buf_append(said, head, sizeof head) != CHAT_OK)
        fail(cluster->server);
}

static void say_to_all(chat__cluster *cluster, uint32_t slot)
{
    chat__buf said;
    start_saying(cluster, &said);
    if (chat__slots_map_say(cluster->map, slot, &said) != CHAT_OK)
        fail(cluster->server);
    for (uint32_t i = 0; i < cluster->n_members; i++)
        say(cluster, cluster->members[i], &said);
    chat__buf_done(&said);
}

/* --- slots of this member --- */

void chat__cluster_slot_started(chat__shard *shard, uint64_t term)
{
    chat__cluster *cluster = shard->server->cluster;
    chat__buf news;
    if (cluster == NULL)
        return;
    init_news(cluster, &news);
    uv_mutex_lock(&cluster->mutex);
    /* Whom it finds comes first: nobody writes to it who was not told that it is there. */
    for (uint32_t i = 0; i < shard->server->n_shards; i++)
        if (i != shard->index)
            add_place(cluster, &news, i, NULL, chat__slots_map_place(cluster->map, i));
    post(shard, &news);
    news.len = 0;
    chat__slots_map_start(cluster->map, shard->index, term, shard->life);
    tell_shards(cluster, &news);
    say_to_all(cluster, shard->index);
    uv_mutex_unlock(&cluster->mutex);
    chat__buf_done(&news);
}

void chat__cluster_slot_stopped(chat__shard *shard)
{
    chat__cluster *cluster = shard->server->cluster;
    chat__buf news;
    if (cluster == NULL)
        return;
    init_news(cluster, &news);
    uv_mutex_lock(&cluster->mutex);
    chat__slots_map_stop(cluster->map, shard->index);
    tell_shards(cluster, &news);
    say_to_all(cluster, shard->index);
    uv_mutex_unlock(&cluster->mutex);
    chat__buf_done(&news);
}

/* --- what links tell --- */

static void on_up(void *ctx, uint32_t member)
{
    chat_server *server = ctx;
    chat__cluster *cluster = server->cluster;
    uint64_t session = chat__links_session(server->links, member);
    chat__buf said;
    if (cluster == NULL || session == 0)
        return;
    start_saying(cluster, &said);
    uv_mutex_lock(&cluster->mutex);
    chat__slots_map_up(cluster->map, member, session);
    if (chat__slots_map_say_all(cluster->map, &said) != CHAT_OK)
        fail(server);
    say(cluster, member, &said);
    uv_mutex_unlock(&cluster->mutex);
    chat__buf_done(&said);
}

static void on_lost(void *ctx, uint32_t member)
{
    chat_server *server = ctx;
    chat__cluster *cluster = server->cluster;
    chat__slots_news gone;
    chat__buf news;
    if (cluster == NULL)
        return;
    memset(&gone, 0, sizeof gone);
    gone.type = CHAT__SLOTS_NEWS_GONE;
    gone.member = member;
    init_news(cluster, &news);
    uv_mutex_lock(&cluster->mutex);
    chat__slots_map_lost(cluster->map, member);
    add(cluster, &news, &gone);
    tell_shards(cluster, &news);
    uv_mutex_unlock(&cluster->mutex);
    chat__buf_done(&news);
}

/* --- what comes over links --- */

typedef struct arrival {
    chat__cluster *cluster;
    uint32_t member;
    uint64_t session;
} arrival;

static uint32_t kind_of(chat__slots_record kind)
{
    if (kind == CHAT__SLOTS_FRAMES)
        return CHAT__MAIL_LINK;
    return kind == CHAT__SLOTS_TO_HOME ? CHAT__MAIL_TO_HOME : CHAT__MAIL_TO_SOCKET;
}

static int is_let_in(const arrival *from, const chat__trunk_record *record, uint64_t life)
{
    const chat__slots_map *map = from->cluster->map;
    uint32_t n_slots = from->cluster->server->n_shards;
    if (record->from >= n_slots || record->to >= n_slots ||
        chat__slots_map_session(map, from->member) != from->session)
        return 0;
    switch (record->frame.data[0]) {
    case CHAT__SLOTS_FRAMES:
        return chat__slots_map_lets_in(map, from->member, record->from, record->to, life);
    case CHAT__SLOTS_TO_HOME:
        return life != 0 && chat__slots_map_own_life(map, record->to) == life;
    case CHAT__SLOTS_TO_SOCKET:
        return chat__slots_map_place(map, record->from)->member == from->member;
    default:
        return 0; /* of a newer version */
    }
}

/* 1: the shard has it, and says when it is dealt with. */
static int hand_over(const arrival *from, const chat__trunk_record *record)
{
    chat_server *server = from->cluster->server;
    uint64_t life = chat__load64le(record->frame.data + 1);
    if (!is_let_in(from, record, life))
        return 0;
    uint32_t kind = kind_of((chat__slots_record)record->frame.data[0]);
    chat__batch *batch = chat__batch_new(&server->allocator, (chat__mail_kind)kind, record->from);
    if (batch == NULL ||
        chat__buf_append(&batch->bytes, record->frame.data, record->frame.len) != CHAT_OK) {
        chat__batch_free(&server->allocator, batch);
        chat__links_give_up(server->links, from->member, from->session);
        return 0;
    }
    batch->start = CHAT__SLOTS_HEAD;
    batch->life = life;
    batch->member = from->member;
    batch->session = from->session;
    batch->credit = CHAT__TRUNK_RECORD_HEAD + record->frame.len;
    chat__shard_post(&server->shards[record->to], batch);
    return 1;
}

static void take_said(const arrival *from, chat_view said)
{
    chat__buf news;
    if (chat__slots_map_session(from->cluster->map, from->member) != from->session)
        return;
    if (chat__slots_map_told(from->cluster->map, from->member, said) != CHAT_OK)
        chat__links_give_up(from->cluster->server->links, from->member, from->session);
    init_news(from->cluster, &news);
    tell_shards(from->cluster, &news);
    chat__buf_done(&news);
}

static uint64_t take_record(const arrival *from, const chat__trunk_record *record)
{
    if (record->frame.len >= CHAT__SLOTS_HEAD && record->frame.data[0] == CHAT__SLOTS_SAID)
        take_said(from, chat__view(record->frame.data + CHAT__SLOTS_HEAD,
                                   record->frame.len - CHAT__SLOTS_HEAD));
    else if (record->frame.len >= CHAT__SLOTS_HEAD && hand_over(from, record))
        return 0;
    return CHAT__TRUNK_RECORD_HEAD + record->frame.len;
}

static void on_records(void *ctx, uint32_t member, uint64_t session, chat_view records)
{
    chat_server *server = ctx;
    arrival from = {server->cluster, member, session};
    uint64_t done = server->cluster == NULL ? records.len : 0;
    chat__trunk_record record;
    if (server->cluster != NULL) {
        uv_mutex_lock(&server->cluster->mutex);
        while (chat__trunk_next_record(&records, &record) == CHAT_OK)
            done += take_record(&from, &record);
        uv_mutex_unlock(&server->cluster->mutex);
    }
    if (done > 0)
        chat__links_consumed(server->links, member, session, done);
}

void chat__cluster_settle(const chat_server *server, const chat__batch *batch)
{
    if (batch->credit > 0)
        chat__links_consumed(server->links, batch->member, batch->session, batch->credit);
}

/* --- life --- */

/* How many members have a lower number. */
static uint32_t rank_of(const chat__cluster *cluster, uint64_t member)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < cluster->n_members; i++)
        rank += cluster->members[i] < member;
    return rank;
}

int chat__cluster_is_own(const chat_server *server, uint32_t slot)
{
    const chat__cluster *cluster = server->cluster;
    if (server->placer != NULL)
        return 0; /* not yet */
    return cluster == NULL ||
           slot % (cluster->n_members + 1) == rank_of(cluster, server->options.link_member);
}

/* CHAT_OK; CHAT_ERR_LIMIT; CHAT_ERR_NOMEM. */
static chat_status add_member(chat__cluster *cluster, uint32_t member)
{
    uint32_t n = cluster->n_members;
    if (n == CHAT__LINKS_MAX_OTHERS)
        return CHAT_ERR_LIMIT;
    if (chat__slots_map_add(cluster->map, member) != CHAT_OK)
        return CHAT_ERR_NOMEM;
    cluster->members[n] = member;
    cluster->n_members = n + 1; /* others read without the mutex */
    return CHAT_OK;
}

static chat_status make_cluster(chat_server *server)
{
    chat__cluster *cluster = chat__alloc_zero(&server->allocator, sizeof *cluster);
    if (cluster == NULL)
        return CHAT_ERR_NOMEM;
    server->cluster = cluster;
    cluster->server = server;
    if (uv_mutex_init(&cluster->mutex) != 0)
        return CHAT_ERR_NOMEM;
    cluster->has_mutex = 1;
    uint32_t members[CHAT__LINKS_MAX_OTHERS];
    uint32_t n_members = 0;
    chat_status status = chat__links_list(&server->options, members, &n_members);
    if (status == CHAT_OK)
        status =
            chat__slots_map_new(&server->allocator, (uint32_t)server->options.slots, &cluster->map);
    for (uint32_t i = 0; i < n_members && status == CHAT_OK; i++)
        status = add_member(cluster, members[i]);
    return status;
}

void chat__cluster_meet(chat_server *server, uint32_t member, const char *address)
{
    chat__cluster *cluster = server->cluster;
    chat_status status = CHAT_OK;
    if (cluster == NULL || member == server->options.link_member)
        return;
    uv_mutex_lock(&cluster->mutex);
    if (chat__cluster_place_of(cluster, member) == CHAT__LINKS_MAX_OTHERS)
        status = add_member(cluster, member);
    uv_mutex_unlock(&cluster->mutex);
    if (status == CHAT_OK)
        status = chat__links_meet(server->links, member, address);
    if (status == CHAT_ERR_NOMEM)
        fail(server);
}

/* What must be the same for all members: who they are, too, for places follow from it. Partitions
   may differ while the log gets more, as long as that changes no chat's slot. */
static void write_setup(const chat_server *server, char *out, size_t cap)
{
    const chat__cluster *cluster = server->cluster;
    uint32_t check = 0;
    size_t len = 0;
    if (cluster == NULL || server->options.partitions % server->options.slots != 0)
        len = (size_t)snprintf(out, cap, "partitions=%" PRIu64 "%s", server->options.partitions,
                               cluster != NULL ? " " : "");
    if (cluster == NULL)
        return;
    if (server->placer != NULL) {
        (void)snprintf(out + len, cap - len, "slots=%" PRIu64 " placed", server->options.slots);
        return;
    }
    for (uint32_t member = 0; member <= CHAT__LINKS_MAX_MEMBER; member++) {
        uint8_t bytes[4];
        if (member != server->options.link_member &&
            chat__cluster_place_of(cluster, member) == CHAT__LINKS_MAX_OTHERS)
            continue;
        chat__store32le(bytes, member);
        check = chat__crc32c(check, bytes, sizeof bytes);
    }
    (void)snprintf(out + len, cap - len, "slots=%" PRIu64 " members=%u:%08" PRIx32,
                   server->options.slots, cluster->n_members + 1, check);
}

chat_status chat__cluster_init(chat_server *server)
{
    char setup[CHAT__TRUNK_MAX_TEXT];
    const chat__links_hooks hooks = {server, on_records, on_up, on_lost};
    if (!chat__links_are_wanted(&server->options))
        return CHAT_OK;
    if (server->options.slots > 0) {
        chat_status status = make_cluster(server);
        if (status != CHAT_OK)
            return status;
    }
    write_setup(server, setup, sizeof setup);
    return chat__links_new(&server->options, setup, &hooks, &server->links);
}

chat_status chat__cluster_start(chat_server *server)
{
    if (server->links == NULL)
        return CHAT_OK;
    if (server->cluster != NULL && server->appender == NULL)
        chat__server_log(server, CHAT_LOG_WARN,
                         "slots: members have storage of their own, so who comes back misses what "
                         "other members have: for trials only; see kafka-brokers");
    if (server->options.link_listen != NULL)
        chat__server_log(server, CHAT_LOG_INFO, "member %" PRIu64 " takes links on port %u",
                         server->options.link_member, chat__links_port(server->links));
    return chat__links_start(server->links);
}

void chat__cluster_stop(chat_server *server)
{
    chat__links_stop(server->links);
}

void chat__cluster_done(chat_server *server)
{
    chat__cluster *cluster = server->cluster;
    chat__links_free(server->links);
    server->links = NULL;
    server->cluster = NULL;
    if (cluster == NULL)
        return;
    chat__slots_map_free(cluster->map);
    if (cluster->has_mutex)
        uv_mutex_destroy(&cluster->mutex);
    chat__alloc_free(&server->allocator, cluster);
}
