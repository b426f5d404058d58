"""What members say of their role in four-letter words: zoolet's against Java's in the same role.

One ensemble of three voters and two observers of both kinds. Each member has a client with an ephemeral node
and a watch of its own. The lead moves once, so that both kinds are seen leading and following; at last all
but one voter are ended, and what is left does not serve.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.proto import ExistsRequest

from ..comparison import assert_same_lines
from ..conftest import require_java
from ..test_four_letter_words import SINCE_39
from .ensemble import ProcessEnsemble
from .member import Kind, Launcher, Member
from .raw_session import EPHEMERAL, RawSession

WORDS = (
    "ruok",
    "srvr",
    "stat",
    "conf",
    "cons",
    "dump",
    "isro",
    "dirs",
    "wchs",
    "wchc",
    "wchp",
    "hash",
    "gtmk",
    "crst",
    "srst",
)
LEARNER_KEYS = {"zk_peer_state", "zk_quorum_size"}
ROLE_KEYS = {
    "leader": LEARNER_KEYS
    | {
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
    "follower": LEARNER_KEYS,
    "observer": LEARNER_KEYS | {"zk_observer_master_id"},
}
"""Keys of `mntr` beyond those of a server of its own."""

EXACT_KEYS = (
    "zk_server_state",
    "zk_peer_state",
    "zk_quorum_size",
    "zk_observer_master_id",
    "zk_learners",
    "zk_synced_followers",
    "zk_synced_non_voting_followers",
    "zk_synced_observers",
    "zk_pending_syncs",
    "zk_znode_count",
    "zk_watch_count",
    "zk_ephemerals_count",
    "zk_global_sessions",
    "zk_local_sessions",
    "zk_num_alive_connections",
    "zk_outstanding_requests",
    "zk_min_proposal_size",
    "zk_max_proposal_size",
    "zk_last_proposal_size",
)
"""Values that follow from the state, where the role has them."""

_MASKS = (
    (r"^Zookeeper version: .*", "Zookeeper version: V"),
    # Into how many buckets the deadlines fall is chance.
    (r"Sets \(\d+\)/", "Sets (N)/"),
    (r"^(data(?:Log)?Dir)=.*/version-2$", r"\1=DIR/version-2"),
    (r"^(\w+Port|serverId|data(?:Log)?(?:Dir)?Size)=\d+$", r"\1=N"),
    (r"^((?:log|data)dir_size): \d+$", r"\1: N"),
    (r"^(Received|Sent|Latency min/avg/max|Zxid): .*", r"\1: N"),
    (r"127\.0\.0\.1:\d+(?!:)\b", "127.0.0.1:PORT"),
    (r"(est|to|lresp|llat|minlat|avglat|maxlat|recved|sent|queued)=\d+", r"\1=N"),
    (r"0x[0-9a-f]+", "HEX"),
)


def shape(answer: str) -> list[str]:
    """The lines of an answer with everything masked that two members in one role need not share.

    The lines of the membership stay as they are but for the client ports. Lines about single connections,
    sessions and nodes have no order.
    """
    lines = [line for line in answer.split("\n") if " expire at " not in line]
    for pattern, replacement in _MASKS:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    result: list[str] = []
    run: list[str] = []
    for line in [*lines, ""]:
        if line.startswith((" /", "\t", "HEX")):
            run.append(line)
        else:
            result += [*sorted(run), line]
            run = []
    return result[:-1]


@dataclass
class Seen:
    """What a member said."""

    name: str
    words: dict[str, list[str]]
    monitor: dict[str, str]


def look(member: Member) -> Seen:
    monitor = member.monitor()
    return Seen(repr(member), {word: shape(member.word(word)) for word in WORDS}, monitor)


Looks = dict[tuple[Kind, str], Seen]


@dataclass
class Play:
    """What was seen, by kind and role, and what those said that had lost their leader."""

    looks: Looks
    idle: dict[Kind, dict[str, str]]


@pytest.fixture(scope="module")
def play(launchers: Mapping[Kind, Launcher]) -> Play:
    require_java()
    looks: Looks = {}
    with ProcessEnsemble("JZJzj", launchers=launchers) as ensemble:
        for leader in (3, 2):
            ensemble.make_lead(leader)
            with ExitStack() as stack:
                for member in ensemble:
                    client = stack.enter_context(RawSession(member.port, timeout_ms=10_000))
                    client.create(f"/of{member.sid}", flags=EPHEMERAL)
                    client.ask(OpCode.EXISTS, ExistsRequest("/nothing", True).encode())
                    stack.callback(client.end)
                ensemble.await_equal_zxids()
                for member in ensemble:
                    assert member.mode
                    looks.setdefault((member.kind, member.mode), look(member))
        for sid in (2, 3):
            ensemble.end(sid)
        observers = {member.kind: member for member in ensemble.observers}
        ensemble.until("no observer serves", lambda: not any(one.mode for one in observers.values()))
        idle = {
            kind: {word: member.word(word) for word in (*WORDS, "mntr")} for kind, member in observers.items()
        }
    return Play(looks, idle)


@pytest.mark.parametrize("role", ROLE_KEYS)
@pytest.mark.parametrize("word", WORDS)
def test_word_has_the_shape_of_java_in_that_role(play: Play, role: str, word: str) -> None:
    seen, expected = (play.looks[kind, role] for kind in (Kind.ZOOLET, Kind.JAVA))
    assert_same_lines(
        seen.words[word], expected.words[word], f"{word} of {seen.name} (+) and {expected.name} (-)"
    )


@pytest.mark.parametrize("role", ROLE_KEYS)
def test_mntr_has_the_keys_of_the_role_and_none_that_java_lacks(play: Play, role: str) -> None:
    """But for the namespaces: Java tells of those that the member's clients have used."""
    seen, expected = (
        {
            re.sub(r"_\d+_", "_SID_", key)
            for key in play.looks[kind, role].monitor
            if not key.endswith("_per_namespace")
        }
        for kind in (Kind.ZOOLET, Kind.JAVA)
    )
    assert ("zk_p99_SID_learner_handler_qp_time_ms" in seen) == (role == "leader")
    assert seen - SINCE_39 == expected - SINCE_39
    assert ROLE_KEYS[role] <= seen
    others = set().union(*ROLE_KEYS.values()) - ROLE_KEYS[role]
    assert others & (seen | expected) == set()


