/* SPDX-License-Identifier: MIT */
/* See shared.h. */
#include "shared.h"

#include "base/view.h"

#include <stdio.h>
#include <string.h>

static uint64_t tag_ = 100;

static void copy(const chat_shared_event *event, shared_answer *out)
{
    size_t len = 0;
    memset(out, 0, sizeof *out);
    out->status = event->status;
    out->number = event->number;
    out->n_items = event->n_items;
    for (size_t i = 0; i < event->n_items && i < CHAT_SHARED_MAX_USERS; i++) {
        const chat_shared_item *item = &event->items[i];
        out->numbers[i] = item->number;
        if (len < sizeof out->text - 64)
            len += (size_t)snprintf(out->text + len, sizeof out->text - len, "%.*s=%.*s ",
                                    (int)item->name.len, (const char *)item->name.data,
                                    (int)item->value.len, (const char *)item->value.data);
    }
}

void shared_ask(const shared_world *world, const chat_shared_ask *ask, shared_answer *out)
{
    const chat_shared *shared = world->shared;
    chat_shared_event event = {.struct_size = sizeof event};
    chat_shared_ask tagged = *ask;
    tagged.tag = ++tag_;
    uint64_t until = world->now_ms(world->ctx) + 20000;
    assert_int_equal(shared->ask(shared->ctx, &tagged, world->now_ms(world->ctx)), CHAT_OK);
    for (;;) {
        shared->process(shared->ctx, world->now_ms(world->ctx));
        while (shared->next_event(shared->ctx, &event) == CHAT_OK) {
            if (event.type == CHAT_SHARED_EVENT_PROBLEM)
                print_message("%s\n", event.text);
            if (event.type != CHAT_SHARED_EVENT_ANSWER)
                continue;
            assert_true(event.tag == tagged.tag);
            assert_int_equal(event.op, ask->op);
            copy(&event, out);
            return;
        }
        assert_true(world->now_ms(world->ctx) < until);
        world->wait(world->ctx, 1000);
    }
}

chat_shared_ask shared_about(const shared_world *world, chat_shared_op op, const char *owner)
{
    static char names[4][200];
    static unsigned which;
    char *name = names[which++ % 4];
    snprintf(name, sizeof names[0], "%s%s", owner, world->prefix);
    chat_shared_ask ask = {.struct_size = sizeof ask, .op = op, .owner = chat__view_str(name)};
    return ask;
}

static void good(const shared_world *world, const chat_shared_ask *ask, shared_answer *out)
{
    shared_ask(world, ask, out);
    if (out->status != CHAT_OK)
        fail_msg("op %d: %s", ask->op, chat_status_name(out->status));
}

/* --- presence --- */

static void online(const shared_world *world, const char *user, const char *device,
                   const char *node)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_ONLINE, user);
    ask.name = chat__view_str(device);
    ask.value = chat__view_str(node);
    good(world, &ask, &answer);
}

static uint64_t offline(const shared_world *world, const char *user, const char *device,
                        const char *node)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_OFFLINE, user);
    ask.name = chat__view_str(device);
    ask.value = chat__view_str(node);
    good(world, &ask, &answer);
    return answer.number;
}

static int is_online(const shared_world *world, const char *user)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_WHO, user);
    ask.users = &ask.owner;
    ask.n_users = 1;
    good(world, &ask, &answer);
    assert_int_equal(answer.n_items, 1);
    return (int)answer.numbers[0];
}

