# SPDX-License-Identifier: MIT
"""Three chatd as one server, over one Kafka topic, one Cassandra keyspace and etcd: what was sent is
there whoever dies, and users call any member."""

import json
import secrets
import subprocess
import sys
import uuid

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/e2e"))
import shared  # noqa: E402
from test_places import Cluster  # noqa: E402


@pytest.fixture
def make_members(tmp_path, build, up, monkeypatch):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    settings = {"kafka": up("kafka")["where"]["brokers"],
                "cassandra": up("cassandra")["where"]["nodes"], "replication": 1}
    etcd = up("etcd")["where"]["endpoints"]
    # Not in the environment: the servers get their options here, not by the harness.
    monkeypatch.setattr(shared, "settings", lambda: settings)
    made = []

    def make(n_members):
        keyspace = shared.make_keyspace(str(build / "examples/chatd/chatd"))
        options = [*shared.common(), "--cassandra-keyspace", keyspace,
                   "--kafka-topic", f"messages-{uuid.uuid4().hex[:12]}"]
        made.append(Cluster(tmp_path, etcd, f"{secrets.token_hex(4)}/", n_members))
        for member in range(n_members):
            made[-1].servers[member].options += options
        return made[-1]

    yield make
    for cluster in made:
        cluster.finish()


def test_who_dies_takes_nothing_with_it(make_members):
    cluster = make_members(3)
    for member in range(3):
        cluster.start(member)
    cluster.expect(3, 3, 2, timeout=60)
    users = [f"user{n}" for n in range(6)]
    clients = [cluster.connect(n % 3, user, timeout=60) for n, user in enumerate(users)]
    clients[0].create("group", *users[1:])
    for n, client in enumerate(clients):
        client.say(f"before {n}", chat="group")
    for n, client in enumerate(clients):
        for other in range(6):
            if other != n:
                client.expect_msg(f"before {other}")
        client.close()
    cluster.servers[2].kill()
    cluster.expect(4, 4, None, timeout=60)
    clients = [cluster.connect(n % 2, user, timeout=60) for n, user in enumerate(users)]
    for client in clients:
        assert client.bodies(chat="group") == [f"before {n}" for n in range(6)]
    for n, client in enumerate(clients):
        client.say(f"after {n}", chat="group")
    for client in clients:
        assert client.bodies(chat="group")[6:] == [f"after {n}" for n in range(6)]
        client.close()
    cluster.servers[2].runs.clear()
    cluster.start(2)
    cluster.expect(3, 3, 2, timeout=60)
    for n, user in enumerate(users):
        with cluster.connect((n + 1) % 3, user, timeout=60) as client:
            assert len(client.bodies(chat="group")) == 12


def test_the_benchmark_of_clusters_works(up, build, tmp_path):
    for name in ("kafka", "cassandra", "etcd"):
        up(name)
    out = tmp_path / "out.json"
    done = subprocess.run([sys.executable, ROOT / "tools/bench", "--build", build, "--dir", tmp_path,
                           "--seconds", "2", "--json", out, "cluster"],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["label"]: row for row in json.loads(out.read_text())["results"]}
    assert all(row["deliveries_per_s"] > 0 for row in rows.values())
    assert set(rows["one"]["cpu_us"]) == {"chatd", "kafka", "cassandra"}
    assert set(rows["three"]["cpu_us"]) == {"chatd", "kafka", "cassandra", "etcd", "redis"}
