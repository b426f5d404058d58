"""Which sets are a quorum, what a configuration's text is, and when two configurations are the same."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from zoolet.jute.ids import Sid
from zoolet.quorum.members import Member, Role
from zoolet.quorum.verifier import (
    BadLine,
    Hierarchical,
    Majority,
    Oracle,
    QuorumVerifier,
    from_text,
    parse_version,
    verifier_from,
)


def sids(*numbers: int) -> set[Sid]:
    return {Sid(number) for number in numbers}


def servers(*numbers: int, observers: tuple[int, ...] = ()) -> str:
    lines = [f"server.{number}=h{number}:1:2:participant" for number in numbers]
    lines += [f"server.{number}=h{number}:1:2:observer" for number in observers]
    return "\n".join(lines)


# --- majority -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("voters", range(1, 8))
def test_more_than_half_of_the_voters_are_a_quorum(voters: int) -> None:
    verifier = from_text(servers(*range(1, voters + 1), observers=(100, 101)))
    for size in range(voters + 1):
        for some in combinations(range(1, voters + 1), size):
            assert verifier.contains_quorum(sids(*some)) is (size > voters // 2)


def test_who_has_no_vote_does_not_count() -> None:
    verifier = from_text(servers(1, 2, 3, observers=(4, 5)))
    assert not verifier.contains_quorum(sids(1, 4, 5, 6))
    assert verifier.contains_quorum(sids(1, 2, 4))


def test_nobody_is_no_quorum_of_nobody() -> None:
    assert not from_text("version=0").contains_quorum(set())


def test_every_vote_of_a_majority_weighs_the_same() -> None:
    verifier = from_text(servers(1, 2, 3, observers=(4,)))
    assert [verifier.weight(Sid(number)) for number in (1, 3, 4, 77)] == [1, 1, 1, 1]


def test_members_are_told_apart() -> None:
    verifier = from_text(servers(1, 3, observers=(2,)))
    assert list(verifier.members) == [1, 2, 3]
    assert list(verifier.voters) == [1, 3]
    assert list(verifier.observers) == [2]
    assert verifier.members[Sid(2)].role is Role.OBSERVER


# --- groups and weights ---------------------------------------------------------------------------------

THREE_GROUPS = servers(*range(1, 10)) + "\ngroup.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n"


def test_a_quorum_is_a_majority_of_groups_each_by_a_majority() -> None:
    verifier = from_text(THREE_GROUPS)
    assert verifier.contains_quorum(sids(1, 2, 4, 5))
    assert not verifier.contains_quorum(sids(1, 2, 3, 4, 7))
    assert not verifier.contains_quorum(sids(1, 4, 7))
    assert not verifier.contains_quorum(set())


def test_weights_decide_inside_a_group() -> None:
    verifier = from_text(THREE_GROUPS + "weight.1=3\nweight.4=0\n")
    assert verifier.contains_quorum(sids(1, 5, 6))
    assert not verifier.contains_quorum(sids(2, 3, 5, 6))
    assert not verifier.contains_quorum(sids(1, 4, 5))
    assert [verifier.weight(Sid(number)) for number in (1, 2, 4, 10)] == [3, 1, 0, 0]


def test_groups_without_weight_do_not_count() -> None:
    verifier = from_text(THREE_GROUPS + "weight.7=0\nweight.8=0\nweight.9=0\n")
    assert not verifier.contains_quorum(sids(1, 2))
    assert verifier.contains_quorum(sids(1, 2, 4, 5))
    one = from_text(THREE_GROUPS + "".join(f"weight.{number}=0\n" for number in range(4, 10)))
    assert one.contains_quorum(sids(1, 2))


def test_a_weight_that_can_never_vote_still_counts_in_its_group() -> None:
    """As in Java: a removed server may stay in a group."""
    text = servers(1, 2) + "\ngroup.1=1:2:3\nweight.3=2\n"
    assert not from_text(text).contains_quorum(sids(1, 2))
    assert from_text(text + "weight.1=2").contains_quorum(sids(1, 2, 3))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (servers(1, 2) + "\ngroup.1=1", "server.2: it is in no group"),
        (servers(1, 2) + "\nweight.1=1", "server.1: it is in no group"),
        (servers(1, 2) + "\ngroup.1=1:2:3", "group.1: server 3 has no vote and no weight"),
        (servers(1, observers=(2,)) + "\ngroup.1=1:2", "group.1: server 2 has no vote and no weight"),
        (servers(1, 2) + "\ngroup.1=1:2\ngroup.2=2", "group.1: server 2 is in two groups"),
        (servers(1) + "\ngroup.1=", "group.1: expected a server's number"),
        (servers(1) + "\ngroup=1", "group: expected a whole number"),
        (servers(1) + "\ngroup.1=1\nweight.1=x", "weight.1: expected a whole number"),
        (servers(1) + "\ngroup.1=1\nweight.x=1", "weight.x: expected a whole number"),
    ],
)
def test_groups_that_do_not_fit_are_refused(text: str, problem: str) -> None:
    with pytest.raises(BadLine) as caught:
        from_text(text)
    assert str(caught.value) == problem


# --- the oracle -----------------------------------------------------------------------------------------


class File:
    """An oracle's file."""

    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, path: str) -> bool:
        self.asked.append(path)
        return self.answer


