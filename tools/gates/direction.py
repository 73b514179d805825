# SPDX-License-Identifier: MIT
"""Include lines point inwards only, and the core is pure.

A room may include itself and the rooms of its row. What two rooms share moves down to base.
"""

import os
import re

from common import code_of, line_of

CORE = ["base", "id", "wire", "session", "route", "presence", "queue", "views", "node"]

# room -> rooms that it may include. A room is named by its folder; lib/core/client is core/client.
MAY_USE = {
    "base": [],
    "id": ["base"],
    "wire": ["base", "id"],
    "session": ["base", "id", "wire"],
    "route": ["base", "id"],
    "presence": ["base", "id"],
    "queue": ["base", "id"],
    "views": ["base", "id", "wire"],
    "core/client": ["base", "id", "wire", "session"],
    "node": [room for room in CORE if room not in ("views", "node")],
    "json": ["base", "id", "wire"],
    "net": ["base", "id", "json"],
    "sqlite": ["base"],
    "store": ["base", "id", "wire", "queue", "views", "json", "sqlite"],
    "log": ["base", "id"],
    "server": CORE + ["json", "net", "store", "log"],
    "client": ["base", "id", "wire", "session", "core/client", "json", "net", "sqlite"],
    "testing": CORE + ["core/client", "json", "net"],
    "cassandra": ["base", "id", "wire", "queue", "views", "net"],
    "etcd": ["base", "id", "json"],
    "kafka": ["base", "id"],
    "redis": ["base", "net"],
    "examples": [],
}

# Public headers that speak for an outer library: what may include them besides that library.
OUTER_HEADERS = {"client": ["client", "core/client"], "client_transport": ["client"],
                 "client_thread": ["client"], "client_store": ["client"], "token": ["client", "net"],
                 "server": ["server"], "testing": ["testing"],
                 "testing_server": ["testing"], "testing_notifier": ["testing"],
                 "testing_shared": ["testing"], "testing_log": ["testing"],
                 "history": ["testing"], "backend": ["server", "store", "testing", "etcd", "kafka",
                             "cassandra", "redis", "base"],
                 "etcd": ["etcd"], "kafka": ["kafka"], "cassandra": ["cassandra"],
                 "cassandra_schema": ["cassandra"], "cassandra_store": ["cassandra"],
                 "redis": ["redis"]}

INCLUDE_PATHS = ["include", "lib", "lib/core", "lib/server"]
SUFFIXES = (".c", ".h")

# Standard headers without side effects; stdlib.h only where the libc allocator is.
PURE_HEADERS = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdatomic.h", "stdbool.h",
                "stddef.h", "stdint.h", "string.h"}
STDLIB_FILES = {"lib/core/base/alloc.c"}
IMPURE_CALL = re.compile(
    r"\b(time|clock|clock_gettime|gettimeofday|localtime|gmtime|nanosleep|u?sleep|s?rand|random|"
    r"rand_r|getrandom|arc4random|getenv|setenv|setlocale|f?printf|puts|f?open|read|write|close|"
    r"socket|connect|accept|poll|select|send|recv|pthread_\w+|thrd_\w+|mtx_\w+|exit|signal|"
    r"abort|system|fork)\s*\(")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.M)


def room_of(path):
    """Name of the room that a file belongs to, None when no rule is for it."""
    parts = path.split("/")
    if parts[0] == "examples":
        return "examples"
    if parts[0] != "lib" or len(parts) < 3:
        return None
    if parts[1] == "core" and len(parts) > 3:
        return "core/client" if parts[2] == "client" else parts[2]
    if parts[1] == "backends":
        return parts[2] if len(parts) > 3 else None
    if parts[1] == "server" and len(parts) > 3 and parts[2] in ("store", "log"):
        return parts[2]
    return parts[1]


def resolve(tree, path, target):
    for folder in [os.path.dirname(path)] + INCLUDE_PATHS:
        candidate = os.path.normpath(os.path.join(folder, target))
        if tree.has(candidate):
            return candidate
    return None


