# SPDX-License-Identifier: MIT
"""A topic gets more partitions while users talk: chats move to others of them, and keep their order."""

import itertools
import subprocess
import time

from conftest import ROOT
import outages
import shared
from test_cluster import make_members  # noqa: F401  (a fixture)
from test_slots import murmur2

N_SLOTS, TALK_S = 8, 1  # N_SLOTS is the cluster's


def chats(few, many):
    """One that stays in its partition, one that moves, and a direct one that does."""
    def is_moved(chat):
        number = murmur2(chat.encode()) & 0x7fffffff
        return number % few != number % many

    stays = next(name for n in itertools.count() if not is_moved(name := f"team{n}"))
    moves = next(name for n in itertools.count() if is_moved(name := f"team{n}"))
    direct = next(name for n in itertools.count()
                  if is_moved(name := f"dm:{len(f'alice{n}')}:alice{n}:bob"))
    return {direct.split(":")[2]: [stays, moves, direct], "bob": [stays, moves, direct],
            "carol": [stays, moves]}


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
    """Each slot runs somewhere, once: who has few keeps what it has, or hands some on."""
    end = time.monotonic() + timeout
    while sorted(slot for n in range(2) for slot in cluster.held(n)) != list(range(N_SLOTS)):
        assert time.monotonic() < end, [server.log() for server in cluster.servers]
        time.sleep(0.05)


def grow(cluster, few, many):
    """With one member who is told that he has too few yet."""
    first, second = cluster.servers
    code, said = migrate(first, few + 4, "--slots", str(N_SLOTS))
    assert code == 2 and "slots is 8 and must divide both" in said, said
    code, said = migrate(first, many, "--slots", str(N_SLOTS))
    assert code == 0 and f"{many} partitions" in said, said
    code, said = migrate(first, few)
    assert code == 2 and f"set partitions to {many}" in said, said
    time.sleep(TALK_S)
    restart(cluster, 0, many)
    cluster.expect(4, 4, timeout=30)
    time.sleep(TALK_S)
    first.kill()
    second.run.wait_line(rf"slot \d+ cannot run here: it was written with {many} partitions, and "
                         rf"partitions is {few}: set partitions to {many}", 30)
    first.runs.clear()
    cluster.start(0)
    expect_all(cluster)
    assert second.stop(30) == 0
    cluster.expect(8, None, timeout=30)
    assert second.spawn().wait_exit() == 2
    assert f"set partitions to {many}" in second.run.output
    second.runs.pop()
    set_partitions(second, many)
    cluster.start(1)
    cluster.expect(4, 4, timeout=30)


def check(make_members, tmp_path, monkeypatch, few, many):  # noqa: F811
    monkeypatch.setattr(outages, "CHATS", chats(few, many))
    monkeypatch.setattr(shared, "PARTITIONS", few)
    cluster = make_members(2)
    for member in range(2):
        cluster.start(member)
    cluster.expect(4, 4, timeout=60)
    # A slot is moved by three restarts and a kill.
    outages.talk_through(outages.Door(cluster), tmp_path, lambda: grow(cluster, few, many),
                         4 * outages.WAIT_S, TALK_S, TALK_S)


def test_chats_keep_their_order_when_partitions_are_added(make_members, tmp_path,  # noqa: F811
                                                          monkeypatch):
    check(make_members, tmp_path, monkeypatch, 16, 32)
