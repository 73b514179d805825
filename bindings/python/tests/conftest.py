# SPDX-License-Identifier: MIT
"""The same tests against the engine in this process and against a real chatd."""
import asyncio
import os
import pathlib
import re
import secrets
import signal
import subprocess

import pytest

import libchat
from libchat.testing import Server

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Place:
    """A server with users: `client("alice")` is a client that knows how to get in."""

    def __init__(self, url, token):
        self.url, self.token = url, token

    def client(self, user, **options):
        return libchat.Client(self.url, self.token(user), **{"backoff_first_ms": 50, **options})


def build_dir():
    named = os.environ.get("LIBCHAT_BIN")
    return pathlib.Path(named) if named else ROOT / "build/plain"


class Chatd:
    """A real server on a port of its own."""

    def __init__(self, folder):
        self.secret = secrets.token_urlsafe(48)
        secret_file = folder / "secret"
        secret_file.write_text(self.secret)
        secret_file.chmod(0o600)
        self.child = subprocess.Popen(
            [build_dir() / "examples/chatd/chatd", "--data", folder / "data", "--listen",
             "127.0.0.1:0", "--jwt-secret-file", secret_file], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.child.stdout:
            found = re.search(r"listen\S* .*?127\.0\.0\.1:([1-9]\d*)", line)
            if found:
                self.url = f"ws://127.0.0.1:{found.group(1)}"
                return
        raise RuntimeError("chatd did not start")

    def token(self, user):
        return libchat.make_token(self.secret, user)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        output, _ = self.child.communicate(timeout=20)
        assert self.child.returncode == 0, output


@pytest.fixture
def chatd(tmp_path):
    server = Chatd(tmp_path)
    yield Place(server.url, server.token)
    server.stop()


@pytest.fixture
def engine():
    with Server() as server:
        yield Place(server.url, lambda user: user)


@pytest.fixture(params=["engine", "chatd"])
def place(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def run():
    """Run a coroutine; nothing waits for ever."""
    def run_it(work, timeout=40):
        async def main():
            return await asyncio.wait_for(work, timeout)
        return asyncio.run(main())
    return run_it
