#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the vectors of this folder with independent libraries: cbor2 and a CDDL validator.

  tests/vectors/check.py

For each frame: its CBOR is what cbor2 makes of its JSON, deterministically; both forms satisfy
docs/chat.cddl; with any required field left out, or with a field that is not in the table, they do
not. What must be refused is refused by cbor2, by CDDL or by the rules that CDDL cannot say; a
vector that is `valid_elsewhere` only by a rule of the library's own decoder. The CDDL and the page
name every frame and field of the C tables. Closes with `N passed, N failed`.
"""

import io
import json
import os
import re
import sys

import cbor2
import pycddl

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MAX_DEPTH = 16
MAX_VALUES = 2048
MAX_UNKNOWN = 64
MAX_DIGITS = 63


class Refused(Exception):
    """A frame that must not be taken; the text says why."""


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def rows(name):
    return json.loads(read("tests", "vectors", name + ".json"))


class Tables:
    """The C tables, read from the header by their layout."""

    def __init__(self):
        header = read("include", "chat", "frame.h").replace("\\\n", " ")
        self.fields = {m[2]: (int(m[1]), m[3]) for m in
                       re.finditer(r'X\(\w+, (\d+), (\w+), ([A-Z0-9]+), [^,]+,\s*"', header)}
        self.types = {m[2]: int(m[1]) for m in
                      re.finditer(r'X\(\w+, (\d+), "([\w.]+)", [A-Z]+,', header)}
        self.names = {key: name for name, (key, _) in self.fields.items()}
        self.by_number = {number: name for name, number in self.types.items()}

    def to_cbor(self, frame):
        out = {0: self.types[frame["t"]]}
        for name, value in frame.items():
            if name != "t":
                key, kind = self.fields[name]
                out[key] = int(value) if kind == "U64" else value
        return dict(sorted(out.items()))

    def to_json(self, frame):
        out = {"t": self.by_number[frame[0]]}
        for key, value in frame.items():
            if key != 0:
                name = self.names[key]
                out[name] = str(value) if self.fields[name][1] == "U64" else value
        return out


TABLES = Tables()
CDDL = read("docs", "chat.cddl")
SCHEMAS = {encoding: pycddl.Schema(f"start = {encoding}-frame\n{CDDL}")
           for encoding in ("cbor", "json")}


def allowed_keys(encoding, type_name):
    """Keys that the CDDL gives to a type."""
    rule = f"{encoding}-{type_name.replace('.', '-')}"
    body = re.search(rf"^{re.escape(rule)} = {{\n(.*?)^}}", CDDL, re.M | re.S)[1]
    return set(re.findall(r'^  (?:\? )?"?(\w+)"?:', body, re.M))


def known_part(encoding, frame):
    """What is left after unknown fields are skipped, as every receiver does."""
    tag = 0 if encoding == "cbor" else "t"
    name = TABLES.by_number.get(frame.get(tag)) if encoding == "cbor" else frame.get(tag)
    if name not in TABLES.types:
        return frame
    keys = allowed_keys(encoding, name)
    return {key: value for key, value in frame.items()
            if not isinstance(key, bool) and str(key) in keys}


def check_id(text, limit=64):
    if not isinstance(text, str):
        raise Refused("no text")
    if not 1 <= len(text.encode()) <= limit:
        raise Refused("length of an id")
    if re.search("[\x00-\x1f\x7f-\x9f]", text):
        raise Refused("control character in an id")


def check_chat(text):
    if not isinstance(text, str) or not text.startswith("dm:"):
        return check_id(text)
    check_id(text, 135)
    match = re.match(r"dm:([1-9]\d*):(.*)$", text, re.S)
    members = match and match[2].encode()
    size = match and int(match[1])
    if not match or members[size:size + 1] != b":":
        raise Refused("form of a direct chat")
    smaller, larger = members[:size], members[size + 1:]
    check_id(smaller.decode())
    check_id(larger.decode())
    if smaller >= larger:
        raise Refused("order of a direct chat")


def check_value(kind, value, encoding):
    if kind == "ID":
        check_id(value)
    elif kind == "CHAT":
        check_chat(value)
    elif kind == "IDS":
        for item in value:
            check_id(item)
    elif kind == "TEXT" and (not isinstance(value, str) or "\0" in value):
        raise Refused("no text, or U+0000")
    elif kind == "U64" and encoding == "json" and \
            (not re.fullmatch(r"0|[1-9]\d*", value, re.A) or int(value) >= 2 ** 64):
        raise Refused("form of a 64-bit number")


def validate(encoding, frame):
    """Take a frame as a receiver does, or raise."""
    if not isinstance(frame, dict):
        raise Refused("no map")
    frame = known_part(encoding, frame)
    for key, value in frame.items():
        if isinstance(value, float) and encoding == "json" and value.is_integer():
            frame[key] = int(value)
    SCHEMAS[encoding].validate_cbor(cbor2.dumps(frame))
    for key, value in frame.items():
        name = TABLES.names.get(key) if encoding == "cbor" else key
        if name in TABLES.fields:
            check_value(TABLES.fields[name][1], value, encoding)


def depth(value):
    if isinstance(value, cbor2.CBORTag):
        return 1 + depth(value.value)
    if isinstance(value, dict):
        return 1 + max((max(depth(k), depth(v)) for k, v in value.items()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, (list, tuple)) else 0


def items_of_map(data):
    """Number of pairs in the frame's map as written, so that a key that is there twice shows."""
    stream = io.BytesIO(data)
    first = stream.read(1)[0]
    if first >> 5 != 5 or first & 31 > 23:
        return None
    return first & 31


