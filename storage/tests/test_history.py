"""TRUNC, and a leader's snapshot: afterwards there is the new history, after a crash the old or the new one.

A history is a list of (zxid, text) here. Every snapshot holds the one that it stands for, and says up to
which txn it may know more; every log entry holds its text. So what a start restores can be compared with
what it should be, also when txns of two leaders have the same zxid.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.ids import Zxid
from zoolet.jute.txn import SetDataTxn
from zoolet.storage.errors import (
    CannotTruncate,
    Corrupt,
    DiskError,
    HistoryChanged,
    LogFailed,
    StorageError,
)
from zoolet.storage.file_names import list_leftovers
from zoolet.storage.log_record import frame
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, Crashed, SimDisk, Survival
from zoolet.storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint, StorageSettings
from zoolet.storage.snap_store import SnapshotFile
from zoolet.storage.snapshot import SnapshotEncoder, ZxidDigest
from zoolet.storage.tests.samples import payload

History = list[tuple[int, str]]

DATA = "/data/version-2"
LUCK = [
    LOSE_ALL,
    KEEP_ALL,
    *(
        Survival(writes, torn, names)
        for writes, torn, names in ((0, 0, 1), (0, 9, 2), (1, 0, 1), (1, 30, 3), (2, 5, 2))
    ),
]


def txns(*zxids: int, text: str = "ours") -> History:
    return [(zxid, text) for zxid in zxids]


def span(first: int, last: int, text: str = "ours") -> History:
    return txns(*range(first, last + 1), text=text)


class Member:
    """A server with a disk; `history` is what it last knew."""

    def __init__(self, disk: SimDisk, *, log_dir: str = "/data", compression: str = "") -> None:
        self.disk = disk
        self.settings = StorageSettings(preallocate_bytes=6000, snapshot_compression=compression)
        self.store = FileTxnSnapLog(disk, "/data", log_dir, self.settings)
        self.log_dir = log_dir
        self.history: History = []
        self.restore(self.store.open())

    def restore(self, plan: RestorePlan) -> History:
        if plan.start is StartingPoint.EMPTY:
            self.save(0, 0)
            return self.history
        assert plan.snapshot is not None
        with plan.snapshot.open() as decoder:
            [root] = decoder.nodes()
            assert decoder.zxid_digest is not None
        history: History = list(ast.literal_eval((root[1] or b"").decode()))
        assert all(zxid <= plan.snapshot.zxid for zxid, _ in history)
        for entry in plan.entries():
            assert entry.zxid > max([plan.snapshot.zxid, *(zxid for zxid, _ in history)])
            text = SetDataTxn.decode(entry.payload, 32)[0].data
            assert text is not None
            history.append((entry.zxid, text.decode()))
        last = max([plan.snapshot.zxid, *(zxid for zxid, _ in history)])
        assert decoder.zxid_digest.zxid <= last, "effects of txns that are gone"
        self.history = history
        return history

    def write(self, history: History) -> None:
        """One batch."""
        for zxid, text in history:
            self.store.txn_log.append(Zxid(zxid), payload(zxid, text.encode()))
        batch = self.store.txn_log.take_batch()
        assert batch is not None
        batch.write()
        self.history += history

    def save(self, zxid: int, known: int) -> None:
        """A snapshot that was begun at `zxid` and took until `known` was applied."""
        self.fill(self.store.snap_store.begin(zxid), self.history, known).finish()
        self.store.txn_log.roll()

    def fill(self, file: SnapshotFile, history: History, known: int) -> SnapshotFile:
        encoder = SnapshotEncoder()
        encoder.start({}, {})
        content = repr([txn for txn in history if txn[0] <= file.zxid]).encode()
        encoder.add_node("", content, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        file.write(encoder.take_chunk() + encoder.finish(ZxidDigest(known, 2, 0), known))
        return file

    def adopt(self, history: History, zxid: int) -> None:
        self.fill(self.store.begin_adoption(zxid), history, zxid).finish()
        self.history = list(history)

    def names(self) -> list[str]:
        return sorted(name for name in self.disk.listdir(DATA) if not name.startswith("."))


def reborn(member: Member, luck: Survival = LOSE_ALL) -> Member:
    """The member after a power loss."""
    return Member(
        member.disk.crashed(luck), log_dir=member.log_dir, compression=member.settings.snapshot_compression
    )


def member_with_past(log_dir: str = "/data", compression: str = "") -> Member:
    """Ten txns in three logs, three snapshots; those of 3 and 7 know one txn more than their name says."""
    member = Member(SimDisk(), log_dir=log_dir, compression=compression)
    member.write(span(1, 3))
    member.write(span(4, 4))
    member.save(3, 4)
    member.write(span(5, 8))
    member.save(7, 8)
    member.write(span(9, 10))
    return member


THEIRS = span(1, 4) + span(5, 8, "theirs")
Deed = Callable[[Member], None]


def truncate_to(zxid: int) -> Deed:
    def deed(member: Member) -> None:
        member.restore(member.store.truncate(zxid))

    return deed


def adopt(zxid: int) -> Deed:
    return lambda member: member.adopt([txn for txn in THEIRS if txn[0] <= zxid], zxid)


# --- truncate -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("log_dir", ["/data", "/log"])
@pytest.mark.parametrize("zxid", range(11))
def test_truncate_leaves_exactly_the_history_up_to_the_zxid(
    zxid: int, log_dir: str, compression: str
) -> None:
    member = member_with_past(log_dir, compression)
    assert member.restore(member.store.truncate(zxid)) == span(1, zxid)
    assert reborn(member).history == span(1, zxid)


@pytest.mark.parametrize(
    ("zxid", "left"),
    [
        (10, ["log.1", "log.5", "log.9", "snapshot.0", "snapshot.3", "snapshot.7"]),
        (8, ["log.1", "log.5", "snapshot.0", "snapshot.3", "snapshot.7"]),
        (7, ["log.1", "log.5", "snapshot.0", "snapshot.3"]),
        (3, ["log.1", "snapshot.0"]),
        (0, ["snapshot.0"]),
    ],
)
def test_truncate_removes_snapshots_that_know_later_txns(zxid: int, left: list[str]) -> None:
    """The original removes none, and then starts from one that is newer than what it was told to keep."""
    member = member_with_past()
    member.store.truncate(zxid)
    assert member.names() == left


@pytest.mark.parametrize("zxid", range(11))
def test_the_log_goes_on_behind_a_truncation(zxid: int) -> None:
    member = member_with_past()
    member.restore(member.store.truncate(zxid))
    member.write(span(zxid + 1, zxid + 2, "theirs"))
    member.write(span(zxid + 3, zxid + 3, "theirs"))
    assert reborn(member).history == span(1, zxid) + span(zxid + 1, zxid + 3, "theirs")


def test_snapshot_that_cannot_be_read_for_a_moment_is_not_removed() -> None:
    """Without it the logs have no beginning."""
    member = member_with_past()
    member.disk.fail_reads = {f"{DATA}/snapshot.0"}
    with pytest.raises(DiskError):
        member.store.truncate(3)
    member.disk.fail_reads.clear()
    assert "snapshot.0" in member.names()
    assert reborn(member).history in (span(1, 3), span(1, 10))


def test_truncation_is_completed_over_a_log_whose_end_was_zeroed_in_part() -> None:
    """A crash in the middle of cutting: some sectors behind the cut are zeros already, others are not."""
    member = member_with_past()
    path = f"{DATA}/log.5"
    end = next(iter(member.store.txn_log.read(7))).offset
    content = bytearray(member.disk.get(path).rstrip(b"\0"))
    content[end : end + 20] = bytes(20)
    member.disk.put(path, content)
    member.disk.put(f"{DATA}/.zoolet.intent", b"truncate 6 6\n")
    assert reborn(member).history == span(1, 6)


def test_truncate_right_after_a_start_knows_torn_tails() -> None:
    member = member_with_past()
    path = f"{DATA}/log.9"
    torn = frame(payload(11))[:-5]
    member.disk.put(path, member.disk.get(path).rstrip(b"\0") + torn)
    member = reborn(member)
    assert member.history == span(1, 10)
    assert member.restore(member.store.truncate(9)) == span(1, 9)
    member.write(span(10, 11, "theirs"))
    assert reborn(member).history == span(1, 9) + span(10, 11, "theirs")


def test_truncate_to_the_beginning_of_an_epoch_keeps_what_came_before() -> None:
    """There is no such txn; and it may be as far as the leader's history goes."""
    member = Member(SimDisk())
    member.write(span(1, 3))
    member.write(span((1 << 32) + 1, (1 << 32) + 3))
    assert member.restore(member.store.truncate(1 << 32)) == span(1, 3)


