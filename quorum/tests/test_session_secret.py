"""`zoolet.sessionPasswordSecretFile` in an ensemble: sessions move between members that share the secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.quorum.tests.members_lab import Lab
from zoolet.server.session_passwords import session_password

FOLLOWER, LEADER, OBSERVER = 1, 2, 3


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef\n")
    return Lab.settled(2, 1, session_password_secret_file=str(secret))


@pytest.mark.parametrize("there", [FOLLOWER, LEADER, OBSERVER])
def test_a_session_moves_with_its_password(lab: Lab, there: int) -> None:
    first = lab[FOLLOWER].client()
    response = first.connect()
    lab.run()
    again = lab[there].client().connect(session_id=response.sessionId, password=response.passwd)
    assert (again.sessionId, again.passwd) == (response.sessionId, response.passwd)


@pytest.mark.parametrize("there", [FOLLOWER, LEADER, OBSERVER])
def test_a_password_that_follows_from_the_id_is_refused_everywhere(lab: Lab, there: int) -> None:
    """Traps C.6."""
    session_id = lab[LEADER].client().connect().sessionId
    lab.run()
    guessed = lab[there].client().connect(session_id=session_id, password=session_password(session_id))
    assert guessed.sessionId == 0
