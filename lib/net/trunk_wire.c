/* SPDX-License-Identifier: MIT */
/* See trunk_wire.h. Each type has a row with its fields in order; one loop writes, one reads. */
#include "net/trunk_wire.h"
#include "base/bits.h"
#include "base/view.h"

#include <mbedtls/md.h>
#include <stddef.h>

#define MAX_FIELDS 9u

typedef enum field_kind {
    FIELD_END = 0,
    FIELD_U32,
    FIELD_U64,
    FIELD_BYTES32, /* a pointer to 32 bytes */
    FIELD_TEXT,    /* a length byte and at most CHAT__TRUNK_MAX_TEXT visible characters */
    FIELD_REST
} field_kind;

typedef struct field {
    field_kind kind;
    size_t at; /* in chat__trunk_message */
} field;

#define FIELD(kind, name)                                                                          \
    {                                                                                              \
        FIELD_##kind, offsetof(chat__trunk_message, name)                                          \
    }

static const struct {
    chat__trunk_type type;
    field fields[MAX_FIELDS];
} rows[] = {
    {CHAT__TRUNK_HELLO,
     {FIELD(U32, version), FIELD(U32, oldest), FIELD(U32, member), FIELD(U32, to_member),
      FIELD(U64, instance), FIELD(BYTES32, random), FIELD(TEXT, cluster), FIELD(TEXT, setup)}},
    {CHAT__TRUNK_WELCOME,
     {FIELD(U32, version), FIELD(U32, member), FIELD(U64, instance), FIELD(BYTES32, random),
      FIELD(TEXT, setup), FIELD(BYTES32, proof)}},
    {CHAT__TRUNK_PROOF,
     {FIELD(U64, session), FIELD(U64, received), FIELD(U32, window_bytes), FIELD(U32, timeout_ms),
      FIELD(BYTES32, proof)}},
    {CHAT__TRUNK_RESUME,
     {FIELD(U64, session), FIELD(U64, received), FIELD(U32, window_bytes), FIELD(U32, timeout_ms)}},
    {CHAT__TRUNK_REFUSE, {FIELD(U32, refusal)}},
    {CHAT__TRUNK_DATA, {FIELD(U64, offset), FIELD(REST, records)}},
    {CHAT__TRUNK_CREDIT, {FIELD(U64, offset)}},
    {CHAT__TRUNK_WAITING, {{FIELD_END, 0}}},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static const field *fields_of(unsigned type)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if ((unsigned)rows[i].type == type)
            return rows[i].fields;
    return NULL;
}

/* --- refusals --- */

static const struct {
    uint32_t refusal;
    chat_status status;
    const char *text;
} refusals[] = {
#define ROW(name, value, status, text) {value, status, text},
    CHAT__TRUNK_REFUSALS(ROW)
#undef ROW
        {0, CHAT_ERR_PROTOCOL,
         "the other server refuses for a reason that only a newer version knows"},
};

static size_t refusal_row(uint32_t refusal)
{
    size_t i = 0;
    while (refusals[i].refusal != 0 && refusals[i].refusal != refusal)
        i++;
    return i;
}

chat_status chat__trunk_refusal_status(uint32_t refusal)
{
    return refusals[refusal_row(refusal)].status;
}

const char *chat__trunk_refusal_text(uint32_t refusal)
{
    return refusals[refusal_row(refusal)].text;
}

/* --- writing --- */

static const void *value_of(const chat__trunk_message *message, const field *f)
{
    return (const uint8_t *)message + f->at;
}

static chat_status write_text(chat_view text, chat__buf *out)
{
    uint8_t len = (uint8_t)text.len;
    if (text.len > CHAT__TRUNK_MAX_TEXT)
        return CHAT_ERR_LIMIT;
    chat_status status = chat__buf_append(out, &len, 1);
    return status == CHAT_OK ? chat__buf_append(out, text.data, text.len) : status;
}

static chat_status write_field(const chat__trunk_message *message, const field *f, chat__buf *out)
{
    uint8_t bytes[8];
    const void *value = value_of(message, f);
    switch (f->kind) {
    case FIELD_U32:
        chat__store32le(bytes, *(const uint32_t *)value);
        return chat__buf_append(out, bytes, 4);
    case FIELD_U64:
        chat__store64le(bytes, *(const uint64_t *)value);
        return chat__buf_append(out, bytes, 8);
    case FIELD_BYTES32:
        return chat__buf_append(out, *(const uint8_t *const *)value, 32);
    case FIELD_TEXT:
        return write_text(*(const chat_view *)value, out);
    default:
        return CHAT_OK;
    }
}

chat_status chat__trunk_write(const chat__trunk_message *message, chat__buf *out)
{
    size_t start = out->len;
    uint8_t type = (uint8_t)message->type;
    const field *f = fields_of(type);
    chat_status status = f != NULL ? chat__buf_append(out, &type, 1) : CHAT_ERR_ARG;
    for (; status == CHAT_OK && f->kind != FIELD_END; f++)
        status = write_field(message, f, out);
    if (status != CHAT_OK)
        out->len = start;
    return status;
}

/* --- reading --- */

static int is_visible(chat_view text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return 0;
    return 1;
}

