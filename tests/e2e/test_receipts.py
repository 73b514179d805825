# SPDX-License-Identifier: MIT
"""What was read: markers, unread counts, who has a message; over devices, restarts and crashes."""
import json
import re
import socket
import struct
import threading
import time

import shared
from client import until
from harness import run_chat


def read(client, seq, **target):
    rows, answer = client.request("read", seq=seq, **target)
    assert answer["t"] == "result" and not rows, answer
    return answer["seq"]


def chat_row(client, chat):
    rows, answer = client.request("chats")
    assert answer["t"] == "result" and answer["count"] == len(rows), answer
    assert not [row for row in rows if row["chat"].startswith("me:")], "a self stream is no chat"
    return next(row for row in rows if row["chat"] == chat)


def states(client, message, **target):
    rows, answer = client.request("receipts", id=message, **target)
    assert answer["t"] == "result", answer
    return {row["user"]: row["state"] for row in rows}


def test_read_reaches_the_author_and_the_readers_other_devices(connect):
    alice = connect("alice")
    phone, laptop = connect("bob", "phone"), connect("bob", "laptop", codec="cbor")
    sent = alice.say("read me", to="bob")
    phone.expect_msg("read me")
    assert read(phone, sent["seq"], to="alice") == sent["seq"]
    receipt = alice.expect("receipt", state="read")
    assert (receipt["user"], receipt["seq"], receipt["chat"]) == ("bob", sent["seq"], sent["chat"])
    marker = laptop.expect("marker", of=sent["chat"])
    assert marker["read_seq"] == sent["seq"]
    assert not phone.seen("marker"), "the device that said it knows"
    assert not alice.seen("marker"), "nobody else gets a self stream"


def test_a_marker_never_goes_back_and_stays_on_what_exists(connect):
    alice, bob = connect("alice"), connect("bob")
    first, second = alice.say("one", to="bob"), alice.say("two", to="bob")
    bob.expect_msg("two")
    assert read(bob, second["seq"], to="alice") == second["seq"]
    assert read(bob, first["seq"], to="alice") == second["seq"]
    assert read(bob, 2**64 - 1, to="alice") == second["seq"]
    third = alice.say("three", to="bob")
    assert chat_row(bob, third["chat"])["unread"] == 1


