# SPDX-License-Identifier: MIT
"""What users notice when a part of a cluster fails: three chatd over three Kafka brokers, Cassandra
and etcd, devices that write and read all the time, one outage, and the judge of histories. Not part
of the command that runs all tests, for it takes minutes: tools/test outages.

Each test prints for how long nobody was answered, and how long a message waited that waited longest;
it fails when that is above its limit: as long as something was away, and WAIT_S.
"""
import contextlib
import itertools
import json
import random
import sys
import threading
import time

import pytest

from conftest import ROOT, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
import shared  # noqa: E402
from client import Client  # noqa: E402
from harness import Server  # noqa: E402
from history import GONE, Device, History, tell_log  # noqa: E402

CHATS = {"alice": ["team", "dm:5:alice:bob"], "bob": ["team", "dm:5:alice:bob"], "carol": ["team"]}
BEFORE_S, AFTER_S, SETTLE_S = 4, 6, 60
# What a message may wait beside the outage itself: a lost node is noticed within 10 s, and on a busy
# machine it takes some seconds until a slot is open elsewhere and all have come there.
WAIT_S = 15
SLOW = 3  # times what a message waits before the outage: a machine may be slow without one
N_CASSANDRA = 3
DOWN_S = 5


@pytest.fixture(scope="module")
def cluster(up):
    where = {name: up(wanted)["where"] for name, wanted in
             (("kafka", "kafka:3"), ("cassandra", f"cassandra:{N_CASSANDRA}"), ("etcd", "etcd:3"))}
    return {"kafka": where["kafka"]["brokers"], "cassandra": where["cassandra"]["nodes"],
            "etcd": where["etcd"]["endpoints"], "replication": 3, "members": 3,
            "cassandra_replication": N_CASSANDRA}


@pytest.fixture
def server(cluster, build, tmp_path, monkeypatch):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    monkeypatch.setenv(shared.SETTINGS, json.dumps(cluster))
    monkeypatch.setattr(shared, "settings", lambda: cluster)
    made = Server(tmp_path / "data").start(timeout=60)
    yield made
    made.stop(timeout=30)


class Door:
    """All members as one server: each connection is made to the next of them."""

    def __init__(self, cluster):
        self.servers, self.turns = cluster.servers, itertools.count()

    @property
    def url(self):
        return self.servers[next(self.turns) % len(self.servers)].url

    def token(self, user):
        return self.servers[0].token(user)


def connect(server, user, device, patience=SETTLE_S):
    """Until somebody lets us in."""
    end = time.monotonic() + patience
    while True:
        try:
            return Client(server, user, device)
        except GONE:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def waiting(devices):
    """What has no answer yet."""
    return [(device.device, what) for device in devices
            for what in (*list(device.open), *list(device.asked))]


class Watch(threading.Thread):
    """`silence`: the longest time in which no device was answered while one waited. `wait`: that of
    the one message, edit or reaction that waited longest for its answer.
    """

    def __init__(self, devices):
        super().__init__(daemon=True)
        self.devices, self.is_over = devices, threading.Event()
        self.reset()

    def reset(self):
        self.silence = self.wait = 0.0

    def run(self):
        count, since, began = -1, time.monotonic(), {}
        while not self.is_over.wait(0.05):
            now, sent = time.monotonic(), sum(len(device.sent) for device in self.devices)
            if sent != count or not any(device.open for device in self.devices):
                count, since = sent, now
            began = {what: began.get(what, now) for what in waiting(self.devices)}
            self.silence = max(self.silence, now - since)
            self.wait = max(self.wait, now - min(began.values(), default=now))


def has_all(devices, marks):
    return all(each.app.last.get(chat, 0) >= seq for each in devices for chat, seq in marks.items()
               if chat in CHATS[each.user])


def settle(server, devices):
    for device in devices:
        device.quiet.set()
    end = time.monotonic() + SETTLE_S
    while waiting(devices) and time.monotonic() < end:
        time.sleep(0.1)
    assert not waiting(devices), "not all is answered"
    who = next(iter(CHATS))
    with connect(server, who, "maker") as maker:
        marks = {chat: maker.say("the end", chat=chat)["seq"] for chat in CHATS[who]}
    while not has_all(devices, marks) and time.monotonic() < end:
        time.sleep(0.1)
    assert has_all(devices, marks), "not everybody has everything"