static size_t devices(const shared_world *world, const char *user, const char *words)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_DEVICES, user);
    good(world, &ask, &answer);
    if (strstr(answer.text, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", answer.text, words);
    return answer.n_items;
}

void shared_presence_begins_and_ends(const shared_world *world)
{
    assert_int_equal(is_online(world, "a"), 0);
    assert_int_equal(devices(world, "a", ""), 0);
    online(world, "a", "phone", "node-1");
    assert_int_equal(is_online(world, "a"), 1);
    assert_int_equal(devices(world, "a", "phone=node-1 "), 1);
    assert_int_equal(is_online(world, "b"), 0);
    assert_int_equal(offline(world, "a", "phone", "node-1"), 0);
    assert_int_equal(is_online(world, "a"), 0);
    assert_int_equal(devices(world, "a", ""), 0);
}

void shared_last_device_takes_presence_with_it(const shared_world *world)
{
    online(world, "last", "phone", "node-1");
    online(world, "last", "laptop", "node-2");
    assert_int_equal(devices(world, "last", "phone=node-1 "), 2);
    assert_int_equal(offline(world, "last", "phone", "node-1"), 1);
    assert_int_equal(is_online(world, "last"), 1);
    assert_int_equal(devices(world, "last", "laptop=node-2 "), 1);
    assert_int_equal(offline(world, "last", "laptop", "node-2"), 0);
    assert_int_equal(is_online(world, "last"), 0);
}

void shared_old_node_takes_nothing(const shared_world *world)
{
    online(world, "moved", "phone", "node-1");
    online(world, "moved", "phone", "node-2");
    assert_int_equal(offline(world, "moved", "phone", "node-1"), 1);
    assert_int_equal(devices(world, "moved", "phone=node-2 "), 1);
    assert_int_equal(is_online(world, "moved"), 1);
}

void shared_presence_ends_by_itself(const shared_world *world)
{
    uint64_t ttl_ms = SHARED_PRESENCE_TTL_S * 1000, start = world->now_ms(world->ctx);
    online(world, "gone", "phone", "node-1");
    assert_int_equal(is_online(world, "gone"), 1);
    while (is_online(world, "gone")) {
        assert_true(world->now_ms(world->ctx) < start + 5 * ttl_ms);
        world->wait(world->ctx, 20);
    }
    assert_true(world->now_ms(world->ctx) + 50 > start + ttl_ms);
    while (devices(world, "gone", "") > 0) {
        assert_true(world->now_ms(world->ctx) < start + 5 * ttl_ms);
        world->wait(world->ctx, 20);
    }
}

void shared_many_are_asked_at_once(const shared_world *world)
{
    static char names[CHAT_SHARED_MAX_USERS][64];
    chat_view users[CHAT_SHARED_MAX_USERS];
    shared_answer answer;
    for (size_t i = 0; i < CHAT_SHARED_MAX_USERS; i++) {
        snprintf(names[i], sizeof names[i], "many-%d%s", (int)i, world->prefix);
        users[i] = chat__view_str(names[i]);
    }
    online(world, "many-3", "phone", "n");
    online(world, "many-255", "phone", "n");
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_WHO, "");
    ask.users = users;
    ask.n_users = CHAT_SHARED_MAX_USERS;
    good(world, &ask, &answer);
    assert_int_equal(answer.n_items, CHAT_SHARED_MAX_USERS);
    for (size_t i = 0; i < CHAT_SHARED_MAX_USERS; i++)
        assert_int_equal(answer.numbers[i], i == 3 || i == 255);
}

/* --- queue --- */

static void put(const shared_world *world, const char *user, const char *text, uint64_t position)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_QUEUE_PUT, user);
    ask.value = chat__view_str(text);
    good(world, &ask, &answer);
    assert_int_equal(answer.number, position);
}

/* What a READ gives: entries with positions from `first` on. */
typedef struct seen {
    uint64_t lost, first;
    const char *texts;
} seen;

static void reads(const shared_world *world, const char *user, const char *device, uint32_t count,
                  seen want)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_QUEUE_READ, user);
    ask.name = chat__view_str(device);
    ask.count = count;
    good(world, &ask, &answer);
    assert_string_equal(answer.text, want.texts);
    assert_int_equal(answer.number, want.lost);
    for (size_t i = 0; i < answer.n_items; i++)
        assert_int_equal(answer.numbers[i], want.first + i);
}

