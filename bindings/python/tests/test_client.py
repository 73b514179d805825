# SPDX-License-Identifier: MIT
"""Everything that can be asked, against the engine and a real chatd."""
import asyncio

import pytest

from helpers import event_of
from libchat import (AnswerTimeout, Blocked, CallerError, Change, Chat, ChatError, ClientState,
                     LimitError, Marker,
                     Message, Note, PeerError, Presence, Receipt, Resumed, RetryError, Sent, Setting,
                     State, Status, Typing, TypingEnded, User)


def test_a_message_arrives_as_it_was_sent(place, run):
    async def main():
        async with place.client("alice") as alice, place.client("bob") as bob:
            sent = await alice.send(User("bob"), "hellø 👋 \u0001 \n")
            message = await event_of(bob, Message)
            assert isinstance(sent, Sent) and sent.chat == message.chat == "dm:5:alice:bob"
            assert (message.body, message.sender) == ("hellø 👋 \u0001 \n", "alice")
            assert (message.id, message.seq) == (sent.id, sent.seq) and sent.id > 2 ** 32
            with pytest.raises(AttributeError):
                message.body = "frozen"
    run(main())


def test_a_message_of_64_KiB(place, run):
    async def main():
        text = "ü" * 32768
        async with place.client("alice") as alice, place.client("bob") as bob:
            await alice.send(User("bob"), text)
            assert (await event_of(bob, Message)).body == text
            with pytest.raises(LimitError):
                await alice.send(User("bob"), text + "x")
            await alice.send(User("bob"), "goes on")
    run(main())


def test_groups(place, run):
    async def main():
        async with place.client("alice") as alice, place.client("bob") as bob, \
                place.client("carol") as carol:
            await alice.create("room", ["bob"], title="The room", is_open=True)
            assert (await event_of(bob, Chat)).chat == "room"
            await carol.join("room")
            await alice.set_role("room", "bob", "admin")
            await bob.update("room", "Another")
            roles = {member.user: member.role for member in await carol.members("room")}
            assert roles == {"alice": "owner", "bob": "admin", "carol": "member"}
            await alice.remove("room", ["carol"])
            await alice.add("room", ["dave"])
            await bob.leave("room")
            assert (await event_of(alice, Change, lambda c: c.what == "leave")).sender == "bob"
            assert [chat.chat for chat in await alice.chats()] == ["room"]
            with pytest.raises(PeerError) as refused:
                await carol.send("room", "am I in?")
            assert refused.value.status in (Status.ERR_FORBIDDEN, Status.ERR_NOT_FOUND)
    run(main())


def test_history_is_paged_both_ways(place, run):
    async def main():
        async with place.client("alice") as alice:
            sent = [await alice.send(User("bob"), str(i)) for i in range(25)]
            back = [m.body async for m in alice.history(User("bob"), page=10)]
            assert back == [str(i) for i in reversed(range(25))]
            on = [m.body async for m in alice.history(User("bob"), after=sent[4].seq, page=7)]
            assert on == [str(i) for i in range(5, 25)]
            few = [m.body async for m in alice.history(User("bob"), before=sent[9].seq, limit=3)]
            assert few == ["8", "7", "6"]
    run(main())


def test_edit_delete_react_and_reply(place, run):
    async def main():
        async with place.client("alice") as alice, place.client("bob") as bob:
            first = await alice.send(User("bob"), "frist")
            await alice.edit(User("bob"), first.id, "first")
            assert (await event_of(bob, Note)).body == "first"
            await bob.react(User("alice"), first.id, "👍")
            assert [n.reaction for n in await alice.reactions(User("bob"), first.id)] == ["👍"]
            second = await bob.send(User("alice"), "yes", reply_to=first.id)
            rows = [row async for row in alice.history(User("bob")) if isinstance(row, Message)]
            assert [(m.body, m.re) for m in rows] == [("yes", first.id), ("first", None)]
            await bob.delete(User("alice"), second.id)
            rows = [row async for row in alice.history(User("bob")) if isinstance(row, Message)]
            assert rows[0].deleted and rows[0].body == ""
    run(main())


def test_receipts_and_read_markers(place, run):
    async def main():
        async with place.client("alice") as alice, place.client("bob") as bob, \
                place.client("bob", device="phone") as phone:
            sent = await alice.send(User("bob"), "read me")
            message = await event_of(bob, Message)
            assert await bob.read(message.chat, message.seq) == sent.seq
            marker = await event_of(phone, Marker)
            assert (marker.of, marker.read_seq) == (message.chat, message.seq)
            await event_of(alice, Receipt, lambda r: r.state == "read")
            assert [(r.user, r.state) for r in await alice.receipts(sent.chat, sent.id)] \
                == [("bob", "read")]
    run(main())


