/* SPDX-License-Identifier: MIT */
/* Every call of the core that allocates, with each of its allocations failing. */
#include "oom.h"

#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/view.h"
#include "frames.h"

#include <chat/queue.h>

#include <stdio.h>

#define MAX_FRAME 131072u

static chat_decoder *new_decoder(oom_memory *memory)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_decoder *decoder = NULL;
    chat_status status = chat_decoder_new(&allocator, MAX_FRAME, &decoder);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(decoder);
        assert_true(memory->n_failed > 0);
        oom_recover(memory);
        assert_int_equal(chat_decoder_new(&allocator, MAX_FRAME, &decoder), CHAT_OK);
    }
    return decoder;
}

static void make_decoder(oom_memory *memory, void *ctx)
{
    (void)ctx;
    chat_decoder_free(new_decoder(memory));
    chat_decoder_free(NULL);
}

static void making_a_decoder(void **state)
{
    (void)state;
    assert_true(oom_loop(make_decoder, NULL) >= 1);
}

typedef struct encoded {
    chat_encoding encoding;
    const chat__wire_type *type;
    uint8_t bytes[2048];
    size_t len;
} encoded;

static void encode_sample(encoded *it)
{
    chat_frame frame;
    frames_make(&frame, it->type, it->type->allowed);
    assert_true(chat_frame_size_bound(it->encoding, &frame) <= sizeof it->bytes);
    assert_int_equal(chat_frame_encode(it->encoding, &frame, it->bytes, sizeof it->bytes, &it->len),
                     CHAT_OK);
}

static void check_sample(const encoded *it, chat_frame *frame)
{
    chat_frame want;
    frames_make(&want, it->type, it->type->allowed);
    assert_true(frames_equal(frame, &want));
}

/* Twice with one decoder: what the first frame borrowed is given up by the second call. */
static void decode_twice(oom_memory *memory, void *ctx)
{
    const encoded *it = ctx;
    chat_view bytes = chat__view(it->bytes, it->len);
    chat_decoder *decoder = new_decoder(memory);
    for (int turn = 0; turn < 2; turn++) {
        chat_frame frame;
        chat_status status = chat_frame_decode(decoder, it->encoding, bytes, &frame);
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            assert_true(memory->n_failed > 0);
            oom_recover(memory);
            assert_int_equal(chat_frame_decode(decoder, it->encoding, bytes, &frame), CHAT_OK);
        }
        check_sample(it, &frame);
    }
    chat_decoder_free(decoder);
}

static void decoding_json(void **state)
{
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        encoded it = {.encoding = CHAT_ENCODING_JSON, .type = type};
        encode_sample(&it);
        /* The decoder, then at least the object and its type, in each turn. */
        assert_true(oom_loop(decode_twice, &it) >= 1 + 2 * 2);
    }
}

static void decoding_cbor_takes_nothing_but_the_decoder(void **state)
{
    (void)state;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        encoded it = {.encoding = CHAT_ENCODING_CBOR, .type = type};
        encode_sample(&it);
        assert_int_equal(oom_loop(decode_twice, &it), 1);
    }
}

/* What is refused for its form may be refused for want of memory, and for nothing else. */
static void decode_bad(oom_memory *memory, void *ctx)
{
    static const struct {
        const char *text;
        chat_status status;
    } ROWS[] = {
        {"{\"t\":\"send\",\"cid\":\"c\",\"body\":7,\"chat\":\"x\"}", CHAT_ERR_ARG},
        {"{\"t\":\"nothing\",\"r\":5,\"x\":[[1,2,{\"a\":null}],\"y\"]}", CHAT_ERR_UNSUPPORTED},
        {"{\"t\":\"send\",\"cid\":\"c\"", CHAT_ERR_SYNTAX},
        {"[\"t\",\"ping\"]", CHAT_ERR_ARG},
        {"{\"t\":\"ping\",\"r\":1,\"r\":2,\"zz\":\"\\u00e9\"}", CHAT_ERR_ARG},
    };
    chat_decoder *decoder = new_decoder(memory);
    (void)ctx;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_frame frame;
        chat_view text = chat__view_str(ROWS[i].text);
        chat_status status = chat_frame_decode(decoder, CHAT_ENCODING_JSON, text, &frame);
        if (status == CHAT_ERR_NOMEM && memory->n_failed > 0) {
            oom_recover(memory);
            status = chat_frame_decode(decoder, CHAT_ENCODING_JSON, text, &frame);
        }
        assert_int_equal(status, ROWS[i].status);
    }
    chat_decoder_free(decoder);
}

static void decoding_what_is_wrong(void **state)
{
    (void)state;
    assert_true(oom_loop(decode_bad, NULL) >= 10);
}

static void encode_all(oom_memory *memory, void *ctx)
{
    (void)ctx;
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        encoded it = {.encoding = CHAT_ENCODING_JSON, .type = type};
        encode_sample(&it);
        it.encoding = CHAT_ENCODING_CBOR;
        encode_sample(&it);
    }
    assert_int_equal(memory->n_calls, 0);
}

static void encoding_takes_no_memory(void **state)
{
    (void)state;
    assert_int_equal(oom_loop(encode_all, NULL), 0);
}

