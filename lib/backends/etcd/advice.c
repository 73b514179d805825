/* SPDX-License-Identifier: MIT */
/* See advice.h. The words are those of etcd, of libcurl and of OpenSSL under it. */
#include "backends/etcd/advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 60u /* of what is no answer of etcd */

#define WHO_SIGNS "set --etcd-ca-file to the certificate of who signs those of etcd"
#define NO_TLS    "is there no TLS at that port? Then write http:// in --etcd"
#define HAS_TLS   "is there TLS at that port? Then write https:// in --etcd"
#define OWN_FILES "set --etcd-cert-file and --etcd-key-file to what etcd lets in"
#define WHO_ASKS  "set --etcd-user and --etcd-password-file to a user that etcd knows"

/* The first row whose words are in it counts. */
static const struct {
    const char *words, *advice;
} ROWS[] = {
    {"Could not resolve", "correct the host in --etcd"},
    {"wrong version number", NO_TLS},
    {"SSL_ERROR_SYSCALL", NO_TLS},
    {"HTTP request to an HTTPS server", HAS_TLS},
    {"Empty reply", HAS_TLS},
    {"reset by peer", "does --etcd say http:// or https:// as etcd wants it there?"},
    {"CommonName", "with users of etcd the certificate of --etcd-cert-file has no CommonName"},
    {"alert", OWN_FILES},
    {"does not match target host", "write a host in --etcd that is in etcd's certificate"},
    {"certificate problem", WHO_SIGNS},
    {"error setting certificate", "correct --etcd-ca-file"},
    {"client certificate", "correct --etcd-cert-file"},
    {"private key", "correct --etcd-key-file: it belongs to --etcd-cert-file"},
    {"user name is empty", WHO_ASKS},
    {"invalid user ID or password", WHO_ASKS},
    {"authentication is not enabled", "leave --etcd-user away, or let etcd ask for users"},
    {"permission denied", "let the user of --etcd-user read and write all below --etcd-prefix"},
    {"no JSON of etcd", "is --etcd an etcd of version 3.4 or newer, and no other server?"},
};

const char *chat__etcd_advice(const char *why)
{
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        if (strstr(why, ROWS[i].words) != NULL)
            return ROWS[i].advice;
    return NULL;
}

const char *chat__etcd_no_answer(const chat__etcd_reply *reply, chat_status status,
                                 char out[CHAT__ETCD_ANSWER_BYTES])
{
    char shown[SHOWN_BYTES + 1];
    size_t len = 0;
    while (len < SHOWN_BYTES && len < reply->body.len && reply->body.data[len] >= ' ' &&
           reply->body.data[len] <= '~') {
        shown[len] = (char)reply->body.data[len];
        len++;
    }
    shown[len] = '\0';
    if (status == CHAT_ERR_NOMEM)
        (void)snprintf(out, CHAT__ETCD_ANSWER_BYTES, "out of memory (its answer %" PRIu32 ")",
                       reply->http_status);
    else
        (void)snprintf(out, CHAT__ETCD_ANSWER_BYTES,
                       "it answered %" PRIu32 " with no JSON of etcd%s%s", reply->http_status,
                       len > 0 ? ": " : "", shown);
    return out;
}
