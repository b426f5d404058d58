"""The Node client (node-zookeeper-client): every call, watches, transactions, outages.

The same program runs against the Java server first of all to prove itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ..conftest import StartServer
from .client_program import (
    CLIENT_CLOCK,
    CLIENT_PROPERTIES,
    ProgramRun,
    cases_in,
    run_once,
    run_program,
)
from .node_program import PROGRAM, missing_reason, node_command


@pytest.fixture(params=["subject", "reference"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ProgramRun:
    """What the program found on the server under test, and on the reference."""
    reason = missing_reason()
    if reason is not None:
        pytest.skip(reason)
    new_server: StartServer = request.getfixturevalue(f"new_{request.param}")

    def start(folder: Path) -> ProgramRun:
        command = node_command(folder)
        with new_server(settings=CLIENT_CLOCK, properties=CLIENT_PROPERTIES) as server:
            return run_program(command, server)

    return run_once(tmp_path_factory, f"node-{request.param}", start)


@pytest.mark.parametrize("case", cases_in([PROGRAM]))
def test_node_client(case: str, run: ProgramRun) -> None:
    run.assert_passed(case)
