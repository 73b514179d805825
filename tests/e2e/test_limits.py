# SPDX-License-Identifier: MIT
"""Limits of users and addresses: who is over them is told when to come back, nobody else notices."""
import time

import pytest

from client import RawSocket
from harness import DEADLINE_S, run_chat


def limits(*options):
    """A server of its own with these options."""
    return pytest.mark.parametrize("server", [options], indirect=True)


@pytest.fixture
def server(make_server, request):
    return make_server(options=request.param).start()


@limits("--rate-bytes", 10, "--burst-bytes", 1000)
def test_a_user_over_the_limit_is_told_when_and_others_do_not_notice(connect):
    alice, laptop, carol = connect("alice", "phone"), connect("alice", "laptop"), connect("carol")
    bodies = [f"{i:0100}" for i in range(30)]
    cids = [alice.send(body, to="bob") for body in bodies]
    refused = [alice.expect("error", cid=cid) for cid in cids[10:]]
    assert {frame["code"] for frame in refused} == {"rate_limited"}
    assert all(0 < frame["retry_after_ms"] <= 10000 for frame in refused)
    other = laptop.expect("error", cid=laptop.send("from here", to="bob"))
    assert other["code"] == "rate_limited" and other["retry_after_ms"] > 0
    assert carol.say("hello", to="bob")["t"] == "sent"
    assert [alice.expect("sent")["cid"] for _ in cids[:10]] == cids[:10]
    assert not alice.seen("sent")
    assert alice.bodies(to="bob") == bodies[:10], "nothing was stored that was refused"


@limits("--rate-messages", 1, "--burst-messages", 3)
def test_messages_are_limited_and_pass_after_the_time_told(connect):
    alice = connect("alice")
    cids = [alice.send(f"m{i}", to="bob") for i in range(4)]
    refused = alice.expect("error", cid=cids[3])
    assert refused["code"] == "rate_limited" and 0 < refused["retry_after_ms"] <= 1000
    end = time.monotonic() + refused["retry_after_ms"] / 1000
    while time.monotonic() < end:
        alice.ping()
    alice.send("m3", to="bob", cid=cids[3], resend=True)
    alice.expect("sent", cid=cids[3])
    assert alice.bodies(to="bob") == ["m0", "m1", "m2", "m3"]


@limits("--rate-bytes", 1, "--burst-bytes", 10)
def test_connecting_again_is_no_way_out(connect):
    alice = connect("alice")
    alice.say("0123456789", to="bob")
    big = "x" * 1000
    assert alice.expect("error", cid=alice.send(big, to="bob"))["code"] == "rate_limited"
    alice.close()
    again = connect("alice")
    assert again.expect("error", cid=again.send(big, to="bob"))["code"] == "rate_limited"


@limits("--rate-messages", 100, "--burst-messages", 100)
def test_the_command_gets_all_through_once_and_in_order(server, connect):
    lines = [f"line {i}" for i in range(300)]
    done = run_chat("--json", "send", "@bob", "-", server=server, user="alice",
                    stdin="".join(f"{line}\n" for line in lines), timeout=4 * DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert connect("bob").bodies(to="alice") == lines


@limits("--rate-handshakes", 1, "--burst-handshakes", 5)
def test_handshakes_of_an_address_are_limited(server):
    answers = []
    for _ in range(20):
        with RawSocket(server) as caller:
            caller.write(caller.request(server.token("alice")))
            answers.append(caller.read_head())
    statuses = [status for status, _ in answers]
    assert statuses[:5] == [101] * 5
    assert 429 in statuses
    assert all(b"retry-after: 1" in head.lower() for status, head in answers if status == 429)
    with RawSocket(server) as caller:
        caller.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert caller.read_head()[0] == 200
