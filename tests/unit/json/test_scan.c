/* SPDX-License-Identifier: MIT */
/* Texts that a JSON parser must take, must refuse, or that this one refuses for its limits. */
#include "unit.h"
#include "base/view.h"
#include "json/json.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

typedef struct row {
    const char *text;
    size_t len;
} row;

#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const row GOOD[] = {
    T("{}"),
    T("[]"),
    T("0"),
    T("-0"),
    T("1"),
    T("-1"),
    T("10"),
    T("0.5"),
    T("-0.5"),
    T("1.25"),
    T("1e5"),
    T("1E5"),
    T("1e+5"),
    T("1e-5"),
    T("0e0"),
    T("0E+1"),
    T("1.5e300"),
    T("1e-400"),
    T("123456789012345678901234567890"),
    T("\"\""),
    T("\"a\""),
    T("true"),
    T("false"),
    T("null"),
    T(" 1 "),
    T("\t1\n"),
    T("\r\n{}\r\n"),
    T("[ ]"),
    T("{ }"),
    T("[1]"),
    T("[1,2]"),
    T("[1 , 2]"),
    T("[[]]"),
    T("[[],[]]"),
    T("[{}]"),
    T("{\"a\":1}"),
    T("{\"a\":1,\"b\":2}"),
    T("{ \"a\" : 1 , \"b\" : 2 }"),
    T("{\"a\":{}}"),
    T("{\"a\":[]}"),
    T("{\"\":0}"),
    T("[null,true,false]"),
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    T("\"\\u0041\""),
    T("\"\\u00e9\\u20AC\""),
    T("\"\\ud83d\\ude00\""),
    T("\"\\uD800\\uDC00\""),
    T("\"\\udbff\\udfff\""),
    T("\"\\uFFFF\""),
    T("\"\\u0001\""),
    T("\"\\u007f\""),
    T("\"\xc3\xa4\""),
    T("\"\xe2\x82\xac\""),
    T("\"\xf0\x9f\x98\x80\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"\xef\xbb\xbf\""),
    T("\"\x7f\""),
    T("\"\xc2\x80\""),
    T("\"\xe2\x80\xa8\""),
    T("\"a/b\""),
    T("\"'\""),
    T("\"//\""),
    T("[\"a\",\"a\"]"),
    T("{\"a\":\"}\"}"),
    T("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"),
    T("{\"a\":[{\"b\":[{\"c\":[1]}]}]}"),
    T("[1,[2,[3,[4]]],5]"),
    T("{\"\\u0061\":1}"),
    T("\"\\\\u0000\""),
    T("\"\\\\\""),
};

