# SPDX-License-Identifier: MIT
"""clang-format decides layout."""

import re

from common import run

FIRST_LINE = re.compile(r"^(\S+?:\d+):\d+: error: .*", re.M)


def check(tree):
    paths = tree.files(".c", ".h")
    if not paths:
        return []
    code, text = run(["clang-format", "--dry-run", "-Werror", "--style=file"] + paths,
                     cwd=tree.root)
    if code == 0:
        return []
    seen, problems = set(), []
    for match in FIRST_LINE.finditer(text):
        where = match.group(1)
        path = where.rsplit(":", 1)[0]
        if path not in seen:
            seen.add(path)
            problems.append(f"{where}: layout differs: run clang-format -i {path}")
    return problems or [text.strip()]


STYLE = "BasedOnStyle: LLVM\nIndentWidth: 4\n"
CASES = [
    ("odd layout", {".clang-format": STYLE, "lib/a.c": "int f( void ) {return 1;}\n"},
     "lib/a.c:1: layout differs: run clang-format -i lib/a.c"),
    ("good layout", {".clang-format": STYLE, "lib/a.c": "int f(void) { return 1; }\n"}, None),
]
