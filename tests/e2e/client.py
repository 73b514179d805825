# SPDX-License-Identifier: MIT
"""An independent client: the `websockets` library, Python's json or cbor2, and the tables of the
protocol written down once more by hand. `RawSocket` breaks the rules on purpose.
"""
import base64
import contextlib
import itertools
import json
import os
import pathlib
import re
import socket
import ssl
import struct
import threading
import time

import cbor2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from harness import DEADLINE_S

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include/chat/frame.h"
TABLES = HEADER.read_text(encoding="utf-8")
# The library's own tables: a new frame or field is known here at once.
FIELDS = {name: int(key) for key, name in
          re.findall(r"X\(\w+,\s*(\d+),\s*(\w+),\s*(?:ID|CHAT|TEXT|U64|UINT|BOOL|IDS),", TABLES)}
TYPES = {name: int(number) for number, name in re.findall(r"X\(\w+,\s*(\d+),\s*\"([\w.]+)\"", TABLES)}
NAMES = {key: name for name, key in FIELDS.items()}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
WIDE = re.findall(r"X\(\w+,\s*\d+,\s*(\w+),\s*U64,", TABLES)
_counter = itertools.count(1)


def encode_json(frame):
    return json.dumps({key: str(value) if key in WIDE else value for key, value in frame.items()},
                      ensure_ascii=False)


def decode_json(message):
    assert isinstance(message, str), "a JSON connection speaks text"
    frame = json.loads(message)
    for key in WIDE:
        if key in frame:
            assert isinstance(frame[key], str), f"{key} is a string in JSON"
            frame[key] = int(frame[key])
    return frame


def encode_cbor(frame):
    return cbor2.dumps({0: TYPES[frame["t"]],
                        **{FIELDS[key]: value for key, value in frame.items() if key != "t"}})


def decode_cbor(message):
    assert isinstance(message, bytes), "a CBOR connection speaks binary"
    frame = cbor2.loads(message)
    named = {NAMES.get(key, key): value for key, value in frame.items() if key != 0}
    return {"t": TYPE_NAMES.get(frame[0], frame[0]), **named}


STREAM = ("msg", "chat", "change", "marker", "note", "setting", "blocked")
CODECS = {"json": (encode_json, decode_json), "cbor": (encode_cbor, decode_cbor)}


def connect_url(server, user=None, path="/", codec="json", token=None, protocols=None,
                headers=None, **options):
    """An open WebSocket; the caller says hello."""
    given = dict(headers or {})
    if user is not None or token is not None:
        given["Authorization"] = "Bearer " + (token or server.token(user))
    options.setdefault("compression", None)
    return connect(server.url + path, additional_headers=given, ping_interval=None,
                   subprotocols=protocols or [f"chat.v1.{codec}"], open_timeout=DEADLINE_S,
                   close_timeout=DEADLINE_S, max_size=None, max_queue=None, legacy=True,
                   **options)


