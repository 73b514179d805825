# SPDX-License-Identifier: MIT
"""The client without asyncio."""
import threading

import pytest

import libchat
from libchat import AnswerTimeout, Message, PeerError, User
from libchat.sync import Client


def next_of(client, kind):
    return next(event for event in client if isinstance(event, kind))


def test_send_and_receive(place):
    with Client(place.url, place.token("alice")) as alice, \
            Client(place.url, place.token("bob")) as bob:
        sent = alice.send(User("bob"), "hello")
        assert next_of(bob, Message).id == sent.id
        alice.create("room", ["bob"])
        assert {member.user for member in alice.members("room")} == {"alice", "bob"}
        bob.typing("room")
        assert [row.body for row in bob.history(User("alice"))] == ["hello"]
        with pytest.raises(PeerError):
            alice.send("nowhere", "x")
        assert alice.state.state is libchat.ClientState.ONLINE


def test_a_call_that_takes_too_long(chat_server):
    with Client(chat_server.url, "alice", timeout=0.1) as alice:
        chat_server.hold_disk()
        with pytest.raises(AnswerTimeout):
            alice.send(User("bob"), "x")
        chat_server.hold_disk(False)
        assert next_of(alice, libchat.Sent).chat == "dm:5:alice:bob"
        with pytest.raises(AnswerTimeout):
            while True:
                alice.next_event(timeout=0.05)


def test_calls_from_many_threads(chat_server):
    with Client(chat_server.url, "alice") as alice:
        seqs, threads = [], []
        for i in range(8):
            threads.append(threading.Thread(
                target=lambda: seqs.extend(alice.send(User("bob"), "x").seq for _ in range(20))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(seqs)) == 160


def test_the_end_of_the_iteration(chat_server):
    alice = Client(chat_server.url, "alice")
    with alice:
        pass
    assert alice.state.state is libchat.ClientState.CLOSED
    with pytest.raises(AttributeError):
        alice.colour
