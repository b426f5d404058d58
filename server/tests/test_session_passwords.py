"""Session passwords: Java's derivation unless there is a secret, and then nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.config import ConfigError, config_from
from zoolet.server.session_passwords import SessionPasswords, session_password
from zoolet.server.tests.harness import Server

LONGS = st.integers(-(2**63), 2**63 - 1)
SECRET = b"not for everybody"


@pytest.mark.parametrize(
    ("session_id", "password"),
    [
        (0xB3415C00 ^ 42, "359d41baf78afe0de1bbe7ae28c0450c"),
        (42, "c813ee495620c3a68794ef27a239e8a9"),
        (1, "054cc74a37327db215e702e20c73f005"),
        (0x0100000000000000, "f22acd4a97e69d6d20a49bb638eadb38"),
        (0x01000123456789AB, "237710bc62d77989a42e8da77022789d"),
        (0xB3415C00, "60b420bb3851d9d47acb933dbe70399b"),
        (2**63 - 1, "20f62cb5648dc2d771471c8a2486a9ee"),
        (-1, "20f62cb5648dc2d771471c8a2486a9ee"),
        (-(2**63), "f22acd4a97e69d6d20a49bb638eadb38"),
        (0x0100002B291E0000, "801ce87a0d5404f15e4358ec9e6b6522"),  # given out by a 3.9.4 server
    ],
)
def test_the_password_is_that_of_java_util_random(session_id: int, password: str) -> None:
    """Printed by `new Random(id ^ 0xB3415C00).nextBytes` on Java 17."""
    assert session_password(session_id).hex() == password


@given(LONGS.filter(bool), st.sampled_from((None, SECRET)))
def test_only_the_own_password_is_right(session_id: int, secret: bytes | None) -> None:
    passwords = SessionPasswords(secret)
    password = passwords.of(session_id)
    assert len(password) == 16
    assert passwords.check(session_id, password)
    for wrong in (None, b"", bytes(16), password[:-1], password + b"\0", password[::-1] + b"x"):
        assert not passwords.check(session_id, wrong)


@pytest.mark.parametrize("secret", [None, SECRET])
def test_session_zero_has_no_password(secret: bytes | None) -> None:
    passwords = SessionPasswords(secret)
    assert not passwords.check(0, passwords.of(0))


@given(LONGS.filter(bool))
def test_with_a_secret_the_password_can_not_be_derived_from_the_id(session_id: int) -> None:
    """Traps C.6: a session's id stands in the Stat of its ephemerals."""
    mine = SessionPasswords(SECRET)
    assert not mine.check(session_id, session_password(session_id))
    assert not mine.check(session_id, SessionPasswords(SECRET + b"!").of(session_id))
    assert mine.of(session_id) == SessionPasswords(SECRET).of(session_id)


# --- the setting ----------------------------------------------------------------------------------------


def test_a_server_with_a_secret_file_takes_back_only_whom_it_gave_a_password(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    server = Server(session_password_secret_file=str(file))
    first = server.client()
    answer = first.connect()
    assert answer.passwd == SessionPasswords(SECRET).of(answer.sessionId)
    guessed = server.client().connect(
        session_id=answer.sessionId, password=session_password(answer.sessionId)
    )
    assert guessed.sessionId == 0
    again = server.client().connect(session_id=answer.sessionId, password=answer.passwd)
    assert (again.sessionId, again.passwd) == (answer.sessionId, answer.passwd)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"short\n", "holds 5 bytes, at least 16 are needed")],
)
def test_a_secret_that_is_none_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config_from({}, data_dir="/data", client_port=1, session_password_secret_file=str(file))
    assert problem in str(caught.value)
    assert "zoolet.sessionPasswordSecretFile" in str(caught.value)
