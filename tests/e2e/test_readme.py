# SPDX-License-Identifier: MIT
"""The commands of README.md, as printed, but for the path of the build and the port."""
import json
import re

from harness import ROOT, Process, chat_path


def commands(server):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(chat=.*?)```", text, re.S).group(1)
    block = block.replace("build/examples/chat/chat", chat_path())
    block = block.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
    chat, *lines = block.splitlines()
    return [f"{chat}; exec {line}" for line in lines]


def test_two_people_talk(make_server, workdir):
    server = make_server(auth=["--dev"]).start()

    def run(command):
        return Process(["bash", "-euc", command], cwd=workdir, stdin=-1)

    *first, listen, prompt = commands(server)
    for command in first:
        done = run(command)
        assert done.wait_exit() == 0, done.output
    assert "sent" in done.output
    listening = run(listen)
    message = listening.wait_line(r'^\{"t":"msg".*').group(0)
    assert (json.loads(message)["from"], json.loads(message)["body"]) == ("alice", "Hello")
    listening.kill()
    person = run(prompt)
    person.wait_line("online as bob")
    person.write("/quit\n")
    assert person.wait_exit() == 0, person.output