def until(wanted, ask):
    """What is asked, once it is as wanted: of users of another member it is known half a second
    later."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = ask()
        if wanted(found) or time.monotonic() > end:
            assert wanted(found), found
            return found


class Client:
    """One connection of one device. Frames that a test did not ask for yet stay in `inbox`."""

    def __init__(self, server, user, device=None, codec="json", acks=True, hello=True, **options):
        self.user = user
        self.device = device or f"{user}-device"
        self.acks = acks
        self.n_stream = 0
        self.inbox = []
        self._encode, self._decode = CODECS[codec]
        self.socket = connect_url(server, user, codec=codec, **options)
        if hello:
            self.put({"t": "hello", "device": self.device, "agent": "e2e"})
            self.welcome = self.expect("welcome")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def abandon(self):
        """Go away without a word, as a phone in a tunnel does."""
        self.socket.socket.close()

    def put(self, frame):
        self.socket.send(self._encode(frame))

    def _put_if_open(self, frame):
        """What came before the end is still to be read."""
        with contextlib.suppress(ConnectionClosed):
            self.put(frame)

    def _take(self, timeout):
        frame = self._decode(self.socket.recv(timeout))
        if frame["t"] in STREAM and "r" not in frame:
            self.n_stream += 1
            if self.acks:
                self._put_if_open({"t": "ack", "n": self.n_stream})
        self.inbox.append(frame)
        return frame

    def ack(self, n=None):
        self.put({"t": "ack", "n": self.n_stream if n is None else n})

    def expect(self, kind, timeout=DEADLINE_S, **fields):
        """The first frame of this type with these values, in the order of arrival."""
        def is_it(frame):
            return frame["t"] == kind and all(frame.get(k) == v for k, v in fields.items())

        for at, frame in enumerate(self.inbox):
            if is_it(frame):
                return self.inbox.pop(at)
        end = time.monotonic() + timeout
        while True:
            try:
                if is_it(self._take(max(end - time.monotonic(), 0.001))):
                    return self.inbox.pop()
            except TimeoutError:
                raise AssertionError(f"{self.user}: no {kind} {fields}; got {self.inbox}") from None

    def seen(self, kind, **fields):
        """Whether such a frame arrived already; asks the server first, so that all before is read."""
        self.ping()
        return [f for f in self.inbox
                if f["t"] == kind and all(f.get(k) == v for k, v in fields.items())]

    def ping(self):
        r = next(_counter)
        self.put({"t": "ping", "r": r})
        return self.expect("pong", r=r)

    def send(self, body, to=None, chat=None, cid=None, resend=False):
        """Send without waiting; the cid."""
        cid = cid or f"{self.device}-{next(_counter)}"[-64:]
        frame = {"t": "send", "cid": cid, "body": body}
        frame.update({"to": to} if to is not None else {"chat": chat})
        if resend:
            frame["resend"] = True
        self.put(frame)
        return cid

    def say(self, body, **target):
        """Send and wait for `sent`."""
        return self.expect("sent", cid=self.send(body, **target))

    def expect_msg(self, body, **fields):
        return self.expect("msg", body=body, **fields)

    def request(self, kind, **fields):
        """Rows and the result, or the error."""
        r = next(_counter)
        self.put({"t": kind, "r": r, **fields})
        rows, end = [], time.monotonic() + DEADLINE_S
        while True:
            for at, frame in enumerate(self.inbox):
                if frame.get("r") == r:
                    del self.inbox[at]
                    if frame["t"] in ("result", "error"):
                        return rows, frame
                    rows.append(frame)
                    break
            else:
                self._take(max(end - time.monotonic(), 0.001))

    def create(self, chat, *users, **fields):
        _, answer = self.request("chat.create", chat=chat, users=list(users), **fields)
        assert answer["t"] == "result", answer
        return answer

    def history(self, **query):
        rows, answer = self.request("history", **query)
        assert answer["t"] == "result", answer
        assert answer["count"] == len(rows)
        return rows, answer.get("more", False)

    def bodies(self, **query):
        """Bodies of all messages of a chat, oldest first, page by page."""
        found, after = [], 0
        while True:
            rows, more = self.history(after=after, limit=100, **query)
            found += [row["body"] for row in rows if row["t"] == "msg"]
            if not more:
                return found
            after = rows[-1]["seq"]

    def close_code(self, timeout=DEADLINE_S):
        """Read until the server closes; the code."""
        end = time.monotonic() + timeout
        try:
            while True:
                self._take(max(end - time.monotonic(), 0.001))
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
        except TimeoutError:
            raise AssertionError(f"{self.user}: not closed; got {self.inbox[-5:]}") from None


class SteadyPair:
    """Two users who go on talking while something else happens, and measure how it feels."""

    def __init__(self, server, limit_s=2.0):
        self.alice = Client(server, "steady-alice")
        self.bob = Client(server, "steady-bob", codec="cbor")
        self.limit_s = limit_s
        self.took = []
        self.failure = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def _talk(self):
        try:
            while not self._stop.wait(0.005):  # the pace of the talk, nothing waits for it
                self.exchange()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def exchange(self):
        body = f"steady {len(self.took)}"
        started = time.monotonic()
        cid = self.alice.send(body, to="steady-bob")
        self.bob.expect_msg(body)
        self.alice.expect("sent", cid=cid)
        self.took.append(time.monotonic() - started)
        self.alice.inbox.clear()

    def __enter__(self):
        self.exchange()
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._stop.set()
        self._thread.join(2 * DEADLINE_S)
        if kind is None:
            assert self.failure is None, f"the bystanders were harmed: {self.failure!r}"
            self.exchange()
            worst = max(self.took)
            assert worst < self.limit_s, f"a bystander waited {worst:.3f} s"
        self.alice.close()
        self.bob.close()


class RawSocket:
    """Bytes on a TCP connection, with just enough HTTP and WebSocket to be wrong on purpose."""

    def __init__(self, server, timeout=DEADLINE_S):
        self.server = server
        self.timeout = timeout
        self.socket = socket.create_connection((server.host, server.port), timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, data):
        """Write; a server that has closed already is no failure of the test."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _fill(self):
        try:
            got = self.socket.recv(65536)
        except ConnectionResetError:
            got = b""
        self.buffer += got
        return bool(got)

    def read_head(self):
        """Status and the whole head of an HTTP answer; 0 when there is only an end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                return 0, self.buffer
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return int(head.split(b" ", 2)[1]), head

    def read_to_end(self):
        while self._fill():
            pass
        return self.buffer

    @staticmethod
    def request(token=None, extra=(), version=b"13", protocol=b"chat.v1.json", eol=b"\r\n"):
        lines = [b"GET / HTTP/1.1", b"Host: localhost", b"Upgrade: websocket",
                 b"Connection: Upgrade", b"Sec-WebSocket-Version: " + version,
                 b"Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)),
                 b"Sec-WebSocket-Protocol: " + protocol, *extra]
        if token is not None:
            lines.append(b"Authorization: Bearer " + token.encode())
        return eol.join([*lines, b"", b""])

    def upgrade(self, user, extra=(), codec="json"):
        self.write(self.request(self.server.token(user), extra,
                                protocol=f"chat.v1.{codec}".encode()))
        status, head = self.read_head()
        assert status == 101, head
        return head

    def greet(self, user, codec="json"):
        self.upgrade(user, codec=codec)
        self.put(CODECS[codec][0]({"t": "hello", "device": f"raw-{user}"}))
        for kind in ("welcome", "resumed"):  # a user who lacks nothing
            opcode, payload = self.get()
            assert opcode in (1, 2)
            assert CODECS[codec][1](payload.decode() if opcode == 1 else payload)["t"] == kind
        return self

    def put(self, payload, opcode=None, fin=True, masked=True, rsv1=False):
        if isinstance(payload, str):
            payload, opcode = payload.encode(), opcode if opcode is not None else 1
        self.write(self.frame(payload, 2 if opcode is None else opcode, fin, masked, rsv1))

    @staticmethod
    def frame(payload, opcode=2, fin=True, masked=True, rsv1=False):
        head = bytes([(0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode])
        mask = 0x80 if masked else 0
        if len(payload) < 126:
            head += bytes([mask | len(payload)])
        elif len(payload) < 65536:
            head += bytes([mask | 126]) + struct.pack("!H", len(payload))
        else:
            head += bytes([mask | 127]) + struct.pack("!Q", len(payload))
        if not masked:
            return head + payload
        key = os.urandom(4)
        wide = int.from_bytes((key * (len(payload) // 4 + 1))[:len(payload)], "big")
        body = (int.from_bytes(payload, "big") ^ wide).to_bytes(len(payload), "big")
        return head + key + body

    def get(self):
        """Opcode and payload of the next frame; None at the end of the connection."""
        while True:
            if len(self.buffer) >= 2:
                size, at = self.buffer[1] & 0x7F, 2
                if size == 126 and len(self.buffer) >= 4:
                    size, at = struct.unpack("!H", self.buffer[2:4])[0], 4
                elif size == 127 and len(self.buffer) >= 10:
                    size, at = struct.unpack("!Q", self.buffer[2:10])[0], 10
                if size < 126 or at > 2:
                    if len(self.buffer) >= at + size:
                        opcode, payload = self.buffer[0] & 0x0F, self.buffer[at:at + size]
                        self.buffer = self.buffer[at + size:]
                        return opcode, payload
            if not self._fill():
                return None

    def close_code(self):
        """Read frames until a close frame; its code, 1006 when the connection just ends."""
        while True:
            got = self.get()
            if got is None:
                return 1006
            if got[0] == 8:
                return struct.unpack("!H", got[1][:2])[0] if len(got[1]) >= 2 else 1005


def trusting(ca_file):
    return ssl.create_default_context(cafile=str(ca_file))
