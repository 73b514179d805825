# SPDX-License-Identifier: MIT
"""chatd that shares presence and limits in a real Redis: what stands there, who is asked when a
member is not reached, what is counted over members, and what happens without it.
"""
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import ROOT, figures, primary_of, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
import shared  # noqa: E402
from client import Client  # noqa: E402
from harness import Server  # noqa: E402

TTL_S = 3


class Redis:
    def __init__(self, where):
        self.servers = where
        self.port = where.rsplit(":", 1)[1]

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", self.port, *words], capture_output=True,
                              text=True, timeout=10, check=True).stdout.split()

    def devices(self, user):
        found = self.ask("HKEYS", f"user:{{{user}}}:devices")
        return sorted(found)

    def place(self, user, device):
        """Behind the time at which it ends."""
        return "".join(self.ask("HGET", f"user:{{{user}}}:devices", device)[-1:])


def wait_for(is_so, timeout=10):
    end = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.05)


@pytest.fixture
def redis(up):
    found = Redis(up("redis")["where"]["servers"])
    found.ask("FLUSHALL")
    return found


@pytest.fixture
def make(tmp_path, build, monkeypatch):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    made = []

    def make_one(name, redis, *options):
        more = ("--redis", redis, "--redis-presence-ttl-s", TTL_S) if redis else ()
        made.append(Server(tmp_path / name, secret="s" * 48, options=[*more, *options]))
        return made[-1]

    yield make_one
    for server in made:
        server.finish()


def test_devices_appear_stay_and_go(make, redis):
    server = make("one", redis.servers, "--metrics", "on").start()
    phone = Client(server, "alice", "phone")
    laptop = Client(server, "alice", "laptop")
    wait_for(lambda: redis.devices("alice") == ["laptop", "phone"])
    assert redis.place("alice", "phone") == f"0@127.0.0.1:{server.port}"
    assert redis.ask("GET", "user:{alice}:presence") == ["online"]
    assert figures(server)["chat_shared_devices"] == "2"
    time.sleep(2 * TTL_S)  # longer than it lives when nobody says it again
    assert redis.devices("alice") == ["laptop", "phone"]
    assert 0 < int(redis.ask("TTL", "user:{alice}:presence")[0]) <= TTL_S
    phone.close()
    wait_for(lambda: redis.devices("alice") == ["laptop"])
    assert redis.ask("GET", "user:{alice}:presence") == ["online"]
    laptop.request("presence.hide", hidden=True)
    wait_for(lambda: redis.ask("EXISTS", "user:{alice}:presence") == ["0"])
    laptop.request("presence.hide", hidden=False)
    wait_for(lambda: redis.devices("alice") == ["laptop"])
    again = Client(server, "alice", "laptop")  # the connection before is closed behind it
    again.request("presence.get", users=["alice"])
    time.sleep(0.5)
    assert redis.devices("alice") == ["laptop"]
    assert server.stop() == 0
    assert redis.devices("alice") == []


def test_what_a_dead_server_said_ends_by_itself(make, redis):
    server = make("one", redis.servers).start()
    Client(server, "alice", "phone")
    wait_for(lambda: redis.devices("alice") == ["phone"])
    server.kill()
    server.runs.clear()
    assert redis.devices("alice") == ["phone"]
    wait_for(lambda: redis.ask("EXISTS", "user:{alice}:presence", "user:{alice}:devices") == ["0"],
             TTL_S + 2)


def start_members(make, redis, tmp_path):
    """Two with a slot each."""
    secret = tmp_path / "links.secret"
    secret.write_text("a secret of the cluster for tests only")
    secret.chmod(0o600)
    ports = shared.free_ports(2)
    peers = ",".join(f"{i}@127.0.0.1:{port}" for i, port in enumerate(ports))
    members = [make(f"member{i}", redis, "--slots", 2, "--link-member", i, "--link-listen",
                    f"127.0.0.1:{port}", "--link-peers", peers, "--link-secret-file", secret,
                    "--link-timeout-ms", 1000) for i, port in enumerate(ports)]
    for member in members:
        member.start()
    for member in members:
        member.run.wait_line(r"link to member \d+ is up")
    return members


