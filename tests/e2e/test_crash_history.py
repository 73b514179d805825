# SPDX-License-Identifier: MIT
"""kill -9 of chatd, of clients, and of both, with groups whose members change, several devices of a
user, read markers, edits, deletions, reactions and blocks; judged by tools/check-history. LIBCHAT_SEED
repeats the choices of a run.
"""
import json
import os
import threading
import time
from collections import Counter

import pytest

from client import Client
from harness import DEADLINE_S
from history import Device, History, Listener, tell_log
from test_crash import GONE, seed_of_run

ROUNDS = int(os.environ.get("LIBCHAT_CRASH_ROUNDS", "20"))
CHATS = {"alice": ["team", "open"], "bob": ["team", "open", "dm:3:bob:carol"],
         "carol": ["team", "dm:3:bob:carol"], "dave": ["team", "open"]}
DEVICES = [("alice", "a1"), ("alice", "a2"), ("bob", "b1"), ("bob", "b2"), ("carol", "c1"),
           ("dave", "d1")]


def change_members(server, dice):
    """dave comes and goes; whoever gets no answer does it again some other time."""
    try:
        with Client(server, "alice", "maker") as maker:
            kind = dice.choice(["chat.add", "chat.remove"])
            _, answer = maker.request(kind, chat="team", users=["dave"])
            assert answer["t"] == "result", answer
    except GONE:
        pass


def rounds(server, listeners, dice):
    for i in range(ROUNDS):
        change_members(server, dice)
        threading.Event().wait(dice.uniform(0.0, 0.3))  # the random moment, nothing waits for it
        who = dice.choice(["server", "client", "both"])
        if who != "server":
            listener = dice.choice(listeners)
            listener.kill()
            listener.start()
        if who != "client":
            server.kill()
            server.start(server.port)
        for listener in listeners:
            listener.take()


def has_all(devices, listeners, marks):
    """Whether everybody has the last message of each of his chats."""
    for each in [*devices, *listeners]:
        for chat, seq in marks.items():
            if chat in CHATS[each.user] and each.app.last.get(chat, 0) < seq:
                return False
    return True


def settle(server, devices, listeners):
    """The last messages go round; then everybody has everything, or lacks it for good."""
    for device in devices:
        device.quiet.set()
    end = time.monotonic() + DEADLINE_S
    while any(device.open or device.asked or device.barring or device.is_barred
              for device in devices) and time.monotonic() < end:
        threading.Event().wait(0.05)
    with Client(server, "alice", "maker") as maker:
        _, answer = maker.request("chat.add", chat="team", users=["dave"])
        assert answer["t"] == "result", answer
        marks = {chat: maker.say("the end", chat=chat)["seq"] for chat in ("team", "open")}
    with Client(server, "bob", "last") as last:
        marks["dm:3:bob:carol"] = last.say("the end", chat="dm:3:bob:carol")["seq"]
    end = time.monotonic() + DEADLINE_S
    while not has_all(devices, listeners, marks) and time.monotonic() < end:
        for listener in listeners:
            listener.take()
        threading.Event().wait(0.05)


def stop(devices, listeners):
    for device in devices:
        device.stop.set()
    for device in devices:
        device.join(DEADLINE_S)
        assert device.failure is None, repr(device.failure)
    for listener in listeners:
        if listener.process is not None:
            listener.take()
            listener.process.kill()


@pytest.mark.timeout(180)
def test_every_guarantee_survives_kill_9_of_servers_and_clients(make_server, workdir):
    dice, seed = seed_of_run()
    server, history = make_server().start(), History()
    with Client(server, "alice", "maker") as maker:
        maker.create("team", "bob", "carol", "dave")
        maker.create("open", "bob", "dave")
    devices = [Device(server, history, user, device, CHATS[user], dice.random(),
                      bars="carol" if device == "b1" else None)
               for user, device in DEVICES]
    listeners = [Listener(server, history, "carol", "cli"), Listener(server, history, "bob", "cli")]
    started = time.monotonic()
    for device in devices:
        device.start()
    try:
        # The lines of a process come late: which device of a user was there first must be told.
        assert all(device.is_known.wait(DEADLINE_S) for device in devices)
        for listener in listeners:
            listener.start()
        rounds(server, listeners, dice)
        settle(server, devices, listeners)
    finally:
        stop(devices, listeners)
    del server.runs[:-1]
    history.tell("log", {"t": "end"})
    with Client(server, "alice", "reader") as alice, Client(server, "bob", "reader") as bob:
        for chat in ("team", "open"):
            tell_log(history, alice, chat)
        tell_log(history, bob, "dm:3:bob:carol")
    is_right, words = history.judge(os.path.join(workdir, "history.jsonl"))
    assert is_right, f"{words} (LIBCHAT_SEED={seed})"
    assert sum(device.n for device in devices) > ROUNDS, "nobody could write anything"
    notes = [json.loads(line) for line in history.lines if '"by": "log"' in line]
    counts = Counter(line.get("what") for line in notes if line["t"] == "note")
    assert min(counts[what] for what in ("edit", "delete", "react")) > 0, counts
    n_blocks = sum('"t": "block"' in line and '"done": true' in line for line in history.lines)
    assert n_blocks > 0 and "forbidden" in set().union(*(each.refused for each in devices))
    print(f"{words.strip()}; {ROUNDS} rounds, {time.monotonic() - started:.1f} s")
