# SPDX-License-Identifier: MIT
"""Messages that are edited, deleted, reacted to and replied to: live, after an absence, in history."""
import json
import uuid

import pytest

from harness import run_chat


def done(client, kind, **fields):
    _, answer = client.request(kind, **fields)
    assert answer["t"] == "result", answer
    return answer


def refused(client, kind, **fields):
    _, answer = client.request(kind, **fields)
    assert answer["t"] == "error", answer
    return answer["code"]


def message(client, message_id, **target):
    rows, _ = client.request("history", limit=100, **target)
    return next(row for row in rows if row["t"] == "msg" and row["id"] == message_id)


def reactions(client, message_id, **target):
    rows, answer = client.request("reactions", re=message_id, **target)
    assert answer["t"] == "result" and answer["count"] == len(rows), answer
    return {row["from"]: row["reaction"] for row in rows}


def test_an_edit_reaches_all_devices_and_history_shows_it(connect):
    alice, bob = connect("alice"), connect("bob", codec="cbor")
    laptop = connect("alice", "laptop")
    sent = alice.say("Helo", to="bob")
    answer = done(alice, "edit", to="bob", re=sent["id"], body="Hello")
    for client in (bob, laptop, alice):
        note = client.expect("note", re=sent["id"])
        assert (note["what"], note["body"], note["from"]) == ("edit", "Hello", "alice")
        assert note["re_seq"] == sent["seq"] and note["seq"] == answer["seq"] > sent["seq"]
    row = message(bob, sent["id"], to="alice")
    assert row["body"] == "Hello" and row["edited"] == note["ts"]
    done(alice, "edit", to="bob", re=sent["id"], body="Hello!")
    assert message(alice, sent["id"], to="bob")["body"] == "Hello!"


def test_who_was_away_gets_the_message_as_it_is_and_the_notes(connect):
    alice = connect("alice")
    connect("bob").close()
    first, second = alice.say("one", to="bob"), alice.say("two", to="bob")
    done(alice, "edit", to="bob", re=first["id"], body="ONE")
    done(alice, "delete", to="bob", re=second["id"])
    bob = connect("bob")
    assert bob.expect("msg", id=first["id"])["body"] == "ONE"
    gone = bob.expect("msg", id=second["id"])
    assert gone["deleted"] is True and gone["body"] == ""
    assert bob.expect("note", re=first["id"])["what"] == "edit"
    assert bob.expect("note", re=second["id"])["what"] == "delete"


