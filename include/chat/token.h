/* SPDX-License-Identifier: MIT */
/**
 * @file
 * JSON Web Tokens as the server takes them: made for tests and small set-ups, verified to find out
 * why one is refused. In libchat-client. A service of some size has its own issuer.
 */
#ifndef CHAT_TOKEN_H
#define CHAT_TOKEN_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A buffer of this many bytes holds any token of chat_token_make(). */
#define CHAT_TOKEN_MAX_BYTES 512u

/**
 * Make an HS256 token for `user` that ends at `exp_unix_ms` (milliseconds since 1970).
 *
 * Thread: any. Memory: `out` is zero-terminated; nothing is kept.
 * @return CHAT_OK; CHAT_ERR_ARG: the secret is shorter than 32 bytes or `user` is no valid id;
 *         CHAT_ERR_LIMIT: `cap` is too small
 */
CHAT_API chat_status chat_token_make(chat_view secret, chat_view user, uint64_t exp_unix_ms,
                                     char *out, size_t cap);

/** What a token is checked against. Zero it, set `struct_size`. */
typedef struct chat_token_check {
    uint32_t struct_size;    /**< sizeof of this struct */
    uint32_t signature_only; /**< 1: the claims are not read */
    const char *algorithm;   /**< "HS256", "RS256" or "ES256"; must fit the key */
    chat_view secret;        /**< HS256: raw bytes */
    chat_view public_key;    /**< else: SubjectPublicKeyInfo, PEM or DER */
    uint64_t now_unix_ms;    /**< for `exp` and `nbf` */
    uint64_t leeway_ms;      /**< by which clocks may differ */
} chat_token_check;

/**
 * Verify a token in compact form.
 *
 * Thread: any. Memory: `*out_why` (may be NULL) is static text, written always.
 * @return CHAT_OK; CHAT_ERR_AUTH: not valid; CHAT_ERR_EXPIRED: it was, until `exp`; CHAT_ERR_ARG:
 *         the check itself (algorithm or key); CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_token_verify(const chat_token_check *check, chat_view token,
                                       const char **out_why);

/**
 * Decode strict base64url (RFC 4648 section 5: no padding, no white space, no spare bits).
 * @return CHAT_OK; CHAT_ERR_SYNTAX; CHAT_ERR_LIMIT: `cap` is too small
 */
CHAT_API chat_status chat_token_base64url(chat_view text, uint8_t *out, size_t cap,
                                          size_t *out_len);

#ifdef __cplusplus
}
#endif

#endif