static void encode_into_buffer(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__buf buf;
    (void)ctx;
    chat__buf_init(&buf, &allocator, MAX_FRAME);
    for (const chat__wire_type *type = chat__wire_types; type->number != 0; type++) {
        chat_frame frame;
        chat_view before = chat__buf_view(&buf);
        frames_make(&frame, type, type->allowed);
        chat_status status = chat__frame_encode_buf(CHAT_ENCODING_CBOR, &frame, &buf);
        if (status == CHAT_OK)
            continue;
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_ptr_equal(chat__buf_view(&buf).data, before.data);
        assert_int_equal(chat__buf_view(&buf).len, before.len);
        oom_recover(memory);
        assert_int_equal(chat__frame_encode_buf(CHAT_ENCODING_CBOR, &frame, &buf), CHAT_OK);
    }
    chat__buf_done(&buf);
}

static void encoding_into_a_growing_buffer(void **state)
{
    (void)state;
    assert_true(oom_loop(encode_into_buffer, NULL) >= 3);
}

#define N_KEYS 200

static void fill_map(oom_memory *memory, void *ctx)
{
    static char keys[N_KEYS][16];
    chat_allocator allocator = oom_allocator(memory);
    chat__map map;
    (void)ctx;
    chat__map_init(&map, &allocator, N_KEYS, UNIT_SEED);
    for (int i = 0; i < N_KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "key-%d", i);
        chat_view key = chat__view_str(keys[i]);
        chat_status status = chat__map_put(&map, key, keys[i]);
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            assert_int_equal(map.n_items, i);
            assert_null(chat__map_get(&map, key));
            oom_recover(memory);
            assert_int_equal(chat__map_put(&map, key, keys[i]), CHAT_OK);
        }
    }
    for (int i = 0; i < N_KEYS; i++)
        assert_ptr_equal(chat__map_get(&map, chat__view_str(keys[i])), keys[i]);
    chat__map_done(&map);
}

static void filling_a_map(void **state)
{
    (void)state;
    assert_true(oom_loop(fill_map, NULL) >= 5);
}

static void fill_heap(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__heap_item items[N_KEYS];
    chat__heap heap;
    (void)ctx;
    memset(items, 0, sizeof items);
    chat__heap_init(&heap, &allocator, N_KEYS);
    for (unsigned i = 0; i < N_KEYS; i++) {
        chat_status status = chat__heap_set(&heap, &items[i], i * 37 % N_KEYS);
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            assert_int_equal(items[i].place, 0);
            assert_int_equal(heap.n_items, i);
            oom_recover(memory);
            assert_int_equal(chat__heap_set(&heap, &items[i], i * 37 % N_KEYS), CHAT_OK);
        }
    }
    for (unsigned i = 0; i < N_KEYS; i++) {
        assert_true(chat__heap_first(&heap)->at_ms == i);
        chat__heap_remove(&heap, chat__heap_first(&heap));
    }
    chat__heap_done(&heap);
}

static void filling_a_heap(void **state)
{
    (void)state;
    assert_true(oom_loop(fill_heap, NULL) >= 4);
}

static chat_queue *new_queue(oom_memory *memory, chat_view bytes)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_queue_options options;
    chat_queue *queue = NULL;
    chat_queue_options_init(&options);
    options.allocator = &allocator;
    options.max_entries = 2;
    for (int turn = 0; turn < 2 && queue == NULL; turn++) {
        chat_status status = bytes.len > 0 ? chat_queue_decode(&options, bytes, &queue)
                                           : chat_queue_new(&options, &queue);
        if (status != CHAT_OK) {
            assert_int_equal(status, CHAT_ERR_NOMEM);
            oom_recover(memory);
        }
    }
    assert_non_null(queue);
    return queue;
}

/* Drops need no memory; a push that fails has changed nothing. */
static void use_queue(oom_memory *memory, void *ctx)
{
    uint8_t bytes[512];
    chat_queue_entry entry = {.seq = 1, .chat = chat__view_str("a")};
    (void)ctx;
    chat_queue *queue = new_queue(memory, chat__view(NULL, 0));
    assert_int_equal(chat_queue_add_device(queue, chat__view_str("phone")), CHAT_OK);
    for (size_t n = 0; n < 4; n++) {
        if (chat_queue_push(queue, &entry, 0) != CHAT_OK) {
            assert_int_equal(chat_queue_count(queue), n < 2 ? n : 2);
            oom_recover(memory);
            assert_int_equal(chat_queue_push(queue, &entry, 0), CHAT_OK);
        }
    }
    size_t size = chat_queue_encoded_size(queue);
    assert_int_equal(chat_queue_encode(queue, bytes, sizeof bytes), CHAT_OK);
    chat_queue_free(queue);
    queue = new_queue(memory, chat__view(bytes, size));
    assert_int_equal(chat_queue_count(queue), 2);
    chat_queue_free(queue);
}

static void using_a_queue(void **state)
{
    (void)state;
    assert_true(oom_loop(use_queue, NULL) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(using_a_queue),
        cmocka_unit_test(making_a_decoder),
        cmocka_unit_test(decoding_json),
        cmocka_unit_test(decoding_cbor_takes_nothing_but_the_decoder),
        cmocka_unit_test(decoding_what_is_wrong),
        cmocka_unit_test(encoding_takes_no_memory),
        cmocka_unit_test(encoding_into_a_growing_buffer),
        cmocka_unit_test(filling_a_map),
        cmocka_unit_test(filling_a_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
