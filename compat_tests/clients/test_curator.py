"""Every recipe of Apache Curator, and what its framework does besides, works on the server under test.

The same program runs against the Java server first of all to prove itself.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from ..conftest import StartServer
from ..tools import require
from .client_program import (
    CLIENT_CLOCK,
    CLIENT_PROPERTIES,
    ProgramRun,
    cases_in,
    run_once,
    run_program,
)
from .java_program import CURATOR_JARS, java_command, missing_reason, sources_of

CASES = cases_in(sources_of("curator"))

PARTS = re.compile(
    r"AfterConnectionEstablished|BlockingQueueConsumer|ChildData|ChildrenCache|CompatibleCuratorCacheBridge"
    r"|.*(Accessor|Allocator|Builder|BuilderImpl|Driver|Event|Exception|Impl|Internals|Iterator|Listener"
    r"|ListenerAdapter|ListenerWrapper|MakeValue|Mode|Operation|Participant|Policies|Results|Safety|Selector"
    r"|Serializer|Sorter|Spec|Stats|Storage|Wrapper)"
    r"|AtomicValue|DistributedAtomicNumber|InterProcessLock|InterProcessSemaphore|Lease|MultiItem"
    r"|MutableAtomicValue|QueueBase|QueueConsumer|Revocable|SharedCountReader|SharedValueReader|VersionedValue"
)
"""Classes of the jar that are no recipes: arguments, answers and parts of them."""


@pytest.fixture(params=["subject", "reference"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProgramRun:
    """What the program found on the server under test, and on the reference."""
    require(missing_reason())
    new_server: StartServer = request.getfixturevalue(f"new_{request.param}")

    def start(folder: Path) -> ProgramRun:
        command = java_command(folder, "curator", "CuratorRecipes")
        with new_server(settings=CLIENT_CLOCK, properties=CLIENT_PROPERTIES) as server:
            return run_program(command, server)

    return run_once(tmp_path_factory, f"curator-{request.param}", start)


@pytest.mark.parametrize("case", CASES)
def test_curator(case: str, run: ProgramRun) -> None:
    run.assert_passed(case)


def test_every_recipe_has_a_case() -> None:
    require(missing_reason())
    sources = "".join(source.read_text("utf-8") for source in sources_of("curator"))
    with zipfile.ZipFile(CURATOR_JARS[2]) as jar:
        classes = {Path(name).stem for name in jar.namelist() if name.endswith(".class") and "$" not in name}
    recipes = {name for name in classes if not PARTS.fullmatch(name)}
    assert {"LeaderLatch", "TreeCache", "InterProcessMultiLock", "DistributedIdQueue"} <= recipes
    assert not {name for name in recipes if not re.search(rf"\b{name}\b", sources)}
