/* SPDX-License-Identifier: MIT */
/* Names and records of a tale. See tale.h. */
#include "tale.h"

#include "base/view.h"

#include <chat/id.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* After all times that a store may compare them with; tales of one process go on in one log. */
static uint64_t now_ms_ = UINT64_C(1800000000000);

tale *tale_new(const chat_store *first, const chat_store *second, const char *prefix,
               const char *name)
{
    tale *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->stores[0] = first;
    t->stores[1] = second;
    t->n_stores = second != NULL ? 2 : 1;
    t->partition = 3;
    t->now_ms = now_ms_ += 40 * TALE_DAY_MS;
    t->step = name;
    assert_true(snprintf(t->suffix, sizeof t->suffix, "-%.16s%s", name, prefix) <
                (int)sizeof t->suffix);
    return t;
}

void tale_free(tale *t)
{
    now_ms_ = t->now_ms;
    for (size_t i = 0; i < t->n_records; i++)
        free((void *)(uintptr_t)t->rows[i].payload.data);
    free(t);
}

/* --- names --- */

static chat_view user_id(const tale *t, const char *user, char out[CHAT_ID_MAX_BYTES + 1])
{
    int len = snprintf(out, CHAT_ID_MAX_BYTES + 1, "%s%s", user, t->suffix);
    assert_true(len > 0 && len <= (int)CHAT_ID_MAX_BYTES);
    return chat__view(out, (size_t)len);
}

static void make_name(const tale *t, const char *brief, tale_name *out)
{
    char first[CHAT_ID_MAX_BYTES + 1], second[CHAT_ID_MAX_BYTES + 1];
    chat_direct_name direct;
    const char *plus = strchr(brief, '+');
    snprintf(out->brief, sizeof out->brief, "%s", brief);
    if (plus == NULL) {
        snprintf(out->full, sizeof out->full, "%s%s", brief, t->suffix);
        return;
    }
    chat_view user = user_id(t, plus + 1, second);
    if (plus == brief) {
        assert_int_equal(chat_self_id(user, &direct), CHAT_OK);
    } else {
        char left[64];
        snprintf(left, sizeof left, "%.*s", (int)(plus - brief), brief);
        assert_int_equal(chat_direct_id(user_id(t, left, first), user, &direct), CHAT_OK);
    }
    snprintf(out->full, sizeof out->full, "%.*s", (int)direct.len, (const char *)direct.bytes);
}

chat_view tale_id(tale *t, const char *brief)
{
    if (brief[0] == 0)
        return chat__view(NULL, 0);
    for (size_t i = 0; i < t->n_names; i++) {
        if (strcmp(t->names[i].brief, brief) == 0)
            return chat__view_str(t->names[i].full);
    }
    assert_true(t->n_names < TALE_NAMES);
    tale_name *name = &t->names[t->n_names++];
    make_name(t, brief, name);
    return chat__view_str(name->full);
}

uint64_t tale_seq(const tale *t, size_t n)
{
    return n == 0 ? 0 : t->seqs[n - 1];
}

/* --- records --- */

static size_t apply(tale *t, chat_store_record *record)
{
    size_t n = t->n_records++;
    assert_true(t->n_records < TALE_RECORDS);
    /* Not equal, as when many come in a millisecond. */
    record->seq = record->id + 2;
    t->ids[n] = record->id;
    t->seqs[n] = record->seq;
    t->chats[n] = record->chat;
    uint64_t prev = 0;
    for (size_t i = 0; i < n; i++) {
        if (chat__view_equal(t->chats[i], record->chat))
            prev = t->seqs[i];
    }
    for (size_t i = 0; i < t->n_stores; i++) {
        record->prev = UINT64_MAX;
        assert_int_equal(t->stores[i]->apply(t->stores[i]->ctx, record, 1), CHAT_OK);
        assert_true(record->prev == prev);
    }
    uint8_t *payload = malloc(record->payload.len + 1);
    assert_non_null(payload);
    if (record->payload.len > 0)
        memcpy(payload, record->payload.data, record->payload.len);
    t->rows[n] = (chat_store_row){.seq = record->seq,
                                  .prev = prev,
                                  .id = record->id,
                                  .kind = record->kind,
                                  .payload = {payload, record->payload.len}};
    return n + 1;
}

static chat_store_record record_of(tale *t, const char *chat, uint32_t kind)
{
    chat_store_record record = {.struct_size = sizeof record, .partition = t->partition};
    t->now_ms += 1000;
    record.id = chat_snowflake_first_at(t->now_ms);
    record.kind = kind;
    record.chat = tale_id(t, chat);
    return record;
}

