/* SPDX-License-Identifier: MIT */
/* libchat-kafka against librdkafka's mock cluster: what needs no real broker. */
#include "kafka/rig.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <string.h>

#define TOPIC        "messages"
#define OFFSET_FETCH 9 /* of Kafka's protocol */

static struct {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
} mock;

static int set_up(void **state)
{
    char why[256];
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    mock.host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(mock.host);
    mock.cluster = rd_kafka_mock_cluster_new(mock.host, 1);
    assert_non_null(mock.cluster);
    mock.brokers = rd_kafka_mock_cluster_bootstraps(mock.cluster);
    return (int)rd_kafka_mock_topic_create(mock.cluster, TOPIC, 4, 1);
}

static int tear_down(void **state)
{
    (void)state;
    rd_kafka_mock_cluster_destroy(mock.cluster);
    rd_kafka_destroy(mock.host);
    return 0;
}

/* --- options --- */

static void wrong_arguments_are_refused(void **state)
{
    chat_kafka *kafka = NULL;
    chat_kafka_options good = rig_options("127.0.0.1:1", TOPIC, NULL);
    chat_kafka_options bad[10];
    (void)state;
    for (size_t i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].brokers = NULL;
    bad[1].topic = "";
    bad[2].read_only = 1; /* and no group */
    bad[3].struct_size = 0;
    bad[4].min_in_sync = 2; /* of one copy */
    bad[5].linger_ms = 1001;
    bad[6].stats_interval_ms = 0;
    bad[7].window_records = 0;
    bad[8].max_waiting_bytes = 0;
    bad[9].n_properties = 1;
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(CHAT_ERR_ARG, chat_kafka_new(&bad[i], &kafka));
    assert_int_equal(CHAT_ERR_ARG, chat_kafka_new(NULL, &kafka));
    assert_int_equal(CHAT_ERR_ARG, chat_kafka_new(&good, NULL));
    assert_null(kafka);
    chat_kafka_options_init(NULL);
    chat_kafka_free(NULL);
    assert_int_equal(CHAT_ERR_ARG, chat_kafka_open(NULL, 1));
    assert_null(chat_kafka_table(NULL));
    assert_string_equal("", chat_kafka_problem(NULL));
    assert_int_equal(CHAT_ERR_ARG, chat_kafka_get_figures(NULL, NULL));
}

/* Opening fails with this status, and the problem has these words. */
static void fails(const chat_kafka_options *options, chat_status status, const char *words)
{
    chat_kafka *kafka = NULL;
    assert_int_equal(CHAT_OK, chat_kafka_new(options, &kafka));
    chat_status got = chat_kafka_open(kafka, 800);
    if (got != status || strstr(chat_kafka_problem(kafka), words) == NULL)
        fail_msg("%s: \"%s\" has no \"%s\"", chat_status_name(got), chat_kafka_problem(kafka),
                 words);
    assert_null(chat_kafka_table(kafka));
    chat_kafka_free(kafka);
}

