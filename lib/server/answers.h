/* SPDX-License-Identifier: MIT */
/*
 * What a node asks of a store, as a thing that may be asked on another thread: a question is an
 * effect with copies of all that it points at, an answer has copies of what the store lent.
 */
#ifndef CHAT_SERVER_ANSWERS_H
#define CHAT_SERVER_ANSWERS_H

#include "internal.h"

#include <chat/backend/store.h>

typedef struct chat__answer {
    chat_status status;
    chat_status kept; /* CHAT_ERR_NOMEM: a part of it was lost */
    int has_more;
    uint32_t n_rows;
    chat__buf rows;  /* of the type that the node takes */
    chat__buf bytes; /* that their views point at, as offsets until it is given */
    chat_view title;
    uint64_t numbers[3]; /* by type of question, see answers.c */
} chat__answer;

typedef struct chat__question {
    struct chat__question *next;
    chat__effect effect; /* points behind this */
    chat__answer answer;
    uint64_t key;             /* those with the same are answered in their order */
    uint64_t life;            /* of the node that asked */
    uint64_t *after;          /* of the askers: what has to be written before, NULL: nothing */
    chat_store_recent recent; /* of READ: at hand */
    uint32_t from;            /* shard */
} chat__question;

/* Whether an effect asks or tells a store something. */
int chat__question_is(chat__effect_type type);
/* A copy of such an effect. NULL when out of memory. */
chat__question *chat__question_new(const chat_allocator *allocator, const chat__effect *effect);
void chat__question_free(const chat_allocator *allocator, chat__question *question);

/* One that borrows what `effect` points at, in the caller's memory: to be asked and answered at
 * once.
 */
void chat__question_init(chat__question *question, const chat_allocator *allocator,
                         const chat__effect *effect);
void chat__question_done(chat__question *question);

/* @thread any. Ask the store; may block. */
void chat__question_ask(chat__question *question, const chat_store *store, uint64_t now_unix_ms);

/* @thread the shard's own. Tell the node, once; of an effect without an answer nothing. */
void chat__question_give(chat__question *question, chat__node *node);

#endif
