# SPDX-License-Identifier: MIT
"""libchat-cassandra against a real Cassandra."""

import contextlib
import datetime
import ipaddress
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading

from conftest import services
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def start(build, nodes, program, *args, **env):
    return subprocess.Popen([str(build / "tests/services" / program), *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(os.environ, CHAT_CASSANDRA=nodes, **env))


def finish(program, timeout=400):
    text, _ = program.communicate(timeout=timeout)
    assert program.returncode == 0, text
    return text


def test_cql_connection(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    assert "[  PASSED  ] 4 test(s)." in finish(start(build, nodes, "services_cql"))


def test_rules_of_the_driver(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    assert "[  PASSED  ] 7 test(s)." in finish(start(build, nodes, "services_cassandra"))


def make_certificate(path):
    """Of 127.0.0.1, signed by itself, with its key in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([address]), True)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
                   .sign(key, hashes.SHA256()))
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


def carry(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def tls_in_front_of(node, pem):
    """Takes TLS and goes on to the node without it; the nodes that it tells of have its port."""
    host, port = node.split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(raw):
        with contextlib.suppress(OSError):
            ours, its = context.wrap_socket(raw, server_side=True), socket.create_connection(
                (host, int(port)))
            threading.Thread(target=carry, args=(its, ours), daemon=True).start()
            carry(ours, its)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_rules_over_tls(up, build, tmp_path):
    node = up("cassandra")["where"]["nodes"]
    make_certificate(tmp_path / "ca.pem")
    make_certificate(tmp_path / "other.pem")
    with tls_in_front_of(node, tmp_path / "ca.pem") as front:
        text = finish(start(build, front, "services_cassandra",
                            CHAT_CASSANDRA_CA=str(tmp_path / "ca.pem")))
        assert "[  PASSED  ] 7 test(s)." in text
        text, _ = start(build, front, "services_cassandra", "refused",
                        CHAT_CASSANDRA_CA=str(tmp_path / "other.pem")).communicate(timeout=60)
        assert "ERR_TLS" in text and "signed by nobody who is trusted here" in text


def test_one_of_three_nodes_is_killed_and_nothing_fails(up, build):
    nodes = up("cassandra:3")["where"]["nodes"]
    # All three are known to each other before one is lost.
    assert "[  PASSED  ] 7 test(s)." in finish(start(build, nodes, "services_cassandra"))
    program = start(build, nodes, "services_cassandra", "survive")
    for line in program.stdout:
        if line.strip() == "now":
            break
    services("kill", "cassandra-2")
    services("start", "cassandra-2")
    text = finish(program)
    assert ", failed 0," in text
    assert "[  PASSED  ] 1 test(s)." in text


def test_speed_beside_the_datastax_driver(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    theirs = str(pathlib.Path(__file__).with_name("datastax.py"))
    # Whoever comes first warms the nodes up for the other: each runs twice.
    for _ in range(2):
        done = subprocess.run([sys.executable, theirs, nodes, "10000"], capture_output=True,
                              text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        print("datastax:", done.stdout.strip())
        print("libchat: ", finish(start(build, nodes, "services_cassandra", "speed", "10000")).strip())
