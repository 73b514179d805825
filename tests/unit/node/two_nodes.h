/* SPDX-License-Identifier: MIT */
/*
 * Two nodes with a storage that knows who has blocked whom. The self stream of alice is on one
 * node; bob, and the chat of both, are on the other. Links and answers of storage can be held.
 */
#ifndef CHAT_TESTS_TWO_NODES_H
#define CHAT_TESTS_TWO_NODES_H

#include "node/node.h"

#include <chat/id.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_NODES      2u
#define N_PARTITIONS 64u
#define N_CONNS      4
#define MAX_RECORDS  32
#define MAX_HELD     16

typedef struct record {
    char chat[CHAT_CHAT_ID_MAX_BYTES + 1];
    uint8_t payload[512];
    size_t len;
} record;

/* A frame of a link or a question to storage, for later. */
typedef struct held {
    uint32_t from, to;
    chat__effect_type type;
    uint64_t tag;
    uint32_t kind;
    chat_status status;
    uint32_t blocked; /* the answer as it was when it was asked */
    size_t n_names;
    char text[CHAT_CHAT_ID_MAX_BYTES + 1];
    uint8_t bytes[512];
    size_t len;
} held;

static struct {
    chat__node *nodes[N_NODES];
    uint64_t now_ms;
    record records[MAX_RECORDS];
    size_t n_records;
    held links[MAX_HELD];
    size_t n_links;
    held questions[MAX_HELD];
    size_t n_questions;
    int is_link_held;
    chat__effect_type held_type; /* of questions, 0: none */
    chat_status load_status;
    chat__conn conns[N_CONNS];
    uint32_t home[N_CONNS];
    char written[N_CONNS][4096];
    char alice[16], bob[16]; /* their names */
} w;

enum { ALICE, BOB, BOB_TOO, ALICE_TOO };

/* --- storage --- */

static inline int has_blocked(chat_view user, chat_view whom)
{
    chat_decoder *decoder = NULL;
    int is_blocked = 0;
    assert_int_equal(chat_decoder_new(NULL, 1024, &decoder), CHAT_OK);
    for (size_t i = 0; i < w.n_records; i++) {
        chat_frame frame;
        assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR,
                                           chat__view(w.records[i].payload, w.records[i].len),
                                           &frame),
                         CHAT_OK);
        if (frame.type == CHAT_FRAME_BLOCKED && chat__view_equal(frame.from, user) &&
            chat__view_equal(frame.user, whom))
            is_blocked = (int)frame.blocked;
    }
    chat_decoder_free(decoder);
    return is_blocked;
}

/* What storage knows now. */
static inline void take_answer(held *question)
{
    chat_view members[2];
    chat_view alice = chat__view_str(w.alice);
    chat_view bob = chat__view_str(w.bob);
    question->status = w.load_status;
    if (question->type == CHAT__EFFECT_LOAD_CHAT) {
        assert_int_equal(chat_direct_members(chat__view_str(question->text), members), CHAT_OK);
        question->blocked = (has_blocked(members[0], members[1]) ? CHAT__BLOCKED_BY_FIRST : 0) |
                            (has_blocked(members[1], members[0]) ? CHAT__BLOCKED_BY_SECOND : 0);
        return;
    }
    /* Only alice blocks, and only bob. */
    chat_view user = chat__view_str(question->text);
    int by_others = question->kind == CHAT__BLOCKS_BY_OTHERS;
    question->n_names =
        chat__view_equal(user, by_others ? bob : alice) && has_blocked(alice, bob) ? 1 : 0;
}

static inline void give_answer(const held *question)
{
    chat_view name = chat__view_str(question->kind == CHAT__BLOCKS_BY_OTHERS ? w.alice : w.bob);
    chat__node_chat chat = {.blocked = question->blocked};
    if (question->type == CHAT__EFFECT_LOAD_CHAT)
        chat__node_chat_loaded(w.nodes[question->from], question->tag, question->status, &chat);
    else
        chat__node_blocks_loaded(w.nodes[question->from], question->tag, question->status, &name,
                                 question->n_names);
}

static inline void ask(uint32_t node, const chat__effect *effect)
{
    chat_view about = effect->type == CHAT__EFFECT_LOAD_CHAT ? effect->chat : effect->user;
    held question = {.from = node, .type = effect->type, .tag = effect->tag, .kind = effect->kind};
    memcpy(question.text, about.data, about.len);
    take_answer(&question);
    if (w.held_type != effect->type) {
        give_answer(&question);
        return;
    }
    assert_true(w.n_questions < MAX_HELD);
    w.questions[w.n_questions++] = question;
}

static inline void append(uint32_t node, const chat__effect *effect)
{
    record *added = &w.records[w.n_records];
    assert_true(w.n_records < MAX_RECORDS && effect->bytes.len <= sizeof added->payload);
    memset(added, 0, sizeof *added);
    memcpy(added->chat, effect->chat.data, effect->chat.len);
    memcpy(added->payload, effect->bytes.data, effect->bytes.len);
    added->len = effect->bytes.len;
    w.n_records++;
    chat__node_appended(w.nodes[node], effect->tag, CHAT_OK, w.n_records * 10, 0);
}

/* --- the world --- */

static inline void keep_written(uint32_t node, const chat__effect *effect)
{
    for (int i = 0; i < N_CONNS; i++) {
        if (w.conns[i] != effect->conn || w.home[i] != node)
            continue;
        size_t used = strlen(w.written[i]);
        snprintf(w.written[i] + used, sizeof w.written[i] - used, "%.*s\n", (int)effect->bytes.len,
                 (const char *)effect->bytes.data);
    }
}

