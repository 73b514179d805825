/* SPDX-License-Identifier: MIT */
/* chat token: make a token for tests and small set-ups, or find out why one is refused. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_TTL_S 86400u
#define MAX_TTL_S     3153600000u /* a hundred years */
#define MAX_KEY_BYTES 16384

static int usage(const char *what)
{
    fprintf(stderr,
            "chat: %s\n"
            "token --secret-file F --user U [--ttl SECONDS]\n"
            "token verify [--signature-only] ALG oct:BASE64URL|spki:BASE64DER TOKEN|-\n",
            what);
    return EXIT_USAGE;
}

static int make(const struct args *args)
{
    char token[CHAT_TOKEN_MAX_BYTES];
    size_t len = 0;
    uint64_t ttl_s = args->ttl_s != 0 ? args->ttl_s : DEFAULT_TTL_S;
    if (args->secret_file == NULL || args->user == NULL)
        return usage("--secret-file and --user are needed");
    if (ttl_s > MAX_TTL_S)
        return usage("--ttl is too long");
    char *secret = args_read_file(args->secret_file, &len);
    if (secret == NULL)
        return EXIT_LOCAL;
    while (len > 0 && (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
        len--;
    chat_view view = {(const uint8_t *)secret, len};
    chat_status status = chat_token_make(view, cli_view(args->user),
                                         args_now_unix_ms() + ttl_s * 1000, token, sizeof token);
    free(secret);
    if (status != CHAT_OK)
        return usage(len < 32 ? "the secret is shorter than 32 bytes" : "the user is no valid id");
    puts(token);
    return EXIT_OK;
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* RFC 4648 section 4, padding as it may be. */
static int decode_base64(const char *text, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t len = strlen(text);
    uint32_t bits = 0;
    int n_bits = 0;
    *out_len = 0;
    for (int i = 0; i < 2 && len > 0 && text[len - 1] == '='; i++)
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        if (*out_len == cap)
            return 0;
        out[(*out_len)++] = (uint8_t)(bits >> n_bits);
    }
    return len % 4 != 1;
}

static int is_algorithm(const char *name)
{
    return strcmp(name, "HS256") == 0 || strcmp(name, "RS256") == 0 || strcmp(name, "ES256") == 0;
}

static int verify(const struct args *args)
{
    static uint8_t key[MAX_KEY_BYTES];
    const char *text = args->items[2];
    const char *why = "";
    size_t len = 0;
    char *token = NULL;
    chat_token_check check;
    if (!is_algorithm(args->items[1]))
        return usage("ALG is HS256, RS256 or ES256");
    memset(&check, 0, sizeof check);
    check.struct_size = sizeof check;
    check.signature_only = (uint32_t)args->is_signature_only;
    check.algorithm = args->items[1];
    check.now_unix_ms = args_now_unix_ms();
    if (strncmp(text, "oct:", 4) == 0) {
        if (chat_token_base64url(cli_view(text + 4), key, sizeof key, &len) != CHAT_OK)
            return usage("the key is no base64url");
        check.secret.data = key;
        check.secret.len = len;
    } else if (strncmp(text, "spki:", 5) == 0) {
        if (!decode_base64(text + 5, key, sizeof key, &len))
            return usage("the key is no base64");
        check.public_key.data = key;
        check.public_key.len = len;
    } else {
        return usage("KEY starts with oct: or spki:");
    }
    chat_view view = cli_view(args->items[3]);
    if (strcmp(args->items[3], "-") == 0) {
        token = args_read_file("-", &len);
        if (token == NULL)
            return EXIT_LOCAL;
        while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
            len--;
        view.data = (const uint8_t *)token;
        view.len = len;
    }
    chat_status status = chat_token_verify(&check, view, &why);
    free(token);
    if (status == CHAT_OK)
        return EXIT_OK;
    fprintf(stderr, "chat: not valid: %s\n", why);
    return EXIT_REFUSED;
}

int token_main(const struct args *args)
{
    if (args->n_items == 0)
        return make(args);
    if (strcmp(args->items[0], "verify") != 0)
        return usage("unknown word behind token");
    if (args->n_items != 4)
        return usage("verify takes ALG KEY TOKEN");
    return verify(args);
}
