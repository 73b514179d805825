# SPDX-License-Identifier: MIT
"""chatd over real Kafka and Cassandra, chosen by its options alone: the end-to-end tests of what
users are promised, unchanged (tests/e2e/shared.py), and what an operator is told.
"""
import json
import os
import subprocess
import sys

import pytest

from conftest import ROOT

FILES = ["messaging", "groups", "resume", "receipts", "devices", "block", "notes", "crash_history"]
FILE_S = 600


@pytest.fixture(scope="module")
def settings(up):
    return {"kafka": up("kafka")["where"]["brokers"],
            "cassandra": up("cassandra")["where"]["nodes"], "replication": 1}


def run_file(build, name, settings):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", f"tests/e2e/test_{name}.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=FILE_S, check=False,
        env=dict(os.environ, LIBCHAT_BIN=str(build), LIBCHAT_BUILD=str(build),
                 LIBCHAT_TEST_SHARED=json.dumps(settings)))
    print(done.stdout[-20000:], done.stderr[-2000:])
    assert done.returncode == 0


@pytest.mark.parametrize("name", FILES)
def test_end_to_end(settings, build, name):
    run_file(build, name, settings)


@pytest.mark.parametrize("name", ["groups"])
def test_end_to_end_on_three_members(settings, build, name):
    run_file(build, name, dict(settings, members=3))
