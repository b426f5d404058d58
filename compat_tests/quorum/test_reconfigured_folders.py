"""Folders with a reconfiguration in their logs: one implementation wrote them, the other replays them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.txn import TxnHeader

from ..tree_dump import SUPER_CREDENTIALS
from .clients import connect, disconnect
from .compare import CONFIG, assert_members_equal
from .configurations import Form
from .conftest import NewEnsemble, compositions
from .ensemble import ProcessEnsemble
from .logged_txns import logged_payloads
from .member import Ending, Kind, Member
from .ports import loopback_ports
from .reconfiguration import reconfigure, server_line

OTHER = {Kind.JAVA: Kind.ZOOLET, Kind.ZOOLET: Kind.JAVA}


def reconfigurations(member: Member) -> list[int]:
    """The zxids of those in the member's logs."""
    payloads = logged_payloads(member).items()
    return [zxid for zxid, payload in payloads if TxnHeader.decode(payload)[0].type == OpCode.RECONFIG]


def swap_all(ensemble: ProcessEnsemble) -> None:
    """Kill everybody, so that nobody hears from others what is in its own logs; then the others go on."""
    members = ensemble.running
    for member in members:
        ensemble.end(member.sid, Ending.KILL)
    for member in members:
        member.kind = OTHER[member.kind]
        ensemble.launch(member.sid)
    ensemble.await_settled()


@pytest.mark.parametrize("composition", compositions("JZJ", "ZJZ"))
def test_a_reconfiguration_is_replayed_by_the_other(composition: str, new_ensemble: NewEnsemble) -> None:
    ensemble = new_ensemble(composition, form=Form.DYNAMIC)
    follower = ensemble.followers[0]
    client = connect(ensemble.leader.hosts)
    try:
        client.add_auth("digest", SUPER_CREDENTIALS.decode())
        client.create("/before")
        [election] = loopback_ports(1)
        reconfigure(client, [follower], [replace(follower.ports, election=election)])
        ensemble.await_settled()
        client.create("/behind")
        configuration = client.get(CONFIG)[0].decode()
    finally:
        disconnect(client)
    assert server_line(follower, follower.ports) in configuration.splitlines()
    tree = assert_members_equal(ensemble)
    for _ in range(2):
        for member in ensemble:
            assert len(reconfigurations(member)) == 1, f"{member} has logged the reconfiguration"
        swap_all(ensemble)
        assert assert_members_equal(ensemble) == tree
