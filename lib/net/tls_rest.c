/* SPDX-License-Identifier: MIT */
/*
 * See tls_rest.h. It works on fields of mbedtls_ssl_context that are public in 2.28 and on the two
 * functions by which mbedTLS moves its own buffers; where mbedTLS is built with other allocators,
 * or resizes the buffers by itself, nothing is done.
 */
#include "net/tls_rest.h"

#include <mbedtls/ssl_internal.h>
#include <mbedtls/version.h>

#include <stdlib.h>
#include <string.h>

#if MBEDTLS_VERSION_MAJOR == 2 && MBEDTLS_VERSION_MINOR == 28 &&                                   \
    !defined(MBEDTLS_PLATFORM_MEMORY) && !defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH) &&           \
    !defined(MBEDTLS_ZLIB_SUPPORT)

static int is_between_records(const mbedtls_ssl_context *ssl)
{
    int is_in_done = ssl->in_left == 0 && ssl->in_msglen == 0 && ssl->in_hslen == 0 &&
                     ssl->in_offt == NULL && ssl->keep_current_message == 0;
    return ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && ssl->handshake == NULL && is_in_done &&
           ssl->out_left == 0;
}

void chat__tls_rest_begin(chat__tls_rest *rest, mbedtls_ssl_context *ssl)
{
    if (rest->is_resting || !is_between_records(ssl))
        return;
    memcpy(rest->in_counter, ssl->in_ctr, sizeof rest->in_counter);
    free(ssl->in_buf);
    free(ssl->out_buf);
    ssl->in_buf = ssl->out_buf = NULL;
    rest->is_resting = 1;
}

int chat__tls_rest_end(chat__tls_rest *rest, mbedtls_ssl_context *ssl)
{
    if (!rest->is_resting)
        return 0;
    /* What was read is wiped by mbedTLS, what was sent is cipher text: they need not be zeroed. */
    unsigned char *in = malloc(MBEDTLS_SSL_IN_BUFFER_LEN);
    unsigned char *out = malloc(MBEDTLS_SSL_OUT_BUFFER_LEN);
    if (in == NULL || out == NULL) {
        free(in);
        free(out);
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    ssl->in_buf = in;
    ssl->out_buf = out;
    mbedtls_ssl_reset_in_out_pointers(ssl);
    mbedtls_ssl_update_out_pointers(ssl, ssl->transform_out);
    memcpy(ssl->in_ctr, rest->in_counter, sizeof rest->in_counter);
    rest->is_resting = 0;
    return 0;
}

#else

void chat__tls_rest_begin(chat__tls_rest *rest, mbedtls_ssl_context *ssl)
{
    (void)rest;
    (void)ssl;
}

int chat__tls_rest_end(chat__tls_rest *rest, mbedtls_ssl_context *ssl)
{
    (void)rest;
    (void)ssl;
    return 0;
}

#endif
