/* SPDX-License-Identifier: MIT */
#include "net/http.h"
#include "net/ws_deflate.h"
#include "base/view.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE   "GET /ws HTTP/1.1\r\n"
#define HOST   "Host: a\r\n"
#define SWITCH "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define WS     SWITCH "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define END    "\r\n"

/* Parse from memory of the exact size. `keep` gets the copy that `out` borrows from. */
static chat_status parse(const char *text, size_t len, chat__http_request *out, char **keep)
{
    size_t head_len = 0;
    *keep = malloc(len + 1);
    memcpy(*keep, text, len);
    chat_status status = chat__http_parse_request(chat__view(*keep, len), 1, out, &head_len);
    if (status == CHAT_OK)
        assert_true(head_len <= len);
    return status;
}

static void expect_view(chat_view got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    if (got.len > 0)
        assert_memory_equal(got.data, want, got.len);
}

static void reads_an_upgrade_and_leaves_what_follows(void **state)
{
    const char text[] = "GET /ws?a=1&token=q HTTP/1.1\r\nhost: a:1\r\nUPGRADE: h2c, WebSocket\r\n"
                        "Connection: keep-alive, UPGRADE\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key:  dGhlIHNhbXBsZSBub25jZQ== \r\n"
                        "Sec-WebSocket-Protocol: other, chat.v1.json\r\n"
                        "Sec-WebSocket-Protocol: chat.v1.cbor, chat.jwt.a.b.c\r\n\r\n\x81\x80xyz1";
    chat__http_request request;
    size_t len;
    (void)state;
    assert_int_equal(chat__http_parse_request(chat__view_str(text), 1, &request, &len), CHAT_OK);
    assert_int_equal(len, sizeof text - 1 - 6);
    assert_true(request.is_upgrade);
    expect_view(request.method, "GET");
    expect_view(request.path, "/ws");
    expect_view(request.query, "a=1&token=q");
    expect_view(request.token, "a.b.c");
    assert_int_equal(request.encoding, CHAT_ENCODING_JSON);
    assert_int_equal(request.offers_deflate, 0);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(chat__http_parse_request(chat__view(text, i), 1, &request, &len),
                         CHAT_MORE);
}

