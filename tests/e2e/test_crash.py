# SPDX-License-Identifier: MIT
"""Acknowledged is durable: chatd is killed again and again at a random moment while four clients
send as fast as they can. LIBCHAT_SEED repeats a run, LIBCHAT_CRASH_ROUNDS makes it longer.
"""
import json
import os
import queue
import random
import secrets
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

import shared
from client import Client
from harness import DEADLINE_S, Process, chat_path

ROUNDS = int(os.environ.get("LIBCHAT_CRASH_ROUNDS", "20"))
USERS = ["alice", "bob", "carol", "dave"]
GONE = (OSError, EOFError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError,
        AssertionError)


class Sender(threading.Thread):
    """One client: a window of messages on their way, resent by cid over each new connection."""

    WINDOW = 16

    def __init__(self, server, user, codec):
        super().__init__(daemon=True)
        self.server, self.user, self.codec = server, user, codec
        self.sent = {}       # cid -> (id, seq), as the server said
        self.open = {}       # cid -> body, without an answer
        self.n = 0
        self.changed = []    # a second answer with another id: a broken promise
        self.up = threading.Event()
        self.stop = threading.Event()
        self.progress = queue.Queue()

    def run(self):
        while not self.stop.is_set():
            if not self.up.wait(0.1):
                continue
            try:
                self.talk()
            except GONE:
                self.stop.wait(0.02)  # the server is dead: not every turn of the loop a new try

    def talk(self):
        client = Client(self.server, self.user, codec=self.codec)
        try:
            for cid, body in list(self.open.items()):
                client.send(body, chat="crash", cid=cid, resend=True)
            while not self.stop.is_set() or self.open:
                while len(self.open) < self.WINDOW and not self.stop.is_set():
                    self.n += 1
                    cid = f"{self.user}-{self.n}"
                    self.open[cid] = f"{cid} {'x' * (self.n * 37 % 400)}"
                    client.send(self.open[cid], chat="crash", cid=cid)
                self.take(client.expect("sent"))
                client.inbox.clear()
        finally:
            client.abandon()

    def take(self, sent):
        place = (sent["id"], sent["seq"])
        if self.sent.setdefault(sent["cid"], place) != place:
            self.changed.append(sent["cid"])
        self.open.pop(sent["cid"], None)
        self.progress.put(sent["cid"])


def read_all(client, forward):
    """Every row of the chat, oldest first, read page by page in one direction."""
    rows, query = [], {"after": 0} if forward else {}
    while True:
        page, more = client.history(chat="crash", limit=100, **query)
        rows += page
        if not more:
            break
        query = {"after": page[-1]["seq"]} if forward else {"before": page[-1]["seq"]}
    rows = rows if forward else rows[::-1]
    return [(row["seq"], row["id"], row.get("cid")) for row in rows if row["t"] == "msg"]


def seed_of_run():
    seed = int(os.environ.get("LIBCHAT_SEED") or secrets.randbits(32))
    print(f"LIBCHAT_SEED={seed}")
    return random.Random(seed), seed


def crash_rounds(server, senders, dice):
    """Kill at a random moment after some progress, restart on the same port."""
    for sender in senders:
        sender.up.set()
        sender.start()
    for _ in range(ROUNDS):
        for sender in senders:
            sender.progress.get(timeout=DEADLINE_S)
        threading.Event().wait(dice.uniform(0.0, 0.4))  # the random moment, nothing waits for it
        server.kill()
        server.start(server.port)


def finish(senders):
    for sender in senders:
        sender.stop.set()
    for sender in senders:
        sender.join(DEADLINE_S)
        assert not sender.is_alive(), f"{sender.user} never got all its answers: {sender.open}"


