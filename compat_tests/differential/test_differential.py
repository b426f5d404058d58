"""Every scenario, on Java and on the server under test: the transcripts must be equal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ..comparison import assert_same_lines
from ..conftest import FAST_CLOCK, NO_SYNC, StartServer
from ..server_process import ServerProcess
from .kept_servers import KeptServers
from .known_differences import as_38, as_39, by_client, read_table
from .manual import page
from .scenario import Scenario, record
from .transcripts import all_scenarios, kept_transcript

SCENARIOS = list(all_scenarios())
_prefix_numbers = itertools.count(1)

each_scenario = pytest.mark.parametrize("scenario", [pytest.param(one, id=one.name) for one in SCENARIOS])
each_pipelined = pytest.mark.parametrize(
    "scenario", [pytest.param(one, id=one.name) for one in SCENARIOS if one.pipelined]
)


@each_scenario
def test_same_as_java_step_by_step(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    """Each request alone, its reply awaited."""
    _compare(scenario, request, pipelined=False)


@each_pipelined
def test_same_as_java_pipelined(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    """All requests of a client in one send."""
    _compare(scenario, request, pipelined=True)


@each_scenario
def test_same_as_the_kept_transcript(scenario: Scenario, request: pytest.FixtureRequest) -> None:
    """What a real 3.9 server said when it was recorded: needs no Java."""
    with _server("subject", scenario, request) as subject:
        if subject.version < (3, 9):
            pytest.skip("the transcripts are those of 3.9, the server under test is older")
        seen = record(scenario, subject, prefix=_prefix(scenario))
    assert_same_lines(seen, kept_transcript(scenario), scenario.promise)


@pytest.fixture(scope="session")
def kept_servers() -> Iterator[KeptServers]:
    """Servers with settings, shared by scenarios that come behind one another."""
    servers = KeptServers()
    yield servers
    servers.close()


def test_scenario_names_are_unique() -> None:
    names = [one.name for one in SCENARIOS]
    assert len(names) == len(set(names))


def test_the_page_of_scenarios_is_up_to_date() -> None:
    """`python -m compat_tests.differential.manual > docs/differential.md` writes it anew."""
    kept = (Path(__file__).parents[2] / "docs" / "differential.md").read_text("utf-8")
    assert_same_lines(kept.splitlines(), page().splitlines(), "docs/differential.md is stale")


def test_known_differences_are_those_of_marked_scenarios() -> None:
    assert set(read_table()) == {one.name for one in SCENARIOS if one.since_39}


def _compare(scenario: Scenario, request: pytest.FixtureRequest, *, pipelined: bool) -> None:
    with (
        _server("reference", scenario, request) as reference,
        _server("subject", scenario, request) as subject,
    ):
        across_versions = reference.version < (3, 9) <= subject.version
        if reference.version < (3, 9) and scenario.breaks_38:
            pytest.skip("a 3.8 reference would not recover from this scenario; the kept transcript covers it")
        prefix = _prefix(scenario)
        # Between versions the pipelined play is held against the step-by-step one: the table is for that.
        reference_pipelined = pipelined and not (across_versions and scenario.since_39)
        expected = record(scenario, reference, prefix=prefix, pipelined=reference_pipelined)
        seen = record(scenario, subject, prefix=prefix, pipelined=pipelined)
    if across_versions:
        expected, seen = as_39(expected, scenario.name), as_38(seen)
    if reference_pipelined != pipelined:
        expected, seen = by_client(expected), by_client(seen)
    assert_same_lines(seen, expected, scenario.promise)


def _prefix(scenario: Scenario) -> str:
    """A node of its own for the scenario, or the whole tree."""
    return "" if scenario.empty_tree else f"/s{next(_prefix_numbers):04d}"


@contextmanager
def _server(role: str, scenario: Scenario, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """The server the scenario asks for: the shared one where possible."""
    if scenario.needs_own_server:
        new_server: StartServer = request.getfixturevalue(f"new_{role}")
        settings = {**(FAST_CLOCK if scenario.fast_clock else NO_SYNC), **scenario.file_settings}
        if not (scenario.empty_tree or scenario.own_server):
            kept: KeptServers = request.getfixturevalue("kept_servers")
            yield kept.server(role, new_server, settings, scenario.properties)
            return
        with ExitStack() as stack:
            yield stack.enter_context(new_server(settings=settings, properties=scenario.properties))
    else:
        speed = "fast_" if scenario.fast_clock else ""
        yield request.getfixturevalue(f"{speed}{role}")
