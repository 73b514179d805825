/* SPDX-License-Identifier: MIT */
/* See tls.h: one connection over a non-blocking socket. */
#include "base/alloc.h"
#include "net/tls_context.h"
#include "net/tls_hello.h"
#include "net/tls_rest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/sha256.h>
#include <string.h>
#include <sys/socket.h>

#define SAN_IP_TAG 0x87 /* iPAddress, RFC 5280 section 4.2.1.6 */

struct chat__tls {
    mbedtls_ssl_context ssl;
    chat__tls_rest rest;
    chat__tls_context *context;
    int fd;
    chat__tls_hello *hello; /* server, until mbedTLS has it */
    uint8_t wants_write;
    uint8_t is_ready;    /* the handshake is done and the certificate accepted */
    uint8_t host_ip_len; /* 4 or 16: the certificate must be for this address */
    uint8_t host_ip[16];
    chat_status failed; /* once broken it stays so */
    const char *why;
    char detail[128];
};

static int send_bytes(void *ctx, const unsigned char *bytes, size_t len)
{
    const chat__tls *tls = ctx;
    ssize_t n;
    do {
        n = send(tls->fd, bytes, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET
                                                 : MBEDTLS_ERR_NET_SEND_FAILED;
}

/* As receive_bytes(), straight from the socket. */
static int receive_raw(const chat__tls *tls, unsigned char *out, size_t cap)
{
    ssize_t n;
    do {
        n = recv(tls->fd, out, cap, 0);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return MBEDTLS_ERR_SSL_WANT_READ;
    return errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
}

static void drop_hello(chat__tls *tls)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    chat__alloc_free(&libc, tls->hello);
    tls->hello = NULL;
}

static int receive_bytes(void *ctx, unsigned char *out, size_t cap)
{
    chat__tls *tls = ctx;
    uint8_t *to = NULL;
    size_t want;
    if (tls->hello == NULL)
        return receive_raw(tls, out, cap);
    while ((want = chat__tls_hello_want(tls->hello, &to)) > 0) {
        int n = receive_raw(tls, to, want);
        if (n <= 0)
            return n;
        if (!chat__tls_hello_got(tls->hello, (size_t)n))
            return MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO;
    }
    size_t given = chat__tls_hello_give(tls->hello, out, cap);
    if (given > 0)
        return (int)given;
    drop_hello(tls);
    return receive_raw(tls, out, cap);
}

/* Names are left to mbedTLS; addresses it does not know (and they do not belong into SNI). */
static int set_host(chat__tls *tls, const char *host)
{
    if (inet_pton(AF_INET, host, tls->host_ip) == 1)
        tls->host_ip_len = 4;
    else if (inet_pton(AF_INET6, host, tls->host_ip) == 1)
        tls->host_ip_len = 16;
    return tls->host_ip_len > 0 ? 0 : mbedtls_ssl_set_hostname(&tls->ssl, host);
}

chat_status chat__tls_new(chat__tls_context *context, int fd, const char *host, chat__tls **out)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    if (context->is_client && context->verify && host == NULL)
        return CHAT_ERR_ARG;
    chat__tls *tls = chat__alloc_zero(&libc, sizeof *tls);
    if (tls == NULL)
        return CHAT_ERR_NOMEM;
    tls->fd = fd;
    tls->context = context;
    tls->why = "nothing went wrong";
    mbedtls_ssl_init(&tls->ssl);
    if (!context->is_client)
        tls->hello = chat__alloc_zero(&libc, sizeof *tls->hello);
    if ((!context->is_client && tls->hello == NULL) ||
        mbedtls_ssl_setup(&tls->ssl, &context->config) != 0 ||
        (context->is_client && host != NULL && set_host(tls, host) != 0)) {
        chat__tls_free(tls);
        return CHAT_ERR_NOMEM;
    }
    if (context->is_client && context->has_session)
        (void)mbedtls_ssl_set_session(&tls->ssl, &context->session);
    mbedtls_ssl_set_bio(&tls->ssl, tls, send_bytes, receive_bytes, NULL);
    *out = tls;
    return CHAT_OK;
}

void chat__tls_free(chat__tls *tls)
{
    chat_allocator libc = chat__alloc_or_libc(NULL);
    if (tls == NULL)
        return;
    mbedtls_ssl_free(&tls->ssl);
    drop_hello(tls);
    chat__alloc_free(&libc, tls);
}

static const char *certificate_why(uint32_t flags)
{
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return "the server's certificate has expired";
    if (flags & MBEDTLS_X509_BADCERT_FUTURE)
        return "the server's certificate is not valid yet";
    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH)
        return "the server's certificate is for another host";
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return "the server's certificate is signed by nobody who is trusted here";
    return "the server's certificate is too weak or not fit for a server";
}

static const struct {
    int code;
    chat_status status;
    const char *why;
} causes[] = {
    {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, CHAT_ERR_CLOSED, "the peer closed the connection"},
    {MBEDTLS_ERR_SSL_CONN_EOF, CHAT_ERR_CLOSED, "the peer closed the connection"},
    {MBEDTLS_ERR_NET_CONN_RESET, CHAT_ERR_NETWORK, "the connection was reset"},
    {MBEDTLS_ERR_NET_RECV_FAILED, CHAT_ERR_NETWORK, "reading from the network failed"},
    {MBEDTLS_ERR_NET_SEND_FAILED, CHAT_ERR_NETWORK, "writing to the network failed"},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, CHAT_ERR_NOMEM, "out of memory"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, CHAT_ERR_TLS, "the peer does not speak TLS"},
    {MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO, CHAT_ERR_TLS, "the peer's hello is no TLS that is known"},
    {MBEDTLS_ERR_SSL_NO_USABLE_CIPHERSUITE, CHAT_ERR_TLS, "the peer offers no acceptable cipher"},
    {MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN, CHAT_ERR_TLS, "the peer offers no acceptable cipher"},
    {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, CHAT_ERR_TLS, "the peer shows no certificate"},
    {MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION, CHAT_ERR_TLS, "the peer does not speak TLS 1.2"},
    {MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, CHAT_ERR_TLS, "the peer refused the TLS connection"},
};

