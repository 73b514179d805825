/* SPDX-License-Identifier: MIT */
/* See backends.h. */
#include "backends.h"

#ifdef CHATD_HAS_ETCD
#include <chat/etcd.h>
#endif
#ifdef CHATD_HAS_REDIS
#include <chat/redis.h>
#endif
#ifdef CHATD_HAS_SHARED
#include <chat/cassandra_schema.h>
#include <chat/cassandra_store.h>
#include <chat/kafka.h>
#endif

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES     1024u
#define MAX_PROPERTIES 64u
#define OPEN_MS        30000u /* brokers that have just started take some time to agree */
#define MIGRATE_MS     120000u
/* An append waits for Kafka as long as it takes; what is not known after that ends the server. */
#define DELIVERY_MS    3600000u
#define PASSWORD_BYTES 256u

struct chatd_backends {
    chat_lease lease;
    chat_places places;
    struct chat_etcd_lease *etcd;
    struct chat_etcd_places *etcd_places;
    struct chat_kafka *kafka;
    struct chat_cassandra_store *cassandra;
    struct chat_redis *redis;
#ifdef CHATD_HAS_SHARED
    chat_log_sink log;
    char password[PASSWORD_BYTES];
    char lines[MAX_PROPERTIES][LINE_BYTES];
    chat_kafka_property properties[MAX_PROPERTIES];
    size_t n_properties;
#endif
};

void chatd_say(chat_log_level level, const char *line)
{
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    fprintf(stderr, "chatd: %s: %s\n", names[level], line);
}

static int is_missing(const char *option, const char *path)
{
    char line[LINE_BYTES];
    if (path == NULL || access(path, R_OK) == 0)
        return 0;
    snprintf(line, sizeof line, "%s: the file cannot be read: %.500s", option, path);
    chatd_say(CHAT_LOG_ERROR, line);
    return 1;
}

/* The first line of the file. `cure`: it goes in clear, and this helps; or NULL. */
static int read_password(const char *option, const char *path, const char *cure,
                         char out[PASSWORD_BYTES])
{
    char line[LINE_BYTES];
    if (path == NULL)
        return EXIT_GOOD;
    FILE *file = is_missing(option, path) ? NULL : fopen(path, "r");
    if (file == NULL)
        return EXIT_USAGE;
    if (fgets(out, PASSWORD_BYTES, file) != NULL)
        out[strcspn(out, "\r\n")] = '\0';
    (void)fclose(file);
    if (out[0] != '\0' && cure != NULL) {
        snprintf(line, sizeof line, "%s: whoever listens to the network reads it: %s", option,
                 cure);
        chatd_say(CHAT_LOG_WARN, line);
    }
    if (out[0] != '\0')
        return EXIT_GOOD;
    snprintf(line, sizeof line, "%s: there is no password in the first line of %.500s", option,
             path);
    chatd_say(CHAT_LOG_ERROR, line);
    return EXIT_USAGE;
}

/* One option without the other. */
static int is_half(const char *one, const char *value, const char *other, const char *other_value)
{
    char line[LINE_BYTES];
    if ((value == NULL) == (other_value == NULL))
        return 0;
    snprintf(line, sizeof line, "%s without %s: set both or none", value != NULL ? one : other,
             value != NULL ? other : one);
    chatd_say(CHAT_LOG_ERROR, line);
    return 1;
}

/* What can be seen of etcd's options without asking it. */
static int read_etcd_files(const chat_server_options *options, char password[PASSWORD_BYTES])
{
    if (is_missing("etcd-ca-file", options->etcd_ca_file) ||
        is_missing("etcd-cert-file", options->etcd_cert_file) ||
        is_missing("etcd-key-file", options->etcd_key_file) ||
        is_half("etcd-cert-file", options->etcd_cert_file, "etcd-key-file",
                options->etcd_key_file) ||
        is_half("etcd-user", options->etcd_user, "etcd-password-file", options->etcd_password_file))
        return EXIT_USAGE;
    int is_clear = options->etcd != NULL && strstr(options->etcd, "http://") != NULL;
    return read_password("etcd-password-file", options->etcd_password_file,
                         is_clear ? "let etcd have https:// addresses" : NULL, password);
}

