/* SPDX-License-Identifier: MIT */
/*
 * See jwt.h. The order matters: the header is read and held against the key, then the signature is
 * checked, and only then is the payload looked at.
 */
#include "net/jwt.h"
#include "base/view.h"
#include "json/json.h"
#include "net/jwt_key.h"

#include <chat/id.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#define MAX_TOKEN_BYTES  8192u
#define MAX_PART_BYTES   (MAX_TOKEN_BYTES / 4 * 3)
#define MAX_DATE_SECONDS 253402300799.0 /* the end of the year 9999 */

static const char why_malformed[] = "the token is malformed";
static const char why_no_memory[] = "out of memory";

typedef struct token_parts {
    chat_view header;
    chat_view payload;
    chat_view signature;
    chat_view signed_text; /* header, dot, payload */
} token_parts;

/* Three parts between two dots. */
static int split(chat_view token, token_parts *out)
{
    const uint8_t *end = token.data + token.len;
    const uint8_t *first = memchr(token.data, '.', token.len);
    if (first == NULL)
        return 0;
    const uint8_t *second = memchr(first + 1, '.', (size_t)(end - first - 1));
    if (second == NULL || memchr(second + 1, '.', (size_t)(end - second - 1)) != NULL)
        return 0;
    out->header = chat__view(token.data, (size_t)(first - token.data));
    out->payload = chat__view(first + 1, (size_t)(second - first - 1));
    out->signature = chat__view(second + 1, (size_t)(end - second - 1));
    out->signed_text = chat__view(token.data, (size_t)(second - token.data));
    return 1;
}

/* cJSON keeps all of several members with one name; RFC 7519 section 4 lets us refuse them. */
static int has_duplicates(const cJSON *object)
{
    for (const cJSON *a = object->child; a != NULL; a = a->next) {
        for (const cJSON *b = a->next; b != NULL; b = b->next) {
            if (strcmp(a->string, b->string) == 0)
                return 1;
        }
    }
    return 0;
}

