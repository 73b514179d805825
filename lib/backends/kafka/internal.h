/* SPDX-License-Identifier: MIT */
/*
 * A log in Kafka, inside. kafka.c has its life and the table of functions, settings.c what
 * librdkafka is told, advice.c what its errors mean for a person, admin.c the check of the topic,
 * append.c the producer, read.c the consumer, group.c its partitions, assign.c those that the
 * caller names, position.c what is committed, figures.c the statistics.
 * Nothing blocks but open and free; callbacks of librdkafka run inside of our own calls.
 */
#ifndef CHAT_KAFKA_INTERNAL_H
#define CHAT_KAFKA_INTERNAL_H

#include "base/alloc.h"
#include "base/buf.h"
#include "id/follow.h"

#include <chat/kafka.h>

#include <librdkafka/rdkafka.h>

#define CHAT__KAFKA_HEAD_BYTES    12u
#define CHAT__KAFKA_TERM_BYTES    8u   /* more, in a head of version 2 */
#define CHAT__KAFKA_IS_FENCE      1u   /* a flag in it */
#define CHAT__KAFKA_RECORD_BYTES  200u /* what librdkafka keeps for a message beside its bytes */
#define CHAT__KAFKA_PROBLEM_BYTES 1024u
#define CHAT__KAFKA_MAX_PROBLEMS  32u /* that wait for the caller */

/* What this reader knows of a partition. */
typedef struct chat__kafka_part {
    chat__follow follow;       /* its memory is kept when the partition goes */
    uint64_t start;            /* where reading began: the window before the position */
    uint64_t origin;           /* the position */
    uint64_t next;             /* offset of the record that is given out next */
    uint64_t commit_offset;    /* the position that the caller wants committed */
    chat__follow_at commit_at; /* what holds there */
    uint8_t is_read;           /* it is ours */
    uint8_t is_dirty;          /* commit_offset is to be sent */
    uint8_t has_position;      /* the group has been here before */
    uint8_t is_begun;          /* a record has come since it became ours */
    uint8_t is_wanted;         /* assign: the caller wants it */
    uint8_t is_leaving;        /* assign: goes when its commits are answered */
    uint8_t is_sending;        /* a commit of it is under way */
    uint8_t n_failed;          /* commits since it is leaving */
} chat__kafka_part;

/* An event that waits for the caller; of rebalances and commits there is one for each partition. */
typedef struct chat__kafka_note {
    chat_log_event_type type;
    chat_status status;
    uint32_t partition;
    uint64_t offset, seq, from_offset, term;
} chat__kafka_note;

struct chat_kafka {
    chat_allocator allocator;
    chat_kafka_options options; /* strings are copies, properties are in `conf` */
    chat_log_sink sink;
    chat_log table;
    int fd; /* an eventfd that librdkafka writes */
    int is_open, is_closing;
    chat_status setting_status; /* a property that librdkafka refused */
    chat_status problem_status; /* of the last error of a broker while opening */
    char problem[CHAT__KAFKA_PROBLEM_BYTES];
    rd_kafka_conf_t *conf;
    chat_kafka_figures figures, reader_figures;

    rd_kafka_t *producer;
    rd_kafka_queue_t *answers; /* its main queue */
    rd_kafka_topic_t *topic;
    rd_kafka_event_t *delivered; /* reports that are being given out */
    uint64_t waiting_bytes, waiting_records;
    chat__buf value;

    rd_kafka_t *consumer;
    rd_kafka_queue_t *records;                 /* its queue, for the descriptor */
    rd_kafka_queue_t *results;                 /* of commits and questions */
    rd_kafka_message_t *lent;                  /* the caller has its record */
    rd_kafka_message_t *held;                  /* comes when the notes before it are given out */
    rd_kafka_topic_partition_list_t *arriving; /* ours when their positions are known */
    rd_kafka_t *asker;                         /* asks for them instead of the consumer */
    int must_ask;                              /* again */
    int is_misled;                             /* whoever asked does not know the coordinator */
    rd_kafka_topic_partition_list_t *leaving;  /* revoked; go when the caller knows */
    int is_gap_told;                           /* of `held` */
    int is_committing;
    int is_unsettled;   /* assign: what is read is not what is wanted */
    uint32_t n_leaving; /* assign: partitions that wait for the answer to a commit */
    chat__kafka_part *parts;
    chat__kafka_note *notes;
    uint32_t n_notes, next_note, max_notes;
};

