/* SPDX-License-Identifier: MIT */
/*
 * One node with a storage of a few records behind it, answered at once. What it writes is kept as
 * JSON text, one line a frame, so that tests compare what a person would read.
 */
#ifndef CHAT_TESTS_NODE_HARNESS_H
#define CHAT_TESTS_NODE_HARNESS_H

#include "node/node.h"

#include <chat/id.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORDS 64
#define MAX_CONNS   8

typedef struct record {
    char chat[CHAT_CHAT_ID_MAX_BYTES + 1];
    uint64_t seq, prev, tag;
    uint8_t payload[2048];
    size_t len;
} record;

typedef struct world {
    chat__node *node;
    uint64_t now_ms;
    record records[MAX_RECORDS];
    size_t n_records;
    size_t n_told; /* of the records, those whose append was answered */
    chat_status append_status;
    int is_append_held;
    chat__conn conns[MAX_CONNS];
    char written[MAX_CONNS][8192];
    chat_status closed[MAX_CONNS];
    char cursor[256];
    char told[2048];      /* notifications: "user:count author author@device@device;" */
    chat__node_away away; /* what storage says of everybody who is */
    size_t n_away_loads;
    int is_away_held; /* it does not answer yet: to the last question */
    uint64_t away_tag;
    uint64_t told_keys[2]; /* of the last notification */
    const char *group;     /* "team" has the members alice and bob */
    uint64_t cursor_of_loaded;
    uint64_t gap_of_loaded;  /* 0: none */
    chat_status load_status; /* of a device; CHAT_EMPTY: it is new */
    size_t n_mark_loads;
    size_t n_block_loads;
    size_t n_chat_loads;
    const char *devices[4]; /* what storage knows of each user; last seen at 1, 2, ... */
    char connected[256];    /* "phone tablet ": with the last question about a device */
    char seen[256];         /* "user/device;" */
    char forgotten[256];    /* the same */
    uint64_t forget_tag;    /* not answered yet */
    int forgets_at_once;
    int has_ids_as_seqs; /* else they are 10, 20, ... */
} world;

static inline int conn_index(const world *w, chat__conn conn)
{
    for (int i = 0; i < MAX_CONNS; i++) {
        if (w->conns[i] == conn)
            return i;
    }
    return -1;
}

static inline void keep_written(world *w, const chat__effect *effect)
{
    int i = conn_index(w, effect->conn);
    if (i < 0)
        return; /* a connection that the test has forgotten */
    size_t used = strlen(w->written[i]);
    snprintf(w->written[i] + used, sizeof w->written[i] - used, "%.*s\n", (int)effect->bytes.len,
             (const char *)effect->bytes.data);
}

static inline void keep_record(world *w, const chat__effect *effect)
{
    record *added = &w->records[w->n_records];
    assert_true(w->n_records < MAX_RECORDS && effect->bytes.len <= sizeof added->payload);
    memset(added, 0, sizeof *added);
    memcpy(added->chat, effect->chat.data, effect->chat.len);
    memcpy(added->payload, effect->bytes.data, effect->bytes.len);
    added->len = effect->bytes.len;
    added->tag = effect->tag;
    added->seq = w->has_ids_as_seqs ? effect->id : (w->n_records + 1) * 10;
    for (size_t i = 0; i < w->n_records; i++) {
        if (strcmp(w->records[i].chat, added->chat) == 0)
            added->prev = w->records[i].seq;
    }
    w->n_records++;
}

