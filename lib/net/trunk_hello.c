/* SPDX-License-Identifier: MIT */
/* See trunk_hello.h. */
#include "net/trunk_hello.h"
#include "base/alloc.h"
#include "base/view.h"
#include "net/http.h"

#include <stdio.h>
#include <string.h>

#define MAX_HOST_BYTES   300u
#define MAX_SECRET_BYTES 16384u
#define WHY_BYTES        400u
#define MAX_OUT_BYTES    (CHAT__HTTP_MAX_HEAD_BYTES + 2048u)

const chat__ws_limits chat__trunk_hello_limits = {.max_message_bytes = CHAT__TRUNK_MAX_GREETING,
                                                  .max_fragments = 1,
                                                  .deflate_min_bytes = SIZE_MAX};

typedef enum hello_state {
    STATE_HTTP = 0,
    STATE_HELLO,   /* acceptor waits for it */
    STATE_WELCOME, /* dialer */
    STATE_PROOF,   /* acceptor */
    STATE_RESUME,  /* dialer */
    STATE_DONE,
    STATE_FAILED
} hello_state;

struct chat__trunk_hello {
    chat_allocator allocator;
    chat__trunk_hello_options options;
    hello_state state;
    chat__ws ws;
    chat__buf head; /* HTTP that came */
    chat__buf said; /* by both, as far as it is proved */
    chat__buf out;
    chat__buf scratch;
    chat__trunk_peer peer;
    char host[MAX_HOST_BYTES];
    char cluster[CHAT__TRUNK_MAX_TEXT + 1];
    char setup[CHAT__TRUNK_MAX_TEXT + 1];
    char peer_setup[CHAT__TRUNK_MAX_TEXT + 1];
    chat__buf secret;
    char why[WHY_BYTES];
};

/* --- life --- */

static void copy_text(char *out, size_t cap, chat_view text)
{
    (void)snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.data);
}

static chat_status write_upgrade(chat__trunk_hello *hello)
{
    chat__http_upgrade upgrade = {.host_header = hello->host, .path = CHAT__TRUNK_PATH};
    memcpy(upgrade.key, hello->options.key, sizeof upgrade.key);
    return chat__http_write_upgrade(&upgrade, &hello->out);
}

static int is_good(const chat__trunk_hello_options *options)
{
    return options->cluster.len > 0 && options->cluster.len <= CHAT__TRUNK_MAX_TEXT &&
           options->setup.len <= CHAT__TRUNK_MAX_TEXT && options->secret.len <= MAX_SECRET_BYTES &&
           options->instance != 0 && options->window_bytes >= CHAT__TRUNK_MIN_WINDOW &&
           options->window_bytes <= CHAT__TRUNK_MAX_WINDOW &&
           options->timeout_ms >= CHAT__TRUNK_MIN_TIMEOUT &&
           (!options->is_dialer ||
            (options->host_header != NULL && strlen(options->host_header) < MAX_HOST_BYTES));
}

chat_status chat__trunk_hello_new(const chat__trunk_hello_options *options, chat__trunk_hello **out)
{
    chat_allocator allocator = chat__alloc_or_libc(options->allocator);
    if (!is_good(options))
        return CHAT_ERR_ARG;
    chat__trunk_hello *hello = chat__alloc_zero(&allocator, sizeof *hello);
    if (hello == NULL)
        return CHAT_ERR_NOMEM;
    hello->allocator = allocator;
    hello->options = *options;
    chat__buf_init(&hello->head, &allocator, CHAT__HTTP_MAX_HEAD_BYTES);
    chat__buf_init(&hello->said, &allocator, 4 * CHAT__TRUNK_MAX_GREETING);
    chat__buf_init(&hello->out, &allocator, MAX_OUT_BYTES);
    chat__buf_init(&hello->scratch, &allocator, CHAT__TRUNK_MAX_GREETING);
    chat__buf_init(&hello->secret, &allocator, MAX_SECRET_BYTES);
    chat__ws_init(&hello->ws, options->pool, options->is_dialer, 0);
    copy_text(hello->cluster, sizeof hello->cluster, options->cluster);
    copy_text(hello->setup, sizeof hello->setup, options->setup);
    hello->options.cluster = chat__view_str(hello->cluster);
    hello->options.setup = chat__view_str(hello->setup);
    chat_status status =
        chat__buf_append(&hello->secret, options->secret.data, options->secret.len);
    hello->options.secret = chat__buf_view(&hello->secret);
    if (options->is_dialer) {
        copy_text(hello->host, sizeof hello->host, chat__view_str(options->host_header));
        status = status == CHAT_OK ? write_upgrade(hello) : status;
    }
    if (status == CHAT_OK)
        *out = hello;
    else
        chat__trunk_hello_free(hello);
    return status;
}