/* The bytes of the field at the front of `rest`, its length byte not counted; -1: not there. */
static int take(chat_view *rest, const field *f, chat_view *out)
{
    static const uint8_t sizes[] = {[FIELD_U32] = 4, [FIELD_U64] = 8, [FIELD_BYTES32] = 32};
    size_t len = rest->len;
    if (f->kind == FIELD_TEXT) {
        if (rest->len < 1 || rest->data[0] > CHAT__TRUNK_MAX_TEXT)
            return -1;
        len = rest->data[0];
        *rest = chat__view(rest->data + 1, rest->len - 1);
    } else if (f->kind != FIELD_REST) {
        len = sizes[f->kind];
    }
    if (rest->len < len)
        return -1;
    *out = chat__view(rest->data, len);
    *rest = chat__view(rest->data + len, rest->len - len);
    return f->kind == FIELD_TEXT && !is_visible(*out) ? -1 : 0;
}

static void keep(chat__trunk_message *out, const field *f, chat_view bytes)
{
    void *value = (uint8_t *)out + f->at;
    if (f->kind == FIELD_U32)
        *(uint32_t *)value = chat__load32le(bytes.data);
    else if (f->kind == FIELD_U64)
        *(uint64_t *)value = chat__load64le(bytes.data);
    else if (f->kind == FIELD_BYTES32)
        *(const uint8_t **)value = bytes.data;
    else
        *(chat_view *)value = bytes;
}

static int is_in_range(const chat__trunk_message *message)
{
    if (message->type == CHAT__TRUNK_PROOF || message->type == CHAT__TRUNK_RESUME)
        return message->window_bytes >= CHAT__TRUNK_MIN_WINDOW &&
               message->window_bytes <= CHAT__TRUNK_MAX_WINDOW &&
               message->timeout_ms >= CHAT__TRUNK_MIN_TIMEOUT;
    return message->type != CHAT__TRUNK_HELLO || message->oldest <= message->version;
}

chat_status chat__trunk_read(chat_view bytes, chat__trunk_message *out)
{
    chat_view rest = bytes, value;
    memset(out, 0, sizeof *out);
    if (bytes.len < 1)
        return CHAT_ERR_SYNTAX;
    const field *f = fields_of(bytes.data[0]);
    if (f == NULL)
        return CHAT_ERR_UNSUPPORTED;
    out->type = (chat__trunk_type)bytes.data[0];
    rest = chat__view(bytes.data + 1, bytes.len - 1);
    for (; f->kind != FIELD_END; f++) {
        if (take(&rest, f, &value) != 0)
            return CHAT_ERR_SYNTAX;
        keep(out, f, value);
    }
    /* A newer version may say more in a greeting. */
    int may_have_more = out->type == CHAT__TRUNK_HELLO || out->type == CHAT__TRUNK_REFUSE;
    return (rest.len > 0 && !may_have_more) || !is_in_range(out) ? CHAT_ERR_SYNTAX : CHAT_OK;
}

/* --- records --- */

void chat__trunk_write_record_head(const chat__trunk_record *record, uint8_t *out)
{
    chat__store32le(out, (uint32_t)record->frame.len);
    chat__store32le(out + 4, record->from);
    chat__store32le(out + 8, record->to);
}

chat_status chat__trunk_next_record(chat_view *rest, chat__trunk_record *out)
{
    if (rest->len == 0)
        return CHAT_EMPTY;
    if (rest->len < CHAT__TRUNK_RECORD_HEAD)
        return CHAT_ERR_SYNTAX;
    uint32_t len = chat__load32le(rest->data);
    if (len == 0 || len > rest->len - CHAT__TRUNK_RECORD_HEAD)
        return CHAT_ERR_SYNTAX;
    out->from = chat__load32le(rest->data + 4);
    out->to = chat__load32le(rest->data + 8);
    out->frame = chat__view(rest->data + CHAT__TRUNK_RECORD_HEAD, len);
    *rest = chat__view(out->frame.data + len, rest->len - CHAT__TRUNK_RECORD_HEAD - len);
    return CHAT_OK;
}

/* --- the secret --- */

chat_status chat__trunk_prove(chat_view secret, int is_dialer, chat_view said,
                              uint8_t out[CHAT__TRUNK_PROOF_BYTES])
{
    static const char *const labels[] = {"libchat link v1 acceptor", "libchat link v1 dialer"};
    const mbedtls_md_info_t *info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    const char *label = labels[is_dialer != 0];
    mbedtls_md_context_t md;
    mbedtls_md_init(&md);
    int failed = mbedtls_md_setup(&md, info, 1) != 0 ||
                 mbedtls_md_hmac_starts(&md, secret.data, secret.len) != 0 ||
                 mbedtls_md_hmac_update(&md, (const uint8_t *)label, strlen(label) + 1) != 0 ||
                 mbedtls_md_hmac_update(&md, said.data, said.len) != 0 ||
                 mbedtls_md_hmac_finish(&md, out) != 0;
    mbedtls_md_free(&md);
    return failed ? CHAT_ERR_NOMEM : CHAT_OK;
}

int chat__trunk_proof_is(const uint8_t *a, const uint8_t *b)
{
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < CHAT__TRUNK_PROOF_BYTES; i++)
        difference = (uint8_t)(difference | (a[i] ^ b[i]));
    return difference == 0;
}
