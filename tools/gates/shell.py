# SPDX-License-Identifier: MIT
"""Shell scripts parse and have none of the faults that shellcheck knows; Python parses; scripts run."""

import os
import re

from common import run

SHELL = re.compile(rb"^#!.*\b(?:ba)?sh\b")
PYTHON = re.compile(rb"^#!.*\bpython3?\b")


def check_shell(tree, path):
    shell = "bash" if b"bash" in tree.bytes(path).split(b"\n", 1)[0] else "sh"
    code, text = run([shell, "-n", path], cwd=tree.root)
    if code:
        return [f"{path}: {text.strip()}"]
    code, text = run(["shellcheck", "--severity=warning", "--format=gcc", path], cwd=tree.root)
    return text.strip().splitlines() if code else []


def check_python(tree, path):
    try:
        compile(tree.bytes(path), path, "exec")
    except SyntaxError as error:
        return [f"{path}:{error.lineno}: {error.msg}"]
    return []


def check(tree):
    problems = []
    for path in tree.paths:
        data = tree.bytes(path)
        if path.endswith(".py") or PYTHON.match(data):
            problems += check_python(tree, path)
        if path.endswith(".sh") or SHELL.match(data):
            problems += check_shell(tree, path)
        if data.startswith(b"#!") and not os.access(tree.full(path), os.X_OK):
            problems.append(f"{path}: starts with #! and cannot be run: chmod +x {path}")
    return problems


CASES = [
    ("a shell script that does not parse", {"tools/a.sh": "if true; then\n"}, "tools/a.sh"),
    ("a fault that shellcheck knows", {"tools/a.sh": "#!/bin/sh\ncd \"$1\"\nrm -rf $1/*\n"},
     "tools/a.sh:2"),
    ("a script that cannot be run", {"tools/a": "#!/bin/sh\necho a\n"}, "chmod +x"),
    ("Python that does not parse", {"tests/a.py": "def f(:\n"}, "tests/a.py:1"),
    ("what is right", {"tests/a.py": "import os\n"}, None),
]
