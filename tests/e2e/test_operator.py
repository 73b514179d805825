# SPDX-License-Identifier: MIT
"""What an operator meets: wrong options, a directory that is taken, full or damaged, a restart.
Each is a clear message and a non-zero exit, or a retryable error to the client, and loses nothing.
"""
import contextlib
import datetime
import http.client
import ipaddress
import os
import pathlib
import shutil
import signal
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client import Client, RawSocket, trusting
from harness import DEADLINE_S, Process, chatd_path, run_chat

NOBODY = 65534


def chatd(*args, timeout=DEADLINE_S, **popen):
    """Run chatd to its end: exit code and all of its output."""
    run = Process([chatd_path(), *[str(arg) for arg in args]], **popen)
    try:
        return run.wait_exit(timeout), run.output
    finally:
        run.kill()


def fails_to_start(server, **popen):
    run = server.spawn(**popen)
    try:
        code = run.wait_exit()
    finally:
        run.kill()
    server.runs.remove(run)
    assert code not in (0, None) and code > 0, f"exit {code}: {run.output}"
    return run.output


# --- options ---

def test_help_names_every_option_and_the_exit_codes():
    code, text = chatd("--help")
    assert code == 0
    for option in ("--config", "--data", "--listen", "--jwt-secret-file", "--dev", "--check-config",
                   "--tls-cert", "--tls-key", "--version"):
        assert option in text


def test_version_is_one_line():
    code, text = chatd("--version")
    assert code == 0
    assert text.startswith("chatd ") and len(text.splitlines()) == 1


def test_an_unknown_option_is_refused_with_a_suggestion():
    code, text = chatd("--lisen", "127.0.0.1:0")
    assert code == 2
    assert "--lisen" in text and "--listen" in text


@pytest.mark.parametrize("args", [["--listen", "nowhere"], ["--listen", "127.0.0.1:99999"],
                                  ["--listen"], ["surplus"]])
def test_a_wrong_value_is_refused_before_anything_is_made(workdir, args):
    data = os.path.join(workdir, "data")
    code, text = chatd("--data", data, "--dev", *args)
    assert code == 2
    assert args[-1] in text
    assert not os.path.exists(data)


def test_without_a_secret_it_refuses_and_says_what_to_do(workdir):
    code, text = chatd("--data", os.path.join(workdir, "data"), "--listen", "127.0.0.1:0")
    assert code == 2
    assert "--jwt-secret-file" in text and "--dev" in text


def test_a_short_secret_is_refused(make_server, workdir):
    path = pathlib.Path(workdir, "short")
    path.write_text("0123456789")
    text = fails_to_start(make_server(auth=["--jwt-secret-file", path]))
    assert "32" in text


def test_a_secret_file_that_is_not_there_is_named(make_server, workdir):
    path = os.path.join(workdir, "missing-secret")
    assert path in fails_to_start(make_server(auth=["--jwt-secret-file", path]))


def config(workdir, text):
    path = pathlib.Path(workdir, "chatd.conf")
    path.write_text(text)
    return path


def test_check_config_accepts_a_good_file_and_starts_nothing(workdir):
    secret = pathlib.Path(workdir, "secret")
    secret.write_text("s" * 48)
    data = os.path.join(workdir, "data")
    path = config(workdir, f"data = {data}\nlisten = 127.0.0.1:0\njwt-secret-file = {secret}\n")
    code, text = chatd("--config", path, "--check-config")
    assert code == 0, text
    assert not os.path.exists(data)


@pytest.mark.parametrize("line, hint", [("lisen = 127.0.0.1:0", "listen"),
                                        ("listen = nowhere", "listen"), ("no equals sign", "")])
def test_check_config_names_the_line_that_is_wrong(workdir, line, hint):
    path = config(workdir, f"# a comment\n{line}\n")
    code, text = chatd("--config", path, "--check-config")
    assert code == 2
    assert f"{path}:2" in text or ("line 2" in text and str(path) in text), text
    assert hint in text


@pytest.mark.parametrize("safe, clear", [("etcd = https://127.0.0.1:1", "etcd = http://127.0.0.1:1"),
                                         ("cassandra-tls = on", "cassandra-tls = off"),
                                         ("redis-tls = on", "redis-tls = off")])
