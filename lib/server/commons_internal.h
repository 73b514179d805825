/* SPDX-License-Identifier: MIT */
/* What the files of the commons share. Nobody else includes it. @thread its own, all of it. */
#ifndef CHAT_SERVER_COMMONS_INTERNAL_H
#define CHAT_SERVER_COMMONS_INTERNAL_H

#include "commons.h"
#include "recent.h"
#include "base/map.h"

#define CHAT__COMMONS_FLIGHTS     1024u /* asks without an answer */
#define CHAT__COMMONS_VALUE_BYTES 256u

typedef struct chat__commons chat__commons;

/* In the mail of a shard; the bytes of user, device and names follow, each behind its length. */
typedef enum chat__commons_word {
    CHAT__COMMONS_HERE = 1, /* user, device */
    CHAT__COMMONS_AWAY,     /* user, device */
    CHAT__COMMONS_ALL_AWAY, /* none */
    CHAT__COMMONS_WHO       /* names */
} chat__commons_word;

typedef struct chat__commons_head {
    uint64_t conn, id;
    uint32_t word;
    uint32_t node;
    uint32_t n_names;
    uint32_t reserved;
} chat__commons_head;

/* A device that is connected, or of which it is to be said that it is not. */
typedef struct chat__commons_device {
    chat__due due; /* to be said again; in a list unless it flies */
    uint32_t shard;
    uint8_t is_here;
    uint8_t is_told_here; /* what was said last, or is under way */
    uint8_t is_flying;    /* an ask is under way */
    uint8_t is_due;       /* in the list `due`, else in `told` */
    uint8_t user_len, device_len;
    uint8_t bytes[]; /* user, 0, device: the key */
} chat__commons_device;

typedef enum chat__commons_kind {
    CHAT__COMMONS_FREE = 0,
    CHAT__COMMONS_DEVICE,
    CHAT__COMMONS_QUESTION,
    CHAT__COMMONS_COUNT,
    CHAT__COMMONS_KEEP,
    CHAT__COMMONS_RECENT
} chat__commons_kind;

/* An ask without an answer; its place is the tag. */
typedef struct chat__commons_flight {
    chat__commons_kind kind;
    uint32_t next_free;
    chat__commons_device *device;
    chat__batch *question; /* with the names; becomes the answer */
    chat__visitors_count count;
    chat__recent_ask *recent;
} chat__commons_flight;

struct chat__commons {
    chat_server *server;
    chat_shared table;
    chat__mailbox box;
    uv_thread_t thread;
    uint8_t has_box, is_running;
    uint8_t is_ill;       /* a problem was told */
    uint8_t was_answered; /* the last ask was */
    uint8_t is_full;      /* no more can be asked now */
    int wake_fd;
    atomic_int is_woken, is_stopping;
    uint64_t now_ms;
    uint64_t renew_ms;
    uint64_t warned_ms;
    chat__map devices;
    chat__due_list due, told; /* devices */
    chat__commons_flight flights[CHAT__COMMONS_FLIGHTS];
    uint32_t first_free, n_flights;
    char here[CHAT__COMMONS_VALUE_BYTES]; /* where devices are told to be */
    _Atomic uint64_t is_up, n_asks, n_failed, n_devices;
    /* of commons_recent.c */
    chat__batch *keeping, *last_keeping; /* records that are not put yet */
    uint32_t n_keeps;                    /* asks of them that fly */
    uint8_t has_cut;                     /* of the first record there, what is before it was cut */
    chat__buf value;                     /* of such an ask */
    _Atomic uint64_t keep_bytes;         /* of `keeping`, and on their way there */
    _Atomic uint64_t rest_until_ms;      /* nobody asks for records before */
    _Atomic uint64_t n_kept, n_shed, n_hits, n_misses;
};

/* Ask for the flight. CHAT_OK; CHAT_ERR_BUSY: later; anything else: it cannot be asked. */
chat_status chat__commons_ask(chat__commons *commons, const chat__commons_flight *flight,
                              chat_shared_ask *ask);

/* Whether it would only wait in vain. */
int chat__commons_is_useless(const chat__commons *commons);
/* @thread any. Takes the batch. */
void chat__commons_post(chat__commons *commons, chat__batch *batch);

/* --- commons_recent.c --- */
/* Whether this is mail for it; then it takes the batch. */
int chat__commons_take_recent(chat__commons *commons, chat__batch *mail);
/* Ask as much as is to be kept and can be asked. */
void chat__commons_keep_due(chat__commons *commons);
/* Whether this was an answer for it. */
int chat__commons_recent_end(chat__commons *commons, const chat__commons_flight *flight,
                             const chat_shared_event *event);
void chat__commons_recent_done(chat__commons *commons);

/* --- commons_presence.c --- */
void chat__commons_devices_init(chat__commons *commons);
void chat__commons_devices_done(chat__commons *commons);
void chat__commons_say(chat__commons *commons, uint32_t shard, int is_here, chat_view user,
                       chat_view device);
/* Of a shard; UINT32_MAX: of all. */
void chat__commons_say_away(chat__commons *commons, uint32_t shard);
/* What stands there may be lost: say all again. */
void chat__commons_say_again(chat__commons *commons);
/* Ask as much as is due and can be asked. */
void chat__commons_tell_due(chat__commons *commons);
void chat__commons_told(chat__commons *commons, chat__commons_device *device);
/* UINT64_MAX: nothing is to be said. */
uint64_t chat__commons_due_ms(const chat__commons *commons);

#endif
