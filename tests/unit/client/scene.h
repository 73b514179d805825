/* SPDX-License-Identifier: MIT */
/* alice, who has a file, and bob, who has none, joined to a test server. */
#ifndef CHAT_TESTS_CLIENT_SCENE_H
#define CHAT_TESTS_CLIENT_SCENE_H

#include "end.h"
#include "cache_rig.h"

#include <chat/client_store.h>

typedef struct scene {
    char folder[128];
    char path[160];
    chat_test_server *server;
    struct end alice, bob; /* alice has the file */
} scene;

static inline void start_alice_as(scene *s, const char *user)
{
    chat_client_options options = options_for(user);
    memset(&s->alice, 0, sizeof s->alice);
    options.store_file = s->path;
    s->alice.server = s->server;
    s->alice.piece = 4096;
    assert_int_equal(chat_client_new(&options, &s->alice.client), CHAT_OK);
}

/* The application is gone; the server hears of it. */
static inline void stop(struct end *end)
{
    if (end->number != 0)
        chat_test_server_hangup(end->server, end->conn);
    chat_client_free(end->client);
    end->client = NULL;
    end->number = 0;
}

static inline void restart_alice(scene *s)
{
    stop(&s->alice);
    start_alice_as(s, "alice");
}

static inline int set_up_scene(void **state)
{
    static scene it;
    memset(&it, 0, sizeof it);
    folder_make(it.folder, sizeof it.folder);
    snprintf(it.path, sizeof it.path, "%s/store", it.folder);
    it.server = new_server();
    start_alice_as(&it, "alice");
    begin(&it.bob, it.server, "bob");
    *state = &it;
    return 0;
}

static inline int tear_down_scene(void **state)
{
    scene *s = *state;
    chat_client_free(s->alice.client);
    chat_client_free(s->bob.client);
    chat_test_server_free(s->server);
    folder_remove(s->folder);
    return 0;
}

static inline void both_go_on(scene *s, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        if (s->alice.client != NULL)
            go_on(&s->alice, 1);
        go_on(&s->bob, 1);
    }
}

/* The items of the outbox as "body:state:status ". */
static inline const char *outbox(chat_client *client)
{
    static char text[1024];
    chat_outbox_item item = {.struct_size = sizeof item};
    text[0] = '\0';
    while (chat_client_outbox_next(client, item.number, &item) == CHAT_OK) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%.*s:%u:%d ", (int)item.body.len,
                 (const char *)item.body.data, item.state, item.status);
    }
    return text;
}

static inline chat_client_cid say(scene *s, const char *text)
{
    chat_client_cid cid;
    assert_int_equal(chat_client_send(s->alice.client, &BOB, chat__view_str(text), &cid), CHAT_OK);
    return cid;
}

/* The answer to a question as bodies, then "RESULT count more cached". */
static inline const char *answer(struct end *end, uint64_t r)
{
    static char text[8192];
    const chat_event *event;
    text[0] = '\0';
    for (unsigned i = 0; i < 20000; i++) {
        if (chat_client_next_event(end->client, &event) != CHAT_OK) {
            go_on(end, 0);
            (void)chat_client_process(end->client, chat_test_server_now(end->server));
            follow(end);
            carry(end);
            chat_test_server_advance(end->server, 1);
            continue;
        }
        size_t len = strlen(text);
        if (event->frame == NULL || !CHAT_FRAME_HAS(event->frame, R) || event->frame->r != r)
            continue;
        if (event->type == CHAT_EVENT_ROW)
            snprintf(text + len, sizeof text - len, "%.*s ", (int)event->frame->body.len,
                     (const char *)event->frame->body.data);
        if (event->type == CHAT_EVENT_RESULT) {
            snprintf(text + len, sizeof text - len, "RESULT %u %u %u",
                     (unsigned)event->frame->count, (unsigned)event->frame->more, event->cached);
            return text;
        }
    }
    return text;
}

static inline const char *history(struct end *end, chat_history_direction direction, uint64_t seq,
                                  uint32_t limit)
{
    chat_history_query query = {.struct_size = sizeof query,
                                .direction = direction,
                                .target = BOB,
                                .seq = seq,
                                .limit = limit};
    uint64_t r = 0;
    assert_int_equal(chat_client_history(end->client, &query, &r), CHAT_OK);
    return answer(end, r);
}

static inline void bob_says(scene *s, const char *text)
{
    const chat_target alice = {{NULL, 0}, chat__view_str("alice")};
    assert_int_equal(chat_client_send(s->bob.client, &alice, chat__view_str(text), NULL), CHAT_OK);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up_scene, tear_down_scene)

#endif