def test_a_password_that_goes_over_the_network_in_clear_is_warned_of(workdir, safe, clear):
    secret = pathlib.Path(workdir, "secret")
    secret.write_text("s" * 48)
    service = safe.split()[0].removesuffix("-tls")
    lines = [f"jwt-secret-file = {secret}", f"{service}-password-file = {secret}",
             f"{service}-user = me"]
    if service != "etcd":
        lines += [f"{service} = 127.0.0.1:1"]
    if service == "cassandra":
        lines += ["kafka-brokers = 127.0.0.1:1"]
    for line in (safe, clear):
        path = config(workdir, "\n".join([*lines, line, ""]))
        code, text = chatd("--config", path, "--check-config")
        assert code == 0, text
        assert (f"warning: {service}-password-file" in text) == (line == clear), text


def test_a_config_file_starts_a_server(make_server, workdir):
    secret = pathlib.Path(workdir, "secret")
    secret.write_text("s" * 48)
    path = config(workdir, f"jwt-secret-file = {secret}\n")
    server = make_server(secret="s" * 48, auth=["--config", path]).start()
    with Client(server, "alice") as alice:
        alice.ping()


def test_dev_says_loudly_what_it_is_and_prints_tokens(make_server):
    server = make_server(auth=["--dev"]).start()
    found = server.run.wait_line(r"(eyJ[\w-]+\.[\w-]+\.[\w-]+)")
    with Client(server, "alice", token=found.group(1)) as client:
        client.ping()
    assert "development" in server.log().lower()


# --- the data directory ---

@pytest.mark.embedded
def test_a_data_directory_in_use_is_refused_and_left_alone(server, make_server, connect):
    alice = connect("alice")
    second = make_server(secret=server.secret)
    text = fails_to_start(second)
    assert str(server.data) in text and "use" in text
    alice.say("still here", to="bob")
    assert alice.bodies(to="bob") == ["still here"]


def test_a_port_in_use_is_refused(server, make_server):
    second = make_server("other-data")
    run = second.spawn(port=server.port)
    assert run.wait_exit() > 0
    second.runs.clear()
    assert str(server.port) in run.output and "use" in run.output


@pytest.mark.embedded
def test_a_directory_that_cannot_be_written_is_refused(make_server, workdir):
    binary = os.path.join(workdir, "chatd-copy")
    shutil.copy(chatd_path(), binary)
    os.chmod(binary, 0o755)
    server = make_server()
    os.mkdir(server.data, 0o755)
    server.data.with_name("data.secret").chmod(0o644)

    def become_nobody():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    assert os.getuid() == 0, "this test takes another user's rights: run it as root"
    os.chmod(server.data, 0o755)
    run = Process(server.args(), preexec_fn=become_nobody, cwd="/")
    try:
        assert run.wait_exit() > 0
    finally:
        run.kill()
    assert str(server.data) in run.output
    assert "permission" in run.output.lower() or "writable" in run.output.lower(), run.output


@pytest.mark.embedded
def test_a_directory_of_a_newer_version_is_refused_and_unchanged(server, make_server, connect):
    connect("alice").say("precious", to="bob")
    assert server.stop() == 0
    raise_version(server.data)
    before = snapshot(server.data)
    text = fails_to_start(make_server(secret=server.secret))
    assert "newer version" in text and str(server.data) in text
    assert snapshot(server.data) == before


def raise_version(data):
    """As a later version would have written it: the number in the first line of `format`."""
    path = data / "format"
    first, rest = path.read_text().split("\n", 1)
    words = first.split()
    path.write_text(" ".join([*words[:-1], str(int(words[-1]) + 1)]) + "\n" + rest)


def snapshot(data):
    """Everything but the lock, which names the last process that tried."""
    return {path: path.read_bytes() for path in data.rglob("*")
            if path.is_file() and path.name != "lock"}


def segments(data):
    return sorted(path for path in data.rglob("*") if path.is_file() and "log" in str(path))


def flip_bit_in(data, text):
    """Flip one bit of the stored copy of this text, wherever it is in the log."""
    for path in segments(data):
        content = path.read_bytes()
        at = content.find(text.encode())
        if at < 0:
            continue
        with open(path, "r+b") as file:
            file.seek(at + 3)
            file.write(bytes([content[at + 3] ^ 0x10]))
        return path
    raise AssertionError(f"{text!r} is in no file of {data}")


