/* SPDX-License-Identifier: MIT */
/* Strict base64url for tokens; see jwt.h. */
#include "net/jwt.h"

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static unsigned value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)c - 'A';
    if (c >= 'a' && c <= 'z')
        return (unsigned)c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : 64;
}

chat_status chat__base64url_decode(chat_view text, uint8_t *out, size_t cap, size_t *out_len)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;
    if (text.len % 4 == 1)
        return CHAT_ERR_SYNTAX;
    if (text.len / 4 * 3 + (text.len % 4 == 0 ? 0 : text.len % 4 - 1) > cap)
        return CHAT_ERR_LIMIT;
    for (size_t i = 0; i < text.len; i++) {
        unsigned value = value_of(text.data[i]);
        if (value == 64)
            return CHAT_ERR_SYNTAX;
        bits = bits << 6 | value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            out[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    if ((bits & ((1u << n_bits) - 1)) != 0)
        return CHAT_ERR_SYNTAX;
    *out_len = n;
    return CHAT_OK;
}

size_t chat__base64url_encode(chat_view bytes, char *out, size_t cap)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;
    if (bytes.len > cap || bytes.len / 3 * 4 + (bytes.len % 3 == 0 ? 0 : bytes.len % 3 + 1) > cap)
        return 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | bytes.data[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            out[n++] = alphabet[bits >> (n_bits - 6) & 63u];
    }
    if (n_bits > 0)
        out[n++] = alphabet[bits << (6 - n_bits) & 63u];
    return n;
}
