/* SPDX-License-Identifier: MIT */
/* libchat-cassandra's driver with memory that runs out, against a scripted cluster. */
#include "oom.h"

#include "cassandra/scripted.h"

static void make(oom_memory *memory, scripted *s, const chat_cassandra_options *options)
{
    memset(s, 0, sizeof *s);
    s->now_ms = 1000;
    s->nodes = SCRIPTED_THREE;
    s->n_nodes = 3;
    s->replication = SCRIPTED_SIMPLE;
    s->n_replication = 2;
    chat_status status = chat__cql_driver_new(options, 7, &s->driver);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(s->driver);
        oom_recover(memory);
        assert_int_equal(chat__cql_driver_new(options, 7, &s->driver), CHAT_OK);
    }
    chat__cql_driver_begin(s->driver, s->now_ms);
}

/* Time passes until there is an event of this type; connections that found no memory come again. */
static void wait_for(oom_memory *memory, scripted *s, chat_cassandra_event_type type)
{
    for (int i = 0; i < 200; i++) {
        while (scripted_next(s) == CHAT_OK)
            if (s->event.type == type)
                return;
        if (i == 100)
            oom_recover(memory);
        scripted_pass(s, 20);
    }
    fail_msg("no event %d when allocation %zu fails", (int)type, memory->n_run);
}

static void ask(oom_memory *memory, scripted *s)
{
    chat_status status = scripted_ask(s, 1, "key", 1);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(scripted_ask(s, 1, "key", 1), CHAT_OK);
    }
    for (int i = 0; i < 200; i++) {
        while (scripted_next(s) == CHAT_OK) {
            if (s->event.type == CHAT_CASSANDRA_EVENT_ANSWER)
                return;
            if (s->event.type == CHAT_CASSANDRA_EVENT_FAILED) {
                assert_true(s->event.status == CHAT_ERR_NOMEM ||
                            s->event.status == CHAT_ERR_NETWORK);
                return;
            }
        }
        if (s->n_asked > 0)
            (void)scripted_answer(s);
        else
            scripted_pass(s, 50);
    }
    fail_msg("neither answer nor failure when allocation %zu fails", memory->n_run);
}

static void a_request(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_cassandra_options options = scripted_options();
    scripted s;
    uint32_t number;
    (void)ctx;
    options.allocator = &allocator;
    options.user = "user";
    options.password = "password";
    make(memory, &s, &options);
    chat_status status = chat__cql_driver_statement(s.driver, "INSERT a", &number);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(chat__cql_driver_statement(s.driver, "INSERT a", &number), CHAT_OK);
    }
    wait_for(memory, &s, CHAT_CASSANDRA_EVENT_READY);
    ask(memory, &s);
    chat__cql_driver_free(s.driver);
}

static void from_the_start_to_an_answer(void **state)
{
    (void)state;
    assert_true(oom_loop(a_request, NULL) >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_the_start_to_an_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
