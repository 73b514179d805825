# SPDX-License-Identifier: MIT
"""Named partitions, terms and fences on a real Kafka; the brokers of the last two tests are three."""

import os
import signal
import subprocess

from conftest import services


def start(build, brokers, *args):
    return subprocess.Popen([str(build / "tests/services/services_kafka_log"), *args], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(os.environ, CHAT_KAFKA=brokers))


def wait_for(program, word):
    for line in program.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"it ended without a word of {word}")


def finish(program, timeout=400):
    text, _ = program.communicate(timeout=timeout)
    assert program.returncode == 0, text
    return text


def test_contract(up, build):
    assert "[  PASSED  ] 15 test(s)." in finish(start(build, up("kafka")["where"]["brokers"]))


def test_a_frozen_writer_comes_back_and_nothing_of_it_counts(up, build):
    brokers = up("kafka:3")["where"]["brokers"]
    topic = f"frozen-{os.getpid()}"
    zombie = start(build, brokers, "zombie", topic)
    wait_for(zombie, "running")
    zombie.send_signal(signal.SIGSTOP)
    assert "fenced at" in finish(start(build, brokers, "successor", topic))
    zombie.send_signal(signal.SIGCONT)
    assert "void:" in finish(zombie, 60)
    assert "term 2: 101" in finish(start(build, brokers, "judge", topic))


def test_two_writers_fence_each_other_while_a_broker_is_killed(up, build):
    program = start(build, up("kafka:3")["where"]["brokers"], "fences")
    wait_for(program, "now")
    services("kill", "kafka-1")
    services("start", "kafka-1")
    assert "failed 0" in finish(program)
