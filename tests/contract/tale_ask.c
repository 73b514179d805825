/* SPDX-License-Identifier: MIT */
/*
 * Questions of a tale. Before an answer stands its status, if it is not CHAT_OK; its rows, sorted
 * where no order is promised, have "; " between them.
 */
#include "tale.h"

#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1024u
#define ROW_MAX  400u

/* One store's answer while it comes. */
typedef struct asking {
    tale *t;
    const chat_store *store;
    char (*rows)[ROW_MAX];
    size_t n_rows;
    char head[ROW_MAX];
    int is_ordered;
    int n_calls;
} asking;

typedef chat_status (*ask_fn)(asking *ask, const void *question);

/* --- words --- */

static const char *name_text(const tale *t, chat_view name)
{
    static char other[CHAT_CHAT_ID_MAX_BYTES + 8];
    for (size_t i = 0; i < t->n_names; i++) {
        if (chat__view_equal(name, chat__view_str(t->names[i].full)))
            return t->names[i].brief;
    }
    snprintf(other, sizeof other, "<%.*s>", (int)name.len, (const char *)name.data);
    return other;
}

/* "#3", "#3-" one in front of it, 0, or the number. */
static const char *seq_text(const tale *t, uint64_t seq)
{
    static char texts[4][32];
    static unsigned which;
    char *text = texts[which++ % 4];
    snprintf(text, sizeof texts[0], "%" PRIu64, seq);
    for (size_t i = 0; i < t->n_records && seq > 0; i++) {
        if (t->seqs[i] == seq)
            snprintf(text, sizeof texts[0], "#%zu", i + 1);
        else if (t->seqs[i] == seq + 1)
            snprintf(text, sizeof texts[0], "#%zu-", i + 1);
    }
    return text;
}

static char *new_row(asking *ask)
{
    assert_true(ask->n_rows < ROWS_MAX);
    ask->rows[ask->n_rows][0] = 0;
    return ask->rows[ask->n_rows++];
}

static void add(char *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char *row, const char *format, ...)
{
    va_list arguments;
    size_t len = strlen(row);
    va_start(arguments, format);
    vsnprintf(row + len, ROW_MAX - len, format, arguments);
    va_end(arguments);
}

static int compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

static void write_text(const asking *ask, chat_status status, tale_text *out)
{
    out->len = 0;
    out->bytes[0] = 0;
    if (!ask->is_ordered)
        qsort(ask->rows, ask->n_rows, ROW_MAX, compare);
    if (status != CHAT_OK)
        out->len += (size_t)snprintf(out->bytes, TALE_TEXT, "%s: ", chat_status_name(status));
    out->len += (size_t)snprintf(out->bytes + out->len, TALE_TEXT - out->len, "%s", ask->head);
    for (size_t i = 0; i < ask->n_rows && out->len + ROW_MAX < TALE_TEXT; i++)
        out->len += (size_t)snprintf(out->bytes + out->len, TALE_TEXT - out->len, "%s%s",
                                     i > 0 ? "; " : "", ask->rows[i]);
}

static const char *ask_all(tale *t, const char *what, int is_ordered, ask_fn fn,
                           const void *question)
{
    static char rows[ROWS_MAX][ROW_MAX];
    for (size_t i = 0; i < t->n_stores; i++) {
        asking ask = {.t = t, .store = t->stores[i], .rows = rows, .is_ordered = is_ordered};
        chat_status status = fn(&ask, question);
        write_text(&ask, status, &t->answers[i]);
        if (strcmp(t->answers[0].bytes, t->answers[i].bytes) != 0)
            fail_msg("%s, behind record %zu: %s:\n  %s\n  but the other:\n  %s", t->step,
                     t->n_records, what, t->answers[0].bytes, t->answers[i].bytes);
    }
    return t->answers[0].bytes;
}

/* --- a group: "Title, open: bob admin #2; ..." --- */

static void take_chat(void *ctx, const chat_store_chat *chat)
{
    static const char *const roles[] = {"none", "member", "admin", "owner"};
    asking *ask = ctx;
    add(ask->head, "%.*s%s: ", (int)chat->title.len, (const char *)chat->title.data,
        chat->is_open ? ", open" : "");
    for (size_t i = 0; i < chat->n_members; i++) {
        const chat_store_member *member = &chat->members[i];
        add(new_row(ask), "%s %s %s", name_text(ask->t, member->user), roles[member->role & 3],
            seq_text(ask->t, member->since));
    }
    assert_int_equal(++ask->n_calls, 1);
}

