/* SPDX-License-Identifier: MIT */
/* A connection has no buffers between two records, and goes on where it was with new ones. */
#include "tls_pair.h"
#include "unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Passes on what is there. */
static void relay(int from, int to)
{
    uint8_t bytes[8192];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(to, bytes, (size_t)n), n);
}

/* The server behind another socket pair, so that the test decides what comes when. */
static void pair_open_apart(tls_pair *p, int apart[2])
{
    tls_pair_open(p, "good", "good.crt", 1, "localhost");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, apart), 0);
    chat__tls_free(p->server);
    assert_int_equal(chat__tls_new(p->contexts[0], apart[0], NULL, &p->server), CHAT_OK);
    for (int i = 0; i < 20; i++) {
        (void)chat__tls_handshake(p->client);
        relay(p->fds[0], apart[1]);
        (void)chat__tls_handshake(p->server);
        relay(apart[1], p->fds[0]);
    }
    assert_int_equal(chat__tls_handshake(p->client), CHAT_OK);
}

static void rests_when_nothing_is_half_read(void **state)
{
    uint8_t record[256], got[8];
    int apart[2];
    size_t n = 0;
    tls_pair p;
    (void)state;
    pair_open_apart(&p, apart);
    assert_int_equal(chat__tls_read(p.server, got, sizeof got, &n), CHAT_MORE);
    assert_int_equal(chat__tls_read(p.client, got, sizeof got, &n), CHAT_MORE);
    for (int round = 0; round < 3; round++) {
        assert_true(chat__tls_is_resting(p.server));
        assert_int_equal(chat__tls_write(p.client, (const uint8_t *)"hello", 5, &n), CHAT_OK);
        assert_true(chat__tls_is_resting(p.client));
        ssize_t len = read(p.fds[0], record, sizeof record);
        for (ssize_t i = 0; i < len; i++) {
            assert_int_equal(chat__tls_read(p.server, got, 1, &n), CHAT_MORE);
            assert_int_equal(chat__tls_is_resting(p.server), i == 0);
            assert_int_equal(write(apart[1], record + i, 1), 1);
        }
        assert_int_equal(chat__tls_read(p.server, got, 1, &n), CHAT_OK);
        assert_false(chat__tls_is_resting(p.server));
        assert_int_equal(chat__tls_read(p.server, got + 1, sizeof got - 1, &n), CHAT_OK);
        assert_memory_equal(got, "hello", 5);
    }
    close(apart[0]);
    close(apart[1]);
    tls_pair_close(&p);
}

static void rests_when_nothing_is_half_sent(void **state)
{
    static uint8_t bytes[4000000], got[16384];
    size_t sent = 0, received = 0, n = 0;
    tls_pair p;
    (void)state;
    tls_pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(tls_pair_shake_hands(&p), CHAT_OK);
    assert_int_equal(chat__tls_read(p.server, got, sizeof got, &n), CHAT_MORE);
    while (chat__tls_write(p.server, bytes + sent, sizeof bytes - sent, &n) == CHAT_OK)
        sent += n;
    assert_true(sent < sizeof bytes);
    assert_false(chat__tls_is_resting(p.server));
    while (received < sizeof bytes) {
        while (chat__tls_read(p.client, got, sizeof got, &n) == CHAT_OK)
            received += n;
        if (chat__tls_write(p.server, bytes + sent, sizeof bytes - sent, &n) == CHAT_OK)
            sent += n;
    }
    assert_true(chat__tls_is_resting(p.server));
    tls_pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rests_when_nothing_is_half_read),
        cmocka_unit_test(rests_when_nothing_is_half_sent),
    };
    return cmocka_run_group_tests(tests, tls_pair_make_files, tls_pair_remove_files);
}
