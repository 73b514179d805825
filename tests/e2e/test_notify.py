# SPDX-License-Identifier: MIT
"""--notify-file: who is away is told, with the badge; who is there is not."""
import json
import os
import time

import pytest

from harness import DEADLINE_S


@pytest.fixture
def told_file(workdir):
    return os.path.join(workdir, "told.jsonl")


@pytest.fixture
def server(make_server, told_file):
    return make_server(options=["--notify-file", told_file, "--notify-interval-ms", 200]).start()


def told(path, count):
    """The first `count` notifications, when they are there."""
    end = time.monotonic() + DEADLINE_S
    rows = []
    while len(rows) < count and time.monotonic() < end:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                rows = [json.loads(line) for line in file.read().split("\n")[:-1]]
    assert len(rows) >= count, rows
    return rows


def test_who_is_away_is_told_and_who_is_there_is_not(told_file, connect):
    alice, bob = connect("alice"), connect("bob")
    alice.say("here", to="bob")
    bob.expect_msg("here")
    first = alice.say("hello", to="carol")
    alice.say("still there?", to="carol")
    rows = told(told_file, 2)
    assert [(row["user"], row["count"], row["from"]) for row in rows] == [("carol", 1, ["alice"])] * 2
    assert rows[0]["id"] == str(first["id"]) and rows[0]["chat"] == first["chat"]
    assert rows[0]["text"] == "You have a new message from alice"
    assert rows[1]["badge"] == 2


def test_push_right(told_file, connect):
    """Above ten they are told together, with the count, the names and the badge of `chats`."""
    senders = [connect(name) for name in ("alice", "bob", "dave", "erin")]
    for i in range(12):
        for sender in senders:
            sender.say(f"message {i}", to="carol")
    end = time.monotonic() + DEADLINE_S
    rows = told(told_file, 11)
    while rows[-1]["count"] != 48 and time.monotonic() < end:
        rows = told(told_file, len(rows))
    assert [row["count"] for row in rows[:10]] == [1] * 10
    last = rows[-1]
    assert last["text"] == "You have 48 new messages from alice, bob, dave and others"
    carol = connect("carol")
    chats, _ = carol.request("chats")
    assert last["badge"] == sum(row["unread"] for row in chats) == 48


def test_a_file_that_cannot_be_written_is_said_at_the_start(make_server, workdir, told_file):
    os.mkdir(told_file)
    server = make_server(options=["--notify-file", told_file])
    with pytest.raises(AssertionError):
        server.start()
    assert "notifier file" in server.log()
    server.kill()  # other members, which were not that far
    os.rmdir(told_file)
    server.start()


def test_a_muted_chat_is_not_told_and_another_is(told_file, connect):
    alice, carol = connect("alice"), connect("carol")
    alice.say("hello", to="carol")
    carol.expect_msg("hello")
    assert carol.request("mute", to="alice", until=2**53)[1]["t"] == "result"
    carol.close()
    for _ in range(12):
        sent = alice.say("psst", to="carol")
    connect("bob").say("loud", to="carol")
    rows = told(told_file, 1)
    assert [(row["from"], row["count"]) for row in rows] == [(["bob"], 1)]
    assert "muted" in [row["state"] for row in alice.request("why", id=sent["id"], to="carol")[0]]


def test_the_devices_that_lack_it_are_named(server, told_file, connect):
    """Bob's laptop acknowledges, his phone does not: when both are gone the phone alone is told."""
    alice, laptop = connect("alice"), connect("bob", "laptop")
    phone = connect("bob", "phone", acks=False)
    phone.expect("resumed")
    sent = alice.say("hello", to="bob")
    laptop.expect_msg("hello")
    phone.expect_msg("hello")
    alice.expect("receipt", seq=sent["seq"])
    laptop.close()
    phone.close()
    row = told(told_file, 1)[0]
    assert (row["user"], row["id"], row["devices"]) == ("bob", str(sent["id"]), ["phone"])
    alice.say("and now?", to="bob")
    assert sorted(told(told_file, 2)[1]["devices"]) == ["laptop", "phone"]
    end = time.monotonic() + DEADLINE_S
    states = []
    while "notify_accepted" not in states and time.monotonic() < end:
        states = [row["state"] for row in alice.request("why", id=sent["id"], to="bob")[0]]
    assert states.index("notified") < states.index("notify_accepted")
