"""The command line of the simulation.

python -m zoolet.testing.simulation --seeds 1000             run seeds 0 to 999 on all cores
python -m zoolet.testing.simulation --seed 17 --trace        replay one, with everything that happened
python -m zoolet.testing.simulation --mutations              see that every deliberate mistake is found
"""

from __future__ import annotations

import sys

import click

from .batch import Result, run_series
from .run import simulate

DIAGRAM_LINES = 80


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", type=int, default=1, show_default=True, help="How many seeds to run.")
@click.option("--seed", type=int, default=0, show_default=True, help="The first seed.")
@click.option("--trace", is_flag=True, help="Print everything that happens (one seed).")
@click.option(
    "--lines", type=int, default=DIAGRAM_LINES, show_default=True, help="How much of it is printed."
)
@click.option("--processes", type=int, default=0, help="Runs at once; 0: one per core.")
@click.option("--minutes", type=float, default=0.0, help="Begin no run after this time.")
@click.option("--mutations", is_flag=True, help="Run the table of deliberate mistakes.")
@click.option("--mutation", default="", help="Run with this deliberate mistake.")
def main(
    seeds: int,
    seed: int,
    trace: bool,
    lines: int,
    processes: int,
    minutes: float,
    mutations: bool,
    mutation: str,
) -> None:
    """Run simulated ensembles; fails if an invariant is broken or a kind of fault was never met."""
    if mutations:
        from .mutation_search import print_table

        sys.exit(print_table(seeds if seeds > 1 else 0, processes))
    if trace or seeds == 1:
        sys.exit(_replay(seed, mutation, lines))
    series = run_series(
        range(seed, seed + seeds), processes=processes, seconds_max=minutes * 60, told=_tell_failure
    )
    click.echo(
        f"{series.runs} seeds in {series.seconds:.0f} s, {series.steps // max(series.runs, 1)} steps and"
        f" {series.committed // max(series.runs, 1)} transactions each"
    )
    for kind, count in sorted(series.counts.items()):
        click.echo(f"  {count:8}  {kind}")
    for result in series.failures:
        _tell_failure(result)
    if series.missing:
        click.echo(f"never met: {', '.join(series.missing)}")
    if series.failures:
        _replay(series.failures[0].seed, mutation, lines)
    sys.exit(1 if series.failures or series.missing else 0)


def _tell_failure(result: Result) -> None:
    if result.invariant:
        click.echo(f"seed {result.seed}: {result.invariant}: {result.detail}")


def _replay(seed: int, mutation: str, lines: int) -> int:
    """Run one seed and tell everything."""
    from .mutations import applied

    with applied(mutation):
        outcome = simulate(seed, is_told=True)
    click.echo(outcome.journal.diagram(lines))
    click.echo(
        f"seed {seed}: {outcome.steps} steps, {outcome.virtual_ms} ms, {outcome.committed} transactions,"
        f" trace {outcome.trace_hash:08x}"
    )
    if outcome.violation is None:
        return 0
    click.echo(f"violated: {outcome.violation}")
    also = f" --mutation '{mutation}'" if mutation else ""
    click.echo(f"replay: python -m zoolet.testing.simulation --seed {seed} --trace{also}")
    return 1


if __name__ == "__main__":
    main()
