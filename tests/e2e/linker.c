/* SPDX-License-Identifier: MIT */
/*
 * For tests/e2e/test_links.py: one member of a cluster that has nothing but links. Options are
 * those of chatd. It prints what happens ("listening PORT", "up M", "lost M") and does what lines
 * on its input say:
 *
 *   send M N BYTES   N numbered frames to M, as fast as they are taken; prints "sent M N" or "cut
 * M" want M N         print "got M N HOLES REPEATS US" when N frames of M are there; US since the
 * first hold, release    work nothing off, and do so again figures          print "figures UP
 * CONNECTS LOST REFUSED KEPT RSS_KB" floor N BYTES    the same bytes through a bare socket pair on
 * loopback: "floor US" give-up M        end the session
 */
#include "server/links.h"
#include <chat/server_config.h>

#include "base/view.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_MEMBERS 8u
#define BATCH       64u
#define MAX_FRAME   65536u

typedef struct source {
    uint64_t n, next, holes, repeats, wanted, first_ns, held_bytes, session;
} source;

static struct {
    chat__links *links;
    pthread_mutex_t mutex;
    source sources[MAX_MEMBERS];
    int is_holding;
    uint64_t numbers[MAX_MEMBERS]; /* of the next frame to each */
} linker = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void report(source *from, uint32_t member)
{
    if (from->wanted == 0 || from->n < from->wanted)
        return;
    printf("got %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", member, from->n,
           from->holes, from->repeats, (uv_hrtime() - from->first_ns) / 1000);
    fflush(stdout);
    from->wanted = 0;
}

static void on_records(void *ctx, uint32_t member, uint64_t session, chat_view records)
{
    source *from = &linker.sources[member];
    uint64_t bytes = records.len;
    chat__trunk_record record;
    (void)ctx;
    pthread_mutex_lock(&linker.mutex);
    if (from->n == 0)
        from->first_ns = uv_hrtime();
    while (chat__trunk_next_record(&records, &record) == CHAT_OK) {
        uint64_t number;
        memcpy(&number, record.frame.data, sizeof number);
        from->holes += number > from->next;
        from->repeats += number < from->next;
        from->next = number + 1;
        from->n++;
    }
    report(from, member);
    int is_holding = linker.is_holding;
    from->held_bytes = is_holding ? from->held_bytes + bytes : 0;
    from->session = session;
    pthread_mutex_unlock(&linker.mutex);
    if (!is_holding)
        chat__links_consumed(linker.links, member, session, bytes);
}

static void on_up(void *ctx, uint32_t member)
{
    (void)ctx;
    printf("up %" PRIu32 "\n", member);
    fflush(stdout);
}

static void on_lost(void *ctx, uint32_t member)
{
    (void)ctx;
    pthread_mutex_lock(&linker.mutex);
    linker.sources[member].held_bytes = 0;
    pthread_mutex_unlock(&linker.mutex);
    printf("lost %" PRIu32 "\n", member);
    fflush(stdout);
}

/* --- commands --- */

static void do_send(uint32_t member, uint64_t n, size_t bytes)
{
    static uint8_t frames[BATCH][MAX_FRAME];
    chat__trunk_record records[BATCH];
    for (uint64_t done = 0; done < n;) {
        size_t batch = n - done < BATCH ? (size_t)(n - done) : BATCH, taken = 0;
        for (size_t i = 0; i < batch; i++) {
            uint64_t number = linker.numbers[member] + i;
            memcpy(frames[i], &number, sizeof number);
            records[i] = (chat__trunk_record){0, member, chat__view(frames[i], bytes)};
        }
        chat_status status = chat__links_send(linker.links, member, records, batch, &taken);
        done += taken;
        linker.numbers[member] += taken;
        if (status == CHAT_ERR_BUSY) {
            (void)poll(NULL, 0, 1); /* the peer works it off, or is lost */
        } else if (status != CHAT_OK) {
            printf("cut %" PRIu32 " %" PRIu64 "\n", member, done);
            return;
        }
    }
    printf("sent %" PRIu32 " %" PRIu64 "\n", member, n);
}

static void do_want(uint32_t member, uint64_t n)
{
    pthread_mutex_lock(&linker.mutex);
    linker.sources[member].wanted = n;
    report(&linker.sources[member], member);
    pthread_mutex_unlock(&linker.mutex);
}

