/* SPDX-License-Identifier: MIT */
/* Reads the lines of a history. See <chat/history.h> and docs/history.md. */
#include "testing/history.h"
#include "base/view.h"

#include <chat/id.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE_BYTES (1u << 20)

chat_status chat_history_new(chat_history **out)
{
    static const uint64_t seed[2] = {1, 2};
    if (out == NULL)
        return CHAT_ERR_ARG;
    chat_history *history = calloc(1, sizeof *history);
    if (history == NULL)
        return CHAT_ERR_NOMEM;
    chat__map_init(&history->by_text, NULL, SIZE_MAX, seed);
    history->by = CHAT__NO_NAME;
    *out = history;
    return CHAT_OK;
}

void chat_history_free(chat_history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->n_names; i++)
        free(history->names[i]);
    chat__map_done(&history->by_text);
    free(history->names);
    free(history->observers);
    free(history->items);
    free(history->users);
    free(history);
}

/* Room for one more; 0 when out of memory. */
static int grow(void **items, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return 1;
    size_t more = *cap == 0 ? 64 : *cap * 2;
    void *bigger = realloc(*items, more * size);
    if (bigger == NULL)
        return 0;
    *items = bigger;
    *cap = more;
    return 1;
}

static chat_status intern(chat_history *history, chat_view text, uint32_t *out)
{
    chat__name *name = chat__map_get(&history->by_text, text);
    if (name != NULL) {
        *out = name->index;
        return CHAT_OK;
    }
    if (!grow((void **)&history->names, &history->names_cap, history->n_names,
              sizeof *history->names))
        return CHAT_ERR_NOMEM;
    name = calloc(1, sizeof *name + text.len + 1);
    if (name == NULL)
        return CHAT_ERR_NOMEM;
    name->index = (uint32_t)history->n_names;
    name->len = (uint32_t)text.len;
    memcpy(name->text, text.data, text.len);
    chat_status status = chat__map_put(&history->by_text, chat__view(name->text, text.len), name);
    if (status != CHAT_OK) {
        free(name);
        return status;
    }
    history->names[history->n_names++] = name;
    *out = name->index;
    return CHAT_OK;
}

/* "user/device": the device is what is behind the last slash. */
static chat_status observer_named(chat_history *history, const char *text, uint32_t *out)
{
    uint32_t name, user;
    const char *slash = strrchr(text, '/');
    if (slash == NULL || slash == text)
        return CHAT_ERR_SYNTAX;
    chat_status status = intern(history, chat__view_str(text), &name);
    if (status == CHAT_OK)
        status = intern(history, chat__view(text, (size_t)(slash - text)), &user);
    if (status != CHAT_OK)
        return status;
    for (uint32_t i = 0; i < history->n_observers; i++) {
        if (history->observers[i].name == name) {
            *out = i;
            return CHAT_OK;
        }
    }
    if (!grow((void **)&history->observers, &history->observers_cap, history->n_observers,
              sizeof *history->observers))
        return CHAT_ERR_NOMEM;
    chat__observer observer = {.name = name, .user = user};
    *out = (uint32_t)history->n_observers;
    history->observers[history->n_observers++] = observer;
    return CHAT_OK;
}

/* --- values of a line --- */

