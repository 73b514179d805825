/* SPDX-License-Identifier: MIT */
/* See lz4.h: nothing is compressed, and nobody is told that it may be. */
#include "backends/cassandra/lz4.h"

int chat__lz4_is_there(void)
{
    return 0;
}

chat_status chat__lz4_compress(chat_view body, chat__buf *out)
{
    (void)body;
    (void)out;
    return CHAT_EMPTY;
}

chat_status chat__lz4_expand(chat_view body, chat__buf *out)
{
    (void)body;
    (void)out;
    return CHAT_ERR_PROTOCOL;
}
