# SPDX-License-Identifier: MIT
"""The devices of a user: listed, removed, forgotten when they are away for long, and not too many."""
import json
import os
import sqlite3
import time

import pytest

from harness import Process, chat_path, run_chat


def devices(client):
    rows, answer = client.request("devices")
    assert (answer["t"], answer["count"]) == ("result", len(rows)), answer
    return {row["device"]: row for row in rows}


def remove(client, device):
    return client.request("device.remove", device=device)[1]


def resumed(client):
    frame = client.expect("resumed")
    return frame["state"], frame["count"]


def kill_and_start(server):
    server.kill()
    server.runs.pop()
    server.start()


def stored(server, table, device):
    """Rows of state.db, as somebody who looks from outside sees them."""
    with sqlite3.connect(f"file:{os.path.join(server.data, 'state.db')}?mode=ro", uri=True) as db:
        return db.execute(f"SELECT count(*) FROM {table} WHERE device = ?", [device]).fetchone()[0]


@pytest.mark.parametrize("codec", ["json", "cbor"])
def test_a_list_has_all_devices_and_says_which_are_connected(connect, codec):
    before = int(time.time() * 1000) - 1
    phone, tablet = connect("alice", "phone", codec=codec), connect("alice", "tablet")
    connect("bob", "laptop")
    tablet.expect("resumed")
    tablet.close()
    rows = devices(phone)
    assert sorted(rows) == ["phone", "tablet"]
    assert rows["phone"]["online"] is True
    while devices(phone)["tablet"]["online"]:
        pass  # until the server has seen the end
    assert devices(phone)["tablet"]["ts"] > before


def test_what_one_device_sends_reaches_the_others_online_and_later(connect):
    phone, tablet = connect("alice", "phone"), connect("alice", "tablet")
    laptop = connect("alice", "laptop")
    laptop.expect("resumed")
    laptop.close()
    sent = phone.say("from my phone", to="bob")
    for device in (tablet, connect("alice", "laptop")):
        msg = device.expect_msg("from my phone")
        assert (msg["from"], msg["seq"]) == ("alice", sent["seq"])
    assert not phone.seen("msg")


def test_a_device_that_is_removed_is_closed_and_gets_nothing(connect):
    bob = connect("bob")
    phone, tablet = connect("alice", "phone"), connect("alice", "tablet")
    bob.say("to both", to="alice")
    phone.expect_msg("to both")
    tablet.expect_msg("to both")
    assert remove(phone, "tablet")["t"] == "result"
    assert tablet.expect("bye")["code"] == "removed"
    assert tablet.close_code() == 4007
    assert sorted(devices(phone)) == ["phone"]
    bob.say("to one", to="alice")
    phone.expect_msg("to one")
    assert not [frame for frame in tablet.inbox if frame.get("body") == "to one"]


def test_one_that_comes_back_is_reset_and_misses_nothing_from_there(connect):
    bob = connect("bob")
    phone, tablet = connect("alice", "phone"), connect("alice", "tablet")
    tablet.expect("resumed")
    bob.say("before", to="alice")
    phone.expect_msg("before")
    assert remove(phone, "tablet")["t"] == "result"
    phone.ping()
    phone.close()
    bob.say("while it was gone", to="alice")
    tablet = connect("alice", "tablet")
    tablet.expect_msg("while it was gone")
    assert resumed(tablet) == ("reset", 1)
    bob.say("live", to="alice")
    tablet.expect_msg("live")


def test_a_device_may_remove_itself(connect):
    phone = connect("alice", "phone")
    assert remove(phone, "phone")["t"] == "result"
    assert phone.close_code() == 4007
    phone = connect("alice", "phone")
    assert resumed(phone)[0] == "reset"
    assert sorted(devices(phone)) == ["phone"]


def test_a_device_of_nobody_or_of_another_user_is_not_found(connect):
    phone, eve = connect("alice", "phone"), connect("eve", "laptop")
    error = remove(eve, "phone")
    assert (error["t"], error["code"]) == ("error", "not_found")
    assert remove(phone, "no-such")["code"] == "not_found"
    assert sorted(devices(phone)) == ["phone"]


@pytest.mark.embedded
def test_removed_is_removed_after_kill_9(server, connect):
    bob, phone, tablet = connect("bob"), connect("alice", "phone"), connect("alice", "tablet")
    bob.say("one", to="alice")
    for device in (phone, tablet):
        device.expect_msg("one")
        device.ping()
    assert remove(phone, "tablet")["t"] == "result"
    assert (stored(server, "devices", "tablet"), stored(server, "cursors", "tablet")) == (0, 0)
    kill_and_start(server)
    phone = connect("alice", "phone")
    assert resumed(phone)[0] == "recovered"
    assert sorted(devices(phone)) == ["phone"]
    assert resumed(connect("alice", "tablet")) == ("reset", 0)


