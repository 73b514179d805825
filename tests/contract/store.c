/* SPDX-License-Identifier: MIT */
/* See store.h. What is compared are texts of tale.h. */
#include "store.h"

#include "base/view.h"

#include <stdlib.h>
#include <string.h>

chat_store_rules store_rules(void)
{
    chat_store_rules rules = {.struct_size = sizeof rules,
                              .max_devices = STORE_MAX_DEVICES,
                              .offline_ttl_ms = STORE_OFFLINE_DAYS * TALE_DAY_MS,
                              .offline_limit = STORE_OFFLINE_LIMIT,
                              .device_ttl_ms = STORE_DEVICE_DAYS * TALE_DAY_MS};
    return rules;
}

static tale *begin(const store_world *world, const char *name)
{
    return tale_new(world->store, NULL, world->prefix, name);
}

/* --- records --- */

void store_says_what_came_before(const store_world *world)
{
    tale *t = begin(world, "prev");
    assert_string_equal(tale_after(t, "alice+bob", "", 0, 10), "");
    (void)tale_message(t, "alice+bob", "alice", "one"); /* prev is looked at with each record */
    (void)tale_message(t, "alice+carol", "alice", "two");
    (void)tale_message(t, "alice+bob", "bob", "three");
    for (size_t i = 0; i < t->n_stores; i++)
        t->stores[i]->forget(t->stores[i]->ctx, t->partition);
    (void)tale_message(t, "alice+carol", "carol", "four");
    (void)tale_message(t, "alice+bob", "alice", "five");
    assert_string_equal(tale_after(t, "alice+bob", "", 0, 10),
                        "#1 msg one; #3<#1 msg three; #5<#3 msg five");
    assert_string_equal(tale_after(t, "alice+carol", "", 0, 10), "#2 msg two; #4<#2 msg four");
    tale_free(t);
}

/* The same bytes as before, in one call, then all of them again behind a newer one. */
void store_takes_a_record_twice(const store_world *world)
{
    static const char *const bodies[] = {"one", "two", "three"};
    tale *t = begin(world, "twice");
    chat_store_record again[3];
    for (size_t i = 0; i < 3; i++) {
        chat_store_record record = {.struct_size = sizeof record,
                                    .partition = t->partition,
                                    .kind = CHAT_FRAME_MSG,
                                    .payload = chat__view_str(bodies[i])};
        (void)tale_raw(t, "alice+bob", record.kind, record.payload);
        record.chat = tale_id(t, "alice+bob");
        record.id = t->ids[i];
        record.seq = t->seqs[i];
        again[i] = record;
    }
    assert_int_equal(world->store->apply(world->store->ctx, again, 3), CHAT_OK);
    assert_true(again[0].prev == 0 && again[1].prev == t->seqs[0] && again[2].prev == t->seqs[1]);
    assert_int_equal(world->store->apply(world->store->ctx, again, 1), CHAT_OK);
    assert_true(again[0].prev == 0);
    (void)tale_raw(t, "alice+bob", CHAT_FRAME_MSG, chat__view_str("four"));
    world->store->forget(world->store->ctx, t->partition);
    again[1].prev = again[2].prev = 1;
    assert_int_equal(world->store->apply(world->store->ctx, again + 1, 2), CHAT_OK);
    assert_true(again[1].prev == t->seqs[0] && again[2].prev == t->seqs[1]);
    assert_string_equal(tale_after(t, "alice+bob", "", 0, 10),
                        "#1 34 raw 3; #2<#1 34 raw 3; #3<#2 34 raw 5; #4<#3 34 raw 4");
    assert_int_equal(world->store->apply(world->store->ctx, again, 0), CHAT_OK);
    tale_free(t);
}

