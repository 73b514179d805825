/* SPDX-License-Identifier: MIT */
/*
 * Blocks, in the simulation: clients block and unblock each other at random, again until they are
 * answered. From the answer to a block on, up to the next record that ends it, nothing may be
 * accepted between the two but deletions.
 */
#include "testing/sim.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_R       1500000u /* number of these requests */
#define ASK_PERCENT   2u
#define BLOCK_PERCENT 25u /* of what is asked; the others unblock */
#define RETRY_MS      1000u

static int is_text(chat_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

/* Whether it says that `user` has blocked `whom` (anybody when NULL) or no longer. */
static int is_block(sim *s, const sim_record *record, const char *user, const char *whom,
                    chat_frame *out)
{
    chat_view payload = {record->payload, record->len};
    return record->kind == CHAT_FRAME_BLOCKED &&
           chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, out) == CHAT_OK &&
           (user == NULL || is_text(out->from, user)) && (whom == NULL || is_text(out->user, whom));
}

/* --- storage --- */

static int has_blocked(sim *s, const char *user, const char *whom)
{
    chat_frame frame;
    int is_blocked = 0;
    for (size_t i = 0; i < s->storage.n_records && s->plant != SIM_PLANT_BLOCK_FORGOTTEN; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->is_durable && is_block(s, record, user, whom, &frame))
            is_blocked = (int)frame.blocked;
    }
    return is_blocked;
}

uint32_t chat__sim_blocks_in(sim *s, const char *chat)
{
    chat_view members[2];
    char names[2][SIM_NAME_BYTES];
    if (chat_direct_members(chat__sim_view(chat), members) != CHAT_OK)
        return 0;
    for (size_t i = 0; i < 2; i++)
        chat__sim_copy_name(names[i], sizeof names[i], members[i]);
    return (has_blocked(s, names[0], names[1]) ? CHAT__BLOCKED_BY_FIRST : 0) |
           (has_blocked(s, names[1], names[0]) ? CHAT__BLOCKED_BY_SECOND : 0);
}

void chat__sim_blocks_take(sim *s, sim_answer *answer)
{
    int by_others = answer->kind == CHAT__BLOCKS_BY_OTHERS;
    answer->names = calloc(SIM_MAX_CLIENTS, SIM_CHAT_BYTES);
    for (size_t i = 0; answer->names != NULL && i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        chat_frame frame;
        char name[SIM_NAME_BYTES];
        const char *user = by_others ? NULL : answer->user;
        const char *whom = by_others ? answer->user : NULL;
        if (!record->is_durable || !is_block(s, record, user, whom, &frame))
            continue;
        chat__sim_copy_name(name, sizeof name, by_others ? frame.from : frame.user);
        size_t at = 0;
        while (at < answer->n_rows && strcmp(answer->names + at * SIM_CHAT_BYTES, name) != 0)
            at++;
        if (at < answer->n_rows && !frame.blocked)
            memcpy(answer->names + at * SIM_CHAT_BYTES,
                   answer->names + --answer->n_rows * SIM_CHAT_BYTES, SIM_CHAT_BYTES);
        else if (at == answer->n_rows && frame.blocked && at < SIM_MAX_CLIENTS)
            memcpy(answer->names + answer->n_rows++ * SIM_CHAT_BYTES, name, sizeof name);
    }
}

void chat__sim_blocks_give(chat__node *node, const sim_answer *answer)
{
    chat_view names[SIM_MAX_CLIENTS];
    for (size_t i = 0; i < answer->n_rows; i++)
        names[i] = chat__sim_view(answer->names + i * SIM_CHAT_BYTES);
    chat__node_blocks_loaded(node, answer->tag, CHAT_OK, names, answer->n_rows);
}

/* --- clients --- */

static void say(sim *s, sim_client *client)
{
    chat_frame frame;
    sim_block *block = &client->block;
    chat_frame_init(&frame, block->is_blocking ? CHAT_FRAME_BLOCK : CHAT_FRAME_UNBLOCK);
    CHAT_FRAME_SET(&frame, R, r, BLOCK_R);
    CHAT_FRAME_SET(&frame, USER, user, chat__sim_view(block->whom));
    block->is_flying_here = 1;
    chat__sim_trace(s, "%s/%s %s %s", client->user, client->device,
                    block->is_blocking ? "blocks" : "unblocks", block->whom);
    chat__sim_tell_block(s, client, 0);
    chat__sim_client_say(s, client, &frame);
}

/* A bit for each user: their names are one letter. */
static uint32_t bit_of(const char *user)
{
    return UINT32_C(1) << ((unsigned)user[0] & 31u);
}

