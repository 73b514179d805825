/* SPDX-License-Identifier: MIT */
/* <chat/token.h> over lib/net/jwt.h. */
#include <chat/token.h>

#include "base/sized.h"
#include "net/jwt.h"

#include <string.h>

chat_status chat_token_make(chat_view secret, chat_view user, uint64_t exp_unix_ms, char *out,
                            size_t cap)
{
    if (out == NULL)
        return CHAT_ERR_ARG;
    return chat__jwt_make(secret, user, exp_unix_ms, out, cap);
}

static chat_status make_key(const chat_token_check *check, chat__jwt_key **out,
                            const char **out_why)
{
    static const char *const names[] = {"HS256", "RS256", "ES256"};
    chat__jwt_alg alg = 0;
    chat_status status;
    for (size_t i = 0; i < 3 && check->algorithm != NULL; i++)
        if (strcmp(check->algorithm, names[i]) == 0)
            alg = (chat__jwt_alg)(i + 1);
    *out_why = "the algorithm is none of HS256, RS256, ES256";
    if (alg == 0)
        return CHAT_ERR_ARG;
    *out_why = "the key is not valid for the algorithm";
    if (alg == CHAT__JWT_HS256)
        status = chat__jwt_key_secret(NULL, check->secret, out);
    else
        status = chat__jwt_key_public(NULL, check->public_key, out);
    if (status == CHAT_OK && chat__jwt_key_alg(*out) != alg) {
        chat__jwt_key_free(*out);
        status = CHAT_ERR_ARG;
    }
    return status;
}

chat_status chat_token_verify(const chat_token_check *given, chat_view token, const char **out_why)
{
    chat_token_check known = {0};
    const chat_token_check *check = &known;
    const char *why = "the check is of an unknown version";
    chat__jwt_key *key = NULL;
    chat__jwt_claims claims;
    chat_status status = CHAT_ERR_ARG;
    if (given != NULL && chat__sized_take(&known, sizeof known, given) == CHAT_OK)
        status = make_key(check, &key, &why);
    if (status == CHAT_OK) {
        chat__jwt_check inner = {
            .key = key,
            .now_unix_ms = check->now_unix_ms,
            .leeway_ms = check->leeway_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)check->leeway_ms,
            .signature_only = check->signature_only != 0};
        status = chat__jwt_verify(&inner, token, &claims, &why);
        chat__jwt_key_free(key);
    }
    if (out_why != NULL)
        *out_why = why;
    return status;
}

chat_status chat_token_base64url(chat_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    return chat__base64url_decode(text, out, cap, out_len);
}