def test_a_deleted_message_is_a_tombstone_and_nothing_happens_to_it_any_more(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.say("secret", to="bob")
    done(bob, "react", to="alice", re=sent["id"], reaction="👍")
    done(alice, "delete", to="bob", re=sent["id"])
    row = message(bob, sent["id"], to="alice")
    assert row["deleted"] is True and row["body"] == ""
    assert reactions(bob, sent["id"], to="alice") == {}
    assert refused(alice, "edit", to="bob", re=sent["id"], body="again") == "not_found"
    assert refused(bob, "react", to="alice", re=sent["id"], reaction="x") == "not_found"
    done(alice, "delete", to="bob", re=sent["id"], resend=True)
    rows, _ = bob.request("history", to="alice")
    assert [row["what"] for row in rows if row["t"] == "note"].count("delete") == 1


def test_only_who_may(connect):
    alice, bob, carol = connect("alice"), connect("bob"), connect("carol")
    stranger = connect("stranger")
    alice.create("team", "bob", "carol")
    sent = bob.say("by bob", chat="team")
    assert refused(carol, "edit", chat="team", re=sent["id"], body="x") == "forbidden"
    assert refused(carol, "delete", chat="team", re=sent["id"]) == "forbidden"
    assert refused(alice, "edit", chat="team", re=sent["id"], body="x") == "forbidden"
    for kind, fields in (("edit", {"body": "x"}), ("delete", {}), ("react", {"reaction": "x"}),
                         ("reactions", {})):
        assert refused(stranger, kind, chat="team", re=sent["id"], **fields) == "forbidden"
        assert refused(alice, kind, chat="team", re=sent["id"] + 1, **fields) == "not_found"
    done(alice, "delete", chat="team", re=sent["id"])  # the owner may
    assert message(bob, sent["id"], chat="team")["deleted"] is True


def test_what_edits_said_goes_with_the_message(connect, server):
    alice = connect("alice")
    connect("bob").close()
    sent = alice.say("one", to="bob")
    for body in ("two", "three"):
        done(alice, "edit", to="bob", re=sent["id"], body=body)
    rows, _ = alice.request("history", to="bob")
    assert {row["body"] for row in rows if row["t"] == "note"} == {"two", "three"}
    done(alice, "delete", to="bob", re=sent["id"])
    bob = connect("bob")
    for _ in range(2):
        rows, _ = alice.request("history", to="bob")
        read_back = [bob.expect("note", re=sent["id"]) for _ in range(3)]
        for notes in ([row for row in rows if row["t"] == "note"], read_back):
            assert sorted(note["what"] for note in notes) == ["delete", "edit", "edit"]
            assert not any("body" in note for note in notes)
        server.kill()
        server.start()
        alice, bob = connect("alice"), connect("bob", "another")


def test_a_resent_edit_undoes_no_newer_one(connect, server):
    alice = connect("alice")
    sent = alice.say("one", to="bob")
    first = done(alice, "edit", to="bob", re=sent["id"], body="two", cid="edit-1")
    done(connect("alice", "laptop"), "edit", to="bob", re=sent["id"], body="three", cid="edit-2")
    for _ in range(2):
        again = done(alice, "edit", to="bob", re=sent["id"], body="two", cid="edit-1", resend=True)
        assert (again["id"], again["seq"]) == (first["id"], first["seq"])
        assert message(alice, sent["id"], to="bob")["body"] == "three"
        server.kill()
        server.start()
        alice = connect("alice")


def test_what_is_so_already_leaves_no_record(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.say("one", to="bob")
    for reaction in ({}, {"reaction": "👍"}, {"reaction": "👍"}, {}, {}):
        done(bob, "react", to="alice", re=sent["id"], **reaction)
    rows, _ = bob.request("history", to="alice")
    assert [row.get("reaction") for row in rows if row["t"] == "note"] == [None, "👍"]


def files_with(server, text):
    return [path.name for path in server.data.rglob("*")
            if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.embedded
def test_what_was_deleted_is_in_no_file(connect, server, end):
    alice, bob = connect("alice"), connect("bob")
    secrets = [f"{uuid.uuid4()} {'x' * n} {uuid.uuid4()}" for n in (10, 5000, 20000)]
    sent = alice.say(secrets[0], to="bob")
    for text in secrets[1:]:
        done(alice, "edit", to="bob", re=sent["id"], body=text)
    kept = alice.say("kept", to="bob")
    names = [name for text in secrets for name in text.split() if "-" in name]
    assert all(files_with(server, name) for name in names)
    done(alice, "delete", to="bob", re=sent["id"])
    if end == "kill":
        server.kill()
        server.start()
        connect("alice")
    server.stop()
    assert not any(files_with(server, name) for name in names)
    server.start()
    bob = connect("bob")
    assert message(bob, sent["id"], to="alice")["deleted"] is True
    assert message(bob, kept["id"], to="alice")["body"] == "kept"
    assert "damaged" not in server.log()


def test_a_user_has_one_reaction_and_may_take_it_back(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.say("what do you think?", to="bob")
    done(bob, "react", to="alice", re=sent["id"], reaction="👍")
    done(alice, "react", to="bob", re=sent["id"], reaction="🎉")
    done(bob, "react", to="alice", re=sent["id"], reaction="👎")
    assert reactions(alice, sent["id"], to="bob") == {"alice": "🎉", "bob": "👎"}
    done(bob, "react", to="alice", re=sent["id"])
    assert reactions(alice, sent["id"], to="bob") == {"alice": "🎉"}
    assert "reaction" not in [n for n in alice.inbox if n["t"] == "note"][-1]


def test_what_was_done_survives_kill_9(connect, server):
    alice, bob = connect("alice"), connect("bob")
    kept, gone = alice.say("keep me", to="bob"), alice.say("delete me", to="bob")
    done(alice, "edit", to="bob", re=kept["id"], body="kept")
    done(alice, "delete", to="bob", re=gone["id"])
    done(bob, "react", to="alice", re=kept["id"], reaction="❤")
    server.kill()
    server.start()
    bob = connect("bob")
    assert message(bob, kept["id"], to="alice")["body"] == "kept"
    assert message(bob, gone["id"], to="alice")["deleted"] is True
    assert reactions(bob, kept["id"], to="alice") == {"bob": "❤"}
    server.restart()
    bob = connect("bob")
    assert message(bob, kept["id"], to="alice")["body"] == "kept"
    assert reactions(bob, kept["id"], to="alice") == {"bob": "❤"}


def test_what_is_deleted_is_not_unread(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = [alice.say(f"m{i}", to="bob") for i in range(3)]
    done(alice, "edit", to="bob", re=sent[0]["id"], body="M0")
    done(alice, "delete", to="bob", re=sent[1]["id"])
    rows, _ = bob.request("chats")
    assert rows[0]["unread"] == 2


def test_a_reply_names_its_message(connect):
    alice, bob = connect("alice"), connect("bob")
    sent = alice.say("question", to="bob")
    bob.put({"t": "send", "to": "alice", "cid": "answer-1", "body": "answer", "re": sent["id"]})
    assert alice.expect_msg("answer")["re"] == sent["id"]
    assert message(bob, bob.expect("sent", cid="answer-1")["id"], to="alice")["re"] == sent["id"]


def test_a_wrong_request_is_told(connect):
    alice = connect("alice")
    sent = alice.say("x", to="bob")
    assert refused(alice, "edit", to="bob", re=0, body="y") == "bad_request"
    assert refused(alice, "edit", to="bob", re=sent["id"], body="") == "bad_request"
    assert refused(alice, "edit", to="bob", re=sent["id"], body="z" * 70000) == "too_large"
    assert refused(alice, "react", to="bob", re=sent["id"], reaction="z" * 65) == "bad_request"
    assert alice.ping()


def test_the_verbs(server):
    lines = run_chat("--json", "send", "@bob", "hello", server=server, user="alice").stdout
    sent = next(e for e in map(json.loads, lines.splitlines()) if e["t"] == "sent")
    for args in (["edit", "@bob", sent["id"], "hello!"], ["react", "@bob", sent["id"], "👍"]):
        assert run_chat(*args, server=server, user="alice").returncode == 0
    done_ = run_chat("reply", "@alice", sent["id"], "hi", server=server, user="bob")
    assert done_.returncode == 0 and "sent" in done_.stdout
    text = run_chat("history", "@bob", server=server, user="alice").stdout
    assert "hello! (edited)" in text and f"(re {sent['id']}): hi" in text, text
    assert "react" in run_chat("reactions", "@alice", sent["id"], server=server, user="bob").stdout
    assert run_chat("delete", "@bob", sent["id"], server=server, user="alice").stdout == "deleted\n"
    assert "(deleted)" in run_chat("history", "@bob", server=server, user="alice").stdout
    bad = run_chat("edit", "@bob", "x", "y", server=server, user="alice")
    assert bad.returncode == 2 and "no message id" in bad.stderr
    no = run_chat("edit", "@alice", sent["id"], "y", server=server, user="bob")
    assert no.returncode == 1 and "only its author" in no.stderr
