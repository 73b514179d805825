# SPDX-License-Identifier: MIT
"""The examples do what they say, against a real server or by themselves."""
import os
import shlex
import subprocess

import pytest

from harness import DEADLINE_S, ROOT, build_dir


def run(name, *args):
    runner = shlex.split(os.environ.get("LIBCHAT_RUNNER", ""))
    return subprocess.run([*runner, str(build_dir() / f"examples/example-{name}"), *args], text=True,
                          capture_output=True, timeout=DEADLINE_S, check=False)


@pytest.mark.parametrize("name", ["poll", "uv", "thread"])
def test_a_message_is_sent_in_each_kind_of_loop(name, server, connect):
    done = run(name, server.url, server.token("alice"), "bob", f"by {name}")
    assert (done.returncode, done.stdout) == (0, "sent\n"), done
    bob = connect("bob")
    bob.expect_msg(f"by {name}")


@pytest.mark.parametrize("name", ["poll", "uv", "thread"])
def test_a_refusal_ends_the_program(name, server):
    done = run(name, server.url, "no-token", "bob", "hello")
    assert done.returncode == 1, done


def test_two_ends_talk_in_memory():
    done = run("memory")
    assert (done.returncode, done.stdout) == (0, "alice: sent\nbob got: hello\n"), done


def test_the_offline_queue_by_itself():
    out = run("queue").stdout.splitlines()
    assert "laptop: gap in trip between 0 and 3, see history" in out
    assert [line for line in out if line.startswith("phone")] == \
        [f"phone: trip {seq}" for seq in range(1, 6)]
    assert out[-1] == "0 left"


def test_no_example_is_longer_than_150_lines():
    for path in (ROOT / "examples").glob("*.c"):
        assert len(path.read_text().splitlines()) <= 150, path