def oracle(*numbers: int, answer: bool = True) -> tuple[Oracle, File]:
    file = File(answer)
    verifier = from_text(servers(*numbers), oracle_path="/o", ask=file)
    assert isinstance(verifier, Oracle)
    return verifier, file


def test_one_of_two_may_go_on_if_the_oracle_says_so() -> None:
    for answer in (True, False):
        verifier, file = oracle(1, 2, answer=answer)
        assert verifier.contains_quorum(sids(1)) is answer
        assert file.asked == ["/o"]


def test_the_oracle_is_not_asked_when_there_is_a_quorum_or_a_follower() -> None:
    verifier, file = oracle(1, 2)
    assert verifier.contains_quorum(sids(1, 2))
    assert not verifier.update_need_oracle(has_followers=True)
    assert not verifier.contains_quorum(sids(1))
    assert not verifier.override_quorum_decision(has_followers=True)
    assert file.asked == []
    assert verifier.override_quorum_decision(has_followers=False)
    assert verifier.contains_quorum(sids(2))


def test_the_oracle_is_for_two_voters_only() -> None:
    verifier, file = oracle(1, 2, 3)
    assert not verifier.contains_quorum(sids(1))
    assert verifier.contains_quorum(sids(1, 2))
    assert not verifier.override_quorum_decision(has_followers=False)
    assert file.asked == []


def test_with_an_oracle_groups_do_not_count() -> None:
    lines = {"server.1": "a:1:2", "server.2": "b:1:2", "group.7": "nonsense"}
    assert isinstance(verifier_from(lines, oracle_path="/o"), Oracle)


def test_another_configuration_keeps_the_oracle() -> None:
    verifier, file = oracle(1, 2)
    other = verifier.read(servers(1, 3) + "\nversion=5")
    assert isinstance(other, Oracle)
    assert (other.oracle_path, other.version) == ("/o", 5)
    assert other.contains_quorum(sids(3))
    assert verifier.with_members(other.members.values(), version=6).contains_quorum(sids(3))
    assert file.asked == ["/o", "/o"]


# --- texts ----------------------------------------------------------------------------------------------


def test_the_text_of_a_majority() -> None:
    text = "server.1=h1:1:2:participant;0.0.0.0:2181\nserver.2=h2:1:2:observer\nversion=100000004"
    verifier = from_text(text)
    assert isinstance(verifier, Majority)
    assert (verifier.text(), verifier.version) == (text, 0x1_0000_0004)
    assert repr(verifier) == (
        "Majority(server.1=h1:1:2:participant;0.0.0.0:2181, server.2=h2:1:2:observer, version=100000004)"
    )


def test_the_text_of_groups_names_every_weight() -> None:
    """Seen on a running 3.9.4 ensemble; the lines are in the order of Java's maps, not of the file."""
    lines = [f"server.{number}=localhost:{number}:{number + 1}:participant" for number in (17, 1, 33)]
    verifier = from_text(
        "\n".join([*lines, "group.1=1:17", "group.4=33", "weight.33=2", "version=100000000"])
    )
    assert verifier.text().splitlines() == [
        "server.33=localhost:33:34:participant",
        "server.1=localhost:1:2:participant",
        "server.17=localhost:17:18:participant",
        "group.1=1:17",
        "group.4=33",
        "weight.33=2",
        "weight.1=1",
        "weight.17=1",
        "version=100000000",
    ]


def test_a_text_may_have_comments_blanks_and_no_version() -> None:
    verifier = from_text("# who\n\n  server.1 = a:1:2 \n! and\n")
    assert verifier.text() == "server.1=a:1:2:participant\nversion=0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server.1=a:1", "server.1: expected host:port:electionPort"),
        ("server.x=a:1:2", "server.x: expected a server's number"),
        ("clientPort=1", "clientPort: nothing knows this key"),
        ("version=g", "version: expected a hexadecimal number instead of 'g'"),
        ("version=-1", "version: expected a hexadecimal number"),
        ("gibberish", "gibberish: nothing knows this key"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="^" + problem) as caught:
        from_text(text)
    assert isinstance(caught.value, BadLine)


def test_versions_are_hexadecimal_longs() -> None:
    assert parse_version("0") == 0
    assert parse_version("1Fffffffff") == 0x1F_FFFF_FFFF
    assert parse_version("7" + 15 * "f") == 2**63 - 1
    for text in ("", "8" + 15 * "0", "0x1", "1_0", " 1", "+1"):
        with pytest.raises(ValueError, match="expected a hexadecimal number"):
            parse_version(text)


