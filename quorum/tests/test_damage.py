"""A member whose data is damaged: what it is afterwards, and what goes on to count meanwhile.

Not here: whole stories of ensembles (``testing/tests/test_damaged_members.py``).
"""

from __future__ import annotations

from zoolet.quorum.packets import packet
from zoolet.quorum.tests.wire_lab import TRUNC, WireLab, committed, create_txn, snapshot_of, zx

CURRENT_EPOCH = "/data/version-2/currentEpoch"


def test_who_has_a_leaders_tree_votes_with_its_epoch_though_that_leader_has_gone() -> None:
    """`currentEpoch` was lost, the tree holds what a quorum has committed, and the role is over by then.

    With epoch 0 its vote lost against that of anybody who lags behind in that epoch.
    """
    first = WireLab()
    first.follow(3).synchronise(committed(create_txn(zx(1, 1), "/a")))
    first.me.disk.rot(CURRENT_EPOCH, 0, b"\xff")
    lab = first.durable()
    assert lab.peer.last_zxid == -1
    leader = lab.follow(3)
    leader.open()
    lab.disk_works = False
    tree = snapshot_of(create_txn(zx(1, 1), "/a"), create_txn(zx(1, 2), "/b"))
    leader.say(tree, leader.new_leader())
    leader.hang_up()
    lab.let_disk_work()
    assert lab.peer.role is None
    vote = lab.peer.election._initial
    assert (vote.zxid, vote.peer_epoch) == (zx(1, 2), 1)
    assert lab.me.disk.get(CURRENT_EPOCH) == b"1"


def batches(lab: WireLab) -> int:
    return int(lab.me.monitor()["cnt_sync_processor_batch_size"])


def test_what_is_counted_goes_on_when_the_tree_is_built_anew() -> None:
    """The log and its thread, the clock and the counters know each other from the start."""
    lab = WireLab()
    first = lab.follow(2)
    first.synchronise(committed(create_txn(zx(1, 1), "/a"), create_txn(zx(1, 2), "/b")))
    clock = lab.peer.database.clock = lambda: 1
    lab.peer.database.note_digest(zx(1, 2))
    before = batches(lab)
    assert before
    first.hang_up()
    second = lab.follow(3)
    second.synchronise(begin=packet(TRUNC, zx(1, 1)), epoch=2)
    assert lab.nodes == {"/a"}
    assert batches(lab) == before
    assert lab.peer.database.clock is clock
    assert not lab.peer.database.digest_log
    second.say(committed(create_txn(zx(2, 1), "/c")))
    assert batches(lab) == before + 1


def test_what_is_counted_goes_on_when_nothing_of_the_folder_is_used() -> None:
    lab = WireLab()
    first = lab.follow(2)
    first.synchronise(committed(create_txn(zx(1, 1), "/a"), create_txn(zx(1, 2), "/b")))
    before = batches(lab)
    first.hang_up()
    log = max(path for path in lab.me.disk.names if "/log." in path)
    lab.me.disk.rot(log, 40, b"\xff")
    lab.follow(3).synchronise(begin=packet(TRUNC, zx(1, 1)), epoch=2)
    assert lab.peer.last_zxid == -1
    second = lab.follow(3)
    second.synchronise(begin=snapshot_of(create_txn(zx(1, 1), "/a")), epoch=2)
    assert lab.nodes == {"/a"}
    assert batches(lab) == before
