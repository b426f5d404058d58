"""Runs the whole suite and prints how it went.

python -m compat_tests.kazoo_suite zoolet [MODULE ...]
python -m compat_tests.kazoo_suite java [MODULE ...]      without modules: records which tests pass
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..java_server import JavaServer, java_classpath
from .expected import EXCLUDED, PASSING_ON_JAVA_FILE
from .runner import Outcome, Target, run_with_second_chance, suite_modules, zoolet_target


def main(kind: str, chosen: list[str]) -> int:
    modules = chosen or suite_modules()
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="kazoo-shim-") as folder:
        target = _java_target() if kind == "java" else zoolet_target(Path(folder))
        for module in modules:
            run = run_with_second_chance(module, target, excluded=() if kind == "java" else EXCLUDED)
            outcomes.update(run.outcomes)
            print(f"{module}: {_count(run.outcomes.values())}", flush=True)
            if Outcome.FAILED in run.outcomes.values():
                print(run.output)
    for name, outcome in outcomes.items():
        if outcome is not Outcome.PASSED:
            print(f"{outcome.value} {name}")
    print(f"{kind} {target.version}: {_count(outcomes.values())}")
    if kind == "java" and not chosen:
        passed = sorted(name for name, outcome in outcomes.items() if outcome is Outcome.PASSED)
        PASSING_ON_JAVA_FILE.write_text("".join(f"{name}\n" for name in passed), encoding="utf-8")
    return int(Outcome.FAILED in outcomes.values())


def _java_target() -> Target:
    with JavaServer() as server:
        version = ".".join(map(str, server.version))
    return Target(version, java_classpath())


def _count(outcomes: Iterable[Outcome]) -> str:
    return ", ".join(f"{count} {outcome.value}" for outcome, count in Counter(outcomes).items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
