# SPDX-License-Identifier: MIT
"""What the shared libraries export is what their public headers declare, and nothing else."""

import glob
import os
import re

from common import code_of, run

NEEDS_BUILD = True
# The noun of a header's name tells its library; all other headers are of libchat.
LIBRARY_OF = {"client": "libchat-client", "token": "libchat-client",
              "server": "libchat-server", "testing": "libchat-testing",
              "history": "libchat-testing", "etcd": "libchat-etcd",
              "kafka": "libchat-kafka", "cassandra": "libchat-cassandra",
              "redis": "libchat-redis"}
DECLARATION = re.compile(r"\bCHAT_API\b([^;{]*?)\b(\w+)\s*\(")
DATA = re.compile(r"\bCHAT_API\b[^;{(]*?\b(\w+)\s*(?:\[[^]]*\])?\s*;")
# Put in by the linker.
OF_THE_LINKER = {"_init", "_fini", "_edata", "_end", "__bss_start"}


def library_of(path):
    noun = os.path.basename(path)[:-2].split("_")[0]
    folder = path.split("/")[2]
    return LIBRARY_OF.get(noun if folder.endswith(".h") else folder, "libchat")


def declared(tree):
    """{library: {symbol: header}}"""
    names = {}
    for path in tree.public_headers():
        code = code_of(tree.text(path))
        code = re.sub(r"^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*", "", code, flags=re.M)
        of_library = names.setdefault(library_of(path), {})
        for match in DECLARATION.finditer(code):
            of_library[match.group(2)] = path
        for match in DATA.finditer(code):
            of_library[match.group(1)] = path
    return names


def exported(path):
    code, text = run(["nm", "-D", "--defined-only", "-P", path])
    if code:
        raise RuntimeError(text)
    names = {line.split()[0].split("@")[0] for line in text.splitlines() if line.strip()}
    return names - OF_THE_LINKER


def check_library(name, path, want):
    problems = []
    have = exported(path)
    for symbol in sorted(have - set(want)):
        why = "is internal (chat__)" if symbol.startswith("chat__") else "is in no public header"
        problems.append(f"{path}: exports {symbol}, which {why}: hide it "
                        "(-fvisibility=hidden, --exclude-libs) or declare it")
    for symbol in sorted(set(want) - have):
        problems.append(f"{want[symbol]}: declares {symbol}, and {name} does not export it: "
                        "implement it or take the declaration out")
    for symbol in sorted(have & set(want)):
        if not re.match(r"chat_[a-z0-9]", symbol):
            problems.append(f"{want[symbol]}: {symbol} is no public name: chat_<noun>_<verb>")
    return problems


def check(tree):
    want = declared(tree)
    built = {os.path.basename(p)[:-3]: p
             for p in glob.glob(os.path.join(tree.build, "**", "libchat*.so"), recursive=True)}
    if not built:
        return [f"{tree.build}: no libchat*.so: build first (tools/test does)"]
    problems = []
    for name, path in sorted(built.items()):
        problems += check_library(name, path, want.get(name, {}))
    for name in sorted(set(want) - set(built)):
        if want[name]:
            header = sorted(set(want[name].values()))[0]
            problems.append(f"{header}: declares functions of {name}, which is not built")
    return problems


def prepare(tree):
    """Build the libraries of a planted tree: lib/<name>.c -> build/<name>.so."""
    os.makedirs(tree.build, exist_ok=True)
    for path in tree.files(".c", under="lib/"):
        name = os.path.basename(path)[:-2]
        out = os.path.join(tree.build, name + ".so")
        code, text = run(["gcc", "-shared", "-fPIC", "-fvisibility=hidden", "-Iinclude", "-o", out,
                          path], cwd=tree.root)
        if code:
            raise RuntimeError(text)


API = '#define CHAT_API __attribute__((visibility("default")))\n'
HEADER = API + "/** text CHAT_API */\nCHAT_API int chat_a(int x,\n  int y);\n"
CASES = [
    ("a declaration without an implementation",
     {"include/chat/a.h": HEADER, "lib/libchat.c": "int b;"}, "declares chat_a, and libchat does"),
    ("an export that is in no header",
     {"include/chat/a.h": HEADER, "lib/libchat.c":
      API + "CHAT_API int chat_b;\nCHAT_API int chat_a(void) { return 1; }"}, "exports chat_b"),
    ("an internal function that is exported",
     {"include/chat/a.h": "", "lib/libchat.c": API + "CHAT_API int chat__a(void) { return 1; }"},
     "chat__a, which is internal"),
    ("a function in another library than its header's",
     {"include/chat/client.h": HEADER, "lib/libchat.c":
      '#include "../include/chat/client.h"\nint chat_a(int x, int y) { return x + y; }'},
     "exports chat_a, which is in no public header"),
    ("an export without our prefix",
     {"include/chat/a.h": API + "CHAT_API int talk(void);", "lib/libchat.c":
      '#include "../include/chat/a.h"\nint talk(void) { return 1; }'}, "talk is no public name"),
    ("what is right",
     {"include/chat/a.h": HEADER, "include/chat/client.h": '#include "a.h"\n'
      "CHAT_API void chat_client_b(void);\n",
      "lib/libchat.c": '#include "../include/chat/a.h"\nint chat_a(int x, int y) { return x + y; }',
      "lib/libchat-client.c": '#include "../include/chat/client.h"\nvoid chat_client_b(void) {}'},
     None),
]
