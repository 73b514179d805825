/* SPDX-License-Identifier: MIT */
/* What <chat/etcd.h> is given, checked and copied: for the lease and the places. */
#ifndef CHAT_ETCD_CONFIG_H
#define CHAT_ETCD_CONFIG_H

#include <chat/etcd.h>

#include "backends/etcd/call.h"

#define CHAT__ETCD_MAX_REPLY 262144u
#define CHAT__ETCD_MAX_CALLS 8 /* in one turn: each may be over at once */

typedef struct chat__etcd_config {
    chat_allocator allocator;
    char *endpoints_text; /* cut at its commas */
    char *prefix;
    chat__etcd_access access; /* copies */
    const char *endpoint_items[CHAT__ETCD_MAX_ENDPOINTS];
    chat__etcd_endpoints endpoints; /* of this struct, which stays where it is */
    uint64_t ttl_ms;
} chat__etcd_config;

/* Check, and set libcurl up. CHAT_OK: `*out` has all but the strings; CHAT_ERR_ARG, CHAT_ERR_NOMEM.
 */
chat_status chat__etcd_config_check(const chat_etcd_options *given, chat_etcd_options *out);
/* Copy what was checked. CHAT_OK; CHAT_ERR_ARG, CHAT_ERR_NOMEM: to be done as well. */
chat_status chat__etcd_config_init(chat__etcd_config *config, const chat_etcd_options *options);
void chat__etcd_config_done(chat__etcd_config *config);

#endif
