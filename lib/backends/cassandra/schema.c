/* SPDX-License-Identifier: MIT */
/*
 * <chat/cassandra_schema.h>. Each step of a version is one statement that may be done again, and
 * the version is written behind its last step: whoever was killed between begins at its first.
 */
#include <chat/cassandra_schema.h>

#include "backends/cassandra/link.h"
#include "base/sized.h"
#include "base/view.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES     1024u
#define FIVE_YEARS_S   157680000u
#define TWENTY_YEARS_S 630720000u /* Cassandra's MAX_TTL */
#define N_WINDOWS      30u        /* of compaction in the retention: what its authors advise */
#define SECONDS_A_DAY  86400u
#define MAX_KEYSPACE   48u
#define WITHOUT_END    60u    /* days of a window when messages stay */
#define REACH_MS       30000u /* until a node answers for the first time */

/* Writes have the seq of their record as timestamp, 2^23 to the millisecond: taken as nanoseconds,
   it runs faster than the calendar by this many millionths, and windows are longer by as much. */
#define SEQS_A_MS  8388608u
#define NANOS_A_MS 1000000u
#define BUCKET_S   1073742u /* 2^30 ms: see chat__cstore_bucket_of() */

/* X(version, text): $K the keyspace, $T the time to live in seconds, $B that of a bucket, $W days
   of a window. What nothing had used when its shape changed is dropped and made anew. */
#define STEPS(X)                                                                                   \
    X(1, "CREATE TABLE IF NOT EXISTS $K.messages (chat_id text, bucket int, seq bigint, "          \
         "id bigint, kind int, prev bigint, payload blob, PRIMARY KEY ((chat_id, bucket), seq)) "  \
         "WITH CLUSTERING ORDER BY (seq DESC) AND default_time_to_live = $T")                      \
    X(1, "CREATE TABLE IF NOT EXISTS $K.message_buckets (chat_id text, bucket int, "               \
         "PRIMARY KEY (chat_id, bucket)) WITH CLUSTERING ORDER BY (bucket DESC)")                  \
    X(1, "CREATE TABLE IF NOT EXISTS $K.last_read (user_id text, chat_id text, seq bigint, "       \
         "PRIMARY KEY (user_id, chat_id))")                                                        \
    X(2, "ALTER TABLE $K.messages WITH compaction = {'class': 'TimeWindowCompactionStrategy', "    \
         "'timestamp_resolution': 'NANOSECONDS', 'compaction_window_unit': 'DAYS', "               \
         "'compaction_window_size': $W}")                                                          \
    X(2, "ALTER TABLE $K.message_buckets WITH default_time_to_live = $B")                          \
    X(2, "DROP TABLE IF EXISTS $K.message_status")                                                 \
    X(2, "DROP TABLE IF EXISTS $K.user_chats")                                                     \
    X(2, "DROP TABLE IF EXISTS $K.members")                                                        \
    X(2, "DROP TABLE IF EXISTS $K.devices")                                                        \
    X(2, "DROP TABLE IF EXISTS $K.cursors")                                                        \
    X(2, "CREATE TABLE IF NOT EXISTS $K.chats (chat_id text PRIMARY KEY, head_seq bigint, "        \
         "head_ordinal bigint, title text, is_open tinyint, created_ms bigint, "                   \
         "has_notes tinyint)")                                                                     \
    X(2, "CREATE TABLE IF NOT EXISTS $K.members (chat_id text, user_id text, seq bigint, "         \
         "value tinyint, PRIMARY KEY (chat_id, user_id, seq))")                                    \
    X(2, "CREATE TABLE IF NOT EXISTS $K.memberships (user_id text, chat_id text, seq bigint, "     \
         "value tinyint, PRIMARY KEY (user_id, chat_id, seq))")                                    \
    X(2, "CREATE TABLE IF NOT EXISTS $K.read_by (chat_id text, user_id text, seq bigint, "         \
         "PRIMARY KEY (chat_id, user_id))")                                                        \
    X(2, "CREATE TABLE IF NOT EXISTS $K.delivered (chat_id text, user_id text, seq bigint, "       \
         "PRIMARY KEY (chat_id, user_id))")                                                        \
    X(2, "CREATE TABLE IF NOT EXISTS $K.since (user_id text, chat_id text, type tinyint, "         \
         "seq bigint, low bigint, at_ms bigint, PRIMARY KEY ((user_id, chat_id), type, seq)) "     \
         "WITH default_time_to_live = $T")                                                         \
    X(2, "CREATE TABLE IF NOT EXISTS $K.devices (user_id text, device_id text, seen_ms bigint, "   \
         "generation bigint, PRIMARY KEY (user_id, device_id))")                                   \
    X(2, "CREATE TABLE IF NOT EXISTS $K.cursors (user_id text, device_id text, "                   \
         "generation bigint, chat_id text, seq bigint, "                                           \
         "PRIMARY KEY (user_id, device_id, generation, chat_id))")                                 \
    X(2, "CREATE TABLE IF NOT EXISTS $K.kept (user_id text, chat_id text, seq bigint, "            \
         "PRIMARY KEY (user_id, chat_id))")                                                        \
    X(2, "CREATE TABLE IF NOT EXISTS $K.mutes (user_id text, chat_id text, until_ms bigint, "      \
         "seq bigint, PRIMARY KEY (user_id, chat_id))")                                            \
    X(2, "CREATE TABLE IF NOT EXISTS $K.blocks (user_id text, whom text, value tinyint, "          \
         "seq bigint, PRIMARY KEY (user_id, whom))")                                               \
    X(2, "CREATE TABLE IF NOT EXISTS $K.blocked_by (whom text, user_id text, value tinyint, "      \
         "seq bigint, PRIMARY KEY (whom, user_id))")                                               \
    X(2, "CREATE TABLE IF NOT EXISTS $K.notes (chat_id text, re_seq bigint, what tinyint, "        \
         "user_id text, seq bigint, PRIMARY KEY (chat_id, what, re_seq, user_id))")                \
    X(2, "CREATE TABLE IF NOT EXISTS $K.edits (chat_id text, re_seq bigint, seq bigint, "          \
         "PRIMARY KEY (chat_id, re_seq, seq))")

