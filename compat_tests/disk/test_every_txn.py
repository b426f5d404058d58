"""Logs made by hand: every type of txn, and the forms of old versions, mean the same to both servers.

Some of these no client can cause on a server of its own (reconfig), some only an older version would write (a
create without the parent's counter, the end of a session without its list, all of it without digests).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.record import Record
from zoolet.jute.txn import (
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    CreateTxnV0,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
    Txn,
)
from zoolet.server.database import encode_payload
from zoolet.server.ops.table import OPERATIONS
from zoolet.storage.file_names import list_logs
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.txn_log import TxnLog

from ..comparison import assert_same_lines
from ..conftest import StartServer
from ..differential.scenarios_acl import ALICE
from ..quorum.raw_session import RawSession
from ..tree_dump import SUPER_PROPERTY, dump_tree
from .commands import txn_log_toolkit, zoolet
from .life import Place, assert_digests_agree, assert_reads_well, served_sessions, served_zxid
from .workload import CLOCK, PROVIDERS

STAYS, LISTED, BARE = 0x1000_0000_0001, 0x1000_0000_0002, 0x1000_0000_0003
"""A session that lives on, one that was closed with the list of its ephemerals, and one without."""

TIME_MS = 1_500_000_000_000
CONFIG = b"server.1=localhost:2888:3888:participant;0.0.0.0:2181\nversion=100000001"


def create(path: str, data: bytes | None = b"", *, ephemeral: bool = False, cversion: int = 1) -> CreateTxn:
    return CreateTxn(path, data, OPEN_ACL, ephemeral, cversion)


def sub(opcode: OpCode, record: Record) -> Txn:
    return Txn(opcode, record.encode())


def multi(*subs: Txn) -> MultiTxn:
    return MultiTxn(subs)


EVERY: list[tuple[int, OpCode, Record | None]] = [
    (STAYS, OpCode.CREATE_SESSION, CreateSessionTxn(90_000)),
    (LISTED, OpCode.CREATE_SESSION, CreateSessionTxn(30_000)),
    (BARE, OpCode.CREATE_SESSION, CreateSessionTxn(30_000)),
    (STAYS, OpCode.CREATE, create("/a", b"1")),
    (STAYS, OpCode.CREATE2, create("/b", None, cversion=2)),
    (STAYS, OpCode.CREATE, CreateTxnV0("/old", b"no counter", OPEN_ACL, False)),
    (STAYS, OpCode.CREATE, create("/mine", ephemeral=True, cversion=4)),
    (LISTED, OpCode.CREATE, create("/a/listed-0", ephemeral=True)),
    (LISTED, OpCode.CREATE, create("/a/listed-1", ephemeral=True, cversion=2)),
    (BARE, OpCode.CREATE, create("/a/bare-0", ephemeral=True, cversion=3)),
    (BARE, OpCode.CREATE, CreateTxnV0("/a/bare-1", b"", OPEN_ACL, True)),
    (STAYS, OpCode.CREATE_CONTAINER, CreateContainerTxn("/box", b"c", OPEN_ACL, 5)),
    (STAYS, OpCode.CREATE_CONTAINER, CreateContainerTxn("/gone-box", None, OPEN_ACL, 6)),
    (0, OpCode.DELETE_CONTAINER, DeleteTxn("/gone-box")),
    (STAYS, OpCode.CREATE_TTL, CreateTTLTxn("/timed", b"t", OPEN_ACL, 7, (1 << 40) - 1)),
    (STAYS, OpCode.SET_DATA, SetDataTxn("/a", b"2", 1)),
    (STAYS, OpCode.SET_DATA, SetDataTxn("/a", None, 2)),
    (STAYS, OpCode.SET_ACL, SetACLTxn("/b", (ALICE, *OPEN_ACL), 1)),
    (STAYS, OpCode.ERROR, ErrorTxn(ErrorCode.NO_NODE)),
    (0, OpCode.RECONFIG, SetDataTxn("/zookeeper/config", CONFIG, -1)),
    (
        STAYS,
        OpCode.MULTI,
        multi(
            sub(OpCode.CHECK, CheckVersionTxn("/a", 2)),
            sub(OpCode.CREATE, create("/m", b"m", cversion=8)),
            sub(OpCode.CREATE, create("/m/mine", ephemeral=True)),
            sub(OpCode.CREATE_CONTAINER, CreateContainerTxn("/m/box", b"", OPEN_ACL, 2)),
            sub(OpCode.CREATE_TTL, CreateTTLTxn("/m/box/timed", b"", OPEN_ACL, 1, 86_400_000)),
            sub(OpCode.SET_DATA, SetDataTxn("/m", b"n", 1)),
            sub(OpCode.CREATE, create("/m/gone", cversion=3)),
            sub(OpCode.DELETE, DeleteTxn("/m/gone")),
        ),
    ),
    (STAYS, OpCode.MULTI, multi()),
    (
        STAYS,
        OpCode.MULTI,
        multi(
            sub(OpCode.CREATE, create("/never", cversion=9)),
            sub(OpCode.ERROR, ErrorTxn(ErrorCode.BAD_VERSION)),
            sub(OpCode.ERROR, ErrorTxn(ErrorCode.RUNTIME_INCONSISTENCY)),
        ),
    ),
    (STAYS, OpCode.CREATE, create("/a/x", cversion=5)),
    (STAYS, OpCode.DELETE, DeleteTxn("/a/x")),
    (LISTED, OpCode.CLOSE_SESSION, CloseSessionTxn(("/a/listed-0", "/a/listed-1"))),
    (BARE, OpCode.CLOSE_SESSION, None),
]


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder with a snapshot of an empty tree, and the log."""
    with tempfile.TemporaryDirectory(prefix="compat-txns-") as temporary:
        golden = Path(__file__).parents[2] / "storage/tests/golden/java-3.8.0/snapshot.0"
        directory = Path(temporary) / "version-2"
        directory.mkdir()
        shutil.copy(golden, directory)
        log = TxnLog(RealDisk(), str(directory), preallocate_bytes=65536)
        for zxid, (session, kind, record) in enumerate(EVERY, 1):
            body = b"" if record is None else record.encode()
            log.append(zxid, encode_payload(session, zxid, zxid, TIME_MS + zxid, kind, body, None))  # type: ignore[arg-type]
        batch = log.take_batch()
        assert batch is not None
        batch.write()
        log.close()
        yield Place(Path(temporary), Path(temporary))


