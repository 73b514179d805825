/* SPDX-License-Identifier: MIT */
/* <chat/cassandra_store.h>: one session, the writer, the devices and the reader on it. */
#include <chat/cassandra_store.h>

#include "backends/cassandra/store/apply.h"
#include "backends/cassandra/store/devices.h"
#include "backends/cassandra/store/read.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <string.h>

#define MAX_PARTITIONS 65536u
#define MAX_FLYING     32000u

struct chat_cassandra_store {
    chat_allocator allocator;
    chat__cstore_session *session;
    chat_store_rules rules;
    chat__cstore_writer writer;
    chat__cstore_devices devices;
    chat__cstore_reader reader;
    chat_store table;
};

void chat_cassandra_store_options_init(chat_cassandra_store_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->n_partitions = 64;
    options->max_in_flight = 1024;
    options->max_chats = 100000;
    options->max_devices = 100000;
    options->device_trust_ms = 5000;
}

/* --- the table --- */

static chat_status set_rules(void *ctx, const chat_store_rules *rules)
{
    chat_cassandra_store *store = ctx;
    chat_store_rules taken = {.struct_size = sizeof taken};
    if (rules == NULL || chat__sized_take(&taken, sizeof taken, rules) != CHAT_OK)
        return CHAT_ERR_ARG;
    store->rules = taken;
    return CHAT_OK;
}

static chat_status apply(void *ctx, chat_store_record *records, size_t n)
{
    chat_cassandra_store *store = ctx;
    return chat__cstore_apply(&store->writer, records, n);
}

static void forget(void *ctx, uint32_t partition)
{
    chat_cassandra_store *store = ctx;
    chat__cstore_forget(&store->writer, partition);
}

static chat_status load_chat(void *ctx, chat_view chat, chat_store_chat_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_chat(&store->reader, chat, fn, fn_ctx);
}

static chat_status load_user(void *ctx, const chat_store_visit *visit, chat_store_user_chat_fn fn,
                             void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_user(&store->reader, visit, fn, fn_ctx);
}

static chat_status load_devices(void *ctx, chat_view user, uint64_t now_unix_ms,
                                chat_store_device_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_devices(&store->reader, user, now_unix_ms, fn, fn_ctx);
}

static chat_status see_device(void *ctx, const chat_store_visit *visit)
{
    chat_cassandra_store *store = ctx;
    return chat__cstore_see_device(&store->devices, visit);
}

static chat_status forget_device(void *ctx, const chat_store_visit *visit)
{
    chat_cassandra_store *store = ctx;
    return chat__cstore_forget_device(&store->devices, visit);
}

static chat_status put_cursors(void *ctx, const chat_store_cursor *cursors, size_t n)
{
    chat_cassandra_store *store = ctx;
    return chat__cstore_put_cursors(&store->devices, cursors, n);
}

static chat_status load_away(void *ctx, const chat_store_visit *visit, chat_view chat, uint64_t seq,
                             chat_store_away_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_away(&store->reader, visit, chat, seq, fn, fn_ctx);
}

static chat_status load_blocks(void *ctx, chat_view user, int is_reverse, uint32_t limit,
                               chat_store_name_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_blocks(&store->reader, user, is_reverse, limit, fn, fn_ctx);
}

static chat_status has_blocked(void *ctx, chat_view user, chat_view whom, int *out)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_has_blocked(&store->reader, user, whom, out);
}

static chat_status load_marks(void *ctx, chat_view chat, chat_view user, uint64_t seq,
                              chat_store_marks_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_load_marks(&store->reader, chat, user, seq, fn, fn_ctx);
}

static chat_status read_page(void *ctx, const chat_store_query *query, chat_store_row_fn fn,
                             void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_read(&store->reader, query, fn, fn_ctx);
}

static chat_status read_recent(void *ctx, const chat_store_query *query, chat_store_recent *recent,
                               chat_store_row_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_read_recent(&store->reader, query, recent, fn, fn_ctx);
}

static chat_status read_reactions(void *ctx, chat_view chat, chat_view user, uint64_t id,
                                  chat_store_row_fn fn, void *fn_ctx)
{
    const chat_cassandra_store *store = ctx;
    return chat__cstore_read_reactions(&store->reader, chat, user, id, fn, fn_ctx);
}

static const chat_store TABLE = {.struct_size = sizeof(chat_store),
                                 .set_rules = set_rules,
                                 .apply = apply,
                                 .forget = forget,
                                 .load_chat = load_chat,
                                 .load_user = load_user,
                                 .load_devices = load_devices,
                                 .see_device = see_device,
                                 .forget_device = forget_device,
                                 .put_cursors = put_cursors,
                                 .load_away = load_away,
                                 .load_blocks = load_blocks,
                                 .has_blocked = has_blocked,
                                 .load_marks = load_marks,
                                 .read = read_page,
                                 .read_reactions = read_reactions,
                                 .read_recent = read_recent};

const chat_store *chat_cassandra_store_table(const chat_cassandra_store *store)
{
    return &store->table;
}

/* --- life --- */

static int is_sane(const chat_cassandra_store_options *options)
{
    return options->n_partitions > 0 && options->n_partitions <= MAX_PARTITIONS &&
           options->max_in_flight > 0 && options->max_in_flight <= MAX_FLYING &&
           options->max_chats > 0 && options->max_devices > 0;
}

chat_status chat_cassandra_store_new(const chat_cassandra_store_options *given,
                                     chat_cassandra_store **out)
{
    chat_cassandra_store_options options;
    chat_cassandra_options cassandra;
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat_cassandra_store_options_init(&options);
    chat_cassandra_options_init(&cassandra);
    if (given == NULL || out == NULL ||
        chat__sized_take(&options, sizeof options, given) != CHAT_OK || !is_sane(&options) ||
        (options.cassandra != NULL &&
         chat__sized_take(&cassandra, sizeof cassandra, options.cassandra) != CHAT_OK))
        return CHAT_ERR_ARG;
    chat_cassandra_store *store = chat__alloc_zero(&libc, sizeof *store);
    if (store == NULL)
        return CHAT_ERR_NOMEM;
    store->allocator = libc;
    chat_status status =
        chat__cstore_session_new(&cassandra, options.log, options.max_in_flight, &store->session);
    if (status != CHAT_OK) {
        chat__alloc_free(&libc, store);
        return status;
    }
    chat__cstore_writer_init(&store->writer, store->session, options.n_partitions,
                             options.max_chats);
    chat__cstore_devices_init(&store->devices, store->session, &store->rules, options.max_devices,
                              options.device_trust_ms);
    store->reader = (chat__cstore_reader){store->session, &store->devices, &store->rules, libc};
    store->table = TABLE;
    store->table.ctx = store;
    *out = store;
    return CHAT_OK;
}

void chat_cassandra_store_stop(chat_cassandra_store *store)
{
    chat__cstore_session_stop(store->session);
}

chat_status chat_cassandra_store_get_figures(chat_cassandra_store *store,
                                             chat_cassandra_figures *out)
{
    chat_cassandra_figures figures;
    if (store == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat__cstore_session_figures(store->session, &figures);
    return chat__sized_give(out, &figures, sizeof figures);
}

void chat_cassandra_store_free(chat_cassandra_store *store)
{
    if (store == NULL)
        return;
    chat__cstore_session_free(store->session);
    chat__cstore_devices_done(&store->devices);
    chat__cstore_writer_done(&store->writer);
    chat__alloc_free(&store->allocator, store);
}
