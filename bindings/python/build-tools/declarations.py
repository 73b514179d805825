# SPDX-License-Identifier: MIT
"""Makes the C of the extension (cffi, API mode) and its stub from the public headers."""

import os
import re

import cffi

import preprocess

# Of the extension itself: where log lines go.
CALLBACKS = 'extern "Python" void chat_python_log(void *ctx, chat_log_level level, const char *);\n'

STUB = '''# Generated from the public headers. What cffi gives is not typed; the modules above it are.
from typing import Any

class Ffi:
    NULL: Any
    def __getattr__(self, name: str) -> Any: ...

class Lib:
    def __getattr__(self, name: str) -> Any: ...

ffi: Ffi
lib: Lib
'''


DEFINED = re.compile(r"^#define (CHAT_\w+)\s+(?:\(UINT64_C\()?\d\w*\b(?!.*\\$)", re.M)


def constants(include):
    """#define lines for the numbers among the macros; the compiler finds their values."""
    found = []
    for name in preprocess.headers(include):
        with open(os.path.join(include, "chat", name), encoding="utf-8") as file:
            found += DEFINED.findall(file.read())
    return "".join(f"#define {name} ...\n" for name in found)


def main():
    args = preprocess.arguments()
    builder = cffi.FFI()
    builder.cdef(preprocess.declarations(args) + constants(args.include) + CALLBACKS)
    includes = "".join(f"#include <chat/{n}>\n" for n in preprocess.headers(args.include))
    builder.set_source("libchat._native", includes)
    builder.emit_c_code(os.path.join(args.out, "_native.c"))
    with open(os.path.join(args.out, "_native.pyi"), "w", encoding="utf-8") as file:
        file.write(STUB)
    preprocess.write_depfile(args, "_native.c")


if __name__ == "__main__":
    main()
