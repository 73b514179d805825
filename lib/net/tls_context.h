/* SPDX-License-Identifier: MIT */
/* What tls.c (connections) and tls_context.c (settings) share. Private to the two. */
#ifndef CHAT_NET_TLS_CONTEXT_H
#define CHAT_NET_TLS_CONTEXT_H

#include "net/tls.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

struct chat__tls_context {
    mbedtls_ssl_config config;
    mbedtls_x509_crt certs;  /* a server's own chain, a client's authorities */
    mbedtls_x509_crt others; /* mutual: a client's own chain, a server's authorities */
    mbedtls_pk_context key;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_ticket_context tickets; /* server */
    mbedtls_ssl_session session;        /* client: of the last connection */
    int has_session;
    int has_pin;
    uint8_t pin[32];
    int is_client;
    int verify;
};

#endif
