# SPDX-License-Identifier: MIT
"""The command `chat`: every verb, plain and --json, exit codes, reconnecting, the prompt."""
import base64
import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from harness import DEADLINE_S, ROOT, Process, chat_path, is_readable, run_chat, token

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")


def ok(done):
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr}"
    return done.stdout


def events(done):
    return [json.loads(line) for line in ok(done).splitlines()]


def of_type(found, kind):
    return [event for event in found if event["t"] == kind]


@pytest.fixture
def listener(server):
    """Start `chat --json listen` for a user."""
    with contextlib.ExitStack() as stack:
        def start(user, *options):
            run = Process([chat_path(), "--url", server.url, "--token", server.token(user),
                           "--json", *options, "listen"], name=f"chat listen as {user}",
                          stderr=subprocess.DEVNULL)
            stack.callback(run.kill)
            run.wait_line('"welcome"')
            return run

        yield start


# --- verbs ---

def test_help_names_every_option_and_exit_code():
    text = ok(run_chat("--help"))
    source = (ROOT / "examples/chat/args.c").read_text(encoding="utf-8")
    for word in (*re.findall(r'^    \{"(--[\w-]+)"', source, re.M), "exit codes"):
        assert word in text, word


def test_each_verb_says_how_it_is_called():
    everything = ok(run_chat("--help"))
    verbs = set(re.findall(r"^  ([a-z][a-z-]*)\b", everything.split("\nCHAT is")[0], re.M))
    assert len(verbs) > 30
    for verb in verbs:
        text = ok(run_chat(verb, "--help"))
        rows = [line for line in everything.splitlines() if re.match(rf"  {verb}( |$)", line)]
        assert rows and all(row in text for row in rows) and len(text) < 700, verb
        wrong = run_chat(verb, *["x"] * 299)
        assert wrong.returncode == 2 and rows[0] in wrong.stderr, verb


def test_version_is_one_line():
    assert re.fullmatch(r"chat .*\d+\.\d+\.\d+\n", ok(run_chat("--version")))


def test_send_prints_sent_when_it_is_durable(server, connect):
    done = run_chat("send", "@bob", "hello", server=server, user="alice")
    assert "sent" in ok(done).lower() or "✓" in ok(done)
    assert connect("bob").expect("msg")["body"] == "hello"


def test_send_json_prints_the_sent_frame(server, connect):
    sent = of_type(events(run_chat("--json", "send", "@bob", "hello", server=server, user="alice")),
                   "sent")
    assert len(sent) == 1
    msg = connect("bob").expect("msg")
    assert int(sent[0]["id"]) == msg["id"] and sent[0]["chat"] == msg["chat"]


def test_send_reads_lines_from_standard_input(server, connect):
    lines = [f"line {i}" for i in range(100)]
    done = run_chat("--json", "send", "@bob", "-", server=server, user="alice",
                    stdin="\n".join(lines) + "\n")
    assert len(of_type(events(done), "sent")) == 100
    assert connect("bob").bodies(to="alice") == lines


def test_create_history_and_chats(server):
    ok(run_chat("create", "team", "bob", "carol", server=server, user="alice"))
    for text in ("one", "two"):
        ok(run_chat("send", "team", text, server=server, user="alice"))
    ok(run_chat("send", "@dave", "hi dave", server=server, user="alice"))
    plain = ok(run_chat("history", "team", server=server, user="bob"))
    assert plain.index("one") < plain.index("two") and "alice" in plain
    rows = of_type(events(run_chat("--json", "history", "team", server=server, user="bob")), "msg")
    assert [row["body"] for row in rows] == ["one", "two"], "history reads downwards"
    assert isinstance(rows[0]["id"], str) and isinstance(rows[0]["seq"], str)
    plain = ok(run_chat("chats", server=server, user="alice"))
    assert "team" in plain and "dave" in plain
    rows = of_type(events(run_chat("--json", "chats", server=server, user="alice")), "chat")
    assert {row["chat"] for row in rows} == {"team", "dm:5:alice:dave"}


def test_listen_prints_what_arrives(server, listener):
    bob = listener("bob")
    ok(run_chat("send", "@bob", "hello", server=server, user="alice"))
    event = json.loads(bob.wait_line(r"^(.*hello.*)$").group(1))
    assert (event["t"], event["from"], event["body"]) == ("msg", "alice", "hello")


def test_listen_acknowledges(server, listener, connect):
    alice = connect("alice")
    listener("bob")
    sent = alice.say("hello", to="bob")
    assert alice.expect("receipt")["seq"] == sent["seq"]


