/* SPDX-License-Identifier: MIT */
/* Answers, parsed by cJSON behind the strict scan. See wire.h. */
#include "backends/etcd/wire.h"
#include "base/view.h"
#include "json/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A number of 64 bits: a string of digits. What is not there is 0, and so is what is none. */
static uint64_t number_of(const cJSON *object, const char *name)
{
    const cJSON *item = member(object, name);
    uint64_t value = 0;
    if (!cJSON_IsString(item))
        return 0;
    for (const char *at = item->valuestring; *at != '\0'; at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return 0;
        value = value * 10 + digit;
    }
    return value;
}

static void read_error(chat__etcd_answer *out)
{
    const cJSON *code = member(out->tree, "code");
    const cJSON *text = member(out->tree, "error");
    if (cJSON_IsObject(text)) /* in a stream */
        text = member(text, "message");
    if (!cJSON_IsString(text) && !cJSON_IsNumber(code))
        return;
    out->code = cJSON_IsNumber(code) && code->valueint > 0 ? (uint32_t)code->valueint : UINT32_MAX;
    (void)snprintf(out->why, sizeof out->why, "%.150s",
                   cJSON_IsString(text) ? text->valuestring : "no reason is given");
}

chat_status chat__etcd_read(chat_view text, chat__etcd_answer *out)
{
    chat__etcd_answer answer;
    memset(&answer, 0, sizeof answer);
    chat_status status = chat__json_scan(text);
    if (status != CHAT_OK)
        return status;
    answer.tree = cJSON_ParseWithLength((const char *)text.data, text.len);
    if (answer.tree == NULL)
        return CHAT_ERR_NOMEM;
    if (!cJSON_IsObject(answer.tree)) {
        cJSON_Delete(answer.tree);
        return CHAT_ERR_SYNTAX;
    }
    const cJSON *result = member(answer.tree, "result");
    answer.body = cJSON_IsObject(result) ? result : answer.tree;
    answer.revision = number_of(member(answer.body, "header"), "revision");
    answer.lease = number_of(answer.body, "ID");
    answer.ttl_s = number_of(answer.body, "TTL");
    answer.has_succeeded = cJSON_IsTrue(member(answer.body, "succeeded"));
    answer.is_canceled = cJSON_IsTrue(member(answer.body, "canceled"));
    read_error(&answer);
    *out = answer;
    return CHAT_OK;
}

void chat__etcd_answer_done(chat__etcd_answer *answer)
{
    cJSON_Delete(answer->tree);
    answer->tree = NULL;
    answer->body = NULL;
}

/* --- keys --- */

static const cJSON *first_of(const cJSON *list)
{
    return cJSON_IsArray(list) ? list->child : NULL;
}

chat__etcd_cursor chat__etcd_kvs(const chat__etcd_answer *answer, int number)
{
    chat__etcd_cursor cursor = {NULL};
    const cJSON *responses = member(answer->body, "responses");
    const cJSON *range = answer->body;
    if (cJSON_IsArray(responses))
        range = member(cJSON_GetArrayItem(responses, number), "response_range");
    cursor.next = first_of(member(range, "kvs"));
    return cursor;
}

static chat_status bytes_of(const cJSON *object, const char *name, uint8_t *out, size_t cap,
                            size_t *out_len)
{
    const cJSON *item = member(object, name);
    *out_len = 0;
    if (item == NULL)
        return CHAT_OK; /* empty */
    if (!cJSON_IsString(item))
        return CHAT_ERR_SYNTAX;
    return chat__etcd_base64_decode(chat__view_str(item->valuestring), out, cap, out_len);
}

chat_status chat__etcd_next_kv(chat__etcd_cursor *cursor, chat__etcd_kv *out)
{
    const cJSON *item = cursor->next;
    size_t key_len = 0;
    if (item == NULL)
        return CHAT_EMPTY;
    cursor->next = item->next;
    memset(out, 0, sizeof *out);
    if (bytes_of(item, "key", (uint8_t *)out->key, sizeof out->key - 1, &key_len) != CHAT_OK ||
        bytes_of(item, "value", out->value, sizeof out->value, &out->value_len) != CHAT_OK ||
        key_len == 0 || memchr(out->key, 0, key_len) != NULL)
        return CHAT_ERR_SYNTAX;
    out->mod_revision = number_of(item, "mod_revision");
    out->lease = number_of(item, "lease");
    return CHAT_OK;
}

static unsigned value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)c - 'A';
    if (c >= 'a' && c <= 'z')
        return (unsigned)c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

chat_status chat__etcd_base64_decode(chat_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t n_pad = 0;
    uint32_t bits = 0;
    size_t n = 0;
    if (text.len % 4 != 0)
        return CHAT_ERR_SYNTAX;
    while (n_pad < 2 && n_pad < text.len && text.data[text.len - 1 - n_pad] == '=')
        n_pad++;
    if (text.len / 4 * 3 - n_pad > cap)
        return CHAT_ERR_LIMIT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = i < text.len - n_pad ? value_of(text.data[i]) : 0;
        if (value == 64)
            return CHAT_ERR_SYNTAX;
        bits = bits << 6 | value;
        if (i % 4 != 3)
            continue;
        size_t n_bytes = i + 1 == text.len ? 3 - n_pad : 3;
        if ((bits & ((1u << (3 - n_bytes) * 8) - 1)) != 0)
            return CHAT_ERR_SYNTAX; /* bits that belong to no byte */
        for (size_t k = 0; k < n_bytes; k++)
            out[n++] = (uint8_t)(bits >> (16 - k * 8));
        bits = 0;
    }
    *out_len = n;
    return CHAT_OK;
}
