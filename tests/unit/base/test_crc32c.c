/* SPDX-License-Identifier: MIT */
#include "base/crc32c.h"
#include "unit.h"

#include <string.h>

/* RFC 3720 appendix B.4. The bytes of a CRC stand there in the order of the wire. */
static void equals_the_vectors_of_rfc_3720(void **state)
{
    static const uint8_t SCSI_READ[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    uint8_t bytes[32];
    (void)state;
    memset(bytes, 0, 32);
    assert_int_equal(chat__crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    assert_int_equal(chat__crc32c(0, bytes, 32), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(chat__crc32c(0, bytes, 32), 0x46dd794eu);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(chat__crc32c(0, bytes, 32), 0x113fdb5cu);
    assert_int_equal(chat__crc32c(0, SCSI_READ, 48), 0xd9963a56u);
    assert_int_equal(chat__crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(chat__crc32c(0, NULL, 0), 0);
}

/* With and without the help of the processor. */
static uint32_t both(const uint8_t *bytes, size_t len)
{
    uint32_t crc = chat__crc32c(0, bytes, len);
    assert_int_equal(crc, chat__crc32c_sliced(0, bytes, len));
    return crc;
}

static uint32_t bit_by_bit(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < len * 8; i++) {
        uint32_t bit = (bytes[i / 8] >> i % 8 ^ crc) & 1u;
        crc = crc >> 1 ^ (bit ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void fill(uint8_t *bytes, size_t len)
{
    uint32_t random = 2463534242u;
    for (size_t i = 0; i < len; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        bytes[i] = (uint8_t)random;
    }
}

static void any_length_and_alignment_equals_the_definition(void **state)
{
    uint8_t bytes[300];
    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t from = 0; from < 9; from++) {
        for (size_t len = 0; from + len <= sizeof bytes; len++)
            assert_int_equal(both(bytes + from, len), bit_by_bit(bytes + from, len));
    }
    for (unsigned value = 0; value < 256; value++) {
        uint8_t block[16] = {0};
        for (size_t at = 0; at < sizeof block; at++) {
            memset(block, 0, sizeof block);
            block[at] = (uint8_t)value;
            assert_int_equal(both(block, 16), bit_by_bit(block, 16));
        }
    }
}

static void parts_give_the_same_as_the_whole(void **state)
{
    uint8_t bytes[200];
    (void)state;
    fill(bytes, sizeof bytes);
    uint32_t whole = chat__crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = chat__crc32c(0, bytes, cut);
        assert_int_equal(chat__crc32c(first, bytes + cut, sizeof bytes - cut), whole);
        first = chat__crc32c_sliced(0, bytes, cut);
        assert_int_equal(chat__crc32c_sliced(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_vectors_of_rfc_3720),
        cmocka_unit_test(any_length_and_alignment_equals_the_definition),
        cmocka_unit_test(parts_give_the_same_as_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
