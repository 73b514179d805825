/* SPDX-License-Identifier: MIT */
/* Whether the options of a server are such that it can be made. */
#include "links.h"

#include <inttypes.h>
#include <string.h>

#define HOST_BYTES  1024u
#define FRAME_EXTRA 1024u /* what a frame holds beside its body */

static int is_text_row(const chat__option *row)
{
    return row->kind == CHAT__OPTION_PATH || row->kind == CHAT__OPTION_ADDRESS;
}

static chat_status check_values(const chat_server_options *given)
{
    chat_server_options options = *given;
    chat_status status = CHAT_OK;
    for (size_t i = 0; i < chat__option_count; i++) {
        const chat__option *row = &chat__option_rows[i];
        if (is_text_row(row))
            continue;
        uint64_t value = *chat__option_number(&options, row);
        if (value >= row->min && value <= row->max)
            continue;
        chat__options_log(given, CHAT_LOG_ERROR,
                          "%s: %" PRIu64 " is out of range: %" PRIu64 " to %" PRIu64, row->name,
                          value, row->min, row->max);
        status = CHAT_ERR_ARG;
    }
    return status;
}

static const char *wrong_files(const chat_server_options *options)
{
    if (options->tls_cert != NULL && options->tls_key == NULL)
        return "tls-cert without tls-key: name the private key with --tls-key FILE";
    if (options->tls_key != NULL && options->tls_cert == NULL)
        return "tls-key without tls-cert: name the certificate with --tls-cert FILE";
    if (options->jwt_secret_file != NULL && options->jwt_public_key_file != NULL)
        return "jwt-secret-file and jwt-public-key-file: choose one, the key decides the algorithm";
    if (options->jwt_secret_file == NULL && options->jwt_public_key_file == NULL &&
        options->hooks.authenticate == NULL && !options->dev)
        return "no way to tell who is who: name the secret of your login service with "
               "--jwt-secret-file FILE (or --jwt-public-key-file FILE), or try it out with --dev";
    return NULL;
}

static const char *wrong_combination(const chat_server_options *options)
{
    char host[HOST_BYTES];
    uint16_t port = 0;
    if (options->data == NULL || options->data[0] == '\0')
        return "data: a directory is needed: --data DIR";
    if (options->listen == NULL ||
        !chat__options_split_address(options->listen, host, sizeof host, &port))
        return "listen: HOST:PORT is needed, such as 127.0.0.1:8080 or [::1]:8080";
    if (options->etcd != NULL && options->lease == NULL)
        return "etcd: this program has no libchat-etcd: build it with -Detcd=enabled, or leave "
               "--etcd away (a program of your own sets chat_server_options.lease)";
    if ((options->record_log == NULL) != (options->store == NULL))
        return "record_log and store: a log that servers share needs a store that they share, and "
               "the other way round";
    if ((options->kafka_brokers == NULL) != (options->cassandra == NULL))
        return "kafka-brokers and cassandra: both or none: servers share a log and a store, or "
               "each has its data directory";
    if (options->max_body_bytes + FRAME_EXTRA > options->max_frame_bytes)
        return "max-body-bytes: must be at least 1024 below max-frame-bytes";
    return wrong_files(options);
}

chat_status chat__server_check_options(const chat_server_options *options)
{
    chat_status status = check_values(options);
    const char *wrong = wrong_combination(options);
    if (wrong == NULL)
        return status;
    chat__options_log(options, CHAT_LOG_ERROR, "%s", wrong);
    return CHAT_ERR_ARG;
}

chat_status chat__server_check_tls(const chat_server_options *options)
{
    char why[CHAT__SERVER_WHY_BYTES] = "";
    chat__tls_context *tls = NULL;
    if (options->tls_cert == NULL)
        return CHAT_OK;
    chat_status status =
        chat__tls_server_new(options->tls_cert, options->tls_key, why, sizeof why, &tls);
    if (status == CHAT_OK)
        chat__tls_context_free(tls);
    else
        chat__options_log(options, CHAT_LOG_ERROR, "tls-cert %s, tls-key %s: %s", options->tls_cert,
                          options->tls_key, why);
    return status == CHAT_OK || status == CHAT_ERR_NOMEM ? status : CHAT_ERR_ARG;
}

chat_status chat_server_check(const chat_server_options *options)
{
    chat_server_options copy;
    chat__jwt_key *key = NULL;
    if (options == NULL)
        return CHAT_ERR_ARG;
    chat_status status = chat__options_copy(&copy, options);
    if (status != CHAT_OK)
        return status;
    status = chat__server_check_options(&copy);
    copy.dev = 0; /* no tokens are printed */
    chat_status of_key = chat__secret_load(&copy, &key);
    chat__jwt_key_free(key);
    chat_status of_tls = copy.tls_key != NULL ? chat__server_check_tls(&copy) : CHAT_OK;
    chat_status of_links = chat__links_check(&copy);
    chat__options_done(&copy);
    if (status != CHAT_OK)
        return status;
    status = of_key < 0 ? of_key : of_tls;
    return status != CHAT_OK ? status : of_links;
}
