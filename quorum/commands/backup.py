"""`zoolet backup`: a copy of a data folder in one file, which a server can be started from.

    zoolet backup data backup.tar.gz                also while a server runs on it
    zoolet restore backup.tar.gz fresh

The archive is read back before the command ends with 0: unpacked beside it, started from in memory, and
removed again.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from ...server.tools.backup import back_up, restore_archive
from ...server.tools.folder import Folder, find_folder
from ...server.tools.recovery import recover
from ...server.tools.values import hex_text
from ...storage.file_names import UNDER_CONSTRUCTION
from ...storage.real_disk import RealDisk
from .disk_tools import absolute, bytes_text, explaining, watched_disk
from .process import StopSignals, say


@click.command()
@click.argument("data_dir", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@click.option(
    "--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="dataLogDir, if there is one."
)
@click.pass_context
def backup(context: click.Context, data_dir: Path, archive: Path, log_dir: Path | None) -> None:
    """Copy a data folder into ARCHIVE, and read it back.

    A server may be running on the folder. The archive is compressed if its name ends in .gz or .tgz.
    """
    with explaining(context):
        folder = find_folder(RealDisk(), absolute(data_dir), absolute(log_dir) if log_dir else "")
        unfinished = archive.absolute().with_name(f"{UNDER_CONSTRUCTION}{archive.name}")
        stop = context.find_object(StopSignals) or StopSignals()
        stop.at_sudden_end.append(lambda: unfinished.unlink(missing_ok=True))
        with watched_disk("Copying", folder.directories, passes=2) as disk:
            names = back_up(disk, folder, absolute(archive))
        try:
            zxid, node_count = _read_back(archive.absolute(), stop)
        except BaseException:
            archive.unlink(missing_ok=True)
            raise
        size = bytes_text(archive.stat().st_size)
        say(f"Wrote {archive}: {len(names)} files, {size}; zxid {hex_text(zxid)}, {node_count} nodes.")


def _read_back(archive: Path, stop: StopSignals) -> tuple[int, int]:
    """Last zxid and number of nodes of what a server would find."""
    unpacked = tempfile.mkdtemp(prefix=f".{archive.name}-", dir=archive.parent)
    stop.at_sudden_end.append(lambda: shutil.rmtree(unpacked, ignore_errors=True))
    try:
        folder = Folder(unpacked, unpacked)
        with watched_disk("Verifying", [str(archive)]) as disk:
            restore_archive(disk, str(archive), folder)
            recovered = recover(disk, folder, check_digests=True)
        return recovered.zxid, recovered.node_count
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
