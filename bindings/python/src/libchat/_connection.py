# SPDX-License-Identifier: MIT
"""A connection under asyncio: the loop watches the library's one descriptor, without a thread.

What is asked over it is in client.py.
"""
from __future__ import annotations

import asyncio
import collections
import logging
import os
import time
import warnings
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, TypeVar

from . import _text
from ._frames import text
from ._native import ffi, lib
from ._requests import Requests
from .errors import (AnswerTimeout, CallerError, ChatError, LimitError, RetryError, Status, check,
                     error_of, status_of)
from .events import Answer, Cached, ClientState, Event, Failed, Frame, Sent, State
from .events import frame_of, own_event_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import ClientOptions

_log = logging.getLogger("libchat")
_log.addHandler(logging.NullHandler())  # to be heard, the application adds one
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG}
_Self = TypeVar("_Self", bound="Connection")
Clock = Callable[[], int]


def boot_ms() -> int:
    """Milliseconds of a clock that counts sleep, so that a suspend is noticed."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000000


def _on_log(ctx: Any, level: int, line: Any) -> None:
    words = ffi.string(line).decode("utf-8", "replace")
    _last_lines.append(words)
    _log.log(_LEVELS.get(level, logging.DEBUG), "%s", words)


_last_lines: collections.deque[str] = collections.deque(maxlen=1)
ffi.def_extern("chat_python_log")(_on_log)
_sink = ffi.new("chat_log_sink *", {"write": lib.chat_python_log})


def _free(pointer: Any, pid: int, getpid: Callable[[], int] = os.getpid,
          free: Callable[[Any], None] = lib.chat_client_free) -> None:
    # A child of fork() shares the connection and the epoll set: freeing would spoil its parent's.
    if getpid() == pid:
        free(pointer)


class _Waiting:
    """A request on its way: who waits, and the rows so far."""

    __slots__ = ("future", "rows")

    def __init__(self, future: asyncio.Future[Any]) -> None:
        self.future = future
        self.rows: list[Frame] = []


class Connection(Requests):
    """Drives one `chat_client`; see Client."""

    def __init__(self, url: str, token: str | None = None, *, device: str = "python",
                 agent: str | None = "libchat-python", connect_timeout: float | None = 10.0,
                 max_events: int = 1024, store: str | os.PathLike[str] | None = None,
                 clock: Clock = boot_ms, **options: Unpack[ClientOptions]) -> None:
        if max_events < 1:
            raise CallerError(message="max_events is at least 1")
        self._native = self._new({
            **options, "url": url, "token": token, "device": device, "agent": agent,
            "store_file": None if store is None else os.fspath(store)})
        self._pid, self._clock = os.getpid(), clock
        self._connect_timeout, self._max_events = connect_timeout, max_events
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = lib.chat_client_fd(self._native)
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = self._is_paused = False
        self._events: collections.deque[Event] = collections.deque()
        self._readers: collections.deque[asyncio.Future[None]] = collections.deque()
        self._sends: dict[str, asyncio.Future[Sent | Failed]] = {}
        self._requests: dict[int, _Waiting] = {}
        self._state = State(ClientState.CONNECTING)
        self._changed: list[asyncio.Future[None]] = []
        self._slot = ffi.new("const chat_event **")
        self._r, self._cid = ffi.new("uint64_t *"), ffi.new("chat_client_cid *")

    def _new(self, fields: dict[str, Any]) -> Any:
        options = ffi.new("chat_client_options *")
        lib.chat_client_options_init(options)
        options.log = _sink
        _keep = _text.set_fields(options, fields)
        out = ffi.new("chat_client **")
        _last_lines.clear()
        status = lib.chat_client_new(options, out)
        check(status, _last_lines[0] if _last_lines else "")
        pid = os.getpid()
        return ffi.gc(out[0], lambda pointer: _free(pointer, pid))

    def __repr__(self) -> str:
        return f"<libchat.{type(self).__name__} {self._state.state.name.lower()}>"

    # Life

    async def __aenter__(self: _Self) -> _Self:
        try:
            await self.open()
        except BaseException:
            self.abort()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.aclose()

    async def open(self) -> None:
        """Begin to connect; with a `connect_timeout`, return when online, or raise why not."""
        self._check()
        if self._loop is not None:
            raise CallerError(Status.ERR_STATE, "the client is open already")
        self._loop = asyncio.get_running_loop()
        # The loop must not keep a client alive that nobody has any more.
        me = weakref.ref(self)
        self._loop.add_reader(self._fd, lambda: _pump(me))
        self._pump()
        if self._connect_timeout is not None:
            try:
                await asyncio.wait_for(self.online(), self._connect_timeout)
            except asyncio.TimeoutError:
                state = self._state
                raise RetryError(state.status if state.status else Status.ERR_TIMEOUT,
                                 f"not online in {self._connect_timeout:g} s"
                                 + (f": {state.text}" if state.text else "")) from None

    async def online(self) -> State:
        """Wait until the connection is up. Raises when the server refuses this client."""
        while self._state.state is not ClientState.ONLINE:
            if self._state.state in (ClientState.REFUSED, ClientState.CLOSED):
                raise self._ended()
            change = self._running().create_future()
            self._changed.append(change)
            await change
        return self._state

    async def aclose(self) -> None:
        """Leave politely: what waits is written, for at most 2 s; then free everything."""
        if self._native is None:
            return
        try:
            if self._loop is not None and os.getpid() == self._pid:
                lib.chat_client_close(self._native)
                self._pump()
                while self._state.state is not ClientState.CLOSED:
                    change = self._loop.create_future()
                    self._changed.append(change)
                    await asyncio.wait_for(change, 3)
        except asyncio.TimeoutError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Free at once, without a word to the server. Whoever waits gets a RetryError."""
        native, self._native = self._native, None
        if native is None:
            return
        self._state = State(ClientState.CLOSED, Status.ERR_CLOSED)
        if self._loop is not None and not self._loop.is_closed():
            if os.getpid() == self._pid:
                self._loop.remove_reader(self._fd)
            self._give_up(RetryError(Status.ERR_CLOSED, "the client was closed"))
            self._wake()
        if self._timer is not None:
            self._timer.cancel()
        if os.getpid() == self._pid:
            ffi.release(native)

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if getattr(self, "_native", None) is None:
            return
        if self._loop is not None and os.getpid() == self._pid:
            warn(f"unclosed {self!r}: use `async with` or `await client.aclose()`",
                 ResourceWarning, source=self)
        self.abort()

    # The loop

    def _check(self) -> None:
        if self._native is None:
            raise RetryError(Status.ERR_CLOSED, "the client is closed")
        if os.getpid() != self._pid:
            raise CallerError(Status.ERR_STATE, "the client was made before fork(), in another"
                              " process: make one of your own")

    def _running(self) -> asyncio.AbstractEventLoop:
        self._check()
        if self._loop is None:
            raise CallerError(Status.ERR_STATE, "the client is not open: use `async with`,"
                              " or `with` of libchat.sync")
        return self._loop

    def _handle(self) -> Any:
        self._running()
        return self._native

    def _pump(self) -> None:
        self._is_due = False
        if self._native is None or os.getpid() != self._pid:
            return
        lib.chat_client_process(self._native, self._clock())
        self._drain()
        self._arm()

    def _arm(self) -> None:
        """See to it that the client is processed when it wants to be."""
        assert self._loop is not None
        if self._native is None or self._is_due:
            return
        wait_ms = lib.chat_client_timeout(self._native, self._clock())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait_ms < 0:
            return
        me = weakref.ref(self)
        if wait_ms == 0 and not self._is_paused:
            self._is_due = True
            self._loop.call_soon(_pump, me)
        else:
            at_least_ms = 250 if self._is_paused else 1
            self._timer = self._loop.call_later(max(wait_ms, at_least_ms) / 1000, _pump, me)

    def _drain(self) -> None:
        """Read what there is; stop at `max_events`, but for answers that are awaited."""
        slot, native = self._slot, self._native
        while True:
            is_full = len(self._events) >= self._max_events
            if is_full and not (self._sends or self._requests):
                self._pause(True)
                break
            if len(self._events) >= 8 * self._max_events:
                self._give_up(LimitError(Status.ERR_LIMIT, "events are not read: the answer is"
                                         f" behind {len(self._events)} of them"))
                continue
            if lib.chat_client_next_event(native, slot) != 0:
                break
            self._take(slot[0])
        if self._events:
            self._wake()

    def _pause(self, is_paused: bool) -> None:
        if is_paused == self._is_paused or self._native is None or self._loop is None:
            return
        self._is_paused = is_paused
        if is_paused:
            self._loop.remove_reader(self._fd)
        else:
            me = weakref.ref(self)
            self._loop.add_reader(self._fd, lambda: _pump(me))
            self._pump()

    def _wake(self) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(None)
                if self._native is not None:
                    return

    def _take(self, event: Any) -> None:
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event)
        elif event.frame != ffi.NULL:
            frame = frame_of(event)
            if frame is not None:
                self._events.append(frame)
        else:
            self._on_own(event)

    def _on_state(self, event: Any) -> None:
        state = own_event_of(event)
        assert isinstance(state, State)
        self._state = state
        self._events.append(state)
        changed, self._changed = self._changed, []
        for change in changed:
            if not change.done():
                change.set_result(None)
        if state.state is ClientState.REFUSED:
            self._wake()

    def _on_own(self, event: Any) -> None:
        self._events.append(own_event_of(event))

    def _on_sent(self, event: Any) -> None:
        frame = frame_of(event)
        assert isinstance(frame, Sent)
        self._settle(frame)

    def _on_failed(self, event: Any) -> None:
        self._settle(Failed(text(event.frame.cid), status_of(event.status),
                            text(event.frame.text), event.retry_ms / 1000 or None))

    def _settle(self, outcome: Sent | Failed) -> None:
        """Tell who waits for this message, or else everybody."""
        future = self._sends.pop(outcome.cid, None)
        if future is None or future.done():
            self._events.append(outcome)
        else:
            future.set_result(outcome)

    def _on_row(self, event: Any) -> None:
        waiting, frame = self._requests.get(event.frame.r), frame_of(event)
        if waiting is not None and frame is not None:
            waiting.rows.append(frame)

    def _on_result(self, event: Any) -> None:
        waiting, frame = self._requests.pop(event.frame.r, None), frame_of(event)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_result(Answer(tuple(waiting.rows),
                                             frame,  # type: ignore[arg-type]
                                             Cached(event.cached)))

    def _on_error(self, event: Any) -> None:
        waiting = self._requests.pop(event.frame.r, None)
        if waiting is not None and not waiting.future.done():
            waiting.future.set_exception(error_of(
                status_of(event.status), text(event.frame.text), event.retry_ms / 1000 or None))

    def _give_up(self, error: ChatError) -> None:
        futures: list[asyncio.Future[Any]] = [*self._sends.values(), *self._changed]
        futures += [waiting.future for waiting in self._requests.values()]
        self._sends, self._requests, self._changed = {}, {}, []
        for future in futures:
            if not future.done():
                future.set_exception(error)

    def _ended(self) -> ChatError:
        if self._state.state is ClientState.REFUSED:
            return error_of(self._state.status, self._state.text)
        return RetryError(Status.ERR_CLOSED, "the client is closed")

    def _kick(self) -> None:
        """Something is to be written: once for all calls of this turn of the loop."""
        if not self._is_due and self._loop is not None:
            self._is_due = True
            self._loop.call_soon(_pump, weakref.ref(self))
        if self._is_paused:
            self._pause(False)

    async def _request(self, call: Callable[[Any], int]) -> Answer:
        loop = self._running()
        check(call(self._r))
        r, future = self._r[0], loop.create_future()
        self._requests[r] = _Waiting(future)
        self._kick()
        try:
            answer: Answer = await future
            return answer
        finally:
            self._requests.pop(r, None)

    # Events

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event. Ends when the client is closed, raises when the server refuses it."""
        while not self._events:
            if self._native is None:
                raise StopAsyncIteration
            if self._state.state is ClientState.REFUSED:
                raise self._ended()
            reader = self._running().create_future()
            self._readers.append(reader)
            try:
                await reader
            except asyncio.CancelledError:
                if self._events:
                    self._wake()  # woken and cancelled at once: somebody else may want it
                raise
        event = self._events.popleft()
        if self._is_paused and len(self._events) <= self._max_events // 2:
            self._pause(False)
        if self._events:
            self._wake()
        return event

    async def next_event(self, timeout: float | None = None) -> Event:
        """The next event, as the iteration gives it; AnswerTimeout when there is none in time."""
        task = asyncio.ensure_future(self.__anext__())
        try:
            await asyncio.wait({task}, timeout=timeout)
        except asyncio.CancelledError:
            if not task.cancel() and task.exception() is None:
                self._events.appendleft(task.result())
            raise
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise AnswerTimeout(Status.ERR_TIMEOUT, f"no event in {timeout:g} s")
        return task.result()

    @property
    def state(self) -> State:
        """Where the connection stands now."""
        return self._state

    @property
    def outbox_count(self) -> int:
        """Messages without an answer."""
        return int(lib.chat_client_outbox_count(self._handle()))


def _pump(me: weakref.ref[Connection]) -> None:
    client = me()
    if client is not None:
        client._pump()


_HANDLERS: dict[int, Callable[[Connection, Any], None]] = {
    lib.CHAT_EVENT_STATE: Connection._on_state, lib.CHAT_EVENT_SENT: Connection._on_sent,
    lib.CHAT_EVENT_FAILED: Connection._on_failed, lib.CHAT_EVENT_ROW: Connection._on_row,
    lib.CHAT_EVENT_RESULT: Connection._on_result, lib.CHAT_EVENT_ERROR: Connection._on_error,
    lib.CHAT_EVENT_TYPING_ENDED: Connection._on_own}
