/* SPDX-License-Identifier: MIT */
/* What the two files of the test server share. */
#ifndef CHAT_TESTING_TEST_SERVER_H
#define CHAT_TESTING_TEST_SERVER_H

#include <chat/testing_server.h>

#include "base/buf.h"
#include "net/jwt.h"
#include "net/ws.h"
#include "testing/sim.h"

typedef struct test_conn {
    struct test_conn *next;
    chat_test_conn number;
    chat__conn conn; /* the node's, 0: not let in, or forgotten */
    chat_encoding encoding;
    chat__ws ws;
    chat__buf rx; /* the head of the request, then an incomplete frame stays with `ws` */
    chat__buf tx;
    uint64_t ready_at_ms; /* then `tx` may be taken */
    uint64_t delay_ms;
    int is_open; /* the upgrade is done */
    int is_over; /* nothing follows behind `tx` */
    int is_mute, is_deaf;
} test_conn;

struct chat_test_server {
    sim world; /* one node; its clock, log and cursors */
    chat_sim_report report;
    chat_test_server_options options;
    chat__jwt_key *key;
    chat__ws_pool *pool;
    test_conn *conns;
    chat_test_conn last_number;
    uint32_t refused_with;
    int is_disk_held;
};

/* --- server_conn.c --- */
test_conn *chat__test_conn_new(chat_test_server *server);
void chat__test_conn_free(chat_test_server *server, test_conn *conn);
chat_status chat__test_conn_feed(chat_test_server *server, test_conn *conn, chat_view bytes);
/* One message of the node. */
void chat__test_conn_write(chat_test_server *server, test_conn *conn, chat_view message);
/* The node ends it. */
void chat__test_conn_end(chat_test_server *server, test_conn *conn, uint16_t code,
                         const char *text);

/* --- server.c --- */
/* Do what the node asks for, until it is quiet. */
void chat__test_server_pump(chat_test_server *server);

#endif
