/* SPDX-License-Identifier: MIT */
/*
 * stable-abi: every public struct that the application hands over says its size first, and none
 * depends on the options of the build (this file is compiled without any).
 */
#include <chat/client.h>
#include <chat/client_store.h>
#include <chat/client_thread.h>
#include <chat/etcd.h>
#include <chat/history.h>
#include <chat/presence.h>
#include <chat/queue.h>
#include <chat/server.h>
#include <chat/kafka.h>
#include <chat/testing.h>
#include <chat/testing_log.h>
#include <chat/testing_server.h>
#include <chat/token.h>

#include <stddef.h>

#define SIZE_FIRST(type) _Static_assert(offsetof(type, struct_size) == 0, #type)

SIZE_FIRST(chat_client_options);
SIZE_FIRST(chat_client_handlers);
SIZE_FIRST(chat_event);
SIZE_FIRST(chat_outbox_item);
SIZE_FIRST(chat_history_query);
SIZE_FIRST(chat_group_request);
SIZE_FIRST(chat_note_request);
SIZE_FIRST(chat_history_verdict);
SIZE_FIRST(chat_presence_options);
SIZE_FIRST(chat_queue_options);
SIZE_FIRST(chat_etcd_options);
SIZE_FIRST(chat_kafka_options);
SIZE_FIRST(chat_lease);
SIZE_FIRST(chat_lease_event);
SIZE_FIRST(chat_lease_wish);
SIZE_FIRST(chat_places);
SIZE_FIRST(chat_places_event);
SIZE_FIRST(chat_places_picture);
SIZE_FIRST(chat_places_wish);
SIZE_FIRST(chat_log);
SIZE_FIRST(chat_log_event);
SIZE_FIRST(chat_log_record);
SIZE_FIRST(chat_notifier);
SIZE_FIRST(chat_notification);
SIZE_FIRST(chat_server_login);
SIZE_FIRST(chat_server_identity);
SIZE_FIRST(chat_server_options);
SIZE_FIRST(chat_sim_options);
SIZE_FIRST(chat_test_log_options);
SIZE_FIRST(chat_test_server_options);
SIZE_FIRST(chat_token_check);

int main(void)
{
    return 0;
}
