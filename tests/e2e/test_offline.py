# SPDX-License-Identifier: MIT
"""A device that was away too long is told of a gap, and the client fills it from history."""
import json

import pytest

from harness import Process, chat_path

N_MISSED = 25_000
LIMIT = 10_000
BURST = 500


def chatd_with(*options):
    return pytest.mark.parametrize("server", [options], indirect=True)


@pytest.fixture
def server(make_server, request):
    return make_server(options=list(request.param)).start()


def miss(connect, n, first=0):
    """Send n messages to bob, who is away, and wait until they are durable."""
    alice = connect("alice")
    for start in range(first, first + n, BURST):
        for i in range(start, min(start + BURST, first + n)):
            last = alice.send(f"missed {i}", to="bob")
        alice.expect("sent", cid=last)
        alice.inbox.clear()
    alice.close()


def know(connect, **kwargs):
    """Make bob's device known, with nothing in it."""
    bob = connect("bob", **kwargs)
    bob.expect("resumed")
    bob.close()


def listen(server, last):
    """What `chat listen` prints as bob until the message `last`, then its resume event."""
    run = Process([chat_path(), "--url", server.url, "--token", server.token("bob"), "--device",
                   "phone", "--json", "listen"])
    try:
        run.wait_line(f'"missed {last}"', timeout=60)
        run.wait_line('"resumed"', timeout=20)
        return [json.loads(line) for line in run.lines]
    finally:
        run.kill()


def bodies(events):
    return [event["body"] for event in events if event["t"] == "msg"]


@chatd_with("--offline-limit", str(LIMIT), "--rate-messages", "0")
def test_who_was_away_for_25000_messages_ends_with_all_of_them_in_order(server, connect):
    know(connect, device="phone")
    miss(connect, N_MISSED)
    events = listen(server, N_MISSED - 1)
    assert bodies(events) == [f"missed {i}" for i in range(N_MISSED)]
    told = [(e["state"], e["count"]) for e in events if e["t"] == "resumed"]
    assert told == [("recovered", N_MISSED)]
    again = connect("bob", device="phone")
    assert again.expect("resumed")["count"] == 0, "the gap is closed for good"


@chatd_with("--offline-ttl", "1")
def test_what_is_older_than_the_ttl_comes_from_history(server, connect):
    know(connect, device="phone")
    miss(connect, 300)
    connect("alice").say("missed 300", to="bob")
    events = listen(server, 300)
    assert bodies(events) == [f"missed {i}" for i in range(301)]


@chatd_with("--offline-limit", "50")
def test_the_limit_counts_over_all_chats_and_the_oldest_go_first(server, connect):
    know(connect, device="phone")
    alice, carol = connect("alice"), connect("carol")
    for i in range(40):
        alice.say(f"a{i}", to="bob")
    for i in range(40):
        carol.say(f"c{i}", to="bob")
    bob = connect("bob", device="phone")
    assert bob.expect("gap")["chat"] == "dm:5:alice:bob"
    assert bob.expect("resumed") == {"t": "resumed", "state": "gap", "count": 50}
    got = [f["body"] for f in bob.inbox if f["t"] == "msg"]
    assert sorted(got) == sorted([f"a{i}" for i in range(30, 40)] + [f"c{i}" for i in range(40)])
    assert not bob.seen("gap")


@chatd_with("--offline-limit", "50")
@pytest.mark.parametrize("codec", ["json", "cbor"])
def test_a_raw_client_is_told_of_the_gap_until_it_confirms(server, connect, codec):
    know(connect, device="phone")
    miss(connect, 120)
    for _ in range(2):
        bob = connect("bob", device="phone", codec=codec)
        gap = bob.expect("gap")
        assert bob.expect("resumed")["state"] == "gap"
        assert len([f for f in bob.inbox if f["t"] == "msg"]) == 50
        bob.ping()
        bob.close()
    bob = connect("bob", device="phone", codec=codec)
    bob.expect("resumed")
    rows, _ = bob.history(chat=gap["chat"], after=gap["after"], limit=100)
    inside = [row["body"] for row in rows if int(row["seq"]) < int(gap["before"])]
    assert inside == [f"missed {i}" for i in range(70)]
    seq = str(int(gap["before"]) - 1) if codec == "json" else int(gap["before"]) - 1
    bob.put({"t": "ack", "n": bob.n_stream, "chat": gap["chat"], "seq": seq})
    bob.ping()
    bob.close()
    bob = connect("bob", device="phone", codec=codec)
    assert bob.expect("resumed") == {"t": "resumed", "state": "recovered", "count": 0}
    assert not bob.seen("gap")
