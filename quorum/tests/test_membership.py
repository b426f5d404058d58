"""Which configuration counts, which one is coming, and what is written down about both."""

from __future__ import annotations

from collections.abc import Iterable
from errno import EROFS

import pytest
from zoolet.jute.ids import Sid
from zoolet.quorum.config import EnsembleConfig
from zoolet.quorum.members import Address, Member, Role
from zoolet.quorum.membership import Membership
from zoolet.quorum.verifier import Majority, QuorumVerifier
from zoolet.storage.errors import DiskError


class Notes:
    """A store that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.erased: list[bool] = []

    def propose(self, verifier: QuorumVerifier) -> None:
        self.calls.append(("propose", verifier.version))

    def commit(self, verifier: QuorumVerifier, *, erase_client_address: bool) -> None:
        self.calls.append(("commit", verifier.version))
        self.erased.append(erase_client_address)

    def forget_proposed(self) -> None:
        self.calls.append(("forget", 0))


def member(sid: int, role: Role = Role.PARTICIPANT, port: int = 2888) -> Member:
    client = Address("0.0.0.0", 2181)
    return Member(Sid(sid), (Address(f"m{sid}", port),), (Address(f"m{sid}", 3888),), client, role)


def majority(sids: Iterable[int], version: int = 0, observers: Iterable[int] = ()) -> Majority:
    listed = [*map(member, sids), *(member(sid, Role.OBSERVER) for sid in observers)]
    return Majority(listed, version=version)


def membership(
    *, my_id: int = 1, reconfig_enabled: bool = True, last_seen: QuorumVerifier | None = None
) -> tuple[Membership, Notes]:
    notes = Notes()
    ensemble = EnsembleConfig(
        my_id=Sid(my_id), verifier=majority((1, 2, 3), version=5), last_seen_verifier=last_seen
    )
    return Membership(ensemble, reconfig_enabled=reconfig_enabled, store=notes), notes


def test_one_configuration_counts_until_a_newer_one_is_seen() -> None:
    one, notes = membership()
    assert [each.version for each in one.verifiers] == [5]
    one.see(majority((1, 2, 4), version=6))
    assert [each.version for each in one.verifiers] == [5, 6]
    assert one.verifier.version == 5
    assert notes.calls == [("propose", 6)]


def test_one_that_was_seen_before_a_restart_still_counts() -> None:
    one, _ = membership(last_seen=majority((1, 2), version=7))
    assert [each.version for each in one.verifiers] == [5, 7]


def test_the_same_version_is_seen_once() -> None:
    one, notes = membership()
    for _ in range(2):
        one.see(majority((1, 2, 4), version=6))
    one.see(majority((1, 2, 3), version=6))
    assert notes.calls == [("propose", 6)]
    assert set(one.last_seen.members) == {1, 2, 4}


def test_a_leader_may_take_back_what_was_only_proposed() -> None:
    """Its history does not have the reconfiguration that an older leader had begun."""
    one, notes = membership()
    one.see(majority((1, 2, 4), version=6))
    one.see(majority((1, 2, 3), version=5))
    assert [each.version for each in one.verifiers] == [5]
    assert notes.calls == [("propose", 6), ("propose", 5)]


def test_what_is_committed_is_in_force_and_nothing_else_counts() -> None:
    one, notes = membership()
    new = majority((1, 2, 4), version=6)
    one.see(new)
    assert one.activate(new)
    assert (one.verifier, one.last_seen) == (new, new)
    assert [each.version for each in one.verifiers] == [6]
    assert notes.calls == [("propose", 6), ("commit", 6), ("forget", 0)]


def test_what_is_committed_without_having_been_seen_is_in_force_too() -> None:
    one, notes = membership()
    assert one.activate(majority((1, 2), version=9))
    assert one.last_seen.version == 9
    assert notes.calls == [("commit", 9), ("forget", 0)]


def test_an_older_one_that_is_committed_leaves_a_newer_proposal_alone() -> None:
    one, notes = membership()
    one.see(majority((4, 5), version=8))
    one.activate(majority((1, 2), version=6))
    assert [each.version for each in one.verifiers] == [6, 8]
    assert notes.calls == [("propose", 8), ("commit", 6)]


@pytest.mark.parametrize("version", [4, 5])
def test_an_older_version_never_comes_back_into_force(version: int) -> None:
    one, notes = membership()
    assert not one.activate(majority((7,), version=version))
    assert set(one.verifier.members) == {1, 2, 3}
    assert notes.calls == []


def test_a_new_version_of_the_same_list_is_no_change() -> None:
    one, notes = membership()
    assert not one.activate(majority((1, 2, 3), version=6))
    assert one.verifier.version == 6
    assert notes.calls == [("commit", 6), ("forget", 0)]


@pytest.mark.parametrize(
    ("new", "role"),
    [
        (majority((1, 2), 6), Role.PARTICIPANT),
        (majority((2, 3), 6, observers=(1,)), Role.OBSERVER),
        (majority((2, 3), 6), Role.PARTICIPANT),
    ],
    ids=["voter", "observer", "in no list"],
)
def test_who_we_are_is_what_the_list_says(new: QuorumVerifier, role: Role) -> None:
    one, _ = membership()
    one.activate(new)
    assert one.role is role


def test_our_client_address_leaves_zoo_cfg_when_the_list_has_it() -> None:
    one, notes = membership()
    one.activate(majority((1, 2), version=6))
    one.activate(majority((2, 3), version=7))
    assert notes.erased == [True, False]


def test_without_reconfig_enabled_nothing_ever_changes() -> None:
    one, notes = membership(reconfig_enabled=False)
    new = majority((1, 2), version=6)
    one.see(new)
    assert one.see_text(new.text().encode()) is None
    assert not one.activate(new)
    assert [each.version for each in one.verifiers] == [5]
    assert notes.calls == []


@pytest.mark.parametrize("text", [b"", b"server.1=m1", b"\xff\xfe", b"unknown=1\nversion=6", b"version=-1"])
def test_a_text_that_is_no_configuration_is_passed_over(text: bytes) -> None:
    one, notes = membership()
    seen = one.see_text(text)
    assert seen is None or not seen.members
    assert one.verifier.version == 5
    assert [call for call in notes.calls if call[1] > 5] == []


def test_a_leader_has_moved_when_it_is_no_voter_or_somewhere_else() -> None:
    one, _ = membership()
    before = one.verifier
    assert not one.has_moved(Sid(2), before)
    one.activate(Majority([member(1), member(2, port=4888), member(3, Role.OBSERVER)], version=6))
    assert not one.has_moved(Sid(1), before)
    assert one.has_moved(Sid(2), before)
    assert one.has_moved(Sid(3), before)
    assert one.has_moved(Sid(9), before)


def test_configuration_that_cannot_be_written_down_is_in_force_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As in Java. Else a zoo.cfg in a folder mounted read-only would end every member at the same time."""

    class ReadOnly(Notes):
        def propose(self, verifier: QuorumVerifier) -> None:
            raise DiskError("create", "/etc/zoo.cfg.dynamic.next.tmp", EROFS, "Read-only file system")

        def commit(self, verifier: QuorumVerifier, *, erase_client_address: bool) -> None:
            raise DiskError("create", "/etc/zoo.cfg.dynamic.6.tmp", EROFS, "Read-only file system")

    ensemble = EnsembleConfig(my_id=Sid(1), verifier=majority((1, 2, 3), version=5))
    one = Membership(ensemble, reconfig_enabled=True, store=ReadOnly())
    one.see(majority((1, 2, 4), version=6))
    assert one.last_seen.version == 6
    assert one.activate(majority((1, 2, 4), version=6))
    assert one.verifier.version == 6
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "create /etc/zoo.cfg.dynamic.next.tmp: Read-only file system",
        "create /etc/zoo.cfg.dynamic.6.tmp: Read-only file system",
    ]
