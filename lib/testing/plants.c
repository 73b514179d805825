/* SPDX-License-Identifier: MIT */
/* The bugs that can be planted: each must be found by the judge, which shows that it can fail. */
#include "testing/sim.h"

#include <string.h>

static const struct {
    const char *name;
    sim_plant plant;
} PLANTS[] = {
    {"ack-before-fsync", SIM_PLANT_ACK_BEFORE_FSYNC},
    {"cursor-too-early", SIM_PLANT_CURSOR_TOO_EARLY},
    {"live-overtakes-queue", SIM_PLANT_LIVE_OVERTAKES},
    {"resend-without-dedupe", SIM_PLANT_NO_DEDUPE},
    {"ids-from-a-stepped-clock", SIM_PLANT_CLOCK_FLOOR},
    {"marker-goes-back", SIM_PLANT_MARKER_GOES_BACK},
    {"gap-not-told", SIM_PLANT_GAP_NOT_TOLD},
    {"edit-behind-delete", SIM_PLANT_NOTES_UNSEEN},
    {"ids-after-the-lease", SIM_PLANT_NO_LEASE},
    {"history-skips-one", SIM_PLANT_HISTORY_SKIPS},
    {"history-of-others", SIM_PLANT_HISTORY_OF_OTHERS},
    {"deleted-body-shown", SIM_PLANT_DELETED_SHOWN},
    {"deleted-edit-shown", SIM_PLANT_DELETED_EDIT_SHOWN},
    {"reactions-add-up", SIM_PLANT_REACTIONS_ADD_UP},
    {"removed-device-stays", SIM_PLANT_REMOVED_STAYS},
    {"muted-is-told", SIM_PLANT_MUTED_IS_TOLD},
    {"why-invents-an-ack", SIM_PLANT_WHY_INVENTS},
    {"block-forgotten", SIM_PLANT_BLOCK_FORGOTTEN},
    {"lost-link-untold", SIM_PLANT_LOST_LINK_UNTOLD},
};

#define N_PLANTS (sizeof PLANTS / sizeof PLANTS[0])

const char *chat_sim_plant_name(uint32_t i)
{
    return i < N_PLANTS ? PLANTS[i].name : NULL;
}

sim_plant chat__sim_plant_named(const char *name)
{
    for (size_t i = 0; name != NULL && i < N_PLANTS; i++) {
        if (strcmp(PLANTS[i].name, name) == 0)
            return PLANTS[i].plant;
    }
    return SIM_PLANT_NONE;
}
