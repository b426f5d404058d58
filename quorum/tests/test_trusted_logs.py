"""Members whose folders have logs and no snapshot, as after an upgrade from before 3.5.3."""

from __future__ import annotations

from zoolet.quorum.tests.members_lab import Lab, LabMember


def snapshots(member: LabMember) -> list[str]:
    return sorted(name for name in member.disk.listdir("/data/version-2") if name.startswith("snapshot."))


def test_the_first_write_is_followed_by_a_snapshot() -> None:
    """What a member has at its start may not be committed, so it can't be written down before."""
    lab = Lab.settled(snapshot_trust_empty=True)
    assert lab.leader.connected().create("/before").err == 0
    lab.stop(1, 2)
    for sid in (1, 2):
        for name in snapshots(lab[sid]):
            lab[sid].disk.unlink(f"/data/version-2/{name}")
    lab.start(1, 2)
    lab.settle()
    assert [snapshots(lab[sid]) for sid in (1, 2)] == [[], []]
    assert lab.leader.connected().create("/after").err == 0
    for sid in (1, 2):
        assert len(snapshots(lab[sid])) == 1
        assert "/before" in lab[sid].peer.database.tree.nodes
