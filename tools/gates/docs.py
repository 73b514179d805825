# SPDX-License-Identifier: MIT
"""The documentation agrees with the tree: links and commands lead somewhere, named tests exist, and
generated pages are up to date.
"""

import os
import re

from common import line_of, run

LINK = re.compile(r"\[[^\]\n]*\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
COMMAND = re.compile(r"(?<![\w/.])((?:tools|\.ci|examples|bindings|tests|docs|lib|include)"
                     r"/[\w./+-]*[\w/])(?:::(\w+))?")
# A page that shows how others lay out their trees says so with an address, not with a path of ours.
BUILT = re.compile(r"^(?:build|examples/chatd?/chatd?$|tests/conformance/ws-echo)")


def check_links(tree, path, text):
    for match in LINK.finditer(text):
        target = match.group(1)
        if re.match(r"[a-z]+:", target):
            continue
        found = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if not tree.has(found):
            yield f"{path}:{line_of(text, match.start())}: the link {target} leads nowhere"


def check_paths(tree, path, text):
    for match in COMMAND.finditer(text):
        target, test = match.group(1), match.group(2)
        where = f"{path}:{line_of(text, match.start())}"
        if BUILT.match(target):
            continue
        if not tree.has(target):
            yield f"{where}: there is no {target}: correct the page, or add the file"
        elif test and not re.search(rf"\b{test}\b", tree.text(target)):
            yield f"{where}: {target} has no test {test}: name the test that proves it"
        elif target.startswith("tools/") and tree.bytes(target)[:2] == b"#!" and \
                not os.access(tree.full(target), os.X_OK):
            yield f"{where}: {target} cannot be run: chmod +x {target}"


def check_code(tree, path, text):
    """C in a page compiles against our headers."""
    for match in re.finditer(r"^```c\n(.*?)^```", text, re.M | re.S):
        code, output = run(["sh", "-c", 'printf %s "$1" | gcc -std=gnu11 -Wall -Wextra -Werror '
                            "-fsyntax-only -Iinclude -x c -", "sh", match.group(1)], cwd=tree.root)
        if code:
            yield (f"{path}:{line_of(text, match.start())}: this C does not compile:\n"
                   + output.strip())


def check_generated(tree):
    """tools/gen-* --check exits with 1 and says what differs when its page is out of date."""
    env = dict(os.environ, LIBCHAT_BUILD=tree.build or "")
    for path in tree.files("", under="tools/gen-"):
        code, text = run([tree.full(path), "--check"], cwd=tree.root, env=env)
        if code:
            yield f"{path} --check: {text.strip()}\n    run {path} to make the page anew"


def check(tree):
    problems = []
    for path in tree.files(".md"):
        text = tree.text(path)
        problems += check_links(tree, path, text)
        problems += check_paths(tree, path, text)
        problems += check_code(tree, path, text)
    problems += check_generated(tree)
    return problems


def prepare(tree):
    for path in tree.files("", under="tools/"):
        if tree.bytes(path).startswith(b"#!"):
            os.chmod(tree.full(path), 0o755)


CASES = [
    ("a link that leads nowhere", {"README.md": "\n[a](docs/a.md)\n"}, "README.md:2: the link"),
    ("a command that is not there", {"README.md": "    tools/quickstart --once\n"},
     "there is no tools/quickstart"),
    ("a test that is not there", {"docs/g.md": "`tests/a.py::test_b`", "tests/a.py": "def test_a"},
     "has no test test_b"),
    ("a page that is out of date",
     {"tools/gen-a": "#!/bin/sh\n[ $1 = --check ] && echo differs && exit 1\n"}, "differs"),
    ("C that does not compile", {"README.md": "a\n```c\nint f(void) { return g; }\n```\n"},
     "README.md:2: this C does not compile"),
    ("what is right",
     {"README.md": "```c\n#include <chat/a.h>\nint f(int a);\n```\n[a](docs/a.md#x) `tools/run` https://example.org/tools/x tests/a.py::test_a",
      "include/chat/a.h": "", "docs/a.md": "[up](../README.md)", "tools/run": "#!/bin/sh\n", "tests/a.py": "def test_a",
      "tools/gen-a": "#!/bin/sh\nexit 0\n"}, None),
]
