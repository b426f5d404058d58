"""Which compositions run, ensembles shared by the tests of a module, and logs in every failure.

ZOOLET_COMPOSITIONS=JZJ,ZZZ   only these compositions of three voters, in every scenario that names some
ZOOLET_DEEP=1                 every scenario on every composition
--compat-subject=java         Java in zoolet's place: whatever fails then is the test's own fault
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import pytest

from ..conftest import SUBJECT_CLASSPATH_VARIABLE, require_java
from .ensemble import EnsembleError, ProcessEnsemble
from .member import LAUNCHERS, Kind, Launcher, java_launcher

COMPOSITIONS_VARIABLE = "ZOOLET_COMPOSITIONS"
DEEP_VARIABLE = "ZOOLET_DEEP"

EVERY_COMPOSITION = ("JJJ", "JJZ", "JZJ", "ZJJ", "JZZ", "ZJZ", "ZZJ", "ZZZ")
"""JJJ is the control: the tests themselves. The last letter leads at first."""


def is_deep() -> bool:
    """True when everything is to run, however long it takes."""
    return os.environ.get(DEEP_VARIABLE, "") not in ("", "0")


def compositions(*usual: str) -> Sequence[str]:
    """The compositions of a scenario: those named, or all when going deep, or the variable's."""
    if chosen := os.environ.get(COMPOSITIONS_VARIABLE):
        return chosen.split(",")
    return EVERY_COMPOSITION if is_deep() else usual


def on(*usual: str) -> pytest.MarkDecorator:
    """Runs a test on shared ensembles of these compositions (see `compositions`), as `ensemble`."""
    return pytest.mark.parametrize("slot", compositions(*usual), indirect=True, scope="module")


@pytest.fixture(scope="session")
def launchers(request: pytest.FixtureRequest) -> Mapping[Kind, Launcher]:
    """What the letters of a composition stand for."""
    if request.config.getoption("--compat-subject", default="zoolet") == "java":
        return {**LAUNCHERS, Kind.ZOOLET: java_launcher(os.environ.get(SUBJECT_CLASSPATH_VARIABLE))}
    return LAUNCHERS


class Slot:
    """A place for one ensemble, made anew when a test has left it broken."""

    def __init__(self, composition: str, launchers: Mapping[Kind, Launcher]) -> None:
        self.composition = composition
        self.ensemble: ProcessEnsemble | None = None
        self._launchers = launchers

    def healthy(self) -> ProcessEnsemble:
        """An ensemble with all members as in the composition, running and in sync."""
        if self.ensemble is None:
            self.ensemble = ProcessEnsemble(self.composition, launchers=self._launchers).__enter__()
        return self.ensemble

    def discard(self) -> None:
        """End the ensemble; the next test gets a fresh one."""
        ensemble, self.ensemble = self.ensemble, None
        if ensemble is not None:
            ensemble.close()


@pytest.fixture(scope="module")
def slot(request: pytest.FixtureRequest, launchers: Mapping[Kind, Launcher]) -> Iterator[Slot]:
    """The place of the module's ensemble of one composition."""
    if "J" in request.param.upper():
        require_java()
    slot = Slot(request.param, launchers)
    yield slot
    slot.discard()


@pytest.fixture
def ensemble(slot: Slot) -> ProcessEnsemble:
    """A running ensemble; earlier tests of the module may have written to it and moved its lead."""
    return slot.healthy()


class NewEnsemble:
    """Makes and starts ensembles of one test's own."""

    def __init__(self, launchers: Mapping[Kind, Launcher]) -> None:
        self.made: list[ProcessEnsemble] = []
        self._launchers = launchers

    def __call__(self, composition: str, **arguments: Any) -> ProcessEnsemble:
        """A running ensemble; takes what ProcessEnsemble takes."""
        if "J" in composition.upper():
            require_java()
        ensemble = ProcessEnsemble(composition, launchers=self._launchers, **arguments)
        self.made.append(ensemble)
        return ensemble.start()


@pytest.fixture
def new_ensemble(launchers: Mapping[Kind, Launcher]) -> Iterator[NewEnsemble]:
    """Makes ensembles that end with the test."""
    maker = NewEnsemble(launchers)
    yield maker
    for ensemble in maker.made:
        ensemble.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the logs of a failed test's ensembles, and lets nobody else have a shared one of them."""
    report = yield
    if call.when == "call" and report.failed:
        fixtures = getattr(item, "funcargs", {})
        slot, maker = fixtures.get("slot"), fixtures.get("new_ensemble")
        ensembles = list(maker.made) if isinstance(maker, NewEnsemble) else []
        if isinstance(slot, Slot) and slot.ensemble is not None:
            ensembles.append(slot.ensemble)
        if call.excinfo is not None and not call.excinfo.errisinstance(EnsembleError):
            report.sections += [(f"{ensemble}", ensemble.report()) for ensemble in ensembles]
        if isinstance(slot, Slot):
            slot.discard()
    return report
