# SPDX-License-Identifier: MIT
"""tools/services: real servers come up, die, come back, and go."""

import json

from conftest import services


def test_a_member_dies_and_comes_back_with_what_it_had(up):
    servers = up("redis:2")
    assert len(servers["where"]["servers"].split(",")) == 2
    services("kill", "redis-2")
    state = json.loads(services("status", "--json").stdout)["redis"]["members"]
    assert [member["state"] for member in state] == ["runs", "ended"]
    services("start", "redis-2")
    state = json.loads(services("status", "--json").stdout)["redis"]["members"]
    assert [member["state"] for member in state] == ["runs", "runs"]


def test_mistakes_are_told(up):
    up("redis:2")
    services("down", "haproxy")
    for args, words in [(["up", "nats"], "there are kafka"), (["up", "etcd:2"], "one of 1, 3"),
                        (["kill", "redis-9"], "no member"), (["start", "redis-1"], "runs"),
                        (["up", "haproxy"], "CHAT_NODES")]:
        done = services(*args, is_ok=False)
        assert done.returncode == 1
        assert words in done.stderr, done.stderr
