# SPDX-License-Identifier: MIT
"""The client without asyncio: each call blocks. One thread of the package keeps connections alive.

    with Client("ws://localhost:8080", token) as client:
        client.send("room", "hello")
        for event in client:
            print(event)
"""
from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Coroutine, Iterator, TypeVar

from . import client as _client
from ._blocking import Blocking
from ._options import ClientOptions
from .errors import AnswerTimeout, CallerError, Status
from .events import Event, State

if TYPE_CHECKING:
    from typing_extensions import Unpack

_T = TypeVar("_T")


class _Options(ClientOptions, total=False):
    device: str
    agent: str | None
    connect_timeout: float | None
    max_events: int
    store: str | os.PathLike[str] | None
    clock: Callable[[], int]


class _Loop:
    """A loop on a thread, made when it is first needed, one for each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name="libchat",
                                 daemon=True).start()
            return self._loop


_loop = _Loop()


class Client(Blocking):
    """As :class:`libchat.Client`, of which it has every method, blocking.

    `timeout` is the longest that a call waits, in seconds; AnswerTimeout then, and the client goes
    on. Calls may be made from any thread.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout: float | None = 30.0,
                 **options: Unpack[_Options]) -> None:
        self._client = _client.Client(url, token, **options)
        self._timeout, self._pid = timeout, os.getpid()
        self._home = _loop.get()

    def _run(self, work: Coroutine[Any, Any, _T], timeout: float | None) -> _T:
        if os.getpid() != self._pid:
            work.close()
            raise CallerError(Status.ERR_STATE, "the client was made before fork(), in another"
                              " process: make one of your own")
        future = asyncio.run_coroutine_threadsafe(work, self._home)
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise AnswerTimeout(Status.ERR_TIMEOUT, f"no answer in {timeout:g} s") from None
        except BaseException:
            future.cancel()
            raise

    def __enter__(self) -> Client:
        self._run(self._client.__aenter__(), None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave politely and free everything."""
        self._run(self._client.aclose(), None)

    def __iter__(self) -> Iterator[Event]:
        """Events, until the client is closed."""
        while True:
            try:
                yield self.next_event(timeout=None)
            except StopAsyncIteration:
                return

    def next_event(self, timeout: float | None = None) -> Event:
        """The next event; AnswerTimeout when there is none in time. None is lost by that."""
        return self._run(self._client.next_event(timeout), None)

    def _wait(self, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        return self._run(call(), self._timeout)

    def _do(self, call: Callable[[], object]) -> None:
        self._run(_on_loop(call), self._timeout)

    def _each(self, rows: Any) -> Iterator[Any]:
        while True:
            try:
                yield self._run(_next(rows), self._timeout)
            except StopAsyncIteration:
                return

    @property
    def state(self) -> State:
        """Where the connection stands now."""
        return self._client.state


async def _next(items: Any) -> Any:
    return await items.__anext__()


async def _on_loop(call: Callable[[], object]) -> None:
    call()
