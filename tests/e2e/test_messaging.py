# SPDX-License-Identifier: MIT
"""What people do all day: direct chats, groups, several devices, being away, reading back."""
import pytest

from harness import DEADLINE_S


def test_sent_comes_before_delivered(connect):
    alice, bob = connect("alice"), connect("bob", codec="cbor")
    alice.expect("resumed")
    cid = alice.send("hello", to="bob")
    sent = alice.expect("sent")
    assert sent["cid"] == cid
    assert sent["chat"] == "dm:5:alice:bob"
    assert not alice.inbox, "nothing may come before `sent`"
    msg = bob.expect_msg("hello")
    assert (msg["from"], msg["id"], msg["seq"]) == ("alice", sent["id"], sent["seq"])
    receipt = alice.expect("receipt", chat=sent["chat"])
    assert (receipt["user"], receipt["state"], receipt["seq"]) == ("bob", "delivered", sent["seq"])


def test_delivered_is_said_only_when_the_device_acknowledged(connect):
    alice, bob = connect("alice"), connect("bob", acks=False)
    sent = alice.say("are you there?", to="bob")
    bob.expect_msg("are you there?")
    assert not alice.seen("receipt")
    bob.ack()
    assert alice.expect("receipt")["seq"] == sent["seq"]


def test_a_direct_chat_has_one_id_from_both_sides(connect):
    alice, bob = connect("alice"), connect("bob")
    first = alice.say("by name", to="bob")
    second = bob.say("by name too", to="alice")
    third = alice.say("by id", chat="dm:5:alice:bob")
    assert first["chat"] == second["chat"] == third["chat"]
    bob.expect_msg("by id")
    assert bob.bodies(to="alice") == ["by name", "by name too", "by id"]
    assert first["seq"] < second["seq"] < third["seq"]