def test_a_message_is_printed_safely(server, connect):
    """What others write moves no cursor and sets no title on my terminal."""
    connect("mallory").say("evil \x1b]0;owned\x07 \x1b[2J text", to="alice")
    plain = ok(run_chat("history", "@mallory", server=server, user="alice"))
    assert "\x1b" not in plain and "\x07" not in plain
    assert "evil" in plain and "text" in plain


def test_short_commands_leave_unread_messages_to_the_device(server, connect):
    """`history`, `chats` and `send` of a device take nothing away from its `listen`."""
    connect("alice").say("unread", to="bob")
    phone = ("--device", "phone")
    ok(run_chat(*phone, "history", "@alice", server=server, user="bob"))
    ok(run_chat(*phone, "chats", server=server, user="bob"))
    ok(run_chat(*phone, "send", "@alice", "a reply", server=server, user="bob"))
    assert connect("bob", "phone").expect("msg")["body"] == "unread"


def test_short_commands_without_a_device_say_of_nothing_that_it_was_delivered(server, connect):
    alice = connect("alice")
    alice.say("unread", to="bob")
    ok(run_chat("chats", server=server, user="bob"))
    ok(run_chat("history", "@alice", server=server, user="bob"))
    assert not alice.seen("receipt"), "bob has not read it on any device of his"
    assert connect("bob", "first-device").expect("msg")["body"] == "unread"


# --- tokens ---

def test_a_made_token_opens_the_door(server, workdir):
    secret = os.path.join(workdir, "secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write(server.secret)
    made = ok(run_chat("token", "--secret-file", secret, "--user", "alice")).strip()
    assert jwt.decode(made, server.secret, algorithms=["HS256"])["sub"] == "alice"
    done = run_chat("--url", server.url, "--token", made, "send", "@bob", "hello")
    assert done.returncode == 0, done.stderr


def oct_key(secret):
    return "oct:" + base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()


def spki_key(key):
    der = key.public_key().public_bytes(serialization.Encoding.DER,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)
    return "spki:" + base64.b64encode(der).decode()


def verify(*args, **options):
    return run_chat("token", "verify", *args, **options)


def test_token_verify_tells_valid_from_invalid_and_why():
    secret = "k" * 48
    good, bad = token(secret), token("z" * 48)
    assert verify("HS256", oct_key(secret), good).returncode == 0
    assert verify("HS256", oct_key(secret), "-", stdin=good + "\n").returncode == 0
    refused = verify("HS256", oct_key(secret), bad)
    assert refused.returncode == 1
    assert "signature" in (refused.stdout + refused.stderr).lower()
    old = token(secret, lifetime_s=-3600)
    assert verify("HS256", oct_key(secret), old).returncode == 1
    assert verify("--signature-only", "HS256", oct_key(secret), old).returncode == 0
    for wrong in (["HS256", "oct"], ["HS999", oct_key(secret), good], ["HS256", "hex:00", good]):
        assert verify(*wrong).returncode == 2


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_token_verify_with_public_keys(algorithm):
    key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) if algorithm == "RS256"
           else ec.generate_private_key(ec.SECP256R1()))
    good = token(key, algorithm=algorithm)
    assert verify(algorithm, spki_key(key), good).returncode == 0
    assert verify(algorithm, spki_key(key), good[:-8] + "AAAAAAAA").returncode == 1
    # No token is valid by a key that does not fit the algorithm.
    assert verify("HS256", spki_key(key), good).returncode == 1


# --- exit codes ---

def test_a_wrong_call_exits_with_2():
    for args in (["dance"], ["--url"], ["send"], ["--no-such-option"]):
        done = run_chat(*args)
        assert done.returncode == 2, (args, done)
        assert done.stderr and not done.stdout


def test_a_refused_token_exits_with_1_and_says_so(server):
    refused = run_chat("--url", server.url, "--token", token("z" * 48), "send", "@bob", "hello")
    assert refused.returncode == 1
    assert "unauthorized" in refused.stderr and "signature" in refused.stderr.lower()
    assert refused.stdout == ""


def test_a_server_that_is_not_there_exits_with_3(server):
    assert server.stop() == 0
    refused = run_chat("--timeout", "2", "send", "@bob", "hello", server=server, user="alice")
    assert refused.returncode == 3
    assert "connect" in refused.stderr


