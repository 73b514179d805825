/* SPDX-License-Identifier: MIT */
/* Names of what a client sends: the server knows by them what it is sent again. */
#include "base/view.h"
#include "client/internal.h"

#include <string.h>

static void put_hex(char *out, uint64_t value, int n_digits)
{
    for (int i = n_digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

/* The family's, then one of this run: two runs never give the same cid, even when their file was
   put back from a copy. */
void chat__client_make_prefix(chat__client *client)
{
    uint64_t run = chat__client_random(client) ^ client->options.seed[1];
    uint64_t family = client->options.family;
    char *end = client->cid_prefix;
    put_hex(end, family != 0 ? family : run, CHAT__CLIENT_PREFIX_BYTES - 1);
    end += CHAT__CLIENT_PREFIX_BYTES - 1;
    *end++ = '-';
    if (family != 0) {
        put_hex(end, run, CHAT__CLIENT_PREFIX_BYTES - 1);
        end += CHAT__CLIENT_PREFIX_BYTES - 1;
    }
    *end = '\0';
}

void chat__client_make_cid(const chat__client *client, chat_client_cid *out)
{
    size_t len = strlen(client->cid_prefix);
    memcpy(out->text, client->cid_prefix, len);
    put_hex(out->text + len, client->next_cid, 8);
}

int chat__client_is_own(const chat__client *client, const chat_frame *frame)
{
    chat_client_cid cid = {{0}};
    if (frame->type != CHAT_FRAME_MSG || !CHAT_FRAME_HAS(frame, CID) ||
        !CHAT_FRAME_HAS(frame, FROM) ||
        !chat__view_equal(frame->from, chat__view_str(client->user)))
        return 0;
    chat__client_make_cid(client, &cid);
    return frame->cid.len == strlen(cid.text) &&
           memcmp(frame->cid.data, cid.text, CHAT__CLIENT_PREFIX_BYTES) == 0;
}

int chat__client_is_named(uint32_t type)
{
    return type == CHAT_FRAME_EDIT || type == CHAT_FRAME_DELETE || type == CHAT_FRAME_REACT;
}
