# SPDX-License-Identifier: MIT
"""Networks that fail without saying so: a peer that is gone while its connection still looks alive."""
import select
import socket
import threading

import pytest

from client import Client
from harness import DEADLINE_S, Process, chat_path


class Proxy:
    """Passes bytes between clients and a server, until it freezes: then both sides hear nothing,
    and no connection ends. `url`, `host`, `port` and `token` are those of a server.
    """

    def __init__(self, server):
        self.server, self.token = server, server.token
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self.listener.getsockname()
        self.url = f"ws://{self.host}:{self.port}"
        self.pairs = {}
        self.frozen = set()
        self.wake, self.bell = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            ready = self.wait()
            if self.wake in ready and self.wake.recv(1) == b"q":
                return
            if self.listener in ready:
                self.accept()
            for source in [s for s in ready if s in self.pairs and s not in self.frozen]:
                self.pass_on(source)

    def wait(self):
        """Not select(): its descriptors must be below 1,024, and a long run of tests has more."""
        poll = select.poll()
        watched = {s.fileno(): s for s in (self.listener, self.wake, *self.pairs)
                   if s not in self.frozen}
        for number in watched:
            poll.register(number, select.POLLIN)
        return [watched[number] for number, _ in poll.poll()]

    def accept(self):
        near, _ = self.listener.accept()
        far = socket.create_connection((self.server.host, self.server.port))
        self.pairs.update({near: far, far: near})

    def pass_on(self, source):
        target = self.pairs[source]
        try:
            data = source.recv(65536)
            target.sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (source, target):
                self.pairs.pop(end, None)
                end.close()

    def freeze(self):
        """What is connected now hears nothing any more; new connections work."""
        self.frozen.update(self.pairs)
        self.bell.send(b"w")

    def close(self):
        self.bell.send(b"q")
        self.thread.join(DEADLINE_S)
        for end in (*self.pairs, self.listener, self.wake, self.bell):
            end.close()


@pytest.fixture
def proxy(server):
    made = Proxy(server)
    yield made
    made.close()


def test_dead_peer_loses_nothing_and_delivered_is_not_said(connect, proxy):
    alice, bob = connect("alice"), connect("bob", server=proxy)
    alice.say("heard", to="bob")
    bob.expect_msg("heard")
    alice.expect("receipt")
    proxy.freeze()
    sent = alice.say("said into the dark", to="bob")
    assert not alice.seen("receipt")
    again = connect("bob", server=proxy)
    assert again.expect("msg")["body"] == "said into the dark"
    assert alice.expect("receipt")["seq"] == sent["seq"]


def test_a_dead_sender_resends_and_the_message_exists_once(connect, proxy):
    alice, bob = connect("alice", server=proxy), connect("bob")
    alice.say("before", to="bob")
    cid = alice.send("did it arrive?", to="bob")
    bob.expect_msg("did it arrive?")
    proxy.freeze()  # `sent` may be lost on its way
    again = connect("alice", server=proxy)
    again.say("did it arrive?", to="bob", cid=cid, resend=True)
    assert again.bodies(to="bob") == ["before", "did it arrive?"]
    assert not bob.seen("msg", body="did it arrive?")


def test_a_silent_connection_is_closed_after_two_heartbeats(make_server):
    server = make_server(options=["--heartbeat-ms", "500"]).start()
    with Client(server, "sleeper") as sleeper:
        assert sleeper.welcome["heartbeat_ms"] == 500
        assert sleeper.close_code() == 4005


def test_resume_goes_on_where_the_connection_died(connect, proxy):
    """Outgoing and incoming come back together, with one connection."""
    alice, bob = connect("alice"), connect("bob", server=proxy)
    got = []
    for i in range(30):
        alice.say(f"{i}", to="bob")
        if i % 10 == 4:
            proxy.freeze()
            bob = connect("bob", server=proxy)
        if i % 10 == 7:
            while f"{i}" not in got:
                got.append(bob.expect("msg", **{"from": "alice"})["body"])
            bob.say(f"up to {i}", to="alice")
            alice.expect_msg(f"up to {i}")
    while "29" not in got:
        got.append(bob.expect("msg", **{"from": "alice"})["body"])
    assert list(dict.fromkeys(got)) == [f"{i}" for i in range(30)]


def test_the_command_line_client_finds_out_that_its_connection_is_dead(make_server):
    server = make_server(options=["--heartbeat-ms", "1000"]).start()
    proxy = Proxy(server)
    listener = Process([chat_path(), "--url", proxy.url, "--token", server.token("bob"), "--json",
                        "listen"])
    try:
        listener.wait_line('"welcome"')
        proxy.freeze()
        with Client(server, "alice") as alice:
            alice.say("while it was dead", to="bob")
        listener.wait_line("while it was dead", timeout=25)
    finally:
        listener.kill()
        proxy.close()
