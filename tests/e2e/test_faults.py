# SPDX-License-Identifier: MIT
"""Two clients of the library talk through a network that delays, cuts, half-opens, corrupts and
throttles. TLS is on, as it is outside: without it nobody could notice a byte that was changed.
"""
import random
import selectors
import socket
import subprocess
import threading
import time

import pytest

from harness import Process, build_dir
from test_operator import make_certificate

FAULTS = 200
KINDS = ("cut", "half-open", "delay", "corrupt", "throttle")


class Pair:
    """A connection and its other half, with what is wrong with them."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self.fault, self.until = None, 0.0


class FaultyNetwork:
    """Passes bytes on in one thread; inject() picks a connection at random."""

    def __init__(self, port, seed):
        self.random = random.Random(seed)
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "wss://localhost:%d" % self.listener.getsockname()[1]
        self.pairs, self.lock, self.is_over = [], threading.Lock(), False
        self.done = dict.fromkeys(KINDS, 0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        poll = selectors.DefaultSelector()
        poll.register(self.listener, selectors.EVENT_READ)
        while not self.is_over:
            for key, _ in poll.select(0.01):
                if key.fileobj is self.listener:
                    self.accept(poll)
                elif key.data in self.pairs:
                    self.pass_on(poll, key.data, key.fileobj)

    def accept(self, poll):
        near, _ = self.listener.accept()
        pair = Pair(near, socket.create_connection(("127.0.0.1", self.port)))
        with self.lock:
            self.pairs.append(pair)
        for end in (pair.near, pair.far):
            end.settimeout(5)
            poll.register(end, selectors.EVENT_READ, pair)

    def drop(self, poll, pair):
        with self.lock:
            self.pairs.remove(pair)
        for end in (pair.near, pair.far):
            poll.unregister(end)
            end.close()

    def pass_on(self, poll, pair, source):
        target = pair.far if source is pair.near else pair.near
        fault = pair.fault if pair.fault == "half-open" or time.monotonic() < pair.until else None
        try:
            data = source.recv(7 if fault == "throttle" else 65536)
            if fault == "half-open" and data:
                return
            if fault == "cut":
                data = b""
            elif fault == "delay":
                time.sleep(0.02)
            elif fault == "corrupt" and data:
                at = self.random.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1:]
                pair.fault = None
            target.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.drop(poll, pair)

    def inject(self, kind):
        """Whether there was a connection to do it to."""
        with self.lock:
            healthy = [pair for pair in self.pairs if pair.fault != "half-open"]
            if not healthy:
                return False
            pair = self.random.choice(healthy)
            pair.fault, pair.until = kind, time.monotonic() + 0.2
            self.done[kind] += 1
            return True

    def close(self):
        self.is_over = True
        self.thread.join()
        for pair in self.pairs:
            pair.near.close()
            pair.far.close()
        self.listener.close()


class Talker(Process):
    def __init__(self, network, ca, token, to, store=()):
        super().__init__([str(build_dir() / "tests/e2e/talker"), network.url, str(ca), token, to,
                          *store], stdin=subprocess.PIPE)

    def words(self, kind):
        with self._changed:
            return [line.split() for line in self.lines if line.startswith(kind + " ")]

    def wait_words(self, kind, n, timeout=60):
        end = time.monotonic() + timeout
        with self._changed:
            while sum(line.startswith(kind + " ") for line in self.lines) < n:
                left = end - time.monotonic()
                assert left > 0 and not self._is_done, f"{kind}: fewer than {n}\n" + self.tail()
                self._changed.wait(left)

    def tail(self):
        return "\n".join(self.lines[-20:])


def judge(sender, receiver, name):
    """Nothing lost, nothing doubled, order kept, and both agree where each message is."""
    put = [word[1] for word in sender.words("put")]
    sent = sender.words("sent")
    got = [word for word in receiver.words("got") if word[1] == name]
    assert not sender.words("failed")
    assert [word[1] for word in sent] == put
    assert [word[3] for word in got] == put
    assert [word[2] for word in got] == [word[2] for word in sent]
    seqs = [int(word[2]) for word in receiver.words("got")]
    assert seqs == sorted(set(seqs))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("has_store", [False, True], ids=["in memory", "on disk"])
def test_two_hundred_faults_lose_nothing_and_double_nothing(make_server, workdir, seed, has_store):
    cert, key = make_certificate(workdir, "localhost")
    server = make_server(options=["--tls-cert", cert, "--tls-key", key, "--heartbeat-ms", "200",
                                  "--rate-messages", "0"]).start()
    network = FaultyNetwork(server.port, seed)
    talkers = [Talker(network, cert, server.token(me), other, [f"{workdir}/{me}"] * has_store)
               for me, other in (("alice", "bob"), ("bob", "alice"))]
    try:
        for talker in talkers:
            talker.wait_words("sent", 1)
        for i in range(FAULTS):
            got = len(talkers[0].words("sent"))
            while not network.inject(KINDS[i % len(KINDS)]):
                time.sleep(0.005)  # both are between two connections
            talkers[0].wait_words("sent", got + 2)
        for talker in talkers:
            talker.write("stop\n")
        for me, other in (talkers, talkers[::-1]):
            me.wait_line(r"^memory ")
            me.wait_words("sent", len(me.words("put")))
            other.wait_words("got", len(me.words("put")))
        judge(talkers[0], talkers[1], "alice")
        judge(talkers[1], talkers[0], "bob")
        for talker in talkers:
            # SQLite keeps pages of its file, 1 MiB at most, and some for itself.
            assert int(talker.words("memory")[0][1]) < 1024 + 2048 * has_store
            talker.child.stdin.close()
            assert talker.wait_exit() == 0
        assert sum(network.done.values()) == FAULTS
        print(network.done, [(len(t.words("put")), t.lines.count("online"), t.words("memory"))
                             for t in talkers])
    finally:
        for talker in talkers:
            talker.kill()
        network.close()
