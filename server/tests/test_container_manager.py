"""The container manager: what is due, how fast it goes, and that nothing in use ever goes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest, CreateTTLRequest
from zoolet.server import container_manager
from zoolet.server.config import config_from, parse_config
from zoolet.server.container_manager import ContainerManager
from zoolet.server.ops.delete import DeleteContainer
from zoolet.server.setting import ConfigError
from zoolet.server.tests.pipeline import START_MS, Pipeline, create, delete, set_data

SESSION = 0x0100000000000001
INTERVAL_MS = 1000


class Lab:
    """A pipeline, and a manager whose deletions are noted and not carried out."""

    def __init__(self, **settings: Any) -> None:
        self.pipeline = Pipeline()
        self.pipeline.context.extended_types_enabled = True
        self.pipeline.open_session(SESSION)
        self.asked: list[str] = []
        self.now_ms = 0
        defaults = {"extended_types_enabled": True, "container_check_interval_ms": INTERVAL_MS}
        config = config_from({}, data_dir="/data", client_port=0, **{**defaults, **settings})
        self.manager = ContainerManager(lambda: self.pipeline.tree, config, self._note, 0)

    def _note(self, asked: DeleteContainer) -> None:
        assert self.pipeline.tree.get(asked.path).mzxid == asked.mzxid
        self.asked.append(asked.path)

    def container(self, path: str) -> None:
        request = CreateRequest(path, b"", OPEN_ACL, 4)
        assert self.pipeline.error_of(SESSION, (OpCode.CREATE_CONTAINER, request)) == 0

    def emptied(self, *paths: str) -> None:
        """Containers that have had a child."""
        for path in paths:
            self.container(path)
            self.make(f"{path}/x")
            assert self.pipeline.error_of(SESSION, delete(f"{path}/x")) == 0

    def ttl(self, path: str, ttl_ms: int) -> None:
        request = CreateTTLRequest(path, b"", OPEN_ACL, 5, ttl_ms)
        assert self.pipeline.error_of(SESSION, (OpCode.CREATE_TTL, request)) == 0

    def make(self, path: str) -> None:
        assert self.pipeline.error_of(SESSION, create(path)) == 0

    def at(self, now_ms: int) -> list[str]:
        """What is asked for up to this moment; the wall clock runs with the other."""
        while self.now_ms < now_ms:
            self.now_ms = min(now_ms, self.now_ms + max(self.manager.wait_ms(self.now_ms), 1))
            self.manager.tick(self.now_ms, START_MS + self.now_ms)
        asked, self.asked = self.asked, []
        return asked


def test_an_emptied_container_goes_at_the_next_check_and_not_before() -> None:
    lab = Lab()
    lab.emptied("/c")
    assert lab.manager.wait_ms(0) == INTERVAL_MS
    assert lab.at(INTERVAL_MS - 1) == []
    assert lab.at(INTERVAL_MS) == ["/c"]


def test_it_is_asked_for_again_as_long_as_it_is_there() -> None:
    lab = Lab()
    lab.emptied("/c")
    assert lab.at(3 * INTERVAL_MS) == ["/c"] * 3


def test_a_container_with_a_child_or_that_had_none_stays() -> None:
    lab = Lab()
    lab.container("/unused")
    lab.container("/used")
    lab.make("/used/x")
    assert lab.at(10 * INTERVAL_MS) == []


def test_an_unused_container_goes_after_the_time_that_is_set() -> None:
    lab = Lab(container_max_never_used_interval_ms=2500)
    lab.container("/c")  # made at START_MS + 2
    assert lab.at(2000) == []
    assert lab.at(3000) == ["/c"]


def test_a_node_with_a_time_to_live_goes_when_more_than_that_has_passed_since_its_last_change() -> None:
    lab = Lab()
    lab.ttl("/t", 1500)
    lab.ttl("/kept", 1500)
    lab.pipeline.context.time_ms = START_MS + 1200
    assert lab.pipeline.error_of(SESSION, set_data("/kept")) == 0
    assert lab.at(1000) == []
    assert lab.at(2000) == ["/t"]
    assert lab.at(3006) == ["/t", "/kept"]


@pytest.mark.parametrize(("ttl_ms", "due"), [(998, True), (999, False)])
def test_exactly_the_time_to_live_is_not_yet_enough(ttl_ms: int, due: bool) -> None:
    lab = Lab()
    lab.pipeline.context.time_ms = START_MS
    lab.ttl("/t", ttl_ms)  # at START_MS + 1
    assert lab.at(INTERVAL_MS) == (["/t"] if due else [])


def test_a_node_with_children_outlives_its_time() -> None:
    lab = Lab()
    lab.ttl("/t", 1)
    lab.make("/t/x")
    assert lab.at(5 * INTERVAL_MS) == []
    assert lab.pipeline.error_of(SESSION, delete("/t/x")) == 0
    assert lab.at(6 * INTERVAL_MS) == ["/t"]


def test_deletions_keep_the_pace_that_is_set() -> None:
    lab = Lab(container_max_per_minute=600)  # one each 100 ms
    lab.emptied(*(f"/c{number}" for number in range(5)))
    assert lab.at(1000) == ["/c0"]
    assert lab.at(1099) == []
    assert lab.at(1100) == ["/c1"]
    assert lab.at(1400) == ["/c2", "/c3", "/c4"]


def test_a_check_that_takes_longer_than_the_interval_is_followed_by_the_next_one() -> None:
    lab = Lab(container_max_per_minute=60)  # one each second
    lab.emptied(*(f"/c{number}" for number in range(3)))
    assert lab.at(3999) == ["/c0", "/c1", "/c2"]
    assert lab.at(4001) == ["/c0"]


@pytest.mark.parametrize("per_minute", [60_001, -1])
def test_without_a_pause_a_turn_is_bounded_all_the_same(
    per_minute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_manager, "DELETES_PER_TURN", 2)
    lab = Lab(container_max_per_minute=per_minute)
    lab.emptied(*(f"/c{number}" for number in range(5)))
    assert len(lab.at(1000)) == 2
    assert len(lab.at(1001)) == 2
    assert len(lab.at(1002)) == 1


def test_a_turn_looks_at_so_many_nodes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container_manager, "LOOKS_PER_TURN", 3)
    lab = Lab()
    for number in range(7):
        lab.container(f"/unused{number}")
    lab.emptied("/c")
    assert lab.at(1001) == []
    assert lab.at(1002) == ["/c"]


def test_a_pace_of_zero_deletes_nothing_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(container_max_per_minute=0)
    lab.emptied("/c")
    assert lab.at(5 * INTERVAL_MS) == []
    assert "znode.container.maxPerMinute is 0" in caplog.text


def test_what_comes_into_use_during_a_check_stays() -> None:
    lab = Lab(container_max_per_minute=600)
    lab.emptied("/a", "/b", "/c")
    assert lab.at(1000) == ["/a"]
    lab.make("/b/y")
    assert lab.pipeline.error_of(SESSION, delete("/c")) == 0
    lab.make("/c")
    assert lab.at(1900) == []


def test_where_extended_types_are_off_nodes_with_a_time_to_live_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = Lab()
    first.ttl("/t", 1)
    first.emptied("/c")
    config = config_from({}, data_dir="/data", client_port=0)
    asked: list[str] = []
    manager = ContainerManager(
        lambda: first.pipeline.tree, config, lambda delete: asked.append(delete.path), 0
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "1 nodes have a time to live, and extendedTypesEnabled is off" in caplog.text
    for turn in range(3):
        manager.tick(60_000 + turn * 6, START_MS + 60_000)
    assert asked == ["/c"]


def test_an_idle_manager_sleeps_from_check_to_check() -> None:
    lab = Lab()
    lab.manager.tick(INTERVAL_MS, START_MS)
    assert lab.manager.wait_ms(INTERVAL_MS) == INTERVAL_MS
    lab.manager.tick(10 * INTERVAL_MS, START_MS)  # nobody looked for a long time
    assert lab.manager.wait_ms(10 * INTERVAL_MS) == 0


def test_an_interval_of_nothing_is_refused_by_name() -> None:
    """The original ends of it when it starts, with what its timer says."""
    with pytest.raises(
        ConfigError, match="checkIntervalMs=0: expected a whole number of milliseconds from 1"
    ):
        parse_config([], {"znode.container.checkIntervalMs": "0"})
