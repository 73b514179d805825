# SPDX-License-Identifier: MIT
"""Every public function, type and option has a doc comment; every C file starts with SPDX and its job."""

import re

from common import line_of

SPDX = "SPDX-License-Identifier: MIT"
DECLARATION = re.compile(r"^CHAT_API\b[^;{]*?\b(\w+)\s*\(", re.M)
TYPE = re.compile(r"^(?:typedef )?(?:struct|enum|union)\s+(\w+)\s*\{", re.M)
HANDLE = re.compile(r"^typedef struct \w+ (\w+);", re.M)


def is_documented(text, position):
    before = text[:position].rstrip()
    if not before.endswith("*/"):
        return False
    return before[before.rfind("/*"):].startswith("/**")


def check_header(path, text):
    # Comments stay in `text`; `code` has the same lines and columns up to the declarations.
    blanked = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)
    problems = []
    for pattern, what in ((DECLARATION, "function"), (TYPE, "type"), (HANDLE, "type")):
        for match in pattern.finditer(blanked):
            if not is_documented(text, match.start()):
                problems.append(f"{path}:{line_of(text, match.start())}: {what} {match.group(1)} "
                                "has no /** comment */: say what it does for the caller")
    return problems


def has_head(text):
    rest = text.split("\n", 1)[1].lstrip() if "\n" in text else ""
    return rest.startswith(("/*", "//"))


def check(tree):
    problems = []
    for path in tree.public_headers():
        problems += check_header(path, tree.text(path))
    for path in tree.files(".c", ".h"):
        text = tree.text(path)
        if SPDX not in text.split("\n", 1)[0]:
            problems.append(f"{path}:1: the first line is not /* {SPDX} */")
        elif path.startswith(("lib/", "include/", "examples/")) and not has_head(text):
            problems.append(f"{path}:2: no comment on the file's job after the SPDX line")
    return problems


HEAD = f"/* {SPDX} */\n/* Job. */\n"
CASES = [
    ("a function without a comment",
     {"include/chat/a.h": HEAD + "#define A\n\nCHAT_API int chat_a(int x);\n"},
     "include/chat/a.h:5: function chat_a has no"),
    ("a plain comment is no doc comment",
     {"include/chat/a.h": HEAD + "#define A\n/* text */\nCHAT_API int chat_a(int x);\n"}, "chat_a"),
    ("a type without a comment",
     {"include/chat/a.h": HEAD + "#define A\ntypedef struct chat_a {\n    int b;\n} chat_a;\n"},
     "type chat_a"),
    ("no license line", {"lib/a.c": "/* Job. */\n"}, "lib/a.c:1: the first line"),
    ("no word on the job", {"lib/a.c": f"/* {SPDX} */\n#include <a.h>\n"}, "lib/a.c:2: no comment"),
    ("what is right",
     {"include/chat/a.h": HEAD + "#define A\n/** Text. */\nCHAT_API int\nchat_a(int x);\n"
                                 "/** Text. */\ntypedef struct chat_a chat_a;\n",
      "lib/a.c": HEAD, "tests/a.c": f"/* {SPDX} */\n#include <a.h>\n"}, None),
]
