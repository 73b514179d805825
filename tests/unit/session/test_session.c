/* SPDX-License-Identifier: MIT */
#include "session/session.h"
#include "base/alloc.h"
#include "unit.h"

#include <string.h>

static chat_allocator libc_allocator;

static const chat__session_limits LIMITS = {
    .allocator = &libc_allocator,
    .heartbeat_ms = 30000,
    .hello_timeout_ms = 10000,
    .ack_timeout_ms = 5000,
    .slow_close_ms = 20000,
    .window_count = 8,
    .window_bytes = 1000,
    .max_unsent_bytes = 4000,
};

static int items[64];

static void open_live(chat__session *session)
{
    libc_allocator = chat__alloc_or_libc(NULL);
    chat__session_init(session, &LIMITS, 0);
    assert_int_equal(chat__session_step(session, CHAT__SESSION_EV_HELLO), CHAT_OK);
    assert_int_equal(chat__session_step(session, CHAT__SESSION_EV_LOADED), CHAT_OK);
}

static void close_session(chat__session *session)
{
    chat__window_entry entry;
    while (chat__session_drop(session, &entry) == CHAT_OK)
        continue;
    chat__session_done(session);
}

static void follows_its_table_of_states(void **state)
{
    chat__session session;
    (void)state;
    open_live(&session);
    assert_int_equal(chat__session_step(&session, CHAT__SESSION_EV_HELLO), CHAT_ERR_STATE);
    assert_int_equal(session.state, CHAT__SESSION_LIVE);
    assert_int_equal(chat__session_step(&session, CHAT__SESSION_EV_CLOSE), CHAT_OK);
    assert_int_equal(chat__session_step(&session, CHAT__SESSION_EV_CLOSE), CHAT_ERR_STATE);
    assert_true(chat__session_deadline(&session) == UINT64_MAX);
    close_session(&session);
}

static void acks_are_cumulative_and_in_order(void **state)
{
    chat__session session;
    chat__window_entry entry;
    (void)state;
    open_live(&session);
    for (int i = 0; i < 5; i++)
        assert_int_equal(chat__session_push(&session, &items[i], 10, 0, 0), CHAT_OK);
    assert_int_equal(chat__session_pop(&session, &entry), CHAT_EMPTY);
    assert_int_equal(chat__session_ack(&session, 3, 1), CHAT_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chat__session_pop(&session, &entry), CHAT_OK);
        assert_ptr_equal(entry.item, &items[i]);
    }
    assert_int_equal(chat__session_pop(&session, &entry), CHAT_EMPTY);
    assert_int_equal(chat__session_ack(&session, 2, 1), CHAT_OK);
    assert_int_equal(session.acked, 3);
    assert_int_equal(session.bytes, 20);
    close_session(&session);
}

static void refuses_an_ack_of_what_was_not_pushed(void **state)
{
    chat__session session;
    (void)state;
    open_live(&session);
    assert_int_equal(chat__session_push(&session, items, 10, 0, 0), CHAT_OK);
    assert_int_equal(chat__session_ack(&session, 2, 0), CHAT_ERR_PROTOCOL);
    assert_int_equal(session.acked, 0);
    close_session(&session);
}

static void silent_items_go_with_the_one_before(void **state)
{
    chat__session session;
    chat__window_entry entry;
    (void)state;
    open_live(&session);
    assert_int_equal(chat__session_push(&session, &items[0], 10, 0, 0), CHAT_OK);
    assert_int_equal(chat__session_push(&session, &items[1], 10, 1, 0), CHAT_OK);
    assert_int_equal(chat__session_push(&session, &items[2], 10, 0, 0), CHAT_OK);
    assert_int_equal(session.pushed, 2);
    assert_int_equal(chat__session_ack(&session, 1, 0), CHAT_OK);
    assert_int_equal(chat__session_pop(&session, &entry), CHAT_OK);
    assert_int_equal(chat__session_pop(&session, &entry), CHAT_OK);
    assert_ptr_equal(entry.item, &items[1]);
    assert_int_equal(chat__session_pop(&session, &entry), CHAT_EMPTY);
    close_session(&session);
}

