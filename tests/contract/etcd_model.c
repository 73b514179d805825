/* SPDX-License-Identifier: MIT */
#include "etcd_model.h"
#include "base/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void etcd_model_init(etcd_model *model)
{
    memset(model, 0, sizeof *model);
    model->keys = calloc(MODEL_KEYS, sizeof *model->keys);
    model->revision = 1;
    model->next_lease = 1000;
}

void etcd_model_done(etcd_model *model)
{
    free(model->keys);
}

/* --- the store --- */

model_key *etcd_model_find(etcd_model *model, const char *key)
{
    for (size_t i = 0; i < model->n_keys; i++)
        if (strcmp(model->keys[i].key, key) == 0)
            return &model->keys[i];
    return NULL;
}

static model_lease *find_lease(etcd_model *model, uint64_t id)
{
    for (size_t i = 0; i < model->n_leases; i++)
        if (model->leases[i].id == id)
            return &model->leases[i];
    return NULL;
}

static void end_lease(etcd_model *model, model_lease *lease)
{
    size_t n = 0;
    for (size_t i = 0; i < model->n_keys; i++)
        if (model->keys[i].lease != lease->id)
            model->keys[n++] = model->keys[i];
    model->revision += n < model->n_keys;
    model->n_keys = n;
    *lease = model->leases[--model->n_leases];
}

void etcd_model_at(etcd_model *model, uint64_t now_ms)
{
    model->now_ms = now_ms;
    for (size_t i = model->n_leases; i-- > 0;)
        if (model->leases[i].end_ms <= now_ms)
            end_lease(model, &model->leases[i]);
}

void etcd_model_elect(etcd_model *model, uint64_t now_ms)
{
    model->now_ms = now_ms;
    for (size_t i = 0; i < model->n_leases; i++)
        model->leases[i].end_ms = now_ms + model->leases[i].ttl_ms;
}

/* --- bytes --- */

static uint64_t number_in(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return cJSON_IsString(item) ? strtoull(item->valuestring, NULL, 10) : 0;
}

static size_t bytes_in(const cJSON *object, const char *name, void *out, size_t cap)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);
    size_t len = 0;
    if (cJSON_IsString(item) &&
        chat__etcd_base64_decode(chat__view_str(item->valuestring), out, cap, &len) != CHAT_OK)
        abort();
    return len;
}

static void text_in(const cJSON *object, const char *name, char out[CHAT__ETCD_KEY_MAX])
{
    out[bytes_in(object, name, out, CHAT__ETCD_KEY_MAX - 1)] = '\0';
}

static void say(chat__buf *out, const char *text)
{
    if (chat__buf_append(out, text, strlen(text)) != CHAT_OK)
        abort();
}

static void say_number(chat__buf *out, const char *name, uint64_t value)
{
    char text[64];
    snprintf(text, sizeof text, "\"%s\":\"%" PRIu64 "\"", name, value);
    say(out, text);
}

static void say_base64(chat__buf *out, const char *name, chat_view bytes)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    say(out, name);
    for (size_t i = 0; i < bytes.len * 8; i += 6) {
        uint32_t pair = (uint32_t)bytes.data[i / 8] << 8;
        pair |= i / 8 + 1 < bytes.len ? bytes.data[i / 8 + 1] : 0;
        char letter[2] = {letters[pair >> (10 - i % 8) & 63], '\0'};
        say(out, letter);
    }
    say(out, bytes.len % 3 == 0 ? "\"" : bytes.len % 3 == 1 ? "==\"" : "=\"");
}

