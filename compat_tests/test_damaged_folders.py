"""One folder, damaged in many ways, opened by Java and by zoolet: the same verdict, unless Java's is wrong.

The table says what each of them makes of it: how many of the nodes are served, or that the start is refused.
Where they differ the reason is in the row. Who refuses ends; ours with status 1 or 3, and names the file, or
the folder where something is missing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.ids import Zxid
from zoolet.jute.txn import CreateTxn
from zoolet.server.database import ZKDatabase, decode_payload, encode_payload
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import restore, write_snapshot
from zoolet.storage.log_reader import LogReader
from zoolet.storage.log_record import FRAME_BYTES
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings
from zoolet.storage.watermark import WATERMARK_FILE

from .conftest import require_java
from .java_server import JavaServer
from .server_process import ServerDidNotStart, ServerProcess, free_port
from .tree_dump import SUPER_PROPERTY, dump_tree
from .zoolet_server import ZooletServer

NODES: Final = 30
PER_LOG: Final = 10
REFUSED: Final = -1
ALL: Final = NODES


def make_folder(parent: Path, epoch: int = 0) -> None:
    """Thirty nodes in logs 1, b and 15, with a snapshot before each, as a server of ours leaves them."""
    storage = FileTxnSnapLog(RealDisk(), str(parent), str(parent), StorageSettings(preallocate_bytes=1 << 14))
    database = ZKDatabase()
    restore(storage.open(), storage, database)
    for number in range(1, NODES + 1):
        zxid = (epoch << 32) + number
        if number % PER_LOG == 1 and number > 1:
            write_snapshot(storage, SnapshotJob(database))
            storage.txn_log.roll()
        body = CreateTxn(f"/n{number:02}", bytes(range(60, 160)), OPEN_ACL, False, number + 1).encode()
        payload = encode_payload(
            0x100000000000001, number, zxid, 1_700_000_000_000, OpCode.CREATE, body, None
        )
        header, txn, _ = decode_payload(payload)
        database.apply(header.clientId, zxid, header.time, header.type, txn, None)
        storage.txn_log.append(Zxid(zxid), payload)
        batch = storage.txn_log.take_batch()
        assert batch is not None
        batch.write()
    storage.close()


class Files:
    """The folder as a vandal sees it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __getitem__(self, name: str) -> Path:
        return self.directory / name

    def record(self, zxid: int) -> tuple[Path, int, int]:
        """File, offset and end of a txn's record."""
        reader = LogReader(RealDisk(), str(self.directory), zxid)
        entry = next(iter(reader))
        reader.close()
        return Path(entry.file), entry.offset, entry.offset + len(entry.payload) + FRAME_BYTES

    def overwrite(self, path: Path, offset: int, data: bytes) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, path: Path, offset: int) -> None:
        self.overwrite(path, offset, bytes([path.read_bytes()[offset] ^ 1]))


Damage = Callable[[Files], object]


def nothing(files: Files) -> None:
    """All is well."""


def cut_last_record(files: Files) -> None:
    path, offset, _ = files.record(NODES)
    os.truncate(path, offset + 40)


def cut_last_head(files: Files) -> None:
    path, offset, _ = files.record(NODES)
    os.truncate(path, offset + 7)


def zero_last_end_mark(files: Files) -> None:
    path, _, end = files.record(NODES)
    files.overwrite(path, end - 1, b"\0")


def zero_last_record(files: Files) -> None:
    path, offset, end = files.record(NODES)
    files.overwrite(path, offset, bytes(end - offset))


def flip_body(files: Files) -> None:
    path, offset, _ = files.record(25)
    files.flip(path, offset + 60)


def flip_checksum(files: Files) -> None:
    path, offset, _ = files.record(25)
    files.flip(path, offset + 7)


def wrong_end_mark(files: Files) -> None:
    path, _, end = files.record(25)
    files.overwrite(path, end - 1, b"C")


