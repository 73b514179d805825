# SPDX-License-Identifier: MIT
"""What the C compiler makes of the public headers, for the two generators beside."""

import argparse
import os
import re
import subprocess
import sys
import tempfile

# The server is another library, with other dependencies; the wheel holds the client. So is each
# room of lib/backends, whose headers begin with its name.
LEFT_OUT = {"server.h", "server_config.h"}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--include", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--depfile", required=True)
    parser.add_argument("compiler", nargs="+")
    return parser.parse_args()


def headers(include):
    """Names of the public headers, the umbrella left out: it includes all the others."""
    names = sorted(os.listdir(os.path.join(include, "chat")))
    backends = set(os.listdir(os.path.join(include, "../lib/backends")))
    left_out = LEFT_OUT | {"chat.h"}
    return [name for name in names if name.endswith(".h") and name not in left_out
            and re.split(r"[._]", name)[0] not in backends]


def write_depfile(args, target):
    folder = os.path.join(args.include, "chat")
    paths = [os.path.join(folder, name) for name in headers(args.include)]
    with open(args.depfile, "w", encoding="utf-8") as file:
        file.write(f"{target}: {' '.join(paths)}\n")


def preprocess(args, text, options=()):
    """`text` as the compiler sees it behind the preprocessor."""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(text)
        file.flush()
        command = [*args.compiler, "-E", *options, "-I", args.include, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def declarations(args):
    """Everything that the public headers declare, as plain C without macros and attributes."""
    includes = "".join(f"#include <chat/{name}>\n" for name in headers(args.include))
    ours, kept = False, []
    for line in preprocess(args, includes).splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            ours = marker.group(1).startswith(os.path.join(args.include, "chat"))
        elif ours:
            kept.append(line)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", "\n".join(kept))
    return re.sub(r"\n\s*\n+", "\n", text) + "\n"