static size_t put(tale *t, const char *chat, const char *from, chat_frame *frame)
{
    uint8_t bytes[8192];
    size_t len = 0;
    chat_store_record record = record_of(t, chat, frame->type);
    CHAT_FRAME_SET(frame, CHAT, chat, record.chat);
    CHAT_FRAME_SET(frame, FROM, from, tale_id(t, from));
    CHAT_FRAME_SET(frame, ID, id, record.id);
    CHAT_FRAME_SET(frame, TS, ts, t->now_ms);
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.payload = chat__view(bytes, len);
    return apply(t, &record);
}

size_t tale_raw(tale *t, const char *chat, uint32_t kind, chat_view payload)
{
    chat_store_record record = record_of(t, chat, kind);
    record.payload = payload;
    return apply(t, &record);
}

size_t tale_message(tale *t, const char *chat, const char *from, const char *body)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    return put(t, chat, from, &frame);
}

/* Names with spaces between them. */
static size_t split(tale *t, const char *names, chat_view *out, size_t max)
{
    char word[64];
    int used = 0;
    size_t n = 0;
    while (n < max && sscanf(names, " %63s%n", word, &used) == 1) {
        out[n++] = tale_id(t, word);
        names += used;
    }
    return n;
}

static void set_users(tale *t, chat_frame *frame, const char *users, chat_view ids[16])
{
    chat_view_list list = {ids, split(t, users, ids, 16)};
    if (list.n_items > 0)
        CHAT_FRAME_SET(frame, USERS, users, list);
}

size_t tale_group(tale *t, const char *chat, const char *from, const char *users, const char *title)
{
    chat_frame frame;
    chat_view ids[16];
    chat_frame_init(&frame, CHAT_FRAME_CHAT);
    set_users(t, &frame, users, ids);
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str(title));
    if (title[0] == 'O')
        CHAT_FRAME_SET(&frame, OPEN, open, 1);
    return put(t, chat, from, &frame);
}

size_t tale_change(tale *t, const char *chat, const char *what, const char *users, const char *role,
                   const char *heir)
{
    chat_frame frame;
    chat_view ids[16];
    chat_frame_init(&frame, CHAT_FRAME_CHANGE);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    set_users(t, &frame, users, ids);
    if (role != NULL)
        CHAT_FRAME_SET(&frame, ROLE, role, chat__view_str(role));
    if (heir != NULL)
        CHAT_FRAME_SET(&frame, USER, user, tale_id(t, heir));
    return put(t, chat, "alice", &frame);
}

size_t tale_title(tale *t, const char *chat, const char *title)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_CHANGE);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str("title"));
    CHAT_FRAME_SET(&frame, TITLE, title, chat__view_str(title));
    return put(t, chat, "alice", &frame);
}

size_t tale_note(tale *t, const char *chat, const char *what, const char *from, size_t re,
                 const char *text)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_NOTE);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, RE, re, t->ids[re - 1]);
    CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, t->seqs[re - 1]);
    if (text != NULL && strcmp(what, "edit") == 0)
        CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(text));
    else if (text != NULL)
        CHAT_FRAME_SET(&frame, REACTION, reaction, chat__view_str(text));
    return put(t, chat, from, &frame);
}

static const char *self_of(const char *user, char out[64])
{
    snprintf(out, 64, "+%s", user);
    return out;
}

size_t tale_marker(tale *t, const char *user, const char *of, size_t read)
{
    char self[64];
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MARKER);
    CHAT_FRAME_SET(&frame, OF, of, tale_id(t, of));
    CHAT_FRAME_SET(&frame, READ_SEQ, read_seq, tale_seq(t, read));
    return put(t, self_of(user, self), user, &frame);
}

size_t tale_mute(tale *t, const char *user, const char *of, uint64_t until_ms)
{
    char self[64];
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_SETTING);
    CHAT_FRAME_SET(&frame, OF, of, tale_id(t, of));
    CHAT_FRAME_SET(&frame, UNTIL, until, until_ms);
    return put(t, self_of(user, self), user, &frame);
}

size_t tale_block(tale *t, const char *user, const char *whom, int is_blocked)
{
    char self[64];
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_BLOCKED);
    CHAT_FRAME_SET(&frame, USER, user, tale_id(t, whom));
    CHAT_FRAME_SET(&frame, IS_BLOCKED, blocked, (uint64_t)is_blocked);
    return put(t, self_of(user, self), user, &frame);
}
