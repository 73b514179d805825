# SPDX-License-Identifier: MIT
"""Certificates for loopback by openssl, of an authority of their own, and who may log in."""

import os
import subprocess

from .common import Problem, need

LOGIN = {"user": "chat", "password": "secret-of-chat"}
DAYS = 30


def run(folder, name, *more):
    done = subprocess.run(
        [need("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt",
         "-days", str(DAYS), "-subj", f"/O=libchat/OU={name}", *more], cwd=folder,
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Problem(f"openssl could not make a certificate:\n{done.stderr}")


def make(folder):
    """Paths: "ca", "server" (key and certificate in one), and "cert" and "key" of a client."""
    run(folder, "ca")
    for name in ("server", "client"):
        run(folder, name, "-CA", "ca.crt", "-CAkey", "ca.key", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext",
            "basicConstraints=critical,CA:FALSE")
    with open(os.path.join(folder, "server.pem"), "w", encoding="utf-8") as to:
        for part in ("server.key", "server.crt"):
            with open(os.path.join(folder, part), encoding="utf-8") as file:
                to.write(file.read())
    made = {"ca": "ca.crt", "server": "server.pem", "cert": "client.crt", "key": "client.key"}
    return {name: os.path.join(folder, path) for name, path in made.items()}
