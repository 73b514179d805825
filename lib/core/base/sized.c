/* SPDX-License-Identifier: MIT */
/* See sized.h. */
#include "base/sized.h"

#include <string.h>

/* 0: none that can be. */
static uint32_t size_of(const void *sized)
{
    uint32_t bytes;
    memcpy(&bytes, sized, sizeof bytes);
    return bytes >= sizeof bytes && bytes <= CHAT__SIZED_MAX_BYTES ? bytes : 0;
}

chat_status chat__sized_take(void *out, uint32_t known_bytes, const void *from)
{
    const uint8_t *bytes = from;
    uint32_t given_bytes = size_of(from);
    if (given_bytes == 0)
        return CHAT_ERR_ARG;
    for (uint32_t i = known_bytes; i < given_bytes; i++)
        if (bytes[i] != 0)
            return CHAT_ERR_ARG;
    memcpy(out, from, given_bytes < known_bytes ? given_bytes : known_bytes);
    memcpy(out, &known_bytes, sizeof known_bytes);
    return CHAT_OK;
}

chat_status chat__sized_give(void *out, const void *from, uint32_t known_bytes)
{
    uint8_t *bytes = out;
    uint32_t wanted_bytes = size_of(out);
    if (wanted_bytes == 0)
        return CHAT_ERR_ARG;
    memcpy(out, from, wanted_bytes < known_bytes ? wanted_bytes : known_bytes);
    if (wanted_bytes > known_bytes)
        memset(bytes + known_bytes, 0, wanted_bytes - known_bytes);
    memcpy(out, &wanted_bytes, sizeof wanted_bytes);
    return CHAT_OK;
}
