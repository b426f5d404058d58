"""`zoolet check`: is a data folder whole, and what would a server make of it?

    zoolet check data                               everything verified, nothing changed
    zoolet check data logs                          dataDir and dataLogDir
    zoolet check data --repair                      cut off what keeps a server from starting

Exit code 0 if a server would start and nothing is damaged, else 1. It may be used beside a running server;
`--repair` may not, and refuses. Repair first says what will be lost, and copies every file that it is going
to change to `version-2.backup`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ...server.tools.check import Check, Finding, Level
from ...server.tools.folder import Folder, find_folder
from ...server.tools.repair import CannotRepair, RepairPlan, hold, plan_repair, repair
from ...server.tools.values import hex_text, printable
from ...storage.epoch_files import CURRENT
from ...storage.real_disk import RealDisk
from .disk_tools import absolute, console, explaining, watched_disk
from .process import EXIT_OK, EXIT_UNEXPECTED, complain, repair_command, say

if TYPE_CHECKING:
    from rich.console import Console

_STYLES: Final = {Level.GOOD: "green", Level.NOTE: "yellow", Level.BAD: "bold red"}


@click.command()
@click.argument("data_dir", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.argument("log_dir", metavar="[LOG_DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--repair", "repairs", is_flag=True, help="Cut off torn and damaged ends, keeping a copy.")
@click.option("--yes", "-y", is_flag=True, help="With --repair: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each finding.")
@click.pass_context
def check(
    context: click.Context, data_dir: Path, log_dir: Path | None, repairs: bool, yes: bool, as_json: bool
) -> None:
    """Verify a data folder, and say what a start would do with it.

    DATA_DIR and LOG_DIR are dataDir and dataLogDir of zoo.cfg; the second is not needed if they are the same.
    """
    with explaining(context):
        folder = find_folder(RealDisk(), absolute(data_dir), absolute(log_dir) if log_dir else "")
        if repairs:
            with hold(RealDisk(), folder):
                context.exit(_repair(folder, yes=yes))
        context.exit(EXIT_OK if _check(folder, as_json=as_json) else EXIT_UNEXPECTED)


def _check(folder: Folder, *, as_json: bool = False) -> bool:
    """Show every finding; whether all is well."""
    out = console()
    found: list[Finding] = []
    try:
        with watched_disk("Verifying", folder.directories, passes=4) as disk:
            checked = Check(disk, folder)
            found += checked.findings()
    finally:  # behind the bar, which would be torn by lines in between
        for finding in found:
            if as_json:
                value = {"level": finding.level.value, "subject": finding.subject, "text": finding.text}
                print(json.dumps(value, ensure_ascii=False))
            else:
                _show(finding, out)
    if not as_json:
        if checked.refusal is not None:
            say(f"A server would refuse to start. {_advice(folder)}")
        elif checked.is_bad:
            say("There is damage; see above.")
        else:
            say("All is well.")
    return not checked.is_bad


def _show(finding: Finding, out: Console) -> None:
    out.print(f"{finding.level.value:<5}", style=_STYLES[finding.level], end="")
    out.print(printable(f"{finding.subject}: {finding.text}"), markup=False)


def _repair(folder: Folder, *, yes: bool) -> int:
    disk = RealDisk()
    try:
        plan = plan_repair(disk, folder)
    except CannotRepair as error:
        complain(str(error))
        return EXIT_UNEXPECTED
    if not plan.steps:
        say("There is nothing to repair: a server would start, and no log has a torn tail.")
        return EXIT_OK
    _show_plan(folder, plan)
    if not yes and not click.confirm("Do it?"):
        say("Nothing was changed.")
        return EXIT_UNEXPECTED
    for line in repair(disk, folder, plan):
        say(line)
    return EXIT_OK if _check(folder) else EXIT_UNEXPECTED


def _show_plan(folder: Folder, plan: RepairPlan) -> None:
    recovered = plan.recovered
    say("To be done:")
    for step in plan.steps:
        say(f"  {step}")
    say(f"The history will end with zxid {hex_text(recovered.zxid)}, {recovered.node_count} nodes.")
    lost = plan.lost
    if lost:
        span = hex_text(lost[0]) if len(lost) == 1 else f"{hex_text(lost[0])} to {hex_text(lost[-1])}"
        say(f"Will be lost: {len(lost)} transactions that can still be read one by one ({span}).")
    if plan.acknowledged >= 0:
        say(f"Clients were told that everything up to zxid {hex_text(plan.acknowledged)} is safe; it is not.")
    elif plan.damaged:
        say("What cannot be read at all is lost, too; clients may have been told that it is safe.")
    elif not lost:
        say("Nothing will be lost that any client was told about.")
    if RealDisk().exists(f"{folder.snap_directory}/{CURRENT}") and (lost or plan.acknowledged >= 0):
        say(
            "This is a member of an ensemble: if most others are well, start it as it is instead, and it gets"
            " everything from the leader."
        )


def _advice(folder: Folder) -> str:
    return f"What can be saved is saved by: {repair_command(folder.data_dir, folder.log_dir)}"
