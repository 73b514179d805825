# SPDX-License-Identifier: MIT
"""Real processes for the end-to-end tests: chatd and chat, started, watched and always reaped.

Nothing here uses the library: tokens come from PyJWT, so that a fault in our own code cannot agree
with itself.
"""
import itertools
import os
import pathlib
import re
import secrets
import select
import signal
import subprocess
import threading
import time

import jwt

import shared

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 15.0 * shared.patience()
LISTENING = r"listen\S* .*?(?:127\.0\.0\.1|localhost):([1-9]\d*)"


def build_dir():
    """The build to test: LIBCHAT_BIN, else build/plain, else build."""
    named = os.environ.get("LIBCHAT_BIN")
    for path in [pathlib.Path(named)] if named else [ROOT / "build/plain", ROOT / "build"]:
        if (path / "examples/chatd/chatd").exists():
            return path.resolve()
    raise RuntimeError("no built chatd found: build first, or set LIBCHAT_BIN to the build directory")


def chatd_path():
    """LIBCHAT_CHATD: another program of the build that is started like chatd."""
    return str(build_dir() / os.environ.get("LIBCHAT_CHATD", "examples/chatd/chatd"))


def chat_path():
    return str(build_dir() / "examples/chat/chat")


def token(secret, user="alice", algorithm="HS256", lifetime_s=3600, headers=None, **claims):
    """A token as an operator's own login service would make it."""
    payload = {"sub": user, "exp": int(time.time()) + lifetime_s, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm=algorithm, headers=headers)


class Process:
    """A child whose output is read by a thread, so that a test can wait for a line of it."""

    def __init__(self, args, name=None, **popen):
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stderr", subprocess.STDOUT)
        self.name = name or os.path.basename(args[0])
        self.args = args
        self.child = subprocess.Popen(args, stdout=subprocess.PIPE, **popen)
        self.lines = []
        self._changed = threading.Condition()
        self._is_done = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.child.stdout:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._is_done = True
            self._changed.notify_all()

    @property
    def output(self):
        with self._changed:
            return "\n".join(self.lines)

    def wait_line(self, pattern, timeout=DEADLINE_S, start=0):
        """The match of the first line at or behind `start` that has the pattern."""
        end = time.monotonic() + timeout
        at = start
        with self._changed:
            while True:
                while at < len(self.lines):
                    found = re.search(pattern, self.lines[at])
                    if found:
                        return found
                    at += 1
                left = end - time.monotonic()
                if self._is_done or left <= 0:
                    why = "it ended" if self._is_done else "time is over"
                    shown = "\n".join(self.lines)
                    raise AssertionError(f"{self.name}: no line like {pattern!r}, {why}:\n{shown}")
                self._changed.wait(left)

    def wait_exit(self, timeout=DEADLINE_S):
        code = self.child.wait(timeout)
        self._reader.join(timeout)
        return code

    def write(self, text):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()

    def signal(self, number):
        self.child.send_signal(number)

    def is_running(self):
        return self.child.poll() is None

    def kill(self):
        """End it now, by its own pid."""
        if self.is_running():
            self.child.kill()
        self.child.wait()
        self._reader.join(DEADLINE_S)


class Member:
    """Another member of the cluster that a server is, see shared.py."""

    def __init__(self, server, options):
        self.server, self.options, self.port, self.runs = server, options, 0, []

    @property
    def run(self):
        return self.runs[-1]

    def start(self, timeout):
        server = self.server
        args = [chatd_path(), "--data", f"{server.data}-{len(server.others)}", "--listen",
                f"{server.host}:{self.port}", *server.auth, *self.options, *server.options]
        self.runs.append(Process(args, env={**os.environ, **(server.env or {})}))
        self.port = int(self.run.wait_line(LISTENING, timeout).group(1))


