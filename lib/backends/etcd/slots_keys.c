/* SPDX-License-Identifier: MIT */
/* What slots are asked for with, and what the keys say. See slots.h. */
#include "backends/etcd/slots_internal.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS_IN_SECOND 1000u
#define N_DIGITS     4u
#define MAX_DIGITS   9u
#define PLACE_BYTES  (MAX_DIGITS + 2u + CHAT_PLACES_ADDRESS_BYTES)

/* --- writing --- */

static const char *key_of(const chat__etcd_slots *self, const char *kind, uint32_t number,
                          char out[CHAT__ETCD_KEY_MAX])
{
    (void)snprintf(out, CHAT__ETCD_KEY_MAX, "%s%s/%04" PRIu32, self->prefix, kind, number);
    return out;
}

static void write_join(chat__etcd_slots *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    char place[PLACE_BYTES];
    (void)snprintf(place, sizeof place, "%" PRIu32 "%s%s", self->runs_slots,
                   self->address[0] != '\0' ? " " : "", self->address);
    chat__etcd_txn_begin(writer);
    chat__etcd_txn_then(writer);
    chat__etcd_txn_put(writer, key_of(self, "place", self->member, key), chat__view_str(place),
                       self->lease);
    chat__etcd_txn_end(writer);
}

static void write_claim(chat__etcd_slots *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    char member[16];
    (void)snprintf(member, sizeof member, "%" PRIu32, self->member);
    key_of(self, "slot", self->slot, key);
    chat__etcd_txn_begin(writer);
    chat__etcd_txn_if_absent(writer, key);
    chat__etcd_txn_then(writer);
    chat__etcd_txn_put(writer, key, chat__view_str(member), self->lease);
    chat__etcd_txn_otherwise(writer);
    chat__etcd_txn_range(writer, key, NULL);
    chat__etcd_txn_end(writer);
}

static void write_give_up(chat__etcd_slots *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    key_of(self, "slot", self->slot, key);
    chat__etcd_txn_begin(writer);
    /* That claim alone: when this comes late, it may be ours again. */
    chat__etcd_txn_if_revision(writer, key, self->slots[self->slot].term);
    chat__etcd_txn_then(writer);
    chat__etcd_txn_delete(writer, key);
    chat__etcd_txn_end(writer);
}

static void write_look(chat__etcd_slots *self, chat__etcd_writer *writer)
{
    static const char *const kinds[] = {"slot", "place"};
    chat__etcd_txn_begin(writer);
    chat__etcd_txn_then(writer);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char from[CHAT__ETCD_KEY_MAX];
        char end[CHAT__ETCD_KEY_MAX];
        (void)snprintf(from, sizeof from, "%s%s/", self->prefix, kinds[i]);
        (void)snprintf(end, sizeof end, "%s%s0", self->prefix, kinds[i]); /* '/' + 1 */
        chat__etcd_txn_range(writer, from, end);
    }
    chat__etcd_txn_end(writer);
}

chat_status chat__etcd_slots_write(chat__etcd_slots *self)
{
    chat__etcd_writer writer = chat__etcd_write(&self->body);
    switch (self->step) {
    case CHAT__SLOTS_GRANT:
        chat__etcd_put_grant(&writer, (self->ttl_ms + MS_IN_SECOND - 1) / MS_IN_SECOND);
        break;
    case CHAT__SLOTS_JOIN:
        write_join(self, &writer);
        break;
    case CHAT__SLOTS_CLAIM:
        write_claim(self, &writer);
        break;
    case CHAT__SLOTS_GIVE_UP:
        write_give_up(self, &writer);
        break;
    case CHAT__SLOTS_LOOK:
        write_look(self, &writer);
        break;
    default:
        chat__etcd_put_lease(&writer, self->lease != 0 ? self->lease : self->old_lease);
        break;
    }
    return writer.status;
}

/* --- reading --- */

/* Digits as a number; UINT32_MAX: something else, or too many. */
static uint32_t number_in(const uint8_t *text, size_t len)
{
    uint32_t number = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || len > MAX_DIGITS)
            return UINT32_MAX;
        number = number * 10 + (uint32_t)(text[i] - '0');
    }
    return number;
}

/* The number at the end of a key. */
static uint32_t number_of(const char *key)
{
    size_t len = strlen(key);
    size_t n = len < N_DIGITS ? 0 : N_DIGITS;
    return number_in((const uint8_t *)key + len - n, n);
}

static uint32_t member_in(const chat__etcd_kv *kv)
{
    uint32_t member = number_in(kv->value, kv->value_len);
    /* Else somebody, nobody that we know. */
    return member <= CHAT__SLOTS_MAX_MEMBER ? member : CHAT__SLOTS_MAX_MEMBER + 1;
}