static chat_status ask_chat(asking *ask, const void *chat)
{
    return ask->store->load_chat(ask->store->ctx, tale_id(ask->t, chat), take_chat, ask);
}

const char *tale_chat(tale *t, const char *chat)
{
    return ask_all(t, "load_chat", 0, ask_chat, chat);
}

/* --- chats of a user: "g[Title] 0..#3 gap #2 past", without a device "g 0..#3 read #2 1" --- */

typedef struct visiting {
    const char *user, *device, *connected;
    int is_seen, is_forgotten;
} visiting;

static void take_user_chat(void *ctx, const chat_store_user_chat *row)
{
    asking *ask = ctx;
    char *text = new_row(ask);
    add(text, "%s", name_text(ask->t, row->chat));
    if (row->title.len > 0)
        add(text, "[%.*s]", (int)row->title.len, (const char *)row->title.data);
    add(text, " %s..%s", seq_text(ask->t, row->cursor), seq_text(ask->t, row->last_seq));
    if (row->read_seq > 0)
        add(text, " read %s", seq_text(ask->t, row->read_seq));
    if (row->has_unread)
        add(text, " unread %u", row->unread);
    if (row->muted_until_ms > 0)
        add(text, " muted %" PRIu64, row->muted_until_ms);
    if (row->gap_seq > 0)
        add(text, " gap %s", seq_text(ask->t, row->gap_seq));
    if (row->is_past)
        add(text, " past");
}

static size_t split(tale *t, const char *names, chat_view *out, size_t max)
{
    char word[64];
    int used = 0;
    size_t n = 0;
    while (n < max && sscanf(names, " %63s%n", word, &used) == 1) {
        out[n++] = tale_id(t, word);
        names += used;
    }
    return n;
}

static chat_status ask_user(asking *ask, const void *question)
{
    const visiting *of = question;
    chat_view connected[16];
    chat_store_visit visit = {.user = tale_id(ask->t, of->user),
                              .device = tale_id(ask->t, of->device),
                              .now_unix_ms = ask->t->now_ms,
                              .connected = connected};
    visit.n_connected = split(ask->t, of->connected, connected, 16);
    if (of->is_seen)
        return ask->store->see_device(ask->store->ctx, &visit);
    if (of->is_forgotten)
        return ask->store->forget_device(ask->store->ctx, &visit);
    return ask->store->load_user(ask->store->ctx, &visit, take_user_chat, ask);
}

const char *tale_user(tale *t, const char *user, const char *device, const char *connected)
{
    visiting of = {user, device, connected, 0, 0};
    return ask_all(t, "load_user", 0, ask_user, &of);
}

const char *tale_see(tale *t, const char *user, const char *device)
{
    visiting of = {user, device, "", 1, 0};
    return ask_all(t, "see_device", 0, ask_user, &of);
}

const char *tale_forget(tale *t, const char *user, const char *device)
{
    visiting of = {user, device, "", 0, 1};
    return ask_all(t, "forget_device", 0, ask_user, &of);
}

void tale_cursor(tale *t, const char *user, const char *device, const char *chat, size_t n)
{
    t->now_ms += 1000;
    chat_store_cursor cursor = {tale_id(t, user), tale_id(t, device), tale_id(t, chat),
                                tale_seq(t, n), t->now_ms};
    for (size_t i = 0; i < t->n_stores; i++)
        assert_int_equal(t->stores[i]->put_cursors(t->stores[i]->ctx, &cursor, 1), CHAT_OK);
}

/* --- devices: "phone 0s; tablet 5s", seen so long ago --- */

static void take_device(void *ctx, chat_view device, uint64_t seen_ms)
{
    asking *ask = ctx;
    add(new_row(ask), "%s %" PRIu64 "s", name_text(ask->t, device),
        (ask->t->now_ms - seen_ms) / 1000);
}

static chat_status ask_devices(asking *ask, const void *user)
{
    return ask->store->load_devices(ask->store->ctx, tale_id(ask->t, user), ask->t->now_ms,
                                    take_device, ask);
}

const char *tale_devices(tale *t, const char *user)
{
    return ask_all(t, "load_devices", 1, ask_devices, user);
}

/* --- who lacks a record: "2 of 3: phone; tablet" and what he has read and muted --- */

typedef struct record_of {
    const char *user, *chat;
    uint64_t seq;
    size_t n;
} record_of;

