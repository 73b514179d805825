# SPDX-License-Identifier: MIT
"""etcd, one member or three."""

import json
import urllib.request

from . import certificates
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


def call(port, path, body):
    """A POST to its JSON gateway."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v3/{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def enable_passwords(port):
    login = certificates.LOGIN
    for user in (login["user"], "root"):
        call(port, "auth/user/add", {"name": user, "password": login["password"]})
    for role in ("root", "chat"):
        call(port, "auth/role/add", {"name": role})
    call(port, "auth/role/grant", {"name": "chat", "perm": {
        "permType": "READWRITE", "key": "Y2hhdC8=", "range_end": "Y2hhdDA="}})  # chat/ to chat0
    call(port, "auth/user/grant", {"user": "root", "role": "root"})
    call(port, "auth/user/grant", {"user": login["user"], "role": "chat"})
    call(port, "auth/enable", {})


class Secured:
    """One member that wants a password, and certificates on one of its two ports."""
    COUNTS = [1]

    @staticmethod
    def start(services, name, count):
        port, tls, peer = free_port(), free_port(), free_port()
        home = services.home(f"{name}-1")
        made = certificates.make(home)
        plain, own = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
        secured = f"https://127.0.0.1:{tls}"
        services.add(name, {"endpoints": plain, "secured": secured, "ca": made["ca"],
                            "cert": made["cert"], "key": made["key"], **certificates.LOGIN})
        services.launch(name, [
            need("etcd", "etcd-server"), "--name", name, "--data-dir", f"{home}/data",
            "--listen-client-urls", f"{plain},{secured}", "--advertise-client-urls", secured,
            "--listen-peer-urls", own, "--initial-advertise-peer-urls", own,
            "--initial-cluster", f"{name}={own}", "--initial-cluster-token", "libchat",
            "--cert-file", made["server"], "--key-file", made["server"],
            "--trusted-ca-file", made["ca"], "--client-cert-auth", "--log-level", "warn"], home)
        services.wait(name, "etcd", lambda: is_healthy(port), START_S)
        enable_passwords(port)
        services.ready(name, count)
