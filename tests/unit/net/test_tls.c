/* SPDX-License-Identifier: MIT */
/* Both ends over a socket pair, with certificates made here. */
#include "net/tls.h"
#include "unit.h"

#include <fcntl.h>
#include <mbedtls/base64.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/oid.h>
#include <mbedtls/sha256.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static char directory[] = "/tmp/chat-tls-XXXXXX";

static const char *path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, 128, "%s/%s", directory, name);
    return out;
}

static void write_file(const char *name, const void *text)
{
    FILE *file = fopen(path(name), "w");
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

static int make_all(void **state)
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

static int remove_all(void **state)
{
    static const char *const names[] = {"good.crt", "good.key", "other.crt", "other.key",
                                        "old.crt",  "old.key",  "empty"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(path(names[i]));
    return rmdir(directory);
}

typedef struct pair {
    int fds[2];
    chat__tls_context *contexts[2];
    chat__tls *server;
    chat__tls *client;
} pair;

static void pair_open(pair *p, const char *name, const char *ca, int verify, const char *host)
{
    char why[256] = "";
    char cert[64], key[64];
    memset(p, 0, sizeof *p);
    snprintf(cert, sizeof cert, "%s.crt", name);
    snprintf(key, sizeof key, "%s.key", name);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
    assert_int_equal(chat__tls_server_new(path(cert), path(key), why, sizeof why, &p->contexts[0]),
                     CHAT_OK);
    assert_int_equal(chat__tls_client_new(path(ca), verify, why, sizeof why, &p->contexts[1]),
                     CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[0], p->fds[0], NULL, &p->server), CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[1], p->fds[1], host, &p->client), CHAT_OK);
}

static void pair_close(pair *p)
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
static chat_status shake_hands(pair *p)
{
    chat_status client = CHAT_MORE, server = CHAT_MORE;
    for (int i = 0; i < 50 && (client == CHAT_MORE || server == CHAT_MORE); i++) {
        client = chat__tls_handshake(p->client);
        server = chat__tls_handshake(p->server);
    }
    return client;
}

static void send_all(chat__tls *from, chat__tls *to, const uint8_t *bytes, size_t len)
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

static void carries_bytes_both_ways_and_closes(void **state)
{
    static uint8_t bytes[1000000];
    pair p;
    uint8_t byte;
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(shake_hands(&p), CHAT_OK);
    send_all(p.client, p.server, bytes, sizeof bytes);
    send_all(p.server, p.client, bytes, sizeof bytes);
    send_all(p.client, p.server, bytes, 1);
    chat__tls_close(p.client);
    assert_int_equal(chat__tls_read(p.server, &byte, 1, &n), CHAT_ERR_CLOSED);
    assert_int_equal(chat__tls_read(p.server, &byte, 1, &n), CHAT_ERR_CLOSED);
    pair_close(&p);
}

static void reads_and_writes_shake_hands_first(void **state)
{
    pair p;
    static const uint8_t hello[] = "hello";
    (void)state;
    pair_open(&p, "good", "good.crt", 1, "127.0.0.1");
    send_all(p.client, p.server, hello, sizeof hello);
    pair_close(&p);
}

