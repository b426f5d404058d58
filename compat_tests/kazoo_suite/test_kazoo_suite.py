"""What kazoo's own suite finds on the original it finds on zoolet."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..tools import require
from .expected import EXCLUDED, passing_on_java
from .runner import Outcome, missing_reason, module_of, run_with_second_chance, suite_modules, zoolet_target

REASON = missing_reason()


@pytest.fixture(autouse=True)
def suite_is_there() -> None:
    require(REASON)


@pytest.mark.parametrize("module", [] if REASON else suite_modules())
def test_every_test_of_kazoo_that_passes_on_java_passes_on_zoolet(module: str, tmp_path: Path) -> None:
    required = {name for name in passing_on_java() - EXCLUDED.keys() if module_of(name) == module}
    run = run_with_second_chance(module, zoolet_target(tmp_path), excluded=EXCLUDED)
    not_run = {name for name in required if run.outcomes.get(name) in (None, Outcome.SKIPPED)}
    assert not run.failed | not_run, run.output


def test_the_list_of_what_is_left_out_names_tests_that_exist_and_pass_on_java() -> None:
    assert EXCLUDED.keys() <= passing_on_java()
