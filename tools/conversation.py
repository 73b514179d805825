#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts chatd and lets alice and bob talk with the chat command; bob is away for a part of it.

The second half of tools/quickstart, which builds first. Only Python's own library is used.
"""

import argparse
import json
import os
import queue
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PATIENCE_S = 20
FIRST_PORT = 8080


class Trouble(Exception):
    """Something did not go as it must; the text says what, and what to do."""


def say(text=""):
    print(text, flush=True)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(asked):
    if asked:
        if not is_free(asked):
            raise Trouble(f"port {asked} is in use: stop what listens there (ss -ltnp shows it), "
                          "or leave --port out to get a free one")
        return asked
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        if is_free(port):
            if port != FIRST_PORT:
                say(f"port {FIRST_PORT} is in use; taking {port}")
            return port
    raise Trouble(f"no port is free from {FIRST_PORT} to {FIRST_PORT + 99}: name one with --port")


class Server:
    def __init__(self, chatd, folder, port):
        self.port, self.url = port, f"ws://127.0.0.1:{port}"
        self.secret = os.path.join(folder, "secret")
        self.log = os.path.join(folder, "chatd.log")
        with open(self.secret, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(secrets.token_hex(32))
        self.args = [chatd, "--data", os.path.join(folder, "data"),
                     "--listen", f"127.0.0.1:{port}", "--jwt-secret-file", self.secret]
        with open(self.log, "wb") as log:
            # A group of its own, so that Ctrl-C reaches us first and the server drains.
            self.process = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-15:]).rstrip()

    def wait_until_ready(self):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Trouble(f"chatd ended with {self.process.returncode}. It said:\n"
                              + self.last_words())
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise Trouble(f"chatd did not become ready in {PATIENCE_S} s. It said:\n"
                      + self.last_words())

    def stop(self):
        """Drain; 0 is what chatd answers when nothing was lost."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