@pytest.mark.embedded
@pytest.mark.parametrize("stop", ["clean", "killed"])
def test_a_flipped_bit_costs_one_message_and_is_reported(server, connect, stop):
    bodies = [f"message number {i}" for i in range(40)]
    alice = connect("alice")
    for body in bodies:
        alice.say(body, to="bob")
    alice.say("in another chat", to="carol")
    if stop == "clean":
        assert server.stop() == 0
    else:
        server.kill()
        server.runs.clear()
    flip_bit_in(server.data, bodies[20])
    server.start()
    alice, bob = connect("alice"), connect("bob")
    survivors = bodies[:20] + bodies[21:]
    assert alice.bodies(to="bob") == survivors
    assert alice.bodies(to="carol") == ["in another chat"]
    assert [bob.expect("msg")["body"] for _ in survivors] == survivors
    alice.say("life goes on", to="bob")
    bob.expect_msg("life goes on")
    assert "damage" in server.log().lower() or "checksum" in server.log().lower(), server.log()


@pytest.mark.embedded
def test_a_torn_tail_is_cut_and_reported(server, connect):
    alice = connect("alice")
    for i in range(5):
        alice.say(f"safe {i}", to="bob")
    alice.say("the last one", to="bob")
    server.kill()
    server.runs.clear()
    flip_bit_in(server.data, "the last one")
    server.start()
    alice = connect("alice")
    assert alice.bodies(to="bob") == [f"safe {i}" for i in range(5)]
    alice.say("and on", to="bob")
    assert alice.bodies(to="bob")[-1] == "and on"


# --- a full disk ---

@contextlib.contextmanager
def small_disk(path, mebibytes):
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", path], check=True)
    try:
        yield pathlib.Path(path)
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def send_until_full(alice):
    """Fill the disk; the bodies that were answered with `sent`, and the first refusal."""
    kept, body = [], "x" * 60_000
    for i in range(2000):
        cid = alice.send(f"{i} {body}", to="bob")
        answer = first_answer(alice, cid)
        if answer["t"] == "error":
            return kept, answer
        kept.append(f"{i} {body}")
    raise AssertionError("the disk never got full")


def first_answer(client, cid):
    while True:
        for at, frame in enumerate(client.inbox):
            if frame.get("cid") == cid and frame["t"] in ("sent", "error"):
                return client.inbox.pop(at)
        client._take(DEADLINE_S)  # pylint: disable=protected-access


@pytest.mark.embedded
@pytest.mark.timeout(60)
def test_a_full_disk_is_a_retryable_error_and_loses_nothing(make_server, workdir):
    with small_disk(os.path.join(workdir, "disk"), 32) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * (8 << 20))
        server = make_server("disk/data", options=["--segment-bytes", 4 << 20]).start()
        with Client(server, "alice") as alice:
            kept, refused = send_until_full(alice)
            assert refused["code"] == "storage_full"
            assert refused["retry_after_ms"] > 0
            assert alice.bodies(to="bob") == kept
            ballast.unlink()
            alice.say("there is room again", to="bob")
        server.restart()
        with Client(server, "alice") as alice:
            assert alice.bodies(to="bob") == [*kept, "there is room again"]
        assert server.stop() == 0


@pytest.mark.embedded
@pytest.mark.timeout(60)
def test_a_disk_that_is_full_at_the_start_is_a_clear_message(make_server, workdir):
    with small_disk(os.path.join(workdir, "disk"), 4) as disk:
        filler = disk / "filler"
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        server = make_server("disk/data")
        text = fails_to_start(server)
        assert "full" in text or "space" in text


# --- stopping ---

def test_sigterm_drains(server, connect):
    alice, bob = connect("alice"), connect("bob")
    cids = [alice.send(f"{i}", to="bob") for i in range(200)]
    server.signal(signal.SIGTERM)
    if len(server.processes) == 1:  # of several the one with the socket closes it, as a gateway
        bye = bob.expect("bye")
        assert bye["code"] == "draining"
        assert bye["retry_after_ms"] >= 0
    assert alice.close_code() == 1012
    assert bob.close_code() == 1012
    sent = [frame["cid"] for frame in alice.inbox if frame["t"] == "sent"]
    refused = [frame["cid"] for frame in alice.inbox if frame["t"] == "error"]
    assert server.wait_exit() == 0
    server.start()
    rows, after = [], 0
    alice = connect("alice")
    while True:
        page, more = alice.history(to="bob", after=after, limit=100)
        rows += page
        if not more:
            break
        after = page[-1]["seq"]
    stored = [row["cid"] for row in rows]
    assert len(stored) == len(set(stored))
    assert set(sent) <= set(stored), "an accepted message is gone"
    assert not set(refused) & set(stored), "a refused message is stored"
    assert set(stored) <= set(cids)


def test_sigint_stops_as_sigterm_does(server, connect):
    connect("alice").say("hello", to="bob")
    server.signal(signal.SIGINT)
    assert server.wait_exit() == 0


