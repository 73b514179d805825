# SPDX-License-Identifier: MIT
"""libchat-redis against real Redis: alone, as shards, under sentinels, as a cluster."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from conftest import ROOT, primary_of, services

sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(ROOT / "tools"))
from test_operator import make_certificate  # noqa: E402
from service.common import free_port  # noqa: E402

N_RULES = 14
SHAPES = {"standalone": "redis", "shards": "redis:3", "sentinel": "sentinel",
          "cluster": "redis-cluster"}


def environment(servers, mode="standalone", **more):
    return {**os.environ, "CHAT_REDIS": servers, "CHAT_REDIS_MODE": mode,
            "CHAT_REDIS_MASTER": "chat",
            **{f"CHAT_REDIS_{name.upper()}": str(value) for name, value in more.items()}}


def start(build, env, *args):
    return subprocess.Popen([str(build / "tests/services/services_redis"), *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)


def finish(program):
    text, _ = program.communicate(timeout=200)
    return program.returncode, text


def where(up, mode):
    found = up(SHAPES[mode])["where"]
    return found["sentinels" if mode == "sentinel" else "servers"]


@pytest.mark.parametrize("mode", SHAPES)
def test_the_contract_of_what_is_shared(up, build, mode):
    code, text = finish(start(build, environment(where(up, mode), mode)))
    assert code == 0, text
    assert f"[  PASSED  ] {N_RULES} test(s)." in text


@pytest.mark.parametrize("mode", ["sentinel", "cluster", "standalone"])
def test_a_killed_primary_costs_time_and_no_answer(up, build, mode):
    """20,000 reservations, 64 at a time, and kill -9 after the first quarter."""
    found = up(SHAPES[mode])
    member = primary_of(found, SHAPES[mode])
    pid = next(each["pid"] for each in found["members"] if each["name"] == member)
    program = start(build, environment(where(up, mode), mode), "survive")
    for line in program.stdout:
        if line.strip() == "now":
            break
    os.kill(pid, signal.SIGKILL)  # at once: all is answered within a second
    if mode == "standalone":
        services("start", member)
    code, text = finish(program)
    if mode != "standalone":
        services("start", member)
    assert code == 0, text
    print(text)
    found = re.search(r"done (\d+) unknown (\d+) not (\d+) wrong (\d+) longest (\d+) ms", text)
    assert [int(n) for n in found.groups()[:4]] == [20000, 0, 0, 0], text
    assert "problem: redis 127.0.0.1:" in text


@pytest.fixture
def private(tmp_path):
    """A Redis with TLS alone, a user and a certificate of its own."""
    cert, key = make_certificate(tmp_path, "localhost")
    port, plain = free_port(), free_port()
    (tmp_path / "redis.conf").write_text(
        f"port {plain}\ntls-port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsave \"\"\n"
        f"tls-cert-file {cert}\ntls-key-file {key}\ntls-auth-clients no\n"
        "user chat on >secret ~user:* ~offline* ~cid:* ~rate:* ~recent:* +@all -@dangerous\n"
        "user narrow on >secret ~other:* +@all\nuser default off\n", encoding="utf-8")
    run = subprocess.Popen([shutil.which("redis-server"), str(tmp_path / "redis.conf")],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started = False
    for line in run.stdout:
        started = "Ready to accept connections" in line
        if started:
            break
    assert started
    yield {"tls": f"localhost:{port}", "address": f"127.0.0.1:{port}",
           "plain": f"127.0.0.1:{plain}", "ca": cert}
    run.kill()
    run.wait()


def test_tls_and_a_user_who_may_do_no_more_than_needed(private, build):
    env = environment(private["tls"], tls=1, ca=private["ca"], user="chat", password="secret")
    code, text = finish(start(build, env))
    assert code == 0, text
    assert f"[  PASSED  ] {N_RULES} test(s)." in text


@pytest.mark.parametrize("servers, options, words", [
    ("plain", {}, "set `password`"),
    ("plain", {"user": "chat", "password": "wrong"}, "correct `user` and `password`"),
    ("plain", {"user": "narrow", "password": "secret"}, "another `user`"),
    ("plain", {"user": "chat", "password": "secret", "tls": 1}, "`tls`"),
    ("tls", {"user": "chat", "password": "secret"}, "`tls`"),
    ("tls", {"user": "chat", "password": "secret", "tls": 1}, "`ca_file`"),
    ("tls", {"tls": 1, "ca": "/nowhere.pem"}, "`ca_file`")])
def test_mistakes_with_a_private_server(private, build, servers, options, words):
    code, text = finish(start(build, environment(private[servers], **options), "try"))
    assert code != 0 and words in text, text


@pytest.mark.parametrize("service, mode, more, words", [
    ("redis", "cluster", {}, "set `mode` to standalone"),
    ("redis", "sentinel", {}, "set `mode` to standalone"),
    ("redis", "standalone", {"database": 99}, "lower `database`"),
    ("redis", "standalone", {"user": "chat"}, "`password`"),
    ("redis-cluster", "standalone", {}, "set `mode` to cluster"),
    ("sentinel", "standalone", {}, "set `mode` to sentinel"),
    ("sentinel", "sentinel", {"master": "nobody"}, "`master`")])
def test_mistakes_with_what_redis_is_like(up, build, service, mode, more, words):
    found = up(service)["where"]
    servers = found.get("sentinels", found["servers"]).split(",")[0]
    code, text = finish(start(build, environment(servers, mode, **more), "try"))
    assert code != 0 and words in text, text


@pytest.mark.parametrize("servers, words", [
    ("127.0.0.1:1", "check host and port in `servers`"),
    ("no.such.host.invalid:6379", "correct `servers`"),
    ("localhost", "\"host:port\" is needed")])
def test_mistakes_with_addresses(build, servers, words):
    code, text = finish(start(build, environment(servers), "try"))
    assert code != 0 and words in text, text
