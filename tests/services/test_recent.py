# SPDX-License-Identifier: MIT
"""Pages of the newest records from Redis, with a chatd over Kafka and Cassandra: the same as
Cassandra has, whatever was done to the messages and whatever becomes of Redis.
"""
import itertools
import json
import random
import subprocess
import sys
import time

import pytest

from conftest import ROOT, figures, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
import shared  # noqa: E402
from client import Client  # noqa: E402
from harness import Server  # noqa: E402

USERS = ("alice", "bob", "carol", "dave")
SECRET = "nobody is to find this"
N_PAGES = 40


@pytest.fixture(scope="module", name="where")
def where_(up):
    yield {name: up(name)["where"][what] for name, what in
           (("kafka", "brokers"), ("cassandra", "nodes"), ("redis", "servers"))}
    shared.drop_keyspaces()


@pytest.fixture(name="server")
def server_(where, tmp_path, build, monkeypatch):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    monkeypatch.setenv(shared.SETTINGS, json.dumps({**where, "replication": 1}))
    assert redis(where, "FLUSHALL") == ["OK"]
    made = Server(tmp_path / "data", secret="s" * 48,
                  options=["--metrics", "on"])
    yield made.start(timeout=60)
    made.finish()


def redis(where, *words):
    return subprocess.run(["redis-cli", "-p", where["redis"].rsplit(":", 1)[1], *words],
                          capture_output=True, text=True, errors="replace", timeout=10,
                          check=True).stdout.split("\n")[:-1]


def count(server, name):
    return int(figures(server)[f"chat_recent_{name}_total"])


def settle(server):
    """Until Redis has all that it will get."""
    kept, end = -1, time.monotonic() + 20
    while (now := count(server, "kept")) != kept or now == 0:
        assert time.monotonic() < end
        kept = now
        time.sleep(0.3)


def pages(clients):
    """What everybody sees of the newest of each chat."""
    seen = {}
    for client, chat, limit in itertools.product(clients, ("team", "bob", "alice"), (1, 7, 50)):
        if chat != client.user:
            to = {"chat": chat} if chat == "team" else {"to": chat}
            rows, answer = client.request("history", limit=limit, **to)
            for row in [*rows, answer]:
                del row["r"]
            seen[client.user, chat, limit] = (rows, answer)
    return seen


class Story:
    """Random things that four users do in a group and in direct chats."""

    def __init__(self, server, seed):
        self.random = random.Random(seed)
        self.clients = [Client(server, user) for user in USERS]
        self.clients[0].create("team", "bob")
        self.sent = []

    def write(self):
        client = self.random.choice(self.clients[:2])
        other = "bob" if client.user == "alice" else "alice"
        to = self.random.choice([{"chat": "team"}, {"to": other}])
        said = client.say(self.random.choice(("x", "text " * 20)), **to)
        self.sent.append((client, to, said["id"]))

    def note(self):
        client, to, re = self.random.choice(self.sent)
        kind, more = self.random.choice((("edit", {"body": "edited"}), ("react", {"reaction": "+"}),
                                         ("react", {}), ("delete", {})))
        client.request(kind, re=re, **to, **more)

    def change(self):
        kind = self.random.choice(("chat.add", "chat.remove"))
        self.clients[0].request(kind, chat="team", users=[self.random.choice(USERS[2:])])

    def go_on(self, steps):
        for _ in range(steps):
            step = self.random.choices((self.write, self.note, self.change), (8, 3, 1))[0]
            if self.sent or step == self.write:
                step()


def test_pages_are_what_cassandra_has(server, where):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    story = Story(server, seed)
    for _ in range(4):
        story.go_on(25)
        pages(story.clients)  # some of them while Redis is behind
    settle(server)
    hits = count(server, "hits")
    with_redis = pages(story.clients)
    assert count(server, "hits") > hits
    assert redis(where, "FLUSHALL") == ["OK"]
    hits, misses = count(server, "hits"), count(server, "misses")
    assert pages(story.clients) == with_redis
    assert count(server, "hits") == hits and count(server, "misses") > misses


def test_what_was_deleted_is_not_in_redis(server, where):
    alice, bob = Client(server, "alice"), Client(server, "bob")
    said = alice.say(SECRET, to="bob")
    alice.request("edit", to="bob", re=said["id"], body=SECRET + " either")
    settle(server)
    assert SECRET in str(redis(where, "ZRANGE", "recent:{dm:5:alice:bob}", "0", "-1"))
    alice.request("delete", to="bob", re=said["id"])
    settle(server)
    assert SECRET not in str(redis(where, "ZRANGE", "recent:{dm:5:alice:bob}", "0", "-1"))
    rows, _ = bob.history(to="alice")
    assert SECRET not in str(rows) and len(rows) == 3


def test_a_killed_redis_costs_a_moment(server):
    alice = Client(server, "alice")
    for n in range(20):
        alice.say(str(n), to="bob")
    settle(server)
    before = alice.history(to="bob")
    assert count(server, "hits") == 1
    try:
        services("kill", "redis-1", "--signal", "STOP")
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert alice.history(to="bob")[0][0]["body"] == before[0][0]["body"]
            took.append(time.monotonic() - began)
        assert max(took) < 1
        services("kill", "redis-1", "--signal", "KILL")
        alice.say("last", to="bob")
        assert alice.history(to="bob")[0][0]["body"] == "last"
    finally:
        services("start", "redis-1")
    server.run.wait_line("what servers share in memory is back", 20)
    for n in range(60):
        alice.say(str(n), to="bob")
    settle(server)
    hits = count(server, "hits")
    assert [row["body"] for row in alice.history(to="bob")[0]] == [str(59 - n) for n in range(50)]
    assert count(server, "hits") == hits + 1


def statements():
    """Prepared ones that this Cassandra has run."""
    rows = shared.session().execute("SELECT name, value FROM system_views.cql_metrics")
    return next(row.value for row in rows if row.name == "prepared_statements_executed")


def test_a_page_costs_cassandra_less(server, where):
    """Prints what; `pytest -s`."""
    alice = Client(server, "alice")
    for n in range(60):
        alice.say(f"{n} " + "x" * 200, to="bob")
    settle(server)
    time.sleep(1)  # positions of devices are written
    found = {}
    for name in ("redis", "cassandra"):
        took, before = [], statements()
        for _ in range(N_PAGES):
            began = time.monotonic()
            rows, _ = alice.history(to="bob")
            took.append(time.monotonic() - began)
            assert len(rows) == 50
        found[name] = (statements() - before) / N_PAGES
        print(f"{name}: {found[name]:.2f} statements, {sorted(took)[N_PAGES // 2] * 1000:.2f} ms, "
              f"slowest {max(took) * 1000:.2f} ms a page of 50")
        redis(where, "FLUSHALL")
    assert found["redis"] < 1.5 < 2.5 < found["cassandra"]
