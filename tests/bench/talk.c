/* SPDX-License-Identifier: MIT */
/* Pairs and groups of users that talk: see load.c. The pairs come first, then group behind group.
 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/view.h"
#include "hist.h"

enum { STAMP_DIGITS = 16, DRAIN_SECONDS = 5, MAX_MEMBERS = 256 };

/* Messages of one kind of chat. */
typedef struct talk_side {
    uint64_t n_due, n_sent, n_delivered;
    bench_hist delivered;
} talk_side;

typedef struct talk_run {
    bench_pool pool;
    const options *options;
    uint8_t *body;
    uint32_t n_paired; /* connections */
    uint64_t n_answered, n_created;
    uint64_t n_counted; /* delivered since measure_from_ns, whenever they were due */
    uint64_t measure_from_ns;
    uint8_t is_over;
    uint64_t run_ns, warm_ns;
    talk_side pairs, groups;
    bench_hist sent, lag;
} talk_run;

/* When the message was due, from its cid or the start of its body; 0 when it is not ours. */
static uint64_t stamp_of(chat_view text)
{
    uint64_t value = 0;

    if (text.len < STAMP_DIGITS)
        return 0;
    for (size_t i = 0; i < STAMP_DIGITS; i++) {
        uint8_t c = text.data[i];
        uint64_t digit = c >= 'a' ? (uint64_t)(c - 'a' + 10) : (uint64_t)(c - '0');
        value = value << 4 | (digit & 15);
    }
    return value;
}

static void send_from(talk_run *run, uint32_t index, uint64_t due)
{
    static const char HEX[] = "0123456789abcdef";
    talk_side *side = index < run->n_paired ? &run->pairs : &run->groups;
    char stamp[STAMP_DIGITS + 8], name[16];
    chat_frame frame;

    for (int i = 0; i < STAMP_DIGITS; i++)
        stamp[i] = HEX[due >> (60 - 4 * i) & 15];
    memcpy(run->body, stamp, STAMP_DIGITS);
    for (int i = 0; i < 8; i++) /* two of one user may be due at once */
        stamp[STAMP_DIGITS + i] = HEX[side->n_due >> (28 - 4 * i) & 15];
    chat_frame_init(&frame, CHAT_FRAME_SEND);
    if (side == &run->pairs) {
        snprintf(name, sizeof name, "u%u", run->pool.first + (index ^ 1u));
        CHAT_FRAME_SET(&frame, TO, to, chat__view_str(name));
    } else {
        snprintf(name, sizeof name, "g%u",
                 (index - run->n_paired) / (uint32_t)run->options->members);
        CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(name));
    }
    CHAT_FRAME_SET(&frame, CID, cid, chat__view(stamp, sizeof stamp));
    CHAT_FRAME_SET(&frame, BODY, body, chat__view(run->body, run->options->body_bytes));
    side->n_due++;
    if (bench_conn_send(&run->pool, &run->pool.conns[index], &frame) == 0)
        side->n_sent++;
    if (due >= run->measure_from_ns)
        bench_hist_add(&run->lag, bench_now_ns() - due);
}

static void on_message(talk_run *run, talk_side *side, uint64_t due, uint64_t now)
{
    side->n_delivered++;
    if (!run->is_over && run->measure_from_ns > 0 && now >= run->measure_from_ns)
        run->n_counted++;
    if (due >= run->measure_from_ns && due <= now)
        bench_hist_add(&side->delivered, now - due);
}

static void on_frame(void *ctx, bench_conn *conn, const chat_frame *frame)
{
    talk_run *run = ctx;
    uint64_t now = bench_now_ns(), due;

    if (frame->type == CHAT_FRAME_SENT) {
        due = stamp_of(frame->cid);
        run->n_answered++;
        if (due >= run->measure_from_ns && due <= now)
            bench_hist_add(&run->sent, now - due);
        if (run->options->window > 0 && !run->is_over && conn->index < run->n_paired)
            send_from(run, conn->index, now);
    } else if (frame->type == CHAT_FRAME_RESULT) {
        run->n_created++;
    } else if (frame->type == CHAT_FRAME_MSG || frame->type == CHAT_FRAME_SEND) {
        /* The bare relay passes `send` on as it is. */
        on_message(run, conn->index < run->n_paired ? &run->pairs : &run->groups,
                   stamp_of(frame->body), now);
    }
}

/* --- groups --- */

