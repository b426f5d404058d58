"""Containers and nodes with a time to live when the leader that removes them goes: simulated stories."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import PacketType
from zoolet.jute.ids import Sid
from zoolet.testing.simulation.scenario import Scenario, StoryClient

INTERVAL_MS = 1000


def three() -> Scenario:
    settings = {"extendedTypesEnabled": "true", "znode.container.checkIntervalMs": INTERVAL_MS}
    return Scenario(3, 1, **settings)  # type: ignore[arg-type]


def started(story: Scenario) -> StoryClient:
    """All run, 3 leads; a client of 1 has left a container that is due, and a node that will be."""
    story.boot(*story.members)
    story.until_all_serve()
    assert story.leader == 3
    client = story.client(at=1)
    client.create_container("/c")
    client.create("/c/x")
    client.create_ttl("/t", 5 * INTERVAL_MS)
    client.delete("/c/x")
    return client


def gone(story: Scenario, *paths: str) -> bool:
    """Whether no member that runs has any of these."""
    trees = [member.peer.database.tree for member in story.world.up if member.peer is not None]
    return not any(path in tree.nodes for path in paths for tree in trees)


def test_the_leader_removes_what_is_due_and_nothing_else() -> None:
    with three() as story:
        started(story)
        story.until(lambda: gone(story, "/c"), within_ms=2 * INTERVAL_MS)
        assert not gone(story, "/t")
        story.until(lambda: gone(story, "/t"), within_ms=6 * INTERVAL_MS)
        story.until_equal()
        assert story.run.promises.model.removed == 2


@pytest.mark.parametrize("kind", [PacketType.PROPOSAL, PacketType.ACK, PacketType.COMMIT])
def test_a_deletion_that_its_leader_did_not_see_through_is_made_by_the_next_one(kind: PacketType) -> None:
    with three() as story:
        started(story)
        story.when(kind, lambda *_: story.lose_power(3))
        story.until(lambda: not story.members[Sid(3)].is_up, "the leader is lost while it deletes")
        story.until_led_by_one_of(1, 2)
        story.until(lambda: gone(story, "/c", "/t"))
        story.boot(3)
        story.until_all_serve()
        story.until_equal()
        assert gone(story, "/c", "/t")
        assert story.run.promises.model.removed == 2


def test_a_leader_that_is_cut_off_removes_nothing_that_its_successor_keeps() -> None:
    with three() as story:
        client = started(story)
        story.until(lambda: gone(story, "/c"))
        story.cut(3)
        story.until_led_by_one_of(1, 2)
        story.until(lambda: client.client.is_connected)
        client.set("/t", b"again")
        story.pass_ms(2 * INTERVAL_MS)
        assert client.get("/t") == b"again"
        story.heal(3)
        story.until_all_serve()
        story.until(lambda: gone(story, "/t"))
        story.until_equal()
