/* SPDX-License-Identifier: MIT */
/* Reading and watching members. See members.h. */
#include "backends/etcd/members.h"
#include "backends/etcd/wire.h"
#include "base/alloc.h"
#include "base/view.h"
#include "json/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#define NEVER          UINT64_MAX
#define DEFAULT_MS     2000u
#define PAUSE_MS       500u
#define READ_AGAIN_MS  60000u /* a watch that went silent is not noticed otherwise */
#define MAX_BODY_BYTES 1024u
#define WHY_BYTES      256u

typedef struct entry {
    chat__etcd_member member;
    uint64_t revision; /* in which it was written */
    uint64_t round;    /* of reading in which it was there */
    int is_told;       /* as it is */
    int is_known;      /* it was told, as it is or was */
    int is_gone;
} entry;

struct chat__etcd_members {
    chat_allocator allocator;
    chat__etcd_endpoints endpoints;
    char from[CHAT__ETCD_KEY_MAX], end[CHAT__ETCD_KEY_MAX]; /* of the keys */
    uint32_t timeout_ms;
    chat__buf body;
    uint64_t now_ms, at_ms;
    uint64_t read_again_ms;
    uint64_t revision; /* up to here all is known; 0: nothing is */
    uint64_t round;
    uint32_t endpoint;
    int is_calling, is_troubled, is_known_due, is_trouble_due;
    int has_hole; /* something could not be taken for want of memory */
    char why[WHY_BYTES];
    entry *entries; /* CHAT__ETCD_MAX_MEMBERS */
    uint32_t n_entries;
    chat__etcd_member left; /* that is told */
};

/* --- life --- */

chat_status chat__etcd_members_new(const chat__etcd_members_options *options,
                                   chat__etcd_members **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    if (options->endpoints.n_items == 0 || strlen(options->prefix) > CHAT__ETCD_PREFIX_MAX)
        return CHAT_ERR_ARG;
    chat__etcd_members *self = chat__alloc_zero(&allocator, sizeof *self);
    if (self == NULL)
        return CHAT_ERR_NOMEM;
    self->allocator = allocator;
    self->entries = chat__alloc_zero(&allocator, CHAT__ETCD_MAX_MEMBERS * sizeof *self->entries);
    if (self->entries == NULL) {
        chat__alloc_free(&allocator, self);
        return CHAT_ERR_NOMEM;
    }
    self->endpoints = options->endpoints;
    self->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_MS;
    chat__buf_init(&self->body, &allocator, MAX_BODY_BYTES);
    (void)snprintf(self->from, sizeof self->from, "%smember/", options->prefix);
    (void)snprintf(self->end, sizeof self->end, "%smember0", options->prefix); /* '/' + 1 */
    *out = self;
    return CHAT_OK;
}

void chat__etcd_members_free(chat__etcd_members *self)
{
    if (self == NULL)
        return;
    chat_allocator allocator = self->allocator;
    chat__buf_done(&self->body);
    chat__alloc_free(&allocator, self->entries);
    chat__alloc_free(&allocator, self);
}

/* --- who is there --- */

static entry *find(chat__etcd_members *self, const char *token)
{
    for (uint32_t i = 0; i < self->n_entries; i++)
        if (strcmp(self->entries[i].member.token, token) == 0)
            return &self->entries[i];
    return NULL;
}

static void read_text(const cJSON *tree, const char *name, char out[256])
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, name);
    out[0] = '\0';
    if (cJSON_IsString(item) && strlen(item->valuestring) < 256)
        memcpy(out, item->valuestring, strlen(item->valuestring) + 1);
}

/* CHAT_OK; CHAT_ERR_SYNTAX: no member of ours. */
static chat_status read_member(const chat__etcd_kv *kv, const char *token, chat__etcd_member *out)
{
    chat_view text = chat__view(kv->value, kv->value_len);
    const cJSON *number;
    if (chat__json_scan(text) != CHAT_OK)
        return CHAT_ERR_SYNTAX;
    cJSON *tree = cJSON_ParseWithLength((const char *)text.data, text.len);
    if (tree == NULL)
        return CHAT_ERR_NOMEM;
    memset(out, 0, sizeof *out);
    memcpy(out->token, token, CHAT__ETCD_TOKEN_LEN);
    read_text(tree, "name", out->name);
    read_text(tree, "address", out->address);
    read_text(tree, "roles", out->roles);
    const cJSON *numbers = cJSON_GetObjectItemCaseSensitive(tree, "numbers");
    number = cJSON_IsArray(numbers) ? numbers->child : NULL;
    for (; number != NULL && out->n_numbers < CHAT__ETCD_MAX_NUMBERS; number = number->next)
        if (cJSON_IsNumber(number) && number->valueint >= 0)
            out->numbers[out->n_numbers++] = (uint32_t)number->valueint;
    cJSON_Delete(tree);
    return CHAT_OK;
}

