/* SPDX-License-Identifier: MIT */
/* Sec-WebSocket-Extensions: the parameters of permessage-deflate (RFC 7692 section 7.1). */
#include "base/view.h"
#include "net/http_head.h"

/* Cut `name = value` of a parameter; a value in quotes must be a token inside (RFC 6455 section
   9.1). 0: not in the grammar. `value->data` is NULL when there is no "=". */
static int split_parameter(chat_view parameter, chat_view *name, chat_view *value)
{
    size_t i = 0;
    *value = chat__view(NULL, 0);
    while (i < parameter.len && parameter.data[i] != '=')
        i++;
    *name = chat__http_trim(chat__view(parameter.data, i));
    if (!chat__http_is_token(*name))
        return 0;
    if (i == parameter.len)
        return 1;
    *value = chat__http_trim(chat__view(parameter.data + i + 1, parameter.len - i - 1));
    if (value->len >= 2 && value->data[0] == '"' && value->data[value->len - 1] == '"')
        *value = chat__view(value->data + 1, value->len - 2);
    return chat__http_is_token(*value);
}

/* 8..15 without leading zeros, else 0. */
static unsigned window_bits(chat_view value)
{
    if (value.len == 1 && (value.data[0] == '8' || value.data[0] == '9'))
        return value.data[0] - (unsigned)'0';
    if (value.len == 2 && value.data[0] == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        return 10u + value.data[1] - (unsigned)'0';
    return 0;
}

/* Note one parameter; 0 when it is unknown, there twice or out of range. */
static int take_parameter(chat__http_deflate *out, chat_view name, chat_view value)
{
    int is_first = 0;
    if (chat__http_is(name, "server_no_context_takeover") && value.data == NULL) {
        is_first = !out->has_server_reset;
        out->has_server_reset = 1;
    } else if (chat__http_is(name, "client_no_context_takeover") && value.data == NULL) {
        is_first = !out->has_client_reset;
        out->has_client_reset = 1;
    } else if (chat__http_is(name, "client_max_window_bits")) {
        is_first = !out->has_client_bits && (value.data == NULL || window_bits(value) != 0);
        out->has_client_bits = 1;
    } else if (chat__http_is(name, "server_max_window_bits")) {
        is_first = out->server_bits == 0;
        out->server_bits = window_bits(value);
        is_first = is_first && out->server_bits != 0;
    }
    return is_first;
}

int chat__http_read_extension(chat_view element, chat__http_deflate *out)
{
    chat__http_deflate found = {0};
    chat_view rest = element;
    chat_view part, name, value;

    if (!chat__http_next(&rest, ';', &part) || !chat__http_is_token(part))
        return 0;
    found.is_deflate = chat__http_is(part, "permessage-deflate");
    found.is_valid = found.is_deflate;
    while (chat__http_next(&rest, ';', &part)) {
        if (!split_parameter(part, &name, &value))
            return 0;
        found.is_valid = found.is_valid && take_parameter(&found, name, value);
    }
    *out = found;
    return 1;
}
