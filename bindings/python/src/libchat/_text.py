# SPDX-License-Identifier: MIT
"""Python text as what the C functions take. What is returned must live until the call is over."""
from __future__ import annotations

from typing import Any, Iterable

from ._native import ffi
from .errors import CallerError
from .events import User


def encode(text: str) -> bytes:
    """UTF-8, or a clear error for what no peer could read."""
    if not isinstance(text, str):
        raise TypeError(f"text is a str, not {type(text).__name__}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CallerError(
            message=f"character {error.start} is a lone surrogate (U+{ord(text[error.start]):04X}):"
                    " this text cannot be sent as UTF-8") from None


def view(text: str) -> tuple[Any, int]:
    """A `chat_view` to be passed by value; it holds on to its bytes."""
    return view_of_bytes(encode(text))


def view_of_bytes(data: str | bytes) -> tuple[Any, int]:
    """The same of what need not be text, such as a secret."""
    if isinstance(data, str):
        data = encode(data)
    return ffi.from_buffer("uint8_t[]", data), len(data)


def view_list(texts: Iterable[str]) -> tuple[Any, Any]:
    """A `chat_view_list` to be passed by value, and what it borrows from."""
    if isinstance(texts, str):
        raise TypeError("a list of ids is wanted, not one str")
    views = [view(text) for text in texts]
    items = ffi.new("chat_view[]", views)
    return (items, len(views)), views


def target(chat: str | User) -> tuple[Any, Any]:
    """A `chat_target *`, and what it borrows from."""
    empty: tuple[Any, int] = (ffi.NULL, 0)
    if isinstance(chat, User):
        named = view(chat.id)
        return ffi.new("chat_target *", (empty, named)), named
    named = view(chat)
    return ffi.new("chat_target *", (named, empty)), named


def string(text: str | None) -> Any:
    """A zero-terminated text, NULL for None."""
    if text is None:
        return ffi.NULL
    data = encode(text)
    if b"\0" in data:
        raise CallerError(message="a text with U+0000 cannot be passed")
    return ffi.new("char[]", data)


def set_fields(struct: Any, fields: dict[str, Any]) -> list[Any]:
    """Fill in options by the names of C; what is returned are the texts that they borrow."""
    kept = []
    for name, value in fields.items():
        given = string(value) if isinstance(value, str) or value is None else value
        kept.append(given)
        try:
            setattr(struct, name, int(given) if isinstance(given, bool) else given)
        except AttributeError:
            raise TypeError(f"there is no option {name!r}") from None
        except OverflowError as error:
            raise CallerError(message=f"option {name!r}: {error}") from None
        except TypeError:
            raise TypeError(f"option {name!r} cannot be a {type(value).__name__}") from None
    return kept


def number(value: int, bits: int, name: str) -> int:
    """An unsigned number, or a clear error."""
    if not isinstance(value, int):
        raise TypeError(f"{name} is an int, not {type(value).__name__}")
    if not 0 <= value < 1 << bits:
        raise CallerError(message=f"{name} is not in 0..2^{bits}-1: {value}")
    return value
