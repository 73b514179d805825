# SPDX-License-Identifier: MIT
"""Fixtures: a fresh data directory and a chatd for each test, reaped whatever happens."""
import contextlib
import os
import shutil
import tempfile

import pytest

import shared
from client import Client
from harness import Server, build_dir


def pytest_configure(config):
    config.addinivalue_line("markers", "embedded: looks into the data directory, which has nothing "
                            "when log and store are shared")
    build_dir()  # a missing build is one clear error, not one for each test


def pytest_collection_modifyitems(config, items):
    if not shared.is_wanted():
        return
    out = [item for item in items if item.get_closest_marker("embedded") is not None]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)
    for item in items if shared.patience() > 1 else ():
        limit = item.get_closest_marker("timeout")
        limit_s = limit.args[0] if limit else float(config.getini("timeout"))
        item.add_marker(pytest.mark.timeout(limit_s * shared.patience()), append=False)


def pytest_unconfigure():
    shared.drop_keyspaces()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for server in getattr(item, "chat_servers", []):
            report.sections.append((f"chatd on {server.data}", server.log()))
    return report


@pytest.fixture
def workdir():
    """A short path of its own, with no other user's files in it."""
    path = tempfile.mkdtemp(prefix="chat-e2e-", dir=os.environ.get("LIBCHAT_TMP"))
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_server(workdir, request):
    """Make servers; those that still run at the end must stop cleanly."""
    servers = []
    request.node.chat_servers = servers

    def make(name="data", **options):
        server = Server(os.path.join(workdir, name), secret_dir=workdir, **options)
        servers.append(server)
        return server

    yield make
    problems = []
    for server in servers:
        try:
            server.finish()
        except AssertionError as problem:
            problems.append(f"{problem}\n{server.log()}")
    assert not problems, "\n".join(problems)


@pytest.fixture
def server(make_server):
    return make_server().start()


@pytest.fixture
def connect(server):
    """Connect users to the server; closed at the end."""
    with contextlib.ExitStack() as stack:
        def make(user, device=None, **options):
            client = Client(options.pop("server", server), user, device, **options)
            stack.callback(client.abandon)
            return client

        yield make
