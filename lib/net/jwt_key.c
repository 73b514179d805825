/* SPDX-License-Identifier: MIT */
/*
 * Keys for tokens. A key is never changed once made, and what mbedTLS would change while it works
 * (the caches of an elliptic curve) is made anew for each call, so threads share keys freely.
 */
#include "net/jwt_key.h"
#include "base/alloc.h"
#include "base/view.h"

#include <mbedtls/base64.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <string.h>

#define HASH_BYTES    32u
#define BLOCK_BYTES   64u /* of SHA-256 */
#define ES256_BYTES   64u /* r and s, RFC 7518 section 3.4 */
#define MAX_KEY_BYTES 4096u

struct chat__jwt_key {
    chat_allocator allocator;
    chat__jwt_alg alg;
    mbedtls_sha256_context inner; /* HS256: after the padded key (RFC 2104) */
    mbedtls_sha256_context outer;
    mbedtls_pk_context pk;
};

static chat__jwt_key *key_new(const chat_allocator *allocator, chat__jwt_alg alg)
{
    chat_allocator own = chat__alloc_or_libc(allocator);
    chat__jwt_key *key = chat__alloc_zero(&own, sizeof *key);
    if (key == NULL)
        return NULL;
    key->allocator = own;
    key->alg = alg;
    mbedtls_pk_init(&key->pk);
    return key;
}

void chat__jwt_key_free(chat__jwt_key *key)
{
    if (key == NULL)
        return;
    chat_allocator allocator = key->allocator;
    mbedtls_pk_free(&key->pk);
    mbedtls_platform_zeroize(key, sizeof *key);
    chat__alloc_free(&allocator, key);
}

chat__jwt_alg chat__jwt_key_alg(const chat__jwt_key *key)
{
    return key->alg;
}

const char *chat__jwt_key_alg_name(const chat__jwt_key *key)
{
    return key->alg == CHAT__JWT_HS256 ? "HS256" : key->alg == CHAT__JWT_RS256 ? "RS256" : "ES256";
}