void store_keeps_what_it_cannot_read(const store_world *world)
{
    tale *t = begin(world, "unread");
    chat_view bad = chat__view_str("no frame");
    (void)tale_group(t, "g", "alice", "bob", "Group");
    (void)tale_raw(t, "g", CHAT_FRAME_CHANGE, bad);
    (void)tale_raw(t, "g", 999, bad);
    (void)tale_raw(t, "g", CHAT_FRAME_NOTE, chat__view(NULL, 0));
    (void)tale_change(t, "g", "promote", "bob", "owner", NULL); /* of a newer version */
    (void)tale_message(t, "g", "bob", "hi");
    assert_string_equal(tale_chat(t, "g"), "Group: alice owner #1; bob member #1");
    assert_string_equal(tale_after(t, "g", "bob", 0, 10),
                        "#1 chat; #2<#1 41 raw 8; #3<#2 999 raw 8; #4<#3 42 raw 0; "
                        "#5<#4 change promote; #6<#5 msg hi");
    /* Who is in a direct chat follows from its name. */
    (void)tale_raw(t, "alice+bob", CHAT_FRAME_MSG, bad);
    assert_string_equal(tale_user(t, "bob", "", ""),
                        "alice+bob 0..#7 unread 0; g[Group] 0..#6 unread 0");
    tale_free(t);
}

/* --- groups --- */

void store_knows_a_group(const store_world *world)
{
    tale *t = begin(world, "group");
    assert_string_equal(tale_chat(t, "g"), "ERR_NOT_FOUND: ");
    (void)tale_group(t, "g", "alice", "bob carol", "Open group");
    assert_string_equal(tale_chat(t, "g"),
                        "Open group, open: alice owner #1; bob member #1; carol member #1");
    (void)tale_change(t, "g", "role", "bob", "admin", NULL);
    (void)tale_change(t, "g", "remove", "carol", NULL, NULL);
    (void)tale_change(t, "g", "add", "dave carol", NULL, NULL);
    (void)tale_title(t, "g", "Renamed");
    assert_string_equal(
        tale_chat(t, "g"),
        "Renamed, open: alice owner #1; bob admin #1; carol member #4; dave member #4");
    (void)tale_change(t, "g", "leave", "alice", "owner", "bob");
    assert_string_equal(tale_chat(t, "g"),
                        "Renamed, open: bob owner #1; carol member #4; dave member #4");
    (void)tale_change(t, "g", "remove", "bob carol dave", NULL, NULL);
    assert_string_equal(tale_chat(t, "g"), "Renamed, open: ");
    (void)tale_change(t, "g", "join", "erin", "owner", NULL);
    (void)tale_title(t, "g", "");
    assert_string_equal(tale_chat(t, "g"), ", open: erin owner #8");
    tale_free(t);
}

/* --- pages --- */

void store_gives_pages_in_both_directions(const store_world *world)
{
    tale *t = begin(world, "pages");
    for (size_t i = 0; i < 5; i++)
        (void)tale_message(t, "alice+bob", "alice", "hi");
    assert_string_equal(tale_after(t, "alice+bob", "", 0, 2), "MORE: #1 msg hi; #2<#1 msg hi");
    assert_string_equal(tale_after(t, "alice+bob", "bob", tale_seq(t, 2), 3),
                        "#3<#2 msg hi; #4<#3 msg hi; #5<#4 msg hi");
    assert_string_equal(tale_after(t, "alice+bob", "", tale_seq(t, 3) - 1, 1),
                        "MORE: #3<#2 msg hi");
    assert_string_equal(tale_after(t, "alice+bob", "", tale_seq(t, 5), 3), "");
    assert_string_equal(tale_before(t, "alice+bob", "", UINT64_MAX, 2),
                        "MORE: #5<#4 msg hi; #4<#3 msg hi");
    assert_string_equal(tale_before(t, "alice+bob", "alice", tale_seq(t, 3), 2),
                        "#2<#1 msg hi; #1 msg hi");
    assert_string_equal(tale_before(t, "alice+bob", "", tale_seq(t, 1), 2), "");
    assert_string_equal(tale_after(t, "g", "", 0, 2), "");
    tale_free(t);
}

void store_gives_pages_by_bytes(const store_world *world)
{
    tale *t = begin(world, "bytes");
    for (size_t i = 0; i < 4; i++)
        (void)tale_raw(t, "alice+bob", CHAT_FRAME_MSG, chat__view_str("ten bytes."));
    assert_string_equal(tale_bytes(t, "alice+bob", 0, 1), "MORE: #1 34 raw 10");
    assert_string_equal(tale_bytes(t, "alice+bob", 0, 20), "MORE: #1 34 raw 10; #2<#1 34 raw 10");
    assert_string_equal(tale_bytes(t, "alice+bob", tale_seq(t, 1), 29),
                        "MORE: #2<#1 34 raw 10; #3<#2 34 raw 10");
    assert_string_equal(tale_bytes(t, "alice+bob", tale_seq(t, 2), 20),
                        "#3<#2 34 raw 10; #4<#3 34 raw 10");
    tale_free(t);
}

