/* SPDX-License-Identifier: MIT */
/* libchat-kafka with memory that runs out, of ours: librdkafka ends the process when it has none.
 */
#include "oom.h"

#include "id/follow.h"

#include <chat/kafka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *cluster;

static chat_kafka *make(oom_memory *memory, const chat_allocator *allocator)
{
    chat_kafka_options options;
    chat_kafka *kafka = NULL;
    chat_kafka_options_init(&options);
    options.brokers = rd_kafka_mock_cluster_bootstraps(cluster);
    options.topic = "messages";
    options.group = "g";
    options.replication = options.min_in_sync = 1;
    options.allocator = allocator;
    chat_status status = chat_kafka_new(&options, &kafka);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        assert_null(kafka);
        oom_recover(memory);
        assert_int_equal(chat_kafka_new(&options, &kafka), CHAT_OK);
    }
    return kafka;
}

static void open_and_append(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat_kafka *kafka = make(memory, &allocator);
    chat_log_record record = {.struct_size = sizeof record, .id = 1};
    (void)ctx;
    record.chat.data = (const uint8_t *)"a";
    record.chat.len = 1;
    oom_cjson(NULL); /* statistics may come or not */
    chat_status status = chat_kafka_open(kafka, 10000);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(chat_kafka_open(kafka, 10000), CHAT_OK);
    }
    const chat_log *log = chat_kafka_table(kafka);
    status = log->append(log->ctx, 1, &record);
    if (status != CHAT_OK) {
        assert_int_equal(status, CHAT_ERR_NOMEM);
        oom_recover(memory);
        assert_int_equal(log->append(log->ctx, 1, &record), CHAT_OK);
    }
    chat_kafka_free(kafka);
}

static void every_call(void **state)
{
    (void)state;
    assert_true(oom_loop(open_and_append, NULL) >= 7);
}

static void follow_once(oom_memory *memory, void *ctx)
{
    chat_allocator allocator = oom_allocator(memory);
    chat__follow follow;
    (void)ctx;
    const chat__follow_at at = {0};
    const chat__follow_record fence = {.offset = 1, .term = 1, .is_fence = 1};
    uint64_t seq = 0;
    if (chat__follow_init(&follow, &allocator, 8, &at) != CHAT_OK) {
        assert_null(follow.items);
    } else if (chat__follow_next(&follow, &fence, &seq) == CHAT__FOLLOW_NOMEM) {
        oom_recover(memory);
        assert_int_equal(chat__follow_next(&follow, &fence, &seq), CHAT__FOLLOW_FENCED);
    }
    chat__follow_done(&follow);
}

static void following_a_partition(void **state)
{
    (void)state;
    assert_int_equal(oom_loop(follow_once, NULL), 2);
}

static int set_up(void **state)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)state;
    (void)rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    cluster = rd_kafka_mock_cluster_new(host, 1);
    return cluster == NULL ? -1 : (int)rd_kafka_mock_topic_create(cluster, "messages", 4, 1);
}

static int tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call),
        cmocka_unit_test(following_a_partition),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
