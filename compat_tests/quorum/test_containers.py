"""Containers and nodes with a time to live in mixed ensembles: whoever leads removes what any member made."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.proto import CreateRequest, CreateTTLRequest, DeleteRequest, ExistsRequest, SyncRequest

from .compare import assert_members_equal
from .conftest import NewEnsemble, compositions
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree
from .member import Ending, Member
from .raw_session import OPEN, RawSession

OFTEN = {"znode.container.checkIntervalMs": "300"}
SHORT_MS = 500

Asked = tuple[OpCode, bytes]


def container(path: str) -> Asked:
    return OpCode.CREATE_CONTAINER, CreateRequest(path, b"data", OPEN, 4).encode()


def with_ttl(path: str, ttl_ms: int) -> Asked:
    return OpCode.CREATE_TTL, CreateTTLRequest(path, b"data", OPEN, 5, ttl_ms).encode()


def create(path: str) -> Asked:
    return OpCode.CREATE, CreateRequest(path, b"", OPEN, 0).encode()


def delete(path: str) -> Asked:
    return OpCode.DELETE, DeleteRequest(path, -1).encode()


def ask(member: Member, *asked: Asked) -> None:
    """Do this through a member; everything has to succeed."""
    with RawSession(member.port) as session:
        errors = [reply.error for reply in session.ask_all(asked)]
        assert errors == [0] * len(asked), f"{member} answered {errors}"
        session.ask(OpCode.CLOSE_SESSION)


def await_gone(ensemble: ProcessEnsemble, paths: Sequence[str]) -> None:
    """Wait until no member has any of these."""
    for member in ensemble.running:
        with RawSession(member.port) as session:

            def all_gone(session: RawSession = session) -> bool:
                session.ask(OpCode.SYNC, SyncRequest("/").encode())
                asked = [(OpCode.EXISTS, ExistsRequest(path, False).encode()) for path in paths]
                return all(reply.error == ErrorCode.NO_NODE for reply in session.ask_all(asked))

            ensemble.until(f"{member} has lost {paths}", all_gone)
            session.ask(OpCode.CLOSE_SESSION)


@pytest.mark.parametrize("composition", compositions("JZJ"))
def test_whoever_leads_removes_what_any_member_made(composition: str, new_ensemble: NewEnsemble) -> None:
    """The first leader, and after its end the next one, which heard of these nodes as a follower."""
    ensemble = new_ensemble(composition, properties=OFTEN)
    for member in ensemble:
        path = f"/{member.sid}"
        ask(member, container(path), create(f"{path}/x"), delete(f"{path}/x"))
        ask(member, with_ttl(f"{path}-short", SHORT_MS))
        ask(member, container(f"{path}-later"), create(f"{path}-later/x"), container(f"{path}-unused"))
        ask(member, with_ttl(f"{path}-long", 3_600_000), create(f"{path}-long/x"))
    await_gone(ensemble, [f"/{sid}{end}" for sid in ensemble.members for end in ("", "-short")])
    first = ensemble.leader
    ensemble.end(first.sid, Ending.KILL)
    second = ensemble.await_settled()
    assert second is not first
    for sid in ensemble.members:
        ask(second, delete(f"/{sid}-later/x"), delete(f"/{sid}-long/x"))
    await_gone(ensemble, [f"/{sid}-later" for sid in ensemble.members])
    ensemble.restart(first.sid)
    lines = assert_members_equal(ensemble)
    for sid in ensemble.members:
        for end in ("unused", "long"):
            assert any(line.startswith(f"'/{sid}-{end}'") for line in lines)
    assert_logs_agree(ensemble)
