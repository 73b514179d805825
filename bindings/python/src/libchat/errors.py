# SPDX-License-Identifier: MIT
"""Exceptions by what can be done about them: the kinds of the library's status table.

>>> issubclass(AnswerTimeout, RetryError), issubclass(AnswerTimeout, TimeoutError)
(True, True)
>>> error_of(Status.ERR_FORBIDDEN, "you are no member of this chat")
PeerError('ERR_FORBIDDEN: you are no member of this chat')
"""
from __future__ import annotations

from ._status import Status

__all__ = ["AnswerTimeout", "CallerError", "ChatError", "FatalError", "LimitError", "PeerError",
           "RetryError", "Status"]


class ChatError(Exception):
    """Something failed. `status` says what, `retry_after` is the server's advice in seconds."""

    def __init__(self, status: Status = Status.ERR_ARG, message: str = "",
                 retry_after: float | None = None) -> None:
        super().__init__(f"{status.name}: {message or status.text}")
        self.status = status
        self.retry_after = retry_after


class CallerError(ChatError, ValueError):
    """The call is wrong: an argument, or not possible in this state."""


class PeerError(ChatError):
    """The other side refuses, or is wrong: not allowed, not found, a bad token."""


class LimitError(ChatError):
    """Above a stated maximum."""


class RetryError(ChatError):
    """The same call may work later; see `retry_after`."""


class AnswerTimeout(RetryError, TimeoutError):
    """No answer in time. What was asked may have been done."""


class FatalError(ChatError):
    """The object is dead: make another."""


_CLASSES: dict[str, type[ChatError]] = {
    "caller": CallerError, "peer": PeerError, "limit": LimitError, "retry": RetryError,
    "fatal": FatalError}


def status_of(value: int) -> Status:
    """The status of a number; what a newer library says is no reason to fail."""
    try:
        return Status(value)
    except ValueError:
        return Status.ERR_UNSUPPORTED


def error_of(status: Status, message: str = "", retry_after: float | None = None) -> ChatError:
    """The exception for a status of the library."""
    if status is Status.ERR_TIMEOUT:
        return AnswerTimeout(status, message, retry_after)
    return _CLASSES.get(status.kind, ChatError)(status, message, retry_after)


def check(value: int, message: str = "") -> int:
    """The status of a call: raise for an error, pass on what is expected.

    >>> check(0), check(1)
    (0, 1)
    """
    if value == -2:
        raise MemoryError(message or "libchat is out of memory")
    if value < 0:
        raise error_of(status_of(value), message)
    return value