def test_every_type_that_a_log_can_hold_is_there() -> None:
    alone = {kind for _, kind, _ in EVERY}
    together = {
        sub.type for _, _, record in EVERY if isinstance(record, MultiTxn) for sub in record.txns or ()
    }
    assert alone == {row.opcode for row in OPERATIONS.values() if row.txn} - {OpCode.CHECK}
    # Java 3.8 passes over a multi with a create2; 3.9 writes it.
    parts = {row.opcode for row in OPERATIONS.values() if row.txn and row.in_multi} | {OpCode.ERROR}
    assert together == parts - {OpCode.CREATE2}


def test_both_make_the_same_tree_of_it(
    new_subject: StartServer, new_reference: StartServer, place: Place
) -> None:
    assert_reads_well(place)
    trees, configs = [], []
    for name, make in (("one", new_subject), ("other", new_reference)):
        folder = place.data_dir / name
        shutil.copytree(place.data_dir / "version-2", folder / "version-2")
        with make(settings=CLOCK, properties={**SUPER_PROPERTY, **PROVIDERS}, data_dir=folder) as server:
            assert served_zxid(server) == len(EVERY)
            assert served_sessions(server) == {STAYS}
            trees.append(dump_tree(server.port))
            assert_digests_agree(server)
            with RawSession(server.port) as session:
                configs.append(session.get("/zookeeper/config").data)
                session.end()
    assert_same_lines(trees[0], trees[1], "both make the same of it")
    paths = [re.match(r"'([^']*)'", line)[1] for line in trees[0]]  # type: ignore[index]
    assert [path for path in paths if not path.startswith("/zookeeper")] == [
        *("/", "/a", "/b", "/box", "/m", "/mine", "/old", "/timed", "/m/box", "/m/mine", "/m/box/timed"),
    ]
    assert configs == [CONFIG, CONFIG]


def test_the_tools_of_both_show_it(new_reference: StartServer, place: Place) -> None:
    theirs = txn_log_toolkit(place.logs[0])
    assert [txn.zxid for txn in theirs] == list(range(1, len(EVERY) + 1))
    shown = zoolet("log", str(place.logs[0])).splitlines()
    assert [line.split()[0] for line in shown] == [hex(txn.zxid) for txn in theirs]
    assert [line.split("  ")[4].split(" ")[0] for line in shown] == [txn.type for txn in theirs]
    assert len(list_logs(RealDisk(), str(place.data_dir / "version-2"))) == 1
