# SPDX-License-Identifier: MIT
"""Slots of several chatd whose places etcd gives: they spread, and move when members come and go."""

import secrets
import signal
import sys
import time
import urllib.request

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/e2e"))
from client import Client  # noqa: E402
from harness import Server  # noqa: E402
import shared  # noqa: E402
from test_links import Wire  # noqa: E402

TTL_MS = 2000
N_SLOTS = 8


@pytest.fixture
def etcd(up):
    return up("etcd")["where"]["endpoints"]


class Cluster:
    """Members that know each other's addresses, whether they run or not; `is_found`: that find them
    in etcd."""

    def __init__(self, folder, etcd, prefix, n_members, is_found=False):
        secret, link_secret = secrets.token_urlsafe(48), folder / "link.secret"
        link_secret.write_text(secrets.token_hex(32))
        link_secret.chmod(0o600)
        self.wires = [Wire() for _ in range(n_members)]
        peers = ",".join(f"{n}@127.0.0.1:{wire.port}" for n, wire in enumerate(self.wires))
        self.servers = [Server(folder / f"member{n}", secret=secret, options=[
            "--slots", N_SLOTS, "--etcd", etcd, "--etcd-prefix", prefix, "--etcd-ttl-ms", TTL_MS,
            "--link-member", n, "--link-listen", "127.0.0.1:0",
            *([] if is_found else ["--link-peers", peers]),
            "--link-secret-file", link_secret, "--link-timeout-ms", 1500,
            "--link-retry-max-ms", 100]) for n in range(n_members)]

    def start(self, member, *options):
        server = self.servers[member]
        server.options += [str(option) for option in options]
        server.start()
        self.wires[member].target = int(
            server.run.wait_line(r"takes links on port (\d+)").group(1))

    def held(self, member):
        return shared.slots_of(self.servers[member].run)

    def expect(self, *counts, timeout=15):
        """So many slots on the members, whoever has most; None: it does not run."""
        end = time.monotonic() + timeout
        while True:
            held = [set() if count is None else self.held(n) for n, count in enumerate(counts)]
            if sorted(map(len, held)) == sorted(count or 0 for count in counts) and \
                    len(set().union(*held)) == sum(map(len, held)):
                return held
            assert time.monotonic() < end, (held, counts, [s.log() for s in self.servers])
            time.sleep(0.05)

    def connect(self, member, user, timeout=15):
        """As a client does: again when it is told to."""
        end = time.monotonic() + timeout
        while True:
            try:
                return Client(self.servers[member], user)
            except (InvalidStatus, ConnectionClosed):
                assert time.monotonic() < end
                time.sleep(0.05)

    def talk(self, members, name):
        """Everybody who calls one of these members can say something to everybody else."""
        users = [f"{name}{n}" for n in range(6)]
        clients = [self.connect(members[n % len(members)], user) for n, user in enumerate(users)]
        for n, client in enumerate(clients):
            other = (n + 1) % len(users)
            client.say(f"from {n}", to=users[other])
            clients[other].expect_msg(f"from {n}")
        for client in clients:
            client.close()

    def finish(self):
        for wire in self.wires:
            wire.close()
        for server in self.servers:
            server.finish()


@pytest.fixture
def make_cluster(tmp_path, build, etcd, monkeypatch, request):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    made = []

    def make(n_members, is_found=False):
        made.append(Cluster(tmp_path, etcd, f"{request.node.name}{secrets.token_hex(4)}/", n_members,
                            is_found))
        return made[-1]

    yield make
    for cluster in made:
        cluster.finish()


def test_slots_spread_over_who_comes(make_cluster):
    cluster = make_cluster(3)
    cluster.start(0)
    cluster.expect(8, None, None)
    cluster.talk([0], "alone")
    cluster.start(1)
    cluster.expect(4, 4, None)
    cluster.talk([0, 1], "two")
    cluster.start(2)
    cluster.expect(3, 3, 2)
    cluster.talk([0, 1, 2], "three")


def test_members_that_nobody_named_find_each_other(make_cluster):
    cluster = make_cluster(4, is_found=True)
    cluster.start(1)
    cluster.start(2)
    cluster.expect(None, 4, 4)
    cluster.talk([1, 2], "two")
    cluster.start(0)  # dials the others, is dialed by none
    cluster.expect(3, 3, 2)
    cluster.talk([0, 1, 2], "three")
    cluster.servers[2].kill()
    cluster.servers[2].runs.clear()
    cluster.expect(4, 4, None)
    cluster.start(2)  # on another port
    cluster.start(3)
    cluster.expect(2, 2, 2, 2)
    cluster.talk([0, 1, 2, 3], "four")


def test_who_is_found_says_where_he_is(make_cluster):
    cluster = make_cluster(1, is_found=True)
    options = cluster.servers[0].options
    options[options.index("--link-listen") + 1] = "*:0"
    options += ["--link-address", "0.0.0.0:0"]
    for refused in (options, options[:-2]):
        cluster.servers[0].options = list(refused)
        run = cluster.servers[0].spawn()
        assert run.wait_exit() == 2
        assert "--link-address HOST:PORT" in run.output
    cluster.start(0, "--link-address", "localhost:0")
    cluster.expect(8)
    cluster.talk([0], "alone")


def test_slots_of_the_dead_are_run_by_others(make_cluster):
    cluster = make_cluster(2)
    cluster.start(0)
    cluster.start(1)
    cluster.expect(4, 4)
    watcher = cluster.connect(0, "watcher")
    cluster.servers[1].kill()
    began = time.monotonic()
    cluster.expect(8, None)
    assert time.monotonic() - began < TTL_MS / 1000 + 4
    watcher.close()
    cluster.talk([0], "after")
    cluster.servers[1].runs.clear()
    cluster.start(1)
    cluster.expect(4, 4)
    cluster.talk([0, 1], "again")


def test_who_drains_hands_over_before_it_ends(make_cluster):
    cluster = make_cluster(2)
    cluster.start(0)
    cluster.start(1)
    cluster.expect(4, 4)
    began = time.monotonic()
    cluster.servers[1].run.signal(signal.SIGTERM)
    assert cluster.servers[1].run.wait_exit() == 0
    cluster.expect(8, None)
    assert time.monotonic() - began < TTL_MS / 1000 + 1  # no lease had to end
    cluster.talk([0], "after")


def test_who_hangs_runs_nothing_when_others_do(make_cluster):
    cluster = make_cluster(2)
    cluster.start(0)
    cluster.start(1)
    cluster.expect(4, 4)
    cluster.servers[1].run.signal(signal.SIGSTOP)
    cluster.expect(8, None)
    cluster.servers[1].run.signal(signal.SIGCONT)
    cluster.servers[1].run.wait_line("the slots of this member are lost")
    cluster.expect(4, 4)
    cluster.talk([0, 1], "after")


def test_a_gateway_runs_none_and_serves_all(make_cluster):
    cluster = make_cluster(2)
    cluster.start(1, "--gateway", "on")
    with pytest.raises(InvalidStatus) as refused:
        Client(cluster.servers[1], "nobody")
    assert refused.value.response.status_code == 503
    cluster.start(0)
    cluster.expect(8, 0)
    cluster.talk([1], "by way of it")
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.servers[1].port}/healthz") as answer:
        assert answer.status == 200