def decode_cbor(data):
    stream = io.BytesIO(data)
    frame = cbor2.CBORDecoder(stream, tag_hook=lambda *args: args[-1]).decode()
    if stream.read(1):
        raise Refused("trailing bytes")
    count = items_of_map(data)
    if isinstance(frame, dict) and count is not None and count != len(frame):
        raise Refused("a key is there twice")
    if depth(frame) > MAX_DEPTH:
        raise Refused("too deep")
    return frame


def no_twice(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise Refused("a name is there twice")
    return dict(pairs)


def refuse_word(word):
    raise Refused(word)


def count_values(value):
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count_values, below))


def decode_json(data):
    text = data.decode("utf-8")
    if re.search(rf"\d{{{MAX_DIGITS + 1}}}", text):
        raise Refused("a number is too long")
    frame = json.loads(text, object_pairs_hook=no_twice, parse_constant=refuse_word)
    plain = json.dumps(frame, ensure_ascii=False)
    plain.encode("utf-8")
    if "\\u0000" in plain:
        raise Refused("U+0000")
    if depth(frame) > MAX_DEPTH or count_values(frame) > MAX_VALUES:
        raise Refused("too deep or too many values")
    if isinstance(frame, dict) and len(set(frame) - set(TABLES.fields) - {"t"}) > MAX_UNKNOWN:
        raise Refused("too many unknown names")
    return frame


def expect(condition, text):
    if not condition:
        raise AssertionError(text)


def expect_refused(action, text):
    try:
        action()
    except (Refused, pycddl.ValidationError, cbor2.CBORDecodeError, ValueError, EOFError,
            RecursionError, OverflowError, MemoryError):
        return
    raise AssertionError(text)


def check_frame(row):
    frame, data = row["json"], bytes.fromhex(row["cbor"])
    as_cbor = TABLES.to_cbor(frame)
    expect(cbor2.dumps(as_cbor).hex() == row["cbor"], "cbor2 encodes it otherwise")
    expect(cbor2.dumps(as_cbor, canonical=True) == data, "not deterministic")
    expect(TABLES.to_json(decode_cbor(data)) == frame, "cbor2 decodes it otherwise")
    for encoding, form in (("cbor", as_cbor), ("json", frame)):
        schema = SCHEMAS[encoding]
        schema.validate_cbor(cbor2.dumps(form))
        validate(encoding, form)
        unknown = {**form, (63 if encoding == "cbor" else "zzz"): 1}
        expect_refused(lambda: schema.validate_cbor(cbor2.dumps(unknown)),
                       f"the CDDL takes an unknown field in {encoding}")
        check_required(schema, encoding, form)


