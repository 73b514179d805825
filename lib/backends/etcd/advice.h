/* SPDX-License-Identifier: MIT */
/* Why etcd did not answer what was asked, for the operator, and which option of chatd to change. */
#ifndef CHAT_ETCD_ADVICE_H
#define CHAT_ETCD_ADVICE_H

#include <chat/status.h>

#include "backends/etcd/call.h"

#define CHAT__ETCD_ANSWER_BYTES 128u

/* What to do about `why`, static; NULL: nothing is known of it. */
const char *chat__etcd_advice(const char *why);

/* Of a reply that chat__etcd_read() did not take, with its status. */
const char *chat__etcd_no_answer(const chat__etcd_reply *reply, chat_status status,
                                 char out[CHAT__ETCD_ANSWER_BYTES]);

#endif
