/* SPDX-License-Identifier: MIT */
/* The table of options as data, and options structs: defaults, copies, single values. */
#include "internal.h"
#include "base/alloc.h"
#include "base/sized.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES 1024u

#define ROW_PATH(initial)    initial, 0
#define ROW_ADDRESS(initial) initial, 0
#define ROW_NUMBER(initial)  NULL, initial
#define ROW_SWITCH(initial)  NULL, initial
#define ROW_LEVEL(initial)   NULL, initial
#define ROW(field, name, kind, initial, min, max, unit, text)                                      \
    {name,                                                                                         \
     CHAT__OPTION_##kind,                                                                          \
     offsetof(chat_server_options, field),                                                         \
     ROW_##kind(initial),                                                                          \
     min,                                                                                          \
     max,                                                                                          \
     unit,                                                                                         \
     text},

const chat__option chat__option_rows[] = {CHAT_SERVER_OPTION_TABLE(ROW)};
const size_t chat__option_count = sizeof chat__option_rows / sizeof chat__option_rows[0];

const char **chat__option_string(chat_server_options *options, const chat__option *row)
{
    return (const char **)(void *)((uint8_t *)options + row->offset);
}

uint64_t *chat__option_number(chat_server_options *options, const chat__option *row)
{
    return (uint64_t *)(void *)((uint8_t *)options + row->offset);
}

static int is_string(const chat__option *row)
{
    return row->kind == CHAT__OPTION_PATH || row->kind == CHAT__OPTION_ADDRESS;
}

const char *chat__option_level_name(uint64_t level)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    return level >= CHAT_LOG_ERROR && level <= CHAT_LOG_DEBUG ? names[level - 1] : "";
}

void chat_server_options_init(chat_server_options *options)
{
    if (options == NULL)
        return;
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    for (size_t i = 0; i < chat__option_count; i++) {
        const chat__option *row = &chat__option_rows[i];
        if (is_string(row))
            *chat__option_string(options, row) = row->initial_text;
        else
            *chat__option_number(options, row) = row->initial;
    }
}

static char *copy_string(const chat_allocator *allocator, const char *text)
{
    size_t len = strlen(text);
    char *copy = chat__alloc_zero(allocator, len + 1);
    if (copy != NULL)
        memcpy(copy, text, len);
    return copy;
}

chat_status chat__options_copy(chat_server_options *out, const chat_server_options *from)
{
    chat_server_options copy;
    chat_server_options_init(&copy);
    chat_status status = chat__sized_take(&copy, sizeof copy, from);
    if (status != CHAT_OK && from->struct_size > sizeof copy &&
        from->struct_size <= CHAT__SIZED_MAX_BYTES)
        chat__options_log(from, CHAT_LOG_ERROR,
                          "an option is set that this library does not know: the program was built "
                          "for a newer one");
    if (status != CHAT_OK)
        return status;
    copy.allocator = chat__alloc_or_libc(&copy.allocator);
    for (size_t i = 0; i < chat__option_count; i++) {
        if (!is_string(&chat__option_rows[i]))
            continue;
        const char **text = chat__option_string(&copy, &chat__option_rows[i]);
        if (*text == NULL)
            continue;
        *text = status == CHAT_OK ? copy_string(&copy.allocator, *text) : NULL;
        if (*text == NULL)
            status = CHAT_ERR_NOMEM;
    }
    if (status != CHAT_OK)
        chat__options_done(&copy);
    else
        *out = copy;
    return status;
}

void chat__options_done(chat_server_options *options)
{
    for (size_t i = 0; i < chat__option_count; i++) {
        if (!is_string(&chat__option_rows[i]))
            continue;
        const char **text = chat__option_string(options, &chat__option_rows[i]);
        chat__alloc_free(&options->allocator, (void *)(uintptr_t)*text);
        *text = NULL;
    }
}

/* --- addresses --- */

static int read_port(const char *text, uint16_t *out)
{
    uint32_t port = 0;
    if (*text == '\0')
        return 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        port = port * 10 + (uint32_t)(*text - '0');
        if (port > UINT16_MAX)
            return 0;
    }
    *out = (uint16_t)port;
    return 1;
}

int chat__options_split_address(const char *text, char *host, size_t cap, uint16_t *out_port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return 0;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return 0; /* IPv6 without brackets */
    }
    if (len == 0 || len >= cap || !read_port(colon + 1, out_port))
        return 0;
    memcpy(host, text, len);
    host[len] = '\0';
    return 1;
}

void chat__options_join_address(const char *host, uint16_t port, char *out, size_t cap)
{
    (void)snprintf(out, cap, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

/* --- log --- */

void chat__options_log(const chat_server_options *options, chat_log_level level, const char *format,
                       ...)
{
    char line[LINE_BYTES];
    va_list args;
    if (options->log.write == NULL || (uint64_t)level > options->log_level)
        return;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    options->log.write(options->log.ctx, level, line);
}