def talk_through(server, tmp_path, outage, limit_s, before_s=BEFORE_S, after_s=AFTER_S):
    """Devices talk before, in and after the outage; nothing may be lost, doubled or out of order,
    and nothing may wait for its answer for `limit_s`. The first of CHATS makes the groups, and reads
    all in the end."""
    dice, history = random.Random(7), History()
    first, *others = CHATS
    with connect(server, first, "maker") as maker:
        for chat in CHATS[first]:
            if not chat.startswith("dm:"):
                maker.create(chat, *others)
    devices = [Device(server, history, user, f"{user}-{i}", CHATS[user], dice.random())
               for user in CHATS for i in range(2)]
    watch = Watch(devices)
    for each in (*devices, watch):
        each.start()
    try:
        time.sleep(before_s)
        count = sum(len(device.sent) for device in devices)
        slow_s = SLOW * watch.wait
        watch.reset()
        outage()
        over = sum(len(device.sent) for device in devices)
        time.sleep(after_s)
        settle(server, devices)
        after = sum(len(device.sent) for device in devices)
        assert watch.is_alive()
    finally:
        for each in devices:
            each.stop.set()
        watch.is_over.set()
        for each in devices:
            each.join(30)
    assert not any(device.failure for device in devices)
    history.tell("log", {"t": "end"})
    with connect(server, first, "reader") as reader:
        for chat in CHATS[first]:
            tell_log(history, reader, chat)
    is_right, words = history.judge(str(tmp_path / "history.jsonl"))
    print(f"{words.strip()}; {count} answered before, {after - count} from then on; longest silence "
          f"{watch.silence:.1f} s, longest wait {watch.wait:.1f} s of {limit_s + slow_s:.1f}")
    assert is_right, words
    assert after > over, "nothing went on"
    assert watch.wait < limit_s + slow_s, "a user waits too long"


def kill_and_start(member, down_s):
    def outage():
        services("kill", member)
        time.sleep(down_s)
        services("start", member)
    return outage


def freeze(members, down_s):
    def outage():
        with contextlib.ExitStack() as stack:
            for member in members:
                services("kill", member, "--signal", "STOP")
                stack.callback(services, "kill", member, "--signal", "CONT")
            time.sleep(down_s)
    return outage


def test_each_chatd_is_killed_in_turn(server, tmp_path):
    def outage():
        for member in (server, *server.others):
            member.run.kill()
            member.runs.pop()
            time.sleep(6)
            if member is server:
                server.start_one()
            else:
                member.start(30)
            time.sleep(2)
    # Its lease, 8 s, ends behind its start again: until then its slots are nobody's.
    talk_through(server, tmp_path, outage, 8 + WAIT_S)


@pytest.mark.parametrize("member", ["kafka-1", "kafka-2", "cassandra-2", "cassandra-3", "etcd-1",
                                    "etcd-2"])
def test_one_is_killed_and_comes_back(server, tmp_path, member):
    talk_through(server, tmp_path, kill_and_start(member, DOWN_S), DOWN_S + WAIT_S)


@pytest.mark.parametrize("name, down_s", [("kafka", 30), ("cassandra", 30), ("etcd", 6),
                                          ("etcd", 30)])
def test_a_service_stands_still(server, tmp_path, name, down_s):
    talk_through(server, tmp_path, freeze([f"{name}-{i + 1}" for i in range(3)], down_s),
                 down_s + WAIT_S)


REDIS = {"redis": (), "sentinel": ("--redis-mode", "sentinel", "--redis-master", "chat"),
         "redis-cluster": ("--redis-mode", "cluster")}


@pytest.fixture
def over_redis(request, up, monkeypatch):
    """The server of the other tests, whose members share presence and limits in such a Redis."""
    found = up(request.param)["where"]
    options = ["--redis", found.get("sentinels", found["servers"]), *REDIS[request.param],
               "--redis-presence-ttl-s", "6", "--rate-handshakes", "1000"]
    monkeypatch.setenv("LIBCHAT_TEST_OPTIONS", " ".join(options))
    return request.getfixturevalue("server")


@pytest.mark.parametrize("over_redis, outage", [
    ("redis", lambda: time.sleep(20)),
    ("sentinel", kill_and_start("sentinel-1", 20)),
    ("redis-cluster", kill_and_start("redis-cluster-1", 20)),
    ("redis", freeze(["redis-1"], 30))], indirect=["over_redis"],
    ids=["nothing happens, to compare", "a primary under sentinels is killed",
         "a node of a cluster is killed", "redis stands still"])
def test_nobody_notices_an_outage_of_redis(over_redis, tmp_path, outage):
    talk_through(over_redis, tmp_path, outage, WAIT_S)  # it is away for longer: nobody waits for it
    logs = [member.run.output for member in (over_redis, *over_redis.others)]
    told = [(log.count("in memory is missing"), log.count("in memory is back")) for log in logs]
    print(f"members said that it is missing, and back: {told}")
    assert all(missing == back for missing, back in told)
