/* SPDX-License-Identifier: MIT */
/*
 * The settings of tls.h. Each context has its own random generator, so one thread uses it without
 * locks. TLS 1.2 with forward secrecy and AEAD only; of the curves those that are in general use.
 */
#include "net/tls_context.h"
#include "base/alloc.h"

#include <errno.h>
#include <mbedtls/base64.h>
#include <mbedtls/error.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICKET_LIFE_S 86400u /* keys change after half of it */

static const int suites[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
                             MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
                             MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                             MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
                             0};

static const mbedtls_ecp_group_id curves[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                              MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};

static const int hashes[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                             MBEDTLS_MD_NONE};

static const char *const protocols[] = {"http/1.1", NULL};

static const char *const bundles[] = {"/etc/ssl/certs/ca-certificates.crt",
                                      "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

static chat__tls_context *context_new(int is_client)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat__tls_context *context = chat__alloc_zero(&libc, sizeof *context);
    if (context == NULL)
        return NULL;
    context->is_client = is_client;
    mbedtls_ssl_config_init(&context->config);
    mbedtls_x509_crt_init(&context->certs);
    mbedtls_x509_crt_init(&context->others);
    mbedtls_pk_init(&context->key);
    mbedtls_ssl_ticket_init(&context->tickets);
    mbedtls_ssl_session_init(&context->session);
    mbedtls_entropy_init(&context->entropy);
    mbedtls_ctr_drbg_init(&context->random);
    return context;
}

void chat__tls_context_free(chat__tls_context *context)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    if (context == NULL)
        return;
    mbedtls_ssl_config_free(&context->config);
    mbedtls_x509_crt_free(&context->certs);
    mbedtls_x509_crt_free(&context->others);
    mbedtls_pk_free(&context->key);
    mbedtls_ssl_ticket_free(&context->tickets);
    mbedtls_ssl_session_free(&context->session);
    mbedtls_ctr_drbg_free(&context->random);
    mbedtls_entropy_free(&context->entropy);
    chat__alloc_free(&libc, context);
}

/* Write one line for people and return CHAT_ERR_TLS. */
static chat_status explain(char *why, size_t why_cap, const char *file, const char *what, int code)
{
    char detail[128] = "";
    if (code != 0)
        mbedtls_strerror(code, detail, sizeof detail);
    (void)snprintf(why, why_cap, "%s%s%s%s%s", file, file[0] == 0 ? "" : ": ", what,
                   code == 0 ? "" : ": ", detail);
    return CHAT_ERR_TLS;
}

/* mbedTLS does not say why a file cannot be read; the system does. */
static chat_status check_readable(const char *file, char *why, size_t why_cap)
{
    if (access(file, R_OK) == 0)
        return CHAT_OK;
    return explain(why, why_cap, file, strerror(errno), 0);
}

