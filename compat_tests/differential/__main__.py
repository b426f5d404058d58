"""Random programs on Java and on zoolet, as many as there is time for:

    python -m compat_tests.differential --seeds 1000 --operations 10000
    python -m compat_tests.differential --start 17 --seeds 1 --java-classpath "/jars/of/3.9.4/*"

At a difference it prints the seed and the first line that differs, shortens the program and prints what is
left as the source of a scenario, and ends with status 1. With --keep it plays the programs of the test suite
on a 3.9 server and keeps what the tests compare with (`random_39.txt`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..conftest import NO_SYNC
from ..java_server import JavaServer
from ..zoolet_server import ZooletServer
from .duel import RANDOM_PROPERTIES, Difference, Duel
from .kept_random import keep
from .program import Program, as_text, operation_count
from .random_program import random_program
from .shrink import shrink


def main() -> int:
    """Run; returns the exit status."""
    options = _options()
    if options.keep:
        keep(options.java_classpath)
        return 0
    with _duel(options.java_classpath) as duel:
        for seed in range(options.start, options.start + options.seeds):
            began = time.monotonic()
            program = random_program(seed, operations=options.operations, common_only=duel.spans_versions)
            difference = duel.fight(program)
            if difference is not None:
                print(f"seed {seed} differs in {difference}")
                _explain(duel, program, difference, options.patience)
                return 1
            print(f"seed {seed}: no difference in {operation_count(program)} operations", end="")
            print(f", {time.monotonic() - began:.1f} s", flush=True)
    return 0


def _explain(duel: Duel, program: Program, difference: Difference, patience_s: float) -> None:
    print("shortening ...", flush=True)
    last = difference
    deadline = time.monotonic() + patience_s

    def differs(attempt: Program) -> bool:
        nonlocal last
        if time.monotonic() > deadline:
            return False
        found = duel.fight(attempt)
        last = found or last
        return found is not None

    shortest = shrink(program, differs)
    found = duel.fight(shortest)
    if found is None:
        print(f"the difference comes and goes; when last seen it was in {last}")
        return
    print(f"{operation_count(shortest)} operations are left, which differ in {found}")
    if operation_count(shortest) < 200:
        print(as_text(shortest, "found_by_chance"))


@contextmanager
def _duel(classpath: str | None) -> Iterator[Duel]:
    with (
        JavaServer(settings=NO_SYNC, properties=RANDOM_PROPERTIES, classpath=classpath) as reference,
        ZooletServer(settings=NO_SYNC, properties=RANDOM_PROPERTIES) as subject,
    ):
        yield Duel(reference, subject)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m compat_tests.differential",
        description="Play random programs on a Java server and on zoolet until they answer differently.",
    )
    parser.add_argument("--seeds", type=int, default=20, help="how many programs (20)")
    parser.add_argument("--start", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--operations", type=int, default=10_000, help="requests in each program (10000)")
    parser.add_argument("--patience", type=float, default=120, help="seconds for shortening (120)")
    parser.add_argument("--java-classpath", help="jars of the reference (ZOOLET_JAVA_CLASSPATH, or Debian's)")
    parser.add_argument(
        "--keep", action="store_true", help="write random_39.txt anew from the reference, which must be a 3.9"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