def test_a_file_that_is_not_there_exits_with_4(workdir):
    missing = os.path.join(workdir, "missing")
    done = run_chat("--url", "ws://127.0.0.1:1", "--token-file", missing, "chats")
    assert done.returncode == 4
    assert missing in done.stderr


def test_a_refused_message_exits_with_1(server):
    done = run_chat("send", "no-such-group", "hello", server=server, user="alice")
    assert done.returncode == 1
    assert "no such chat" in done.stderr and "not_found" in done.stderr


def test_a_refused_line_does_not_stop_the_others(server, connect):
    alice = connect("alice", "other")
    alice.create("team", "bob")
    done = run_chat("--json", "send", "team", "-", server=server, user="alice",
                    stdin="fits\n" + "x" * 70_000 + "\nfits too\n")
    assert done.returncode == 1
    assert "65536 bytes" in done.stderr
    assert alice.bodies(chat="team") == ["fits", "fits too"]


def test_the_token_may_come_from_the_environment(server):
    done = run_chat("--url", server.url, "send", "@bob", "hello",
                    env={"CHAT_TOKEN": server.token("alice")})
    assert done.returncode == 0, done.stderr


# --- reconnecting ---

def test_listen_survives_a_restart_and_shows_each_message_once(server, listener, connect):
    bob = listener("bob")
    connect("alice").say("before", to="bob")
    bob.wait_line("before")
    server.restart()
    connect("alice").say("after", to="bob")
    bob.wait_line("after", timeout=20)
    shown = [json.loads(line) for line in bob.lines]
    assert [e["body"] for e in of_type(shown, "msg")] == ["before", "after"]


def test_send_waits_for_a_server_that_is_not_there_yet(server, connect):
    port = server.port
    assert server.stop() == 0
    run = Process([chat_path(), "--url", server.url, "--token", server.token("alice"), "--json",
                   "send", "@bob", "patient"])
    try:
        server.start(port)
        run.wait_line('"sent"', timeout=20)
        assert run.wait_exit() == 0
    finally:
        run.kill()
    assert connect("bob").expect("msg")["body"] == "patient"


# --- the prompt ---

class Terminal:
    """A person at a terminal: a pty of 80 by 24 with `chat` on it."""

    def __init__(self, server, user):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
                os.execv(chat_path(),
                         [chat_path(), "--url", server.url, "--token", server.token(user)])
            finally:
                os._exit(127)  # never a second copy of the test run
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.screen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, timeout=DEADLINE_S):
        """Read until the text is there; what was on the screen up to it."""
        end = time.monotonic() + timeout
        while text not in self.screen:
            left = max(end - time.monotonic(), 0)
            assert is_readable(self.fd, left), f"no {text!r} on the screen:\n{self.screen}"
            try:
                got = os.read(self.fd, 65536)
            except OSError:
                got = b""
            assert got, f"the program ended without {text!r}:\n{self.screen}"
            self.screen += ANSI.sub("", got.decode("utf-8", "replace"))
        before, _, self.screen = self.screen.partition(text)
        return before + text

    def wait_exit(self):
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def close(self):
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(server):
    with contextlib.ExitStack() as stack:
        def start(user):
            made = Terminal(server, user)
            stack.callback(made.close)
            return made

        yield start


def test_the_prompt_shows_sent_delivered_and_what_arrives(terminal, connect):
    alice = terminal("alice")
    bob = connect("bob", acks=False)
    alice.wait_for("online as alice")
    alice.type("/to @bob\r")
    alice.wait_for("now talking to @bob")
    alice.type("hello bob\r")
    alice.wait_for("✓ hello bob")
    bob.expect_msg("hello bob")
    bob.ack()
    alice.wait_for("✓✓ hello bob")
    bob.say("hello alice", to="alice")
    assert "bob:" in alice.wait_for("hello alice")


def test_a_message_that_arrives_leaves_the_half_typed_line_alone(terminal, connect):
    alice, bob = terminal("alice"), connect("bob")
    alice.wait_for("online as alice")
    alice.type("/to @bob\r")
    alice.wait_for("now talking to @bob")
    alice.type("half a li")
    alice.wait_for("half a li")
    bob.say("interrupting", to="alice")
    alice.wait_for("interrupting")
    alice.wait_for("half a li")
    alice.type("ne\r")
    bob.expect_msg("half a line")


def test_the_end_of_input_ends_the_prompt(terminal):
    alice = terminal("alice")
    alice.wait_for("online as alice")
    alice.type("\x04")
    assert alice.wait_exit() == 0
