# SPDX-License-Identifier: MIT
"""What users notice when members of a cluster come, go and do not hear each other, and when clocks
jump. Over one Kafka broker, one Cassandra node and etcd; as outages.py, and run with it.
"""
import itertools
import os
import threading
import time

import pytest

from conftest import ROOT  # noqa: F401  (the path of the end-to-end tests)
import outages
from outages import Door, talk_through
from test_cluster import make_members  # noqa: F401  (a fixture)
from test_etcd import TTL_MS, etcd, make_chatd, numbers_held  # noqa: F401  (fixtures)
from client import Client

APART_S = 12  # the links' timeout is 1.5 s
JUMP_S, IDS_S = 2, 60


@pytest.fixture
def three(make_members):  # noqa: F811
    def make(n_running):
        cluster = make_members(3)
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
    talk_through(Door(cluster), tmp_path, outage)


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
    talk_through(door, tmp_path, outage)


def test_members_are_started_again_in_turn(three, tmp_path):
    cluster = three(3)

    def outage():
        for member in range(3):
            leave(cluster.servers[member])
            cluster.start(member)
            cluster.expect(3, 3, 2, timeout=30)
    talk_through(Door(cluster), tmp_path, outage)


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
