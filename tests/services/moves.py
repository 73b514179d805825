# SPDX-License-Identifier: MIT
"""What users notice when members of a cluster come, go, do not hear each other or what they need, and
when clocks jump. Over one Kafka broker, one Cassandra node and etcd; as outages.py, and run with it.
"""
import base64
import contextlib
import itertools
import json
import os
import threading
import time
import urllib.request

import pytest

from conftest import ROOT  # noqa: F401  (the path of the end-to-end tests)
import outages
import shared
from outages import WAIT_S, Door, talk_through
from test_cluster import make_members  # noqa: F401  (a fixture)
from test_etcd import TTL_MS, etcd, make_chatd, numbers_held  # noqa: F401  (fixtures)
import test_growth
from test_links import Wire
from test_places import N_SLOTS
from test_slots import murmur2
from client import Client

APART_S = 12  # the links' timeout is 1.5 s, a lease 2 s
JUMP_S, IDS_S = 2, 60


def chat_of(slot):
    return next(name for n in itertools.count() if slot == (
        (murmur2((name := f"team{n}").encode()) & 0x7fffffff) % shared.PARTITIONS) % N_SLOTS)


@pytest.fixture(autouse=True)
def talk_everywhere(monkeypatch):
    """Of each member something is wanted all the time."""
    chats = [chat_of(slot) for slot in range(N_SLOTS)]
    monkeypatch.setattr(outages, "CHATS", {user: chats for user in outages.CHATS})


@pytest.fixture
def three(make_members):  # noqa: F811
    def make(n_running, prepare=lambda cluster: None):
        cluster = make_members(3)
        prepare(cluster)
        for member in range(n_running):
            cluster.start(member)
        cluster.expect(*{2: (4, 4, None), 3: (3, 3, 2)}[n_running], timeout=60)
        return cluster
    return make


def leave(server):
    """As an operator does it."""
    assert server.stop(60) == 0, server.log()
    server.runs.clear()


def test_two_members_do_not_hear_each_other(three, tmp_path):
    cluster = three(3)

    def outage():
        cluster.wires[1].freeze()  # by it the first member calls the second, and nobody else
        time.sleep(APART_S)
        cluster.wires[1].thaw()
    talk_through(Door(cluster), tmp_path, outage, APART_S + WAIT_S)


def value_of(server, option):
    return server.options[server.options.index(option) + 1]


@contextlib.contextmanager
def wire_to(port):
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()


def cut_off(wire):
    wire.freeze()
    time.sleep(APART_S)
    wire.thaw()


def test_a_member_does_not_reach_etcd(three, tmp_path):
    """Others run its slots when its lease is over; it serves who is connected to it as a gateway."""
    with contextlib.ExitStack() as stack:
        wires = []

        def prepare(cluster):
            url = value_of(cluster.servers[1], "--etcd")
            wires.append(stack.enter_context(wire_to(int(url.rsplit(":", 1)[1]))))
            at = cluster.servers[1].options.index("--etcd")
            cluster.servers[1].options[at + 1] = f"http://127.0.0.1:{wires[0].port}"
        cluster = three(3, prepare)

        def outage():
            wires[0].freeze()
            cluster.expect(4, 0, 4, timeout=WAIT_S)
            time.sleep(APART_S)
            wires[0].thaw()
            cluster.expect(3, 3, 2, timeout=WAIT_S)
        talk_through(Door(cluster), tmp_path, outage, WAIT_S)


def test_a_member_does_not_reach_kafka(three, tmp_path, build):
    """What is sent to its slots waits: they stay its own."""
    with contextlib.ExitStack() as stack:
        wires = []

        def prepare(cluster):
            server = cluster.servers[1]
            port = int(value_of(server, "--kafka-brokers").rsplit(":", 1)[1])
            wires.append(stack.enter_context(wire_to(port)))
            server.env = {"LD_PRELOAD": str(build / "tests/services/detour.so"),
                          "CHAT_DETOUR": f"{port}:{wires[0].port}"}
        cluster = three(3, prepare)
        assert wires[0].n_accepted > 0

        def outage():
            cut_off(wires[0])
            cluster.expect(3, 3, 2)
        talk_through(Door(cluster), tmp_path, outage, APART_S + WAIT_S)
        leave(cluster.servers[1])  # as long as it reaches what it has to finish


