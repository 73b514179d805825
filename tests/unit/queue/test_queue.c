/* SPDX-License-Identifier: MIT */
#include <chat/queue.h>

#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static chat_queue *queue;

static void make(uint32_t max_entries, uint32_t batch_count, uint64_t ttl_ms)
{
    chat_queue_options options;
    chat_queue_options_init(&options);
    options.max_entries = max_entries;
    options.batch_count = batch_count;
    options.ttl_ms = ttl_ms;
    options.max_gaps = 2;
    options.max_devices = 3;
    assert_int_equal(chat_queue_new(&options, &queue), CHAT_OK);
}

static int teardown(void **state)
{
    (void)state;
    chat_queue_free(queue);
    queue = NULL;
    return 0;
}

static void add(const char *device)
{
    assert_int_equal(chat_queue_add_device(queue, chat__view_str(device)), CHAT_OK);
}

static void push(const char *chat, uint64_t seq, uint64_t now_ms)
{
    chat_queue_entry entry = {.seq = seq, .chat = chat__view_str(chat)};
    assert_int_equal(chat_queue_push(queue, &entry, now_ms), CHAT_OK);
}

static void online(const char *device)
{
    assert_int_equal(chat_queue_connect(queue, chat__view_str(device)), CHAT_OK);
}

static chat_status ack(const char *device, uint64_t position)
{
    return chat_queue_ack(queue, chat__view_str(device), position);
}

/* What the device is given now: "seq seq ... status". */
static const char *drain(const char *device)
{
    static char text[512];
    chat_queue_entry entry;
    chat_status status;
    size_t used = 0;
    while ((status = chat_queue_next(queue, chat__view_str(device), &entry)) == CHAT_OK)
        used += (size_t)snprintf(text + used, sizeof text - used, "%d ", (int)entry.seq);
    snprintf(text + used, sizeof text - used, "%s", chat_status_wire(status));
    return text;
}

/* Gaps that it is told of: "chat after-before ...". */
static const char *gaps(const char *device)
{
    static char text[512];
    chat_queue_gap gap;
    size_t used = 0;
    text[0] = '\0';
    while (chat_queue_next_gap(queue, chat__view_str(device), &gap) == CHAT_OK)
        used += (size_t)snprintf(text + used, sizeof text - used, "%.*s %d-%d, ", (int)gap.chat.len,
                                 (const char *)gap.chat.data, (int)gap.after, (int)gap.before);
    return text;
}

static void drains_in_batches_and_live_goes_behind(void **state)
{
    (void)state;
    make(100, 3, 0);
    add("phone");
    for (uint64_t seq = 1; seq <= 5; seq++)
        push("a", seq * 10, 0);
    online("phone");
    assert_string_equal(drain("phone"), "10 20 30 more");
    push("a", 60, 0);
    assert_true(chat_queue_is_draining(queue, chat__view_str("phone")));
    assert_int_equal(ack("phone", 2), CHAT_OK);
    assert_string_equal(drain("phone"), "40 50 more");
    assert_int_equal(ack("phone", 5), CHAT_OK);
    assert_string_equal(drain("phone"), "60 empty");
    assert_false(chat_queue_is_draining(queue, chat__view_str("phone")));
    assert_int_equal(chat_queue_count(queue), 1);
}

static void what_was_not_acked_comes_again_in_order(void **state)
{
    (void)state;
    make(100, 100, 0);
    add("phone");
    push("a", 1, 0);
    push("b", 2, 0);
    online("phone");
    assert_string_equal(drain("phone"), "1 2 empty");
    assert_int_equal(ack("phone", 1), CHAT_OK);
    chat_queue_disconnect(queue, chat__view_str("phone"));
    assert_string_equal(drain("phone"), "state");
    online("phone");
    assert_string_equal(drain("phone"), "2 empty");
}

static void removes_only_what_every_device_has(void **state)
{
    (void)state;
    make(100, 100, 0);
    push("a", 1, 0);
    add("phone");
    add("tab");
    assert_int_equal(chat_queue_add_device(queue, chat__view_str("tab")), CHAT_ERR_EXISTS);
    push("a", 2, 0);
    push("a", 3, 0);
    online("phone");
    assert_string_equal(drain("phone"), "2 3 empty");
    assert_int_equal(ack("phone", 4), CHAT_ERR_ARG);
    assert_int_equal(ack("phone", 3), CHAT_OK);
    assert_int_equal(ack("phone", 1), CHAT_OK);
    assert_int_equal(chat_queue_count(queue), 2);
    add("new"); /* where the furthest is */
    assert_int_equal(chat_queue_add_device(queue, chat__view_str("x")), CHAT_ERR_LIMIT);
    online("new");
    assert_string_equal(drain("new"), "empty");
    chat_queue_remove_device(queue, chat__view_str("tab"));
    assert_int_equal(chat_queue_count(queue), 0);
}

