"""Java and zoolet in one ensemble: whatever goes in through one member is the same on all of them.

The last letter of a composition leads at first: `JJZ` is zoolet leading Java, `ZZJ` Java leading zoolet.
"""

from __future__ import annotations

from .compare import assert_members_equal, digests
from .conftest import EVERY_COMPOSITION, on
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree
from .workload import rich_workload
from .writers import writers


@on(*EVERY_COMPOSITION)
def test_rich_workload_leaves_equal_trees_and_logs(ensemble: ProcessEnsemble) -> None:
    """Nodes, ACLs, multis, watches and sessions through every member; then everything is compared."""
    assert ensemble.leader is ensemble.voters[-1]
    with rich_workload(ensemble, "/rich"):
        tree = assert_members_equal(ensemble)
        assert len(tree) > 300
        assert all(len(digests(member)) >= 3 for member in ensemble)
        assert assert_logs_agree(ensemble) > 1_000
    for member in ensemble:
        assert (member.epoch("acceptedEpoch"), member.epoch("currentEpoch")) == (1, 1)
    after = assert_members_equal(ensemble)
    assert not [line for line in after if "/live" in line], "ephemerals of closed sessions"


@on("JZJ", "ZJZ", "ZZZ")
def test_rolling_restart_under_writes(ensemble: ProcessEnsemble) -> None:
    """One member after the other stops and comes back; no write is lost or doubled, no session ends."""
    epoch = ensemble.leader.epoch("currentEpoch") or 0
    with writers([ensemble.connect_string] * 2, "/rolling") as active:
        for member in ensemble:
            ensemble.restart(member.sid)
            for writer in active:
                writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)
    assert {member.epoch("acceptedEpoch") for member in ensemble} == {ensemble.leader.epoch("currentEpoch")}
    assert (ensemble.leader.epoch("currentEpoch") or 0) > epoch
