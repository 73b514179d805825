/* SPDX-License-Identifier: MIT */
/* What chatd keeps things in when the options name other servers: etcd, Kafka, Cassandra, Redis. */
#ifndef CHATD_BACKENDS_H
#define CHATD_BACKENDS_H

#include <chat/server.h>

typedef struct chatd_backends chatd_backends;

/* Exit codes of chatd. */
enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

void chatd_say(chat_log_level level, const char *line);

/* What libchat-kafka says of `x`, with the names of options. `cap` at least 64. */
void chatd_kafka_words(const char *text, char *out, size_t cap);

/* Open what the options name and put it into them. `is_check`: as far as no other server is asked.
   An exit code; free it in any case. */
int chatd_backends_open(chat_server_options *options, int is_check, chatd_backends **out);
void chatd_backends_free(chatd_backends *backends);

/* --migrate. */
int chatd_migrate(const chat_server_options *options);

#endif
