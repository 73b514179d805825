/* SPDX-License-Identifier: MIT */
/* What libraries say of their settings, in the words of chatd's options. */
#include "backends.h"

#include <stdio.h>
#include <string.h>

#define NAME_BYTES 64u

static const struct {
    const char *name, *option;
} OTHERS[] = {
    {"partitions", "partitions"},
    {"grow_topic", "slots"},
    {"group", "the consumer group chat"},
    {"delivery_timeout_ms", "an hour"},
};

/* The option for `len` bytes at `name`. */
static void write_option(const char *name, size_t len, char out[NAME_BYTES])
{
    int n = snprintf(out, NAME_BYTES, "kafka-%.*s", (int)len, name);
    for (int i = 0; i < n && i < (int)NAME_BYTES - 1; i++)
        if (out[i] == '_')
            out[i] = '-';
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (strlen(OTHERS[i].name) == len && strncmp(OTHERS[i].name, name, len) == 0)
            snprintf(out, NAME_BYTES, "%s", OTHERS[i].option);
}

void chatd_kafka_words(const char *text, char *out, size_t cap)
{
    char option[NAME_BYTES];
    const char *end = NULL;
    size_t len = 0;
    for (const char *at = text; *at != '\0' && len + NAME_BYTES < cap; at++) {
        end = *at == '`' ? strchr(at + 1, '`') : NULL;
        if (end == NULL) {
            out[len++] = *at;
            continue;
        }
        write_option(at + 1, (size_t)(end - at - 1), option);
        len += (size_t)snprintf(out + len, cap - len, "%s", option);
        at = end;
    }
    out[len] = '\0';
    if (strstr(out, "kafka.") != NULL)
        snprintf(out + len, cap - len, " (kafka.x is a line of the file kafka-config)");
}
