/* SPDX-License-Identifier: MIT */
/*
 * See http_head.h. The grammar of RFC 9112 sections 2 to 5, strict where it lets a recipient be
 * lenient: no bare line feeds, no folded lines, no white space before the colon, one space in the
 * start line. The bytes of a whole head are checked once, then it is split in place.
 */
#include "net/http_head.h"
#include "base/view.h"

#include <mbedtls/base64.h>
#include <mbedtls/sha1.h>
#include <string.h>
#include <strings.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */

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

/* Cut the line off the front of `*rest`, without its end; the bytes were checked, so it has one. */
static chat_view cut_line(chat_view *rest)
{
    const uint8_t *end = memchr(rest->data, '\r', rest->len);
    chat_view line = chat__view(rest->data, (size_t)(end - rest->data));
    *rest = chat__view(end + 2, rest->len - line.len - 2);
    return line;
}

static int is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.1", RFC 9112 section 2.3. */
static int read_version(chat_view text, chat__http_head *head)
{
    if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || !is_digit(text.data[5]) ||
        text.data[6] != '.' || !is_digit(text.data[7]))
        return 0;
    head->major = (uint16_t)(text.data[5] - '0');
    head->minor = (uint16_t)(text.data[7] - '0');
    return 1;
}

/* Method, target and version, RFC 9112 section 3. */
static chat_status read_request_line(chat_view line, chat__http_head *head)
{
    const uint8_t *first = memchr(line.data, ' ', line.len);
    const uint8_t *last = memrchr(line.data, ' ', line.len);
    if (first == NULL || first == last)
        return refuse(head, 400, "a malformed request line");
    head->method = chat__view(line.data, (size_t)(first - line.data));
    head->start = chat__view(first + 1, (size_t)(last - first) - 1);
    if (!chat__http_is_token(head->method) || !chat__http_is_visible(head->start))
        return refuse(head, 400, "a malformed request line");
    if (!read_version(chat__view(last + 1, (size_t)(line.data + line.len - last) - 1), head))
        return refuse(head, 505, "this HTTP version is not supported");
    return CHAT_OK;
}

/* Version, status and reason, RFC 9112 section 4; the space before no reason may lack. */
static chat_status read_status_line(chat_view line, chat__http_head *head)
{
    if (line.len < 12 || line.data[8] != ' ' || !read_version(chat__view(line.data, 8), head) ||
        (line.len > 12 && line.data[12] != ' '))
        return refuse(head, 400, "a malformed status line");
    for (size_t i = 9; i < 12; i++) {
        if (!is_digit(line.data[i]))
            return refuse(head, 400, "a malformed status line");
        head->status = (uint16_t)(head->status * 10 + line.data[i] - '0');
    }
    if (line.len > 13)
        head->start = chat__view(line.data + 13, line.len - 13);
    return CHAT_OK;
}

/* Name, colon, value, RFC 9112 section 5. */
static chat_status read_field(chat_view line, chat__http_head *head)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (head->n_fields == CHAT__HTTP_MAX_HEADERS)
        return refuse(head, 431, "too many headers");
    if (colon == NULL)
        return refuse(head, 400, "a malformed header");
    chat_view name = chat__view(line.data, (size_t)(colon - line.data));
    if (!chat__http_is_token(name))
        return refuse(head, 400, "a malformed header name");
    head->fields[head->n_fields].name = name;
    head->fields[head->n_fields++].value =
        chat__http_trim(chat__view(colon + 1, line.len - name.len - 1));
    return CHAT_OK;
}

static chat_status split(chat_view rest, int is_request, chat__http_head *head)
{
    chat_view line = cut_line(&rest);
    chat_status status = is_request ? read_request_line(line, head) : read_status_line(line, head);
    while (status == CHAT_OK && (line = cut_line(&rest)).len > 0)
        status = read_field(line, head);
    return status;
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
    chat_status status = split(head, is_request, out);
    if (status == CHAT_OK)
        *len = head.len;
    return status;
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
