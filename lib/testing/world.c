/* SPDX-License-Identifier: MIT */
/* The simulated world's basics: chance, the queue of events, the trace and the verdict. */
#include "testing/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64 (Steele, Lea and Flood, 2014). */
uint32_t chat__sim_random(sim *s, uint32_t below)
{
    uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ z >> 31) >> 33) % below;
}

int chat__sim_chance(sim *s, uint32_t percent)
{
    return chat__sim_random(s, 100) < percent;
}

void chat__sim_trace(sim *s, const char *format, ...)
{
    char line[512];
    va_list args;
    if (s->options.trace == NULL)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    s->options.trace(s->options.trace_ctx, s->now_ms, line);
}

void chat__sim_violate(sim *s, const char *format, ...)
{
    va_list args;
    if (s->report->violation[0] != 0)
        return;
    va_start(args, format);
    vsnprintf(s->report->violation, sizeof s->report->violation, format, args);
    va_end(args);
    chat__sim_trace(s, "VIOLATION: %s", s->report->violation);
}

int chat__sim_grow(sim *s, void **items, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return 1;
    size_t more = *cap == 0 ? 16 : *cap * 2;
    void *grown = realloc(*items, more * size);
    if (grown == NULL) {
        s->is_out_of_memory = 1;
        return 0;
    }
    memset((uint8_t *)grown + *cap * size, 0, (more - *cap) * size);
    *items = grown;
    *cap = more;
    return 1;
}

void chat__sim_copy_name(char *out, size_t cap, chat_view name)
{
    size_t len = name.len < cap ? name.len : cap - 1;
    if (len > 0)
        memcpy(out, name.data, len);
    out[len] = 0;
}

chat_view chat__sim_view(const char *name)
{
    chat_view view = {(const uint8_t *)name, strlen(name)};
    return view;
}

/* --- events: a binary heap by time, then by order of making --- */

static int is_earlier(const sim_event *a, const sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap_events(sim_event *a, sim_event *b)
{
    sim_event keep = *a;
    *a = *b;
    *b = keep;
}

sim_event *chat__sim_schedule(sim *s, sim_event_type type, uint64_t at_ms, chat_view bytes)
{
    uint8_t *copy = bytes.len > 0 ? malloc(bytes.len) : NULL;
    if ((bytes.len > 0 && copy == NULL) ||
        !chat__sim_grow(s, (void **)&s->events, &s->events_cap, s->n_events, sizeof *s->events)) {
        free(copy);
        s->is_out_of_memory = 1;
        return NULL;
    }
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    size_t i = s->n_events++;
    sim_event *event = &s->events[i];
    memset(event, 0, sizeof *event);
    event->at_ms = at_ms < s->now_ms ? s->now_ms : at_ms;
    event->order = s->order++;
    event->type = type;
    event->epoch = s->epoch;
    event->bytes = copy;
    event->len = bytes.len;
    while (i > 0 && is_earlier(&s->events[i], &s->events[(i - 1) / 2])) {
        swap_events(&s->events[i], &s->events[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    return &s->events[i];
}

int chat__sim_next_event(sim *s, sim_event *out)
{
    size_t i = 0;
    if (s->n_events == 0)
        return 0;
    *out = s->events[0];
    s->events[0] = s->events[--s->n_events];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= s->n_events)
            break;
        if (child + 1 < s->n_events && is_earlier(&s->events[child + 1], &s->events[child]))
            child++;
        if (!is_earlier(&s->events[child], &s->events[i]))
            break;
        swap_events(&s->events[child], &s->events[i]);
        i = child;
    }
    return 1;
}

void chat__sim_drop_events(sim *s)
{
    for (size_t i = 0; i < s->n_events; i++) {
        free(s->events[i].bytes);
        if (s->events[i].answer != NULL)
            chat__sim_answer_free(s->events[i].answer);
    }
    free(s->events);
    s->events = NULL;
    s->n_events = 0;
    s->events_cap = 0;
}
