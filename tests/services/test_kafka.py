# SPDX-License-Identifier: MIT
"""libchat-kafka against a real Kafka."""

import os
import subprocess

from conftest import services


def start(build, brokers, *args, program="services_kafka"):
    return subprocess.Popen([str(build / "tests/services" / program), *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(os.environ, CHAT_KAFKA=brokers))


def finish(program, timeout=400):
    text, _ = program.communicate(timeout=timeout)
    assert program.returncode == 0, text
    return text


def test_rules(up, build):
    assert "[  PASSED  ] 5 test(s)." in finish(start(build, up("kafka")["where"]["brokers"]))


def test_a_broker_is_killed_and_nothing_acknowledged_is_lost(up, build):
    program = start(build, up("kafka")["where"]["brokers"], "survive")
    for line in program.stdout:
        if line.strip() == "now":
            break
    services("kill", "kafka-1")
    services("start", "kafka-1")
    text = finish(program)
    assert "acknowledged 100000, failed 0" in text
    assert "[  PASSED  ] 1 test(s)." in text


def test_speed(up, build):
    text = finish(start(build, up("kafka")["where"]["brokers"], program="services_kafka_speed"))
    print("\n".join(line for line in text.splitlines() if "records/s" in line))
