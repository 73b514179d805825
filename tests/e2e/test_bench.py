# SPDX-License-Identifier: MIT
"""Every case of tools/bench works, with tiny sizes: what it measures is looked at nowhere here."""
import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

from harness import build_dir

# It starts the servers that it measures.
pytestmark = pytest.mark.embedded
TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


def load_cases():
    spec = importlib.util.spec_from_file_location("bench_cases", TOOLS / "bench_cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.CASES


CASES = load_cases()
# What a row of each mode must have seen.
COUNTS = {"talk": "deliveries_per_s", "idle": "connections", "storm": "connections",
          "drain": "messages", "sync": "n", "micro": "ns"}


def bench(workdir, *words):
    out = pathlib.Path(workdir, "out.json")
    done = subprocess.run([TOOLS / "bench", "--build", build_dir(), "--dir", workdir, "--smoke",
                           "--json", out, *words], capture_output=True, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(out.read_text())


# Those of clusters are started where their services are: tests/services.
ALONE = [name for name, case in CASES.items() if not any(run.services for run in case.runs)]


@pytest.mark.parametrize("name", ALONE)
def test_case_works(name, workdir):
    rows = bench(workdir, name)["results"]
    expected = [run.label for run in CASES[name].runs]
    assert [row["label"] for row in rows if row["label"] != "sync"] == expected
    for row in rows:
        assert row["exit_code"] == 0 and row["server_exit_code"] == 0, row
        assert all(row["rows"]) if "rows" in row else row[COUNTS[row["mode"]]], row


def test_parts_of_a_case_run_by_turns(workdir):
    rows = bench(workdir, "--repeat", "2", "window-1")["results"]
    assert [row["label"] for row in rows] == ["floor", "chatd", "floor", "chatd"]


@pytest.mark.parametrize("program", ["bench_store", "bench_micro", "growth", "clients"])
def test_a_benchmark_says_what_it_takes_and_takes_nothing_else(program):
    path = pathlib.Path(build_dir(), "tests/bench", program)
    for word, code in (("--help", 0), ("--no-such", 2)):
        done = subprocess.run([path, word], capture_output=True, text=True, timeout=5, check=False)
        assert done.returncode == code and f"usage: {program}" in done.stdout + done.stderr


def test_a_name_that_is_no_case_is_refused():
    done = subprocess.run([TOOLS / "bench", "nothing"], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 2 and "no such case: nothing" in done.stderr
