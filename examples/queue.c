/* SPDX-License-Identifier: MIT */
/*
 * The offline queue in a server of your own: two devices, a limit of three messages, a snapshot for
 * a database, and what each device is told when it comes back. Prints what happens.
 */
#include <chat/queue.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static chat_view view(const char *text)
{
    chat_view out = {(const uint8_t *)text, strlen(text)};
    return out;
}

/* As a database would: out as bytes, and in again. */
static int store_and_load(const chat_queue_options *options, chat_queue **queue)
{
    size_t size = chat_queue_encoded_size(*queue);
    uint8_t *bytes = malloc(size);
    chat_queue *loaded = NULL;
    chat_status status = bytes != NULL ? chat_queue_encode(*queue, bytes, size) : CHAT_ERR_NOMEM;
    chat_view stored = {bytes, size};
    if (status == CHAT_OK)
        status = chat_queue_decode(options, stored, &loaded);
    free(bytes);
    if (status != CHAT_OK)
        return 0;
    chat_queue_free(*queue);
    *queue = loaded;
    return 1;
}

/* The device says hello: gaps first, then what is kept, acknowledged as it goes. */
static void serve(chat_queue *queue, const char *device)
{
    chat_queue_gap gap;
    chat_queue_entry entry;
    if (chat_queue_connect(queue, view(device)) != CHAT_OK)
        return;
    while (chat_queue_next_gap(queue, view(device), &gap) == CHAT_OK)
        printf("%s: gap in %.*s between %" PRIu64 " and %" PRIu64 ", see history\n", device,
               (int)gap.chat.len, (const char *)gap.chat.data, gap.after, gap.before);
    while (chat_queue_next(queue, view(device), &entry) == CHAT_OK) {
        printf("%s: %.*s %" PRIu64 "\n", device, (int)entry.chat.len, (const char *)entry.chat.data,
               entry.seq);
        (void)chat_queue_ack(queue, view(device), entry.position);
    }
    chat_queue_disconnect(queue, view(device));
}

int main(void)
{
    chat_queue_options options;
    chat_queue *queue = NULL;
    chat_queue_options_init(&options);
    options.max_entries = 3;
    if (chat_queue_new(&options, &queue) != CHAT_OK)
        return 1;
    (void)chat_queue_add_device(queue, view("phone"));
    (void)chat_queue_add_device(queue, view("laptop"));
    for (uint64_t seq = 1; seq <= 5; seq++) {
        chat_queue_entry entry = {0, seq, 0, view("trip")};
        (void)chat_queue_push(queue, &entry, seq * 1000);
        if (seq == 3)
            serve(queue, "phone");
    }
    if (!store_and_load(&options, &queue))
        return 1;
    serve(queue, "laptop");
    serve(queue, "phone");
    printf("%zu left\n", chat_queue_count(queue));
    chat_queue_free(queue);
    return 0;
}
