/* SPDX-License-Identifier: MIT */
/* Messages of a direct chat, and what is done to them, each committed by itself. */
#ifndef CHAT_TESTS_NOTES_HELPER_H
#define CHAT_TESTS_NOTES_HELPER_H

#include "store_helper.h"

#include <chat/id.h>

#include <stdio.h>
#include <string.h>

#define DIRECT "dm:5:alice:bob"

static inline fixture *fixture_of(void **state)
{
    return *state;
}

static inline uint64_t put_frame(fixture *f, chat_frame *frame, const char *from, uint64_t id)
{
    uint8_t bytes[8192];
    size_t len = 0;
    CHAT_FRAME_SET(frame, CHAT, chat, chat__view_str(DIRECT));
    CHAT_FRAME_SET(frame, FROM, from, chat__view_str(from));
    CHAT_FRAME_SET(frame, ID, id, id);
    CHAT_FRAME_SET(frame, TS, ts, id);
    chat__store_record record = {.kind = frame->type, .id = id, .chat = frame->chat};
    assert_int_equal(chat_frame_encode(CHAT_ENCODING_CBOR, frame, bytes, sizeof bytes, &len),
                     CHAT_OK);
    record.payload = chat__view(bytes, len);
    assert_int_equal(chat__store_append(f->store, &record), CHAT_OK);
    assert_int_equal(chat__store_commit(f->store), CHAT_OK);
    return record.seq;
}

static inline void put_message(fixture *f, uint64_t id, const char *body)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_MSG);
    CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(body));
    (void)put_frame(f, &frame, "alice", id);
}

/* `text`: of an edit or a reaction. */
static inline void put_note(fixture *f, const char *what, uint64_t re, const char *from,
                            const char *text, uint64_t id)
{
    chat_frame frame;
    chat_frame_init(&frame, CHAT_FRAME_NOTE);
    CHAT_FRAME_SET(&frame, WHAT, what, chat__view_str(what));
    CHAT_FRAME_SET(&frame, RE, re, re);
    CHAT_FRAME_SET(&frame, RE_SEQ, re_seq, re);
    if (strcmp(what, "edit") == 0)
        CHAT_FRAME_SET(&frame, BODY, body, chat__view_str(text));
    else if (text[0] != 0)
        CHAT_FRAME_SET(&frame, REACTION, reaction, chat__view_str(text));
    (void)put_frame(f, &frame, from, id);
}

#endif