void store_cuts_a_page_to_the_memberships(const store_world *world)
{
    tale *t = begin(world, "ranges");
    assert_string_equal(tale_after(t, "g", "bob", 0, 9), "ERR_NOT_FOUND: ");
    (void)tale_group(t, "g", "alice", "", "Group");
    assert_string_equal(tale_after(t, "g", "bob", 0, 9), "ERR_FORBIDDEN: ");
    (void)tale_message(t, "g", "alice", "a");
    (void)tale_change(t, "g", "add", "bob", NULL, NULL);
    (void)tale_message(t, "g", "alice", "b");
    (void)tale_change(t, "g", "remove", "bob", NULL, NULL);
    (void)tale_message(t, "g", "alice", "c");
    (void)tale_change(t, "g", "add", "bob", NULL, NULL);
    (void)tale_message(t, "g", "alice", "d");
    assert_string_equal(tale_after(t, "g", "bob", 0, 9),
                        "#1 chat; #2<#1 msg a; #3<#2 change add; #4<#3 msg b; "
                        "#5<#4 change remove; #7<#6 change add; #8<#7 msg d");
    assert_string_equal(tale_before(t, "g", "bob", UINT64_MAX, 3),
                        "MORE: #8<#7 msg d; #7<#6 change add; #5<#4 change remove");
    assert_string_equal(tale_after(t, "g", "bob", tale_seq(t, 4), 2),
                        "MORE: #5<#4 change remove; #7<#6 change add");
    (void)tale_change(t, "g", "remove", "bob", NULL, NULL);
    (void)tale_message(t, "g", "alice", "e");
    assert_string_equal(tale_after(t, "g", "bob", tale_seq(t, 7), 9),
                        "#8<#7 msg d; #9<#8 change remove");
    assert_string_equal(tale_user(t, "bob", "", ""), "g[Group] #3-..#9 unread 3 past");
    tale_free(t);
}

/* --- what was done to messages --- */

void store_shows_messages_as_they_are_now(const store_world *world)
{
    tale *t = begin(world, "shown");
    (void)tale_message(t, "alice+bob", "alice", "one");
    (void)tale_message(t, "alice+bob", "alice", "two");
    (void)tale_note(t, "alice+bob", "edit", "alice", 1, "better");
    (void)tale_note(t, "alice+bob", "edit", "alice", 1, "best");
    assert_string_equal(tale_after(t, "alice+bob", "", 0, 2),
                        "MORE: #1 msg best (edited 0s); #2<#1 msg two");
    (void)tale_note(t, "alice+bob", "edit", "alice", 2, "secret");
    (void)tale_note(t, "alice+bob", "delete", "alice", 2, NULL);
    assert_string_equal(
        tale_after(t, "alice+bob", "bob", 0, 10),
        "#1 msg best (edited 2s); #2<#1 msg (deleted); #3<#2 note edit better by alice; "
        "#4<#3 note edit best by alice; #5<#4 note edit by alice; #6<#5 note delete by alice");
    assert_string_equal(tale_before(t, "alice+bob", "bob", tale_seq(t, 3), 2),
                        "#2<#1 msg (deleted); #1 msg best (edited 2s)");
    tale_free(t);
}