def test_receipts_say_since_when(chatd, run):
    async def main():
        async with chatd.client("alice") as alice, chatd.client("bob") as bob:
            sent = await alice.send(User("bob"), "read me")
            await bob.read(sent.chat, (await event_of(bob, Message)).seq)
            rows = await alice.receipts(sent.chat, sent.id)
            assert [row.user for row in rows] == ["bob"] and rows[0].ts >= sent.ts
    run(main())


def test_why_tells_where_a_message_is(place, run):
    async def main():
        async with place.client("alice") as alice, \
                place.client("bob", device="phone") as bob:
            sent = await alice.send(User("bob"), "where are you?")
            await event_of(bob, Message)
            await event_of(alice, Receipt)
            rows = await alice.why(sent.chat, sent.id)
            assert [r.state for r in rows[:2]] == ["accepted", "durable"]
            assert ("bob", "phone", "acked") in [(r.user, r.device, r.state) for r in rows]
            rows = await alice.why(User("bob"), sent.id, device="phone")
            assert [(r.device, r.state) for r in rows] == [("phone", "pushed"), ("phone", "acked")]
            assert await alice.why(sent.chat, sent.id, device="tablet") == []
            with pytest.raises(PeerError) as unknown:
                await alice.why(sent.chat, sent.id + 1)
            assert unknown.value.status is Status.ERR_NOT_FOUND
    run(main())


def test_a_user_is_blocked_and_no_longer(place, run):
    async def main():
        async with place.client("alice", device="phone") as alice, \
                place.client("alice", device="tablet") as tablet, place.client("bob") as bob:
            await alice.block("bob")
            told = await event_of(tablet, Blocked)
            assert (told.user, told.blocked) == ("bob", True)
            with pytest.raises(PeerError) as refused:
                await bob.send(User("alice"), "hello?")
            assert refused.value.status is Status.ERR_FORBIDDEN
            assert [row.user for row in (await alice.blocks()).rows] == ["bob"]
            with pytest.raises(CallerError):
                await alice.block("")
            await alice.unblock("bob")
            assert not (await alice.blocks()).rows
            await bob.send(User("alice"), "hello")
    run(main())


def test_devices_are_listed_and_removed(place, run):
    async def main():
        async with place.client("alice", device="phone") as phone, \
                place.client("alice", device="tablet") as tablet:
            rows = await phone.devices()
            assert [(row.device, row.online) for row in rows] == [("phone", True), ("tablet", True)]
            await phone.device_remove("tablet")
            refused = await event_of(tablet, State, lambda e: e.state is ClientState.REFUSED)
            assert refused.status is Status.ERR_REMOVED
            assert [row.device for row in await phone.devices()] == ["phone"]
            with pytest.raises(PeerError) as unknown:
                await phone.device_remove("tablet")
            assert unknown.value.status is Status.ERR_NOT_FOUND
            with pytest.raises(CallerError):
                await phone.device_remove("")
            tablet.reconnect()
            assert (await event_of(tablet, Resumed)).state == "reset"
    run(main())


def test_a_chat_is_muted_for_good_for_a_time_and_no_longer(place, run):
    async def main():
        async with place.client("alice") as alice, \
                place.client("alice", device="phone") as phone:
            sent = await alice.send(User("bob"), "hello")
            for until_ms, told in (((), 2 ** 53), ((4102444800000,), 4102444800000), ((0,), 0)):
                await alice.mute(User("bob"), *until_ms)
                setting = await event_of(phone, Setting)
                assert (setting.of, setting.until) == (sent.chat, told)
            for wrong in (-1, 2 ** 53 + 1):
                with pytest.raises(CallerError):
                    await alice.mute(sent.chat, wrong)
            with pytest.raises(PeerError):
                await alice.mute("nowhere")
    run(main())


def test_chats_tell_what_is_muted(chatd, run):
    async def main():
        async with chatd.client("alice") as alice:
            sent = await alice.send(User("bob"), "hello")
            assert [chat.until for chat in await alice.chats()] == [None]
            await alice.mute(sent.chat)
            assert [chat.until for chat in await alice.chats()] == [2 ** 53]
            await alice.mute(sent.chat, 0)
            assert [chat.until for chat in await alice.chats()] == [None]
    run(main())