def test_what_one_sends_is_not_echoed_to_the_sending_device(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.expect("resumed")
    alice.say("no echo", to="bob")
    bob.expect_msg("no echo")
    assert not alice.seen("msg")


def test_other_devices_of_the_sender_get_it(connect):
    phone, laptop, bob = connect("alice", "phone"), connect("alice", "laptop"), connect("bob")
    sent = phone.say("from my phone", to="bob")
    msg = laptop.expect_msg("from my phone")
    assert (msg["from"], msg["seq"]) == ("alice", sent["seq"])
    assert bob.expect_msg("from my phone")["seq"] == sent["seq"]


def test_all_devices_of_the_recipient_get_it(connect):
    alice = connect("alice")
    devices = [connect("bob", f"device-{i}") for i in range(3)]
    alice.say("to all your devices", to="bob")
    for device in devices:
        device.expect_msg("to all your devices")


def test_the_newer_connection_of_a_device_replaces_the_older(connect):
    old = connect("alice", "phone")
    new = connect("alice", "phone")
    assert old.close_code() == 4003
    new.ping()


def test_a_group_reaches_all_members_and_nobody_else(connect):
    alice, bob, carol, dave = (connect(user) for user in ("alice", "bob", "carol", "dave"))
    made = alice.create("team", "bob", "carol", title="The team")
    assert made.get("chat", "team") == "team"
    for member in (bob, carol):
        chat = member.expect("chat", chat="team")
        assert chat["title"] == "The team"
        assert sorted(chat["users"]) == ["alice", "bob", "carol"]
    for author in (alice, bob, carol):
        author.say(f"from {author.user}", chat="team")
    for reader in (alice, bob, carol):
        assert reader.bodies(chat="team") == ["from alice", "from bob", "from carol"]
    bob.expect_msg("from alice")
    bob.expect_msg("from carol")
    assert not dave.seen("msg") and not dave.seen("chat")


def test_a_group_of_256_reaches_everybody(connect):
    users = [f"member-{i}" for i in range(255)]
    alice = connect("alice")
    alice.create("crowd", *users)
    readers = [connect(user) for user in users[::25]]
    alice.say("hello, all of you", chat="crowd")
    for reader in readers:
        reader.expect_msg("hello, all of you")
    _, answer = alice.request("chat.create", chat="too-big", users=[*users, "one-more"])
    assert (answer["t"], answer["code"]) == ("error", "too_large")


def test_a_group_that_exists_is_not_made_again(connect):
    alice, mallory = connect("alice"), connect("mallory")
    alice.create("ours", "bob")
    _, answer = mallory.request("chat.create", chat="ours", users=["bob"])
    assert (answer["t"], answer["code"]) == ("error", "exists")
    _, answer = mallory.request("history", chat="ours")
    assert (answer["t"], answer["code"]) == ("error", "forbidden")


def test_a_non_member_can_neither_send_nor_read(connect):
    alice, mallory = connect("alice"), connect("mallory")
    alice.create("private", "bob")
    alice.say("between us", chat="private")
    alice.say("between us two", to="bob")
    for chat in ("private", "dm:5:alice:bob"):
        cid = mallory.send("let me in", chat=chat)
        assert mallory.expect("error", cid=cid)["code"] == "forbidden"
        rows, answer = mallory.request("history", chat=chat)
        assert (rows, answer["t"], answer["code"]) == ([], "error", "forbidden")
    rows, _ = mallory.request("chats")
    assert rows == []
    assert alice.bodies(chat="private") == ["between us"]


def test_an_unknown_group_is_not_found(connect):
    alice = connect("alice")
    cid = alice.send("anybody?", chat="nowhere")
    assert alice.expect("error", cid=cid)["code"] == "not_found"
    _, answer = alice.request("history", chat="nowhere")
    assert answer["code"] == "not_found"


def test_a_member_who_was_away_gets_everything_in_order(connect):
    alice = connect("alice")
    connect("bob").close()
    alice.create("team", "bob", "carol")
    expected = [f"direct {i}" for i in range(150)]
    for body in expected:
        alice.send(body, to="bob")
    for i in range(150):
        alice.send(f"group {i}", chat="team")
    for _ in range(300):
        alice.expect("sent")
    bob = connect("bob")
    bob.expect("chat", chat="team")
    got = [bob.expect("msg") for _ in range(300)]
    assert [m["body"] for m in got if m["chat"] != "team"] == expected
    assert [m["body"] for m in got if m["chat"] == "team"] == [f"group {i}" for i in range(150)]


def test_what_comes_during_the_catch_up_overtakes_nothing(connect):
    alice = connect("alice")
    for i in range(200):
        alice.send(f"{i}", to="bob")
    for _ in range(200):
        alice.expect("sent")
    bob = connect("bob")
    for i in range(200, 260):
        alice.send(f"{i}", to="bob")
    got, last = [], 0
    while len(got) < 260:
        message = bob.expect("msg")
        if message["seq"] > last:  # a record may come twice where reading back and live meet
            got.append(message["body"])
            last = message["seq"]
    assert got == [str(i) for i in range(260)]


def test_what_was_not_acknowledged_comes_again_after_a_reconnect(connect):
    alice, bob = connect("alice"), connect("bob", acks=False)
    alice.say("one", to="bob")
    alice.say("two", to="bob")
    bob.expect_msg("one")
    bob.expect_msg("two")
    bob.ack(1)
    alice.expect("receipt")
    bob.abandon()
    again = connect("bob")
    assert again.expect("msg")["body"] == "two"


def test_acknowledgements_survive_a_clean_restart(server, connect):
    alice, bob = connect("alice"), connect("bob")
    alice.say("before", to="bob")
    bob.expect_msg("before")
    alice.expect("receipt")
    server.restart()
    alice, bob = connect("alice"), connect("bob")
    alice.say("after", to="bob")
    assert bob.expect("msg")["body"] == "after", "an acknowledged message came again"


def test_a_second_device_starts_where_the_first_one_is(connect):
    alice, phone = connect("alice"), connect("bob", "phone")
    alice.say("old news", to="bob")
    phone.expect_msg("old news")
    alice.expect("receipt")
    laptop = connect("bob", "laptop")
    alice.say("news", to="bob")
    assert laptop.expect("msg")["body"] == "news"
    assert laptop.bodies(to="alice") == ["old news", "news"]


def test_a_first_device_gets_what_was_there_before_it(connect):
    alice = connect("alice")
    alice.say("welcome, stranger", to="bob")
    assert connect("bob").expect("msg")["body"] == "welcome, stranger"


@pytest.fixture(name="long_chat")
def fixture_long_chat(connect):
    """Alice, and the seqs of 120 messages of hers to bob."""
    alice = connect("alice")
    for i in range(120):
        alice.send(f"line {i}", to="bob")
    return alice, [alice.expect("sent")["seq"] for _ in range(120)]


def test_history_pages_forward(long_chat):
    alice, seqs = long_chat
    found, after = [], 0
    for wanted, wanted_more in ((50, True), (50, True), (20, False)):
        rows, more = alice.history(to="bob", after=after, limit=50)
        assert (len(rows), more) == (wanted, wanted_more)
        found += [row["seq"] for row in rows]
        after = found[-1]
    assert found == seqs
    assert alice.history(to="bob", after=after, limit=50) == ([], False)


def test_history_pages_backward(long_chat):
    alice, seqs = long_chat
    rows, more = alice.history(to="bob", limit=50)
    found = [row["seq"] for row in rows]
    assert more
    while more:
        rows, more = alice.history(to="bob", before=found[-1], limit=50)
        found += [row["seq"] for row in rows]
    assert found == seqs[::-1]


def test_rows_of_history_form_an_unbroken_chain(long_chat):
    alice, _ = long_chat
    rows, _ = alice.history(to="bob", after=0, limit=100)
    assert rows[0]["prev"] == 0
    assert [row["prev"] for row in rows[1:]] == [row["seq"] for row in rows[:-1]]


def test_an_exact_last_page_says_that_there_is_no_more(long_chat):
    alice, seqs = long_chat
    rows, more = alice.history(to="bob", after=seqs[59], limit=60)
    assert (len(rows), more) == (60, False)
    rows, more = alice.history(to="bob", before=seqs[60], limit=60)
    assert (len(rows), more) == (60, False)


def test_history_wants_one_direction(connect):
    alice = connect("alice")
    _, answer = alice.request("history", to="bob", before=9, after=1)
    assert (answer["t"], answer["code"]) == ("error", "bad_request")
    assert alice.history(to="nobody-yet") == ([], False)


def test_chats_lists_mine_with_title_and_last_seq(connect):
    alice, carol = connect("alice"), connect("carol")
    alice.create("team", "bob", title="The team")
    group = alice.say("in the team", chat="team")
    direct = alice.say("to carol", to="carol")
    carol.expect_msg("to carol")
    rows, answer = alice.request("chats")
    assert answer["count"] == 2
    listed = {row["chat"]: row for row in rows}
    assert listed["team"]["title"] == "The team"
    assert listed["team"]["last_seq"] == group["seq"]
    assert listed["dm:5:alice:carol"]["last_seq"] == direct["seq"]
    rows, _ = carol.request("chats")
    assert [row["chat"] for row in rows] == ["dm:5:alice:carol"]


def test_chats_are_still_there_after_a_restart(server, connect):
    alice = connect("alice")
    alice.create("team", "bob", title="The team")
    alice.say("one", chat="team")
    server.restart()
    alice, bob = connect("alice"), connect("bob")
    assert bob.expect("chat")["chat"] == "team"
    assert bob.expect("msg")["body"] == "one"
    alice.say("two", chat="team")
    assert bob.expect("msg")["body"] == "two"
    assert alice.bodies(chat="team") == ["one", "two"]


def test_a_resent_message_keeps_its_id_and_exists_once(connect):
    alice, bob = connect("alice"), connect("bob")
    first = alice.say("once", to="bob")
    alice.abandon()
    alice = connect("alice")
    again = alice.say("once", to="bob", cid=first["cid"], resend=True)
    assert (again["id"], again["seq"]) == (first["id"], first["seq"])
    assert alice.bodies(to="bob") == ["once"]
    bob.expect_msg("once")
    assert not bob.seen("msg")


def test_a_resent_message_keeps_its_id_after_a_restart(server, connect):
    alice = connect("alice")
    first = alice.say("once", to="bob")
    for i in range(2500):
        alice.send(f"filler {i}", to="bob")
    for _ in range(2500):
        alice.expect("sent")
    server.restart()
    alice = connect("alice")
    again = alice.say("once", to="bob", cid=first["cid"], resend=True)
    assert (again["id"], again["seq"]) == (first["id"], first["seq"])
    rows = alice.history(to="bob", after=0, limit=5)[0]
    assert [row["body"] for row in rows].count("once") == 1


def test_a_resent_message_that_never_arrived_is_sent_now(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.say("lost on the way", to="bob", cid="never-seen", resend=True)
    bob.expect_msg("lost on the way")
    assert alice.bodies(to="bob") == ["lost on the way"]


def test_equal_cids_of_two_users_are_two_messages(connect):
    alice, bob = connect("alice"), connect("bob")
    first = alice.say("mine", to="bob", cid="1")
    second = bob.say("mine too", to="alice", cid="1")
    assert first["id"] != second["id"]
    assert alice.bodies(to="bob") == ["mine", "mine too"]


def test_bodies_are_kept_to_the_byte(connect):
    alice, bob = connect("alice"), connect("bob", codec="cbor")
    bob.expect("resumed")
    bodies = ["😀 \u2028 \\ \" / \t\n", "ffi\u0301", "\x7f\u0080", "a" * 65536, "\ufffd\U0010ffff"]
    for body in bodies:
        alice.say(body, to="bob")
    assert [bob.expect("msg")["body"] for _ in bodies] == bodies
    assert bob.bodies(to="alice") == bodies


def test_a_body_above_the_stated_maximum_is_refused(connect):
    alice = connect("alice")
    limit = alice.welcome["max_body_bytes"]
    cid = alice.send("a" * (limit + 1), to="bob")
    assert alice.expect("error", cid=cid)["code"] == "too_large"
    cid = alice.send("", to="bob")
    assert alice.expect("error", cid=cid)["code"] == "bad_request"
    alice.say("a" * limit, to="bob")


def test_many_writers_agree_on_one_order(connect):
    users = ["alice", "bob", "carol", "dave"]
    clients = [connect(user, codec=codec) for user, codec in zip(users, ["json", "cbor"] * 2)]
    for client in clients:
        client.expect("resumed")  # what is sent before may come twice
    clients[0].create("busy", *users[1:])
    for i in range(50):
        for client in clients:
            client.send(f"{client.user} {i}", chat="busy")
    streams = []
    for client in clients:
        for _ in range(50):
            client.expect("sent")
        others = [client.expect("msg") for _ in range(150)]
        seqs = [msg["seq"] for msg in others]
        assert seqs == sorted(set(seqs))
        streams.append([m["body"] for m in others])
    whole = clients[0].bodies(chat="busy")
    assert len(whole) == 200
    for client, stream in zip(clients, streams):
        assert stream == [body for body in whole if not body.startswith(client.user)]


def test_a_token_is_enough_to_be_told_who_one_is(connect):
    welcome = connect("alice", "phone").welcome
    assert welcome["device"] == "phone"
    assert welcome["heartbeat_ms"] > 0 and welcome["max_body_bytes"] == 65536
    assert DEADLINE_S * 1000 < 2 * welcome["heartbeat_ms"], "the tests would time out first"
