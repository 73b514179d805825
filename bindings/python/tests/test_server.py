# SPDX-License-Identifier: MIT
"""The server for tests: its clock, and what goes wrong on demand."""
import asyncio

import pytest

from helpers import event_of
from libchat import Client, ClientState, Message, PeerError, Presence, RetryError, State, User
from libchat.testing import Server


def quick(server, user, **options):
    return Client(server.url, user, backoff_first_ms=20, backoff_max_ms=50, **options)


def test_the_fixture_is_a_server_of_this_test(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            assert chat_server.connections == 1
            assert (await alice.send(User("bob"), "x")).chat == "dm:5:alice:bob"
    run(main())
    assert chat_server.now == 0.0


@pytest.mark.parametrize("fault", ["cut", "kill"])
def test_what_is_sent_during_a_fault_comes_once(chat_server, run, fault):
    async def main():
        async with quick(chat_server, "alice") as alice, quick(chat_server, "bob") as bob:
            for i in range(20):
                task = asyncio.ensure_future(alice.send(User("bob"), str(i)))
                await asyncio.sleep(0)
                getattr(chat_server, fault)()
                await task
            assert [(await event_of(bob, Message)).body for _ in range(20)] \
                == [str(i) for i in range(20)]
    run(main())


def test_half_open_is_noticed_by_the_clock(chat_server, run):
    async def main():
        async with quick(chat_server, "alice", clock=chat_server.clock) as alice:
            chat_server.half_open()
            task = asyncio.ensure_future(alice.send(User("bob"), "into the void"))
            while not task.done():
                chat_server.advance(5)
                alice._pump()
                await asyncio.sleep(0.001)
            assert (await task).seq > 0
        assert chat_server.now > 25
    run(main())


def test_a_delay_is_of_the_servers_clock(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            chat_server.delay(2.0)
            task = asyncio.ensure_future(alice.ping())
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 0.1)
            chat_server.advance(2.0)
            await task
    run(main())


def test_a_hanging_disk_holds_the_answer_back(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            chat_server.hold_disk()
            task = asyncio.ensure_future(alice.send(User("bob"), "x"))
            await alice.ping()
            assert not task.done()
            chat_server.hold_disk(False)
            await task
    run(main())


def test_dropped_bytes_are_made_good_behind_a_cut(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            chat_server.drop()
            task = asyncio.ensure_future(alice.send(User("bob"), "x"))
            await asyncio.sleep(0.05)
            assert not task.done()
            chat_server.cut()
            await task
            assert len([row async for row in alice.history(User("bob"))]) == 1
    run(main())


def test_refused_and_let_in_again(chat_server, run):
    async def main():
        chat_server.refuse(401)
        with pytest.raises(PeerError):
            async with quick(chat_server, "alice"):
                pass
        chat_server.refuse(503)
        with pytest.raises(RetryError):
            async with quick(chat_server, "alice", connect_timeout=0.2):
                pass
        chat_server.refuse(0)
        async with quick(chat_server, "alice"):
            pass
    run(main())


def test_a_drain_is_said_and_waited_out(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            chat_server.drain(retry_after=0.05)
            waiting = await event_of(alice, State, lambda s: s.state is ClientState.WAITING)
            assert waiting.retry_after >= 0
            chat_server.kill()
            await event_of(alice, State, lambda s: s.state is ClientState.ONLINE)
    run(main())


def test_presence_ends_when_the_connection_does(chat_server, run):
    async def main():
        async with quick(chat_server, "alice") as alice:
            bob = quick(chat_server, "bob")
            async with bob:
                assert (await alice.watch(["bob"]))[0].online
            assert not (await event_of(alice, Presence)).online
    run(main())


def test_signed_tokens_with_a_secret(run):
    from libchat import make_token

    async def main(server):
        async with Client(server.url, make_token("s" * 32, "alice")) as alice:
            assert alice.state.welcome.user == "alice"
        with pytest.raises(PeerError):
            async with Client(server.url, "alice"):
                pass
    with Server(secret="s" * 32) as server:
        run(main(server))


def test_wrong_options_are_named():
    with pytest.raises(TypeError, match="no option 'colour'"):
        Server(colour=1)
    with pytest.raises(ValueError, match="heartbeat_ms"):
        Server(heartbeat_ms=-1)
    with pytest.raises(ValueError, match="32 bytes"):
        Server(secret="short")


def test_closed_servers_say_so():
    server = Server()
    server.close()
    server.close()
    with pytest.raises(RetryError, match="closed"):
        server.advance(1)
