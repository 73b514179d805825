/* SPDX-License-Identifier: MIT */
/* What must hold for a frame that was decoded from any bytes at all, in both encodings. */
#ifndef CHAT_TESTS_FUZZ_CODEC_H
#define CHAT_TESTS_FUZZ_CODEC_H

#include "fuzz.h"

#include <chat/frame.h>

#define CODEC_MAX_BYTES 131072u

/* Decode, and if it is a frame: what is encoded from it, in each encoding, says the same. */
void codec_check(chat_encoding encoding, const uint8_t *data, size_t size);

#endif
