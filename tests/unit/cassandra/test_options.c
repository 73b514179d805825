/* SPDX-License-Identifier: MIT */
/* What a driver is told by its caller. */
#include "scripted.h"

static scripted s;

static int set_up(void **state)
{
    chat_cassandra_options options = scripted_options();
    (void)state;
    scripted_start(&s, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chat__cql_driver_free(s.driver);
    return 0;
}

static void options_are_checked(void **state)
{
    static const char *const WRONG[] = {"", "a,", "a:", "a:x", "a:70000", ":1", "[::1", "[::1]1"};
    static const char *const RIGHT[] = {"a", " a , b:1", "[::1]:9", "[::1]"};
    chat_cassandra_options options = scripted_options();
    chat__cql_driver *driver = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        options.contact_points = WRONG[i];
        assert_int_equal(chat__cql_driver_new(&options, 1, &driver), CHAT_ERR_ARG);
    }
    for (size_t i = 0; i < sizeof RIGHT / sizeof RIGHT[0]; i++) {
        options.contact_points = RIGHT[i];
        assert_int_equal(chat__cql_driver_new(&options, 1, &driver), CHAT_OK);
        chat__cql_driver_free(driver);
    }
    options.user = "u";
    assert_int_equal(chat__cql_driver_new(&options, 1, &driver), CHAT_ERR_ARG);
}

static void requests_are_checked(void **state)
{
    chat_cassandra_request request = {.struct_size = sizeof request, .statement = 2};
    (void)state;
    assert_int_equal(chat__cql_driver_ask(s.driver, 1, &request, 0, s.now_ms), CHAT_ERR_ARG);
    request.statement = CHAT_CASSANDRA_TEXT;
    assert_int_equal(chat__cql_driver_ask(s.driver, 1, &request, 0, s.now_ms), CHAT_ERR_ARG);
    request.text = "SELECT";
    assert_int_equal(chat__cql_driver_ask(s.driver, 1, &request, 1, s.now_ms), CHAT_ERR_ARG);
    assert_int_equal(chat__cql_driver_ask(s.driver, 1, &request, 0, s.now_ms), CHAT_OK);
    scripted_settle(&s);
    assert_int_equal(s.asked[0].opcode, CHAT__CQL_OP_QUERY);
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_int_equal(scripted_ask(&s, 2, large, 1), CHAT_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test_setup_teardown(requests_are_checked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