static const row BAD[] = {
    /* structures */
    T(""),
    T(" "),
    T("\n"),
    T("["),
    T("]"),
    T("{"),
    T("}"),
    T("[1"),
    T("[1,"),
    T("[1,]"),
    T("[,1]"),
    T("[,]"),
    T("[1,,2]"),
    T("[1 2]"),
    T("[1]]"),
    T("[1]1"),
    T("[]["),
    T("[}"),
    T("{]"),
    T("[1}"),
    T("{\"a\":1]"),
    T("{\"a\""),
    T("{\"a\":"),
    T("{\"a\":1"),
    T("{\"a\":1,"),
    T("{\"a\":1,}"),
    T("{,}"),
    T("{,\"a\":1}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{\"a\" 1}"),
    T("{\"a\"::1}"),
    T("{\"a\":1:2}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\",1}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{1:1}"),
    T("{null:1}"),
    T("{[]:1}"),
    T("{\"a\":1}}"),
    T("{\"a\":1}x"),
    T("{} {}"),
    T("1 2"),
    T("[] 1"),
    T("[1],"),
    T(",[1]"),
    T("[:1]"),
    T("[\"a\":1]"),
    T("[1;2]"),
    T("(1)"),
    T("<1>"),
    T("[...]"),
    T("[*]"),
    T("{\"a\":1}#"),
    T("[1]//"),
    T("/**/[1]"),
    T("[1/**/]"),
    T("#[1]"),
    T("\xef\xbb\xbf[1]"),
    T("\xef\xbb\xbf"),
    T("\xff\xfe[\0]\0"),
    T("[1]\0"),
    T("\0"),
    T("[\0]"),
    T("[1,\v2]"),
    T("[\f]"),
    T("\xc2\xa0[1]"),
    T("[\xe2\x81\xa0]"),
    /* words */
    T("tru"),
    T("truee"),
    T("True"),
    T("TRUE"),
    T("fals"),
    T("False"),
    T("nul"),
    T("nulll"),
    T("Null"),
    T("undefined"),
    T("nan"),
    T("NaN"),
    T("-NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("inf"),
    T("[tru]"),
    T("[truefalse]"),
    T("t"),
    T("abc"),
    /* numbers */
    T("-"),
    T("+"),
    T("+1"),
    T("++1"),
    T("--1"),
    T("- 1"),
    T("01"),
    T("-01"),
    T("00"),
    T("1."),
    T("-1."),
    T(".5"),
    T("-.5"),
    T("."),
    T("1.e1"),
    T("0."),
    T("0.e1"),
    T("1e"),
    T("1e+"),
    T("1e-"),
    T("1E"),
    T("1e1.5"),
    T("1e 1"),
    T("1ee1"),
    T("1.2.3"),
    T("1+1"),
    T("1-1"),
    T("0x1"),
    T("0xF"),
    T("1x"),
    T("1_000"),
    T("1,000"),
    T("1 000"),
    T("012"),
    T("1f"),
    T("1L"),
    T("0b1"),
    T("0o7"),
    T("[-]"),
    T("[1e]"),
    T("[1.]"),
    T("[01]"),
    T("[+1]"),
    T("[.1]"),
    T("[1a]"),
    T("-e1"),
    T("e1"),
    T("\xef\xbc\x91"),
    T("9.e+"),
    T("-0x1"),
    T("0e"),
    T("0e+"),
    T("-a"),
    T("1\xe5"),
    /* strings */
    T("\""),
    T("\"a"),
    T("'a'"),
    T("\"a'"),
    T("a\""),
    T("\"\\\""),
    T("\"\\"),
    T("\"\\x\""),
    T("\"\\a\""),
    T("\"\\v\""),
    T("\"\\'\""),
    T("\"\\0\""),
    T("\"\\ \""),
    T("\"\\\n\""),
    T("\"\\U0041\""),
    T("\"\\u\""),
    T("\"\\u1\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\u12g4\""),
    T("\"\\u 123\""),
    T("\"\\u+123\""),
    T("\"\\u0x1\""),
    T("\"\\u{41}\""),
    T("\"\\u0000\""),
    T("\"a\\u0000b\""),
    T("{\"\\u0000\":1}"),
    T("\"\\ud800\""),
    T("\"\\ud800a\""),
    T("\"\\ud800\\n\""),
    T("\"\\ud800\\u0041\""),
    T("\"\\ud800\\ud800\""),
    T("\"\\ud800\\u\""),
    T("\"\\ud800\\udc0\""),
    T("\"\\udc00\""),
    T("\"\\udfff\\ud800\""),
    T("\"\\ud800"),
    T("\"\\ud800\\"),
    T("\"\\ud800\\u"),
    T("\"\\udbff\\ue000\""),
    T("\"\n\""),
    T("\"\t\""),
    T("\"\r\""),
    T("\"\0\""),
    T("\"\x01\""),
    T("\"\x1f\""),
    T("\"\x08\""),
    T("{\"\t\":1}"),
    T("\"\x80\""),
    T("\"\xbf\""),
    T("\"\xc3\""),
    T("\"\xc3\x28\""),
    T("\"\xc0\x80\""),
    T("\"\xc0\xaf\""),
    T("\"\xc1\xbf\""),
    T("\"\xe0\x80\x80\""),
    T("\"\xe2\x82\""),
    T("\"\xe2\x28\xa1\""),
    T("\"\xed\xa0\x80\""),
    T("\"\xed\xbf\xbf\""),
    T("\"\xf0\x80\x80\x80\""),
    T("\"\xf0\x9f\x98\""),
    T("\"\xf4\x90\x80\x80\""),
    T("\"\xf5\x80\x80\x80\""),
    T("\"\xff\""),
    T("\"\xfe\""),
    T("\"\xf8\x88\x80\x80\x80\""),
    T("\xe9"),
    T("[\xff]"),
    T("{\"\xff\":1}"),
    T("\"a\"b\""),
    T("\"a\" \"b\""),
    T("[\"a]"),
    T("[\"a\"x]"),
    T("[a\"\"]"),
    T("\\u0041"),
    T("[\\n]"),
    T("\"\\u00zz\""),
    T("\"a\\"),
};

/* In memory of exactly its length, so that a sanitizer sees any byte too far. */
static chat_status scan(const row *text)
{
    uint8_t *copy = malloc(text->len > 0 ? text->len : 1);
    memcpy(copy, text->text, text->len);
    chat_status status = chat__json_scan(chat__view(copy, text->len));
    free(copy);
    return status;
}

static void takes_what_is_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        if (scan(&GOOD[i]) != CHAT_OK)
            print_error("refused: %s\n", GOOD[i].text);
        assert_int_equal(scan(&GOOD[i]), CHAT_OK);
        /* And then the parser behind it takes it too. */
        cJSON *tree = cJSON_ParseWithLength(GOOD[i].text, GOOD[i].len);
        assert_non_null(tree);
        cJSON_Delete(tree);
    }
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        if (scan(&BAD[i]) != CHAT_ERR_SYNTAX)
            print_error("taken: %s\n", BAD[i].text);
        assert_int_equal(scan(&BAD[i]), CHAT_ERR_SYNTAX);
    }
}

