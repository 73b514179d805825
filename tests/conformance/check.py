#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""RFC 6455 and RFC 7692 over raw sockets, against ws-echo and ws-echo-client.

    check.py WS_ECHO WS_ECHO_CLIENT

Each case sends bytes and says what must come back, in the notation of expect(). Needs nothing but
Python. Prints what failed and, last, `N passed, N failed`.
"""
import base64
import hashlib
import os
import socket
import struct
import subprocess
import sys
import zlib

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TIMEOUT_S = 20
KEY = base64.b64encode(b"0123456789abcdef").decode()
HEAD = ("GET /any/path?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + "\r\n")
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
MAX = 16 << 20


def frame(first, payload=b"", mask=b"\x11\x22\x33\x44", length=None, form=None):
    """A frame: its first byte, and optionally a false length or a length form (7, 16, 64)."""
    n = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    if form is None:
        form = 7 if n < 126 else 16 if n < 65536 else 64
    if form == 7:
        head = struct.pack("!BB", first, bit | n)
    elif form == 16:
        head = struct.pack("!BBH", first, bit | 126, n)
    else:
        head = struct.pack("!BBQ", first, bit | 127, n)
    if not mask:
        return head + payload
    pad = (mask * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


def deflate(data, bits=15, final=False):
    """A compressed message; `final` ends the stream in it (RFC 7692 section 7.2.3.4)."""
    z = zlib.compressobj(9, zlib.DEFLATED, -bits)
    if final:
        return z.compress(data) + z.flush() + b"\x00"
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def close(code=None, reason=b""):
    return frame(0x88, b"" if code is None else struct.pack("!H", code) + reason)


class Wire:
    """A connection and the frames that come out of it."""

    def __init__(self, sock):
        sock.settimeout(TIMEOUT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.data = b""

    def fill(self):
        piece = self.sock.recv(1 << 20)
        self.data += piece
        return len(piece) > 0

    def take(self, n):
        while len(self.data) < n:
            if not self.fill():
                raise EOFError
        out, self.data = self.data[:n], self.data[n:]
        return out

    def head(self):
        while b"\r\n\r\n" not in self.data:
            if not self.fill():
                raise EOFError
        out, self.data = self.data.split(b"\r\n\r\n", 1)
        return out.decode()

    def frame(self):
        """(first byte, masked, payload), payload unmasked and expanded."""
        first, second = self.take(2)
        n = second & 0x7f
        if n == 126:
            n = struct.unpack("!H", self.take(2))[0]
            assert n > 125, "length not in its shortest form"
        elif n == 127:
            n = struct.unpack("!Q", self.take(8))[0]
            assert n > 65535, "length not in its shortest form"
        mask = self.take(4) if second & 0x80 else b""
        payload = self.take(n)
        if mask:
            pad = (mask * (n // 4 + 1))[:n]
            value = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
            payload = value.to_bytes(n, "big")
        if first & 0x40:
            payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
        return first, bool(mask), payload


NAMES = {1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def drain(wire, from_client=False):
    """Everything that comes until the end, as [(name, payload or close code)]."""
    out = []
    while True:
        try:
            first, masked, payload = wire.frame()
        except (EOFError, ConnectionResetError):
            return out
        assert masked == from_client, "masking is wrong"
        assert first & 0x80, "the echo is fragmented"
        name = NAMES[first & 0x0f]
        if name == "close":
            code = struct.unpack("!H", payload[:2])[0] if payload else None
            payload[2:].decode()
            out.append((name, code))
            try:
                wire.sock.sendall(b"")
            except OSError:
                pass
        else:
            out.append((name, payload))


T, B = "text", "binary"


def server_cases():
    """(name, has_deflate, bytes, expected). The connection must end after what is expected."""
    bye, end = close(1000), ("close", 1000)
    rows = []

    def ok(name, data, *want, deflate=False):
        rows.append((name, deflate, data + bye, list(want) + [end]))

    def bad(name, data, code, *before, deflate=False):
        rows.append((name, deflate, data, list(before) + [("close", code)]))

    for n in (0, 1, 125, 126, 127, 128, 4090, 4096, 65535, 65536, 70001, 1 << 20):
        ok(f"text of {n}", frame(0x81, b"a" * n), (T, b"a" * n))
        ok(f"binary of {n}", frame(0x82, b"\xfe" * n), (B, b"\xfe" * n))
    ok("mask of zeros", frame(0x81, b"abc", mask=b"\0\0\0\0"), (T, b"abc"))
    ok("two messages at once", frame(0x81, b"a") + frame(0x82, b"b"), (T, b"a"), (B, b"b"))
    for n in (0, 1, 125):
        ok(f"ping of {n}", frame(0x89, b"p" * n), ("pong", b"p" * n))
    ok("ten pings", frame(0x89, b"x") * 10, *[("pong", b"x")] * 10)
    ok("pong that nobody asked for", frame(0x8a, b"x"))
    bad("ping of 126", frame(0x89, b"p" * 126), 1002)
    bad("pong of 126", frame(0x8a, b"p" * 126), 1002)
    bad("close of 126", frame(0x88, b"\x03\xe8" + b"p" * 124), 1002)
    for bits in range(1, 8):
        for op in (1, 2, 9, 8):
            bad(f"reserved bits {bits} on opcode {op}", frame(0x80 | bits << 4 | op, b"xy"), 1002)
    for bits in (1, 2, 3, 5, 6, 7):
        bad(f"reserved bits {bits} with deflate", frame(0x81 | bits << 4, b"xy"), 1002,
            deflate=True)
    bad("reserved bit after a good message", frame(0x81, b"a") + frame(0xa1, b"b"), 1002, (T, b"a"))
    for op in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        bad(f"opcode {op}", frame(0x80 | op), 1002)
        bad(f"opcode {op} with payload", frame(0x80 | op, b"x"), 1002)
    ok("two fragments", frame(1, b"ab") + frame(0x80, b"cd"), (T, b"abcd"))
    ok("empty fragments", frame(1) + frame(0) + frame(0x80), (T, b""))
    ok("fragments with a ping between", frame(2, b"a") + frame(0x89, b"p") + frame(0x80, b"b"),
       ("pong", b"p"), (B, b"ab"))
    ok("a thousand fragments", frame(1, b"a") + frame(0, b"b") * 998 + frame(0x80, b"c"),
       (T, b"a" + b"b" * 998 + b"c"))
    ok("two fragmented messages", (frame(1, b"a") + frame(0x80, b"b")) * 2, (T, b"ab"), (T, b"ab"))
    bad("continuation without a start", frame(0x80, b"x"), 1002)
    bad("continuation without a start or end", frame(0, b"x"), 1002)
    bad("continuation after the end", frame(1, b"a") + frame(0x80, b"b") + frame(0x80, b"c"), 1002,
        (T, b"ab"))
    bad("text inside a message", frame(1, b"a") + frame(0x81, b"b"), 1002)
    bad("binary inside a message", frame(1, b"a") + frame(2, b"b"), 1002)
    for op in (8, 9, 10):
        bad(f"fragmented control frame {op}", frame(op, b""), 1002)
    bad("no mask", frame(0x81, b"x", mask=b""), 1002)
    bad("ping without mask", frame(0x89, b"", mask=b""), 1002)
    bad("length 5 in 16 bits", frame(0x82, b"hello", form=16), 1002)
    bad("length 5 in 64 bits", frame(0x82, b"hello", form=64), 1002)
    bad("length 126 in 64 bits", frame(0x82, b"h" * 126, form=64), 1002)
    bad("length with its top bit", frame(0x82, length=1 << 63, form=64), 1002)
    bad("length above the maximum, nothing follows", frame(0x82, length=MAX + 1), 1009)
    bad("length of 2^63-1", frame(0x82, length=(1 << 63) - 1, form=64), 1009)
    bad("sum above the maximum", frame(2, b"x") + frame(0x80, length=MAX), 1009)
    for text in ("\u00e4", "\u20ac\U0001f600", "\U0010ffff", "\ufffe", "\0"):
        ok(f"text {text!a}", frame(0x81, text.encode()), (T, text.encode()))
    ok("character over fragments", frame(1, b"\xf0\x9f") + frame(0, b"\x98") + frame(0x80, b"\x80"),
       (T, "\U0001f600".encode()))
    for data in (b"\xff", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88",
                 b"\xe2\x82", b"ok\xc3", b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf"):
        bad(f"text that is not UTF-8: {data!r}", frame(0x81, data), 1007)
    bad("not UTF-8 over fragments", frame(1, b"\xed") + frame(0x80, b"\xa0\x80"), 1007)
    ok("what is no text may be binary", frame(0x82, b"\xff\xc0"), (B, b"\xff\xc0"))
    rows.append(("close without code", False, close(), [("close", 1000)]))
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
                 4000, 4999):
        bad(f"close {code}", close(code, b"why"), code)
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535):
        bad(f"close {code}", close(code), 1002)
    bad("close with half a code", frame(0x88, b"\x03"), 1002)
    bad("close with a reason of 123", close(1000, b"r" * 123), 1000)
    bad("close with a reason that is not UTF-8", close(1000, b"\xff"), 1007)
    bad("close between fragments", frame(1, b"a") + close(1000), 1000)
    bad("nothing counts after close", close(1001) + frame(0x81, b"a") + frame(0x89), 1001)
    z = deflate
    ok("compressed", frame(0xc1, z(b"Hello" * 9)), (T, b"Hello" * 9), deflate=True)
    ok("compressed, empty", frame(0xc1, b"\0"), (T, b""), deflate=True)
    bad("compressed, no bytes", frame(0xc2, b""), 1007, deflate=True)
    ok("compressed with a final block", frame(0xc1, z(b"a" * 99, final=True)), (T, b"a" * 99),
       deflate=True)
    ok("compressed and plain", frame(0xc1, z(b"a" * 99)) + frame(0x81, b"b"), (T, b"a" * 99),
       (T, b"b"), deflate=True)
    data = z(b"abc" * 5000)
    ok("compressed in fragments", frame(0x41, data[:7]) + frame(0x89) + frame(0x80, data[7:]),
       ("pong", b""), (T, b"abc" * 5000), deflate=True)
    noise = os.urandom(100000)
    ok("compressed noise", frame(0xc2, z(noise)), (B, noise), deflate=True)
    ok("16 MiB of zeros", frame(0xc2, z(bytes(MAX))), (B, bytes(MAX)), deflate=True)
    bad("a bomb", frame(0xc2, z(bytes(MAX + 1))), 1009, deflate=True)
    bad("compressed on a continuation", frame(1, b"a") + frame(0xc0, z(b"b")), 1002, deflate=True)
    bad("compressed ping", frame(0xc9, z(b"b")), 1002, deflate=True)
    bad("compressed, not UTF-8", frame(0xc1, z(b"\xff" * 9)), 1007, deflate=True)
    bad("not deflate data", frame(0xc1, b"\xff\xff\xff"), 1007, deflate=True)
    bad("deflate data cut short", frame(0xc1, z(b"Hello" * 9)[:-3]), 1007, deflate=True)
    return rows


def upgrade(address, extra="", follow=b""):
    wire = Wire(socket.create_connection(address, TIMEOUT_S))
    wire.sock.sendall((HEAD + extra + "\r\n").encode() + follow)
    head = wire.head()
    accept = base64.b64encode(hashlib.sha1(KEY.encode() + GUID).digest()).decode()
    assert head.startswith("HTTP/1.1 101 "), head
    assert f"Sec-WebSocket-Accept: {accept}" in head, head
    assert ("permessage-deflate" in head) == ("permessage-deflate" in extra), head
    return wire


def run_server_case(address, row, step):
    _, has_deflate, data, want = row
    wire = upgrade(address, DEFLATE if has_deflate else "")
    try:
        for at in range(0, len(data), step):
            wire.sock.sendall(data[at:at + step])
    except (BrokenPipeError, ConnectionResetError):
        pass
    got = drain(wire)
    wire.sock.close()
    assert got == want, f"wanted {short(want)}, got {short(got)}"


def short(events):
    return [(name, what if not isinstance(what, bytes) else what[:20]) for name, what in events]


def head_cases(address):
    """Requests that are no upgrade: (name, bytes, status)."""
    plain = "GET / HTTP/1.1\r\nHost: a\r\n"
    rows = [
        ("no upgrade", plain + "\r\n", 426),
        ("version 8", HEAD.replace("Version: 13", "Version: 8") + "\r\n", 426),
        ("no key", HEAD.split("Sec-WebSocket-Key")[0] + "\r\n", 400),
        ("bad key", HEAD.replace(KEY, "AAAA") + "\r\n", 400),
        ("bare LF", HEAD.replace("\r\n", "\n") + "\n", 400),
        ("folded", HEAD + "X: a\r\n b\r\n\r\n", 400),
        ("two Hosts", HEAD + "Host: b\r\n\r\n", 400),
        ("zero byte", HEAD + "X: \0\r\n\r\n", 400),
        ("absolute", HEAD.replace("GET /", "GET http://a/") + "\r\n", 400),
        ("both lengths", HEAD + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST", HEAD.replace("GET", "POST") + "\r\n", 405),
        ("HTTP/2", HEAD.replace("HTTP/1.1", "HTTP/2.0") + "\r\n", 505),
        ("ten thousand headers", HEAD + "X: y\r\n" * 10000 + "\r\n", 431),
        ("not HTTP", "\x16\x03\x01\x02\r\n\r\n", 400),
    ]

    def check(data, status):
        wire = Wire(socket.create_connection(address, TIMEOUT_S))
        wire.sock.sendall(data.encode("latin-1"))
        head = wire.head()
        assert head.startswith(f"HTTP/1.1 {status} "), head
        if status == 426:
            assert "Sec-WebSocket-Version: 13" in head, head
        wire.sock.close()

    return [(f"request: {name}", lambda data=data, status=status: check(data, status))
            for name, data, status in rows]


def client_case(program, data, want, code, deflate=False):
    """Be the server of ws-echo-client, send `data`, hear `want`; its exit code must be `code`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_S)
        port = listener.getsockname()[1]
        child = subprocess.Popen([program, f"ws://127.0.0.1:{port}/x"], stderr=subprocess.DEVNULL)
        try:
            wire = Wire(listener.accept()[0])
            head = wire.head()
            assert head.startswith("GET /x HTTP/1.1\r\n"), head
            key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
            chosen = "; server_no_context_takeover; client_no_context_takeover\r\n"
            wire.sock.sendall((
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n"
                + (DEFLATE[:-2] + chosen if deflate else "") + "\r\n").encode() + data)
            got = drain(wire, from_client=True)
            wire.sock.close()
            assert got == want, f"wanted {short(want)}, got {short(got)}"
            assert child.wait(TIMEOUT_S) == code, f"exit code {child.returncode}"
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()


