# SPDX-License-Identifier: MIT
"""GET /metrics: what was done is counted, the page is documented, and it can be turned off."""
import http.client
import pathlib
import re
import time

import shared
from harness import DEADLINE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]


def get(server, path="/metrics", port=None):
    connection = http.client.HTTPConnection(server.host, port or server.port, timeout=DEADLINE_S)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def figures(server):
    """Those of all shards and processes together."""
    sums = {}
    for port in server.ports:
        status, text = get(server, port=port)
        assert status == 200, text
        for name, labels, value in re.findall(r"^(\w+)(\{[^}]*\})? (\S+)$", text, re.M):
            key = name if labels.startswith("{shard") else name + labels
            sums[key] = sums.get(key, 0) + float(value)
    return sums


def has_own_log():
    return not shared.is_wanted()


def event(name):
    return 'chat_events_total{event="%s"}' % name


def figures_with(server, events):
    """A shard publishes when its turn ends: after what it did can be seen."""
    end = time.monotonic() + DEADLINE_S
    while True:
        now = figures(server)
        seen = {name: now[event(name)] for name in events}
        if seen == events or time.monotonic() > end:
            assert seen == events
            return now


def test_what_happens_to_messages_is_counted(server, connect):
    alice, bob = connect("alice"), connect("bob")
    bob.expect("resumed")  # else the first one may wait for what the device has
    for i in range(3):
        alice.say(f"message {i}", to="bob")
        bob.expect_msg(f"message {i}")
    alice.say("for later", to="carol")
    now = figures_with(server, {"accepted": 4, "durable": 4, "pushed": 3, "acked": 3, "queued": 1})
    assert now["chat_delivery_seconds_count"] == 3
    assert now['chat_delivery_seconds_bucket{le="+Inf"}'] == 3
    assert now["chat_connections"] == 2
    assert now["chat_log_commits_total"] >= 1 if has_own_log() else "chat_log_commits_total" not in now
    assert now["chat_received_bytes_total"] > 0 and now["chat_sent_bytes_total"] > 0
    assert now["chat_storage_failed"] == 0


def test_every_figure_is_documented(server):
    page = (ROOT / "docs/operations.md").read_text()
    _, text = get(server)
    heads = re.findall(r"^# HELP (\w+) (.*)$", text, re.M)
    assert heads
    for name, says in heads:
        assert re.search(r"^\| `%s(\{\w+\})?` \| %s \|$" % (name, re.escape(says)), page, re.M), name
    for name in re.findall(r'event="(\w+)"', text):
        assert f"| `{name}` |" in page, name


def test_it_can_be_turned_off(make_server):
    server = make_server(options=["--metrics", "off"]).start()
    assert get(server)[0] == 404
    assert get(server, "/healthz")[0] == 200
