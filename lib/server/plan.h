/* SPDX-License-Identifier: MIT */
/*
 * Who is to run which slot, from the picture of <chat/backend/places.h>: a function of it alone.
 * All members see the same picture, so each works out the plan of all and does its own part. Slots
 * that nobody has go to who has the fewest; slots move from who has the most to who has the fewest,
 * one by one, as long as these are two apart: so all have as many but for one, and nothing moves
 * that need not. Who takes no slots gives all up. The number that says that a member takes slots is
 * how many partitions of the log it knows: slots go to those that know the most, for what these had
 * the others cannot run.
 */
#ifndef CHAT_SERVER_PLAN_H
#define CHAT_SERVER_PLAN_H

#include <chat/backend/places.h>

typedef enum chat__plan_step {
    CHAT__PLAN_KEEP = 0, /* as it is, here or elsewhere */
    CHAT__PLAN_CLAIM,
    CHAT__PLAN_GIVE_UP
} chat__plan_step;

/* What member `self` does about each slot. */
void chat__plan(const chat_places_picture *picture, uint32_t self,
                chat__plan_step out[CHAT_PLACES_MAX_SLOTS]);

#endif
