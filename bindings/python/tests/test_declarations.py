# SPDX-License-Identifier: MIT
"""What the public headers declare is what Python has: functions, frames, requests, statuses."""
import dataclasses
import inspect
import pathlib
import re

import libchat
from libchat import _frames, sync
from libchat._native import lib

ROOT = pathlib.Path(__file__).resolve().parents[3]
INCLUDE = ROOT / "include/chat"
# The server and the backends are other libraries; chat.h includes the others.
BACKENDS = {path.name for path in (ROOT / "lib/backends").iterdir()}
HEADERS = [path for path in INCLUDE.glob("*.h")
           if path.stem.split("_")[0] not in BACKENDS | {"server", "chat"}]


def code(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"^[ \t]*#[ \t]*define\b(?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)


def declared():
    found = set()
    for path in HEADERS:
        found |= set(re.findall(r"\bCHAT_API\b[^;{]*?\b(\w+)\s*\(", code(path)))
    return found


def test_functions_of_the_headers_are_functions_of_the_extension():
    assert len(declared()) > 50
    have = {name for name in dir(lib) if name.islower()}
    assert have - {"chat_python_log"} == declared()


def test_every_request_of_the_client_is_reachable():
    header = code(INCLUDE / "client.h")
    requests = re.findall(r"chat_client_(\w+)\([^)]*uint64_t \*out_r\)", header)
    special = {"group": "create", "note": "edit"}
    missing = [name for name in requests if not hasattr(libchat.Client, special.get(name, name))]
    assert len(requests) > 8 and not missing, \
        f"{missing}: no rule of build-tools/frames.py fits, so write them in client.py"


def test_every_kind_of_group_and_note_request_has_a_method():
    source = inspect.getsource(libchat.client)
    for name in re.findall(r"CHAT_FRAME_(CHAT_(?!CREATE\b)\w+|EDIT|DELETE|REACT\w*)",
                           " ".join(dir(lib))):
        assert f"CHAT_FRAME_{name}" in source, name


def test_every_frame_of_the_server_is_a_frozen_dataclass():
    table = (INCLUDE / "frame.h").read_text(encoding="utf-8")
    rows = re.findall(r'X\((\w+), \d+, "[\w.]+", (SERVER|BOTH),', table)
    assert len(rows) >= 15 and len(rows) == len(_frames.READERS)
    for name in _frames.__all__:
        kind = getattr(libchat, name)
        assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen, name


def test_the_status_table():
    for status in libchat.Status:
        assert getattr(lib, f"CHAT_{status.name}") == status.value
        assert status.text and status.kind in ("done", "expected", "caller", "peer", "limit",
                                               "retry", "fatal")


def test_the_blocking_client_has_every_method():
    for name, method in inspect.getmembers(libchat.Client, inspect.isfunction):
        if name.startswith("_") or name in ("abort", "aclose", "open", "online"):
            continue
        assert hasattr(sync.Client, name), name
