# SPDX-License-Identifier: MIT
"""Wrong settings of Kafka, Cassandra and etcd: chatd names the option to change, soon, and says no
password. And right ones: TLS and passwords at all three.
"""
import concurrent.futures
import contextlib
import http.server
import pathlib
import re
import socketserver
import struct
import sys
import threading
import time
import types

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from conftest import ROOT, figures, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
from client import Client  # noqa: E402
from harness import Process, Server, chatd_path  # noqa: E402
from test_operator import make_certificate  # noqa: E402

SOON_S = 45  # half a minute, and what a busy machine takes for it
WRONG = "wrong-secret"
PARTITIONS = 4


# --- servers that are none, or too old ---

class Nothing(socketserver.BaseRequestHandler):
    """Takes connections, and answers nothing."""

    def handle(self):
        with contextlib.suppress(OSError):
            while self.request.recv(4096):
                pass


class Closing(socketserver.BaseRequestHandler):
    """As Kafka before 0.10 does when it is asked what it speaks."""

    def handle(self):
        with contextlib.suppress(OSError):
            self.request.recv(4096)


class OldCassandra(socketserver.BaseRequestHandler):
    """As 2.1 answers a request of version 4: in its own version, with an error."""

    def handle(self):
        text = b"Invalid or unsupported protocol version: 4"
        body = struct.pack(">IH", 0x000A, len(text)) + text
        with contextlib.suppress(OSError):
            self.request.recv(4096)
            self.request.sendall(struct.pack(">BBhBI", 0x83, 0, 0, 0, len(body)) + body)
            self.request.recv(4096)


class NotFound(http.server.BaseHTTPRequestHandler):
    """As etcd 3.3, whose gateway has other paths, and as most other servers do."""

    def do_POST(self):
        self.send_response(404)
        self.send_header("Content-Length", "19")
        self.end_headers()
        self.wfile.write(b"404 page not found\n")

    def log_message(self, *_):
        pass


FAKES = {"silent": Nothing, "closing": Closing, "old_cassandra": OldCassandra, "web": NotFound}


@pytest.fixture(scope="module")
def fakes():
    opened = {}
    for name, handler in FAKES.items():
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened[name] = server
    yield {name: f"127.0.0.1:{server.server_address[1]}" for name, server in opened.items()}
    for server in opened.values():
        server.shutdown()
        server.server_close()


# --- the real ones ---

def make_keyspaces(where):
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster
    host, port = where["nodes"].split(":")
    login = PlainTextAuthProvider(where["user"], where["password"])
    cluster = Cluster([host], port=int(port), protocol_version=4, auth_provider=login,
                      connect_timeout=30, control_connection_timeout=30)
    session = cluster.connect()
    session.default_timeout = 60
    for name, copies, version in (("empty", 1, None), ("older", 1, 1), ("newer", 1, 99),
                                  ("thrice", 3, 2)):
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {name} WITH replication = "
                        f"{{'class': 'SimpleStrategy', 'replication_factor': {copies}}}")
        if version:
            session.execute(f"CREATE TABLE IF NOT EXISTS {name}.schema_version "
                            "(name text PRIMARY KEY, version int)")
            session.execute(f"INSERT INTO {name}.schema_version (name, version) "
                            f"VALUES ('tables', {version})")
    cluster.shutdown()


def issuer_of(path):
    """Who signed what is good in a service: see tools/service/certificates.py."""
    ca = pathlib.Path(path)
    return (x509.load_pem_x509_certificate(ca.read_bytes()).subject,
            serialization.load_pem_private_key(ca.with_suffix(".key").read_bytes(), None))