/* Notes about the message `id` of one user each, the newest: those with a reaction are rows. */
static inline void answer_reactions(world *w, const chat__effect *effect)
{
    chat__node_row rows[MAX_RECORDS];
    char users[MAX_RECORDS][CHAT_ID_MAX_BYTES];
    chat_decoder *decoder = NULL;
    size_t n = 0;
    assert_int_equal(chat_decoder_new(NULL, sizeof w->records[0].payload, &decoder), CHAT_OK);
    for (size_t i = 0; i < w->n_told; i++) {
        const record *from = &w->records[i];
        chat_view payload = chat__view(from->payload, from->len);
        chat_frame note;
        size_t k = 0;
        if (chat_frame_decode(decoder, CHAT_ENCODING_CBOR, payload, &note) != CHAT_OK ||
            note.type != CHAT_FRAME_NOTE || note.re != effect->id ||
            !chat__view_equal(note.what, chat__view_str("react")))
            continue;
        while (k < n && !chat__view_equal(note.from, chat__view_str(users[k])))
            k++;
        n += k == n;
        snprintf(users[k], sizeof users[k], "%.*s", (int)note.from.len,
                 (const char *)note.from.data);
        rows[k] = (chat__node_row){from->seq, from->prev, payload};
    }
    chat__node_rows_read(w->node, effect->tag, CHAT_OK, rows, n, 0);
    chat_decoder_free(decoder);
}

static inline void answer_read(world *w, const chat__effect *effect)
{
    chat__node_row rows[MAX_RECORDS];
    size_t n = 0;
    if (effect->id != 0) {
        answer_reactions(w, effect);
        return;
    }
    if (w->group != NULL && chat__view_equal(effect->chat, chat__view_str(w->group)) &&
        chat__view_equal(effect->user, chat__view_str("mallory"))) {
        chat__node_rows_read(w->node, effect->tag, CHAT_ERR_FORBIDDEN, NULL, 0, 0);
        return;
    }
    int is_back = effect->after == UINT64_MAX;
    for (size_t k = 0; k < w->n_told && n < effect->limit; k++) {
        const record *from = &w->records[is_back ? w->n_told - 1 - k : k];
        if (!chat__view_equal(effect->chat, chat__view_str(from->chat)) ||
            (is_back ? from->seq >= effect->before : from->seq <= effect->after))
            continue;
        rows[n].seq = from->seq;
        rows[n].prev = from->prev;
        rows[n++].payload = chat__view(from->payload, from->len);
    }
    chat__node_rows_read(w->node, effect->tag, CHAT_OK, rows, n, n == effect->limit);
}

static inline void answer_load_user(world *w, const chat__effect *effect)
{
    chat__node_user_chat chats[MAX_RECORDS];
    size_t n = 0;
    for (size_t i = 0; i < w->n_told; i++) {
        if (w->records[i].prev != 0)
            continue;
        memset(&chats[n], 0, sizeof chats[n]);
        chats[n].chat = chat__view_str(w->records[i].chat);
        chats[n].cursor = w->cursor_of_loaded;
        chats[n].gap_seq = w->gap_of_loaded;
        for (size_t k = i; k < w->n_told; k++) {
            if (strcmp(w->records[k].chat, w->records[i].chat) == 0)
                chats[n].last_seq = w->records[k].seq;
        }
        n++;
    }
    chat__node_user_loaded(w->node, effect->tag, effect->device.len > 0 ? w->load_status : CHAT_OK,
                           chats, n);
}

/* Whom `user` has blocked, or by whom he is, by the records. Names stay as long as those. */
static inline size_t blocks_of(const world *w, chat_view user, int by_others, chat_view *out)
{
    chat_decoder *decoder = NULL;
    size_t n = 0;
    assert_int_equal(chat_decoder_new(NULL, sizeof w->records[0].payload, &decoder), CHAT_OK);
    for (size_t i = 0; i < w->n_told; i++) {
        chat_frame frame;
        size_t k = 0;
        if (chat_frame_decode(decoder, CHAT_ENCODING_CBOR,
                              chat__view(w->records[i].payload, w->records[i].len),
                              &frame) != CHAT_OK ||
            frame.type != CHAT_FRAME_BLOCKED ||
            !chat__view_equal(by_others ? frame.user : frame.from, user))
            continue;
        chat_view other = by_others ? frame.from : frame.user;
        while (k < n && !chat__view_equal(out[k], other))
            k++;
        if (k < n && !frame.blocked)
            out[k] = out[--n];
        else if (k == n && frame.blocked)
            out[n++] = other;
    }
    chat_decoder_free(decoder);
    return n;
}

