/* SPDX-License-Identifier: MIT */
/*
 * The server as a whole: made from options, run until it is told to stop, freed. The caller of
 * chat_server_run() is the control thread: it starts the others, waits, and sees a drain through.
 */
#include "cluster.h"
#include "commons.h"
#include "herald.h"
#include "lessee.h"
#include "placer.h"
#include "storage.h"
#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES  1024u
#define NO_DEADLINE UINT64_MAX
#define MAX_POLL_MS 60000u

uint64_t chat__server_unix_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t chat__server_mono_ms(void)
{
    return uv_hrtime() / 1000000;
}

void chat__server_log(const chat_server *server, chat_log_level level, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    if (server->options.log.write == NULL || (uint64_t)level > server->options.log_level)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    server->options.log.write(server->options.log.ctx, level, line);
}

/* --- making --- */

static chat_status open_wake(chat_server *server)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
        chat__server_log(server, CHAT_LOG_ERROR, "cannot make a pipe: %s", strerror(errno));
        return CHAT_ERR_NOMEM;
    }
    server->wake_read = ends[0];
    server->wake_write = ends[1];
    return CHAT_OK;
}

static chat_status load_key(chat_server *server)
{
    if (server->options.hooks.authenticate != NULL)
        return CHAT_OK;
    chat_status status = chat__secret_load(&server->options, &server->key);
    return status == CHAT_EMPTY ? CHAT_OK : status; /* dev: when there is a directory */
}

/* For development, in the data directory. */
static chat_status make_key(chat_server *server)
{
    int is_wanted =
        server->options.dev && server->key == NULL && server->options.hooks.authenticate == NULL;
    return is_wanted ? chat__secret_develop(&server->options, &server->key) : CHAT_OK;
}

static uint32_t count_shards(const chat_server_options *options)
{
    if (options->slots > 0)
        return (uint32_t)options->slots;
    if (options->shards > 0)
        return (uint32_t)options->shards;
    unsigned cpus = uv_available_parallelism();
    return cpus < CHAT__SERVER_MAX_SHARDS ? cpus : CHAT__SERVER_MAX_SHARDS;
}

static chat_status make_shards(chat_server *server)
{
    chat_status status = CHAT_OK;
    server->shards =
        chat__alloc_zero(&server->allocator, server->n_shards * sizeof *server->shards);
    if (server->shards == NULL)
        return CHAT_ERR_NOMEM;
    for (uint32_t i = 0; i < server->n_shards && status == CHAT_OK; i++) {
        server->n_ready = i + 1;
        status = chat__shard_init(&server->shards[i], server, i);
    }
    return status;
}

static chat_status make_visitors(chat_server *server)
{
    const chat_server_options *options = &server->options;
    chat__visitors_options from = {.allocator = &server->allocator,
                                   .rate = (uint32_t)options->rate_handshakes,
                                   .burst = (uint32_t)options->burst_handshakes};
    memcpy(from.seed, server->seed, sizeof from.seed);
    return from.rate > 0 ? chat__visitors_new(&from, &server->visitors) : CHAT_OK;
}

static chat_status check(chat_server *server)
{
    chat_status status = chat__server_check_options(&server->options);
    return status == CHAT_OK ? chat__server_check_tls(&server->options) : status;
}

static chat_status make_seed(chat_server *server)
{
    return getrandom(server->seed, sizeof server->seed, 0) < 0 ? CHAT_ERR_IO : CHAT_OK;
}

static chat_status init_committer(chat_server *server)
{
    return chat__committer_init(&server->committer, server);
}

static chat_status fill(chat_server *server)
{
    static chat_status (*const STEPS[])(chat_server *) = {check,
                                                          load_key,
                                                          open_wake,
                                                          chat__storage_open,
                                                          make_key,
                                                          make_seed,
                                                          make_visitors,
                                                          chat__commons_init,
                                                          init_committer,
                                                          chat__lessee_init,
                                                          chat__herald_init,
                                                          chat__placer_init,
                                                          chat__cluster_init,
                                                          chat__storage_start,
                                                          make_shards};
    chat_status status = CHAT_OK;
    server->n_shards = count_shards(&server->options);
    for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS && status == CHAT_OK; i++)
        status = STEPS[i](server);
    return status;
}

