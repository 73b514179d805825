/* SPDX-License-Identifier: MIT */
/* What is committed with an offset: "seq=N", or "seq=N term=T past=P" where there are terms. */
#include "backends/kafka/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 96u

char *chat__kafka_write_position(const chat__follow_at *at, size_t *out_len)
{
    char *text = malloc(MAX_BYTES);
    if (text == NULL)
        return NULL;
    int len = snprintf(text, MAX_BYTES, "seq=%" PRIu64, at->seq);
    if (at->now.term != 0 || at->past.term != 0 || at->now.is_open || at->past.is_open)
        len += snprintf(text + len, MAX_BYTES - (size_t)len,
                        " term=%" PRIu64 "%s past=%" PRIu64 "%s", at->now.term,
                        at->now.is_open ? "?" : "", at->past.term, at->past.is_open ? "?" : "");
    *out_len = (size_t)len;
    return text;
}

/* A number behind a label. NULL: it is not there. */
static const char *read_number(const char *text, const char *label, uint64_t *out)
{
    char *end;
    size_t len = strlen(label);
    if (strncmp(text, label, len) != 0 || text[len] < '0' || text[len] > '9')
        return NULL;
    *out = strtoull(text + len, &end, 10);
    return end;
}

static const char *read_term(const char *text, const char *label, chat__follow_term *out)
{
    text = read_number(text, label, &out->term);
    if (text != NULL && *text == '?') {
        out->is_open = 1;
        text++;
    }
    return text;
}

chat_status chat__kafka_read_position(const void *bytes, size_t len, chat__follow_at *out)
{
    char text[MAX_BYTES] = "";
    chat__follow_at at = {0};
    /* Of somebody else: nobody knows which fences are before it. */
    *out = (chat__follow_at){.now = {0, 1}, .past = {0, 1}};
    if (len == 0 || len >= sizeof text)
        return CHAT_ERR_ARG;
    memcpy(text, bytes, len);
    const char *end = read_number(text, "seq=", &at.seq);
    if (end != NULL && *end != 0)
        end = read_term(end, " term=", &at.now);
    if (end != NULL && *end != 0)
        end = read_term(end, " past=", &at.past);
    if (end == NULL || *end != 0)
        return CHAT_ERR_ARG;
    *out = at;
    return CHAT_OK;
}
