"""The simulation finds deliberate mistakes: each row of the table, by random search from a fixed seed.

``python -m zoolet.testing.simulation --mutations`` runs the whole table and tells medians.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zoolet.testing.simulation.mutation_search import FIRST_SEED, search
from zoolet.testing.simulation.mutations import BY_NAME, MUTATIONS, applied
from zoolet.testing.simulation.run import simulate
from zoolet.testing.simulation.violation import Violation
from zoolet.testing.tests import test_known_defects as stories

SEEDS_MAX = 400


def test_there_are_enough_of_them() -> None:
    assert len(MUTATIONS) >= 25
    assert len(BY_NAME) == len(MUTATIONS)
    assert sum(bool(row.seen_as) for row in MUTATIONS) >= 8


KNOWN = {
    "a client's last zxid not looked at": FIRST_SEED + 952,
    "epochs of others not looked at, by leader and learner": FIRST_SEED + 223,
    "uncommitted proposals applied when synchronising": FIRST_SEED + 103,
}
"""Seeds that find what takes long; they shift when the simulation changes, and are only tried first."""


@pytest.mark.parametrize("name", BY_NAME)
def test_a_deliberate_mistake_is_found_by_random_search(name: str) -> None:
    found = search(name, 1, KNOWN.get(name, FIRST_SEED))
    if not found.invariant:
        found = search(name, SEEDS_MAX)
    assert found.invariant, f"{name}: not found in {found.seeds} seeds"


def test_without_a_mistake_the_same_seeds_find_nothing() -> None:
    assert [simulate(FIRST_SEED + number).violation for number in range(10)] == [None] * 10


def test_a_mistake_is_taken_back() -> None:
    row = BY_NAME["ack before fsync"]
    before = [getattr(owner, name) for owner, name, _ in row.patches]
    with applied(row.name):
        assert [getattr(owner, name) for owner, name, _ in row.patches] != before
    assert [getattr(owner, name) for owner, name, _ in row.patches] == before


STORIES: tuple[tuple[Callable[..., None], tuple[object, ...], str], ...] = (
    (stories.test_1277_the_counter_of_an_epoch_never_overflows, (), "counter overflow ignored"),
    (
        stories.test_2845_an_old_leaders_uncommitted_txns_are_not_in_its_tree_when_they_were_never_committed,
        (),
        "fast-forward forgotten",
    ),
    (
        stories.test_2845_a_leader_that_is_elected_again_has_its_uncommitted_txns_committed_everywhere,
        (),
        "fast-forward forgotten",
    ),
    (
        stories.test_3911_4646_4685_a_follower_that_acks_newleader_has_everything_on_disk,
        (0,),
        "NEWLEADER acked before the txns are durable",
    ),
    (
        stories.test_4643_the_epoch_is_not_taken_over_before_the_txns_that_come_with_it,
        (),
        "currentEpoch before the txns",
    ),
    (
        stories.test_3023_4394_proposals_under_way_while_a_follower_joins_are_committed_in_their_turn,
        (),
        "proposals under way not forwarded to a joining follower",
    ),
    (
        stories.test_4785_nothing_that_a_diff_brought_is_lost_when_the_follower_is_bounced,
        (),
        "NEWLEADER acked before the txns are durable",
    ),
    (
        stories.test_4712_what_was_on_its_way_to_the_log_when_a_role_ended_comes_to_rest_before_the_election,
        (),
        "election begins before the log is at rest",
    ),
    (
        stories.test_4925_a_follower_that_was_synchronised_has_no_hole_in_its_committed_log,
        (),
        "a hole left in the committed log",
    ),
    (
        stories.test_4925_a_stale_member_is_not_led_over_a_hole_by_a_leader_that_was_stale_itself,
        (),
        "a hole left in the committed log",
    ),
    (
        stories.test_3104_newleader_is_behind_the_whole_snapshot_and_acked_when_it_is_on_disk,
        (),
        "NEWLEADER acked before the snapshot is durable",
    ),
    (stories.test_5094_an_interrupted_truncation_leaves_a_history_that_is_on_disk, (), "TRUNC not synced"),
)


@pytest.mark.parametrize(("story", "arguments", "mistake"), STORIES, ids=lambda value: str(value)[:60])
def test_a_story_of_a_known_defect_fails_when_the_mistake_is_made(
    story: Callable[..., None], arguments: tuple[object, ...], mistake: str
) -> None:
    story(*arguments)
    with applied(mistake), pytest.raises((AssertionError, Violation)):
        story(*arguments)