/* Start SHA-256 with the key xored with `pad`; 0 on failure. */
static int start_padded(mbedtls_sha256_context *hash, const uint8_t block[BLOCK_BYTES], uint8_t pad)
{
    uint8_t padded[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        padded[i] = block[i] ^ pad;
    mbedtls_sha256_init(hash);
    int failed = mbedtls_sha256_starts_ret(hash, 0) != 0 ||
                 mbedtls_sha256_update_ret(hash, padded, sizeof padded) != 0;
    mbedtls_platform_zeroize(padded, sizeof padded);
    return !failed;
}

chat_status chat__jwt_key_secret(const chat_allocator *allocator, chat_view secret,
                                 chat__jwt_key **out)
{
    uint8_t block[BLOCK_BYTES] = {0};
    if (secret.len < CHAT__JWT_MIN_SECRET || secret.len > MAX_KEY_BYTES)
        return CHAT_ERR_ARG;
    if (secret.len <= BLOCK_BYTES)
        memcpy(block, secret.data, secret.len);
    else if (mbedtls_sha256_ret(secret.data, secret.len, block, 0) != 0)
        return CHAT_ERR_ARG;
    chat__jwt_key *key = key_new(allocator, CHAT__JWT_HS256);
    if (key == NULL)
        return CHAT_ERR_NOMEM;
    int is_good = start_padded(&key->inner, block, 0x36) && start_padded(&key->outer, block, 0x5c);
    mbedtls_platform_zeroize(block, sizeof block);
    if (!is_good) {
        chat__jwt_key_free(key);
        return CHAT_ERR_ARG;
    }
    *out = key;
    return CHAT_OK;
}

/* The algorithm that a public key is for, 0: none of ours. */
static chat__jwt_alg alg_of(const mbedtls_pk_context *pk)
{
    mbedtls_pk_type_t type = mbedtls_pk_get_type(pk);
    size_t bits = mbedtls_pk_get_bitlen(pk);
    if (type == MBEDTLS_PK_RSA && bits >= CHAT__JWT_MIN_RSA_BITS && bits <= CHAT__JWT_MAX_RSA_BITS)
        return CHAT__JWT_RS256;
    if (type == MBEDTLS_PK_ECKEY && mbedtls_pk_ec(*pk)->grp.id == MBEDTLS_ECP_DP_SECP256R1)
        return CHAT__JWT_ES256;
    return 0;
}

chat_status chat__jwt_key_public(const chat_allocator *allocator, chat_view spki,
                                 chat__jwt_key **out)
{
    if (spki.len == 0 || spki.len > MAX_KEY_BYTES)
        return CHAT_ERR_ARG;
    chat__jwt_key *key = key_new(allocator, 0);
    if (key == NULL)
        return CHAT_ERR_NOMEM;
    /* mbedTLS wants the zero behind PEM counted. */
    uint8_t *text = chat__alloc_zero(&key->allocator, spki.len + 1);
    if (text == NULL) {
        chat__jwt_key_free(key);
        return CHAT_ERR_NOMEM;
    }
    memcpy(text, spki.data, spki.len);
    int is_pem = chat__view_starts_with(spki, "-----BEGIN");
    int failed = mbedtls_pk_parse_public_key(&key->pk, text, spki.len + (is_pem ? 1 : 0));
    chat__alloc_free(&key->allocator, text);
    key->alg = failed ? 0 : alg_of(&key->pk);
    if (key->alg == 0) {
        chat__jwt_key_free(key);
        return failed == MBEDTLS_ERR_PK_ALLOC_FAILED ? CHAT_ERR_NOMEM : CHAT_ERR_ARG;
    }
    *out = key;
    return CHAT_OK;
}

static chat_status parse_secret(const chat_allocator *allocator, chat_view text,
                                chat__jwt_key **out, const char **out_why)
{
    uint8_t secret[MAX_KEY_BYTES];
    size_t len = 0;
    *out_why = "the secret is not base64url";
    if (chat__base64url_decode(text, secret, sizeof secret, &len) != CHAT_OK)
        return CHAT_ERR_ARG;
    *out_why = "the secret is shorter than 32 bytes";
    chat_status status = chat__jwt_key_secret(allocator, chat__view(secret, len), out);
    mbedtls_platform_zeroize(secret, sizeof secret);
    return status;
}

static chat_status parse_spki(const chat_allocator *allocator, chat_view text, chat__jwt_key **out,
                              const char **out_why)
{
    uint8_t der[MAX_KEY_BYTES];
    size_t len = 0;
    *out_why = "the public key is not base64";
    if (text.len == 0 || mbedtls_base64_decode(der, sizeof der, &len, text.data, text.len) != 0)
        return CHAT_ERR_ARG;
    *out_why = "the public key is neither RSA of 2048 to 8192 bits nor on P-256";
    return chat__jwt_key_public(allocator, chat__view(der, len), out);
}

chat_status chat__jwt_key_parse(const chat_allocator *allocator, const char *alg, chat_view text,
                                chat__jwt_key **out, const char **out_why)
{
    chat__jwt_key *key = NULL;
    chat_status status = CHAT_ERR_ARG;
    int is_secret = chat__view_starts_with(text, "oct:");

    *out_why = "the algorithm must be HS256, RS256 or ES256";
    if (strcmp(alg, "HS256") != 0 && strcmp(alg, "RS256") != 0 && strcmp(alg, "ES256") != 0)
        return CHAT_ERR_ARG;
    *out_why = "the key must start with oct: or spki:";
    if (is_secret)
        status = parse_secret(allocator, chat__view(text.data + 4, text.len - 4), &key, out_why);
    else if (chat__view_starts_with(text, "spki:"))
        status = parse_spki(allocator, chat__view(text.data + 5, text.len - 5), &key, out_why);
    if (status == CHAT_ERR_NOMEM)
        *out_why = "out of memory";
    if (status != CHAT_OK)
        return status;
    if (strcmp(chat__jwt_key_alg_name(key), alg) != 0) {
        chat__jwt_key_free(key);
        *out_why = "the key is not of the kind that the algorithm needs";
        return CHAT_ERR_ARG;
    }
    *out_why = "valid";
    *out = key;
    return CHAT_OK;
}

int chat__jwt_key_sign(const chat__jwt_key *key, chat_view message,
                       uint8_t out[CHAT__JWT_HMAC_BYTES])
{
    mbedtls_sha256_context hash = key->inner;
    if (mbedtls_sha256_update_ret(&hash, message.data, message.len) != 0 ||
        mbedtls_sha256_finish_ret(&hash, out) != 0)
        return 0;
    hash = key->outer;
    return mbedtls_sha256_update_ret(&hash, out, HASH_BYTES) == 0 &&
           mbedtls_sha256_finish_ret(&hash, out) == 0;
}

static int verifies_hmac(const chat__jwt_key *key, chat_view message, chat_view signature)
{
    uint8_t want[CHAT__JWT_HMAC_BYTES];
    unsigned difference = 0;
    if (signature.len != sizeof want || !chat__jwt_key_sign(key, message, want))
        return 0;
    /* In constant time: how many bytes are right must not show. */
    for (size_t i = 0; i < sizeof want; i++)
        difference |= (unsigned)(want[i] ^ signature.data[i]);
    return difference == 0;
}

/* mbedTLS locks the key itself, for the cached power of the modulus. */
static int verifies_rsa(const chat__jwt_key *key, const uint8_t *hash, chat_view signature)
{
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(key->pk);
    if (signature.len != mbedtls_rsa_get_len(rsa))
        return 0;
    return mbedtls_rsa_pkcs1_verify(rsa, NULL, NULL, MBEDTLS_RSA_PUBLIC, MBEDTLS_MD_SHA256,
                                    HASH_BYTES, hash, signature.data) == 0;
}

/* The group is loaded for each call: it caches a table of points when used, without a lock. */
static int verifies_ecdsa(const chat__jwt_key *key, const uint8_t *hash, chat_view signature)
{
    mbedtls_ecp_group group;
    mbedtls_mpi r, s;
    if (signature.len != ES256_BYTES)
        return 0;
    mbedtls_ecp_group_init(&group);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int is_good =
        mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
        mbedtls_mpi_read_binary(&r, signature.data, ES256_BYTES / 2) == 0 &&
        mbedtls_mpi_read_binary(&s, signature.data + ES256_BYTES / 2, ES256_BYTES / 2) == 0 &&
        mbedtls_ecdsa_verify(&group, hash, HASH_BYTES, &mbedtls_pk_ec(key->pk)->Q, &r, &s) == 0;
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    mbedtls_ecp_group_free(&group);
    return is_good;
}

int chat__jwt_key_verifies(const chat__jwt_key *key, chat_view message, chat_view signature)
{
    uint8_t hash[HASH_BYTES];
    if (key->alg == CHAT__JWT_HS256)
        return verifies_hmac(key, message, signature);
    if (mbedtls_sha256_ret(message.data, message.len, hash, 0) != 0)
        return 0;
    return key->alg == CHAT__JWT_RS256 ? verifies_rsa(key, hash, signature)
                                       : verifies_ecdsa(key, hash, signature);
}
