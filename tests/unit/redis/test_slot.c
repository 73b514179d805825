/* SPDX-License-Identifier: MIT */
#include "backends/redis/slot.h"
#include "base/view.h"
#include "unit.h"

/* What CLUSTER KEYSLOT of a Redis 7.0 says; the first is the specification's example. */
static void a_key_has_the_slot_that_redis_says(void **state)
{
    static const struct {
        const char *key;
        uint16_t slot;
    } rows[] = {{"123456789", 0x31C3},
                {"foo", 12182},
                {"user:{alice}:presence", 749},
                {"{a}{b}", 15495},
                {"x{}y", 16116},
                {"offline_messages:{bob}", 8955},
                {"a{{b}}", 6215},
                {"{open", 7674},
                {"}x", 410},
                {"", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(chat__redis_crc(chat__view_str(rows[i].key)) % CHAT__REDIS_N_SLOTS,
                         rows[i].slot);
}

static void addresses_are_read(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {{"a:1", "a", 1},       {"127.0.0.1:65535", "127.0.0.1", 65535},
                {"[::1]:7", "::1", 7}, {"::1:7", "::1", 7},
                {"a", NULL, 0},        {":1", NULL, 0},
                {"a:", NULL, 0},       {"a:0", NULL, 0},
                {"a:65536", NULL, 0},  {"a b:1", NULL, 0},
                {"", NULL, 0},         {"a:123456", NULL, 0}};
    chat__redis_address address;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat_status status = chat__redis_address_read(chat__view_str(rows[i].text), &address);
        assert_int_equal(status, rows[i].host != NULL ? CHAT_OK : CHAT_ERR_ARG);
        if (rows[i].host != NULL) {
            assert_string_equal(address.host, rows[i].host);
            assert_int_equal(address.port, rows[i].port);
        }
    }
}

static void a_list_is_read_to_its_end(void **state)
{
    chat_view rest = chat__view_str("a:1,b:2");
    chat__redis_address address;
    (void)state;
    assert_int_equal(chat__redis_address_next(&rest, &address), CHAT_OK);
    assert_string_equal(address.host, "a");
    assert_int_equal(chat__redis_address_next(&rest, &address), CHAT_OK);
    assert_string_equal(address.host, "b");
    assert_int_equal(chat__redis_address_next(&rest, &address), CHAT_EMPTY);
    rest = chat__view_str("a:1,,b:2");
    assert_int_equal(chat__redis_address_next(&rest, &address), CHAT_OK);
    assert_int_equal(chat__redis_address_next(&rest, &address), CHAT_ERR_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_the_slot_that_redis_says),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(a_list_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