void store_counts_the_newest_reaction_of_each(const store_world *world)
{
    tale *t = begin(world, "react");
    (void)tale_group(t, "g", "alice", "bob carol", "Group");
    (void)tale_message(t, "g", "alice", "one");
    assert_string_equal(tale_reactions(t, "g", "bob", 2), "");
    (void)tale_note(t, "g", "react", "bob", 2, "+1");
    (void)tale_note(t, "g", "react", "carol", 2, "-1");
    (void)tale_note(t, "g", "react", "bob", 2, "!");
    assert_string_equal(tale_reactions(t, "g", "alice", 2),
                        "#4<#3 note react -1 by carol; #5<#4 note react ! by bob");
    (void)tale_note(t, "g", "react", "bob", 2, NULL);
    assert_string_equal(tale_reactions(t, "g", "alice", 2), "#4<#3 note react -1 by carol");
    assert_string_equal(tale_reactions(t, "g", "alice", 1), "ERR_NOT_FOUND: ");
    assert_string_equal(tale_reactions(t, "g", "dave", 2), "ERR_FORBIDDEN: ");
    (void)tale_note(t, "g", "delete", "alice", 2, NULL);
    assert_string_equal(tale_reactions(t, "g", "alice", 2), "");
    tale_free(t);
}

/* --- devices --- */

void store_starts_a_new_device_where_the_furthest_is(const store_world *world)
{
    tale *t = begin(world, "furthest");
    (void)tale_message(t, "alice+bob", "alice", "one");
    (void)tale_message(t, "alice+bob", "alice", "two");
    assert_string_equal(tale_user(t, "bob", "phone", ""), "EMPTY: alice+bob 0..#2");
    tale_cursor(t, "bob", "phone", "alice+bob", 1);
    tale_cursor(t, "bob", "stranger", "alice+bob", 2); /* is nothing */
    assert_string_equal(tale_user(t, "bob", "phone", ""), "alice+bob #1..#2");
    assert_string_equal(tale_user(t, "bob", "stranger", ""), "EMPTY: alice+bob #1..#2");
    tale_cursor(t, "bob", "stranger", "alice+bob", 2);
    tale_cursor(t, "bob", "stranger", "alice+bob", 1); /* never backwards */
    assert_string_equal(tale_user(t, "bob", "stranger", ""), "alice+bob #2..#2");
    assert_string_equal(tale_user(t, "bob", "phone", ""), "alice+bob #1..#2");
    (void)tale_group(t, "g", "alice", "", "Group");
    (void)tale_change(t, "g", "add", "bob", NULL, NULL);
    assert_string_equal(tale_user(t, "bob", "phone", ""), "alice+bob #1..#2; g[Group] #4-..#4");
    assert_string_equal(tale_user(t, "alice", "pad", ""), "EMPTY: alice+bob 0..#2; g[Group] 0..#4");
    tale_free(t);
}

void store_forgets_a_device_for_good(const store_world *world)
{
    tale *t = begin(world, "forgets");
    (void)tale_message(t, "alice+bob", "alice", "one");
    (void)tale_message(t, "alice+bob", "alice", "two");
    assert_string_equal(tale_forget(t, "bob", "phone"), "ERR_NOT_FOUND: ");
    (void)tale_user(t, "bob", "phone", "");
    (void)tale_user(t, "bob", "pad", "");
    tale_cursor(t, "bob", "phone", "alice+bob", 2);
    assert_string_equal(tale_devices(t, "bob"), "pad 1s; phone 1s");
    assert_string_equal(tale_forget(t, "bob", "phone"), "");
    assert_string_equal(tale_forget(t, "bob", "phone"), "ERR_NOT_FOUND: ");
    assert_string_equal(tale_devices(t, "bob"), "pad 1s");
    tale_cursor(t, "bob", "phone", "alice+bob", 2);
    assert_string_equal(tale_see(t, "bob", "phone"), "");
    assert_string_equal(tale_devices(t, "bob"), "pad 2s");
    assert_string_equal(tale_user(t, "bob", "pad", ""), "alice+bob 0..#2");
    /* What it had counts as what its user has, and it is new when it is here again. */
    assert_string_equal(tale_marks(t, "alice+bob", "", 0), "0: alice read 0 has 0; "
                                                           "bob read 0 has #2");
    assert_string_equal(tale_user(t, "bob", "phone", ""), "EMPTY: alice+bob #2..#2");
    assert_string_equal(tale_user(t, "bob", "third", ""), "EMPTY: alice+bob #2..#2");
    t->now_ms += STORE_DEVICE_DAYS * TALE_DAY_MS;
    assert_string_equal(tale_see(t, "bob", "third"), "");
    t->now_ms += 1000;
    assert_string_equal(tale_devices(t, "bob"), "third 1s");
    assert_string_equal(tale_forget(t, "bob", "phone"), "ERR_NOT_FOUND: ");
    tale_free(t);
}