static const char *text_of(const cJSON *line, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(line, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* CHAT_OK, also when it is not there (0); CHAT_ERR_SYNTAX. */
static chat_status number_of(const cJSON *line, const char *key, uint64_t *out)
{
    const char *text = text_of(line, key);
    char *end = NULL;
    *out = 0;
    if (text == NULL)
        return cJSON_HasObjectItem(line, key) ? CHAT_ERR_SYNTAX : CHAT_OK;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 ? CHAT_OK : CHAT_ERR_SYNTAX;
}

static chat_status name_of(chat_history *history, const cJSON *line, const char *key, uint32_t *out)
{
    const char *text = text_of(line, key);
    *out = CHAT__NO_NAME;
    if (text == NULL || text[0] == 0)
        return CHAT_OK;
    return intern(history, chat__view_str(text), out);
}

static chat_status add_users(chat_history *history, const cJSON *line, chat__happening *item)
{
    const cJSON *each;
    item->users_at = (uint32_t)history->n_users;
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(line, "users"))
    {
        if (!cJSON_IsString(each))
            return CHAT_ERR_SYNTAX;
        if (!grow((void **)&history->users, &history->users_cap, history->n_users,
                  sizeof *history->users))
            return CHAT_ERR_NOMEM;
        chat_status status =
            intern(history, chat__view_str(each->valuestring), &history->users[history->n_users]);
        if (status != CHAT_OK)
            return status;
        history->n_users++;
        item->n_users++;
    }
    return CHAT_OK;
}

/* --- kinds of lines --- */

static const struct {
    const char *t;
    int is_record; /* of a chat */
    chat__happening_type type;
} KINDS[] = {
    {"msg", 1, CHAT__HAPPENED_SEEN},      {"chat", 1, CHAT__HAPPENED_SEEN},
    {"change", 1, CHAT__HAPPENED_SEEN},   {"note", 1, CHAT__HAPPENED_SEEN},
    {"sent", 0, CHAT__HAPPENED_SENT},     {"result", 0, CHAT__HAPPENED_SENT},
    {"gap", 0, CHAT__HAPPENED_GAP},       {"read", 0, CHAT__HAPPENED_READ},
    {"send", 0, CHAT__HAPPENED_SAID},     {"edit", 0, CHAT__HAPPENED_SAID},
    {"react", 0, CHAT__HAPPENED_SAID},    {"block", 0, CHAT__HAPPENED_BLOCK},
    {"unblock", 0, CHAT__HAPPENED_BLOCK},
};

static void note_change(const char *what, chat__happening *item)
{
    item->is_joining = what != NULL && (strcmp(what, "join") == 0 || strcmp(what, "add") == 0);
    item->is_leaving = what != NULL && (strcmp(what, "leave") == 0 || strcmp(what, "remove") == 0);
}

static chat_status fill(chat_history *history, const cJSON *line, const char *t,
                        chat__happening *item)
{
    int is_gap = item->type == CHAT__HAPPENED_GAP;
    int is_block = item->type == CHAT__HAPPENED_BLOCK;
    chat_status status = name_of(history, line, "chat", &item->chat);
    if (status == CHAT_OK)
        status = name_of(history, line, is_block ? "user" : "from", &item->from);
    if (status == CHAT_OK)
        status = name_of(history, line, "cid", &item->cid);
    if (status == CHAT_OK)
        status = number_of(line, is_gap ? "after" : "seq", &item->seq);
    if (status == CHAT_OK)
        status = number_of(line, is_gap ? "before" : "id", &item->id);
    if (status == CHAT_OK)
        status = add_users(history, line, item);
    item->is_chat = strcmp(t, "chat") == 0;
    item->is_blocking = strcmp(t, "block") == 0;
    item->is_done = (uint8_t)cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "done"));
    if (strcmp(t, "change") == 0)
        note_change(text_of(line, "what"), item);
    return status;
}

/* What a record says, and what it does to a message. */
static chat_status fill_record(chat_history *history, const cJSON *line, const char *t,
                               chat__happening *item)
{
    const char *what = text_of(line, "what");
    int is_note = strcmp(t, "note") == 0 && what != NULL;
    item->is_message = strcmp(t, "msg") == 0;
    item->is_edit = is_note && strcmp(what, "edit") == 0;
    item->is_deletion = is_note && strcmp(what, "delete") == 0;
    item->is_edited = (uint8_t)cJSON_HasObjectItem(line, "edited");
    item->is_deleted = (uint8_t)cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(line, "deleted"));
    chat_status status = CHAT_OK;
    if (item->is_edit || item->is_deletion)
        status = number_of(line, "re_seq", &item->re_seq);
    return status == CHAT_OK ? name_of(history, line, "body", &item->body) : status;
}

/* A row of an answer is no news of the stream, and what has no place is no record. */
static int is_wanted(const cJSON *line, const chat__happening *item, int is_record)
{
    if (item->type == CHAT__HAPPENED_BLOCK)
        return item->from != CHAT__NO_NAME;
    if (item->type == CHAT__HAPPENED_SAID)
        return item->chat != CHAT__NO_NAME && item->cid != CHAT__NO_NAME;
    if (item->chat == CHAT__NO_NAME || item->seq == 0)
        return item->type == CHAT__HAPPENED_GAP && item->chat != CHAT__NO_NAME;
    if (is_record)
        return !cJSON_HasObjectItem(line, "r");
    return item->type == CHAT__HAPPENED_GAP || item->type == CHAT__HAPPENED_READ || item->id != 0;
}

