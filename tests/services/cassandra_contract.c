/* SPDX-License-Identifier: MIT */
/* The store contract on Cassandra: CHAT_CASSANDRA, CHAT_KEYSPACE. Its model is the embedded store,
   told the same. With an argument: the case of this name alone. */
#include "services/cassandra_rows.h"

#include "contract/store.h"
#include "store/table.h"
#include "unit/store/store_helper.h"

#include <chat/cassandra_store.h>

static chat_cassandra_store *store;

static int open_store(void **state)
{
    chat_cassandra_store_options wanted;
    if (set_up_keyspace() != 0)
        return -1;
    (void)state;
    chat_cassandra_options opened = options();
    chat_cassandra_store_options_init(&wanted);
    wanted.cassandra = &opened;
    assert_int_equal(chat_cassandra_store_new(&wanted, &store), CHAT_OK);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    chat_cassandra_store_free(store);
    drop_keyspace();
    return 0;
}

static void with_store(void (*rule)(const store_world *world))
{
    void *files = NULL;
    chat__store_table *model;
    chat_store_rules rules = store_rules();
    const char *n = getenv("CHAT_STORE_HISTORIES");
    const char *seed = getenv("CHAT_STORE_SEED");
    const chat_store *table = chat_cassandra_store_table(store);
    assert_int_equal(table->set_rules(table->ctx, &rules), CHAT_OK);
    assert_int_equal(set_up(&files), 0);
    assert_int_equal(chat__store_table_new(((fixture *)files)->store, 0, &model), CHAT_OK);
    const chat_store *known = chat__store_table_of(model);
    assert_int_equal(known->set_rules(known->ctx, &rules), CHAT_OK);
    store_world world = {table, known, "", 0, 1};
    world.n_histories = n != NULL ? (uint32_t)atoi(n) : 0;
    world.seed = seed != NULL ? (uint64_t)strtoull(seed, NULL, 10) : 1;
    rule(&world);
    chat__store_table_free(model);
    (void)tear_down(&files);
}

#define CONTRACT_TEST(name)                                                                        \
    static void name##_there(void **state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        with_store(name);                                                                          \
    }
STORE_CONTRACT(CONTRACT_TEST)

int main(int argc, char **argv)
{
#define CONTRACT_ROW(name) {#name, name##_there, NULL, NULL, NULL},
    const struct CMUnitTest tests[] = {STORE_CONTRACT(CONTRACT_ROW)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_store, close_store);
}