static inline void answer_load_blocks(world *w, const chat__effect *effect)
{
    chat_view names[MAX_RECORDS];
    size_t n = blocks_of(w, effect->user, effect->kind == CHAT__BLOCKS_BY_OTHERS, names);
    w->n_block_loads++;
    chat__node_blocks_loaded(w->node, effect->tag, CHAT_OK, names, n);
}

static inline uint32_t blocks_in(const world *w, const chat_view members[2])
{
    chat_view names[MAX_RECORDS];
    uint32_t blocked = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t n = blocks_of(w, members[i], 0, names);
        for (size_t k = 0; k < n; k++) {
            if (chat__view_equal(names[k], members[1 - i]))
                blocked |= i == 0 ? CHAT__BLOCKED_BY_FIRST : CHAT__BLOCKED_BY_SECOND;
        }
    }
    return blocked;
}

static inline void answer_load_direct(world *w, const chat__effect *effect,
                                      const chat_view members[2])
{
    chat__node_chat chat = {.blocked = blocks_in(w, members)};
    chat__node_chat_loaded(w->node, effect->tag, chat.blocked != 0 ? CHAT_OK : CHAT_ERR_NOT_FOUND,
                           &chat);
}

static inline void answer_load_chat(world *w, const chat__effect *effect)
{
    chat_view both[2];
    w->n_chat_loads++;
    if (chat_direct_members(effect->chat, both) == CHAT_OK) {
        answer_load_direct(w, effect, both);
        return;
    }
    chat__node_member members[2] = {{chat__view_str("alice"), 1, CHAT__ROLE_OWNER},
                                    {chat__view_str("bob"), 2, CHAT__ROLE_MEMBER}};
    chat__node_chat chat = {.members = members, .n_members = 2};
    int is_there = w->group != NULL && chat__view_equal(effect->chat, chat__view_str(w->group));
    chat__node_chat_loaded(w->node, effect->tag, is_there ? CHAT_OK : CHAT_ERR_NOT_FOUND, &chat);
}

/* Who has read what was asked for has read it then. */
static inline void tell_times(const chat__effect *effect, chat__node_mark items[2])
{
    for (size_t k = 0; k < 2 && effect->user.len == 0 && effect->seq > 0; k++) {
        if (items[k].read_seq >= effect->seq)
            items[k].read_unix_ms = 1234;
    }
}

/* Rows of `chat` up to `seq`, and the markers of the self streams. */
static inline void answer_load_marks(world *w, const chat__effect *effect)
{
    chat_view members[2] = {chat__view_str("alice"), chat__view_str("bob")};
    chat__node_mark items[2] = {{.user = members[0]}, {.user = members[1]}};
    chat__node_marks marks = {items, 2, 0};
    chat_decoder *decoder = NULL;
    chat_frame frame;
    int is_there = chat_direct_members(effect->chat, members) == CHAT_OK ||
                   (w->group != NULL && chat__view_equal(effect->chat, chat__view_str(w->group)));
    if (chat_decoder_new(NULL, 1024, &decoder) != CHAT_OK)
        is_there = 0;
    for (size_t i = 0; is_there && i < w->n_told; i++) {
        const record *from = &w->records[i];
        if (chat__view_equal(effect->chat, chat__view_str(from->chat)) && from->seq <= effect->seq)
            marks.seq = from->seq;
        assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR,
                                           chat__view(from->payload, from->len), &frame),
                         CHAT_OK);
        for (size_t k = 0; k < 2 && frame.type == CHAT_FRAME_MARKER; k++) {
            items[k].user = members[k];
            if (chat__view_equal(frame.from, members[k]) &&
                chat__view_equal(frame.of, effect->chat) && frame.read_seq > items[k].read_seq)
                items[k].read_seq = frame.read_seq;
        }
    }
    items[0].user = members[0];
    items[1].user = members[1];
    tell_times(effect, items);
    w->n_mark_loads++;
    chat__node_marks_loaded(w->node, effect->tag, is_there ? CHAT_OK : CHAT_ERR_NOT_FOUND, &marks);
    chat_decoder_free(decoder);
}

