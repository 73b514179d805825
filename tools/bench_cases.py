# SPDX-License-Identifier: MIT
"""The cases of tools/bench: what runs by turns in each, and what is asked of it.

A run is one load on one fresh server, or one program that measures itself. A case's targets get
the rows of all its runs and give lines of (what, measured, limit, unit).
"""

import dataclasses
import typing


@dataclasses.dataclass
class Run:
    label: str                   # in the table
    server: str                  # "chatd", "floor", or "" for a program of its own
    words: list                  # for the load generator, or the program and its words
    options: list = dataclasses.field(default_factory=list)  # of the server
    beside: list = dataclasses.field(default_factory=list)   # words for a second generator
    is_tls: bool = False
    n_processes: int = 1         # servers with a generator each, at the same time
    n_members: int = 0           # of a cluster over real services, see bench_cluster.py
    services: tuple = ()         # that it stands on


@dataclasses.dataclass
class Case:
    text: str
    runs: list
    targets: typing.Callable = lambda rows: []
    is_big: bool = False         # not among those that run without a name
    wants_sync: bool = False     # fdatasync of this disk is measured before and after
    smoke: list = dataclasses.field(default_factory=list)  # words of a tiny run, for programs


def least(rows, label, key):
    """Of the runs of that label: what disturbs only adds. None: there is none."""
    found = [value for row in rows if row["label"] == label
             for value in [lookup(row, key)] if value]
    return min(found, default=None)


def lookup(row, key):
    """`a.b` is b in a."""
    for part in key.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


CPU = "server_cpu_us_per_message"


def ratio(limit, key=CPU, what="CPU over the relay's", labels=("chatd", "floor")):
    def target(rows):
        over, under = (least(rows, label, key) for label in labels)
        return [(what, over / under, limit, "x")] if over and under else []
    return target


def at_most(label, key, limit, unit, what):
    def target(rows):
        value = least(rows, label, key)
        return [(what, value, limit, unit)] if value is not None else []
    return target


def both(*targets):
    return lambda rows: [line for target in targets for line in target(rows)]


def beside(text, words, chatd, floor, targets):
    """The bare relay and chatd by turns."""
    return Case(text, [Run("floor", "floor", words, floor), Run("chatd", "chatd", words, chatd)],
                targets)


def sync_bound(rows):
    """p99 of delivery against the disk's own."""
    sync, p99 = least(rows, "sync", "p99_ms"), least(rows, "chatd", "pairs.p99_ms")
    if not sync or not p99:
        return []
    return [("p99 of delivery; the limit is 2 fdatasyncs at p99 + 5 ms", p99, 2 * sync + 5, "ms")]


def growth(what):
    def target(rows):
        sizes = {row["size"]: row["cpu_us_per_message"] for run in rows for row in run["rows"]}
        first, last = min(sizes), max(sizes)
        if first == last:
            return []
        return [(f"CPU of a message with {last:,} {what} over {first:,}",
                 sizes[last] / sizes[first], 1.15 if what == "sessions" else None, "x")]
    return target


def history(rows):
    p99 = min(row["p99_us"] for run in rows for row in run["rows"])
    return [("p99 of a page of 50", p99, 1000, "us")]


def appends(rows):
    lines = []
    for batch, limit in ((1024, 3), (64, 2)):
        found = [row for run in rows for row in run["rows"]
                 if row["what"] == "append" and row["batch"] == batch and not row["is_volatile"]]
        ours = min(row["store_cpu_us"] for row in found)
        lines.append((f"CPU of a durable append over the file's, batches of {batch:,}",
                      ours / min(row["file_cpu_us"] for row in found), limit, "x"))
    return lines


def snowflake(rows):
    return [("a snowflake", rows[0]["ns"]["id: next"], 10, "ns")] if rows else []


def cluster(text, words, *runs):
    """Members over real services; beside them chatd with its own files."""
    return Case(text, [Run("embedded", "chatd", words),
                       *(Run(label, "cluster", words, n_members=n, services=services)
                         for label, n, *services in runs)],
                both(*(ratio(None, what=f"chatd's CPU, {label}, over embedded",
                             labels=(label, "embedded")) for label, *_ in runs)), is_big=True)


VOLATILE, SYNC = ["--volatile"], ["--sync", "{file}"]
PAIRS = ["--pairs", 100]