def test_truncate_to_a_txn_that_is_not_there_is_refused() -> None:
    member = member_with_past()
    with pytest.raises(CannotTruncate, match=r"zxid 0xc is not in .*; the last one before it is 0xa"):
        member.store.truncate(12)
    assert reborn(member).history == span(1, 10)


def test_truncate_without_a_snapshot_to_start_from_is_refused() -> None:
    member = member_with_past()
    for name in ("log.1", "snapshot.0", "snapshot.3"):
        member.disk.unlink(f"{DATA}/{name}")
    before = dict(member.disk.names)
    for zxid in (0, 3, 6, 7):
        with pytest.raises(CannotTruncate, match="no snapshot in /data/version-2 is free of what came after"):
            member.store.truncate(zxid)
    assert member.disk.names == before
    assert member.restore(member.store.truncate(8)) == span(1, 8)


def test_truncate_does_not_bridge_a_hole() -> None:
    """A learner of the original has one behind a SNAP: a snapshot spans it, which would have to go."""
    member = Member(SimDisk())
    member.write(span(1, 4))
    member.history += span(5, 8)
    member.save(8, 10)
    member.write(span(9, 10))
    before = dict(member.disk.names)
    for zxid in (5, 8):
        with pytest.raises(Corrupt):
            member.store.truncate(zxid)
    with pytest.raises(Corrupt, match=r"log\.9 does not continue with 0x5"):
        member.store.truncate(9)
    assert member.disk.names == before
    assert member.restore(member.store.truncate(10)) == span(1, 10)