/* A part that is base64url of a JSON object; NULL otherwise, and `*why` says why. */
static cJSON *read_object(chat_view part, const char **why)
{
    uint8_t text[MAX_PART_BYTES];
    size_t len = 0;
    *why = why_malformed;
    if (chat__base64url_decode(part, text, sizeof text, &len) != CHAT_OK ||
        chat__json_scan(chat__view(text, len)) != CHAT_OK)
        return NULL;
    cJSON *object = cJSON_ParseWithLength((const char *)text, len);
    if (object == NULL)
        *why = why_no_memory; /* the scan has found nothing wrong with it */
    if (object != NULL && (!cJSON_IsObject(object) || has_duplicates(object))) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

static chat_status status_of(const char *why)
{
    return why == why_no_memory ? CHAT_ERR_NOMEM : CHAT_ERR_AUTH;
}

/* NULL: the header names the key's algorithm and asks for nothing that we do not know. */
static const char *check_header(chat_view part, const chat__jwt_key *key)
{
    const char *why = NULL;
    cJSON *header = read_object(part, &why);
    if (header == NULL)
        return why;
    why = NULL;
    const cJSON *alg = cJSON_GetObjectItemCaseSensitive(header, "alg");
    if (!cJSON_IsString(alg))
        why = why_malformed;
    else if (strcmp(alg->valuestring, chat__jwt_key_alg_name(key)) != 0)
        why = "the token has the wrong algorithm";
    else if (cJSON_GetObjectItemCaseSensitive(header, "crit") != NULL)
        why = "the token needs an extension that is not supported (crit)";
    cJSON_Delete(header);
    return why;
}

static const char *check_signature(const token_parts *parts, const chat__jwt_key *key)
{
    uint8_t signature[CHAT__JWT_MAX_SIGNATURE];
    size_t len = 0;
    chat_status status =
        chat__base64url_decode(parts->signature, signature, sizeof signature, &len);
    if (status == CHAT_ERR_SYNTAX)
        return why_malformed;
    if (status != CHAT_OK ||
        !chat__jwt_key_verifies(key, parts->signed_text, chat__view(signature, len)))
        return "the token has the wrong signature";
    return NULL;
}

/* A NumericDate in milliseconds; `missing` when it is not there. 0: not a date. */
static int read_date(const cJSON *claims, const char *name, uint64_t missing, uint64_t *out)
{
    const cJSON *date = cJSON_GetObjectItemCaseSensitive(claims, name);
    *out = missing;
    if (date == NULL)
        return 1;
    if (!cJSON_IsNumber(date) || !(date->valuedouble >= 0) || date->valuedouble > MAX_DATE_SECONDS)
        return 0;
    *out = (uint64_t)(date->valuedouble * 1000.0);
    return 1;
}

static chat_status check_claims(const chat__jwt_check *check, const cJSON *claims,
                                chat__jwt_claims *out, const char **why)
{
    uint64_t exp, nbf, iat;
    *why = "the token has a date that is no number or out of range";
    if (!read_date(claims, "exp", UINT64_MAX, &exp) || !read_date(claims, "nbf", 0, &nbf) ||
        !read_date(claims, "iat", 0, &iat))
        return CHAT_ERR_AUTH;
    *why = "the token has expired";
    if (exp != UINT64_MAX && check->now_unix_ms >= exp + check->leeway_ms)
        return CHAT_ERR_EXPIRED;
    *why = "the token is not yet valid";
    if (nbf > check->now_unix_ms && nbf - check->now_unix_ms > check->leeway_ms)
        return CHAT_ERR_AUTH;
    const cJSON *sub = cJSON_GetObjectItemCaseSensitive(claims, "sub");
    *why = "the token names no user (sub)";
    if (sub == NULL)
        return CHAT_ERR_AUTH;
    *why = "the token's user (sub) is no valid id";
    if (!cJSON_IsString(sub) || !chat_id_is_valid(chat__view_str(sub->valuestring)))
        return CHAT_ERR_AUTH;
    out->sub_len = strlen(sub->valuestring);
    memcpy(out->sub, sub->valuestring, out->sub_len);
    out->exp_unix_ms = exp;
    *why = "valid";
    return CHAT_OK;
}

static chat_status check_payload(const chat__jwt_check *check, chat_view part,
                                 chat__jwt_claims *out, const char **why)
{
    chat__jwt_claims found = {0};
    cJSON *claims = read_object(part, why);
    if (claims == NULL)
        return status_of(*why);
    chat_status status = check_claims(check, claims, &found, why);
    cJSON_Delete(claims);
    if (status == CHAT_OK && out != NULL)
        *out = found;
    return status;
}

chat_status chat__jwt_verify(const chat__jwt_check *check, chat_view token, chat__jwt_claims *out,
                             const char **out_why)
{
    uint8_t payload[MAX_PART_BYTES];
    token_parts parts;
    size_t len;
    *out_why = "the token is missing";
    if (token.data == NULL || token.len == 0)
        return CHAT_ERR_AUTH;
    *out_why = why_malformed;
    if (token.len > MAX_TOKEN_BYTES || !split(token, &parts))
        return CHAT_ERR_AUTH;
    const char *why = check_header(parts.header, check->key);
    if (why == NULL)
        why = check_signature(&parts, check->key);
    if (why != NULL) {
        *out_why = why;
        return status_of(why);
    }
    if (!check->signature_only)
        return check_payload(check, parts.payload, out, out_why);
    if (chat__base64url_decode(parts.payload, payload, sizeof payload, &len) != CHAT_OK)
        return CHAT_ERR_AUTH;
    *out_why = "valid";
    return CHAT_OK;
}

uint64_t chat__jwt_expiry(chat_view token)
{
    token_parts parts;
    const char *why = NULL;
    uint64_t exp = UINT64_MAX;
    if (token.len == 0 || token.len > MAX_TOKEN_BYTES || !split(token, &parts))
        return UINT64_MAX;
    cJSON *claims = read_object(parts.payload, &why);
    if (claims != NULL && !read_date(claims, "exp", UINT64_MAX, &exp))
        exp = UINT64_MAX;
    cJSON_Delete(claims);
    return exp;
}

/* `{"sub":"...","exp":...}`; the id has no control characters, so two characters need escaping. */
static size_t write_claims(chat_view user, uint64_t exp_unix_ms, char *out, size_t cap)
{
    size_t n = (size_t)snprintf(out, cap, "{\"sub\":\"");
    for (size_t i = 0; i < user.len; i++) {
        if (user.data[i] == '"' || user.data[i] == '\\')
            out[n++] = '\\';
        out[n++] = (char)user.data[i];
    }
    if (exp_unix_ms == UINT64_MAX)
        return n + (size_t)snprintf(out + n, cap - n, "\"}");
    return n + (size_t)snprintf(out + n, cap - n, "\",\"exp\":%llu}",
                                (unsigned long long)(exp_unix_ms / 1000));
}

chat_status chat__jwt_make(chat_view secret, chat_view user, uint64_t exp_unix_ms, char *out,
                           size_t cap)
{
    static const char header[] = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."; /* {"alg":"HS256",... */
    char claims[256];
    char text[512];
    uint8_t hash[CHAT__JWT_HMAC_BYTES];
    chat__jwt_key *key = NULL;
    size_t n = sizeof header - 1;

    if (!chat_id_is_valid(user))
        return CHAT_ERR_ARG;
    chat_status status = chat__jwt_key_secret(NULL, secret, &key);
    if (status != CHAT_OK)
        return status;
    memcpy(text, header, n);
    size_t claims_len = write_claims(user, exp_unix_ms, claims, sizeof claims);
    n += chat__base64url_encode(chat__view(claims, claims_len), text + n, sizeof text - n);
    int is_signed = chat__jwt_key_sign(key, chat__view(text, n), hash);
    chat__jwt_key_free(key);
    if (!is_signed)
        return CHAT_ERR_ARG;
    text[n++] = '.';
    n += chat__base64url_encode(chat__view(hash, sizeof hash), text + n, sizeof text - n - 1);
    text[n++] = 0;
    if (n > cap)
        return CHAT_ERR_LIMIT;
    memcpy(out, text, n);
    return CHAT_OK;
}
