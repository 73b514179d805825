# SPDX-License-Identifier: MIT
"""Makes the methods of the client without asyncio from those of the client for asyncio."""

import argparse
import ast

HEAD = '''# Generated from client.py: the same methods, blocking.
from __future__ import annotations

from typing import Any, Callable, Coroutine, Iterable, Iterator, TypeVar

from . import client as _client
from .events import (Answer, Chat, Device, Frame, Member, Note, OutboxItem, Page, Pong,
                     Presence, Receipt, Sent, Trail, User)

_T = TypeVar("_T")


class Blocking:
    """What can be asked and told; see :class:`libchat.Client`."""

    _client: _client.Client

    def _wait(self, call: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        raise NotImplementedError

    def _do(self, call: Callable[[], object]) -> None:
        raise NotImplementedError

    def _each(self, rows: Any) -> Iterator[Any]:
        raise NotImplementedError
'''


def passed(arguments):
    names = [a.arg for a in arguments.args[1:]]
    names += [f"{a.arg}={a.arg}" for a in arguments.kwonlyargs]
    return ", ".join(names)


def method(node):
    returns = ast.unparse(node.returns)
    call = f"self._client.{node.name}({passed(node.args)})"
    if isinstance(node, ast.FunctionDef):
        body = f"self._do(lambda: {call})"
    else:
        body = ("" if returns == "None" else "return ") + f"self._wait(lambda: {call})"
    if returns.startswith("AsyncIterator"):
        returns, body = returns[len("Async"):], f"return self._each({call})"
    doc = ast.get_docstring(node) or ""
    doc = f'        """{doc}"""\n' if "\n" not in doc else \
        '        """' + doc.replace("\n", "\n        ").replace("        \n", "\n") + '\n        """\n'
    return (f"\n    def {node.name}({ast.unparse(node.args)}) -> {returns}:\n"
            f"{doc}        {body}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    out = [HEAD]
    for path in args.sources:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for one in tree.body:
            if isinstance(one, ast.ClassDef):
                out += [method(node) for node in one.body
                        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                        and not node.name.startswith("_")]
    with open(args.out, "w", encoding="utf-8") as file:
        file.write("".join(out))


if __name__ == "__main__":
    main()