/* settings.c */
/* The options as librdkafka's; what it refuses is in `setting_status` and `problem`.
   CHAT_OK, CHAT_ERR_NOMEM. */
chat_status chat__kafka_settings(chat_kafka *kafka, const chat_kafka_options *options);
/* Make the producer and the consumer. CHAT_OK, CHAT_ERR_ARG, CHAT_ERR_NOMEM. */
chat_status chat__kafka_make(chat_kafka *kafka);
/* A client for questions beside these, that knows `brokers` first (NULL: as they do) and says
   nothing of its own. NULL: none. */
rd_kafka_t *chat__kafka_make_asker(const chat_kafka *kafka, const char *brokers);

/* advice.c */
chat_status chat__kafka_status(rd_kafka_resp_err_t err);
/* Put down in `problem` what an error means; its status. */
chat_status chat__kafka_explain(chat_kafka *kafka, rd_kafka_resp_err_t err, const char *reason);
__attribute__((format(printf, 3, 4))) chat_status
chat__kafka_say(chat_kafka *kafka, chat_status status, const char *format, ...);

/* admin.c */
chat_status chat__kafka_check_topic(chat_kafka *kafka, uint32_t timeout_ms);

/* append.c */
chat_status chat__kafka_append(void *ctx, uint64_t tag, const chat_log_record *record);
chat_status chat__kafka_fence(void *ctx, uint64_t tag, uint32_t partition, uint64_t term);
/* CHAT_OK: an event; CHAT_EMPTY. */
chat_status chat__kafka_next_answer(chat_kafka *kafka, chat_log_event *out);

/* read.c */
/* CHAT_OK: an event; CHAT_EMPTY; CHAT_MORE: there are notes; CHAT_ERR_NOMEM: call again. */
chat_status chat__kafka_next_record(chat_kafka *kafka, chat_log_event *out);
void chat__kafka_on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque);

/* group.c */
void chat__kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                              rd_kafka_topic_partition_list_t *list, void *opaque);
/* Ask for the positions of `arriving`, and take them when they are known. */
void chat__kafka_ask_positions(chat_kafka *kafka);
void chat__kafka_note_add(chat_kafka *kafka, const chat__kafka_note *note);
/* Take in one result of a commit or a question. 1: there was one. */
int chat__kafka_take_result(chat_kafka *kafka);
/* The caller has seen that partitions go: let them. */
void chat__kafka_let_go(chat_kafka *kafka);
void chat__kafka_send_commits(chat_kafka *kafka, int is_last);
chat_status chat__kafka_commit(void *ctx, uint32_t partition, uint64_t offset, uint64_t seq);
chat_status chat__kafka_pause(void *ctx, uint32_t partition, int is_paused);

/* assign.c */
chat_status chat__kafka_assign(void *ctx, const uint32_t *partitions, size_t n);
/* Bring what is read nearer to what is wanted. */
void chat__kafka_settle(chat_kafka *kafka);

/* position.c */
/* What to commit with an offset; from malloc(), as librdkafka wants it. NULL: no memory. */
char *chat__kafka_write_position(const chat__follow_at *at, size_t *out_len);
/* CHAT_OK; CHAT_ERR_ARG: it is none, `out` is what then holds. */
chat_status chat__kafka_read_position(const void *text, size_t len, chat__follow_at *out);

/* figures.c */
int chat__kafka_on_stats(rd_kafka_t *rk, char *json, size_t len, void *opaque);
void chat__kafka_take_stats(chat_kafka *kafka, int is_reader, const char *json, size_t len);
void chat__kafka_log(chat_kafka *kafka, int level, const char *facility, const char *text);

#endif
