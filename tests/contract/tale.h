/* SPDX-License-Identifier: MIT */
/*
 * Histories for stores: records are made and applied, questions asked, and what is answered is a
 * line of text, in which the n-th record of the tale is #n. Told to two stores, both must say the
 * same. Names are short: "g" a group, "alice+bob" a direct chat, "+alice" a self stream.
 */
#ifndef CHAT_TESTS_CONTRACT_TALE_H
#define CHAT_TESTS_CONTRACT_TALE_H

#include "unit.h"

#include <chat/backend/store.h>
#include <chat/frame.h>

#define TALE_STORES  2u
#define TALE_RECORDS 4096u
#define TALE_NAMES   64u
#define TALE_TEXT    (512u << 10)
#define TALE_DAY_MS  UINT64_C(86400000)

typedef struct tale_name {
    char brief[64];
    char full[CHAT_CHAT_ID_MAX_BYTES + 1];
} tale_name;

typedef struct tale_text {
    size_t len;
    char bytes[TALE_TEXT];
} tale_text;

typedef struct tale {
    const chat_store *stores[TALE_STORES];
    size_t n_stores;
    char suffix[48]; /* of all names */
    uint32_t partition;
    uint64_t now_ms; /* moves on with each record */
    uint64_t ids[TALE_RECORDS], seqs[TALE_RECORDS];
    chat_view chats[TALE_RECORDS];
    chat_store_row rows[TALE_RECORDS]; /* as they were applied */
    size_t n_records;
    size_t n_pages, n_recent; /* that were asked for; and came from records at hand */
    tale_name names[TALE_NAMES];
    size_t n_names;
    tale_text answers[TALE_STORES];
    const char *step; /* said when the stores differ */
} tale;

/* `second` NULL: there is one. `name` is of the tale: in all its names, with the prefix. */
tale *tale_new(const chat_store *first, const chat_store *second, const char *prefix,
               const char *name);
void tale_free(tale *t);

chat_view tale_id(tale *t, const char *brief);
/* seq of the n-th record; 0 of none. */
uint64_t tale_seq(const tale *t, size_t n);

/* --- records: the number of each, which is applied alone --- */

size_t tale_message(tale *t, const char *chat, const char *from, const char *body);
/* `users`: with spaces between them. */
size_t tale_group(tale *t, const char *chat, const char *from, const char *users,
                  const char *title);
/* `role`, `heir`, `title`: NULL: none. */
size_t tale_change(tale *t, const char *chat, const char *what, const char *users, const char *role,
                   const char *heir);
size_t tale_title(tale *t, const char *chat, const char *title);
/* `re`: number of the message; `text`: of an edit or a reaction, NULL: none. */
size_t tale_note(tale *t, const char *chat, const char *what, const char *from, size_t re,
                 const char *text);
size_t tale_marker(tale *t, const char *user, const char *of, size_t read);
size_t tale_mute(tale *t, const char *user, const char *of, uint64_t until_ms);
size_t tale_block(tale *t, const char *user, const char *whom, int is_blocked);
size_t tale_raw(tale *t, const char *chat, uint32_t kind, chat_view payload);

/* --- devices --- */

void tale_cursor(tale *t, const char *user, const char *device, const char *chat, size_t n);
const char *tale_see(tale *t, const char *user, const char *device);
const char *tale_forget(tale *t, const char *user, const char *device);

/* --- questions: the answer is a line, borrowed until the next; see tale.c for each --- */

const char *tale_chat(tale *t, const char *chat);
/* `device` "": none. `connected`: with spaces between them. */
const char *tale_user(tale *t, const char *user, const char *device, const char *connected);
const char *tale_devices(tale *t, const char *user);
const char *tale_away(tale *t, const char *user, const char *chat, size_t n);
const char *tale_blocks(tale *t, const char *user, int is_reverse, uint32_t limit);
const char *tale_has_blocked(tale *t, const char *user, const char *whom);
const char *tale_marks(tale *t, const char *chat, const char *user, uint64_t seq);
/* `user` "": all. */
const char *tale_after(tale *t, const char *chat, const char *user, uint64_t after, uint32_t limit);
const char *tale_before(tale *t, const char *chat, const char *user, uint64_t before,
                        uint32_t limit);
const char *tale_bytes(tale *t, const char *chat, uint64_t after, uint32_t max_bytes);
const char *tale_reactions(tale *t, const char *chat, const char *user, size_t n);

#endif
