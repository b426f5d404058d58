"""One run of the proof: an ensemble of processes, clients at work, faults; then peace, and judgement.

    python -m compat_tests.quorum.linear_run --servers 5 --seconds 600 --seed 7

When the faults are over, every client must get on again, every session ends, and all members must hold the
same tree. Then the recorded history is judged. A run that fails leaves a folder: `report.txt` (what is
broken, with the operations that show it; what the nemesis did and when; the members' last lines) and
`history.jsonl`, which `--judge FOLDER/history.jsonl` judges again without running anything.

A seed decides what the nemesis and the clients want to do. When they do it is up to the machine, so a seed
repeats the plan of a run and not the run.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zoolet.testing.consistency import Timeline, check_consistency, forgive_deposed_leaders
from zoolet.testing.history import History, Operation, Outcome, Violation
from zoolet.testing.linearizability import check_registers

from ..tree_dump import dump_tree
from .ensemble import EnsembleError
from .linear_checks import check_answers, check_counters, check_ephemerals, check_sequence, check_watches
from .linear_clients import RecordedClient
from .linear_workload import (
    COUNTERS,
    LOCKS,
    REGISTERS,
    SEQUENCE,
    SESSION_TIMEOUT_S,
    Worker,
    await_progress,
    make_workers,
    prepare,
)
from .nemesis_ensemble import SYNC_LIMIT_TICKS, TICK_MS, NemesisEnsemble
from .nemesis_faults import HELD_LONG_S, HELD_S, Nemesis

EXPIRY_SLACK_MS = (SYNC_LIMIT_TICKS + 2) * TICK_MS
"""A member may be cut off from the leader for so long before it stops answering its clients."""

PROGRESS_PATIENCE_S = 30.0
LONG_RUN_S = 60.0


@dataclass
class Run:
    """What a run found."""

    composition: str
    seed: int
    violations: list[Violation] = field(default_factory=list)
    history: History = field(default_factory=History)
    forgiven: list[Operation] = field(default_factory=list)
    """Reads behind a sync that a deposed leader answered."""
    faults: Counter[str] = field(default_factory=Counter)
    diary: list[str] = field(default_factory=list)
    member_logs: str = ""

    @property
    def epochs(self) -> int:
        """How many leaders had a write acknowledged."""
        return len({op.zxid >> 32 for op in self.history.operations if op.zxid})

    @property
    def acknowledged(self) -> int:
        """How many operations had a good answer."""
        return sum(op.outcome is Outcome.OK for op in self.history.operations)

    def __str__(self) -> str:
        outcomes = Counter(op.outcome for op in self.history.operations)
        return (
            f"{self.composition} seed {self.seed}: {len(self.history.operations)} operations ("
            + ", ".join(f"{outcomes[outcome]} {outcome.value}" for outcome in Outcome)
            + f") in {self.epochs} epochs, {len(self.history.events)} watch events, "
            + f"{len(self.history.endings)} sessions ended, "
            + f"{len(self.forgiven)} syncs by deposed leaders, faults: {dict(self.faults)}, "
            + f"{len(self.violations)} violations"
        )


def judge(history: History) -> list[Violation]:
    """Everything that is promised of a history of these clients."""
    timeline = Timeline(history)
    return [
        *check_answers(history),
        *check_consistency(history, timeline),
        *check_registers(history.operations, paths=frozenset((*REGISTERS, *COUNTERS))),
        *check_counters(history, COUNTERS),
        *check_sequence(history, SEQUENCE),
        *check_ephemerals(history, slack_ms=EXPIRY_SLACK_MS),
        *check_watches(history, timeline),
    ]


def run(
    composition: str,
    *,
    seconds: float,
    seed: int,
    clients: int = 12,
    is_sync_strict: bool = False,
    say: Callable[[str], None] = print,
) -> Run:
    """Run and judge. `composition` is as for `ProcessEnsemble`, `seconds` the time with faults.

    Unless `is_sync_strict`, reads behind a sync that a deposed leader answered count as plain ones.
    """
    result = Run(composition, seed)
    say(f"linearizability: {composition}, {seconds:.0f} s, seed {seed}")
    chance = random.Random(seed)
    with NemesisEnsemble(composition) as ensemble:
        workers = make_workers(ensemble.client_hosts, random.Random(chance.getrandbits(64)), clients)
        prepare(ensemble.client_hosts, [worker.name for worker in workers]).collect(result.history)
        nemesis = Nemesis(
            ensemble,
            random.Random(chance.getrandbits(64)),
            say=result.diary.append,
            held_s=HELD_S if seconds < LONG_RUN_S else HELD_LONG_S,
        )
        try:
            for worker in workers:
                worker.begin()
            _demand_progress(result, workers)
            nemesis.begin()
            time.sleep(seconds)
            nemesis.end()
            _note_members_that_ended(result, ensemble)
            ensemble.await_settled()
            _demand_progress(result, workers)
            _end(result, workers)
            _look_at_what_is_left(result, ensemble)
        except EnsembleError as problem:
            result.violations.append(Violation("the ensemble recovers", str(problem).splitlines()[0]))
        finally:
            for worker in workers:
                worker.halt()
        result.faults = nemesis.counts
        result.member_logs = ensemble.report()
    for worker in workers:
        worker.collect(result.history)
    judged = result.history
    if not is_sync_strict:
        judged, result.forgiven = forgive_deposed_leaders(result.history)
    result.violations += judge(judged)
    say(str(result))
    return result


def _end(result: Run, workers: list[Worker]) -> None:
    for worker in workers:
        if not worker.end():
            result.violations.append(Violation("progress without faults", f"{worker.name} does not end"))
        if worker.failure is not None:
            result.violations.append(Violation("clients understand", f"{worker.name}: {worker.failure!r}"))


def _note_members_that_ended(result: Run, ensemble: NemesisEnsemble) -> None:
    for member in ensemble:
        if member.ended_by_itself:
            result.violations.append(
                Violation("members stay alive", f"{member} ended by itself with {member.exit_code}")
            )


def _demand_progress(result: Run, workers: list[Worker]) -> None:
    """Without faults, every client gets on."""
    for worker in await_progress(workers, PROGRESS_PATIENCE_S):
        result.violations.append(
            Violation(
                "progress without faults", f"{worker.name} had no good answer in {PROGRESS_PATIENCE_S} s"
            )
        )


def _look_at_what_is_left(result: Run, ensemble: NemesisEnsemble) -> None:
    """Read everything through every member, behind a sync; compare the trees."""
    readers = [RecordedClient(f"final-{member.sid}", member.hosts, timeout_s=10.0) for member in ensemble]
    for reader in readers:
        reader.start()
    try:
        _await_no_ephemerals(result, readers[0])
        for reader in readers:
            _read_everything(result, reader)
    finally:
        for reader in readers:
            reader.close_session()
            reader.collect(result.history)
    first, *others = ensemble
    expected = dump_tree(first.port)
    for member in others:
        actual = dump_tree(member.port)
        if actual != expected:
            differences = [f"{a}\n      {b}" for a, b in zip(expected, actual, strict=False) if a != b]
            result.violations.append(
                Violation(
                    "all members equal",
                    f"{first} has {len(expected)} nodes, {member} {len(actual)}; differences begin with\n"
                    f"      {differences[0] if differences else ''}",
                )
            )


def _await_no_ephemerals(result: Run, reader: RecordedClient) -> None:
    """Every session but the readers' has ended: no lock is held once the silent ones have expired."""
    deadline = time.monotonic() + SESSION_TIMEOUT_S + 10.0
    while True:
        held = reader.children("/locks", behind=reader.sync("/locks"))
        if held.wait() and held.is_ok and not held.response[0]:
            return
        if time.monotonic() > deadline:
            result.violations.append(
                Violation("ephemerals go with their session", f"still there at the end: {held.response}")
            )
            return
        time.sleep(0.1)


