/* SPDX-License-Identifier: MIT */
/* See slot.h. */
#include "backends/redis/slot.h"

#include "base/view.h"

#define POLYNOMIAL 0x1021u /* of CRC-16/XMODEM */

static chat_view tag_of(chat_view key)
{
    const uint8_t *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
    if (open == NULL)
        return key;
    size_t rest = key.len - (size_t)(open + 1 - key.data);
    const uint8_t *close = rest > 0 ? memchr(open + 1, '}', rest) : NULL;
    if (close == NULL || close == open + 1)
        return key;
    return chat__view(open + 1, (size_t)(close - open - 1));
}

uint16_t chat__redis_crc(chat_view key)
{
    chat_view tag = tag_of(key);
    uint32_t crc = 0;
    for (size_t i = 0; i < tag.len; i++) {
        crc ^= (uint32_t)tag.data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
        crc &= 0xFFFFu;
    }
    return (uint16_t)crc;
}

chat_status chat__redis_address_set(chat__redis_address *out, chat_view host, uint64_t port)
{
    if (host.len == 0 || host.len >= sizeof out->host || port == 0 || port > UINT16_MAX)
        return CHAT_ERR_ARG;
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] <= ' ' || host.data[i] >= 0x7F)
            return CHAT_ERR_ARG;
    }
    memset(out, 0, sizeof *out);
    memcpy(out->host, host.data, host.len);
    out->port = (uint16_t)port;
    return CHAT_OK;
}

chat_status chat__redis_address_read(chat_view text, chat__redis_address *out)
{
    uint64_t port = 0;
    size_t digits = 0;
    while (digits < text.len && digits < 5 && text.data[text.len - 1 - digits] >= '0' &&
           text.data[text.len - 1 - digits] <= '9')
        digits++;
    if (digits == 0 || digits == text.len || text.data[text.len - 1 - digits] != ':')
        return CHAT_ERR_ARG;
    for (size_t i = text.len - digits; i < text.len; i++)
        port = port * 10 + (uint64_t)(text.data[i] - '0');
    chat_view host = chat__view(text.data, text.len - 1 - digits);
    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = chat__view(host.data + 1, host.len - 2);
    return chat__redis_address_set(out, host, port);
}

chat_status chat__redis_address_next(chat_view *rest, chat__redis_address *out)
{
    if (rest->len == 0)
        return CHAT_EMPTY;
    const uint8_t *end = memchr(rest->data, ',', rest->len);
    size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
    chat_status status = chat__redis_address_read(chat__view(rest->data, len), out);
    len += end != NULL;
    *rest = chat__view(rest->data + len, rest->len - len);
    return status;
}

int chat__redis_address_equal(const chat__redis_address *a, const chat__redis_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}