def zero_page(files: Files) -> None:
    path, offset, _ = files.record(24)
    files.overwrite(path, offset // 512 * 512, bytes(512))


def zero_head(files: Files) -> None:
    path, offset, _ = files.record(25)
    files.overwrite(path, offset, bytes(12))


def huge_length(files: Files) -> None:
    path, offset, _ = files.record(25)
    files.overwrite(path, offset + 8, b"\x7f\xff\xff\xff")


def garbage_behind(files: Files) -> None:
    path, _, end = files.record(NODES)
    files.overwrite(path, end, b"\xff" * 100)


def half_header(files: Files) -> None:
    files["log.1f"].write_bytes(b"ZKLG\0\0\0")


def header_only(files: Files) -> None:
    files["log.1f"].write_bytes(files["log.1"].read_bytes()[:16])


def empty_log(files: Files) -> None:
    files["log.1f"].write_bytes(b"")


def wrong_magic(files: Files) -> None:
    files.overwrite(files["log.15"], 0, b"ZKSN")


def cut_newest_snapshot(files: Files) -> None:
    os.truncate(files["snapshot.14"], 300)


def empty_newest_snapshot(files: Files) -> None:
    os.truncate(files["snapshot.14"], 0)


def flip_newest_snapshot(files: Files) -> None:
    files.flip(files["snapshot.14"], 200)


def no_newest_snapshot(files: Files) -> None:
    files["snapshot.14"].unlink()


def no_snapshots(files: Files) -> None:
    for path in files.directory.glob("snapshot.*"):
        path.unlink()


def empty_snapshots(files: Files) -> None:
    for path in files.directory.glob("snapshot.*"):
        os.truncate(path, 0)


def only_first_snapshot_without_second_log(files: Files) -> None:
    files["snapshot.a"].unlink()
    files["snapshot.14"].unlink()
    files["log.b"].unlink()


def no_newest_log(files: Files) -> None:
    files["log.15"].unlink()


def leftovers(files: Files) -> None:
    for name in ("currentEpoch.tmp", "new.log.15", "new.snapshot.1e", "old.log.15", "acceptedEpoch.tmp"):
        files[name].write_bytes(b"half of")


def copy_of_a_log(files: Files) -> None:
    shutil.copy(files["log.b"], files["log.b.bak"])


class Row(NamedTuple):
    """One damage, and how many nodes each server serves then."""

    damage: Damage
    java: int
    zoolet: int
    marked: bool = False
    """Whether `.zoolet.synced` is there, as in our folders; Java's have none."""
    reason: str = ""
    """Why the verdicts differ."""
    trust_empty: bool = False
    java_39: int | None = None
    """Where 3.9 differs from 3.8."""


ROWS: Final = [
    Row(nothing, ALL, ALL),
    Row(nothing, ALL, ALL, marked=True),
    Row(cut_last_record, ALL - 1, ALL - 1),
    Row(cut_last_record, ALL - 1, REFUSED, marked=True, reason="it was acknowledged: the mark says so"),
    Row(cut_last_head, ALL - 1, ALL - 1),
    Row(zero_last_end_mark, ALL - 1, ALL - 1),
    Row(zero_last_record, ALL - 1, ALL - 1),
    Row(zero_last_record, ALL - 1, REFUSED, marked=True, reason="it was acknowledged: the mark says so"),
    Row(flip_body, REFUSED, REFUSED),
    Row(flip_checksum, REFUSED, REFUSED),
    Row(wrong_end_mark, 24, REFUSED, reason="silent loss"),
    Row(zero_page, 22, REFUSED, reason="silent loss"),
    Row(zero_head, 24, REFUSED, reason="silent loss"),
    Row(huge_length, REFUSED, REFUSED),
    Row(garbage_behind, REFUSED, REFUSED),
    Row(garbage_behind, REFUSED, ALL, marked=True, reason="nobody was told about it: a crash can leave that"),
    Row(half_header, REFUSED, REFUSED),
    Row(header_only, ALL, ALL),
    Row(empty_log, REFUSED, ALL, java_39=ALL, reason="3.8 refuses, 3.9 does not"),
    Row(wrong_magic, REFUSED, REFUSED),
    Row(cut_newest_snapshot, ALL, ALL),
    Row(empty_newest_snapshot, ALL, ALL),
    Row(flip_newest_snapshot, ALL, ALL),
    Row(no_newest_snapshot, ALL, ALL),
    Row(no_snapshots, REFUSED, REFUSED),
    Row(no_snapshots, ALL, ALL, trust_empty=True),
    Row(empty_snapshots, REFUSED, REFUSED),
    Row(empty_snapshots, ALL, ALL, trust_empty=True),
    Row(only_first_snapshot_without_second_log, 20, REFUSED, reason="a hole in the history"),
    Row(no_newest_log, 20, 20),
    Row(no_newest_log, 20, REFUSED, marked=True, reason="it was acknowledged: the mark says so"),
    Row(leftovers, ALL, ALL),
    Row(copy_of_a_log, ALL, ALL),
]


def name_of(row: Row) -> str:
    marks = (", marked" if row.marked else "") + (", trusted" if row.trust_empty else "")
    return row.damage.__name__.replace("_", " ") + marks


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("whole")
    make_folder(parent)
    return parent


@pytest.fixture(scope="module")
def java_version() -> tuple[int, ...]:
    require_java()
    with JavaServer() as server:
        return server.version


def damaged_copy(whole: Path, row: Row, target: Path) -> Path:
    shutil.copytree(whole, target)
    files = Files(target / "version-2")
    if not row.marked:
        files[WATERMARK_FILE].unlink()
    row.damage(files)
    return target


def verdict(server: ServerProcess) -> tuple[int, str]:
    """How many nodes are served, or `REFUSED`; and the output."""
    try:
        server.start()
    except ServerDidNotStart as error:
        if not str(error).startswith("exit code "):
            raise  # it is silent, which is no verdict
        return REFUSED, str(error)
    lines = dump_tree(server.port)
    return sum(line.startswith("'/n") for line in lines), server.output


def verdicts(
    make: Callable[[Path], Path], home: Path, settings: Mapping[str, str], properties: Mapping[str, str]
) -> tuple[int, int]:
    """Java's and ours on a folder of their own each."""
    found = []
    for kind in (JavaServer, ZooletServer):
        folder = make(home / kind.__name__)
        server = kind(data_dir=folder, settings=settings, properties=properties)
        try:
            served, output = verdict(server)
        finally:
            server.close()
        found.append(served)
        if kind is ZooletServer and served == REFUSED:
            assert re.match("exit code [13]:", output)
            assert re.search(rf"{folder}/version-2(/(log|snapshot|acceptedE|currentE)|: )", output)
            assert "Traceback" not in output
    java, zoolet = found
    return java, zoolet


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_both_come_to_the_verdict_in_the_table(
    row: Row, whole: Path, java_version: tuple[int, ...], tmp_path: Path
) -> None:
    properties = {**SUPER_PROPERTY, "zookeeper.snapshot.trust.empty": str(row.trust_empty).lower()}
    java, zoolet = verdicts(lambda folder: damaged_copy(whole, row, folder), tmp_path, {}, properties)
    java_due = row.java if row.java_39 is None or java_version < (3, 9) else row.java_39
    assert (java, zoolet) == (java_due, row.zoolet)


# --- epoch files, which only members of an ensemble read ----------------------------------------------------


class Epochs(NamedTuple):
    """The files beside a history of epoch 1; None: missing."""

    accepted: bytes | None
    current: bytes | None
    java: int
    zoolet: int
    reason: str = ""
    temporary: bytes | None = None
    """`currentEpoch.tmp`, in which the original sees that a crash came in between."""


EPOCHS: Final = {
    "good": Epochs(b"1", b"1", ALL, ALL),
    "with a newline": Epochs(b"1\n", b"1\n", ALL, ALL),
    "both missing": Epochs(None, None, ALL, ALL),
    "current missing": Epochs(b"1", None, ALL, ALL),
    "accepted missing": Epochs(None, b"1", ALL, ALL),
    "current empty": Epochs(b"1", b"", REFUSED, REFUSED),
    "accepted empty": Epochs(b"", b"1", REFUSED, REFUSED),
    "current no number": Epochs(b"1", b"one", REFUSED, REFUSED),
    "accepted below current": Epochs(b"1", b"2", REFUSED, REFUSED),
    "both behind the data": Epochs(b"0", b"0", REFUSED, REFUSED),
    "current behind": Epochs(b"1", b"0", REFUSED, ALL, reason="a crash at a bad moment is not damage"),
    "current behind, half renamed": Epochs(b"1", b"0", ALL, ALL, temporary=b"1"),
}


@pytest.fixture(scope="module")
def whole_of_epoch_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("epoch-1")
    make_folder(parent, epoch=1)
    return parent


@pytest.mark.parametrize("name", EPOCHS)
def test_both_come_to_the_same_verdict_on_epoch_files(
    name: str, whole_of_epoch_1: Path, tmp_path: Path
) -> None:
    require_java()
    row = EPOCHS[name]

    def make(folder: Path) -> Path:
        shutil.copytree(whole_of_epoch_1, folder)
        (folder / "myid").write_text("1")
        files = {
            "acceptedEpoch": row.accepted,
            "currentEpoch": row.current,
            "currentEpoch.tmp": row.temporary,
        }
        for file, content in files.items():
            if content is not None:
                (folder / "version-2" / file).write_bytes(content)
        return folder

    ensemble = {
        "server.1": f"127.0.0.1:{free_port()}:{free_port()}",
        "standaloneEnabled": "false",
        "initLimit": "10",
        "syncLimit": "5",
    }
    # Left to itself a member of ours with damage would wait for a leader to send it everything.
    properties = {**SUPER_PROPERTY, "zoolet.refetchDamagedData": "false"}
    assert verdicts(make, tmp_path, ensemble, properties) == (row.java, row.zoolet)


def test_every_difference_has_a_reason() -> None:
    rows: dict[str, Row | Epochs] = {**{name_of(row): row for row in ROWS}, **EPOCHS}
    assert [name for name, row in rows.items() if (row.java != row.zoolet) != bool(row.reason)] == []
