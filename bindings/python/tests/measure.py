# SPDX-License-Identifier: MIT
"""Messages per second and memory of the Python client against a chatd on this machine.

    python bindings/python/tests/measure.py [--messages N] [--window N] [--idle N]
"""
import argparse
import asyncio
import gc
import os
import pathlib
import resource
import tempfile
import time

from conftest import Chatd, Place
from libchat import Message, User


def resident_kb():
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def throughput(place, count, window):
    """Send `count` messages of 200 bytes, `window` at a time unanswered; receive them as well."""
    gate, text = asyncio.Semaphore(window), "x" * 200

    async def send(alice):
        async with gate:
            await alice.send(User("bob"), text)

    async def receive(bob):
        left = count
        async for event in bob:
            if isinstance(event, Message):
                left -= 1
                if not left:
                    return

    async with place.client("alice") as alice, place.client("bob") as bob:
        cpu, begin = time.process_time(), time.perf_counter()
        receiver = asyncio.ensure_future(receive(bob))
        await asyncio.gather(*(send(alice) for _ in range(count)))
        sent_s = time.perf_counter() - begin
        await receiver
        all_s, cpu_s = time.perf_counter() - begin, time.process_time() - cpu
    print(f"window {window}: {count / sent_s:,.0f} messages/s sent and acknowledged, "
          f"{count / all_s:,.0f} messages/s received by another client of the same process, "
          f"{cpu_s / count * 1e6:.0f} us of this process's CPU for both")


async def idle(place, count):
    clients = [place.client(f"user{i}") for i in range(count + 50)]
    await asyncio.gather(*(client.open() for client in clients[:50]))
    before = resident_kb()
    for start in range(50, len(clients), 50):
        await asyncio.gather(*(client.open() for client in clients[start:start + 50]))
    print(f"{count} idle clients: {(resident_kb() - before) / count:.1f} KB each (resident)")
    await asyncio.gather(*(client.aclose() for client in clients))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--idle", type=int, default=1000)
    args = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16384)), hard))
    with tempfile.TemporaryDirectory() as folder:
        server = Chatd(pathlib.Path(folder))
        place = Place(server.url, server.token)
        try:
            asyncio.run(throughput(place, args.messages // 10, 1))
            asyncio.run(throughput(place, args.messages, args.window))
            asyncio.run(idle(place, args.idle))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
