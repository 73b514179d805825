/* SPDX-License-Identifier: MIT */
/* Messages as they are at the end: the last edit counts, of what was deleted nothing is left, of
   its edits neither. */
#include "testing/judge.h"

#include <stdlib.h>

/* What the notes of the chat have made of a message. */
typedef struct fate {
    const chat__happening *edit, *deletion;
} fate;

static void take_note(judge *j, const chat__happening *note, fate *fates)
{
    const chat__happening *message =
        chat__judge_find(j->log, j->n_log, CHAT__NO_NAME, note->chat, note->re_seq);
    if (message == NULL || !message->is_message)
        return;
    fate *of = &fates[message - j->log];
    if (of->deletion != NULL)
        chat__judge_violate(j, note->line,
                            "as it is: seq %llu of %s is about a message that was deleted",
                            (unsigned long long)note->seq, chat__judge_name(j, note->chat));
    else if (note->is_deletion)
        of->deletion = note;
    else
        of->edit = note;
}

static void check_message(judge *j, const chat__happening *message, const fate *of)
{
    int is_deleted = of->deletion != NULL;
    int is_edited = of->edit != NULL && !is_deleted;
    int is_right = message->is_deleted == is_deleted && (!is_edited || message->is_edited) &&
                   (of->edit != NULL || !message->is_edited) &&
                   (!is_deleted || message->body == CHAT__NO_NAME) &&
                   (!is_edited || message->body == of->edit->body);
    if (!is_right)
        chat__judge_violate(j, message->line,
                            "as it is: seq %llu of %s is not what its notes made of it",
                            (unsigned long long)message->seq, chat__judge_name(j, message->chat));
}

static void check_fates(judge *j, fate *fates)
{
    for (size_t i = 0; i < j->n_log; i++) {
        if (j->log[i].is_edit || j->log[i].is_deletion)
            take_note(j, &j->log[i], fates);
    }
    for (size_t i = 0; i < j->n_log; i++) {
        const chat__happening *item = &j->log[i];
        const chat__happening *message =
            item->is_edit
                ? chat__judge_find(j->log, j->n_log, CHAT__NO_NAME, item->chat, item->re_seq)
                : NULL;
        if (item->is_message)
            check_message(j, item, &fates[i]);
        else if (message != NULL && fates[message - j->log].deletion != NULL &&
                 item->body != CHAT__NO_NAME)
            chat__judge_violate(j, item->line, "as it is: seq %llu of %s says what was deleted",
                                (unsigned long long)item->seq, chat__judge_name(j, item->chat));
    }
}

chat_status chat__judge_fates(judge *j)
{
    fate *fates = calloc(j->n_log + 1, sizeof *fates);
    if (fates == NULL)
        return CHAT_ERR_NOMEM;
    check_fates(j, fates);
    free(fates);
    return CHAT_OK;
}
