/* SPDX-License-Identifier: MIT */
/* Whether something changed, from a stream by hand, in pieces of every size. */
#include "backends/etcd/watch.h"
#include "base/view.h"
#include "unit.h"

#include <string.h>

#define CREATED  "{\"result\":{\"header\":{\"revision\":\"9\"},\"created\":true}}\n"
#define CHANGED  "{\"result\":{\"header\":{\"revision\":\"10\"},\"events\":[{\"kv\":{}}]}}\n"
#define CANCELED "{\"result\":{\"header\":{\"revision\":\"10\"},\"canceled\":true}}\n"

static const char *const ENDPOINTS[] = {"http://one", "http://two"};

static void start(chat__etcd_watch *watch)
{
    const chat__etcd_endpoints endpoints = {ENDPOINTS, 2};
    chat__etcd_watch_init(watch, NULL, &endpoints, "p/place/", "p/slot0", 2000);
}

static void expect_call(chat__etcd_watch *watch, uint64_t now_ms, uint32_t endpoint)
{
    chat__etcd_call call;
    assert_int_equal(chat__etcd_watch_deadline(watch) <= now_ms, 1);
    assert_int_equal(chat__etcd_watch_next_call(watch, now_ms, &call), CHAT_OK);
    assert_string_equal(call.path, "/v3/watch");
    assert_int_equal(call.endpoint, endpoint);
    assert_true(call.is_stream);
    assert_int_equal(chat__etcd_watch_next_call(watch, now_ms, &call), CHAT_EMPTY);
    assert_int_equal(chat__etcd_watch_deadline(watch), UINT64_MAX);
}

/* In steps; what is not used comes again. */
static void feed(chat__etcd_watch *watch, const char *text, size_t step)
{
    size_t from = 0, len = strlen(text);
    for (size_t to = 0; to < len;) {
        to = len - to < step ? len : to + step;
        from += chat__etcd_watch_feed(watch, chat__view(text + from, to - from), 50);
    }
    assert_int_equal(from, len);
}

static void changes_are_news_however_the_bytes_come(void **state)
{
    chat__etcd_watch watch;
    (void)state;
    for (size_t step = 1; step < 80; step += 13) {
        start(&watch);
        expect_call(&watch, 0, 0);
        assert_false(chat__etcd_watch_is_up(&watch));
        assert_false(chat__etcd_watch_take_news(&watch));
        feed(&watch, CREATED, step);
        assert_true(chat__etcd_watch_is_up(&watch));
        assert_true(chat__etcd_watch_take_news(&watch)); /* what came before nobody has told */
        assert_false(chat__etcd_watch_take_news(&watch));
        feed(&watch, "\n" CHANGED CHANGED, step);
        assert_true(chat__etcd_watch_take_news(&watch));
        assert_false(chat__etcd_watch_take_news(&watch));
        assert_int_equal(chat__etcd_watch_feed(&watch, chat__view(CHANGED, 20), 60), 0);
        assert_false(chat__etcd_watch_take_news(&watch));
        chat__etcd_watch_done(&watch);
    }
}

static void who_ends_or_says_nonsense_is_left_for_the_next(void **state)
{
    static const char *const lines[] = {CANCELED, "<html>\n", "{}\n",
                                        "{\"error\":{\"message\":\"no leader\",\"code\":14}}\n"};
    chat__etcd_watch watch;
    (void)state;
    start(&watch);
    uint64_t now_ms = 0;
    uint32_t turn = 0;
    for (; turn < sizeof lines / sizeof *lines; turn++) {
        expect_call(&watch, now_ms, turn % 2);
        feed(&watch, CREATED, 1000);
        feed(&watch, lines[turn], 1000);
        assert_false(chat__etcd_watch_is_up(&watch));
        now_ms = chat__etcd_watch_deadline(&watch);
        assert_int_equal(now_ms, 550); /* not at once */
    }
    expect_call(&watch, now_ms, turn % 2);
    feed(&watch, CREATED, 1000);
    chat__etcd_watch_end(&watch, 700);
    assert_false(chat__etcd_watch_is_up(&watch));
    assert_int_equal(chat__etcd_watch_deadline(&watch), 1200);
    feed(&watch, CHANGED, 1000); /* late, of the old stream */
    assert_false(chat__etcd_watch_is_up(&watch));
    chat__etcd_watch_done(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_are_news_however_the_bytes_come),
        cmocka_unit_test(who_ends_or_says_nonsense_is_left_for_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
