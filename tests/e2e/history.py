# SPDX-License-Identifier: MIT
"""The history of a run (docs/history.md): devices that write down what they see, and the judge."""
import json
import os
import random
import subprocess
import threading
import time

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from client import Client, WIDE
from harness import DEADLINE_S, Process, build_dir, chat_path

GONE = (OSError, EOFError, ConnectionClosed, InvalidHandshake, InvalidMessage, TimeoutError,
        AssertionError)
RECORDS = ("msg", "chat", "change", "note")


class History:
    def __init__(self):
        self.lines = []
        self.lock = threading.Lock()

    def tell(self, by, frame):
        line = {"by": by, **{k: str(v) if k in WIDE else v for k, v in frame.items()}}
        with self.lock:
            self.lines.append(json.dumps(line, ensure_ascii=False))

    def judge(self, path):
        """What tools/check-history says: (whether all held, its words)."""
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")
        tool = os.path.join(build_dir(), "tests", "sim", "check_history")
        done = subprocess.run([tool, path], capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout + done.stderr


class Application:
    """What outlives a client: where it has read each chat. What comes again is no news to it."""

    def __init__(self, history, user, device):
        self.history, self.by = history, f"{user}/{device}"
        self.last = {}

    def saw(self, frame):
        if frame["t"] in RECORDS and "r" not in frame and "seq" in frame:
            seq = int(frame["seq"])
            if seq <= self.last.get(frame["chat"], 0):
                return
            self.last[frame["chat"]] = seq
        self.history.tell(self.by, frame)


class Device(threading.Thread):
    """A device that writes to its chats, reads, and comes back whatever happens to it."""

    WINDOW = 4

    def __init__(self, server, history, user, device, chats, seed, bars=None):
        super().__init__(daemon=True)
        self.server, self.user, self.device, self.chats = server, user, device, chats
        self.app = Application(history, user, device)
        self.dice = random.Random(seed)
        self.codec = self.dice.choice(["json", "cbor"])
        self.open = {}  # cid -> (chat, body), without an answer
        self.asked = {}  # r -> an edit, a deletion, a reaction without an answer
        self.sent = []  # chat and id of own messages
        self.bars, self.is_barred, self.barring = bars, False, None  # whom it blocks now and then
        self.n = self.n_r = 0
        self.refused = set()
        self.quiet, self.stop, self.is_known = (threading.Event() for _ in range(3))
        self.failure = None

    def run(self):
        while not self.stop.is_set():
            try:
                self.talk()
            except GONE:
                self.stop.wait(0.02)
            except Exception as problem:  # what is wrong with the test must not look like silence
                self.failure = problem
                return

    def talk(self):
        client = Client(self.server, self.user, self.device, codec=self.codec)
        self.app.history.tell(self.app.by, {"t": "open"})
        try:
            for cid, (chat, body) in list(self.open.items()):
                client.send(body, chat=chat, cid=cid, resend=True)
            for frame in self.asked.values():
                client.put({**frame, "resend": True})
            if self.barring:
                self.bar(client)
            while not self.stop.is_set():
                self.act(client)
                self.listen(client, 0.02)
        finally:
            self.app.history.tell(self.app.by, {"t": "lost"})
            client.abandon()

    def act(self, client):
        if self.bars and not self.barring and self.is_time_to_bar():
            self.bar(client)
        if self.quiet.is_set():
            return
        while len(self.open) < self.WINDOW:
            self.n += 1
            cid, chat = f"{self.device}-{self.n}", self.dice.choice(self.chats)
            self.open[cid] = (chat, f"{self.user} {self.n}")
            self.tell("send", chat=chat, cid=cid)
            client.send(self.open[cid][1], chat=chat, cid=cid)
        if self.dice.random() < 0.05 and self.app.last:
            chat = self.dice.choice(list(self.app.last))
            self.ask(client, "read", chat=chat, seq=self.app.last[chat])
        while self.dice.random() < 0.5 and self.sent and len(self.asked) < self.WINDOW:
            self.note(client)
        if self.dice.random() < 0.02:
            raise EOFError("the phone is in a tunnel")

    def note(self, client):
        """Do something to a message of its own. Mostly one of few: what is sent again must meet what
        was done meanwhile. Those are edited and not deleted."""
        is_one_of_few = self.dice.random() < 0.7
        among = self.sent[:2] if is_one_of_few or len(self.sent) < 3 else self.sent[2:][-20:]
        chat, message = self.dice.choice(among)
        kind = self.dice.choice(["edit", "edit", "react", "edit" if is_one_of_few else "delete"])
        more = {"edit": {"body": f"{self.user} edit {self.n_r}"}, "delete": {},
                "react": {"reaction": self.dice.choice("+-")}}[kind]
        self.n_r += 1
        self.asked[self.n_r] = {"t": kind, "r": self.n_r, "chat": chat, "re": message,
                                "cid": f"{self.device}-note-{self.n_r}", **more}
        self.tell(kind, chat=chat, cid=self.asked[self.n_r]["cid"])
        client.put(self.asked[self.n_r])

    def tell(self, kind, **fields):
        self.app.history.tell(self.app.by, {"t": kind, **fields})

    def is_time_to_bar(self):
        if self.is_barred:
            return self.quiet.is_set() or self.dice.random() < 0.1
        return not self.quiet.is_set() and self.dice.random() < 0.03

    def bar(self, client):
        """Block or unblock; again until it is answered."""
        kind = "unblock" if self.is_barred else "block"
        self.n_r += 1
        self.barring = self.n_r
        self.tell(kind, user=self.bars)
        client.put({"t": kind, "r": self.n_r, "user": self.bars})

    def barred(self, frame):
        if frame["t"] == "error":
            raise EOFError("it may hold or not: again, over a new connection")
        self.tell("unblock" if self.is_barred else "block", user=self.bars, done=True)
        self.is_barred, self.barring = not self.is_barred, None

    def ask(self, client, kind, **fields):
        self.n_r += 1
        client.put({"t": kind, "r": self.n_r, **fields})

    def listen(self, client, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self.take(client._take(left))
            except TimeoutError:
                return
            finally:
                client.inbox.clear()

    def take(self, frame):
        if frame["t"] in ("result", "error") and self.barring and frame.get("r") == self.barring:
            self.barred(frame)
            return
        if frame["t"] in ("result", "error") and frame.get("r") in self.asked:
            if "retry_after_ms" in frame:
                raise EOFError("told to try later: over a new connection")
            self.asked.pop(frame["r"])
            if "id" in frame:  # else it was so already, or is refused
                self.app.saw(frame)
            return
        if frame["t"] == "sent":
            if self.open.pop(frame["cid"], None) is not None:
                self.sent.append((frame["chat"], frame["id"]))
        elif frame["t"] == "error" and "cid" in frame and "retry_after_ms" not in frame:
            self.open.pop(frame["cid"], None)  # no member any more
            self.refused.add(frame["code"])
            return
        elif frame["t"] == "error" and "cid" in frame:
            raise EOFError("told to try later: over a new connection")
        elif frame["t"] == "result" and "id" not in frame and "chat" in frame:
            frame = {**frame, "t": "read"}
        if frame["t"] in (*RECORDS, "sent", "result", "read", "resumed", "gap"):
            self.app.saw(frame)
        if frame["t"] == "resumed":
            self.is_known.set()


class Listener:
    """`chat listen` in a process that is killed and started again as the same device."""

    def __init__(self, server, history, user, device):
        self.server, self.user, self.device = server, user, device
        self.app = Application(history, user, device)
        self.process = None
        self.n_taken = 0

    def start(self):
        self.n_taken = 0
        self.process = Process([chat_path(), "--url", self.server.url, "--token",
                                self.server.token(self.user), "--json", "--device", self.device,
                                "listen"], name=f"chat listen by {self.user}")

    def take(self):
        """Write down what it printed since the last time."""
        with self.process._changed:
            lines = self.process.lines[self.n_taken:]
        self.n_taken += len(lines)
        for line in lines:
            try:
                frame = json.loads(line)
            except ValueError:
                continue  # cut by the kill, or not for programs
            if frame["t"] == "state":
                frame = {"t": {"online": "open", "waiting": "lost"}.get(frame["state"], "state")}
            self.app.saw(frame)

    def kill(self):
        self.process.kill()
        self.process.wait_exit(DEADLINE_S)
        self.take()
        self.app.history.tell(self.app.by, {"t": "lost"})


def tell_log(history, client, chat):
    """Every record of the chat, as a member reads it."""
    after = 0
    while True:
        rows, more = client.history(chat=chat, after=after, limit=100)
        for row in rows:
            row.pop("r")
            history.tell("log", row)
        if not more:
            return
        after = rows[-1]["seq"]
