# SPDX-License-Identifier: MIT
"""Sizes: functions, files, nesting, parameters, complexity, columns.

sizes.allow names what is over a limit for a good reason, with its size. It may only shrink: an
entry that is no longer needed, or larger than needed, is a failure too.
"""

import os

ALLOW = "tools/gates/sizes.allow"
FILE_LINES, HEADER_LINES, COLUMNS = 500, 400, 100
FUNCTION_LINES, TEST_LINES = 60, 40
NESTING, PARAMETERS, COMPLEXITY = 4, 6, 15
WHAT_TO_DO = {
    "file-lines": "split the file by job",
    "columns": "break the line",
    "function-lines": "give a part of it a name of its own",
    "nesting": "return early, or give the inner part a name",
    "parameters": "put what belongs together into a struct",
    "complexity": "turn the decisions into a table, or split the function",
}


def sizes_of_file(tree, path):
    lines = tree.text(path).split("\n")
    limit = HEADER_LINES if path.startswith("include/chat/") else FILE_LINES
    yield path, "-", "file-lines", len(lines) - 1, limit
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield f"{path}:{number}", "-", "columns", len(line), COLUMNS


def sizes_of_functions(tree, path):
    import lizard

    analyzer = lizard.FileAnalyzer(lizard.get_extensions(["ns"]))
    is_test = path.startswith("tests/") and not path.startswith("tests/bench/")
    for function in analyzer(tree.full(path)).function_list:
        where, name = f"{path}:{function.start_line}", function.name
        lines = function.end_line - function.start_line + 1
        limit = TEST_LINES if is_test and name != "main" else FUNCTION_LINES
        yield where, name, "function-lines", lines, limit
        yield where, name, "nesting", function.max_nested_structures, NESTING
        yield where, name, "parameters", function.parameter_count, PARAMETERS
        yield where, name, "complexity", function.cyclomatic_complexity, COMPLEXITY


def allowed(tree):
    """{(path, function, what): size} of the allow-list."""
    entries = {}
    if tree.has(ALLOW):
        for line in tree.text(ALLOW).splitlines():
            fields = line.split("#")[0].split()
            if fields:
                path, function, what, size = fields
                entries[path, function, what] = int(size)
    return entries


def check(tree):
    problems, entries, used = [], allowed(tree), set()
    for path in tree.files(".c", ".h"):
        sizes = list(sizes_of_file(tree, path)) + list(sizes_of_functions(tree, path))
        for where, function, what, size, limit in sizes:
            if size <= limit:
                continue
            key = (where.split(":")[0], function, what)
            used.add(key)
            name = "" if function == "-" else f" of {function}()"
            if key not in entries:
                problems.append(f"{where}: {what}{name} is {size}, limit {limit}: "
                                f"{WHAT_TO_DO[what]}")
            elif entries[key] != size:
                problems.append(f"{where}: {what}{name} is {size}, {ALLOW} says {entries[key]}: "
                                "an allowed size may only shrink; correct the entry when it did")
    for key in entries:
        if key not in used:
            problems.append(f"{ALLOW}: {' '.join(key)} is within the limit now: remove the entry")
    return problems


def function(lines, head="int f(void)"):
    return head + "\n{\n" + "    a();\n" * (lines - 3) + "}\n"


DEEP = ("int f(int a)\n{\n    if (a)\n        for (;;)\n            while (a)\n"
        "                if (a)\n                    if (a)\n                        b();\n}\n")
CASES = [
    ("a long function", {"lib/a.c": function(61)}, "lib/a.c:1: function-lines of f() is 61"),
    ("a long test", {"tests/unit/a.c": function(41)}, "is 41, limit 40"),
    ("a long file", {"lib/a.c": "\n" * 501}, "file-lines is 501, limit 500"),
    ("a long public header", {"include/chat/a.h": "\n" * 401}, "is 401, limit 400"),
    ("deep nesting", {"lib/a.c": DEEP}, "nesting of f() is 5, limit 4"),
    ("many parameters", {"lib/a.c": function(4, "int f(int a, int b, int c, int d, int e, int f, int g)")},
     "parameters of f() is 7"),
    ("many branches", {"lib/a.c": "int f(int a)\n{\n" + "    a = a ? 1 : 2;\n" * 15 + "}\n"},
     "complexity of f() is 16"),
    ("a long line", {"lib/a.h": "\n/*" + "x" * 97 + "*/\n"}, "lib/a.h:2: columns is 101"),
    ("an entry that is no longer needed",
     {"lib/a.c": function(60), ALLOW: "lib/a.c f function-lines 70\n"}, "remove the entry"),
    ("an allowed function that grew",
     {"lib/a.c": function(71), ALLOW: "lib/a.c f function-lines 70\n"}, "may only shrink"),
    ("what is allowed",
     {"lib/a.c": function(60), "lib/b.c": function(70), "tests/unit/a.c": function(40),
      ALLOW: "# why\nlib/b.c f function-lines 70\n"}, None),
]
