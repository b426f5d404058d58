"""Elections of whole ensembles on a simulated network, and the original's defects that concern elections.

Each random story crashes, cuts off and restarts members; then the faults end, and everybody must agree. A
failing story is replayed by its seed.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.election import Notification, ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import FINALIZE_WAIT_MS, FastLeaderElection
from zoolet.quorum.tests.election_lab import Lab, majority

LOOKING, LEADING = ServerState.LOOKING, ServerState.LEADING
SETTLED_MS = 30_000
"""Long enough for everything that waits: dials that hang, patience with a leader, and some rounds."""
Disk = tuple[int, int]
FRESH: Disk = (0, 0)


def lab_of(disks: dict[int, Disk], seed: int = 0, *, delay_ms: tuple[int, int] = (1, 1)) -> Lab:
    """Voters with these zxids and epochs, all about to start."""
    return Lab(disks, Random(seed), delay_ms=delay_ms)


def started(disks: dict[int, Disk], seed: int = 0, *, delay_ms: tuple[int, int] = (1, 1)) -> Lab:
    """Voters that have elected a leader."""
    lab = lab_of(disks, seed, delay_ms=delay_ms)
    for sid in disks:
        lab.boot(sid)
    assert lab.run(SETTLED_MS, lambda: all_up(lab) and lab.agreed())
    return lab


def all_up(lab: Lab) -> bool:
    return all(server.is_up for server in lab.servers.values())


def look_again(lab: Lab, *sids: int) -> None:
    """They have lost their leader."""
    for sid in sids:
        lab.servers[Sid(sid)].look_again()


# --- how fast -------------------------------------------------------------------------------------------


def test_three_that_start_together_agree_in_a_few_message_times() -> None:
    lab = lab_of({1: FRESH, 2: FRESH, 3: FRESH})
    for sid in (1, 2, 3):
        lab.boot(sid)

    assert lab.run(50, lambda: all_up(lab) and lab.agreed())
    assert lab.leader == 3


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
@pytest.mark.parametrize("apart_ms", [1, 10, 80, 150])
def test_three_that_start_one_after_the_other_agree_as_soon_as_the_last_one_is_there(
    order: tuple[int, ...], apart_ms: int
) -> None:
    lab = lab_of({1: FRESH, 2: FRESH, 3: FRESH})
    for place, sid in enumerate(order):
        lab.boot(sid, place * apart_ms)

    assert lab.run(2 * apart_ms + FINALIZE_WAIT_MS + 50, lambda: all_up(lab) and lab.agreed())


@pytest.mark.parametrize("silently", [False, True])
def test_when_the_leader_dies_the_others_agree_in_a_few_message_times(silently: bool) -> None:
    """Nobody listens where it was, so nothing better is to be waited for."""
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    lab.run(5000)

    lab.crash(3, silently=silently)
    look_again(lab, 1, 2)

    assert lab.run(20, lab.agreed)
    assert lab.leader == 2


@pytest.mark.parametrize("first", [1, 2])
def test_followers_that_notice_one_after_the_other_need_no_repetition(first: int) -> None:
    """The first one's vote comes to the second one before that looks too, and is only answered."""
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    lab.run(5000)

    lab.crash(3)
    look_again(lab, first)
    lab.run(10)
    look_again(lab, 3 - first)

    assert lab.run(20, lab.agreed)
    assert lab.leader == 2


def test_when_the_leader_is_cut_off_the_others_agree_after_the_final_wait() -> None:
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    lab.run(5000)

    lab.partition([3])
    look_again(lab, 1, 2)
    quorum = [lab.servers[Sid(1)].election, lab.servers[Sid(2)].election]

    assert lab.run(FINALIZE_WAIT_MS + 20, lambda: all(election.decided for election in quorum))
    assert [election.vote.leader for election in quorum] == [2, 2]


@pytest.mark.parametrize("sid", [1, 2, 3])
@pytest.mark.parametrize("silently", [False, True])
def test_a_member_that_comes_back_finds_the_leader_at_once(sid: int, silently: bool) -> None:
    """Also when the others still have half-open connections with its earlier life."""
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    lab.crash(sid, silently=silently)
    look_again(lab, *{1, 2, 3} - {sid})
    assert lab.run(SETTLED_MS, lab.agreed)
    leader = lab.leader
    lab.run(100_000)

    lab.boot(sid)

    assert lab.run(50, lambda: all_up(lab) and lab.agreed())
    assert lab.leader == leader