static void take_away(void *ctx, const chat_store_away *away)
{
    asking *ask = ctx;
    add(ask->head, "%zu of %zu", away->n_devices, away->n_known);
    if (away->read_seq > 0)
        add(ask->head, " read %s", seq_text(ask->t, away->read_seq));
    if (away->muted_until_ms > 0)
        add(ask->head, " muted %" PRIu64, away->muted_until_ms);
    add(ask->head, ": ");
    for (size_t i = 0; i < away->n_devices; i++)
        add(new_row(ask), "%s", name_text(ask->t, away->devices[i]));
    assert_int_equal(++ask->n_calls, 1);
}

static chat_status ask_away(asking *ask, const void *question)
{
    const record_of *of = question;
    chat_store_visit visit = {.user = tale_id(ask->t, of->user), .now_unix_ms = ask->t->now_ms};
    return ask->store->load_away(ask->store->ctx, &visit, tale_id(ask->t, of->chat), of->seq,
                                 take_away, ask);
}

const char *tale_away(tale *t, const char *user, const char *chat, size_t n)
{
    record_of of = {user, chat, tale_seq(t, n), n};
    return ask_all(t, "load_away", 1, ask_away, &of);
}

/* --- blocks: names --- */

typedef struct blocks_of {
    const char *user, *whom;
    int is_reverse;
    uint32_t limit;
} blocks_of;

static void take_name(void *ctx, chat_view name)
{
    asking *ask = ctx;
    add(new_row(ask), "%s", name_text(ask->t, name));
}

static chat_status ask_blocks(asking *ask, const void *question)
{
    const blocks_of *of = question;
    chat_status status = ask->store->load_blocks(ask->store->ctx, tale_id(ask->t, of->user),
                                                 of->is_reverse, of->limit, take_name, ask);
    if (status == CHAT_MORE)
        ask->n_rows = 0; /* which of them is not said */
    return status;
}

const char *tale_blocks(tale *t, const char *user, int is_reverse, uint32_t limit)
{
    blocks_of of = {user, NULL, is_reverse, limit};
    return ask_all(t, "load_blocks", 0, ask_blocks, &of);
}

static chat_status ask_has_blocked(asking *ask, const void *question)
{
    const blocks_of *of = question;
    int has = 0;
    chat_status status = ask->store->has_blocked(ask->store->ctx, tale_id(ask->t, of->user),
                                                 tale_id(ask->t, of->whom), &has);
    add(ask->head, has ? "yes" : "no");
    return status;
}

const char *tale_has_blocked(tale *t, const char *user, const char *whom)
{
    blocks_of of = {user, whom, 0, 0};
    return ask_all(t, "has_blocked", 0, ask_has_blocked, &of);
}

/* --- marks: "#3: bob read #2 at 5s has #3 at 7s", so long ago --- */

static void take_marks(void *ctx, const chat_store_marks *marks)
{
    asking *ask = ctx;
    add(ask->head, "%s: ", seq_text(ask->t, marks->seq));
    for (size_t i = 0; i < marks->n_items; i++) {
        const chat_store_mark *mark = &marks->items[i];
        char *row = new_row(ask);
        add(row, "%s read %s", name_text(ask->t, mark->user), seq_text(ask->t, mark->read_seq));
        if (mark->read_unix_ms > 0)
            add(row, " %" PRIu64 "s", (ask->t->now_ms - mark->read_unix_ms) / 1000);
        add(row, " has %s", seq_text(ask->t, mark->delivered_seq));
        if (mark->delivered_unix_ms > 0)
            add(row, " %" PRIu64 "s", (ask->t->now_ms - mark->delivered_unix_ms) / 1000);
    }
    assert_int_equal(++ask->n_calls, 1);
}

static chat_status ask_marks(asking *ask, const void *question)
{
    const record_of *of = question;
    return ask->store->load_marks(ask->store->ctx, tale_id(ask->t, of->chat),
                                  tale_id(ask->t, of->user), of->seq, take_marks, ask);
}

const char *tale_marks(tale *t, const char *chat, const char *user, uint64_t seq)
{
    record_of of = {user, chat, seq, 0};
    return ask_all(t, "load_marks", 0, ask_marks, &of);
}

/* --- pages: "#1 msg hi; #3<#1 msg +edited; #4<#3 note edit" --- */