void chat__sim_blocks_step(sim *s, sim_client *client)
{
    sim_block *block = &client->block;
    const sim_client *whom = &s->clients[chat__sim_random(s, s->n_clients)];
    int has_blocks = (s->options.seed & 1) != 0; /* in every other world */
    if (has_blocks && !s->is_settling && block->whom[0] == 0 &&
        strcmp(whom->user, client->user) != 0 && chat__sim_chance(s, ASK_PERCENT)) {
        memset(block, 0, sizeof *block);
        memcpy(block->whom, whom->user, sizeof block->whom);
        block->is_blocking = chat__sim_chance(s, BLOCK_PERCENT);
        client->blocks_asked |= bit_of(block->whom);
    }
    if (block->whom[0] != 0 && !block->is_flying_here && block->not_before_ms <= s->now_ms)
        say(s, client);
}

void chat__sim_blocks_lost(sim_client *client)
{
    client->block.is_flying_here = 0;
}

int chat__sim_blocks_are_settled(const sim_client *client)
{
    return client->block.whom[0] == 0;
}

/* The newest record about the two, NULL: none, or it ends a block. */
static const sim_record *block_now(sim *s, const char *user, const char *whom)
{
    const sim_record *newest = NULL;
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        if (is_block(s, &s->storage.records[i], user, whom, &frame))
            newest = frame.blocked ? &s->storage.records[i] : NULL;
    }
    return newest;
}

static void on_answer(sim *s, sim_client *client)
{
    sim_block *block = &client->block;
    if (!chat__sim_grow(s, (void **)&s->blocks, &s->blocks_cap, s->n_blocks, sizeof *s->blocks))
        return;
    const sim_record *record = block->is_blocking ? block_now(s, client->user, block->whom) : NULL;
    if (record != NULL) {
        sim_block_told *told = &s->blocks[s->n_blocks++];
        memcpy(told->user, client->user, sizeof told->user);
        memcpy(told->whom, block->whom, sizeof told->whom);
        told->record = record->order;
        told->from = s->storage.n_appended;
    }
    chat__sim_tell_block(s, client, 1);
    block->whom[0] = 0;
}

void chat__sim_blocks_frame(sim *s, sim_client *client, const chat_frame *frame)
{
    sim_block *block = &client->block;
    if (block->whom[0] == 0 || !CHAT_FRAME_HAS(frame, R) || frame->r != BLOCK_R)
        return;
    block->is_flying_here = 0;
    if (frame->type != CHAT_FRAME_ERROR)
        on_answer(s, client);
    else
        block->not_before_ms = s->now_ms + RETRY_MS; /* the log has failed, say */
}

/* --- judging --- */

int chat__sim_blocks_has_asked(sim *s, const sim_client *client, const sim_record *record)
{
    chat_frame frame;
    char whom[SIM_NAME_BYTES];
    if (!is_block(s, record, client->user, NULL, &frame))
        return 0;
    chat__sim_copy_name(whom, sizeof whom, frame.user);
    return (client->blocks_asked & bit_of(whom)) != 0;
}

/* Where the block ended that was told, as a place in the order of appending. */
static uint64_t end_of(sim *s, const sim_block_told *told)
{
    chat_frame frame;
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (record->order > told->record && is_block(s, record, told->user, told->whom, &frame) &&
            !frame.blocked)
            return record->order;
    }
    return UINT64_MAX;
}

static int is_deletion(sim *s, const sim_record *record)
{
    chat_view payload = {record->payload, record->len};
    chat_frame frame;
    return record->kind == CHAT_FRAME_NOTE &&
           chat_frame_decode(s->decoder, CHAT_ENCODING_CBOR, payload, &frame) == CHAT_OK &&
           is_text(frame.what, "delete");
}

static void check(sim *s, const sim_block_told *told)
{
    char chat[SIM_CHAT_BYTES];
    chat_direct_name name;
    uint64_t end = end_of(s, told);
    if (chat_direct_id(chat__sim_view(told->user), chat__sim_view(told->whom), &name) != CHAT_OK)
        return;
    chat_view view = {name.bytes, name.len};
    chat__sim_copy_name(chat, sizeof chat, view);
    for (size_t i = 0; i < s->storage.n_records; i++) {
        const sim_record *record = &s->storage.records[i];
        if (strcmp(record->chat, chat) == 0 && record->order > told->from && record->order < end &&
            !is_deletion(s, record))
            chat__sim_violate(s, "blocks: %s has blocked %s, and seq %llu of %s was accepted",
                              told->user, told->whom, (unsigned long long)record->seq, chat);
    }
}

void chat__sim_blocks_check(sim *s)
{
    for (size_t i = 0; i < s->n_blocks; i++)
        check(s, &s->blocks[i]);
}
