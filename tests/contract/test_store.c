/* SPDX-License-Identifier: MIT */
/* The store contract, on the embedded store. Its model is another one, that is flushed after each
   record: so what is in memory and what is in SQLite answer the same. */
#include "store.h"
#include "store/store_helper.h"
#include "store/table.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct embedded {
    fixture *files;
    chat__store_table *table;
} embedded;

static embedded model_;

static chat_status apply_and_flush(void *ctx, chat_store_record *records, size_t n)
{
    const chat_store *table = chat__store_table_of(model_.table);
    chat_status status = table->apply(ctx, records, n);
    return status == CHAT_OK ? chat__store_flush(model_.files->store) : status;
}

static chat_status open_one(embedded *e)
{
    chat_store_rules rules = store_rules();
    assert_int_equal(chat__store_table_new(e->files->store, 0, &e->table), CHAT_OK);
    const chat_store *table = chat__store_table_of(e->table);
    return table->set_rules(table->ctx, &rules);
}

static void with_store(void **state, void (*rule)(const store_world *world))
{
    void *second = NULL;
    embedded one = {*state, NULL};
    const char *n = getenv("CHAT_STORE_HISTORIES");
    const char *seed = getenv("CHAT_STORE_SEED");
    assert_int_equal(set_up(&second), 0);
    model_.files = second;
    assert_int_equal(open_one(&one), CHAT_OK);
    assert_int_equal(open_one(&model_), CHAT_OK);
    chat_store model = *chat__store_table_of(model_.table);
    model.apply = apply_and_flush;
    store_world world = {chat__store_table_of(one.table), &model, "", 0, 1};
    world.n_histories = n != NULL ? (uint32_t)atoi(n) : 0;
    world.seed = seed != NULL ? (uint64_t)strtoull(seed, NULL, 10) : 1;
    rule(&world);
    chat__store_table_free(one.table);
    chat__store_table_free(model_.table);
    (void)tear_down(&second);
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_here(void **state)                                                          \
    {                                                                                              \
        with_store(state, name);                                                                   \
    }
STORE_CONTRACT(CONTRACT_TEST)

static chat_store_record message(uint64_t seq, uint64_t id)
{
    chat_store_record record = {.struct_size = sizeof record,
                                .id = id,
                                .seq = seq,
                                .kind = CHAT_FRAME_MSG,
                                .chat = chat__view_str("dm:5:alice:bob"),
                                .payload = chat__view_str("x")};
    return record;
}

/* A log has one record at a place. */
static void another_record_at_a_place_is_refused(void **state)
{
    embedded one = {*state, NULL};
    chat_store_record records[] = {message(10, 5), message(12, 7), message(10, 6),
                                   message(11, 7), message(12, 7), message(0, 9)};
    assert_int_equal(open_one(&one), CHAT_OK);
    const chat_store *store = chat__store_table_of(one.table);
    assert_int_equal(store->apply(store->ctx, records, 2), CHAT_OK);
    assert_int_equal(store->apply(store->ctx, records + 2, 1), CHAT_ERR_STATE);
    assert_int_equal(store->apply(store->ctx, records + 3, 1), CHAT_ERR_STATE);
    assert_int_equal(store->apply(store->ctx, records + 4, 1), CHAT_OK);
    assert_true(records[4].prev == 10);
    assert_int_equal(store->apply(store->ctx, records + 5, 1), CHAT_ERR_ARG);
    records[5].seq = 20;
    records[5].partition = 64;
    assert_int_equal(store->apply(store->ctx, records + 5, 1), CHAT_ERR_ARG);
    chat__store_table_free(one.table);
}

/* What the seq is does not come from here, so a restart must find the same. */
static void a_restart_finds_all_of_it(void **state)
{
    embedded one = {*state, NULL};
    assert_int_equal(open_one(&one), CHAT_OK);
    tale *t = tale_new(chat__store_table_of(one.table), NULL, "", "again");
    (void)tale_group(t, "g", "alice", "bob", "Group");
    (void)tale_raw(t, "g", 777, chat__view_str("of a newer version"));
    (void)tale_message(t, "g", "alice", "hi");
    (void)tale_user(t, "bob", "phone", "");
    tale_cursor(t, "bob", "phone", "g", 2);
    chat__store_table_free(one.table);
    reopen(one.files);
    assert_int_equal(open_one(&one), CHAT_OK);
    t->stores[0] = chat__store_table_of(one.table);
    assert_string_equal(tale_after(t, "g", "bob", 0, 9), "#1 chat; #2<#1 777 raw 18; #3<#2 msg hi");
    assert_string_equal(tale_user(t, "bob", "phone", ""), "g[Group] #2..#3");
    (void)tale_message(t, "g", "alice", "again");
    assert_string_equal(tale_after(t, "g", "bob", tale_seq(t, 3), 9), "#4<#3 msg again");
    tale_free(t);
    chat__store_table_free(one.table);
}

int main(void)
{
#define CONTRACT_ROW(name) TEST(name##_here),
    const struct CMUnitTest tests[] = {STORE_CONTRACT(CONTRACT_ROW)
                                           TEST(another_record_at_a_place_is_refused),
                                       TEST(a_restart_finds_all_of_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
