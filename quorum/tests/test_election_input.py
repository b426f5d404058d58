"""Fast leader election: newer configurations, the oracle of two, and messages that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.election import Notification, ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import (
    NOBODY,
    UNTRUSTED,
)
from zoolet.quorum.members import Role
from zoolet.quorum.tests.election_desk import (
    FOLLOWING,
    LEADING,
    LOOKING,
    START_MS,
    ZXID,
    Desk,
)
from zoolet.quorum.tests.election_lab import majority, member
from zoolet.quorum.verifier import Majority, Oracle, from_text
from zoolet.quorum.vote import Vote

# --- configurations -----------------------------------------------------------------------------------


def refuse(offered: list[str]) -> Callable[[str], bool]:
    """Notes what is offered and does not take it."""

    def note(text: str) -> bool:
        offered.append(text)
        return False

    return note


def test_a_newer_configuration_restarts_the_election() -> None:
    newer = majority([2, 3, 4, 5], version=0x100)
    offered: list[str] = []

    def adopt(text: str) -> bool:
        offered.append(text)
        desk.election.set_config(from_text(text), last_seen=None, is_observer=False)
        return True

    desk = Desk(sid=2, on_newer_config=adopt).look()
    desk.hear(3, 3, config=newer.text().encode())

    assert offered == [newer.text()]
    assert desk.election.round == 2
    assert {to for to, _ in desk.said} == {3, 4, 5}
    assert desk.said_last_to(4).config == newer.text().encode()
    # And the vote that brought it was taken for what it is: one of an earlier round.
    assert [(n.round, n.leader) for to, n in desk.said if to == 3] == [(2, 2), (2, 2)]


def test_a_newer_configuration_that_nobody_wants_changes_nothing() -> None:
    offered: list[str] = []
    desk = Desk(sid=2, on_newer_config=refuse(offered)).look()
    newer = majority([2, 3, 4, 5], version=0x100).text()

    desk.hear(3, 3, config=newer.encode())
    desk.hear(3, 3, config=newer.encode())

    assert offered == [newer]
    assert desk.election.round == 1
    assert desk.election.vote.leader == 3


@pytest.mark.parametrize(
    "config",
    [
        majority([1, 2]).text().encode(),
        b"server.1=nonsense\nversion=100",
        b"version=-5",
        b"version=ffffffffffffffffff",
        b"\xff\xff",
        b"what=ever",
        bytes(300),
    ],
)
def test_an_older_or_unreadable_configuration_is_passed_over(config: bytes) -> None:
    """The vote beside it counts all the same."""
    offered: list[str] = []
    desk = Desk(sid=2, on_newer_config=refuse(offered)).look()

    desk.hear(3, 3, config=config)

    assert offered == []
    assert desk.election.vote.leader == 3


def test_a_newer_configuration_is_no_matter_for_who_has_decided() -> None:
    offered: list[str] = []
    desk = Desk(sid=3, on_newer_config=refuse(offered)).look()
    desk.hear(1, 3)
    desk.hear(2, 3)

    desk.hear(1, 1, config=majority([1, 2], version=7).text().encode())

    assert offered == []


def test_an_observer_that_becomes_a_voter_votes_with_what_it_has() -> None:
    newer = majority([1, 2, 3, 4], version=0x100)

    def adopt(text: str) -> bool:
        desk.election.set_config(from_text(text), last_seen=None, is_observer=False)
        return True

    desk = Desk(sid=4, verifier=majority([1, 2, 3], observers=[4]), on_newer_config=adopt).look()
    desk.hear(3, 3, config=newer.text().encode())

    assert desk.election.vote == Vote(Sid(4), Zxid(ZXID), 2, Epoch(4))


# --- the oracle ---------------------------------------------------------------------------------------


class Pythia:
    """What the oracle of two voters says."""

    says = False

    def __call__(self, _path: str) -> bool:
        return self.says


def two(pythia: Pythia) -> Oracle:
    return Oracle([member(1), member(2)], oracle_path="oracle", ask=pythia)


def test_of_two_the_one_that_the_oracle_names_leads_alone() -> None:
    pythia = Pythia()
    desk = Desk(sid=1, verifier=two(pythia)).look()
    desk.wait(5000)
    assert desk.result is None

    pythia.says = True
    desk.wait(60_000)

    assert desk.result == (LEADING, 1)


def test_of_two_the_one_that_comes_back_follows_the_one_that_leads_alone() -> None:
    desk = Desk(sid=2, verifier=two(Pythia())).look()

    desk.hear(1, 1, LEADING, round=7)

    assert desk.result == (FOLLOWING, 1)


def test_an_oracle_makes_no_leader_of_an_untrusted_database() -> None:
    pythia = Pythia()
    pythia.says = True
    desk = Desk(sid=1, verifier=two(pythia))
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(0))
    desk.wait(5000)

    assert desk.result is None


# --- bad input ----------------------------------------------------------------------------------------


def test_malformed_messages_are_passed_over() -> None:
    """ZOOKEEPER-3769: partial messages, met when a leader was killed, made the original deaf."""
    desk = Desk(sid=2).look()
    good = Notification(LOOKING, Sid(3), Zxid(ZXID), 1, Epoch(4)).encode()

    for size in range(len(good)):
        if size not in (28, 40):
            desk.election.receive(desk.now_ms, Sid(3), good[:size])
    desk.election.receive(desk.now_ms, Sid(3), b"\0\0\0\x09" + good[4:])
    assert desk.election.vote.leader == 2
    desk.election.receive(desk.now_ms, Sid(3), good)

    assert desk.election.vote.leader == 3


longs = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1, 2, 3, NOBODY, 2**63 - 1]))
messages = st.one_of(
    st.binary(max_size=60),
    st.builds(
        Notification,
        st.sampled_from(ServerState),
        longs.map(Sid),
        longs.map(Zxid),
        longs,
        longs.map(Epoch),
        config=st.sampled_from([b"", b"version=7", majority([1, 2], version=7).text().encode()]),
    ).map(Notification.encode),
)


@given(st.integers(1, 4), st.lists(st.tuples(longs, messages, st.integers(0, 500)), max_size=20))
def test_whatever_is_said_never_raises(sid: int, heard: list[tuple[int, bytes, int]]) -> None:
    verifier = Majority([member(1), member(2), member(3), member(4, Role.OBSERVER)])
    desk = Desk(sid=sid, verifier=verifier, on_newer_config=lambda _: True).look()

    for sender, message, pause_ms in heard:
        desk.election.receive(desk.now_ms, Sid(sender), message)
        desk.wait(pause_ms)
    if desk.result is not None:
        desk.look()
    assert desk.election.deadline() is not None