/* A column can be added once: not when the table has it. */
#define HAS_ORDINAL                                                                                \
    "SELECT column_name FROM system_schema.columns WHERE keyspace_name = '$K' "                    \
    "AND table_name = 'messages' AND column_name = 'ordinal'"
#define ADD_ORDINAL "ALTER TABLE $K.messages ADD ordinal bigint"

#define HAS_VERSIONS                                                                               \
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '$K' "                      \
    "AND table_name = 'schema_version'"
#define VERSIONS_TEXT                                                                              \
    "CREATE TABLE IF NOT EXISTS $K.schema_version (name text PRIMARY KEY, version int)"
#define READ_TEXT  "SELECT version FROM $K.schema_version WHERE name = 'tables'"
#define WRITE_TEXT "INSERT INTO $K.schema_version (name, version) VALUES ('tables', $V)"

typedef struct migration {
    chat_cassandra *cassandra;
    const char *keyspace;
    chat_cassandra_schema schema;
    uint64_t until_ms;
    uint64_t reach_ms; /* until then a node has to answer; later: as until_ms */
    uint32_t version;  /* for $V */
    chat_cassandra_migration out;
    chat_cassandra_event event; /* of the last answer */
    char last_down[CHAT_CASSANDRA_PROBLEM_BYTES];
    chat_status down_status;
    uint32_t n_down, n_contacts; /* without an answer since: then all were asked */
} migration;

void chat_cassandra_schema_init(chat_cassandra_schema *schema)
{
    if (schema == NULL)
        return;
    memset(schema, 0, sizeof *schema);
    schema->struct_size = sizeof *schema;
    schema->retention_s = FIVE_YEARS_S;
}

/* --- texts --- */

/* Days of a window of compaction, in the time of timestamps. */
static uint32_t window_of(uint32_t retention_s)
{
    uint64_t days = retention_s / SECONDS_A_DAY / N_WINDOWS;
    if (retention_s == 0)
        days = WITHOUT_END;
    days = days > 0 ? days : 1;
    return (uint32_t)((days * SEQS_A_MS + NANOS_A_MS - 1) / NANOS_A_MS);
}

/* A bucket is written with its first message and stays as long as its last. */
static uint32_t life_of_bucket(uint32_t retention_s)
{
    if (retention_s == 0)
        return 0;
    return retention_s < TWENTY_YEARS_S - BUCKET_S ? retention_s + BUCKET_S : TWENTY_YEARS_S;
}

