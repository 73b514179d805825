#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The end-to-end tests over the real systems, as large as they are used: chatd is told by --config of
three Kafka brokers that keep three copies, three Cassandra nodes that do, a Redis Cluster of six
and etcd of three. On one chatd, then on three that are one server (tests/e2e/shared.py).

    tests/services/cluster.py [--members N] [FILE...]

FILE is one of tests/e2e, all without. Left out are tests that look into the files of the embedded
store. Takes more than an hour: tools/test cluster. The last line is `N passed, N failed`.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "tests/e2e"))
from bench_cluster import running  # noqa: E402
import harness  # noqa: E402
import shared  # noqa: E402

SERVICES = ["kafka:3", "cassandra:3", "etcd:3", "redis-cluster"]
KEYSPACES = ["chat_e2e_1", "chat_e2e_2"]  # three nodes make one in a minute
PATIENCE, FILE_S = 3, 3600
# Each kill of all members waits until etcd has forgotten them.
CRASH_ROUNDS = {1: "20", 3: "5"}


def settings(found, members):
    where = {name: next(iter(each["where"].values())) for name, each in found.items()}
    return {"kafka": where["kafka"], "replication": 3, "cassandra": where["cassandra"],
            "cassandra_replication": 3, "etcd": where["etcd"], "redis": where["redis-cluster"],
            "redis_mode": "cluster", "members": members, "patience": PATIENCE,
            "keyspaces": KEYSPACES}


def make_keyspaces(wanted):
    os.environ[shared.SETTINGS] = json.dumps(wanted)
    for name in KEYSPACES:
        shared.make_keyspace(harness.chatd_path(), name)
        shared.empty_keyspace(name)  # of a run that was cut off
    shared.drop_keyspaces()


def counts(text):
    """(passed, failed, left out) of the last line of pytest."""
    found = {word: int(count) for count, word in re.findall(
        r"(\d+) (passed|failed|errors?|skipped|deselected)", text.rstrip().rsplit("\n", 1)[-1])}
    failed = sum(found.get(word, 0) for word in ("failed", "error", "errors"))
    return found.get("passed", 0), failed, found.get("deselected", 0) + found.get("skipped", 0)


def run_file(path, wanted):
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
         "--no-header", str(path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=FILE_S, check=False, stdin=subprocess.DEVNULL,
        env={"LIBCHAT_CRASH_ROUNDS": CRASH_ROUNDS[wanted["members"]], **os.environ,
             "LIBCHAT_TEST_SHARED": json.dumps(wanted)})
    passed, failed, left_out = counts(done.stdout)
    if done.returncode not in (0, 5):  # 5: all of its tests are left out
        failed = max(failed, 1)
        print(done.stdout)
    print(f"{wanted['members']} member(s): {path.stem}: {passed} passed, {failed} failed, "
          f"{left_out} left out, {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, choices=[1, 3])
    parser.add_argument("files", nargs="*", metavar="FILE", type=pathlib.Path)
    args = parser.parse_args()
    files = args.files or sorted((ROOT / "tests/e2e").glob("test_*.py"))
    passed = failed = 0
    with running(SERVICES) as found:
        make_keyspaces(settings(found, 1))
        for members in [args.members] if args.members else [1, 3]:
            for path in files:
                more = run_file(path.resolve(), settings(found, members))
                passed, failed = passed + more[0], failed + more[1]
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
