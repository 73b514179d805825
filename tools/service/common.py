# SPDX-License-Identifier: MIT
"""What all services share: their processes, a file that remembers them, ports, waiting."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STOP_S = 20


class Problem(Exception):
    """What is wrong and what to do, for a person."""


def say(text):
    print(f"services: {text}", file=sys.stderr, flush=True)


def need(program, package):
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Problem(f"{program} is not installed: run tools/setup services (Debian: {package})")
    return found


def start_time(pid):
    """When the process began, in ticks since boot: with the pid it names a process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def free_port(hosts=("127.0.0.1",), also=()):
    """A port that is free on all hosts; port + each of `also` is free too."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.bind((hosts[0], 0))
            port = probe.getsockname()[1]
        if all(port + more < 65536 and is_free(host, port + more)
               for host in hosts for more in (0, *also)):
            return port
    raise Problem("no free port was found")


def is_free(host, port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def ask(host, port, request, timeout=2.0, size=4096):
    """What a server answers to some bytes, b"" when it does not."""
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.sendall(request)
            return link.recv(size)
    except OSError:
        return b""


class Services:
    """The services of one folder. Use with `with`: one command at a time works on it."""

    def __init__(self):
        self.folder = os.environ.get("LIBCHAT_SERVICES") or os.path.join(ROOT, "build", "services")
        self.file = os.path.join(self.folder, "state.json")
        self.lock = None
        self.state = {}

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        self.lock = open(os.path.join(self.folder, "lock"), "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        if os.path.exists(self.file):
            with open(self.file, encoding="utf-8") as file:
                self.state = json.load(file)
        return self

    def __exit__(self, *_):
        self.lock.close()

    def save(self):
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            json.dump(self.state, file, indent=1)
        os.replace(self.file + ".new", self.file)

    def names(self):
        return list(self.state)

    def home(self, name):
        """An empty folder for a service or a member of one."""
        path = os.path.join(self.folder, name)
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def add(self, name, where):
        self.state[name] = {"where": where, "members": []}
        self.save()

    def launch(self, name, command, home, env=None):
        """Start one member of service `name`; its output goes to `home`/log."""
        members = self.state[name]["members"]
        member = {"name": f"{name}-{len(members) + 1}", "command": command, "home": home,
                  "env": env or {}}
        members.append(member)
        self._spawn(member)
        return member

    def _spawn(self, member):
        with open(os.path.join(member["home"], "log"), "ab") as log:
            child = subprocess.Popen(member["command"], cwd=member["home"], stdout=log,
                                     stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                     env=dict(os.environ, **member["env"]),
                                     start_new_session=True, close_fds=True)
        member["pid"], member["since"] = child.pid, start_time(child.pid)
        self.save()

    @staticmethod
    def is_alive(member):
        return member["since"] is not None and start_time(member["pid"]) == member["since"]

    def is_up(self, name, count):
        one = self.state.get(name)
        return bool(one) and one.get("count") == count and all(map(self.is_alive, one["members"]))

    def wait(self, name, what, is_ready, limit_s):
        """Until is_ready() is true. Says what the log says when a member ends, or in vain."""
        began, told = time.monotonic(), 0
        while not is_ready():
            waited = time.monotonic() - began
            dead = [m for m in self.state[name]["members"] if not self.is_alive(m)]
            if dead or waited > limit_s:
                member = (dead or self.state[name]["members"])[0]
                why = "ended" if dead else f"did not answer in {limit_s} s"
                raise Problem(f"{member['name']} {why}. The end of its log:\n{self.tail(member)}")
            if waited > told + 5:
                told = waited
                say(f"waiting for {what}, {waited:.0f} s")
            time.sleep(0.1)

    @staticmethod
    def tail(member, count=15):
        try:
            with open(os.path.join(member["home"], "log"), encoding="utf-8",
                      errors="replace") as file:
                return "".join(file.readlines()[-count:]) or "(it is empty)"
        except OSError:
            return "(there is none)"

    def ready(self, name, count):
        self.state[name]["count"] = count
        self.save()
        say(f"{name} is up: " + ", ".join(f"{k} {v}" for k, v in
                                          self.state[name]["where"].items()))

    def find(self, name):
        for one in self.state.values():
            for member in one["members"]:
                if member["name"] == name:
                    return member
        raise Problem(f"there is no member {name!r}: tools/services status names them")

    def signal(self, name, which):
        member = self.find(name)
        if not self.is_alive(member):
            raise Problem(f"{name} does not run")
        os.kill(member["pid"], getattr(signal, "SIG" + which))
        began = time.monotonic()
        while which == "KILL" and self.is_alive(member):
            if time.monotonic() - began > STOP_S:
                raise Problem(f"{name} does not end")
            time.sleep(0.02)

    def restart(self, name):
        member = self.find(name)
        if self.is_alive(member):
            raise Problem(f"{name} runs")
        self._spawn(member)

    def remove(self, name):
        """Stop a service and forget what it stored."""
        if name not in self.state:
            return
        members = self.state[name]["members"]
        for which in (signal.SIGCONT, signal.SIGTERM):
            for member in filter(self.is_alive, members):
                os.kill(member["pid"], which)
        began = time.monotonic()
        while any(map(self.is_alive, members)):
            if time.monotonic() - began > STOP_S:
                for member in filter(self.is_alive, members):
                    os.kill(member["pid"], signal.SIGKILL)
            time.sleep(0.05)
        for member in members:
            shutil.rmtree(member["home"], ignore_errors=True)
        del self.state[name]
        self.save()
        say(f"{name} is down")

    def describe(self):
        return {name: {"where": one["where"],
                       "members": [{"name": m["name"], "pid": m["pid"],
                                    "state": "runs" if self.is_alive(m) else "ended"}
                                   for m in one["members"]]}
                for name, one in self.state.items()}