/* The text with what stands for $K, $T, $B, $W, $V and $R. */
static void write_text(const migration *m, const char *text, char out[TEXT_BYTES])
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < TEXT_BYTES; text++) {
        char number[16];
        const char *value = number;
        if (*text != '$') {
            out[n++] = *text;
            continue;
        }
        switch (*++text) {
        case 'K':
            value = m->keyspace;
            break;
        case 'R':
            value = m->schema.replication;
            break;
        case 'T':
            (void)snprintf(number, sizeof number, "%u", (unsigned)m->schema.retention_s);
            break;
        case 'B':
            (void)snprintf(number, sizeof number, "%u",
                           (unsigned)life_of_bucket(m->schema.retention_s));
            break;
        case 'W':
            (void)snprintf(number, sizeof number, "%u", (unsigned)window_of(m->schema.retention_s));
            break;
        default:
            (void)snprintf(number, sizeof number, "%u", (unsigned)m->version);
            break;
        }
        int len = snprintf(out + n, TEXT_BYTES - n, "%s", value);
        n = n + (size_t)len < TEXT_BYTES ? n + (size_t)len : TEXT_BYTES - 1;
    }
    out[n] = '\0';
}

/* --- one statement --- */

static chat_status say(migration *m, chat_status status, const char *text)
{
    (void)snprintf(m->out.problem, sizeof m->out.problem, "%s", text);
    return status;
}

/* A node that does not let us in says more than that none did. */
static chat_status say_failed(migration *m)
{
    int is_net = m->event.status == CHAT_ERR_NETWORK && m->down_status != CHAT_OK;
    return is_net ? say(m, m->down_status, m->last_down) : say(m, m->event.status, m->event.text);
}

/* The driver's own time for a request ends in the same millisecond: the same is said of a cluster
   that is not there, whichever comes first. */
static chat_status say_late(migration *m)
{
    chat_cassandra_figures it = {.struct_size = sizeof it};
    if (m->down_status == CHAT_OK)
        return say(m, CHAT_ERR_TIMEOUT, "no answer in time");
    int is_up = chat_cassandra_get_figures(m->cassandra, &it) != CHAT_OK || it.nodes_up > 0;
    return say(m, is_up ? CHAT_ERR_TIMEOUT : m->down_status, m->last_down);
}

/* To wait does not mend these. */
static int is_final(chat_status status)
{
    return status == CHAT_ERR_AUTH || status == CHAT_ERR_TLS || status == CHAT_ERR_VERSION ||
           status == CHAT_ERR_PROTOCOL || status == CHAT_ERR_NOT_FOUND;
}

/* CHAT_MORE: no answer yet. */
static chat_status take_events(migration *m)
{
    m->event.struct_size = sizeof m->event;
    while (chat_cassandra_next_event(m->cassandra, &m->event) == CHAT_OK) {
        if (m->event.type == CHAT_CASSANDRA_EVENT_ANSWER) {
            m->reach_ms = m->until_ms;
            m->n_down = 0;
            return CHAT_OK;
        }
        if (m->event.type == CHAT_CASSANDRA_EVENT_FAILED)
            return say_failed(m);
        if (m->event.type == CHAT_CASSANDRA_EVENT_NODE_DOWN ||
            m->event.type == CHAT_CASSANDRA_EVENT_PROBLEM) {
            m->n_down++;
            if (is_final(m->down_status) && !is_final(m->event.status))
                continue;
            (void)snprintf(m->last_down, sizeof m->last_down, "%s", m->event.text);
            m->down_status = m->event.status;
        }
    }
    return m->n_down >= m->n_contacts && is_final(m->down_status) ? say_late(m) : CHAT_MORE;
}

