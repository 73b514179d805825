/* SPDX-License-Identifier: MIT */
/**
 * @file
 * libchat-testing: a whole cluster in one process and one thread, under a simulated clock, network
 * and disk. Everything follows from one seed, so a failing run can be run again exactly.
 */
#ifndef CHAT_TESTING_H
#define CHAT_TESTING_H

#include <chat/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What one run does. Set defaults with chat_sim_options_init() first. */
typedef struct chat_sim_options {
    uint32_t struct_size;   /**< sizeof of this struct */
    uint32_t n_nodes;       /**< nodes that share users and chats: 3 */
    uint64_t seed;          /**< everything follows from it */
    uint32_t n_users;       /**< at most 16: 5 */
    uint32_t n_devices;     /**< at most, of each user: 2 */
    uint32_t n_groups;      /**< 2 */
    uint32_t n_messages;    /**< messages that all clients together send: 60 */
    uint32_t crash_percent; /**< chance that a second of the run has a crash of all nodes: 5 */
    uint32_t cut_percent;   /**< chance that a step of a connected client cuts the connection: 10 */
    void *trace_ctx;        /**< first argument of `trace` */
    /** Called for each thing that happens, with the simulated time; NULL: no trace. */
    void (*trace)(void *ctx, uint64_t now_ms, const char *line);
    const char *plant; /**< a bug to plant, see chat_sim_plant_name(); NULL: none */
    void *history_ctx; /**< first argument of `history` */
    /** Called for each line of the history, zero-terminated; NULL: nobody wants it. */
    void (*history)(void *ctx, const char *line);
} chat_sim_options;

/** What a run came to. */
typedef struct chat_sim_report {
    uint32_t n_sent;       /**< messages for which a client was told `sent` */
    uint32_t n_received;   /**< records that applications saw, over all devices */
    uint32_t n_crashes;    /**< of all nodes together, or of one of them */
    uint32_t n_reconnects; /**< connections that clients made */
    uint64_t end_ms;       /**< simulated milliseconds that the run took */
    char violation[256];   /**< which guarantee broke and where; "" when all hold */
} chat_sim_report;

/** Defaults as documented at the fields. Thread: any. */
CHAT_API void chat_sim_options_init(chat_sim_options *options);

/**
 * Run one simulation and judge its history: what was acknowledged is durable, every device of every
 * member gets every record, in one order, once.
 *
 * Thread: any; runs are independent. Memory: libc's. Time: some milliseconds of real time.
 * @return CHAT_OK          all guarantees held
 * @return CHAT_ERR_CORRUPT one did not: `out->violation` says which
 * @return CHAT_ERR_ARG, CHAT_ERR_NOMEM
 */
CHAT_API chat_status chat_sim_run(const chat_sim_options *options, chat_sim_report *out);

/** Name of the i-th bug that can be planted, to see that the judge finds it; NULL behind the last.
 */
CHAT_API const char *chat_sim_plant_name(uint32_t i);

#ifdef __cplusplus
}
#endif

#endif
