/* SPDX-License-Identifier: MIT */
/*
 * The calls of <chat/client.h> with memory that runs out at any allocation: each succeeds or says
 * so and leaves nothing behind, and the same call works when there is memory again.
 */
#include "oom.h"

#include "client/every_call.h"

static chat_client *make(oom_memory *memory, const chat_allocator *allocator)
{
    chat_client_options options;
    chat_client *client = NULL;
    chat_client_options_init(&options);
    options.url = "wss://memory";
    options.token = "alice";
    options.allocator = allocator;
    options.own_transport = 1;
    chat_status status = chat_client_new(&options, &client);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(client);
        oom_recover(memory);
        assert_int_equal(chat_client_new(&options, &client), CHAT_OK);
    }
    return client;
}

static void ask_everything_once(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_client *client = make(memory, &allocator);
    (void)ctx;
    ask_everything(client);
    chat_client_free(client);
}

static void every_question(void **state)
{
    (void)state;
    assert_true(oom_loop(ask_everything_once, NULL) >= 15);
}

static void note_each(oom_memory *memory, void *ctx)
{
    static const chat_frame_type types[] = {CHAT_FRAME_EDIT, CHAT_FRAME_DELETE, CHAT_FRAME_REACT,
                                            CHAT_FRAME_REACTIONS};
    const chat_target bob = {{NULL, 0}, {(const uint8_t *)"bob", 3}};
    chat_allocator allocator = oom_allocator(memory);
    chat_client *client = make(memory, &allocator);
    (void)ctx;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        chat_note_request note = {sizeof note, 0, 5, chat__view_str("text")};
        uint64_t r = 0;
        chat_status status = chat_client_note(client, types[i], &bob, &note, &r);
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            assert_int_equal(r, 0);
            oom_recover(memory);
            assert_int_equal(chat_client_note(client, types[i], &bob, &note, &r), CHAT_OK);
        }
        assert_int_equal(r, i + 1);
    }
    chat_client_free(client);
}

static void edits_deletions_and_reactions(void **state)
{
    (void)state;
    assert_true(oom_loop(note_each, NULL) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_question),
        cmocka_unit_test(edits_deletions_and_reactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
