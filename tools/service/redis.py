# SPDX-License-Identifier: MIT
"""Redis: alone, as a primary with a replica watched by three sentinels, and as a cluster of six."""

import subprocess

from .common import Problem, ask, free_port, need

START_S = 30
PORT_OF_BUS = 10000  # Redis talks to its cluster on the port that is so much higher


def server(services, name, port, *more):
    home = services.home(f"{name}-{len(services.state[name]['members']) + 1}")
    services.launch(name, [need("redis-server", "redis-server"), "--bind", "127.0.0.1",
                           "--port", str(port), "--dir", home, "--appendonly", "yes",
                           "--save", "", *more], home)


def answers(port, command="PING", with_text="PONG"):
    return with_text.encode() in ask("127.0.0.1", port, command.encode() + b"\r\n")


def wait(services, name, ports):
    services.wait(name, "Redis", lambda: all(answers(port) for port in ports), START_S)


class Single:
    COUNTS = [1, 2, 3]

    @staticmethod
    def start(services, name, count):
        """Servers that know nothing of each other: one, or shards for the client to choose from."""
        ports = [free_port() for _ in range(count)]
        services.add(name, {"servers": ",".join(f"127.0.0.1:{port}" for port in ports)})
        for port in ports:
            server(services, name, port)
        wait(services, name, ports)
        services.ready(name, count)


class Cluster:
    COUNTS = [6]

    @staticmethod
    def start(services, name, count):
        ports = [free_port(also=(PORT_OF_BUS,)) for _ in range(count)]
        nodes = [f"127.0.0.1:{port}" for port in ports]
        services.add(name, {"servers": ",".join(nodes)})
        for port in ports:
            server(services, name, port, "--cluster-enabled", "yes",
                   "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
        wait(services, name, ports)
        done = subprocess.run([need("redis-cli", "redis-tools"), "--cluster", "create", *nodes,
                               "--cluster-replicas", "1", "--cluster-yes"], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
                              check=False)
        if done.returncode:
            raise Problem(f"the Redis Cluster could not be made:\n{done.stdout}{done.stderr}")
        # A replica that never was in step is never made a primary.
        services.wait(name, "the Redis Cluster", lambda: all(
            answers(port, "CLUSTER INFO", "cluster_state:ok") and
            (answers(port, "INFO replication", "role:master") or
             answers(port, "INFO replication", "master_link_status:up")) for port in ports),
            START_S)
        services.ready(name, count)


class Sentinel:
    COUNTS = [3]

    @staticmethod
    def start(services, name, count):
        primary, replica = free_port(), free_port()
        ports = [free_port() for _ in range(count)]
        services.add(name, {"sentinels": ",".join(f"127.0.0.1:{port}" for port in ports),
                            "master": "chat",
                            "servers": f"127.0.0.1:{primary},127.0.0.1:{replica}"})
        server(services, name, primary, "--repl-diskless-sync-delay", "0")
        server(services, name, replica, "--replicaof", "127.0.0.1", str(primary))
        wait(services, name, [primary, replica])
        for port in ports:
            sentinel(services, name, port, primary)
        services.wait(name, "the sentinels", lambda: all(
            answers(port, "INFO sentinel", f"slaves=1,sentinels={count}") for port in ports) and
            answers(replica, "INFO replication", "master_link_status:up"), START_S)
        services.ready(name, count)


def sentinel(services, name, port, primary):
    home = services.home(f"{name}-{len(services.state[name]['members']) + 1}")
    with open(f"{home}/sentinel.conf", "w", encoding="utf-8") as file:
        file.write(f"port {port}\nbind 127.0.0.1\ndir {home}\n"
                   f"sentinel monitor chat 127.0.0.1 {primary} 2\n"
                   "sentinel down-after-milliseconds chat 2000\n"
                   "sentinel failover-timeout chat 5000\n")
    services.launch(name, [need("redis-server", "redis-server"), f"{home}/sentinel.conf",
                           "--sentinel"], home)
