/* SPDX-License-Identifier: MIT */
/**
 * @file
 * Umbrella of the core: everything that needs no socket. <chat/client.h> and <chat/server.h> are
 * included by those who use them. The conventions of the API are in <chat/types.h>.
 */
#ifndef CHAT_CHAT_H
#define CHAT_CHAT_H

#include <chat/frame.h>
#include <chat/id.h>
#include <chat/partition.h>
#include <chat/presence.h>
#include <chat/queue.h>
#include <chat/status.h>
#include <chat/types.h>

#endif