#ifdef CHATD_HAS_ETCD
static int open_etcd(chat_server_options *options, const char *password, chatd_backends *to)
{
    chat_etcd_options etcd;
    chat_etcd_options_init(&etcd);
    etcd.endpoints = options->etcd;
    etcd.prefix = options->etcd_prefix;
    etcd.ca_file = options->etcd_ca_file;
    etcd.ttl_ms = options->etcd_ttl_ms;
    etcd.cert_file = options->etcd_cert_file;
    etcd.key_file = options->etcd_key_file;
    etcd.user = options->etcd_user;
    etcd.password = options->etcd_user != NULL ? password : NULL;
    chat_status status = chat_etcd_lease_new(&etcd, &to->etcd);
    if (status == CHAT_OK)
        status = chat_etcd_places_new(&etcd, &to->etcd_places);
    if (status == CHAT_OK) {
        chat_etcd_lease_table(to->etcd, &to->lease);
        chat_etcd_places_table(to->etcd_places, &to->places);
        options->lease = &to->lease;
        options->places = &to->places;
        return EXIT_GOOD;
    }
    chatd_say(CHAT_LOG_ERROR,
              status == CHAT_ERR_ARG
                  ? "etcd: 1 to 16 URLs are needed with a comma between them, such as "
                    "http://127.0.0.1:2379, and etcd-prefix of at most 128 visible ASCII letters"
                  : "etcd: libcurl cannot be used: out of memory");
    return status == CHAT_ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
}
#endif

#ifdef CHATD_HAS_REDIS
static int choose_mode(const char *name, chat_redis_mode *out)
{
    static const char *const NAMES[] = {[CHAT_REDIS_STANDALONE] = "standalone",
                                        [CHAT_REDIS_SHARDS] = "shards",
                                        [CHAT_REDIS_SENTINEL] = "sentinel",
                                        [CHAT_REDIS_CLUSTER] = "cluster"};
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (name == NULL || strcmp(name, NAMES[i]) != 0)
            continue;
        *out = (chat_redis_mode)i;
        return EXIT_GOOD;
    }
    chatd_say(CHAT_LOG_ERROR, "redis-mode: standalone, shards, sentinel or cluster is needed");
    return EXIT_USAGE;
}

/* Whether Redis is there is seen while the server runs: it goes on without. */
static int open_redis(const chat_server_options *options, struct chat_redis **out)
{
    chat_redis_options redis;
    char password[PASSWORD_BYTES] = "", why[LINE_BYTES] = "", line[LINE_BYTES];
    chat_redis_options_init(&redis);
    redis.servers = options->redis;
    redis.master = options->redis_master;
    redis.user = options->redis_user;
    redis.database = (uint32_t)options->redis_database;
    redis.tls = (uint32_t)options->redis_tls;
    redis.ca_file = options->redis_ca_file;
    redis.presence_ttl_s = (uint32_t)options->redis_presence_ttl_s;
    int code = choose_mode(options->redis_mode, &redis.mode);
    if (code == EXIT_GOOD)
        code = read_password("redis-password-file", options->redis_password_file,
                             options->redis_tls ? NULL : "set redis-tls", password);
    if (code == EXIT_GOOD && is_missing("redis-ca-file", options->redis_ca_file))
        code = EXIT_USAGE;
    if (code != EXIT_GOOD)
        return code;
    redis.password = password[0] != '\0' ? password : NULL;
    chat_status status = chat_redis_new(&redis, why, sizeof why, out);
    if (status == CHAT_OK)
        return EXIT_GOOD;
    snprintf(line, sizeof line,
             "redis: %.700s (`x` is the option redis-x, `servers` is redis, and `password` "
             "redis-password-file)",
             why[0] != '\0' ? why : chat_status_text(status));
    chatd_say(CHAT_LOG_ERROR, line);
    return status == CHAT_ERR_ARG || status == CHAT_ERR_TLS ? EXIT_USAGE : EXIT_FAILED;
}
#endif

