# SPDX-License-Identifier: MIT
"""Blocks: what is refused, what is hidden, over devices, restarts, crashes and many shards."""
import json
import os

import pytest

from client import Client
from harness import Process, chat_path, run_chat


def ask(client, kind, **fields):
    rows, answer = client.request(kind, **fields)
    assert answer["t"] == "result", answer
    return rows


def block(client, user):
    assert not ask(client, "block", user=user)


def unblock(client, user):
    assert not ask(client, "unblock", user=user)


def blocked_by(client):
    return sorted(row["user"] for row in ask(client, "blocks") if row["blocked"])


def outcome(client, cid):
    """`sent`, or the code of the error."""
    while True:
        for frame in client.inbox:
            if frame.get("cid") == cid and frame["t"] in ("sent", "error"):
                client.inbox.remove(frame)
                return frame.get("code", frame["t"])
        client.ping()


def is_refused(client, body, to):
    """Whether a message is; it must be one or the other."""
    found = outcome(client, client.send(body, to=to))
    assert found in ("sent", "forbidden")
    return found == "forbidden"


def presence_of(client, user):
    return ask(client, "presence.get", users=[user])[0]


@pytest.fixture
def shards(make_server):
    return make_server("shards", options=("--shards", "4")).start()


def test_who_is_blocked_is_refused_and_groups_are_not_touched(connect):
    alice, bob = connect("alice"), connect("bob", codec="cbor")
    alice.create("team", "bob")
    bob.say("before", to="alice")
    alice.expect_msg("before")
    block(alice, "bob")
    assert is_refused(bob, "after", "alice")
    assert is_refused(alice, "from me", "bob")
    bob.say("in the group", chat="team")
    alice.expect_msg("in the group")
    assert alice.bodies(to="bob") == ["before"]
    assert bob.bodies(to="alice") == ["before"]
    unblock(alice, "bob")
    bob.say("again", to="alice")
    alice.expect_msg("again")


