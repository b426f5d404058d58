"""The C client (libzookeeper-mt): waiting and asynchronous calls, watches, outages.

The same program runs against the Java server first of all to prove itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ..conftest import StartServer
from ..tools import require
from .c_program import c_command, missing_reason, sources
from .client_program import (
    CLIENT_CLOCK,
    CLIENT_PROPERTIES,
    ProgramRun,
    cases_in,
    run_once,
    run_program,
)


@pytest.fixture(params=["subject", "reference"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProgramRun:
    """What the program found on the server under test, and on the reference."""
    require(missing_reason())
    new_server: StartServer = request.getfixturevalue(f"new_{request.param}")

    def start(folder: Path) -> ProgramRun:
        command = c_command(folder)
        with new_server(settings=CLIENT_CLOCK, properties=CLIENT_PROPERTIES) as server:
            return run_program(command, server)

    return run_once(tmp_path_factory, f"c-{request.param}", start)


@pytest.mark.parametrize("case", cases_in(sources()))
def test_c_client(case: str, run: ProgramRun) -> None:
    run.assert_passed(case)
