/* SPDX-License-Identifier: MIT */
/* Which numbers are free, and the transaction that takes them. See numbers.h. */
#include "backends/etcd/numbers_internal.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>

#define N_DIGITS      4u
#define NUMBERS_BYTES (16u + 5u * CHAT__ETCD_MAX_NUMBERS) /* of them in the member's JSON */

static const char *key_of(const chat__etcd_numbers *self, const char *kind, uint32_t number,
                          char out[CHAT__ETCD_KEY_MAX])
{
    (void)snprintf(out, CHAT__ETCD_KEY_MAX, "%s%s/%04" PRIu32, self->prefix, kind, number);
    return out;
}

/* --- what others may know --- */

chat_status chat__etcd_copy_wish(chat__etcd_numbers *self, const chat_lease_wish *wish)
{
    chat__etcd_writer writer = chat__etcd_write(&self->member);
    self->n_wanted = wish->n_numbers;
    chat__etcd_put_raw(&writer, "{\"name\":");
    chat__etcd_put_string(&writer, wish->name);
    chat__etcd_put_raw(&writer, ",\"address\":");
    chat__etcd_put_string(&writer, wish->address);
    chat__etcd_put_raw(&writer, ",\"roles\":");
    chat__etcd_put_string(&writer, wish->roles);
    if (writer.status == CHAT_OK && self->member.len + NUMBERS_BYTES > CHAT__ETCD_MEMBER_BYTES)
        return CHAT_ERR_LIMIT;
    return writer.status;
}

static chat_status put_member(chat__etcd_numbers *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    size_t len = self->member.len;
    chat__etcd_writer member = chat__etcd_write(&self->member);
    for (uint32_t i = 0; i < self->n_picks; i++) {
        char number[32];
        (void)snprintf(number, sizeof number, "%s%" PRIu32, i == 0 ? ",\"numbers\":[" : ",",
                       self->picks[i].number);
        chat__etcd_put_raw(&member, number);
    }
    chat__etcd_put_raw(&member, "]}");
    (void)snprintf(key, sizeof key, "%smember/%s", self->prefix, self->token);
    if (member.status == CHAT_OK)
        chat__etcd_txn_put(writer, key, chat__buf_view(&self->member), self->lease);
    self->member.len = len;
    return member.status;
}

/* --- looking --- */

chat_status chat__etcd_write_list(chat__etcd_numbers *self)
{
    static const char *const kinds[] = {"holder", "until"};
    chat__etcd_writer writer = chat__etcd_write(&self->body);
    chat__etcd_txn_begin(&writer);
    chat__etcd_txn_then(&writer);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char from[CHAT__ETCD_KEY_MAX];
        char end[CHAT__ETCD_KEY_MAX];
        chat__etcd_txn_range(&writer, key_of(self, kinds[i], self->window, from),
                             key_of(self, kinds[i], self->window + CHAT__ETCD_WINDOW, end));
    }
    chat__etcd_txn_end(&writer);
    return writer.status;
}

/* What is known of a number. What cannot be read is left to whoever wrote it. */
typedef struct seen {
    int is_taken, is_own, has_time;
    uint64_t until_revision;
} seen;

/* Its place in the window; CHAT__ETCD_WINDOW: it has none. */
static uint32_t place_of(const chat__etcd_numbers *self, const char *key)
{
    uint32_t number = 0;
    size_t len = strlen(key);
    for (size_t i = len < N_DIGITS ? len : len - N_DIGITS; i < len; i++) {
        if (key[i] < '0' || key[i] > '9')
            return CHAT__ETCD_WINDOW;
        number = number * 10 + (uint32_t)(key[i] - '0');
    }
    if (len < N_DIGITS || number < self->window || number - self->window > CHAT__ETCD_WINDOW)
        return CHAT__ETCD_WINDOW;
    return number - self->window;
}

/* Whether ids may be made with a number from now on, by what its `until` says. */
static int is_over(const chat__etcd_numbers *self, const chat__etcd_kv *kv)
{
    uint64_t until_ms = 0;
    size_t i = 0;
    for (; i < kv->value_len && kv->value[i] >= '0' && kv->value[i] <= '9'; i++) {
        if (until_ms > UINT64_MAX / 10 - 1)
            return 0;
        until_ms = until_ms * 10 + (uint64_t)(kv->value[i] - '0');
    }
    if (i == 0 || i == kv->value_len || kv->value[i] != ' ')
        return 0;
    chat_view who = chat__view(kv->value + i + 1, kv->value_len - i - 1);
    return until_ms <= self->now.unix_ms || chat__view_equal(who, chat__view_str(self->token));
}