static inline void carry(uint32_t from, const chat__effect *effect)
{
    held link = {.from = from, .to = effect->to_node, .len = effect->bytes.len};
    assert_true(w.n_links < MAX_HELD && effect->bytes.len <= sizeof link.bytes);
    memcpy(link.bytes, effect->bytes.data, effect->bytes.len);
    w.links[w.n_links++] = link;
}

static inline void run_effect(uint32_t node, const chat__effect *effect)
{
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
        keep_written(node, effect);
        break;
    case CHAT__EFFECT_LINK:
        carry(node, effect);
        break;
    case CHAT__EFFECT_APPEND:
        append(node, effect);
        break;
    case CHAT__EFFECT_LOAD_CHAT:
    case CHAT__EFFECT_LOAD_BLOCKS:
        ask(node, effect);
        break;
    case CHAT__EFFECT_LOAD_USER:
        chat__node_user_loaded(w.nodes[node], effect->tag, CHAT_OK, NULL, 0);
        break;
    default:
        break;
    }
}

static inline int deliver_link(void)
{
    if (w.n_links == 0 || w.is_link_held)
        return 0;
    held link = w.links[0];
    memmove(w.links, w.links + 1, --w.n_links * sizeof link);
    assert_int_equal(chat__node_link(w.nodes[link.to], link.from, chat__view(link.bytes, link.len)),
                     CHAT_OK);
    return 1;
}

static inline void run(void)
{
    chat__effect effect;
    do {
        for (uint32_t i = 0; i < N_NODES; i++) {
            while (chat__node_next_effect(w.nodes[i], &effect) == CHAT_OK)
                run_effect(i, &effect);
        }
    } while (deliver_link());
}

static inline void pass_time(uint64_t ms)
{
    w.now_ms += ms;
    for (uint32_t i = 0; i < N_NODES; i++)
        chat__node_begin(w.nodes[i], w.now_ms, CHAT_EPOCH_MS + w.now_ms);
    run();
}

/* Answer what was asked first and is held. */
static inline void release_question(void)
{
    assert_true(w.n_questions > 0);
    held question = w.questions[0];
    memmove(w.questions, w.questions + 1, --w.n_questions * sizeof question);
    give_answer(&question);
    run();
    pass_time(1);
}

static inline uint32_t owner_of(chat_view chat)
{
    return chat__node_of_chat(chat, N_PARTITIONS, N_NODES);
}

/* Names such that the self stream of alice is on node 0, bob and their chat are on node 1. */
static inline void choose_names(void)
{
    for (int i = 0; i < 1000; i++) {
        chat_direct_name self;
        chat_direct_name both;
        snprintf(w.alice, sizeof w.alice, "alice%d", i / 30);
        snprintf(w.bob, sizeof w.bob, "bob%d", i % 30);
        assert_int_equal(chat_self_id(chat__view_str(w.alice), &self), CHAT_OK);
        assert_int_equal(chat_direct_id(chat__view_str(w.alice), chat__view_str(w.bob), &both),
                         CHAT_OK);
        if (owner_of(chat__view(self.bytes, self.len)) == 0 &&
            owner_of(chat__view(both.bytes, both.len)) == 1 &&
            chat__node_of_user(chat__view_str(w.bob), N_NODES) == 1 &&
            chat__node_of_user(chat__view_str(w.alice), N_NODES) == 0)
            return;
    }
    fail_msg("no such names");
}

/* `%s` in `format`, if any, is the other one's name. */
static inline void say(int i, const char *format)
{
    char json[256];
    for (int k = 0; k < N_CONNS; k++)
        w.written[k][0] = 0;
    snprintf(json, sizeof json, format, i == ALICE ? w.bob : w.alice);
    chat__node_receive(w.nodes[w.home[i]], w.conns[i], chat__view_str(json));
    run();
    pass_time(1);
}

static inline void join(int i, const char *user)
{
    char hello[64];
    w.home[i] = chat__node_of_user(chat__view_str(user), N_NODES);
    assert_int_equal(chat__node_open(w.nodes[w.home[i]], chat__view_str(user), CHAT_ENCODING_JSON,
                                     UINT64_MAX, &w.conns[i]),
                     CHAT_OK);
    snprintf(hello, sizeof hello, "{\"t\":\"hello\",\"device\":\"d%d\"}", i);
    say(i, hello);
}

static inline int setup(void **state)
{
    chat__node_options options;
    (void)state;
    memset(&w, 0, sizeof w);
    chat__node_options_init(&options);
    options.n_nodes = N_NODES;
    for (options.self = 0; options.self < N_NODES; options.self++) {
        options.snowflake_node = options.self;
        assert_int_equal(chat__node_new(&options, &w.nodes[options.self]), CHAT_OK);
    }
    choose_names();
    pass_time(1000);
    join(ALICE, w.alice);
    join(BOB, w.bob);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N_NODES; i++)
        chat__node_free(w.nodes[i]);
    return 0;
}

static inline void assert_written(int i, const char *text)
{
    if (strstr(w.written[i], text) == NULL)
        fail_msg("connection %d lacks %s in: %s", i, text, w.written[i]);
}

static inline void assert_silence(int i)
{
    assert_string_equal(w.written[i], "");
}

#endif