@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_kill_9(make_server):
    dice, seed = seed_of_run()
    server = make_server().start()
    with Client(server, "alice", "maker") as maker:
        maker.create("crash", *USERS[1:])
    senders = [Sender(server, user, codec) for user, codec in zip(USERS, ["json", "cbor"] * 2)]
    started = time.monotonic()
    crash_rounds(server, senders, dice)
    finish(senders)
    del server.runs[:-1]  # the others were killed: their exit codes say nothing
    with Client(server, "alice", "r1") as one, Client(server, "dave", "r2", codec="cbor") as two:
        forward, backward = read_all(one, True), read_all(two, False)
    assert forward == backward, f"two readers disagree (LIBCHAT_SEED={seed})"
    seqs, ids, cids = zip(*forward)
    assert all(a < b for a, b in zip(seqs, seqs[1:])), f"order is broken (LIBCHAT_SEED={seed})"
    assert len(set(ids)) == len(ids), f"an id was given twice (LIBCHAT_SEED={seed})"
    assert len(set(cids)) == len(cids), f"a message is there twice (LIBCHAT_SEED={seed})"
    places = {cid: (id_, seq) for seq, id_, cid in forward}
    for sender in senders:
        assert not sender.changed, f"{sender.changed} got another id (LIBCHAT_SEED={seed})"
        lost = {cid for cid, place in sender.sent.items() if places.get(cid) != place}
        assert not lost, f"{len(lost)} acknowledged messages are gone (LIBCHAT_SEED={seed})"
    print(f"{len(forward)} messages, {ROUNDS} kills, {time.monotonic() - started:.1f} s")


class Typist:
    """`chat send CHAT -`: the command line client with lines on its standard input."""

    def __init__(self, server, user, device):
        self.run = Process([chat_path(), "--url", server.url, "--token", server.token(user),
                            "--timeout", str(15 * shared.patience()), "--json", "--device", device,
                            "send", "crash", "-"],
                           name=f"chat send by {user}", stdin=-1)
        self.user, self.n = user, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.type, daemon=True)

    def type(self):
        try:
            while not self.stop.wait(0.02):  # the pace: more would only make the reading long
                for _ in range(10):
                    self.n += 1
                    self.run.write(f"{self.user} line {self.n}\n")
        except (BrokenPipeError, ValueError):
            pass


@pytest.mark.timeout(300)
def test_lines_that_the_command_line_client_calls_sent_survive_kill_9(make_server):
    dice, seed = seed_of_run()
    server = make_server().start()
    with Client(server, "alice", "maker") as maker:
        maker.create("crash", *USERS[1:])
    typists = [Typist(server, user, "cli") for user in USERS]
    try:
        for typist in typists:
            typist.thread.start()
        for _ in range(max(1, ROUNDS // 6)):
            at = [len(typist.run.lines) for typist in typists]
            for typist, start in zip(typists, at):
                typist.run.wait_line('"sent"', start=start)
            threading.Event().wait(dice.uniform(0.0, 0.3))
            server.kill()
            server.start(server.port)
        for typist in typists:
            typist.stop.set()
        for typist in typists:
            typist.thread.join(DEADLINE_S)
            typist.run.child.stdin.close()
            assert typist.run.wait_exit(40) == 0, typist.run.output[-2000:]
    finally:
        for typist in typists:
            typist.run.kill()
    del server.runs[:-1]
    with Client(server, "alice", "r1") as one:
        forward = read_all(one, True)
        bodies = one.bodies(chat="crash")
    assert len(set(bodies)) == len(bodies), f"a line is there twice (LIBCHAT_SEED={seed})"
    ids = {id_ for _, id_, _ in forward}
    for typist in typists:
        said = [json.loads(line) for line in typist.run.lines if '"sent"' in line]
        lost = [event for event in said if int(event["id"]) not in ids]
        assert not lost, f"{len(lost)} lines are gone (LIBCHAT_SEED={seed})"
        mine = [body for body in bodies if body.startswith(typist.user)]
        assert mine == [f"{typist.user} line {i + 1}" for i in range(len(mine))], "order is lost"
        assert len(mine) == len(said)
