# SPDX-License-Identifier: MIT
"""HAProxy with the configuration of docs/haproxy.cfg, in front of the addresses in CHAT_NODES."""

import os

from .common import ROOT, Problem, ask, free_port, need

COUNTS = [1]
START_S = 10


def start(services, name, count):
    nodes = [node for node in os.environ.get("CHAT_NODES", "").split(",") if node]
    if not nodes:
        raise Problem("haproxy needs the servers that it stands in front of: "
                      "CHAT_NODES=127.0.0.1:PORT,... tools/services up haproxy")
    port = free_port()
    home = services.home(f"{name}-1")
    with open(os.path.join(ROOT, "docs", "haproxy.cfg"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    kept = [line.replace("*:8080", f"127.0.0.1:{port}") for line in lines
            if not line.strip().startswith(("server ", "maxconn "))]
    kept += [f"    server chat{i} {node} check" for i, node in enumerate(nodes, 1)]
    with open(f"{home}/haproxy.cfg", "w", encoding="utf-8") as file:
        file.write("\n".join(kept) + "\n")
    services.add(name, {"listen": f"127.0.0.1:{port}"})
    services.launch(name, [need("haproxy", "haproxy"), "-db", "-f", f"{home}/haproxy.cfg"], home)
    services.wait(name, "HAProxy", lambda: ask("127.0.0.1", port, b"GET /healthz HTTP/1.1\r\n"
                                               b"Host: chat\r\n\r\n"), START_S)
    services.ready(name, count)