static inline int tell_one(world *w)
{
    if (w->n_told == w->n_records || w->is_append_held)
        return 0;
    record *told = &w->records[w->n_told];
    if (w->append_status == CHAT_OK)
        w->n_told++;
    else
        w->n_records--;
    chat__node_appended(w->node, told->tag, w->append_status, told->seq, told->prev);
    return 1;
}

static inline void keep_told(world *w, const chat__effect *effect)
{
    size_t used = strlen(w->told);
    used += (size_t)snprintf(w->told + used, sizeof w->told - used, "%.*s:%u",
                             (int)effect->user.len, (const char *)effect->user.data, effect->limit);
    for (size_t i = 0; i < effect->names.n_items; i++)
        used += (size_t)snprintf(w->told + used, sizeof w->told - used, " %.*s",
                                 (int)effect->names.items[i].len,
                                 (const char *)effect->names.items[i].data);
    for (size_t i = 0; i < effect->devices.n_items; i++)
        used += (size_t)snprintf(w->told + used, sizeof w->told - used, "@%.*s",
                                 (int)effect->devices.items[i].len,
                                 (const char *)effect->devices.items[i].data);
    snprintf(w->told + used, sizeof w->told - used, ";");
    w->told_keys[0] = effect->tag;
    w->told_keys[1] = effect->after;
}

static inline void answer_away(world *w, const chat__effect *effect)
{
    w->n_away_loads++;
    w->away_tag = effect->tag;
    if (!w->is_away_held)
        chat__node_away_loaded(w->node, effect->tag, CHAT_OK, &w->away);
}

static inline void keep_cursor(world *w, const chat__effect *effect)
{
    snprintf(w->cursor, sizeof w->cursor, "%.*s/%.*s %.*s %d", (int)effect->user.len,
             (const char *)effect->user.data, (int)effect->device.len,
             (const char *)effect->device.data, (int)effect->chat.len,
             (const char *)effect->chat.data, (int)effect->seq);
}

static inline void append_text(char *out, size_t cap, chat_view text, const char *end)
{
    size_t used = strlen(out);
    snprintf(out + used, cap - used, "%.*s%s", (int)text.len, (const char *)text.data, end);
}

static inline void append_device(char *out, size_t cap, const chat__effect *effect)
{
    append_text(out, cap, effect->user, "/");
    append_text(out, cap, effect->device, ";");
}

static inline void keep_connected(world *w, const chat__effect *effect)
{
    if (effect->device.len == 0)
        return;
    w->connected[0] = 0;
    for (size_t i = 0; i < effect->names.n_items; i++)
        append_text(w->connected, sizeof w->connected, effect->names.items[i], " ");
}

static inline void answer_load_devices(world *w, const chat__effect *effect)
{
    chat__node_device rows[4];
    size_t n = 0;
    for (; n < 4 && w->devices[n] != NULL; n++)
        rows[n] = (chat__node_device){chat__view_str(w->devices[n]), n + 1};
    chat__node_devices_loaded(w->node, effect->tag, CHAT_OK, rows, n);
}

static inline void run_other_effect(world *w, const chat__effect *effect)
{
    if (effect->type == CHAT__EFFECT_LOAD_DEVICES)
        answer_load_devices(w, effect);
    else if (effect->type == CHAT__EFFECT_LOAD_BLOCKS)
        answer_load_blocks(w, effect);
    else if (effect->type == CHAT__EFFECT_SEEN)
        append_device(w->seen, sizeof w->seen, effect);
    else if (effect->type == CHAT__EFFECT_FORGET)
        append_device(w->forgotten, sizeof w->forgotten, effect);
    if (effect->type == CHAT__EFFECT_FORGET && w->forgets_at_once)
        chat__node_forgotten(w->node, effect->tag, CHAT_OK);
    else if (effect->type == CHAT__EFFECT_FORGET)
        w->forget_tag = effect->tag;
}