void store_has_room_for_so_many_devices(const store_world *world)
{
    tale *t = begin(world, "room");
    (void)tale_message(t, "alice+bob", "alice", "one");
    (void)tale_user(t, "bob", "a", "");
    t->now_ms += 1000;
    (void)tale_user(t, "bob", "b", "");
    t->now_ms += 1000;
    (void)tale_user(t, "bob", "c", "");
    assert_string_equal(tale_devices(t, "bob"), "a 2s; b 1s; c 0s");
    assert_string_equal(tale_user(t, "bob", "d", "a b c"), "ERR_LIMIT: ");
    assert_string_equal(tale_user(t, "bob", "d", "a"), "EMPTY: alice+bob 0..#1");
    assert_string_equal(tale_devices(t, "bob"), "a 2s; c 0s; d 0s");
    t->now_ms += 1000;
    (void)tale_user(t, "bob", "a", "");
    assert_string_equal(tale_user(t, "bob", "e", "c d"), "EMPTY: alice+bob 0..#1");
    assert_string_equal(tale_devices(t, "bob"), "c 1s; d 1s; e 0s");
    tale_free(t);
}

/* --- what is behind --- */

void store_cuts_what_is_too_much_or_too_old(const store_world *world)
{
    tale *t = begin(world, "cut");
    (void)tale_message(t, "alice+bob", "alice", "old");
    t->now_ms += STORE_OFFLINE_DAYS * TALE_DAY_MS;
    (void)tale_message(t, "alice+bob", "alice", "new");
    assert_string_equal(tale_user(t, "bob", "phone", ""), "EMPTY: alice+bob 0..#2 gap #1");
    for (size_t i = 0; i < STORE_OFFLINE_LIMIT / 2; i++) {
        (void)tale_message(t, "bob+carol", "carol", "x");
        (void)tale_message(t, "alice+bob", "alice", "y");
    }
    assert_string_equal(tale_user(t, "bob", "phone", ""),
                        "alice+bob 0..#10 gap #2; bob+carol 0..#9");
    (void)tale_message(t, "bob+carol", "carol", "z");
    assert_string_equal(tale_user(t, "bob", "phone", ""),
                        "alice+bob 0..#10 gap #2; bob+carol 0..#11 gap #3");
    tale_cursor(t, "bob", "phone", "alice+bob", 10);
    assert_string_equal(tale_user(t, "bob", "phone", ""), "alice+bob #10..#10; bob+carol 0..#11");
    assert_string_equal(tale_user(t, "bob", "", ""),
                        "alice+bob 0..#10 unread 6; bob+carol 0..#11 unread 5");
    for (size_t i = 0; i < STORE_OFFLINE_LIMIT + 2; i++)
        (void)tale_marker(t, "dave", "alice+bob", 1);
    assert_string_equal(tale_user(t, "dave", "phone", ""), "EMPTY: +dave 0..#21"); /* whole */
    tale_free(t);
}

void store_counts_what_is_unread(const store_world *world)
{
    tale *t = begin(world, "unread2");
    (void)tale_group(t, "g", "alice", "bob", "Group");
    (void)tale_message(t, "g", "alice", "one");
    (void)tale_message(t, "g", "bob", "two");
    (void)tale_message(t, "g", "alice", "three");
    (void)tale_message(t, "g", "alice", "four");
    (void)tale_note(t, "g", "delete", "alice", 4, NULL);
    (void)tale_note(t, "g", "edit", "alice", 2, "uno");
    assert_string_equal(tale_user(t, "bob", "", ""), "g[Group] 0..#7 unread 2");
    (void)tale_marker(t, "bob", "g", 4);
    (void)tale_marker(t, "bob", "g", 2); /* never backwards */
    (void)tale_mute(t, "bob", "g", 99);
    assert_string_equal(tale_user(t, "bob", "", ""),
                        "+bob 0..#10 unread 0; g[Group] 0..#7 read #4 unread 1 muted 99");
    (void)tale_mute(t, "bob", "g", 0);
    assert_string_equal(tale_user(t, "bob", "", ""),
                        "+bob 0..#11 unread 0; g[Group] 0..#7 read #4 unread 1");
    tale_free(t);
}