static void what_is_over_the_limit_is_a_gap_until_it_is_acked(void **state)
{
    (void)state;
    make(3, 100, 0);
    add("phone");
    for (uint64_t seq = 1; seq <= 6; seq++)
        push(seq % 2 ? "a" : "b", seq * 10, 0);
    online("phone");
    assert_string_equal(gaps("phone"), "b 19-21, a 9-31, ");
    assert_string_equal(gaps("phone"), "");
    assert_string_equal(drain("phone"), "40 50 60 empty");
    push("a", 70, 0);
    assert_string_equal(gaps("phone"), "b 19-41, ");
    online("phone");
    assert_string_equal(gaps("phone"), "a 9-31, b 19-41, ");
    assert_string_equal(drain("phone"), "50 60 70 empty");
    assert_int_equal(ack("phone", 5), CHAT_OK);
    online("phone");
    assert_string_equal(gaps("phone"), "");
    assert_string_equal(drain("phone"), "60 70 empty");
}

static void what_is_older_than_the_ttl_is_a_gap(void **state)
{
    (void)state;
    make(100, 100, 1000);
    add("phone");
    push("a", 1, 0);
    push("a", 2, 500);
    assert_int_equal(chat_queue_deadline(queue), 1001);
    chat_queue_expire(queue, 1000);
    assert_int_equal(chat_queue_count(queue), 2);
    chat_queue_expire(queue, 1001);
    assert_int_equal(chat_queue_count(queue), 1);
    chat_queue_expire(queue, 9000);
    assert_int_equal(chat_queue_deadline(queue), UINT64_MAX);
    online("phone");
    assert_string_equal(gaps("phone"), "a 0-3, ");
    assert_string_equal(drain("phone"), "empty");
    assert_int_equal(ack("phone", 2), CHAT_OK);
    online("phone");
    assert_string_equal(gaps("phone"), "");
}

static void more_gaps_than_can_be_named_are_one_without_a_name(void **state)
{
    (void)state;
    make(1, 100, 0);
    add("phone");
    push("a", 1, 0);
    push("b", 2, 0);
    push("c", 3, 0);
    push("d", 4, 0);
    online("phone");
    assert_string_equal(gaps("phone"), " 0-0, b 1-3, c 2-4, ");
}

/* --- against a model: a list of all that was pushed, and what each device acknowledged --- */

#define N_PUSHED 400

typedef struct model {
    uint64_t at_ms[N_PUSHED + 1];
    uint64_t n_pushed;
    uint64_t n_gone; /* positions up to here were dropped or had by all */
    uint64_t acked[2];
    uint64_t given[2];
    int is_online[2];
} model;

static const char *const NAMES[2] = {"d0", "d1"};

static void model_check(const model *m)
{
    uint64_t had = m->acked[0] < m->acked[1] ? m->acked[0] : m->acked[1];
    uint64_t gone = m->n_gone > had ? m->n_gone : had;
    assert_int_equal(chat_queue_count(queue), m->n_pushed - gone);
}

static void model_drop(model *m, uint64_t now_ms, uint64_t limit, uint64_t ttl_ms)
{
    uint64_t had = m->acked[0] < m->acked[1] ? m->acked[0] : m->acked[1];
    if (m->n_gone < had)
        m->n_gone = had;
    while (m->n_gone < m->n_pushed &&
           (m->n_pushed - m->n_gone > limit || m->at_ms[m->n_gone + 1] + ttl_ms < now_ms))
        m->n_gone++;
}

static void model_next(model *m, int d, uint64_t batch)
{
    chat_queue_entry entry;
    uint64_t had = m->acked[0] < m->acked[1] ? m->acked[0] : m->acked[1];
    uint64_t gone = m->n_gone > had ? m->n_gone : had;
    uint64_t from = gone > m->acked[d] ? gone : m->acked[d];
    uint64_t next = (m->given[d] > from ? m->given[d] : from) + 1;
    chat_status want = !m->is_online[d]           ? CHAT_ERR_STATE
                       : next > m->n_pushed       ? CHAT_EMPTY
                       : next - 1 - from >= batch ? CHAT_MORE
                                                  : CHAT_OK;
    assert_int_equal(chat_queue_next(queue, chat__view_str(NAMES[d]), &entry), want);
    if (want != CHAT_OK)
        return;
    assert_int_equal(entry.position, next);
    assert_int_equal(entry.seq, next * 3);
    m->given[d] = next;
}

