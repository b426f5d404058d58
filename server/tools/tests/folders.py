"""Data folders for tests: the original's, and some of our own that are made record by record."""

from __future__ import annotations

import shutil
from pathlib import Path

from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.ids import Zxid, counter_of
from zoolet.jute.txn import CreateTxn, SetDataTxn
from zoolet.server.database import ZKDatabase, decode_payload, encode_payload
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import write_snapshot
from zoolet.server.tools.folder import Folder
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings

ROOT = Path(__file__).parents[3]
JAVA_38 = ROOT / "storage/tests/golden/java-3.8.0"
JAVA_39 = ROOT / "server/tests/golden/java-3.9.4"
SESSION = 0x1000123456789AB


def java_folder(into: Path, golden: Path = JAVA_39) -> Folder:
    """A data folder of the original's."""
    target = into / "data" / "version-2"
    target.mkdir(parents=True)
    for path in golden.iterdir():
        if path.name.startswith(("log.", "snapshot.")):
            shutil.copy(path, target)
    return Folder(str(into / "data"), str(into / "data"))


def payload(zxid: int, path: str = "/a", data: bytes = b"some data") -> bytes:
    """A setData that makes the counter of the zxid the version."""
    counter = counter_of(Zxid(zxid))
    body = SetDataTxn(path, data, counter).encode()
    return encode_payload(SESSION, counter, zxid, 1_700_000_000_000 + counter, OpCode.SET_DATA, body, None)


def create_payload(zxid: int, path: str, data: bytes | None = b"") -> bytes:
    """The create of a node that stays."""
    body = CreateTxn(path, data, OPEN_ACL, False, -1).encode()
    return encode_payload(SESSION, zxid, zxid, 1_700_000_000_000 + zxid, OpCode.CREATE, body, None)


def our_folder(into: Path, *rolls: range, snapshot_before: tuple[int, ...] = ()) -> Folder:
    """A folder of ours: one log for each range of zxids; 1 creates /a, the others set it.

    A snapshot of everything before is taken where a range begins with one of `snapshot_before`.
    """
    storage = FileTxnSnapLog(
        RealDisk(), str(into / "data"), str(into / "data"), StorageSettings(preallocate_bytes=0)
    )
    database = ZKDatabase()
    plan = storage.open()
    database.restore(plan)
    write_snapshot(storage, SnapshotJob(database))
    for zxids in rolls:
        if zxids.start in snapshot_before:
            write_snapshot(storage, SnapshotJob(database))
        storage.txn_log.roll()
        for zxid in zxids:
            content = create_payload(zxid, "/a") if zxid == 1 else payload(zxid)
            storage.txn_log.append(Zxid(zxid), content)
            header, txn, digest = decode_payload(content)
            database.apply(header.clientId, zxid, header.time, header.type, txn, digest)
        batch = storage.txn_log.take_batch()
        assert batch is not None
        batch.write()
    storage.close()
    return Folder(str(into / "data"), str(into / "data"))


def contents(folder: Folder) -> dict[str, bytes]:
    """Every file of a folder, to see that it was not touched."""
    return {
        str(path.relative_to(folder.data_dir)): path.read_bytes()
        for path in sorted(Path(folder.data_dir).rglob("*"))
        if path.is_file()
    }


def damage(path: Path, offset: int, data: bytes = b"\xff\xff\xff\xff") -> None:
    """Overwrite some bytes."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
