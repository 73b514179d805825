# SPDX-License-Identifier: MIT
"""Ids, partitions, presence and queues as Python has them; their rules are tested in C."""
import time

import jwt_check
import pytest

from libchat import (EPOCH_MS, CallerError, IdGenerator, LimitError, OfflineQueue, PeerError,
                     PresenceTable, RetryError, Snowflake, direct_id, direct_members, is_valid_id,
                     make_token, murmur2, partition_of)


def test_partitions_are_those_of_the_java_client():
    # From the tests of org.apache.kafka.common.utils.Utils.
    for key, value in {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string":
                       -985981536, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8":
                       -58897971, b"abc": 479470107}.items():
        assert murmur2(key) == value & 0xFFFFFFFF
    assert 0 <= partition_of("zoë", 7) < 7


def test_ids_grow_and_say_when_and_where():
    ids = IdGenerator(node=1023)
    given = [ids.next(EPOCH_MS + 5) for _ in range(8192)]
    assert given == sorted(set(given))
    assert Snowflake.of(given[-1]) == Snowflake(EPOCH_MS + 5, 1023, 8191)
    with pytest.raises(RetryError):
        ids.next(EPOCH_MS + 5)
    with pytest.raises(RetryError):
        ids.next(EPOCH_MS)
    ids.set_lease(EPOCH_MS + 6)
    with pytest.raises(RetryError):
        ids.next(EPOCH_MS + 6)
    with pytest.raises(CallerError):
        IdGenerator(node=1024)
    assert Snowflake.of(2 ** 64 - 1).sequence == 8191


def test_names_of_chats():
    assert direct_id("zoë", "al") == direct_id("al", "zoë") == "dm:2:al:zoë"
    assert direct_members("room") is None
    with pytest.raises(CallerError):
        direct_members("dm:1:x")
    with pytest.raises(CallerError):
        direct_id("a", "a")
    assert not is_valid_id("\ud800") and not is_valid_id("x" * 65)


def test_tokens():
    token = make_token("s" * 32, "zoë", lifetime=60)
    claims = jwt_check.claims(token, b"s" * 32)
    assert claims["sub"] == "zoë" and 0 < claims["exp"] - time.time() <= 61
    with pytest.raises(CallerError, match="32 bytes"):
        make_token("short", "alice")


def test_presence_hides_and_expires():
    table = PresenceTable(ttl_ms=100, max_watched=2)
    table.watch(9, ["a", "b"])
    table.renew("a", 1, 10)
    table.renew("a", 2, 20)
    assert [change.user for change in table.changes()] == ["a"]
    table.release("a", 1, 30)
    assert table.get("a").is_online and table.deadline == 120
    table.hide("a", True, 40)
    assert not table.get("a").is_online and table.get("a").is_hidden
    with pytest.raises(LimitError):
        table.watch(9, ["a", "b", "c"])
    table.unwatch(9)


def test_queues_give_again_what_was_not_acknowledged():
    queue = OfflineQueue(batch_count=2)
    queue.add_device("phone")
    for seq in range(1, 6):
        queue.push("room", seq * 10, now_ms=seq)
    queue.connect("phone")
    first = list(queue.entries("phone"))
    assert [entry.seq for entry in first] == [10, 20]
    queue.ack("phone", first[0].position)
    again = OfflineQueue.from_bytes(bytes(queue), batch_count=2)
    assert len(again) == 4
    again.connect("phone")
    assert [entry.seq for entry in again.entries("phone")] == [20, 30]
    with pytest.raises(CallerError):
        again.ack("phone", 99)
    with pytest.raises(PeerError):
        again.connect("tablet")
