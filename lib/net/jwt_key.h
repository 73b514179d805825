/* SPDX-License-Identifier: MIT */
/* Keys of jwt.h and what they verify. For jwt_*.c only. */
#ifndef CHAT_NET_JWT_KEY_H
#define CHAT_NET_JWT_KEY_H

#include "net/jwt.h"

#define CHAT__JWT_HMAC_BYTES    32u
#define CHAT__JWT_MIN_SECRET    32u   /* RFC 7518 section 3.2 */
#define CHAT__JWT_MIN_RSA_BITS  2048u /* RFC 7518 section 3.3 */
#define CHAT__JWT_MAX_RSA_BITS  8192u
#define CHAT__JWT_MAX_SIGNATURE (CHAT__JWT_MAX_RSA_BITS / 8)

/* "HS256" and so on. */
const char *chat__jwt_key_alg_name(const chat__jwt_key *key);

/* Whether `signature` is this key's over `message`. Any number of threads may ask at once. */
int chat__jwt_key_verifies(const chat__jwt_key *key, chat_view message, chat_view signature);

/* HMAC-SHA256 of `message`; 0 on failure. */
int chat__jwt_key_sign(const chat__jwt_key *key, chat_view message,
                       uint8_t out[CHAT__JWT_HMAC_BYTES]);

#endif
