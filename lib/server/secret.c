/* SPDX-License-Identifier: MIT */
/* The key that tokens are checked with: from a file, or made for development. */
#include "internal.h"
#include "base/alloc.h"
#include "base/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_KEY_BYTES   16384u
#define MIN_SECRET      32u
#define PATH_BYTES      4096u
#define TOKEN_BYTES     512u
#define TOKEN_LIFE_MS   (24u * 3600u * 1000u)
#define DEV_SECRET_FILE "jwt.secret"

/* Overwrite; the compiler must not leave it out. */
static void wipe(void *bytes, size_t len)
{
    volatile uint8_t *at = bytes;
    while (len-- > 0)
        *at++ = 0;
}

static void warn_if_open(const chat_server_options *options, int fd, const char *path)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)) != 0)
        chat__options_log(options, CHAT_LOG_WARN,
                          "%s can be read by everybody on this host: chmod 600 %s", path, path);
}

/* At most `cap` bytes of a file; 0 with a log line on failure. */
static size_t read_file(const chat_server_options *options, const char *name, const char *path,
                        uint8_t *out)
{
    size_t len = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && strcmp(name, "jwt-secret-file") == 0)
        warn_if_open(options, fd, path);
    while (fd >= 0 && (got = read(fd, out + len, MAX_KEY_BYTES - len)) > 0)
        len += (size_t)got;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (got < 0)
        chat__options_log(options, CHAT_LOG_ERROR, "%s: cannot read %s: %s", name, path,
                          strerror(error));
    else if (len == 0 || len == MAX_KEY_BYTES)
        chat__options_log(options, CHAT_LOG_ERROR, "%s: %s is %s", name, path,
                          len == 0 ? "empty" : "too large for a key");
    return got < 0 || len == MAX_KEY_BYTES ? 0 : len;
}

static size_t without_line_end(const uint8_t *bytes, size_t len)
{
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    return len;
}

static chat_status load_secret(const chat_server_options *options, const char *path,
                               chat__jwt_key **out)
{
    uint8_t bytes[MAX_KEY_BYTES];
    size_t len = read_file(options, "jwt-secret-file", path, bytes);
    if (len == 0)
        return CHAT_ERR_ARG;
    len = without_line_end(bytes, len);
    chat_status status = chat__jwt_key_secret(&options->allocator, chat__view(bytes, len), out);
    if (status == CHAT_ERR_ARG)
        chat__options_log(options, CHAT_LOG_ERROR,
                          "jwt-secret-file: %s holds %zu bytes, at least %u are needed: "
                          "head -c 32 /dev/urandom | base64 > %s",
                          path, len, MIN_SECRET, path);
    if (status == CHAT_OK && options->dev) {
        status = chat__secret_print_tokens(options, chat__view(bytes, len));
        if (status != CHAT_OK)
            chat__jwt_key_free(*out);
    }
    wipe(bytes, sizeof bytes);
    return status;
}

static chat_status load_public_key(const chat_server_options *options, chat__jwt_key **out)
{
    uint8_t bytes[MAX_KEY_BYTES];
    const char *path = options->jwt_public_key_file;
    size_t len = read_file(options, "jwt-public-key-file", path, bytes);
    if (len == 0)
        return CHAT_ERR_ARG;
    chat_status status = chat__jwt_key_public(&options->allocator, chat__view(bytes, len), out);
    if (status == CHAT_ERR_ARG)
        chat__options_log(options, CHAT_LOG_ERROR,
                          "jwt-public-key-file: %s is no public key that can be used: RSA of at "
                          "least 2048 bits or EC on P-256, in PEM or DER",
                          path);
    return status;
}

chat_status chat__secret_load(const chat_server_options *options, chat__jwt_key **out)
{
    if (options->jwt_secret_file != NULL)
        return load_secret(options, options->jwt_secret_file, out);
    if (options->jwt_public_key_file != NULL)
        return load_public_key(options, out);
    return CHAT_EMPTY;
}

/* --- development --- */

chat_status chat__secret_print_tokens(const chat_server_options *options, chat_view secret)
{
    static const char *const users[] = {"alice", "bob"};
    char token[TOKEN_BYTES];
    chat__options_log(options, CHAT_LOG_WARN,
                      "*** DEVELOPMENT MODE: whoever can read the following lines, or the secret "
                      "in the data directory, can be anybody. Never use --dev for real. ***");
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        chat_status status =
            chat__jwt_make(secret, chat__view_str(users[i]), chat__server_unix_ms() + TOKEN_LIFE_MS,
                           token, sizeof token);
        if (status != CHAT_OK)
            return status;
        chat__options_log(options, CHAT_LOG_WARN, "DEVELOPMENT token of %s for 24 h: %s", users[i],
                          token);
    }
    return CHAT_OK;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, text, len);
        if (written < 0)
            return -1;
        text += written;
        len -= (size_t)written;
    }
    return fsync(fd);
}

/* 64 hexadecimal digits in a new file of mode 0600. */
static int make_secret(const char *path)
{
    uint8_t random[32];
    char text[sizeof random * 2 + 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(text + i * 2, 3, "%02x", random[i]);
    text[sizeof random * 2] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : -1;
    int error = write_all(fd, text, sizeof random * 2 + 1);
    close(fd);
    if (error != 0)
        (void)unlink(path);
    wipe(random, sizeof random);
    wipe(text, sizeof text);
    return error;
}

chat_status chat__secret_develop(const chat_server_options *options, chat__jwt_key **out)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof path, "%s/" DEV_SECRET_FILE, options->data);
    if (len < 0 || (size_t)len >= sizeof path)
        return CHAT_ERR_ARG;
    if (make_secret(path) != 0) {
        chat__options_log(options, CHAT_LOG_ERROR, "cannot make %s: %s", path, strerror(errno));
        return CHAT_ERR_IO;
    }
    return load_secret(options, path, out);
}