void chat__trunk_hello_free(chat__trunk_hello *hello)
{
    if (hello == NULL)
        return;
    chat_allocator allocator = hello->allocator;
    volatile uint8_t *secret = hello->secret.data;
    for (size_t i = 0; i < hello->secret.len; i++)
        secret[i] = 0;
    chat__ws_done(&hello->ws);
    chat__buf_done(&hello->head);
    chat__buf_done(&hello->said);
    chat__buf_done(&hello->out);
    chat__buf_done(&hello->scratch);
    chat__buf_done(&hello->secret);
    chat__alloc_free(&allocator, hello);
}

chat__buf *chat__trunk_hello_output(chat__trunk_hello *hello)
{
    return &hello->out;
}

const char *chat__trunk_hello_why(const chat__trunk_hello *hello)
{
    return hello->why;
}

/* --- saying --- */

static chat_status fail(chat__trunk_hello *hello, chat_status status, const char *why)
{
    hello->state = STATE_FAILED;
    if (hello->why[0] == '\0')
        (void)snprintf(hello->why, sizeof hello->why, "%s", why);
    return status;
}

/* `scratch` as a message. */
static chat_status send_scratch(chat__trunk_hello *hello)
{
    return chat__ws_write(&hello->ws, CHAT__WS_OP_BINARY, chat__buf_view(&hello->scratch),
                          &hello->out);
}

static chat_status say(chat__trunk_hello *hello, const chat__trunk_message *message)
{
    hello->scratch.len = 0;
    chat_status status = chat__trunk_write(message, &hello->scratch);
    return status == CHAT_OK ? send_scratch(hello) : status;
}

/* Say what ends with a proof of it and of all that was said before. */
static chat_status say_proved(chat__trunk_hello *hello, const chat__trunk_message *message)
{
    uint8_t proof[CHAT__TRUNK_PROOF_BYTES];
    hello->scratch.len = 0;
    chat_status status = chat__trunk_write(message, &hello->scratch);
    if (status != CHAT_OK)
        return status;
    size_t len = hello->scratch.len - sizeof proof;
    status = chat__buf_append(&hello->said, hello->scratch.data, len);
    if (status == CHAT_OK)
        status = chat__trunk_prove(hello->options.secret, hello->options.is_dialer,
                                   chat__buf_view(&hello->said), proof);
    if (status != CHAT_OK)
        return status;
    memcpy(hello->scratch.data + len, proof, sizeof proof);
    status = chat__buf_append(&hello->said, proof, sizeof proof);
    return status == CHAT_OK ? send_scratch(hello) : status;
}

/* CHAT_OK: what the peer said ends with the proof that it must. */
static chat_status check_proved(chat__trunk_hello *hello, chat_view bytes, const uint8_t *proof)
{
    uint8_t want[CHAT__TRUNK_PROOF_BYTES];
    chat_status status =
        chat__buf_append(&hello->said, bytes.data, bytes.len - CHAT__TRUNK_PROOF_BYTES);
    if (status == CHAT_OK)
        status = chat__trunk_prove(hello->options.secret, !hello->options.is_dialer,
                                   chat__buf_view(&hello->said), want);
    if (status != CHAT_OK)
        return status;
    if (!chat__trunk_proof_is(want, proof))
        return CHAT_ERR_AUTH;
    return chat__buf_append(&hello->said, want, sizeof want);
}

