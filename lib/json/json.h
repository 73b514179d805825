/* SPDX-License-Identifier: MIT */
/* The JSON form of frames, {"t":"send","chat":"x",...}, parsed by cJSON behind a strict scan. */
#ifndef CHAT_JSON_JSON_H
#define CHAT_JSON_JSON_H

#include "wire/wire.h"

/*
 * Check that `text` is one JSON text (RFC 8259) in UTF-8 that cJSON reads as it is meant: no
 * U+0000, no lone surrogates, no numbers that are cut, no byte order mark.
 *
 * CHAT_OK; CHAT_ERR_SYNTAX; CHAT_ERR_LIMIT: nested deeper than CHAT_FRAME_MAX_DEPTH, more than
 * CHAT_JSON_MAX_VALUES values, or a number above CHAT__JSON_NUMBER_MAX characters. Both limits are
 * found before the rest is looked at. Allocates nothing; linear in the length.
 */
chat_status chat__json_scan(chat_view text);

/* What cJSON 1.7 takes of a number. */
#define CHAT__JSON_NUMBER_MAX 63u

/*
 * Decode; statuses as of chat_frame_decode(). `*tree` holds what the frame borrows; free it with
 * chat__json_tree_free() when the frame is no longer used, whatever the status.
 */
typedef struct cJSON chat__json_tree;
chat_status chat__json_read(chat_view text, chat__wire_items *items, chat_frame *out,
                            chat__json_tree **tree);
void chat__json_tree_free(chat__json_tree *tree);

/* Encode a frame that has passed chat__wire_check_frame(): CHAT_OK, CHAT_ERR_LIMIT. */
chat_status chat__json_write(const chat_frame *frame, uint8_t *out, size_t cap, size_t *out_len);
size_t chat__json_bound(const chat_frame *frame);

#endif