static inline void keep_closed(world *w, const chat__effect *effect)
{
    if (conn_index(w, effect->conn) >= 0)
        w->closed[conn_index(w, effect->conn)] = effect->status;
}

static inline void run_effect(world *w, const chat__effect *effect)
{
    switch (effect->type) {
    case CHAT__EFFECT_WRITE:
        keep_written(w, effect);
        break;
    case CHAT__EFFECT_CLOSE:
        keep_closed(w, effect);
        break;
    case CHAT__EFFECT_APPEND:
        keep_record(w, effect);
        break;
    case CHAT__EFFECT_READ:
        answer_read(w, effect);
        break;
    case CHAT__EFFECT_LOAD_USER:
        keep_connected(w, effect);
        answer_load_user(w, effect);
        break;
    case CHAT__EFFECT_LOAD_MARKS:
        answer_load_marks(w, effect);
        break;
    case CHAT__EFFECT_LOAD_CHAT:
        answer_load_chat(w, effect);
        break;
    case CHAT__EFFECT_LOAD_AWAY:
        answer_away(w, effect);
        break;
    case CHAT__EFFECT_NOTIFY:
        keep_told(w, effect);
        break;
    case CHAT__EFFECT_CURSOR:
        keep_cursor(w, effect);
        break;
    default:
        run_other_effect(w, effect);
        break;
    }
}

static inline void run(world *w)
{
    chat__effect effect;
    do {
        while (chat__node_next_effect(w->node, &effect) == CHAT_OK)
            run_effect(w, &effect);
    } while (tell_one(w));
}

static inline void pass_time(world *w, uint64_t ms)
{
    w->now_ms += ms;
    chat__node_begin(w->node, w->now_ms, CHAT_EPOCH_MS + w->now_ms);
    run(w);
}

static inline void world_init(world *w)
{
    chat__node_options options;
    memset(w, 0, sizeof *w);
    chat__node_options_init(&options);
    options.window_count = 4;
    assert_int_equal(chat__node_new(&options, &w->node), CHAT_OK);
    pass_time(w, 1000);
}

static inline void world_done(world *w)
{
    chat__node_free(w->node);
}

/* Connect as `user`; JSON, so that what is written can be read. */
static inline void open_conn(world *w, int i, const char *user)
{
    w->written[i][0] = 0;
    w->closed[i] = CHAT_OK;
    assert_int_equal(chat__node_open(w->node, chat__view_str(user), CHAT_ENCODING_JSON, UINT64_MAX,
                                     &w->conns[i]),
                     CHAT_OK);
}

static inline void say(world *w, int i, const char *json)
{
    w->written[i][0] = 0;
    chat__node_receive(w->node, w->conns[i], chat__view_str(json));
    run(w);
    pass_time(w, 1);
}

static inline void join(world *w, int i, const char *user, const char *device)
{
    char hello[128];
    snprintf(hello, sizeof hello, "{\"t\":\"hello\",\"device\":\"%s\"}", device);
    open_conn(w, i, user);
    say(w, i, hello);
    assert_non_null(strstr(w->written[i], "\"t\":\"welcome\""));
}

/* Whether connection `i` was written something with `text` in it. */
static inline void assert_written(const world *w, int i, const char *text)
{
    if (strstr(w->written[i], text) == NULL)
        print_error("connection %d lacks %s in:\n%s\n", i, text, w->written[i]);
    assert_non_null(strstr(w->written[i], text));
}

static inline void assert_not_written(const world *w, int i, const char *text)
{
    assert_null(strstr(w->written[i], text));
}

#endif
