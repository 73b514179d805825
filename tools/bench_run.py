# SPDX-License-Identifier: MIT
"""One run of a case of tools/bench: fresh servers, load generators, and what they said."""

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
import time

START_S = 20
LISTENING = re.compile(r"listen\S* .*?127\.0\.0\.1:([1-9]\d*)")
SYNC_COUNT, SYNC_S, SYNC_BYTES = 2000, 5, 4096


class Running:
    """A server process with the port that it printed; ended by its own pid."""

    def __init__(self, args):
        self.child = subprocess.Popen([str(arg) for arg in args], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        self.lines, self.port = [], 0
        self.is_known = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not self.is_known.wait(START_S) or not self.port:
            self.stop()
            raise RuntimeError("the server did not start:\n" + "".join(self.lines))

    def _read(self):
        """Take all that it prints, so that it never waits for a reader."""
        for line in self.child.stdout:
            found = LISTENING.search(line)
            self.lines = [*self.lines[-20:], line]
            if found and not self.port:
                self.port = int(found.group(1))
                self.is_known.set()
        self.is_known.set()

    def stop(self):
        self.child.terminate()
        try:
            return self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def make_certificate(folder):
    cert, key = pathlib.Path(folder, "cert.pem"), pathlib.Path(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return ["--tls-cert", cert, "--tls-key", key]


def start(build, folder, run):
    """A server and the words that tell the generator of it."""
    words = [str(word).format(file=pathlib.Path(folder, "relay")) for word in run.options]
    if run.server == "floor":
        return Running([build / "tests/bench/floor", *words]), []
    secret = pathlib.Path(folder, "secret")
    secret.write_text(secrets.token_urlsafe(48))
    secret.chmod(0o600)
    if run.is_tls:
        words += make_certificate(folder)
    return Running([build / "examples/chatd/chatd", "--data", pathlib.Path(folder, "data"),
                    "--listen", "127.0.0.1:0", "--jwt-secret-file", secret, *words]), \
        ["--secret-file", secret]


def last_object(output):
    """All lines but the last for people; the last is JSON."""
    lines = output.strip().splitlines()
    for line in lines[:-1]:
        print("  " + line)
    try:
        return json.loads(lines[-1]) if lines else {}
    except ValueError:
        print("  " + lines[-1])
        return {}


def finish(child, timeout):
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        err += f"ended after {timeout} s"
    if err:
        print("  " + err.strip())
    return {**last_object(out), "exit_code": child.returncode}


def spawn(args):
    return subprocess.Popen([str(arg) for arg in args], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def together(rows):
    """Several processes at once as one row: sums, and of memory the mean."""
    if len(rows) == 1:
        return rows[0]
    if any(row["exit_code"] for row in rows):
        return next(row for row in rows if row["exit_code"])
    mean = {key: sum(row[key] for row in rows) / len(rows)
            for key in ("bytes_per_connection", "cpu_us_per_handshake")}
    return {**rows[0], **mean, "connections": sum(row["connections"] for row in rows),
            "open_s": max(row["open_s"] for row in rows)}


def measure_servers(build, run, words, timeout, parent):
    folders, servers, codes = [], [], []
    try:
        for _ in range(run.n_processes):
            folders.append(tempfile.mkdtemp(prefix="chat-bench-", dir=parent))
            servers.append(start(build, folders[-1], run))
        others, loads = [[spawn([build / "tests/bench/load", each[0], "--server",
                                 f"127.0.0.1:{server.port}", "--pid", server.child.pid, *extra,
                                 *each[1:]])
                          for server, extra in servers if each] for each in (run.beside, words)]
        row = together([finish(child, timeout) for child in loads])
        beside = [finish(child, timeout) for child in others]
    finally:
        codes = [server.stop() for server, _ in servers]
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    if beside:
        row = {**row, "beside_deliveries_per_s": sum(each.get("deliveries_per_s", 0)
                                                     for each in beside),
               "exit_code": max(row["exit_code"], *(each["exit_code"] for each in beside))}
    return {**row, "server_exit_code": max(codes, default=0)}


def measure_program(build, words, timeout, parent):
    folder = tempfile.mkdtemp(prefix="chat-bench-", dir=parent)
    try:
        words = [str(word).format(dir=folder) for word in words]
        return {**finish(spawn([build / "tests/bench" / words[0], *words[1:]]), timeout),
                "server_exit_code": 0}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_sync(parent, n):
    """How long an fdatasync of an appended block takes on this disk."""
    took = []
    with tempfile.NamedTemporaryFile(prefix="chat-bench-", dir=parent) as file:
        os.posix_fallocate(file.fileno(), 0, n * SYNC_BYTES)
        os.fsync(file.fileno())
        end = time.monotonic() + SYNC_S
        for i in range(n):
            os.pwrite(file.fileno(), b"x" * SYNC_BYTES, i * SYNC_BYTES)
            start_s = time.monotonic()
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - start_s) * 1000)
            if time.monotonic() > end:
                break
    took.sort()
    return {"mode": "sync", "n": len(took), "p50_ms": took[len(took) // 2],
            "p99_ms": took[len(took) * 99 // 100], "max_ms": took[-1], "exit_code": 0,
            "server_exit_code": 0}