static void refuses_every_cut(void **state)
{
    static const char TEXT[] = "{\"a\":[1.5e+3,\"\\ud83d\\ude00\xc3\xa4\",{\"b\":[true,null]}],"
                               "\"c\":-0}";
    (void)state;
    for (size_t len = 0; len < sizeof TEXT - 1; len++) {
        row cut = {TEXT, len};
        assert_int_equal(scan(&cut), CHAT_ERR_SYNTAX);
    }
}

static void repeat(char *out, const char *what, size_t times)
{
    size_t len = strlen(what);
    for (size_t i = 0; i < times; i++)
        memcpy(out + i * len, what, len);
}

static void refuses_deep_nesting(void **state)
{
    static char text[50000];
    row deep = {text, 17};
    (void)state;
    repeat(text, "[", 17);
    assert_int_equal(scan(&deep), CHAT_ERR_LIMIT);
    repeat(text, "[", 10000);
    deep.len = 10000;
    assert_int_equal(scan(&deep), CHAT_ERR_LIMIT);
    repeat(text, "{\"a\":", 10000);
    deep.len = 50000;
    assert_int_equal(scan(&deep), CHAT_ERR_LIMIT);
    repeat(text, "[{\"\":", 10000);
    assert_int_equal(scan(&deep), CHAT_ERR_LIMIT);
}

static void refuses_too_many_values(void **state)
{
    static char text[2 * CHAT_JSON_MAX_VALUES + 3];
    row many = {text, 2 * CHAT_JSON_MAX_VALUES - 1};
    (void)state;
    /* The array is a value too. */
    text[0] = '[';
    repeat(text + 1, "1,", CHAT_JSON_MAX_VALUES);
    text[many.len - 1] = ']';
    assert_int_equal(scan(&many), CHAT_OK);
    text[many.len - 1] = ',';
    text[many.len + 1] = ']';
    many.len += 2;
    assert_int_equal(scan(&many), CHAT_ERR_LIMIT);
}

static void refuses_long_numbers(void **state)
{
    char text[65];
    row number = {text, 63};
    (void)state;
    memset(text, '1', sizeof text);
    assert_int_equal(scan(&number), CHAT_OK);
    number.len = 64;
    assert_int_equal(scan(&number), CHAT_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_is_json),      cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(refuses_every_cut),       cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(refuses_too_many_values), cmocka_unit_test(refuses_long_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
