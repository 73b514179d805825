# SPDX-License-Identifier: MIT
"""The client's file: what was posted offline, what failed, what is known without a connection."""
import pytest

from helpers import event_of
from libchat import (Cached, CallerError, Client, FatalError, Message, OutboxState, PeerError, Sent,
                     Status, StoreRenewed, User)
from libchat.sync import Client as Blocking

NOWHERE = "ws://127.0.0.1:1"


def offline(path):
    return Client(NOWHERE, "alice", store=path, connect_timeout=None)


def test_what_is_posted_offline_is_sent_by_the_next_client(place, run, tmp_path):
    async def main():
        async with offline(tmp_path / "store") as alice:
            cids = [await alice.post(User("bob"), text) for text in ("one", "two")]
            items = await alice.outbox()
            assert [(i.cid, i.body, i.chat) for i in items] == [
                (cids[0], "one", User("bob")), (cids[1], "two", User("bob"))]
            assert {item.state for item in items} == {OutboxState.WAITING}
        async with place.client("bob") as bob, \
                place.client("alice", store=tmp_path / "store") as alice:
            assert [(await event_of(bob, Message)).body for _ in range(2)] == ["one", "two"]
            for cid in cids:
                assert (await event_of(alice, Sent)).cid == cid
            found = await alice.outbox_find(cids[1])
            assert found is not None and found.state is OutboxState.SENT and found.seq > 0
            assert await alice.outbox() == [] and await alice.outbox_find("other") is None
    run(main())


def test_what_failed_is_kept(place, run, tmp_path):
    async def main():
        async with place.client("alice", store=tmp_path / "store") as alice:
            with pytest.raises(PeerError):
                await alice.send("nowhere", "hello")
            item, = await alice.outbox()
            assert (item.state, item.status) == (OutboxState.FAILED, Status.ERR_NOT_FOUND)
        async with offline(tmp_path / "store") as alice:
            assert await alice.outbox() == [item]
            await alice.outbox_retry(item.cid)
            assert (await alice.outbox())[0].state is OutboxState.WAITING
            with pytest.raises(PeerError):
                await alice.outbox_drop(item.cid)
        async with place.client("alice", store=tmp_path / "store") as alice:
            while (await alice.outbox())[0].state is not OutboxState.FAILED:
                await alice.next_event()
            await alice.outbox_drop(item.cid)
            assert await alice.outbox() == []
    run(main())


def test_history_and_chats_without_a_connection(place, run, tmp_path):
    async def main():
        async with place.client("bob") as bob, \
                place.client("alice", store=tmp_path / "store") as alice:
            await bob.send(User("alice"), "a")
            await event_of(alice, Message)
            await alice.send(User("bob"), "b")
            assert [row.body async for row in alice.history(User("bob"))] == ["b", "a"]
            assert [row.body async for row in alice.history(User("bob"), stored=True)] == ["b", "a"]
        async with offline(tmp_path / "store") as alice:
            assert [row.body async for row in alice.history(User("bob"))] == ["b", "a"]
            chat, = await alice.chats()
            assert (chat.chat, chat.unread) == ("dm:5:alice:bob", 1)
    run(main())


def test_a_page_says_where_it_is_from(place, run, tmp_path):
    async def main():
        async with place.client("bob") as bob, \
                place.client("alice", store=tmp_path / "store") as alice:
            for text in ("a", "b", "c"):
                await bob.send(User("alice"), text)
                await event_of(alice, Message)
            asked = await alice.chats_page()
            assert ([row.chat for row in asked.rows], asked.cached) == (
                ["dm:5:alice:bob"], Cached.NO)
            async with place.client("alice", device="other") as other:
                for client, cached in ((other, Cached.NO), (alice, Cached.WHOLE)):
                    page = await client.history_page(User("bob"), limit=2)
                    assert [row.body for row in page.rows] == ["c", "b"]
                    assert (page.has_more, page.cached) == (True, cached)
        async with offline(tmp_path / "store") as alice:
            page = await alice.history_page(User("bob"), after=0, limit=2)
            assert [row.body for row in page.rows] == ["a", "b"]
            assert (page.has_more, page.cached) == (True, Cached.PART)
            nothing = await alice.history_page(User("nobody"))
            assert (nothing.rows, nothing.cached) == ((), Cached.PART)
            chats = await alice.chats_page()
            assert ([row.unread for row in chats.rows], chats.cached) == ([3], Cached.PART)
    run(main())


def test_a_store_that_cannot_be(place, run, tmp_path):
    with pytest.raises(FatalError):
        offline(tmp_path / "no" / "such")
    first = offline(tmp_path / "store")
    with pytest.raises(CallerError) as refused:
        offline(tmp_path / "store")
    assert refused.value.status is Status.ERR_IN_USE and "has it open" in str(refused.value)
    first.abort()


def test_a_damaged_store_is_told(place, run, tmp_path):
    (tmp_path / "store").write_text("no database " * 500)

    async def main():
        async with offline(tmp_path / "store") as alice:
            event = await event_of(alice, StoreRenewed)
            assert "corrupt-1" in event.text
    run(main())


def test_without_asyncio(place, tmp_path):
    with Blocking(NOWHERE, "alice", store=tmp_path / "store", connect_timeout=None) as alice:
        alice.post(User("bob"), "hello")
        assert [item.body for item in alice.outbox()] == ["hello"]
