/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka in its required order, and a seed for maps. */
#ifndef CHAT_TESTS_UNIT_H
#define CHAT_TESTS_UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static const uint64_t UNIT_SEED[2] = {1, 2};

#endif
