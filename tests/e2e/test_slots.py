# SPDX-License-Identifier: MIT
"""Several chatd as one server: users call any member, and live on the one that has their slot."""
import contextlib
import os
import secrets
import socket
import time

import pytest
from websockets.exceptions import InvalidStatus

import shared
from client import Client, RawSocket
from harness import Server
from test_links import Wire

N_SLOTS = 4
TIMEOUT_MS = 1500


def murmur2(key):
    """As Kafka's Java client and lib/core/route have it."""
    length, m, mask = len(key), 0x5bd1e995, 0xffffffff
    h = 0x9747b28c ^ length
    for at in range(0, length - length % 4, 4):
        k = int.from_bytes(key[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    tail = key[length - length % 4:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def member_of(user, n_members=2, n_slots=N_SLOTS):
    return (murmur2(user.encode()) & 0x7fffffff) % n_slots % n_members


def user_at(member, name):
    """A user of this name, and a number, who lives there."""
    return next(user for n in range(1000) if member_of(user := f"{name}{n}") == member)


class Cluster:
    """Members 0 and 1, each with its own address for clients; 0 dials 1 through a wire."""

    def __init__(self, workdir, options=()):
        self.wire = Wire()
        secret, link_secret = secrets.token_urlsafe(48), os.path.join(workdir, "link.secret")
        with open(link_secret, "w", encoding="ascii",
                  opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(secrets.token_hex(32) + "\n")
        self.members = [Server(os.path.join(workdir, f"data{n}"), secret=secret, options=[
            "--slots", N_SLOTS, "--link-member", n, "--link-listen", "127.0.0.1:0",
            "--link-peers", f"0@127.0.0.1:1,1@127.0.0.1:{self.wire.port}",
            "--link-secret-file", link_secret, "--link-timeout-ms", TIMEOUT_MS,
            "--link-retry-max-ms", "100", *options]) for n in (0, 1)]

    def start(self, member):
        server = self.members[member]
        server.start()
        port = int(server.run.wait_line(r"takes links on port (\d+)").group(1))
        if member == 1:
            self.wire.target = port
        return server

    def start_both(self):
        self.start(1)
        self.start(0)
        self.wait_up()

    def wait_up(self, starts=(0, 0)):
        for server, start in zip(self.members, starts):
            server.run.wait_line(r"link to member \d is up", start=start)

    def connect(self, member, user, **options):
        """Once the member knows where the user lives."""
        end = time.monotonic() + 10
        while True:
            try:
                return Client(self.members[member], user, **options)
            except InvalidStatus as refused:
                assert refused.response.status_code == 503
                assert refused.response.headers["Retry-After"] == "1"
                assert time.monotonic() < end
                time.sleep(0.02)

    def finish(self):
        self.wire.close()
        for server in self.members:
            server.finish()


@pytest.fixture
def make_cluster(workdir):
    with contextlib.ExitStack() as stack:
        def make(*options):
            cluster = Cluster(workdir, options)
            stack.callback(cluster.finish)
            return cluster
        yield make


@pytest.fixture
def cluster(make_cluster):
    made = make_cluster()
    made.start_both()
    return made


@pytest.mark.parametrize("codec", ["json", "cbor"])
@pytest.mark.parametrize("called", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_users_who_call_any_member_talk(cluster, called, codec):
    """All four ways: a user at home and a user elsewhere, on each side."""
    for living in ((0, 0), (0, 1), (1, 0), (1, 1)):
        users = [user_at(living[i], f"u{i}{called[i]}{living[i]}") for i in (0, 1)]
        with cluster.connect(called[0], users[0], codec=codec) as one, \
                cluster.connect(called[1], users[1], codec=codec) as two:
            for client in (one, two):
                client.expect("resumed")
            for n in range(3):
                one.say(f"there {n}", to=users[1])
                two.expect_msg(f"there {n}")
                two.say(f"back {n}", to=users[0])
                one.expect_msg(f"back {n}")


def test_a_group_over_both_members(cluster):
    users = [user_at(n % 2, f"g{n}x") for n in range(6)]
    clients = [cluster.connect(n // 3, user) for n, user in enumerate(users)]
    clients[0].create("group", *users[1:])
    for n, client in enumerate(clients):
        client.say(f"from {n}", chat="group")
    for at, client in enumerate(clients):
        for n in range(len(clients)):
            if n != at:
                client.expect_msg(f"from {n}")
    for client in clients:
        client.close()


def test_pings_and_bad_frames_are_answered_as_at_home(cluster):
    answers = []
    for living in (0, 1):
        with cluster.connect(0, user_at(living, "p")) as client:
            assert client.socket.ping(b"x").wait(5)
        seen = []
        for payload, opcode in ((b"{", 1), (b"\xa0", 2), (b"\xff", 1)):
            with RawSocket(cluster.members[0]) as raw:
                raw.greet(user_at(living, "q"))
                raw.put(payload, opcode)
                seen.append(raw.close_code())
        answers.append(seen)
    assert answers[0] == answers[1]


def test_a_token_that_ends_ends_the_connection(cluster):
    user = user_at(1, "brief")
    with cluster.connect(0, user, token=cluster.members[0].token(user, exp=int(time.time()) + 2)) \
            as client:
        assert client.close_code() == 4001


def test_a_member_that_dies_is_told_to_its_users(cluster):
    with cluster.connect(0, user_at(1, "orphan")) as client, \
            cluster.connect(0, user_at(0, "local")) as local:
        cluster.members[1].kill()
        assert client.close_code() == 1013
        with pytest.raises(InvalidStatus) as refused:
            Client(cluster.members[0], user_at(1, "orphan"))
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["Retry-After"] == "1"
        local.say("still here", to=user_at(0, "other"))
        start = len(cluster.members[0].run.lines)
        cluster.members[1].runs.clear()
        cluster.start(1)
        cluster.wait_up((start, 0))
    with cluster.connect(0, user_at(1, "orphan")) as client:
        client.say("again", to=user_at(0, "local"))


def test_a_member_that_died_loses_who_called_the_other(cluster):
    """The user stays: presence and the next connection."""
    away, watcher = user_at(0, "away"), user_at(0, "watcher")
    with cluster.connect(0, watcher) as client:
        far = cluster.connect(1, away)
        _, answer = client.request("presence.watch", users=[away])
        cluster.members[1].kill()
        client.expect("presence", user=away, online=False)
        far.abandon()
        with cluster.connect(0, away):
            client.expect("presence", user=away, online=True)
    cluster.members[1].runs.clear()


def test_who_lives_on_a_dead_member_is_asked_for_and_watched(cluster):
    """An answer at once, Redis's if there is one; the watch goes to whoever runs the slot next."""
    code_of = {"presence.get": None if shared.has_redis() else "timeout",
               "presence.watch": "timeout"}
    here, away = user_at(0, "here"), user_at(1, "away")
    with cluster.connect(0, here) as client:
        cluster.members[1].kill()
        cluster.members[0].run.wait_line("member 1 is lost")
        for kind, code in code_of.items():
            rows, answer = client.request(kind, users=[here, away])
            assert answer["t"] == "result" and answer["count"] == 2
            assert {row["user"]: (row["online"], row.get("code")) for row in rows} == {
                here: (True, None), away: (False, code)}
        start = len(cluster.members[0].run.lines)
        cluster.members[1].runs.clear()
        cluster.start(1)
        cluster.wait_up((start, 0))
        assert "code" not in client.expect("presence", user=away, online=False)
        with cluster.connect(1, away):
            client.expect("presence", user=away, online=True)


def test_a_cut_wire_is_not_noticed(cluster):
    with cluster.connect(0, user_at(1, "a")) as one, cluster.connect(1, user_at(0, "b")) as two:
        for n in range(20):
            one.say(f"m{n}", to=two.user)
            two.expect_msg(f"m{n}")
            if n % 5 == 0:
                cluster.wire.cut()


def test_a_frozen_wire_ends_both_sides_and_heals(cluster):
    one = cluster.connect(0, user_at(1, "a"))
    two = cluster.connect(1, user_at(0, "b"))
    starts = [len(server.run.lines) for server in cluster.members]
    cluster.wire.freeze()
    assert one.close_code() == 1013
    assert two.close_code() == 1013
    cluster.wire.thaw()
    cluster.wait_up(starts)
    with cluster.connect(0, one.user) as one, cluster.connect(1, two.user) as two:
        one.say("after", to=two.user)
        two.expect_msg("after")


def test_a_slow_reader_elsewhere_is_one(make_cluster):
    cluster = make_cluster("--max-unsent-bytes", "65536", "--slow-close-ms", "1000")
    cluster.start_both()
    reader, n, body = user_at(1, "slow"), 600, "x" * 20000
    with RawSocket(cluster.members[0]) as raw, cluster.connect(1, user_at(1, "fast")) as writer:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.greet(reader)
        for at in range(n):
            writer.say(f"{at} {body}", to=reader)
        cluster.members[1].run.wait_line("too slowly|not read")


def test_a_drain_says_so_to_users_from_elsewhere(cluster):
    with cluster.connect(0, user_at(1, "away")) as far, cluster.connect(1, user_at(0, "near")) as near:
        cluster.members[1].run.signal(15)
        assert far.close_code() == 1012
        assert near.close_code() == 1012
    assert cluster.members[1].run.wait_exit() == 0


def test_members_that_do_not_agree_do_not_link(make_cluster):
    cluster = make_cluster()
    cluster.members[1].options += ["--slots", "8"]
    cluster.start(1)
    cluster.start(0)
    cluster.members[0].run.wait_line("slots=4.*slots=8|slots=8.*slots=4|set up differently")
