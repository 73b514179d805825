# SPDX-License-Identifier: MIT
"""The same tests with what they store in Kafka and Cassandra: each data directory of a test stands
for a topic and a keyspace of its own. A chatd is told of them by a file, --config.

LIBCHAT_TEST_SHARED is JSON: {"kafka": "HOST:PORT", "cassandra": "HOST:PORT", "replication": 1,
"members": 1, "etcd": "URL", "redis": "HOST:PORT", "redis_mode": "standalone", "patience": 1,
"keyspaces": []}. With several members a server of a test is that many chatd with links between
them, and each connection is made to the next of them; with etcd slots move. All deadlines are
`patience` times as long. Keyspaces are emptied and used again, for to make one takes seconds; those
that are named are there already and stay.
"""
import concurrent.futures
import functools
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import time
import uuid

SETTINGS = "LIBCHAT_TEST_SHARED"
PARTITIONS = 16
SLOTS_OF_A_MEMBER = 2
KEPT = 3  # keyspaces in use and being emptied, before a test waits for one; or those named
_taken = {}
_emptying = []
_made = []
_emptier = concurrent.futures.ThreadPoolExecutor(1)


@functools.cache
def lent():
    return list(settings().get("keyspaces", []))


def is_wanted():
    return SETTINGS in os.environ


@functools.cache
def settings():
    return json.loads(os.environ[SETTINGS])


def has_redis():
    return is_wanted() and "redis" in settings()


def patience():
    return settings().get("patience", 1) if is_wanted() else 1


@functools.cache
def session():
    from cassandra.cluster import Cluster  # only here: other runs have no driver
    host, port = settings()["cassandra"].split(",")[0].split(":")
    opened = Cluster([host], port=int(port), protocol_version=4).connect()
    opened.default_timeout = 60
    return opened


def common():
    copies = settings().get("replication", 1)
    options = ["--kafka-brokers", settings()["kafka"], "--kafka-replication", str(copies),
               "--kafka-min-in-sync", str(min(copies, 2)), "--kafka-create-topic",
               "--cassandra", settings()["cassandra"], "--partitions", str(PARTITIONS)]
    if "redis" in settings():
        options += ["--redis", settings()["redis"],
                    "--redis-mode", settings().get("redis_mode", "standalone")]
    return options


def take_keyspace():
    import harness
    if lent():
        return lent().pop()
    done = next((each for each in _emptying if each.done()), None)
    kept = len(settings().get("keyspaces", [])) or KEPT
    if done is None and _emptying and len(_taken) + len(_emptying) >= kept:
        done = _emptying[0]
    if done is None:
        return make_keyspace(harness.chatd_path())
    _emptying.remove(done)
    return done.result()


def make_keyspace(chatd, name=None):
    made = name or f"chat_{uuid.uuid4().hex[:12]}"
    copies = settings().get("cassandra_replication", 1)
    subprocess.run([chatd, "--migrate", "--cassandra", settings()["cassandra"],
                    "--cassandra-keyspace", made, "--cassandra-replication",
                    f"{{'class': 'SimpleStrategy', 'replication_factor': {copies}}}",
                    "--data", "unused"], check=True, timeout=300)
    if name is None:
        _made.append(made)
    return made


def drop_keyspaces():
    """At the end: tables take memory of a node even when they are empty."""
    concurrent.futures.wait(_emptying)
    for name in _made:
        session().execute(f"DROP KEYSPACE IF EXISTS {name}")
    if session.cache_info().currsize:
        session().cluster.shutdown()
        session.cache_clear()
    _made.clear()
    _emptying.clear()


def empty_keyspace(name):
    """Each table that has something takes its time."""
    tables = [row.table_name for row in session().execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [name])]
    asked = [session().execute_async(f"TRUNCATE {name}.{table}") for table in tables
             if table != "schema_version" and session().execute(
                 f"SELECT * FROM {name}.{table} LIMIT 1").one()]
    for answer in asked:
        answer.result()
    return name


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_config(path, options):
    """The words of a command line as a file for --config."""
    lines = []
    for word in options:
        if word.startswith("--"):
            lines.append([word[2:], "on"])
        else:
            lines[-1][1] = word
    path.write_text("".join(f"{name} = {value}\n" for name, value in lines))
    return ["--config", str(path)]