#ifdef CHATD_HAS_SHARED
static void write_line(void *ctx, chat_log_level level, const char *line)
{
    const chat_server_options *options = ctx;
    if ((uint64_t)level <= options->log_level)
        chatd_say(level, line);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    for (size_t len = strlen(text); len > 0 && isspace((unsigned char)text[len - 1]); len--)
        text[len - 1] = '\0';
    return text;
}

/* Lines NAME = VALUE; empty ones and comments that start with '#'. */
static int read_properties(const char *path, chatd_backends *to)
{
    char problem[LINE_BYTES];
    int number = 0;
    if (path == NULL)
        return EXIT_GOOD;
    FILE *file = is_missing("kafka-config", path) ? NULL : fopen(path, "r");
    int code = file != NULL ? EXIT_GOOD : EXIT_USAGE;
    while (code == EXIT_GOOD && to->n_properties < MAX_PROPERTIES &&
           fgets(to->lines[to->n_properties], LINE_BYTES, file) != NULL) {
        char *name = trim(to->lines[to->n_properties]);
        char *equals = strchr(name, '=');
        number++;
        if (*name == '\0' || *name == '#')
            continue;
        if (equals == NULL) {
            snprintf(problem, sizeof problem, "kafka-config: %.500s:%d: NAME = VALUE is needed",
                     path, number);
            chatd_say(CHAT_LOG_ERROR, problem);
            code = EXIT_USAGE;
            continue;
        }
        *equals = '\0';
        to->properties[to->n_properties].name = trim(name);
        to->properties[to->n_properties++].value = trim(equals + 1);
    }
    if (file != NULL)
        (void)fclose(file);
    return code;
}

/* What can be seen without asking anybody. */
static int read_files(const chat_server_options *options, chatd_backends *to)
{
    int code = read_properties(options->kafka_config, to);
    if (code == EXIT_GOOD)
        code = read_password("cassandra-password-file", options->cassandra_password_file,
                             options->cassandra_tls ? NULL : "set cassandra-tls", to->password);
    if (code == EXIT_GOOD && (is_missing("cassandra-ca-file", options->cassandra_ca_file) ||
                              is_half("cassandra-user", options->cassandra_user,
                                      "cassandra-password-file", options->cassandra_password_file)))
        code = EXIT_USAGE;
    return code;
}

/* `grow`: a topic that has too few partitions gets more; a chat stays in its slot. */
static void set_kafka(const chat_server_options *options, const chatd_backends *from, int grow,
                      chat_kafka_options *to)
{
    chat_kafka_options_init(to);
    to->brokers = options->kafka_brokers;
    to->topic = options->kafka_topic;
    to->group = "chat";
    to->is_assigned = 1;
    to->partitions = (uint32_t)options->partitions;
    to->create_topic = (uint32_t)options->kafka_create_topic;
    if (grow)
        to->grow_topic = options->slots > 0 ? (uint32_t)options->slots : 1;
    to->replication = (uint32_t)options->kafka_replication;
    to->min_in_sync = (uint32_t)options->kafka_min_in_sync;
    to->delivery_timeout_ms = DELIVERY_MS;
    to->properties = from->properties;
    to->n_properties = from->n_properties;
    to->log = &from->log;
}

static int is_callers_fault(chat_status status)
{
    return status == CHAT_ERR_ARG || status == CHAT_ERR_NOT_FOUND || status == CHAT_ERR_VERSION;
}