@pytest.fixture(scope="module")
def world(up, fakes, tmp_path_factory):
    """Where everything is, and files of all kinds."""
    folder = tmp_path_factory.mktemp("settings")
    kafka, cassandra, etcd = (up(f"{name}-tls")["where"] for name in ("kafka", "cassandra", "etcd"))
    make_keyspaces(cassandra)
    found = types.SimpleNamespace(
        folder=folder, fake=fakes, kafka=kafka, cassandra=cassandra,
        etcd=etcd, etcd_plain=etcd["endpoints"].split("//")[1],
        etcd_tls=etcd["secured"].split("//")[1], other_ca=make_certificate(folder, "other")[0],
        named=make_certificate(folder, "named", issuer_of(etcd["ca"])), serial=0)
    for name, text in (("empty", "\n"), ("wrong", WRONG), ("right", etcd["password"]),
                       ("cassandra", cassandra["password"])):
        (folder / name).write_text(text)
    done = chatd(found, {**shared_options(found), **OF_CASSANDRA_TLS, "kafka-create-topic": "on",
                         "cassandra-replication":
                             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}"}, "--migrate")
    assert done.code == 0, done.text
    return found


# --- options; "{...}" stands for what the world has ---

def shared_options(world):
    return {"kafka-brokers": world.kafka["brokers"], "kafka-topic": "settings",
            "kafka-replication": 1, "kafka-min-in-sync": 1, "partitions": PARTITIONS,
            "cassandra": world.cassandra["nodes"], "cassandra-user": world.cassandra["user"],
            "cassandra-password-file": world.folder / "cassandra"}


SASL = {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN",
        "sasl.username": "{kafka[user]}", "sasl.password": "{kafka[password]}",
        "ssl.ca.location": "{kafka[ca]}"}
OF_KAFKA_TLS = {"kafka-brokers": "{kafka[secured]}", "kafka-config": SASL}
OF_CASSANDRA_TLS = {"cassandra": "{cassandra[secured]}", "cassandra-tls": "on",
                    "cassandra-ca-file": "{cassandra[ca]}"}
OF_ETCD = {"etcd": "{etcd[endpoints]}", "etcd-user": "{etcd[user]}",
           "etcd-password-file": "{folder}/right"}
OF_ETCD_TLS = {**OF_ETCD, "etcd": "{etcd[secured]}", "etcd-ca-file": "{etcd[ca]}",
               "etcd-cert-file": "{etcd[cert]}", "etcd-key-file": "{etcd[key]}"}


def fill(world, text):
    return str(text).format(**vars(world))


def words_of(world, options):
    """A command line; a dict is a file of lines NAME = VALUE, and what is None is left away."""
    for name, value in options.items():
        if isinstance(value, dict):
            world.serial += 1
            path = world.folder / f"lines-{world.serial}"
            path.write_text("".join(f"{key} = {fill(world, line)}\n" for key, line in value.items()
                                    if line is not None))
            value = path
        if value is not None:
            yield from (f"--{name}", fill(world, value))


def chatd(world, options, *more, until=None):
    """Run it to its end, or until a line is there: exit code (None: it goes on), output, seconds."""
    world.serial += 1
    data = world.folder / f"data-{world.serial}"
    began = time.monotonic()
    run = Process([chatd_path(), "--data", str(data), "--dev",
                   "--listen", "127.0.0.1:0", "--shards", "1", *words_of(world, options), *more])
    code = None
    try:
        if until:
            run.wait_line(until, SOON_S)
            run.wait_line("listening", SOON_S)
        else:
            code = run.wait_exit(120)
    except AssertionError:
        code = run.child.poll()  # the line is missed below
    finally:
        took = time.monotonic() - began
        run.kill()
    return types.SimpleNamespace(code=code, text=run.output, took=took)


# Of what is wrong: options beside the right ones, what the line says, and how chatd ends.
FAILED, USAGE = 1, 2
BROKERS = "kafka-brokers"
TLS = {"kafka-brokers": "{kafka[secured]}"}
NOWHERE = "127.0.0.1:1"
OF_HOST = "host and port in `cassandra` right.*cassandra-tls"
ROWS = {
    # Kafka
    "kafka: a host that nobody knows": (
        {BROKERS: "no.such.host.invalid:9092"}, "a host in kafka-brokers is not known", FAILED),
    "kafka: a port where nobody listens": (
        {BROKERS: NOWHERE}, "check host and port in kafka-brokers", FAILED),
    "kafka: a server that answers nothing": (
        {BROKERS: "{fake[silent]}"}, "kafka-brokers", FAILED),
    "kafka: a web server": ({BROKERS: "{fake[web]}"}, "kafka-brokers", FAILED),
    "kafka: a broker that is too old": (
        {BROKERS: "{fake[closing]}"}, "broker version is < 0.10.*kafka-brokers", FAILED),
    "kafka: no TLS where it is wanted": (TLS, r"kafka\.security\.protocol", FAILED),
    "kafka: TLS where there is none": (
        {"kafka-config": {"security.protocol": "ssl"}}, r"kafka\.security\.protocol", FAILED),
    "kafka: no password where one is wanted": (
        {**TLS, "kafka-config": {"security.protocol": "ssl", "ssl.ca.location": "{kafka[ca]}"}},
        r"kafka\.security\.protocol", FAILED),
    "kafka: a wrong password": (
        {**TLS, "kafka-config": {**SASL, "sasl.password": WRONG}},
        r"kafka\.sasl\.username, kafka\.sasl\.password.*kafka-config", FAILED),
    "kafka: a mechanism that it does not have": (
        {**TLS, "kafka-config": {**SASL, "sasl.mechanism": "SCRAM-SHA-256"}}, r"kafka\.sasl\.mechanism",
        FAILED),
    "kafka: an authority that nobody knows": (
        {**TLS, "kafka-config": {**SASL, "ssl.ca.location": "{other_ca}"}},
        r"kafka\.ssl\.ca\.location.*kafka-config", FAILED),
    "kafka: an authority that cannot be read": (
        {**TLS, "kafka-config": {**SASL, "ssl.ca.location": "/nowhere"}}, r"ssl\.ca\.location",
        USAGE),
    "kafka: a file that cannot be read": (
        {"kafka-config": "/nowhere"}, "kafka-config: the file cannot be read", USAGE),
    "kafka: a line that is none": (
        {"kafka-config": "{folder}/right"}, "kafka-config: .*NAME = VALUE", USAGE),
    "kafka: a setting that it does not have": (
        {"kafka-config": {"sasl.pasword": WRONG}}, r"kafka\.sasl\.pasword", USAGE),
    "kafka: a setting that must not be": (
        {"kafka-config": {"acks": "1"}}, r"kafka\.acks cannot be 1", USAGE),
    "kafka: no topic": (
        {"kafka-topic": "missing"}, "there is no topic missing .*set kafka-create-topic", USAGE),
    "kafka: more copies than brokers": (
        {"kafka-topic": "copies", "kafka-create-topic": "on", "kafka-replication": 3},
        "fewer brokers than kafka-replication", USAGE),
    "kafka: fewer copies than are asked for": (
        {"kafka-replication": 3}, "lower kafka-replication", USAGE),
    "kafka: more in sync than copies": ({"kafka-min-in-sync": 2}, "kafka-min-in-sync above kafka-replication",
                                        USAGE),
    "kafka: another number of partitions": (
        {"partitions": 8}, f"set partitions to {PARTITIONS}", USAGE),
    "kafka: a name that is none": (
        {"kafka-topic": "a b", "kafka-create-topic": "on"}, "kafka-topic", USAGE),

    # Cassandra
    "cassandra: a host that nobody knows": (
        {"cassandra": "no.such.host.invalid"}, OF_HOST, FAILED),
    "cassandra: a port where nobody listens": (
        {"cassandra": NOWHERE}, OF_HOST, FAILED),
    "cassandra: a list that is none": ({"cassandra": "a:b:c"}, r"cassandra must be HOST", USAGE),
    "cassandra: a server that answers nothing": (
        {"cassandra": "{fake[silent]}"}, OF_HOST, FAILED),
    "cassandra: a web server": ({"cassandra": "{fake[web]}"}, OF_HOST, FAILED),
    "cassandra: one that is too old": (
        {"cassandra": "{fake[old_cassandra]}"}, "`cassandra` must name Cassandra 2.2 to 5", USAGE),
    "cassandra: no TLS where it is wanted": (
        {"cassandra": "{cassandra[secured]}"}, OF_HOST, FAILED),
    "cassandra: TLS where there is none": (
        {"cassandra-tls": "on", "cassandra-ca-file": "{cassandra[ca]}"}, "cassandra-tls", FAILED),
    "cassandra: no password where one is wanted": (
        {"cassandra-user": None, "cassandra-password-file": None},
        "set cassandra-user and cassandra-password-file", FAILED),
    "cassandra: a wrong password": (
        {"cassandra-password-file": "{folder}/wrong"},
        "correct cassandra-user and cassandra-password-file", FAILED),
    "cassandra: a user without a password": (
        {"cassandra-password-file": None}, "cassandra-user without cassandra-password-file", USAGE),
    "cassandra: a password file that cannot be read": (
        {"cassandra-password-file": "/nowhere"},
        "cassandra-password-file: the file cannot be read", USAGE),
    "cassandra: a password file without one": (
        {"cassandra-password-file": "{folder}/empty"}, "cassandra-password-file: there is no",
        USAGE),
    "cassandra: an authority that nobody knows": (
        {**OF_CASSANDRA_TLS, "cassandra-ca-file": "{other_ca}"}, "cassandra-ca-file", FAILED),
    "cassandra: an authority that cannot be read": (
        {**OF_CASSANDRA_TLS, "cassandra-ca-file": "/nowhere"},
        "cassandra-ca-file: the file cannot be read", USAGE),
    "cassandra: an authority that is no certificate": (
        {**OF_CASSANDRA_TLS, "cassandra-ca-file": "{folder}/right"}, "cassandra-ca-file", USAGE),
    "cassandra: no keyspace": (
        {"cassandra-keyspace": "missing"}, "--migrate, or correct cassandra-keyspace", USAGE),
    "cassandra: a keyspace without tables": (
        {"cassandra-keyspace": "empty"}, "--migrate, or correct cassandra-keyspace", USAGE),
    "cassandra: a keyspace that is none": (
        {"cassandra-keyspace": "No Keyspace"}, "cassandra-keyspace: lower letters", USAGE),
    "cassandra: tables that are too old": (
        {"cassandra-keyspace": "older"}, "version 1.*run chatd --migrate", USAGE),
    "cassandra: tables that are too new": (
        {"cassandra-keyspace": "newer"}, "version 99.*use the newer chatd", USAGE),
    "cassandra: more copies than nodes": (
        {"cassandra-keyspace": "thrice"}, "cassandra-replication", FAILED),
    "cassandra: a datacenter that is not there": (
        {"cassandra-datacenter": "elsewhere"}, "set cassandra-datacenter", USAGE),
}
# Of etcd: chatd goes on, but for what it sees by itself.
ETCD_ROWS = {
    "a host that nobody knows": (
        {"etcd": "http://no.such.host.invalid:2379"}, "correct the host in --etcd", None),
    "a port where nobody listens": ({"etcd": f"http://{NOWHERE}"}, "is --etcd right", None),
    "a URL that is none": ({"etcd": NOWHERE}, "etcd: 1 to 16 URLs", USAGE),
    "a server that answers nothing": ({"etcd": "http://{fake[silent]}"}, "is --etcd right", None),
    "a web server, or etcd 3.3": (
        {"etcd": "http://{fake[web]}"}, "404.*is --etcd an etcd of version 3.4", None),
    "http where TLS is wanted": (
        {**OF_ETCD, "etcd": "http://{etcd_tls}"}, "(write|say) (http:// or )?https:// ", None),
    "https where there is none": (
        {**OF_ETCD_TLS, "etcd": "https://{etcd_plain}"}, "(write|say) http:// ", None),
    "an authority that nobody knows": (
        {**OF_ETCD_TLS, "etcd-ca-file": "{other_ca}"}, "set --etcd-ca-file", None),
    "an authority that cannot be read": (
        {**OF_ETCD_TLS, "etcd-ca-file": "/nowhere"}, "etcd-ca-file: the file cannot be read",
        USAGE),
    "an authority that is no certificate": (
        {**OF_ETCD_TLS, "etcd-ca-file": "{folder}/right"}, "--etcd-ca-file", None),
    "no certificate where one is wanted": (
        {**OF_ETCD_TLS, "etcd-cert-file": None, "etcd-key-file": None},
        "--etcd-cert-file and --etcd-key-file", None),
    "a certificate with a CommonName, and a user": (
        {**OF_ETCD_TLS, "etcd-cert-file": "{named[0]}", "etcd-key-file": "{named[1]}"},
        "--etcd-cert-file has no CommonName", None),
    "a certificate without its key": (
        {**OF_ETCD_TLS, "etcd-key-file": None}, "etcd-cert-file without etcd-key-file", USAGE),
    "a key that is none": (
        {**OF_ETCD_TLS, "etcd-key-file": "{folder}/right"}, "--etcd-key-file", None),
    "no password where one is wanted": (
        {**OF_ETCD, "etcd-user": None, "etcd-password-file": None},
        "set --etcd-user and --etcd-password-file", None),
    "a wrong password": (
        {**OF_ETCD, "etcd-password-file": "{folder}/wrong"},
        "set --etcd-user and --etcd-password-file", None),
    "a user without a password": (
        {**OF_ETCD, "etcd-password-file": None}, "etcd-user without etcd-password-file", USAGE),
    "a prefix that the user may not write": (
        {**OF_ETCD, "etcd-prefix": "elsewhere/"}, "below --etcd-prefix", None),
}


@pytest.fixture(scope="module")
def runs(world):
    """All rows at once: most of them only wait."""
    rows = {name: ({**shared_options(world), **row[0]}, *row[1:]) for name, row in ROWS.items()}
    rows.update({f"etcd: {name}": row for name, row in ETCD_ROWS.items()})
    with concurrent.futures.ThreadPoolExecutor(max_workers=16) as pool:
        started = {name: pool.submit(chatd, world, options, until=words if code is None else None)
                   for name, (options, words, code) in rows.items()}
    return {name: (*rows[name][1:], run.result()) for name, run in started.items()}


@pytest.mark.parametrize("name", [*ROWS, *(f"etcd: {name}" for name in ETCD_ROWS)])
def test_a_wrong_setting_is_named(runs, world, name):
    words, code, done = runs[name]
    told = [line for line in done.text.splitlines() if re.search(words, line)]
    print(f"{done.took:.1f} s: {told[-1] if told else done.text}")
    assert told and ": error: " in told[-1] or (told and code is None), done.text
    assert done.code == code, done.text
    assert done.took < SOON_S
    for secret in (WRONG, world.etcd["password"]):
        assert secret not in done.text
    assert "Sanitizer" not in done.text and "runtime error:" not in done.text


def test_tls_and_passwords_at_all_three(world, tmp_path):
    """And when etcd is started again it knows no token any more: chatd asks for another."""
    options = {**shared_options(world), **OF_KAFKA_TLS, **OF_CASSANDRA_TLS, **OF_ETCD_TLS,
               "etcd-ttl-ms": 6000}
    server = Server(tmp_path / "one", options=[*words_of(world, options), "--metrics", "on"])
    server.start(timeout=SOON_S)
    alice, bob = Client(server, "alice"), Client(server, "bob")
    server.run.wait_line("node numbers are held")
    for body in ("one", "two"):
        alice.say(body, to="bob")
        bob.expect_msg(body)
    assert {"one", "two"} <= {row["body"] for row in bob.history(to="alice")[0]}
    services("kill", "etcd-tls-1")
    services("start", "etcd-tls-1")
    before, end = renewals(server), time.monotonic() + SOON_S
    while renewals(server) < before + 2:
        assert time.monotonic() < end, server.log()
        time.sleep(0.1)
    alice.say("three", to="bob")
    bob.expect_msg("three")
    assert "auth token" not in server.log()
    server.finish()


def renewals(server):
    return int(figures(server)["chat_lease_renewals_total"])


def test_etcd_with_a_password_alone(world, tmp_path):
    server = Server(tmp_path / "one", options=words_of(world, OF_ETCD)).start()
    server.run.wait_line("node numbers are held")
    with Client(server, "alice") as alice:
        assert alice.say("hello", to="bob")["id"]
    server.finish()
