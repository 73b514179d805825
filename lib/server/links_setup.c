/* SPDX-License-Identifier: MIT */
/* The link-* options: which members there are, the secret, certificates. See links_internal.h. */
#include "links_internal.h"
#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN_SECRET_BYTES 32u
#define MAX_PEER_TEXT    300u

int chat__links_are_wanted(const chat_server_options *options)
{
    return options->link_listen != NULL || options->link_peers != NULL;
}

int chat__links_are_found(const chat_server_options *options)
{
    return options->link_peers == NULL && options->etcd != NULL && options->slots > 0;
}

/* --- link-address --- */

/* Whether others can connect to it. */
static int is_host(const char *host)
{
    return strcmp(host, "*") != 0 && strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0;
}

/* "" when no option names a host. `listens_at` stands for port 0. */
static void write_address(const chat_server_options *options, uint16_t listens_at, char *out,
                          size_t cap)
{
    const char *text = options->link_address != NULL ? options->link_address : options->link_listen;
    char host[CHAT__LINKS_HOST_BYTES];
    uint16_t port = 0;
    out[0] = '\0';
    if (text != NULL && chat__options_split_address(text, host, sizeof host, &port) &&
        is_host(host))
        chat__options_join_address(host, port != 0 ? port : listens_at, out, cap);
}

void chat__links_address(const chat__links *links, char *out, size_t cap)
{
    write_address(links->options, links->port, out, cap);
}

static int has_address(const chat_server_options *options)
{
    char address[CHAT__LINKS_HOST_BYTES + 8];
    write_address(options, 0, address, sizeof address);
    return address[0] != '\0';
}

/* --- link-peers --- */

/* "NUMBER@HOST:PORT" */
static int read_peer(const char *text, chat__links_peer *out)
{
    char *end = NULL;
    errno = 0;
    unsigned member = text[0] >= '0' && text[0] <= '9' ? (unsigned)strtoul(text, &end, 10) : 0;
    if (end == NULL || *end != '@' || errno != 0 || member > CHAT__LINKS_MAX_MEMBER)
        return 0;
    out->member = member;
    return chat__options_split_address(end + 1, out->host, sizeof out->host, &out->port) &&
           out->port != 0;
}

static int is_there(const chat__links_peer *peers, int n, uint32_t member)
{
    for (int i = 0; i < n; i++)
        if (peers[i].member == member)
            return 1;
    return 0;
}

int chat__links_read_peers(const chat_server_options *options, chat__links_peer *peers)
{
    const char *text = options->link_peers != NULL ? options->link_peers : "";
    int n = 0;
    while (*text != '\0') {
        char item[MAX_PEER_TEXT];
        size_t len = strcspn(text, ",");
        chat__links_peer *peer = &peers[n];
        if (n == (int)CHAT__LINKS_MAX_PEERS) {
            chat__options_log(options, CHAT_LOG_ERROR, "link-peers: more than %u members",
                              CHAT__LINKS_MAX_PEERS);
            return -1;
        }
        (void)snprintf(item, sizeof item, "%.*s", (int)len, text);
        if (len >= sizeof item || !read_peer(item, peer)) {
            chat__options_log(options, CHAT_LOG_ERROR,
                              "link-peers: \"%s\" is no NUMBER@HOST:PORT, such as "
                              "1@chat-b.example:7000, with a number up to %u",
                              item, CHAT__LINKS_MAX_MEMBER);
            return -1;
        }
        if (is_there(peers, n, peer->member)) {
            chat__options_log(options, CHAT_LOG_ERROR, "link-peers: member %u is there twice",
                              peer->member);
            return -1;
        }
        /* The same list may serve all members. */
        n += peer->member != options->link_member;
        text += len + (text[len] == ',');
    }
    return n;
}

/* --- the secret --- */

static void warn_if_open(const chat_server_options *options, int fd)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)) != 0)
        chat__options_log(options, CHAT_LOG_WARN,
                          "%s can be read by everybody on this host: chmod 600 %s",
                          options->link_secret_file, options->link_secret_file);
}

chat_status chat__links_read_secret(const chat_server_options *options, uint8_t *out,
                                    size_t *out_len)
{
    const char *path = options->link_secret_file;
    size_t len = 0;
    ssize_t got = -1;
    *out_len = 0;
    if (path == NULL)
        return CHAT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        warn_if_open(options, fd);
    while (fd >= 0 && (got = read(fd, out + len, CHAT__LINKS_MAX_SECRET - len)) > 0)
        len += (size_t)got;
    int error = errno;
    if (fd >= 0)
        close(fd);
    while (len > 0 && (out[len - 1] == '\n' || out[len - 1] == '\r'))
        len--;
    if (got == 0 && len >= MIN_SECRET_BYTES && len < CHAT__LINKS_MAX_SECRET) {
        *out_len = len;
        return CHAT_OK;
    }
    if (got < 0)
        chat__options_log(options, CHAT_LOG_ERROR, "link-secret-file: cannot read %s: %s", path,
                          strerror(error));
    else
        chat__options_log(options, CHAT_LOG_ERROR,
                          "link-secret-file: %s holds %zu bytes, %u to %u are needed: "
                          "head -c 32 /dev/urandom | base64 > %s, and copy it to all members",
                          path, len, MIN_SECRET_BYTES, CHAT__LINKS_MAX_SECRET - 1, path);
    return CHAT_ERR_ARG;
}

