/* SPDX-License-Identifier: MIT */
/*
 * The calls of <chat/token.h>, where mbedTLS and cJSON take their memory from libc. Without memory
 * a good token may be refused, for any reason; nothing crashes or leaks, a bad token is never let
 * in, and with memory the same call succeeds.
 */
#include "libc.h"

#include <chat/token.h>

#include "base/view.h"

#include <string.h>

/* RFC 7515 appendix A.3: its key as SubjectPublicKeyInfo, and its token. */
static const uint8_t ES256_KEY[] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x7f, 0xcd, 0xce, 0x27, 0x70,
    0xf6, 0xc4, 0x5d, 0x41, 0x83, 0xcb, 0xee, 0x6f, 0xdb, 0x4b, 0x7b, 0x58, 0x07, 0x33, 0x35, 0x7b,
    0xe9, 0xef, 0x13, 0xba, 0xcf, 0x6e, 0x3c, 0x7b, 0xd1, 0x54, 0x45, 0xc7, 0xf1, 0x44, 0xcd, 0x1b,
    0xbd, 0x9b, 0x7e, 0x87, 0x2c, 0xdf, 0xed, 0xb9, 0xee, 0xb9, 0xf4, 0xb3, 0x69, 0x5d, 0x6e, 0xa9,
    0x0b, 0x24, 0xad, 0x8a, 0x46, 0x23, 0x28, 0x85, 0x88, 0xe5, 0xad};
static const char ES256_TOKEN[] =
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    "."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char SECRET[] = "0123456789abcdef0123456789abcdef";

static void verify(const chat_token_check *check, const char *token)
{
    const char *why = NULL;
    chat_status status = chat_token_verify(check, chat__view_str(token), &why);
    if (status == CHAT_OK)
        return;
    size_t n_run = oom_libc.fail_at;
    int is_refused_for_memory = oom_libc.n_failed > 0 && n_run != SIZE_MAX;
    oom_libc_recover();
    if (is_refused_for_memory)
        status = chat_token_verify(check, chat__view_str(token), &why);
    if (status != CHAT_OK) {
        oom_libc.is_armed = 0;
        fail_msg("allocation %zu: %s: %s", n_run, chat_status_name(status), why);
    }
}

static void use_secret(void *ctx)
{
    char token[CHAT_TOKEN_MAX_BYTES];
    chat_view secret = chat__view_str(SECRET);
    chat_token_check check = {.struct_size = sizeof check, .algorithm = "HS256", .secret = secret};
    (void)ctx;
    chat_status status = CHAT_ERR_NOMEM;
    for (int i = 0; i < 2 && status != CHAT_OK; i++) {
        status = chat_token_make(secret, chat__view_str("alice"), 2000, token, sizeof token);
        if (status != CHAT_OK)
            oom_libc_recover();
    }
    if (status != CHAT_OK) {
        oom_libc.is_armed = 0;
        fail_msg("no token: %s", chat_status_name(status));
    }
    verify(&check, token);
    /* The last byte of the signature. */
    char *last = token + strlen(token) - 2;
    *last = *last == 'A' ? 'B' : 'A';
    if (chat_token_verify(&check, chat__view_str(token), NULL) == CHAT_OK) {
        oom_libc.is_armed = 0;
        fail_msg("a token with another signature was let in");
    }
}

static void a_token_by_secret(void **state)
{
    (void)state;
    assert_true(oom_libc_loop(use_secret, NULL, 1) >= 3);
}

static void use_public_key(void *ctx)
{
    chat_token_check check = {.struct_size = sizeof check, .algorithm = "ES256"};
    (void)ctx;
    check.public_key = chat__view(ES256_KEY, sizeof ES256_KEY);
    check.signature_only = 1;
    verify(&check, ES256_TOKEN);
}

static void a_token_by_public_key(void **state)
{
    (void)state;
    /* Thousands of allocations, milliseconds each: every 29th. */
    assert_true(oom_libc_loop(use_public_key, NULL, 29) >= 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_by_secret),
        cmocka_unit_test(a_token_by_public_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
