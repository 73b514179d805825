/* SPDX-License-Identifier: MIT */
/* Reading and writing a non-blocking socket, with the results that TLS has too. Used by whoever
   has sockets of his own: client, server, backends. */
#ifndef CHAT_NET_IO_H
#define CHAT_NET_IO_H

#include "net/tls.h"

/* CHAT_OK; CHAT_MORE: nothing now; CHAT_ERR_CLOSED, CHAT_ERR_TLS; CHAT_ERR_NETWORK: errno says
   more. `tls` NULL: plain. */
chat_status chat__io_receive(chat__tls *tls, int fd, uint8_t *out, size_t cap, size_t *out_len);
/* Plain. As above. */
chat_status chat__io_send(int fd, const uint8_t *bytes, size_t len, size_t *out_len);
/* As much as one record holds. `*repeat`, 0 at first, is the length that TLS wants to see again
   after CHAT_MORE: so the bytes must be the same then. */
chat_status chat__io_send_tls(chat__tls *tls, size_t *repeat, const uint8_t *bytes, size_t len,
                              size_t *out_len);

#endif
