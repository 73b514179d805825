# SPDX-License-Identifier: MIT
"""Every call that asks the server: it reaches the server, and may be given up in the middle."""
import asyncio
import contextlib
import inspect
from urllib.parse import urlsplit

import pytest
from tap import Tap

import libchat
from helpers import ASKS, BOB, event_of
from libchat._native import lib
from libchat.sync import Client as Blocking

# Coroutines that ask nobody, or are about the connection itself.
LOCAL = {"post", "outbox", "outbox_find", "outbox_retry", "outbox_drop", "open", "online", "aclose",
         "next_event"}


def test_no_call_is_forgotten_here():
    asking = {name for name, call in inspect.getmembers(libchat.Client)
              if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)}
    assert {name for name in asking if not name.startswith("_")} - LOCAL == set(ASKS)


async def ask_all(client):
    message = await client.send(BOB, "hello")
    for name, ask in ASKS.items():
        try:
            await ask(client, message)
        except libchat.PeerError as error:
            assert error.status in (libchat.Status.ERR_EXISTS, libchat.Status.ERR_NOT_FOUND), name


def test_every_frame_of_a_client_is_sent_by_a_call(place, run):
    async def main(tap):
        place.url = tap.url
        async with place.client("bob", device="phone") as bob, \
                place.client("alice", encoding=lib.CHAT_ENCODING_JSON) as alice:
            await ask_all(alice)
            alice.typing(BOB)
            await bob.send(libchat.User("alice"), "for an ack")
            await event_of(alice, libchat.Message)
            missing = await asyncio.to_thread(tap.missing)
            assert not missing, f"no call sends {missing}"
    with Tap(urlsplit(place.url).port) as tap:
        run(main(tap))


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
def test_given_up_in_the_middle(chat_server, run, name, how):
    """Nothing is left of it, and the same can be asked again."""
    async def main():
        async with libchat.Client(chat_server.url, "alice", backoff_first_ms=10) as alice:
            await alice.create("team", ["carol"])
            message = await alice.send(BOB, "hello")
            chat_server.delay(3600)
            task = asyncio.ensure_future(ASKS[name](alice, message))
            if how == "cancelled":
                while not (alice._requests or alice._sends):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(task, 0.01)
            assert not alice._requests and not alice._sends
            chat_server.delay(0)
            chat_server.advance(3600)
            chat_server.cut()
            await alice.chats()
            with contextlib.suppress(libchat.PeerError):  # it may be done already
                await ASKS[name](alice, message)
            assert await alice.ping()
    run(main())


@pytest.mark.parametrize("name", ASKS)
def test_no_answer_in_time_without_asyncio(chat_server, name):
    with Blocking(chat_server.url, "alice", timeout=20, backoff_first_ms=10) as alice:
        alice.create("team", ["carol"])
        message = alice.send(BOB, "hello")
        chat_server.delay(3600)
        alice._timeout = 0.02
        with pytest.raises(libchat.AnswerTimeout):
            if name == "history":
                list(alice.history(BOB))
            else:
                ASKS[name](alice, message)
        alice._timeout = 20
        chat_server.delay(0)
        chat_server.advance(3600)
        chat_server.cut()
        assert alice.ping()