def ask_etcd(where, path, **fields):
    request = urllib.request.Request(where + path, json.dumps(fields).encode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def revoke_lease_of(where, key):
    """By hand: all that hangs on it is gone at once."""
    found = ask_etcd(where, "/v3/kv/range", key=base64.b64encode(key.encode()).decode())
    ask_etcd(where, "/v3/lease/revoke", ID=found["kvs"][0]["lease"])


def test_the_leases_of_a_member_are_revoked(three, tmp_path, etcd):  # noqa: F811
    cluster = three(3)
    server = cluster.servers[1]
    prefix = value_of(server, "--etcd-prefix")

    def outage():
        for key in (f"place/{1:04}", f"holder/{numbers_held(server)[0]:04}"):
            lines = len(server.run.lines)
            revoke_lease_of(etcd, prefix + key)
            server.run.wait_line("(slots of this member|node numbers) are lost", start=lines)
            numbers_held(server, lines) if "holder" in key else None
            cluster.expect(3, 3, 2, timeout=WAIT_S)
            time.sleep(2)
    talk_through(Door(cluster), tmp_path, outage, WAIT_S)


def test_a_third_member_comes_and_the_first_goes(three, tmp_path):
    cluster = three(2)
    door = Door(cluster)
    door.servers = cluster.servers[:2]

    def outage():
        cluster.start(2)
        cluster.expect(3, 3, 2, timeout=30)
        door.servers = cluster.servers[1:]
        time.sleep(2)
        leave(cluster.servers[0])
        cluster.expect(None, 4, 4, timeout=30)
    talk_through(door, tmp_path, outage, WAIT_S)


def test_members_are_started_again_in_turn(three, tmp_path):
    cluster = three(3)

    def outage():
        for member in range(3):
            leave(cluster.servers[member])
            cluster.start(member)
            cluster.expect(3, 3, 2, timeout=30)
    talk_through(Door(cluster), tmp_path, outage, WAIT_S)


def test_64_partitions_become_128(make_members, tmp_path, monkeypatch):  # noqa: F811
    test_growth.check(make_members, tmp_path, monkeypatch, 64, 128)


class Talker(threading.Thread):
    """Ids of a server, as many as it gives, whatever happens to it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ids, self.is_over = server, [], threading.Event()
        self.n_ahead = 0  # of them made by a clock that was ahead

    def run(self):
        while not self.is_over.is_set():
            try:
                with Client(self.server, "alice") as alice:
                    self.talk(alice)
            except outages.GONE:
                time.sleep(0.1)

    def talk(self, alice):
        for n in itertools.count():
            cid = alice.send("x", to=f"user{n % 20}")
            while not (found := [f for f in alice.inbox if f.get("cid") == cid]):
                alice._take(10)
            alice.inbox.clear()
            if found[0]["t"] == "sent":
                self.ids.append(found[0]["id"])
                self.n_ahead += found[0]["ts"] > time.time() * 1000 + 1000
            if self.is_over.is_set():
                return


def stand_still(server, s):
    """Longer than its lease: another may have its numbers when it wakes."""
    os.kill(server.run.child.pid, 19)
    time.sleep(s)
    os.kill(server.run.child.pid, 18)


def test_no_id_comes_twice_when_clocks_jump_and_leases_change(make_chatd, tmp_path):  # noqa: F811
    """Wall clocks by libfaketime; what measures time goes on as it does."""
    clocks = [tmp_path / f"clock{n}" for n in range(3)]
    for clock in clocks:
        clock.write_text("+0s")
    servers = [make_chatd(f"node{n}", env={
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_NO_CACHE": "1", "FAKETIME_TIMESTAMP_FILE": str(clock)})
        for n, clock in enumerate(clocks)]
    for server in servers:
        numbers_held(server)
    talkers = [Talker(server) for server in servers]
    for talker in talkers:
        talker.start()
    end, n_jumps, n_leases = time.monotonic() + IDS_S, 0, 0
    while time.monotonic() < end:
        turn = n_jumps % 3
        clocks[turn].write_text(("+2s", "-2s", "+0s")[n_jumps // 3 % 3])
        n_jumps += 1
        time.sleep(JUMP_S)
        if n_jumps % 5 == 0:
            lines = len(servers[turn].run.lines)
            stand_still(servers[turn], TTL_MS / 1000 + 2)
            numbers_held(servers[turn], lines)
            n_leases += 1
    for talker in talkers:
        talker.is_over.set()
        talker.join(30)
    counts = [len(talker.ids) for talker in talkers]
    ids = [each for talker in talkers for each in talker.ids]
    print(f"{counts} ids, {[talker.n_ahead for talker in talkers]} by a clock that was ahead, {len(ids) / IDS_S:.0f}/s, {n_jumps} jumps of clocks, {n_leases} leases "
          "that ended")
    assert min(counts) > 1000 and n_leases > 2
    assert min(talker.n_ahead for talker in talkers) > 100, "the clocks did not jump"
    assert len(set(ids)) == len(ids)