/* Through bytes and back: the connections are gone. */
static void model_store(model *m)
{
    chat_queue_options options;
    size_t size = chat_queue_encoded_size(queue);
    uint8_t *bytes = malloc(size);
    assert_int_equal(chat_queue_encode(queue, bytes, size - 1), CHAT_ERR_LIMIT);
    assert_int_equal(chat_queue_encode(queue, bytes, size), CHAT_OK);
    chat_queue_free(queue);
    chat_queue_options_init(&options);
    options.max_entries = 12;
    options.batch_count = 5;
    options.ttl_ms = 40;
    assert_int_equal(chat_queue_decode(&options, chat__view(bytes, size), &queue), CHAT_OK);
    free(bytes);
    for (int d = 0; d < 2; d++) {
        m->is_online[d] = 0;
        m->given[d] = m->acked[d];
    }
}

static void model_step(model *m, unsigned random, uint64_t now_ms)
{
    int d = (int)(random >> 8 & 1);
    switch (random % 8) {
    case 0:
    case 1:
    case 2:
        push("a", (m->n_pushed + 1) * 3, now_ms);
        m->at_ms[++m->n_pushed] = now_ms;
        break;
    case 3:
        online(NAMES[d]);
        m->is_online[d] = 1;
        m->given[d] = m->acked[d];
        break;
    case 4:
        if (m->given[d] > m->acked[d]) {
            m->acked[d] += 1 + (random >> 16) % (m->given[d] - m->acked[d]);
            assert_int_equal(ack(NAMES[d], m->acked[d]), CHAT_OK);
        }
        break;
    case 5:
        if ((random >> 16) % 8 == 0)
            model_store(m);
        break;
    default:
        model_next(m, d, 5);
        break;
    }
    chat_queue_expire(queue, now_ms);
    model_drop(m, now_ms, 12, 40);
    model_check(m);
}

static void behaves_as_a_plain_list(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 300; seed++) {
        model m;
        unsigned random = seed;
        memset(&m, 0, sizeof m);
        make(12, 5, 40);
        add(NAMES[0]);
        add(NAMES[1]);
        for (uint64_t step = 0; m.n_pushed < N_PUSHED && step < 1000; step++) {
            random = random * 1664525u + 1013904223u;
            model_step(&m, random >> 4, step);
        }
        chat_queue_free(queue);
        queue = NULL;
    }
}

static void refuses_bytes_that_are_no_queue(void **state)
{
    uint8_t bytes[512];
    chat_queue_options options;
    chat_queue *other = NULL;
    (void)state;
    make(2, 5, 0);
    add("phone");
    for (uint64_t seq = 1; seq <= 4; seq++)
        push("a", seq, 0);
    size_t size = chat_queue_encoded_size(queue);
    assert_true(size <= sizeof bytes);
    assert_int_equal(chat_queue_encode(queue, bytes, sizeof bytes), CHAT_OK);
    chat_queue_options_init(&options);
    for (size_t len = 0; len < size; len++)
        assert_int_equal(chat_queue_decode(&options, chat__view(bytes, len), &other),
                         CHAT_ERR_SYNTAX);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0xff;
        if (chat_queue_decode(&options, chat__view(bytes, size), &other) == CHAT_OK)
            chat_queue_free(other);
        bytes[i] ^= 0xff;
    }
    assert_int_equal(chat_queue_decode(&options, chat__view(bytes, size), &other), CHAT_OK);
    chat_queue_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(drains_in_batches_and_live_goes_behind, teardown),
        cmocka_unit_test_teardown(what_was_not_acked_comes_again_in_order, teardown),
        cmocka_unit_test_teardown(removes_only_what_every_device_has, teardown),
        cmocka_unit_test_teardown(what_is_over_the_limit_is_a_gap_until_it_is_acked, teardown),
        cmocka_unit_test_teardown(what_is_older_than_the_ttl_is_a_gap, teardown),
        cmocka_unit_test_teardown(more_gaps_than_can_be_named_are_one_without_a_name, teardown),
        cmocka_unit_test_teardown(behaves_as_a_plain_list, teardown),
        cmocka_unit_test_teardown(refuses_bytes_that_are_no_queue, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
