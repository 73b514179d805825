# SPDX-License-Identifier: MIT
"""Inserts a second by the Python DataStax driver: the same rows, the same window as `speed` of
cassandra.c, for a comparison in one run."""

import sys
import threading
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

KEYSPACE = "chat_datastax_test"
WINDOW = 200
CHATS = 100


def insert_many(session, insert, count):
    free, failed = threading.Semaphore(WINDOW), []

    def done(_):
        free.release()

    def wrong(problem):
        failed.append(problem)
        free.release()

    for number in range(count):
        free.acquire()
        row = (f"c{number % CHATS}", 0, number + 1, bytes([number & 0xFF]) * 200)
        session.execute_async(insert, row).add_callbacks(done, wrong)
    for _ in range(WINDOW):
        free.acquire()
    assert not failed, failed[0]


def main():
    nodes, count = sys.argv[1].split(","), int(sys.argv[2])
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy("datacenter1")),
        consistency_level=ConsistencyLevel.QUORUM, request_timeout=30)
    cluster = Cluster([node.split(":")[0] for node in nodes], port=int(nodes[0].split(":")[1]),
                      protocol_version=4, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect()
    try:
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = "
                        f"{{'class': 'NetworkTopologyStrategy', 'datacenter1': {len(nodes)}}}")
        session.execute(f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.messages (chat text, bucket int, "
                        "seq bigint, body blob, PRIMARY KEY ((chat, bucket), seq)) "
                        "WITH CLUSTERING ORDER BY (seq DESC)")
        insert = session.prepare(f"INSERT INTO {KEYSPACE}.messages (chat, bucket, seq, body) "
                                 "VALUES (?, ?, ?, ?)")
        insert_many(session, insert, 2000)
        began, cpu = time.monotonic(), time.process_time()
        insert_many(session, insert, count)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        print(f"inserts/s {count / took:.0f}, CPU {cpu * 1e6 / count:.2f} us each")
    finally:
        session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}")
        cluster.shutdown()


if __name__ == "__main__":
    main()
