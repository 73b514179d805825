# SPDX-License-Identifier: MIT
"""A server for your tests: the real engine in this process, its clock and its faults in your hands.

>>> from libchat.sync import Client
>>> with Server() as server, Client(server.url, "alice") as alice:
...     sent = alice.send(User("bob"), "hello")
...     server.connections
1

Whoever connects with the token `alice` is the user alice. The server listens on a port of loopback
that nobody else has; every WebSocket client can talk to it. Time stands still until `advance()`.
"""
from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable

from . import _text
from ._native import ffi, lib
from .errors import RetryError, Status, check
from .events import User

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._options import TestServerOptions

__all__ = ["Server", "User"]
_CHUNK = 65536


class _Conn:
    """A socket and the engine's number of it; bytes that the socket did not take yet."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket, self.number = sock, number
        self.unsent, self.is_over = b"", False


class Server:
    """The engine behind a listening socket, on a thread of its own. Calls may come from any thread.

    `options` are the fields of the C struct `chat_test_server_options`: seed, unix_ms, secret,
    heartbeat_ms, max_body_bytes, no_deflate. With a `secret` tokens are checked (`make_token`).
    """

    def __init__(self, *, secret: str | bytes = b"", **options: Unpack[TestServerOptions]) -> None:
        fields = ffi.new("chat_test_server_options *")
        lib.chat_test_server_options_init(fields)
        kept = _text.view_of_bytes(secret)
        fields.secret = kept
        _text.set_fields(fields, dict(options))
        out = ffi.new("chat_test_server **")
        check(lib.chat_test_server_new(fields, out), 
              "a secret has 32 bytes at least, and a number is in its range")
        self._engine = ffi.gc(out[0], lib.chat_test_server_free)
        self._out, self._taken = ffi.new("uint8_t[]", _CHUNK), ffi.new("size_t *")
        self._number = ffi.new("chat_test_conn *")
        self._lock = threading.RLock()
        self._conns: dict[int, _Conn] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._awake, self._alarm = socket.socketpair()
        self._awake.setblocking(False)
        self._selector.register(self._awake, selectors.EVENT_READ)
        self._is_closed = False
        self._thread = threading.Thread(target=self._serve, name="libchat-server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What a client connects to."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port on loopback."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._conns)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop; every connection is cut."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._alarm.send(b"x")
        self._thread.join()
        for conn in self._conns.values():
            conn.socket.close()
        self._conns.clear()
        self._selector.close()
        for sock in (self._listener, self._awake, self._alarm):
            sock.close()
        ffi.release(self._engine)

    # Time and faults

    @property
    def now(self) -> float:
        """Seconds since the start, by the clock that only advance() moves."""
        return self.clock() / 1000

    def clock(self) -> int:
        """For ``Client(clock=server.clock)``: its timeouts follow advance() too."""
        return int(self._do(lambda: lib.chat_test_server_now(self._engine)))

    def advance(self, seconds: float) -> None:
        """Move the clock, and do what is due until then."""
        self._do(lambda: lib.chat_test_server_advance(self._engine, int(seconds * 1000)))

    def delay(self, seconds: float) -> None:
        """What the server writes to those who are connected comes so much later, by its clock.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", timeout=0.05) as alice:
        ...     server.delay(2.0)
        ...     try:
        ...         alice.ping()
        ...     except TimeoutError:
        ...         print("no answer")
        ...     server.advance(2.0)
        no answer
        """
        self._fault(lib.CHAT_TEST_FAULT_DELAY, int(seconds * 1000))

    def drop(self, is_dropping: bool = True) -> None:
        """What the server writes is lost, or no longer. A stream with lost bytes is broken: cut()
        it afterwards.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", timeout=0.05) as alice:
        ...     server.drop()
        ...     try:
        ...         alice.ping()
        ...     except TimeoutError:
        ...         print("no answer")
        ...     server.cut()
        no answer
        """
        self._fault(lib.CHAT_TEST_FAULT_MUTE, int(is_dropping))

    def half_open(self, is_half_open: bool = True) -> None:
        """Nothing gets through in either direction, and nobody is told.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", timeout=0.05) as alice:
        ...     server.half_open()
        ...     try:
        ...         alice.ping()
        ...     except TimeoutError:
        ...         print("no answer")
        ...     server.cut()
        no answer
        """
        self._fault(lib.CHAT_TEST_FAULT_MUTE, int(is_half_open))
        self._fault(lib.CHAT_TEST_FAULT_DEAF, int(is_half_open))

    def cut(self) -> None:
        """Every connection ends; what was on its way is lost.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", backoff_first_ms=10) as alice:
        ...     server.cut()
        ...     alice.send(User("bob"), "comes all the same").chat
        'dm:5:alice:bob'
        """
        self._fault(lib.CHAT_TEST_FAULT_CUT, 0)

    def refuse(self, http_status: int = 503) -> None:
        """Refuse new connections with this HTTP status (401, 429, 503); 0: let them in again.

        >>> from libchat import PeerError
        >>> from libchat.sync import Client
        >>> with Server() as server:
        ...     server.refuse(401)
        ...     try:
        ...         Client(server.url, "alice").__enter__()
        ...     except PeerError as error:
        ...         print(error.status.name)
        ERR_AUTH
        """
        self._do(lambda: lib.chat_test_server_refuse(self._engine, http_status))

    def hold_disk(self, is_held: bool = True) -> None:
        """The disk hangs: nothing is acknowledged or delivered, or goes on again.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", timeout=0.05) as alice:
        ...     server.hold_disk()
        ...     try:
        ...         alice.send(User("bob"), "hello")
        ...     except TimeoutError:
        ...         print("no answer")
        ...     server.hold_disk(False)
        no answer
        """
        self._do(lambda: lib.chat_test_server_hold_disk(self._engine, int(is_held)))

    def kill(self) -> None:
        """kill -9, and a start at once. What was acknowledged is there; the rest by chance.

        >>> from libchat.sync import Client
        >>> with Server() as server, Client(server.url, "alice", backoff_first_ms=10) as alice:
        ...     sent = alice.send(User("bob"), "durable")
        ...     server.kill()
        ...     [row.body for row in alice.history(User("bob"))]
        ['durable']
        """
        self._do(lambda: check(lib.chat_test_server_crash(self._engine)))

    def drain(self, retry_after: float = 1.0) -> None:
        """Say `bye` to everybody, and refuse new ones, until kill()."""
        self._do(lambda: lib.chat_test_server_drain(self._engine, int(retry_after * 1000)))

    def _fault(self, fault: int, value: int) -> None:
        self._do(lambda: check(lib.chat_test_server_fault(self._engine, 0, fault, value)))

    def _do(self, call: Callable[[], Any]) -> Any:
        """Call the engine, then carry what it wrote."""
        with self._lock:
            if self._is_closed:
                raise RetryError(Status.ERR_CLOSED, "the server was closed")
            result = call()
            self._carry()
            return result

    # The thread

    def _serve(self) -> None:
        while True:
            ready = self._selector.select()
            with self._lock:
                if self._is_closed:
                    return
                for key, events in ready:
                    self._on_ready(key, events)
                self._carry()

    def _on_ready(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._awake:
            self._awake.recv(_CHUNK)
        elif events & selectors.EVENT_READ and not key.data.is_over:
            self._receive(key.data)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        check(lib.chat_test_server_accept(self._engine, self._number))
        conn = _Conn(sock, self._number[0])
        self._conns[conn.number] = conn
        self._selector.register(sock, selectors.EVENT_READ, conn)

    def _receive(self, conn: _Conn) -> None:
        try:
            data = conn.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            # A status says that the connection is over; _take() hears the same, with what is left.
            lib.chat_test_server_feed(self._engine, conn.number, ffi.from_buffer(data), len(data))
        else:
            lib.chat_test_server_hangup(self._engine, conn.number)
            self._forget(conn)

    def _carry(self) -> None:
        for conn in list(self._conns.values()):
            self._take(conn)
            self._write(conn)

    def _take(self, conn: _Conn) -> None:
        while not conn.is_over:
            status = lib.chat_test_server_take(self._engine, conn.number, self._out, _CHUNK,
                                               self._taken)
            if status != 0:
                conn.is_over = status < 0
                return
            conn.unsent += ffi.buffer(self._out, self._taken[0])[:]

    def _write(self, conn: _Conn) -> None:
        try:
            while conn.unsent:
                conn.unsent = conn.unsent[conn.socket.send(conn.unsent[:_CHUNK]):]
        except BlockingIOError:
            pass
        except OSError:
            conn.unsent, conn.is_over = b"", True
        if conn.is_over and not conn.unsent:
            self._forget(conn)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if conn.unsent else 0)
        if self._selector.get_key(conn.socket).events != wanted:
            self._selector.modify(conn.socket, wanted, conn)

    def _forget(self, conn: _Conn) -> None:
        if self._conns.pop(conn.number, None) is not None:
            self._selector.unregister(conn.socket)
            conn.socket.close()
