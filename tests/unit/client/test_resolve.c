/* SPDX-License-Identifier: MIT */
/*
 * A name server that never answers, or late. getaddrinfo() is the test's own: it waits in the
 * library's thread until the test lets it go.
 */
#include "peer.h"
#include "bound.h"
#include "every_call.h"

#include <chat/client_thread.h>
#include <dirent.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_answering;
    int n_asked, n_answered, n_freed;
    uint16_t port; /* of the answer; 0: the name is unknown */
} names = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0};

struct answer {
    struct addrinfo info;
    struct sockaddr_in address;
};

static struct addrinfo *make_answer(uint16_t port)
{
    struct answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    answer->address.sin_family = AF_INET;
    answer->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    answer->address.sin_port = htons(port);
    answer->info.ai_family = AF_INET;
    answer->info.ai_socktype = SOCK_STREAM;
    answer->info.ai_addr = (struct sockaddr *)&answer->address;
    answer->info.ai_addrlen = sizeof answer->address;
    return &answer->info;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    (void)name;
    (void)service;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    pthread_mutex_lock(&names.lock);
    names.n_asked++;
    pthread_cond_broadcast(&names.changed);
    while (!names.is_answering)
        pthread_cond_wait(&names.changed, &names.lock);
    names.n_answered++;
    *out = make_answer(names.port);
    pthread_mutex_unlock(&names.lock);
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
    pthread_mutex_lock(&names.lock);
    names.n_freed++;
    pthread_cond_broadcast(&names.changed);
    pthread_mutex_unlock(&names.lock);
}

static void wait_for(const int *count, int n)
{
    pthread_mutex_lock(&names.lock);
    while (*count < n)
        pthread_cond_wait(&names.changed, &names.lock);
    pthread_mutex_unlock(&names.lock);
}

static int asked(void)
{
    pthread_mutex_lock(&names.lock);
    int n = names.n_asked;
    pthread_mutex_unlock(&names.lock);
    return n;
}

static void answer_with(uint16_t port)
{
    pthread_mutex_lock(&names.lock);
    names.port = port;
    names.is_answering = 1;
    pthread_cond_broadcast(&names.changed);
    pthread_mutex_unlock(&names.lock);
}

static int set_up(void **state)
{
    (void)state;
    names.is_answering = 0;
    names.n_asked = names.n_answered = names.n_freed = 0;
    return 0;
}

/* What was left behind is freed by who was left behind. */
static int tear_down(void **state)
{
    (void)state;
    int n = asked();
    answer_with(1);
    wait_for(&names.n_freed, n);
    return names.n_answered == names.n_freed ? 0 : -1;
}

static chat_client *client_of_a_name(void)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_client_options_init(&options);
    options.url = "ws://hangs.example:80";
    options.token = "t";
    options.device = "d";
    options.max_requests = 10000;
    assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    return client;
}

/* The state that the next event tells of. */
static uint32_t next_state(chat_client *client, uint64_t now_ms)
{
    const chat_event *event;
    assert_int_equal(chat_client_process(client, now_ms), CHAT_OK);
    while (chat_client_next_event(client, &event) == CHAT_OK)
        if (event->type == CHAT_EVENT_STATE)
            return event->state;
    return 0;
}

static void free_within_bound(chat_client *client)
{
    int64_t before_ms = bound_clock_ms();
    chat_client_free(client);
    assert_true(bound_clock_ms() - before_ms < BOUND_MS);
}

static void every_call_returns_while_the_name_hangs(void **state)
{
    chat_client *client = client_of_a_name();
    (void)state;
    assert_int_equal(next_state(client, 1000), CHAT_CLIENT_CONNECTING);
    wait_for(&names.n_asked, 1);
    int64_t before_ms = bound_clock_ms();
    call_everything(client, 1001, 0);
    assert_true(bound_clock_ms() - before_ms < BOUND_MS);
    /* The descriptor is not readable for nothing, and there is a deadline. */
    struct pollfd wait = {chat_client_fd(client), POLLIN, 0};
    (void)chat_client_process(client, 1002);
    assert_int_equal(poll(&wait, 1, 0), 0);
    assert_in_range(chat_client_timeout(client, 1002), 1, 10000);
    assert_int_equal(next_state(client, 20000), CHAT_CLIENT_WAITING);
    assert_int_equal(next_state(client, 30000), CHAT_CLIENT_CONNECTING);
    wait_for(&names.n_asked, 2);
    free_within_bound(client);
}

static void close_and_free_return_while_the_name_hangs(void **state)
{
    (void)state;
    for (int is_closed = 0; is_closed < 2; is_closed++) {
        chat_client *client = client_of_a_name();
        assert_int_equal(next_state(client, 1000), CHAT_CLIENT_CONNECTING);
        wait_for(&names.n_asked, is_closed + 1);
        if (is_closed) {
            assert_int_equal(chat_client_close(client), CHAT_OK);
            assert_int_equal(next_state(client, 1001), CHAT_CLIENT_CLOSED);
        }
        free_within_bound(client);
    }
}

static void on_event(void *ctx, chat_client *client, const chat_event *event)
{
    (void)ctx;
    (void)client;
    (void)event;
}

static void stop_returns_while_the_name_hangs(void **state)
{
    chat_client *client = client_of_a_name();
    chat_client_handlers handlers = {.struct_size = sizeof handlers, .on_event = on_event};
    (void)state;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(chat_client_start(client, &handlers), CHAT_OK);
        wait_for(&names.n_asked, 1);
        if (i == 2)
            break;
        int64_t before_ms = bound_clock_ms();
        chat_client_stop(client);
        assert_true(bound_clock_ms() - before_ms < BOUND_MS);
    }
    free_within_bound(client);
}

static int n_threads(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 2;
}

/* An application that says "the network changed" all the time gets no thread for each. */
static void a_name_that_hangs_takes_few_threads(void **state)
{
    int before = n_threads();
    chat_client *client = client_of_a_name();
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        (void)chat_client_reconnect(client);
        (void)next_state(client, 1000 + i);
        assert_in_range(n_threads() - before, 0, 3);
    }
    wait_for(&names.n_asked, 3);
    assert_int_equal(asked(), 3);
    free_within_bound(client);
}

static void a_late_answer_is_used(void **state)
{
    struct peer peer;
    const chat_event *event;
    chat_client *client = client_of_a_name();
    (void)state;
    peer_init(&peer, "127.0.0.1");
    for (uint64_t i = 0; i < 10; i++) {
        (void)chat_client_reconnect(client);
        (void)next_state(client, 1000 + i);
    }
    wait_for(&names.n_asked, 3);
    answer_with((uint16_t)strtoul(strrchr(peer.url, ':') + 1, NULL, 10));
    for (int steps = 0; peer.n_connects == 0; steps++) {
        struct pollfd wait = {chat_client_fd(client), POLLIN, 0};
        assert_true(steps < 1000);
        (void)poll(&wait, 1, 1000);
        (void)chat_client_process(client, 2000);
        while (chat_client_next_event(client, &event) == CHAT_OK) {
        }
        peer_turn(&peer);
    }
    free_within_bound(client);
    peer_done(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_call_returns_while_the_name_hangs),
        TEST(close_and_free_return_while_the_name_hangs),
        TEST(stop_returns_while_the_name_hangs),
        TEST(a_name_that_hangs_takes_few_threads),
        TEST(a_late_answer_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
