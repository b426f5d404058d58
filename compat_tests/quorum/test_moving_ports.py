"""A reconfiguration gives members other addresses for clients and for elections: they listen there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ..tree_dump import SUPER_CREDENTIALS
from .clients import connect, disconnect
from .compare import CONFIG, assert_members_equal
from .configurations import Form
from .conftest import NewEnsemble, compositions
from .ensemble import ProcessEnsemble
from .member import Ending
from .ports import is_listening, loopback_ports
from .reconfiguration import reconfigure, server_line


def await_moved(ensemble: ProcessEnsemble, new: int, old: int) -> None:
    ensemble.until(f"port {new} is listened on", lambda: is_listening(new))
    ensemble.until(f"port {old} is closed", lambda: not is_listening(old))


@pytest.mark.parametrize("composition", compositions("JJJ", "JZJ", "ZJZ"))
def test_members_listen_where_a_reconfiguration_says(composition: str, new_ensemble: NewEnsemble) -> None:
    ensemble = new_ensemble(composition, form=Form.DYNAMIC)
    leader, follower = ensemble.leader, ensemble.followers[0]
    administrator = connect(leader.hosts)
    stays = connect(follower.hosts)
    try:
        administrator.add_auth("digest", SUPER_CREDENTIALS.decode())
        session = stays.client_id
        fresh = iter(loopback_ports(3))

        # Where clients come to: of a follower and of the leader, one after the other.
        for member in (follower, leader):
            old = member.ports
            reconfigure(administrator, [member], [replace(old, client=next(fresh))])
            await_moved(ensemble, member.ports.client, old.client)
            ensemble.await_settled()
        assert stays.client_id == session
        stays.create("/by-who-was-connected-before")
        assert stays.connected

        # Where elections are held: the others find it there when the leader ends.
        old = follower.ports
        reconfigure(administrator, [follower], [replace(old, election=next(fresh))])
        await_moved(ensemble, follower.ports.election, old.election)
        ensemble.await_settled()
        assert ensemble.leader is leader

        text = administrator.get(CONFIG)[0].decode()
        for member in (leader, follower):
            assert server_line(member, member.ports) in text.splitlines()
    finally:
        disconnect(administrator)
        disconnect(stays)

    ensemble.end(leader.sid, Ending.KILL)
    ensemble.await_settled()
    ensemble.restart(leader.sid)
    ensemble.restart(follower.sid)
    ensemble.await_settled()
    assert is_listening(follower.ports.election)
    tree = assert_members_equal(ensemble)
    assert any("/by-who-was-connected-before" in line for line in tree)