def test_truncate_without_logs_keeps_the_snapshot() -> None:
    member = member_with_past()
    for name in ("log.1", "log.5", "log.9"):
        member.disk.unlink(f"{DATA}/{name}")
    with pytest.raises(CannotTruncate):
        member.store.truncate(8)
    assert member.store.truncate(0).snapshot is not None


def test_damage_before_the_zxid_is_not_cut_away() -> None:
    member = member_with_past()
    path = f"{DATA}/log.5"
    content = bytearray(member.disk.get(path))
    content[60] ^= 1
    member.disk.put(path, bytes(content))
    before = dict(member.disk.names)
    with pytest.raises(Corrupt, match=r"log\.5"):
        member.store.truncate(6)
    assert member.disk.names == before


def test_snapshot_that_does_not_say_what_it_knows_is_trusted() -> None:
    """One of the original with digests off: a server only applies what is committed."""
    member = member_with_past()
    encoder = SnapshotEncoder()
    encoder.start({}, {})
    encoder.add_node("", b"", -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    member.disk.put(f"{DATA}/snapshot.7", encoder.take_chunk() + encoder.finish())
    plan = member.store.truncate(7)
    assert plan.snapshot is not None
    assert plan.snapshot.zxid == 7


def test_damaged_snapshots_do_not_help_and_newer_ones_go() -> None:
    member = member_with_past()
    for name in ("snapshot.7", "snapshot.3"):
        content = member.disk.get(f"{DATA}/{name}")
        member.disk.put(f"{DATA}/{name}", content[:30] + b"?" + content[31:])
    plan = member.store.truncate(6)
    assert member.restore(plan) == span(1, 6)
    assert [rejected.file.name for rejected in plan.rejected] == ["snapshot.3"]
    assert "snapshot.7" not in member.names()


# --- adopting a leader's snapshot -----------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["", "gz"])
@pytest.mark.parametrize("log_dir", ["/data", "/log"])
@pytest.mark.parametrize("zxid", [0, 3, 7, 8, 10, 12, 5 << 32])
def test_adopted_snapshot_is_all_there_is(zxid: int, log_dir: str, compression: str) -> None:
    """Whether the old logs end before it or behind it: none of their txns comes back."""
    member = member_with_past(log_dir, compression)
    theirs = [txn for txn in THEIRS if txn[0] <= zxid]
    member.adopt(theirs, zxid)
    assert member.restore(member.store.reopen_plan()) == theirs
    assert reborn(member).history == theirs
    more = span(zxid + 1, zxid + 3, "theirs")
    member.write(more)
    assert reborn(member).history == theirs + more


def test_old_files_are_set_aside_until_the_next_adoption() -> None:
    member = member_with_past()
    member.adopt(THEIRS, 8)
    old = ["log.1", "log.5", "log.9", "snapshot.0", "snapshot.3", "snapshot.7"]
    assert member.names() == [*(f"old.{name}" for name in old), "snapshot.8"]
    member.write(span(9, 9, "theirs"))
    member.adopt(THEIRS, 12)
    assert member.names() == ["old.log.9", "old.snapshot.8", "snapshot.c"]


def test_file_of_the_same_name_is_replaced() -> None:
    member = member_with_past()
    member.adopt(THEIRS, 7)
    assert "snapshot.7" in member.names()
    assert "old.snapshot.7" not in member.names()
    assert reborn(member).history == THEIRS[:7]


def test_until_it_is_finished_nothing_changes() -> None:
    member = member_with_past()
    file = member.fill(member.store.begin_adoption(8), THEIRS, 8)
    assert reborn(member, KEEP_ALL).history == span(1, 10)
    member.write(span(11, 11))
    file.abort()
    assert reborn(member).history == span(1, 11)
    assert list_leftovers(member.disk, DATA) == []


def test_appends_behind_an_adoption_are_later_than_it() -> None:
    member = member_with_past()
    member.adopt(THEIRS, 12)
    with pytest.raises(AssertionError, match="0xb after 0xc"):
        member.write(span(11, 11))


def test_snapshot_begun_before_history_changed_cannot_be_finished() -> None:
    """It was cancelled, but its writer is slow: it holds what was forgotten."""
    for change in (truncate_to(5), adopt(8)):
        member = member_with_past()
        file = member.fill(member.store.snap_store.begin(10), member.history, 10)
        change(member)
        with pytest.raises(
            HistoryChanged, match=r"snapshot\.a was begun before the history here was changed"
        ):
            file.finish()
        file.abort()
        assert reborn(member, KEEP_ALL).history in (span(1, 5), THEIRS)
        member.fill(member.store.snap_store.begin(11), THEIRS, 11).finish()


# --- crashes and failures -------------------------------------------------------------------------------


DEEDS = {
    "truncate to 3": truncate_to(3),
    "truncate to 6": truncate_to(6),
    "truncate to 9": truncate_to(9),
    "adopt 6": adopt(6),
    "adopt 7": adopt(7),
    "adopt 12": adopt(12),
}


def changes_of(deed: Deed, log_dir: str) -> int:
    member = member_with_past(log_dir)
    before = member.disk.changes
    deed(member)
    return member.disk.changes - before


def new_history(deed: Deed) -> History:
    member = member_with_past()
    deed(member)
    return list(member.history)


@pytest.mark.parametrize("log_dir", ["/data", "/log"])
@pytest.mark.parametrize("name", DEEDS)
def test_after_a_crash_at_any_change_there_is_the_old_history_or_the_new_one(name: str, log_dir: str) -> None:
    deed = DEEDS[name]
    old, new = span(1, 10), new_history(deed)
    seen = set()
    for change in range(1, changes_of(deed, log_dir) + 2):
        for luck in LUCK:
            member = member_with_past(log_dir)
            member.disk.crash_at = member.disk.changes + change
            done = False
            with contextlib.suppress(Crashed):
                deed(member)
                done = True
            after = reborn(member, luck)
            found = list(after.history)
            assert found in ([new] if done else [old, new])
            seen.add(found == new)
            # It is stable, nothing is left over, and the log goes on.
            assert list_leftovers(after.disk, DATA) == []
            assert not after.disk.exists(f"{DATA}/.zoolet.intent")
            following = 13 if found == new and "12" in name else max(zxid for zxid, _ in found) + 1
            after.write(span(following, following + 1, "more"))
            assert reborn(after).history == found + span(following, following + 1, "more")
    assert seen == {False, True}


@pytest.mark.parametrize("name", DEEDS)
def test_after_a_crash_while_the_next_start_completes_the_work_it_is_the_same(name: str) -> None:
    deed = DEEDS[name]
    old, new = span(1, 10), new_history(deed)
    for change in range(1, changes_of(deed, "/data") + 1):
        member = member_with_past()
        member.disk.crash_at = member.disk.changes + change
        with contextlib.suppress(Crashed):
            deed(member)
        for luck in (LOSE_ALL, KEEP_ALL):
            found = list(reborn(member, luck).history)
            assert found in (old, new)
            for second in range(1, 40):
                disk = member.disk.crashed(luck)
                disk.crash_at = second
                try:
                    assert Member(disk).history == found
                    break
                except Crashed:
                    for third in (LOSE_ALL, Survival(1, 7, 1), KEEP_ALL):
                        assert Member(disk.crashed(third)).history == found
            else:
                raise AssertionError("a start with more than forty changes")


@pytest.mark.parametrize("name", DEEDS)
def test_after_a_failure_nothing_is_accepted_until_the_next_start(name: str) -> None:
    deed = DEEDS[name]
    old, new = span(1, 10), new_history(deed)
    for change in range(1, changes_of(deed, "/data") + 1):
        member = member_with_past()
        member.disk.fail_at = member.disk.changes + change
        with pytest.raises(DiskError):
            deed(member)
        if member.store.txn_log.failure is not None:
            with pytest.raises(LogFailed):
                member.write(span(20, 20))
            with pytest.raises(LogFailed):
                member.store.truncate(2)
        for luck in (LOSE_ALL, KEEP_ALL):
            assert reborn(member, luck).history in (old, new)


def test_giving_up_a_failed_adoption_leaves_what_the_next_start_needs() -> None:
    """Whoever writes a snapshot aborts it when finishing fails; by then it may be the only history."""
    for change in range(1, 30):
        member = member_with_past()
        file = member.fill(member.store.begin_adoption(12), THEIRS, 12)
        member.disk.fail_at = member.disk.changes + change
        try:
            file.finish()
        except DiskError:
            with contextlib.suppress(DiskError):
                file.abort()
        else:
            break
        for luck in LUCK:
            assert reborn(member, luck).history in (span(1, 10), THEIRS)


@pytest.mark.parametrize(
    "content", [b"", b"truncate\n", b"truncate xyz\n", b"adopt log.5\n", b"adopt ../x\n", b"truncate 5"]
)
def test_intent_that_cannot_be_read_is_refused(content: bytes) -> None:
    disk = member_with_past().disk
    disk.put(f"{DATA}/.zoolet.intent", content)
    disk.locked.clear()
    with pytest.raises(StorageError, match=r"\.zoolet\.intent says"):
        Member(disk)
    assert disk.locked == set()


def test_intent_to_adopt_what_is_not_there_is_refused() -> None:
    disk = member_with_past().disk.crashed(KEEP_ALL)
    disk.put(f"{DATA}/.zoolet.intent", b"adopt snapshot.c\n")
    with pytest.raises(StorageError, match=r"snapshot\.c is the history, but it is not there"):
        Member(disk)


steps = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 4)),
    st.tuples(st.just("save"), st.integers(0, 2)),
    st.tuples(st.just("truncate"), st.integers(0, 6)),
    st.tuples(st.just("adopt"), st.integers(-6, 6)),
)


