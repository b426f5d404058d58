"""Observers of both kinds under leaders of both kinds; and what each role says in its four-letter words.

The ensembles here are two voters and two observers. The second voter leads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import pytest

from ..comparison import assert_same_lines
from .compare import assert_members_equal
from .conftest import NewEnsemble
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree
from .member import Ending, Kind, Member
from .test_rejoin import rejoin, write_many
from .workload import rich_workload
from .writers import writers

ROLE_KEYS = {
    "leader": {
        "zk_peer_state",
        "zk_quorum_size",
        "zk_learners",
        "zk_synced_followers",
        "zk_synced_non_voting_followers",
        "zk_synced_observers",
        "zk_pending_syncs",
        "zk_leader_uptime",
        "zk_last_proposal_size",
        "zk_min_proposal_size",
        "zk_max_proposal_size",
    },
    "follower": {"zk_peer_state", "zk_quorum_size"},
    "observer": {"zk_peer_state", "zk_quorum_size", "zk_observer_master_id"},
}
"""Keys of `mntr` that a standalone server does not have. Java's counters per learner are left out."""

EXACT_KEYS = (
    "zk_server_state",
    "zk_peer_state",
    "zk_quorum_size",
    "zk_learners",
    "zk_synced_followers",
    "zk_synced_non_voting_followers",
    "zk_synced_observers",
    "zk_pending_syncs",
    "zk_observer_master_id",
    "zk_znode_count",
    "zk_ephemerals_count",
    "zk_global_sessions",
    "zk_local_sessions",
)
"""Values that follow from the state."""

WORDS = ("srvr", "stat", "conf", "dump", "isro", "ruok", "wchs")

_MASKS = (
    (r"^Zookeeper version: .*", "Zookeeper version: V"),
    # Into how many buckets the deadlines fall is chance.
    (r"^\d+ expire at .*:$", "some expire at DATE:"),
    (r"(Session|Connections) Sets \(\d+\)/\((\d+)\)", r"\1 Sets (N)/(\2)"),
    (r"^(data(?:Log)?Dir)=.*/version-2$", r"\1=DIR/version-2"),
    (r"^(\w+Port|serverId|data(?:Log)?(?:Dir)?Size)=\d+$", r"\1=N"),
    (r"^(\s/127\.0\.0\.1):\d+.*", r"\1:PORT"),
    (r"sessionId: 0x[0-9a-f]+", "sessionId: HEX"),
    (r"^(Received|Sent|Latency min/avg/max|Proposal sizes last/min/max|Zxid): .*", r"\1: N"),
    (r"127\.0\.0\.1:\d+ sessionId", "127.0.0.1:PORT sessionId"),
)
"""What two members in one role need not share. The lines of the membership stay as they are."""


def shape(answer: str) -> list[str]:
    """The lines of an answer with everything masked that two members in one role need not share."""
    lines = answer.split("\n")
    for pattern, replacement in _MASKS:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    return [line for line in lines if line != "some expire at DATE:"]


class Seen:
    """What one member said in one role."""

    def __init__(self, member: Member) -> None:
        self.role = member.mode or ""
        self.name = f"{member} as {self.role}"
        self.words = {word: shape(member.word(word)) for word in WORDS}
        self.monitor = member.monitor()


def in_roles(ensemble: ProcessEnsemble) -> dict[tuple[Kind, str], Seen]:
    """What the members say now, by kind and role."""
    ensemble.await_equal_zxids()
    return {(member.kind, member.mode or ""): Seen(member) for member in ensemble}


def assert_says_the_same(seen: Seen, expected: Seen) -> None:
    """Compare words line by line and `mntr` key by key."""
    for word in WORDS:
        assert_same_lines(
            seen.words[word], expected.words[word], f"{word} of {seen.name} (+) and {expected.name} (-)"
        )
    every_role = set().union(*ROLE_KEYS.values())
    wanted = ROLE_KEYS[expected.role]
    assert every_role & expected.monitor.keys() == wanted, f"{expected.name}: the table above is wrong"
    assert every_role & seen.monitor.keys() == wanted, seen.name
    values = [{key: one.monitor.get(key) for key in EXACT_KEYS} for one in (seen, expected)]
    assert values[0] == values[1], f"mntr of {seen.name} and {expected.name}"


def test_every_role_speaks_as_java_does(new_ensemble: NewEnsemble) -> None:
    """`srvr`, `stat`, `conf`, `dump` and `mntr` of a zoolet member and a Java member in the same role.

    Each implementation is seen leading and following: the voters change places in the middle. Nothing is
    written between the two looks, so that all numbers that follow from the state are equal.
    """
    ensemble = new_ensemble("JZzj")
    write_many(ensemble.leader, "/said", 3)
    seen = in_roles(ensemble)
    ensemble.end(1)
    ensemble.end(2)
    ensemble[1].kind, ensemble[2].kind = ensemble[2].kind, ensemble[1].kind
    ensemble.launch(1)
    ensemble.launch(2)
    assert ensemble.await_settled().sid == 2
    again = in_roles(ensemble)
    assert_says_the_same(seen[Kind.ZOOLET, "observer"], seen[Kind.JAVA, "observer"])
    assert_says_the_same(again[Kind.ZOOLET, "observer"], again[Kind.JAVA, "observer"])
    assert_says_the_same(seen[Kind.ZOOLET, "leader"], again[Kind.JAVA, "leader"])
    assert_says_the_same(again[Kind.ZOOLET, "follower"], seen[Kind.JAVA, "follower"])
    assert_members_equal(ensemble)


@pytest.mark.parametrize("composition", ["JZzj", "ZJzj"])
def test_observers_see_and_forward_everything(composition: str, new_ensemble: NewEnsemble) -> None:
    """The rich workload through voters and observers; observers that were away or wiped come back."""
    ensemble = new_ensemble(composition)
    assert ensemble.leader.sid == 2
    with rich_workload(ensemble, "/rich"):
        assert_members_equal(ensemble)
        assert assert_logs_agree(ensemble) > 1_000
    for observer in ensemble.observers:
        written = rejoin(ensemble, observer.sid, partial(write_many, ensemble.leader, f"/{observer}", 20))
        assert written == set(), f"{observer} got more than a DIFF"
        ensemble.restart(observer.sid, Ending.KILL, wipe=True)
    with writers(_hosts(ensemble.observers), "/through-observers") as active:
        ensemble.restart(2, Ending.KILL)
        for writer in active:
            writer.await_progress()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


def _hosts(members: Sequence[Member]) -> list[str]:
    return [member.hosts for member in members]
