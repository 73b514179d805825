/* SPDX-License-Identifier: MIT */
#include "net/jwt.h"
#include "base/view.h"
#include "jwt_vectors.h"
#include "unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS UINT64_C(1500000000000)

static chat__jwt_key *key_of(const char *alg, const char *text)
{
    chat__jwt_key *key = NULL;
    const char *why = NULL;
    assert_int_equal(chat__jwt_key_parse(NULL, alg, chat__view_str(text), &key, &why), CHAT_OK);
    assert_non_null(key);
    return key;
}

/* Verify from memory of the exact size. */
static chat_status verify(const chat__jwt_key *key, int signature_only, const char *token,
                          chat__jwt_claims *out, const char **why)
{
    const chat__jwt_check check = {key, NOW_MS, 5000, signature_only};
    size_t len = strlen(token);
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, token, len);
    chat_status status = chat__jwt_verify(&check, chat__view(copy, len), out, why);
    free(copy);
    return status;
}

static void expect(const char *alg, const char *key_text, const char *token, int signature_only,
                   const char *word)
{
    const char *why = NULL;
    chat__jwt_claims claims;
    chat__jwt_key *key = key_of(alg, key_text);
    chat_status status = verify(key, signature_only, token, &claims, &why);
    assert_int_equal(status, strcmp(word, "valid") == 0 ? CHAT_OK : CHAT_ERR_AUTH);
    assert_non_null(strstr(why, word));
    chat__jwt_key_free(key);
}

static void verifies_the_examples_of_rfc_7515(void **state)
{
    (void)state;
    expect("HS256", "oct:" RFC_HS_KEY, RFC_HS, 1, "valid");
    expect("RS256", "spki:" RFC_RS_KEY, RFC_RS, 1, "valid");
    expect("ES256", "spki:" RFC_ES_KEY, RFC_ES, 1, "valid");
}

static void verifies_what_another_library_made(void **state)
{
    static const char *const rows[][3] = {{"HS256", "oct:" HS_KEY, HS_GOOD},
                                          {"RS256", "spki:" RS_KEY, RS_GOOD},
                                          {"ES256", "spki:" ES_KEY, ES_GOOD}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *why;
        chat__jwt_claims claims;
        chat__jwt_key *key = key_of(rows[i][0], rows[i][1]);
        assert_int_equal(verify(key, 0, rows[i][2], &claims, &why), CHAT_OK);
        assert_int_equal(claims.sub_len, 5);
        assert_memory_equal(claims.sub, "alice", 5);
        assert_true(claims.exp_unix_ms == UINT64_C(2000000000000));
        chat__jwt_key_free(key);
    }
}

static void takes_the_algorithm_from_the_key(void **state)
{
    static const char *const keys[][2] = {
        {"HS256", "oct:" HS_KEY}, {"RS256", "spki:" RS_KEY}, {"ES256", "spki:" ES_KEY}};
    static const char *const tokens[] = {HS_GOOD, RS_GOOD, ES_GOOD};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 3; k++)
            expect(keys[i][0], keys[i][1], tokens[k], 0, i == k ? "valid" : "wrong algorithm");
        expect(keys[i][0], keys[i][1], ALG_NONE, 0, "wrong algorithm");
    }
    expect("RS256", "spki:" RS_KEY, RS_CONFUSED, 0, "wrong algorithm");
}

static void refuses_other_forms_of_signature(void **state)
{
    (void)state;
    expect("ES256", "spki:" ES_KEY, ES_DER, 0, "wrong signature");
    expect("RS256", "spki:" RS_KEY, RS_PSS, 0, "wrong signature");
    expect("RS256", "spki:" RFC_RS_KEY, RS_GOOD, 0, "wrong signature");
    expect("ES256", "spki:" RFC_ES_KEY, ES_GOOD, 0, "wrong signature");
    expect("HS256", "oct:" RFC_HS_KEY, HS_GOOD, 0, "wrong signature");
}

typedef struct claim_row {
    const char *rule;
    const char *token;
    chat_status status;
    const char *word;
} claim_row;