def who_is_left(clients):
    """One of them that lives where it is connected to."""
    for client in clients:
        try:
            client.request("presence.get", users=[client.user])
            return client
        except (ConnectionClosed, AssertionError):
            continue
    raise AssertionError("all were closed")


def ask(client, *users):
    rows, answer = client.request("presence.get", users=list(users))
    assert answer["t"] == "result" and answer["count"] == len(users)
    return {row["user"]: row["online"] for row in rows}, rows


@pytest.mark.parametrize("has_redis", [True, False])
def test_who_lives_on_a_member_that_is_not_reached(make, redis, tmp_path, has_redis):
    first, second = start_members(make, redis.servers if has_redis else None, tmp_path)
    users = [f"user-{i}" for i in range(12)]
    there = [Client(second, user, "device") for user in users[:6]]
    askers = [Client(first, f"asker-{i}") for i in range(6)]
    found, _ = ask(askers[0], *users)
    assert [user for user in users if found[user]] == users[:6]
    if has_redis:
        away = [user for user in users if redis.place(user, "device").startswith("1@")]
        assert away
    second.run.signal(signal.SIGSTOP)  # it lives, and nobody reaches it
    first.run.wait_line("member 1 is lost")
    asker = who_is_left(askers)
    began = time.monotonic()
    found, rows = ask(asker, *users)
    watched, _ = asker.request("presence.watch", users=list(users))
    took = time.monotonic() - began
    unknown = {row["user"] for row in watched if row.get("code") == "timeout"}
    second.run.signal(signal.SIGCONT)
    assert took < 1
    if has_redis:
        assert [user for user in users if found[user]] == away
        assert unknown >= set(away)
    else:
        assert {row["user"] for row in rows if row.get("code") == "timeout"} == unknown
    for user in unknown:  # the member is back, with its slot, and says how each is
        asker.expect("presence", user=user)
    for client in there:
        client.close()


def test_an_address_is_limited_over_all_members(make, redis):
    limits = ("--rate-handshakes", 1, "--burst-handshakes", 6)
    pair = [make(name, redis.servers, *limits).start() for name in ("one", "two")]
    taken, began = 0, time.monotonic()
    for i in range(24):
        try:
            Client(pair[i % 2], "alice", f"device-{i}").close()
            taken += 1
        except InvalidStatus as refused:
            assert refused.response.status_code == 429
        time.sleep(0.02)
    passed = time.monotonic() - began
    print(f"{taken} of 24 let in, {passed:.1f} s; each alone would let in {6 + int(passed)}")
    assert 6 <= taken <= 6 + passed + 2
    assert "rate:{handshakes:127.0.0.1}" in redis.ask("KEYS", "rate:*")


def test_without_redis_it_goes_on_and_says_so_once(make, redis):
    limits = ("--rate-handshakes", 1, "--burst-handshakes", 50, "--metrics", "on")
    server = make("one", redis.servers, *limits).start()
    alice, bob = Client(server, "alice"), Client(server, "bob")
    wait_for(lambda: redis.devices("bob") != [])
    services("kill", "redis-1")
    server.run.wait_line("what servers share in memory is missing.*redis-x")
    longest = 0
    for i in range(40):
        began = time.monotonic()
        alice.say(f"number {i}", to="bob")
        bob.expect_msg(f"number {i}")
        longest = max(longest, time.monotonic() - began)
        time.sleep(0.05)
    carol = Client(server, "carol")
    assert longest < 0.5
    assert figures(server)["chat_shared_up"] == "0"
    services("start", "redis-1")
    server.run.wait_line("what servers share in memory is back", 20)
    wait_for(lambda: redis.devices("carol") != [] and redis.devices("alice") != [])
    assert figures(server)["chat_shared_up"] == "1"
    assert len(re.findall("is missing", server.run.output)) == 1
    carol.close()


