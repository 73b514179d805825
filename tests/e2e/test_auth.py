# SPDX-License-Identifier: MIT
"""Nothing but the health endpoint answers without a valid token, and a refusal says why."""
import base64
import hashlib
import hmac
import json
import re
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.exceptions import InvalidStatus

from client import Client, connect_url
from harness import token


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign_by_hand(header, payload, key):
    """HS256 without a library that would refuse to do what an attacker does."""
    text = f"{b64(header.encode())}.{b64(payload.encode())}"
    return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest())}"


def claims(**more):
    return json.dumps({"sub": "alice", "exp": int(time.time()) + 600, **more})


def refusal(server, given, **options):
    with pytest.raises(InvalidStatus) as refused:
        connect_url(server, token=given, **options)
    response = refused.value.response
    assert response.status_code == 401, response
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    body = response.body.decode()
    assert body.strip(), "the refusal gives no reason"
    return body.lower()


HS = '{"alg":"HS256","typ":"JWT"}'
REFUSED = {
    "malformed": (lambda s: "abc", r"malformed|not a token|three parts|dots|jwt"),
    "two_parts": (lambda s: s.token("alice").rsplit(".", 1)[0], r""),
    "four_parts": (lambda s: s.token("alice") + ".AAAA", r""),
    "padded": (lambda s: s.token("alice") + "=", r""),
    "expired": (lambda s: s.token("alice", exp=int(time.time()) - 3600), r"expired"),
    "not_yet_valid": (lambda s: s.token("alice", nbf=int(time.time()) + 3600), r"not yet|not valid yet|nbf"),
    "algorithm_none": (lambda s: jwt.encode({"sub": "alice"}, None, algorithm="none"), r"alg"),
    "algorithm_hs512": (lambda s: s.token("alice", algorithm="HS512"), r"alg"),
    "other_secret": (lambda s: token("x" * 48, "alice"), r"signature"),
    "flipped_payload": (lambda s: flip(s.token("alice")), r"signature"),
    "no_sub": (lambda s: s.token(None), r"sub"),
    "empty_sub": (lambda s: s.token(""), r"sub"),
    "sub_of_65_bytes": (lambda s: s.token("a" * 65), r"sub"),
    "sub_with_control_character": (lambda s: s.token("a\nb"), r"sub"),
    "sub_is_a_number": (lambda s: sign_by_hand(HS, claims(sub=7), s.secret.encode()), r"sub"),
    "exp_is_text": (lambda s: sign_by_hand(HS, claims(exp="9999999999"), s.secret.encode()), r"exp|date"),
    "sub_twice": (lambda s: sign_by_hand(HS, '{"sub":"alice","sub":"bob","exp":9999999999}',
                                         s.secret.encode()), r""),
    "unknown_crit": (lambda s: s.token("alice", headers={"crit": ["b64"], "b64": False}), r""),
}


def flip(text):
    head, payload, signature = text.split(".")
    payload = b64(base64.urlsafe_b64decode(payload + "==").replace(b"alice", b"admin"))
    return ".".join([head, payload, signature])


def test_a_missing_token_is_refused_with_a_reason(server):
    assert "token" in refusal(server, None)


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_token_is_refused_with_a_reason(server, case):
    make, reason = REFUSED[case]
    assert re.search(reason, refusal(server, make(server)))


def test_a_valid_token_names_the_user(connect):
    assert connect("alice").welcome["user"] == "alice"


def test_user_ids_may_be_any_text(connect):
    name = "Zoë 😀"
    assert connect(name, "d").welcome["user"] == name
    assert connect("ü" * 32, "d").welcome["user"] == "ü" * 32


def test_the_token_may_come_as_a_subprotocol_entry(server):
    protocols = ["chat.v1.json", "chat.jwt." + server.token("alice")]
    with connect_url(server, protocols=protocols) as socket:
        assert socket.subprotocol == "chat.v1.json"
        socket.send('{"t":"hello","device":"browser"}')
        assert json.loads(socket.recv(10))["user"] == "alice"


def test_a_bad_subprotocol_token_is_refused(server):
    refusal(server, None, protocols=["chat.v1.json", "chat.jwt." + token("x" * 48)])


def test_a_token_in_the_query_is_refused_unless_enabled(server):
    refusal(server, None, path="/?token=" + server.token("alice"))


def test_a_token_in_the_query_is_taken_when_enabled(make_server):
    server = make_server(options=["--allow-query-token"]).start()
    with connect_url(server, path="/?token=" + server.token("alice")) as socket:
        socket.send('{"t":"hello","device":"browser"}')
        assert json.loads(socket.recv(10))["user"] == "alice"
    refusal(server, None, path="/?token=" + token("x" * 48))


def test_a_connection_ends_when_its_token_expires(server, connect):
    alice = connect("alice", token=server.token("alice", exp=int(time.time()) + 2))
    other = connect("bob")
    assert alice.close_code() == 4001
    other.ping()


def test_no_stream_without_one_of_our_subprotocols(server):
    with pytest.raises(InvalidStatus) as refused:
        connect_url(server, "alice", protocols=["mqtt"])
    assert refused.value.response.status_code == 400


KEYS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}


@pytest.fixture(params=KEYS)
def signed(request, make_server, workdir):
    """A server with a public key, the private key and the algorithm."""
    key = KEYS[request.param]()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM,
                                        serialization.PublicFormat.SubjectPublicKeyInfo)
    path = f"{workdir}/public.pem"
    with open(path, "wb") as file:
        file.write(pem)
    return make_server(auth=["--jwt-public-key-file", path]).start(), key, request.param, pem


def test_a_token_signed_with_the_private_key_is_taken(signed):
    server, key, algorithm, _ = signed
    with Client(server, "alice", token=token(key, "alice", algorithm=algorithm)) as alice:
        assert alice.welcome["user"] == "alice"


def test_the_public_key_is_no_secret(signed):
    server, _, _, pem = signed
    for key in (pem, pem.strip()):
        assert "alg" in refusal(server, sign_by_hand(HS, claims(), key))


def test_another_key_and_another_algorithm_are_refused(signed):
    server, key, algorithm, _ = signed
    other = KEYS[algorithm]()
    assert "signature" in refusal(server, token(other, "alice", algorithm=algorithm))
    assert "alg" in refusal(server, jwt.encode({"sub": "alice"}, None, algorithm="none"))
    wrong = "ES256" if algorithm == "RS256" else "RS256"
    assert "alg" in refusal(server, token(KEYS[wrong](), "alice", algorithm=wrong))
    assert "expired" in refusal(server, token(key, "alice", algorithm=algorithm, lifetime_s=-3600))
