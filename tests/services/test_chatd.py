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

FILES = ["messaging", "groups", "offline", "resume", "receipts", "devices", "block", "notes",
         "presence", "network", "why", "crash_history"]
FILE_S = 900


@pytest.fixture(scope="module")
def settings(up):
    return {"kafka": up("kafka")["brokers"], "cassandra": up("cassandra")["nodes"],
            "replication": 1}


@pytest.mark.parametrize("name", FILES)
def test_end_to_end(settings, build, name):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", f"tests/e2e/test_{name}.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=FILE_S, check=False,
        env=dict(os.environ, LIBCHAT_BIN=str(build), LIBCHAT_BUILD=str(build),
                 LIBCHAT_TEST_SHARED=json.dumps(settings)))
    print(done.stdout[-20000:], done.stderr[-2000:])
    assert done.returncode == 0
