/* SPDX-License-Identifier: MIT */
/* Options from command lines and files: what they set, and what is said when they are wrong. */
#include "unit.h"

#include <chat/server_config.h>

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 6

typedef struct row {
    const char *name;
    const char *words[MAX_WORDS]; /* behind the program's name */
    const char *problem;          /* "": good */
} row;

static const row ROWS[] = {
    {"nothing", {NULL}, ""},
    {"value_as_the_next_word", {"--listen", "0.0.0.0:1"}, ""},
    {"value_behind_an_equals_sign", {"--listen=[::1]:1"}, ""},
    {"switch_alone", {"--dev"}, ""},
    {"switch_with_a_value", {"--deflate=off", "--dev", "on"}, ""},
    {"level", {"--log-level", "debug"}, ""},
    {"smallest_number", {"--heartbeat-ms", "100"}, ""},
    {"largest_number", {"--heartbeat-ms", "3600000"}, ""},
    {"unknown_with_a_suggestion",
     {"--lisen", "x"},
     "--lisen: no such option; did you mean --listen?"},
    {"unknown_without_one", {"--colour"}, "--colour: no such option; chatd --help names all"},
    {"unknown_command", {"--hlep"}, "--hlep: no such option; did you mean --help?"},
    {"surplus_word", {"surplus"}, "surplus: options start with --; chatd --help names all"},
    {"missing_value", {"--listen"}, "--listen: a value is needed: --listen HOST:PORT"},
    {"empty_value", {"--data="}, "--data: a value is needed"},
    {"missing_config", {"--config"}, "--config: a value is needed: --config FILE"},
    {"command_with_a_value", {"--help=yes"}, "--help: takes no value"},
    {"no_address",
     {"--listen", "nowhere"},
     "--listen: \"nowhere\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
    {"port_out_of_range",
     {"--listen", "127.0.0.1:65536"},
     "--listen: \"127.0.0.1:65536\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
    {"no_port",
     {"--listen", "127.0.0.1:"},
     "--listen: \"127.0.0.1:\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
    {"no_host",
     {"--listen", ":80"},
     "--listen: \":80\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
    {"bare_ipv6",
     {"--listen", "::1:80"},
     "--listen: \"::1:80\" is no HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
    {"number_too_small",
     {"--heartbeat-ms", "99"},
     "--heartbeat-ms: \"99\" is no number from 100 to 3600000 (ms)"},
    {"number_too_large",
     {"--shards=257"},
     "--shards: \"257\" is no number from 0 to 256 (threads)"},
    {"number_that_wraps",
     {"--shards=18446744073709551617"},
     "--shards: \"18446744073709551617\" is no number from 0 to 256 (threads)"},
    {"negative_number",
     {"--shards", "-1"},
     "--shards: \"-1\" is no number from 0 to 256 (threads)"},
    {"number_with_a_unit",
     {"--shards", "2x"},
     "--shards: \"2x\" is no number from 0 to 256 (threads)"},
    {"wrong_switch", {"--dev=yes"}, "--dev: \"yes\" is neither on nor off"},
    {"wrong_level",
     {"--log-level=loud"},
     "--log-level: \"loud\" is none of error, warn, info, debug"},
    {"file_that_is_not_there",
     {"--config", "/nowhere/a.conf"},
     "--config: cannot read /nowhere/a.conf: No such file or directory"},
};

static void checks_a_command_line(void **state)
{
    const row *expected = *state;
    const char *argv[MAX_WORDS + 1] = {"chatd"};
    int argc = 1;
    chat_server_config *config = NULL;
    while (argc <= MAX_WORDS && expected->words[argc - 1] != NULL) {
        argv[argc] = expected->words[argc - 1];
        argc++;
    }
    assert_int_equal(CHAT_OK, chat_server_config_new(NULL, &config));
    chat_status status = chat_server_config_parse(config, argc, argv);
    assert_string_equal(expected->problem, chat_server_config_problem(config));
    assert_int_equal(expected->problem[0] == '\0' ? CHAT_OK : CHAT_ERR_ARG, status);
    chat_server_config_free(config);
}

typedef struct file_row {
    const char *name;
    const char *text;
    const char *problem;
} file_row;

static const file_row FILES[] = {
    {"empty", "", ""},
    {"comments_and_spaces", "# a comment\n\n  \t\n  listen  =  *:1  \r\nshards=2", ""},
    {"value_with_a_hash", "data = /tmp/#1\n", ""},
    {"unknown", "# one\nlisen = *:1\n", "f:2: lisen: no such option; did you mean listen?"},
    {"no_equals_sign", "\nno equals sign\n",
     "f:2: \"no equals sign\": a line is name = value, or a comment that starts with #"},
    {"empty_value", "data =\n", "f:1: data: a value is needed"},
    {"no_name", "= 3\n", "f:1: : no such option; chatd --help names all"},
    {"command", "help = on\n", "f:1: help: no such option; chatd --help names all"},
    {"wrong_number", "a", "f:1: \"a\": a line is name = value, or a comment that starts with #"},
    {"last_line_without_an_end", "dev = on\nshards = x",
     "f:2: shards: \"x\" is no number from 0 to 256 (threads)"},
};

static void checks_a_file(void **state)
{
    const file_row *expected = *state;
    chat_server_config *config = NULL;
    chat_view text = {(const uint8_t *)expected->text, strlen(expected->text)};
    assert_int_equal(CHAT_OK, chat_server_config_new(NULL, &config));
    chat_status status = chat_server_config_parse_text(config, "f", text);
    assert_string_equal(expected->problem, chat_server_config_problem(config));
    assert_int_equal(expected->problem[0] == '\0' ? CHAT_OK : CHAT_ERR_ARG, status);
    chat_server_config_free(config);
}

static void sets_what_it_read(void **state)
{
    static const char *const argv[] = {"chatd", "--shards=3",    "--data",
                                       "/d",    "--deflate=off", "--check-config"};
    static const char text[] = "shards = 2\nlisten = *:7\nlog-level = warn\n";
    chat_view view = {(const uint8_t *)text, sizeof text - 1};
    chat_server_config *config = NULL;
    (void)state;
    assert_int_equal(CHAT_OK, chat_server_config_new(NULL, &config));
    assert_int_equal(CHAT_OK, chat_server_config_parse_text(config, "f", view));
    assert_int_equal(CHAT_OK, chat_server_config_parse(config, 6, argv));
    const chat_server_options *options = chat_server_config_options(config);
    assert_int_equal(3, options->shards);
    assert_string_equal("/d", options->data);
    assert_string_equal("*:7", options->listen);
    assert_int_equal(0, options->deflate);
    assert_int_equal(CHAT_LOG_WARN, options->log_level);
    assert_int_equal(30000, options->heartbeat_ms);
    assert_int_equal(CHAT_SERVER_ACTION_CHECK, chat_server_config_action(config));
    chat_server_config_free(config);
}

#define NAME_OF(field, name, kind, initial, min, max, unit, text) name,
static const char *const NAMES[] = {CHAT_SERVER_OPTION_TABLE(NAME_OF)};

static void names_every_option_in_help_and_docs(void **state)
{
    static const chat_server_action actions[] = {CHAT_SERVER_ACTION_HELP, CHAT_SERVER_ACTION_DOCS};
    chat_server_config *config = NULL;
    const char *text = NULL;
    (void)state;
    assert_int_equal(CHAT_OK, chat_server_config_new(NULL, &config));
    for (size_t a = 0; a < 2; a++) {
        assert_int_equal(CHAT_OK, chat_server_config_text(config, actions[a], &text));
        for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
            assert_non_null(strstr(text, NAMES[i]));
    }
    assert_int_equal(CHAT_OK, chat_server_config_text(config, CHAT_SERVER_ACTION_VERSION, &text));
    assert_memory_equal("chatd ", text, 6);
    assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
    chat_server_config_free(config);
}

/* Gives memory `left` times. */
typedef struct budget {
    int left;
} budget;

static void *take(void *ctx, void *ptr, size_t new_bytes)
{
    budget *of = ctx;
    if (new_bytes == 0) {
        free(ptr);
        return NULL;
    }
    return of->left-- > 0 ? realloc(ptr, new_bytes) : NULL;
}

static void survives_each_allocation_failing(void **state)
{
    static const char *const argv[] = {"chatd", "--data", "/d", "--listen=*:1"};
    chat_status status = CHAT_ERR_NOMEM;
    (void)state;
    for (int n = 0; status != CHAT_OK; n++) {
        budget left = {n};
        chat_allocator allocator = {&left, take};
        chat_server_config *config = NULL;
        const char *text = NULL;
        assert_true(n < 100);
        status = chat_server_config_new(&allocator, &config);
        if (status == CHAT_OK)
            status = chat_server_config_parse(config, 4, argv);
        if (status == CHAT_OK)
            status = chat_server_config_text(config, CHAT_SERVER_ACTION_HELP, &text);
        assert_true(status == CHAT_OK || status == CHAT_ERR_NOMEM);
        chat_server_config_free(config);
    }
}

#define N_ROWS  (sizeof ROWS / sizeof ROWS[0])
#define N_FILES (sizeof FILES / sizeof FILES[0])
#define N_OTHER 3

int main(void)
{
    struct CMUnitTest tests[N_ROWS + N_FILES + N_OTHER] = {
        cmocka_unit_test(sets_what_it_read),
        cmocka_unit_test(names_every_option_in_help_and_docs),
        cmocka_unit_test(survives_each_allocation_failing),
    };
    for (size_t i = 0; i < N_ROWS; i++)
        tests[N_OTHER + i] = (struct CMUnitTest){ROWS[i].name, checks_a_command_line, NULL, NULL,
                                                 (void *)(uintptr_t)&ROWS[i]};
    for (size_t i = 0; i < N_FILES; i++)
        tests[N_OTHER + N_ROWS + i] = (struct CMUnitTest){FILES[i].name, checks_a_file, NULL, NULL,
                                                          (void *)(uintptr_t)&FILES[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
