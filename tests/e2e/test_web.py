# SPDX-License-Identifier: MIT
"""The browser's client, bindings/js/chat.js, under Node against a chatd that dies meanwhile."""
import json
import pathlib
import shutil

import pytest

from harness import ROOT, Process

SCRIPT = ROOT / "bindings/js/tests/talk.mjs"
COUNT = 200


def node():
    path = shutil.which("node") or shutil.which("nodejs")
    if path is None:
        pytest.skip("there is no node: tools/setup test installs it")
    return path


def talk(server):
    return Process([node(), str(SCRIPT), server.url, server.token("alice"), server.token("bob"),
                    str(COUNT)])


def said(run):
    lines = [json.loads(line) for line in run.output.splitlines() if line.startswith("{")]
    return {line["what"]: line for line in lines}


@pytest.mark.parametrize("kills", [0, 3])
def test_every_message_comes_once_and_in_order(server, kills):
    run = talk(server)
    for number in range(kills):
        run.wait_line(rf'"what":"sent","i":{number * 50}\b')
        server.kill()
        server.start(server.port)
    assert run.wait_exit(30) == 0, run.output
    heard = said(run)
    assert heard["received"]["bodies"] == [f"{i} ü 👋" for i in range(COUNT)]
    assert heard["received"]["seqs"] == heard["received"]["acknowledged"]
    assert all(isinstance(seq, str) for seq in heard["received"]["seqs"])
    assert heard["received"]["echoes"] == 0
    assert heard["history"]["bodies"] == [f"{i} ü 👋" for i in (COUNT - 1, COUNT - 2)]
    assert heard["history"]["more"] is True
    assert heard["refused"] == {"what": "refused", "code": "not_found", "name": "ChatError"}
    server.runs[:] = server.runs[-1:]  # those before were killed on purpose


@pytest.mark.parametrize("others, ends", [([], "refused expired"), (["alice"], "online ")])
def test_an_expired_token_is_renewed_by_who_can(server, others, ends):
    first = server.token("alice", lifetime_s=2)
    run = Process([node(), str(SCRIPT.parent / "renew.mjs"), server.url, first,
                   *[server.token(user) for user in others]])
    run.wait_line("^online")
    run.wait_line(ends, start=2)  # behind "connecting" and the first "online"
    run.kill()


def test_one_resumed_behind_the_gaps_with_the_strongest_word():
    run = Process([node(), str(SCRIPT.with_name("resumed.mjs"))])
    assert run.wait_exit(30) == 0, run.output
    heard = [json.loads(line) for line in run.output.splitlines()]
    assert heard[0] == "3"
    assert [one["state"] for one in heard[1:5]] == ["recovered", "reset", "gap", "recovered"]
    assert {name: heard[3][name] for name in ("chat", "after", "before")} == {
        "chat": "room", "after": "5", "before": "9"}
    assert heard[5:] == [["typing", "bob"], ["typing", "carol"], ["typing", "bob"], "9",
                         ["typing_ended", "bob"], ["typing_ended", "carol"]]


def test_the_page_uses_what_is_there():
    page = (ROOT / "bindings/js/index.html").read_text(encoding="utf-8")
    assert 'from "./chat.js"' in page and pathlib.Path(ROOT / "bindings/js/chat.js").exists()
    assert "innerHTML =" not in page and "http://" not in page and "https://" not in page