static void ack(const shared_world *world, const char *user, const char *device, uint64_t position)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_QUEUE_ACK, user);
    ask.name = chat__view_str(device);
    ask.number = position;
    good(world, &ask, &answer);
}

void shared_queue_is_read_by_each_device(const shared_world *world)
{
    reads(world, "q", "phone", 10, (seen){0, 0, ""});
    put(world, "q", "a", 1);
    put(world, "q", "b", 2);
    put(world, "q", "c", 3);
    reads(world, "q", "phone", 2, (seen){0, 1, "=a =b "});
    reads(world, "q", "phone", 2,
          (seen){0, 1, "=a =b "}); /* nothing goes that was not acknowledged */
    ack(world, "q", "phone", 2);
    reads(world, "q", "phone", 2, (seen){0, 3, "=c "});
    ack(world, "q", "phone", 1); /* an old one */
    reads(world, "q", "phone", 2, (seen){0, 3, "=c "});
    reads(world, "q", "laptop", 10, (seen){0, 3, "=c "}); /* what all known devices had is gone */
    put(world, "q", "d", 4);
    ack(world, "q", "phone", 4);
    reads(world, "q", "phone", 10, (seen){0, 5, ""});
    reads(world, "q", "laptop", 10, (seen){0, 3, "=c =d "});
    ack(world, "q", "laptop", 100); /* more than there is */
    put(world, "q", "e", 5);
    reads(world, "q", "laptop", 10, (seen){0, 5, "=e "});
    reads(world, "q", "phone", 10, (seen){0, 5, "=e "});
}

void shared_queue_tells_what_was_lost(const shared_world *world)
{
    char text[2] = "1";
    reads(world, "full", "phone", 10, (seen){0, 0, ""});
    for (uint64_t i = 1; i <= SHARED_QUEUE_LIMIT + 2; i++, text[0]++)
        put(world, "full", text, i);
    reads(world, "full", "phone", 2, (seen){2, 3, "=3 =4 "});
    reads(world, "full", "phone", 2, (seen){2, 3, "=3 =4 "}); /* until it acknowledges */
    reads(world, "full", "laptop", 1, (seen){0, 3, "=3 "});   /* was never owed the others */
    ack(world, "full", "phone", 4);
    reads(world, "full", "phone", 10, (seen){0, 5, "=5 =6 =7 "});
}

void shared_queue_forgets_a_device(const shared_world *world)
{
    shared_answer answer;
    reads(world, "drop", "old", 1, (seen){0, 0, ""});
    reads(world, "drop", "phone", 1, (seen){0, 0, ""});
    put(world, "drop", "a", 1);
    put(world, "drop", "b", 2);
    ack(world, "drop", "phone", 1);
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_QUEUE_DROP, "drop");
    ask.name = chat__view_str("old");
    good(world, &ask, &answer);
    reads(world, "drop", "new", 10, (seen){0, 2, "=b "}); /* the first waited for nobody else */
    ask.name = chat__view_str("phone");
    good(world, &ask, &answer);
    ask.name = chat__view_str("new");
    good(world, &ask, &answer);
    reads(world, "drop", "newer", 10, (seen){0, 2, "=b "}); /* the last device leaves what it had */
}

/* --- ids, rates, records --- */

void shared_id_is_reserved_once(const shared_world *world)
{
    static const struct {
        const char *owner, *cid;
        uint64_t id, counts;
    } rows[] = {{"a", "c1", UINT64_C(9223372036854775807), UINT64_C(9223372036854775807)},
                {"a", "c1", 5, UINT64_C(9223372036854775807)},
                {"a", "c2", 6, 6},
                {"b", "c1", 7, 7},
                {"a", "c2", 8, 6}};
    shared_answer answer;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat_shared_ask ask = shared_about(world, CHAT_SHARED_RESERVE, rows[i].owner);
        ask.name = chat__view_str(rows[i].cid);
        ask.number = rows[i].id;
        good(world, &ask, &answer);
        assert_true(answer.number == rows[i].counts);
    }
}

