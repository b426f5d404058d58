"""The scheme `digest` hashes as Java's `DigestAuthenticationProvider` does (values printed by 3.9.4)."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest
from zoolet.jute.data import Id
from zoolet.server.auth.digest import DigestAuthProvider
from zoolet.server.auth.provider import Caller
from zoolet.server.auth.registry import providers_of
from zoolet.server.config import config_from

DIGEST = DigestAuthProvider()
CALLER = Caller(("10.0.0.1", 4000))


@pytest.mark.parametrize(
    ("secret", "identity"),
    [
        ("bob:secret", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="),
        ("bob", "bob:SBgazSKz7a68ikR4aKfffOYpkgo="),
        ("", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        (":", ":BaefBs8/Z/cm2uaNGKIpD2yaUMk="),
        ("bob:", "bob:tK1fpNO1hB0F++FhHpSq0Fa4tv0="),
        ("a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="),
        ("\u00e4:\u6f22", "\u00e4:0hlhhNVXoHsY0wT6iJUSJf1flIo="),
    ],
)
def test_the_identity_is_the_user_and_the_hash_of_the_whole(secret: str, identity: str) -> None:
    assert DIGEST.authenticate(CALLER, secret.encode()) == (Id("digest", identity),)


@pytest.mark.parametrize(
    ("secret", "identity"),
    [
        ("u:\U0001f600", "u:jJrVWxbcrh8H8NliuTU6Me6qGLY="),
        ("\U0001f600:p", "\U0001f600:mnxuLb+eH1AAHGgvuO6/0m5r6/g="),
    ],
)
def test_a_secret_outside_the_bmp_is_hashed_as_utf8(secret: str, identity: str) -> None:
    """Java hashes `getBytes(UTF_8)`: four bytes for such a character, not jute's two surrogates."""
    assert DIGEST.authenticate(CALLER, secret.encode()) == (Id("digest", identity),)


@pytest.mark.parametrize(
    ("acl_id", "valid"),
    [
        ("a:b", True),
        ("a:b:", True),
        (":b", True),
        ("a", False),
        ("a:", False),
        ("a:b:c", False),
        ("::b", False),
        ("::", False),
        ("", False),
    ],
)
def test_an_acl_id_has_two_parts_as_java_splits_them(acl_id: str, valid: bool) -> None:
    assert DIGEST.is_valid(acl_id) is valid


def test_only_the_same_identity_matches() -> None:
    assert DIGEST.matches("bob:hash", "bob:hash")
    assert not DIGEST.matches("bob:hash", "bob:Hash")
    assert not DIGEST.matches("bob:hash", "eve:hash")


def test_the_super_digest_makes_super_besides_the_user() -> None:
    provider = DigestAuthProvider(super_digest="bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")
    assert provider.authenticate(CALLER, b"bob:secret") == (
        Id("super", ""),
        Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="),
    )
    [only] = provider.authenticate(CALLER, b"bob:Secret")
    assert only.scheme == "digest"


def test_without_a_super_digest_nobody_is_super() -> None:
    providers = providers_of(config_from({}, data_dir="/data", client_port=2181))
    assert [identity.scheme for identity in providers["digest"].authenticate(CALLER, b"")] == ["digest"]


def test_a_user_name_shows_no_hash() -> None:
    assert DIGEST.user_name("bob:fyVmFCwVbTJYrznoSu1koqYEYF0=") == "bob"
    assert DIGEST.is_authenticated


@pytest.mark.parametrize("name", ["SHA1", "SHA-1", "SHA-256", "SHA-512", "MD5", "SHA3-256"])
def test_algorithms_go_by_their_java_names(name: str) -> None:
    python_name = {"SHA3-256": "sha3_256"}.get(name, name.replace("-", "").lower())
    hashed = hashlib.new(python_name, b"bob:secret", usedforsecurity=False).digest()
    [identity] = DigestAuthProvider(algorithm=name).authenticate(CALLER, b"bob:secret")
    assert identity.id == "bob:" + b64encode(hashed).decode()


def test_an_unknown_algorithm_is_refused_at_once() -> None:
    with pytest.raises(ValueError):
        DigestAuthProvider(algorithm="SHA-9")


def test_the_registry_has_ip_and_unless_disabled_digest() -> None:
    with_digest = providers_of(config_from({}, data_dir="/data", client_port=2181))
    without = providers_of(config_from({}, data_dir="/data", client_port=2181, digest_auth_enabled=False))
    assert sorted(with_digest) == ["digest", "ip"]
    assert sorted(without) == ["ip"]
    for scheme, provider in with_digest.items():
        assert provider.scheme == scheme
