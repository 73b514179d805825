/* SPDX-License-Identifier: MIT */
/* A server's life: made, run, stopped and freed in every state, alone and beside another. */
#include "unit.h"

#include <chat/server.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct fixture {
    const void *row; /* what cmocka gave, where there is a table */
    char dir[64];
    char data[96];
    char said[8192]; /* what was logged as an error */
    pthread_mutex_t mutex;
} fixture;

static void listen_to(void *ctx, chat_log_level level, const char *line)
{
    fixture *self = ctx;
    if (level != CHAT_LOG_ERROR)
        return;
    pthread_mutex_lock(&self->mutex);
    strncat(self->said, line, sizeof self->said - strlen(self->said) - 1);
    pthread_mutex_unlock(&self->mutex);
}

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -1;
    self->row = *state;
    strcpy(self->dir, "/tmp/chat-unit-XXXXXX");
    pthread_mutex_init(&self->mutex, NULL);
    if (mkdtemp(self->dir) == NULL)
        return -1;
    snprintf(self->data, sizeof self->data, "%s/data", self->dir);
    *state = self;
    return 0;
}

static void remove_all(const char *path)
{
    char inner[512];
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0)
            remove_all(inner);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(path);
}

static int tear_down(void **state)
{
    fixture *self = *state;
    remove_all(self->dir);
    pthread_mutex_destroy(&self->mutex);
    free(self);
    return 0;
}

static chat_status let_in(void *ctx, const chat_server_login *login, chat_server_identity *out)
{
    (void)ctx;
    if (login->token.len == 0 || login->token.len > sizeof out->user)
        return CHAT_ERR_AUTH;
    memcpy(out->user, login->token.data, login->token.len);
    out->user_len = (uint32_t)login->token.len;
    return CHAT_OK;
}

static chat_server_options options_of(fixture *self)
{
    chat_server_options options;
    chat_server_options_init(&options);
    options.data = self->data;
    options.listen = "127.0.0.1:0";
    options.shards = 2;
    options.segment_bytes = 1 << 20;
    options.log = (chat_log_sink){self, listen_to};
    options.hooks.authenticate = let_in;
    return options;
}

static chat_server *make(fixture *self)
{
    chat_server_options options = options_of(self);
    chat_server *server = NULL;
    assert_int_equal(CHAT_OK, chat_server_new(&options, &server));
    return server;
}

typedef struct runner {
    pthread_t thread;
    chat_server *server;
    chat_status status;
} runner;

static void *run(void *arg)
{
    runner *of = arg;
    of->status = chat_server_run(of->server);
    return NULL;
}

static void start(runner *of, chat_server *server)
{
    of->server = server;
    assert_int_equal(0, pthread_create(&of->thread, NULL, run, of));
}

static chat_status join(runner *of)
{
    pthread_join(of->thread, NULL);
    return of->status;
}

static int connect_to(const chat_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons(chat_server_port(server));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&address, sizeof address));
    return fd;
}

/* Send a request; the answer's head is in `out`. */
static void ask(int fd, const char *request, char *out, size_t cap)
{
    size_t len = 0;
    ssize_t got = 1;
    assert_int_equal((ssize_t)strlen(request), send(fd, request, strlen(request), MSG_NOSIGNAL));
    out[0] = '\0';
    while (len < cap - 1 && strstr(out, "\r\n\r\n") == NULL &&
           (got = recv(fd, out + len, cap - 1 - len, 0)) > 0) {
        len += (size_t)got;
        out[len] = '\0';
    }
}

#define UPGRADE(token)                                                                             \
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"                 \
    "Sec-WebSocket-Protocol: chat.v1.json\r\n" token "\r\n"

static void is_freed_without_having_run(void **state)
{
    chat_server *server = make(*state);
    assert_int_not_equal(0, chat_server_port(server));
    chat_server_free(server);
    chat_server_free(NULL);
}

