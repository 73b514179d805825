# SPDX-License-Identifier: MIT
"""The client for asyncio: what can be asked and told.

    async with Client("ws://localhost:8080", token) as client:
        await client.send("room", "hello")
        async for event in client:
            match event:
                case Message(sender=sender, body=body):
                    print(sender, body)
"""
from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Iterable, TypeVar

from . import _text
from ._connection import Connection
from ._native import ffi, lib
from .errors import CallerError, Status, check, error_of
from .events import (Answer, Chat, ClientState, Device, Failed, Frame, Member, Note, OutboxItem,
                     Page, Pong, Presence, Receipt, Sent, State, Trail, User, outbox_item_of)

_F = TypeVar("_F")


def _only(kind: type[_F], answer: Answer) -> list[_F]:
    return [row for row in answer.rows if isinstance(row, kind)]


class Client(Connection):
    """A connection that is kept alive and made again, with an ordered outbox.

    `device` names this installation and is stable over restarts: the server keeps its position.
    `connect_timeout` is for entering ``async with`` only (None: go on without waiting); later on
    the client reconnects for ever. At most about `max_events` events are kept unread: what a
    consumer does not take stays with the server. `store` is a file for outbox and cache: what was not
    sent is sent by the next client that has it, and `history()` and `chats()` answer without a
    connection. `options` are the other fields of the C struct
    `chat_client_options`, such as `ca_file`, `pin`, `proxy`, `backoff_max_ms`.

    Waiting for an answer may be cancelled, or given up by a timeout: the client goes on, and a
    message whose `send()` was cancelled still goes out (its `Sent` or `Failed` becomes an event).
    """

    # Messages

    async def send(self, chat: str | User, text: str, *, reply_to: int | None = None,
                   cid: str | None = None) -> Sent:
        """Send a message and wait until it is durable.

        `cid` is of an earlier run, for those who keep their outbox themselves: the server makes
        one message of both. Raises RetryError when the outbox is full or the server says later.
        """
        native, loop = self._handle(), self._running()
        target, _keep = _text.target(chat)
        body = _text.view(text)
        if cid is not None:
            if reply_to is not None:
                raise CallerError(message="a reply takes no `cid`")
            check(lib.chat_client_send_again(native, target, body, _text.view(cid)))
        elif reply_to is not None:
            check(lib.chat_client_reply(native, target, _text.number(reply_to, 64, "reply_to"),
                                        body, self._cid))
        else:
            check(lib.chat_client_send(native, target, body, self._cid))
        name = cid if cid is not None else ffi.string(self._cid.text).decode()
        future: asyncio.Future[Sent | Failed] = loop.create_future()
        self._sends[name] = future
        self._kick()
        try:
            outcome = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._events.append(future.result())  # it came in the same turn
                self._wake()
            raise
        finally:
            if self._sends.get(name) is future:
                del self._sends[name]
        if isinstance(outcome, Failed):
            raise error_of(outcome.status, outcome.text, outcome.retry_after)
        return outcome

    async def post(self, chat: str | User, text: str, *, reply_to: int | None = None) -> str:
        """Put a message into the outbox and return its `cid` at once.

        Its `Sent` or `Failed` becomes an event. With `store` it is on disk when this returns, and
        outlives the process.
        """
        native = self._handle()
        target, _keep = _text.target(chat)
        body = _text.view(text)
        if reply_to is None:
            check(lib.chat_client_send(native, target, body, self._cid))
        else:
            check(lib.chat_client_reply(native, target, _text.number(reply_to, 64, "reply_to"),
                                        body, self._cid))
        self._kick()
        return bytes(ffi.string(self._cid.text)).decode()

    async def outbox(self) -> list[OutboxItem]:
        """What waits, is unanswered or (with `store`) failed, in the order of sending."""
        item = ffi.new("chat_outbox_item *")
        items: list[OutboxItem] = []
        item.struct_size = ffi.sizeof("chat_outbox_item")
        while True:
            status = lib.chat_client_outbox_next(self._handle(), item.number, item)
            if status == Status.EMPTY:
                return items
            check(status)
            items.append(outbox_item_of(item))

    async def outbox_find(self, cid: str) -> OutboxItem | None:
        """One message by its `cid`; a sent one too, as long as the `store` has it."""
        item = ffi.new("chat_outbox_item *")
        item.struct_size = ffi.sizeof("chat_outbox_item")
        status = lib.chat_client_outbox_find(self._handle(), _text.view(cid), item)
        if status == Status.ERR_NOT_FOUND:
            return None
        check(status)
        return outbox_item_of(item)

    async def outbox_retry(self, cid: str) -> None:
        """Send a message again that failed, behind the others."""
        check(lib.chat_client_outbox_retry(self._handle(), _text.view(cid)))
        self._kick()

    async def outbox_drop(self, cid: str) -> None:
        """Forget a message that failed."""
        check(lib.chat_client_outbox_drop(self._handle(), _text.view(cid)))

    async def history(self, chat: str | User, *, before: int | None = None,
                      after: int | None = None, limit: int | None = None,
                      page: int = 0, stored: bool = False) -> AsyncIterator[Frame]:
        """Records of a chat, newest first; with `after`, oldest first from there on.

        Pages are fetched as they are needed; `page` is the size of one (0: the server's). With
        `store`, what is there without a hole is not asked for, and without a connection it is all
        that comes; `stored`: the server is not asked at all. `history_page()` says which it was.
        """
        while limit is None or limit > 0:
            got = await self.history_page(
                chat, before=before, after=after, stored=stored,
                limit=page if limit is None else min(page or limit, limit))
            for row in got.rows:
                yield row
            if limit is not None:
                limit -= len(got.rows)
            if not got.rows or not got.has_more:
                return
            last: int = getattr(got.rows[-1], "seq")
            before, after = (last, None) if after is None else (None, last)

    async def history_page(self, chat: str | User, *, before: int | None = None,
                           after: int | None = None, limit: int = 0,
                           stored: bool = False) -> Page[Frame]:
        """One page of `history()`, with `cached`: from the server, or from `store`, all or part.

        At most `limit` rows (0: the server's default).
        """
        target, _keep = _text.target(chat)
        query = ffi.new("chat_history_query *")
        query.struct_size = ffi.sizeof("chat_history_query")
        query.target, query.limit = target[0], _text.number(limit, 32, "limit")
        query.direction = lib.CHAT_HISTORY_NEWEST
        query.source = lib.CHAT_HISTORY_CACHE if stored else lib.CHAT_HISTORY_ANY
        if before is not None and after is not None:
            raise CallerError(message="either `before` or `after`")
        if before is not None or after is not None:
            is_after = after is not None
            query.direction = lib.CHAT_HISTORY_AFTER if is_after else lib.CHAT_HISTORY_BEFORE
            query.seq = _text.number((after if after is not None else before) or 0, 64, "seq")
        answer = await self._request(
            lambda r: int(lib.chat_client_history(self._handle(), query, r)))
        return Page(answer.rows, bool(getattr(answer.result, "has_more", False)), answer.cached)

    async def _note(self, kind: int, chat: str | User, message: int, text: str) -> Answer:
        target, _keep = _text.target(chat)
        view = _text.view(text)
        note = ffi.new("chat_note_request *", {"re": _text.number(message, 64, "message id"),
                                               "text": view})
        note.struct_size = ffi.sizeof("chat_note_request")
        return await self._request(
            lambda r: int(lib.chat_client_note(self._handle(), kind, target, note, r)))

    async def edit(self, chat: str | User, message: int, text: str) -> None:
        """Replace the content of a message of mine; `message` is its id."""
        await self._note(lib.CHAT_FRAME_EDIT, chat, message, text)

    async def delete(self, chat: str | User, message: int) -> None:
        """Delete a message of mine, or as owner or admin of the group any."""
        await self._note(lib.CHAT_FRAME_DELETE, chat, message, "")

    async def react(self, chat: str | User, message: int, reaction: str) -> None:
        """My reaction to a message; an empty one takes it back."""
        await self._note(lib.CHAT_FRAME_REACT, chat, message, reaction)

    async def reactions(self, chat: str | User, message: int) -> list[Note]:
        """Who reacts to a message, and how."""
        return _only(Note, await self._note(lib.CHAT_FRAME_REACTIONS, chat, message, ""))

    def typing(self, chat: str | User) -> None:
        """Tell the others that I am typing; call as often as keys are hit."""
        target, _keep = _text.target(chat)
        check(lib.chat_client_typing(self._handle(), target))
        self._kick()

    async def read(self, chat: str | User, seq: int) -> int:
        """I have read everything up to `seq`; returns what counts now."""
        target, _keep = _text.target(chat)
        seq = _text.number(seq, 64, "seq")
        answer = await self._request(
            lambda r: int(lib.chat_client_read(self._handle(), target, seq, r)))
        return int(getattr(answer.result, "seq") or 0)

    async def receipts(self, chat: str | User, message: int) -> list[Receipt]:
        """Who has message `message` (an id), and who has read it."""
        target, _keep = _text.target(chat)
        message = _text.number(message, 64, "message id")
        return _only(Receipt, await self._request(
            lambda r: int(lib.chat_client_receipts(self._handle(), target, message, r))))

    async def why(self, chat: str | User, message: int, *, device: str = "") -> list[Trail]:
        """Where message `message` (an id) is: each thing that happened to it.

        With `device`, only what happened on the way to that one.
        """
        target, _keep = _text.target(chat)
        message, view = _text.number(message, 64, "message id"), _text.view(device)
        return _only(Trail, await self._request(
            lambda r: int(lib.chat_client_why(self._handle(), target, message, view, r))))

    async def mute(self, chat: str | User, until_ms: int | None = None) -> None:
        """No notifications of the chat until `until_ms`, milliseconds since 1970.

        Without it for good; 0: no longer muted. Messages come as before.
        """
        target, _keep = _text.target(chat)
        wanted = lib.CHAT_MUTE_FOREVER if until_ms is None else until_ms
        until = _text.number(wanted, 64, "until_ms")
        await self._request(lambda r: int(lib.chat_client_mute(self._handle(), target, until, r)))

    # Devices

    async def devices(self) -> list[Device]:
        """My devices: which are connected, and when the others were last seen."""
        return _only(Device, await self._request(
            lambda r: int(lib.chat_client_devices(self._handle(), r))))

    async def device_remove(self, device: str) -> None:
        """Forget a device of mine, this one too; its client is refused until `reconnect()`."""
        view = _text.view(device)
        await self._request(
            lambda r: int(lib.chat_client_device_remove(self._handle(), view, r)))

    # Chats and groups

    async def chats(self, limit: int = 0) -> list[Chat]:
        """My chats, with what is unread. Without a connection those that `store` has."""
        return list((await self.chats_page(limit)).rows)

    async def chats_page(self, limit: int = 0) -> Page[Chat]:
        """As `chats()`, with `cached`: from the server, or from `store`, all or part."""
        limit = _text.number(limit, 32, "limit")
        answer = await self._request(
            lambda r: int(lib.chat_client_chats(self._handle(), limit, r)))
        return Page(tuple(_only(Chat, answer)), bool(getattr(answer.result, "has_more", False)),
                    answer.cached)

    async def _group(self, kind: int, chat: str, users: Iterable[str] = (), **fields: Any) -> Answer:
        views, _keep = _text.view_list(users)
        request, chat_view = ffi.new("chat_group_request *", {"users": views}), _text.view(chat)
        request.struct_size = ffi.sizeof("chat_group_request")
        kept = {name: _text.view(value) if isinstance(value, str) else int(value)
                for name, value in fields.items()}
        request.chat = chat_view
        for name, value in kept.items():
            setattr(request, name, value)
        return await self._request(
            lambda r: int(lib.chat_client_group(self._handle(), kind, request, r)))

    async def create(self, chat: str, users: Iterable[str] = (), *, title: str = "",
                     is_open: bool = False) -> None:
        """Make a group of me and `users`; anybody may join one that is open."""
        await self._group(lib.CHAT_FRAME_CHAT_CREATE, chat, users, title=title, is_open=is_open)

    async def update(self, chat: str, title: str) -> None:
        """Give the group another title."""
        await self._group(lib.CHAT_FRAME_CHAT_UPDATE, chat, title=title)

    async def join(self, chat: str) -> None:
        """Become a member of a group that is open."""
        await self._group(lib.CHAT_FRAME_CHAT_JOIN, chat)

    async def leave(self, chat: str) -> None:
        """Be no member any more."""
        await self._group(lib.CHAT_FRAME_CHAT_LEAVE, chat)

    async def add(self, chat: str, users: Iterable[str]) -> None:
        """Make users members."""
        await self._group(lib.CHAT_FRAME_CHAT_ADD, chat, users)

    async def remove(self, chat: str, users: Iterable[str]) -> None:
        """Remove members."""
        await self._group(lib.CHAT_FRAME_CHAT_REMOVE, chat, users)

    async def set_role(self, chat: str, user: str, role: str) -> None:
        """Make a member "owner", "admin" or "member"."""
        await self._group(lib.CHAT_FRAME_CHAT_ROLE, chat, user=user, role=role)

    async def members(self, chat: str) -> list[Member]:
        """Who is in the group."""
        return _only(Member, await self._group(lib.CHAT_FRAME_CHAT_MEMBERS, chat))

    # Presence

    async def presence(self, users: Iterable[str]) -> list[Presence]:
        """Who of the users is online."""
        views, _keep = _text.view_list(users)
        return _only(Presence, await self._request(
            lambda r: int(lib.chat_client_presence(self._handle(), views, r))))

    async def watch(self, users: Iterable[str]) -> list[Presence]:
        """The same, and `Presence` events when they come and go.

        Replaces the list before; ends with the connection: watch again at each State ONLINE.
        """
        views, _keep = _text.view_list(users)
        return _only(Presence, await self._request(
            lambda r: int(lib.chat_client_watch(self._handle(), views, r))))

    async def hide(self, is_hidden: bool = True) -> None:
        """Look offline to others, or no longer."""
        await self._request(lambda r: int(lib.chat_client_hide(self._handle(), is_hidden, r)))

    # The connection

    async def ping(self) -> Pong:
        """Ask for a sign of life."""
        answer = await self._request(lambda r: int(lib.chat_client_ping(self._handle(), r)))
        assert isinstance(answer.result, Pong)
        return answer.result

    def reconnect(self) -> None:
        """Connect now: the network changed, or the token did. The outbox stays."""
        check(lib.chat_client_reconnect(self._handle()))
        self._state = State(ClientState.CONNECTING)
        self._kick()

    def set_token(self, token: str) -> None:
        """Use another token from the next connection on; after TokenWanted, at once."""
        check(lib.chat_client_set_token(self._handle(), _text.string(token)))
        self._kick()