@pytest.mark.parametrize("delay_ms", [(1, 1), (0, 40), (100, 150)])
def test_when_the_network_is_whole_again_a_quorum_is_found_soon(delay_ms: tuple[int, int]) -> None:
    """The original may wait for a minute, when it has looked in vain for long."""
    lab = started({1: FRESH, 2: FRESH, 3: FRESH, 4: FRESH, 5: FRESH}, delay_ms=delay_ms)
    lab.partition([1, 2])
    lab.crash(5)
    lab.run(120_000)
    assert not lab.agreed()

    lab.heal()

    assert lab.run(6000, lab.agreed)
    assert lab.leader == 4


def test_an_idle_ensemble_says_nothing() -> None:
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    lab.run(1000)
    said = lab.messages

    lab.run(600_000)

    assert lab.messages == said


# --- who ------------------------------------------------------------------------------------------------


def test_the_newest_history_leads_whatever_the_sids_and_the_order() -> None:
    for seed in range(30):
        random = Random(seed)
        disks = {1: (0x400000006, 4), 2: (0x300000009, 3), 3: (0x400000005, 4)}
        lab = lab_of(disks, seed, delay_ms=(0, 30))
        for sid in disks:
            lab.boot(sid, random.randrange(50))

        lab.run(SETTLED_MS)
        assert all_up(lab)
        assert lab.leader == 1, seed


def test_without_a_quorum_nobody_leads() -> None:
    lab = lab_of({1: FRESH, 2: FRESH, 3: FRESH, 4: FRESH, 5: FRESH})
    lab.boot(1)
    lab.boot(5)
    lab.run(120_000)

    assert {server.election.state for server in lab.servers.values() if server.is_up} == {LOOKING}


# --- defects of the original ----------------------------------------------------------------------------


def test_zookeeper_1732_members_of_different_rounds_and_zxids_do_not_keep_a_newcomer_out() -> None:
    """Members that joined one after the other tell different rounds and zxids, but the leader's epoch."""
    lab = started({1: (0x500000001, 5), 2: (0x500000001, 5), 3: (0x500000002, 5)})
    for rounds, sid in enumerate((1, 2, 1, 1)):
        lab.crash(sid)
        lab.servers[Sid(sid)].zxid = Zxid(0x500000001 + rounds)
        lab.boot(sid)
        assert lab.run(SETTLED_MS, lambda: all_up(lab) and lab.agreed())
        for server in lab.servers.values():
            server.election.update_vote(Epoch(6))
    assert lab.leader == 3

    lab.crash(1)
    lab.servers[Sid(1)].epoch = Epoch(6)
    lab.boot(1)

    assert lab.run(100, lambda: all_up(lab) and lab.agreed())
    assert lab.leader == 3


def test_zookeeper_3109_a_leader_hears_that_a_voter_looks_again() -> None:
    """A voter that changes its mind while the leader waits for it cost the original a whole initLimit."""
    told: list[Sid] = []
    election = FastLeaderElection(
        Sid(3),
        majority([1, 2, 3]),
        send=lambda _, __: None,
        connect=lambda _: None,
        on_looking_voter=told.append,
    )
    election.start(0, last_zxid=Zxid(0), current_epoch=Epoch(0))
    for sid in (1, 2):
        election.receive(0, Sid(sid), Notification(LOOKING, Sid(3), Zxid(0), 1, Epoch(0)).encode())
    assert election.state is LEADING

    election.receive(5, Sid(2), Notification(LOOKING, Sid(2), Zxid(0), 2, Epoch(0)).encode())

    assert told == [2]
    tracker = election.leading_tracker
    assert tracker is not None
    assert tracker.has_sid(Sid(2))


def test_a_voter_that_is_rounds_behind_catches_up() -> None:
    """One that looks for the first time among others that have looked for long."""
    lab = lab_of({1: FRESH, 2: FRESH, 3: FRESH})
    lab.boot(2)
    lab.run(1)
    look_again(lab, 2, 2, 2, 2)
    lab.boot(1)

    assert lab.run(FINALIZE_WAIT_MS + 50, lab.agreed)
    assert lab.servers[Sid(1)].election.round == 5


