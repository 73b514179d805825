# SPDX-License-Identifier: MIT
"""The client's file: what was composed offline arrives, whoever is killed; `chat --store`."""
import json
import os
import threading
import time

import pytest

from client import Client
from harness import DEADLINE_S, Process, build_dir, run_chat
from history import Application, History, tell_log
from test_crash import seed_of_run

TOTAL = 200
CHATS = ["one", "two", "three"]


def has_store():
    """Whether the build has it: the option can be off."""
    done = run_chat("--store", "/", "outbox")
    return "not supported" not in done.stderr


pytestmark = pytest.mark.skipif(not has_store(), reason="built without client-store")


class Composer:
    """tests/e2e/composer.c over its restarts; what it printed is kept."""

    def __init__(self, server, history, path):
        self.server, self.history, self.path = server, history, path
        self.put, self.n_runs, self.process = [], 0, None

    def start(self):
        self.process = Process([str(build_dir() / "tests/e2e/composer"), self.server.url,
                                self.server.token("alice"), self.path, str(TOTAL), *CHATS])
        self.n_runs += 1
        self.history.tell("alice/composer", {"t": "open"})

    def kill(self):
        self.process.kill()
        self.history.tell("alice/composer", {"t": "lost"})
        for line in self.process.lines:
            if line.startswith("put "):
                self.put.append(int(line.split()[1]))
            elif line.startswith("{") and line.endswith("}"):
                self.history.tell("alice/composer", json.loads(line))
            assert line != "failed"

    def wait(self, word):
        self.process.wait_line(f"^{word}$")


def pause(dice, longest):
    threading.Event().wait(dice.uniform(0.0, longest))  # the random moment, nothing waits for it


def compose_offline(composer, dice):
    """No server; killed again and again until all is written."""
    while not composer.process or "composed" not in composer.process.lines:
        if composer.process:
            composer.kill()
        composer.start()
        composer.process.wait_line("^next ")
        end = time.monotonic() + dice.uniform(0.02, 0.15)
        while time.monotonic() < end and "composed" not in composer.process.lines:
            threading.Event().wait(0.005)
    composer.kill()


def send_under_fire(composer, server, dice):
    """The server comes, and both are killed while what waits is sent."""
    server.start(server.port)
    for _ in range(6):
        composer.start()
        pause(dice, 0.1)
        composer.kill()
        if dice.random() < 0.5:
            server.kill()
            server.start(server.port)
    composer.start()
    composer.wait("empty")
    composer.kill()


def see_file(app, composer):
    """What the file has is what this device saw, once and in order."""
    for chat in CHATS:
        done = run_chat("--store", composer.path, "--device", "composer", "--json", "--offline",
                        "history", chat, "--after", "0", "--limit", "100")
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            frame = json.loads(line)
            frame.pop("r", None)
            if "seq" in frame:
                app.history.tell(app.by, frame)


def see_all(app, client):
    """What comes until the device has what it lacked."""
    app.history.tell(app.by, {"t": "open"})
    resumed = client.expect("resumed")
    for frame in [*client.inbox, resumed]:
        app.saw(frame)
    client.inbox.clear()
    app.history.tell(app.by, {"t": "lost"})


@pytest.mark.timeout(120)
def test_what_was_composed_offline_arrives_once_and_in_order(make_server, workdir):
    dice, seed = seed_of_run()
    server, history = make_server().start(), History()
    app = Application(history, "bob", "phone")
    with Client(server, "alice", "maker") as maker:
        for chat in CHATS:
            maker.create(chat, "bob")
    with Client(server, "bob", "phone") as bob:
        see_all(app, bob)
    server.kill()
    composer = Composer(server, history, f"{workdir}/store")
    compose_offline(composer, dice)
    assert sorted(set(composer.put)) == composer.put, "a number was put twice"
    send_under_fire(composer, server, dice)
    see_file(Application(history, "alice", "composer"), composer)
    del server.runs[:-1]
    with Client(server, "bob", "phone") as bob:
        see_all(app, bob)
        for n, chat in enumerate(CHATS):
            rows, _ = bob.history(chat=chat, limit=100, after=0)
            bodies = [int(row["body"]) for row in rows if row["t"] == "msg"]
            assert bodies == [i for i in range(1, TOTAL + 1) if i % len(CHATS) == n]
        history.tell("log", {"t": "end"})
        for chat in CHATS:
            tell_log(history, bob, chat)
    is_right, words = history.judge(os.path.join(workdir, "history.jsonl"))
    assert is_right, f"{words} (LIBCHAT_SEED={seed})"
    print(words.strip(), f"{composer.n_runs} runs")


