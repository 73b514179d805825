/* SPDX-License-Identifier: MIT */
/* The calls of <chat/testing_notifier.h> with memory that runs out at any allocation. */
#include "oom.h"

#include "base/view.h"

#include <chat/testing_notifier.h>

static void once(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_test_notifier *notifier = NULL;
    const chat_notification *taken = NULL;
    uint64_t number = 0;
    chat_view name = chat__view_str("carol");
    chat_notification what = {
        .struct_size = sizeof what, .count = 1, .user = name, .devices = &name, .n_devices = 1};
    (void)ctx;
    if (chat_test_notifier_new(&allocator, &notifier) != CHAT_OK) {
        assert_null(notifier);
        oom_recover(memory);
        assert_int_equal(CHAT_OK, chat_test_notifier_new(&allocator, &notifier));
    }
    const chat_notifier *table = chat_test_notifier_table(notifier);
    assert_int_equal(CHAT_OK, chat_test_notifier_script(notifier, name, CHAT_NOTIFY_GONE));
    chat_test_notifier_hold(notifier, 0);
    assert_int_equal(CHAT_ERR_STATE,
                     chat_test_notifier_report(notifier, 1, name, CHAT_NOTIFY_SENT));
    chat_status status = table->notify(table->ctx, 1, &what);
    if (status != CHAT_OK) {
        assert_int_equal(CHAT_ERR_NOMEM, status);
        assert_int_equal(CHAT_EMPTY, chat_test_notifier_take(notifier, 0, &number, &taken));
        oom_recover(memory);
        assert_int_equal(CHAT_OK, table->notify(table->ctx, 1, &what));
    }
    assert_int_equal(CHAT_OK, chat_test_notifier_take(notifier, 0, &number, &taken));
    chat_test_notifier_free(notifier);
}

static void every_call(void **state)
{
    (void)state;
    assert_true(oom_loop(once, NULL) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