def test_presence_and_typing(place, run):
    async def main():
        async with place.client("alice") as alice:
            assert not (await alice.watch(["bob"]))[0].online
            async with place.client("bob") as bob:
                assert (await event_of(alice, Presence)).online
                bob.typing(User("alice"))
                assert (await event_of(alice, Typing)).user == "bob"
                await bob.send(User("alice"), "done")
                assert (await event_of(alice, TypingEnded)).user == "bob"
                await bob.hide()
                assert not (await event_of(alice, Presence)).online
                assert not (await alice.presence(["bob"]))[0].online
            await alice.ping()
    run(main())


def test_many_sends_at_once_keep_their_order(place, run):
    async def main():
        async with place.client("alice") as alice, place.client("bob") as bob:
            sends = [asyncio.ensure_future(alice.send(User("bob"), str(i))) for i in range(200)]
            bodies = [(await event_of(bob, Message)).body for _ in range(200)]
            assert bodies == [str(i) for i in range(200)]
            seqs = [sent.seq for sent in await asyncio.gather(*sends)]
            assert seqs == sorted(seqs)
    run(main())


def test_cancelled_and_timed_out_waits_leave_the_client_usable(engine, chat_server, run):
    async def main():
        client = engine.client("alice")
        async with client:
            with pytest.raises(AnswerTimeout):
                while True:
                    await client.next_event(timeout=0.05)
            task = asyncio.ensure_future(client.send(User("bob"), "cancelled"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await event_of(client, Sent)).chat == "dm:5:alice:bob"
            for _ in range(5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.chats(), 0)
            assert len(await client.chats()) == 1
    run(main())


def test_wrong_calls_are_told_kindly(engine, run):
    async def main():
        async with engine.client("alice") as alice:
            with pytest.raises(CallerError, match="lone surrogate .U.D83D"):
                await alice.send(User("bob"), "half an emoji: \ud83d")
            with pytest.raises(TypeError, match="bytes"):
                await alice.send(User("bob"), b"bytes")
            with pytest.raises(TypeError, match="list of ids"):
                await alice.presence("bob")
            for chat in ("", "dm:1:a", "x" * 200, "a\nb"):
                with pytest.raises(CallerError):
                    await alice.send(chat, "text")
            for wrong in ("5", 5.0):
                with pytest.raises(TypeError, match="seq is an int"):
                    await alice.read(User("bob"), wrong)
            with pytest.raises(CallerError, match="limit"):
                await alice.chats(-1)
            with pytest.raises(CallerError):
                await alice.read(User("bob"), -1)
            with pytest.raises(CallerError):
                await alice.read(User("bob"), 2 ** 64)
        with pytest.raises(RetryError, match="closed"):
            await alice.send(User("bob"), "too late")
    run(main())
    with pytest.raises(CallerError, match="url|URL"):
        engine.client("alice").__class__("http://nowhere", "x")
    with pytest.raises(TypeError, match="no option 'colour'"):
        engine.client("alice", colour="red")
    with pytest.raises(TypeError, match="'ca_file' cannot be a bytes"):
        engine.client("alice", ca_file=b"x")
    with pytest.raises(TypeError, match="'backoff_max_ms' cannot be a str"):
        engine.client("alice", backoff_max_ms="1")
    with pytest.raises(CallerError, match="backoff_max_ms"):
        engine.client("alice", backoff_max_ms=-1)


def test_a_bad_token_is_refused_at_once(chatd, run):
    async def main():
        client = chatd.client("alice")
        client.set_token  # exists before it is open
        bad = client.__class__(chatd.url, "not.a.token")
        with pytest.raises(PeerError) as refused:
            async with bad:
                pass
        assert refused.value.status is Status.ERR_AUTH
    run(main())


def test_no_server_is_a_retry_error(run):
    import libchat

    async def main():
        with pytest.raises(RetryError, match="not online in 0.3 s"):
            async with libchat.Client("ws://127.0.0.1:1", "x", connect_timeout=0.3):
                pass
        async with libchat.Client("ws://127.0.0.1:1", "x", connect_timeout=None) as client:
            task = asyncio.ensure_future(client.send(User("bob"), "waits"))
            await asyncio.sleep(0)
            assert client.outbox_count == 1
            await client.aclose()
            with pytest.raises(ChatError):
                await task
    run(main())


def test_events_that_nobody_reads_stay_bounded_and_answers_still_come(engine, run):
    async def main():
        async with engine.client("alice") as alice, engine.client("bob", max_events=10) as bob:
            for i in range(60):
                await alice.send(User("bob"), str(i))
            assert (await bob.ping()) is not None
            assert len(bob._events) <= 80
            bodies = [(await event_of(bob, Message)).body for _ in range(60)]
            assert bodies == [str(i) for i in range(60)]
    run(main())