static uint64_t take(const shared_world *world, const char *owner, uint32_t rate, uint32_t count)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_TAKE, owner);
    ask.rate = rate;
    ask.burst = 10;
    ask.count = count;
    good(world, &ask, &answer);
    return answer.number;
}

void shared_rate_is_held(const shared_world *world)
{
    assert_int_equal(take(world, "slow", 1, 10), 0);
    assert_in_range(take(world, "slow", 1, 2), 1, 2000);
    assert_in_range(take(world, "slow", 1, 100), 5000, 10000); /* as much as fits */
    assert_int_equal(take(world, "other", 1, 3), 0);
    assert_int_equal(take(world, "other", 1, 7), 0);
    assert_true(take(world, "other", 1, 1) > 0);
    uint64_t start = world->now_ms(world->ctx), wait;
    assert_int_equal(take(world, "quick", 20, 20), 0);  /* a second's worth */
    while ((wait = take(world, "quick", 20, 10)) > 0) { /* 10 in 500 ms */
        assert_true(wait <= 500 && world->now_ms(world->ctx) < start + 5000);
        world->wait(world->ctx, wait < 20 ? wait : 20);
    }
    assert_true(world->now_ms(world->ctx) + 50 > start + 500);
}

static void keep(const shared_world *world, const char *chat, uint64_t seq, const char *text)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_RECENT_PUT, chat);
    ask.number = seq;
    ask.value = chat__view_str(text);
    good(world, &ask, &answer);
}

static void recent(const shared_world *world, const char *chat, uint64_t before, uint32_t count,
                   const char *texts, uint64_t first)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_RECENT_READ, chat);
    ask.number = before;
    ask.count = count;
    good(world, &ask, &answer);
    assert_string_equal(answer.text, texts);
    if (first != 0)
        assert_true(answer.numbers[0] == first);
}

void shared_newest_records_are_kept(const shared_world *world)
{
    const uint64_t high = UINT64_C(1) << 62;
    recent(world, "chat", 0, 10, "", 0);
    keep(world, "chat", high + 2, "b");
    keep(world, "chat", high + 1, "a"); /* late */
    recent(world, "chat", 0, 10, "=b =a ", high + 2);
    keep(world, "chat", high + 1, "A"); /* edited */
    recent(world, "chat", 0, 10, "=b =A ", high + 2);
    keep(world, "chat", high + 3, "c");
    keep(world, "chat", high + 4, "d"); /* one too many */
    recent(world, "chat", 0, 10, "=d =c =b ", high + 4);
    recent(world, "chat", 0, 1, "=d ", high + 4);
    recent(world, "chat", high + 4, 10, "=c =b ", high + 3);
    recent(world, "chat", high + 2, 10, "", 0);
    keep(world, "chat", 255, "old");
    recent(world, "chat", 0, 10, "=d =c =b ", high + 4);
}

static void cut_to(const shared_world *world, uint64_t seq)
{
    shared_answer answer;
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_RECENT_CUT, "cut");
    ask.number = seq;
    good(world, &ask, &answer);
}

void shared_records_that_are_cut_stay_away(const shared_world *world)
{
    cut_to(world, 9); /* of none */
    recent(world, "cut", 0, 10, "", 0);
    keep(world, "cut", 9, "never");
    keep(world, "cut", 10, "a");
    keep(world, "cut", 11, "b");
    recent(world, "cut", 0, 10, "=b =a ", 11);
    cut_to(world, 10);
    recent(world, "cut", 0, 10, "=b ", 11);
    keep(world, "cut", 10, "a"); /* late, or by who does not know better */
    cut_to(world, 8);
    keep(world, "cut", 10, "a");
    recent(world, "cut", 0, 10, "=b ", 11);
    keep(world, "cut", 12, "c");
    keep(world, "cut", 13, "d");
    recent(world, "cut", 0, 10, "=d =c =b ", 13); /* as many as without a cut */
    keep(world, "cut", 14, "e");
    recent(world, "cut", 0, 10, "=e =d =c ", 14);
    cut_to(world, 14);
    recent(world, "cut", 0, 10, "", 0);
}

