# SPDX-License-Identifier: MIT
"""The client through an HTTP proxy: CONNECT, with and without a password."""
import base64
import socket
import threading

import pytest

from harness import run_chat

PASSWORD = base64.b64encode(b"user:pass").decode()


class Proxy:
    """A proxy for one connection, that wants a password."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(near,), daemon=True).start()

    def serve(self, near):
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(1)
        self.asked.append(head.decode())
        if f"Proxy-Authorization: Basic {PASSWORD}" not in head.decode():
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            near.close()
            return
        host, port = head.split()[1].decode().rsplit(":", 1)
        far = socket.create_connection((host, int(port)))
        near.sendall(b"HTTP/1.1 200 Connection established\r\nVia: a test\r\n\r\n")
        back = threading.Thread(target=self.copy, args=(far, near), daemon=True)
        back.start()
        self.copy(near, far)
        back.join()
        near.close()
        far.close()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def proxy():
    made = Proxy()
    yield made
    made.listener.close()


def test_a_message_goes_through_the_proxy(server, connect, proxy):
    done = run_chat("send", "--proxy", f"http://user:pass@{proxy.address}", "@bob", "through it",
                    server=server, user="alice")
    assert done.returncode == 0, done
    connect("bob").expect_msg("through it")
    first, _ = proxy.asked[0].split("\r\n", 1)
    assert first in [f"CONNECT 127.0.0.1:{port} HTTP/1.1" for port in server.ports]


def test_the_proxys_refusal_is_told(server, proxy):
    done = run_chat("send", "--timeout", "2", "--proxy", f"http://{proxy.address}", "bob", "x",
                    server=server, user="alice")
    assert done.returncode != 0
    assert "407" in done.stderr, done


@pytest.mark.parametrize("text", ["socks://a:1", "http://", "http://a:1/path", "http://a:b"])
def test_a_proxy_that_is_none_is_refused(server, text):
    done = run_chat("send", "--proxy", text, "bob", "x", server=server, user="alice")
    assert done.returncode != 0 and "proxy" in done.stderr, done
