/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Who is online: users with a lease for each of their devices, when they were last seen, who hides,
 * and lists of who watches whom. A function of its inputs, without clock, thread or socket. Usable
 * with nothing else of the library.
 *
 * All times are milliseconds of one clock of the caller's choice. One caller at a time per object.
 */
#ifndef CHAT_PRESENCE_H
#define CHAT_PRESENCE_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A table of users; opaque. */
typedef struct chat_presence chat_presence;

/** Call chat_presence_options_init() first, then set fields. */
typedef struct chat_presence_options {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t ttl_ms;      /**< 60,000: a lease that is not renewed ends then; 0: never by itself */
    uint32_t max_leases;  /**< 1,000,000 */
    uint32_t max_users;   /**< 65,536 users without a lease: remembered, watched or hidden */
    uint32_t max_watched; /**< 256 users for each watcher */
    uint32_t reserved;    /**< 0 */
    const chat_allocator *allocator; /**< NULL: libc */
    uint64_t seed[2];                /**< random and secret where users choose their names */
} chat_presence_options;

/** Zero, `struct_size`, and the defaults named above. */
CHAT_API void chat_presence_options_init(chat_presence_options *options);

/** What others see of a user: one who hides looks as if gone since then. */
typedef struct chat_presence_state {
    uint32_t is_online; /**< 1: a device is connected */
    uint32_t is_hidden; /**< 1: looks offline to others */
    uint64_t seen_ms;   /**< offline: when last seen; 0: not known */
} chat_presence_state;

/**
 * Make a table. Options are copied.
 * @return CHAT_OK; CHAT_ERR_ARG (`struct_size`, or a maximum is 0);
 *         CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_presence_new(const chat_presence_options *options, chat_presence **out);

/** Free it and all it holds. NULL does nothing. */
CHAT_API void chat_presence_free(chat_presence *presence);

/**
 * A device of `user` is there: begin its lease, or renew it. `lease` is any number that names the
 * device among the user's. The user is online while one lease lives.
 *
 * Memory: `user` is copied. Time: linear in the user's devices.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG    no valid user id
 * @return CHAT_ERR_LIMIT  max_leases
 * @return CHAT_ERR_NOMEM  nothing changed
 */
CHAT_API chat_status chat_presence_renew(chat_presence *presence, chat_view user, uint64_t lease,
                                         uint64_t now_ms);

/** The device is gone; it was last there at `seen_ms`. Unknown ones are ignored. */
CHAT_API void chat_presence_release(chat_presence *presence, chat_view user, uint64_t lease,
                                    uint64_t seen_ms);

/**
 * Look offline to everybody, or no longer. Stays until it is taken back.
 * @return CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM; CHAT_ERR_LIMIT: max_users
 */
CHAT_API chat_status chat_presence_hide(chat_presence *presence, chat_view user, int is_hidden,
                                        uint64_t now_ms);

/** What others see of a user; all zero for an unknown one. */
CHAT_API void chat_presence_get(const chat_presence *presence, chat_view user,
                                chat_presence_state *out);

/**
 * Somebody else knows the state of a user who is watched here: pass it on to the watchers, changed
 * or not. Ignored for users whom nobody watches or who have leases here.
 */
CHAT_API void chat_presence_tell(chat_presence *presence, chat_view user, int is_online,
                                 uint64_t seen_ms);

/**
 * `watcher` wants to know about these users from now on, and about no others. An empty list ends
 * it. A user who is there twice counts once.
 *
 * Memory: the names are copied. Time: quadratic in the list, and linear in the one before.
 * @return CHAT_OK
 * @return CHAT_ERR_ARG    a name is no valid user id
 * @return CHAT_ERR_LIMIT  max_watched or max_users
 * @return CHAT_ERR_NOMEM  as with the others: the list is as it was
 */
CHAT_API chat_status chat_presence_watch(chat_presence *presence, uint64_t watcher,
                                         const chat_view *users, size_t n_users);

/** Add one user to a watcher's list; nothing happens when it is there. As chat_presence_watch(). */
CHAT_API chat_status chat_presence_watch_add(chat_presence *presence, uint64_t watcher,
                                             chat_view user);

/** Take one user from a watcher's list. */
CHAT_API void chat_presence_watch_remove(chat_presence *presence, uint64_t watcher, chat_view user);

/** Whether `user` is in a watcher's list. Time: linear in those who watch the user. */
CHAT_API int chat_presence_is_watching(const chat_presence *presence, uint64_t watcher,
                                       chat_view user);

/** Forget a watcher. */
CHAT_API void chat_presence_unwatch(chat_presence *presence, uint64_t watcher);

/** When chat_presence_expire() has something to do; UINT64_MAX: never. */
CHAT_API uint64_t chat_presence_deadline(const chat_presence *presence);

/** End the leases that were not renewed in time. */
CHAT_API void chat_presence_expire(chat_presence *presence, uint64_t now_ms);

/** What a change says. */
typedef enum chat_presence_change_type {
    CHAT_PRESENCE_CHANGED = 1, /**< tell `watcher` that `user` is now in `state` */
    CHAT_PRESENCE_UNWATCHED    /**< nobody watches `user` any more */
} chat_presence_change_type;

/** One change; `user` is borrowed until the next call. */
typedef struct chat_presence_change {
    uint32_t type;             /**< chat_presence_change_type */
    uint32_t reserved;         /**< 0 */
    uint64_t watcher;          /**< 0 where nobody is meant */
    chat_view user;            /**< whose */
    chat_presence_state state; /**< what is so now */
} chat_presence_change;

/**
 * Next thing to tell. Read until CHAT_EMPTY after other calls. Who goes and comes back in between
 * has not changed.
 * @return CHAT_OK, CHAT_EMPTY
 */
CHAT_API chat_status chat_presence_next_change(chat_presence *presence, chat_presence_change *out);

#ifdef __cplusplus
}
#endif

#endif
