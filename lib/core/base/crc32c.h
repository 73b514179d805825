/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), RFC 3720 appendix B.4: what stored bytes are checked with. */
#ifndef CHAT_BASE_CRC32C_H
#define CHAT_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of `bytes` behind what `crc` covers; start with 0. */
uint32_t chat__crc32c(uint32_t crc, const void *bytes, size_t len);

/* The same without any instruction that not every processor of this kind has. */
uint32_t chat__crc32c_sliced(uint32_t crc, const void *bytes, size_t len);

#endif
