/* SPDX-License-Identifier: MIT */
/* Frames in JSON. */
#include "codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    codec_check(CHAT_ENCODING_JSON, data, size);
    return 0;
}
