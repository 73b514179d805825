/* SPDX-License-Identifier: MIT */
/*
 * A store whose memory runs out at any allocation: each call says so and changes nothing, and what
 * was committed is there when there is memory again. SQLite's own memory is not in this.
 */
#include "oom.h"

#include "store/notes_helper.h"

#include <stdio.h>

typedef struct run {
    fixture *f;
    chat_allocator allocator;
} run;

static void open_it(run *r, oom_memory *memory)
{
    chat_status status = try_open(r->f);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(r->f->store);
        oom_recover(memory);
        assert_int_equal(try_open(r->f), CHAT_OK);
    }
}

static void put_one(run *r, oom_memory *memory, const char *chat, uint64_t id)
{
    chat_status status = try_put(r->f, chat, id, "text");
    if (status == CHAT_OK)
        return;
    assert_int_equal(status, CHAT_ERR_NOMEM);
    oom_recover(memory);
    assert_int_equal(try_put(r->f, chat, id, "text"), CHAT_OK);
}

static void make_group(run *r, oom_memory *memory)
{
    chat_status status = try_put_group(r->f, "g", 5, "Title", "ann", "bob");
    if (status == CHAT_OK)
        return;
    assert_int_equal(status, CHAT_ERR_NOMEM);
    oom_recover(memory);
    assert_int_equal(try_put_group(r->f, "g", 5, "Title", "ann", "bob"), CHAT_OK);
}

static void load(run *r, oom_memory *memory)
{
    static const char want[] = "dm:3:ann:bob 0/400, g[Title] 0/5";
    const char *got = user_text(r->f, "bob", "phone", 1);
    if (strcmp(got, "ERR_NOMEM") == 0) {
        oom_recover(memory);
        got = user_text(r->f, "bob", "phone", 1);
    }
    assert_string_equal(got, want);
    got = group_text(r->f, "g");
    if (strcmp(got, "ERR_NOMEM") == 0) {
        oom_recover(memory);
        got = group_text(r->f, "g");
    }
    assert_string_equal(got, "Title: ann bob");
}

static void read_back(run *r, oom_memory *memory)
{
    page *got = malloc(sizeof *got);
    read_after(r->f, "room", 0, 50, got);
    if (got->status != CHAT_MORE) {
        assert_int_equal(got->status, CHAT_ERR_NOMEM);
        oom_recover(memory);
    }
    free(got);
}

static void move_cursor(run *r, oom_memory *memory)
{
    chat_view user = chat__view_str("bob");
    chat_view chat = chat__view_str("g");
    chat_view device = chat__view_str("phone");
    chat_status status = chat__store_put_cursor(r->f->store, user, device, chat, 5, 7);
    if (status == CHAT_OK)
        return;
    assert_int_equal(status, CHAT_ERR_NOMEM);
    oom_recover(memory);
    assert_int_equal(chat__store_put_cursor(r->f->store, user, device, chat, 5, 7), CHAT_OK);
}

static void on_away(void *ctx, const chat__store_away *away)
{
    *(size_t *)ctx = away->n_known;
}

static void find_away(run *r, oom_memory *memory)
{
    size_t n_known = 99;
    chat__store_visit visit = {.user = chat__view_str("bob"), .now_unix_ms = 1};
    chat_view chat = chat__view_str("g");
    chat_status status = chat__store_load_away(r->f->store, &visit, chat, 6, on_away, &n_known);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_int_equal(n_known, 99);
        oom_recover(memory);
        status = chat__store_load_away(r->f->store, &visit, chat, 6, on_away, &n_known);
    }
    assert_int_equal(status, CHAT_OK);
    assert_int_not_equal(n_known, 99);
}

static void on_device(void *ctx, chat_view device, uint64_t seen_ms)
{
    (void)device;
    (void)seen_ms;
    ++*(size_t *)ctx;
}

/* All of it or nothing: what could not be forgotten is still there. */
static void forget_device(run *r, oom_memory *memory)
{
    size_t n = 0;
    chat__store_visit phone = {
        .user = chat__view_str("bob"), .device = chat__view_str("phone"), .now_unix_ms = 2};
    chat_status status = chat__store_forget_device(r->f->store, &phone);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(chat__store_forget_device(r->f->store, &phone), CHAT_OK);
    }
    status = chat__store_load_devices(r->f->store, phone.user, 2, on_device, &n);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        status = chat__store_load_devices(r->f->store, phone.user, 2, on_device, &n);
    }
    assert_int_equal(status, CHAT_OK);
    assert_int_equal(n, 0);
}

static void scenario(oom_memory *memory, void *ctx)
{
    run r = {.allocator = oom_allocator(memory)};
    void *state = NULL;
    (void)ctx;
    assert_int_equal(set_up_closed(&state), 0);
    r.f = state;
    r.f->options.allocator = &r.allocator;
    open_it(&r, memory);
    make_group(&r, memory);
    for (uint64_t i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "chat-%d", (int)(i % 20));
        put_one(&r, memory, i % 2 == 0 ? name : "room", i);
    }
    put_one(&r, memory, "dm:3:ann:bob", 400);
    commit(r.f);
    load(&r, memory);
    read_back(&r, memory);
    move_cursor(&r, memory);
    find_away(&r, memory);
    forget_device(&r, memory);
    chat__store_close(r.f->store);
    r.f->store = NULL;
    open_it(&r, memory);
    oom_recover(memory);
    check_pages(r.f, "room", 40);
    check_pages(r.f, "chat-8", 40);
    assert_string_equal(user_text(r.f, "bob", "phone", 1), "dm:3:ann:bob 0/400, g[Title] 5/5");
    (void)tear_down(&state);
}

static void a_store_survives_any_failing_allocation(void **state)
{
    (void)state;
    assert_true(oom_loop(scenario, NULL) > 100);
}

/* What was deleted stays to be erased until there is memory for it. */
static void erase(oom_memory *memory, void *ctx)
{
    run r = {.allocator = oom_allocator(memory)};
    void *state = NULL;
    size_t fail_at = memory->fail_at;
    (void)ctx;
    oom_recover(memory);
    assert_int_equal(set_up_closed(&state), 0);
    r.f = state;
    r.f->options.allocator = &r.allocator;
    open_it(&r, memory);
    put_message(r.f, 10, "the secret");
    put_note(r.f, "edit", 10, "alice", "the secret too", 20);
    put_note(r.f, "delete", 10, "alice", "", 30);
    memory->n_calls = 0;
    memory->fail_at = fail_at;
    chat_status status = chat__store_flush(r.f->store);
    oom_recover(memory);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_int_equal(chat__store_flush(r.f->store), CHAT_OK);
    }
    const faulty_bytes *log = &faulty_find(r.f->disk, ".log", 0)->now;
    assert_null(memmem(log->data, log->size, "the secret", 10));
    (void)tear_down(&state);
}

static void what_was_deleted_is_erased_when_there_is_memory(void **state)
{
    (void)state;
    assert_true(oom_loop(erase, NULL) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_survives_any_failing_allocation),
        cmocka_unit_test(what_was_deleted_is_erased_when_there_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
