# SPDX-License-Identifier: MIT
"""Makes Python of the headers: frames as dataclasses, requests as methods, statuses, options.

A frame, a field, a status or a request that is new in C is there in Python with nothing written
by hand. What has a nicer form of its own in client.py is named in BY_HAND.
"""

import os
import re

import preprocess

PROBE = r"""
#include <chat/frame.h>
#define F(x) @x@
#define FIELD(a, b, c, d, e, f) <field> #a #c #d f <end>
#define FRAME(a, b, c, d, e, f, g) <frame> #a c #d <required> e <optional> f <text> g <end>
#define STATUS(a, b, c, d, e, f) <status> #a #b #c f <end>
"""
TABLES = "#define X(args) args\nCHAT_FIELD_TABLE(FIELD)\nCHAT_FRAME_TABLE(FRAME)\n" \
         "CHAT_STATUS_TABLE(STATUS)\n"
# Names that are words of Python, or say less there.
FIELD_NAMES = {"from": "sender", "more": "has_more"}
CLASS_NAMES = {"MSG": "Message", "ERROR": "ErrorFrame", "CHAT": "Chat"}
UNSEEN = {"R", "N"}  # requests and the stream are counted by the library
BY_HAND = {"history", "group", "note", "chats", "create", "presence", "watch", "hide", "read",
           "receipts", "why", "mute", "devices",
           "device_remove", "ping"}
TYPES = {"ID": "str", "CHAT": "str", "TEXT": "str", "U64": "int", "UINT": "int", "BOOL": "bool",
         "IDS": "tuple[str, ...]"}
READ = {"ID": "text(f.{0})", "CHAT": "text(f.{0})", "TEXT": "text(f.{0})", "U64": "f.{0}",
        "UINT": "f.{0}", "BOOL": "bool(f.{0})", "IDS": "texts(f.{0})"}
ABSENT = {"BOOL": "False", "IDS": "()"}
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Field:
    def __init__(self, row):
        self.name, self.json, self.kind, *text = STRING.findall(row)
        self.text = "".join(text)
        self.python = FIELD_NAMES.get(self.json, self.json)

    def declaration(self, is_required):
        if is_required:
            return f"    {self.python}: {TYPES[self.kind]}\n"
        if self.kind in ABSENT:
            return f"    {self.python}: {TYPES[self.kind]} = {ABSENT[self.kind]}\n"
        return f"    {self.python}: {TYPES[self.kind]} | None = None\n"

    def value(self, is_required):
        name = self.json if self.json != "from" else None
        read = READ[self.kind].format(name) if name else 'text(getattr(f, "from"))'
        if is_required:
            return read
        absent = ABSENT.get(self.kind, "None")
        return f"{read} if f.has & lib_bit({self.name!r}) else {absent}"


def class_name(name):
    return CLASS_NAMES.get(name, "".join(word.capitalize() for word in name.split("_")))


def rows(args):
    text = preprocess.preprocess(args, PROBE + TABLES, ["-P"])
    text = text[text.index("<field>"):]
    fields = [Field(row) for row in re.findall(r"<field>(.*?)<end>", text, re.S)]
    frames = []
    for row in re.findall(r"<frame>(.*?)<end>", text, re.S):
        head, required, optional, about = re.split("<required>|<optional>|<text>", row)
        name, _, direction = STRING.findall(head)
        wanted = [re.findall(r"@(\w+)@", part) for part in (required, optional)]
        frames.append((name, direction, *wanted, "".join(STRING.findall(about))))
    statuses = [STRING.findall(row) for row in re.findall(r"<status>(.*?)<end>", text, re.S)]
    return {field.name: field for field in fields}, frames, statuses


FRAMES_HEAD = '''# Generated from the frame and field tables of <chat/frame.h>.
"""Frames that a server sends, each a frozen dataclass."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Union

from ._native import ffi, lib


def text(view: Any) -> str:
    return str(ffi.buffer(view.data, view.len)[:], "utf-8") if view.len else ""


def texts(views: Any) -> tuple[str, ...]:
    return tuple(text(views.items[i]) for i in range(views.n_items))


'''


def frames_module(fields, frames):
    out, readers, classes = [FRAMES_HEAD], [], []
    for name, direction, required, optional, about in frames:
        if direction not in ("SERVER", "BOTH"):
            continue
        known = [(fields[f], True) for f in required if f not in UNSEEN]
        known += [(fields[f], False) for f in optional if f not in UNSEEN]
        title, is_stream = class_name(name), about.startswith("Stream.")
        classes.append(title)
        out.append(f"@dataclass(frozen=True)\nclass {title}:\n    {describe(about, known)}\n")
        out += [field.declaration(must) for field, must in known]
        if is_stream:
            out.append("    gap_after: int = 0\n")
        if not known:
            out.append("    pass\n")
        out.append(f"\n\ndef _read_{name.lower()}(f: Any, gap: int) -> {title}:\n")
        values = [f"{f.python}={f.value(must)}" for f, must in known]
        values += ["gap_after=gap"] if is_stream else []
        values = "".join(f"        {value},\n" for value in values)
        out.append(re.sub(r"lib_bit\('(\w+)'\)", r"_\1", f"    return {title}(\n{values}    )\n\n\n"))
        readers.append(f"    lib.CHAT_FRAME_{name}: _read_{name.lower()},\n")
    bits = "".join(f"_{name} = 1 << lib.CHAT_FIELD_KEY_{name}\n" for name in fields)
    out.insert(1, bits + "\n\n")
    out.append(f"Frame = Union[{', '.join(classes)}]\n")
    out.append("READERS: dict[int, Callable[[Any, int], Frame]] = {\n" + "".join(readers) + "}\n")
    out.append(f"__all__ = {sorted(classes)!r}\n")
    return "".join(out)