static void tell_trouble(chat__etcd_members *self, const char *why)
{
    if (self->is_troubled)
        return;
    self->is_troubled = self->is_trouble_due = 1;
    (void)snprintf(self->why, sizeof self->why, "etcd %.100s: %.120s. See --etcd",
                   self->endpoints.items[self->endpoint], why);
}

static void take_kv(chat__etcd_members *self, const chat__etcd_kv *kv)
{
    size_t skip = strlen(self->from);
    chat__etcd_member member;
    if (strlen(kv->key) != skip + CHAT__ETCD_TOKEN_LEN || strncmp(kv->key, self->from, skip) != 0)
        return; /* not of ours */
    entry *known = find(self, kv->key + skip);
    if (kv->is_deleted) {
        if (known != NULL)
            known->is_gone = 1;
        return;
    }
    if (known != NULL && known->revision >= kv->mod_revision) {
        known->round = self->round;
        return;
    }
    chat_status status = read_member(kv, kv->key + skip, &member);
    self->has_hole |= status == CHAT_ERR_NOMEM;
    if (status != CHAT_OK)
        return;
    if (known == NULL && self->n_entries == CHAT__ETCD_MAX_MEMBERS) {
        tell_trouble(self, "there are more than 256 servers; the others are not known");
        return;
    }
    entry *to = known != NULL ? known : &self->entries[self->n_entries++];
    entry fresh = {.member = member,
                   .revision = kv->mod_revision,
                   .round = self->round,
                   .is_known = known != NULL && known->is_known};
    *to = fresh;
}

/* The newest revision in it, 0: there is nothing. */
static uint64_t take_all(chat__etcd_members *self, chat__etcd_cursor cursor)
{
    chat__etcd_kv kv;
    chat_status status;
    uint64_t newest = 0;
    while ((status = chat__etcd_next_kv(&cursor, &kv)) != CHAT_EMPTY) {
        if (status != CHAT_OK)
            continue;
        newest = kv.mod_revision > newest ? kv.mod_revision : newest;
        take_kv(self, &kv);
    }
    return newest;
}

chat_status chat__etcd_members_next_event(chat__etcd_members *self, chat__etcd_members_event *out)
{
    chat__etcd_members_event event = {CHAT__ETCD_MEMBERS_KNOWN, NULL, ""};
    for (uint32_t i = 0; i < self->n_entries; i++) {
        entry *one = &self->entries[i];
        if (one->is_gone) {
            int is_known = one->is_known;
            self->left = one->member;
            *one = self->entries[--self->n_entries];
            i--;
            if (!is_known)
                continue;
            event.type = CHAT__ETCD_MEMBER_LEFT;
            event.member = &self->left;
        } else if (!one->is_told) {
            one->is_told = one->is_known = 1;
            event.type = CHAT__ETCD_MEMBER_IS;
            event.member = &one->member;
        } else {
            continue;
        }
        *out = event;
        return CHAT_OK;
    }
    if (self->is_known_due) {
        self->is_known_due = 0;
    } else if (self->is_trouble_due) {
        self->is_trouble_due = 0;
        event.type = CHAT__ETCD_MEMBERS_TROUBLE;
        event.why = self->why;
    } else {
        return CHAT_EMPTY;
    }
    *out = event;
    return CHAT_OK;
}

/* --- asking --- */

/* What is known may have a hole: read all. */
static void read_again(chat__etcd_members *self, uint64_t pause_ms)
{
    self->revision = 0;
    self->is_calling = 0;
    self->has_hole = 0;
    self->at_ms = self->now_ms + pause_ms;
}

void chat__etcd_members_begin(chat__etcd_members *self, uint64_t mono_ms)
{
    self->now_ms = mono_ms;
    if (self->is_calling && self->revision != 0 && mono_ms >= self->read_again_ms)
        read_again(self, 0);
}

