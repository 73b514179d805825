/* SPDX-License-Identifier: MIT */
/*
 * See http_head.h. http-parser splits the head into its fields; before that the bytes are checked
 * for what it lets pass (line ends that are a bare LF, control characters, folded lines).
 */
#include "net/http_head.h"
#include "base/view.h"

#include <http_parser.h>
#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>
#include <string.h>
#include <strings.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */

typedef struct head_reader {
    chat__http_head *head;
    int is_in_value;
    int is_overfull;
} head_reader;

/* http-parser may give a text in pieces; they follow one another in memory. */
static void extend(chat_view *view, const char *at, size_t len)
{
    if (view->data == NULL)
        view->data = (const uint8_t *)at;
    view->len = (size_t)((const uint8_t *)at - view->data) + len;
}

static int on_start(http_parser *parser, const char *at, size_t len)
{
    head_reader *reader = parser->data;
    extend(&reader->head->start, at, len);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
    head_reader *reader = parser->data;
    chat__http_head *head = reader->head;
    if (reader->is_in_value || head->n_fields == 0) {
        if (head->n_fields == CHAT__HTTP_MAX_HEADERS) {
            reader->is_overfull = 1;
            return 1;
        }
        head->n_fields++;
        reader->is_in_value = 0;
    }
    extend(&head->fields[head->n_fields - 1].name, at, len);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    head_reader *reader = parser->data;
    reader->is_in_value = 1;
    extend(&reader->head->fields[reader->head->n_fields - 1].value, at, len);
    return 0;
}

static int on_head(http_parser *parser)
{
    (void)parser;
    return 2; /* no body: what follows is not for http-parser */
}

static chat_status refuse(chat__http_head *head, uint16_t status, const char *text)
{
    head->error_status = status;
    head->error_text = text;
    return status == 431 ? CHAT_ERR_LIMIT : CHAT_ERR_PROTOCOL;
}

/* NULL, or what is wrong with the bytes of a whole head. */
static const char *check_bytes(chat_view head)
{
    for (size_t i = 0; i < head.len; i++) {
        uint8_t byte = head.data[i];
        if (byte == '\r') {
            if (i + 1 == head.len || head.data[i + 1] != '\n')
                return "a carriage return without a line feed";
            if (i + 2 < head.len && (head.data[i + 2] == ' ' || head.data[i + 2] == '\t'))
                return "a folded header line";
            i++;
        } else if (byte == '\n') {
            return "a line feed without a carriage return";
        } else if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return "a control character";
        }
    }
    return NULL;
}

/* What can be said of a head that is not complete; cheap, since it runs for each piece. */
static chat_status check_incomplete(chat_view bytes, chat__http_head *head)
{
    const uint8_t *newline = memchr(bytes.data, '\n', bytes.len);
    if (bytes.data[0] < 'A' || bytes.data[0] > 'Z')
        return refuse(head, 400, "this is not HTTP");
    if (newline != NULL && (newline == bytes.data || newline[-1] != '\r'))
        return refuse(head, 400, "a line feed without a carriage return");
    if (memchr(bytes.data, 0, bytes.len) != NULL)
        return refuse(head, 400, "a control character");
    if (bytes.len >= CHAT__HTTP_MAX_HEAD_BYTES)
        return refuse(head, 431, "the header is too large");
    return CHAT_MORE;
}

static chat_status run_parser(chat_view bytes, int is_request, chat__http_head *head)
{
    http_parser parser;
    http_parser_settings settings;
    head_reader reader = {head, 0, 0};

    http_parser_settings_init(&settings);
    settings.on_url = on_start;
    settings.on_status = on_start;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_head;
    http_parser_init(&parser, is_request ? HTTP_REQUEST : HTTP_RESPONSE);
    parser.data = &reader;
    size_t used = http_parser_execute(&parser, &settings, (const char *)bytes.data, bytes.len);
    if (reader.is_overfull)
        return refuse(head, 431, "too many headers");
    if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_VERSION)
        return refuse(head, 505, "this HTTP version is not supported");
    if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD)
        return refuse(head, 400, "unknown method");
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || used != bytes.len)
        return refuse(head, 400, "a malformed header");
    head->status = (uint16_t)parser.status_code;
    head->major = parser.http_major;
    head->minor = parser.http_minor;
    return CHAT_OK;
}