static chat_status run(migration *m, const char *text)
{
    char full[TEXT_BYTES];
    chat_cassandra_request request = {.struct_size = sizeof request,
                                      .statement = CHAT_CASSANDRA_TEXT,
                                      .text = full,
                                      .consistency = CHAT_CASSANDRA_QUORUM,
                                      .is_idempotent = 1};
    write_text(m, text, full);
    chat_status status = chat_cassandra_ask(m->cassandra, 1, &request, chat__cql_now_ms());
    if (status != CHAT_OK)
        return say(m, status, chat_status_text(status));
    for (status = take_events(m); status == CHAT_MORE; status = take_events(m)) {
        uint64_t now = chat__cql_now_ms();
        struct pollfd wait = {chat_cassandra_fd(m->cassandra), POLLIN, 0};
        if (now >= m->reach_ms)
            return say_late(m);
        int timeout = chat_cassandra_timeout(m->cassandra, now);
        uint64_t left = m->reach_ms - now < 1000 ? m->reach_ms - now : 1000;
        (void)poll(&wait, 1, timeout < 0 || (uint64_t)timeout > left ? (int)left : timeout);
        chat_cassandra_process(m->cassandra, chat__cql_now_ms());
    }
    return status;
}

/* --- versions --- */

static chat_status find_keyspace(migration *m, const char *otherwise)
{
    chat_status status =
        run(m, "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '$K'");
    return status == CHAT_OK && m->event.n_rows == 0 ? say(m, CHAT_ERR_NOT_FOUND, otherwise)
                                                     : status;
}

static chat_status make_keyspace(migration *m)
{
    if (m->schema.replication != NULL)
        return run(m, "CREATE KEYSPACE IF NOT EXISTS $K WITH replication = $R");
    return find_keyspace(m, "there is no such keyspace: make it, correct cassandra-keyspace, or "
                            "set cassandra-replication");
}

/* As 4 bytes in big endian. */
static chat_status read_version(migration *m)
{
    chat_view cells, cell;
    chat_status status = run(m, READ_TEXT);
    if (status != CHAT_OK || m->event.n_rows == 0)
        return status;
    cells = m->event.cells;
    if (chat_cassandra_take_cell(&cells, &cell) != CHAT_OK || cell.len != 4)
        return say(m, CHAT_ERR_IO, "schema_version holds no version");
    for (size_t i = 0; i < 4; i++)
        m->out.from_version = m->out.from_version << 8 | cell.data[i];
    return CHAT_OK;
}

static chat_status add_ordinal(migration *m)
{
    chat_status status = run(m, HAS_ORDINAL);
    return status == CHAT_OK && m->event.n_rows == 0 ? run(m, ADD_ORDINAL) : status;
}

static chat_status go_to(migration *m, uint32_t version)
{
    static const struct {
        uint32_t version;
        const char *text;
    } ALL[] = {
#define STEP_ROW(version, text) {version, text},
        STEPS(STEP_ROW)
#undef STEP_ROW
    };
    chat_status status = CHAT_OK;
    for (size_t i = 0; status == CHAT_OK && i < sizeof ALL / sizeof ALL[0]; i++)
        if (ALL[i].version == version)
            status = run(m, ALL[i].text);
    if (status == CHAT_OK && version == 2)
        status = add_ordinal(m);
    m->version = version;
    if (status == CHAT_OK)
        status = run(m, WRITE_TEXT);
    if (status == CHAT_OK)
        m->out.to_version = version;
    return status;
}

static chat_status migrate(migration *m)
{
    chat_status status = make_keyspace(m);
    if (status == CHAT_OK)
        status = run(m, VERSIONS_TEXT);
    if (status == CHAT_OK)
        status = read_version(m);
    m->out.to_version = m->out.from_version;
    if (status == CHAT_OK && m->out.from_version > CHAT_CASSANDRA_SCHEMA_VERSION)
        return say(m, CHAT_ERR_VERSION, "the tables were made by a newer version: use that one");
    for (uint32_t v = m->out.from_version + 1;
         status == CHAT_OK && v <= CHAT_CASSANDRA_SCHEMA_VERSION; v++)
        status = go_to(m, v);
    return status;
}

