# SPDX-License-Identifier: MIT
"""How a client begins and ends: `async with` left in every state, errors, interrupts."""
import asyncio
import signal
import subprocess
import sys
import time

import pytest

from helpers import BOB, event_of
from libchat import (Client, ClientState, Failed, Message, PeerError, RetryError, Sent, State, Status,
                     User)
from libchat.sync import Client as Blocking

NOWHERE = "ws://127.0.0.1:1"


class Oops(Exception):
    pass


async def waiting(server):
    return Client(NOWHERE, "alice", connect_timeout=None), ClientState.WAITING


async def connecting(server):
    server.half_open()
    return Client(server.url, "alice", connect_timeout=None), ClientState.CONNECTING


async def online(server):
    return Client(server.url, "alice"), ClientState.ONLINE


async def refused(server):
    server.refuse(401)
    return Client(server.url, "alice", connect_timeout=None), ClientState.REFUSED


async def closed(server):
    return Client(server.url, "alice"), ClientState.CLOSED


@pytest.mark.parametrize("how", ["leave", "raise", "cancel"])
@pytest.mark.parametrize("make", [waiting, connecting, online, refused, closed])
def test_async_with_is_left_in_every_state(chat_server, run, make, how):
    async def body(client, state, inside):
        async with client:
            if state is ClientState.CLOSED:
                await client.aclose()
            while client.state.state is not state:
                await client.next_event()
            inside.set_result(time.monotonic())
            if how == "raise":
                raise Oops
            if how == "cancel":
                await asyncio.Event().wait()

    async def main():
        client, state = await make(chat_server)
        inside = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(body(client, state, inside))
        began = await inside
        if how == "cancel":
            task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        wanted = {"leave": type(None), "raise": Oops, "cancel": asyncio.CancelledError}[how]
        assert isinstance(result, wanted), result
        assert client.state.state is ClientState.CLOSED
        assert time.monotonic() - began < 3, "close() waits for 2 s at most"
        with pytest.raises(RetryError):
            await client.send(BOB, "x")
        with pytest.raises(StopAsyncIteration):
            while True:
                await client.next_event()
    run(main())
    while chat_server.connections:
        time.sleep(0.001)


def test_an_error_in_the_body_of_the_loop_loses_no_event(chat_server, run):
    async def main():
        async with Client(chat_server.url, "alice") as alice, Client(chat_server.url, "bob") as bob:
            for body in ("one", "two"):
                await alice.send(BOB, body)
            with pytest.raises(Oops):
                async for event in bob:
                    if isinstance(event, Message):
                        raise Oops
            assert (await event_of(bob, Message)).body == "two"
    run(main())


def test_entering_may_be_cancelled(chat_server, run):
    async def main():
        chat_server.half_open()
        client = Client(chat_server.url, "alice", connect_timeout=30)
        task = asyncio.ensure_future(client.__aenter__())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.state.state is ClientState.CLOSED
    run(main())


@pytest.mark.parametrize("chat, kind", [(BOB, Sent), ("nowhere", Failed)])
def test_an_answer_in_the_turn_of_the_cancellation_becomes_an_event(chat_server, run, chat, kind):
    async def main():
        async with Client(chat_server.url, "alice") as alice:
            task = asyncio.ensure_future(alice.send(chat, "x"))
            await asyncio.sleep(0)
            while alice._sends:
                alice._pump()  # the answer comes while the task cannot run
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            event = await event_of(alice, kind)
            assert event.chat == "dm:5:alice:bob" if kind is Sent else \
                event.status is Status.ERR_NOT_FOUND
    run(main())


def test_the_same_device_twice_is_told_who_won(chat_server, run):
    async def main():
        async with Client(chat_server.url, "alice") as first:
            async with Client(chat_server.url, "alice") as second:
                lost = await event_of(first, State, lambda s: s.state is ClientState.REFUSED)
                assert lost.status is Status.ERR_REPLACED
                with pytest.raises(PeerError):
                    await first.online()
                await second.ping()
    run(main())


def test_two_clients_on_two_loops_of_two_threads(chat_server):
    async def chat(user, other):
        async with Client(chat_server.url, user) as client:
            await client.send(User(other), f"from {user}")
            return (await event_of(client, Message)).body

    async def main():
        return await asyncio.gather(
            asyncio.to_thread(asyncio.run, chat("alice", "bob")), chat("bob", "alice"))
    assert asyncio.run(main()) == ["from bob", "from alice"]


INTERRUPTED = """
import asyncio, sys
from libchat import Client
from libchat.sync import Client as Blocking
from libchat.testing import Server

async def listen(url):
    async with Client(url, "alice") as alice:
        print("ready", flush=True)
        async for _ in alice:
            pass

with Server() as server:
    try:
        if sys.argv[1] == "asyncio":
            asyncio.run(listen(server.url))
        else:
            with Blocking(server.url, "alice") as alice:
                print("ready", flush=True)
                for _ in alice:
                    pass
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("mode", ["asyncio", "sync"])
def test_ctrl_c_leaves_politely(mode):
    # Who runs tests in the background may have SIGINT ignored, and children inherit that.
    with subprocess.Popen([sys.executable, "-W", "error", "-c", INTERRUPTED, mode],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as child:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        printed, errors = child.communicate(timeout=20)
    assert (printed, errors, child.returncode) == ("interrupted\n", "", 0)


def test_nothing_is_printed_that_nobody_asked_for():
    text = "import libchat\ntry: libchat.Client('http://x', 't')\nexcept ValueError: pass"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=20,
                          check=True)
    assert done.stderr == ""


def test_without_asyncio_a_client_says_how_it_is_opened(chat_server):
    alice = Blocking(chat_server.url, "alice")
    with pytest.raises(ValueError, match="`with`"):
        alice.chats()
    alice.close()
