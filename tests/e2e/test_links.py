# SPDX-License-Identifier: MIT
"""Links between the servers of a cluster: real processes (linker), cut, frozen and killed."""
import contextlib
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from harness import Process, build_dir, is_readable
from test_operator import make_certificate

TIMEOUT_MS = 1500


class Wire:
    """A TCP proxy that a test stops, cuts and leads elsewhere."""

    def __init__(self, target=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = target
        self.is_frozen = threading.Event()
        self.pairs, self.lock, self.n_accepted = [], threading.Lock(), 0
        self.end, self.waker = socket.socketpair()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.n_accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.pairs.append((near, far))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, target):
        try:
            while data := source.recv(65536):
                if self.is_frozen.is_set():
                    is_readable(self.end)  # neither a byte nor an end passes
                    return
                target.sendall(data)
        except OSError:
            pass
        if not self.is_frozen.is_set():
            self._shut(source, target)

    @staticmethod
    def _shut(*sockets):
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """End all connections in the middle of whatever they say."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._shut(*pair)

    def freeze(self):
        """Like a cable that is pulled: nothing more is heard of anybody."""
        self.is_frozen.set()

    def thaw(self):
        self.cut()
        self.is_frozen.clear()

    def close(self):
        self.waker.close()
        self.listener.close()
        self.cut()


class Cluster:
    """Members 0 and 1; 0 dials 1 through a wire."""

    def __init__(self, workdir):
        self.workdir = workdir
        self.secret = os.path.join(workdir, "link.secret")
        self.write_secret(self.secret)
        self.runs = []
        self.wire = Wire()

    @staticmethod
    def write_secret(path):
        with open(path, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(secrets.token_hex(32) + "\n")

    def spawn(self, member, *options, peers=None, **popen):
        args = [str(build_dir() / "tests/e2e/linker"), "--link-member", str(member),
                "--link-peers", peers or f"0@127.0.0.1:1,1@127.0.0.1:{self.wire.port}",
                "--link-timeout-ms", str(TIMEOUT_MS), "--link-retry-max-ms", "200",
                "--link-listen", "127.0.0.1:0"]
        if "--link-tls-cert" not in options and "--link-secret-file" not in options:
            args += ["--link-secret-file", self.secret]
        # What AddressSanitizer keeps of freed memory is not the link's.
        env = {**os.environ,
               "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
        run = Process(args + [str(option) for option in options], name=f"member {member}",
                      stdin=subprocess.PIPE, env=env, **popen)
        self.runs.append(run)
        return run

    def start(self, member, *options, **more):
        run = self.spawn(member, *options, **more)
        port = int(run.wait_line(r"listening (\d+)").group(1))
        if member == 1:
            self.wire.target = port
        return run

    def start_both(self, *options):
        high, low = self.start(1, *options), self.start(0, *options)
        low.wait_line("^up 1")
        high.wait_line("^up 0")
        return low, high

    def finish(self):
        self.wire.close()
        for run in self.runs:
            if run.is_running():
                run.child.stdin.close()
                assert run.wait_exit() == 0, run.output
            assert "Sanitizer" not in run.output and "runtime error:" not in run.output


@pytest.fixture
def cluster(workdir):
    made = Cluster(workdir)
    try:
        yield made
        made.finish()
    finally:
        made.wire.close()
        for run in made.runs:
            run.kill()


def ask(run, command, pattern, timeout=60):
    start = len(run.lines)
    run.write(command + "\n")
    return run.wait_line(pattern, timeout, start)


def figures(run):
    found = ask(run, "figures", r"^figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)")
    return dict(zip(("up", "connects", "lost", "refused", "kept", "rss_kb"),
                    map(int, found.groups())))


def expect_all(run, member, count):
    found = ask(run, f"want {member} {count}", rf"^got {member} (\d+) (\d+) (\d+) (\d+)")
    assert [int(n) for n in found.groups()[:3]] == [count, 0, 0], found.group(0)
    return int(found.group(4)) / 1e6


def test_100000_frames_arrive_in_order_both_ways(cluster):
    low, high = cluster.start_both()
    for run, other in ((low, 1), (high, 0)):
        run.write(f"send {other} 100000 200\n")
    low.wait_line("^sent 1 100000", 60)
    high.wait_line("^sent 0 100000", 60)
    expect_all(high, 0, 100000)
    expect_all(low, 1, 100000)


def test_a_member_that_works_nothing_off_holds_back_the_sender(cluster):
    """Memory stays bounded while 100 MB wait to be sent, and all of it comes at last."""
    low, high = cluster.start_both("--link-window-bytes", "1048576",
                                   "--link-queue-bytes", "2097152")
    before = figures(low)["rss_kb"], figures(high)["rss_kb"]
    high.write("hold\n")
    figures(high)
    low.write("send 1 100000 1000\n")
    with pytest.raises(AssertionError, match="time is over"):
        low.wait_line("^sent 1", 2 * TIMEOUT_MS / 1000)
    high_rss = figures(high)["rss_kb"]
    assert high_rss - before[1] < 16384, (high_rss, before)
    high.write("release\n")
    low.wait_line("^sent 1 100000", 60)
    expect_all(high, 0, 100000)
    after = figures(low)
    assert after["rss_kb"] - before[0] < 16384, (after, before)
    assert after["lost"] == 0  # who is slow is not dead


@pytest.mark.parametrize("who", [0, 1])
def test_a_killed_member_is_noticed(cluster, who):
    runs = cluster.start_both()
    runs[who].kill()
    started = time.monotonic()
    runs[1 - who].wait_line(f"^lost {who}")
    assert time.monotonic() - started < TIMEOUT_MS / 1000 + 1
    at = len(runs[1 - who].lines)
    new = cluster.start(who)
    runs[1 - who].wait_line(f"^up {who}", start=at)
    ask(runs[1 - who], f"send {who} 100 100", f"^sent {who}")
    new.wait_line(f"^up {1 - who}")


def test_a_member_killed_is_noticed_within_10_s_by_default(cluster):
    low, high = cluster.start_both("--link-timeout-ms", "9000")
    high.kill()
    started = time.monotonic()
    low.wait_line("^lost 1", 12)
    assert time.monotonic() - started < 10


def test_a_member_that_hangs_is_noticed(cluster):
    low, high = cluster.start_both()
    high.signal(signal.SIGSTOP)
    try:
        low.wait_line("^lost 1")
    finally:
        high.signal(signal.SIGCONT)
    high.wait_line("^lost 0")  # the other side has begun anew
    at = len(low.lines)
    low.wait_line("^up 1", start=at - 1)


def test_who_was_held_up_reads_before_it_judges(cluster):
    """A process that did not run for longer than its timeout finds what came meanwhile."""
    high = cluster.start(1)
    low = cluster.start(0, "--link-timeout-ms", "60000")
    low.wait_line("^up 1")
    high.write("want 0 1000\n")
    high.signal(signal.SIGSTOP)
    try:
        ask(low, "send 1 1000 100", "^sent 1 1000")
        time.sleep(1.5 * TIMEOUT_MS / 1000)
    finally:
        high.signal(signal.SIGCONT)
    high.wait_line("^got 0 1000 0 0")
    assert not re.search("^lost.*^got", high.output, re.M | re.S)


def test_cuts_lose_nothing_and_double_nothing(cluster):
    low, high = cluster.start_both()
    for run, other in ((low, 1), (high, 0)):
        run.write(f"send {other} 300000 500\n")
    n_cuts = 0
    while n_cuts < 15 and not all("\nsent" in run.output for run in (low, high)):
        seen = cluster.wire.n_accepted
        cluster.wire.cut()
        n_cuts += 1
        while cluster.wire.n_accepted == seen:
            threading.Event().wait(0.005)  # until they have connected again
        threading.Event().wait(0.03)       # and have said a part
    expect_all(high, 0, 300000)
    expect_all(low, 1, 300000)
    assert n_cuts > 3
    assert figures(low)["lost"] == figures(high)["lost"] == 0


def test_a_short_partition_loses_nothing(cluster):
    low, high = cluster.start_both("--link-timeout-ms", "9000")
    cluster.wire.freeze()
    ask(low, "send 1 1000 100", "^sent 1 1000")
    cluster.wire.thaw()
    expect_all(high, 0, 1000)
    assert figures(low)["lost"] == figures(high)["lost"] == 0


def test_a_long_partition_is_a_death_for_both(cluster):
    low, high = cluster.start_both()
    cluster.wire.freeze()
    low.wait_line("^lost 1")
    high.wait_line("^lost 0")
    ask(low, "send 1 10 100", "^cut 1 0")
    at = len(low.lines), len(high.lines)
    cluster.wire.thaw()
    low.wait_line("^up 1", start=at[0])
    high.wait_line("^up 0", start=at[1])
    ask(low, "send 1 10 100", "^sent 1 10")
    expect_all(high, 0, 10)


def test_who_ends_says_goodbye(cluster):
    low, high = cluster.start_both("--link-timeout-ms", "60000")
    high.child.stdin.close()
    assert high.wait_exit() == 0
    low.wait_line("^lost 1", 5)


def test_a_wrong_secret_is_refused(cluster, workdir):
    other = os.path.join(workdir, "other.secret")
    cluster.write_secret(other)
    high = cluster.start(1)
    low = cluster.start(0, "--link-secret-file", other)
    low.wait_line("compare the files of link-secret-file")
    high.wait_line("compare the files of link-secret-file")
    assert figures(low)["up"] == figures(high)["up"] == 0
    assert cluster.wire.n_accepted < 60


@pytest.mark.parametrize("option, value, words", [
    ("--link-cluster", "other", "compare link-cluster"),
    ("--link-peers", "5@127.0.0.1:{port}", "compare link-member and link-peers"),
])
def test_what_does_not_fit_names_the_option(cluster, option, value, words):
    high = cluster.start(1)
    low = cluster.start(0, option, value.format(port=cluster.wire.port))
    low.wait_line(words)
    high.wait_line(words)


def test_a_second_process_with_the_same_number_is_refused(cluster):
    low, high = cluster.start_both()
    twin = cluster.start(0)
    twin.wait_line("give each its own link-member")
    assert figures(low)["up"] == figures(high)["up"] == 1


def test_a_member_that_nobody_named_is_refused(cluster):
    high = cluster.start(1, peers="5@127.0.0.1:1")
    low = cluster.start(0)
    low.wait_line("see link-peers")
    high.wait_line("see link-peers")


@pytest.mark.parametrize("options, words", [
    (("--link-peers", "x@y"), r"link-peers: \"x@y\" is no NUMBER@HOST:PORT"),
    (("--link-peers", "1@a:1,1@b:1"), "link-peers: member 1 is there twice"),
    (("--link-peers", "5000@a:1"), "with a number up to 1023"),
    (("--link-secret-file", "/nowhere"), "link-secret-file: cannot read /nowhere"),
    (("--link-secret-file", "/dev/null"), "link-secret-file: /dev/null holds 0 bytes"),
    (("--link-tls-cert", "/nowhere"), "link-tls-cert, link-tls-key and link-tls-ca belong"),
    (("--link-cluster", "a\x01"), "link-cluster: visible ASCII only"),
    (("--link-window-bytes", "1000000", "--link-queue-bytes", "65536"), "link-queue-bytes"),
])
def test_wrong_options_are_named(cluster, options, words):
    run = cluster.spawn(0, *options)
    run.wait_line(words)
    assert run.wait_exit() == 2


def test_a_port_in_use_names_the_option(cluster):
    run = cluster.spawn(0, "--link-listen", f"127.0.0.1:{cluster.wire.port}")
    run.wait_line("the port is in use.*--link-listen")
    assert run.wait_exit() == 1


def test_strangers_do_no_harm(cluster):
    low, high = cluster.start_both()
    socks = []
    for i in range(200):
        one = socket.create_connection(("127.0.0.1", cluster.wire.target))
        one.sendall([b"GET / HTTP/1.1\r\n\r\n", os.urandom(2000), b"", b"GET /chat-link"][i % 4])
        socks.append(one)
    ask(low, "send 1 1000 100", "^sent 1 1000")
    expect_all(high, 0, 1000)
    for one in socks:
        one.close()


class Authority:
    """Who signs the certificates of members."""

    def __init__(self, folder, name):
        self.folder = folder
        self.cert, key = make_certificate(folder, name)
        self.issuer = (x509.load_pem_x509_certificate(self.cert.read_bytes()).subject,
                       serialization.load_pem_private_key(key.read_bytes(), None))

    def options(self, name, trusted=None):
        cert, key = make_certificate(self.folder, name, self.issuer)
        return ("--link-tls-cert", cert, "--link-tls-key", key,
                "--link-tls-ca", (trusted or self).cert)


def test_frames_arrive_over_mutual_tls(cluster, workdir):
    ca = Authority(workdir, "ca")
    high = cluster.start(1, *ca.options("one"))
    low = cluster.start(0, *ca.options("zero"))
    low.wait_line("^up 1")
    for run, other in ((low, 1), (high, 0)):
        run.write(f"send {other} 20000 500\n")
    expect_all(high, 0, 20000)
    cluster.wire.cut()
    expect_all(low, 1, 20000)
    assert figures(low)["lost"] == 0


@pytest.mark.parametrize("who", [0, 1])
def test_a_certificate_of_a_stranger_is_refused(cluster, workdir, who):
    ca, stranger = Authority(workdir, "ca"), Authority(workdir, "stranger")
    options = [ca.options("zero"), ca.options("one")]
    options[who] = stranger.options("other", trusted=ca)
    high = cluster.start(1, *options[1])
    low = cluster.start(0, *options[0])
    (high if who == 0 else low).wait_line("signed by nobody who is trusted here")
    if who == 1:
        high.wait_line("the peer refused the TLS connection")
    else:  # its alert may be lost with the connection
        low.wait_line("the peer refused the TLS connection|the other side ended the greeting")
    assert figures(low)["up"] == figures(high)["up"] == 0


def test_who_shows_no_certificate_is_refused(cluster, workdir):
    ca = Authority(workdir, "ca")
    high = cluster.start(1, *ca.options("one"))
    context = ssl.create_default_context(cafile=str(ca.cert))
    with socket.create_connection(("127.0.0.1", cluster.wire.target)) as raw:
        with contextlib.suppress(OSError):
            secure = context.wrap_socket(raw, server_hostname="localhost")
            secure.sendall(b"GET /chat-link HTTP/1.1\r\n\r\n")
            assert secure.recv(100) == b""
    high.wait_line("the peer shows no certificate")


def test_tls_and_a_wrong_secret_is_refused(cluster, workdir):
    ca = Authority(workdir, "ca")
    other = os.path.join(workdir, "other.secret")
    cluster.write_secret(other)
    high = cluster.start(1, *ca.options("one"), "--link-secret-file", cluster.secret)
    low = cluster.start(0, *ca.options("zero"), "--link-secret-file", other)
    low.wait_line("compare the files of link-secret-file")
    assert figures(high)["up"] == 0


def test_throughput_beside_a_bare_socket(cluster):
    """One run, both figures: what a link costs beside the bytes alone."""
    low, high = cluster.start_both()
    count, size = 100000, 1000
    bare = int(ask(low, f"floor {count} {size}", r"^floor (\d+)").group(1)) / 1e6
    low.write(f"send 1 {count} {size}\n")
    took = expect_all(high, 0, count)
    print(f"{count} frames of {size} bytes: link {took:.3f} s, bare socket {bare:.3f} s, "
          f"{took / bare:.1f} times")
    assert took < 30


# --- chatd ---


def metric(server, name):
    page = urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=10).read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", page, re.M).group(1))


def test_two_servers_know_of_each_other(cluster, make_server):
    common = ["--link-secret-file", cluster.secret, "--link-listen", "127.0.0.1:0",
              "--link-peers", f"0@127.0.0.1:1,1@127.0.0.1:{cluster.wire.port}",
              "--link-timeout-ms", TIMEOUT_MS]
    high = make_server("high", options=[*common, "--link-member", 1]).start()
    cluster.wire.target = int(high.run.wait_line(r"takes links on port (\d+)").group(1))
    low = make_server("low", options=[*common, "--link-member", 0]).start()
    low.run.wait_line("link to member 1 is up")
    high.run.wait_line("link to member 0 is up")
    assert metric(low, 'chat_link_up{member="1"}') == 1
    assert metric(high, "chat_link_connects_total") == 1
    high.kill()
    high.runs.pop()
    low.run.wait_line("member 1 is lost")
    assert metric(low, 'chat_link_up{member="1"}') == 0
    assert metric(low, "chat_link_lost_total") == 1
    assert low.stop() == 0


def test_servers_with_other_partitions_do_not_link(cluster, make_server):
    common = ["--link-secret-file", cluster.secret, "--link-listen", "127.0.0.1:0",
              "--link-peers", f"0@127.0.0.1:1,1@127.0.0.1:{cluster.wire.port}"]
    high = make_server("high", options=[*common, "--link-member", 1]).start()
    cluster.wire.target = int(high.run.wait_line(r"takes links on port (\d+)").group(1))
    low = make_server("low", options=[*common, "--link-member", 0, "--partitions", 8]).start()
    low.run.wait_line(r"here partitions=8, there partitions=\d+")
    high.run.wait_line("the two servers are set up differently")


def test_a_wrong_link_option_stops_the_start_and_the_check(make_server):
    server = make_server(options=["--link-peers", "1@127.0.0.1:1"])
    run = server.spawn()
    run.wait_line("--link-secret-file FILE, or certificates")
    assert run.wait_exit() == 2
    server.options.append("--check-config")
    run = server.spawn()
    run.wait_line("--link-secret-file FILE, or certificates")
    assert run.wait_exit() == 2
    server.runs.clear()
