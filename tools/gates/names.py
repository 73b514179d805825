# SPDX-License-Identifier: MIT
"""Names: internal functions that are not static are chat__*, static ones have no prefix, and public
headers use fixed-width types.
"""

import glob
import os
import re

from common import code_of, line_of, run
from symbols import declared

NEEDS_BUILD = True
BAD_TYPE = re.compile(r"\b(long|short|ssize_t|time_t|off_t|unsigned int|unsigned char)\b(?!\s*\()")
BIT_FIELD = re.compile(r"^\s*(?:unsigned |u?int\w* )\s*\w+\s*:\s*\d+\s*;", re.M)
VARARGS = re.compile(r"\bCHAT_API\b[^;{]*\.\.\.")
PREFIXED_STATIC = re.compile(r"^static\s[^;={(]*?\b(chat_\w+)\s*\(", re.M)


def check_headers(tree):
    problems = []
    for path in tree.public_headers():
        code = code_of(tree.text(path))
        for match in BAD_TYPE.finditer(code):
            problems.append(f"{path}:{line_of(code, match.start())}: {match.group(1)} in the ABI: "
                            "use a fixed-width type of <stdint.h>")
        for match in BIT_FIELD.finditer(code):
            problems.append(f"{path}:{line_of(code, match.end())}: a bit-field in the ABI")
        for match in VARARGS.finditer(code):
            problems.append(f"{path}:{line_of(code, match.start())}: varargs in the ABI")
    return problems


def check_statics(tree):
    problems = []
    for path in tree.files(".c", ".h", under="lib/"):
        code = code_of(tree.text(path))
        for match in PREFIXED_STATIC.finditer(code):
            if path.endswith(".h") and match.group(1).startswith("chat__"):
                continue
            problems.append(f"{path}:{line_of(code, match.start(1))}: {match.group(1)} is static: "
                            "a function of one file has no prefix")
    return problems


def check_objects(tree):
    public = {name for names in declared(tree).values() for name in names}
    objects = sorted(glob.glob(os.path.join(tree.build, "lib", "**", "*.o"), recursive=True))
    if not objects:
        return [f"{tree.build}/lib: no object files: build first (tools/test does)"]
    code, text = run(["nm", "-A", "-g", "-P", "--defined-only"] + objects)
    if code:
        return [text.strip()]
    problems = []
    for line in text.splitlines():
        where, _, rest = line.partition(": ")
        symbol = rest.split(" ")[0]
        # Sanitizers and the compiler put in names of their own.
        if symbol.startswith(("chat__", "__", "_")) or symbol in public:
            continue
        problems.append(f"{os.path.basename(where)}: {symbol} is not static: make it static, or "
                        "call it chat__<room>_<verb>; public ones are declared with CHAT_API")
    return problems


def check(tree):
    return check_headers(tree) + check_statics(tree) + check_objects(tree)


def prepare(tree):
    os.makedirs(os.path.join(tree.build, "lib"), exist_ok=True)
    for path in tree.files(".c", under="lib/"):
        out = os.path.join(tree.build, "lib", os.path.basename(path) + ".o")
        code, text = run(["gcc", "-c", "-o", out, path], cwd=tree.root)
        if code:
            raise RuntimeError(text)


GOOD = "int chat__base_a(void) { return 1; }\nstatic int one(void) { return 1; }\n"
CASES = [
    ("an internal function without the prefix",
     {"lib/a.c": "int helper(void) { return 1; }\n"}, "helper is not static"),
    ("an internal function with the public prefix",
     {"lib/a.c": "int chat_helper(void) { return 1; }\n"}, "chat_helper is not static"),
    ("a static function with a prefix",
     {"lib/a.c": "\nstatic int chat__a(void) { return 1; }\n"}, "lib/a.c:2: chat__a is static"),
    ("long in a public header",
     {"lib/a.c": GOOD, "include/chat/a.h": "/* long */\nlong f(void);\n"}, "a.h:2: long"),
    ("time_t in a public header",
     {"lib/a.c": GOOD, "include/chat/a.h": "int f(time_t t);\n"}, "time_t"),
    ("varargs in a public header",
     {"lib/a.c": GOOD, "include/chat/a.h": "CHAT_API int f(int a,\n ...);\n"}, "varargs"),
    ("what is right",
     {"lib/a.c": GOOD, "include/chat/a.h": '/* long */\nuint32_t f(void); const char *t = "long";\n'},
     None),
]