uint64_t chat__etcd_members_deadline(const chat__etcd_members *self)
{
    if (!self->is_calling)
        return self->at_ms;
    return self->revision != 0 ? self->read_again_ms : NEVER;
}

chat_status chat__etcd_members_next_call(chat__etcd_members *self, chat__etcd_call *out)
{
    if (self->is_calling || self->now_ms < self->at_ms)
        return CHAT_EMPTY;
    self->body.len = 0;
    chat__etcd_writer writer = chat__etcd_write(&self->body);
    if (self->revision == 0)
        chat__etcd_put_range(&writer, self->from, self->end, CHAT__ETCD_MAX_MEMBERS + 1);
    else
        chat__etcd_put_watch(&writer, self->from, self->end, self->revision + 1);
    if (writer.status != CHAT_OK) { /* no memory: later */
        self->at_ms = self->now_ms + PAUSE_MS;
        return CHAT_EMPTY;
    }
    self->is_calling = 1;
    chat__etcd_call call = {self->endpoint, self->revision == 0 ? "/v3/kv/range" : "/v3/watch",
                            chat__buf_view(&self->body), self->timeout_ms, self->revision != 0};
    *out = call;
    return CHAT_OK;
}

/* Ask again, the next endpoint, in a little while. */
static void fail(chat__etcd_members *self, const char *why)
{
    tell_trouble(self, why);
    self->endpoint = (self->endpoint + 1) % self->endpoints.n_items;
    self->is_calling = 0;
    self->at_ms = self->now_ms + PAUSE_MS;
}

static void on_range(chat__etcd_members *self, const chat__etcd_answer *answer)
{
    self->round++;
    self->is_troubled = 0;
    (void)take_all(self, chat__etcd_kvs(answer, 0));
    for (uint32_t i = 0; i < self->n_entries; i++)
        if (self->entries[i].round != self->round)
            self->entries[i].is_gone = 1;
    self->read_again_ms = self->now_ms + READ_AGAIN_MS;
    if (self->has_hole) {
        read_again(self, PAUSE_MS);
        return;
    }
    self->revision = answer->revision;
    self->is_known_due = 1;
}

void chat__etcd_members_reply(chat__etcd_members *self, const chat__etcd_reply *reply)
{
    chat__etcd_answer answer;
    if (!self->is_calling)
        return;
    self->is_calling = 0;
    if (self->revision != 0 || reply->http_status == 0) {
        fail(self, reply->why != NULL ? reply->why : "the watch was ended");
        return;
    }
    if (chat__etcd_read(reply->body, &answer) != CHAT_OK) {
        fail(self, "its answer is no JSON of etcd");
        return;
    }
    if (answer.code != 0 || answer.revision == 0)
        fail(self, answer.code != 0 ? answer.why : "its answer is none to what was asked");
    else
        on_range(self, &answer);
    chat__etcd_answer_done(&answer);
}

/* 0: the stream is of no more use. */
static int on_line(chat__etcd_members *self, chat_view line)
{
    chat__etcd_answer answer;
    if (chat__etcd_read(line, &answer) != CHAT_OK) {
        read_again(self, PAUSE_MS); /* whatever it said is lost on us */
        return 0;
    }
    if (answer.code != 0) {
        fail(self, answer.why);
    } else if (answer.is_canceled) {
        read_again(self, 0);
    } else {
        uint64_t newest = take_all(self, chat__etcd_events(&answer));
        self->revision = newest > self->revision ? newest : self->revision;
        self->is_troubled = 0;
        if (self->has_hole)
            read_again(self, PAUSE_MS);
    }
    chat__etcd_answer_done(&answer);
    return self->is_calling;
}

size_t chat__etcd_members_feed(chat__etcd_members *self, chat_view bytes)
{
    size_t used = 0;
    while (self->is_calling && self->revision != 0) {
        const uint8_t *start = bytes.data + used;
        const uint8_t *end = used < bytes.len ? memchr(start, '\n', bytes.len - used) : NULL;
        if (end == NULL)
            return used;
        size_t len = (size_t)(end - start);
        used += len + 1;
        if (len > 0 && !on_line(self, chat__view(start, len)))
            return bytes.len;
    }
    return bytes.len;
}
