/* SPDX-License-Identifier: MIT */
/* Events for programs (JSON, a line each) and for people. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const state_names[] = {"",       "waiting", "connecting",
                                          "online", "refused", "closed"};

static void put_json_text(chat_view text)
{
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_json_state(const chat_event *event)
{
    printf("{\"t\":\"state\",\"state\":\"%s\",\"code\":\"%s\"", state_names[event->state],
           chat_status_wire((chat_status)event->status));
    if (event->text.len > 0) {
        printf(",\"text\":");
        put_json_text(event->text);
    }
    if (event->state == CHAT_CLIENT_WAITING)
        printf(",\"retry_ms\":%" PRIu64, event->retry_ms);
    puts("}");
}

static void put_json_frame(const chat_frame *frame)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_JSON, frame);
    size_t len = 0;
    uint8_t *text = malloc(cap);
    if (text == NULL || chat_frame_encode(CHAT_ENCODING_JSON, frame, text, cap, &len) != CHAT_OK)
        fprintf(stderr, "chat: an event could not be printed\n");
    fwrite(text, 1, len, stdout);
    if (len > 0)
        putchar('\n');
    free(text);
}

void show_json(const struct cli *cli, const chat_event *event)
{
    (void)cli;
    if (event->type == CHAT_EVENT_STATE)
        put_json_state(event);
    if (event->gap_after != 0) {
        printf("{\"t\":\"gap\",\"chat\":");
        put_json_text(event->frame->chat);
        printf(",\"after\":\"%" PRIu64 "\",\"before\":\"%" PRIu64 "\"}\n", event->gap_after,
               event->frame->seq);
    }
    if (event->frame != NULL)
        put_json_frame(event->frame);
    fflush(stdout);
}

/* Control characters (C0, DEL, C1) of others never reach the terminal; a new line is indented. */
void show_text(FILE *out, chat_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        int is_c1 = c == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0;
        if (c == '\n')
            fputs("\n    ", out);
        else if (c == '\t')
            fputc(' ', out);
        else if (c < 0x20 || c == 0x7f || is_c1)
            fputc('?', out);
        else
            fputc(c, out);
        i += (size_t)is_c1;
    }
}

void show_chat_name(FILE *out, const struct cli *cli, chat_view chat)
{
    chat_view members[2];
    if (chat_direct_members(chat, members) != CHAT_OK) {
        show_text(out, chat);
        return;
    }
    int is_me = members[0].len == strlen(cli->user) &&
                memcmp(members[0].data, cli->user, members[0].len) == 0;
    fputc('@', out);
    show_text(out, members[is_me]);
}

static void show_time(FILE *out, uint64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[32] = "--:--:--";
    if (localtime_r(&seconds, &tm) != NULL)
        strftime(text, sizeof text, "%H:%M:%S", &tm);
    fputs(text, out);
}

static void show_users(FILE *out, const chat_frame *frame)
{
    if (!CHAT_FRAME_HAS(frame, USERS))
        return;
    fputs(" of", out);
    for (size_t i = 0; i < frame->users.n_items; i++) {
        fputc(' ', out);
        show_text(out, frame->users.items[i]);
    }
}

/* A message or a record of a chat's making, with the end of the line. */
void show_row(FILE *out, const struct cli *cli, const chat_frame *frame)
{
    if (CHAT_FRAME_HAS(frame, TS)) {
        show_time(out, frame->ts);
        fputc(' ', out);
    }
    show_chat_name(out, cli, frame->chat);
    if (frame->type == CHAT_FRAME_MSG) {
        fputs("  ", out);
        show_text(out, frame->from);
        fputs(": ", out);
        show_text(out, frame->body);
    } else {
        if (CHAT_FRAME_HAS(frame, TITLE)) {
            fputs("  \"", out);
            show_text(out, frame->title);
            fputc('"', out);
        }
        if (CHAT_FRAME_HAS(frame, FROM)) {
            fputs("  made by ", out);
            show_text(out, frame->from);
        }
        show_users(out, frame);
        if (CHAT_FRAME_HAS(frame, LAST_SEQ))
            fprintf(out, "  last_seq=%" PRIu64, frame->last_seq);
    }
    fputc('\n', out);
}

void show_state(FILE *out, const chat_event *event)
{
    if (event->state != CHAT_CLIENT_WAITING && event->state != CHAT_CLIENT_REFUSED)
        return;
    fprintf(out, "chat: %s (%s)", event->state == CHAT_CLIENT_REFUSED ? "refused" : "not connected",
            chat_status_wire((chat_status)event->status));
    if (event->text.len > 0) {
        fputs(": ", out);
        show_text(out, event->text);
    }
    if (event->state == CHAT_CLIENT_WAITING)
        fprintf(out, "; trying again in %.1f s", (double)event->retry_ms / 1000.0);
    fputc('\n', out);
}
