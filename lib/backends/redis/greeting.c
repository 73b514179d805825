/* SPDX-License-Identifier: MIT */
/* See greeting.h. */
#include "backends/redis/greeting.h"

#include "base/view.h"

#include <stdio.h>
#include <string.h>

#define OLDEST                                                                                     \
    6u /* the first with users, which a script may write at any place behind TIME too              \
        */

static chat_status put(chat__buf *out, const char *a, const char *b, const char *c)
{
    const char *args[] = {a, b, c};
    const size_t lens[] = {strlen(a), b != NULL ? strlen(b) : 0, c != NULL ? strlen(c) : 0};
    return chat__redis_format(out, b == NULL ? 1 : c == NULL ? 2 : 3, args, lens);
}

chat_status chat__redis_greet(const chat__redis_conn_options *options, chat__buf *out,
                              uint8_t steps[CHAT__REDIS_MAX_STEPS], uint32_t *out_n)
{
    char number[16];
    uint32_t n = 0;
    chat_status status = CHAT_OK;
    if (options->password != NULL) {
        steps[n++] = CHAT__REDIS_STEP_AUTH;
        status = options->user != NULL ? put(out, "AUTH", options->user, options->password)
                                       : put(out, "AUTH", options->password, NULL);
    }
    if (status == CHAT_OK) {
        steps[n++] = CHAT__REDIS_STEP_INFO;
        status = put(out, "INFO", "server", NULL);
    }
    if (status == CHAT_OK && options->database != 0) {
        steps[n++] = CHAT__REDIS_STEP_SELECT;
        snprintf(number, sizeof number, "%u", (unsigned)options->database);
        status = put(out, "SELECT", number, NULL);
    }
    if (status == CHAT_OK && options->must_be_primary) {
        steps[n++] = CHAT__REDIS_STEP_ROLE;
        status = put(out, "ROLE", NULL, NULL);
    }
    *out_n = n;
    return status;
}

/* --- what is wrong --- */

typedef struct row {
    const char *starts;
    chat_status status;
    const char *advice;
} row;

static const row ROWS[] = {
    {"NOAUTH", CHAT_ERR_AUTH,
     "the server asks for a password: set `password`, and `user` if it "
     "has users"},
    {"WRONGPASS", CHAT_ERR_AUTH, "correct `user` and `password`"},
    {"ERR invalid password", CHAT_ERR_AUTH, "correct `password`"},
    {"ERR AUTH", CHAT_ERR_AUTH, "the server has no password: leave `password` out, or set `user`"},
    {"ERR Client sent AUTH", CHAT_ERR_AUTH, "the server has no password: leave `password` out"},
    {"ERR wrong number of arguments for 'auth'", CHAT_ERR_VERSION,
     "the server knows no users: Redis 6 or newer is needed, or leave `user` out"},
    {"NOPERM", CHAT_ERR_FORBIDDEN,
     "let the user of `user` use this command and these keys "
     "(ACL SETUSER), or set another `user`"},
    {"ERR DB index is out of range", CHAT_ERR_ARG, "lower `database`, or raise databases there"},
    {"ERR SELECT is not allowed in cluster mode", CHAT_ERR_ARG,
     "a Redis Cluster has one database: set `database` to 0"},
    {"MOVED", CHAT_ERR_ARG, "this is a Redis Cluster: set `mode` to cluster"},
    {"ERR This instance has cluster support disabled", CHAT_ERR_ARG,
     "this is no Redis Cluster: set `mode` to standalone, or correct `servers`"},
    {"DENIED", CHAT_ERR_FORBIDDEN,
     "the server lets in only who is on its own host: give it a "
     "password and set `password`"},
    {"ERR max number of clients reached", CHAT_ERR_BUSY, "raise maxclients of the server"},
    {"OOM", CHAT_ERR_FULL,
     "the server is at its maxmemory: raise it, or set a maxmemory-policy "
     "that evicts"},
    {"MISCONF", CHAT_ERR_FULL, "the server cannot save to its disk and refuses to write"},
    {"READONLY", CHAT_ERR_STATE,
     "this is a replica: set `servers` to the primary, or `mode` to "
     "sentinel"},
    {"LOADING", CHAT_ERR_BUSY, "the server loads what it had stored: this passes by itself"},
    {"MASTERDOWN", CHAT_ERR_BUSY, "this replica has lost its primary"},
    {"CLUSTERDOWN", CHAT_ERR_BUSY, "a part of the Redis Cluster has no primary: start its servers"},
    {"ERR unknown command", CHAT_ERR_VERSION,
     "is this Redis 6 or newer, and its commands are not "
     "renamed? Correct `servers`"},
};

