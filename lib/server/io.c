/* SPDX-License-Identifier: MIT */
/* Reading and writing a non-blocking socket, with the results that TLS has too. */
#include "internal.h"

#include <errno.h>
#include <sys/socket.h>

chat_status chat__io_receive(chat__tls *tls, int fd, uint8_t *out, size_t cap, size_t *out_len)
{
    if (tls != NULL)
        return chat__tls_read(tls, out, cap, out_len);
    ssize_t got = recv(fd, out, cap, 0);
    if (got > 0) {
        *out_len = (size_t)got;
        return CHAT_OK;
    }
    if (got == 0)
        return CHAT_ERR_CLOSED;
    return errno == EAGAIN || errno == EINTR ? CHAT_MORE : CHAT_ERR_NETWORK;
}

chat_status chat__io_send(int fd, const uint8_t *bytes, size_t len, size_t *out_len)
{
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    if (sent >= 0) {
        *out_len = (size_t)sent;
        return CHAT_OK;
    }
    return errno == EAGAIN || errno == EINTR ? CHAT_MORE : CHAT_ERR_NETWORK;
}