static void a_wrong_property_is_named(void **state)
{
    static const struct {
        chat_kafka_property property;
        const char *words;
    } ROWS[] = {
        {{"kafka.no.such", "1"}, "kafka.no.such"},
        {{"socket.timeout.ms", "soon"}, "kafka.socket.timeout.ms"},
        {{"kafka.acks", "1"}, "kafka.acks cannot be 1, it must be all"},
        {{"enable.idempotence", "false"}, "enable.idempotence"},
        {{"bootstrap.servers", "a:1"}, "set `brokers`"},
        {{"group.id", "g"}, "`group`"},
        {{NULL, "g"}, "without a name"},
        {{"kafka.security.protocol", "sasl_plaintext"}, "sasl"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
        options.properties = &ROWS[i].property;
        options.n_properties = 1;
        fails(&options, CHAT_ERR_ARG, ROWS[i].words);
    }
}

static void wrong_hosts_ports_and_topics_name_the_option(void **state)
{
    chat_kafka_options nobody = rig_options("127.0.0.1:1", TOPIC, NULL);
    chat_kafka_options nowhere = rig_options("no-such-host.invalid:9092", TOPIC, "g");
    chat_kafka_options tls = rig_options(mock.brokers, TOPIC, NULL);
    chat_kafka_options missing = rig_options(mock.brokers, "nothing", NULL);
    chat_kafka_options other = rig_options(mock.brokers, TOPIC, NULL);
    chat_kafka_options copies = rig_options(mock.brokers, TOPIC, NULL);
    const chat_kafka_property ssl = {"security.protocol", "ssl"};
    (void)state;
    fails(&nobody, CHAT_ERR_NETWORK, "`brokers`");
    fails(&nowhere, CHAT_ERR_NETWORK, "`brokers`");
    tls.properties = &ssl;
    tls.n_properties = 1;
    fails(&tls, CHAT_ERR_NETWORK, "kafka.security.protocol");
    fails(&missing, CHAT_ERR_NOT_FOUND, "`create_topic`");
    other.partitions = 5;
    fails(&other, CHAT_ERR_ARG, "set `partitions` to 4");
    copies.replication = 3;
    fails(&copies, CHAT_ERR_ARG, "lower `replication`");
}

/* Before Kafka 0.11 nobody gave out producer ids. */
static void an_old_server_is_told(void **state)
{
    enum { INIT_PRODUCER_ID = 22 };
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
    chat_log_event event;
    (void)state;
    rd_kafka_mock_set_apiversion(mock.cluster, INIT_PRODUCER_ID, -1, -1);
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    rig_until(log, CHAT_LOG_EVENT_PROBLEM, &event);
    assert_int_equal(CHAT_ERR_VERSION, event.status);
    assert_non_null(strstr(event.text, "Kafka 0.11 or newer"));
    chat_kafka_free(kafka);
}

/* --- appending --- */

static void records_are_answered_in_order(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    chat_log_event event;
    (void)state;
    assert_int_equal(4, log->n_partitions);
    assert_int_equal(CHAT_ERR_STATE, chat_kafka_open(kafka, 1));
    for (uint64_t id = 1; id <= 500; id++)
        assert_int_equal(CHAT_OK, rig_append(log, "alice", id));
    for (uint64_t id = 1; id <= 500; id++) {
        rig_until(log, CHAT_LOG_EVENT_APPENDED, &event);
        assert_int_equal(id, event.tag);
        assert_int_equal(CHAT_OK, event.status);
        assert_int_equal(id - 1, event.offset);
    }
    assert_int_equal(CHAT_ERR_STATE, log->commit(log->ctx, 0, 0, 1));
    assert_int_equal(CHAT_ERR_STATE, log->pause(log->ctx, 0, 1));
    chat_kafka_free(kafka);
}

static void what_waits_is_bounded(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
    chat_log_record large = {.struct_size = sizeof large, .id = 1};
    static uint8_t bytes[5000];
    chat_log_event event;
    (void)state;
    options.max_waiting_bytes = 1000;
    options.linger_ms = 100;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    large.chat = chat__view_str("a");
    large.payload = chat__view(bytes, sizeof bytes);
    assert_int_equal(CHAT_ERR_LIMIT, log->append(log->ctx, 1, &large));
    uint64_t n = 0;
    while (rig_append(log, "a", n + 1) == CHAT_OK)
        n++;
    assert_int_equal(4, n); /* 1 + 12 + 6 + 200 bytes each */
    assert_int_equal(CHAT_ERR_BUSY, rig_append(log, "a", n + 1));
    for (uint64_t i = 1; i <= n; i++)
        rig_until(log, CHAT_LOG_EVENT_APPENDED, &event);
    rig_put(log, "a", n + 1);
    chat_kafka_free(kafka);
}

static void wrong_records_are_refused(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    chat_log_record good = {.struct_size = sizeof good, .id = 1, .chat = chat__view_str("a")};
    chat_log_record bad[5] = {good, good, good, good, good};
    (void)state;
    bad[0].id = 0;
    bad[1].id = UINT64_C(1) << 63;
    bad[2].chat.len = 0;
    bad[3].kind = 65536;
    bad[4].struct_size = 4;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(CHAT_ERR_ARG, log->append(log->ctx, 1, &bad[i]));
    assert_int_equal(CHAT_ERR_ARG, log->append(log->ctx, 1, NULL));
    assert_int_equal(CHAT_ERR_ARG, log->next_event(log->ctx, NULL));
    chat_kafka_free(kafka);
}

static void no_answer_in_time_is_told(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, NULL);
    chat_log_event event;
    (void)state;
    options.delivery_timeout_ms = 300;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    rig_put(log, "a", 1);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    assert_int_equal(CHAT_OK, rig_append(log, "a", 2));
    rig_until(log, CHAT_LOG_EVENT_APPENDED, &event);
    assert_int_equal(CHAT_ERR_TIMEOUT, event.status);
    assert_non_null(strstr(event.text, "delivery_timeout_ms"));
    chat_kafka_free(kafka);
}

/* --- reading --- */

/* Somebody else writes to the topic. */
static void produce_raw(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)rd_kafka_conf_set(conf, "bootstrap.servers", mock.brokers, NULL, 0);
    rd_kafka_t *raw = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(raw, TOPIC, NULL);
    assert_int_equal(0, rd_kafka_produce(topic, 1, RD_KAFKA_MSG_F_COPY, "hello", 5, "k", 1, NULL));
    assert_int_equal(0, rd_kafka_flush(raw, RIG_WAIT_MS));
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(raw);
}

