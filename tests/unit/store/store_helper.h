/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, a model of what was committed to it, and short forms of its
   calls. */
#ifndef CHAT_TESTS_STORE_HELPER_H
#define CHAT_TESTS_STORE_HELPER_H

#include "unit.h"

#include "base/view.h"
#include "faulty_files.h"
#include "store/store.h"

#define PAGE_MAX  256
#define MODEL_MAX 4096

typedef struct model_row {
    char chat[64];
    char body[64];
    uint64_t id;
    uint64_t seq;
    uint64_t prev;
    int is_lost; /* damaged on purpose */
} model_row;

typedef struct page {
    chat_status status;
    size_t n_rows;
    model_row rows[PAGE_MAX];
} page;

typedef struct fixture {
    char dir[64];
    chat__store_options options;
    chat__store_report report;
    chat__store *store;
    model_row rows[MODEL_MAX]; /* committed, then staged */
    size_t n_committed;
    size_t n_rows;
    char text[1024];
    char log[8192];     /* lines of the store */
    faulty *disk;       /* NULL: the operating system's */
    faulty_bytes db[2]; /* state.db and its WAL as they were at hold() */
    uint64_t random;
} fixture;

int set_up(void **state);        /* a fresh directory, opened */
int tear_down(void **state);     /* closed and removed */
int set_up_closed(void **state); /* on a faulty disk, not opened */

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int set_up_faulty(void **state); /* the same on a faulty disk, segments of 64 KiB */

#define FAULTY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_faulty, tear_down)

/* Remember state.db as a kill would leave it; put it back. */
void hold_db(fixture *f);
void put_back_db(fixture *f);

/* The power goes: nothing is flushed, the disk tears what was not synced. Not opened again. */
void crash(fixture *f);

/* A kill: what was written stays. Not opened again. */
void kill_it(fixture *f);

/* Where the model's rows lie in the log; they are all in the first segment. */
uint64_t place_of(const fixture *f, size_t row);
uint64_t size_of(const model_row *row);

chat_status try_open(fixture *f);
void reopen(fixture *f);
void remove_tree(const char *dir);

/* Stage a message in partition 0; the seq. */
uint64_t put(fixture *f, const char *chat, uint64_t id, const char *body);
chat_status try_put(fixture *f, const char *chat, uint64_t id, const char *body);
uint64_t put_group(fixture *f, const char *chat, uint64_t id, const char *title, const char *from,
                   const char *user);
chat_status try_put_group(fixture *f, const char *chat, uint64_t id, const char *title,
                          const char *from, const char *user);
void commit(fixture *f);
chat_status try_commit(fixture *f); /* the model follows */
void put_cursor(fixture *f, const char *user, const char *device, const char *chat, uint64_t seq);

void read_after(fixture *f, const char *chat, uint64_t after, uint32_t limit, page *out);
void read_before(fixture *f, const char *chat, uint64_t before, uint32_t limit, page *out);

/* Page through a chat from both ends: the same as the model's committed rows. */
void check_pages(fixture *f, const char *chat, uint32_t limit);

/* "title: member member", sorted. */
const char *group_text(fixture *f, const char *chat);
/* "chat[title] cursor/last, ..." sorted. */
const char *user_text(fixture *f, const char *user, const char *device, uint64_t now);

#endif
