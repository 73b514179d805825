/* SPDX-License-Identifier: MIT */
#include "harness.h"

#define SEND_TO_BOB  "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c1\",\"body\":\"hi\"}"
#define SEND_AGAIN   "{\"t\":\"send\",\"to\":\"bob\",\"cid\":\"c2\",\"body\":\"ho\"}"
#define READ(r, seq) "{\"t\":\"read\",\"r\":" r ",\"to\":\"alice\",\"seq\":\"" seq "\"}"

static world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w);
    join(&w, 0, "alice", "phone");
    join(&w, 1, "bob", "laptop");
    join(&w, 2, "bob", "phone");
    say(&w, 0, SEND_TO_BOB);
    say(&w, 0, SEND_AGAIN);
    for (int i = 0; i < 3; i++)
        w.written[i][0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_done(&w);
    return 0;
}

static void a_marker_is_answered_when_durable_and_told_to_those_it_concerns(void **state)
{
    (void)state;
    w.is_append_held = 1;
    say(&w, 1, READ("1", "10"));
    assert_string_equal(w.written[1], "");
    assert_string_equal(w.written[0], "");
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, 1, "\"t\":\"result\",\"r\":1,\"chat\":\"dm:5:alice:bob\",\"seq\":\"10\"");
    assert_not_written(&w, 1, "marker");
    assert_written(&w, 2, "\"t\":\"marker\"");
    assert_written(&w, 2, "\"read_seq\":\"10\"");
    assert_written(&w, 0, "\"state\":\"read\"");
    assert_not_written(&w, 0, "marker");
}

static void a_mute_is_answered_when_durable_and_told_to_the_other_device(void **state)
{
    (void)state;
    w.is_append_held = 1;
    say(&w, 1, "{\"t\":\"mute\",\"r\":1,\"to\":\"alice\",\"until\":9007199254740992}");
    say(&w, 1, READ("2", "10"));
    assert_string_equal(w.written[1], "");
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_written(&w, 1, "\"t\":\"result\",\"r\":1,\"chat\":\"dm:5:alice:bob\"");
    assert_written(&w, 1, "\"r\":2,\"chat\":\"dm:5:alice:bob\",\"seq\":\"10\"");
    assert_not_written(&w, 1, "setting");
    assert_written(&w, 2, "\"t\":\"setting\"");
    assert_written(&w, 2, "\"until\":9007199254740992");
    assert_not_written(&w, 0, "setting");
}

static void without_a_time_a_chat_is_no_longer_muted(void **state)
{
    (void)state;
    say(&w, 1, "{\"t\":\"mute\",\"r\":1,\"to\":\"alice\"}");
    assert_written(&w, 1, "\"t\":\"result\"");
    assert_written(&w, 2, "\"until\":0");
}

static void a_stranger_mutes_nothing(void **state)
{
    (void)state;
    say(&w, 1, "{\"t\":\"mute\",\"r\":1,\"chat\":\"no-such\",\"until\":5}");
    assert_written(&w, 1, "not_found");
    assert_not_written(&w, 2, "setting");
}

static void a_marker_never_goes_back_and_writes_nothing_then(void **state)
{
    (void)state;
    say(&w, 1, READ("1", "20"));
    size_t n_records = w.n_records;
    w.written[2][0] = 0;
    say(&w, 1, READ("2", "10"));
    assert_written(&w, 1, "\"r\":2,\"chat\":\"dm:5:alice:bob\",\"seq\":\"20\"");
    say(&w, 1, READ("3", "20"));
    assert_written(&w, 1, "\"seq\":\"20\"");
    assert_int_equal(w.n_records, n_records);
    assert_string_equal(w.written[2], "");
}

static void a_marker_stays_on_what_exists(void **state)
{
    (void)state;
    say(&w, 1, READ("1", "18446744073709551615"));
    assert_written(&w, 1, "\"seq\":\"20\"");
    say(&w, 2, READ("1", "15"));
    assert_written(&w, 2, "\"seq\":\"20\"");
}