/* --- certificates --- */

chat_status chat__links_tls(const chat_server_options *options, int is_client,
                            chat__tls_context **out)
{
    char why[CHAT__SERVER_WHY_BYTES] = "";
    chat__tls_context *context = NULL;
    const char *cert = options->link_tls_cert, *key = options->link_tls_key;
    *out = NULL;
    if (cert == NULL)
        return CHAT_OK;
    chat_status status =
        is_client ? chat__tls_client_new(options->link_tls_ca, 1, why, sizeof why, &context)
                  : chat__tls_server_new(cert, key, why, sizeof why, &context);
    if (status == CHAT_OK)
        status = is_client
                     ? chat__tls_client_own(context, cert, key, why, sizeof why)
                     : chat__tls_server_verify(context, options->link_tls_ca, why, sizeof why);
    if (status == CHAT_OK) {
        *out = context;
        return CHAT_OK;
    }
    chat__tls_context_free(context);
    chat__options_log(options, CHAT_LOG_ERROR,
                      "link-tls-cert %s, link-tls-key %s, link-tls-ca %s: %s", cert, key,
                      options->link_tls_ca, why);
    return status == CHAT_ERR_NOMEM ? status : CHAT_ERR_ARG;
}

/* --- all of it --- */

static const char *wrong_combination(const chat_server_options *options)
{
    int n_files = (options->link_tls_cert != NULL) + (options->link_tls_key != NULL) +
                  (options->link_tls_ca != NULL);
    size_t len = options->link_cluster != NULL ? strlen(options->link_cluster) : 0;
    if (n_files != 0 && n_files != 3)
        return "link-tls-cert, link-tls-key and link-tls-ca belong together: each member shows a "
               "certificate that the CA has signed, and asks for one";
    if (n_files == 0 && options->link_secret_file == NULL)
        return "links need a way to know who is who: name the cluster's secret with "
               "--link-secret-file FILE, or certificates with --link-tls-cert, -key and -ca";
    if (len == 0 || len > CHAT__TRUNK_MAX_TEXT)
        return "link-cluster: 1 to 128 characters are needed";
    for (size_t i = 0; i < len; i++)
        if (options->link_cluster[i] < 0x20 || options->link_cluster[i] > 0x7e)
            return "link-cluster: visible ASCII only";
    if (options->link_queue_bytes < options->link_window_bytes)
        return "link-queue-bytes: must be at least link-window-bytes";
    if (chat__links_are_found(options) && !has_address(options))
        return "members find each other in etcd: say where this one is with --link-address "
               "HOST:PORT, or name all members with --link-peers";
    return NULL;
}

chat_status chat__links_list(const chat_server_options *options,
                             uint32_t out[CHAT__LINKS_MAX_OTHERS], uint32_t *out_n)
{
    chat_allocator libc = chat__alloc_or_libc(&options->allocator);
    chat__links_peer *peers = chat__alloc_zero(&libc, (CHAT__LINKS_MAX_PEERS + 1) * sizeof *peers);
    if (peers == NULL)
        return CHAT_ERR_NOMEM;
    int n = chat__links_read_peers(options, peers);
    for (int i = 0; i < n; i++)
        out[i] = peers[i].member;
    *out_n = n > 0 ? (uint32_t)n : 0;
    chat__alloc_free(&libc, peers);
    return n < 0 ? CHAT_ERR_ARG : CHAT_OK;
}

static chat_status check_peers(const chat_server_options *options)
{
    chat_allocator libc = chat__alloc_or_libc(&options->allocator);
    chat__links_peer *peers = chat__alloc_zero(&libc, (CHAT__LINKS_MAX_PEERS + 1) * sizeof *peers);
    if (peers == NULL)
        return CHAT_ERR_NOMEM;
    int n = chat__links_read_peers(options, peers);
    int must_listen = 0;
    for (int i = 0; i < n; i++)
        must_listen = must_listen || peers[i].member < options->link_member;
    chat__alloc_free(&libc, peers);
    if (n >= 0 && must_listen && options->link_listen == NULL) {
        chat__options_log(options, CHAT_LOG_ERROR,
                          "link-listen: members with lower numbers dial this one: say where it "
                          "listens with --link-listen HOST:PORT");
        return CHAT_ERR_ARG;
    }
    return n < 0 ? CHAT_ERR_ARG : CHAT_OK;
}

chat_status chat__links_check(const chat_server_options *options)
{
    uint8_t secret[CHAT__LINKS_MAX_SECRET];
    size_t len;
    chat__tls_context *context = NULL;
    if (!chat__links_are_wanted(options))
        return CHAT_OK;
    const char *wrong = wrong_combination(options);
    if (wrong != NULL) {
        chat__options_log(options, CHAT_LOG_ERROR, "%s", wrong);
        return CHAT_ERR_ARG;
    }
    chat_status status = check_peers(options);
    if (status == CHAT_OK)
        status = chat__links_read_secret(options, secret, &len);
    memset(secret, 0, sizeof secret);
    for (int is_client = 0; is_client < 2 && status == CHAT_OK; is_client++) {
        status = chat__links_tls(options, is_client, &context);
        chat__tls_context_free(context);
    }
    return status;
}
