/* SPDX-License-Identifier: MIT */
/* CRC-32C on processors for which there is nothing better than tables. */
#include "base/crc32c.h"

uint32_t chat__crc32c(uint32_t crc, const void *bytes, size_t len)
{
    return chat__crc32c_sliced(crc, bytes, len);
}
