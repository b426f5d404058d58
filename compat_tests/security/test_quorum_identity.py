"""CVE-2018-8012, CVE-2023-44981: whoever joins a quorum without being asked counts for nothing in it.

The original's members let anybody connect who speaks their protocol, since a server that is about to be added
must be able to synchronise first. What must hold is that such a server decides nothing: no leader, no epoch,
no commit. (To keep it from reading as well, members need TLS with certificates.)
"""

from __future__ import annotations

from zoolet.jute.election import ServerState
from zoolet.jute.ids import Sid
from zoolet.quorum.ack_tracker import SyncedLearnerTracker
from zoolet.quorum.tests.wire_lab import WireLab
from zoolet.quorum.verifier import from_text

EPOCH_MAX = 2**31 - 1
MEMBERS = from_text("\n".join(f"server.{sid}=h{sid}:1:2" for sid in (1, 2, 3)))
STRANGERS = (4, 99, -1, 0, 2**62)


def test_cve_2018_8012_a_server_that_is_not_in_the_list_has_no_vote() -> None:
    tracker = SyncedLearnerTracker([MEMBERS])
    assert tracker.add_ack(Sid(1))
    for sid in STRANGERS:
        assert not tracker.add_ack(Sid(sid))
    assert not tracker.has_all_quorums()
    assert tracker.add_ack(Sid(2))
    assert tracker.has_all_quorums()


def test_cve_2018_8012_any_number_of_strangers_is_no_quorum() -> None:
    assert not MEMBERS.contains_quorum(frozenset(map(Sid, STRANGERS)))
    assert not MEMBERS.contains_quorum(frozenset({Sid(1), *map(Sid, STRANGERS)}))


def test_cve_2023_44981_strangers_do_not_make_a_leader() -> None:
    """They may say that they follow; without a voter of the list nobody leads."""
    lab = WireLab()
    lab.lead()
    for sid in (98, 99):
        stranger = lab.learner(sid)
        stranger.introduce(accepted=EPOCH_MAX - 1)
        assert stranger.heard() == []
    assert lab.peer.epochs.accepted == 0, "nor do they choose the epoch"
    lab.learner(2).introduce()
    assert lab.state() is ServerState.LEADING
    assert lab.peer.epochs.accepted == 1
