/* SPDX-License-Identifier: MIT */
/* Tokens: as they come, and as the claims or the header of a token that is signed well. */
#include "fuzz.h"
#include "net/jwt_key.h"

#include <chat/id.h>
#include <string.h>

#define HEADER "eyJhbGciOiJIUzI1NiJ9"

static const char secret[] = "0123456789abcdef0123456789abcdef";

static void verify(const chat__jwt_key *key, const char *token, size_t len)
{
    const chat__jwt_check check = {key, UINT64_C(1500000000000), 0, 0};
    chat__jwt_claims claims;
    const char *why = NULL;
    chat_status status =
        chat__jwt_verify(&check, (chat_view){(const uint8_t *)token, len}, &claims, &why);
    FUZZ_CHECK(status == CHAT_OK || status == CHAT_ERR_AUTH || status == CHAT_ERR_EXPIRED);
    FUZZ_CHECK(why != NULL);
    if (status == CHAT_OK) {
        FUZZ_CHECK(chat_id_is_valid((chat_view){claims.sub, claims.sub_len}));
        FUZZ_CHECK(claims.exp_unix_ms > check.now_unix_ms);
    }
}

/* Sign header and payload, in base64url already, and verify that. */
static void verify_signed(const chat__jwt_key *key, chat_view header, chat_view payload)
{
    char token[8192];
    uint8_t hash[CHAT__JWT_HMAC_BYTES];
    size_t n = header.len + 1 + payload.len;
    if (n + 64 > sizeof token)
        return;
    memcpy(token, header.data, header.len);
    token[header.len] = '.';
    memcpy(token + header.len + 1, payload.data, payload.len);
    FUZZ_CHECK(chat__jwt_key_sign(key, (chat_view){(const uint8_t *)token, n}, hash));
    token[n++] = '.';
    n += chat__base64url_encode((chat_view){hash, sizeof hash}, token + n, sizeof token - n);
    verify(key, token, n);
}

static void round_trip(chat_view bytes, char *text, size_t cap, chat_view *out)
{
    uint8_t back[4096];
    size_t len = 0;
    size_t n = chat__base64url_encode(bytes, text, cap);
    *out = (chat_view){(const uint8_t *)text, n};
    FUZZ_CHECK(chat__base64url_decode(*out, back, sizeof back, &len) == CHAT_OK);
    FUZZ_CHECK(len == bytes.len && (len == 0 || memcmp(back, bytes.data, len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char claims[] = "eyJzdWIiOiJhbGljZSJ9";
    char text[6000];
    chat_view part;
    chat__jwt_key *key = NULL;
    if (size > 4096)
        return 0;
    FUZZ_CHECK(chat__jwt_key_secret(NULL, (chat_view){(const uint8_t *)secret, 32}, &key) ==
               CHAT_OK);
    verify(key, (const char *)data, size);
    round_trip((chat_view){data, size}, text, sizeof text, &part);
    verify_signed(key, (chat_view){(const uint8_t *)HEADER, sizeof HEADER - 1}, part);
    verify_signed(key, part, (chat_view){(const uint8_t *)claims, sizeof claims - 1});
    chat__jwt_key_free(key);
    return 0;
}
