/* SPDX-License-Identifier: MIT */
/* Frames in CBOR. */
#include "codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    codec_check(CHAT_ENCODING_CBOR, data, size);
    return 0;
}
