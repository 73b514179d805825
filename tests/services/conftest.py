# SPDX-License-Identifier: MIT
"""Real services for the tests of this folder, by tools/services: started once, stopped at the end."""

import json
import os
import pathlib
import subprocess
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def services(*args, env=None, is_ok=True):
    done = subprocess.run([str(ROOT / "tools/services"), *args], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})),
                          timeout=400, check=False)
    if is_ok:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def figures(server):
    """What /metrics says, by name with labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def primary_of(found, name):
    """A server of this Redis that is a primary now; it may have been a replica at the start."""
    for index, address in enumerate(found["where"]["servers"].split(","), 1):
        role = subprocess.run(["redis-cli", "-p", address.rsplit(":", 1)[1], "ROLE"], text=True,
                              capture_output=True, timeout=10, check=False).stdout
        if role.startswith("master"):
            return f"{name}-{index}"
    raise AssertionError(f"{name} has no primary")


@pytest.fixture(scope="session")
def up():
    """up("cassandra") starts a service and gives what `status` says of it."""
    started = []

    def start(name, **env):
        services("up", name, env=env)
        started.append(name.split(":")[0])
        return json.loads(services("status", "--json").stdout)[started[-1]]

    yield start
    if started:
        services("down", *dict.fromkeys(started))


@pytest.fixture
def build():
    return pathlib.Path(os.environ.get("LIBCHAT_BUILD", ROOT / "build/plain"))