/* Of a keyspace whose tables nobody made or finished. */
static chat_status check(migration *m)
{
    static const char NO_TABLES[] = "it has no tables yet: make them with chatd --migrate, or "
                                    "correct cassandra-keyspace";
    char text[CHAT_CASSANDRA_PROBLEM_BYTES];
    chat_status status = find_keyspace(m, "there is no such keyspace: make it with chatd "
                                          "--migrate, or correct cassandra-keyspace");
    if (status == CHAT_OK)
        status = run(m, HAS_VERSIONS);
    if (status == CHAT_OK && m->event.n_rows == 0)
        return say(m, CHAT_ERR_NOT_FOUND, NO_TABLES);
    if (status == CHAT_OK)
        status = read_version(m);
    m->out.to_version = m->out.from_version;
    if (status != CHAT_OK || m->out.from_version == CHAT_CASSANDRA_SCHEMA_VERSION)
        return status;
    if (m->out.from_version == 0)
        return say(m, CHAT_ERR_NOT_FOUND, NO_TABLES);
    (void)snprintf(text, sizeof text, "its tables are of version %u, this program needs %u: %s",
                   (unsigned)m->out.from_version, CHAT_CASSANDRA_SCHEMA_VERSION,
                   m->out.from_version < CHAT_CASSANDRA_SCHEMA_VERSION
                       ? "run chatd --migrate"
                       : "use the newer chatd that made them");
    return say(m, CHAT_ERR_VERSION, text);
}

static int is_keyspace(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || name[i] == '_' ||
              (name[i] >= '0' && name[i] <= '9' && i > 0)))
            return 0;
    return len > 0 && len <= MAX_KEYSPACE;
}

/* The options with the defaults of what they do not know. */
static chat_status take_options(migration *m, chat_cassandra_options *options,
                                const chat_cassandra_options *given,
                                const chat_cassandra_schema *schema)
{
    chat_cassandra_options_init(options);
    chat_cassandra_schema_init(&m->schema);
    if (given == NULL || schema == NULL ||
        chat__sized_take(options, sizeof *options, given) != CHAT_OK ||
        chat__sized_take(&m->schema, sizeof m->schema, schema) != CHAT_OK ||
        m->schema.retention_s > TWENTY_YEARS_S)
        return say(m, CHAT_ERR_ARG, "an option is out of range");
    if (options->keyspace == NULL || !is_keyspace(options->keyspace))
        return say(m, CHAT_ERR_ARG, "cassandra-keyspace: lower letters, digits and _, 48 at most");
    m->keyspace = options->keyspace;
    return CHAT_OK;
}

static uint32_t count_contacts(const char *text)
{
    uint32_t n = 1;
    for (; *text != '\0'; text++)
        n += *text == ',';
    return n;
}

static chat_status go(const chat_cassandra_options *given, const chat_cassandra_schema *schema,
                      uint32_t timeout_ms, chat_cassandra_migration *out,
                      chat_status (*work)(migration *m))
{
    chat_cassandra_options options;
    migration m;
    memset(&m, 0, sizeof m);
    if (out == NULL)
        return CHAT_ERR_ARG;
    m.out.struct_size = sizeof m.out;
    m.until_ms = chat__cql_now_ms() + timeout_ms;
    m.reach_ms = timeout_ms < REACH_MS ? m.until_ms : m.until_ms - timeout_ms + REACH_MS;
    chat_status status = take_options(&m, &options, given, schema);
    if (status == CHAT_OK) {
        options.request_timeout_ms = timeout_ms; /* nodes take seconds to agree on a table */
        status = chat_cassandra_new(&options, &m.cassandra);
        if (status != CHAT_OK)
            status = say(&m, status == CHAT_ERR_TLS ? CHAT_ERR_ARG : status,
                         status == CHAT_ERR_TLS
                             ? "cassandra-ca-file is no certificate (PEM) that can be read"
                             : "cassandra must be HOST[:PORT] with a comma between them; or "
                               "cassandra-datacenter is too long");
    }
    if (status == CHAT_OK) {
        m.n_contacts = count_contacts(options.contact_points);
        status = work(&m);
    }
    chat_cassandra_free(m.cassandra);
    return chat__sized_give(out, &m.out, sizeof m.out) == CHAT_OK ? status : CHAT_ERR_ARG;
}

chat_status chat_cassandra_migrate(const chat_cassandra_options *options,
                                   const chat_cassandra_schema *schema, uint32_t timeout_ms,
                                   chat_cassandra_migration *out)
{
    return go(options, schema, timeout_ms, out, migrate);
}

chat_status chat_cassandra_check(const chat_cassandra_options *options, uint32_t timeout_ms,
                                 chat_cassandra_migration *out)
{
    chat_cassandra_schema schema;
    chat_cassandra_schema_init(&schema);
    return go(options, &schema, timeout_ms, out, check);
}
