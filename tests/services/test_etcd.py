# SPDX-License-Identifier: MIT
"""Node numbers from a real etcd: the contract of leases, and chatd with it."""

import base64
import json
import os
import subprocess
import sys
import threading
import urllib.request

import pytest

from conftest import ROOT, figures, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
from client import Client  # noqa: E402
from harness import Server  # noqa: E402

TTL_MS = 3000


@pytest.fixture
def etcd(up):
    where = up("etcd")["where"]["endpoints"]
    yield where
    if [m for m in json.loads(services("status", "--json").stdout)["etcd"]["members"]
            if m["state"] != "runs"]:
        services("start", "etcd-1")


@pytest.fixture
def make_chatd(tmp_path, build, etcd, monkeypatch, request):
    """chatd with two shards each, with numbers below a prefix of this test."""
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    started = []

    def make(name, *options, env=None):
        server = Server(tmp_path / name, env=env, options=[
            "--shards", 2, "--etcd", etcd, "--etcd-prefix", f"{request.node.name}/",
            "--etcd-ttl-ms", TTL_MS, *options])
        started.append(server)
        return server.start()

    yield make
    for server in started:
        server.finish()


def keys(etcd, prefix):
    """What etcd has below a prefix."""
    def code(text):
        return base64.b64encode(text.encode()).decode()

    body = json.dumps({"key": code(prefix), "range_end": code(prefix + "~")}).encode()
    with urllib.request.urlopen(urllib.request.Request(etcd + "/v3/kv/range", body), timeout=5) as a:
        found = json.load(a).get("kvs", [])
    return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv["value"]).decode()
            for kv in found}


def number_of(message_id):
    return message_id >> 13 & 1023


def numbers_held(server, start=0):
    found = server.run.wait_line(r"node numbers are held:((?: \d+)+)", start=start)
    return [int(word) for word in found.group(1).split()]


def ids_of(client, count, to):
    return [client.say(f"{i}", to=to)["id"] for i in range(count)]


def test_the_contract_of_leases(etcd, build):
    tool = ROOT / "tools/services"
    done = subprocess.run([str(build / "tests/services/services_etcd")], text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, CHAT_ETCD=etcd,
                                   CHAT_ETCD_RESTART=f"{tool} kill etcd-1 && {tool} start etcd-1"))
    assert done.returncode == 0, done.stdout
    assert "[  PASSED  ] 8 test(s)." in done.stdout


def test_the_contract_of_places(etcd, build):
    done = subprocess.run([str(build / "tests/services/services_etcd_places")], text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, CHAT_ETCD=etcd))
    assert done.returncode == 0, done.stdout
    assert "[  PASSED  ] 8 test(s)." in done.stdout


def test_two_servers_get_different_numbers_and_make_different_ids(make_chatd, etcd, request):
    one, two = make_chatd("one"), make_chatd("two")
    held = [numbers_held(server) for server in (one, two)]
    assert len(set(held[0] + held[1])) == 4
    ids = []
    for server, numbers in zip((one, two), held):
        with Client(server, "alice") as alice:
            # Chats of many names, so that both shards make some.
            mine = [alice.say("x", to=f"user-{i}")["id"] for i in range(50)]
        assert {number_of(i) for i in mine} == set(numbers)
        figure = figures(server)
        assert figure["chat_lease_held"] == "1"
        assert [int(figure[f'chat_node_number{{shard="{i}"}}']) for i in (0, 1)] == numbers
        ids += mine
    assert len(set(ids)) == 100
    members = [json.loads(value) for key, value in keys(etcd, f"{request.node.name}/").items()
               if "/member/" in key]
    assert sorted(m["address"] for m in members) == sorted(f"127.0.0.1:{s.port}" for s in (one, two))
    assert sorted(sorted(m["numbers"]) for m in members) == sorted(held)
    assert one.stop() == 0
    left = keys(etcd, f"{request.node.name}/")
    assert len([key for key in left if "/holder/" in key]) == 2  # given back, not timed out
    assert len([key for key in left if "/until/" in key]) == 4


