# SPDX-License-Identifier: MIT
"""Groups whose members change: who gets what, who reads what, who may do what."""
from client import Client
from harness import run_chat


def change(client, chat, kind, **fields):
    """Ask for a change that must be done."""
    _, answer = client.request(f"chat.{kind}", chat=chat, **fields)
    assert answer["t"] == "result", answer
    return answer


def refused(client, chat, kind, **fields):
    _, answer = client.request(f"chat.{kind}", chat=chat, **fields)
    assert answer["t"] == "error", answer
    return answer["code"]


def read(client, chat, **fields):
    rows, answer = client.request("history", chat=chat, after=0, limit=100, **fields)
    assert answer["t"] == "result", answer
    return [row["body"] for row in rows if row["t"] == "msg"]


def test_an_added_member_gets_what_comes_and_reads_what_was(connect):
    alice, bob, carol = (connect(user) for user in ("alice", "bob", "carol"))
    alice.create("trip", "bob", title="Trip")
    alice.say("before carol", chat="trip")
    change(alice, "trip", "add", users=["carol"])
    for member in (bob, carol):
        got = member.expect("change", chat="trip")
        assert (got["what"], got["users"], got["from"]) == ("add", ["carol"], "alice")
    bob.say("hello carol", chat="trip")
    carol.expect_msg("hello carol")
    assert not carol.seen("msg", body="before carol")
    assert read(carol, "trip") == ["before carol", "hello carol"]


def test_who_is_removed_reads_nothing_that_came_after(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.create("trip", "bob")
    alice.say("for both", chat="trip")
    change(alice, "trip", "remove", users=["bob"])
    assert bob.expect("change", what="remove")["users"] == ["bob"]
    alice.say("secret", chat="trip")
    assert refused(bob, "trip", "members") == "forbidden"
    assert read(bob, "trip") == ["for both"]
    bob.send("let me in", chat="trip")
    assert bob.expect("error")["code"] == "forbidden"
    rows, _ = bob.request("chats")
    assert not [row for row in rows if row["chat"] == "trip"]
    change(alice, "trip", "add", users=["bob"])
    alice.say("welcome back", chat="trip")
    bob.expect_msg("welcome back")
    assert read(bob, "trip") == ["for both", "welcome back"]
    assert not bob.seen("msg", body="secret")


def test_who_was_away_gets_what_was_said_up_to_the_removal(connect):
    alice, bob = connect("alice"), connect("bob", "phone")
    alice.create("trip", "bob")
    bob.expect("chat", chat="trip")
    bob.ack()
    bob.ping()
    bob.close()
    alice.say("while away", chat="trip")
    change(alice, "trip", "remove", users=["bob"])
    alice.say("secret", chat="trip")
    change(alice, "trip", "add", users=["carol"])
    bob = connect("bob", "phone")
    bob.expect_msg("while away")
    bob.expect("change", what="remove")
    bob.ping()
    assert not bob.seen("msg", body="secret") and not bob.seen("change", what="add")
    carol = connect("carol")
    carol.expect("change", what="add")
    carol.ping()
    assert not carol.seen("msg")


def members(client):
    rows, answer = client.request("chat.members", chat="trip")
    assert answer["t"] == "result", answer
    return sorted(rows, key=lambda row: row["user"])


def test_roles_decide_and_survive_a_kill(make_server):
    server = make_server().start()
    alice, bob, carol = (Client(server, user) for user in ("alice", "bob", "carol"))
    alice.create("trip", "bob", "carol")
    assert refused(bob, "trip", "update", title="Sea") == "forbidden"
    change(alice, "trip", "role", user="bob", role="admin")
    change(bob, "trip", "update", title="Sea")
    assert refused(bob, "trip", "remove", users=["alice"]) == "forbidden"
    change(alice, "trip", "leave")
    assert carol.expect("change", what="leave")["user"] == "bob"
    server.kill()
    server.start()
    del server.runs[:-1]  # killed: its exit code says nothing
    carol = Client(server, "carol")
    assert [(row["user"], row["role"]) for row in members(carol)] == [
        ("bob", "owner"), ("carol", "member")]
    rows, _ = carol.request("chats")
    assert rows[0]["title"] == "Sea"
    carol.close()


def test_anybody_joins_an_open_group_only(connect):
    alice, bob = connect("alice"), connect("bob")
    alice.create("closed")
    alice.create("hall", open=True)
    assert refused(bob, "closed", "join") == "forbidden"
    change(bob, "hall", "join")
    assert alice.expect("change", chat="hall")["what"] == "join"
    bob.say("I am in", chat="hall")
    alice.expect_msg("I am in")


def test_the_command_line_has_all_of_it(server, connect):
    def chat(user, *args):
        done = run_chat(*args, server=server, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout

    chat("alice", "create", "hall", "@bob", "--open")
    assert chat("carol", "join", "hall") == "joined hall\n"
    assert chat("alice", "add", "hall", "dave") == "added to hall\n"
    assert chat("alice", "role", "hall", "bob", "admin") == "role changed in hall\n"
    assert chat("bob", "update", "hall", "The hall") == "updated hall\n"
    assert chat("bob", "remove", "hall", "dave") == "removed from hall\n"
    assert chat("carol", "leave", "hall") == "left hall\n"
    assert sorted(chat("bob", "members", "hall").splitlines()) == [
        "hall  alice  owner", "hall  bob  admin"]
    assert "The hall" in chat("alice", "history", "hall")
    assert '"t":"member"' in chat("bob", "--json", "members", "hall")
    assert run_chat("join", "nowhere", server=server, user="eve").returncode == 1
    assert run_chat("role", "hall", "bob", "king", server=server, user="alice").returncode == 2
    connect("bob").expect("change", what="leave")


def test_all_get_the_same_whether_compressed_or_not(connect):
    """A long message is framed once for each way, and shared by who takes it that way."""
    users = [f"user{i}" for i in range(8)]
    members = [connect(user, codec="cbor" if i % 2 else "json",
                       compression="deflate" if i % 4 < 2 else None)
               for i, user in enumerate(users)]
    members[0].create("team", *users[1:])
    bodies = [f"{word} " * 500 for word in ("one", "two", "three")]
    for body in bodies:
        members[0].send(body, chat="team")
        members[0].send("short", chat="team")
    for member in members[1:]:
        for body in bodies:
            member.expect_msg(body)
            member.expect_msg("short")