chat_status chat_server_new(const chat_server_options *options, chat_server **out)
{
    if (options == NULL || out == NULL)
        return CHAT_ERR_ARG;
    chat_server_options copy;
    chat_status status = chat__options_copy(&copy, options);
    if (status != CHAT_OK)
        return status;
    chat_server *server = chat__alloc_zero(&copy.allocator, sizeof *server);
    if (server == NULL) {
        chat__options_done(&copy);
        return CHAT_ERR_NOMEM;
    }
    server->options = copy;
    server->allocator = copy.allocator;
    server->wake_read = server->wake_write = -1;
    atomic_store(&server->drain_ms, NO_DEADLINE);
    status = fill(server);
    if (status == CHAT_OK) {
        *out = server;
        return CHAT_OK;
    }
    if (status == CHAT_ERR_NOMEM)
        chat__server_log(server, CHAT_LOG_ERROR, "out of memory");
    chat_server_free(server);
    return status;
}

static void free_shards(chat_server *server)
{
    for (uint32_t i = 0; i < server->n_ready; i++)
        chat__shard_done(&server->shards[i]);
    server->n_ready = 0;
}

void chat_server_free(chat_server *server)
{
    if (server == NULL)
        return;
    chat_allocator allocator = server->allocator;
    chat__storage_stop(server);
    free_shards(server);
    chat__storage_close(server);
    chat__alloc_free(&allocator, server->shards);
    chat__committer_done(&server->committer);
    chat__cluster_done(server);
    chat__placer_done(server);
    chat__herald_done(server);
    chat__commons_done(server);
    chat__lessee_done(server);
    chat__visitors_free(server->visitors);
    chat__jwt_key_free(server->key);
    if (server->wake_read >= 0)
        close(server->wake_read);
    if (server->wake_write >= 0)
        close(server->wake_write);
    chat__options_done(&server->options);
    chat__alloc_free(&allocator, server);
}

/* --- stopping: also from signal handlers --- */

void chat__server_wake_control(chat_server *server)
{
    int saved = errno;
    ssize_t ignored = write(server->wake_write, "", 1); /* a full pipe wakes as well */
    (void)ignored;
    errno = saved;
}

void chat_server_stop(chat_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->wanted, CHAT__PHASE_STOPPING);
    chat__server_wake_control(server);
}

void chat_server_drain(chat_server *server, uint64_t deadline_ms)
{
    uint64_t unset = NO_DEADLINE;
    int serving = CHAT__PHASE_SERVING;
    if (server == NULL)
        return;
    (void)atomic_compare_exchange_strong(&server->drain_ms, &unset, deadline_ms);
    (void)atomic_compare_exchange_strong(&server->wanted, &serving, CHAT__PHASE_DRAINING);
    chat__server_wake_control(server);
}

uint16_t chat_server_port(const chat_server *server)
{
    return server == NULL ? 0 : server->port;
}

/* --- running --- */

static void set_phase(chat_server *server, chat__phase phase)
{
    atomic_store(&server->phase, (int)phase);
    for (uint32_t i = 0; i < server->n_shards; i++)
        chat__shard_wake(&server->shards[i]);
}

/* Nobody has work, and none is on its way from one to the other. */
static int is_drained(chat_server *server)
{
    if (atomic_load(&server->n_mail) != 0)
        return 0;
    for (uint32_t i = 0; i < server->n_shards; i++)
        if (!atomic_load(&server->shards[i].is_idle))
            return 0;
    return atomic_load(&server->n_mail) == 0;
}

