/* SPDX-License-Identifier: MIT */
/*
 * A live node that is fed anything: the first byte says whether the rest comes from a client (JSON
 * or CBOR) or from another node. Storage answers every question with nothing.
 */
#include "node/node.h"

#include <chat/id.h>

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static chat_view text(const char *s)
{
    chat_view view = {(const uint8_t *)s, strlen(s)};
    return view;
}

static void run_effects(chat__node *node)
{
    chat__effect effect;
    uint64_t seq = 1;
    while (chat__node_next_effect(node, &effect) == CHAT_OK) {
        switch (effect.type) {
        case CHAT__EFFECT_APPEND:
            chat__node_appended(node, effect.tag, CHAT_OK, effect.id, seq++);
            break;
        case CHAT__EFFECT_LOAD_CHAT:
            chat__node_chat_loaded(node, effect.tag, CHAT_ERR_NOT_FOUND, NULL);
            break;
        case CHAT__EFFECT_LOAD_USER:
            chat__node_user_loaded(node, effect.tag, CHAT_OK, NULL, 0);
            break;
        case CHAT__EFFECT_READ:
            chat__node_rows_read(node, effect.tag, CHAT_OK, NULL, 0, 0);
            break;
        default:
            break;
        }
    }
}

static chat__conn join(chat__node *node, const char *user, chat_encoding encoding)
{
    chat__conn conn = 0;
    uint8_t bytes[128];
    size_t len = 0;
    chat_frame hello;
    if (chat__node_open(node, text(user), encoding, UINT64_MAX, &conn) != CHAT_OK)
        return 0;
    chat_frame_init(&hello, CHAT_FRAME_HELLO);
    CHAT_FRAME_SET(&hello, DEVICE, device, text("d"));
    if (chat_frame_encode(encoding, &hello, bytes, sizeof bytes, &len) == CHAT_OK) {
        chat_view view = {bytes, len};
        chat__node_receive(node, conn, view);
    }
    run_effects(node);
    return conn;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    chat__node_options options;
    chat__node *node = NULL;
    if (size == 0)
        return 0;
    chat_view bytes = {data + 1, size - 1};
    chat__node_options_init(&options);
    options.n_nodes = 2;
    if (chat__node_new(&options, &node) != CHAT_OK)
        return 0;
    chat__node_begin(node, 1000, CHAT_EPOCH_MS + 1000);
    chat__conn json = join(node, "alice", CHAT_ENCODING_JSON);
    chat__conn cbor = join(node, "bob", CHAT_ENCODING_CBOR);
    /* Twice: the second time it is a resend, an ack of nothing new, a second hello. */
    for (int i = 0; i < 2; i++) {
        if (data[0] % 3 == 0)
            chat__node_receive(node, json, bytes);
        else if (data[0] % 3 == 1)
            chat__node_receive(node, cbor, bytes);
        else
            (void)chat__node_link(node, 1, bytes);
        run_effects(node);
        chat__node_begin(node, 1000 + 6000u * (uint64_t)i, CHAT_EPOCH_MS + 2000);
        run_effects(node);
    }
    chat__node_free(node);
    return 0;
}