def test_a_member_that_comes_back_hears_nothing_of_elections_that_are_over() -> None:
    """All voted for 3; then 2 became the leader otherwise. The original says those votes again."""
    lab = started({1: FRESH, 2: FRESH, 3: FRESH})
    for server in lab.servers.values():
        server.election.designate(Sid(2), Zxid(0))
        server.election.update_vote(Epoch(1))
    lab.crash(1)
    newcomer = lab.servers[Sid(1)]
    newcomer.decisions.clear()

    lab.boot(1)

    assert lab.run(50, lambda: all_up(lab) and lab.agreed())
    assert [leader for _, state, leader in newcomer.decisions if state is not LOOKING] == [2]


def test_an_observer_ahead_and_a_voter_behind_do_not_talk_for_ever() -> None:
    """In the original each answers the other at once, as fast as the network carries it."""
    lab = Lab({1: FRESH, 2: FRESH, 3: FRESH, 4: FRESH}, Random(0), verifier=majority([1, 2, 3], [4]))
    lab.boot(4)
    lab.run(1)
    look_again(lab, 4, 4, 4)
    lab.boot(1)
    lab.run(60_000)

    assert lab.messages < 400


# --- random stories -------------------------------------------------------------------------------------

ZXIDS = (0, 0x100000005, 0x100000009, 0x200000001)


def disturb(lab: Lab, random: Random) -> None:
    """One fault, or the end of some."""
    sids = list(lab.servers)
    server = lab.servers[random.choice(sids)]
    match random.randrange(6):
        case 0 if server.is_up:
            lab.crash(server.sid, silently=random.random() < 0.5)
        case 1 if not server.is_up:
            lab.boot(server.sid)
        case 2:
            group = random.sample(sids, random.randrange(1, len(sids)))
            lab.partition(group, one_way=random.random() < 0.3)
        case 3:
            lab.heal()
        case 4 if lab.wires:
            lab.reset(random.choice(list(lab.wires.values())))
        case 5 if server.is_up and server.election.decided is not None:
            server.look_again()


def story(seed: int) -> Lab:
    """An ensemble with faults, up to the moment when they end and everybody runs."""
    random = Random(seed)
    voters = random.choice((2, 3, 3, 4, 5, 5))
    sids = random.sample(range(1, 9), voters + random.choice((0, 0, 1, 2)))
    disks = {sid: (random.choice(ZXIDS), random.choice((0, 1, 1, 2))) for sid in sids}
    delay_ms = random.choice(((0, 0), (1, 1), (0, 5), (1, 40), (0, 150)))
    lab = Lab(disks, random, verifier=majority(sids[:voters], sids[voters:]), delay_ms=delay_ms)
    for sid in sids:
        lab.boot(sid, random.choice((0, 0, random.randrange(400))))
    lab.run(1)
    for _ in range(random.randrange(25)):
        lab.run(random.choice((0, 1, 5, 50, 200, 1000)))
        disturb(lab, random)
    lab.heal()
    for sid, server in lab.servers.items():
        if not server.is_up:
            lab.boot(sid, random.randrange(50))
    lab.run(400)
    return lab


@given(st.integers(0, 2**32))
@settings(max_examples=150)
def test_when_faults_end_everybody_agrees(seed: int) -> None:
    """And on the way no leader was worse than one that voted for it, which the lab sees to."""
    lab = story(seed)

    assert lab.run(SETTLED_MS, lab.agreed), seed
    # It is not a passing moment, and it costs nothing to keep.
    lab.run(SETTLED_MS)
    assert lab.agreed(), seed
    said = lab.messages
    lab.run(SETTLED_MS)
    assert lab.messages == said, seed


@given(st.integers(0, 2**32))
@settings(max_examples=100)
def test_without_faults_the_leader_is_the_best_of_a_quorum(seed: int) -> None:
    random = Random(seed)
    sids = random.sample(range(1, 9), random.choice((1, 2, 3, 4, 5)))
    lab = lab_of(
        {sid: (random.choice(ZXIDS), random.choice((0, 1, 2))) for sid in sids},
        seed,
        delay_ms=random.choice(((0, 0), (0, 40), (0, 300))),
    )
    for sid in sids:
        lab.boot(sid, random.randrange(300))
    assert lab.run(SETTLED_MS, lambda: all_up(lab) and lab.agreed()), seed

    leader = lab.servers[lab.leader]
    worse = {sid for sid, server in lab.servers.items() if server.rank <= leader.rank}
    assert lab.verifier.contains_quorum(worse), seed
