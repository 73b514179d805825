/* SPDX-License-Identifier: MIT */
/*
 * Requests to etcd's JSON gateway (version 3.4, under /v3/) and its answers, as bytes. Keys and
 * values travel in base64, numbers of 64 bits as strings; what is zero or false is left out.
 * Answers are hostile: each is scanned before it is parsed.
 */
#ifndef CHAT_ETCD_WIRE_H
#define CHAT_ETCD_WIRE_H

#include "base/buf.h"

struct cJSON;

#define CHAT__ETCD_KEY_MAX   192u
#define CHAT__ETCD_VALUE_MAX 2048u
#define CHAT__ETCD_WHY_BYTES 160u

/* As they are told in `code`. */
#define CHAT__ETCD_CODE_NOT_FOUND 5u

/* --- writing: at the end of a buffer --- */

typedef struct chat__etcd_writer {
    chat__buf *buf;
    uint32_t n_items;   /* of the list that is open */
    chat_status status; /* the first that failed; nothing is written behind it */
} chat__etcd_writer;

chat__etcd_writer chat__etcd_write(chat__buf *buf);

/* Whole bodies. */
void chat__etcd_put_grant(chat__etcd_writer *writer, uint64_t ttl_s);
/* Of keep-alive and revoke. */
void chat__etcd_put_lease(chat__etcd_writer *writer, uint64_t lease);
/* All changes of the keys from `from` on and before `end`, from now on. */
void chat__etcd_put_watch(chat__etcd_writer *writer, const char *from, const char *end);

/* A transaction: begin, what must hold, then, what is done, otherwise, what is done else, end. */
void chat__etcd_txn_begin(chat__etcd_writer *writer);
/* Nobody has the key. */
void chat__etcd_txn_if_absent(chat__etcd_writer *writer, const char *key);
/* It is as it was at this revision; 0: absent. */
void chat__etcd_txn_if_revision(chat__etcd_writer *writer, const char *key, uint64_t revision);
/* It hangs on this lease. */
void chat__etcd_txn_if_lease(chat__etcd_writer *writer, const char *key, uint64_t lease);
void chat__etcd_txn_then(chat__etcd_writer *writer);
void chat__etcd_txn_otherwise(chat__etcd_writer *writer);
/* `lease` 0: it stays. */
void chat__etcd_txn_put(chat__etcd_writer *writer, const char *key, chat_view value,
                        uint64_t lease);
/* `end` NULL: one key alone. */
void chat__etcd_txn_range(chat__etcd_writer *writer, const char *from, const char *end);
void chat__etcd_txn_delete(chat__etcd_writer *writer, const char *key);
void chat__etcd_txn_end(chat__etcd_writer *writer);

/* A string of JSON, quotes included. `text` is UTF-8. */
void chat__etcd_put_string(chat__etcd_writer *writer, chat_view text);
void chat__etcd_put_raw(chat__etcd_writer *writer, const char *text);

/* --- reading --- */

typedef struct chat__etcd_answer {
    struct cJSON *tree;
    const struct cJSON *body; /* in it: of a stream what is in "result" */
    uint64_t revision;        /* of the store; 0: not said */
    uint64_t lease;           /* of grant and keep-alive */
    uint64_t ttl_s;           /* 0: the lease is not there */
    uint32_t code;            /* 0: no error */
    int has_succeeded;        /* of a transaction: what must hold, held */
    int is_canceled;          /* of a watch */
    char why[CHAT__ETCD_WHY_BYTES];
} chat__etcd_answer;

/* CHAT_OK, then free it with chat__etcd_answer_done(); CHAT_ERR_SYNTAX, CHAT_ERR_LIMIT: no answer
   of etcd; CHAT_ERR_NOMEM. An error that etcd tells is CHAT_OK with a `code`. */
chat_status chat__etcd_read(chat_view text, chat__etcd_answer *out);
void chat__etcd_answer_done(chat__etcd_answer *answer);

typedef struct chat__etcd_kv {
    char key[CHAT__ETCD_KEY_MAX]; /* zero-terminated */
    uint8_t value[CHAT__ETCD_VALUE_MAX];
    size_t value_len;
    uint64_t mod_revision;
    uint64_t lease;
} chat__etcd_kv;

/* Walks keys. Those of range `number` of a transaction, or of a range alone (number 0). */
typedef struct chat__etcd_cursor {
    const struct cJSON *next;
} chat__etcd_cursor;

chat__etcd_cursor chat__etcd_kvs(const chat__etcd_answer *answer, int number);
/* CHAT_OK; CHAT_EMPTY; CHAT_ERR_SYNTAX: this one is not as it should be, or too long for us (the
   cursor is behind it). */
chat_status chat__etcd_next_kv(chat__etcd_cursor *cursor, chat__etcd_kv *out);

/* Standard base64 with padding (RFC 4648 section 4). CHAT_OK; CHAT_ERR_SYNTAX; CHAT_ERR_LIMIT. */
chat_status chat__etcd_base64_decode(chat_view text, uint8_t *out, size_t cap, size_t *out_len);

#endif