@pytest.mark.embedded
def test_two_who_remove_the_same_device_at_once_are_both_answered(server, connect):
    phone, watch, tablet = (connect("alice", name) for name in ("phone", "watch", "tablet"))
    for device in (phone, watch, tablet):
        device.expect("resumed")
    for r, asker in enumerate((phone, watch)):
        asker.put({"t": "device.remove", "r": 900 + r, "device": "tablet"})
    answers = []
    for r, asker in enumerate((phone, watch)):
        while not any(frame.get("r") == 900 + r for frame in asker.inbox):
            asker._take(15)
        answers += [frame for frame in asker.inbox if frame.get("r") == 900 + r]
    assert {answer.get("code", answer["t"]) for answer in answers} <= {"result", "not_found"}
    assert "result" in [answer["t"] for answer in answers]
    assert tablet.close_code() == 4007
    assert stored(server, "devices", "tablet") == 0


def test_delivered_is_not_taken_back_by_a_removal(server, connect):
    bob, phone = connect("bob"), connect("alice", "phone")
    sent = bob.say("hello", to="alice")
    phone.expect_msg("hello")
    bob.expect("receipt", state="delivered")
    assert remove(phone, "phone")["t"] == "result"
    for _ in range(2):
        rows, _answer = bob.request("receipts", to="alice", id=sent["id"])
        assert [row["state"] for row in rows] == ["delivered"]
        kill_and_start(server)
        bob = connect("bob")


def test_who_is_removed_is_offline_to_those_who_watch(connect):
    bob, phone = connect("bob"), connect("alice", "phone")
    rows, _ = bob.request("presence.watch", users=["alice"])
    assert rows[0]["online"] is True
    assert remove(phone, "phone")["t"] == "result"
    assert bob.expect("presence", user="alice")["online"] is False


def test_a_device_that_was_away_too_long_is_forgotten(make_server, connect):
    server = make_server("other", options=["--device-ttl", "400"]).start()
    bob = connect("bob", server=server)
    tablet = connect("alice", "tablet", server=server)
    phone = connect("alice", "phone", server=server)
    tablet.expect("resumed")
    bob.say("one", to="alice")
    phone.expect_msg("one")
    tablet.expect_msg("one")
    tablet.ping()
    tablet.close()
    while "tablet" in devices(phone):
        pass  # it is listed until its time is over
    tablet = connect("alice", "tablet", server=server)
    assert resumed(tablet) == ("reset", 0)
    # Connected all that time: longer than a device may be away.
    assert sorted(devices(phone)) == ["phone", "tablet"]
    assert resumed(connect("alice", "phone", server=server))[0] == "recovered"


def test_above_the_limit_the_one_longest_away_goes(make_server, connect):
    server = make_server("other", options=["--max-devices", "2"]).start()
    first, second = (connect("alice", name, server=server) for name in ("first", "second"))
    first.expect("resumed")
    first.close()
    while devices(second)["first"]["online"]:
        pass
    third = connect("alice", "third", server=server)
    assert resumed(third)[0] == "reset"
    assert sorted(devices(second)) == ["second", "third"]
    fourth = connect("alice", "fourth", server=server)
    bye = fourth.expect("bye")
    assert bye["code"] == "too_many_devices" and "remove one" in bye["text"]
    assert fourth.close_code() == 4008
    second.ping()
    third.ping()
    assert remove(second, "third")["t"] == "result"
    assert resumed(connect("alice", "fourth", server=server))[0] == "reset"
    connect("bob", "fourth", server=server).expect("resumed")


def test_the_command_lists_and_removes(server, connect):
    connect("alice", "old-phone").expect("resumed")
    tablet = connect("alice", "tablet")
    tablet.expect("resumed")
    done = run_chat("devices", server=server, user="alice")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["cli-once", "old-phone", "tablet"]
    assert lines[2] == "tablet  connected"
    done = run_chat("device-remove", "tablet", server=server, user="alice")
    assert (done.returncode, done.stdout) == (0, "removed\n"), done.stderr
    assert tablet.close_code() == 4007
    done = run_chat("--json", "devices", server=server, user="alice")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["device"] for row in rows if row["t"] == "device"] == ["cli-once", "old-phone"]
    done = run_chat("device-remove", "tablet", server=server, user="alice")
    assert done.returncode == 1 and "no such device" in done.stderr
    done = run_chat("device-remove", "cli-once", server=server, user="alice")
    assert (done.returncode, done.stdout) == (0, "removed\n"), done.stderr


def test_a_client_that_is_removed_says_so_and_stays_away(server, connect):
    phone = connect("alice", "phone")
    listener = Process([chat_path(), "--url", server.url, "--token", server.token("alice"),
                        "--device", "tablet", "listen"])
    try:
        while not devices(phone).get("tablet", {}).get("online"):
            pass
        assert remove(phone, "tablet")["t"] == "result"
        assert listener.wait_exit(15) == 1
        assert "this device was removed" in listener.output
    finally:
        listener.kill()
    assert sorted(devices(phone)) == ["phone"]