# --- the command ---

@pytest.fixture
def chat(server, workdir):
    """`chat --json --store` of a user: what it printed, as frames."""
    def run(user, *args, code=0):
        done = run_chat("--json", "--store", f"{workdir}/{user}.store", *args, server=server,
                        user=user)
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_what_is_sent_offline_waits_and_goes_with_the_next_command(chat, connect):
    bob = connect("bob")
    waiting = [chat("alice", "send", "--offline", "@bob", text)[0] for text in ("one", "two")]
    assert [(item["t"], item["state"]) for item in waiting] == [("outbox", "waiting")] * 2
    listed = chat("alice", "outbox")
    assert [(item["body"], item["to"]) for item in listed] == [("one", "bob"), ("two", "bob")]
    chat("alice", "send", "@bob", "three")
    for text in ("one", "two", "three"):
        bob.expect_msg(text)
    assert chat("alice", "outbox") == []


def test_what_failed_is_listed_tried_again_and_dropped(chat):
    chat("alice", "send", "nowhere", "hello", code=1)
    item, = chat("alice", "outbox")
    assert (item["state"], item["chat"], item["code"]) == ("failed", "nowhere", "not_found")
    chat("alice", "outbox", "retry", item["cid"])
    assert chat("alice", "outbox")[0]["state"] == "waiting"
    chat("alice", "send", "@bob", "another", code=1)
    chat("alice", "outbox", "drop", item["cid"])
    chat("alice", "outbox", "drop", item["cid"], code=1)
    assert chat("alice", "outbox") == []


def test_history_and_chats_are_there_offline(chat, server, connect):
    alice, bob = connect("alice", "phone"), connect("bob")
    for text in ("a", "b"):
        bob.say(text, to="alice")
        alice.expect_msg(text)
    chat("alice", "history", "@bob")
    chat("alice", "chats")
    server.kill()
    server.runs.clear()
    frames = chat("alice", "history", "--offline", "@bob")
    assert [frame.get("body") for frame in frames[:2]] == ["a", "b"]
    assert frames[2] == {"t": "cached", "whole": False} and frames[3]["count"] == 2
    frames = chat("alice", "chats", "--offline")
    assert (frames[0]["chat"], frames[0]["unread"]) == ("dm:5:alice:bob", 2)


def test_people_read_the_same(server, workdir):
    store = ["--store", f"{workdir}/store"]
    assert "waiting" in run_chat(*store, "--offline", "send", "@bob", "hi", server=server,
                                 user="alice").stdout
    text = run_chat(*store, "outbox").stdout
    assert "waiting" in text and "@bob: hi" in text
    text = run_chat(*store, "--offline", "history", "team").stdout
    assert "there may be more" in text


def test_a_store_that_cannot_be_is_said(server, workdir):
    done = run_chat("history", "--offline", "@bob", server=server, user="alice")
    assert done.returncode == 2 and "--store FILE" in done.stderr
    done = run_chat("--store", f"{workdir}/no/such", "outbox")
    assert done.returncode == 4 and "No such file" in done.stderr
    holder = Process([str(build_dir() / "examples/chat/chat"), "--url", server.url, "--token",
                      server.token("alice"), "--store", f"{workdir}/held", "--json", "listen"])
    try:
        holder.wait_line('"welcome"')
        done = run_chat("--store", f"{workdir}/held", "outbox")
        assert done.returncode == 4 and "has it open" in done.stderr
    finally:
        holder.kill()
    assert run_chat("--store", f"{workdir}/held", "outbox").returncode == 0


def test_a_damaged_store_is_moved_aside_and_the_rest_goes_on(server, workdir, connect):
    bob, path = connect("bob"), f"{workdir}/store"
    with open(path, "w", encoding="utf-8") as file:
        file.write("not a database, " * 1000)
    done = run_chat("--store", path, "send", "@bob", "still here", server=server, user="alice")
    assert done.returncode == 0 and f"{path}.corrupt-1" in done.stderr
    assert os.path.exists(f"{path}.corrupt-1") and os.stat(path).st_mode & 0o777 == 0o600
    bob.expect_msg("still here", timeout=DEADLINE_S)
