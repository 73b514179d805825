/* SPDX-License-Identifier: MIT */
/* A notifier that appends a JSON object a line to a file: for trying it out, and for a program that
   follows the file. */
#include "herald.h"
#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct notify_file {
    chat_notifier_sink sink;
    const char *path; /* borrowed from the server's options */
    FILE *file;
} notify_file;

static chat_status open_file(void *ctx, const chat_notifier_sink *sink)
{
    notify_file *self = ctx;
    self->sink = *sink;
    self->file = fopen(self->path, "ae");
    return self->file != NULL ? CHAT_OK : CHAT_ERR_IO;
}

/* Ids and texts are UTF-8 without control characters. */
static void put_text(FILE *file, chat_view text)
{
    (void)putc('"', file);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            (void)putc('\\', file);
        (void)putc(text.data[i], file);
    }
    (void)putc('"', file);
}

static void put_list(FILE *file, const char *name, const chat_view *items, size_t n)
{
    (void)fprintf(file, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            (void)putc(',', file);
        put_text(file, items[i]);
    }
    (void)putc(']', file);
}

static void put_line(FILE *file, const chat_notification *what)
{
    (void)fputs("{\"user\":", file);
    put_text(file, what->user);
    (void)fputs(",\"chat\":", file);
    put_text(file, what->chat);
    (void)fprintf(file, ",\"id\":\"%" PRIu64 "\",\"seq\":\"%" PRIu64 "\",\"count\":%" PRIu32,
                  what->id, what->seq, what->count);
    put_list(file, "from", what->from, what->n_from);
    (void)fprintf(file, ",\"others\":%s", what->has_others ? "true" : "false");
    if (what->has_badge)
        (void)fprintf(file, ",\"badge\":%" PRIu32, what->badge);
    put_list(file, "devices", what->devices, what->n_devices);
    (void)fputs(",\"text\":", file);
    put_text(file, what->text);
    (void)fputs("}\n", file);
}

static chat_status notify(void *ctx, uint64_t number, const chat_notification *notification)
{
    notify_file *self = ctx;
    put_line(self->file, notification);
    if (fflush(self->file) != 0 || ferror(self->file)) {
        clearerr(self->file);
        return CHAT_ERR_IO;
    }
    chat_notify_report report = {
        .struct_size = sizeof report, .state = CHAT_NOTIFY_ACCEPTED, .number = number};
    self->sink.report(self->sink.ctx, &report);
    return CHAT_OK;
}

static void close_file(void *ctx)
{
    notify_file *self = ctx;
    (void)fclose(self->file);
    self->file = NULL;
}

chat_status chat__notify_file_new(const chat_allocator *allocator, const char *path,
                                  chat_notifier *out)
{
    notify_file *self = chat__alloc_zero(allocator, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    self->path = path;
    *out = (chat_notifier){.struct_size = sizeof *out,
                           .ctx = self,
                           .open = open_file,
                           .notify = notify,
                           .close = close_file};
    return CHAT_OK;
}

void chat__notify_file_free(const chat_allocator *allocator, chat_notifier *notifier)
{
    chat__alloc_free(allocator, notifier->ctx);
    notifier->ctx = NULL;
}
