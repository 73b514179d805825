# SPDX-License-Identifier: MIT
"""Who is online: asked, watched, hidden; ghosts; who is typing."""
import json
import subprocess
import time

import pytest

from client import Client
from harness import DEADLINE_S, Process, chat_path, run_chat

HEARTBEAT_MS = 500


def presence(client, *users):
    rows, answer = client.request("presence.get", users=list(users))
    assert answer["t"] == "result" and answer["count"] == len(rows), answer
    return {row["user"]: row for row in rows}


@pytest.fixture
def quick(make_server):
    """Silence of a second ends a connection."""
    return make_server("quick", options=("--heartbeat-ms", str(HEARTBEAT_MS), "--shards", "2")).start()


@pytest.mark.parametrize("codec", ["json", "cbor"])
def test_who_is_online_is_told_for_many_users_at_once(connect, codec):
    alice = connect("alice", codec=codec)
    for i in range(5):
        connect(f"user-{i}")
    users = [f"user-{i}" for i in range(256)]
    found = presence(alice, *users)
    assert [user for user in users if found[user]["online"]] == users[:5]
    assert "ts" not in found["user-0"] and "ts" not in found["user-99"]


def test_watchers_hear_of_the_first_and_the_last_device(connect):
    alice = connect("alice")
    rows, answer = alice.request("presence.watch", users=["bob"])
    assert answer["count"] == 1 and not rows[0]["online"]
    phone = connect("bob", "phone")
    assert alice.expect("presence", user="bob")["online"]
    laptop = connect("bob", "laptop")
    phone.close()
    assert not alice.seen("presence", user="bob")
    assert presence(alice, "bob")["bob"]["online"]
    laptop.close()
    gone = alice.expect("presence", user="bob")
    assert not gone["online"] and abs(gone["ts"] / 1000 - time.time()) < 60
    assert presence(alice, "bob")["bob"]["ts"] == gone["ts"]


def test_presence_bound_of_a_crashed_client(quick, connect):
    alice = connect("alice", server=quick)
    alice.request("presence.watch", users=["bob"])
    bob = subprocess.Popen([chat_path(), "--url", quick.url, "--token", quick.token("bob"),
                            "listen"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert alice.expect("presence", user="bob")["online"]
        bob.kill()
        started = time.monotonic()
        assert not alice.expect("presence", timeout=DEADLINE_S, user="bob")["online"]
        assert time.monotonic() - started < 2 * HEARTBEAT_MS / 1000 + 1
    finally:
        bob.kill()
        bob.wait()


def test_a_silent_connection_is_no_ghost(quick):
    """Half open: its socket stays, nothing comes."""
    with Client(quick, "alice") as alice:
        bob = Client(quick, "bob")
        alice.request("presence.watch", users=["bob"])
        end = time.monotonic() + 2 * HEARTBEAT_MS / 1000 + 5
        while time.monotonic() < end:
            alice.ping()
            if any(not row["online"] for row in alice.inbox if row["t"] == "presence"):
                break
        assert not alice.expect("presence", user="bob")["online"]
        bob.abandon()


def test_who_hides_looks_offline(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.request("presence.watch", users=["bob"])
    assert bob.request("presence.hide", hidden=True)[1]["t"] == "result"
    assert not alice.expect("presence", user="bob")["online"]
    assert not presence(alice, "bob")["bob"]["online"]
    bob.say("still here", to="alice")
    alice.expect_msg("still here")
    bob.request("presence.hide", hidden=False)
    assert alice.expect("presence", user="bob")["online"]


def test_too_long_a_list_is_an_error(connect, make_server):
    server = make_server("small", options=("--presence-max-watched", "2")).start()
    alice = connect("alice", server=server)
    _, answer = alice.request("presence.watch", users=["a", "b", "c"])
    assert answer["code"] == "too_large"
    _, answer = alice.request("presence.get", users=[f"u{i}" for i in range(257)])
    assert answer["code"] == "bad_request"


def test_typing_reaches_members_and_is_not_stored(connect):
    alice, bob, carol, eve = (connect(name) for name in ("alice", "bob", "carol", "eve"))
    alice.create("team", "bob", "carol")
    alice.put({"t": "typing", "chat": "team"})
    assert bob.expect("typing") == {"t": "typing", "chat": "team", "user": "alice"}
    assert carol.expect("typing")["user"] == "alice"
    eve.put({"t": "typing", "chat": "team"})
    alice.put({"t": "typing", "to": "eve"})
    assert eve.expect("typing")["chat"] == "dm:5:alice:eve"
    assert not bob.seen("typing") and not alice.seen("typing")
    assert [row["t"] for row in alice.history(chat="team")[0]] == ["chat"]


def test_typing_is_passed_on_once_in_a_while(connect):
    alice, bob = connect("alice"), connect("bob")
    for _ in range(50):
        alice.put({"t": "typing", "to": "bob"})
    alice.say("done", to="bob")
    bob.expect_msg("done")
    assert len(bob.seen("typing")) <= 2


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_chat_typing(server, connect, options):
    bob = connect("bob")
    done = run_chat("typing", "@bob", *options, server=server, user="alice")
    assert done.returncode == 0, done.stderr
    assert bob.expect("typing") == {"t": "typing", "chat": "dm:5:alice:bob", "user": "alice"}
    wrong = run_chat("typing", "no\nchat", server=server, user="alice")
    assert wrong.returncode != 0 and "the chat cannot be used" in wrong.stderr


def test_chat_presence_and_hide(server, connect):
    bob = connect("bob")
    done = run_chat("presence", "@bob", "carol", server=server, user="alice")
    # Each node answers for its users.
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["bob online", "carol offline"]
    bob.close()
    connect("dan").request("presence.hide", hidden=True)
    done = run_chat("--json", "presence", "dan", server=server, user="alice")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    row = next(row for row in rows if row["t"] == "presence")
    assert row["user"] == "dan" and row["online"] is False and row["ts"] > 0
    assert run_chat("hide", "on", server=server, user="alice").stdout == "hidden\n"
    assert run_chat("hide", "off", server=server, user="alice").stdout == "visible\n"
    assert run_chat("hide", "maybe", server=server, user="alice").returncode == 2


def test_chat_watch_prints_who_comes_and_goes(server, connect):
    run = Process([chat_path(), "--url", server.url, "--token", server.token("alice"), "watch",
                   "bob"], name="chat watch", stderr=subprocess.DEVNULL)
    try:
        run.wait_line("bob offline")
        bob = connect("bob")
        run.wait_line("bob online")
        bob.close()
        run.wait_line(r"bob offline, last seen \d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
    finally:
        run.kill()


def test_the_prompt_shows_who_is_typing(server, connect):
    run = Process([chat_path(), "--url", server.url, "--token", server.token("alice")],
                  name="chat", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        run.wait_line("online as alice")
        bob = connect("bob")
        bob.put({"t": "typing", "to": "alice"})
        run.wait_line("bob is typing in @bob")
        run.write("/to @bob\n/typing\n")
        assert bob.expect("typing")["user"] == "alice"
    finally:
        run.kill()