static void window_is_bounded_by_count_and_bytes(void **state)
{
    chat__session session;
    (void)state;
    open_live(&session);
    assert_true(chat__session_has_room(&session, 100000)); /* alone, anything goes */
    for (int i = 0; i < 8; i++) {
        assert_true(chat__session_has_room(&session, 10));
        assert_int_equal(chat__session_push(&session, items, 10, 0, 0), CHAT_OK);
    }
    assert_false(chat__session_has_room(&session, 10));
    assert_int_equal(chat__session_ack(&session, 7, 0), CHAT_OK);
    chat__window_entry entry;
    while (chat__session_pop(&session, &entry) == CHAT_OK)
        continue;
    assert_true(chat__session_has_room(&session, 990));
    assert_false(chat__session_has_room(&session, 991));
    chat__session_unsent(&session, 4001, 0);
    assert_false(chat__session_has_room(&session, 1));
    close_session(&session);
}

static void retries_at_once_then_after_1_and_2_seconds_then_gives_up(void **state)
{
    chat__session session;
    chat_status why = CHAT_OK;
    (void)state;
    open_live(&session);
    assert_int_equal(chat__session_push(&session, items, 10, 0, 100), CHAT_OK);
    const uint64_t at[] = {5100, 6100, 8100};
    for (int i = 0; i < 3; i++) {
        assert_true(chat__session_deadline(&session) == at[i]);
        assert_int_equal(chat__session_due(&session, at[i] - 1, &why), CHAT__SESSION_DUE_NOTHING);
        assert_int_equal(chat__session_due(&session, at[i], &why), CHAT__SESSION_DUE_RETRY);
        assert_non_null(chat__session_renumber(&session, 0));
    }
    /* Three copies more were counted by the peer. */
    assert_int_equal(session.pushed, 4);
    assert_int_equal(chat__session_due(&session, 13100, &why), CHAT__SESSION_DUE_CLOSE);
    assert_int_equal(why, CHAT_ERR_UNACKED);
    close_session(&session);
}

static void an_ack_starts_the_retries_anew(void **state)
{
    chat__session session;
    chat_status why = CHAT_OK;
    (void)state;
    open_live(&session);
    assert_int_equal(chat__session_push(&session, items, 10, 0, 0), CHAT_OK);
    assert_int_equal(chat__session_due(&session, 5000, &why), CHAT__SESSION_DUE_RETRY);
    assert_non_null(chat__session_renumber(&session, 0));
    assert_int_equal(chat__session_ack(&session, 1, 5500), CHAT_OK);
    assert_true(chat__session_deadline(&session) == 10500);
    assert_int_equal(chat__session_ack(&session, 2, 5600), CHAT_OK);
    assert_true(chat__session_deadline(&session) == 60000);
    close_session(&session);
}

static void ends_when_nothing_comes_in_time(void **state)
{
    chat__session session;
    chat_status why = CHAT_OK;
    (void)state;
    libc_allocator = chat__alloc_or_libc(NULL);
    chat__session_init(&session, &LIMITS, 0);
    assert_int_equal(chat__session_due(&session, 10000, &why), CHAT__SESSION_DUE_CLOSE);
    assert_int_equal(why, CHAT_ERR_TIMEOUT);
    open_live(&session);
    session.expires_ms = 20000;
    assert_int_equal(chat__session_due(&session, 20000, &why), CHAT__SESSION_DUE_CLOSE);
    assert_int_equal(why, CHAT_ERR_EXPIRED);
    session.expires_ms = UINT64_MAX;
    chat__session_unsent(&session, 5000, 1000);
    assert_int_equal(chat__session_due(&session, 21000, &why), CHAT__SESSION_DUE_CLOSE);
    assert_int_equal(why, CHAT_ERR_SLOW);
    chat__session_unsent(&session, 0, 1000);
    assert_int_equal(chat__session_due(&session, 59999, &why), CHAT__SESSION_DUE_NOTHING);
    assert_int_equal(chat__session_due(&session, 60000, &why), CHAT__SESSION_DUE_CLOSE);
    assert_int_equal(why, CHAT_ERR_TIMEOUT);
    close_session(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_its_table_of_states),
        cmocka_unit_test(acks_are_cumulative_and_in_order),
        cmocka_unit_test(refuses_an_ack_of_what_was_not_pushed),
        cmocka_unit_test(silent_items_go_with_the_one_before),
        cmocka_unit_test(window_is_bounded_by_count_and_bytes),
        cmocka_unit_test(retries_at_once_then_after_1_and_2_seconds_then_gives_up),
        cmocka_unit_test(an_ack_starts_the_retries_anew),
        cmocka_unit_test(ends_when_nothing_comes_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
