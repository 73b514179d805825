/* SPDX-License-Identifier: MIT */
/* A question to etcd and what became of it: what the machines give, and http.h carries. */
#ifndef CHAT_ETCD_CALL_H
#define CHAT_ETCD_CALL_H

#include <chat/types.h>

#define CHAT__ETCD_MAX_ENDPOINTS 16u

/* Where etcd is. Borrowed by all who have it. */
typedef struct chat__etcd_endpoints {
    const char *const *items; /* "http://host:port" */
    uint32_t n_items;
} chat__etcd_endpoints;

/* How etcd lets us in. NULL: what the system trusts, no certificate of our own, nobody. */
typedef struct chat__etcd_access {
    const char *ca_file;
    const char *cert_file, *key_file;
    const char *user, *password;
} chat__etcd_access;

typedef struct chat__etcd_call {
    uint32_t endpoint;   /* index */
    const char *path;    /* "/v3/..." */
    chat_view body;      /* borrowed until the next call is made, or the machine is freed */
    uint32_t timeout_ms; /* for all of it; of a stream: until it begins */
    int is_stream;       /* the answer does not end */
} chat__etcd_call;

typedef struct chat__etcd_reply {
    uint32_t http_status; /* 0: there was no answer */
    chat_view body;
    const char *why; /* there was no answer */
} chat__etcd_reply;

#endif
