"""No attack takes more memory than the budget says, and a client that behaves is served throughout.

Memory is asserted everywhere. How soon heartbeats are answered is printed (`pytest -s`), and asserted where
the machine is known to have nothing else to do: with ZOOLET_DEEP=1, which also brings more attackers for
longer. What makes it so, that nothing takes long without a pause in which pings are answered, is shown
without a clock in `server/tests/test_pauses.py` and `test_heartbeats.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ..conftest import NO_SYNC, StartServer
from ..server_process import ServerProcess
from .attacks import ATTACKS, BIG
from .frames import create
from .victim import MIB, GoodClient, Outcome, attack

GROWTH_BYTES_MAX = 128 * MIB
P99_S_MAX = 0.1
DEEP = bool(os.environ.get("ZOOLET_DEEP"))
SECONDS, SCALE = (10.0, 4) if DEEP else (2.0, 1)


@pytest.fixture
def victim(new_subject: StartServer) -> Iterator[ServerProcess]:
    """A server without a limit on connections of one address, since all attackers have the same."""
    with new_subject(settings={**NO_SYNC, "maxClientCnxns": "0"}) as server:
        client = GoodClient(server.port)
        client.ask(create("/big", bytes(BIG)))
        client.close()
        yield server


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_survived(
    name: str, victim: ServerProcess, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    """The server keeps below the tree plus 128 MB, and goes on serving a client that behaves."""
    if request.config.getoption("--compat-subject", default="zoolet") == "java":
        pytest.skip("a JVM's memory says nothing about what clients hold")
    outcome = attack(victim.pid, victim.port, name, seconds=SECONDS, scale=SCALE)
    with capsys.disabled():
        print(f"\n  {name}: {outcome}")
    assert victim.is_running
    assert outcome.growth_bytes < GROWTH_BYTES_MAX
    assert "Traceback" not in victim.output
    if DEEP:
        assert outcome.p99_s < P99_S_MAX


def test_the_figures_are_those_of_the_worst_heartbeats() -> None:
    outcome = Outcome(100, 300, [0.001] * 98 + [0.5, 0.2])
    assert outcome.growth_bytes == 200
    assert outcome.p99_s == 0.5
