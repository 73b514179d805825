/* SPDX-License-Identifier: MIT */
/* What is said first on a connection, and what the answers mean for the settings. Pure; conn.c's.
 */
#ifndef CHAT_REDIS_GREETING_H
#define CHAT_REDIS_GREETING_H

#include "backends/redis/conn.h"

/* A step of the greeting, in the order of the commands. */
typedef enum chat__redis_step {
    CHAT__REDIS_NO_STEP, /* a command of the caller */
    CHAT__REDIS_STEP_AUTH,
    CHAT__REDIS_STEP_INFO,
    CHAT__REDIS_STEP_SELECT,
    CHAT__REDIS_STEP_ROLE
} chat__redis_step;

#define CHAT__REDIS_MAX_STEPS 4u

/* Put the commands at the end of `out` and their steps into `steps`. CHAT_OK, CHAT_ERR_NOMEM,
   CHAT_ERR_LIMIT. */
chat_status chat__redis_greet(const chat__redis_conn_options *options, chat__buf *out,
                              uint8_t steps[CHAT__REDIS_MAX_STEPS], uint32_t *out_n);

/* Look at the answer to a step. CHAT_OK, or what is wrong, with a line in `why` that names the
   option to change. */
chat_status chat__redis_greeted(const chat__redis_conn_options *options, chat__redis_step step,
                                const chat__redis_reply *reply, char why[CHAT__REDIS_WHY_BYTES]);

/* What an error of the server means to who set the options. */
chat_status chat__redis_advice(const chat__redis_reply *reply, char why[CHAT__REDIS_WHY_BYTES]);

#endif