chat_status chat__trunk_hello_refuse(chat__trunk_hello *hello, chat__trunk_refusal refusal)
{
    chat__trunk_message message = {.type = CHAT__TRUNK_REFUSE, .refusal = (uint32_t)refusal};
    chat_status status = say(hello, &message);
    if (status == CHAT_OK)
        status = chat__ws_write_close(&hello->ws, 1008, NULL, &hello->out);
    (void)fail(hello, status, chat__trunk_refusal_text((uint32_t)refusal));
    return status;
}

static chat_status refuse(chat__trunk_hello *hello, chat__trunk_refusal refusal)
{
    chat_status status = chat__trunk_hello_refuse(hello, refusal);
    return status != CHAT_OK ? status : chat__trunk_refusal_status((uint32_t)refusal);
}

static chat__trunk_message message_of(const chat__trunk_hello *hello, chat__trunk_type type)
{
    const chat__trunk_hello_options *own = &hello->options;
    chat__trunk_message message = {.type = type,
                                   .version = CHAT__TRUNK_VERSION,
                                   .oldest = CHAT__TRUNK_OLDEST,
                                   .member = own->self,
                                   .to_member = own->peer,
                                   .instance = own->instance,
                                   .session = own->session,
                                   .received = own->received,
                                   .window_bytes = own->window_bytes,
                                   .timeout_ms = own->timeout_ms,
                                   .random = own->random,
                                   .proof = own->random, /* a place for it */
                                   .cluster = own->cluster,
                                   .setup = own->setup};
    return message;
}

/* --- hearing --- */

static chat_status check_setup(chat__trunk_hello *hello)
{
    if (strcmp(hello->peer_setup, hello->setup) == 0)
        return CHAT_OK;
    (void)snprintf(hello->why, sizeof hello->why,
                   "the two servers are set up differently: here %s, there %s", hello->setup,
                   hello->peer_setup);
    return refuse(hello, CHAT__TRUNK_NO_SETUP);
}

static chat_status on_hello(chat__trunk_hello *hello, chat_view bytes,
                            const chat__trunk_message *got)
{
    const chat__trunk_hello_options *own = &hello->options;
    if (got->version < CHAT__TRUNK_OLDEST || got->oldest > CHAT__TRUNK_VERSION)
        return refuse(hello, CHAT__TRUNK_NO_VERSION);
    if (!chat__view_equal(got->cluster, own->cluster))
        return refuse(hello, CHAT__TRUNK_NO_CLUSTER);
    if (got->to_member != own->self || got->member == own->self)
        return refuse(hello, CHAT__TRUNK_NO_MEMBER);
    if (got->instance == 0)
        return fail(hello, CHAT_ERR_PROTOCOL, "the peer names no process");
    hello->peer.member = got->member;
    hello->peer.instance = got->instance;
    copy_text(hello->peer_setup, sizeof hello->peer_setup, got->setup);
    chat_status status = chat__buf_append(&hello->said, bytes.data, bytes.len);
    chat__trunk_message answer = message_of(hello, CHAT__TRUNK_WELCOME);
    hello->state = STATE_PROOF;
    return status == CHAT_OK ? say_proved(hello, &answer) : status;
}