def client_cases(program):
    def f(first, payload=b""):
        return frame(first, payload, mask=b"")

    bye = f(0x88, b"\x03\xe8")
    end = [("close", 1000)]
    big = os.urandom(300000)
    z = deflate(b"Hello" * 20)
    rows = [
        ("text", f(0x81, b"abc") + bye, [(T, b"abc")] + end, 0, False),
        ("big binary", f(0x82, big) + bye, [(B, big)] + end, 0, False),
        ("ping", f(0x89, b"p") + bye, [("pong", b"p")] + end, 0, False),
        ("fragments", f(1, b"a") + f(0x80, b"b") + bye, [(T, b"ab")] + end, 0, False),
        ("close without code", f(0x88), end, 0, False),
        ("compressed", f(0xc1, z) + bye, [(T, b"Hello" * 20)] + end, 0, True),
        ("masked", frame(0x81, b"a"), [("close", 1002)], 1, False),
        ("reserved bit", f(0xc1, b"a"), [("close", 1002)], 1, False),
        ("not UTF-8", f(0x81, b"\xff"), [("close", 1007)], 1, False),
    ]
    return [(f"client: {row[0]}", lambda row=row: client_case(program, *row[1:])) for row in rows]


def other_cases(address):
    def pipelined():
        wire = upgrade(address, follow=frame(0x89, b"early") + close(1000))
        assert drain(wire) == [("pong", b"early"), ("close", 1000)]
        wire.sock.close()

    def mebibytes_in_fragments():
        data = frame(2, b"x" * 64) + frame(0, b"x" * 64) * 16382 + frame(0x80, b"x" * 64)
        run_server_case(address, ("", False, data + close(1000),
                                  [(B, b"x" * (1 << 20)), ("close", 1000)]), 1 << 30)

    def offer(text, want):
        wire = Wire(socket.create_connection(address, TIMEOUT_S))
        wire.sock.sendall((HEAD + f"Sec-WebSocket-Extensions: {text}\r\n\r\n").encode())
        head = wire.head()
        got = head.split("Sec-WebSocket-Extensions: ")[1].split("\r\n")[0] \
            if "Sec-WebSocket-Extensions" in head else ""
        assert head.startswith("HTTP/1.1 101 ") and want in got and bool(want) == bool(got), head
        wire.sock.close()

    offers = [
        ("permessage-deflate", "server_no_context_takeover"),
        ("permessage-deflate; server_max_window_bits=9", "server_max_window_bits=9"),
        ('permessage-deflate; server_max_window_bits="10"', "server_max_window_bits=10"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=7", ""),
        ("permessage-deflate; what=ever", ""),
        ("permessage-deflate; what=ever, permessage-deflate", "permessage-deflate"),
        ("x-other", ""),
    ]
    return [("bytes behind the request", pipelined),
            ("a mebibyte in fragments of 64", mebibytes_in_fragments)] + [
        (f"offer {text}", lambda text=text, want=want: offer(text, want)) for text, want in offers]


def programs():
    """WS_ECHO WS_ECHO_CLIENT as arguments, or those of the build directory in LIBCHAT_BUILD."""
    if len(sys.argv) == 3:
        return sys.argv[1:]
    folder = os.path.join(os.environ.get("LIBCHAT_BUILD", "build/plain"), "tests", "conformance")
    return os.path.join(folder, "ws-echo"), os.path.join(folder, "ws-echo-client")


def main():
    echo, client = programs()
    server = subprocess.Popen([echo, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    address = ("127.0.0.1", int(server.stdout.readline().rsplit(":", 1)[1]))
    cases = []
    for row in server_cases():
        cases.append((row[0], lambda row=row: run_server_case(address, row, 1 << 30)))
        if len(row[2]) < 600:
            cases.append((row[0] + ", byte by byte",
                          lambda row=row: run_server_case(address, row, 1)))
    cases += head_cases(address) + client_cases(client) + other_cases(address)
    failed = 0
    for name, run in cases:
        try:
            run()
        except Exception as error:  # a case that fails in any way has failed
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")
    if server.poll() is not None:
        failed += 1
        print(f"FAILED: ws-echo ended with {server.returncode}")
    server.kill()
    server.wait()
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
