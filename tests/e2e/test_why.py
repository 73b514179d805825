# SPDX-License-Identifier: MIT
"""Where a message is: over shards, after a restart, for those who may ask."""
import json

from client import until
from harness import run_chat


def trail(client, message, **target):
    rows, answer = client.request("why", id=message, **target)
    assert answer["t"] == "result" and answer["count"] == len(rows), answer
    return [(row.get("user"), row.get("device"), row["state"]) for row in rows]


def test_explain(make_server, connect, server):
    """Bob acknowledges, carol is away; after a restart storage still says so."""
    alice, bob = connect("alice"), connect("bob", "laptop")
    bob.expect("resumed")
    alice.request("chat.create", chat="team", users=["bob", "carol"])
    sent = alice.say("where is it?", chat="team")
    bob.expect_msg("where is it?")
    alice.expect("receipt", seq=sent["seq"])
    rows = until(lambda rows: ("bob", None, "acked") in rows,
                 lambda: trail(alice, sent["id"], chat="team"))
    assert rows[:2] == [(None, None, "accepted"), (None, None, "durable")]
    assert ("carol", None, "waiting") in rows
    assert rows.index(("bob", "laptop", "pushed")) < rows.index(("bob", "laptop", "acked"))
    assert trail(alice, sent["id"], chat="team", device="laptop") == [
        ("bob", "laptop", "pushed"), ("bob", "laptop", "acked")]
    assert ("bob", "laptop", "acked") in trail(bob, sent["id"], chat="team")
    mallory = connect("mallory")
    rows, answer = mallory.request("why", id=sent["id"], chat="team")
    assert answer["code"] == "forbidden" and not rows
    assert server.stop() == 0
    server.start()
    rows = trail(connect("alice", "new"), sent["id"], chat="team")
    assert sorted(rows, key=str) == sorted([
        (None, None, "accepted"), (None, None, "durable"), ("bob", None, "acked"),
        ("carol", None, "waiting")], key=str)


def test_chat_why_prints_it(server, connect):
    alice, bob = connect("alice"), connect("bob", "laptop")
    bob.expect("resumed")
    sent = alice.say("where?", to="bob")
    bob.expect_msg("where?")
    alice.expect("receipt", seq=sent["seq"])
    text = run_chat("why", "@bob", sent["id"], server=server, user="alice").stdout
    assert "durable" in text and "bob/laptop  acked" in text
    lines = run_chat("--json", "why", "@bob", sent["id"], "laptop", server=server, user="alice").stdout
    states = [json.loads(line).get("state") for line in lines.splitlines()]
    assert "pushed" in states and "acked" in states


def test_a_message_is_named_as_other_verbs_print_it(server, connect):
    alice, bob = connect("alice"), connect("bob", "laptop")
    bob.expect("resumed")
    printed = run_chat("send", "@bob", "where?", server=server, user="alice").stdout.split()[-1]
    bob.expect_msg("where?")
    assert printed in run_chat("history", "@bob", server=server, user="alice").stdout
    assert "bob/laptop  acked" in run_chat("why", printed, server=server, user="alice").stdout
    one = run_chat("why", printed, "laptop", server=server, user="alice").stdout
    assert "acked" in one and "durable" not in one
    assert "bob" in run_chat("receipts", printed, server=server, user="alice").stdout
    run_chat("react", printed, "5", server=server, user="alice")
    assert "5" in run_chat("reactions", printed, server=server, user="alice").stdout
    chat, number = printed.split("/")
    run_chat("react", chat, number, server=server, user="alice")
    assert "5" not in run_chat("reactions", printed, server=server, user="alice").stdout.replace(number, "")
    alice.request("chat.create", chat="a/12345678901", users=["bob"])
    sent = alice.say("odd name", chat="a/12345678901")
    assert "durable" in run_chat("why", "a/12345678901", sent["id"], server=server, user="alice").stdout
    assert "durable" in run_chat("why", f"a/12345678901/{sent['id']}", server=server, user="alice").stdout
