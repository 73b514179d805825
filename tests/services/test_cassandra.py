# SPDX-License-Identifier: MIT
"""libchat-cassandra against a real Cassandra."""

import os
import subprocess

from conftest import services


def start(build, nodes, program, *args):
    return subprocess.Popen([str(build / "tests/services" / program), *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(os.environ, CHAT_CASSANDRA=nodes))


def finish(program, timeout=400):
    text, _ = program.communicate(timeout=timeout)
    assert program.returncode == 0, text
    return text


def test_cql_connection(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    assert "[  PASSED  ] 4 test(s)." in finish(start(build, nodes, "services_cql"))


def test_rules_of_the_driver(up, build):
    nodes = up("cassandra")["where"]["nodes"]
    assert "[  PASSED  ] 5 test(s)." in finish(start(build, nodes, "services_cassandra"))


def test_one_of_three_nodes_is_killed_and_nothing_fails(up, build):
    nodes = up("cassandra:3")["where"]["nodes"]
    # All three are known to each other before one is lost.
    assert "[  PASSED  ] 5 test(s)." in finish(start(build, nodes, "services_cassandra"))
    program = start(build, nodes, "services_cassandra", "survive")
    for line in program.stdout:
        if line.strip() == "now":
            break
    services("kill", "cassandra-2")
    services("start", "cassandra-2")
    text = finish(program)
    assert ", failed 0," in text
    assert "[  PASSED  ] 1 test(s)." in text
