/* SPDX-License-Identifier: MIT */
/*
 * Looks through a chat's history for what a user sends again, and remembers all that this user sent
 * and it comes by, so that one search serves all resends of a reconnect.
 */
#include "node/cid.h"
#include "node/search.h"

/* Looked for in so many pages of history, and no further back than 24 hours. */
#define SEARCH_PAGES   100u
#define SEARCH_BACK_MS 86400000u

/* Remember a record of the user who resends, so that the next resend finds it here. */
static chat_status remember(chat__node *node, const chat_frame *row, uint64_t seq)
{
    chat__cid *cid = chat__cid_find(node, row->from, row->chat, row->cid);
    if (cid != NULL) {
        chat__cid_touch(node, cid);
        return CHAT_OK;
    }
    cid = chat__cid_new(node, row->from, row->chat, row->cid);
    if (cid == NULL)
        return CHAT_ERR_NOMEM;
    cid->id = row->id;
    cid->seq = seq;
    cid->ts = row->ts;
    return CHAT_OK;
}

static int is_row_of(chat__node *node, const chat_frame *submit, const chat__node_row *row,
                     chat_frame *out)
{
    /* Neither frame has a list, so one decoder serves both. */
    return chat_frame_decode(node->row_decoder, CHAT_ENCODING_CBOR, row->payload, out) == CHAT_OK &&
           (out->type == CHAT_FRAME_MSG || out->type == CHAT_FRAME_NOTE) &&
           CHAT_FRAME_HAS(out, CID) && chat__view_equal(out->chat, submit->chat) &&
           chat__view_equal(out->from, submit->from);
}

chat_status chat__search_take_page(chat__node *node, const chat_frame *submit,
                                   const chat__rows *rows)
{
    const chat__node_row *found = NULL;
    chat_frame row;
    for (size_t i = 0; i < rows->n_rows; i++) {
        if (!is_row_of(node, submit, &rows->rows[i], &row))
            continue;
        if (remember(node, &row, rows->rows[i].seq) != CHAT_OK)
            return CHAT_ERR_NOMEM;
        if (chat__view_equal(row.cid, submit->cid))
            found = &rows->rows[i];
    }
    if (found == NULL)
        return CHAT_EMPTY;
    /* Last, so that the others do not push it out again. */
    (void)is_row_of(node, submit, found, &row);
    return remember(node, &row, found->seq);
}

int chat__search_goes_further(const chat__node *node, const chat__rows *rows, uint32_t n_pages)
{
    if (!rows->has_more || rows->n_rows == 0 || n_pages >= SEARCH_PAGES)
        return 0;
    /* `seq` starts as an id, so it tells the time closely enough. */
    uint64_t oldest_ms = chat_snowflake_decode(rows->rows[rows->n_rows - 1].seq).unix_ms;
    return oldest_ms + SEARCH_BACK_MS > node->unix_ms;
}
