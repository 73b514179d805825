/* SPDX-License-Identifier: MIT */
/* Where users live and who owns chats: the route room's rules under the node's names. */
#include "node/node.h"

#include "route/fanout.h"

uint32_t chat__node_of_user(chat_view user, uint32_t n_nodes)
{
    return chat__route_user_node(user, n_nodes);
}

uint32_t chat__node_of_chat(chat_view chat, uint32_t n_partitions, uint32_t n_nodes)
{
    return chat__route_chat_node(chat, n_partitions, n_nodes);
}