static void take_row(void *ctx, const chat_store_row *row)
{
    static chat_decoder *decoder;
    asking *ask = ctx;
    chat_frame frame;
    char *text = new_row(ask);
    add(text, "%s", seq_text(ask->t, row->seq));
    if (row->prev > 0)
        add(text, "<%s", seq_text(ask->t, row->prev));
    for (size_t i = 0; i < ask->t->n_records; i++)
        assert_true(ask->t->seqs[i] != row->seq || ask->t->ids[i] == row->id);
    if (decoder == NULL)
        assert_int_equal(chat_decoder_new(NULL, 1u << 20, &decoder), CHAT_OK);
    if (chat_frame_decode(decoder, CHAT_ENCODING_CBOR, row->payload, &frame) != CHAT_OK) {
        add(text, " %u raw %zu", row->kind, row->payload.len);
        return;
    }
    add(text, " %s", chat_frame_type_name(frame.type));
    if (frame.type != row->kind)
        add(text, " as %u", row->kind);
    if (CHAT_FRAME_HAS(&frame, WHAT))
        add(text, " %.*s", (int)frame.what.len, (const char *)frame.what.data);
    if (CHAT_FRAME_HAS(&frame, BODY) && frame.body.len > 0)
        add(text, " %.*s", (int)frame.body.len, (const char *)frame.body.data);
    if (CHAT_FRAME_HAS(&frame, REACTION))
        add(text, " %.*s", (int)frame.reaction.len, (const char *)frame.reaction.data);
    if (CHAT_FRAME_HAS(&frame, EDITED))
        add(text, " (edited %" PRIu64 "s)", (ask->t->now_ms - frame.edited) / 1000);
    if (CHAT_FRAME_HAS(&frame, DELETED))
        add(text, " (deleted)");
    if (frame.type == CHAT_FRAME_NOTE)
        add(text, " by %s", name_text(ask->t, frame.from));
}

/* What somebody has at hand of the chat: all; the newest; not the very newest; all but one. */
static size_t recent_rows(const tale *t, chat_view chat, chat_store_row *rows)
{
    enum { ALL, SOME, LATE, HOLE, N_WAYS };
    size_t way = t->n_pages / 2 % N_WAYS, n = 0;
    for (size_t i = t->n_records; i-- > 0 && n < ROWS_MAX;) {
        if (chat__view_equal(t->chats[i], chat))
            rows[n++] = t->rows[i];
    }
    size_t gone = way == LATE ? 0 : n / 2;
    if (way == SOME)
        return n / 2 + 1 < n ? n / 2 + 1 : n;
    if (way == ALL || n == 0)
        return n;
    memmove(rows + gone, rows + gone + 1, (n - gone - 1) * sizeof *rows);
    return n - 1;
}

/* Every other time with what is at hand, which is to change nothing. */
static chat_status ask_page(asking *ask, const void *question)
{
    static chat_store_row rows[ROWS_MAX];
    const chat_store_query *query = question;
    chat_store_recent recent = {.rows = rows};
    tale *t = ask->t;
    if (ask->store->read_recent == NULL || t->n_pages++ % 2 == 0)
        return ask->store->read(ask->store->ctx, query, take_row, ask);
    recent.n_rows = recent_rows(t, query->chat, rows);
    chat_status status = ask->store->read_recent(ask->store->ctx, query, &recent, take_row, ask);
    t->n_recent += recent.is_used;
    return status;
}

const char *tale_after(tale *t, const char *chat, const char *user, uint64_t after, uint32_t limit)
{
    chat_store_query query = {.chat = tale_id(t, chat),
                              .after = after,
                              .before = UINT64_MAX,
                              .limit = limit,
                              .user = tale_id(t, user)};
    return ask_all(t, "read after", 1, ask_page, &query);
}

const char *tale_before(tale *t, const char *chat, const char *user, uint64_t before,
                        uint32_t limit)
{
    chat_store_query query = {.chat = tale_id(t, chat),
                              .after = UINT64_MAX,
                              .before = before,
                              .limit = limit,
                              .user = tale_id(t, user)};
    return ask_all(t, "read before", 1, ask_page, &query);
}

const char *tale_bytes(tale *t, const char *chat, uint64_t after, uint32_t max_bytes)
{
    chat_store_query query = {.chat = tale_id(t, chat),
                              .after = after,
                              .before = UINT64_MAX,
                              .limit = CHAT_STORE_MAX_ROWS,
                              .max_bytes = max_bytes};
    return ask_all(t, "read bytes", 1, ask_page, &query);
}

static chat_status ask_reactions(asking *ask, const void *question)
{
    const record_of *of = question;
    return ask->store->read_reactions(ask->store->ctx, tale_id(ask->t, of->chat),
                                      tale_id(ask->t, of->user), ask->t->ids[of->n - 1], take_row,
                                      ask);
}

const char *tale_reactions(tale *t, const char *chat, const char *user, size_t n)
{
    record_of of = {user, chat, 0, n};
    return ask_all(t, "read_reactions", 0, ask_reactions, &of);
}
