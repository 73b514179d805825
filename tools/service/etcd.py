# SPDX-License-Identifier: MIT
"""etcd, one member or three."""

import json
import urllib.request

from .common import free_port, need

COUNTS = [1, 3]
START_S = 30


def is_healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return json.load(answer).get("health") == "true"
    except (OSError, ValueError):
        return False


def start(services, name, count):
    program = need("etcd", "etcd-server")
    ports = [(free_port(), free_port()) for _ in range(count)]
    cluster = ",".join(f"{name}-{i}=http://127.0.0.1:{peer}"
                       for i, (_, peer) in enumerate(ports, 1))
    services.add(name, {"endpoints": ",".join(f"http://127.0.0.1:{p}" for p, _ in ports)})
    for i, (port, peer) in enumerate(ports, 1):
        home = services.home(f"{name}-{i}")
        client, own = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        services.launch(name, [
            program, "--name", f"{name}-{i}", "--data-dir", f"{home}/data",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", own, "--initial-advertise-peer-urls", own,
            "--initial-cluster", cluster, "--initial-cluster-token", "libchat",
            "--log-level", "warn"], home)
    services.wait(name, "etcd", lambda: all(is_healthy(port) for port, _ in ports), START_S)
    services.ready(name, count)
