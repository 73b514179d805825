/* SPDX-License-Identifier: MIT */
/*
 * no-globals: two copies of the client library in one process, each with two clients, each on its
 * way at the same time. Usage: two_copies LIBRARY
 */
#include <chat/client.h>

#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct copy {
    void *library;
    void (*options_init)(chat_client_options *);
    chat_status (*make)(const chat_client_options *, chat_client **);
    void (*free)(chat_client *);
    int (*fd)(const chat_client *);
    chat_status (*process)(chat_client *, uint64_t);
    chat_status (*next_event)(chat_client *, const chat_event **);
    chat_client *clients[2];
};

static int load(struct copy *copy, const char *path)
{
    copy->library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
    if (copy->library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 0;
    }
    *(void **)&copy->options_init = dlsym(copy->library, "chat_client_options_init");
    *(void **)&copy->make = dlsym(copy->library, "chat_client_new");
    *(void **)&copy->free = dlsym(copy->library, "chat_client_free");
    *(void **)&copy->fd = dlsym(copy->library, "chat_client_fd");
    *(void **)&copy->process = dlsym(copy->library, "chat_client_process");
    *(void **)&copy->next_event = dlsym(copy->library, "chat_client_next_event");
    return copy->next_event != NULL;
}

static int open_clients(struct copy *copy)
{
    for (int i = 0; i < 2; i++) {
        chat_client_options options;
        copy->options_init(&options);
        options.url = "ws://127.0.0.1:1"; /* refuses, which is all that is asked of it */
        options.device = "d";
        if (copy->make(&options, &copy->clients[i]) != CHAT_OK)
            return 0;
    }
    return 1;
}

/* Connects, and is refused: both are told. */
static int is_refused(struct copy *copy, chat_client *client)
{
    struct pollfd wait = {copy->fd(client), POLLIN, 0};
    const chat_event *event;
    for (int turn = 0; turn < 100; turn++) {
        (void)copy->process(client, (uint64_t)turn);
        while (copy->next_event(client, &event) == CHAT_OK)
            if (event->state == CHAT_CLIENT_WAITING && event->status == CHAT_ERR_NETWORK)
                return 1;
        (void)poll(&wait, 1, 50);
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct copy copies[2];
    int n_good = 0;
    if (argc != 2 || !load(&copies[0], argv[1]) || !load(&copies[1], argv[1]))
        return 1;
    int are_two = copies[0].make != copies[1].make;
    if (!are_two || !open_clients(&copies[0]) || !open_clients(&copies[1]))
        return 1;
    for (int i = 0; i < 4; i++)
        n_good += is_refused(&copies[i % 2], copies[i % 2].clients[i / 2]);
    for (int i = 0; i < 4; i++)
        copies[i % 2].free(copies[i % 2].clients[i / 2]);
    dlclose(copies[0].library);
    dlclose(copies[1].library);
    /* A look-up may still be on its way in a thread of the library: its code stays. */
    chat_client_options options;
    copies[0].options_init(&options);
    return n_good == 4 && options.struct_size == sizeof options ? 0 : 1;
}
