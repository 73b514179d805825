/* SPDX-License-Identifier: MIT */
/*
 * JSON Web Tokens (RFC 7519) in compact JWS form (RFC 7515): HS256, RS256, ES256 on mbedTLS. The
 * algorithm comes from the key, never from the token. One key set may be used by many threads.
 */
#ifndef CHAT_NET_JWT_H
#define CHAT_NET_JWT_H

#include <chat/status.h>

typedef enum chat__jwt_alg { CHAT__JWT_HS256 = 1, CHAT__JWT_RS256, CHAT__JWT_ES256 } chat__jwt_alg;

typedef struct chat__jwt_key chat__jwt_key;

/* HS256 from at least 32 raw bytes. CHAT_OK; CHAT_ERR_ARG (too short); CHAT_ERR_NOMEM. */
chat_status chat__jwt_key_secret(const chat_allocator *allocator, chat_view secret,
                                 chat__jwt_key **out);
/* RS256 or ES256 from a public key in PEM or DER (SubjectPublicKeyInfo); RSA of at least 2048 bits,
   EC on P-256. CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
chat_status chat__jwt_key_public(const chat_allocator *allocator, chat_view spki,
                                 chat__jwt_key **out);
/* From text: `alg` is "HS256", "RS256" or "ES256"; `text` is "oct:" and the secret in base64url, or
   "spki:" and the DER in base64. `*out_why`: one line for people, static, always written.
   CHAT_OK; CHAT_ERR_ARG; CHAT_ERR_NOMEM. */
chat_status chat__jwt_key_parse(const chat_allocator *allocator, const char *alg, chat_view text,
                                chat__jwt_key **out, const char **out_why);
chat__jwt_alg chat__jwt_key_alg(const chat__jwt_key *key);
void chat__jwt_key_free(chat__jwt_key *key);

typedef struct chat__jwt_claims {
    uint8_t sub[64]; /* valid by chat_id_is_valid() */
    size_t sub_len;
    uint64_t exp_unix_ms; /* UINT64_MAX: none */
} chat__jwt_claims;

/*
 * Verify the signature, then the claims: `sub` required, `exp` and `nbf` checked with `leeway_ms`.
 * `*out_why` is always written: one line for people, static. With `signature_only` the payload is
 * not read and `out` may be NULL. CHAT_OK; CHAT_ERR_AUTH; CHAT_ERR_EXPIRED (exp is over);
 * CHAT_ERR_NOMEM.
 */
typedef struct chat__jwt_check {
    const chat__jwt_key *key;
    uint64_t now_unix_ms;
    uint32_t leeway_ms;
    int signature_only;
} chat__jwt_check;
chat_status chat__jwt_verify(const chat__jwt_check *check, chat_view token, chat__jwt_claims *out,
                             const char **out_why);

/* `exp` of a token that was not verified, in Unix milliseconds; UINT64_MAX: none that can be read.
 */
uint64_t chat__jwt_expiry(chat_view token);

/* Make an HS256 token for a user, ending at `exp_unix_ms`; zero-terminated in `out`. CHAT_OK;
   CHAT_ERR_ARG; CHAT_ERR_LIMIT when `cap` is too small (512 bytes always suffice). */
chat_status chat__jwt_make(chat_view secret, chat_view user, uint64_t exp_unix_ms, char *out,
                           size_t cap);

/* Strict base64url (RFC 4648 section 5): no padding, no white space, no spare bits. */
chat_status chat__base64url_decode(chat_view text, uint8_t *out, size_t cap, size_t *out_len);
size_t chat__base64url_encode(chat_view bytes, char *out, size_t cap); /* 0: cap too small */

#endif