/* --- what may be asked --- */

void shared_names_and_values_may_be_anything(const shared_world *world)
{
    static const char *const names[] = {"}x", "%7Dx", "%257Dx", "{a}",
                                        "{",  "a}b",  "}",      "\xC3\xA4 b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", (int)i);
        online(world, names[i], names[i], text);
        reads(world, names[i], "phone", 1, (seen){0, 0, ""});
        put(world, names[i], text, 1);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s=%d ", names[i], (int)i);
        assert_int_equal(devices(world, names[i], text), 1);
        reads(world, names[i], "phone", 10, (seen){0, 1, strchr(text, '=')});
    }
    static const char bytes[] = "\r\n\0\xFF$-1\r\n";
    chat_shared_ask ask = shared_about(world, CHAT_SHARED_QUEUE_PUT, "bytes");
    shared_answer answer;
    ask.value = chat__view(bytes, sizeof bytes);
    good(world, &ask, &answer);
    ask.value = chat__view("", 0);
    good(world, &ask, &answer);
    ask.op = CHAT_SHARED_QUEUE_READ;
    ask.name = chat__view_str("phone");
    ask.count = 10;
    good(world, &ask, &answer);
    assert_int_equal(answer.n_items, 2);
}

void shared_wrong_asks_are_refused(const shared_world *world)
{
    static char large[136];
    chat_view none = {NULL, 0};
    const chat_shared *shared = world->shared;
    memset(large, 'x', sizeof large);
    const chat_shared_ask rows[] = {
        {.op = (chat_shared_op)0, .owner = {(const uint8_t *)large, 1}},
        {.op = (chat_shared_op)99, .owner = {(const uint8_t *)large, 1}},
        {.op = CHAT_SHARED_DEVICES, .owner = none},
        {.op = CHAT_SHARED_DEVICES, .owner = {(const uint8_t *)"a\0b", 3}},
        {.op = CHAT_SHARED_DEVICES, .owner = {(const uint8_t *)large, sizeof large}},
        {.op = CHAT_SHARED_ONLINE, .owner = {(const uint8_t *)large, 1}},
        {.op = CHAT_SHARED_WHO, .users = &none, .n_users = 1},
        {.op = CHAT_SHARED_WHO, .users = &none, .n_users = 0},
        {.op = CHAT_SHARED_WHO, .users = &none, .n_users = CHAT_SHARED_MAX_USERS + 1},
        {.op = CHAT_SHARED_TAKE, .owner = {(const uint8_t *)large, 1}, .count = 1, .rate = 1},
        {.op = CHAT_SHARED_RECENT_READ, .owner = {(const uint8_t *)large, 1}},
        {.op = CHAT_SHARED_RECENT_READ,
         .owner = {(const uint8_t *)large, 1},
         .count = CHAT_SHARED_MAX_ENTRIES + 1},
        {.op = CHAT_SHARED_RECENT_PUT, .owner = {(const uint8_t *)large, 1}},
        {.op = CHAT_SHARED_RECENT_PUT,
         .owner = {(const uint8_t *)large, 1},
         .number = UINT64_C(1) << 63},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat_shared_ask ask = rows[i];
        assert_int_equal(shared->ask(shared->ctx, &ask, world->now_ms(world->ctx)), CHAT_ERR_ARG);
        ask.struct_size = sizeof ask;
        assert_int_equal(shared->ask(shared->ctx, &ask, world->now_ms(world->ctx)), CHAT_ERR_ARG);
    }
}