def groups(members, rate, *more):
    return ["talk", "--groups", 1, "--members", members, "--group-rate", rate, *more]


def relay(pairs, members):
    return ["--pairs", pairs, "--members", members]


def rate(messages):
    case = beside(f"one-to-one, 1,000 pairs, {messages:,} messages/s, durable",
                  ["talk", "--pairs", 1000, "--rate", messages], [], SYNC,
                  both(ratio(None), sync_bound))
    case.wants_sync = True
    return case


def encodings():
    words = ["talk", "--pairs", 100, "--window", 4]
    return Case("JSON and CBOR by turns, 200 users, four messages each under way, no disk",
                [Run("cbor", "chatd", words, VOLATILE),
                 Run("json", "chatd", [*words, "--json", 1], VOLATILE)],
                ratio(1.6, what="CPU of JSON over CBOR's", labels=("json", "cbor")))


def hot_shard():
    words = ["talk", "--pairs", 100, "--rate", 1000]
    group = ["talk", "--first", 200, "--groups", 1, "--members", 256, "--group-window", 1]
    return Case("100 pairs, 1,000 messages/s, without and with a group of 256 at full rate (its "
                "next message goes when all have the last; a generator of its own), no disk",
                [Run("relay alone", "floor", words, relay(100, 256)),
                 Run("relay beside", "floor", words, relay(100, 256), beside=group),
                 Run("alone", "chatd", words, VOLATILE),
                 Run("beside", "chatd", words, VOLATILE, beside=group)],
                both(ratio(1.5, "pairs.p99_ms", "p99 of the pairs beside the group over alone",
                           ("beside", "alone")),
                     ratio(None, "pairs.p99_ms", "the same of the bare relay",
                           ("relay beside", "relay alone"))))


def idle(n, n_processes=1, options=()):
    """`n` connections for each process."""
    words = ["idle", "--connections", n]
    return [Run("floor", "floor", words, n_processes=n_processes),
            Run("chatd", "chatd", words, list(options), n_processes=n_processes)]


BYTES = "bytes_per_connection"
# Few at a time: both sides of a handshake are milliseconds of CPU, and the server waits 10 s.
TLS = ["--tls", 1, "--connecting", 16]
# The first must not be closed for their silence before the last are there.
PATIENT = ["--heartbeat-ms", 600000]