def check_quoted(tree, path, room, target):
    found = resolve(tree, path, target)
    if found is None:
        return f'"{target}" is in none of {", ".join(INCLUDE_PATHS)}: correct the path'
    if room == "examples":
        ok = found.startswith("examples/")
        return None if ok else f'"{target}" is internal: examples use <chat/...> only'
    other = room_of(found)
    if other is None or other == room or other in MAY_USE[room]:
        return None
    return (f'room {room} includes "{target}" of room {other}: it may use '
            f'{", ".join(MAY_USE[room]) or "nothing"}; move what both need down to base')


def check_public(room, target):
    noun = target.split("/")[1].split(".")[0]
    if room in ("examples", None) or noun not in OUTER_HEADERS or room in OUTER_HEADERS[noun]:
        return None
    return f"room {room} includes <{target}>, which belongs to an outer library"


def check_system(path, room, target):
    if room not in CORE and room != "core/client":
        return None
    if target in PURE_HEADERS or (target == "stdlib.h" and path in STDLIB_FILES):
        return None
    return f"the core includes <{target}>: it is pure; take the value as an input instead"


def check_include(tree, path, quote, target):
    room = room_of(path)
    if room is not None and room not in MAY_USE:
        return f"room {room} has no row in tools/gates/direction.py: add what it may use"
    if quote == '"':
        return check_quoted(tree, path, room, target) if room else None
    if target.startswith("chat/"):
        return check_public(room, target)
    return check_system(path, room, target)


def check(tree):
    problems = []
    for path in tree.files(*SUFFIXES, under="lib/") + tree.files(*SUFFIXES, under="examples/"):
        text = tree.text(path)
        for match in INCLUDE.finditer(text):
            problem = check_include(tree, path, match.group(1), match.group(2))
            if problem:
                problems.append(f"{path}:{line_of(text, match.start())}: {problem}")
        if path.startswith("lib/core/"):
            code = code_of(text)
            for match in IMPURE_CALL.finditer(code):
                problems.append(f"{path}:{line_of(code, match.start())}: the core calls "
                                f"{match.group(1)}(): it is pure; take the value as an input")
    return problems


CASES = [
    ("a room that points outwards",
     {"lib/core/base/a.c": '#include "wire/w.h"\n', "lib/core/wire/w.h": ""},
     "lib/core/base/a.c:1: room base includes"),
    ("wire and route know each other",
     {"lib/core/wire/w.c": '#include "route/r.h"\n', "lib/core/route/r.h": ""}, "room wire"),
    ("the node uses the client",
     {"lib/core/node/n.c": '\n#include "../client/c.h"\n', "lib/core/client/c.h": ""},
     "n.c:2: room node"),
    ("the server uses the client library",
     {"lib/server/s.c": "#include <chat/client.h>\n"}, "outer library"),
    ("an example uses an internal header",
     {"examples/chat/main.c": '#include "base/a.h"\n', "lib/core/base/a.h": ""},
     "examples use <chat/...> only"),
    ("the core reads a clock", {"lib/core/id/i.c": "uint64_t f(void) { return time (0); }\n"},
     "calls time()"),
    ("the core includes stdio", {"lib/core/id/i.c": "#include <stdio.h>\n"}, "<stdio.h>"),
    ("an include that leads nowhere", {"lib/net/n.c": '#include "gone.h"\n'}, "in none of"),
    ("what is allowed",
     {"lib/core/wire/w.c": '#include "id/i.h"\n#include <string.h>\n#include <chat/frame.h>\n'
                           '/* time() is an input */\n',
      "lib/core/id/i.h": "", "lib/server/s.c": '#include "store/s.h"\n#include <time.h>\n',
      "lib/server/store/s.h": "", "examples/a.c": "#include <chat/client.h>\n"}, None),
]
