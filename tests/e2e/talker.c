/* SPDX-License-Identifier: MIT */
/*
 * For the fault tests: sends numbered messages to a user until a line is on its input, and prints
 * what comes until its input ends. Waits are short, so that a test sees many connections. Prints
 * "online", "sent N SEQ", "got FROM SEQ BODY", "resumed", "failed N", and "memory KB" (of the heap)
 * at that line. Usage: talker URL CA TOKEN TO [STORE]
 */
#include <chat/client.h>

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define AHEAD        16 /* messages without an answer */
#define MAX_MESSAGES 20000
#define PACE_MS      10 /* between two messages */

struct talker {
    chat_client *client;
    chat_target target;
    unsigned next;
    int is_done;
    uint64_t next_at_ms;
    char cids[MAX_MESSAGES][CHAT_ID_MAX_BYTES + 1];
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static unsigned number_of(const struct talker *talker, chat_view cid)
{
    for (unsigned i = 0; i < talker->next; i++)
        if (strlen(talker->cids[i]) == cid.len && memcmp(talker->cids[i], cid.data, cid.len) == 0)
            return i;
    return UINT32_MAX;
}

static void print_event(const struct talker *talker, const chat_event *event)
{
    const chat_frame *frame = event->frame;
    switch (event->type) {
    case CHAT_EVENT_STATE:
        if (event->state == CHAT_CLIENT_ONLINE)
            puts("online");
        else if (event->state == CHAT_CLIENT_REFUSED)
            puts("refused");
        break;
    case CHAT_EVENT_SENT:
        printf("sent %u %llu\n", number_of(talker, frame->cid), (unsigned long long)frame->seq);
        break;
    case CHAT_EVENT_FAILED:
        printf("failed %u\n", number_of(talker, frame->cid));
        break;
    case CHAT_EVENT_MESSAGE:
        printf("got %.*s %llu %.*s\n", (int)frame->from.len, (const char *)frame->from.data,
               (unsigned long long)frame->seq, (int)frame->body.len,
               (const char *)frame->body.data);
        break;
    case CHAT_EVENT_RESUMED:
        puts("resumed");
        break;
    default:
        break;
    }
}

static void send_more(struct talker *talker)
{
    char text[32];
    chat_client_cid cid;
    if (talker->is_done || now_ms() < talker->next_at_ms || talker->next == MAX_MESSAGES ||
        chat_client_outbox_count(talker->client) >= AHEAD)
        return;
    int len = snprintf(text, sizeof text, "%u", talker->next);
    chat_view body = {(const uint8_t *)text, (size_t)len};
    talker->next_at_ms = now_ms() + PACE_MS;
    if (chat_client_send(talker->client, &talker->target, body, &cid) != CHAT_OK)
        return;
    memcpy(talker->cids[talker->next++], cid.text, sizeof cid.text);
    printf("put %s\n", text);
}

/* Whether to go on. */
static int read_input(struct talker *talker)
{
    char line[64];
    if (read(0, line, sizeof line) <= 0)
        return 0;
    talker->is_done = 1;
    printf("memory %zu\n", mallinfo2().uordblks / 1024);
    return 1;
}

static void run(struct talker *talker)
{
    struct pollfd waits[2] = {{chat_client_fd(talker->client), POLLIN, 0}, {0, POLLIN, 0}};
    do {
        const chat_event *event;
        int wait_ms = chat_client_timeout(talker->client, now_ms());
        if (wait_ms < 0 || wait_ms > PACE_MS)
            wait_ms = PACE_MS;
        (void)chat_client_process(talker->client, now_ms());
        while (chat_client_next_event(talker->client, &event) == CHAT_OK)
            print_event(talker, event);
        send_more(talker);
        fflush(stdout);
        (void)poll(waits, 2, wait_ms);
    } while (waits[1].revents == 0 || read_input(talker));
}

int main(int argc, char **argv)
{
    static struct talker talker;
    chat_client_options options;
    if (argc != 5 && argc != 6)
        return 2;
    chat_client_options_init(&options);
    options.url = argv[1];
    options.ca_file = argv[2];
    options.token = argv[3];
    options.device = "talker";
    options.store_file = argv[5]; /* NULL behind the last one */
    options.backoff_first_ms = 10;
    options.backoff_max_ms = 50;
    options.connect_timeout_ms = 1000;
    options.answer_timeout_ms = 1000;
    if (chat_client_new(&options, &talker.client) != CHAT_OK)
        return 1;
    talker.target.to.data = (const uint8_t *)argv[4];
    talker.target.to.len = strlen(argv[4]);
    run(&talker);
    chat_client_free(talker.client);
    return 0;
}
