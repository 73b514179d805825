# SPDX-License-Identifier: MIT
"""Everything that the protocol can do is reachable: by the command `chat`, and by chat.js."""
import json

from harness import ROOT, Process, chat_path, run_chat
from tap import CLIENT_FRAMES, Tap
from test_web import node


def test_the_table_is_read():
    assert {"hello", "send", "typing", "mute"} <= CLIENT_FRAMES and "msg" not in CLIENT_FRAMES


class Person:
    """Runs `chat` as a user, through the tap."""

    def __init__(self, server, tap, user):
        self.words = ["--url", tap.url, "--token", server.token(user), "--encoding", "json"]

    def chat(self, *words):
        done = run_chat(*self.words, "--json", *words)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def send(self, *words):
        return next(event for event in self.chat(*words) if event["t"] == "sent")

    def start(self, *words):
        return Process([chat_path(), *self.words, *words], stdin=-1)


def talk(alice, bob):
    """Each verb that asks a server, once."""
    sent = alice.send("send", "@bob", "hello")
    message = f"@bob/{sent['id']}"
    bob.chat("listen", "--count", "1")
    bob.chat("read", "@alice", sent["seq"])
    alice.send("reply", message, "and more")
    for words in (["history", "@bob"], ["chats"], ["receipts", message], ["why", message],
                  ["edit", message, "hallo"], ["react", message, "+1"], ["reactions", message],
                  ["delete", message], ["mute", "@bob"], ["unmute", "@bob"], ["block", "bob"],
                  ["blocks"], ["unblock", "bob"], ["presence", "bob"], ["hide", "on"],
                  ["create", "team", "carol", "--open"], ["update", "team", "The team"],
                  ["add", "team", "dave"], ["remove", "team", "dave"],
                  ["role", "team", "carol", "admin"], ["members", "team"], ["devices"]):
        alice.chat(*words)
    bob.chat("join", "team")
    bob.chat("leave", "team")
    bob.chat("device-remove", "cli")


def test_chat_reaches_every_frame(make_server):
    server = make_server(options=["--heartbeat-ms", "1000"]).start()
    with Tap(server.port) as tap:
        alice, bob = (Person(server, tap, user) for user in ("alice", "bob"))
        talk(alice, bob)
        watching, prompt = alice.start("watch", "bob"), bob.start()
        prompt.wait_line("online as bob")
        prompt.write("/to @alice\n/typing\n")
        missing = tap.missing()
        for run in (watching, prompt):
            run.kill()
    assert not missing, f"no verb of chat sends {missing}"


def test_chat_js_reaches_every_frame(make_server):
    server = make_server(options=["--heartbeat-ms", "1000"]).start()
    with Tap(server.port) as tap:
        run = Process([node(), str(ROOT / "bindings/js/tests/reach.mjs"), tap.url,
                       server.token("alice"), server.token("bob")])
        run.wait_line("^removed$")
        missing = tap.missing()  # the last is a heartbeat of alice, who stays
        run.kill()
    assert not missing, f"no call in reach.mjs sends {missing}"
