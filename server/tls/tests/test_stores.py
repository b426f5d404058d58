"""Key and trust stores: what is read from each format, and what is said of those that can't be used."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.setting import ConfigError
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.jks import JksError, read_jks
from zoolet.server.tls.stores import StoreFile, read_key_store, read_trust_store

GOLDEN = Path(__file__).parent / "golden"
"""Made with Java 17's keytool: an authority, a server's key of RSA that it vouches for. README tells how."""


def key_store(path: Path, password: str = "", **arguments: str) -> StoreFile:
    return StoreFile("ssl.keyStore", str(path), password, **arguments)


def trust_store(path: Path, password: str = "", **arguments: str) -> StoreFile:
    return StoreFile("ssl.trustStore", str(path), password, **arguments)


def problem_of(store: StoreFile) -> str:
    """What reading it as a key store complains of."""
    with pytest.raises(ConfigError) as caught:
        read_key_store(store)
    message = str(caught.value)
    assert "\n" not in message
    return message


AUTHORITY = [ssl.PEM_cert_to_DER_cert((GOLDEN / "ca.pem").read_text())]


# --- stores that Java made --------------------------------------------------------------------------------


def test_the_same_key_and_chain_come_out_of_jks_and_pkcs12() -> None:
    of_jks = read_key_store(key_store(GOLDEN / "server.jks", "secret1"))
    of_pkcs12 = read_key_store(key_store(GOLDEN / "server.p12", "secret1"))
    assert of_jks == of_pkcs12
    assert of_jks.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert of_jks.chain_pem.count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("name", ["trust.jks", "trust.p12"])
def test_trusted_certificates_come_out_of_jks_and_pkcs12(name: str) -> None:
    assert read_trust_store(trust_store(GOLDEN / name, "secret2")) == AUTHORITY


def test_trusted_certificates_come_out_of_pem() -> None:
    assert read_trust_store(trust_store(GOLDEN / "ca.pem")) == AUTHORITY


@pytest.mark.parametrize(("name", "type"), [("server.jks", "PKCS12"), ("server.p12", "jks")])
def test_either_format_is_read_under_the_name_of_the_other(name: str, type: str) -> None:
    """As in Java since version 9, whose keytool makes PKCS12 files that people call .jks."""
    assert read_key_store(key_store(GOLDEN / name, "secret1", type=type)).key_pem


# --- stores of other origins --------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", "hush"])
def test_a_pem_store_is_a_key_and_its_chain(tmp_path: Path, password: str) -> None:
    root = Certified.authority()
    server = root.issue("middle", is_authority=True).issue("server")
    pair = read_key_store(key_store(server.write_pem(tmp_path / "s.pem", password), password))
    assert pair.key_pem == server.key_pem()
    assert pair.chain_pem.startswith(server.pem)
    assert pair.chain_pem.count(b"BEGIN") == 3


def test_a_pkcs12_store_is_a_key_and_its_chain(tmp_path: Path) -> None:
    server = Certified.authority().issue("server")
    pair = read_key_store(key_store(server.write_pkcs12(tmp_path / "s.p12", "hush"), "hush"))
    assert pair.key_pem == server.key_pem()
    assert pair.chain_pem.startswith(server.pem)


def test_a_key_in_the_traditional_format_is_read(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    server = Certified.authority()
    traditional = server.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (tmp_path / "s.pem").write_bytes(b"Bag Attributes\n  localKeyID: 1\n" + traditional + server.pem)
    assert read_key_store(key_store(tmp_path / "s.pem")).key_pem == server.key_pem()


def test_the_chain_of_a_key_is_not_trusted(tmp_path: Path) -> None:
    """Java trusts the entries that are marked so, and a key's chain is none of them."""
    store = trust_store(Certified.authority().issue().write_pkcs12(tmp_path / "s.p12", "hush"), "hush")
    with pytest.raises(ConfigError, match="there is no trusted certificate in it"):
        read_trust_store(store)


def test_the_password_file_is_stronger_and_loses_one_newline(tmp_path: Path) -> None:
    """`SecretUtils.readSecret`."""
    path = Certified.authority().write_pkcs12(tmp_path / "s.p12", "hush")
    (tmp_path / "password").write_text("hush\n")
    assert read_key_store(key_store(path, "wrong", password_path=str(tmp_path / "password")))
    (tmp_path / "password").write_text("hush\n\n")
    assert "wrong" in problem_of(key_store(path, "hush", password_path=str(tmp_path / "password")))