def _read_everything(result: Run, reader: RecordedClient) -> None:
    sync = reader.sync("/")
    listing = reader.children(SEQUENCE, behind=sync)
    listing.wait()
    names = sorted(listing.response[0]) if listing.is_ok else []
    paths = [*REGISTERS, *COUNTERS, *LOCKS, *(f"{SEQUENCE}/{name}" for name in names)]
    reads = [listing, *(reader.get(path, behind=sync) for path in paths)]
    if not all(read.wait() for read in reads) or not listing.is_ok:
        result.violations.append(
            Violation("every member answers", f"not to {reader.name}: {listing.error!r}")
        )


def write_report(result: Run, folder: Path) -> str:
    """Leave everything that is needed to understand a failed run in `folder`; returns the excerpt."""
    from .linear_report import save_history

    folder.mkdir(parents=True, exist_ok=True)
    by_promise = Counter(violation.promise for violation in result.violations)
    excerpt = "\n".join(
        (
            str(result),
            *(f"  {count} x {promise}" for promise, count in by_promise.most_common()),
            *(str(violation) for violation in result.violations[:5]),
            f"Everything is in {folder}",
        )
    )
    (folder / "report.txt").write_text(
        "\n".join(
            (
                str(result),
                "",
                *(str(violation) for violation in result.violations),
                "",
                *result.diary,
                "",
                result.member_logs,
            )
        )
    )
    save_history(result.history, folder / "history.jsonl")
    return excerpt


def failure_folder(result: Run) -> Path:
    """A new folder for a failed run's report."""
    return Path(tempfile.mkdtemp(prefix=f"linear-{result.composition}-{result.seed}-"))


def main() -> int:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m compat_tests.quorum.linear_run")
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--implementation", choices=("zoolet", "java"), default="zoolet")
    parser.add_argument("--composition", help="as JJZ; overrides the two above")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--runs", type=int, default=1, help="so many runs, with the seeds from --seed on")
    parser.add_argument("--out", type=Path, help="folder for reports, of good runs too")
    parser.add_argument("--strict-sync", action="store_true", help="forgive deposed leaders nothing")
    parser.add_argument("--judge", type=Path, metavar="HISTORY", help="judge a saved history")
    arguments = parser.parse_args()
    if arguments.judge is not None:
        from .linear_report import load_history

        history = load_history(arguments.judge)
        if not arguments.strict_sync:
            history, _ = forgive_deposed_leaders(history)
        violations = judge(history)
        print("\n".join(map(str, violations)) or "no violation")
        return 1 if violations else 0
    letter = {"zoolet": "Z", "java": "J"}[arguments.implementation]
    composition = arguments.composition or letter * arguments.servers
    first_seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    failed = 0
    for seed in range(first_seed, first_seed + arguments.runs):
        result = run(
            composition,
            seconds=arguments.seconds,
            seed=seed,
            clients=arguments.clients,
            is_sync_strict=arguments.strict_sync,
        )
        if result.violations or arguments.out:
            folder = arguments.out / f"{composition}-{seed}" if arguments.out else failure_folder(result)
            print(write_report(result, folder))
        failed += bool(result.violations)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