void chat__etcd_pick_free(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    seen all[CHAT__ETCD_WINDOW + 1];
    chat__etcd_kv kv;
    chat_status status;
    memset(all, 0, sizeof all);
    for (int range = 0; range < 2; range++) {
        chat__etcd_cursor cursor = chat__etcd_kvs(answer, range);
        while ((status = chat__etcd_next_kv(&cursor, &kv)) != CHAT_EMPTY) {
            seen *one = &all[place_of(self, kv.key)];
            if (status != CHAT_OK || (range == 1 && !is_over(self, &kv)))
                one->has_time = 1;
            else if (range == 1)
                one->until_revision = kv.mod_revision;
            else
                one->is_taken = 1;
            if (range == 0)
                one->is_own = status == CHAT_OK && kv.lease == self->lease;
        }
    }
    for (uint32_t i = 0; i < CHAT__ETCD_WINDOW && self->n_picks < self->n_wanted; i++) {
        if (!all[i].is_own && (all[i].is_taken || all[i].has_time))
            continue;
        chat__etcd_pick pick = {self->window + i, all[i].is_own, all[i].until_revision};
        self->picks[self->n_picks++] = pick;
    }
}

/* --- taking --- */

static uint32_t end_of_part(const chat__etcd_numbers *self)
{
    return self->n_picks - self->part > CHAT__ETCD_PART ? self->part + CHAT__ETCD_PART
                                                        : self->n_picks;
}

static void write_compares(const chat__etcd_numbers *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    for (uint32_t i = self->part; i < end_of_part(self); i++) {
        const chat__etcd_pick *pick = &self->picks[i];
        key_of(self, "holder", pick->number, key);
        if (pick->is_own)
            chat__etcd_txn_if_lease(writer, key, self->lease);
        else
            chat__etcd_txn_if_absent(writer, key);
        /* Also of our own: a transaction of ours that comes late must not put an earlier time. */
        chat__etcd_txn_if_revision(writer, key_of(self, "until", pick->number, key),
                                   pick->until_revision);
    }
}

/* CHAT_OK; CHAT_ERR_NOMEM. */
static chat_status write_puts(chat__etcd_numbers *self, chat__etcd_writer *writer)
{
    char key[CHAT__ETCD_KEY_MAX];
    char until[64];
    int is_all_own = 1;
    (void)snprintf(until, sizeof until, "%" PRIu64 " %s", self->asked_until_ms, self->token);
    for (uint32_t i = self->part; i < end_of_part(self); i++) {
        const chat__etcd_pick *pick = &self->picks[i];
        chat__etcd_txn_put(writer, key_of(self, "until", pick->number, key), chat__view_str(until),
                           0);
        if (pick->is_own)
            continue;
        is_all_own = 0;
        chat__etcd_txn_put(writer, key_of(self, "holder", pick->number, key),
                           chat__view_str(self->token), self->lease);
    }
    return is_all_own ? CHAT_OK : put_member(self, writer);
}

chat_status chat__etcd_write_take(chat__etcd_numbers *self)
{
    static const char *const kinds[] = {"holder", "until"};
    char key[CHAT__ETCD_KEY_MAX];
    chat__etcd_writer writer = chat__etcd_write(&self->body);
    chat__etcd_txn_begin(&writer);
    write_compares(self, &writer);
    chat__etcd_txn_then(&writer);
    chat_status status = write_puts(self, &writer);
    chat__etcd_txn_otherwise(&writer);
    for (uint32_t i = 2 * self->part; i < 2 * end_of_part(self); i++)
        chat__etcd_txn_range(&writer, key_of(self, kinds[i % 2], self->picks[i / 2].number, key),
                             NULL);
    chat__etcd_txn_end(&writer);
    return status == CHAT_OK ? writer.status : status;
}

int chat__etcd_taken(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    for (uint32_t i = self->part; i < end_of_part(self); i++) {
        self->picks[i].is_own = 1;
        self->picks[i].until_revision = answer->revision;
        self->numbers[i] = self->picks[i].number;
    }
    self->part = end_of_part(self);
    return self->part == self->n_picks;
}

int chat__etcd_is_ours(chat__etcd_numbers *self, const chat__etcd_answer *answer)
{
    chat__etcd_kv kv;
    for (uint32_t i = self->part; i < end_of_part(self); i++) {
        chat__etcd_cursor cursor = chat__etcd_kvs(answer, (int)(2 * (i - self->part)));
        if (chat__etcd_next_kv(&cursor, &kv) != CHAT_OK || kv.lease != self->lease)
            return 0;
        cursor = chat__etcd_kvs(answer, (int)(2 * (i - self->part) + 1));
        if (chat__etcd_next_kv(&cursor, &kv) != CHAT_OK || !is_over(self, &kv))
            return 0;
        self->picks[i].is_own = 1;
        self->picks[i].until_revision = kv.mod_revision;
    }
    return 1;
}
