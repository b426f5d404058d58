"""Real processes under faults keep what they promise: registers, counters, sequences, locks, watches.

Short here: one run of each size, with every kind of fault. `ZOOLET_DEEP=1` runs for minutes, and mixed
ensembles too; `python -m compat_tests.quorum.linear_run` for as long as one likes. A run has a new seed each
time, unless `ZOOLET_SEED` names one; a failure says it, and where the whole history is.
"""

from __future__ import annotations

import os
import random

import pytest

from ..conftest import require_java
from ..zoolet_server import zoolet_command
from .linear_run import failure_folder, run, write_report

IS_DEEP = os.environ.get("ZOOLET_DEEP", "0") not in ("", "0")
SECONDS = {3: 300.0, 5: 300.0} if IS_DEEP else {3: 24.0, 5: 26.0}
OPERATIONS_PER_SECOND_MIN = 20
"""So few that only an ensemble that mostly stands still falls below; on faults it may stand still for
long."""


def seed() -> int:
    return int(os.environ.get("ZOOLET_SEED") or random.SystemRandom().randrange(10**6))


def check(composition: str) -> None:
    if "J" in composition:
        require_java()
    if "Z" in composition and zoolet_command() is None:
        pytest.fail("the `zoolet` command is not installed in this environment: pip install -e .")
    seconds = SECONDS[len(composition)]
    result = run(composition, seconds=seconds, seed=seed())
    if result.violations:
        pytest.fail(write_report(result, failure_folder(result)), pytrace=False)
    assert result.epochs > 1, "no fault has ever changed the leader"
    assert result.acknowledged > seconds * OPERATIONS_PER_SECOND_MIN


@pytest.mark.parametrize("size", [3, 5])
def test_an_ensemble_under_faults_keeps_its_promises(size: int, request: pytest.FixtureRequest) -> None:
    subject = request.config.getoption("--compat-subject", default="zoolet")
    check({"zoolet": "Z", "java": "J"}[subject] * size)


@pytest.mark.skipif(not IS_DEEP, reason="needs ZOOLET_DEEP=1")
@pytest.mark.parametrize("composition", ["ZJZ", "JZJ", "JJZZZ"])
def test_a_mixed_ensemble_under_faults_keeps_its_promises(composition: str) -> None:
    check(composition)