/* Turn a result of mbedTLS that is no success into a status. */
static chat_status settle(chat__tls *tls, int code)
{
    tls->wants_write = code == MBEDTLS_ERR_SSL_WANT_WRITE;
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE)
        return CHAT_MORE;
    tls->failed = CHAT_ERR_TLS;
    if (code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
        tls->why = certificate_why(mbedtls_ssl_get_verify_result(&tls->ssl));
        return tls->failed;
    }
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        if (causes[i].code == code) {
            tls->failed = causes[i].status;
            tls->why = causes[i].why;
            return tls->failed;
        }
    }
    mbedtls_strerror(code, tls->detail, sizeof tls->detail);
    tls->why = tls->detail;
    return tls->failed;
}

/* Whether the certificate names the address that was asked for. */
static int is_for_address(const chat__tls *tls)
{
    const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&tls->ssl);
    if (cert == NULL)
        return 0;
    for (const mbedtls_x509_sequence *name = &cert->subject_alt_names; name != NULL;
         name = name->next) {
        if (name->buf.tag == SAN_IP_TAG && name->buf.len == tls->host_ip_len &&
            memcmp(name->buf.p, tls->host_ip, tls->host_ip_len) == 0)
            return 1;
    }
    return 0;
}

/* Whether the certificate's key is the one that was pinned. */
static int is_pinned(const chat__tls *tls)
{
    const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&tls->ssl);
    uint8_t hash[32];
    return cert != NULL && mbedtls_sha256_ret(cert->pk_raw.p, cert->pk_raw.len, hash, 0) == 0 &&
           memcmp(hash, tls->context->pin, sizeof hash) == 0;
}

static const char *refusal_of(const chat__tls *tls)
{
    if (tls->context->verify && tls->host_ip_len > 0 && !is_for_address(tls))
        return certificate_why(MBEDTLS_X509_BADCERT_CN_MISMATCH);
    if (tls->context->has_pin && !is_pinned(tls))
        return "the server's public key is not the pinned one";
    return NULL;
}

/* For the next connection. Without memory for it the next one is a full handshake. */
static void keep_session(chat__tls *tls)
{
    chat__tls_context *context = tls->context;
    mbedtls_ssl_session_free(&context->session);
    mbedtls_ssl_session_init(&context->session);
    context->has_session = mbedtls_ssl_get_session(&tls->ssl, &context->session) == 0;
}

static void drop_session(chat__tls *tls)
{
    if (tls->context->is_client)
        tls->context->has_session = 0;
}

chat_status chat__tls_handshake(chat__tls *tls)
{
    if (tls->failed != CHAT_OK || tls->is_ready)
        return tls->failed;
    int code = mbedtls_ssl_handshake(&tls->ssl);
    if (code != 0) {
        chat_status status = settle(tls, code);
        if (status != CHAT_MORE)
            drop_session(tls);
        return status;
    }
    tls->wants_write = 0;
    const char *why = refusal_of(tls);
    if (why != NULL) {
        (void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_BAD_CERT);
        drop_session(tls);
        tls->why = why;
        tls->failed = CHAT_ERR_TLS;
        return tls->failed;
    }
    if (tls->context->is_client)
        keep_session(tls);
    tls->is_ready = 1;
    return CHAT_OK;
}

chat_status chat__tls_read(chat__tls *tls, uint8_t *out, size_t cap, size_t *out_len)
{
    chat_status status = chat__tls_handshake(tls);
    if (status != CHAT_OK)
        return status;
    int n = chat__tls_rest_end(&tls->rest, &tls->ssl);
    if (n == 0) {
        n = mbedtls_ssl_read(&tls->ssl, out, cap);
        chat__tls_rest_begin(&tls->rest, &tls->ssl);
    }
    if (n <= 0)
        return settle(tls, n == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : n);
    tls->wants_write = 0;
    *out_len = (size_t)n;
    return CHAT_OK;
}

chat_status chat__tls_write(chat__tls *tls, const uint8_t *bytes, size_t len, size_t *out_len)
{
    chat_status status = chat__tls_handshake(tls);
    if (status != CHAT_OK)
        return status;
    *out_len = 0;
    int n = chat__tls_rest_end(&tls->rest, &tls->ssl);
    if (n == 0) {
        n = len == 0 ? 0 : mbedtls_ssl_write(&tls->ssl, bytes, len);
        chat__tls_rest_begin(&tls->rest, &tls->ssl);
    }
    if (n < 0)
        return settle(tls, n);
    tls->wants_write = 0;
    *out_len = (size_t)n;
    return CHAT_OK;
}

int chat__tls_wants_write(const chat__tls *tls)
{
    return tls->wants_write;
}

int chat__tls_is_resting(const chat__tls *tls)
{
    return tls->rest.is_resting;
}

void chat__tls_close(chat__tls *tls)
{
    if (tls->is_ready && tls->failed == CHAT_OK && chat__tls_rest_end(&tls->rest, &tls->ssl) == 0)
        (void)mbedtls_ssl_close_notify(&tls->ssl);
}

const char *chat__tls_why(const chat__tls *tls)
{
    return tls->why;
}