def check_required(schema, encoding, form):
    rule = f"{encoding}-{TABLES.to_json(form)['t'] if encoding == 'cbor' else form['t']}"
    body = re.search(rf"^{re.escape(rule.replace('.', '-'))} = {{\n(.*?)^}}", CDDL, re.M | re.S)[1]
    for key in re.findall(r'^  "?(\w+)"?:', body, re.M):
        less = {k: v for k, v in form.items() if str(k) != key}
        expect_refused(lambda less=less: schema.validate_cbor(cbor2.dumps(less)),
                       f"the CDDL takes {encoding} without {key}")


def check_lenient_cbor(row):
    frame = decode_cbor(bytes.fromhex(row["cbor"]))
    validate("cbor", frame)
    expect(TABLES.to_json(known_part("cbor", frame)) == row["json"], "another frame")


def check_lenient_json(row):
    frame = decode_json(row["text"].encode())
    validate("json", frame)
    expect(known_part("json", frame) == row["json"], "another frame")


def check_invalid_cbor(row):
    if row.get("valid_elsewhere"):
        validate("cbor", decode_cbor(bytes.fromhex(row["cbor"])))
        return
    expect_refused(lambda: validate("cbor", decode_cbor(bytes.fromhex(row["cbor"]))), "it is taken")


def check_invalid_json(row):
    data = bytes.fromhex(row["hex"]) if "hex" in row else row["text"].encode()
    expect_refused(lambda: validate("json", decode_json(data)), "it is taken")


def check_conversation(line):
    validate("json", decode_json(line.encode()))
    SCHEMAS["json"].validate_cbor(cbor2.dumps(json.loads(line)))


def check_type(name):
    page = read("docs", "protocol.md")
    expect(f"| `{name}` | {TABLES.types[name]} |" in page, "not in docs/protocol.md")
    for encoding in ("cbor", "json"):
        allowed_keys(encoding, name)
    count = sum(row["json"]["t"] == name for file in ("client", "server", "node")
                for row in rows(file))
    expect(count >= 2, f"only {count} vectors")


def check_field(name):
    key, _ = TABLES.fields[name]
    expect(f"| `{name}` | {key} |" in read("docs", "protocol.md"), "not in docs/protocol.md")
    expect(re.search(rf"^  (?:\? )?{key}: .*; {name}$", CDDL, re.M), "not in the CDDL for CBOR")
    expect(re.search(rf'^  (?:\? )?"{name}": ', CDDL, re.M), "not in the CDDL for JSON")


def cases():
    for file in ("client", "server", "node"):
        yield from ((f"{file}: {row['name']}", check_frame, row) for row in rows(file))
    for file, check in (("lenient-cbor", check_lenient_cbor), ("lenient-json", check_lenient_json),
                        ("invalid-cbor", check_invalid_cbor), ("invalid-json", check_invalid_json)):
        yield from ((f"{file}: {row['name']}", check, row) for row in rows(file))
    yield from ((f"type {name}", check_type, name) for name in TABLES.types)
    yield from ((f"field {name}", check_field, name) for name in TABLES.fields)
    talk = re.findall(r"^B?[<>] +(\{.*\})$", read("docs", "protocol.md"), re.M)
    yield "conversation", lambda lines: expect(len(lines) > 10, "too short"), talk
    yield from ((f"conversation: {line[:50]}", check_conversation, line) for line in talk)


def main():
    passed = failed = 0
    for name, check, argument in cases():
        try:
            check(argument)
            passed += 1
        except Exception as error:  # whatever a library throws is a failure of this case
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {str(error)[:300]}")
    expect(len(TABLES.fields) > 30 and len(TABLES.types) > 15, "the header could not be read")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