@settings(max_examples=300, deadline=None)
@given(
    lives=st.lists(
        st.tuples(
            st.lists(steps, max_size=6),
            st.integers(1, 120),
            st.builds(Survival, st.integers(0, 3), st.integers(0, 200), st.integers(0, 3)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_series_of_changes_and_crashes_leaves_a_history_that_was_intended(
    lives: list[tuple[list[tuple[str, int]], int, Survival]],
) -> None:
    disk = SimDisk()
    legal: list[History] = [[]]
    text = 0
    for deeds, crash_at, luck in lives:
        disk.crash_at = crash_at
        try:
            member = Member(disk)
            assert member.history in legal
            legal = [list(member.history)]
            for kind, number in deeds:
                text += 1
                history = list(member.history)
                last = history[-1][0] if history else 0
                if kind == "write":
                    more = span(last + 1, last + number, f"txn {text}")
                    # Of a batch that was not acknowledged, any beginning may have come to the disk.
                    legal = [history + more[:count] for count in range(number + 1)]
                    member.write(more)
                elif kind == "save":
                    name = max(0, last - number)
                    member.save(name, last)
                elif kind == "truncate":
                    target = max([0, *(zxid for zxid, _ in history if zxid <= last - number)])
                    legal = [history, [txn for txn in history if txn[0] <= target]]
                    with contextlib.suppress(CannotTruncate):  # the only snapshot before it was fuzzy
                        member.restore(member.store.truncate(target))
                else:
                    zxid = max(0, last + number)
                    theirs = span(1, zxid, f"leader {text}")
                    legal = [history, theirs]
                    member.adopt(theirs, zxid)
                legal = [list(member.history)]
            disk = member.disk.crashed(luck)
        except Crashed:
            disk = disk.crashed(luck)
    assert Member(disk).history in legal