static void say_header(const etcd_model *model, chat__buf *out)
{
    say(out, "\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",");
    say_number(out, "revision", model->revision);
    say(out, ",\"raft_term\":\"2\"}");
}

static uint32_t refuse(chat__buf *out)
{
    say(out, "{\"error\":\"etcdserver: requested lease not found\",\"message\":\"etcdserver: "
             "requested lease not found\",\"code\":5}");
    return 404;
}

/* --- leases --- */

static uint32_t grant(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    if (model->n_leases == MODEL_LEASES)
        abort();
    model_lease *lease = &model->leases[model->n_leases++];
    lease->id = model->next_lease++;
    lease->ttl_ms = number_in(ask, "TTL") * 1000;
    lease->end_ms = model->now_ms + lease->ttl_ms;
    say(out, "{");
    say_header(model, out);
    say(out, ",");
    say_number(out, "ID", lease->id);
    say(out, ",");
    say_number(out, "TTL", lease->ttl_ms / 1000);
    say(out, "}");
    return 200;
}

static uint32_t keep_alive(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    model_lease *lease = find_lease(model, number_in(ask, "ID"));
    say(out, "{\"result\":{");
    say_header(model, out);
    say(out, ",");
    say_number(out, "ID", number_in(ask, "ID"));
    if (lease != NULL) {
        lease->end_ms = model->now_ms + lease->ttl_ms;
        say(out, ",");
        say_number(out, "TTL", lease->ttl_ms / 1000);
    }
    say(out, "}}\n");
    return 200;
}

static uint32_t revoke(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    model_lease *lease = find_lease(model, number_in(ask, "ID"));
    if (lease == NULL)
        return refuse(out);
    end_lease(model, lease);
    say(out, "{");
    say_header(model, out);
    say(out, "}");
    return 200;
}

/* --- transactions --- */

static int holds(etcd_model *model, const cJSON *compare)
{
    char key[CHAT__ETCD_KEY_MAX];
    text_in(compare, "key", key);
    const model_key *found = etcd_model_find(model, key);
    const char *target = cJSON_GetObjectItem(compare, "target")->valuestring;
    if (strcmp(target, "CREATE") == 0)
        return (found ? found->created : 0) == number_in(compare, "create_revision");
    if (strcmp(target, "MOD") == 0)
        return (found ? found->modified : 0) == number_in(compare, "mod_revision");
    return found != NULL && found->lease == number_in(compare, "lease");
}

static void put_key(etcd_model *model, const cJSON *put)
{
    char key[CHAT__ETCD_KEY_MAX];
    text_in(put, "key", key);
    model_key *to = etcd_model_find(model, key);
    if (to == NULL) {
        if (model->n_keys == MODEL_KEYS)
            abort();
        to = &model->keys[model->n_keys++];
        memset(to, 0, sizeof *to);
        memcpy(to->key, key, sizeof key);
        to->created = model->revision;
    }
    to->modified = model->revision;
    to->lease = number_in(put, "lease");
    to->value_len = bytes_in(put, "value", to->value, sizeof to->value);
}

/* 1: it was there. */
static int delete_key(etcd_model *model, const cJSON *ask)
{
    char key[CHAT__ETCD_KEY_MAX];
    text_in(ask, "key", key);
    model_key *found = etcd_model_find(model, key);
    if (found == NULL)
        return 0;
    *found = model->keys[--model->n_keys];
    return 1;
}

static void range(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    char from[CHAT__ETCD_KEY_MAX];
    char end[CHAT__ETCD_KEY_MAX];
    int n = 0;
    text_in(ask, "key", from);
    text_in(ask, "range_end", end);
    if (end[0] == '\0') /* one key: the end is what comes right behind it */
        snprintf(end, sizeof end, "%.190s\x01", from);
    for (size_t i = 0; i < model->n_keys; i++) {
        const model_key *key = &model->keys[i];
        if (strcmp(key->key, from) < 0 || strcmp(key->key, end) >= 0)
            continue;
        say(out, n++ == 0 ? ",\"kvs\":[{" : ",{");
        say_base64(out, "\"key\":\"", chat__view_str(key->key));
        say_base64(out, ",\"value\":\"", chat__view(key->value, key->value_len));
        say(out, ",");
        say_number(out, "mod_revision", key->modified);
        if (key->lease != 0) {
            say(out, ",");
            say_number(out, "lease", key->lease);
        }
        say(out, "}");
    }
    say(out, n == 0 ? "" : "]");
}

static uint32_t do_transaction(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    const cJSON *one;
    const char *before = ",\"responses\":[{";
    int is_good = 1;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(ask, "compare")) is_good &= holds(model, one);
    const cJSON *then = cJSON_GetObjectItem(ask, is_good ? "success" : "failure");
    int n_puts = 0;
    cJSON_ArrayForEach(one, then)
    {
        const cJSON *put = cJSON_GetObjectItem(one, "request_put");
        n_puts += put != NULL || cJSON_GetObjectItem(one, "request_delete_range") != NULL;
        if (number_in(put, "lease") != 0 && find_lease(model, number_in(put, "lease")) == NULL)
            return refuse(out);
    }
    model->revision += n_puts > 0;
    say(out, "{");
    say_header(model, out);
    say(out, is_good ? ",\"succeeded\":true" : "");
    cJSON_ArrayForEach(one, then)
    {
        const cJSON *put = cJSON_GetObjectItem(one, "request_put");
        say(out, before);
        before = ",{";
        const cJSON *gone = cJSON_GetObjectItem(one, "request_delete_range");
        say(out, put != NULL    ? "\"response_put\":{"
                 : gone != NULL ? "\"response_delete_range\":{"
                                : "\"response_range\":{");
        say_header(model, out);
        if (put != NULL)
            put_key(model, put);
        else if (gone != NULL)
            (void)delete_key(model, gone);
        else
            range(model, cJSON_GetObjectItem(one, "request_range"), out);
        say(out, "}}");
    }
    say(out, before[1] == '{' ? "]}" : "}");
    return 200;
}

/* As etcd does without more options (--max-txn-ops). */
static int is_too_long(const cJSON *ask)
{
    static const char *const lists[] = {"compare", "success", "failure"};
    int n = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        n += cJSON_GetArraySize(cJSON_GetObjectItem(ask, lists[i])) > 128;
    return n > 0;
}

static uint32_t transact(etcd_model *model, const cJSON *ask, chat__buf *out)
{
    if (!is_too_long(ask))
        return do_transaction(model, ask, out);
    say(out, "{\"error\":\"etcdserver: too many operations in txn request\",\"code\":3}");
    return 400;
}

uint32_t etcd_model_call(etcd_model *model, const char *path, chat_view body, chat__buf *out)
{
    static const struct {
        const char *path;
        uint32_t (*act)(etcd_model *model, const cJSON *ask, chat__buf *out);
    } rows[] = {{"/v3/lease/grant", grant},
                {"/v3/lease/keepalive", keep_alive},
                {"/v3/lease/revoke", revoke},
                {"/v3/kv/txn", transact}};
    cJSON *ask = cJSON_ParseWithLength((const char *)body.data, body.len);
    uint32_t status = 0;
    for (size_t i = 0; ask != NULL && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(path, rows[i].path) == 0)
            status = rows[i].act(model, ask, out);
    cJSON_Delete(ask);
    if (status == 0)
        abort(); /* a call that etcd does not know */
    return status;
}