def test_senders_wait_while_etcd_is_away_and_go_on(make_chatd, etcd):
    server = make_chatd("one")
    numbers_held(server)
    with Client(server, "alice") as alice:
        before = ids_of(alice, 5, "bob")
        lines = len(server.run.lines)
        services("kill", "etcd-1")
        line = server.run.wait_line(r"warning: etcd .*--etcd", start=lines).group(0)
        assert etcd in line and "Ids can be given for" in line
        before += ids_of(alice, 5, "bob")  # what is leased is used up first
        line = server.run.wait_line(r"error: node numbers are lost.*", start=lines).group(0)
        assert "--etcd" in line and "--etcd-ttl-ms" in line
        refused = alice.expect("error", cid=alice.send("wait", to="bob", cid="once"))
        assert refused["code"] == "no_lease" and refused["retry_after_ms"] >= 100
        assert alice.history(to="bob")[0]  # what needs no id is answered
        figure = figures(server)
        assert (figure["chat_lease_held"], figure["chat_lease_lost_total"]) == ("0", "1")
        lines = len(server.run.lines)
        services("start", "etcd-1")
        numbers_held(server, lines)
        sent = alice.say("wait", to="bob", cid="once")
        after = [sent["id"]] + ids_of(alice, 5, "bob")
        assert sorted(set(before + after)) == before + after
        assert [row["body"] for row in alice.history(to="bob")[0]].count("wait") == 1
    assert figures(server)["chat_lease_held"] == "1"


def test_a_kill_of_etcd_under_load_makes_no_id_twice(make_chatd):
    pair = [make_chatd("one"), make_chatd("two")]
    for server in pair:
        numbers_held(server)
    found, stop = [[], []], threading.Event()

    def talk(server, ids):
        with Client(server, "alice") as alice:
            while not stop.is_set():
                cid = alice.send("x", to="bob")
                while not [f for f in alice.inbox if f.get("cid") == cid]:
                    alice._take(10)
                ids += [f["id"] for f in alice.inbox if f["t"] == "sent"]
                alice.inbox.clear()

    talkers = [threading.Thread(target=talk, args=row) for row in zip(pair, found)]
    for talker in talkers:
        talker.start()
    try:
        for _ in range(2):
            marks = [len(server.run.lines) for server in pair]
            services("kill", "etcd-1")
            for server, mark in zip(pair, marks):
                server.run.wait_line("node numbers are lost", start=mark)
            services("start", "etcd-1")
            for server, mark in zip(pair, marks):
                numbers_held(server, mark)
    finally:
        stop.set()
        for talker in talkers:
            talker.join(20)
    assert all(len(ids) > 50 for ids in found)
    assert len(set(found[0] + found[1])) == len(found[0]) + len(found[1])


def test_etcd_comes_later_than_chatd_and_a_dead_endpoint_is_passed_over(make_chatd, etcd):
    services("kill", "etcd-1")
    server = make_chatd("one", "--etcd", "http://127.0.0.1:1," + etcd)
    line = server.run.wait_line(r"warning: etcd .*").group(0)
    assert "No ids are given until it answers: is --etcd right" in line
    with Client(server, "alice") as alice:
        refused = alice.expect("error", cid=alice.send("x", to="bob"))
        assert refused["code"] == "no_lease"
        services("start", "etcd-1")
        numbers_held(server)
        assert alice.say("y", to="bob")["id"]


def test_a_server_takes_more_numbers_than_fit_one_transaction(make_chatd):
    server = make_chatd("one", "--shards", 70)
    numbers_held(server)
    found = [value for name, value in figures(server).items() if name.startswith("chat_node_number{")]
    assert len(set(found)) == 70


@pytest.mark.parametrize("options, words", [
    (["--etcd", "localhost:2379"], "etcd: 1 to 16 URLs are needed"),
    (["--etcd-ca-file", "/nowhere.pem"], "etcd-ca-file: the file cannot be read"),
    (["--etcd-ttl-ms", "10"], "no number from 2000 to 600000")])
def test_mistakes_are_told(options, words, build, tmp_path, monkeypatch, etcd):
    monkeypatch.setenv("LIBCHAT_BIN", str(build))
    server = Server(tmp_path / "one", options=["--etcd", etcd, *options])
    run = server.spawn()
    assert run.wait_exit() in (1, 2)
    assert words in run.output, run.output
