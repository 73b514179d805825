/* SPDX-License-Identifier: MIT */
/* See io.h. */
#include "net/io.h"

#include <errno.h>
#include <sys/socket.h>

#define TLS_WRITE_BYTES 16384u

chat_status chat__io_receive(chat__tls *tls, int fd, uint8_t *out, size_t cap, size_t *out_len)
{
    if (tls != NULL)
        return chat__tls_read(tls, out, cap, out_len);
    ssize_t got;
    do
        got = recv(fd, out, cap, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *out_len = (size_t)got;
        return CHAT_OK;
    }
    if (got == 0)
        return CHAT_ERR_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? CHAT_MORE : CHAT_ERR_NETWORK;
}

chat_status chat__io_send(int fd, const uint8_t *bytes, size_t len, size_t *out_len)
{
    ssize_t sent;
    do
        sent = send(fd, bytes, len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        *out_len = (size_t)sent;
        return CHAT_OK;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? CHAT_MORE : CHAT_ERR_NETWORK;
}

chat_status chat__io_send_tls(chat__tls *tls, size_t *repeat, const uint8_t *bytes, size_t len,
                              size_t *out_len)
{
    if (*repeat != 0)
        len = *repeat;
    else if (len > TLS_WRITE_BYTES)
        len = TLS_WRITE_BYTES;
    chat_status status = chat__tls_write(tls, bytes, len, out_len);
    *repeat = status == CHAT_MORE ? len : 0;
    return status;
}
