"""`zoolet purge LOG_DIR [SNAP_DIR] -n COUNT`: removes old snapshots and transaction logs.

As Java's `PurgeTxnLog` (`zkCleanup.sh`): the folders are those of zoo.cfg (`dataLogDir`, `dataDir`), and it
may be done while a server runs on them. What may go is decided in `storage/purge.py`.
"""

from __future__ import annotations

from pathlib import Path

import click

from ...storage.errors import StorageError
from ...storage.file_names import VERSION_DIRECTORY
from ...storage.purge import RETAIN_COUNT_MIN, carry_out, plan_purge
from ...storage.real_disk import RealDisk
from .process import EXIT_BAD_INVOCATION, EXIT_DATA_FOLDER, complain, say


@click.command()
@click.argument("log_dir", metavar="DATA_LOG_DIR", type=click.Path(path_type=Path))
@click.argument("snap_dir", metavar="[SNAP_DIR]", type=click.Path(path_type=Path), required=False)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=RETAIN_COUNT_MIN),
    required=True,
    help=f"How many snapshots stay; {RETAIN_COUNT_MIN} at the least.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.pass_context
def purge(context: click.Context, log_dir: Path, snap_dir: Path | None, count: int, dry_run: bool) -> None:
    """Remove old snapshots and the logs that nothing needs any more.

    DATA_LOG_DIR and SNAP_DIR are dataLogDir and dataDir of zoo.cfg; give one if they are the same. A server
    may be running on them.
    """
    folders = [(folder / VERSION_DIRECTORY).absolute() for folder in (snap_dir or log_dir, log_dir)]
    for folder in folders:
        if not folder.is_dir():
            complain(f"{folder.parent} is no data folder: it has no {VERSION_DIRECTORY}")
            context.exit(EXIT_BAD_INVOCATION)
    disk = RealDisk()
    try:
        plan = plan_purge(disk, str(folders[0]), str(folders[1]), count)
        if not plan.keep:
            say("Nothing was removed: no snapshot is whole, or the history is being changed.")
            return
        if dry_run:
            for stored in plan.remove:
                say(f"Would remove {stored.path}")
        else:
            for stored in carry_out(disk, plan):
                say(f"Removed {stored.path}")
        say(f"{len(plan.keep)} snapshots stay, the oldest is {plan.keep[-1].name}.")
    except StorageError as error:
        complain(str(error))
        context.exit(EXIT_DATA_FOLDER)
