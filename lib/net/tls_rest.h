/* SPDX-License-Identifier: MIT */
/*
 * Between two records a connection needs none of the two buffers of 16 KiB that mbedTLS 2.28 keeps
 * for each. This gives them back while it rests, and takes new ones when it is used. Used by tls.c
 * only.
 */
#ifndef CHAT_NET_TLS_REST_H
#define CHAT_NET_TLS_REST_H

#include <mbedtls/ssl.h>

#include <stdint.h>

/* Zeroed: awake. */
typedef struct chat__tls_rest {
    uint8_t in_counter[8]; /* of records, which mbedTLS keeps in front of the input buffer */
    uint8_t is_resting;
} chat__tls_rest;

/* Rest if nothing is half received, half read or half sent; else it stays as it is. */
void chat__tls_rest_begin(chat__tls_rest *rest, mbedtls_ssl_context *ssl);

/* Before anything else is done with `ssl` but to free it. 0; MBEDTLS_ERR_SSL_ALLOC_FAILED: it goes
   on resting. */
int chat__tls_rest_end(chat__tls_rest *rest, mbedtls_ssl_context *ssl);

#endif