static chat_status on_welcome(chat__trunk_hello *hello, chat_view bytes,
                              const chat__trunk_message *got)
{
    if (got->version < CHAT__TRUNK_OLDEST || got->version > CHAT__TRUNK_VERSION)
        return refuse(hello, CHAT__TRUNK_NO_VERSION);
    if (got->member != hello->options.peer)
        return refuse(hello, CHAT__TRUNK_NO_MEMBER);
    if (got->instance == 0)
        return fail(hello, CHAT_ERR_PROTOCOL, "the peer names no process");
    chat_status status = check_proved(hello, bytes, got->proof);
    if (status == CHAT_ERR_AUTH)
        return refuse(hello, CHAT__TRUNK_NO_SECRET);
    if (status != CHAT_OK)
        return status;
    hello->peer.member = got->member;
    hello->peer.instance = got->instance;
    copy_text(hello->peer_setup, sizeof hello->peer_setup, got->setup);
    status = check_setup(hello);
    if (status != CHAT_OK)
        return status;
    chat__trunk_message answer = message_of(hello, CHAT__TRUNK_PROOF);
    hello->state = STATE_RESUME;
    return say_proved(hello, &answer);
}

static chat_status on_proof(chat__trunk_hello *hello, chat_view bytes,
                            const chat__trunk_message *got)
{
    chat_status status = check_proved(hello, bytes, got->proof);
    if (status == CHAT_ERR_AUTH)
        return refuse(hello, CHAT__TRUNK_NO_SECRET);
    if (status == CHAT_OK)
        status = check_setup(hello);
    return status;
}

static void finish(chat__trunk_hello *hello, const chat__trunk_message *got)
{
    hello->peer.session = got->session;
    hello->peer.received = got->received;
    hello->peer.window_bytes = got->window_bytes;
    hello->peer.timeout_ms = got->timeout_ms;
    hello->state = STATE_DONE;
}

static chat_status on_refuse(chat__trunk_hello *hello, uint32_t refusal)
{
    return fail(hello, chat__trunk_refusal_status(refusal), chat__trunk_refusal_text(refusal));
}

static chat_status on_message(chat__trunk_hello *hello, chat_view bytes)
{
    static const chat__trunk_type WANTED[] = {[STATE_HELLO] = CHAT__TRUNK_HELLO,
                                              [STATE_WELCOME] = CHAT__TRUNK_WELCOME,
                                              [STATE_PROOF] = CHAT__TRUNK_PROOF,
                                              [STATE_RESUME] = CHAT__TRUNK_RESUME};
    chat__trunk_message got;
    if (chat__trunk_read(bytes, &got) != CHAT_OK)
        return fail(hello, CHAT_ERR_PROTOCOL, "the peer's greeting cannot be read");
    if (got.type == CHAT__TRUNK_REFUSE)
        return on_refuse(hello, got.refusal);
    if (got.type != WANTED[hello->state])
        return fail(hello, CHAT_ERR_PROTOCOL, "the peer says something else than was its turn");
    switch (got.type) {
    case CHAT__TRUNK_HELLO:
        return on_hello(hello, bytes, &got);
    case CHAT__TRUNK_WELCOME:
        return on_welcome(hello, bytes, &got);
    case CHAT__TRUNK_PROOF: {
        /* It says in PROOF what it would say in its own RESUME. */
        chat_status status = on_proof(hello, bytes, &got);
        if (status == CHAT_OK)
            finish(hello, &got);
        return status;
    }
    default:
        finish(hello, &got);
        return CHAT_OK;
    }
}

static chat_status on_event(chat__trunk_hello *hello, const chat__ws_event *event)
{
    switch (event->type) {
    case CHAT__WS_BINARY:
        return on_message(hello, event->payload);
    case CHAT__WS_PING:
    case CHAT__WS_PONG:
        return CHAT_OK; /* nothing is owed before the greeting is over */
    case CHAT__WS_FAIL:
        return fail(hello, CHAT_ERR_PROTOCOL, event->why);
    case CHAT__WS_CLOSE:
        return fail(hello, CHAT_ERR_CLOSED, "the peer closed the connection while greeting");
    default:
        return fail(hello, CHAT_ERR_PROTOCOL, "links speak in binary messages");
    }
}

/* --- HTTP --- */

