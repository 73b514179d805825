/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.2 on mbedTLS: x25519, P-256, P-384; ECDHE with AEAD suites only. Reads and writes a
 * non-blocking socket. A context is shared by the connections of one thread; a client's context is
 * for one server, whose session it resumes (RFC 5077).
 */
#ifndef CHAT_NET_TLS_H
#define CHAT_NET_TLS_H

#include <chat/status.h>

typedef struct chat__tls_context chat__tls_context;
typedef struct chat__tls chat__tls;

/* `why` gets one line for people on failure (256 bytes are enough). */
chat_status chat__tls_server_new(const char *cert_file, const char *key_file, char *why,
                                 size_t why_cap, chat__tls_context **out);
/* `ca_file` NULL: the system's bundle; `verify` 0 is for tests only. */
chat_status chat__tls_client_new(const char *ca_file, int verify, char *why, size_t why_cap,
                                 chat__tls_context **out);
/* Accept only a server whose key has this SHA-256 of its SubjectPublicKeyInfo, in base64. CHAT_OK;
   CHAT_ERR_ARG with `why`. */
chat_status chat__tls_client_pin(chat__tls_context *context, const char *pin, char *why,
                                 size_t why_cap);
/* Mutual: the server lets in only whose certificate `ca_file` has signed, and keeps no sessions;
   the client shows a certificate of its own. CHAT_OK; CHAT_ERR_TLS with `why`. */
chat_status chat__tls_server_verify(chat__tls_context *context, const char *ca_file, char *why,
                                    size_t why_cap);
chat_status chat__tls_client_own(chat__tls_context *context, const char *cert_file,
                                 const char *key_file, char *why, size_t why_cap);
void chat__tls_context_free(chat__tls_context *context);

/* `host` (client): a name or an IP address, checked against the certificate and sent as SNI; NULL
 * for a server. */
chat_status chat__tls_new(chat__tls_context *context, int fd, const char *host, chat__tls **out);
void chat__tls_free(chat__tls *tls);

/* All three: CHAT_OK; CHAT_MORE: wait until the socket is readable, or writable when
   chat__tls_wants_write(); CHAT_ERR_TLS, CHAT_ERR_CLOSED, CHAT_ERR_NETWORK. Reads and writes finish
   the handshake first. A write that returned CHAT_MORE must be repeated with the same bytes.
   Read until CHAT_MORE before waiting on the socket: TLS may hold bytes already. After an error
   only why() and free() remain. */
chat_status chat__tls_handshake(chat__tls *tls);
chat_status chat__tls_read(chat__tls *tls, uint8_t *out, size_t cap, size_t *out_len);
chat_status chat__tls_write(chat__tls *tls, const uint8_t *bytes, size_t len, size_t *out_len);
int chat__tls_wants_write(const chat__tls *tls);
/* Whether it holds no buffers now: it does not while something is half received, read or sent. */
int chat__tls_is_resting(const chat__tls *tls);
/* Say close_notify, best effort. */
void chat__tls_close(chat__tls *tls);
/* What went wrong, for people; static or owned by `tls`. */
const char *chat__tls_why(const chat__tls *tls);

#endif
