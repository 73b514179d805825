# SPDX-License-Identifier: MIT
"""docs/haproxy.cfg sends all connections of a user to the same chatd."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import time

import pytest

N_NODES = 3
SECRET = base64.b64encode(secrets.token_bytes(32))
UPGRADE = ("GET / HTTP/1.1\r\nHost: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
PLACES = ["Authorization: Bearer {0}\r\nSec-WebSocket-Protocol: chat.v1.json\r\n",
          "Sec-WebSocket-Protocol: chat.v1.json, chat.jwt.{0}\r\n",
          "Sec-WebSocket-Protocol: chat.jwt.{0}, chat.v1.json\r\n"]


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user):
    claims = json.dumps({"sub": user, "exp": int(time.time()) + 600}).encode()
    signed = encode(b'{"alg":"HS256"}') + "." + encode(claims)
    return signed + "." + encode(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """Three chatd with the same secret."""
    build = pathlib.Path(os.environ["LIBCHAT_BUILD"])
    folder = tmp_path_factory.mktemp("nodes")
    (folder / "secret").write_bytes(SECRET)
    started = []
    for i in range(N_NODES):
        child = subprocess.Popen([str(build / "examples/chatd/chatd"), "--data", str(folder / str(i)),
                                  "--listen", "127.0.0.1:0", "--shards", "1",
                                  "--jwt-secret-file", str(folder / "secret")], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in child.stdout:
            found = re.search(r"127\.0\.0\.1:([1-9]\d*)", line)
            if found:
                started.append((child, int(found.group(1))))
                break
    assert len(started) == N_NODES
    yield started
    for child, _ in started:
        child.terminate()
        child.wait(20)


def hello(port, user, place):
    """A connection on which the user said hello as device `place`."""
    link = socket.create_connection(("127.0.0.1", port), 10)
    link.sendall((UPGRADE + PLACES[place].format(token(user)) + "\r\n").encode())
    assert b" 101 " in link.recv(4096)
    text = json.dumps({"t": "hello", "device": f"d{place}"}).encode()
    link.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
    assert link.recv(4096)
    return link


@pytest.mark.parametrize("user", ["alice", "bob", "carol", "dave", "eve", "user é 7"])
def test_a_user_stays_on_one_node_wherever_the_token_travels(up, nodes, user):
    where = up("haproxy", CHAT_NODES=",".join(f"127.0.0.1:{port}" for _, port in nodes))["where"]
    port = int(where["listen"].split(":")[1])
    before = [established(p) for _, p in nodes]
    links = [hello(port, user, place) for place in range(len(PLACES))]
    grown = [established(p) - b for (_, p), b in zip(nodes, before)]
    for link in links:
        link.close()
    assert sorted(grown) == [0] * (N_NODES - 1) + [len(PLACES)], grown


def established(port):
    """Connections that a server on this port holds, by the kernel's table."""
    count = 0
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            count += fields[3] == "01" and int(fields[1].split(":")[1], 16) == port
    return count
