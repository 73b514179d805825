/* SPDX-License-Identifier: MIT */
/**
 * @file
 * For those who write what says which member of a cluster runs which slot: a directory in which
 * members claim slots, each slot one member at a time, and see what the others have. libchat-etcd
 * has one (<chat/etcd.h>). Who claims what is decided by the members, see
 * chat_server_options.slots.
 *
 * A directory has no thread. The server's thread waits for its descriptor and its deadline, calls
 * `process`, reads events until CHAT_EMPTY, and looks. No function may block.
 */
#ifndef CHAT_BACKEND_PLACES_H
#define CHAT_BACKEND_PLACES_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHAT_PLACES_MAX_SLOTS     256u       /**< that a cluster may have */
#define CHAT_PLACES_MAX_MEMBERS   64u        /**< that a picture shows */
#define CHAT_PLACES_ADDRESS_BYTES 280u       /**< of an address, its final zero among them */
#define CHAT_PLACES_NOBODY        UINT32_MAX /**< instead of a member's number */

/** Who asks. Borrowed during the call. */
typedef struct chat_places_wish {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t member;      /**< number of this member, 0 to 1023; nobody else has it */
    uint32_t n_slots;     /**< 1 to CHAT_PLACES_MAX_SLOTS, the same for all members */
    uint32_t runs_slots;  /**< 0: it claims none, as a gateway; else others see this number */
    const char *address;  /**< where others connect to it, HOST:PORT; NULL or "": nowhere */
} chat_places_wish;

/** A slot. */
typedef struct chat_places_slot {
    uint64_t term;    /**< of the claim; later claims of the same slot have higher ones. 0: free */
    uint32_t member;  /**< who has it; CHAT_PLACES_NOBODY: it is free */
    uint32_t is_ours; /**< it is claimed by this process, and not given up */
} chat_places_slot;

/** A member that is there. */
typedef struct chat_places_member {
    uint32_t member;     /**< its number */
    uint32_t runs_slots; /**< 0: it takes none, because it is a gateway or on its way out; else
                              slots go to those with the highest number */
    char address[CHAT_PLACES_ADDRESS_BYTES]; /**< as it wished, up to the end; "": none */
} chat_places_member;

/** What is known. Borrowed until the next call of any function of the directory. */
typedef struct chat_places_picture {
    uint32_t struct_size;              /**< sizeof of this struct, set by the caller */
    uint32_t is_known;                 /**< 0: nothing is, or it may be old */
    const chat_places_slot *slots;     /**< all of them */
    uint32_t n_slots;                  /**< as wished */
    uint32_t n_members;                /**< how many are there */
    const chat_places_member *members; /**< by number, this one among them */
    uint64_t until_mono_ms;            /**< what is ours stays so until then, whatever happens */
} chat_places_picture;

/** What happened. */
typedef enum chat_places_event_type {
    CHAT_PLACES_CHANGED = 1, /**< look again */
    CHAT_PLACES_LOST,        /**< nothing is ours any more; `why` */
    CHAT_PLACES_TROUBLE,     /**< `why` something is not as it should be; what is ours stays so */
    CHAT_PLACES_RELEASED     /**< all was given back, or it was tried long enough: the last event */
} chat_places_event_type;

/** An event. Borrowed until the next call of any function of the directory. */
typedef struct chat_places_event {
    uint32_t struct_size; /**< sizeof of this struct, set by the caller */
    uint32_t type;        /**< a chat_places_event_type */
    const char *why;      /**< a line for the operator, that names what to change */
} chat_places_event;

/**
 * A directory: a table of functions that are called one at a time, all from one thread. Times are
 * of a clock that never runs back, in milliseconds.
 *
 * The promise: a slot is one process's until it gave it up or until_mono_ms of its last picture is
 * over, and nobody else's before. Who claims it next has a higher term. `is_ours` may also become 0
 * without either, when somebody took the claim away by force.
 */
typedef struct chat_places {
    uint32_t struct_size; /**< sizeof of this struct */
    uint32_t reserved;    /**< 0 */
    void *ctx;            /**< first argument of all functions; must outlive the server */
    /** Begin; the first call, and once. CHAT_OK; CHAT_ERR_ARG: a wish that cannot be;
        CHAT_ERR_NOMEM; anything else: it cannot begin. */
    chat_status (*open)(void *ctx, const chat_places_wish *wish, uint64_t mono_ms);
    /** Readable when `process` has something to do; the same always. -1: deadlines suffice. */
    int (*fd)(void *ctx);
    /** When `process` must be called at the latest; UINT64_MAX: no deadline. */
    uint64_t (*deadline)(void *ctx);
    /** Do what is due. Early calls do no harm. */
    void (*process)(void *ctx, uint64_t mono_ms);
    /** CHAT_OK: `*out` is written; CHAT_EMPTY. */
    chat_status (*next_event)(void *ctx, chat_places_event *out);
    /** What is known. CHAT_OK, CHAT_ERR_ARG. */
    chat_status (*look)(void *ctx, chat_places_picture *out);
    /** Try to have a slot; the picture tells. Nothing when it is ours or asked for already, or is
        still being given up. */
    void (*claim)(void *ctx, uint32_t slot);
    /** Nothing of it runs here any more: others may have it, now. */
    void (*give_up)(void *ctx, uint32_t slot);
    /** This member takes no slots from now on, and others know it; what is ours stays so. */
    void (*leave)(void *ctx);
    /** Nothing runs here any more. RELEASED tells the end, within 2 s. */
    void (*release)(void *ctx, uint64_t mono_ms);
} chat_places;

#ifdef __cplusplus
}
#endif

#endif
