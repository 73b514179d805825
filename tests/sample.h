/* SPDX-License-Identifier: MIT */
/* A frame of each type with every field that the type may have: made from the tables, so that a
   new type or field is in the tests that use it without a change there. */
#ifndef CHAT_TESTS_SAMPLE_H
#define CHAT_TESTS_SAMPLE_H

#include <chat/frame.h>
#include <chat/id.h>

#include "base/view.h"

#define SAMPLE_F(NAME) CHAT_FIELD_BIT(CHAT_FIELD_KEY_##NAME)

typedef struct sample_row {
    uint32_t type;
    uint64_t fields; /* required and optional */
} sample_row;

#define F(NAME) SAMPLE_F(NAME)
static const sample_row SAMPLE_ROWS[] = {
#define SAMPLE_ROW(NAME, number, json, direction, required, optional, text)                        \
    {number, (required) | (optional)},
    CHAT_FRAME_TABLE(SAMPLE_ROW)
#undef SAMPLE_ROW
};
#undef F

#define N_SAMPLES (sizeof SAMPLE_ROWS / sizeof SAMPLE_ROWS[0])

static const chat_view SAMPLE_IDS[3] = {{(const uint8_t *)"alice", 5},
                                        {(const uint8_t *)"bob", 3},
                                        {(const uint8_t *)"caf\xc3\xa9", 5}};

static inline chat_view sample_id(void)
{
    return chat__view_str("alice-7");
}

static inline chat_view sample_text(void)
{
    return chat__view_str("a \"b\"\n\xc3\xa9");
}

static inline chat_view_list sample_ids(void)
{
    chat_view_list list = {SAMPLE_IDS, 3};
    return list;
}

static inline void sample_frame(size_t row, chat_frame *out)
{
    chat_frame_init(out, (chat_frame_type)SAMPLE_ROWS[row].type);
#define SAMPLE_FIELD(NAME, key, member, kind, max, text) SAMPLE_SET_##kind(out, member);
#define SAMPLE_SET_ID(frame, member)                     (frame)->member = sample_id()
#define SAMPLE_SET_CHAT(frame, member)                   (frame)->member = sample_id()
#define SAMPLE_SET_TEXT(frame, member)                   (frame)->member = sample_text()
#define SAMPLE_SET_U64(frame, member)                    (frame)->member = UINT64_C(0xfedcba9876543210)
#define SAMPLE_SET_UINT(frame, member)                   (frame)->member = UINT64_C(1764040000123)
#define SAMPLE_SET_BOOL(frame, member)                   (frame)->member = 1
#define SAMPLE_SET_IDS(frame, member)                    (frame)->member = sample_ids()
    CHAT_FIELD_TABLE(SAMPLE_FIELD)
#undef SAMPLE_FIELD
    out->has = SAMPLE_ROWS[row].fields;
}

#endif