def measure(took, name, action):
    began = time.monotonic()
    action()
    took[name].append(time.monotonic() - began)


@pytest.mark.parametrize("service, sent, options", [
    ("redis", "STOP", ()),
    ("sentinel", "KILL", ("--redis-mode", "sentinel", "--redis-master", "chat")),
    ("redis-cluster", "KILL", ("--redis-mode", "cluster"))])
def test_nothing_waits_for_redis(make, up, service, sent, options):
    found = up(service)
    where, member = found["where"], primary_of(found, service)
    limits = ("--rate-handshakes", 100, "--burst-handshakes", 1000, "--metrics", "on")
    server = make("one", where.get("sentinels", where["servers"]), *options, *limits).start()
    alice, bob = Client(server, "alice"), Client(server, "bob")
    wait_for(lambda: int(figures(server)["chat_shared_asks_total"]) > 2)
    took = {"message": [], "question": [], "connection": []}
    services("kill", member, "--signal", sent)
    try:
        end = time.monotonic() + 8
        while time.monotonic() < end:
            measure(took, "message", lambda: alice.say("hello", to="bob"))
            measure(took, "question", lambda: ask(bob, "alice"))
            measure(took, "connection", lambda: Client(server, "carol").close())
            time.sleep(0.05)
    finally:
        if sent == "STOP":
            services("kill", member, "--signal", "CONT")
        else:
            services("start", member)
    longest = {name: round(max(times) * 1000) for name, times in took.items()}
    print(f"{member}: {len(took['message'])} of each; longest in ms: {longest}")
    assert max(longest.values()) < 1000
    server.run.wait_line("what servers share in memory is missing")
    wait_for(lambda: figures(server)["chat_shared_up"] == "1", 30)


@pytest.mark.parametrize("options, words", [
    (("--redis", "127.0.0.1:1"), "check host and port in `servers`.*`servers` is redis"),
    (("--redis-user", "nobody", "--redis-password-file", "PASSWORD"),
     "correct `user` and `password`.*redis-password-file"),
    (("--redis-tls", "on"), "`tls`.*redis-x"),
    (("--redis-mode", "cluster"), "set `mode` to standalone"),
    (("--redis-mode", "sentinel", "--redis-master", "main"), "set `mode` to standalone"),
    (("--redis-database", 99), "lower `database`")])
def test_a_wrong_setting_is_named_and_it_goes_on(make, redis, options, words, tmp_path):
    (tmp_path / "password").write_text("wrong\n")
    options = [tmp_path / "password" if each == "PASSWORD" else each for each in options]
    server = make("one", redis.servers, *options).start()
    alice, bob = Client(server, "alice"), Client(server, "bob")
    server.run.wait_line(words)
    alice.say("hello", to="bob")
    bob.expect_msg("hello")


@pytest.mark.parametrize("options, words", [
    (("--redis", "nowhere"), "redis: .*\"host:port\" is needed.*`servers` is redis"),
    (("--redis-mode", "else"), "redis-mode: standalone, shards, sentinel or cluster is needed"),
    (("--redis-mode", "sentinel"), "redis: .*`master`"),
    (("--redis-password-file", "/nowhere"), "redis-password-file: the file cannot be read"),
    (("--redis-ca-file", "/nowhere"), "redis-ca-file: the file cannot be read")])
@pytest.mark.parametrize("check", [(), ("--check-config",)])
def test_what_cannot_be_is_said_at_the_start(make, redis, options, words, check):
    server = make("one", redis.servers, *options, *check)
    run = server.spawn()
    assert run.wait_exit() == 2
    assert re.search(words, run.output), run.output
    server.runs.clear()


def test_the_end_to_end_tests_of_presence(build, redis):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "tests/e2e/test_presence.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        env=dict(os.environ, LIBCHAT_BIN=str(build), LIBCHAT_BUILD=str(build),
                 LIBCHAT_TEST_OPTIONS=f"--redis {redis.servers}"))
    print(done.stdout[-20000:], done.stderr[-2000:])
    assert done.returncode == 0