void store_knows_who_lacks_a_record(const store_world *world)
{
    tale *t = begin(world, "away");
    (void)tale_message(t, "alice+bob", "alice", "one");
    (void)tale_message(t, "alice+bob", "alice", "two");
    assert_string_equal(tale_away(t, "bob", "alice+bob", 1), "0 of 0: ");
    (void)tale_user(t, "bob", "phone", "");
    (void)tale_user(t, "bob", "pad", "");
    assert_string_equal(tale_away(t, "bob", "alice+bob", 1), "2 of 2: pad; phone");
    tale_cursor(t, "bob", "phone", "alice+bob", 1);
    assert_string_equal(tale_away(t, "bob", "alice+bob", 1), "1 of 2: pad");
    assert_string_equal(tale_away(t, "bob", "alice+bob", 2), "2 of 2: pad; phone");
    (void)tale_marker(t, "bob", "alice+bob", 2);
    (void)tale_mute(t, "bob", "alice+bob", 77);
    assert_string_equal(tale_away(t, "bob", "alice+bob", 2), "2 of 2 read #2 muted 77: pad; phone");
    (void)tale_forget(t, "bob", "pad");
    assert_string_equal(tale_away(t, "bob", "alice+bob", 1), "0 of 1 read #2 muted 77: ");
    tale_free(t);
}

void store_keeps_the_newest_block(const store_world *world)
{
    tale *t = begin(world, "block");
    assert_string_equal(tale_has_blocked(t, "alice", "bob"), "no");
    (void)tale_block(t, "alice", "bob", 1);
    (void)tale_block(t, "alice", "carol", 1);
    (void)tale_block(t, "dave", "bob", 1);
    (void)tale_block(t, "alice", "carol", 0);
    (void)tale_block(t, "alice", "erin", 1);
    assert_string_equal(tale_has_blocked(t, "alice", "bob"), "yes");
    assert_string_equal(tale_has_blocked(t, "alice", "carol"), "no");
    assert_string_equal(tale_has_blocked(t, "bob", "alice"), "no");
    assert_string_equal(tale_blocks(t, "alice", 0, 0), "bob; erin");
    assert_string_equal(tale_blocks(t, "bob", 1, 10), "alice; dave");
    assert_string_equal(tale_blocks(t, "bob", 0, 10), "");
    assert_string_equal(tale_blocks(t, "bob", 1, 1), "MORE: ");
    tale_free(t);
}

void store_knows_since_when(const store_world *world)
{
    tale *t = begin(world, "since");
    assert_string_equal(tale_marks(t, "g", "", 0), "ERR_NOT_FOUND: ");
    (void)tale_group(t, "g", "alice", "bob", "Group");
    (void)tale_message(t, "g", "alice", "one");
    (void)tale_message(t, "g", "alice", "two");
    (void)tale_user(t, "bob", "phone", "");
    (void)tale_user(t, "bob", "pad", "");
    tale_cursor(t, "bob", "phone", "g", 2);
    tale_cursor(t, "bob", "pad", "g", 3);
    tale_cursor(t, "bob", "phone", "g", 3);
    (void)tale_marker(t, "bob", "g", 2);
    assert_string_equal(tale_marks(t, "g", "", tale_seq(t, 2)),
                        "#2: alice read 0 has 0; bob read #2 0s has #3 3s");
    assert_string_equal(tale_marks(t, "g", "", tale_seq(t, 3)),
                        "#3: alice read 0 has 0; bob read #2 has #3 2s");
    assert_string_equal(tale_marks(t, "g", "", tale_seq(t, 4)),
                        "#3: alice read 0 has 0; bob read #2 has #3");
    assert_string_equal(tale_marks(t, "g", "bob", tale_seq(t, 2)),
                        "#2: alice read 0 has 0; bob read #2 has 0");
    assert_string_equal(tale_marks(t, "g", "", 0), "0: alice read 0 has 0; bob read #2 has #3");
    tale_free(t);
}
