/* SPDX-License-Identifier: MIT */
/* What must happen in one step, as scripts that the server runs. Their keys share a hash tag. */
#ifndef CHAT_REDIS_SCRIPTS_H
#define CHAT_REDIS_SCRIPTS_H

typedef enum chat__redis_script {
    CHAT__REDIS_NO_SCRIPT, /* a script is its index + 1 */
    CHAT__REDIS_SCRIPT_ONLINE,
    CHAT__REDIS_SCRIPT_OFFLINE,
    CHAT__REDIS_SCRIPT_DEVICES,
    CHAT__REDIS_SCRIPT_QUEUE_PUT,
    CHAT__REDIS_SCRIPT_QUEUE_READ,
    CHAT__REDIS_SCRIPT_QUEUE_ACK,
    CHAT__REDIS_SCRIPT_RESERVE,
    CHAT__REDIS_SCRIPT_TAKE,
    CHAT__REDIS_SCRIPT_RECENT_PUT,
    CHAT__REDIS_SCRIPT_RECENT_CUT
} chat__redis_script;

#define CHAT__REDIS_N_SCRIPTS 10u

/* In the order of the enum, without the first. */
extern const char *const chat__redis_scripts[CHAT__REDIS_N_SCRIPTS];

#endif
