"""DIGEST-MD5, the server's side, against a client written from RFC 2831; as lenient as the JDK."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.auth.sasl import Nonces, digest_credentials
from zoolet.server.auth.sasl_digest_md5 import (
    Credentials,
    DigestMd5Server,
    SaslBroken,
    SaslError,
    parse_directives,
)

NONCE = b"OA6MG9tEQGm2hh"
USERS = Credentials({"bob": "secret", "super": "admin", "gr\u00fc\u00df": "\u6f22", "a@b@c": "x"})
URI = "zookeeper/zk-sasl-md5"


def hex_md5(data: bytes) -> bytes:
    return hashlib.md5(data).hexdigest().encode()


def response_of(
    user: str,
    password: str,
    *,
    nonce: bytes = NONCE,
    cnonce: bytes = b"abc",
    authzid: str | None = None,
    a2: str = "AUTHENTICATE",
) -> str:
    """`response-value` of RFC 2831, 2.1.2.1."""

    def narrow(text: str) -> bytes:
        return text.encode("latin-1" if all(char <= "\xff" for char in text) else "utf-8")

    secret = hashlib.md5(b":".join((narrow(user), b"zk-sasl-md5", narrow(password)))).digest()
    a1 = b":".join((secret, nonce, cnonce, *(() if authzid is None else (authzid.encode(),))))
    parts = (hex_md5(a1), nonce, b"00000001", cnonce, b"auth", hex_md5(f"{a2}:{URI}".encode()))
    return hex_md5(b":".join(parts)).decode()


def token(user: str = "bob", password: str = "secret", **changed: str | None) -> bytes:
    """A client's response; `changed` directives replace the usual ones, None leaves one out."""
    authzid = changed.get("authzid")
    directives: dict[str, str | None] = {
        "charset": "utf-8",
        "username": f'"{user}"',
        "realm": '"zk-sasl-md5"',
        "nonce": f'"{NONCE.decode()}"',
        "nc": "00000001",
        "cnonce": '"abc"',
        "digest-uri": f'"{URI}"',
        "response": response_of(user, password, authzid=authzid and authzid.strip('"')),
        "qop": "auth",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
    return ",".join(f"{name}={value}" for name, value in directives.items() if value is not None).encode()


def challenged() -> DigestMd5Server:
    server = DigestMd5Server(USERS, NONCE)
    server.evaluate(b"")
    return server


def test_the_challenge_is_letter_by_letter_that_of_the_jdk() -> None:
    server = DigestMd5Server(USERS, NONCE)
    assert server.evaluate(b"whatever comes first is ignored") == (
        b'realm="zk-sasl-md5",nonce="OA6MG9tEQGm2hh",charset=utf-8,algorithm=md5-sess'
    )
    assert not server.is_complete


@pytest.mark.parametrize(
    ("user", "password"), [("bob", "secret"), ("super", "admin"), ("gr\u00fc\u00df", "\u6f22")]
)
def test_who_knows_the_password_is_let_in_and_told_that_we_know_it_too(user: str, password: str) -> None:
    server = challenged()
    assert server.evaluate(token(user, password)) == b"rspauth=" + response_of(user, password, a2="").encode()
    assert server.is_complete
    assert server.user == user


def test_the_example_of_the_rfc_but_for_realm_and_host() -> None:
    """RFC 2831, section 4, with our realm: the same formula gives the RFC's value with the RFC's inputs."""
    secret = hashlib.md5(b"chris:elwood.innosoft.com:secret").digest()
    a1 = b":".join((secret, b"OA6MG9tEQGm2hh", b"OA6MHXh6VqTrRk"))
    a2 = hex_md5(b"AUTHENTICATE:imap/elwood.innosoft.com")
    parts = (hex_md5(a1), b"OA6MG9tEQGm2hh", b"00000001", b"OA6MHXh6VqTrRk", b"auth", a2)
    assert hex_md5(b":".join(parts)) == b"d388dad90d4bbd760a152321f2143af7"


@pytest.mark.parametrize(
    "bad",
    [
        token(password="wrong"),
        token("eve"),
        token("eve", ""),
        token(username=None),
        token(realm=None),
        token(realm='"other"'),
        token(nonce=None),
        token(nonce='"other"'),
        token(cnonce=None),
        token(cnonce='"other"'),
        token(response=None),
        token(response="0" * 32),
        token(response='""'),
        token(charset="UTF-8"),
        token(qop="auth-int"),
        token(qop="auth-conf"),
        token(digest_uri=None),
        token(digest_uri='"zookeeper/other"'),
        token(nonce_count="00000002"),
        token() + b',username="bob"',
        token() + b",=x",
        token() + b',x="',
        token() + b',x="y"z',
        token() + b",x=",
        b"",
        b"," * 100,
        b"x" * 4097,
    ],
)
def test_whatever_is_wrong_is_refused_and_ends_the_exchange(bad: bytes) -> None:
    server = challenged()
    with pytest.raises(SaslError):
        server.evaluate(bad)
    assert not server.is_complete
    if len(bad) <= 4096:
        with pytest.raises(SaslError, match="over"):
            server.evaluate(token())


@pytest.mark.parametrize(
    "bad", [token(maxbuf="x"), token(maxbuf="99999999999"), token(nonce_count="zz"), token("", "")]
)
def test_numbers_and_names_that_are_none_break_the_exchange_as_in_the_original(bad: bytes) -> None:
    with pytest.raises(SaslBroken):
        challenged().evaluate(bad)


@pytest.mark.parametrize(
    "good",
    [
        token(charset=None),
        token(qop=None),
        token(nc=None),
        token(nc="00000007"),
        token(nonce_count="1"),
        token(maxbuf="1"),
        token(cipher="rc4"),
        token() + b",x",
        token(unknown='"x,y\\"z"'),
        b" ,, " + token().replace(b",", b" , ").replace(b"=", b" =\t"),
        token().replace(b"username", b"USERNAME").replace(b"digest-uri", b"Digest-URI"),
        token().replace(b",", b"\n"),
    ],
)
def test_what_may_be_left_out_or_written_otherwise(good: bytes) -> None:
    server = challenged()
    server.evaluate(good)
    assert server.user == "bob"


def test_the_user_is_who_has_the_password_whomever_it_asks_to_act_for() -> None:
    server = challenged()
    server.evaluate(token(authzid='"super"'))
    assert (server.user, server.authorization_id) == ("bob", "super")


def test_an_exchange_has_its_own_user() -> None:
    """ZOOKEEPER-4839: an unknown user logged in as the last one whose name had been right."""
    good, bad = challenged(), challenged()
    good.evaluate(token())
    with pytest.raises(SaslError):
        bad.evaluate(token("eve", "secret"))
    assert bad.user is None


def test_once_let_in_another_try_is_an_error() -> None:
    server = challenged()
    server.evaluate(token())
    with pytest.raises(SaslError, match="over"):
        server.evaluate(token())


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else(garbage: bytes) -> None:
    with pytest.raises((SaslError, SaslBroken)):
        challenged().evaluate(garbage)


@given(st.dictionaries(st.sampled_from(["username", "realm", "qop"]), st.text(max_size=20)))
def test_quoted_values_are_read_back(values: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    written = ",".join(f"{name}={quoted(value)}" for name, value in values.items()).encode()
    assert parse_directives(written) == {name.encode(): value.encode() for name, value in values.items()}


def test_nonces_are_new_each_time_and_those_of_another_secret_others() -> None:
    nonces = Nonces(bytes(32))
    taken = {nonces.next() for _ in range(1000)}
    assert len(taken) == 1000
    assert {len(nonce) for nonce in taken} == {40}
    assert Nonces(b"\1" * 32).next() not in taken


def test_passwords_show_in_no_repr() -> None:
    assert "secret" not in repr(USERS)
    assert "secret" not in repr(challenged())
    assert len(digest_credentials((), None)) == 0
