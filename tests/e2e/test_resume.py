# SPDX-License-Identifier: MIT
"""One event tells that a device has what it lacked: after each hello, over restarts and crashes."""
import json
import subprocess

import pytest

from harness import Process, chat_path

N_MISSED = 600  # more than the window and several batches


def resumed(client):
    frame = client.expect("resumed")
    return {key: frame[key] for key in ("state", "count")}


@pytest.mark.parametrize("codec", ["json", "cbor"])
def test_one_resume_event_behind_everything_that_was_missed(connect, codec):
    alice = connect("alice")
    bob = connect("bob", codec=codec)
    alice.say("first", to="bob")
    bob.expect_msg("first")
    bob.ping()
    bob.close()
    for i in range(N_MISSED):
        alice.send(f"missed {i}", to="bob")
    alice.say("the last", to="bob")
    bob = connect("bob", codec=codec)
    frame = bob.expect("resumed")
    assert (frame["state"], frame["count"]) == ("recovered", N_MISSED + 1)
    assert len([f for f in bob.inbox if f["t"] == "msg"]) == N_MISSED + 1, "it comes last"
    alice.say("live", to="bob")
    bob.expect_msg("live")
    assert not bob.seen("resumed"), "once a connection"


def test_a_device_that_is_not_known_is_told_reset(connect):
    alice = connect("alice", "phone")
    assert resumed(alice) == {"state": "reset", "count": 0}
    alice.say("one", to="bob")
    bob = connect("bob", "phone")
    assert resumed(bob) == {"state": "reset", "count": 1}
    bob.ping()
    assert resumed(connect("bob", "laptop")) == {"state": "reset", "count": 0}
    bob.close()
    assert resumed(connect("bob", "phone")) == {"state": "recovered", "count": 0}


def test_it_is_told_after_a_restart_too(server, connect):
    alice, bob = connect("alice"), connect("bob")
    assert resumed(bob)["state"] == "reset"
    bob.abandon()
    for i in range(3):
        alice.say(f"missed {i}", to="bob")
    server.restart()
    assert resumed(connect("bob")) == {"state": "recovered", "count": 3}
    assert resumed(connect("alice")) == {"state": "recovered", "count": 0}


def test_durable_resume(server, connect):
    """Away over kills, clean stops and another number of shards: each message once, in order."""
    bob = connect("bob")
    assert resumed(bob)["state"] == "reset"
    bob.abandon()
    sent = []
    options = list(server.options)
    for turn, shards in enumerate((1, 4, 3)):
        alice = connect("alice")
        for i in range(N_MISSED // 3):
            sent.append(f"{turn} {i}")
            alice.send(sent[-1], to="bob")
        sent.append(f"{turn} last")
        alice.say(sent[-1], to="bob")
        if turn % 2 == 0:
            server.kill()
        else:
            assert server.stop() == 0
        server.options = [*options, "--shards", str(shards)]
        server.start()
    bob = connect("bob")
    assert resumed(bob) == {"state": "recovered", "count": len(sent)}
    assert [f["body"] for f in bob.inbox if f["t"] == "msg"] == sent


def test_listen_prints_it_once_a_connection(server, connect):
    alice = connect("alice")
    alice.say("missed", to="bob")
    run = Process([chat_path(), "--url", server.url, "--token", server.token("bob"), "--json",
                   "listen"])
    try:
        run.wait_line('"resumed"')
        alice.expect("receipt", state="delivered")  # else it is given again
        server.restart()
        run.wait_line('"resumed".*"recovered"', timeout=20)
        connect("alice").say("live", to="bob")
        run.wait_line("live")
        events = [json.loads(line) for line in run.lines]
        told = [(e["state"], e["count"]) for e in events if e["t"] == "resumed"]
        assert told == [("reset", 1), ("recovered", 0)]
    finally:
        run.kill()


def test_the_prompt_tells_how_much_came(server, connect):
    alice = connect("alice")
    for i in range(4):
        alice.say(f"missed {i}", to="bob")
    run = Process([chat_path(), "--url", server.url, "--token", server.token("bob")],
                  stdin=subprocess.PIPE)
    try:
        run.wait_line("caught up: 4 messages")
    finally:
        run.kill()
