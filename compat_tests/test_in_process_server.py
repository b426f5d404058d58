"""The server that runs inside a test process answers as the one behind the `zoolet` command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from zoolet.testing.server import Server

from .comparison import assert_same_lines
from .differential.scenario import Scenario, record
from .differential.transcripts import kept_transcript, scenarios_of

SCENARIOS = [
    one
    for module in ("scenarios_create", "scenarios_multi", "scenarios_watches", "scenarios_sessions")
    for one in scenarios_of(module)
    if not (one.fast_clock or one.needs_own_server)
]


@pytest.fixture(scope="module")
def in_process() -> Iterator[Server]:
    with Server(tick_time_ms=2000, properties={"extendedTypesEnabled": "true"}) as server:
        yield server


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in SCENARIOS])
def test_same_as_the_kept_transcript_in_process(scenario: Scenario, in_process: Server) -> None:
    seen = record(scenario, in_process, prefix=f"/p{SCENARIOS.index(scenario):04d}")
    assert_same_lines(seen, kept_transcript(scenario), scenario.promise)