static void create_group(talk_run *run, uint32_t group)
{
    uint32_t members = (uint32_t)run->options->members, first = run->n_paired + group * members;
    char name[16], names[MAX_MEMBERS][16];
    chat_view users[MAX_MEMBERS];
    chat_view_list list = {users, members - 1};
    chat_frame frame;

    snprintf(name, sizeof name, "g%u", group);
    for (uint32_t i = 1; i < members; i++) {
        snprintf(names[i], sizeof names[i], "u%u", run->pool.first + first + i);
        users[i - 1] = chat__view_str(names[i]);
    }
    chat_frame_init(&frame, CHAT_FRAME_CHAT_CREATE);
    CHAT_FRAME_SET(&frame, R, r, 1);
    CHAT_FRAME_SET(&frame, CHAT, chat, chat__view_str(name));
    CHAT_FRAME_SET(&frame, USERS, users, list);
    (void)bench_conn_send(&run->pool, &run->pool.conns[first], &frame);
}

/* The bare relay (no secret) knows no groups by name. 0 or -1. */
static int create_groups(talk_run *run)
{
    uint64_t end = bench_now_ns() + run->options->timeout_s * NS_PER_SECOND;

    if (run->options->secret_len == 0)
        return 0;
    for (uint32_t i = 0; i < run->options->groups; i++)
        create_group(run, i);
    bench_pool_flush(&run->pool);
    while (run->n_created < run->options->groups && bench_now_ns() < end)
        bench_pool_turn(&run->pool, end);
    if (run->n_created == run->options->groups)
        return 0;
    fprintf(stderr, "load: groups could not be made: %s\n", run->pool.why);
    return -1;
}

/* --- the run --- */

/* Members of a group write in turn, and so do the groups. */
static uint32_t next_in_groups(const talk_run *run)
{
    const options *o = run->options;
    uint64_t n = run->groups.n_due;

    return run->n_paired + (uint32_t)(n % o->groups * o->members + n / o->groups % o->members);
}

/* With --group-window: whether so few are under way that not all members have them. */
static int has_room_for_groups(const talk_run *run)
{
    uint64_t n_others = run->options->members - 1;

    return run->options->group_window > 0 &&
           run->groups.n_due < run->groups.n_delivered / n_others + run->options->group_window;
}

static void send_all_due(talk_run *run, uint64_t *next_pair, uint64_t *next_group, uint64_t end)
{
    const options *o = run->options;
    uint64_t now = bench_now_ns();

    for (int i = 0; i < 256 && *next_pair <= now && *next_pair < end; i++) {
        send_from(run, (uint32_t)(run->pairs.n_due % run->n_paired), *next_pair);
        *next_pair += NS_PER_SECOND / o->rate;
    }
    for (int i = 0; i < 64 && *next_group <= now && *next_group < end; i++) {
        send_from(run, next_in_groups(run), *next_group);
        *next_group += NS_PER_SECOND / o->group_rate;
    }
    while (has_room_for_groups(run))
        send_from(run, next_in_groups(run), now);
    bench_pool_flush(&run->pool);
}

static uint64_t expected(const talk_run *run)
{
    return run->pairs.n_sent + run->groups.n_sent * (run->options->members - 1);
}

static void drain(talk_run *run)
{
    uint64_t end = bench_now_ns() + DRAIN_SECONDS * NS_PER_SECOND;

    while (bench_now_ns() < end &&
           (run->n_answered < run->pairs.n_sent + run->groups.n_sent ||
            run->pairs.n_delivered + run->groups.n_delivered < expected(run)))
        bench_pool_turn(&run->pool, end);
}

static void fill_windows(talk_run *run, uint64_t now)
{
    for (uint64_t k = 0; k < run->options->window; k++)
        for (uint32_t i = 0; i < run->n_paired; i++)
            send_from(run, i, now);
    bench_pool_flush(&run->pool);
}

static void talk(talk_run *run, usage *before, usage *after)
{
    const options *o = run->options;
    uint64_t start = bench_now_ns() + NS_PER_SECOND / 100, next_group = start, next_pair = start;
    uint64_t end;

    run->measure_from_ns = start + run->warm_ns;
    end = run->measure_from_ns + run->run_ns;
    if (o->window > 0)
        fill_windows(run, start);
    if (o->pairs == 0 || o->window > 0)
        next_pair = UINT64_MAX;
    if (o->groups == 0 || o->group_window > 0)
        next_group = UINT64_MAX;
    before->at_ns = 0;
    while (bench_now_ns() < end) {
        uint64_t until = next_pair < next_group ? next_pair : next_group;
        if (before->at_ns == 0 && bench_now_ns() >= run->measure_from_ns)
            *before = usage_now(o->pid);
        send_all_due(run, &next_pair, &next_group, end);
        until = next_pair < next_group ? next_pair : next_group;
        bench_pool_turn(&run->pool, until < end ? until : end);
    }
    *after = usage_now(o->pid);
    run->is_over = 1;
    drain(run);
}

