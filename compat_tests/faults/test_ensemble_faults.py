"""One member of three has a failing disk, or a clock that jumps: it leaves, and no write is lost.

The members are zoolets; clients write to all of them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..load import Load, prepare
from ..quorum.ensemble import ProcessEnsemble
from ..quorum.member import Ending, Kind, Member, zoolet_launcher
from .injector import Injector, On, require_injector
from .server import last_words

DAY_S = 86_400


class FaultyEnsemble(ProcessEnsemble):
    """Three voters, each with an injector of its own."""

    def __init__(self, injectors: Mapping[int, Injector]) -> None:
        def launcher(configuration: Path, properties: Mapping[str, str]) -> list[str]:
            prefix = injectors[int(configuration.parent.name)].command_prefix
            return [*prefix, *zoolet_launcher(configuration, properties)]

        # Whoever is behind is sent the whole tree.
        properties = {"zookeeper.commitLogCount": "1", "zookeeper.snapshotSizeFactor": "-1"}
        super().__init__("ZZZ", properties=properties, launchers={Kind.ZOOLET: launcher})
        self.injectors = injectors

    @property
    def ports(self) -> list[int]:
        return [member.port for member in self.running]

    def break_disk(self, member: Member, operations: On, name: str = "", *, lose: bool = False) -> None:
        """One call on the member's data fails. Doing it once is the hardest: trying again would succeed."""
        folder = member.version_dir
        self.injectors[member.sid].fail(operations, folder, name, times=1, lose=lose)

    def await_end(self, member: Member) -> None:
        """Wait until the member has left by itself, and look at how it did."""
        self.until(f"{member} leaves", lambda: not member.is_running)
        assert member.exit_code == 1, member.log
        words = last_words(member.log)
        assert str(member.version_dir) in words
        assert os.strerror(errno.EIO) in words
        member.end(Ending.KILL)  # it is not missed

    def bring_back(self, member: Member) -> None:
        """Start it again on its repaired disk."""
        self.injectors[member.sid].repair()
        self.launch(member.sid)
        self.await_settled()

    def check(self, *loads: Load) -> None:
        """Every member has what was acknowledged, and all have the same."""
        self.await_equal_zxids()
        for load in loads:
            for member in self:
                load.check(member.port)


@pytest.fixture
def ensemble() -> Iterator[FaultyEnsemble]:
    require_injector()
    with ExitStack() as stack:
        injectors = {sid: stack.enter_context(Injector()) for sid in (1, 2, 3)}
        yield stack.enter_context(FaultyEnsemble(injectors))


def test_follower_with_a_failing_disk_leaves_and_the_others_go_on(ensemble: FaultyEnsemble) -> None:
    prepare(ensemble.leader.port)
    bad, good = ensemble.followers
    load = Load(ensemble.ports)
    load.await_acknowledged(20)
    ensemble.break_disk(bad, On.SYNC, "log.*", lose=True)
    ensemble.await_end(bad)
    load.await_acknowledged(20)
    assert {writer.is_alive() for writer in load.writers} == {True, False}
    assert ensemble.leader.is_running
    assert ensemble.followers == [good]
    load.stop()
    ensemble.bring_back(bad)
    ensemble.check(load)


def test_leader_whose_sync_fails_after_its_followers_have_acknowledged_leaves_and_nothing_is_lost(
    ensemble: FaultyEnsemble,
) -> None:
    """What two followers have is committed without the leader's own disk, and it may have said so already."""
    prepare(ensemble.leader.port)
    bad = ensemble.leader
    load = Load(ensemble.ports)
    load.await_acknowledged(20)
    ensemble.break_disk(bad, On.SYNC, "log.*", lose=True)
    ensemble.await_end(bad)
    load.ended()
    assert ensemble.await_settled() is not bad
    after = Load(ensemble.ports)
    after.await_acknowledged(20)
    after.stop()
    ensemble.bring_back(bad)
    ensemble.check(load, after)


STEPS: list[tuple[str, Callable[[ProcessEnsemble], Member], str]] = [
    ("the promise of a follower", lambda ensemble: ensemble[1], "acceptedEpoch*"),
    ("the history of the next leader", lambda ensemble: ensemble[2], "currentEpoch*"),
]


def test_member_that_cannot_write_its_epochs_down_leaves(ensemble: FaultyEnsemble) -> None:
    """They are promises: one that may be forgotten must not be given."""
    prepare(ensemble.leader.port)
    loads = []
    for _, member_of, file in STEPS:
        leader, member = ensemble[3], member_of(ensemble)
        assert ensemble.leader is leader
        load = Load(ensemble.ports)
        load.await_acknowledged(5)
        ensemble.break_disk(member, On.SYNC | On.RENAME, file)
        ensemble.end(leader.sid, Ending.KILL)
        load.ended()
        ensemble.await_end(member)
        assert file.removesuffix("*") in last_words(member.log)
        loads.append(load)
        # Without it there is no quorum. The third one would notice that after initLimit.
        for one in ensemble.running:
            one.end(Ending.KILL)
        ensemble.injectors[member.sid].repair()
        for one in ensemble:
            ensemble.launch(one.sid)
        ensemble.await_settled()
        ensemble.make_lead(leader.sid)
    ensemble.check(*loads)


def test_member_that_cannot_keep_the_leaders_snapshot_leaves(ensemble: FaultyEnsemble) -> None:
    """It has thrown its own history away for that one: after the repair it gets it, or had it already."""
    prepare(ensemble.leader.port)
    load = Load(ensemble.ports)
    load.await_acknowledged(20)
    load.stop()
    member = ensemble.followers[0]
    for operation in (On.SYNC, On.RENAME):
        ensemble.end(member.sid)
        member.wipe()
        # An empty folder gets a snapshot of its own first.
        ensemble.injectors[member.sid].fail(operation, member.data_dir, "*snapshot.*", after=1, times=1)
        ensemble.launch(member.sid)
        ensemble.await_end(member)
        assert "snapshot." in last_words(member.log)
        ensemble.bring_back(member)
        ensemble.check(load)


def test_clocks_of_members_may_jump_and_nobody_loses_the_lead_or_a_session(ensemble: FaultyEnsemble) -> None:
    prepare(ensemble.leader.port)
    leader, epoch = ensemble.leader, ensemble.leader.epoch("currentEpoch")
    load = Load(ensemble.ports)
    for jumps in ((-DAY_S, 0, 0), (0, DAY_S, -DAY_S), (DAY_S, -DAY_S, DAY_S)):
        for injector, jump_s in zip(ensemble.injectors.values(), jumps, strict=True):
            injector.shift_clock(jump_s)
        load.await_acknowledged(20)
    assert ensemble.leader is leader
    assert leader.epoch("currentEpoch") == epoch
    assert all(writer.is_alive() for writer in load.writers)
    load.stop()
    ensemble.check(load)
