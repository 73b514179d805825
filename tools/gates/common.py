# SPDX-License-Identifier: MIT
"""What the gates share: the files of a tree, C text without comments, and running tools."""

import os
import re
import subprocess

SKIPPED = re.compile(r"^(build.*|\.git|\.venv|__pycache__|\.pytest_cache|node_modules)$")


class Tree:
    """The files of a checkout, generated and installed ones left out."""

    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build = build
        self.paths = sorted(self._git_paths() or self._walked_paths())

    def _git_paths(self):
        if not os.path.exists(os.path.join(self.root, ".git")):
            return None
        git = ["git", "-C", self.root, "ls-files", "-co", "--exclude-standard"]
        try:
            text = subprocess.run(git, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return None
        return [p for p in text.splitlines() if os.path.isfile(os.path.join(self.root, p))]

    def _walked_paths(self):
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [f for f in folders if not SKIPPED.match(f)]
            found += [os.path.relpath(os.path.join(folder, n), self.root) for n in names]
        return found

    def files(self, *suffixes, under=""):
        return [p for p in self.paths if p.endswith(suffixes) and p.startswith(under)]

    def has(self, path):
        return os.path.exists(self.full(path))

    def full(self, path):
        return os.path.join(self.root, path)

    def bytes(self, path):
        with open(self.full(path), "rb") as file:
            return file.read()

    def text(self, path):
        return self.bytes(path).decode("utf-8", "replace")

    def public_headers(self):
        return self.files(".h", under="include/chat/")


COMMENT_OR_STRING = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """As many lines as before, and strings and characters left as empty ones."""
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] * 2
    return " " + "\n" * text.count("\n")


def code_of(text):
    """C text without comments and the contents of strings; the line numbers stay."""
    return COMMENT_OR_STRING.sub(blank, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def run(args, **more):
    """(exit code, output) of a command, 127 when it is not there."""
    try:
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, errors="replace", **more)
    except FileNotFoundError:
        return 127, f"{args[0]}: not installed (tools/setup test installs it)"
    return done.returncode, done.stdout
