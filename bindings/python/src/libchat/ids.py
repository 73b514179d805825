# SPDX-License-Identifier: MIT
"""Message ids, ids that people choose, partitions and tokens: functions of their arguments.

>>> partition_of("room", 64) == partition_of("room", 64)
True
>>> direct_id("bob", "alice")
'dm:5:alice:bob'
>>> direct_members("dm:5:alice:bob")
('alice', 'bob')
"""
from __future__ import annotations

import time
from dataclasses import dataclass

from . import _text
from ._frames import text
from ._native import ffi, lib
from .errors import CallerError, check

EPOCH_MS = int(lib.CHAT_EPOCH_MS)
MAX_NODE = int(lib.CHAT_SNOWFLAKE_MAX_NODE)


@dataclass(frozen=True)
class Snowflake:
    """The parts of a message id.

    >>> Snowflake.of(Snowflake.first_at(1_800_000_000_000)).unix_ms
    1800000000000
    """

    unix_ms: int
    node: int
    sequence: int

    @classmethod
    def of(cls, id: int) -> Snowflake:
        """Take an id apart."""
        parts = lib.chat_snowflake_decode(_text.number(id, 64, "id"))
        return cls(parts.unix_ms, parts.node, parts.sequence)

    @staticmethod
    def first_at(unix_ms: int) -> int:
        """The first id that a moment can have."""
        return int(lib.chat_snowflake_first_at(_text.number(unix_ms, 64, "unix_ms")))


class IdGenerator:
    """Gives ids, each greater than all before. One caller at a time.

    >>> ids = IdGenerator(node=7)
    >>> first, second = ids.next(), ids.next()
    >>> first < second, Snowflake.of(second).node
    (True, 7)
    """

    def __init__(self, node: int, not_before: int = 0) -> None:
        self._gen = ffi.new("chat_idgen *")
        self._out = ffi.new("uint64_t *")
        check(lib.chat_idgen_init(self._gen, _text.number(node, 32, "node"),
                                  _text.number(not_before, 64, "not_before")),
              f"node is 0 to {MAX_NODE}")

    def set_lease(self, until_unix_ms: int) -> None:
        """No id is given from this moment on."""
        lib.chat_idgen_set_lease(self._gen, _text.number(until_unix_ms, 64, "until_unix_ms"))

    def next(self, unix_ms: int | None = None) -> int:
        """The next id at this time (None: now). RetryError: ask again with a later time."""
        now = time.time_ns() // 1000000 if unix_ms is None else unix_ms
        check(lib.chat_idgen_next(self._gen, _text.number(now, 64, "unix_ms"), self._out))
        return int(self._out[0])


def is_valid_id(id: str) -> bool:
    """Whether this may name a user or a device.

    >>> is_valid_id("Zoë"), is_valid_id(""), is_valid_id("a\\nb")
    (True, False, False)
    """
    try:
        return bool(lib.chat_id_is_valid(_text.view(id)))
    except CallerError:
        return False


def murmur2(key: str | bytes) -> int:
    """The hash of the Java Kafka client's default partitioner."""
    return int(lib.chat_murmur2(_text.view_of_bytes(key)))


def partition_of(chat: str, n_partitions: int) -> int:
    """Which partition a chat belongs to, as in Kafka."""
    return int(lib.chat_partition_of(_text.view(chat),
                                     _text.number(n_partitions, 32, "n_partitions")))


def direct_id(a: str, b: str) -> str:
    """The id of the direct chat of two users."""
    out = ffi.new("chat_direct_name *")
    check(lib.chat_direct_id(_text.view(a), _text.view(b), out), "two different user ids")
    return str(ffi.buffer(out.bytes, out.len)[:], "utf-8")


def direct_members(chat: str) -> tuple[str, str] | None:
    """The two users of a direct chat's id; None when it is none."""
    view, out = _text.view(chat), ffi.new("chat_view[2]")
    if check(lib.chat_direct_members(view, out), "no id of a direct chat") != 0:
        return None
    return text(out[0]), text(out[1])


def make_token(secret: str | bytes, user: str, lifetime: float = 3600.0) -> str:
    """An HS256 token for tests and small set-ups; `lifetime` in seconds.

    >>> make_token(b"x" * 32, "alice").count(".")
    2
    """
    out = ffi.new("char[]", int(lib.CHAT_TOKEN_MAX_BYTES))
    expires = time.time_ns() // 1000000 + int(lifetime * 1000)
    check(lib.chat_token_make(_text.view_of_bytes(secret), _text.view(user),
                              _text.number(expires, 64, "expiry"), out, len(out)),
          "a secret has 32 bytes at least, a user a valid id")
    return str(ffi.string(out).decode())
