/* SPDX-License-Identifier: MIT */
/* Looks up the status table of <chat/status.h>. */
#include <chat/status.h>

#include "base/view.h"

typedef struct status_row {
    chat_status status;
    chat_status_kind kind;
    uint16_t close_code;
    const char *name;
    const char *wire;
    const char *text;
} status_row;

static const status_row ROWS[] = {
#define STATUS_ROW(name, value, kind, wire, close, text)                                           \
    {CHAT_##name, CHAT_KIND_##kind, close, #name, wire, text},
    CHAT_STATUS_TABLE(STATUS_ROW)
#undef STATUS_ROW
};

#define N_ROWS (sizeof ROWS / sizeof ROWS[0])

static const status_row *row_of(chat_status status)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (ROWS[i].status == status)
            return &ROWS[i];
    }
    return NULL;
}

const char *chat_status_name(chat_status status)
{
    const status_row *row = row_of(status);
    return row == NULL ? "UNKNOWN" : row->name;
}

const char *chat_status_text(chat_status status)
{
    const status_row *row = row_of(status);
    return row == NULL ? "a status of a newer version" : row->text;
}

const char *chat_status_wire(chat_status status)
{
    const status_row *row = row_of(status);
    return row == NULL ? "unknown" : row->wire;
}

chat_status_kind chat_status_kind_of(chat_status status)
{
    const status_row *row = row_of(status);
    return row == NULL ? CHAT_KIND_PEER : row->kind;
}

uint16_t chat_status_close_code(chat_status status)
{
    const status_row *row = row_of(status);
    return row == NULL ? 0 : row->close_code;
}

chat_status chat_status_from_wire(chat_view code)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        if (chat__view_equal(code, chat__view_str(ROWS[i].wire)))
            return ROWS[i].status;
    }
    return CHAT_ERR_UNSUPPORTED;
}
