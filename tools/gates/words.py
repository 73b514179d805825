# SPDX-License-Identifier: MIT
"""The tree speaks of itself alone: no paths of a machine, no registry hosts, no notes of a work log."""

import re

SELF = "tools/gates/words.py"
RULES = [
    (r"(?<![\w.])/(?:work|root|home/\w+)/", "a path of one machine", "use a relative path"),
    (r"/tmp/(?:bash|land)", "a path of one machine", "use mktemp"),
    (r"\b(?:pypi\.org|pythonhosted\.org|crates\.io|registry\.npmjs\.org|proxy\.golang\.org"
     r"|deb\.debian\.org|security\.debian\.org|repo1?\.maven)\b", "a registry host",
     "take it from the tool's configuration"),
    (r"\b(?:TODO|FIXME|XXX|HACK)\b", "an unfinished thing", "finish it, or say it in the docs"),
    (r"(?i)\b(?:this|our|next|previous) session's (?:brief|task|issue)\b|\bissues? (?:show|say)\b"
     r"|\bin (?:a|the) later issue\b|\bissue #?\d+\b", "a note of a work log",
     "say what is true of the project"),
    (r"(?i)\b(?:claude|chatgpt|copilot|anthropic|openai|as an ai)\b", "a word on how it was written",
     "speak of the project alone"),
    (r"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----", "a private key", "make it when it is needed"),
]
COMPILED = [(re.compile(pattern), what, todo) for pattern, what, todo in RULES]
# Test keys are made at run time; these parse or print the line as such.
MAY_NAME_KEYS = ("tests/", "lib/net/", "docs/")


def check(tree):
    problems = []
    for path in tree.paths:
        data = tree.bytes(path)
        if path == SELF or b"\0" in data[:8000]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for pattern, what, todo in COMPILED:
                match = pattern.search(line)
                if match and not (what == "a private key" and path.startswith(MAY_NAME_KEYS)):
                    problems.append(f"{path}:{number}: {what}: {match.group(0)!r}: {todo}")
    return problems


CASES = [
    ("a path of a machine", {"docs/a.md": "\nsee /" + "work/shared/a.md\n"}, "docs/a.md:2: a path"),
    ("a home directory", {"tools/a": "cd /" + "root/x\n"}, "a path of one machine"),
    ("a registry host", {"tools/a": "pip -i https://pypi.org/simple\n"}, "a registry host"),
    ("an unfinished thing", {"lib/a.c": "/* TODO */\n"}, "an unfinished thing"),
    ("a work log", {"README.md": "That comes in a later issue.\n"}, "a note of a work log"),
    ("what is right", {"README.md": "An issue tracker, framework/" + "work/x, PyPI.\n"}, None),
]
