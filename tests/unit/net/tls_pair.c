/* SPDX-License-Identifier: MIT */
/* See tls_pair.h. */
#include "tls_pair.h"

#include "unit.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char directory[] = "/tmp/chat-tls-XXXXXX";

const char *tls_pair_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, 128, "%s/%s", directory, name);
    return out;
}

static void write_file(const char *name, const void *text)
{
    FILE *file = fopen(tls_pair_path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* localhost and 127.0.0.1, in DER. */
static void set_alternative_names(mbedtls_x509write_cert *cert)
{
    static const unsigned char san[] = "\x30\x11\x82\x09localhost\x87\x04\x7f\x00\x00\x01";
    assert_int_equal(mbedtls_x509write_crt_set_extension(
                         cert, MBEDTLS_OID_SUBJECT_ALT_NAME,
                         MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, san, sizeof san - 1),
                     0);
}

/* A self-signed certificate for localhost and 127.0.0.1 as NAME.crt and NAME.key. */
static void make_certificate(const char *name, mbedtls_ctr_drbg_context *random, const char *from,
                             const char *to)
{
    unsigned char text[4096];
    char file[64];
    mbedtls_pk_context key;
    mbedtls_x509write_cert cert;
    mbedtls_mpi serial;

    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&cert);
    mbedtls_mpi_init(&serial);
    assert_int_equal(mbedtls_mpi_lset(&serial, 1), 0);
    assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
                                         mbedtls_ctr_drbg_random, random),
                     0);
    mbedtls_x509write_crt_set_version(&cert, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&cert, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&cert, &key);
    mbedtls_x509write_crt_set_issuer_key(&cert, &key);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&cert, "CN=localhost"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&cert, "CN=localhost"), 0);
    assert_int_equal(mbedtls_x509write_crt_set_serial(&cert, &serial), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&cert, from, to), 0);
    assert_int_equal(mbedtls_x509write_crt_set_basic_constraints(&cert, 1, -1), 0);
    set_alternative_names(&cert);
    assert_int_equal(
        mbedtls_x509write_crt_pem(&cert, text, sizeof text, mbedtls_ctr_drbg_random, random), 0);
    snprintf(file, sizeof file, "%s.crt", name);
    write_file(file, text);
    assert_int_equal(mbedtls_pk_write_key_pem(&key, text, sizeof text), 0);
    snprintf(file, sizeof file, "%s.key", name);
    write_file(file, text);
    mbedtls_x509write_crt_free(&cert);
    mbedtls_pk_free(&key);
    mbedtls_mpi_free(&serial);
}

int tls_pair_make_files(void **state)
{
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    (void)state;
    if (mkdtemp(directory) == NULL)
        return -1;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    if (mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) != 0)
        return -1;
    make_certificate("good", &random, "20200101000000", "20991231235959");
    make_certificate("other", &random, "20200101000000", "20991231235959");
    make_certificate("old", &random, "20200101000000", "20201231235959");
    mbedtls_ctr_drbg_free(&random);
    mbedtls_entropy_free(&entropy);
    write_file("empty", "");
    return 0;
}

int tls_pair_remove_files(void **state)
{
    static const char *const names[] = {"good.crt", "good.key", "other.crt", "other.key",
                                        "old.crt",  "old.key",  "empty"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(tls_pair_path(names[i]));
    return rmdir(directory);
}

void tls_pair_open(tls_pair *p, const char *name, const char *ca, int verify, const char *host)
{
    char why[256] = "";
    char cert[64], key[64];
    memset(p, 0, sizeof *p);
    snprintf(cert, sizeof cert, "%s.crt", name);
    snprintf(key, sizeof key, "%s.key", name);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
    assert_int_equal(chat__tls_server_new(tls_pair_path(cert), tls_pair_path(key), why, sizeof why,
                                          &p->contexts[0]),
                     CHAT_OK);
    assert_int_equal(
        chat__tls_client_new(tls_pair_path(ca), verify, why, sizeof why, &p->contexts[1]), CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[0], p->fds[0], NULL, &p->server), CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[1], p->fds[1], host, &p->client), CHAT_OK);
}

void tls_pair_close(tls_pair *p)
{
    chat__tls_free(p->server);
    chat__tls_free(p->client);
    chat__tls_context_free(p->contexts[0]);
    chat__tls_context_free(p->contexts[1]);
    close(p->fds[0]);
    if (p->fds[1] >= 0)
        close(p->fds[1]);
}

/* The client's result; both sides take turns until neither waits. */
chat_status tls_pair_shake_hands(tls_pair *p)
{
    chat_status client = CHAT_MORE, server = CHAT_MORE;
    for (int i = 0; i < 50 && (client == CHAT_MORE || server == CHAT_MORE); i++) {
        client = chat__tls_handshake(p->client);
        server = chat__tls_handshake(p->server);
    }
    return client;
}

void tls_pair_send_all(chat__tls *from, chat__tls *to, const uint8_t *bytes, size_t len)
{
    uint8_t *got = malloc(len);
    size_t sent = 0, received = 0;
    for (int i = 0; i < 10000 && received < len; i++) {
        size_t n = 0;
        chat_status status = CHAT_MORE;
        if (sent < len)
            status = chat__tls_write(from, bytes + sent, len - sent, &n);
        assert_true(status == CHAT_OK || status == CHAT_MORE);
        sent += status == CHAT_OK ? n : 0;
        status = chat__tls_read(to, got + received, len - received, &n);
        assert_true(status == CHAT_OK || status == CHAT_MORE);
        received += status == CHAT_OK ? n : 0;
    }
    assert_int_equal(received, len);
    assert_memory_equal(got, bytes, len);
    free(got);
}
