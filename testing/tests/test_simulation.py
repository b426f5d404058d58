"""The simulation itself: runs by seed, what they must have met, and that a seed decides everything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from zoolet.testing.simulation.batch import EXPECTED, Result, run_series
from zoolet.testing.simulation.mutations import applied
from zoolet.testing.simulation.plan import FAULTS, choose
from zoolet.testing.simulation.run import simulate

SEEDS = 1000
"""So many are run in CI; ``python -m zoolet.testing.simulation --seeds N`` runs more."""
REPLAYED = range(40, 46)


def test_a_thousand_seeds_break_nothing_and_meet_every_kind_of_fault() -> None:
    """All invariants hold in every run, each ends with progress, and no kind of fault or event is missing."""
    failures: list[str] = []

    def told(result: Result) -> None:
        if result.invariant:
            failures.append(
                f"python -m zoolet.testing.simulation --seed {result.seed} --trace"
                f"    {result.invariant}: {result.detail}"
            )

    series = run_series(range(SEEDS), told=told)
    assert not failures, "\n".join(failures)
    assert series.runs == SEEDS
    assert series.missing == []


def hashes(hash_seed: int) -> list[str]:
    """Trace hashes of some runs in a fresh process."""
    code = (
        "from zoolet.testing.simulation.run import simulate\n"
        f"for seed in range({REPLAYED.start}, {REPLAYED.stop}): print(f'{{simulate(seed).trace_hash:08x}}')"
    )
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


def test_a_seed_decides_everything_in_whatever_process() -> None:
    first = hashes(1)
    assert first == hashes(2) == [f"{simulate(seed).trace_hash:08x}" for seed in REPLAYED]
    assert len(set(first)) == len(REPLAYED)


def test_a_run_that_is_told_is_the_same_run() -> None:
    quiet, told = simulate(48), simulate(48, is_told=True)
    assert quiet.trace_hash == told.trace_hash
    assert not quiet.journal.lines
    assert any("->" in line for line in told.journal.lines)


def test_what_a_run_changes_around_itself_is_put_back() -> None:
    from zoolet.quorum import learner_handler
    from zoolet.server import snapshot_job

    before = learner_handler.CHUNK_BYTES, snapshot_job.CHUNK_BYTES
    assert choose(2).snapshot_chunk_bytes != choose(5).snapshot_chunk_bytes
    simulate(2)
    assert before == (learner_handler.CHUNK_BYTES, snapshot_job.CHUNK_BYTES)


def test_every_kind_of_fault_is_expected_to_be_met() -> None:
    assert {f"fault: {kind}" for kind in FAULTS} <= set(EXPECTED)


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.CompletedProcess[str]]:
    yield subprocess.run(
        [sys.executable, "-m", "zoolet.testing.simulation", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_failure_says_how_to_replay_it_and_draws_what_happened() -> None:
    with command("--seed", "1", "--mutation", "ack before fsync") as done:
        assert done.returncode == 1
        assert "replay: python -m zoolet.testing.simulation --seed 1 --trace" in done.stdout
        assert "DurableBeforeAcknowledged" in done.stdout
        assert "-> " in done.stdout
        assert "PROPOSAL 0x100000001" in done.stdout


def test_a_replay_of_a_good_seed_ends_with_its_trace_hash() -> None:
    with command("--seed", "3", "--trace") as done:
        assert done.returncode == 0
        assert f"trace {simulate(3).trace_hash:08x}" in done.stdout


def test_a_violation_is_not_an_exception_that_somebody_might_handle() -> None:
    with applied("commit without a quorum"):
        violation = simulate(1).violation
    assert violation is not None
    assert not isinstance(violation, Exception)


@pytest.mark.parametrize("seed", [11, 12])
def test_seeds_have_faults_of_their_own(seed: int) -> None:
    assert choose(seed).faults != choose(seed + 100).faults
    assert choose(seed).faults == choose(seed).faults