static void set_slot(chat__etcd_slots *self, uint32_t number, const chat_places_slot *now)
{
    chat_places_slot *slot = &self->slots[number];
    if (memcmp(slot, now, sizeof *now) == 0)
        return;
    *slot = *now;
    self->is_changed = 1;
}

static void set_from_key(chat__etcd_slots *self, uint32_t number, const chat__etcd_kv *kv)
{
    int is_ours = kv->lease == self->lease && self->wants[number] != CHAT__SLOTS_GIVE_UP;
    chat_places_slot now = {kv->mod_revision, member_in(kv), (uint32_t)is_ours};
    set_slot(self, number, &now);
}

static void set_free(chat__etcd_slots *self, uint32_t number)
{
    const chat_places_slot none = {0, CHAT_PLACES_NOBODY, 0};
    set_slot(self, number, &none);
}

static void take_slots(chat__etcd_slots *self, chat__etcd_cursor cursor)
{
    uint8_t is_there[CHAT_PLACES_MAX_SLOTS] = {0};
    chat__etcd_kv kv;
    chat_status status;
    while ((status = chat__etcd_next_kv(&cursor, &kv)) != CHAT_EMPTY) {
        uint32_t number = number_of(kv.key);
        if (status != CHAT_OK || number >= self->n_slots)
            continue;
        is_there[number] = 1;
        set_from_key(self, number, &kv);
    }
    for (uint32_t i = 0; i < self->n_slots; i++)
        if (!is_there[i])
            set_free(self, i);
}

/* What a member says of itself; of what cannot be read nothing. */
static void read_place(const chat__etcd_kv *kv, chat_places_member *out)
{
    const uint8_t *space = memchr(kv->value, ' ', kv->value_len);
    size_t n_digits = space != NULL ? (size_t)(space - kv->value) : kv->value_len;
    size_t len = space != NULL ? kv->value_len - n_digits - 1 : 0;
    uint32_t runs_slots = number_in(kv->value, n_digits);
    out->runs_slots = runs_slots != UINT32_MAX ? runs_slots : 0;
    if (len > 0 && len < sizeof out->address && memchr(space + 1, 0, len) == NULL)
        memcpy(out->address, space + 1, len);
}

static void take_members(chat__etcd_slots *self, chat__etcd_cursor cursor)
{
    chat_places_member members[CHAT_PLACES_MAX_MEMBERS]; /* some 18 KB */
    uint32_t n = 0;
    int is_here = 0;
    chat__etcd_kv kv;
    chat_status status;
    memset(members, 0, sizeof members);
    while ((status = chat__etcd_next_kv(&cursor, &kv)) != CHAT_EMPTY) {
        chat_places_member one = {.member = number_of(kv.key)};
        if (status != CHAT_OK || one.member > CHAT__SLOTS_MAX_MEMBER)
            continue;
        read_place(&kv, &one);
        if (one.member == self->member)
            is_here = one.runs_slots == self->runs_slots && strcmp(one.address, self->address) == 0;
        if (n < CHAT_PLACES_MAX_MEMBERS)
            members[n++] = one;
    }
    /* A word of ours that is gone, or came late, is said over. */
    self->is_joined = self->is_joined && is_here;
    if (n == self->n_members && memcmp(members, self->members, n * sizeof *members) == 0)
        return;
    memcpy(self->members, members, sizeof members);
    self->n_members = n;
    self->is_changed = 1;
}

void chat__etcd_slots_on_look(chat__etcd_slots *self, const chat__etcd_answer *answer)
{
    take_members(self, chat__etcd_kvs(answer, 1));
    if (!self->is_joined)
        return; /* whether our lease is gone is told first */
    self->is_changed = self->is_changed || !chat__etcd_slots_is_known(self);
    self->looked_ms = self->sent_ms > 0 ? self->sent_ms : 1;
    take_slots(self, chat__etcd_kvs(answer, 0));
}

void chat__etcd_slots_on_claim(chat__etcd_slots *self, const chat__etcd_answer *answer)
{
    chat_places_slot ours = {answer->revision, self->member, 1};
    chat__etcd_cursor cursor = chat__etcd_kvs(answer, 0);
    chat__etcd_kv kv;
    if (self->wants[self->slot] == CHAT__SLOTS_CLAIM)
        self->wants[self->slot] = 0;
    ours.is_ours = self->wants[self->slot] != CHAT__SLOTS_GIVE_UP;
    if (answer->has_succeeded)
        set_slot(self, self->slot, &ours);
    else if (chat__etcd_next_kv(&cursor, &kv) == CHAT_OK)
        set_from_key(self, self->slot, &kv);
}

void chat__etcd_slots_on_give_up(chat__etcd_slots *self)
{
    if (self->wants[self->slot] == CHAT__SLOTS_GIVE_UP)
        self->wants[self->slot] = 0;
    if (self->wants[self->slot] == 0)
        set_free(self, self->slot); /* or it is somebody's, as the next look tells */
}