chat_status chat__http_head_parse(chat_view bytes, int is_request, chat__http_head *out,
                                  size_t *len)
{
    memset(out, 0, sizeof *out);
    if (bytes.data == NULL || bytes.len == 0)
        return CHAT_MORE;
    const uint8_t *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (end == NULL)
        return check_incomplete(bytes, out);
    chat_view head = chat__view(bytes.data, (size_t)(end - bytes.data) + 4);
    if (head.len > CHAT__HTTP_MAX_HEAD_BYTES)
        return refuse(out, 431, "the header is too large");
    if (head.data[0] < 'A' || head.data[0] > 'Z')
        return refuse(out, 400, "this is not HTTP");
    const char *wrong = check_bytes(head);
    if (wrong != NULL)
        return refuse(out, 400, wrong);
    chat_status status = run_parser(head, is_request, out);
    if (status != CHAT_OK)
        return status;
    for (size_t i = 0; i < out->n_fields; i++) {
        out->fields[i].value = chat__http_trim(out->fields[i].value);
        if (!chat__http_is_token(out->fields[i].name))
            return refuse(out, 400, "a malformed header name");
    }
    *len = head.len;
    return CHAT_OK;
}

size_t chat__http_head_find(const chat__http_head *head, const char *name, chat_view *out)
{
    size_t n = 0;
    *out = chat__view(NULL, 0);
    for (size_t i = 0; i < head->n_fields; i++) {
        if (chat__http_is(head->fields[i].name, name) && n++ == 0)
            *out = head->fields[i].value;
    }
    return n;
}

int chat__http_is(chat_view text, const char *lower_case)
{
    return text.len == strlen(lower_case) &&
           (text.len == 0 || strncasecmp((const char *)text.data, lower_case, text.len) == 0);
}

int chat__http_is_token(chat_view text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && (c == 0 || strchr(marks, c) == NULL))
            return 0;
    }
    return text.len > 0;
}

int chat__http_is_visible(chat_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e)
            return 0;
    }
    return 1;
}

chat_view chat__http_trim(chat_view text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

int chat__http_next(chat_view *rest, char separator, chat_view *out)
{
    int is_quoted = 0;
    size_t i = 0;
    if (rest->data == NULL)
        return 0;
    for (; i < rest->len; i++) {
        char c = (char)rest->data[i];
        if (is_quoted && c == '\\' && i + 1 < rest->len)
            i++;
        else if (c == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && c == separator)
            break;
    }
    *out = chat__http_trim(chat__view(rest->data, i));
    if (i == rest->len)
        *rest = chat__view(NULL, 0);
    else
        *rest = chat__view(rest->data + i + 1, rest->len - i - 1);
    return 1;
}

int chat__http_head_lists(const chat__http_head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->n_fields; i++) {
        chat_view rest = head->fields[i].value;
        chat_view element;
        while (chat__http_is(head->fields[i].name, name) && chat__http_next(&rest, ',', &element)) {
            if (chat__http_is(element, token))
                return 1;
        }
    }
    return 0;
}

chat_status chat__http_accept_key(chat_view key, char out[32])
{
    uint8_t text[24 + sizeof ACCEPT_GUID];
    uint8_t hash[20];
    size_t len;
    if (key.len != 24)
        return CHAT_ERR_ARG;
    memcpy(text, key.data, 24);
    memcpy(text + 24, ACCEPT_GUID, sizeof ACCEPT_GUID - 1);
    if (mbedtls_sha1_ret(text, 24 + sizeof ACCEPT_GUID - 1, hash) != 0 ||
        mbedtls_base64_encode((uint8_t *)out, 32, &len, hash, sizeof hash) != 0)
        return CHAT_ERR_ARG;
    return CHAT_OK;
}

void chat__http_put_view(chat__buf *out, chat_view text, chat_status *status)
{
    if (*status == CHAT_OK)
        *status = chat__buf_append(out, text.data, text.len);
}

void chat__http_put(chat__buf *out, const char *text, chat_status *status)
{
    chat__http_put_view(out, chat__view_str(text), status);
}
