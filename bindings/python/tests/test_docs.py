# SPDX-License-Identifier: MIT
"""What the documentation says is run: docstrings, README, types."""
import doctest
import importlib
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
MODULES = ["errors", "ids", "presence", "queue", "testing"]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(f"libchat.{name}"))
    assert tried > 0 and failed == 0


def blocks():
    text = (HERE.parent / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```(?:\s*```\n(.*?)```)?", text, re.S)
    assert found
    return found


@pytest.mark.parametrize("number", range(len(blocks())))
def test_readme_examples_run_as_printed(number, tmp_path):
    code, printed = blocks()[number]
    if "def test_" in code:
        (tmp_path / "test_example.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "test_example.py"]
    else:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=40,
                          check=False)
    errors = re.sub(r"^Executing <.* took [\d.]+ seconds\n", "", done.stderr, flags=re.M)
    assert done.returncode == 0 and not errors, done.stdout + errors  # a busy machine is no error
    if "def test_" not in code:
        assert done.stdout == printed


def test_types_are_complete(tmp_path):
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "-p", "libchat"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout


WRONG = '''
from libchat import Client, OfflineQueue, sync
Client("ws://x", "t", ca_file="x", backoff_max_ms=1)
sync.Client("ws://x", "t", device="x", timeout=1, pin="x")
Client("ws://x", "t", colour="red")  # wrong
sync.Client("ws://x", "t", backoff_max_ms="1")  # wrong
OfflineQueue(max_entries="2")  # wrong
'''


def test_wrong_options_are_found_by_type_checkers(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", "--strict", "wrong.py"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300, check=False)
    found = {int(number) for number in re.findall(r"^wrong.py:(\d+): error", done.stdout, re.M)}
    assert found == {i for i, line in enumerate(WRONG.split("\n"), 1) if "# wrong" in line}, \
        done.stdout
