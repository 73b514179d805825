# SPDX-License-Identifier: MIT
"""The offline queue of one user, for servers of your own: order, cursors of devices, what is lost.

>>> queue = OfflineQueue(max_entries=2)
>>> queue.add_device("phone")
>>> for seq in (1, 2, 3):
...     queue.push("room", seq, now_ms=seq)
>>> queue.connect("phone")
>>> [(gap.chat, gap.after, gap.before) for gap in queue.gaps("phone")]
[('room', 0, 2)]
>>> [entry.seq for entry in queue.entries("phone")]
[2, 3]
>>> queue.ack("phone", 3)
>>> len(queue)
0
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator

from . import _text
from ._frames import text
from ._native import ffi, lib
from .errors import check

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import QueueOptions


@dataclass(frozen=True)
class QueueEntry:
    """A message, by its place in its chat; `position` is its place in the queue."""

    position: int
    chat: str
    seq: int
    at_ms: int


@dataclass(frozen=True)
class QueueGap:
    """What was dropped: history has what is between `after` and `before` in `chat`."""

    position: int
    chat: str
    after: int
    before: int


def _options(fields: QueueOptions) -> Any:
    options = ffi.new("chat_queue_options *")
    lib.chat_queue_options_init(options)
    _text.set_fields(options, dict(fields))
    return options


class OfflineQueue:
    """Times are milliseconds of one clock; one caller at a time. `options` are the fields of the
    C struct `chat_queue_options`: max_entries, batch_count, max_devices, max_gaps, ttl_ms."""

    def __init__(self, **options: Unpack[QueueOptions]) -> None:
        out = ffi.new("chat_queue **")
        check(lib.chat_queue_new(_options(options), out))
        self._queue = ffi.gc(out[0], lib.chat_queue_free)

    @classmethod
    def from_bytes(cls, data: bytes, **options: Unpack[QueueOptions]) -> OfflineQueue:
        """What `bytes(queue)` gave, perhaps with other options."""
        queue, out = cls(**options), ffi.new("chat_queue **")
        check(lib.chat_queue_decode(_options(options), _text.view_of_bytes(data), out))
        queue._queue = ffi.gc(out[0], lib.chat_queue_free)
        return queue

    def __bytes__(self) -> bytes:
        out = ffi.new("uint8_t[]", lib.chat_queue_encoded_size(self._queue))
        check(lib.chat_queue_encode(self._queue, out, len(out)))
        return bytes(ffi.buffer(out))

    def __len__(self) -> int:
        return int(lib.chat_queue_count(self._queue))

    def add_device(self, device: str) -> None:
        """From now on keep messages for this device too."""
        check(lib.chat_queue_add_device(self._queue, _text.view(device)))

    def remove_device(self, device: str) -> None:
        """Forget a device."""
        lib.chat_queue_remove_device(self._queue, _text.view(device))

    def push(self, chat: str, seq: int, now_ms: int) -> None:
        """Put a message at the end."""
        view = _text.view(chat)
        entry = ffi.new("chat_queue_entry *", {"seq": seq, "chat": view})
        check(lib.chat_queue_push(self._queue, entry, now_ms))

    def connect(self, device: str) -> None:
        """Begin to drain, from what the device has not acknowledged."""
        check(lib.chat_queue_connect(self._queue, _text.view(device)))

    def disconnect(self, device: str) -> None:
        """The device is away."""
        lib.chat_queue_disconnect(self._queue, _text.view(device))

    def gaps(self, device: str) -> Iterator[QueueGap]:
        """What the device was not yet told of over this connection."""
        out = ffi.new("chat_queue_gap *")
        while check(lib.chat_queue_next_gap(self._queue, _text.view(device), out)) == 0:
            yield QueueGap(out.position, text(out.chat), out.after, out.before)

    def entries(self, device: str) -> Iterator[QueueEntry]:
        """Messages for the device, as many as it may have unacknowledged."""
        out = ffi.new("chat_queue_entry *")
        while check(lib.chat_queue_next(self._queue, _text.view(device), out)) == 0:
            yield QueueEntry(out.position, text(out.chat), out.seq, out.at_ms)

    def ack(self, device: str, position: int) -> None:
        """The device has everything up to `position`, and knows of the gaps."""
        check(lib.chat_queue_ack(self._queue, _text.view(device), position))

    def is_draining(self, device: str) -> bool:
        """Whether something is in front of what would be pushed now."""
        return bool(lib.chat_queue_is_draining(self._queue, _text.view(device)))

    @property
    def deadline(self) -> int:
        """When expire() has something to do; 2^64-1: never."""
        return int(lib.chat_queue_deadline(self._queue))

    def expire(self, now_ms: int) -> None:
        """Drop what is too old."""
        lib.chat_queue_expire(self._queue, now_ms)
