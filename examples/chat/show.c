/* SPDX-License-Identifier: MIT */
/* Events for programs (JSON, a line each) and for people. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const state_names[] = {"",       "waiting", "connecting",
                                          "online", "refused", "closed"};

void show_json_text(FILE *out, chat_view text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_json_state(FILE *out, const chat_event *event)
{
    fprintf(out, "{\"t\":\"state\",\"state\":\"%s\",\"code\":\"%s\"", state_names[event->state],
            chat_status_wire((chat_status)event->status));
    if (event->text.len > 0) {
        fprintf(out, ",\"text\":");
        show_json_text(out, event->text);
    }
    if (event->state == CHAT_CLIENT_WAITING)
        fprintf(out, ",\"retry_ms\":%" PRIu64, event->retry_ms);
    fputs("}\n", out);
}

static void put_json_frame(FILE *out, const chat_frame *frame)
{
    size_t cap = chat_frame_size_bound(CHAT_ENCODING_JSON, frame);
    size_t len = 0;
    uint8_t *text = malloc(cap);
    if (text == NULL || chat_frame_encode(CHAT_ENCODING_JSON, frame, text, cap, &len) != CHAT_OK) {
        fprintf(stderr, "chat: an event could not be printed\n");
        len = 0;
    }
    if (len > 0) {
        fwrite(text, 1, len, out);
        fputc('\n', out);
    }
    free(text);
}

static void put_json_typing_ended(FILE *out, const chat_frame *frame)
{
    fprintf(out, "{\"t\":\"typing_ended\",\"chat\":");
    show_json_text(out, frame->chat);
    fprintf(out, ",\"user\":");
    show_json_text(out, frame->user);
    fputs("}\n", out);
}

void show_json(FILE *out, const chat_event *event)
{
    if (event->type == CHAT_EVENT_STATE)
        put_json_state(out, event);
    if (event->gap_after != 0) {
        fprintf(out, "{\"t\":\"gap\",\"chat\":");
        show_json_text(out, event->frame->chat);
        fprintf(out, ",\"after\":\"%" PRIu64 "\",\"before\":\"%" PRIu64 "\"}\n", event->gap_after,
                event->frame->seq);
    }
    if (event->type == CHAT_EVENT_RESULT && event->cached != CHAT_CACHED_NO)
        fprintf(out, "{\"t\":\"cached\",\"whole\":%s}\n",
                event->cached == CHAT_CACHED_WHOLE ? "true" : "false");
    if (event->type == CHAT_EVENT_TYPING_ENDED)
        put_json_typing_ended(out, event->frame);
    else if (event->frame != NULL)
        put_json_frame(out, event->frame);
    fflush(out);
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
    if (cli->user[0] == '\0' || chat_direct_members(chat, members) != CHAT_OK) {
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

/* With the day, for what may be long ago. */
static void show_date(FILE *out, uint64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    char text[32] = "----------";
    if (localtime_r(&seconds, &tm) != NULL)
        strftime(text, sizeof text, "%Y-%m-%d", &tm);
    fprintf(out, "%s ", text);
    show_time(out, unix_ms);
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

static void show_change(FILE *out, const chat_frame *frame)
{
    fputs("  ", out);
    show_text(out, frame->from);
    fputs(": ", out);
    show_text(out, frame->what);
    if (CHAT_FRAME_HAS(frame, TITLE)) {
        fputs(" \"", out);
        show_text(out, frame->title);
        fputc('"', out);
    }
    for (size_t i = 0; CHAT_FRAME_HAS(frame, USERS) && i < frame->users.n_items; i++) {
        fputc(' ', out);
        show_text(out, frame->users.items[i]);
    }
    if (CHAT_FRAME_HAS(frame, USER)) {
        fputs(", next ", out);
        show_text(out, frame->user);
    }
    if (CHAT_FRAME_HAS(frame, ROLE)) {
        fputs(" is ", out);
        show_text(out, frame->role);
    }
}

static void show_chat(FILE *out, const chat_frame *frame)
{
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
    if (CHAT_FRAME_HAS(frame, UNREAD))
        fprintf(out, "  unread=%s%" PRIu64, frame->unread >= 999 ? ">=" : "", frame->unread);
    if (CHAT_FRAME_HAS(frame, UNTIL))
        fputs("  muted", out);
}

/* A message, a record of a chat's making or change, or a member, with the end of the line. */
void show_row(FILE *out, const struct cli *cli, const chat_frame *frame)
{
    if (CHAT_FRAME_HAS(frame, TS)) {
        show_time(out, frame->ts);
        fputc(' ', out);
    }
    show_chat_name(out, cli, frame->chat);
    if (frame->type == CHAT_FRAME_MSG) {
        if (CHAT_FRAME_HAS(frame, ID))
            fprintf(out, "/%" PRIu64, frame->id);
        fputs("  ", out);
        show_text(out, frame->from);
        if (CHAT_FRAME_HAS(frame, RE))
            fprintf(out, " (re %" PRIu64 ")", frame->re);
        fputs(": ", out);
        show_text(out, frame->body);
        fputs(CHAT_FRAME_HAS(frame, DELETED)  ? "(deleted)"
              : CHAT_FRAME_HAS(frame, EDITED) ? " (edited)"
                                              : "",
              out);
    } else if (frame->type == CHAT_FRAME_NOTE) {
        show_note(out, frame);
    } else if (frame->type == CHAT_FRAME_CHANGE) {
        show_change(out, frame);
    } else if (frame->type == CHAT_FRAME_MEMBER) {
        fputs("  ", out);
        show_text(out, frame->user);
        fputs("  ", out);
        show_text(out, frame->role);
    } else {
        show_chat(out, frame);
    }
    fputc('\n', out);
}

void show_presence(FILE *out, const chat_frame *frame)
{
    show_text(out, frame->user);
    fputs(frame->online                 ? " online"
          : CHAT_FRAME_HAS(frame, CODE) ? " is not reached now"
                                        : " offline",
          out);
    if (!frame->online && CHAT_FRAME_HAS(frame, TS)) {
        fputs(", last seen ", out);
        show_date(out, frame->ts);
    }
    fputc('\n', out);
}

void show_device(FILE *out, const chat_frame *frame)
{
    show_text(out, frame->device);
    fputs(frame->online ? "  connected" : "  last seen ", out);
    if (!frame->online)
        show_date(out, frame->ts);
    fputc('\n', out);
}

/* A row of `receipts`, or one that came by itself. */
void show_receipt(FILE *out, const struct cli *cli, const chat_frame *frame)
{
    (void)cli;
    show_text(out, frame->user);
    fputs("  ", out);
    show_text(out, frame->state);
    if (CHAT_FRAME_HAS(frame, TS)) {
        fputs("  ", out);
        show_date(out, frame->ts);
    }
    fputc('\n', out);
}

/* A row of `why`. */
void show_trail(FILE *out, const chat_frame *frame)
{
    if (CHAT_FRAME_HAS(frame, USER)) {
        show_text(out, frame->user);
        if (CHAT_FRAME_HAS(frame, DEVICE)) {
            fputc('/', out);
            show_text(out, frame->device);
        }
        fputs("  ", out);
    }
    show_text(out, frame->state);
    if (CHAT_FRAME_HAS(frame, TS)) {
        fputs("  ", out);
        show_time(out, frame->ts);
    }
    fputc('\n', out);
}

void show_marker(FILE *out, const struct cli *cli, const chat_frame *frame)
{
    show_chat_name(out, cli, frame->of);
    fprintf(out, "  read up to %" PRIu64 "\n", frame->read_seq);
}

void show_setting(FILE *out, const struct cli *cli, const chat_frame *frame)
{
    show_chat_name(out, cli, frame->of);
    fputs(frame->until > 0 ? "  muted\n" : "  no longer muted\n", out);
}

void show_blocked(FILE *out, const chat_frame *frame)
{
    fputc('@', out);
    show_text(out, frame->user);
    fputs(frame->blocked ? "  blocked\n" : "  no longer blocked\n", out);
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

void rows_keep(struct cli *cli, const chat_event *event)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    char **rows = realloc(cli->rows, (cli->n_rows + 1) * sizeof *rows);
    if (rows != NULL)
        cli->rows = rows;
    if (out != NULL && cli->args->is_json) {
        show_json(out, event);
    } else if (out != NULL) {
        fprintf(out, "seq=%" PRIu64 " ", event->frame->seq);
        show_row(out, cli, event->frame);
    }
    if (out != NULL)
        fclose(out);
    if (out == NULL || rows == NULL)
        free(text);
    else
        cli->rows[cli->n_rows++] = text;
}

void rows_print(struct cli *cli, int is_oldest_first)
{
    for (size_t i = 0; i < cli->n_rows; i++)
        fputs(cli->rows[is_oldest_first ? i : cli->n_rows - 1 - i], stdout);
    for (size_t i = 0; i < cli->n_rows; i++)
        free(cli->rows[i]);
    cli->n_rows = 0;
}
