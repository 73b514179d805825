/* SPDX-License-Identifier: MIT */
/* The decoder object, and the public codec functions: each chooses between the two encodings. */
#include "json/json.h"
#include "base/alloc.h"

struct chat_decoder {
    chat_allocator allocator;
    size_t max_frame_bytes;
    chat__json_tree *tree; /* of the last JSON frame */
    chat__wire_items items;
};

chat_status chat_decoder_new(const chat_allocator *allocator, size_t max_frame_bytes,
                             chat_decoder **out)
{
    chat_allocator from = chat__alloc_or_libc(allocator);
    if (max_frame_bytes == 0 || out == NULL)
        return CHAT_ERR_ARG;
    chat_decoder *decoder = chat__alloc_zero(&from, sizeof *decoder);
    if (decoder == NULL)
        return CHAT_ERR_NOMEM;
    decoder->allocator = from;
    decoder->max_frame_bytes = max_frame_bytes;
    *out = decoder;
    return CHAT_OK;
}

static void forget(chat_decoder *decoder)
{
    if (decoder->tree != NULL)
        chat__json_tree_free(decoder->tree);
    decoder->tree = NULL;
}

void chat_decoder_free(chat_decoder *decoder)
{
    if (decoder == NULL)
        return;
    chat_allocator allocator = decoder->allocator;
    forget(decoder);
    chat__alloc_free(&allocator, decoder);
}

chat_status chat_frame_decode(chat_decoder *decoder, chat_encoding encoding, chat_view bytes,
                              chat_frame *out)
{
    if (decoder == NULL || out == NULL || (bytes.data == NULL && bytes.len > 0))
        return CHAT_ERR_ARG;
    forget(decoder);
    out->struct_size = sizeof *out;
    out->type = 0;
    out->has = 0;
    if (bytes.len > decoder->max_frame_bytes)
        return CHAT_ERR_LIMIT;
    if (bytes.len == 0)
        return CHAT_ERR_SYNTAX;
    if (encoding == CHAT_ENCODING_CBOR)
        return chat__wire_cbor_read(bytes, 0, &decoder->items, out);
    if (encoding == CHAT_ENCODING_JSON)
        return chat__json_read(bytes, &decoder->items, out, &decoder->tree);
    return CHAT_ERR_ARG;
}

chat_status chat__frame_decode_own(chat_decoder *decoder, chat_view bytes, chat_frame *out)
{
    forget(decoder);
    return chat__wire_cbor_read(bytes, 1, &decoder->items, out);
}

size_t chat_frame_size_bound(chat_encoding encoding, const chat_frame *frame)
{
    if (frame == NULL)
        return 0;
    return encoding == CHAT_ENCODING_JSON ? chat__json_bound(frame) : chat__wire_cbor_bound(frame);
}

chat_status chat_frame_encode(chat_encoding encoding, const chat_frame *frame, uint8_t *out,
                              size_t cap, size_t *out_len)
{
    if (frame == NULL || out == NULL || out_len == NULL)
        return CHAT_ERR_ARG;
    if (encoding != CHAT_ENCODING_CBOR && encoding != CHAT_ENCODING_JSON)
        return CHAT_ERR_ARG;
    chat_status status = chat__wire_check_frame(frame);
    if (status != CHAT_OK)
        return status;
    if (encoding == CHAT_ENCODING_JSON)
        return chat__json_write(frame, out, cap, out_len);
    return chat__wire_cbor_write(frame, out, cap, out_len);
}
