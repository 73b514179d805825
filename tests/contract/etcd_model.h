/* SPDX-License-Identifier: MIT */
/*
 * What etcd 3.4 does with the calls that we make, in memory and in virtual time: leases, keys,
 * transactions, ranges. Bytes in, bytes out, as the real one answers.
 */
#ifndef CHAT_TESTS_ETCD_MODEL_H
#define CHAT_TESTS_ETCD_MODEL_H

#include "backends/etcd/wire.h"

#include <cjson/cJSON.h>

#define MODEL_KEYS   2048
#define MODEL_LEASES 256

typedef struct model_key {
    char key[CHAT__ETCD_KEY_MAX];
    uint8_t value[CHAT__ETCD_VALUE_MAX];
    size_t value_len;
    uint64_t created, modified, lease;
} model_key;

typedef struct model_lease {
    uint64_t id, ttl_ms, end_ms;
} model_lease;

typedef struct etcd_model {
    model_key *keys; /* MODEL_KEYS */
    size_t n_keys;
    model_lease leases[MODEL_LEASES];
    size_t n_leases;
    uint64_t revision, next_lease, now_ms;
} etcd_model;

void etcd_model_init(etcd_model *model);
void etcd_model_done(etcd_model *model);

/* Time goes on: leases end. */
void etcd_model_at(etcd_model *model, uint64_t now_ms);

/* A new leader, who gives each lease all its time again. */
void etcd_model_elect(etcd_model *model, uint64_t now_ms);

/* The HTTP status; the answer is appended to `out`. */
uint32_t etcd_model_call(etcd_model *model, const char *path, chat_view body, chat__buf *out);

/* NULL: there is none. */
model_key *etcd_model_find(etcd_model *model, const char *key);

#endif
