"""Quotas in a mixed ensemble: every member counts for itself, and all come to the same.

The counts are no txns, so nothing but the rules keeps the members together. Hard limits are the leader's
business, whatever kind it is and wherever the client is.
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import CreateMode, ErrorCode, OpCode
from zoolet.jute.proto import DeleteRequest, SetDataRequest

from .compare import assert_members_equal
from .conftest import NewEnsemble, compositions
from .member import Member
from .raw_session import RawSession

QUOTA = "/zookeeper/quota/q"
STATS = f"{QUOTA}/zookeeper_stats"


@pytest.mark.parametrize("composition", compositions("JZJ", "ZJZ"))
def test_all_members_count_the_same_and_the_leader_refuses(
    composition: str, new_ensemble: NewEnsemble
) -> None:
    ensemble = new_ensemble(composition, properties={"zookeeper.enforceQuota": "true"})
    members = list(ensemble)
    with RawSession(members[0].port) as client:
        for path, data in (
            ("/q", b"12"),
            (QUOTA, b""),
            (f"{QUOTA}/zookeeper_limits", b"count=3,bytes=50=;countHardLimit=6;byteHardLimit=40"),
            (STATS, b"?"),
        ):
            client.create(path, data)
    for number, member in enumerate(members):
        with RawSession(member.port) as client:
            client.create(f"/q/n{number}", b"345")
            client.create(f"/q/e{number}", flags=CreateMode.EPHEMERAL)
            assert set_data(client, f"/q/n{number}", b"1234567890") == 0
            assert set_data(client, f"/q/n{number}", b"x" * 50) == ErrorCode.QUOTA_EXCEEDED
            client.end()
        ensemble.await_equal_zxids()
    # The sessions are over, and with them their nodes.
    assert counts(members) == {b"count=4,bytes=32"}
    with RawSession(members[1].port) as client:
        for number, expected in enumerate((0, 0, ErrorCode.QUOTA_EXCEEDED)):
            assert client.try_create(f"/q/more{number}").error == expected
            # Limits are compared with the leader's tree, and it may apply a txn behind the one who asked.
            ensemble.await_equal_zxids()
        assert client.ask(OpCode.DELETE, DeleteRequest("/q/n0", -1).encode()).error == 0
    assert counts(members) == {b"count=5,bytes=22"}
    assert_members_equal(ensemble)
    for member in members:
        ensemble.restart(member.sid)
    assert counts(members) == {b"count=5,bytes=22"}
    assert_members_equal(ensemble)


def set_data(client: RawSession, path: str, data: bytes) -> int:
    return client.ask(OpCode.SET_DATA, SetDataRequest(path, data, -1).encode()).error


def counts(members: list[Member]) -> set[bytes | None]:
    """What the members have counted."""
    seen = set()
    for member in members:
        with RawSession(member.port) as client:
            client.sync()
            seen.add(client.get(STATS).data)
    return seen