def test_a_silent_connection_does_not_hold_up_the_stop(server):
    with RawSocket(server), RawSocket(server) as half:
        half.write(b"GET / HTTP/1.1\r\n")
        with RawSocket(server) as open_:
            open_.greet("sleeper")
            assert server.stop() == 0


def test_healthz_says_ok(server):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=DEADLINE_S)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200
    assert b"ok" in answer.read()
    connection.close()


# --- TLS ---

def make_certificate(directory, name, issuer=None, days=10):
    """A key and a certificate for localhost; without an issuer it is its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
        .sign(issuer_key, hashes.SHA256()))
    cert_path, key_path = pathlib.Path(directory, f"{name}.crt"), pathlib.Path(directory, f"{name}.key")
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                           serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()))
    return cert_path, key_path


class TlsServer:
    """A view of a server for clients that come by wss."""

    def __init__(self, server):
        self.server, self.host, self.port = server, "localhost", server.port
        self.url = f"wss://localhost:{server.port}"
        self.token = server.token


@pytest.fixture(name="tls")
def fixture_tls(make_server, workdir):
    cert, key = make_certificate(workdir, "localhost")
    return TlsServer(make_server(options=["--tls-cert", cert, "--tls-key", key]).start()), cert


def test_two_clients_talk_over_tls(tls):
    server, cert = tls
    with Client(server, "alice", ssl=trusting(cert)) as alice, \
            Client(server, "bob", codec="cbor", ssl=trusting(cert)) as bob:
        for body in ("hello", "x" * 60_000):
            alice.say(body, to="bob")
            bob.expect_msg(body)
        alice.expect("receipt")


def test_the_command_line_client_trusts_the_given_authority(tls, workdir):
    server, cert = tls
    sent = run_chat("--ca", cert, "send", "@bob", "hello over tls", server=server, user="alice")
    assert sent.returncode == 0, sent.stderr
    other, _ = make_certificate(workdir, "other")
    for options in ([], ["--ca", other]):
        refused = run_chat(*options, "--timeout", "3", "send", "@bob", "hello", server=server,
                           user="alice")
        assert refused.returncode == 3
        assert "certificate" in refused.stderr.lower() or "tls" in refused.stderr.lower()


def test_plain_bytes_on_a_tls_port_harm_nobody(tls):
    server, cert = tls
    with Client(server, "alice", ssl=trusting(cert)) as alice:
        with RawSocket(server.server) as plain:
            plain.write(plain.request(server.token("mallory")))
            assert b"101" not in plain.read_to_end()
        alice.ping()


def test_a_certificate_that_cannot_be_read_is_named(make_server, workdir):
    cert, key = make_certificate(workdir, "localhost")
    broken = pathlib.Path(workdir, "broken.crt")
    broken.write_text("no certificate")
    assert "broken.crt" in fails_to_start(make_server(options=["--tls-cert", broken, "--tls-key", key]))
    assert "--tls-key" in fails_to_start(make_server(options=["--tls-cert", cert]))


# --- state ---

@pytest.mark.embedded
def test_a_lost_state_file_is_rebuilt_from_the_log_or_refused(server, connect):
    """The log holds the truth: without its views nothing may be silently empty."""
    alice = connect("alice")
    for i in range(10):
        alice.say(f"{i}", to="bob")
    assert server.stop() == 0
    for path in server.data.iterdir():
        if is_sqlite(path):
            path.unlink()
    run = server.spawn()
    try:
        run.wait_line(r"127\.0\.0\.1:[1-9]")
    except AssertionError:
        assert run.wait_exit() > 0
        server.runs.remove(run)
        return
    server.port = int(run.wait_line(r"127\.0\.0\.1:([1-9]\d*)").group(1))
    assert connect("alice").bodies(to="bob") == [f"{i}" for i in range(10)]


def is_sqlite(path):
    return path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"


def test_two_servers_in_one_host_know_nothing_of_each_other(server, make_server):
    other = make_server("other-data").start()
    threads = []
    for one in (server, other):
        def talk(to=one):
            with Client(to, "alice") as alice:
                alice.say(f"on {to.port}", to="bob")
        threads.append(threading.Thread(target=talk))
        threads[-1].start()
    for thread in threads:
        thread.join(DEADLINE_S)
    for one in (server, other):
        with Client(one, "bob") as bob:
            assert bob.expect("msg")["body"] == f"on {one.port}"
            assert not bob.seen("msg")
