/* SPDX-License-Identifier: MIT */
/* See tls_hello.h. */
#include "net/tls_hello.h"
#include "base/bits.h"

#include <string.h>

#define RECORD_HANDSHAKE  22u /* RFC 5246 section 6.2.1 */
#define CLIENT_HELLO      1u  /* RFC 5246 section 7.4 */
#define MESSAGE_HEADER    4u
#define TLS_MAJOR_VERSION 3u

size_t chat__tls_hello_want(chat__tls_hello *hello, uint8_t **out)
{
    if (hello->is_complete)
        return 0;
    if (hello->header_len < CHAT__TLS_RECORD_HEADER) {
        *out = hello->header + hello->header_len;
        return CHAT__TLS_RECORD_HEADER - hello->header_len;
    }
    *out = hello->record + hello->len;
    return hello->record_left;
}

/* A record header is there: 0 if its payload cannot be (more of) a ClientHello. */
static int start_record(chat__tls_hello *hello)
{
    size_t bytes = chat__load16be(hello->header + 3);
    if (hello->header[0] != RECORD_HANDSHAKE || hello->header[1] != TLS_MAJOR_VERSION ||
        bytes == 0 ||
        bytes > sizeof hello->record - (hello->len == 0 ? CHAT__TLS_RECORD_HEADER : hello->len))
        return 0;
    /* The version of the first record stands for all. */
    if (hello->len == 0) {
        memcpy(hello->record, hello->header, CHAT__TLS_RECORD_HEADER);
        hello->len = CHAT__TLS_RECORD_HEADER;
    }
    hello->record_left = bytes;
    return 1;
}

/* A record is there: whether the message that it ends or continues is complete. 0: no ClientHello.
 */
static int finish_record(chat__tls_hello *hello)
{
    const uint8_t *message = hello->record + CHAT__TLS_RECORD_HEADER;
    size_t len = hello->len - CHAT__TLS_RECORD_HEADER;
    hello->header_len = 0;
    if (message[0] != CLIENT_HELLO)
        return 0;
    if (len < MESSAGE_HEADER)
        return 1;
    size_t want = MESSAGE_HEADER + (chat__load32be(message) & 0xffffffu);
    if (want > CHAT__TLS_MAX_RECORD_BYTES)
        return 0;
    if (len >= want) {
        hello->is_complete = 1;
        chat__store16be(hello->record + 3, (uint16_t)len);
    }
    return 1;
}

int chat__tls_hello_got(chat__tls_hello *hello, size_t n)
{
    if (hello->header_len < CHAT__TLS_RECORD_HEADER) {
        hello->header_len += n;
        return hello->header_len < CHAT__TLS_RECORD_HEADER || start_record(hello);
    }
    hello->len += n;
    hello->record_left -= n;
    return hello->record_left > 0 || finish_record(hello);
}

size_t chat__tls_hello_give(chat__tls_hello *hello, uint8_t *out, size_t cap)
{
    size_t left = hello->is_complete ? hello->len - hello->given : 0;
    size_t n = left < cap ? left : cap;
    memcpy(out, hello->record + hello->given, n);
    hello->given += n;
    return n;
}
