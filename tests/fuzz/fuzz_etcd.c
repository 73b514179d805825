/* SPDX-License-Identifier: MIT */
/*
 * Answers of etcd: read as one, given one after the other (a line each) to the machine that takes
 * node numbers, which must never hold what etcd did not give, and to the one that watches, where
 * the stream says the same whole and byte by byte.
 */
#include "backends/etcd/numbers.h"
#include "backends/etcd/watch.h"
#include "base/view.h"
#include "fuzz.h"

#include <string.h>

#define UNIX_MS   UINT64_C(1800000000000)
#define MAX_TURNS 64

static void read_all(chat_view text)
{
    static chat__etcd_kv kv;
    chat__etcd_answer answer;
    chat_status status = chat__etcd_read(text, &answer);
    FUZZ_CHECK(status == CHAT_OK || status == CHAT_ERR_SYNTAX || status == CHAT_ERR_LIMIT);
    if (status != CHAT_OK)
        return;
    FUZZ_CHECK(memchr(answer.why, 0, sizeof answer.why) != NULL);
    for (int i = 0; i < 3; i++) {
        chat__etcd_cursor cursor = chat__etcd_kvs(&answer, i);
        while ((status = chat__etcd_next_kv(&cursor, &kv)) != CHAT_EMPTY)
            FUZZ_CHECK(status == CHAT_ERR_SYNTAX ||
                       (strlen(kv.key) < sizeof kv.key && kv.value_len <= sizeof kv.value));
    }
    chat__etcd_answer_done(&answer);
}

static void check_event(const chat_lease_event *event)
{
    FUZZ_CHECK(event->why != NULL);
    if (event->type != CHAT_LEASE_HELD)
        return;
    FUZZ_CHECK(event->n_numbers == 2 && event->numbers[0] < event->numbers[1]);
    FUZZ_CHECK(event->numbers[1] < 1024 && event->from_unix_ms < event->until_unix_ms);
}

static void talk(chat_view text)
{
    static const char *const endpoints[] = {"http://one", "http://two"};
    const chat_view name = chat__view_str("name");
    chat_lease_wish wish = {sizeof wish, 2, name, name, name};
    chat__etcd_numbers_options options = {
        NULL, "chat/", {endpoints, 2}, 3000, "0123456789abcdef0123456789abcdef", &wish};
    chat__etcd_numbers *numbers = NULL;
    chat_lease_event event = {.struct_size = sizeof event};
    chat__etcd_call call;
    FUZZ_CHECK(chat__etcd_numbers_new(&options, &numbers) == CHAT_OK);
    for (uint64_t turn = 1; turn < MAX_TURNS && text.len > 0; turn++) {
        chat_lease_time now = {turn * 300, UNIX_MS + turn * 300};
        chat__etcd_numbers_begin(numbers, now);
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        if (chat__etcd_numbers_next_call(numbers, &call) == CHAT_OK) {
            chat__etcd_reply reply = {200, {text.data, len}, NULL};
            chat__etcd_numbers_reply(numbers, &reply);
            text = chat__view(text.data + len + (end != NULL), text.len - len - (end != NULL));
        }
        while (chat__etcd_numbers_next_event(numbers, &event) == CHAT_OK)
            check_event(&event);
    }
    chat__etcd_numbers_free(numbers);
}

/* What the stream came to, as a number. */
static unsigned watch(chat_view stream, size_t step)
{
    static const char *const items[] = {"http://one"};
    const chat__etcd_endpoints endpoints = {items, 1};
    chat__etcd_watch watch;
    chat__etcd_call call;
    size_t from = 0;
    chat__etcd_watch_init(&watch, NULL, &endpoints, "a", "b", 1000);
    FUZZ_CHECK(chat__etcd_watch_next_call(&watch, 1, &call) == CHAT_OK && call.is_stream);
    for (size_t to = 0; to < stream.len;) {
        to = stream.len - to < step ? stream.len : to + step;
        size_t n = chat__etcd_watch_feed(&watch, chat__view(stream.data + from, to - from), 2);
        FUZZ_CHECK(n <= to - from);
        from += n;
    }
    unsigned sum = (unsigned)chat__etcd_watch_is_up(&watch) * 4 +
                   (unsigned)chat__etcd_watch_take_news(&watch) * 2 +
                   (chat__etcd_watch_deadline(&watch) == UINT64_MAX);
    chat__etcd_watch_done(&watch);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chat_view text = {data, size};
    read_all(text);
    talk(text);
    FUZZ_CHECK(watch(text, SIZE_MAX) == watch(text, 1));
    return 0;
}
