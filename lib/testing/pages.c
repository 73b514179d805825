/* SPDX-License-Identifier: MIT */
/*
 * What history shows, in the simulation: clients page through chats, at random and once through all
 * of them at the end, forwards or backwards, and each row is judged by the records. The answer may
 * be of any moment between question and answer: what was to be seen at the first must be there,
 * what was not at the second must not, and each message is as it was at one of them.
 */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_R         4000000u /* numbers of these requests begin here */
#define WALK_PERCENT    4u
#define THOUGHT_PERCENT 10u
#define THOUGHT_TRIES   8
#define MAX_LIMIT       7u
#define RETRY_MS        1000u

static size_t n_durable(const sim *s)
{
    size_t n = 0;
    while (n < s->storage.n_records && s->storage.records[n].is_durable)
        n++;
    return n;
}

static int is_of(const sim_record *record, const char *chat)
{
    return strcmp(record->chat, chat) == 0;
}

/* --- who may read what --- */

/* A bit for each record of the chat that the user may read, of the first `n`. */
static uint8_t *readable_of(sim *s, const char *chat, const char *user, size_t n)
{
    sim_group group;
    int was_member = 0;
    uint8_t *may = calloc(n + 1, 1);
    if (may == NULL) {
        s->is_out_of_memory = 1;
        return NULL;
    }
    chat__sim_group_init(&group, chat);
    for (size_t i = 0; i < n; i++) {
        const sim_record *record = &s->storage.records[i];
        if (!is_of(record, chat))
            continue;
        chat__sim_group_apply(s, &group, record);
        may[i] = (uint8_t)chat__sim_is_for(&group, user, record->seq);
        if (was_member || chat__sim_member_of(&group, user) == NULL)
            continue;
        /* Who becomes a member reads the chat from its beginning. */
        was_member = 1;
        for (size_t k = 0; k < i; k++)
            may[k] = (uint8_t)is_of(&s->storage.records[k], chat);
    }
    return may;
}

/* The first readable record between two places, both excluded; NULL: there is none. */
static const sim_record *readable_between(sim *s, const sim_walk *walk, const char *user,
                                          uint64_t after, uint64_t before)
{
    const sim_record *found = NULL;
    uint8_t *may = readable_of(s, walk->chat, user, walk->n_asked);
    for (size_t i = 0; may != NULL && i < walk->n_asked && found == NULL; i++) {
        const sim_record *record = &s->storage.records[i];
        if (may[i] && record->seq > after && record->seq < before)
            found = record;
    }
    free(may);
    return found;
}

/* --- one row --- */

static int is_readable(sim *s, const char *user, const sim_record *record)
{
    size_t n = n_durable(s);
    size_t i = (size_t)(record - s->storage.records);
    uint8_t *may = readable_of(s, record->chat, user, n);
    int is_one = may != NULL && i < n && may[i];
    free(may);
    return is_one;
}

static const sim_record *stored_at(const sim *s, const char *chat, uint64_t seq)
{
    size_t n = n_durable(s);
    for (size_t i = 0; i < n; i++) {
        if (s->storage.records[i].seq == seq && is_of(&s->storage.records[i], chat))
            return &s->storage.records[i];
    }
    return NULL;
}

static void check_row(sim *s, const sim_client *client, const chat_frame *frame)
{
    sim_saying shown;
    const sim_walk *walk = &client->walk;
    const sim_record *record = stored_at(s, walk->chat, frame->seq);
    unsigned long long seq = frame->seq;
    chat__sim_notes_say(frame, &shown); /* first: judging uses the decoder that lent the texts */
    if (record == NULL || record->kind != frame->type || record->id != frame->id)
        chat__sim_violate(s, "history: %s/%s was shown seq %llu of %s, which is not there",
                          client->user, client->device, seq, walk->chat);
    else if (!is_readable(s, client->user, record))
        chat__sim_violate(s, "history: %s/%s was shown seq %llu of %s, not his to read",
                          client->user, client->device, seq, walk->chat);
    else if (walk->is_back ? frame->seq >= walk->at : frame->seq <= walk->at)
        chat__sim_violate(s, "history: %s/%s was shown seq %llu of %s out of order", client->user,
                          client->device, seq, walk->chat);
    else
        chat__sim_notes_judge(s, client, record, &shown);
}

