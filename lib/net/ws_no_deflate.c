/* SPDX-License-Identifier: MIT */
/* In place of ws_deflate.c where zlib is left out: permessage-deflate is never agreed on. */
#include "net/ws_deflate.h"
#include "base/alloc.h"

struct chat__ws_zip {
    chat_allocator allocator;
};

int chat__ws_zip_is_there(void)
{
    return 0;
}

chat__ws_zip *chat__ws_zip_new(const chat_allocator *allocator)
{
    chat_allocator own = chat__alloc_or_libc(allocator);
    chat__ws_zip *zip = chat__alloc_zero(&own, sizeof *zip);
    if (zip != NULL)
        zip->allocator = own;
    return zip;
}

void chat__ws_zip_free(chat__ws_zip *zip)
{
    if (zip == NULL)
        return;
    chat_allocator allocator = zip->allocator;
    chat__alloc_free(&allocator, zip);
}

chat_status chat__ws_zip_deflate(chat__ws_zip *zip, unsigned window_bits, chat_view message,
                                 chat__buf *out)
{
    (void)zip;
    (void)window_bits;
    (void)message;
    (void)out;
    return CHAT_ERR_LIMIT;
}

chat_status chat__ws_zip_inflate(chat__ws_zip *zip, chat_view message, size_t max_bytes,
                                 chat__buf *out)
{
    (void)zip;
    (void)message;
    (void)max_bytes;
    (void)out;
    return CHAT_ERR_SYNTAX;
}
