/* SPDX-License-Identifier: MIT */
/* Which devices of a user lack a message: from memory, from SQLite, and from both. */
#include "store_helper.h"

#include <stdio.h>

#define DIRECT "dm:5:alice:bob"

typedef struct found {
    int n_calls;
    uint64_t read_seq, muted_until_ms;
    size_t n_known;
    char devices[256];
} found;

static void on_away(void *ctx, const chat__store_away *away)
{
    found *out = ctx;
    out->n_calls++;
    out->read_seq = away->read_seq;
    out->muted_until_ms = away->muted_until_ms;
    out->n_known = away->n_known;
    for (size_t i = 0; i < away->n_devices; i++) {
        size_t used = strlen(out->devices);
        snprintf(out->devices + used, sizeof out->devices - used, "%.*s ",
                 (int)away->devices[i].len, (const char *)away->devices[i].data);
    }
}

static void assert_lack(fixture *f, uint64_t seq, const char *devices, size_t n_known)
{
    found is = {.n_calls = 0};
    chat__store_visit visit = {.user = chat__view_str("bob"), .now_unix_ms = 1};
    assert_int_equal(CHAT_OK, chat__store_load_away(f->store, &visit, chat__view_str(DIRECT), seq,
                                                    on_away, &is));
    assert_int_equal(1, is.n_calls);
    assert_string_equal(devices, is.devices);
    assert_int_equal(n_known, is.n_known);
    assert_int_equal(0, is.read_seq);
    assert_int_equal(0, is.muted_until_ms);
}

static void on_chat(void *ctx, const chat__store_user_chat *row)
{
    (void)ctx;
    (void)row;
}

static void hello(fixture *f, const char *device)
{
    chat__store_visit visit = {
        .user = chat__view_str("bob"), .device = chat__view_str(device), .now_unix_ms = 1};
    assert_int_equal(CHAT_EMPTY, chat__store_load_user(f->store, &visit, on_chat, NULL));
}

static void acks(fixture *f, const char *device, uint64_t seq)
{
    assert_int_equal(CHAT_OK,
                     chat__store_put_cursor(f->store, chat__view_str("bob"), chat__view_str(device),
                                            chat__view_str(DIRECT), seq, 0));
}

static void who_lacks_it(void **state)
{
    fixture *f = *state;
    uint64_t first = put(f, DIRECT, 100, "one");
    uint64_t second = put(f, DIRECT, 200, "two");
    assert_int_equal(CHAT_OK, chat__store_commit(f->store));
    assert_lack(f, second, "", 0);
    hello(f, "phone");
    hello(f, "watch");
    assert_int_equal(CHAT_OK, chat__store_flush(f->store));
    acks(f, "phone", second);
    acks(f, "watch", first);
    assert_lack(f, first, "", 2);
    assert_lack(f, second, "watch ", 2);
    assert_int_equal(CHAT_OK, chat__store_flush(f->store));
    reopen(f);
    assert_lack(f, second, "watch ", 2);
    hello(f, "tablet"); /* begins where the furthest device is */
    assert_lack(f, second, "watch ", 3);
    assert_lack(f, second + 1, "phone tablet watch ", 3);
}

static void who_was_forgotten_lacks_nothing(void **state)
{
    fixture *f = *state;
    chat__store_visit watch = {
        .user = chat__view_str("bob"), .device = chat__view_str("watch"), .now_unix_ms = 2};
    uint64_t seq = put(f, DIRECT, 100, "one");
    assert_int_equal(CHAT_OK, chat__store_commit(f->store));
    hello(f, "phone");
    hello(f, "watch");
    acks(f, "watch", seq);
    assert_int_equal(CHAT_OK, chat__store_flush(f->store));
    assert_int_equal(CHAT_OK, chat__store_forget_device(f->store, &watch));
    assert_lack(f, seq, "phone ", 1);
    hello(f, "watch"); /* begins behind what it had before */
    assert_lack(f, seq, "phone ", 2);
    assert_lack(f, seq + 1, "phone watch ", 2);
    assert_int_equal(CHAT_OK, chat__store_forget_device(f->store, &watch));
    assert_int_equal(CHAT_OK, chat__store_flush(f->store));
    assert_lack(f, seq, "phone ", 1);
}

static void wrong_names_are_refused(void **state)
{
    fixture *f = *state;
    found is = {.n_calls = 0};
    chat__store_visit nobody = {.now_unix_ms = 1};
    chat__store_visit bob = {.user = chat__view_str("bob"), .now_unix_ms = 1};
    assert_int_equal(CHAT_ERR_ARG, chat__store_load_away(f->store, &nobody, chat__view_str(DIRECT),
                                                         1, on_away, &is));
    assert_int_equal(CHAT_ERR_ARG,
                     chat__store_load_away(f->store, &bob, chat__view_str(""), 1, on_away, &is));
    assert_int_equal(0, is.n_calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(who_lacks_it), TEST(who_was_forgotten_lacks_nothing),
                                       TEST(wrong_names_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