static void checks_the_certificate(void **state)
{
    static const struct {
        const char *name, *ca, *host, *why;
        int verify;
        chat_status status;
    } rows[] = {
        {"good", "good.crt", "localhost", "nothing", 1, CHAT_OK},
        {"good", "good.crt", "127.0.0.1", "nothing", 1, CHAT_OK},
        {"good", "good.crt", "127.0.0.2", "another host", 1, CHAT_ERR_TLS},
        {"good", "good.crt", "::1", "another host", 1, CHAT_ERR_TLS},
        {"good", "good.crt", "example.org", "another host", 1, CHAT_ERR_TLS},
        {"good", "other.crt", "localhost", "nobody who is trusted", 1, CHAT_ERR_TLS},
        {"old", "old.crt", "localhost", "expired", 1, CHAT_ERR_TLS},
        {"old", "other.crt", "example.org", "nothing", 0, CHAT_OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pair p;
        pair_open(&p, rows[i].name, rows[i].ca, rows[i].verify, rows[i].host);
        assert_int_equal(shake_hands(&p), rows[i].status);
        assert_non_null(strstr(chat__tls_why(p.client), rows[i].why));
        uint8_t byte;
        size_t n;
        assert_int_equal(chat__tls_read(p.server, &byte, 1, &n),
                         rows[i].status == CHAT_OK ? CHAT_MORE : CHAT_ERR_TLS);
        pair_close(&p);
    }
}

/* Bytes that the server sent for a handshake. */
static int bytes_of_handshake(pair *p)
{
    int most = 0;
    for (int i = 0; i < 20; i++) {
        int n = 0;
        (void)chat__tls_handshake(p->client);
        (void)chat__tls_handshake(p->server);
        (void)ioctl(p->fds[1], FIONREAD, &n);
        most = n > most ? n : most;
    }
    assert_int_equal(chat__tls_handshake(p->client), CHAT_OK);
    return most;
}

static void reconnect_pair(pair *p)
{
    chat__tls_free(p->server);
    chat__tls_free(p->client);
    assert_int_equal(chat__tls_new(p->contexts[0], p->fds[0], NULL, &p->server), CHAT_OK);
    assert_int_equal(chat__tls_new(p->contexts[1], p->fds[1], "localhost", &p->client), CHAT_OK);
}

static void a_session_is_resumed(void **state)
{
    pair p;
    (void)state;
    pair_open(&p, "good", "good.crt", 1, "localhost");
    int full = bytes_of_handshake(&p);
    reconnect_pair(&p);
    int resumed = bytes_of_handshake(&p);
    send_all(p.client, p.server, (const uint8_t *)"hello", 5);
    assert_true(resumed < full / 2);
    pair_close(&p);
}

static void only_the_pinned_key_is_accepted(void **state)
{
    char pin[64], why[256] = "";
    pair p;
    (void)state;
    for (int is_right = 0; is_right < 2; is_right++) {
        mbedtls_x509_crt cert;
        uint8_t hash[32];
        size_t len = 0;
        mbedtls_x509_crt_init(&cert);
        assert_int_equal(
            mbedtls_x509_crt_parse_file(&cert, path(is_right ? "good.crt" : "other.crt")), 0);
        mbedtls_sha256_ret(cert.pk_raw.p, cert.pk_raw.len, hash, 0);
        mbedtls_base64_encode((uint8_t *)pin, sizeof pin, &len, hash, sizeof hash);
        mbedtls_x509_crt_free(&cert);
        pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(chat__tls_client_pin(p.contexts[1], "short", why, sizeof why),
                         CHAT_ERR_ARG);
        assert_int_equal(chat__tls_client_pin(p.contexts[1], pin, why, sizeof why), CHAT_OK);
        assert_int_equal(shake_hands(&p), is_right ? CHAT_OK : CHAT_ERR_TLS);
        if (is_right) { /* and when the session is resumed */
            reconnect_pair(&p);
            assert_int_equal(shake_hands(&p), CHAT_OK);
        }
        pair_close(&p);
    }
}

static void a_client_that_verifies_names_its_host(void **state)
{
    pair p;
    chat__tls *tls = NULL;
    (void)state;
    pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(chat__tls_new(p.contexts[1], p.fds[1], NULL, &tls), CHAT_ERR_ARG);
    assert_null(tls);
    pair_close(&p);
}

static void says_what_is_wrong_with_the_files(void **state)
{
    static const struct {
        const char *cert, *key, *why;
    } rows[] = {
        {"none.crt", "good.key", "none.crt: No such file"},
        {"good.crt", "none.key", "none.key: No such file"},
        {"empty", "good.key", "empty: no certificate"},
        {"good.crt", "good.crt", "good.crt: no private key"},
        {"good.crt", "other.key", "other.key: the key does not belong"},
    };
    char why[256];
    chat__tls_context *context = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            chat__tls_server_new(path(rows[i].cert), path(rows[i].key), why, sizeof why, &context),
            CHAT_ERR_TLS);
        assert_non_null(strstr(why, rows[i].why));
    }
    assert_int_equal(chat__tls_client_new(path("none.crt"), 1, why, sizeof why, &context),
                     CHAT_ERR_TLS);
    assert_non_null(strstr(why, "none.crt: No such file"));
    assert_int_equal(chat__tls_client_new(path("good.key"), 1, why, sizeof why, &context),
                     CHAT_ERR_TLS);
    assert_non_null(strstr(why, "no certificate"));
    assert_null(context);
}

