/* SPDX-License-Identifier: MIT */
/* The judge: small histories, right and wrong, and the violation that must be named. */
#include "unit.h"

#include <chat/history.h>

#include <stdio.h>
#include <string.h>

#define MAX_LINES 12

#define OPEN(by)   "{\"by\":\"" by "\",\"t\":\"open\"}"
#define RESUMED    "{\"t\":\"resumed\",\"state\":\"recovered\",\"count\":0}"
#define END        "{\"t\":\"end\"}"
#define SAW(by, n) "{\"by\":\"" by "\",\"t\":\"msg\",\"chat\":\"dm:1:a:b\",\"seq\":\"" n "\"}"
#define SENT(by, cid, n)                                                                           \
    "{\"by\":\"" by "\",\"t\":\"sent\",\"cid\":\"" cid "\",\"chat\":\"dm:1:a:b\",\"id\":\"" n      \
    "\",\"seq\":\"" n "\"}"
#define LOG(from, cid, n)                                                                          \
    "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"dm:1:a:b\",\"from\":\"" from "\",\"cid\":\"" cid     \
    "\",\"id\":\"" n "\",\"seq\":\"" n "\"}"
#define GROUP(t, more, n)                                                                          \
    "{\"by\":\"log\",\"t\":\"" t "\",\"chat\":\"g\",\"from\":\"a\",\"id\":\"" n "\",\"seq\":\"" n  \
    "\"" more "}"
#define LOG_SAYS(n, more)                                                                          \
    "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"dm:1:a:b\",\"from\":\"a\",\"id\":\"" n               \
    "\",\"seq\":\"" n "\"," more "}"
#define LOG_NOTE(what, n, re, more)                                                                \
    "{\"by\":\"log\",\"t\":\"note\",\"chat\":\"dm:1:a:b\",\"from\":\"a\",\"what\":\"" what         \
    "\",\"id\":\"" n "\",\"seq\":\"" n "\",\"re\":\"" re "\",\"re_seq\":\"" re "\"" more "}"
#define IN_AB            "\"chat\":\"dm:1:a:b\""
#define SAID(by, cid)    "{\"by\":\"" by "\",\"t\":\"send\"," IN_AB ",\"cid\":\"" cid "\"}"
#define ASKS(by, t)      "{\"by\":\"" by "\",\"t\":\"" t "\",\"user\":\"b\"}"
#define DONE(by, t)      "{\"by\":\"" by "\",\"t\":\"" t "\",\"user\":\"b\",\"done\":true}"
#define SAW_GROUP(by, n) "{\"by\":\"" by "\",\"t\":\"msg\",\"chat\":\"g\",\"seq\":\"" n "\"}"

