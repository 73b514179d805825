# SPDX-License-Identifier: MIT
"""Listens in between a client that speaks JSON and its server: which frames does the client send?
With the standard library alone, for all who test a client.
"""
import contextlib
import json
import pathlib
import re
import socket
import threading

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/chat/frame.h"
# What a client may send, by the library's own table: a new row is wanted at once.
CLIENT_FRAMES = set(re.findall(r'X\(\w+, \d+, "([\w.]+)", (?:CLIENT|BOTH),',
                               HEADER.read_text(encoding="utf-8")))


def _messages(stream):
    """The texts of a client's WebSocket frames; one frame is one message here."""
    while len(head := stream.read(2)) == 2:
        length = head[1] & 127
        if length > 125:
            length = int.from_bytes(stream.read(2 if length == 126 else 8), "big")
        mask, data = stream.read(4), stream.read(length)
        if head[0] & 15 == 1:
            yield bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def _end(*sockets):
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class Tap:
    """A server for clients, in front of the one at `port` of loopback. `heard` are the types."""

    def __init__(self, port):
        self.heard, self._port, self._changed = set(), port, threading.Condition()
        self._sockets, self._threads = [], []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _end(self._listener)
        self._threads[0].join()
        _end(*self._sockets)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._sockets):
            end.close()

    def missing(self, *more, timeout=20):
        """What no client has sent, once all else has been heard or the time is over."""
        wanted = CLIENT_FRAMES | set(more)
        with self._changed:
            self._changed.wait_for(lambda: self.heard >= wanted, timeout)
            return sorted(wanted - self.heard)

    def _start(self, call, *args):
        self._threads.append(threading.Thread(target=call, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                ours, copy = socket.socketpair()
                self._sockets += (near, far, ours, copy)
                self._start(self._pass_up, near, far, ours)
                self._start(self._listen, copy)
                self._start(self._pass_on, far, near)

    def _pass_up(self, near, far, copy):
        """The request is passed on without extensions, so that what follows is plain."""
        head = b""
        while b"\r\n\r\n" not in head and (data := near.recv(65536)):
            head += data
        head = re.sub(rb"(?i)\r\nSec-WebSocket-Extensions:[^\r]*", b"", head)
        far.sendall(head)
        copy.sendall(head)
        self._pass_on(near, far, copy)

    @staticmethod
    def _pass_on(source, *targets):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for target in targets:
                    target.sendall(data)
        _end(source, *targets)

    def _listen(self, copy):
        with copy.makefile("rb") as stream:
            while stream.readline() not in (b"\r\n", b""):
                pass
            for text in _messages(stream):
                with self._changed:
                    self.heard.add(json.loads(text)["t"])
                    self._changed.notify_all()
