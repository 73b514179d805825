/* SPDX-License-Identifier: MIT */
/* See codec.h. */
#include "codec.h"
#include "frames.h"

/* JSON escapes make a frame longer than it was. */
#define AGAIN_MAX_BYTES (8u * CODEC_MAX_BYTES)

static chat_decoder *make_decoder(size_t max_bytes)
{
    chat_decoder *decoder = NULL;
    FUZZ_CHECK(chat_decoder_new(NULL, max_bytes, &decoder) == CHAT_OK);
    return decoder;
}

static void check_again(chat_encoding encoding, chat_frame *frame)
{
    chat_frame again;
    size_t len = 0;
    size_t bound = chat_frame_size_bound(encoding, frame);
    chat_decoder *decoder = make_decoder(AGAIN_MAX_BYTES);
    uint8_t *bytes = malloc(bound);
    FUZZ_CHECK(bytes != NULL);
    FUZZ_CHECK(chat_frame_encode(encoding, frame, bytes, bound, &len) == CHAT_OK);
    chat_status status = chat_frame_decode(decoder, encoding, chat__view(bytes, len), &again);
    FUZZ_CHECK(status == CHAT_OK);
    FUZZ_CHECK(frames_equal(frame, &again));
    if (len > 0)
        FUZZ_CHECK(chat_frame_encode(encoding, frame, bytes, len - 1, &len) == CHAT_ERR_LIMIT);
    free(bytes);
    chat_decoder_free(decoder);
}

/* What a refused frame shows is readable. */
static void check_refused(const chat_frame *frame, chat_status status)
{
    FUZZ_CHECK(status < 0 && (frame->has & ~CHAT__WIRE_ANSWER_BITS) == 0);
    if (status != CHAT_ERR_ARG && status != CHAT_ERR_UNSUPPORTED)
        FUZZ_CHECK(frame->has == 0 && frame->type == 0);
    if (CHAT_FRAME_HAS(frame, CID))
        FUZZ_CHECK(frame->cid.len > 0 && frame->cid.data[0] != 0);
}

void codec_check(chat_encoding encoding, const uint8_t *data, size_t size)
{
    chat_frame frame;
    chat_decoder *decoder = make_decoder(CODEC_MAX_BYTES);
    chat_status status = chat_frame_decode(decoder, encoding, chat__view(data, size), &frame);
    if (status == CHAT_OK) {
        check_again(CHAT_ENCODING_CBOR, &frame);
        check_again(CHAT_ENCODING_JSON, &frame);
    } else {
        check_refused(&frame, status);
    }
    chat_decoder_free(decoder);
}