static chat_status give_to_server(pair *p, const void *bytes, size_t len)
{
    assert_int_equal(write(p->fds[1], bytes, len), (ssize_t)len);
    return chat__tls_handshake(p->server);
}

static void refuses_what_is_not_tls(void **state)
{
    pair p;
    (void)state;
    pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(give_to_server(&p, "GET / HTTP/1.1\r\n\r\n", 18), CHAT_ERR_TLS);
    assert_non_null(strstr(chat__tls_why(p.server), "no TLS"));
    pair_close(&p);
    pair_open(&p, "good", "good.crt", 1, "localhost");
    assert_int_equal(give_to_server(&p, "\x16\x03", 2), CHAT_MORE);
    close(p.fds[1]);
    p.fds[1] = -1;
    assert_int_equal(chat__tls_handshake(p.server), CHAT_ERR_CLOSED);
    pair_close(&p);
}

/* The client's first flight, cut into records of `step` bytes. */
static chat_status hello_in_records(pair *p, size_t step)
{
    uint8_t hello[2048];
    chat_status status = CHAT_MORE;
    assert_int_equal(chat__tls_handshake(p->client), CHAT_MORE);
    ssize_t n = recv(p->fds[0], hello, sizeof hello, 0);
    assert_true(n > 50);
    for (size_t at = 5; at < (size_t)n && status == CHAT_MORE; at += step) {
        size_t piece = (size_t)n - at < step ? (size_t)n - at : step;
        uint8_t head[5] = {0x16, 3, 3, (uint8_t)(piece >> 8), (uint8_t)piece};
        uint8_t record[2048];
        memcpy(record, head, 5);
        memcpy(record + 5, hello + at, piece);
        status = give_to_server(p, record, piece + 5);
    }
    return status;
}

/* mbedTLS 2.28 would refuse such a hello. */
static void a_hello_may_come_in_several_records(void **state)
{
    static const size_t steps[] = {2000, 100, 40, 3, 1};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        pair p;
        pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(hello_in_records(&p, steps[i]), CHAT_MORE);
        /* The answer fits, and the hash over all messages at the end too. */
        assert_int_equal(shake_hands(&p), CHAT_OK);
        pair_close(&p);
    }
}

static void a_hello_that_cannot_be_is_refused_at_once(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x17\x03\x03\x00\x01\x01", 6},                      /* not a handshake */
        {"\x16\x03\x03\x00\x00", 5},                          /* an empty record */
        {"\x16\x03\x03\x40\x01", 5},                          /* larger than a record can be */
        {"\x16\x03\x03\x00\x01\x02", 6},                      /* not a hello */
        {"\x16\x03\x03\x00\x04\x01\x00\x40\x00", 9},          /* a hello that is too large */
        {"\x16\x03\x03\x00\x01\x01\x15\x03\x03\x00\x02", 11}, /* an alert inside */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        pair p;
        pair_open(&p, "good", "good.crt", 1, "localhost");
        assert_int_equal(give_to_server(&p, rows[i].bytes, rows[i].len), CHAT_ERR_TLS);
        pair_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_bytes_both_ways_and_closes),
        cmocka_unit_test(reads_and_writes_shake_hands_first),
        cmocka_unit_test(checks_the_certificate),
        cmocka_unit_test(a_session_is_resumed),
        cmocka_unit_test(only_the_pinned_key_is_accepted),
        cmocka_unit_test(a_client_that_verifies_names_its_host),
        cmocka_unit_test(says_what_is_wrong_with_the_files),
        cmocka_unit_test(refuses_what_is_not_tls),
        cmocka_unit_test(a_hello_may_come_in_several_records),
        cmocka_unit_test(a_hello_that_cannot_be_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