class Server:
    """A chatd over its restarts: one data directory, one secret, the port of the moment."""

    def __init__(self, data, secret=None, options=(), auth=None, env=None, secret_dir=None):
        self.data = pathlib.Path(data)
        self.secret = secret or secrets.token_urlsafe(48)
        more = os.environ.get("LIBCHAT_TEST_OPTIONS", "").split()  # of all chatd
        self.options = [*(str(option) for option in options), *more]
        self.env = env
        self.runs = []
        self.host, self.port = "127.0.0.1", 0
        if auth is None:
            secret_file = pathlib.Path(secret_dir or self.data.parent, self.data.name + ".secret")
            secret_file.write_text(self.secret)
            secret_file.chmod(0o600)
            auth = ["--jwt-secret-file", secret_file]
        self.auth = [str(option) for option in auth]
        self.storage, *others = shared.configure(self)
        self.others = [Member(self, options) for options in others]
        self._turns = itertools.count()

    def args(self, port=0):
        return [chatd_path(), "--data", str(self.data), "--listen", f"{self.host}:{port}",
                *self.auth, *self.storage, *self.options]

    def spawn(self, port=0, **popen):
        """Start without waiting for anything: for servers that are meant to fail."""
        run = Process(self.args(port), env={**os.environ, **(self.env or {})}, **popen)
        self.runs.append(run)
        return run

    def start(self, port=0, timeout=DEADLINE_S, **popen):
        run = self.spawn(port, **popen)
        for other in self.others:
            other.start(timeout)
        found = run.wait_line(LISTENING, timeout)
        self.port = int(found.group(1))
        if shared.is_wanted():
            shared.wait_until_ready(self)
        return self

    def start_one(self, timeout=DEADLINE_S):
        """This process alone, at the port it had; the other members live."""
        self.spawn(self.port).wait_line(LISTENING, timeout)

    @property
    def run(self):
        return self.runs[-1]

    @property
    def processes(self):
        """The processes of now: one, or that of each member."""
        return [self.run, *(other.run for other in self.others if other.runs)]

    @property
    def ports(self):
        return [self.port, *(other.port for other in self.others)]

    @property
    def url(self):
        """Of several members each in turn."""
        return f"ws://{self.host}:{self.ports[next(self._turns) % len(self.ports)]}"

    def token(self, user, **claims):
        return token(self.secret, user, **claims)

    def signal(self, number):
        for run in self.processes:
            if run.is_running():
                run.signal(number)

    def wait_exit(self, timeout=DEADLINE_S):
        """The first exit code that is none of success, else 0."""
        return next((code for code in [run.wait_exit(timeout) for run in self.processes] if code),
                    0)

    def stop(self, timeout=DEADLINE_S):
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def wait_log(self, pattern, timeout=DEADLINE_S):
        """Until a process of it has written such a line."""
        end = time.monotonic() + timeout
        while not any(re.search(pattern, run.output) for run in self.processes):
            assert time.monotonic() < end, f"no line like {pattern!r}:\n{self.log()}"
            time.sleep(0.02)

    def restart(self):
        assert self.stop() == 0, self.run.output
        return self.start(self.port)

    def kill(self):
        for run in self.processes:
            run.kill()

    def log(self):
        runs = [*self.runs, *(run for other in self.others for run in other.runs)]
        return "\n--- next run ---\n".join(run.output for run in runs)

    def finish(self):
        """At the end of a test: a clean stop, nothing from a sanitizer."""
        try:
            self._finish()
        finally:
            shared.give_back(self)

    def _finish(self):
        codes = []
        runs = [*self.runs, *(run for other in self.others for run in other.runs)]
        for run in runs:
            if run.is_running():
                run.signal(signal.SIGTERM)
        for run in runs:
            if run.is_running():
                try:
                    codes.append(run.wait_exit())
                except subprocess.TimeoutExpired:
                    run.kill()
                    codes.append("did not end within the deadline after SIGTERM")
        assert all(code == 0 for code in codes), f"chatd ended with {codes}"
        assert "Sanitizer" not in self.log() and "runtime error:" not in self.log()


def run_chat(*args, server=None, user=None, stdin=None, timeout=DEADLINE_S, env=None):
    """Run `chat` to its end."""
    words = [chat_path()]
    if server is not None:
        words += ["--url", server.url, "--token", server.token(user)]
    return subprocess.run([*words, *[str(arg) for arg in args]], input=stdin, text=True,
                          capture_output=True, timeout=timeout,
                          env={**os.environ, **(env or {})}, check=False)


def is_readable(source, timeout=None):
    """Whether a descriptor or socket becomes readable in time. Not by select(): it takes none above
    1,023, and a long run of tests has more.
    """
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))
