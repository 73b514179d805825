# SPDX-License-Identifier: MIT
"""Clusters of tools/bench: chatd members over real Kafka, Cassandra, etcd and Redis, started by
tools/services, with the CPU of each of them told apart. What runs already is used and left running:
the first minute of a JVM costs several times what it costs later."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from bench_run import finish, spawn

ROOT = pathlib.Path(__file__).resolve().parents[1]
SAMPLE_S, UP_S, START_S, STOP_S = 0.05, 300, 90, 60
NS = 1e9


def services(*words):
    return subprocess.run([ROOT / "tools/services", *words], stdout=subprocess.PIPE, text=True,
                          timeout=UP_S, check=True).stdout


@contextlib.contextmanager
def running(wanted):
    """The services by name; what ran before is left running."""
    missing = [name for name in wanted
               if name.split(":")[0] not in json.loads(services("status", "--json"))]
    try:
        if missing:
            services("up", *missing)
        found = json.loads(services("status", "--json"))
        yield {name.split(":")[0]: found[name.split(":")[0]] for name in wanted}
    finally:
        if missing:
            services("down", *(name.split(":")[0] for name in missing))


@contextlib.contextmanager
def members(build, found, n_members, folder):
    """A server of that many chatd, started as the end-to-end tests do."""
    where = {name: next(iter(each["where"].values())) for name, each in found.items()}
    wanted = {"kafka": where["kafka"], "cassandra": where["cassandra"],
              "replication": len(found["kafka"]["members"]),
              "cassandra_replication": len(found["cassandra"]["members"]), "members": n_members,
              **({"etcd": where["etcd"]} if n_members > 1 else {})}
    options = ["--redis", where["redis"]] if "redis" in where else []
    os.environ.update(LIBCHAT_BIN=str(build), LIBCHAT_TEST_SHARED=json.dumps(wanted))
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    try:
        import harness  # these read the environment
        import shared
    except ImportError as error:
        sys.exit(f"bench: {error}: clusters are started by the tests' own modules: run "
                 "tools/setup test, and .venv/bin/python tools/bench")
    shared.settings.cache_clear()
    server = harness.Server(pathlib.Path(folder, "data"), options=options)
    server.start(timeout=START_S)
    try:
        yield server
    finally:
        code = server.stop(STOP_S)
        shared.drop_keyspaces()
        if code:
            print(f"  chatd ended with {code}:\n{server.log()[-2000:]}")


class Sampler(threading.Thread):
    """User and system time of groups of processes, by name."""

    def __init__(self, groups):
        super().__init__(daemon=True)
        self.groups, self.samples, self.is_over = groups, [], threading.Event()

    def run(self):
        while not self.is_over.wait(SAMPLE_S):
            self.samples.append((time.monotonic_ns(), {name: sum(map(self.ticks, pids))
                                                       for name, pids in self.groups.items()}))

    def stop(self):
        self.is_over.set()
        self.join()

    @staticmethod
    def ticks(pid):
        """utime and stime, fields 14 and 15 of stat in proc(5)."""
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def between(self, from_ns, to_ns):
        """CPU seconds by name."""
        first, last = (min(self.samples, key=lambda sample: abs(sample[0] - at))[1]
                       for at in (from_ns, to_ns))
        second = os.sysconf("SC_CLK_TCK")
        return {name: (last[name] - first[name]) / second for name in self.groups}


def measure_cluster(build, run, words, timeout, parent):
    """One load on a fresh cluster: the generator's row with `cpu_us`, for each message, by name."""
    folder = tempfile.mkdtemp(prefix="chat-bench-", dir=parent)
    try:
        with running(run.services) as found, \
                members(build, found, run.n_members, folder) as server:
            runs = [server, *server.others]
            groups = {"chatd": [each.run.child.pid for each in runs],
                      **{name: [each["pid"] for each in service["members"]]
                         for name, service in found.items()}}
            sampler = Sampler(groups)
            sampler.start()
            ports = ",".join(str(each.port) for each in runs)
            try:
                row = finish(spawn([build / "tests/bench/load", words[0], "--server",
                                    f"127.0.0.1:{ports}", "--secret-file", server.auth[1],
                                    *words[1:]]), timeout)
            finally:
                sampler.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if row.get("deliveries_per_s"):
        n = row["deliveries_per_s"] * (row["to_ns"] - row["from_ns"]) / NS
        row["cpu_us"] = {name: round(used * 1e6 / n, 1) for name, used in
                         sampler.between(row["from_ns"], row["to_ns"]).items()}
        row["server_cpu_us_per_message"] = row["cpu_us"]["chatd"]
    return {**row, "server_exit_code": 0}