static const struct {
    const char *name;
    const char *lines[MAX_LINES];
    const char *violation; /* its beginning; NULL: all is right */
} ROWS[] = {
    {"a message arrives",
     {OPEN("a/p"), RESUMED, OPEN("b/p"), RESUMED, SENT("a/p", "c", "8"), SAW("b/p", "8"),
      LOG("a", "c", "8"), END},
     NULL},
    {"the last edit counts",
     {LOG_SAYS("8", "\"body\":\"two\",\"edited\":5"),
      LOG_NOTE("edit", "9", "8", ",\"body\":\"one\""),
      LOG_NOTE("edit", "10", "8", ",\"body\":\"two\"")},
     NULL},
    {"an edit that does not count",
     {LOG_SAYS("8", "\"body\":\"one\",\"edited\":5"),
      LOG_NOTE("edit", "9", "8", ",\"body\":\"one\""),
      LOG_NOTE("edit", "10", "8", ",\"body\":\"two\"")},
     "as it is: seq 8 of dm:1:a:b is not"},
    {"an edit that nobody made",
     {LOG_SAYS("8", "\"body\":\"one\",\"edited\":5")},
     "as it is: seq 8 of dm:1:a:b is not"},
    {"a tombstone",
     {LOG_SAYS("8", "\"body\":\"\",\"deleted\":true"), LOG_NOTE("edit", "9", "8", ""),
      LOG_NOTE("delete", "10", "8", "")},
     NULL},
    {"what was deleted is still there",
     {LOG_SAYS("8", "\"body\":\"one\""), LOG_NOTE("delete", "10", "8", "")},
     "as it is: seq 8 of dm:1:a:b is not"},
    {"a tombstone with a text",
     {LOG_SAYS("8", "\"body\":\"one\",\"deleted\":true"), LOG_NOTE("delete", "10", "8", "")},
     "as it is: seq 8 of dm:1:a:b is not"},
    {"a tombstone that nobody made",
     {LOG_SAYS("8", "\"body\":\"\",\"deleted\":true")},
     "as it is: seq 8 of dm:1:a:b is not"},
    {"an edit says what was deleted",
     {LOG_SAYS("8", "\"body\":\"\",\"deleted\":true"),
      LOG_NOTE("edit", "9", "8", ",\"body\":\"one\""), LOG_NOTE("delete", "10", "8", "")},
     "as it is: seq 9 of dm:1:a:b says"},
    {"an edit behind the deletion",
     {LOG_SAYS("8", "\"body\":\"\",\"deleted\":true"), LOG_NOTE("delete", "9", "8", ""),
      LOG_NOTE("edit", "10", "8", "")},
     "as it is: seq 10 of dm:1:a:b is about"},
    {"a note is stored twice",
     {LOG_SAYS("8", "\"body\":\"one\",\"edited\":5"),
      LOG_NOTE("edit", "9", "8", ",\"body\":\"one\",\"cid\":\"e\""),
      LOG_NOTE("edit", "10", "8", ",\"body\":\"one\",\"cid\":\"e\"")},
     "once: e of a is stored twice"},
    {"an older record is on its way to a new device",
     {OPEN("b/p"), RESUMED, SAW("b/p", "8"), SAW("b/p", "9"), OPEN("b/q"), RESUMED, SAW("b/q", "8"),
      LOG("a", "c", "8"), LOG("a", "d", "9"), END},
     NULL},
    {"a new device lacks what came behind its start",
     {OPEN("b/p"), RESUMED, SAW("b/p", "8"), OPEN("b/q"), RESUMED, SAW("b/q", "8"), SAW("b/p", "9"),
      LOG("a", "c", "8"), LOG("a", "d", "9"), END},
     "delivered or queued: b/q never saw seq 9"},
    {"an acknowledged message is not there",
     {SENT("a/p", "c", "8"), LOG("a", "d", "9")},
     "acknowledged is durable: c of a/p"},
    {"an answer says another id than there is",
     {SENT("a/p", "c", "8"),
      "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"dm:1:a:b\",\"id\":\"7\",\"seq\":\"8\"}"},
     "acknowledged is durable"},
    {"a resend is answered with another place",
     {SENT("a/p", "c", "8"), SENT("a/p", "c", "9")},
     "one-copy: c of a"},
    {"a resend from another device of the user as well",
     {SENT("a/p", "c", "8"), SENT("a/q", "c", "9")},
     "one-copy: c of a"},
    {"the same answer twice", {SENT("a/p", "c", "8"), SENT("a/p", "c", "8")}, NULL},
    {"a message is stored twice", {LOG("a", "c", "8"), LOG("a", "c", "9")}, "once: c of a"},
    {"two users may use the same name", {LOG("a", "c", "8"), LOG("b", "c", "9")}, NULL},
    {"a record is seen twice", {SAW("b/p", "8"), SAW("b/p", "8")}, "once: b/p saw seq 8"},
    {"records are seen in another order",
     {SAW("b/p", "9"), SAW("b/p", "8")},
     "one order: b/p saw seq 8 of dm:1:a:b after seq 9"},
    {"another record than there is",
     {SAW("b/p", "9"), LOG("a", "c", "8")},
     "one order: b/p saw seq 9"},
    {"a device lacks a record",
     {OPEN("b/p"), RESUMED, LOG("a", "c", "8"), END},
     "delivered or queued: b/p never saw seq 8"},
    {"it may still be on its way", {OPEN("b/p"), RESUMED, LOG("a", "c", "8")}, NULL},
    {"it was told of a gap",
     {OPEN("b/p"), RESUMED,
      "{\"t\":\"gap\",\"chat\":\"dm:1:a:b\",\"after\":\"0\",\"before\":\"9\"}", LOG("a", "c", "8"),
      END},
     NULL},
    {"the gap is elsewhere",
     {OPEN("b/p"), RESUMED,
      "{\"t\":\"gap\",\"chat\":\"dm:1:a:b\",\"after\":\"8\",\"before\":\"9\"}", LOG("a", "c", "8"),
      END},
     "delivered or queued"},
    {"a later device starts where the user is",
     {OPEN("b/p"), RESUMED, SAW("b/p", "8"), OPEN("b/q"), RESUMED, LOG("a", "c", "8"), END},
     NULL},
    {"and lacks nothing from there on",
     {OPEN("b/p"), OPEN("b/q"), SAW("b/q", "8"), LOG("a", "c", "8"), LOG("a", "d", "9"), END},
     "one-resume-event"},
    {"a stranger sees a message",
     {SAW("x/p", "8"), LOG("a", "c", "8")},
     "members only: x/p saw seq 8"},
    {"who was removed sees what comes behind",
     {SAW_GROUP("b/p", "11"), GROUP("chat", ",\"users\":[\"b\"]", "8"),
      GROUP("change", ",\"what\":\"remove\",\"users\":[\"b\"]", "10"), GROUP("msg", "", "11")},
     "members only: b/p saw seq 11 of g"},
    {"the record that removes him he sees",
     {SAW_GROUP("b/p", "10"), GROUP("chat", ",\"users\":[\"b\"]", "8"),
      GROUP("change", ",\"what\":\"remove\",\"users\":[\"b\"]", "10"), GROUP("msg", "", "11")},
     NULL},
    {"who is blocked says nothing more",
     {DONE("a/p", "block"), SAID("b/p", "c"), LOG("b", "c", "8")},
     "blocked is blocked: a has blocked b, and seq 8 of dm:1:a:b"},
    {"nor does who blocks",
     {DONE("a/p", "block"), SAID("a/q", "c"), LOG("a", "c", "8")},
     "blocked is blocked: a has blocked b"},
    {"a block that is asked for holds when it is answered",
     {ASKS("a/p", "block"), SAID("b/p", "c"), DONE("a/p", "block"), LOG("b", "c", "8")},
     NULL},
    {"it was said before, and is sent again",
     {SAID("b/p", "c"), DONE("a/p", "block"), SAID("b/p", "c"), LOG("b", "c", "8")},
     NULL},
    {"it was taken back meanwhile",
     {DONE("a/p", "block"), SAID("b/p", "c"), ASKS("a/p", "unblock"), LOG("b", "c", "8")},
     NULL},
    {"it was taken back, but later than that",
     {DONE("a/p", "block"), SAID("b/p", "c"), SENT("b/p", "c", "8"), ASKS("a/p", "unblock"),
      LOG("b", "c", "8")},
     "blocked is blocked: a has blocked b"},
    {"it was taken back before it was asked for",
     {ASKS("a/p", "unblock"), DONE("a/p", "unblock"), ASKS("a/p", "block"), DONE("a/p", "block"),
      SAID("b/p", "c"), LOG("b", "c", "8")},
     "blocked is blocked: a has blocked b"},
    {"another device may take it back at the same time",
     {ASKS("a/q", "unblock"), ASKS("a/p", "block"), DONE("a/q", "unblock"), DONE("a/p", "block"),
      SAID("b/p", "c"), LOG("b", "c", "8")},
     NULL},
    {"a deletion passes",
     {LOG_SAYS("7", "\"deleted\":true"), DONE("a/p", "block"), SAID("a/p", "d"),
      LOG_NOTE("delete", "8", "7", ",\"cid\":\"d\"")},
     NULL},
    {"an edit does not",
     {LOG_SAYS("7", "\"body\":\"x\",\"edited\":5"), DONE("a/p", "block"), SAID("a/p", "d"),
      LOG_NOTE("edit", "8", "7", ",\"body\":\"x\",\"cid\":\"d\"")},
     "blocked is blocked: a has blocked b"},
    {"a group is not theirs alone",
     {GROUP("chat", ",\"users\":[\"b\"]", "7"), DONE("a/p", "block"),
      "{\"by\":\"a/p\",\"t\":\"send\",\"chat\":\"g\",\"cid\":\"c\"}",
      GROUP("msg", ",\"cid\":\"c\"", "8")},
     NULL},
    {"an id is given twice",
     {LOG("a", "c", "8"),
      "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"g\",\"id\":\"8\",\"seq\":\"8\"}"},
     "unique ids: 8"},
    {"a node gives a smaller id later",
     {"{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"g\",\"id\":\"8\",\"seq\":\"8\"}",
      "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"g\",\"id\":\"7\",\"seq\":\"9\"}"},
     "growing ids: seq 9 of g"},
    {"another node may",
     {"{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"g\",\"id\":\"8200\",\"seq\":\"8200\"}",
      "{\"by\":\"log\",\"t\":\"msg\",\"chat\":\"g\",\"id\":\"7\",\"seq\":\"8201\"}"},
     NULL},
    {"resumed twice over a connection",
     {OPEN("a/p"), RESUMED, RESUMED},
     "one-resume-event: a/p heard `resumed` twice"},
    {"once for each connection",
     {OPEN("a/p"), RESUMED, "{\"t\":\"lost\"}", OPEN("a/p"), RESUMED, END},
     NULL},
    {"never resumed", {OPEN("a/p"), END}, "one-resume-event: a/p never"},
    {"a marker goes back",
     {"{\"by\":\"a/p\",\"t\":\"read\",\"chat\":\"g\",\"seq\":\"9\"}",
      "{\"by\":\"a/p\",\"t\":\"read\",\"chat\":\"g\",\"seq\":\"8\"}"},
     "a marker never goes back: of a/p in g"},
    {"rows of an answer are no news",
     {SAW("b/p", "9"), "{\"t\":\"msg\",\"r\":1,\"chat\":\"dm:1:a:b\",\"seq\":\"8\"}"},
     NULL},
};