static void checks_the_claims(void **state)
{
#define ROW(rule, token, status, word) {rule, token, status, word},
    static const claim_row rows[] = {CLAIM_ROWS(ROW)};
#undef ROW
    chat__jwt_key *key = key_of("HS256", "oct:" HS_KEY);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *why = NULL;
        chat__jwt_claims claims;
        print_message("%s\n", rows[i].rule);
        assert_int_equal(verify(key, 0, rows[i].token, &claims, &why), rows[i].status);
        assert_non_null(strstr(why, rows[i].word));
    }
    chat__jwt_key_free(key);
}

static void refuses_what_is_no_token(void **state)
{
#define ROW(rule, token, word) {rule, token, word},
    static const char *const rows[][3] = {MALFORMED_ROWS(ROW)};
#undef ROW
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        print_message("%s\n", rows[i][0]);
        expect("HS256", "oct:" HS_KEY, rows[i][1], 0, rows[i][2]);
        expect("HS256", "oct:" HS_KEY, rows[i][1], 1, rows[i][2]);
    }
}

/* Whatever single character is changed, the token is refused. */
static void no_character_can_be_changed(void **state)
{
    chat__jwt_key *key = key_of("HS256", "oct:" HS_KEY);
    char token[] = HS_GOOD;
    (void)state;
    for (size_t i = 0; i < sizeof token - 1; i++) {
        const char *why;
        chat__jwt_claims claims;
        char kept = token[i];
        for (char c = ' '; c < 0x7f; c++) {
            token[i] = c;
            assert_int_equal(verify(key, 0, token, &claims, &why),
                             c == kept ? CHAT_OK : CHAT_ERR_AUTH);
        }
        token[i] = kept;
    }
    chat__jwt_key_free(key);
}

