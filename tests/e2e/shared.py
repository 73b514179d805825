# SPDX-License-Identifier: MIT
"""The same tests with what they store in Kafka and Cassandra: each data directory of a test stands
for a topic and a keyspace of its own.

LIBCHAT_TEST_SHARED is JSON: {"kafka": "HOST:PORT", "cassandra": "HOST:PORT", "replication": 1,
"members": 1, "etcd": "URL"}. With several members a server of a test is that many chatd with links
between them, and each connection is made to the next of them; with etcd slots move.
Keyspaces are emptied and used again, for to make one takes seconds.
"""
import functools
import json
import os
import pathlib
import re
import socket
import subprocess
import time
import uuid

SETTINGS = "LIBCHAT_TEST_SHARED"
PARTITIONS = 16
_taken = {}
_free = []
_made = []


def is_wanted():
    return SETTINGS in os.environ


@functools.cache
def settings():
    return json.loads(os.environ[SETTINGS])


@functools.cache
def session():
    from cassandra.cluster import Cluster  # only here: other runs have no driver
    host, port = settings()["cassandra"].split(",")[0].split(":")
    opened = Cluster([host], port=int(port), protocol_version=4).connect()
    opened.default_timeout = 60
    return opened


def common():
    copies = settings().get("replication", 1)
    return ["--kafka-brokers", settings()["kafka"], "--kafka-replication", str(copies),
            "--kafka-min-in-sync", str(min(copies, 2)), "--kafka-create-topic",
            "--cassandra", settings()["cassandra"], "--partitions", str(PARTITIONS)]


def make_keyspace(chatd):
    name = f"chat_{uuid.uuid4().hex[:12]}"
    copies = settings().get("cassandra_replication", 1)
    subprocess.run([chatd, "--migrate", "--cassandra", settings()["cassandra"],
                    "--cassandra-keyspace", name, "--cassandra-replication",
                    f"{{'class': 'SimpleStrategy', 'replication_factor': {copies}}}",
                    "--data", "unused"], check=True, timeout=180)
    _made.append(name)
    return name


def drop_keyspaces():
    """At the end: tables take memory of a node even when they are empty."""
    for name in _made:
        session().execute(f"DROP KEYSPACE IF EXISTS {name}")
    if _made:
        session().cluster.shutdown()
        session.cache_clear()
    _made.clear()


def empty_keyspace(name):
    tables = session().execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [name])
    asked = [session().execute_async(f"TRUNCATE {name}.{row.table_name}") for row in tables
             if row.table_name != "schema_version"]
    for answer in asked:
        answer.result()


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def members(server):
    """Options of the members besides the first; its own are added to the server's."""
    count = settings().get("members", 1) if is_wanted() else 1
    if count == 1:
        return []
    secret = pathlib.Path(f"{server.data}.links")
    secret.write_text("a secret of the cluster for tests only")
    secret.chmod(0o600)
    ports = free_ports(count)
    peers = ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(ports))
    links = [["--slots", str(2 * count), "--link-member", str(i), "--link-listen",
              f"127.0.0.1:{port}", "--link-peers", peers, "--link-secret-file", str(secret)]
             for i, port in enumerate(ports)]
    if "etcd" in settings():
        places = ["--etcd", settings()["etcd"], "--etcd-prefix", f"{uuid.uuid4().hex[:8]}/",
                  "--etcd-ttl-ms", "8000"]
        links = [[*each, *places] for each in links]
    common_options = server.storage
    server.storage = [*common_options, *links[0]]
    return [[*common_options, *each] for each in links[1:]]


def wait_for_links(server):
    """Until all members are linked: before that some users are not at home anywhere."""
    end = time.monotonic() + 15
    for run in (server.run, *(other.run for other in server.others)):
        while len(re.findall(r"link to member \d+ is up", run.output)) < len(server.others):
            assert time.monotonic() < end, f"no links:\n{server.log()}"
            time.sleep(0.02)
    while "etcd" in settings() and not all_slots_run(server):
        assert time.monotonic() < end + 45, f"slots run nowhere:\n{server.log()}"
        time.sleep(0.1)


def all_slots_run(server):
    slots = set()
    for run in (server.run, *(other.run for other in server.others)):
        slots |= set(re.findall(r"slot (\d+) runs here$", run.output, re.M))
    return len(slots) == 2 * (1 + len(server.others))


def options_for(data):
    """Options of the chatd of this data directory."""
    import harness
    if data not in _taken:
        name = _free.pop() if _free else make_keyspace(harness.chatd_path())
        _taken[data] = (name, f"messages-{uuid.uuid4().hex[:12]}")
    keyspace, topic = _taken[data]
    return [*common(), "--cassandra-keyspace", keyspace, "--kafka-topic", topic]


def give_back(data):
    """Nothing uses it any more."""
    if data in _taken:
        keyspace, _ = _taken.pop(data)
        empty_keyspace(keyspace)
        _free.append(keyspace)
