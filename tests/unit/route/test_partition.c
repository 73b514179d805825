/* SPDX-License-Identifier: MIT */
#include <chat/partition.h>

#include "base/view.h"
#include "unit.h"

/* The values of the Java client's own test of Utils.murmur2. */
static void murmur2_equals_the_java_clients(void **state)
{
    static const struct {
        const char *key;
        int32_t hash;
    } ROWS[] = {
        {"21", -973932308},
        {"foobar", -790332482},
        {"a-little-bit-long-string", -985981536},
        {"a-little-bit-longer-string", -1486304829},
        {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
        {"abc", 479470107},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_int_equal((int32_t)chat_murmur2(chat__view_str(ROWS[i].key)), ROWS[i].hash);
}

/* Computed by a second implementation, written in Python from the Java text. */
static void chats_go_to_the_partitions_of_the_table(void **state)
{
    static const struct {
        const char *chat;
        uint32_t hash;
        uint32_t of_12;
        uint32_t of_64;
        uint32_t of_100;
    } ROWS[] = {
        {"a", 0xa2d0b27cu, 4, 60, 24},
        {"lobby", 0xe1de354eu, 6, 14, 90},
        {"general", 0xb597ae97u, 7, 23, 79},
        {"dm:5:alice:bob", 0x04583709u, 9, 9, 21},
        {"dm:3:bob:carol", 0x0e4fe104u, 4, 4, 72},
        {"gr\xc3\xbc\xc3\x9f"
         "e",
         0x73da9e0cu, 8, 12, 48},
        {"chat-000001", 0x3de628e2u, 2, 34, 22},
        {"", 0x106e08d9u, 9, 25, 81},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0x48ddc20du, 5, 13,
         85},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_view chat = chat__view_str(ROWS[i].chat);
        assert_int_equal(chat_murmur2(chat), ROWS[i].hash);
        assert_int_equal(chat_partition_of(chat, 12), ROWS[i].of_12);
        assert_int_equal(chat_partition_of(chat, 64), ROWS[i].of_64);
        assert_int_equal(chat_partition_of(chat, 100), ROWS[i].of_100);
    }
}

static void no_partitions_count_as_one(void **state)
{
    (void)state;
    assert_int_equal(chat_partition_of(chat__view_str("lobby"), 0), 0);
    assert_int_equal(chat_partition_of(chat__view_str("lobby"), 1), 0);
    assert_int_equal(chat_partition_of(chat__view(NULL, 0), 64), 25);
}

/* The hash reads bytes, so where they lie does not matter. */
static void alignment_does_not_matter(void **state)
{
    uint8_t room[64 + 8];
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(room + shift, "a-little-bit-longer-string", 26);
        assert_int_equal((int32_t)chat_murmur2(chat__view(room + shift, 26)), -1486304829);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(murmur2_equals_the_java_clients),
        cmocka_unit_test(chats_go_to_the_partitions_of_the_table),
        cmocka_unit_test(no_partitions_count_as_one),
        cmocka_unit_test(alignment_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
