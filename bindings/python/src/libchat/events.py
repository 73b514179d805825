# SPDX-License-Identifier: MIT
"""What a client gives: frames of the server (generated, see `_frames`), and its own state."""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar, Union

from . import _frames
from ._frames import *  # noqa: F401,F403
from ._frames import Frame, Pong, Result, Welcome
from ._native import ffi, lib
from ._status import Status
from .errors import status_of

_F = TypeVar("_F")


@dataclass(frozen=True)
class User:
    """The direct chat with this user, wherever a chat is named: ``send(User("bob"), "hello")``."""

    id: str


class ClientState(IntEnum):
    """Where the connection stands."""

    WAITING = 1  #: connects again in `retry_after` seconds
    CONNECTING = 2
    ONLINE = 3
    REFUSED = 4  #: the server does not want this client: nothing more until `reconnect()`
    CLOSED = 5


@dataclass(frozen=True)
class State:
    """The connection changed. ONLINE comes with the server's `welcome`."""

    state: ClientState
    status: Status = Status.OK
    retry_after: float = 0.0
    text: str = ""
    welcome: Welcome | None = None


class Cached(IntEnum):
    """Where rows are from."""

    NO = 0  #: the server
    WHOLE = 1  #: the file named by `store`, as the server would have answered
    PART = 2  #: the file named by `store`: the server may have more


@dataclass(frozen=True)
class Answer:
    """The answer to a request: its rows, then what closed it."""

    rows: tuple[Frame, ...]
    result: Result | Pong
    cached: Cached = Cached.NO


@dataclass(frozen=True)
class Page(Generic[_F]):
    """Rows of one request, and where they are from. `has_more`: there are others behind them."""

    rows: tuple[_F, ...]
    has_more: bool
    cached: Cached


@dataclass(frozen=True)
class TokenWanted:
    """Give a new token with `set_token()`: the old one ends soon, or was refused (`status`)."""

    status: Status


@dataclass(frozen=True)
class Failed:
    """Message `cid`, whose `send()` was no longer waited for, will not be sent."""

    cid: str
    status: Status
    text: str = ""
    retry_after: float | None = None  #: the server's advice, in seconds


@dataclass(frozen=True)
class StoreRenewed:
    """The file named by `store` was damaged and begun anew; `text` says what became of it."""

    text: str


@dataclass(frozen=True)
class TypingEnded:
    """An event `Typing` of this user counts no more: a message came, or nothing for 5 s."""

    chat: str
    user: str


class OutboxState(IntEnum):
    """How far a message of the outbox is."""

    WAITING = 1
    WRITTEN = 2  #: sent, and not answered yet
    SENT = 3  #: durable; in no list, only found
    FAILED = 4  #: will not be sent, for `status`


@dataclass(frozen=True)
class OutboxItem:
    """A message in the outbox. `chat` is a chat's id or a `User`; `id`, `seq` are of a sent one."""

    cid: str
    chat: str | User
    body: str
    state: OutboxState
    status: Status = Status.OK
    reply_to: int = 0
    id: int = 0
    seq: int = 0


Event = Union[Frame, State, TokenWanted, Failed, StoreRenewed, TypingEnded]


def frame_of(event: Any) -> Frame | None:
    """The frame of an event of C, copied; None: none, or of a type that is not known."""
    if event.frame == ffi.NULL:
        return None
    reader = _frames.READERS.get(event.frame.type)
    return reader(event.frame, event.gap_after) if reader else None


def own_event_of(event: Any) -> State | TokenWanted | StoreRenewed | TypingEnded:
    """An event that is no frame of the server."""
    status = status_of(event.status)
    if event.type == lib.CHAT_EVENT_TOKEN_WANTED:
        return TokenWanted(status)
    if event.type == lib.CHAT_EVENT_STORE:
        return StoreRenewed(_frames.text(event.text))
    if event.type == lib.CHAT_EVENT_TYPING_ENDED:
        return TypingEnded(_frames.text(event.frame.chat), _frames.text(event.frame.user))
    frame = frame_of(event)
    return State(ClientState(event.state), status, event.retry_ms / 1000,
                 _frames.text(event.text), frame if isinstance(frame, Welcome) else None)


def outbox_item_of(item: Any) -> OutboxItem:
    """An item of C, copied."""
    text = _frames.text
    return OutboxItem(text(item.cid), text(item.chat) if item.chat.len else User(text(item.to)),
                      text(item.body), OutboxState(item.state), status_of(item.status),
                      item.re, item.id, item.seq)


__all__ = ["Answer", "Cached", "ClientState", "Event", "Failed", "Frame", "OutboxItem",
           "OutboxState", "Page", "State", "StoreRenewed", "TokenWanted",
           "TypingEnded", "User"]
__all__ += _frames.__all__