static void refuses_weak_and_malformed_keys(void **state)
{
    static const char *const rows[][3] = {
        {"HS256", "oct:AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQ", "shorter"},
        {"HS256", "oct:", "shorter"},
        {"HS256", "oct:AyM1+/", "base64url"},
        {"HS256", "AyM1", "start with"},
        {"HS512", "oct:" HS_KEY, "HS256"},
        {"none", "oct:" HS_KEY, "HS256"},
        {"RS256", "oct:" HS_KEY, "kind"},
        {"HS256", "spki:" RS_KEY, "kind"},
        {"ES256", "spki:" RS_KEY, "kind"},
        {"RS256", "spki:" RS_SMALL_KEY, "2048"},
        {"ES256", "spki:" ES_384_KEY, "P-256"},
        {"ES256", "spki:", "base64"},
        {"ES256", "spki:****", "base64"},
        {"ES256", "spki:AAAA", "P-256"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        chat__jwt_key *key = NULL;
        const char *why = NULL;
        assert_int_equal(
            chat__jwt_key_parse(NULL, rows[i][0], chat__view_str(rows[i][1]), &key, &why),
            CHAT_ERR_ARG);
        assert_null(key);
        assert_non_null(strstr(why, rows[i][2]));
    }
}

static void reads_a_key_in_pem(void **state)
{
    chat__jwt_key *key = NULL;
    chat__jwt_claims claims;
    const char *why;
    (void)state;
    assert_int_equal(chat__jwt_key_public(NULL, chat__view_str(ES_PEM), &key), CHAT_OK);
    assert_int_equal(chat__jwt_key_alg(key), CHAT__JWT_ES256);
    assert_int_equal(verify(key, 0, ES_GOOD, &claims, &why), CHAT_OK);
    chat__jwt_key_free(key);
}

static void makes_tokens_that_it_verifies(void **state)
{
    /* Parentheses tell clang that the last one is meant to be in two parts. */
    static const char *const users[] = {
        "alice", "\"\\\"", "\xc3\xa4",
        ("\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"
         "\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\")};
    chat_view secret = chat__view_str("0123456789abcdef0123456789abcdef");
    chat__jwt_key *key = key_of("HS256", "oct:" HS_KEY);
    char token[512];
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const char *why;
        chat__jwt_claims claims;
        uint64_t exp = i == 0 ? UINT64_MAX : UINT64_C(253402300799000);
        chat_view user = chat__view_str(users[i]);
        assert_int_equal(chat__jwt_make(secret, user, exp, token, sizeof token), CHAT_OK);
        assert_int_equal(verify(key, 0, token, &claims, &why), CHAT_OK);
        assert_true(chat__view_equal(chat__view(claims.sub, claims.sub_len), user));
        assert_true(claims.exp_unix_ms == exp);
    }
    assert_int_equal(chat__jwt_make(secret, chat__view_str("a"), 0, token, 50), CHAT_ERR_LIMIT);
    assert_int_equal(chat__jwt_make(secret, chat__view_str(""), 0, token, 512), CHAT_ERR_ARG);
    assert_int_equal(chat__jwt_make(chat__view_str("short"), chat__view_str("a"), 0, token, 512),
                     CHAT_ERR_ARG);
    chat__jwt_key_free(key);
}

static void *verify_many(void *arg)
{
    const char *why;
    chat__jwt_claims claims;
    const chat__jwt_key *const *keys = arg;
    for (int i = 0; i < 20; i++) {
        if (verify(keys[0], 0, ES_GOOD, &claims, &why) != CHAT_OK ||
            verify(keys[1], 0, RS_GOOD, &claims, &why) != CHAT_OK ||
            verify(keys[2], 0, HS_GOOD, &claims, &why) != CHAT_OK)
            return "failed";
    }
    return NULL;
}

static void threads_share_keys(void **state)
{
    chat__jwt_key *keys[3] = {key_of("ES256", "spki:" ES_KEY), key_of("RS256", "spki:" RS_KEY),
                              key_of("HS256", "oct:" HS_KEY)};
    pthread_t threads[4];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, keys), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    for (size_t i = 0; i < 3; i++)
        chat__jwt_key_free(keys[i]);
}

static void base64url_is_strict(void **state)
{
    /* RFC 4648 section 10, in the URL alphabet and without padding. */
    static const char *const good[][2] = {
        {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},           {"Zm9v", "foo"},
        {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"-_-_", "\xfb\xff\xbf"}};
    static const char *const bad[] = {"Z",    "Zg==", "Zh",   "Zm9",  "Zm9v\n",
                                      " Zm9", "Zm+v", "Zm/v", "Zm9vY"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint8_t bytes[8];
        char text[12];
        size_t len;
        chat_view view = chat__view_str(good[i][0]);
        assert_int_equal(chat__base64url_decode(view, bytes, sizeof bytes, &len), CHAT_OK);
        assert_true(chat__view_equal(chat__view(bytes, len), chat__view_str(good[i][1])));
        assert_int_equal(chat__base64url_encode(chat__view(bytes, len), text, sizeof text),
                         view.len);
        assert_memory_equal(text, good[i][0], view.len);
        if (len > 0)
            assert_int_equal(chat__base64url_decode(view, bytes, len - 1, &len), CHAT_ERR_LIMIT);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t bytes[8];
        size_t len;
        assert_int_equal(chat__base64url_decode(chat__view_str(bad[i]), bytes, 8, &len),
                         CHAT_ERR_SYNTAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_examples_of_rfc_7515),
        cmocka_unit_test(verifies_what_another_library_made),
        cmocka_unit_test(takes_the_algorithm_from_the_key),
        cmocka_unit_test(refuses_other_forms_of_signature),
        cmocka_unit_test(checks_the_claims),
        cmocka_unit_test(refuses_what_is_no_token),
        cmocka_unit_test(no_character_can_be_changed),
        cmocka_unit_test(refuses_weak_and_malformed_keys),
        cmocka_unit_test(reads_a_key_in_pem),
        cmocka_unit_test(makes_tokens_that_it_verifies),
        cmocka_unit_test(threads_share_keys),
        cmocka_unit_test(base64url_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