static chat_status start_dialer(chat__trunk_hello *hello, size_t *out_head_len)
{
    chat__http_upgrade upgrade = {.host_header = hello->host, .path = CHAT__TRUNK_PATH};
    chat__http_response response;
    memcpy(upgrade.key, hello->options.key, sizeof upgrade.key);
    chat_status status =
        chat__http_parse_response(chat__buf_view(&hello->head), &upgrade, &response, out_head_len);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    if (status != CHAT_OK)
        return fail(hello, CHAT_ERR_PROTOCOL,
                    "what answers is no link of a libchat server: compare link-peers");
    hello->state = STATE_WELCOME;
    chat__trunk_message message = message_of(hello, CHAT__TRUNK_HELLO);
    status = say(hello, &message);
    return status == CHAT_OK
               ? chat__buf_append(&hello->said, hello->scratch.data, hello->scratch.len)
               : status;
}

static chat_status refuse_http(chat__trunk_hello *hello, uint16_t code, const char *text)
{
    (void)fail(hello, CHAT_ERR_PROTOCOL, text);
    (void)chat__http_write_answer(code, NULL, chat__view_str(text), &hello->out);
    return CHAT_ERR_PROTOCOL;
}

static chat_status start_acceptor(chat__trunk_hello *hello, size_t *out_head_len)
{
    chat__http_request request;
    chat_status status =
        chat__http_parse_request(chat__buf_view(&hello->head), 0, &request, out_head_len);
    if (status == CHAT_MORE)
        return CHAT_MORE;
    if (status != CHAT_OK)
        return refuse_http(hello, request.error_status, request.error_text);
    if (!request.is_upgrade || request.encoding != 0 ||
        !chat__view_equal(request.path, chat__view_str(CHAT__TRUNK_PATH)))
        return refuse_http(hello, 404,
                           "Only the servers of a cluster have something to do here.\n");
    hello->state = STATE_HELLO;
    return chat__http_write_switch(&request, 0, &hello->out);
}

/* The head is kept until it is whole. What came behind it stays with the caller. */
static chat_status take_http(chat__trunk_hello *hello, const uint8_t *bytes, size_t len,
                             size_t *used)
{
    size_t before = hello->head.len, head_len = 0;
    size_t room = CHAT__HTTP_MAX_HEAD_BYTES - before;
    size_t n = len < room ? len : room;
    chat_status status = chat__buf_append(&hello->head, bytes, n);
    *used = n;
    if (status != CHAT_OK)
        return status;
    status = hello->options.is_dialer ? start_dialer(hello, &head_len)
                                      : start_acceptor(hello, &head_len);
    if (status == CHAT_MORE)
        return n < len || n == room ? fail(hello, CHAT_ERR_PROTOCOL, "the peer's head is too long")
                                    : CHAT_MORE;
    if (status == CHAT_OK)
        *used = head_len - before;
    return status;
}

chat_status chat__trunk_hello_feed(chat__trunk_hello *hello, uint8_t *bytes, size_t len,
                                   size_t *used, chat__trunk_peer *out)
{
    chat_status status = CHAT_OK;
    *used = 0;
    if (hello->state >= STATE_DONE)
        return CHAT_ERR_STATE;
    while (*used < len && status == CHAT_OK && hello->state != STATE_DONE) {
        size_t n = 0;
        chat__ws_event event;
        if (hello->state == STATE_HTTP) {
            status = take_http(hello, bytes, len, &n);
        } else {
            status = chat__ws_read(&hello->ws, bytes + *used, len - *used, &n, &event);
            if (status == CHAT_OK)
                status = on_event(hello, &event);
        }
        *used += n;
    }
    if (status != CHAT_OK && status != CHAT_MORE)
        return fail(hello, status, chat_status_text(status)), status;
    if (hello->state != STATE_DONE)
        return CHAT_MORE;
    *out = hello->peer;
    return CHAT_OK;
}