CASES = {
    "window-1": beside("one-to-one, 200 users, one message each under way, no disk",
                       ["talk", *PAIRS, "--window", 1], VOLATILE, [], ratio(1.5)),
    "window-16": beside("the same with 16 messages each under way",
                        ["talk", *PAIRS, "--window", 16], VOLATILE, [], ratio(2)),
    "window-1-durable": beside("window-1, on disk before `sent`; the relay syncs once a turn",
                               ["talk", *PAIRS, "--window", 1], [], SYNC, ratio(2)),
    "window-16-durable": beside("window-16, on disk before `sent`; the relay syncs once a turn",
                                ["talk", *PAIRS, "--window", 16], [], SYNC, ratio(3)),
    "rate-1000": rate(1000),
    "rate-5000": rate(5000),
    "rate-10000": rate(10000),
    "group-50": beside("a group of 50, 400 messages/s, no disk", groups(50, 400), VOLATILE,
                       relay(0, 50), ratio(1.3)),
    "group-256": beside("a group of 256, 80 messages/s, no disk", groups(256, 80), VOLATILE,
                        relay(0, 256), ratio(1.2)),
    "group-256-deflate": beside("the same, 1,000 bytes, compressed (the relay does not compress)",
                                groups(256, 30, "--body", 1000, "--deflate", 1), VOLATILE,
                                relay(0, 256), ratio(None)),
    "json": encodings(),
    "hot-shard": hot_shard(),
    "pairs-alone": beside("500 pairs, 2,000 messages/s, durable: beside-group without the group",
                          ["talk", "--pairs", 500, "--rate", 2000], [], SYNC, ratio(None)),
    "beside-group": beside("the same beside a group of 256 with 50 messages/s",
                           [*groups(256, 50), "--pairs", 500, "--rate", 2000], [],
                           [*SYNC, *relay(500, 256)], ratio(None)),
    "cluster": cluster("50 pairs, a message each under way: chatd with its own files, one member "
                       "over Kafka and Cassandra, three members with etcd and Redis too",
                       ["talk", "--pairs", 50, "--window", 1],
                       ("one", 1, "kafka", "cassandra"),
                       ("three", 3, "kafka", "cassandra", "etcd:1", "redis")),
    "cluster-rate": cluster("the same with 200 messages/s of 50 pairs",
                            ["talk", "--pairs", 50, "--rate", 200],
                            ("one", 1, "kafka", "cassandra"),
                            ("three", 3, "kafka", "cassandra", "etcd:1", "redis")),
    "drain": Case("a device comes back to 10,000 messages in its offline queue",
                  [Run("chatd", "chatd", ["drain", "--messages", 10000])]),
    "idle": Case("10,000 connect (upgrade, token, hello) and are idle then", idle(10000),
                 both(at_most("chatd", BYTES, 1024, "bytes", "memory of an idle connection"),
                      ratio(None, "cpu_us_per_handshake",
                            "CPU of a handshake of a new device over the relay's"))),
    "idle-tls": Case("2,000 connect by TLS and are idle then",
                     [Run("chatd", "chatd", ["idle", "--connections", 2000, *TLS],
                          is_tls=True)],
                     at_most("chatd", BYTES, 12288, "bytes", "memory of an idle connection")),
    "storm": Case("10,000 connections are cut and come back at once",
                  [Run("floor", "floor", ["storm", "--connections", 10000]),
                   Run("chatd", "chatd", ["storm", "--connections", 10000])],
                  both(ratio(2, "cpu_us_per_handshake", "CPU of a handshake over the relay's"),
                       ratio(None, "back_s", "time over the relay's"))),
    "idle-100000": Case("102,000 idle connections: 6 servers and 6 generators of 17,000",
                        idle(17000, 6, PATIENT),
                        at_most("chatd", BYTES, 1024, "bytes", "memory of an idle connection"),
                        is_big=True),
    "idle-100000-tls": Case("102,000 idle connections by TLS, in the same way",
                            [Run("chatd", "chatd",
                                 ["idle", "--connections", 17000, *TLS, "--timeout", 600],
                                 PATIENT, is_tls=True, n_processes=6)],
                            at_most("chatd", BYTES, 12288, "bytes",
                                    "memory of an idle connection"), is_big=True),
    "sessions": Case("one node in memory with 1,000 to 1,000,000 sessions",
                     [Run("sessions", "", ["growth", "sessions"])], growth("sessions"),
                     smoke=["--from", 10, "--to", 100, "--messages", 100]),
    "nodes": Case("64,000 sessions over 1 to 64 nodes in memory",
                  [Run("nodes", "", ["growth", "nodes"])], growth("nodes"),
                  smoke=["--from", 1, "--to", 2, "--messages", 100]),
    "chats": Case("the embedded store with 10,000 to 1,000,000 chats",
                  [Run("chats", "", ["growth", "chats", "--dir", "{dir}"])], growth("chats"),
                  smoke=["--from", 100, "--to", 1000, "--messages", 100]),
    "chats-10m": Case("the embedded store with 10 million chats (10 GB of disk)",
                      [Run("chats-10m", "", ["growth", "chats", "--from", 10000, "--to", 10000000,
                                             "--factor", 1000, "--dir", "{dir}"])],
                      growth("chats"), is_big=True,
                      smoke=["--from", 100, "--to", 1000, "--factor", 10, "--messages", 100]),
    "history": Case("pages of 50 out of 10 million messages in 10,000 chats (4 GB of disk)",
                    [Run("history", "", ["growth", "history", "--dir", "{dir}"])], history,
                    smoke=["--from", 1000, "--to", 1000, "--messages", 100]),
    "store": Case("the embedded log beside an appended file, and recovery of it",
                  [Run("store", "", ["bench_store", "--dir", "{dir}"])], appends,
                  smoke=["--records", 2048]),
    "micro": Case("nanoseconds of what runs for every message",
                  [Run("micro", "", ["bench_micro"])], snowflake,
                  smoke=["--round-us", 1]),
}

# What a number becomes in a tiny run, at most.
SMALL = {"--connections": 20, "--pairs": 5, "--first": 10, "--rate": 100, "--messages": 200,
         "--group-rate": 20, "--window": 2}


def small(words):
    words = list(words)
    for i, word in enumerate(words[:-1]):
        if word in SMALL:
            words[i + 1] = min(words[i + 1], SMALL[word])
    return words