static void stops_before_it_runs(void **state)
{
    chat_server *server = make(*state);
    chat_server_stop(server);
    assert_int_equal(CHAT_OK, chat_server_run(server));
    assert_int_equal(CHAT_ERR_STATE, chat_server_run(server));
    chat_server_free(server);
}

static void drains_with_nobody_there(void **state)
{
    runner of = {0};
    start(&of, make(*state));
    chat_server_drain(of.server, 10000);
    assert_int_equal(CHAT_OK, join(&of));
    chat_server_free(of.server);
}

static void stops_with_connections_of_every_kind(void **state)
{
    runner of = {0};
    char answer[2048];
    start(&of, make(*state));
    int silent = connect_to(of.server), half = connect_to(of.server), live = connect_to(of.server);
    assert_int_equal(5, send(half, "GET /", 5, 0));
    ask(live, UPGRADE("Authorization: Bearer alice\r\n"), answer, sizeof answer);
    assert_memory_equal("HTTP/1.1 101", answer, 12);
    chat_server_stop(of.server);
    assert_int_equal(CHAT_OK, join(&of));
    chat_server_free(of.server);
    close(silent);
    close(half);
    close(live);
}

static void drains_with_a_connection_that_says_nothing(void **state)
{
    runner of = {0};
    char answer[2048];
    start(&of, make(*state));
    int live = connect_to(of.server);
    ask(live, UPGRADE("Authorization: Bearer alice\r\n"), answer, sizeof answer);
    assert_memory_equal("HTTP/1.1 101", answer, 12);
    chat_server_drain(of.server, 30000);
    assert_int_equal(CHAT_OK, join(&of));
    chat_server_free(of.server);
    close(live);
}

