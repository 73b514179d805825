/* SPDX-License-Identifier: MIT */
/*
 * A ClientHello may come in several TLS records, which mbedTLS 2.28 does not put together. This
 * stands between the socket and mbedTLS until the hello is there, and passes it on in one record.
 * Used by tls.c only.
 */
#ifndef CHAT_NET_TLS_HELLO_H
#define CHAT_NET_TLS_HELLO_H

#include <stddef.h>
#include <stdint.h>

#define CHAT__TLS_RECORD_HEADER    5u
#define CHAT__TLS_MAX_RECORD_BYTES 16384u /* RFC 5246 section 6.2.1 */

typedef struct chat__tls_hello {
    uint8_t header[CHAT__TLS_RECORD_HEADER]; /* of the record that is being read */
    size_t header_len;
    size_t record_left; /* of its payload */
    size_t len;         /* of `record` */
    size_t given;       /* of it, to mbedTLS */
    int is_complete;
    uint8_t record[CHAT__TLS_RECORD_HEADER + CHAT__TLS_MAX_RECORD_BYTES];
} chat__tls_hello;

/* Where the next bytes of the socket go, and how many at most; 0: none are wanted. */
size_t chat__tls_hello_want(chat__tls_hello *hello, uint8_t **out);

/* `n` bytes were put there. 0: this cannot be the start of TLS. */
int chat__tls_hello_got(chat__tls_hello *hello, size_t n);

/* Give what is ready; 0: nothing is left. */
size_t chat__tls_hello_give(chat__tls_hello *hello, uint8_t *out, size_t cap);

#endif