/* What lies between the row before and this one, or behind the last one (`seq` as far as possible),
   must not be there. */
static void check_between(sim *s, const sim_client *client, uint64_t seq)
{
    const sim_walk *walk = &client->walk;
    const sim_record *skipped = walk->is_back
                                    ? readable_between(s, walk, client->user, seq, walk->at)
                                    : readable_between(s, walk, client->user, walk->at, seq);
    if (skipped != NULL)
        chat__sim_violate(s, "history: %s/%s was not shown seq %llu of %s", client->user,
                          client->device, (unsigned long long)skipped->seq, walk->chat);
}

/* A row of `reactions`: each user has one. */
static void on_thought(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_walk *walk = &client->walk;
    size_t user = (size_t)(frame->from.data[0] - 'a');
    walk->n_rows++;
    if (frame->type != CHAT_FRAME_NOTE || frame->re != walk->re || user >= SIM_MAX_USERS ||
        walk->thoughts[user][0] != 0 || !CHAT_FRAME_HAS(frame, REACTION))
        chat__sim_violate(s, "history: %s/%s was shown a wrong reaction to %llu of %s",
                          client->user, client->device, (unsigned long long)walk->re, walk->chat);
    else
        walk->thoughts[user][0] = (char)frame->reaction.data[0];
}

static void on_row(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_walk *walk = &client->walk;
    if (walk->re != 0) {
        on_thought(s, client, frame);
        return;
    }
    check_row(s, client, frame);
    check_between(s, client, frame->seq);
    walk->at = frame->seq;
    walk->n_rows++;
}

/* --- a walk --- */

static void end_walk(sim_client *client)
{
    client->walk.r = 0;
    if (client->walk.is_final)
        client->n_walked++;
    client->walk.is_final = 0;
    client->walk.chat[0] = 0;
}

static void on_result(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_walk *walk = &client->walk;
    int has_more = CHAT_FRAME_HAS(frame, HAS_MORE) && frame->more;
    walk->r = 0;
    if (!CHAT_FRAME_HAS(frame, COUNT) || frame->count != walk->n_rows ||
        (walk->re == 0 && walk->n_rows > walk->limit) || (has_more && walk->n_rows == 0))
        chat__sim_violate(s, "history: %s/%s was told of another number of rows in %s",
                          client->user, client->device, walk->chat);
    if (walk->re != 0) {
        chat__sim_notes_judge_thoughts(s, client);
        end_walk(client);
        return;
    }
    if (!has_more) {
        check_between(s, client, walk->is_back ? 0 : UINT64_MAX);
        end_walk(client);
    }
    if (has_more || s->is_quiet)
        chat__sim_pages_step(s, client);
}

/* The message that was asked about, when it was. */
static int is_readable_then(sim *s, const sim_client *client)
{
    const sim_walk *walk = &client->walk;
    uint8_t *may = readable_of(s, walk->chat, client->user, walk->n_asked);
    int is_one = 0;
    for (size_t i = 0; may != NULL && i < walk->n_asked; i++)
        is_one |= may[i] && s->storage.records[i].id == walk->re;
    free(may);
    return is_one;
}

static void on_error(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_walk *walk = &client->walk;
    walk->r = 0;
    if (CHAT_FRAME_HAS(frame, RETRY_AFTER)) {
        walk->not_before_ms = s->now_ms + RETRY_MS;
        return;
    }
    if (readable_between(s, walk, client->user, 0, UINT64_MAX) != NULL &&
        (walk->re == 0 || is_readable_then(s, client)))
        chat__sim_violate(s, "history: %s/%s was refused %s, which is his to read", client->user,
                          client->device, walk->chat);
    end_walk(client);
}

int chat__sim_pages_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    if (!CHAT_FRAME_HAS(frame, R) || frame->r < FIRST_R)
        return 0;
    if (frame->r != client->walk.r)
        return 1;
    if (frame->type == CHAT_FRAME_RESULT)
        on_result(s, client, frame);
    else if (frame->type == CHAT_FRAME_ERROR)
        on_error(s, client, frame);
    else
        on_row(s, client, frame);
    return 1;
}