static chat_status configure(chat__tls_context *context, char *why, size_t why_cap)
{
    static const char label[] = "chat tls";
    mbedtls_ssl_config *config = &context->config;
    int code = mbedtls_ctr_drbg_seed(&context->random, mbedtls_entropy_func, &context->entropy,
                                     (const unsigned char *)label, sizeof label - 1);
    if (code == 0)
        code = mbedtls_ssl_config_defaults(
            config, context->is_client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
            MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    /* mbedTLS does not write to the list, it only forgets to say so. */
    if (code == 0)
        code = mbedtls_ssl_conf_alpn_protocols(config, (const char **)(uintptr_t)protocols);
    if (code != 0)
        return explain(why, why_cap, "", "TLS cannot be set up", code);
    mbedtls_ssl_conf_rng(config, mbedtls_ctr_drbg_random, &context->random);
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_ciphersuites(config, suites);
    mbedtls_ssl_conf_curves(config, curves);
    mbedtls_ssl_conf_sig_hashes(config, hashes);
    mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
    mbedtls_ssl_conf_renegotiation(config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    return CHAT_OK;
}

/* What this side shows, into `chain`. */
static chat_status load_own(chat__tls_context *context, mbedtls_x509_crt *chain,
                            const char *cert_file, const char *key_file, char *why, size_t why_cap)
{
    if (check_readable(cert_file, why, why_cap) != CHAT_OK ||
        check_readable(key_file, why, why_cap) != CHAT_OK)
        return CHAT_ERR_TLS;
    int code = mbedtls_x509_crt_parse_file(chain, cert_file);
    if (code != 0)
        return explain(why, why_cap, cert_file, "no certificate in PEM or DER",
                       code < 0 ? code : 0);
    code = mbedtls_pk_parse_keyfile(&context->key, key_file, NULL);
    if (code != 0)
        return explain(why, why_cap, key_file, "no private key without a password", code);
    if (mbedtls_pk_check_pair(&chain->pk, &context->key) != 0)
        return explain(why, why_cap, key_file, "the key does not belong to the certificate", 0);
    code = mbedtls_ssl_conf_own_cert(&context->config, chain, &context->key);
    return code == 0 ? CHAT_OK : explain(why, why_cap, cert_file, "cannot be used", code);
}

static chat_status load_server(chat__tls_context *context, const char *cert_file,
                               const char *key_file, char *why, size_t why_cap)
{
    chat_status status = load_own(context, &context->certs, cert_file, key_file, why, why_cap);
    if (status != CHAT_OK)
        return status;
    int code =
        mbedtls_ssl_ticket_setup(&context->tickets, mbedtls_ctr_drbg_random, &context->random,
                                 MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFE_S);
    mbedtls_ssl_conf_session_tickets_cb(&context->config, mbedtls_ssl_ticket_write,
                                        mbedtls_ssl_ticket_parse, &context->tickets);
    return code == 0 ? CHAT_OK : explain(why, why_cap, cert_file, "cannot be used", code);
}

chat_status chat__tls_server_new(const char *cert_file, const char *key_file, char *why,
                                 size_t why_cap, chat__tls_context **out)
{
    chat__tls_context *context = context_new(0);
    if (context == NULL) {
        (void)explain(why, why_cap, "", "out of memory", 0);
        return CHAT_ERR_NOMEM;
    }
    chat_status status = configure(context, why, why_cap);
    if (status == CHAT_OK)
        status = load_server(context, cert_file, key_file, why, why_cap);
    if (status != CHAT_OK) {
        chat__tls_context_free(context);
        return status;
    }
    *out = context;
    return CHAT_OK;
}

/* Whom this side trusts, into `chain`. */
static chat_status load_trusted(chat__tls_context *context, mbedtls_x509_crt *chain,
                                const char *ca_file, char *why, size_t why_cap)
{
    if (check_readable(ca_file, why, why_cap) != CHAT_OK)
        return CHAT_ERR_TLS;
    /* In a bundle some may be of a kind that mbedTLS does not know: one good one is enough. */
    int code = mbedtls_x509_crt_parse_file(chain, ca_file);
    if (code < 0 || chain->raw.p == NULL)
        return explain(why, why_cap, ca_file, "no certificate in PEM or DER", code < 0 ? code : 0);
    mbedtls_ssl_conf_ca_chain(&context->config, chain, NULL);
    return CHAT_OK;
}

static chat_status load_authorities(chat__tls_context *context, const char *ca_file, char *why,
                                    size_t why_cap)
{
    for (size_t i = 0; ca_file == NULL && i < sizeof bundles / sizeof bundles[0]; i++)
        ca_file = access(bundles[i], R_OK) == 0 ? bundles[i] : NULL;
    if (ca_file == NULL)
        return explain(why, why_cap, "", "the system has no bundle of certificate authorities", 0);
    return load_trusted(context, &context->certs, ca_file, why, why_cap);
}

chat_status chat__tls_client_new(const char *ca_file, int verify, char *why, size_t why_cap,
                                 chat__tls_context **out)
{
    chat__tls_context *context = context_new(1);
    if (context == NULL) {
        (void)explain(why, why_cap, "", "out of memory", 0);
        return CHAT_ERR_NOMEM;
    }
    chat_status status = configure(context, why, why_cap);
    context->verify = verify;
    if (status == CHAT_OK && verify)
        status = load_authorities(context, ca_file, why, why_cap);
    if (status != CHAT_OK) {
        chat__tls_context_free(context);
        return status;
    }
    mbedtls_ssl_conf_authmode(&context->config,
                              verify ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
    *out = context;
    return CHAT_OK;
}

chat_status chat__tls_server_verify(chat__tls_context *context, const char *ca_file, char *why,
                                    size_t why_cap)
{
    chat_status status = load_trusted(context, &context->others, ca_file, why, why_cap);
    mbedtls_ssl_conf_authmode(&context->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_session_tickets_cb(&context->config, NULL, NULL, NULL);
    return status;
}

chat_status chat__tls_client_own(chat__tls_context *context, const char *cert_file,
                                 const char *key_file, char *why, size_t why_cap)
{
    return load_own(context, &context->others, cert_file, key_file, why, why_cap);
}

chat_status chat__tls_client_pin(chat__tls_context *context, const char *pin, char *why,
                                 size_t why_cap)
{
    uint8_t bytes[sizeof context->pin];
    size_t len = 0;
    if (mbedtls_base64_decode(bytes, sizeof bytes, &len, (const uint8_t *)pin, strlen(pin)) != 0 ||
        len != sizeof bytes) {
        (void)explain(why, why_cap, "", "the pin is no SHA-256 in base64", 0);
        return CHAT_ERR_ARG;
    }
    memcpy(context->pin, bytes, sizeof bytes);
    context->has_pin = 1;
    return CHAT_OK;
}