static void judge_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        chat_history *history;
        chat_history_verdict verdict = {.struct_size = sizeof verdict};
        assert_int_equal(chat_history_new(&history), CHAT_OK);
        for (size_t k = 0; k < MAX_LINES && ROWS[i].lines[k] != NULL; k++) {
            chat_view line = {(const uint8_t *)ROWS[i].lines[k], strlen(ROWS[i].lines[k])};
            assert_int_equal(chat_history_add(history, line), CHAT_OK);
        }
        chat_status status = chat_history_judge(history, &verdict);
        const char *wanted = ROWS[i].violation != NULL ? ROWS[i].violation : "";
        int is_right = strncmp(verdict.violation, wanted, strlen(wanted)) == 0 &&
                       (wanted[0] != 0 || verdict.violation[0] == 0);
        if (!is_right)
            fail_msg("%s: %s", ROWS[i].name, verdict.violation);
        assert_int_equal(status, ROWS[i].violation != NULL ? CHAT_ERR_CORRUPT : CHAT_OK);
        chat_history_free(history);
    }
}

static void what_is_no_line_is_refused(void **state)
{
    static const char *const WRONG[] = {"x", "[1]", "{\"t\":", "{\"by\":\"nobody\",\"t\":\"msg\"}",
                                        "{\"by\":\"a/p\",\"t\":\"msg\",\"chat\":\"g\",\"seq\":8}"};
    static const char *const SKIPPED[] = {"", "{}", "{\"t\":\"pong\"}",
                                          "{\"by\":\"a/p\",\"t\":\"state\"}"};
    chat_history *history;
    (void)state;
    assert_int_equal(chat_history_new(&history), CHAT_OK);
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        chat_view line = {(const uint8_t *)WRONG[i], strlen(WRONG[i])};
        assert_int_equal(chat_history_add(history, line), CHAT_ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof SKIPPED / sizeof SKIPPED[0]; i++) {
        chat_view line = {(const uint8_t *)SKIPPED[i], strlen(SKIPPED[i])};
        assert_int_equal(chat_history_add(history, line), CHAT_OK);
    }
    chat_history_free(history);
    chat_history_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge_row),
        cmocka_unit_test(what_is_no_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