static int open_kafka(const chat_server_options *options, int grow, chatd_backends *to)
{
    chat_kafka_options kafka;
    char line[LINE_BYTES];
    set_kafka(options, to, grow, &kafka);
    chat_status status = chat_kafka_new(&kafka, &to->kafka);
    snprintf(line, sizeof line, "asking Kafka at %.500s for the topic %.200s",
             options->kafka_brokers, options->kafka_topic);
    if (status == CHAT_OK)
        to->log.write(to->log.ctx, CHAT_LOG_INFO, line);
    if (status == CHAT_OK)
        status = chat_kafka_open(to->kafka, OPEN_MS);
    if (status == CHAT_OK)
        return EXIT_GOOD;
    const char *problem = to->kafka != NULL ? chat_kafka_problem(to->kafka) : "";
    chatd_kafka_words(problem[0] != '\0' ? problem
                                         : "`brokers` or `topic` is empty, or `min_in_sync` above "
                                           "`replication`",
                      line, sizeof line);
    chatd_say(CHAT_LOG_ERROR, line);
    return is_callers_fault(status) ? EXIT_USAGE : EXIT_FAILED;
}

static void set_cassandra(const chat_server_options *options, const chatd_backends *from,
                          chat_cassandra_options *to)
{
    chat_cassandra_options_init(to);
    to->contact_points = options->cassandra;
    to->keyspace = options->cassandra_keyspace;
    to->datacenter = options->cassandra_datacenter;
    to->user = options->cassandra_user;
    to->password = from->password[0] != '\0' ? from->password : NULL;
    to->use_tls = (uint32_t)options->cassandra_tls;
    to->ca_file = options->cassandra_ca_file;
}

static int fail_cassandra(chat_status status, const char *problem)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "cassandra: %.900s",
             problem[0] != '\0' ? problem : chat_status_text(status));
    chatd_say(CHAT_LOG_ERROR, line);
    return is_callers_fault(status) ? EXIT_USAGE : EXIT_FAILED;
}

static int open_cassandra(const chat_server_options *options, chatd_backends *to)
{
    chat_cassandra_options cassandra;
    chat_cassandra_store_options store;
    chat_cassandra_migration found = {.struct_size = sizeof found};
    char line[LINE_BYTES];
    set_cassandra(options, to, &cassandra);
    snprintf(line, sizeof line, "asking Cassandra at %.500s for the tables of keyspace %.200s",
             options->cassandra, options->cassandra_keyspace);
    to->log.write(to->log.ctx, CHAT_LOG_INFO, line);
    chat_status status = chat_cassandra_check(&cassandra, OPEN_MS, &found);
    if (status != CHAT_OK)
        return fail_cassandra(status, found.problem);
    chat_cassandra_store_options_init(&store);
    store.cassandra = &cassandra;
    store.n_partitions = (uint32_t)options->partitions;
    store.log = to->log;
    status = chat_cassandra_store_new(&store, &to->cassandra);
    return status == CHAT_OK ? EXIT_GOOD : fail_cassandra(status, "");
}

static int open_shared(chat_server_options *options, chatd_backends *to)
{
    to->log = (chat_log_sink){options, write_line};
    int code = read_files(options, to);
    if (code == EXIT_GOOD)
        code = open_kafka(options, 0, to);
    if (code == EXIT_GOOD)
        code = open_cassandra(options, to);
    if (code != EXIT_GOOD)
        return code;
    options->record_log = chat_kafka_table(to->kafka);
    options->store = chat_cassandra_store_table(to->cassandra);
    return EXIT_GOOD;
}

static int migrate_cassandra(const chat_server_options *options, const chatd_backends *from)
{
    chat_cassandra_options cassandra;
    chat_cassandra_schema schema;
    chat_cassandra_migration done = {.struct_size = sizeof done};
    char line[LINE_BYTES];
    set_cassandra(options, from, &cassandra);
    chat_cassandra_schema_init(&schema);
    schema.retention_s = (uint32_t)options->retention_s;
    schema.replication = options->cassandra_replication;
    chatd_say(CHAT_LOG_INFO, "making the tables in Cassandra: this takes some seconds");
    chat_status status = chat_cassandra_migrate(&cassandra, &schema, MIGRATE_MS, &done);
    if (status != CHAT_OK)
        return fail_cassandra(status, done.problem);
    snprintf(line, sizeof line, "tables of keyspace %.200s: version %u, before %u",
             options->cassandra_keyspace, done.to_version, done.from_version);
    chatd_say(CHAT_LOG_INFO, line);
    return EXIT_GOOD;
}

