# SPDX-License-Identifier: MIT
"""Each public header compiles alone, as C99 and as C++11, with gcc and with clang."""

from common import run

FLAGS = ["-fsyntax-only", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-x"]
WAYS = [["gcc", "-std=c99"], ["clang", "-std=c99"], ["g++", "-std=c++11"],
        ["clang++", "-std=c++11"]]


def check(tree):
    problems = []
    for path in tree.public_headers():
        for compiler, standard in WAYS:
            language = "c" if standard == "-std=c99" else "c++"
            # A file that includes the header: a header as the main file has warnings of its own.
            code, text = run(["sh", "-c", f'echo "#include \\"{path}\\"" | {compiler} {standard} '
                              + " ".join(FLAGS) + f" {language} -I. -"], cwd=tree.root)
            if code:
                problems.append(f"{path}: does not compile alone with {compiler} {standard}:\n"
                                + text.strip())
                break
    return problems


CASES = [
    ("a header that needs another one first",
     {"include/chat/a.h": "uint32_t f(void);\n"}, "include/chat/a.h: does not compile alone"),
    ("a header that is no C99",
     {"include/chat/a.h": "struct a {\n    union {\n        int b;\n    };\n};\n"}, "-std=c99"),
    ("a header that is no C++",
     {"include/chat/a.h": "int f(int class);\n"}, "-std=c++11"),
    ("a good header", {"include/chat/a.h": "#include <stdint.h>\nuint32_t f(void);\n"}, None),
]
