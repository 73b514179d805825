# SPDX-License-Identifier: MIT
"""A topic gets more partitions while users talk: chats move to others of them, and keep their order."""

import itertools
import subprocess
import time

from conftest import ROOT
import outages
from test_cluster import make_members  # noqa: F401  (a fixture)
from test_slots import murmur2

FEW, MANY, N_SLOTS = 16, 32, 8  # N_SLOTS is the cluster's
TALK_S = 1


def is_moved(chat):
    number = murmur2(chat.encode()) & 0x7fffffff
    return number % FEW != number % MANY


STAYS = next(name for n in itertools.count() if not is_moved(name := f"team{n}"))
MOVES = next(name for n in itertools.count() if is_moved(name := f"team{n}"))
DIRECT = next(name for n in itertools.count()
              if is_moved(name := f"dm:{len(f'alice{n}')}:alice{n}:bob"))
ALICE = DIRECT.split(":")[2]
CHATS = {ALICE: [STAYS, MOVES, DIRECT], "bob": [STAYS, MOVES, DIRECT], "carol": [STAYS, MOVES]}


def set_partitions(server, count):
    server.options[server.options.index("--partitions") + 1] = str(count)


def migrate(server, count, *more):
    """chatd --migrate as an operator runs it: what it says, and its exit code."""
    wanted = {"--kafka-brokers", "--kafka-topic", "--kafka-replication", "--kafka-min-in-sync",
              "--cassandra", "--cassandra-keyspace"}
    options = [word for i, name in enumerate(server.options) if name in wanted
               for word in (name, server.options[i + 1])]
    done = subprocess.run([server.args()[0], "--migrate", *options, "--partitions", str(count),
                           *more], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


def restart(cluster, member, count):
    server = cluster.servers[member]
    assert server.stop(30) == 0, server.log()
    set_partitions(server, count)
    cluster.start(member)


def expect_all(cluster, timeout=30):
    """Each slot runs somewhere, once: who has FEW keeps what it has, or hands some on."""
    end = time.monotonic() + timeout
    while sorted(slot for n in range(2) for slot in cluster.held(n)) != list(range(N_SLOTS)):
        assert time.monotonic() < end, [server.log() for server in cluster.servers]
        time.sleep(0.05)


def grow(cluster):
    """From FEW to MANY, with one who is told that he has FEW yet."""
    first, second = cluster.servers
    code, said = migrate(first, 20, "--slots", str(N_SLOTS))
    assert code == 2 and "slots is 8 and must divide both" in said, said
    code, said = migrate(first, MANY, "--slots", str(N_SLOTS))
    assert code == 0 and f"{MANY} partitions" in said, said
    code, said = migrate(first, FEW)
    assert code == 2 and f"set partitions to {MANY}" in said, said
    time.sleep(TALK_S)
    restart(cluster, 0, MANY)
    cluster.expect(4, 4, timeout=30)
    time.sleep(TALK_S)
    first.kill()
    second.run.wait_line(rf"slot \d+ cannot run here: it was written with {MANY} partitions, and "
                         rf"partitions is {FEW}: set partitions to {MANY}", 30)
    first.runs.clear()
    cluster.start(0)
    expect_all(cluster)
    assert second.stop(30) == 0
    cluster.expect(8, None, timeout=30)
    assert second.spawn().wait_exit() == 2
    assert f"set partitions to {MANY}" in second.run.output
    second.runs.pop()
    set_partitions(second, MANY)
    cluster.start(1)
    cluster.expect(4, 4, timeout=30)


def test_chats_keep_their_order_when_partitions_are_added(make_members, tmp_path,  # noqa: F811
                                                          monkeypatch):
    monkeypatch.setattr(outages, "CHATS", CHATS)
    cluster = make_members(2)
    for member in range(2):
        cluster.start(member)
    cluster.expect(4, 4, timeout=60)
    outages.talk_through(outages.Door(cluster), tmp_path, lambda: grow(cluster), 30,
                         TALK_S, TALK_S)