static void finds_the_token_in_its_three_places(void **state)
{
    static const struct {
        const char *text;
        const char *token;
        int allow_query;
    } rows[] = {
        {LINE HOST "Authorization: Bearer abc\r\n" WS END, "abc", 1},
        {LINE HOST "Authorization: bEARER   abc  \r\nSec-WebSocket-Protocol: chat.jwt.x\r\n" WS END,
         "abc", 1},
        {LINE HOST "Authorization: Basic abc\r\n" WS END, "", 1},
        {LINE HOST "Sec-WebSocket-Protocol: chat.jwt.x\r\n" WS END, "x", 1},
        {"GET /?token=q HTTP/1.1\r\n" HOST WS END, "q", 1},
        {"GET /?a&token=q&b HTTP/1.1\r\n" HOST WS END, "q", 1},
        {"GET /?xtoken=q HTTP/1.1\r\n" HOST WS END, "", 1},
        {"GET /?token=q HTTP/1.1\r\n" HOST WS END, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat__http_request request;
        size_t len;
        chat_view text = chat__view_str(rows[i].text);
        assert_int_equal(chat__http_parse_request(text, rows[i].allow_query, &request, &len),
                         CHAT_OK);
        expect_view(request.token, rows[i].token);
        assert_int_equal(request.encoding, 0);
    }
}

typedef struct refusal_row {
    const char *rule;
    const char *text;
    int status; /* 200: accepted, not an upgrade; 101: an upgrade */
} refusal_row;

static const refusal_row refusals[] = {
    {"plain", LINE HOST END, 200},
    {"upgrade", LINE HOST WS END, 101},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 200},
    {"upgrade in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST WS END, 400},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST END, 505},
    {"HTTP/9.9", "GET / HTTP/9.9\r\n" HOST END, 505},
    {"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
    {"one bare LF", LINE "Host: a\nX: y\r\n" END, 400},
    {"bare CR", LINE "Host: a\rX: y\r\n" END, 400},
    {"control character", LINE "Host: a\x01\r\n" END, 400},
    {"folded line", LINE HOST "X: a\r\n b\r\n" END, 400},
    {"fold before the first header", LINE " X: a\r\n" HOST END, 400},
    {"space before the colon", LINE "Host : a\r\n" END, 400},
    {"space in a name", LINE HOST "X y: a\r\n" END, 400},
    {"no colon", LINE HOST "nothing\r\n" END, 400},
    {"no name", LINE HOST ": a\r\n" END, 400},
    {"no Host", LINE END, 400},
    {"two Hosts", LINE HOST HOST END, 400},
    {"two names in Host", LINE "Host: a, b\r\n" END, 400},
    {"a user in Host", LINE "Host: a@b\r\n" END, 400},
    {"absolute URI", "GET http://a/ws HTTP/1.1\r\n" HOST END, 400},
    {"asterisk", "GET * HTTP/1.1\r\n" HOST END, 400},
    {"fragment", "GET /a#b HTTP/1.1\r\n" HOST END, 400},
    {"byte above ASCII in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST END, 400},
    {"two spaces", "GET  / HTTP/1.1\r\n" HOST END, 400},
    {"no version", "GET /\r\n" HOST END, 400},
    {"lower-case method", "get / HTTP/1.1\r\n" HOST END, 400},
    {"unknown method", "FETCH / HTTP/1.1\r\n" HOST END, 405},
    {"no method", " / HTTP/1.1\r\n" HOST END, 400},
    {"a method that is no token", "G(T / HTTP/1.1\r\n" HOST END, 400},
    {"no number in the version", "GET / HTTP/1.x\r\n" HOST END, 505},
    {"no length", LINE HOST "Content-Length:\r\n" END, 400},
    {"POST", "POST / HTTP/1.1\r\n" HOST END, 405},
    {"HEAD", "HEAD / HTTP/1.1\r\n" HOST END, 405},
    {"CONNECT", "CONNECT a:1 HTTP/1.1\r\n" HOST END, 405},
    {"empty line first", "\r\n" LINE HOST END, 400},
    {"TLS hello", "\x16\x03\x01\r\n\r\n", 400},
    {"body", LINE HOST "Content-Length: 5\r\n" END "hello", 413},
    {"no body, said", LINE HOST "Content-Length: 0\r\n" END, 200},
    {"negative length", LINE HOST "Content-Length: -1\r\n" END, 400},
    {"two lengths", LINE HOST "Content-Length: 0\r\nContent-Length: 0\r\n" END, 400},
    {"chunked", LINE HOST "Transfer-Encoding: chunked\r\n" END, 400},
    {"length and chunked", LINE HOST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" END,
     400},
    {"upgrade without Connection",
     LINE HOST "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" END, 400},
    {"Connection without Upgrade", LINE HOST "Connection: Upgrade\r\n" END, 200},
    {"upgrade to something else", LINE HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" END, 200},
    {"version 8", LINE HOST SWITCH "Sec-WebSocket-Version: 8\r\n" END, 426},
    {"version 13, 8", LINE HOST SWITCH "Sec-WebSocket-Version: 13, 8\r\n" END, 426},
    {"no version", LINE HOST SWITCH END, 400},
    {"two versions", LINE HOST "Sec-WebSocket-Version: 13\r\n" WS END, 400},
    {"no key", LINE HOST SWITCH "Sec-WebSocket-Version: 13\r\n" END, 400},
    {"two keys", LINE HOST WS "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" END, 400},
    {"short key",
     LINE HOST SWITCH "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n" END,
     400},
    {"key of 17 bytes",
     LINE HOST SWITCH
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n" END,
     400},
    {"key not in base64",
     LINE HOST SWITCH
     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub2*jZQ==\r\n" END,
     400},
    {"malformed protocol", LINE HOST WS "Sec-WebSocket-Protocol: a b\r\n" END, 400},
    {"malformed extension", LINE HOST WS "Sec-WebSocket-Extensions: a b\r\n" END, 400},
    {"extension without a name", LINE HOST WS "Sec-WebSocket-Extensions: ;a\r\n" END, 400},
    {"two Authorization", LINE HOST "Authorization: a\r\nAuthorization: b\r\n" END, 400},
};

static void refuses_with_the_right_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const refusal_row *row = &refusals[i];
        chat__http_request request;
        char *keep;
        print_message("%s\n", row->rule);
        chat_status status = parse(row->text, strlen(row->text), &request, &keep);
        if (row->status < 400) {
            assert_int_equal(status, CHAT_OK);
            assert_int_equal(request.is_upgrade, row->status == 101);
        } else {
            assert_int_equal(status, CHAT_ERR_PROTOCOL);
            assert_int_equal(request.error_status, row->status);
            assert_non_null(request.error_text);
        }
        free(keep);
    }
}

static void refuses_a_zero_byte_before_the_head_is_complete(void **state)
{
    chat__http_request request;
    char *keep;
    (void)state;
    assert_int_equal(parse("GET /\0", 6, &request, &keep), CHAT_ERR_PROTOCOL);
    free(keep);
    assert_int_equal(parse("GET / HTTP/1.1\n", 15, &request, &keep), CHAT_ERR_PROTOCOL);
    free(keep);
}

static char *with_headers(size_t n, const char *header, size_t *len)
{
    char *text = malloc(64 + n * strlen(header));
    char *at = text + sprintf(text, LINE HOST);
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s", header);
    at += sprintf(at, "\r\n");
    *len = (size_t)(at - text);
    return text;
}

static void limits_the_number_and_size_of_headers(void **state)
{
    static const struct {
        size_t n;
        const char *header;
        chat_status status;
    } rows[] = {
        {63, "X: y\r\n", CHAT_OK},
        {64, "X: y\r\n", CHAT_ERR_LIMIT},
        {10000, "X: y\r\n", CHAT_ERR_LIMIT},
        {40, "X: 0123456789012345678901234567890123456789\r\n", CHAT_OK},
        {400, "X: 0123456789012345678901234567890123456789\r\n", CHAT_ERR_LIMIT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat__http_request request;
        size_t len;
        char *keep;
        char *text = with_headers(rows[i].n, rows[i].header, &len);
        assert_int_equal(parse(text, len, &request, &keep), rows[i].status);
        if (rows[i].status != CHAT_OK)
            assert_int_equal(request.error_status, 431);
        free(keep);
        free(text);
    }
}

typedef struct offer_row {
    const char *offer;
    int want; /* offers_deflate */
} offer_row;

static const offer_row offers[] = {
    {"permessage-deflate", 1},
    {"permessage-deflate; client_max_window_bits", 1},
    {"permessage-deflate; client_max_window_bits=10", 1},
    {"permessage-deflate; client_max_window_bits=\"10\"", 1},
    {"permessage-deflate;server_no_context_takeover;client_no_context_takeover", 1},
    {"permessage-deflate; server_max_window_bits=15", 15},
    {"permessage-deflate; server_max_window_bits = \"12\"", 12},
    {"permessage-deflate; server_max_window_bits=9", 9},
    {"permessage-deflate; server_max_window_bits=8", 0},
    {"permessage-deflate; server_max_window_bits=8, permessage-deflate", 1},
    {"permessage-deflate; server_max_window_bits=16", 0},
    {"permessage-deflate; server_max_window_bits=09", 0},
    {"permessage-deflate; server_max_window_bits", 0},
    {"permessage-deflate; client_max_window_bits=7", 0},
    {"permessage-deflate; server_no_context_takeover=1", 0},
    {"permessage-deflate; server_no_context_takeover; server_no_context_takeover", 0},
    {"permessage-deflate; unknown", 0},
    {"permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10", 10},
    {"x-webkit-deflate-frame, permessage-deflate", 1},
    {"permessage-bzip2; a=\"b\"", 0},
};

static void reads_offers_of_deflate(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        char text[400];
        chat__http_request request;
        char *keep;
        int len = snprintf(text, sizeof text, LINE HOST WS "Sec-WebSocket-Extensions: %s\r\n\r\n",
                           offers[i].offer);
        print_message("%s\n", offers[i].offer);
        assert_int_equal(parse(text, (size_t)len, &request, &keep), CHAT_OK);
        assert_int_equal(request.offers_deflate, chat__ws_zip_is_there() ? offers[i].want : 0);
        free(keep);
    }
}

static void answers_with_the_rfcs_accept_key(void **state)
{
    chat__http_request request;
    chat__buf out;
    char *keep, want[512];
    const char *text = LINE HOST WS "Sec-WebSocket-Protocol: chat.v1.cbor, chat.jwt.abc\r\n"
                                    "Sec-WebSocket-Extensions: permessage-deflate; "
                                    "server_max_window_bits=10\r\n\r\n";
    (void)state;
    chat__buf_init(&out, NULL, 4096);
    assert_int_equal(parse(text, strlen(text), &request, &keep), CHAT_OK);
    assert_int_equal(chat__http_write_switch(&request, 1, &out), CHAT_OK);
    snprintf(want, sizeof want,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
             "Sec-WebSocket-Protocol: chat.v1.cbor\r\n%s\r\n",
             chat__ws_zip_is_there()
                 ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                   "client_no_context_takeover; server_max_window_bits=10\r\n"
                 : "");
    expect_view(chat__buf_view(&out), want);
    chat__buf_done(&out);
    free(keep);
}

static void an_answer_says_what_the_status_needs(void **state)
{
    chat__buf out;
    (void)state;
    chat__buf_init(&out, NULL, 4096);
    assert_int_equal(chat__http_write_answer(426, NULL, chat__view_str("x"), &out), CHAT_OK);
    assert_non_null(memmem(out.data, out.len, "Sec-WebSocket-Version: 13\r\n", 27));
    assert_non_null(memmem(out.data, out.len, "Content-Length: 1\r\n", 19));
    out.len = 0;
    assert_int_equal(chat__http_write_answer(401, NULL, chat__view_str(""), &out), CHAT_OK);
    assert_non_null(memmem(out.data, out.len, "WWW-Authenticate: Bearer\r\n", 26));
    out.len = 0;
    assert_int_equal(chat__http_write_answer(429, NULL, chat__view_str(""), &out), CHAT_OK);
    assert_non_null(memmem(out.data, out.len, "Retry-After: 1\r\n", 16));
    chat__buf_done(&out);
    chat__buf_init(&out, NULL, 20);
    assert_int_equal(chat__http_write_answer(401, NULL, chat__view_str(""), &out), CHAT_ERR_LIMIT);
    assert_int_equal(out.len, 0);
    chat__buf_done(&out);
}

/* --- client --- */

static const chat__http_upgrade upgrade = {.host_header = "a:1",
                                           .path = "/ws",
                                           .token = {(const uint8_t *)"tok", 3},
                                           .encoding = CHAT_ENCODING_CBOR,
                                           .offer_deflate = 1,
                                           .key = "the sample nonc"
                                                  "e"};

#define R101     "HTTP/1.1 101 Switching Protocols\r\n"
#define RUPGRADE "Upgrade: WebSocket\r\nConnection: upgrade\r\n"
#define RACCEPT  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define RPROTO   "Sec-WebSocket-Protocol: chat.v1.cbor\r\n"
#define RDEFLATE "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"

typedef struct answer_row {
    const char *rule;
    const char *text;
    chat_status status;
    int has_deflate;
    uint32_t retry_after_s;
} answer_row;

static const answer_row answers[] = {
    {"good", R101 RUPGRADE RACCEPT RPROTO END "\x81", CHAT_OK, 0, 0},
    {"with deflate", R101 RUPGRADE RACCEPT RPROTO RDEFLATE END END, CHAT_OK, 1, 0},
    {"incomplete", R101 RUPGRADE RACCEPT RPROTO, CHAT_MORE, 0, 0},
    {"no Upgrade", R101 "Connection: upgrade\r\n" RACCEPT RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"no Connection", R101 "Upgrade: websocket\r\n" RACCEPT RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"no accept", R101 RUPGRADE RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"wrong accept",
     R101 RUPGRADE RPROTO "Sec-WebSocket-Accept: s3pplMBiTxaQ9kYGzzhZRbK+xOo=\r\n" END,
     CHAT_ERR_PROTOCOL, 0, 0},
    {"no protocol", R101 RUPGRADE RACCEPT END, CHAT_ERR_PROTOCOL, 0, 0},
    {"other protocol", R101 RUPGRADE RACCEPT "Sec-WebSocket-Protocol: chat.v1.json\r\n" END,
     CHAT_ERR_PROTOCOL, 0, 0},
    {"other extension", R101 RUPGRADE RACCEPT RPROTO "Sec-WebSocket-Extensions: x\r\n" END,
     CHAT_ERR_PROTOCOL, 0, 0},
    {"deflate that keeps its window",
     R101 RUPGRADE RACCEPT RPROTO "Sec-WebSocket-Extensions: permessage-deflate\r\n" END,
     CHAT_ERR_PROTOCOL, 0, 0},
    {"deflate twice", R101 RUPGRADE RACCEPT RPROTO RDEFLATE END RDEFLATE END END, CHAT_ERR_PROTOCOL,
     0, 0},
    {"window of the client",
     R101 RUPGRADE RACCEPT RPROTO RDEFLATE "; client_max_window_bits=9\r\n" END, CHAT_ERR_PROTOCOL,
     0, 0},
    {"window of the server",
     R101 RUPGRADE RACCEPT RPROTO RDEFLATE "; server_max_window_bits=9\r\n" END, CHAT_OK, 1, 0},
    {"ok is no switch", "HTTP/1.1 200 OK\r\n\r\n", CHAT_ERR_PROTOCOL, 0, 0},
    {"not allowed", "HTTP/1.1 401 Unauthorized\r\n\r\nexpired", CHAT_ERR_AUTH, 0, 0},
    {"forbidden", "HTTP/1.1 403 Forbidden\r\n\r\n", CHAT_ERR_AUTH, 0, 0},
    {"busy", "HTTP/1.1 503 Busy\r\nRetry-After: 17\r\n\r\n", CHAT_ERR_BUSY, 0, 17},
    {"rate", "HTTP/1.1 429 Slow\r\nRetry-After: Fri\r\n\r\n", CHAT_ERR_BUSY, 0, 0},
    {"old HTTP", "HTTP/1.0 101 x\r\n" RUPGRADE RACCEPT RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"no HTTP", "SSH-2.0-x\r\n\r\n", CHAT_ERR_PROTOCOL, 0, 0},
    {"no reason", "HTTP/1.1 401\r\n\r\nexpired", CHAT_ERR_AUTH, 0, 0},
    {"an empty reason", "HTTP/1.1 503 \r\n\r\nbusy", CHAT_ERR_BUSY, 0, 0},
    {"no status", "HTTP/1.1\r\n\r\n", CHAT_ERR_PROTOCOL, 0, 0},
    {"a short status", "HTTP/1.1 40\r\n\r\n", CHAT_ERR_PROTOCOL, 0, 0},
    {"a long status", "HTTP/1.1 1010 x\r\n" RUPGRADE RACCEPT RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"no number", "HTTP/1.1 1o1 x\r\n" RUPGRADE RACCEPT RPROTO END, CHAT_ERR_PROTOCOL, 0, 0},
    {"a header without a colon", R101 RUPGRADE RACCEPT RPROTO "x\r\n" END, CHAT_ERR_PROTOCOL, 0, 0},
};

static void checks_the_answer_of_a_server(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        const answer_row *row = &answers[i];
        chat__http_response response = {0};
        size_t len = 0;
        print_message("%s\n", row->rule);
        chat_status status =
            chat__http_parse_response(chat__view_str(row->text), &upgrade, &response, &len);
        assert_int_equal(status, row->status);
        assert_int_equal(response.has_deflate, row->has_deflate);
        assert_int_equal(response.retry_after_s, row->retry_after_s);
        if (status != CHAT_OK && status != CHAT_MORE)
            assert_true(response.reason.len > 0);
    }
}

static void asks_so_that_our_server_understands(void **state)
{
    chat__buf out;
    chat__http_request request;
    chat__http_upgrade bad = upgrade;
    size_t len;
    (void)state;
    chat__buf_init(&out, NULL, 4096);
    assert_int_equal(chat__http_write_upgrade(&upgrade, &out), CHAT_OK);
    assert_int_equal(chat__http_parse_request(chat__buf_view(&out), 0, &request, &len), CHAT_OK);
    assert_int_equal(len, out.len);
    assert_true(request.is_upgrade);
    expect_view(request.ws_key, "dGhlIHNhbXBsZSBub25jZQ==");
    expect_view(request.token, "tok");
    assert_int_equal(request.encoding, CHAT_ENCODING_CBOR);
    assert_int_equal(request.offers_deflate, chat__ws_zip_is_there());
    bad.path = "/\r\nX: y";
    assert_int_equal(chat__http_write_upgrade(&bad, &out), CHAT_ERR_ARG);
    bad.path = "ws";
    assert_int_equal(chat__http_write_upgrade(&bad, &out), CHAT_ERR_ARG);
    assert_int_equal(out.len, len);
    chat__buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_upgrade_and_leaves_what_follows),
        cmocka_unit_test(finds_the_token_in_its_three_places),
        cmocka_unit_test(refuses_with_the_right_status),
        cmocka_unit_test(refuses_a_zero_byte_before_the_head_is_complete),
        cmocka_unit_test(limits_the_number_and_size_of_headers),
        cmocka_unit_test(reads_offers_of_deflate),
        cmocka_unit_test(answers_with_the_rfcs_accept_key),
        cmocka_unit_test(an_answer_says_what_the_status_needs),
        cmocka_unit_test(checks_the_answer_of_a_server),
        cmocka_unit_test(asks_so_that_our_server_understands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