@pytest.mark.parametrize("role", ROLE_KEYS)
def test_mntr_begins_with_what_the_member_is(play: Play, role: str) -> None:
    count = 4 if role == "observer" else 3
    seen, expected = (list(play.looks[kind, role].monitor)[:count] for kind in (Kind.ZOOLET, Kind.JAVA))
    assert seen == expected


@pytest.mark.parametrize("role", ROLE_KEYS)
def test_mntr_writes_numbers_as_java_does(play: Play, role: str) -> None:
    seen, expected = (
        {key: re.sub(r"\d+", "N", value) for key, value in play.looks[kind, role].monitor.items()}
        for kind in (Kind.ZOOLET, Kind.JAVA)
    )
    common = (seen.keys() & expected.keys()) - {"zk_version"}
    assert {key: seen[key] for key in common} == {key: expected[key] for key in common}


@pytest.mark.parametrize("role", ROLE_KEYS)
def test_mntr_has_the_values_that_follow_from_the_state(play: Play, role: str) -> None:
    seen, expected = (play.looks[kind, role].monitor for kind in (Kind.ZOOLET, Kind.JAVA))
    assert {key: seen.get(key) for key in EXACT_KEYS} == {key: expected.get(key) for key in EXACT_KEYS}


@pytest.mark.parametrize("word", [*WORDS, "mntr"])
def test_a_member_without_a_leader_says_what_java_says(play: Play, word: str) -> None:
    assert play.idle[Kind.ZOOLET][word] == play.idle[Kind.JAVA][word]