# --- stores that can't be used ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["server.jks", "server.p12"])
@pytest.mark.parametrize("password", ["", "guess"])
def test_a_wrong_password_is_named(name: str, password: str) -> None:
    message = problem_of(key_store(GOLDEN / name, password))
    assert message.startswith(f"ssl.keyStore.location={GOLDEN / name}: the password is wrong")
    assert "guess" not in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.jks"
    assert problem_of(key_store(path)) == f"ssl.keyStore.location={path}: No such file or directory"


def test_a_missing_password_file_is_named() -> None:
    message = problem_of(key_store(GOLDEN / "server.jks", password_path="/none"))
    assert message == "ssl.keyStore.passwordPath=/none: No such file or directory"


@pytest.mark.parametrize(
    ("name", "type", "message"),
    [
        (
            "x.keystore",
            "",
            "it ends in none of .jks, .p12, .pem; set ssl.keyStore.type to JKS, PKCS12 or PEM",
        ),
        ("x.JKS", "", "it ends in none of .jks, .p12, .pem; set ssl.keyStore.type to JKS, PKCS12 or PEM"),
        ("x.bcfks", "", "stores of Bouncy Castle cannot be read; use JKS, PKCS12 or PEM"),
        ("x.jks", "zip", "ssl.keyStore.type=zip: expected JKS, PKCS12 or PEM"),
    ],
)
def test_an_unknown_type_is_named(tmp_path: Path, name: str, type: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"?")
    assert problem_of(key_store(tmp_path / name, type=type)).endswith(message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.pem", b"", "there is no private key in it"),
        ("x.pem", Certified.authority().pem, "there is no private key in it"),
        ("x.pem", Certified.authority().key_pem(), "there is no certificate in it"),
        (
            "x.pem",
            Certified.authority().key_pem("hush"),
            "its key is encrypted, but ssl.keyStore.password is not set",
        ),
        ("x.jks", b"hello", "it is neither a JKS nor a PKCS12 store"),
        ("x.jks", b"\xfe\xed\xfe\xed", "it is not a JKS store"),
        ("x.p12", b"\x30\x82", "the password is wrong, or the file is damaged"),
    ],
)
def test_what_is_wrong_with_a_store_is_said(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert problem_of(key_store(tmp_path / name)) == f"ssl.keyStore.location={tmp_path / name}: {message}"


def test_a_needless_password_is_named(tmp_path: Path) -> None:
    """Java fails on it, too."""
    path = Certified.authority().write_pem(tmp_path / "s.pem")
    assert problem_of(key_store(path, "hush")).endswith(
        "its key is not encrypted, but ssl.keyStore.password is set"
    )


@pytest.mark.parametrize("name", ["trust.jks", "trust.p12"])
def test_a_store_without_a_key_is_no_key_store(name: str) -> None:
    assert problem_of(key_store(GOLDEN / name, "secret2")).endswith("there is no private key in it")


def test_a_store_without_trusted_certificates_is_no_trust_store() -> None:
    with pytest.raises(ConfigError, match="there is no trusted certificate in it"):
        read_trust_store(trust_store(GOLDEN / "server.jks", "secret1"))


def test_a_password_is_never_shown() -> None:
    store = key_store(GOLDEN / "server.jks", "secret1")
    assert "secret1" not in repr(store)
    assert "PRIVATE" not in repr(read_key_store(store))


@given(cut=st.integers(0, 2000), flip=st.integers(0, 2000), by=st.integers(0, 255))
def test_a_damaged_jks_store_is_refused_whatever_is_wrong(cut: int, flip: int, by: int) -> None:
    """Also one whose seal is right: nothing but JksError comes of it."""
    import hashlib

    body = bytearray((GOLDEN / "server.jks").read_bytes()[:-20])
    body[4 + flip % (len(body) - 4)] ^= by
    body = body[: max(len(body) - cut, 4)]
    secret = "secret1".encode("utf-16-be")
    seal = hashlib.sha1(secret + b"Mighty Aphrodite" + body).digest()
    with contextlib.suppress(JksError):
        read_jks(bytes(body) + seal, "secret1", with_keys=True)