static void wait_for_news(chat_server *server, uint64_t until_ms)
{
    uint8_t bytes[64];
    struct pollfd wake[3] = {{.fd = server->wake_read, .events = POLLIN},
                             {.fd = chat__lessee_fd(server), .events = POLLIN},
                             {.fd = chat__placer_fd(server), .events = POLLIN}};
    uint64_t now_ms = chat__server_mono_ms();
    uint64_t of_lessee = chat__lessee_deadline(server);
    uint64_t of_placer = chat__placer_deadline(server);
    until_ms = of_lessee < until_ms ? of_lessee : until_ms;
    until_ms = of_placer < until_ms ? of_placer : until_ms;
    uint64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    int timeout =
        until_ms == NO_DEADLINE ? -1 : (int)(left_ms < MAX_POLL_MS ? left_ms : MAX_POLL_MS);
    (void)poll(wake, 3, timeout);
    while (read(server->wake_read, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
    chat__lessee_turn(server, chat__server_mono_ms());
    chat__placer_turn(server, chat__server_mono_ms());
}

static chat_status drain(chat_server *server)
{
    uint64_t allowed_ms = atomic_load(&server->drain_ms);
    uint64_t now_ms = chat__server_mono_ms();
    uint64_t until_ms = allowed_ms > NO_DEADLINE - 1 - now_ms ? NO_DEADLINE : now_ms + allowed_ms;
    chat__server_log(server, CHAT_LOG_INFO, "draining: %u connections are told to come back",
                     atomic_load(&server->n_connections));
    set_phase(server, CHAT__PHASE_DRAINING);
    chat__placer_leave(server);
    while (!is_drained(server)) {
        if (atomic_load(&server->wanted) == CHAT__PHASE_STOPPING)
            return CHAT_OK;
        if (chat__server_mono_ms() >= until_ms) {
            chat__server_log(server, CHAT_LOG_WARN,
                             "the time to drain is over: some clients will have to send again");
            return CHAT_ERR_TIMEOUT;
        }
        wait_for_news(server, until_ms);
    }
    return CHAT_OK;
}

static chat_status serve(chat_server *server)
{
    chat__server_log(server, CHAT_LOG_INFO, "listening on %s://%.*s:%u with %u shards",
                     server->options.tls_cert != NULL ? "wss" : "ws",
                     (int)(strrchr(server->options.listen, ':') - server->options.listen),
                     server->options.listen, server->port, server->n_shards);
    for (;;) {
        int wanted = atomic_load(&server->wanted);
        if (wanted == CHAT__PHASE_STOPPING)
            return CHAT_OK;
        if (wanted == CHAT__PHASE_DRAINING)
            return drain(server);
        wait_for_news(server, NO_DEADLINE);
    }
}

static chat_status start_threads(chat_server *server)
{
    chat_status status = chat__herald_start(server);
    if (status != CHAT_OK)
        return status;
    if (server->appender == NULL)
        status = chat__committer_start(&server->committer);
    if (status != CHAT_OK)
        return status;
    status = chat__lessee_start(server);
    if (status != CHAT_OK)
        return status;
    status = chat__commons_start(server);
    if (status == CHAT_OK)
        status = chat__cluster_start(server);
    for (uint32_t i = 0; i < server->n_shards && status == CHAT_OK; i++)
        if (chat__shard_start(&server->shards[i]) != 0)
            status = CHAT_ERR_NOMEM;
    if (status != CHAT_OK)
        chat__server_log(server, CHAT_LOG_ERROR, "cannot start a thread");
    return status == CHAT_OK ? chat__placer_start(server) : status;
}

static void stop_threads(chat_server *server)
{
    set_phase(server, CHAT__PHASE_STOPPING);
    for (uint32_t i = 0; i < server->n_shards; i++)
        if (server->shards[i].is_running)
            uv_thread_join(&server->shards[i].thread);
    chat__cluster_stop(server);
    chat__commons_stop(server);
    chat__storage_stop(server);
    chat__committer_stop(&server->committer);
    chat__herald_stop(server);
    chat__lessee_stop(server);
    chat__placer_stop(server);
    free_shards(server);
}

chat_status chat_server_run(chat_server *server)
{
    if (server == NULL)
        return CHAT_ERR_ARG;
    if (server->has_run)
        return CHAT_ERR_STATE;
    server->has_run = 1;
    chat_status status = start_threads(server);
    if (status == CHAT_OK)
        status = serve(server);
    stop_threads(server);
    if (status == CHAT_OK && atomic_load(&server->is_broken))
        status = CHAT_ERR_IO;
    chat__server_log(server, CHAT_LOG_INFO, "stopped");
    return status;
}
