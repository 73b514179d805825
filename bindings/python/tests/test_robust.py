# SPDX-License-Identifier: MIT
"""Fork, exit, garbage, many at once: what a process does to a client that is not asked."""
import asyncio
import gc
import os
import subprocess
import sys
import warnings

import pytest

from helpers import event_of
from libchat import CallerError, Client, Message, User


def script(text, *args):
    return subprocess.run([sys.executable, "-X", "dev", "-c", text, *args], text=True, timeout=30,
                          capture_output=True, check=False)


def test_two_hundred_clients_on_one_loop(chatd, run):
    async def main():
        clients = [chatd.client(f"user{i}") for i in range(200)]
        await asyncio.gather(*(client.open() for client in clients))
        await asyncio.gather(*(client.send(User(f"user{(i + 1) % 200}"), "next, please")
                               for i, client in enumerate(clients)))
        messages = await asyncio.gather(*(event_of(client, Message) for client in clients))
        assert len({message.sender for message in messages}) == 200
        await asyncio.gather(*(client.aclose() for client in clients))
    run(main())


def test_a_child_of_fork_cannot_use_the_client_and_leaves_the_parents_alone(chat_server, run):
    async def main():
        async with Client(chat_server.url, "alice") as alice:
            pid = os.fork()
            if pid == 0:
                try:
                    alice.typing(User("bob"))
                    os._exit(1)
                except CallerError:
                    alice.abort()
                    gc.collect()
                    os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            await alice.send(User("bob"), "still here")
            assert chat_server.connections == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside the server's thread
        run(main())


def test_an_unclosed_client_warns_and_is_freed(chat_server, run):
    async def main():
        client = Client(chat_server.url, "alice")
        await client.open()
        with pytest.warns(ResourceWarning, match="unclosed"):
            del client
            gc.collect()
        while chat_server.connections:
            await asyncio.sleep(0.01)
    run(main())


def test_a_client_that_was_never_opened_is_no_loss():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client("ws://127.0.0.1:1", "x")
        gc.collect()


EXIT = """
import asyncio, sys, libchat
from libchat.testing import Server
server = Server()
kept = []
async def main():
    client = libchat.Client(server.url, "alice")
    await client.open()
    kept.append(client)
    if "sync" in sys.argv:
        from libchat.sync import Client
        kept.append(Client(server.url, "bob").__enter__())
    print("online")
asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["asyncio", "sync"])
def test_the_interpreter_ends_with_live_clients(mode):
    done = script(EXIT, mode)
    assert (done.returncode, done.stdout) == (0, "online\n"), done.stderr
    for line in done.stderr.splitlines():
        assert "Error" not in line and "Fatal" not in line, done.stderr


def test_closing_while_others_wait(chat_server, run):
    async def main():
        client = Client(chat_server.url, "alice")
        await client.open()

        async def consume():
            return [event async for event in client]
        reader = asyncio.ensure_future(consume())
        chat_server.hold_disk()
        sender = asyncio.ensure_future(client.send(User("bob"), "x"))
        await asyncio.sleep(0)
        client.abort()
        assert isinstance((await asyncio.gather(sender, return_exceptions=True))[0], Exception)
        assert await reader is not None
    run(main())


def test_memory_stays_flat_over_many_messages(chat_server, run):
    async def main():
        def size_kb():
            gc.collect()
            with open("/proc/self/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

        async with Client(chat_server.url, "alice") as alice:
            async def some(count):
                for _ in range(count):
                    await alice.ping()
            await some(1000)
            before = size_kb()
            await some(3000)
            assert size_kb() - before < 2048
    run(main())
