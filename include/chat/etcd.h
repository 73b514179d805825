/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Node numbers and places of slots from etcd, for servers that share users and chats: in
 * libchat-etcd. Make one, put it into chat_server_options.lease (or .places), free it behind the
 * server.
 *
 * Each server has a lease in etcd with a time to live, and its numbers are keys that hang on it.
 * Beside each number stands, for good, the time up to which ids may have been made with it; a
 * server writes that time before it uses it, and nobody takes a number whose time is not over. So
 * ids stay unique when a server hangs, when it cannot reach etcd, and when clocks are wrong.
 */
#ifndef CHAT_ETCD_H
#define CHAT_ETCD_H

#include <chat/backend/lease.h>
#include <chat/backend/places.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to reach etcd. Prepare with chat_etcd_options_init(). */
typedef struct chat_etcd_options {
    uint32_t struct_size;            /**< sizeof of this struct */
    uint32_t reserved;               /**< 0 */
    const chat_allocator *allocator; /**< NULL: libc. What libcurl and cJSON take is libc's */
    const char *endpoints; /**< http:// or https:// URLs with a comma between them, 16 at most:
                              tried one after the other when one does not answer */
    const char *prefix;    /**< of all keys, "chat/"; servers that share numbers have the same;
                                128 bytes at most, visible ASCII */
    const char *ca_file;   /**< PEM, for https; NULL: what the system trusts */
    uint64_t ttl_ms;       /**< 10,000: so long numbers stay ours without a renewal; 2,000 to
                                600,000. Renewed in a third of it */
    const char *cert_file; /**< PEM, for https: the certificate that etcd is shown; NULL: none */
    const char *key_file;  /**< PEM: its private key; with `cert_file` alone */
    const char *user;      /**< of etcd, when it asks for users; NULL: none */
    const char *password;  /**< of `user`; both or none */
} chat_etcd_options;

/** Set defaults, the rest to zero. Thread: any. Memory: the strings are static. */
CHAT_API void chat_etcd_options_init(chat_etcd_options *options);

/** A lease on node numbers in etcd. */
typedef struct chat_etcd_lease chat_etcd_lease;

/**
 * Make one. Nothing is connected before its `open`.
 *
 * Thread: any; libcurl is set up by the first call in a process.
 * Memory: options and strings are copied.
 * @return CHAT_OK; CHAT_ERR_ARG: an option is out of range, or no endpoint is a URL; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_etcd_lease_new(const chat_etcd_options *options, chat_etcd_lease **out);

/**
 * Fill a table whose functions are those of `lease`.
 * Thread: any. Memory: `out->ctx` is borrowed from `lease`.
 */
CHAT_API void chat_etcd_lease_table(chat_etcd_lease *lease, chat_lease *out);

/**
 * Free it; NULL does nothing. Numbers that were not given back are others' only after the time to
 * live. Thread: when nobody uses its table any more. Time: does not block.
 */
CHAT_API void chat_etcd_lease_free(chat_etcd_lease *lease);

/** Which member of a cluster runs which slot, in etcd (see <chat/backend/places.h>). */
typedef struct chat_etcd_places chat_etcd_places;

/**
 * Make one. Nothing is connected before its `open`. Claims hang on a lease of `ttl_ms` in etcd,
 * renewed in a third of it; the others' are read when a watch tells of a change, and in a quarter
 * of `ttl_ms` anyway (without a watch twice a second).
 *
 * Thread: any; libcurl is set up by the first call in a process.
 * Memory: options and strings are copied.
 * @return CHAT_OK; CHAT_ERR_ARG: an option is out of range, or no endpoint is a URL; CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_etcd_places_new(const chat_etcd_options *options, chat_etcd_places **out);

/**
 * Fill a table whose functions are those of `places`.
 * Thread: any. Memory: `out->ctx` is borrowed from `places`.
 */
CHAT_API void chat_etcd_places_table(chat_etcd_places *places, chat_places *out);

/**
 * Free it; NULL does nothing. Slots that were not given back are others' only after the time to
 * live. Thread: when nobody uses its table any more. Time: does not block.
 */
CHAT_API void chat_etcd_places_free(chat_etcd_places *places);

#ifdef __cplusplus
}
#endif

#endif