def test_only_deletions_pass(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = bob.say("mine", to="alice")
    alice.expect_msg("mine")
    block(alice, "bob")
    for kind, fields in (("edit", {"body": "x"}), ("react", {"reaction": "x"})):
        _, answer = bob.request(kind, to="alice", re=sent["id"], **fields)
        assert answer["code"] == "forbidden" and "blocked you" in answer["text"]
    for kind in ("receipts", "why"):
        _, answer = bob.request(kind, to="alice", id=sent["id"])
        assert answer["code"] == "forbidden"
    ask(bob, "delete", to="alice", re=sent["id"])
    assert alice.expect("note", what="delete")["re"] == sent["id"]


def test_a_block_reaches_all_devices_those_that_were_away_too(server, connect):
    phone, laptop = connect("alice", "phone"), connect("alice", "laptop")
    phone.expect("resumed")
    block(phone, "eve")
    told = laptop.expect("blocked", user="eve")
    assert told["blocked"] and told["of"] == "dm:5:alice:eve"
    assert not phone.seen("blocked"), "the device that said it knows"
    laptop.ping()
    laptop.close()
    block(phone, "mallory")
    unblock(phone, "eve")
    server.restart()
    laptop = connect("alice", "laptop")
    assert laptop.expect("blocked", user="mallory")["blocked"]
    assert not laptop.expect("blocked", user="eve")["blocked"]
    assert blocked_by(laptop) == ["mallory"]


def test_a_block_survives_kill_9(shards):
    users = [f"user-{i}" for i in range(6)]
    alice = Client(shards, "alice")
    others = [Client(shards, user) for user in users]
    for user, other in zip(users, others):
        other.say("before", to="alice")
        block(alice, user)
        assert is_refused(other, "after the answer", "alice")
    unblock(alice, users[0])
    for each in (alice, *others):
        each.abandon()
    shards.kill()
    shards.runs.pop()
    shards.start()
    with Client(shards, "alice") as alice:
        assert blocked_by(alice) == users[1:]
        for user in users:
            with Client(shards, user) as other:
                assert is_refused(other, "after the crash", "alice") == (user != users[0])
        unblock(alice, users[1])
    with Client(shards, users[1]) as other:
        assert not is_refused(other, "after the unblock", "alice")


def test_the_answer_is_where_it_begins(shards):
    """Bob writes as fast as he can; what comes behind alice's answer is refused, each time."""
    with Client(shards, "alice") as alice, Client(shards, "bob", codec="cbor") as bob:
        for turn in range(30):
            cids = [bob.send(f"{turn} before {i}", to="alice") for i in range(20)]
            block(alice, "bob")
            assert is_refused(bob, f"{turn} after", "alice")
            ends = [outcome(bob, cid) for cid in cids]
            assert ends == sorted(ends, reverse=True), "refused from one of them on"
            unblock(alice, "bob")
            bob.say(f"{turn} again", to="alice")
        assert not [body for body in alice.bodies(to="bob") if body.endswith("after")]


def test_who_is_blocked_sees_nobody(shards):
    with Client(shards, "alice", "phone") as alice, Client(shards, "bob") as bob:
        assert ask(bob, "presence.watch", users=["alice"])[0]["online"]
        block(alice, "bob")
        hidden = bob.expect("presence", user="alice")
        assert not hidden["online"] and "ts" not in hidden
        assert "ts" not in presence_of(bob, "alice") and not presence_of(bob, "alice")["online"]
        assert presence_of(alice, "bob")["online"], "the other way round nothing is hidden"
        with Client(shards, "alice", "laptop"):
            pass
        alice.put({"t": "typing", "to": "bob"})
        alice.ping()
        assert not bob.seen("presence") and not bob.seen("typing")
        bob.put({"t": "typing", "to": "alice"})
        bob.ping()
        assert not alice.seen("typing")
        unblock(alice, "bob")
        assert bob.expect("presence", user="alice")["online"]
        assert presence_of(bob, "alice")["online"]
        alice.close()
        assert "ts" in bob.expect("presence", user="alice")


def test_last_seen_is_hidden_from_who_was_blocked_and_comes_back(server, connect):
    alice = connect("alice")
    block(alice, "bob")
    alice.close()
    assert "ts" not in presence_of(connect("bob"), "alice")
    assert "ts" in presence_of(connect("carol"), "alice")


def test_nobody_is_notified_of_what_was_refused(make_server, workdir):
    told_file = os.path.join(workdir, "told.jsonl")
    server = make_server("teller", options=["--notify-file", told_file]).start()
    with Client(server, "alice") as alice, Client(server, "bob") as bob:
        block(alice, "bob")
        alice.close()
        assert is_refused(bob, "can you hear me?", "alice")
        with Client(server, "carol") as carol:
            carol.say("hello", to="alice")
    server.stop()
    with open(told_file, encoding="utf-8") as file:
        authors = [json.loads(line)["from"] for line in file]
    assert "bob" not in json.dumps(authors) and authors


def test_wrong_requests_are_refused_kindly(make_server):
    server = make_server("few", options=["--max-blocked", 2]).start()
    with Client(server, "alice") as alice:
        _, answer = alice.request("block", user="alice")
        assert (answer["code"], answer["text"]) == ("bad_request", "`user` must be another user")
        block(alice, "bob")
        block(alice, "carol")
        block(alice, "carol")
        _, answer = alice.request("block", user="dave")
        assert answer["code"] == "too_large" and "unblock one first" in answer["text"]
        unblock(alice, "bob")
        block(alice, "dave")
        assert blocked_by(alice) == ["carol", "dave"]


def test_who_listens_is_told_what_another_device_blocks(server, connect):
    listen = Process([chat_path(), "--url", server.url, "--token", server.token("alice"), "listen"])
    phone = connect("alice", "phone")
    while len(ask(phone, "devices")) < 2:
        pass
    block(phone, "bob")
    listen.wait_line(r"^@bob  blocked$")
    unblock(phone, "bob")
    listen.wait_line(r"^@bob  no longer blocked$")
    listen.kill()


def test_the_command_line_blocks_and_tells_whom(server, connect):
    def chat(*words):
        run = run_chat(*words, server=server, user="alice")
        assert run.returncode == 0, run.stderr
        return run.stdout

    bob = connect("bob")
    assert chat("block", "@bob") == "blocked\n"
    assert is_refused(bob, "hello?", "alice")
    assert chat("blocks") == "bob\n"
    rows = [json.loads(line) for line in chat("--json", "blocks").splitlines()]
    assert [(row["user"], row["blocked"]) for row in rows if "blocked" in row] == [("bob", True)]
    assert chat("unblock", "bob") == "no longer blocked\n"
    assert chat("blocks") == ""
    bob.say("hello", to="alice")
    wrong = run_chat("block", "alice", server=server, user="alice")
    assert wrong.returncode != 0 and "another user" in wrong.stderr
