/* SPDX-License-Identifier: MIT */
/*
 * Asks the application for a new token: some time before the one that it gave expires, and when the
 * server refused it. The only look at the wall clock, for that is what tokens are dated by.
 */
#include "base/view.h"
#include "handle.h"
#include "net/jwt.h"

#include <time.h>

static uint64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void chat__client_renew_started(chat_client *client)
{
    chat__client_renewal *renewal = &client->renewal;
    renewal->number++;
    renewal->is_asked_early = 0;
    renewal->is_asked_late = 0;
    renewal->is_due_known = 0;
}

/* When to ask, on the clock of the turns. */
static void find_due(chat_client *client)
{
    chat__client_renewal *renewal = &client->renewal;
    uint64_t now = unix_ms();
    uint64_t expires = chat__jwt_expiry(chat__view_str(client->token));
    renewal->is_due_known = 1;
    renewal->due_ms = UINT64_MAX;
    if (expires != UINT64_MAX)
        renewal->due_ms = client->now_ms +
                          (expires > now + renewal->lead_ms ? expires - now - renewal->lead_ms : 0);
}

void chat__client_renew(chat_client *client)
{
    chat__client_renewal *renewal = &client->renewal;
    chat_status status = chat__client_left_status(client->core);
    if (renewal->lead_ms == 0 || client->is_leaving)
        return;
    if (!renewal->is_due_known)
        find_due(client);
    if (chat__client_state(client->core) == CHAT_CLIENT_REFUSED &&
        (status == CHAT_ERR_AUTH || status == CHAT_ERR_EXPIRED)) {
        if (renewal->used != renewal->number) {
            (void)chat__client_reconnect(client->core);
            chat__client_wake_self(client);
        } else if (!renewal->is_asked_late) {
            renewal->is_asked_late = 1;
            chat__client_want_token(client->core, status);
        }
    } else if (client->now_ms >= renewal->due_ms && !renewal->is_asked_early) {
        renewal->is_asked_early = 1;
        chat__client_want_token(client->core, CHAT_OK);
    }
}

uint64_t chat__client_renew_at(const chat_client *client)
{
    const chat__client_renewal *renewal = &client->renewal;
    if (renewal->lead_ms == 0)
        return UINT64_MAX;
    if (!renewal->is_due_known)
        return 0;
    return renewal->is_asked_early ? UINT64_MAX : renewal->due_ms;
}
