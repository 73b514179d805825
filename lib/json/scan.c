/* SPDX-License-Identifier: MIT */
/*
 * The strict look at a JSON text before cJSON sees it. cJSON 1.7 lets many texts pass that are no
 * JSON, cuts strings at U+0000 and checks no UTF-8; after this scan it can only run out of memory.
 */
#include "json/json.h"
#include "base/utf8.h"

#include <string.h>

typedef struct scanner {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t n_values;
    unsigned depth;
    uint8_t closers[CHAT_FRAME_MAX_DEPTH]; /* of the open arrays and objects */
} scanner;

static void skip_space(scanner *in)
{
    while (in->at < in->end &&
           (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r'))
        in->at++;
}

static int take(scanner *in, uint8_t byte)
{
    if (in->at == in->end || *in->at != byte)
        return 0;
    in->at++;
    return 1;
}

/* Four hexadecimal digits; -1: they are not there. */
static int take_hex4(scanner *in)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        if (in->at == in->end)
            return -1;
        int c = *in->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Behind "\u": one character, written as one escape or as a pair of surrogates; not U+0000. */
static int take_unicode(scanner *in)
{
    int code = take_hex4(in);
    if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
        return 0;
    if (code < 0xd800 || code > 0xdbff)
        return 1;
    if (!take(in, '\\') || !take(in, 'u'))
        return 0;
    code = take_hex4(in);
    return code >= 0xdc00 && code <= 0xdfff;
}

static int take_string(scanner *in)
{
    if (!take(in, '"'))
        return 0;
    while (in->at < in->end) {
        uint8_t byte = *in->at++;
        if (byte == '"')
            return 1;
        if (byte < 0x20)
            return 0;
        if (byte != '\\')
            continue;
        if (in->at == in->end)
            return 0;
        byte = *in->at++;
        if (byte == 'u' ? !take_unicode(in) : byte == 0 || strchr("\"\\/bfnrt", byte) == NULL)
            return 0;
    }
    return 0;
}

static size_t take_digits(scanner *in)
{
    const uint8_t *start = in->at;
    while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
        in->at++;
    return (size_t)(in->at - start);
}

static chat_status scan_number(scanner *in)
{
    const uint8_t *start = in->at;
    (void)take(in, '-');
    if (!take(in, '0') && take_digits(in) == 0)
        return CHAT_ERR_SYNTAX;
    if (take(in, '.') && take_digits(in) == 0)
        return CHAT_ERR_SYNTAX;
    if (take(in, 'e') || take(in, 'E')) {
        if (!take(in, '+'))
            (void)take(in, '-');
        if (take_digits(in) == 0)
            return CHAT_ERR_SYNTAX;
    }
    return (size_t)(in->at - start) > CHAT__JSON_NUMBER_MAX ? CHAT_ERR_LIMIT : CHAT_OK;
}

static int take_word(scanner *in, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(in->end - in->at) < len || memcmp(in->at, word, len) != 0)
        return 0;
    in->at += len;
    return 1;
}

static chat_status scan_scalar(scanner *in)
{
    if (in->at == in->end)
        return CHAT_ERR_SYNTAX;
    switch (*in->at) {
    case '"':
        return take_string(in) ? CHAT_OK : CHAT_ERR_SYNTAX;
    case 't':
        return take_word(in, "true") ? CHAT_OK : CHAT_ERR_SYNTAX;
    case 'f':
        return take_word(in, "false") ? CHAT_OK : CHAT_ERR_SYNTAX;
    case 'n':
        return take_word(in, "null") ? CHAT_OK : CHAT_ERR_SYNTAX;
    default:
        return scan_number(in);
    }
}

/* A member's name and colon, where the innermost open value is an object. */
static int take_name(scanner *in)
{
    if (in->depth == 0 || in->closers[in->depth - 1] != '}')
        return 1;
    if (!take_string(in))
        return 0;
    skip_space(in);
    if (!take(in, ':'))
        return 0;
    skip_space(in);
    return 1;
}

/* Open an array or object. CHAT_MORE: its first value comes next; CHAT_OK: it was empty. */
static chat_status open_value(scanner *in, uint8_t closer)
{
    if (in->depth == CHAT_FRAME_MAX_DEPTH)
        return CHAT_ERR_LIMIT;
    in->at++;
    skip_space(in);
    if (take(in, closer))
        return CHAT_OK;
    in->closers[in->depth++] = closer;
    return CHAT_MORE;
}

static chat_status scan_value(scanner *in)
{
    if (in->n_values++ == CHAT_JSON_MAX_VALUES)
        return CHAT_ERR_LIMIT;
    if (in->at < in->end && (*in->at == '{' || *in->at == '['))
        return open_value(in, *in->at == '{' ? '}' : ']');
    return scan_scalar(in);
}

/* Behind a value: close what ends here. CHAT_MORE: a comma, another value follows. */
static chat_status scan_after(scanner *in)
{
    for (;;) {
        skip_space(in);
        if (in->depth == 0)
            return in->at == in->end ? CHAT_OK : CHAT_ERR_SYNTAX;
        if (take(in, ',')) {
            skip_space(in);
            return CHAT_MORE;
        }
        if (!take(in, in->closers[in->depth - 1]))
            return CHAT_ERR_SYNTAX;
        in->depth--;
    }
}

chat_status chat__json_scan(chat_view text)
{
    scanner in = {text.data, text.data + text.len, 0, 0, {0}};
    chat_status status;
    if (!chat__utf8_is_valid(text))
        return CHAT_ERR_SYNTAX;
    skip_space(&in);
    do {
        if (!take_name(&in))
            return CHAT_ERR_SYNTAX;
        status = scan_value(&in);
        if (status == CHAT_OK)
            status = scan_after(&in);
    } while (status == CHAT_MORE);
    return status;
}
