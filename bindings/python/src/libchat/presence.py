# SPDX-License-Identifier: MIT
"""Who is online, for servers of your own: leases by device, watchers, a clock that you choose.

>>> table = PresenceTable(ttl_ms=60_000)
>>> table.watch(1, ["alice"])
>>> table.renew("alice", lease=10, now_ms=1000)
>>> [(c.watcher, c.user, c.state.is_online) for c in table.changes()]
[(1, 'alice', True)]
>>> table.expire(table.deadline)
>>> table.get("alice").is_online
False
"""
from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Iterator

from . import _text
from ._frames import text
from ._native import ffi, lib
from .errors import check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import PresenceOptions


@dataclass(frozen=True)
class PresenceState:
    """What others see of a user; `seen_ms` 0: not known."""

    is_online: bool
    is_hidden: bool
    seen_ms: int


@dataclass(frozen=True)
class PresenceChange:
    """Tell `watcher` that `user` is now in `state`; without a watcher: nobody watches any more."""

    watcher: int | None
    user: str
    state: PresenceState


def _state(state: Any) -> PresenceState:
    return PresenceState(bool(state.is_online), bool(state.is_hidden), state.seen_ms)


class PresenceTable:
    """A table of users. Times are milliseconds of one clock; one caller at a time.

    `options` are the other fields of the C struct `chat_presence_options`.
    """

    def __init__(self, ttl_ms: int = 60_000, **options: Unpack[PresenceOptions]) -> None:
        fields = ffi.new("chat_presence_options *")
        lib.chat_presence_options_init(fields)
        fields.ttl_ms = ttl_ms
        fields.seed = [secrets.randbits(64), secrets.randbits(64)]
        _text.set_fields(fields, dict(options))
        out = ffi.new("chat_presence **")
        check(lib.chat_presence_new(fields, out))
        self._table = ffi.gc(out[0], lib.chat_presence_free)

    def renew(self, user: str, lease: int, now_ms: int) -> None:
        """A device of `user` is there; `lease` names it among the user's."""
        check(lib.chat_presence_renew(self._table, _text.view(user), lease, now_ms))

    def release(self, user: str, lease: int, seen_ms: int) -> None:
        """The device is gone."""
        lib.chat_presence_release(self._table, _text.view(user), lease, seen_ms)

    def hide(self, user: str, is_hidden: bool, now_ms: int) -> None:
        """Look offline to everybody, or no longer."""
        check(lib.chat_presence_hide(self._table, _text.view(user), is_hidden, now_ms))

    def get(self, user: str) -> PresenceState:
        """What others see of a user."""
        out = ffi.new("chat_presence_state *")
        lib.chat_presence_get(self._table, _text.view(user), out)
        return _state(out)

    def tell(self, user: str, is_online: bool, seen_ms: int) -> None:
        """Somebody else knows the state of a user who is watched here."""
        lib.chat_presence_tell(self._table, _text.view(user), is_online, seen_ms)

    def watch(self, watcher: int, users: Iterable[str]) -> None:
        """`watcher` wants to know about these users, and no others."""
        (items, count), _keep = _text.view_list(users)
        check(lib.chat_presence_watch(self._table, watcher, items, count))

    def unwatch(self, watcher: int) -> None:
        """Forget a watcher."""
        lib.chat_presence_unwatch(self._table, watcher)

    @property
    def deadline(self) -> int:
        """When expire() has something to do; 2^64-1: never."""
        return int(lib.chat_presence_deadline(self._table))

    def expire(self, now_ms: int) -> None:
        """End the leases that were not renewed in time."""
        lib.chat_presence_expire(self._table, now_ms)

    def changes(self) -> Iterator[PresenceChange]:
        """What is to be told now."""
        out = ffi.new("chat_presence_change *")
        while check(lib.chat_presence_next_change(self._table, out)) == 0:
            is_told = out.type == lib.CHAT_PRESENCE_CHANGED
            yield PresenceChange(out.watcher if is_told else None, text(out.user),
                                 _state(out.state))