static chat_status add_item(chat_history *history, const cJSON *line, const char *t, uint32_t by)
{
    size_t i = 0;
    while (i < sizeof KINDS / sizeof *KINDS && strcmp(KINDS[i].t, t) != 0)
        i++;
    if (i == sizeof KINDS / sizeof *KINDS)
        return CHAT_OK;
    chat__happening item = {.type = KINDS[i].type, .line = history->n_lines, .by = by};
    chat_status status = fill(history, line, t, &item);
    if (status != CHAT_OK)
        return status;
    if (by == CHAT__NO_NAME && KINDS[i].is_record) {
        item.type = CHAT__HAPPENED_STORED;
        status = fill_record(history, line, t, &item);
        if (status != CHAT_OK)
            return status;
    }
    if (!is_wanted(line, &item, KINDS[i].is_record) || (by == CHAT__NO_NAME && !KINDS[i].is_record))
        return CHAT_OK;
    if (!grow((void **)&history->items, &history->items_cap, history->n_items,
              sizeof *history->items))
        return CHAT_ERR_NOMEM;
    history->items[history->n_items++] = item;
    return CHAT_OK;
}

/* A device that has what it lacked before another one of its user came gets everything. */
static int has_other_device(const chat_history *history, uint32_t by)
{
    for (uint32_t i = 0; i < history->n_observers; i++) {
        const chat__observer *other = &history->observers[i];
        if (i != by && other->user == history->observers[by].user && other->first_line != 0)
            return 1;
    }
    return 0;
}

static void spoil(chat_history *history, uint32_t by, const char *what)
{
    if (history->bad_line != 0)
        return;
    history->bad_line = history->n_lines;
    snprintf(history->bad, sizeof history->bad, "one-resume-event: %s %s",
             chat__name_of(history, history->observers[by].name), what);
}

static chat_status begin_anew(chat_history *history, uint32_t by, uint64_t at_line)
{
    chat__happening item = {.type = CHAT__HAPPENED_FORGOTTEN, .line = at_line, .by = by};
    item.chat = item.from = item.cid = CHAT__NO_NAME;
    if (!grow((void **)&history->items, &history->items_cap, history->n_items,
              sizeof *history->items))
        return CHAT_ERR_NOMEM;
    history->items[history->n_items++] = item;
    return CHAT_OK;
}

/* A device that was forgotten is told `reset`, if it hears it; whoever knows more says `forgotten`.
 */
static chat_status follow_device(chat_history *history, uint32_t by, const char *t,
                                 const char *state)
{
    const chat__observer *observer = &history->observers[by];
    if (strcmp(t, "forgotten") == 0)
        return begin_anew(history, by, history->n_lines);
    if (strcmp(t, "resumed") == 0 && observer->has_resumed && state != NULL &&
        strcmp(state, "reset") == 0)
        return begin_anew(history, by, observer->open_line);
    return CHAT_OK;
}

static void follow_connection(chat_history *history, uint32_t by, const char *t)
{
    chat__observer *observer = &history->observers[by];
    if (strcmp(t, "open") == 0) {
        if (observer->first_line == 0)
            observer->first_line = history->n_lines;
        observer->open_line = history->n_lines;
        observer->is_open = 1;
        observer->n_resumed = 0;
    } else if (strcmp(t, "lost") == 0) {
        observer->is_open = 0;
    } else if (strcmp(t, "resumed") == 0) {
        if (!observer->has_resumed)
            observer->is_first = (uint8_t)!has_other_device(history, by);
        observer->has_resumed = 1;
        if (observer->n_resumed++ > 0)
            spoil(history, by, "heard `resumed` twice over one connection");
    }
}

static chat_status take(chat_history *history, const cJSON *line)
{
    const char *t = text_of(line, "t");
    const char *by = text_of(line, "by");
    uint32_t observer = history->by;
    chat_status status = CHAT_OK;
    if (!cJSON_IsObject(line))
        return CHAT_ERR_SYNTAX;
    if (t == NULL)
        return CHAT_OK;
    if (strcmp(t, "end") == 0)
        history->is_ended = 1;
    if (by != NULL && strcmp(by, "log") == 0)
        return add_item(history, line, t, CHAT__NO_NAME);
    if (by != NULL)
        status = observer_named(history, by, &observer);
    if (status != CHAT_OK || observer == CHAT__NO_NAME)
        return status;
    history->by = observer;
    status = follow_device(history, observer, t, text_of(line, "state"));
    if (status != CHAT_OK)
        return status;
    follow_connection(history, observer, t);
    return add_item(history, line, t, observer);
}

chat_status chat_history_add(chat_history *history, chat_view line)
{
    if (history == NULL || (line.data == NULL && line.len > 0))
        return CHAT_ERR_ARG;
    history->n_lines++;
    if (line.len == 0)
        return CHAT_OK;
    if (line.len > MAX_LINE_BYTES)
        return CHAT_ERR_SYNTAX;
    cJSON *json = cJSON_ParseWithLength((const char *)line.data, line.len);
    if (json == NULL)
        return CHAT_ERR_SYNTAX;
    chat_status status = take(history, json);
    cJSON_Delete(json);
    return status;
}