def describe(about, known):
    lines = [f"{field.python}: {field.text}" for field, _ in known]
    body = "".join(f"    {line}\n" for line in lines)
    quoted = f'"""{about}\n\n{body}    """'
    return quoted.replace("\\", "\\\\")


def status_module(statuses):
    out = ['# Generated from the status table of <chat/status.h>.\n"""Every result of the library."""'
           "\nfrom enum import IntEnum\n\n\nclass Status(IntEnum):\n"
           '    """What a call or the server answered; `text` and `kind` are of the table."""\n\n']
    out += [f"    {name} = {value}\n" for name, value, *_ in statuses]
    out.append("\n    @property\n    def text(self) -> str:\n        return _TEXTS[self]\n"
               "\n    @property\n    def kind(self) -> str:\n        return _KINDS[self]\n\n\n")
    out.append("_KINDS = {\n" + "".join(f"    {v}: {k.lower()!r},\n" for _, v, k, *_ in statuses)
               + "}\n_TEXTS = {\n"
               + "".join(f"    {v}: {''.join(t)!r},\n" for _, v, _, *t in statuses) + "}\n")
    return "".join(out)


REQUESTS_HEAD = '''# Generated from <chat/client.h>: requests without a hand-written form.
from __future__ import annotations

from typing import Any, Callable, Iterable

from . import _text
from ._native import lib
from .events import Answer, User


class Requests:
    """Requests as the C functions of the same names, answered by an :class:`Answer`."""

    async def _request(self, call: Callable[[Any], int]) -> Answer:
        raise NotImplementedError

    def _handle(self) -> Any:
        raise NotImplementedError
'''


def parameter(kind, name):
    """(annotation, line that prepares it, what is passed) of a parameter of C; None: unknown."""
    if kind == "const chat_target *":
        return "str | User", f"{name}_c, {name}_keep = _text.target({name})", f"{name}_c"
    if kind == "chat_view":
        return "str", f"{name}_c = _text.view({name})", f"{name}_c"
    if kind == "chat_view_list":
        return "Iterable[str]", f"{name}_c, {name}_keep = _text.view_list({name})", f"{name}_c"
    if kind in ("uint32_t", "uint64_t", "int"):
        is_flag = kind == "int" and name.startswith("is_")
        return "bool" if is_flag else "int", "", name
    return None


def requests_module(text):
    out = [REQUESTS_HEAD]
    for name, inner in re.findall(r"chat_status\s+chat_client_(\w+)\s*\(([^)]*)\)", text):
        parts = [re.match(r"(.*?[\s*])(\w+)$", " ".join(p.split())) for p in inner.split(",")]
        if not all(parts) or parts[-1].group(0) != "uint64_t *out_r" or name in BY_HAND:
            continue
        made = {p.group(2): parameter(p.group(1).strip(), p.group(2)) for p in parts[1:-1]}
        if None in made.values():
            continue  # tests/test_declarations.py says so: it needs a form of its own in client.py
        arguments = "".join(f", {key}: {value[0]}" for key, value in made.items())
        prepare = "".join(f"        {value[1]}\n" for value in made.values() if value[1])
        passed = "".join(f", {value[2]}" for value in made.values())
        out.append(f"\n    async def {name}(self{arguments}) -> Answer:\n{prepare}"
                   f"        return await self._request(\n            lambda r: int("
                   f"lib.chat_client_{name}(self._handle(){passed}, r)))\n")
    return "".join(out)


OPTIONS_HEAD = '''# Generated from the option structs of the public headers.
"""What a class takes beside its own parameters, for type checkers: fields of a struct of C."""
from __future__ import annotations

from typing import TypedDict
'''
# Set by the package, or a parameter with a form of its own.
OPTIONS_BY_HAND = {"struct_size", "reserved", "url", "token", "device", "agent", "store_file",
                   "own_transport"}
OPTION_TYPES = {"const char *": "str | None", "uint32_t ": "int", "uint64_t ": "int"}


def options_module(text):
    out = [OPTIONS_HEAD]
    for noun in ("client", "test_server", "presence", "queue"):
        body = re.search(rf"struct chat_{noun}_options \{{(.*?)\}}", text, re.S).group(1)
        out.append(f"\n\nclass {class_name(noun)}Options(TypedDict, total=False):\n"
                   f'    """Of `chat_{noun}_options`."""\n\n')
        own = OPTIONS_BY_HAND | ({"ttl_ms", "seed"} if noun == "presence" else set())
        out += [f"    {name}: {OPTION_TYPES[kind]}\n"
                for kind, name in re.findall(r"^\s*(\w.*?[ *])(\w+);", body, re.M)
                if kind in OPTION_TYPES and name not in own]
    return "".join(out)


def main():
    args = preprocess.arguments()
    fields, frames, statuses = rows(args)
    declarations = preprocess.declarations(args)
    made = {"_frames.py": frames_module(fields, frames), "_status.py": status_module(statuses),
            "_requests.py": requests_module(declarations),
            "_options.py": options_module(declarations)}
    for name, text in made.items():
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as file:
            file.write(text)
    preprocess.write_depfile(args, "_frames.py")


if __name__ == "__main__":
    main()