static void do_release(void)
{
    pthread_mutex_lock(&linker.mutex);
    linker.is_holding = 0;
    for (uint32_t i = 0; i < MAX_MEMBERS; i++) {
        source *from = &linker.sources[i];
        if (from->held_bytes > 0)
            chat__links_consumed(linker.links, i, from->session, from->held_bytes);
        from->held_bytes = 0;
    }
    pthread_mutex_unlock(&linker.mutex);
}

static void do_figures(void)
{
    chat__links_figures now;
    unsigned pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL && fscanf(file, "%u %u", &pages, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    chat__links_figures_get(linker.links, &now);
    printf("figures %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %u\n", now.n_up,
           now.n_connects, now.n_lost, now.n_refused, now.kept_bytes, resident * 4);
}

static void do_hold(void)
{
    pthread_mutex_lock(&linker.mutex);
    linker.is_holding = 1;
    pthread_mutex_unlock(&linker.mutex);
}

static struct {
    int fd;
    uint64_t bytes;
} pump;

static void pump_main(void *arg)
{
    static uint8_t chunk[65536];
    (void)arg;
    while (pump.bytes > 0) {
        size_t n = pump.bytes < sizeof chunk ? (size_t)pump.bytes : sizeof chunk;
        ssize_t sent = send(pump.fd, chunk, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        pump.bytes -= (uint64_t)sent;
    }
}

static void do_floor(uint64_t bytes)
{
    static uint8_t chunk[65536];
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    uv_thread_t thread;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), near = socket(AF_INET, SOCK_STREAM, 0);
    (void)!bind(listener, (struct sockaddr *)&address, sizeof address);
    (void)!listen(listener, 1);
    (void)!getsockname(listener, (struct sockaddr *)&address, &len);
    (void)!connect(near, (struct sockaddr *)&address, sizeof address);
    int far = accept(listener, NULL, NULL);
    pump.fd = near;
    pump.bytes = bytes;
    uint64_t start_ns = uv_hrtime();
    uv_thread_create(&thread, pump_main, NULL);
    while (bytes > 0) {
        ssize_t got = recv(far, chunk, sizeof chunk, 0);
        if (got <= 0)
            break;
        bytes -= (uint64_t)got;
    }
    printf("floor %" PRIu64 "\n", bytes == 0 ? (uv_hrtime() - start_ns) / 1000 : 0);
    uv_thread_join(&thread);
    close(near);
    close(far);
    close(listener);
}

static void obey(const char *line)
{
    unsigned a = 0, b = 0, c = 0;
    static const struct {
        const char *line;
        void (*run)(void);
    } PLAIN[] = {{"figures\n", do_figures}, {"release\n", do_release}, {"hold\n", do_hold}};
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0]; i++)
        if (strcmp(line, PLAIN[i].line) == 0)
            PLAIN[i].run();
    if (sscanf(line, "send %u %u %u", &a, &b, &c) == 3 && a < MAX_MEMBERS && c >= 8 &&
        c <= MAX_FRAME)
        do_send(a, b, c);
    else if (sscanf(line, "want %u %u", &a, &b) == 2 && a < MAX_MEMBERS)
        do_want(a, b);
    else if (sscanf(line, "floor %u %u", &a, &b) == 2)
        do_floor((uint64_t)a * b);
    else if (sscanf(line, "give-up %u", &a) == 1)
        chat__links_give_up(linker.links, a, 0);
    fflush(stdout);
}

static void write_line(void *ctx, chat_log_level level, const char *line)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    (void)ctx;
    fprintf(stderr, "linker: %s: %s\n", names[level], line);
}

int main(int argc, char **argv)
{
    chat_server_config *config = NULL;
    const chat__links_hooks hooks = {NULL, on_records, on_up, on_lost};
    char line[256];
    if (chat_server_config_new(NULL, &config) != CHAT_OK)
        return 1;
    if (chat_server_config_parse(config, argc, (const char *const *)argv) != CHAT_OK) {
        fprintf(stderr, "linker: error: %s\n", chat_server_config_problem(config));
        chat_server_config_free(config);
        return 2;
    }
    chat_server_options *options = chat_server_config_options(config);
    options->log.write = write_line;
    chat_status status = chat__links_new(options, "a test", &hooks, &linker.links);
    if (status == CHAT_OK)
        status = chat__links_start(linker.links);
    if (status != CHAT_OK) {
        chat__links_free(linker.links);
        chat_server_config_free(config);
        return status == CHAT_ERR_ARG ? 2 : 1;
    }
    printf("listening %u\n", chat__links_port(linker.links));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(line);
    chat__links_stop(linker.links);
    chat__links_free(linker.links);
    chat_server_config_free(config);
    return 0;
}