/* --- the report --- */

static void print_row(const char *name, const bench_hist *hist)
{
    if (hist->n > 0)
        printf("%-14s %9" PRIu64 "  p50 %8.3f  p99 %8.3f  p99.9 %8.3f  max %8.3f ms\n", name,
               hist->n, (double)bench_hist_at(hist, 0.5) / 1e6,
               (double)bench_hist_at(hist, 0.99) / 1e6, (double)bench_hist_at(hist, 0.999) / 1e6,
               (double)hist->max / 1e6);
}

static void print_json(const char *name, const bench_hist *hist)
{
    printf("\"%s\":{\"n\":%" PRIu64 ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,"
           "\"max_ms\":%.3f},",
           name, hist->n, (double)bench_hist_at(hist, 0.5) / 1e6,
           (double)bench_hist_at(hist, 0.99) / 1e6, (double)bench_hist_at(hist, 0.999) / 1e6,
           (double)hist->max / 1e6);
}

/* Its own time counts when it has no core to spare or wrote later than half of what it saw. */
static int was_limit(const talk_run *run, double own)
{
    if (run->options->window > 0)
        return own > 0.85;
    return own > 0.85 || 2 * bench_hist_at(&run->lag, 0.99) > bench_hist_at(&run->sent, 0.99);
}

static int report(const talk_run *run, const usage *before, const usage *after)
{
    double seconds = (double)(after->at_ns - before->at_ns) / 1e9;
    double own = (double)(after->own_us - before->own_us) / 1e6 / seconds;
    double server = server_us(before, after);
    double per_message = run->n_counted == 0 ? 0 : server / (double)run->n_counted;
    double rate = (double)run->n_counted / seconds;
    uint64_t n_got = run->pairs.n_delivered + run->groups.n_delivered;
    uint64_t n_lost = expected(run) > n_got ? expected(run) - n_got : 0;

    print_row("sent", &run->sent);
    print_row("pairs", &run->pairs.delivered);
    print_row("groups", &run->groups.delivered);
    print_row("own lag", &run->lag);
    printf("%.0f deliveries/s for %.1f s; server CPU %.1f us each; generator at %.0f %% of a "
           "core, %s\n",
           rate, seconds, per_message, own * 100,
           was_limit(run, own) ? "it WAS THE LIMIT" : "not the limit");
    if (n_lost > 0 || run->pool.why[0] != 0)
        printf("not delivered in time: %" PRIu64 "; %s\n", n_lost, run->pool.why);
    printf("{\"mode\":\"talk\",\"seconds\":%.2f,\"deliveries_per_s\":%.0f,", seconds, rate);
    printf("\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",", before->at_ns, after->at_ns);
    print_json("sent", &run->sent);
    print_json("pairs", &run->pairs.delivered);
    print_json("groups", &run->groups.delivered);
    print_json("lag", &run->lag);
    printf("\"server_cpu_us_per_message\":%.2f,\"generator_cpu\":%.3f,"
           "\"generator_was_limit\":%s,\"not_delivered\":%" PRIu64 ",\"closed\":%u}\n",
           per_message, own, was_limit(run, own) ? "true" : "false", n_lost, run->pool.n_closed);
    return n_lost > 0 || run->pool.n_closed > 0;
}

/* Letters by chance: compressed, they are some 60 % as long. */
static void fill_body(uint8_t *body, size_t len)
{
    uint32_t random = 1;

    for (size_t i = 0; i < len; i++) {
        random = random * 1664525u + 1013904223u;
        body[i] = (uint8_t)('a' + (random >> 24) % 16);
    }
}

int run_talk(const options *o)
{
    talk_run *run = calloc(1, sizeof *run);
    usage before, after;
    int failed = 1;

    if (run == NULL)
        return 1;
    run->pool.epoll_fd = -1;
    run->pool.ctx = run;
    run->pool.on_frame = on_frame;
    run->options = o;
    run->n_paired = (uint32_t)(2 * o->pairs);
    run->run_ns = o->millis > 0 ? o->millis * (NS_PER_SECOND / 1000) : o->seconds * NS_PER_SECOND;
    run->warm_ns = run->run_ns < NS_PER_SECOND ? run->run_ns : NS_PER_SECOND;
    run->body = malloc(o->body_bytes);
    if (run->body != NULL && open_pool(&run->pool, o, 2 * o->pairs + o->groups * o->members) == 0 &&
        create_groups(run) == 0) {
        fill_body(run->body, o->body_bytes);
        talk(run, &before, &after);
        failed = report(run, &before, &after);
    }
    bench_pool_done(&run->pool);
    free(run->body);
    free(run);
    return failed;
}