static void what_is_none_of_ours_is_stepped_over(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, "g");
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    chat_log_event event;
    (void)state;
    produce_raw();
    rig_until(log, CHAT_LOG_EVENT_PROBLEM, &event);
    assert_int_equal(CHAT_ERR_CORRUPT, event.status);
    assert_int_equal(1, event.partition);
    assert_int_equal(0, event.offset);
    assert_int_equal(CHAT_OK, rig_append(log, "a", 7));
    rig_until(log, CHAT_LOG_EVENT_RECORD, &event);
    assert_int_equal(7, event.record.id);
    chat_kafka_free(kafka);
}

static void figures_come_from_the_statistics(void **state)
{
    chat_kafka_options options = rig_options(mock.brokers, TOPIC, "g");
    chat_kafka_figures figures = {.struct_size = sizeof figures};
    chat_log_event event;
    (void)state;
    options.stats_interval_ms = 100;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    assert_int_equal(CHAT_OK, rig_append(log, "a", 1));
    assert_int_equal(CHAT_OK, chat_kafka_get_figures(kafka, &figures));
    assert_int_equal(1, figures.waiting_records);
    assert_int_equal(1 + 12 + 6 + 200, figures.waiting_bytes);
    rig_until(log, CHAT_LOG_EVENT_RECORD, &event);
    for (int i = 0; i < 200 && (figures.written_records < 1 || figures.read_records < 1); i++) {
        (void)rig_next(log, &event, 100);
        assert_int_equal(CHAT_OK, chat_kafka_get_figures(kafka, &figures));
    }
    assert_int_equal(1, figures.written_records);
    assert_int_equal(1, figures.read_records);
    assert_int_equal(1, figures.brokers_up);
    assert_int_equal(0, figures.waiting_records);
    assert_int_equal(0, figures.waiting_bytes);
    figures.struct_size = 0;
    assert_int_equal(CHAT_ERR_ARG, chat_kafka_get_figures(kafka, &figures));
    chat_kafka_free(kafka);
}

/* From now on the mock's broker 1 is not the coordinator; by itself it does not say so. */
static void move_coordinator(rd_kafka_mock_cluster_t *cluster)
{
    assert_int_equal(0, rd_kafka_mock_coordinator_set(cluster, "group", "g", 2));
    for (int i = 0; i < 2 * RIG_WAIT_MS; i++)
        assert_int_equal(0, rd_kafka_mock_broker_push_request_error_rtts(
                                cluster, 1, OFFSET_FETCH, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 1));
}

/* The next who is asked knows nothing of it either. */
static void confuse(rd_kafka_mock_cluster_t *cluster)
{
    const rd_kafka_resp_err_t errors[] = {RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                          RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        assert_int_equal(0, rd_kafka_mock_broker_push_request_error_rtts(cluster, 2, OFFSET_FETCH,
                                                                         1, errors[i], 1));
}

/* As after a rolling restart of the brokers: positions are asked for when a slot moves. */
static void a_coordinator_that_has_moved_is_found_again(void **state)
{
    const uint32_t partitions[] = {0, 1};
    chat_log_event event;
    (void)state;
    rd_kafka_mock_cluster_t *two = rd_kafka_mock_cluster_new(mock.host, 2);
    assert_non_null(two);
    assert_int_equal(0, rd_kafka_mock_topic_create(two, TOPIC, 4, 1));
    assert_int_equal(0, rd_kafka_mock_coordinator_set(two, "group", "g", 1));
    chat_kafka_options options = rig_options(rd_kafka_mock_cluster_bootstraps(two), TOPIC, "g");
    options.is_assigned = 1;
    chat_kafka *kafka = rig_open(&options);
    const chat_log *log = chat_kafka_table(kafka);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(CHAT_OK, log->assign(log->ctx, partitions, i + 1));
        rig_until(log, CHAT_LOG_EVENT_ASSIGNED, &event);
        assert_int_equal(i, event.partition);
        if (i == 0) {
            move_coordinator(two);
            confuse(two);
        }
    }
    chat_kafka_free(kafka);
    rd_kafka_mock_cluster_destroy(two);
}

#define ON_MOCK(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_are_refused),
        ON_MOCK(a_wrong_property_is_named),
        ON_MOCK(wrong_hosts_ports_and_topics_name_the_option),
        ON_MOCK(an_old_server_is_told),
        ON_MOCK(records_are_answered_in_order),
        ON_MOCK(what_waits_is_bounded),
        ON_MOCK(wrong_records_are_refused),
        ON_MOCK(no_answer_in_time_is_told),
        ON_MOCK(what_is_none_of_ours_is_stepped_over),
        ON_MOCK(figures_come_from_the_statistics),
        ON_MOCK(a_coordinator_that_has_moved_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
