"""`zoolet restore`: a new data folder out of what `zoolet backup` wrote.

    zoolet restore backup.tar.gz data
    zoolet restore backup.tar.gz data --log-dir logs

The folder must not hold data. For a whole ensemble, restore one member's backup on all of them, each with a
`myid` of its own, which stays as it is if it is there.
"""

from __future__ import annotations

from pathlib import Path

import click

from ...server.tools.backup import restore_archive
from ...server.tools.folder import Folder
from ...server.tools.recovery import recover
from ...server.tools.values import hex_text
from ...storage.real_disk import RealDisk
from .disk_tools import absolute, explaining, watched_disk
from .process import say


@click.command()
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@click.argument("data_dir", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.option(
    "--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="dataLogDir, if there is one."
)
@click.pass_context
def restore(context: click.Context, archive: Path, data_dir: Path, log_dir: Path | None) -> None:
    """Unpack ARCHIVE into a data folder that has no data yet, and verify it."""
    with explaining(context):
        folder = Folder(absolute(data_dir), absolute(log_dir or data_dir))
        source = absolute(archive)
        with watched_disk("Unpacking", [source] if archive.exists() else []) as disk:
            made = restore_archive(disk, source, folder)
        recovered = recover(RealDisk(), folder, check_digests=True)
        say(
            f"Restored {len(made)} files to {data_dir}: zxid {hex_text(recovered.zxid)},"
            f" {recovered.node_count} nodes."
        )