/* The n-th chat, of all that there are: also those of which the client knows nothing. */
static const char *nth_chat(const sim *s, size_t n)
{
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        int is_self = strncmp(record->chat, "me:", 3) == 0;
        if (record->is_durable && !is_self && chat__sim_is_first(s, record) && n-- == 0)
            return record->chat;
    }
    return NULL;
}

static void begin_walk(sim *s, sim_client *client, const char *chat, int is_final)
{
    sim_walk *walk = &client->walk;
    memset(walk, 0, sizeof *walk);
    chat__sim_copy_name(walk->chat, sizeof walk->chat, chat__sim_view(chat));
    walk->is_final = is_final;
    walk->is_back = chat__sim_chance(s, 50);
    walk->at = walk->is_back ? UINT64_MAX : 0;
    walk->limit = 1 + chat__sim_random(s, MAX_LIMIT);
}

/* What is thought of some message, mostly one to which something was done. */
static void begin_thoughts(sim *s, sim_client *client)
{
    size_t n = n_durable(s);
    chat_frame frame;
    for (int i = 0; i < THOUGHT_TRIES && n > 0 && client->walk.chat[0] == 0; i++) {
        const sim_record *record = &s->storage.records[chat__sim_random(s, (uint32_t)n)];
        chat_view payload = {record->payload, record->len};
        if (record->kind != CHAT_FRAME_NOTE ||
            chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, &frame) != CHAT_OK)
            continue;
        begin_walk(s, client, record->chat, 0);
        client->walk.re = frame.re;
    }
}

static void choose_walk(sim *s, sim_client *client)
{
    const char *chat = NULL;
    if (s->is_quiet)
        chat = nth_chat(s, client->n_walked);
    else if (chat__sim_chance(s, WALK_PERCENT))
        chat = nth_chat(s, chat__sim_random(s, 12));
    if (chat != NULL)
        begin_walk(s, client, chat, s->is_quiet);
    else if (!s->is_quiet && chat__sim_chance(s, THOUGHT_PERCENT))
        begin_thoughts(s, client);
    else if (s->is_quiet)
        client->has_walked_all = 1;
}

void chat__sim_pages_step(sim *s, sim_client *client)
{
    chat_frame frame;
    sim_walk *walk = &client->walk;
    if (walk->chat[0] == 0)
        choose_walk(s, client);
    if (walk->chat[0] == 0 || walk->r != 0 || s->now_ms < walk->not_before_ms)
        return;
    walk->r = FIRST_R + ++client->n_pages;
    walk->n_rows = 0;
    walk->n_asked = n_durable(s);
    chat_frame_init(&frame, walk->re != 0 ? CHAT_FRAME_REACTIONS : CHAT_FRAME_HISTORY);
    CHAT_FRAME_SET(&frame, R, r, walk->r);
    CHAT_FRAME_SET(&frame, RE, re, walk->re);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__sim_view(walk->chat));
    CHAT_FRAME_SET(&frame, LIMIT, limit, walk->limit);
    if (!walk->is_back)
        CHAT_FRAME_SET(&frame, AFTER, after, walk->at);
    else if (walk->at != UINT64_MAX)
        CHAT_FRAME_SET(&frame, BEFORE, before, walk->at);
    chat__sim_client_say(s, client, &frame);
}

/* What was not answered is asked again: by the next walk, or, at the end, by this one. */
void chat__sim_pages_lost(sim_client *client)
{
    client->walk.r = 0;
    client->walk.chat[0] = 0;
}

int chat__sim_pages_are_settled(const sim_client *client)
{
    return client->has_walked_all && client->walk.chat[0] == 0;
}

/* Planted: rows that get lost. */
int chat__sim_pages_drop(sim *s, const sim_client *client, chat_view bytes)
{
    chat_frame frame;
    return s->plant == SIM_PLANT_HISTORY_SKIPS && bytes.len > 0 &&
           chat_frame_decode(s->decoder, client->encoding, bytes, &frame) == CHAT_OK &&
           frame.type == CHAT_FRAME_MSG && CHAT_FRAME_HAS(&frame, R) && frame.r >= FIRST_R &&
           chat__sim_chance(s, 10);
}
