"""The command line of the benchmark: ``python -m bench`` from the root of the repository.

Runs every row on Java and on zoolet in turn (round by round, group by group), then prints medians and
ratios. Ends with status 1 if a row failed, 2 if nothing could be measured at all.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console

from . import ensemble_rows
from .errors import BenchError
from .kinds import DEBIAN_CLASSPATH, Java, ServerKind, Zoolet
from .lab import Lab, Pace
from .loadgen import LoadGen
from .machine import describe_machine, describe_server, filesystem_of, keep_bytecode
from .metrics import Readings
from .report import Report, format_number
from .row import Row
from .rows import ROWS, select_rows

ROUNDS, QUICK_ROUNDS = 3, 1
PACE, QUICK_PACE = Pace(run_ms=2000, warmup_ms=1000), Pace(run_ms=1000, warmup_ms=500)
_OUTPUT = click.Path(dir_okay=False, writable=True, allow_dash=True)


@click.command(context_settings={"show_default": True})
@click.option(
    "--rows", "patterns", multiple=True, metavar="PATTERN", help="Rows to run, such as get-*; repeatable."
)
@click.option("--rounds", type=click.IntRange(1, 100), help=f"Rounds; {ROUNDS}, quick {QUICK_ROUNDS}.")
@click.option("--seconds", type=click.FloatRange(0.1, 60), help="Measured interval; 2, quick 1.")
@click.option("--quick", is_flag=True, help="One short round without the long rows: just a look.")
@click.option("--list", "list_only", is_flag=True, help="Name the rows and end.")
@click.option(
    "--servers", type=click.Choice(["both", "java", "zoolet"]), default="both", help="Which to run."
)
@click.option("--java", "java_program", default="java", help="The JVM to use.")
@click.option(
    "--java-classpath", envvar="ZOOKEEPER_CLASSPATH", default=DEBIAN_CLASSPATH, help="ZooKeeper's jars."
)
@click.option("--zoolet", "zoolet_program", default=None, help="The zoolet command; else next to Python.")
@click.option(
    "-D", "--define", "defines", multiple=True, metavar="NAME=VALUE", help="A property for both servers."
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the servers' files go: a temporary directory in it is made and removed.",
)
@click.option("--json", "json_file", type=_OUTPUT, help="Write everything there; - is the standard output.")
@click.option("--markdown", "markdown_file", type=_OUTPUT, help="Write the table there.")
def main(
    patterns: tuple[str, ...],
    rounds: int | None,
    seconds: float | None,
    quick: bool,
    list_only: bool,
    servers: str,
    java_program: str,
    java_classpath: str,
    zoolet_program: str | None,
    defines: tuple[str, ...],
    directory: Path,
    json_file: str | None,
    markdown_file: str | None,
) -> None:
    """Measure zoolet beside the Java server: same machine, same disk, same requests, one after the other."""
    if list_only:
        for row in ROWS:
            click.echo(f"{row.name:32}{row.title}")
        return
    pace = QUICK_PACE if quick else PACE
    if seconds is not None:
        pace = Pace(run_ms=round(seconds * 1000), warmup_ms=pace.warmup_ms)
    kinds: list[ServerKind] = [Java(java_program, java_classpath), Zoolet(zoolet_program or _find_zoolet())]
    kinds = [kind for kind in kinds if servers in ("both", kind.name)]
    signal.signal(signal.SIGTERM, _end_by_signal)
    _raise_file_limit()
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=directory) as temporary:
        work = Path(temporary).resolve()
        if filesystem_of(work) == "tmpfs":
            console.print("warning: --dir is on a tmpfs; fsync costs nothing there", style="yellow")
        try:
            rows = select_rows(patterns, quick=quick)
            loadgen = LoadGen.compile(work)
            properties = dict(_parse_define(define) for define in defines)
        except BenchError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(2)
        keep_bytecode(work / "bytecode", os.environ)
        report = Report(
            {
                **describe_machine(work),
                **{name: version for kind in kinds for name, version in describe_server(kind).items()},
                "rounds": rounds or (QUICK_ROUNDS if quick else ROUNDS),
                "seconds per interval": pace.run_ms / 1000,
                "properties": " ".join(defines) or "none",
            }
        )
        try:
            for kind in kinds:
                _start_once(Lab(kind, loadgen, work, pace, properties), rows)
            for number in range(1, int(report.environment["rounds"]) + 1):
                for _, group in groupby(rows, key=lambda row: row.group):
                    members = list(group)
                    for kind in kinds:
                        with Lab(kind, loadgen, work, pace, properties) as lab:
                            _measure(report, lab, members, console, prefix=f"round {number}")
        except KeyboardInterrupt:
            console.print("interrupted; what was measured so far:", style="yellow")
    report.print(Console())
    for file, text in ((json_file, report.json()), (markdown_file, report.markdown())):
        if file is not None:
            with click.open_file(file, "w") as out:
                out.write(text)
    sys.exit(1 if report.failures else 0 if report.lines else 2)


def _start_once(lab: Lab, rows: list[Row]) -> None:
    """Before anything is measured: fills the page cache, and the folder of Python's bytecode.

    A member of an ensemble loads more than a server on its own.
    """
    with lab, suppress(BenchError, OSError):  # the rows will tell
        lab.fresh_server().start()
        if any(row in ensemble_rows.ROWS for row in rows):
            lab.fresh_ensemble().start()


def _measure(report: Report, lab: Lab, rows: list[Row], console: Console, *, prefix: str) -> None:
    for row in rows:
        name = f"{prefix} {lab.kind.name:6} {row.name:30}"
        try:
            readings = row.measure(lab)
        except (BenchError, OSError) as error:
            report.add_failure(row, lab.kind.name, str(error))
            console.print(f"{name} failed: {error}", style="red", markup=False, soft_wrap=True)
            lab.close()
            continue
        report.add(row, lab.kind.name, readings)
        console.print(f"{name} {_one_line(readings)}", highlight=False, markup=False, soft_wrap=True)


def _one_line(readings: Readings) -> str:
    figures = (f"{metric.label} {format_number(value)} {metric.unit}" for metric, value in readings.items())
    return ", ".join(figures)


def _find_zoolet() -> str:
    beside = Path(sys.executable).with_name("zoolet")
    return str(beside) if beside.exists() else shutil.which("zoolet") or "zoolet"


def _parse_define(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise BenchError(f"-D {text}: NAME=VALUE is needed")
    return name, value


def _raise_file_limit() -> None:
    """1,000 connections do not fit into the usual soft limit; the servers inherit ours."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_by_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Makes SIGTERM run the clean-ups that end servers and remove files."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main(prog_name="python -m bench")