static void waiting_markers_become_one_record(void **state)
{
    (void)state;
    size_t before = w.n_records;
    w.is_append_held = 1;
    say(&w, 1, READ("1", "10"));
    say(&w, 1, READ("2", "10"));
    say(&w, 2, READ("3", "20"));
    assert_int_equal(w.n_records, before + 1);
    w.is_append_held = 0;
    pass_time(&w, 1);
    assert_int_equal(w.n_records, before + 2);
    assert_written(&w, 1, "\"r\":2");
    pass_time(&w, 1);
    assert_int_equal(w.n_records, w.n_told);
}

static void a_marker_that_is_not_durable_is_refused(void **state)
{
    (void)state;
    w.append_status = CHAT_ERR_FULL;
    say(&w, 1, READ("1", "10"));
    assert_written(&w, 1, "\"code\":\"storage_full\"");
    assert_written(&w, 1, "\"chat\":\"dm:5:alice:bob\"");
    assert_string_equal(w.written[0], "");
    w.append_status = CHAT_OK;
    say(&w, 1, READ("2", "10"));
    assert_written(&w, 1, "\"result\"");
}

static void who_has_a_message_is_known(void **state)
{
    chat_decoder *decoder = NULL;
    chat_frame frame;
    char ask[128];
    (void)state;
    assert_int_equal(chat_decoder_new(NULL, 1024, &decoder), CHAT_OK);
    record *first = &w.records[0];
    assert_int_equal(chat_frame_decode(decoder, CHAT_ENCODING_CBOR,
                                       chat__view(first->payload, first->len), &frame),
                     CHAT_OK);
    /* As storage does: the place of a message is never before its id. */
    for (size_t i = 0; i < w.n_records; i++)
        w.records[i].seq = frame.id + i;
    snprintf(ask, sizeof ask, "{\"t\":\"receipts\",\"r\":7,\"to\":\"bob\",\"id\":\"%llu\"}",
             (unsigned long long)frame.id);
    chat_decoder_free(decoder);
    say(&w, 0, ask);
    assert_written(&w, 0, "\"user\":\"bob\",\"state\":\"sent\"");
    assert_not_written(&w, 0, "\"user\":\"alice\"");
    assert_written(&w, 0, "\"count\":1");
    assert_not_written(&w, 0, "\"ts\":");
    say(&w, 0, "{\"t\":\"receipts\",\"r\":8,\"to\":\"bob\",\"id\":\"77\"}");
    assert_written(&w, 0, "\"t\":\"");
    char read[128];
    snprintf(read, sizeof read, READ("9", "%llu"), (unsigned long long)first->seq);
    say(&w, 1, read);
    say(&w, 0, ask);
    assert_written(&w, 0, "\"ts\":1234,");
    assert_written(&w, 0, "\"state\":\"read\"");
}

static void strangers_and_self_streams_are_refused(void **state)
{
    (void)state;
    say(&w, 1, "{\"t\":\"read\",\"r\":1,\"chat\":\"no-such\",\"seq\":\"10\"}");
    assert_written(&w, 1, "\"not_found\"");
    w.group = "team";
    join(&w, 3, "carol", "phone");
    say(&w, 3, "{\"t\":\"read\",\"r\":1,\"chat\":\"team\",\"seq\":\"10\"}");
    assert_written(&w, 3, "\"forbidden\"");
    say(&w, 3, "{\"t\":\"history\",\"r\":2,\"chat\":\"me:bob\"}");
    assert_written(&w, 3, "\"forbidden\"");
    say(&w, 3, "{\"t\":\"send\",\"chat\":\"me:carol\",\"cid\":\"x\",\"body\":\"y\"}");
    assert_written(&w, 3, "\"forbidden\"");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_marker_is_answered_when_durable_and_told_to_those_it_concerns),
        TEST(a_mute_is_answered_when_durable_and_told_to_the_other_device),
        TEST(without_a_time_a_chat_is_no_longer_muted),
        TEST(a_stranger_mutes_nothing),
        TEST(a_marker_never_goes_back_and_writes_nothing_then),
        TEST(a_marker_stays_on_what_exists),
        TEST(waiting_markers_become_one_record),
        TEST(a_marker_that_is_not_durable_is_refused),
        TEST(who_has_a_message_is_known),
        TEST(strangers_and_self_streams_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
