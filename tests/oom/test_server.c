/* SPDX-License-Identifier: MIT */
/*
 * A server whose memory runs out at any allocation of its making, and while it runs and a client
 * comes: it says so or goes on, stops when told, and leaves nothing. The server's threads share the
 * memory, so it is under a lock.
 */
#include "oom.h"

#include <chat/server.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct locked {
    pthread_mutex_t mutex;
    oom_memory *memory;
} locked;

typedef struct place {
    char dir[64];
    char data[80];
} place;

static void *locked_resize(void *ctx, void *ptr, size_t new_bytes)
{
    locked *self = ctx;
    pthread_mutex_lock(&self->mutex);
    void *out = oom_resize(self->memory, ptr, new_bytes);
    pthread_mutex_unlock(&self->mutex);
    return out;
}

static void let_memory_recover(locked *self)
{
    pthread_mutex_lock(&self->mutex);
    oom_recover(self->memory);
    pthread_mutex_unlock(&self->mutex);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    return remove(path);
}

static int set_up(void **state)
{
    static place here;
    /* Memory, where there is some: the loop syncs a lot. */
    snprintf(here.dir, sizeof here.dir, "%s/chat-oom-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    *state = &here;
    return mkdtemp(here.dir) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    const place *here = *state;
    return nftw(here->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static chat_status let_in(void *ctx, const chat_server_login *login, chat_server_identity *out)
{
    (void)ctx;
    (void)login;
    memcpy(out->user, "alice", 5);
    out->user_len = 5;
    return CHAT_OK;
}

static chat_server *make(place *here, locked *memory)
{
    chat_server_options options;
    chat_server *server = NULL;
    chat_server_options_init(&options);
    snprintf(here->data, sizeof here->data, "%s/data", here->dir);
    options.data = here->data;
    options.listen = "127.0.0.1:0";
    options.shards = 2;
    options.segment_bytes = 1 << 20;
    options.allocator = (chat_allocator){memory, locked_resize};
    options.hooks.authenticate = let_in;
    chat_status status = chat_server_new(&options, &server);
    if (status == CHAT_OK)
        return server;
    assert_int_equal(status, CHAT_ERR_NOMEM);
    assert_null(server);
    oom_recover(memory->memory);
    assert_int_equal(chat_server_new(&options, &server), CHAT_OK);
    return server;
}

static void make_and_free(oom_memory *memory, void *ctx)
{
    locked under_lock = {PTHREAD_MUTEX_INITIALIZER, memory};
    chat_server_free(make(ctx, &under_lock));
}

static void a_server_is_made_or_leaves_nothing(void **state)
{
    assert_true(oom_loop(make_and_free, *state) >= 20);
}

static void *run(void *arg)
{
    return chat_server_run(arg) == CHAT_OK ? NULL : arg;
}

/* Upgrade, hello, and read until the server has answered or has given up on us. */
static void talk(const chat_server *server)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: chat.v1.json\r\nAuthorization: Bearer any\r\n\r\n"
        "\x81\x9b\x00\x00\x00\x00{\"t\":\"hello\",\"device\":\"d\"} ";
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct timeval patience = {.tv_sec = 5};
    char answer[2048];
    size_t len = 0;
    address.sin_port = htons(chat_server_port(server));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_true(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) > 0);
    for (;;) {
        ssize_t got = recv(fd, answer + len, sizeof answer - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        if (memmem(answer, len, "welcome", 7) != NULL || len == sizeof answer - 1)
            break;
    }
    close(fd);
}

/* The loop counts from here: making it is the other test's. */
static void run_and_stop(oom_memory *memory, void *ctx)
{
    locked under_lock = {PTHREAD_MUTEX_INITIALIZER, memory};
    pthread_t thread;
    size_t fail_at = memory->fail_at;
    memory->fail_at = OOM_NEVER;
    chat_server *server = make(ctx, &under_lock);
    memory->fail_at = fail_at + memory->n_calls;
    assert_int_equal(pthread_create(&thread, NULL, run, server), 0);
    talk(server);
    let_memory_recover(&under_lock);
    talk(server);
    chat_server_stop(server);
    assert_int_equal(pthread_join(thread, NULL), 0);
    chat_server_free(server);
}

static void a_running_server_survives_each_failure(void **state)
{
    /* A lasting lack would fail what stopping needs too: one failure a run, for a fixed count. */
    for (size_t n = 0; n < 60; n++) {
        oom_memory memory = {.n_run = n, .fail_at = n};
        run_and_stop(&memory, *state);
        assert_int_equal(memory.n_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_server_is_made_or_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_running_server_survives_each_failure, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