def is_member(server):
    """The test makes a cluster itself, and this is one of it."""
    return "--link-peers" in server.options


def configure(server):
    """Options of each process of the server."""
    if not is_wanted():
        return [[]]
    count = 1 if is_member(server) else settings().get("members", 1)
    links = links_of(server, count) if count > 1 else [[]]
    own = options_for(server)
    return [write_config(pathlib.Path(f"{server.data}.conf{i}"), [*own, *each])
            for i, each in enumerate(links)]


def links_of(server, count):
    secret = pathlib.Path(f"{server.data}.links")
    secret.write_text("a secret of the cluster for tests only")
    secret.chmod(0o600)
    ports = free_ports(count)
    peers = ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(ports))
    return [["--slots", str(SLOTS_OF_A_MEMBER * count), "--link-member", str(i), "--link-listen",
             f"127.0.0.1:{port}", "--link-peers", peers, "--link-secret-file", str(secret)]
            for i, port in enumerate(ports)]


def wait_until_ready(server):
    """Until all members are linked, have numbers for ids and run the slots: before that some users
    are not at home anywhere."""
    end = time.monotonic() + 60
    while not is_ready(server):
        assert time.monotonic() < end, f"not ready:\n{server.log()}"
        time.sleep(0.02)


def is_ready(server):
    n_others = len(server.others)
    outputs = [run.output for run in server.processes]
    if any(len(re.findall(r"link to member \d+ is up", each)) < n_others for each in outputs):
        return False
    if "etcd" not in settings() or is_member(server):
        return True
    return all("node numbers are held" in each for each in outputs) and \
        (not n_others or are_slots_spread(server))


def slots_of(run):
    """Slots that run in a process, by its log."""
    slots = set()
    for number, is_over in re.findall(r"slot (\d+) runs here( no more)?$", run.output, re.M):
        (slots.discard if is_over else slots.add)(int(number))
    return slots


def are_slots_spread(server):
    """Whoever came first ran them all, and gives up what is of the others: its users are not at
    home anywhere for that moment."""
    return all(len(slots_of(run)) == SLOTS_OF_A_MEMBER for run in server.processes)


def place_of(server):
    """What a server keeps its data for: members of a cluster that a test makes share it."""
    return server.data.parent if "--slots" in server.options else server.data


def options_for(server):
    """Where a server keeps what it stores; others at the same place use it with it."""
    place = place_of(server)
    if place not in _taken:
        if has_redis() and not _taken:
            flush_redis()
        _taken[place] = (take_keyspace(), f"messages-{uuid.uuid4().hex[:12]}", set())
    keyspace, topic, users = _taken[place]
    users.add(id(server))
    options = [*common(), "--cassandra-keyspace", keyspace, "--kafka-topic", topic]
    if "etcd" in settings() and not is_member(server):
        options += ["--etcd", settings()["etcd"], "--etcd-prefix", f"{topic}/",
                    "--etcd-ttl-ms", "8000"]
    return options


def give_back(server):
    """It does not run any more."""
    place = place_of(server)
    if place not in _taken:
        return
    keyspace, topic, users = _taken[place]
    users.discard(id(server))
    if users:
        return
    del _taken[place]
    _emptying.append(_emptier.submit(clean, keyspace, topic))


def clean(keyspace, topic):
    """Beside the tests that follow."""
    delete_topic(topic)
    return empty_keyspace(keyspace)


def ask(address, request):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as server:
        server.sendall(request)
        return server.recv(4096)


def delete_topic(name):
    """Kafka's DeleteTopics, version 1: partitions of hundreds of tests are too many for a broker."""
    word = name.encode()
    request = struct.pack(f">hhihih{len(word)}si", 20, 1, 1, -1, 1, len(word), word, 10000)
    ask(settings()["kafka"].split(",")[0], struct.pack(">i", len(request)) + request)


def flush_redis():
    """Who was killed in a test before left devices there; replicas say that they are ones."""
    for address in settings()["redis"].split(","):
        ask(address, b"FLUSHALL\r\n")
