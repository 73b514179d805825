# SPDX-License-Identifier: MIT
"""The CQL connection against a real Cassandra."""

import os
import subprocess


def test_cql_connection(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    done = subprocess.run([str(build / "tests/services/services_cql")], text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=dict(os.environ, CHAT_CASSANDRA=nodes))
    assert done.returncode == 0, done.stdout
    assert "[  PASSED  ] 4 test(s)." in done.stdout