def test_pure_unread(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = [alice.say(f"message {i}", to="bob") for i in range(5)]
    own = bob.say("mine", to="alice")
    chat = own["chat"]
    assert chat_row(bob, chat)["unread"] == 5
    assert chat_row(alice, chat)["unread"] == 1
    for i, message in enumerate(sent):
        read(bob, message["seq"], to="alice")
        row = chat_row(bob, chat)
        assert (row["unread"], row["read_seq"]) == (4 - i, message["seq"])
    alice.create("team", "bob")
    assert chat_row(bob, "team")["unread"] == 0, "the making of a chat is no message"
    alice.say("in the team", chat="team")
    assert chat_row(bob, "team")["unread"] == 1
    assert chat_row(alice, "team")["unread"] == 0


def test_markers_survive_kill_9(server, connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.say("before the crash", to="bob")
    bob.expect_msg("before the crash")
    assert read(bob, sent["seq"], to="alice") == sent["seq"]
    server.kill()
    server.runs.pop()
    server.start()
    row = chat_row(connect("bob"), sent["chat"])
    assert (row["read_seq"], row["unread"]) == (sent["seq"], 0)


def test_a_marker_reaches_a_device_that_was_away(server, connect):
    alice, phone, laptop = connect("alice"), connect("bob", "phone"), connect("bob", "laptop")
    sent = alice.say("hello", to="bob")
    laptop.expect_msg("hello")
    laptop.ping()
    laptop.close()
    assert read(phone, sent["seq"], to="alice") == sent["seq"]
    server.restart()
    assert connect("bob", "laptop").expect("marker", of=sent["chat"])["read_seq"] == sent["seq"]


def test_receipts_say_who_has_a_message(connect):
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    alice.create("team", "bob", "carol", "dave")
    sent = alice.say("who has it?", chat="team")
    for reader in (bob, carol):
        reader.expect_msg("who has it?")
        reader.ping()
    read(bob, sent["seq"], chat="team")
    wanted = {"bob": "read", "carol": "delivered", "dave": "sent"}
    until(lambda found: found == wanted, lambda: states(alice, sent["id"], chat="team"))
    _, answer = alice.request("receipts", chat="team", id=12345)
    assert answer["code"] == "not_found"
    _, answer = connect("eve").request("receipts", chat="team", id=sent["id"])
    assert answer["code"] == "forbidden"


def segments(client):
    """With data, that came to this client: tcpi_data_segs_in of tcp(7)."""
    info = client.socket.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("=I", info, 152)[0]


def segments_of_a_talk(alice, bob, count):
    """Alice says one after another, Bob gets each at once."""
    reader = threading.Thread(target=lambda: [bob.expect("msg") for _ in range(count)])
    reader.start()
    before = segments(alice)
    seqs = [alice.say(f"word {i}", to="bob")["seq"] for i in range(count)]
    used = segments(alice) - before
    reader.join()
    alice.expect("receipt", seq=seqs[-1])
    return used


def test_receipts_go_with_what_is_sent_anyway(connect):
    """They cost no packet of their own while there is something else to tell; the last one comes
    by itself. Not in every try: a busy machine takes longer for a message than a receipt waits, and
    so does Kafka."""
    alice, bob = connect("alice"), connect("bob")
    tries = []
    while not tries or (tries[-1] > 75 and len(tries) < 8):
        tries.append(segments_of_a_talk(alice, bob, 50))
    assert tries[-1] <= 75 or shared.is_wanted(), tries


def times(client, message, **target):
    rows, answer = client.request("receipts", id=message, **target)
    assert answer["t"] == "result", answer
    return {row["user"]: (row["state"], row.get("ts")) for row in rows}


def now_ms():
    return time.time_ns() // 1_000_000


def test_receipts_say_when_and_keep_it_over_a_kill_and_a_restart(server, connect):
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    alice.create("team", "bob", "carol", "dave")
    sent = alice.say("since when?", chat="team")
    for reader in (bob, carol):
        reader.expect_msg("since when?")
        reader.ping()

    def ask():
        return times(alice, sent["id"], chat="team")

    until(lambda found: found["bob"][0] == "delivered", ask)
    read(bob, sent["seq"], chat="team")
    first = until(lambda found: (found["bob"][0], found["carol"][0]) == ("read", "delivered"), ask)
    assert first["dave"] == ("sent", None)
    for _, ts in (first["bob"], first["carol"]):
        assert sent["ts"] <= ts <= now_ms()
    alice.say("and more", chat="team")
    carol.expect_msg("and more")
    carol.ping()
    assert times(alice, sent["id"], chat="team") == first
    server.restart()
    alice = connect("alice")
    assert times(alice, sent["id"], chat="team") == first
    server.kill()
    server.runs.pop()
    server.start()
    assert times(connect("alice"), sent["id"], chat="team") == first


def test_in_a_large_chat_who_asks_is_told(connect):
    users = [f"member-{i}" for i in range(9)]
    alice, reader = connect("alice"), connect(users[0])
    alice.create("crowd", *users)
    sent = alice.say("hello", chat="crowd")
    reader.expect_msg("hello")
    read(reader, sent["seq"], chat="crowd")
    assert not alice.seen("receipt")
    assert times(alice, sent["id"], chat="crowd")[users[0]] == ("read", None)


def test_strangers_mark_nothing(connect):
    alice, eve = connect("alice"), connect("eve")
    alice.create("team", "bob")
    sent = alice.say("private", chat="team")
    for target in ({"chat": "team"}, {"chat": "dm:5:alice:bob"}, {"chat": "me:alice"}):
        _, answer = eve.request("read", seq=sent["seq"], **target)
        assert answer["code"] == "forbidden", answer
    _, answer = eve.request("read", seq=1, chat="no-such")
    assert answer["code"] == "not_found"
    _, answer = alice.request("history", chat="me:alice")
    assert answer["code"] == "forbidden"
    _, answer = alice.request("chat.create", chat="me:alice")
    assert answer["code"] == "bad_request"


def test_many_markers_at_once_are_few_records(connect):
    alice, phone, laptop = connect("alice"), connect("bob", "phone"), connect("bob", "laptop")
    sent = [alice.say(f"message {i}", to="bob") for i in range(40)]
    for i, message in enumerate(sent):
        phone.put({"t": "read", "r": 1000 + i, "to": "alice", "seq": str(message["seq"])})
    for i, message in enumerate(sent):
        assert phone.expect("result", r=1000 + i)["seq"] >= message["seq"]
    laptop.expect("marker", read_seq=sent[-1]["seq"])
    seqs = [frame["read_seq"] for frame in laptop.inbox if frame["t"] == "marker"]
    assert seqs == sorted(set(seqs)), "strictly forward"


def test_the_verbs_of_chat(server, connect):
    alice = connect("alice")
    sent = alice.say("hello", to="bob")
    rows = run_chat("chats", server=server, user="bob")
    assert rows.returncode == 0 and "unread=1" in rows.stdout, rows
    done = run_chat("read", "@alice", sent["seq"], server=server, user="bob")
    assert (done.returncode, done.stdout) == (0, f"read up to {sent['seq']}\n"), done
    assert "unread=0" in run_chat("chats", server=server, user="bob").stdout
    who = run_chat("receipts", "@bob", sent["id"], server=server, user="alice")
    assert (who.returncode, who.stdout) == (0, who.stdout), who
    assert re.fullmatch(r"bob  read  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", who.stdout), who
    lines = run_chat("receipts", "@bob", sent["id"], "--json", server=server, user="alice").stdout
    frames = [json.loads(line) for line in lines.splitlines()]
    assert [f["state"] for f in frames if f["t"] == "receipt"] == ["read"]
    assert [f["ts"] >= sent["ts"] for f in frames if f["t"] == "receipt"] == [True]
    assert run_chat("read", "@alice", "x", server=server, user="bob").returncode == 2
    assert run_chat("read", "no-such", "1", server=server, user="bob").returncode == 1


# --- mute ---

def test_mute_is_told_to_the_other_devices_and_survives_kill_9(server, connect):
    alice, phone, laptop = connect("alice"), connect("bob", "phone"), connect("bob", "laptop")
    chat = alice.say("hello", to="bob")["chat"]
    assert "until" not in chat_row(phone, chat)
    rows, answer = phone.request("mute", to="alice", until=2**53)
    assert (answer["t"], answer["chat"], rows) == ("result", chat, [])
    setting = laptop.expect("setting", of=chat)
    assert (setting["until"], setting["from"]) == (2**53, "bob")
    assert not phone.seen("setting") and not alice.seen("setting")
    server.kill()
    server.runs.pop()
    server.start()
    bob = connect("bob", "phone")
    assert chat_row(bob, chat)["until"] == 2**53
    assert "until" not in chat_row(connect("alice"), chat)
    assert bob.request("mute", chat=chat)[1]["t"] == "result"
    assert "until" not in chat_row(bob, chat)


def test_a_mute_that_is_over_is_not_shown(connect):
    alice, bob = connect("alice"), connect("bob")
    chat = alice.say("hello", to="bob")["chat"]
    assert bob.request("mute", chat=chat, until=1)[1]["t"] == "result"
    assert "until" not in chat_row(bob, chat)


def test_only_members_mute_a_chat(connect):
    alice, eve = connect("alice"), connect("eve")
    alice.create("team", "bob")
    assert eve.request("mute", chat="team", until=2**53)[1]["code"] == "forbidden"
    assert eve.request("mute", chat="no-such", until=2**53)[1]["code"] == "not_found"
    chat = alice.say("hello", to="bob")["chat"]
    assert eve.request("mute", chat=chat, until=2**53)[1]["code"] == "forbidden"


def test_the_command_mutes_and_unmutes(server, connect):
    alice, laptop = connect("alice"), connect("bob", "laptop")
    alice.say("hello", to="bob")
    done = run_chat("mute", "@alice", "3600", server=server, user="bob")
    assert (done.returncode, done.stdout) == (0, "muted\n"), done.stderr
    assert laptop.expect("setting")["until"] > 0
    assert "muted" in run_chat("chats", server=server, user="bob").stdout
    done = run_chat("--json", "unmute", "@alice", server=server, user="bob")
    assert "result" in [json.loads(line)["t"] for line in done.stdout.splitlines()]
    assert laptop.expect("setting", until=0)["until"] == 0
    assert "muted" not in run_chat("chats", server=server, user="bob").stdout
    assert run_chat("mute", "@alice", "soon", server=server, user="bob").returncode == 2