class Person:
    """Somebody with a device that listens, and what it has seen."""

    def __init__(self, name, chat, server, folder):
        self.name, self.chat, self.server = name, chat, server
        self.received, self.delivered_up_to, self.sent = [], 0, []
        self.listener, self.events, self.is_online = None, queue.Queue(), False
        self.token_file = os.path.join(folder, f"{name}.token")
        made = subprocess.run([chat, "token", "--secret-file", server.secret, "--user", name],
                              capture_output=True, text=True)
        if made.returncode:
            raise Trouble(f"chat token failed: {made.stderr.strip()}")
        self.token = made.stdout.strip()
        with open(self.token_file, "w", opener=lambda p, f: os.open(p, f, 0o600)) as file:
            file.write(self.token + "\n")

    def command(self, device, *rest):
        return [self.chat, "--url", self.server.url, "--token", self.token,
                "--device", f"{self.name}-{device}", "--json", *rest]

    def arrive(self):
        self.listener = subprocess.Popen(self.command("phone", "listen"), text=True,
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        threading.Thread(target=self._read, args=(self.listener.stdout,), daemon=True).start()

    def leave(self):
        if self.listener:
            self.listener.terminate()
            self.listener.wait()
            self.listener = None

    def _read(self, lines):
        for line in lines:
            try:
                self.events.put(json.loads(line))
            except ValueError:
                self.events.put({"t": "garbage", "text": line})

    def take(self, event):
        kind = event.get("t")
        self.is_online = self.is_online or kind == "welcome"
        if kind == "msg" and event.get("from") != self.name:
            self.received.append(event)
            say(f"  {self.name:5} received   {event['body']!r} from {event['from']}")
        elif kind == "receipt" and event.get("state") == "delivered":
            self.delivered_up_to = max(self.delivered_up_to, int(event["seq"]))

    def wait_for(self, what, is_true):
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            try:
                self.take(self.events.get(timeout=max(0.0, end - time.monotonic())))
            except queue.Empty:
                raise Trouble(f"{self.name} did not see {what} in {PATIENCE_S} s") from None

    def wait_until_online(self):
        end = time.monotonic() + PATIENCE_S
        while not self.is_online:
            if self.listener.poll() is not None or time.monotonic() > end:
                raise Trouble(f"{self.name}'s chat command did not come online")
            self.take_what_came()
            time.sleep(0.01)

    def say(self, other, text):
        done = subprocess.run(self.command("sender", "send", f"@{other}", text), text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
        sent = [event for event in events if event.get("t") == "sent"]
        if done.returncode or not sent:
            raise Trouble(f"{self.name} could not send {text!r} (exit {done.returncode}): "
                          f"{done.stderr.strip()}")
        self.sent.append({"body": text, "seq": int(sent[0]["seq"]), "id": sent[0]["id"]})
        say(f"  {self.name:5} sent       {text!r} to {other} (id {sent[0]['id']}, on disk)")

    def take_what_came(self):
        while not self.events.empty():
            self.take(self.events.get())

    def wait_until_delivered(self):
        last = self.sent[-1]
        self.wait_for(f"that {last['body']!r} was delivered",
                      lambda: self.delivered_up_to >= last["seq"])
        say(f"  {self.name:5} delivered  {last['body']!r}")

    def wait_for_message(self, text):
        self.wait_for(repr(text), lambda: any(m["body"] == text for m in self.received))


def exchange(author, reader, text):
    author.say(reader.name, text)
    reader.wait_for_message(text)
    author.wait_until_delivered()


def converse(alice, bob):
    alice.arrive()
    bob.arrive()
    alice.wait_until_online()
    bob.wait_until_online()
    say("both are online")
    exchange(alice, bob, "Hello Bob, are you there?")
    exchange(bob, alice, "Hi Alice! I have to catch a train.")
    bob.leave()
    say("bob is away")
    alice.say("bob", "The meeting moves to three.")
    alice.say("bob", "And please bring the drawings.")
    alice.take_what_came()
    if alice.delivered_up_to >= alice.sent[-2]["seq"]:
        raise Trouble("alice was told that bob has what was sent while he was away")
    say("bob comes back")
    bob.arrive()
    bob.wait_for_message("And please bring the drawings.")
    alice.wait_until_delivered()
    exchange(bob, alice, "Got both. See you at three!")


def verify(author, reader):
    """Everything that one sent the other saw once and in order; a list of what is wrong."""
    sent = [(m["seq"], m["body"]) for m in author.sent]
    seen = [(int(m["seq"]), m["body"]) for m in reader.received]
    wrong = []
    if seen != sent:
        wrong.append(f"{author.name} sent {sent}, and {reader.name} saw {seen}")
    if author.delivered_up_to < sent[-1][0]:
        wrong.append(f"{author.name} was not told that all of it was delivered")
    return wrong


def report(people):
    say()
    for person in people:
        delivered = sum(1 for m in person.sent if m["seq"] <= person.delivered_up_to)
        say(f"{person.name:5}  sent {len(person.sent)}, delivered {delivered}, "
            f"received {len(person.received)}")


def invite(server, people):
    chat = shlex.quote(os.path.relpath(people[0].chat, ROOT))
    say(f"\nThe server runs at {server.url} (its log: {server.log}).")
    say(f"In a second terminal, in {ROOT}:\n")
    for name, rest, what in (
            ("bob", "", "be bob: type `/to @alice`, then messages; /help helps"),
            ("alice", ' send @bob "Hello from the command line"', "send one message"),
            ("alice", " listen", "print what arrives for alice"),
            ("bob", " history @alice", "read what was said")):
        person = next(p for p in people if p.name == name)
        say(f"  # {what}\n  {chat} --url {server.url} --token-file "
            f"{shlex.quote(person.token_file)}{rest}\n")
    say("The tokens, for other clients:")
    for person in people:
        say(f"  {person.name:5}  {person.token}")
    say("\nCtrl-C stops the server and removes its data.")


def find(build, name):
    path = os.path.join(ROOT, build, "examples", name, name)
    if not os.access(path, os.X_OK):
        raise Trouble(f"{path} is not built: run tools/quickstart, which builds it")
    return path


def play(args, folder):
    chatd, chat = find(args.build, "chatd"), find(args.build, "chat")
    people = []
    server = Server(chatd, folder, choose_port(args.port))
    try:
        say(f"starting chatd at {server.url}, data in {folder}")
        server.wait_until_ready()
        people = [Person(name, chat, server, folder) for name in ("alice", "bob")]
        alice, bob = people
        converse(alice, bob)
        report(people)
        wrong = verify(alice, bob) + verify(bob, alice)
        if wrong:
            raise Trouble("\n".join(wrong))
        for person in people:
            person.leave()
        if not args.once:
            invite(server, people)
            server.process.wait()
            raise Trouble("chatd ended. It said:\n" + server.last_words())
    finally:
        for person in people:
            person.leave()
        code = server.stop()
    if code:
        raise Trouble(f"chatd ended with {code} after SIGTERM. It said:\n" + server.last_words())


def main():
    parser = argparse.ArgumentParser(prog="tools/quickstart")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--once", action="store_true", help="stop after the conversation")
    parser.add_argument("--port", type=int, help=f"default {FIRST_PORT}, or the next free one")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = tempfile.mkdtemp(prefix="libchat-quickstart-")
    try:
        play(args, folder)
    except Trouble as trouble:
        print(f"\nquickstart: FAILED: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nstopped")
        return 130 if args.once else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("quickstart: everything was sent, delivered and received once, in order")
    return 0


if __name__ == "__main__":
    sys.exit(main())