static void answers_health_and_refuses_strangers(void **state)
{
    runner of = {0};
    char answer[2048];
    start(&of, make(*state));
    int health = connect_to(of.server), stranger = connect_to(of.server);
    ask(health, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", answer, sizeof answer);
    assert_memory_equal("HTTP/1.1 200", answer, 12);
    ask(stranger, UPGRADE(""), answer, sizeof answer);
    assert_memory_equal("HTTP/1.1 401", answer, 12);
    chat_server_stop(of.server);
    assert_int_equal(CHAT_OK, join(&of));
    chat_server_free(of.server);
    close(health);
    close(stranger);
}

static void two_run_side_by_side(void **state)
{
    fixture *self = *state;
    runner one = {0}, two = {0};
    char answer[2048];
    start(&one, make(self));
    strcat(self->data, "-two");
    start(&two, make(self));
    assert_int_not_equal(chat_server_port(one.server), chat_server_port(two.server));
    chat_server_stop(one.server);
    assert_int_equal(CHAT_OK, join(&one));
    chat_server_free(one.server);
    int fd = connect_to(two.server);
    ask(fd, UPGRADE("Authorization: Bearer bob\r\n"), answer, sizeof answer);
    assert_memory_equal("HTTP/1.1 101", answer, 12);
    chat_server_stop(two.server);
    assert_int_equal(CHAT_OK, join(&two));
    chat_server_free(two.server);
    close(fd);
}

static void refuses_a_data_directory_in_use(void **state)
{
    fixture *self = *state;
    chat_server *first = make(self), *second = NULL;
    chat_server_options options = options_of(self);
    assert_int_equal(CHAT_ERR_IN_USE, chat_server_new(&options, &second));
    assert_null(second);
    assert_non_null(strstr(self->said, self->data));
    chat_server_free(first);
    assert_int_equal(CHAT_OK, chat_server_new(&options, &second));
    chat_server_free(second);
}

static void refuses_a_port_in_use(void **state)
{
    fixture *self = *state;
    char address[32];
    chat_server *first = make(self), *second = NULL;
    chat_server_options options = options_of(self);
    snprintf(address, sizeof address, "127.0.0.1:%u", chat_server_port(first));
    strcat(self->data, "-two");
    options.listen = address;
    assert_int_equal(CHAT_ERR_IN_USE, chat_server_new(&options, &second));
    assert_non_null(strstr(self->said, address));
    assert_non_null(strstr(self->said, "in use"));
    chat_server_free(first);
}

typedef struct wrong {
    const char *name;
    void (*change)(chat_server_options *options);
    const char *said;
} wrong;

static void no_key(chat_server_options *options)
{
    options->hooks.authenticate = NULL;
}

static void no_tls_key(chat_server_options *options)
{
    options->tls_cert = "cert.pem";
}

static void missing_secret(chat_server_options *options)
{
    options->hooks.authenticate = NULL;
    options->jwt_secret_file = "/nowhere/secret";
}

static void missing_certificate(chat_server_options *options)
{
    options->tls_cert = "/nowhere/cert.pem";
    options->tls_key = "/nowhere/key.pem";
}

static void too_many_shards(chat_server_options *options)
{
    options->shards = 257;
}

static void body_as_large_as_a_frame(chat_server_options *options)
{
    options->max_body_bytes = options->max_frame_bytes;
}

static const wrong WRONG[] = {
    {"no_key", no_key, "--jwt-secret-file"},
    {"no_tls_key", no_tls_key, "--tls-key"},
    {"missing_secret", missing_secret, "/nowhere/secret: No such file"},
    {"missing_certificate", missing_certificate, "/nowhere/cert.pem"},
    {"too_many_shards", too_many_shards, "shards: 257 is out of range: 0 to 256"},
    {"body_as_large_as_a_frame", body_as_large_as_a_frame, "max-body-bytes"},
};

static void says_what_is_wrong_and_makes_nothing(void **state)
{
    fixture *self = *state;
    const wrong *row = self->row;
    chat_server_options options = options_of(self);
    chat_server *server = NULL;
    row->change(&options);
    assert_int_equal(CHAT_ERR_ARG, chat_server_check(&options));
    assert_non_null(strstr(self->said, row->said));
    self->said[0] = '\0';
    assert_int_equal(CHAT_ERR_ARG, chat_server_new(&options, &server));
    assert_null(server);
    assert_non_null(strstr(self->said, row->said));
    assert_int_not_equal(0, access(self->data, F_OK));
}

static void refuses_wrong_arguments(void **state)
{
    chat_server_options options = {0};
    chat_server *server = NULL;
    (void)state;
    assert_int_equal(CHAT_ERR_ARG, chat_server_new(NULL, &server));
    assert_int_equal(CHAT_ERR_ARG, chat_server_new(&options, &server));
    assert_int_equal(CHAT_ERR_ARG, chat_server_check(&options));
    assert_int_equal(CHAT_ERR_ARG, chat_server_run(NULL));
    chat_server_stop(NULL);
    chat_server_drain(NULL, 0);
    assert_int_equal(0, chat_server_port(NULL));
}

#define LIFE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define N_WRONG    (sizeof WRONG / sizeof WRONG[0])
#define N_OTHER    10

int main(void)
{
    struct CMUnitTest tests[N_OTHER + N_WRONG] = {
        cmocka_unit_test(refuses_wrong_arguments),
        LIFE(is_freed_without_having_run),
        LIFE(stops_before_it_runs),
        LIFE(drains_with_nobody_there),
        LIFE(stops_with_connections_of_every_kind),
        LIFE(drains_with_a_connection_that_says_nothing),
        LIFE(answers_health_and_refuses_strangers),
        LIFE(two_run_side_by_side),
        LIFE(refuses_a_data_directory_in_use),
        LIFE(refuses_a_port_in_use),
    };
    for (size_t i = 0; i < N_WRONG; i++)
        tests[N_OTHER + i] =
            (struct CMUnitTest){WRONG[i].name, says_what_is_wrong_and_makes_nothing, set_up,
                                tear_down, (void *)(uintptr_t)&WRONG[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