static int migrate_kafka(const chat_server_options *options, chatd_backends *to)
{
    char line[LINE_BYTES];
    int code = open_kafka(options, 1, to);
    if (code != EXIT_GOOD)
        return code;
    snprintf(line, sizeof line, "topic %.200s: %u partitions", options->kafka_topic,
             chat_kafka_table(to->kafka)->n_partitions);
    chatd_say(CHAT_LOG_INFO, line);
    return EXIT_GOOD;
}

int chatd_migrate(const chat_server_options *given)
{
    chat_server_options options = *given;
    chatd_backends *to = calloc(1, sizeof *to);
    if (options.cassandra == NULL || to == NULL) {
        free(to);
        chatd_say(CHAT_LOG_ERROR, "--migrate: name what is to be made: --cassandra HOST, and "
                                  "--kafka-brokers HOST:PORT with --kafka-create-topic");
        return EXIT_USAGE;
    }
    to->log = (chat_log_sink){&options, write_line};
    int code = read_files(&options, to);
    if (code == EXIT_GOOD)
        code = migrate_cassandra(&options, to);
    if (code == EXIT_GOOD && options.kafka_brokers != NULL)
        code = migrate_kafka(&options, to);
    chatd_backends_free(to);
    return code;
}
#else
int chatd_migrate(const chat_server_options *options)
{
    (void)options;
    chatd_say(CHAT_LOG_ERROR, "--migrate: this program has no libchat-kafka and libchat-cassandra: "
                              "build it with -Dkafka=enabled -Dcassandra=enabled");
    return EXIT_USAGE;
}
#endif

/* Where messages are, when not in files of our own. */
static int open_storage(chat_server_options *options, int is_check, chatd_backends *to)
{
#ifdef CHATD_HAS_SHARED
    if (is_check)
        return read_files(options, to);
    if (options->kafka_brokers != NULL && options->cassandra != NULL)
        return open_shared(options, to);
    return EXIT_GOOD;
#else
    (void)to;
    return is_check && options->kafka_brokers != NULL ? chatd_migrate(options) : EXIT_GOOD;
#endif
}

int chatd_backends_open(chat_server_options *options, int is_check, chatd_backends **out)
{
    char password[PASSWORD_BYTES] = "";
    chatd_backends *to = calloc(1, sizeof *to);
    *out = to;
    if (to == NULL)
        return EXIT_FAILED;
    int code = read_etcd_files(options, password);
#ifdef CHATD_HAS_ETCD
    if (code == EXIT_GOOD && options->etcd != NULL)
        code = open_etcd(options, password, to);
#endif
#ifdef CHATD_HAS_REDIS
    if (code == EXIT_GOOD && options->redis != NULL)
        code = open_redis(options, &to->redis);
    if (code == EXIT_GOOD && to->redis != NULL)
        options->shared = chat_redis_table(to->redis);
#endif
    return code == EXIT_GOOD ? open_storage(options, is_check, to) : code;
}

void chatd_backends_free(chatd_backends *from)
{
    if (from == NULL)
        return;
#ifdef CHATD_HAS_SHARED
    chat_cassandra_store_free(from->cassandra);
    chat_kafka_free(from->kafka);
#endif
#ifdef CHATD_HAS_ETCD
    chat_etcd_lease_free(from->etcd);
    chat_etcd_places_free(from->etcd_places);
#endif
#ifdef CHATD_HAS_REDIS
    chat_redis_free(from->redis);
#endif
    free(from);
}