# --- variants and equality ------------------------------------------------------------------------------


def test_a_version_is_changed_and_nothing_else() -> None:
    for text in (servers(1, 2, 3), THREE_GROUPS):
        verifier = from_text(text)
        later = verifier.with_version(0x2_0000_0000)
        assert type(later) is type(verifier)
        assert later.text() == verifier.text().replace("version=0", "version=200000000")
        assert verifier.version == 0


def test_a_member_gets_another_address() -> None:
    verifier = from_text(THREE_GROUPS)
    changed = verifier.with_changed(Member.parse(Sid(2), "new:1:2;3"))
    assert changed.text() == verifier.text().replace("h2:1:2:participant", "new:1:2:participant;0.0.0.0:3")
    assert changed.voters[Sid(2)] is changed.members[Sid(2)]
    assert verifier.members[Sid(2)].client is None


def test_other_members_under_the_same_rule() -> None:
    verifier = from_text(THREE_GROUPS + "weight.1=2\n")
    fewer = verifier.with_members(list(verifier.members.values())[:-1], version=9)
    assert isinstance(fewer, Hierarchical)
    assert (fewer.version, fewer.weight(Sid(1)), len(fewer.members)) == (9, 2, 8)
    majority = from_text(servers(1, 2))
    assert majority.with_members(verifier.members.values(), version=1).contains_quorum(sids(1, 2, 3, 4, 5))


def test_lists_of_one_version_are_the_same_list() -> None:
    """As in Java: the version says which list it is."""
    assert from_text(servers(1, 2)) == from_text(servers(3))
    assert from_text(THREE_GROUPS) == from_text(servers(1) + "\ngroup.1=1")


def test_lists_of_other_versions_are_compared() -> None:
    one = from_text(servers(1, 2) + "\nversion=1")
    assert one == from_text(servers(2, 1) + "\nversion=2")
    assert one != from_text(servers(1, 3) + "\nversion=2")
    assert one != from_text(servers(1, observers=(2,)) + "\nversion=2")
    groups = from_text(THREE_GROUPS + "version=1")
    assert groups == from_text(THREE_GROUPS + "version=2\nweight.1=1")
    assert groups != from_text(THREE_GROUPS + "version=2\nweight.1=2")
    assert groups != from_text(THREE_GROUPS.replace("3=7:8:9", "4=7:8:9") + "version=2")


def test_kinds_of_quorums_are_different_lists() -> None:
    majority: object = from_text(servers(1))
    assert majority != from_text(servers(1) + "\ngroup.1=1")
    assert majority != "server.1"
    assert oracle(1, 2)[0] == oracle(1, 2)[0]


# --- properties -----------------------------------------------------------------------------------------


@st.composite
def verifiers(draw: st.DrawFn) -> QuorumVerifier:
    numbers = draw(st.lists(st.integers(0, 80), min_size=1, max_size=9, unique=True))
    observers = draw(st.lists(st.sampled_from(numbers), unique=True, max_size=len(numbers) - 1))
    text = servers(*(number for number in numbers if number not in observers), observers=tuple(observers))
    if draw(st.booleans()):
        groups: dict[int, list[int]] = {}
        for number in numbers:
            if number not in observers:
                groups.setdefault(draw(st.integers(0, 40)), []).append(number)
                if draw(st.booleans()):
                    text += f"\nweight.{number}={draw(st.integers(0, 4))}"
        for group, members in groups.items():
            text += f"\ngroup.{group}={':'.join(map(str, members))}"
    return from_text(f"{text}\nversion={draw(st.integers(0, 2**63 - 1)):x}")


@given(verifiers())
def test_any_configuration_survives_its_text(verifier: QuorumVerifier) -> None:
    again = from_text(verifier.text())
    assert again.with_version(verifier.version + 1) == verifier
    assert sorted(again.text().splitlines()[:-1]) == sorted(verifier.text().splitlines()[:-1])
    assert again.text().splitlines()[-1] == verifier.text().splitlines()[-1]


@given(verifiers(), st.data())
def test_two_quorums_always_share_a_member(verifier: QuorumVerifier, data: st.DataObject) -> None:
    """What everything else rests on."""
    some = data.draw(st.sets(st.sampled_from(sorted(verifier.voters))))
    assume(verifier.contains_quorum(some))
    assert not verifier.contains_quorum(verifier.voters.keys() - some)
    assert verifier.contains_quorum(some | verifier.voters.keys())


@given(st.text(st.sampled_from("server.goupwihtvn=:;|1234567890abc\n#\\ "), max_size=60))
def test_any_text_is_a_configuration_or_a_bad_line(text: str) -> None:
    try:
        verifier = from_text(text)
    except BadLine:
        return
    assert from_text(verifier.text()).text().count("\n") == verifier.text().count("\n")