static chat_status tell(chat_status status, const char *what, chat_view text, const char *advice,
                        char why[CHAT__REDIS_WHY_BYTES])
{
    size_t len = text.len < 90 ? text.len : 90;
    snprintf(why, CHAT__REDIS_WHY_BYTES, "%s%.*s%s%s", what, (int)len, (const char *)text.data,
             len > 0 ? ": " : "", advice);
    for (char *c = why; *c != '\0'; c++)
        *c = (unsigned char)*c < ' ' || *c == 0x7F ? '?' : *c;
    return status;
}

chat_status chat__redis_advice(const chat__redis_reply *reply, char why[CHAT__REDIS_WHY_BYTES])
{
    chat_view text = chat__redis_text(reply, 0);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if (chat__redis_is_error(reply, ROWS[i].starts))
            return tell(ROWS[i].status, "", text, ROWS[i].advice, why);
    }
    return tell(CHAT_ERR_PROTOCOL, "", text, "the server refuses", why);
}

/* The value of a line "name:value" of INFO; empty when there is none. */
static chat_view line_of(chat_view info, const char *name)
{
    while (info.len > 0) {
        const uint8_t *end = memchr(info.data, '\n', info.len);
        size_t len = end != NULL ? (size_t)(end - info.data) : info.len;
        chat_view line = {info.data, len > 0 && info.data[len - 1] == '\r' ? len - 1 : len};
        if (chat__view_starts_with(line, name))
            return chat__view(line.data + strlen(name), line.len - strlen(name));
        len += end != NULL;
        info = chat__view(info.data + len, info.len - len);
    }
    return chat__view("", 0);
}

static chat_status check_mode(chat__redis_kind kind, chat_view mode,
                              char why[CHAT__REDIS_WHY_BYTES])
{
    static const struct {
        const char *name, *is;
    } kinds[] = {{"standalone", "this is a Redis server: set `mode` to standalone"},
                 {"cluster", "this is a Redis Cluster: set `mode` to cluster"},
                 {"sentinel", "this is a sentinel: set `mode` to sentinel"}};
    for (size_t i = 0; i < 3; i++) {
        if (i != (size_t)kind && chat__view_equal(mode, chat__view_str(kinds[i].name)))
            return tell(CHAT_ERR_ARG, "", chat__view("", 0), kinds[i].is, why);
    }
    return CHAT_OK;
}

static chat_status check_info(chat__redis_kind kind, chat_view info,
                              char why[CHAT__REDIS_WHY_BYTES])
{
    chat_view version = line_of(info, "redis_version:");
    uint32_t major = 0;
    for (size_t i = 0; i < version.len && i < 4 && version.data[i] != '.'; i++)
        major = major * 10 + (uint32_t)(version.data[i] - '0') % 10;
    if (version.len > 0 && major < OLDEST)
        return tell(CHAT_ERR_VERSION, "Redis ", version,
                    "too old: Redis 6 or newer is needed behind `servers`", why);
    return check_mode(kind, line_of(info, "redis_mode:"), why);
}

chat_status chat__redis_greeted(const chat__redis_conn_options *options, chat__redis_step step,
                                const chat__redis_reply *reply, char why[CHAT__REDIS_WHY_BYTES])
{
    if (step == CHAT__REDIS_STEP_INFO && chat__redis_is_error(reply, "NOPERM"))
        return CHAT_OK; /* a user who may not look is a user */
    if (reply->values[0].type == CHAT__REDIS_ERROR)
        return chat__redis_advice(reply, why);
    if (step == CHAT__REDIS_STEP_INFO)
        return check_info(options->kind, chat__redis_text(reply, 0), why);
    uint32_t role = chat__redis_item(reply, 0, 0);
    if (step == CHAT__REDIS_STEP_ROLE &&
        (role == 0 || !chat__view_equal(chat__redis_text(reply, role), chat__view_str("master"))))
        return tell(CHAT_ERR_STATE, "", chat__view("", 0), "this is a replica, not the primary",
                    why);
    return CHAT_OK;
}
