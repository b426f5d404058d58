"""The database comes back from disk: payloads of all ages, files of Java, damage that is said out loud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.codes import OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.errors import JuteError
from zoolet.jute.ids import Zxid
from zoolet.jute.record import Record
from zoolet.jute.tests.strategies import instances
from zoolet.jute.txn import (
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
    TxnDigest,
    TxnHeader,
)
from zoolet.server.database import ZKDatabase, decode_payload, encode_payload
from zoolet.server.digest import as_long
from zoolet.server.tests.pipeline import check_tree
from zoolet.storage.errors import Corrupt
from zoolet.storage.log_record import LogEntry
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StartingPoint

SESSION = 0x0100000000000001
GOLDEN = Path(__file__).parent / "golden" / "java-3.9.4"
STORAGE_GOLDEN = Path(__file__).parents[2] / "storage" / "tests" / "golden" / "java-3.8.0"

TXNS: dict[OpCode, type[Record]] = {
    OpCode.CREATE: CreateTxn,
    OpCode.CREATE2: CreateTxn,
    OpCode.CREATE_CONTAINER: CreateContainerTxn,
    OpCode.CREATE_TTL: CreateTTLTxn,
    OpCode.DELETE: DeleteTxn,
    OpCode.DELETE_CONTAINER: DeleteTxn,
    OpCode.SET_DATA: SetDataTxn,
    OpCode.RECONFIG: SetDataTxn,
    OpCode.SET_ACL: SetACLTxn,
    OpCode.MULTI: MultiTxn,
    OpCode.CREATE_SESSION: CreateSessionTxn,
    OpCode.CLOSE_SESSION: CloseSessionTxn,
    OpCode.ERROR: ErrorTxn,
}


def payload(opcode: int, body: bytes, *, zxid: int = 5, digest: int | None = None) -> bytes:
    return encode_payload(SESSION, 7, zxid, 1_700_000_000_000, opcode, body, digest)


class Plan:
    """A restore plan without a disk."""

    start = StartingPoint.DATA
    snapshot = None

    def __init__(self, *payloads: bytes) -> None:
        self._payloads = payloads

    def entries(self) -> Iterator[LogEntry]:
        for number, content in enumerate(self._payloads, 1):
            yield LogEntry(Zxid(number), content, "/log/version-2/log.1", 16)


def replay(*payloads: bytes) -> ZKDatabase:
    database = ZKDatabase()
    plan: Any = Plan(*payloads)
    assert database.restore(plan) == len(payloads)
    return database


# --- payloads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", TXNS)
@given(data=st.data(), with_digest=st.booleans(), digest=st.integers(-(2**70), 2**70))
@settings(max_examples=40)
def test_what_is_logged_is_read_again(
    opcode: OpCode, data: st.DataObject, with_digest: bool, digest: int
) -> None:
    txn = data.draw(instances(TXNS[opcode]))
    encoded = payload(opcode, txn.encode(), digest=digest if with_digest else None)
    header, again, found = decode_payload(encoded)
    assert header == TxnHeader(SESSION, 7, 5, 1_700_000_000_000, opcode)
    # Two empty paths look like a digest; no session owns such nodes.
    if txn != CloseSessionTxn(("", "")):
        assert found == (TxnDigest(2, as_long(digest)) if with_digest else None)
        assert again == txn


def test_every_txn_type_of_the_table_is_tried() -> None:
    from zoolet.server.ops.table import OPERATIONS

    logged = {op.opcode: op.txn for op in OPERATIONS.values() if op.txn is not None}
    logged.pop(OpCode.CHECK)  # inside a multi only
    assert logged == TXNS


def test_the_end_of_a_session_without_a_body_is_read_with_and_without_a_digest() -> None:
    """3.5 and `closeSessionTxn.enabled=false` log no paths."""
    assert decode_payload(payload(OpCode.CLOSE_SESSION, b""))[1:] == (None, None)
    assert decode_payload(payload(OpCode.CLOSE_SESSION, b"", digest=9))[1:] == (None, TxnDigest(2, 9))


def test_a_session_with_one_short_path_is_not_taken_for_a_digest() -> None:
    """Its body has the length of a digest: one path of four bytes, logged with digests switched off."""
    txn = CloseSessionTxn(("/abc",))
    assert len(txn.encode()) == 12
    _, again, digest = decode_payload(payload(OpCode.CLOSE_SESSION, txn.encode()))
    assert (again, digest) == (txn, None)


def test_a_create_of_before_3_4_has_no_parent_counter() -> None:
    old = CreateTxnV0("/a", b"data", OPEN_ACL, False)
    assert decode_payload(payload(OpCode.CREATE, old.encode()))[1] == CreateTxn(
        "/a", b"data", OPEN_ACL, False, -1
    )
    database = replay(
        payload(OpCode.CREATE, old.encode(), zxid=1),
        payload(OpCode.CREATE, CreateTxnV0("/a/b", None, None, False).encode(), zxid=2),
        payload(OpCode.CREATE, CreateTxnV0("/a/c", None, OPEN_ACL, False).encode(), zxid=3),
    )
    assert database.tree.get("/a").cversion == 2
    assert database.tree.get("/a/b").acl == ()
    check_tree(database.tree)


@pytest.mark.parametrize("opcode", [OpCode.GET_DATA, OpCode.SYNC, OpCode.AUTH, 500, -2])
def test_a_type_that_is_never_logged_is_refused(opcode: int) -> None:
    with pytest.raises(JuteError) as caught:
        decode_payload(payload(opcode, b""))
    assert str(opcode) in str(caught.value)


@given(st.binary(max_size=60), st.sampled_from(list(TXNS)))
def test_garbage_gives_a_txn_or_a_jute_error(garbage: bytes, opcode: OpCode) -> None:
    try:
        header, _, _ = decode_payload(payload(opcode, garbage))
    except JuteError:
        return
    assert header.type == opcode


# --- replay ---------------------------------------------------------------------------------------------


def test_sessions_are_those_that_were_opened_and_not_closed() -> None:
    database = replay(
        payload(OpCode.CREATE_SESSION, CreateSessionTxn(4000).encode(), zxid=1),
        encode_payload(9, 0, 2, 0, OpCode.CREATE_SESSION, CreateSessionTxn(6000).encode(), None),
        payload(OpCode.CLOSE_SESSION, CloseSessionTxn(()).encode(), zxid=3),
    )
    assert database.sessions == {9: 6000}


def test_an_error_txn_changes_nothing_but_the_zxid() -> None:
    database = replay(payload(OpCode.ERROR, ErrorTxn(-101).encode(), zxid=77))
    assert database.tree.last_processed_zxid == 77
    assert database.tree.digest == ZKDatabase().tree.digest


def test_a_failed_multi_is_not_applied() -> None:
    multi = MultiTxn(
        (
            Txn(OpCode.CREATE, CreateTxn("/a", b"", OPEN_ACL, False, 1).encode()),
            Txn(OpCode.ERROR, ErrorTxn(-101).encode()),
            Txn(OpCode.ERROR, ErrorTxn(-2).encode()),
        )
    )
    database = replay(payload(OpCode.MULTI, multi.encode(), zxid=1))
    assert "/a" not in database.tree.nodes
    assert database.tree.last_processed_zxid == 1


def test_a_tree_that_is_not_what_was_logged_is_counted() -> None:
    database = replay(
        payload(OpCode.CREATE, CreateTxn("/a", b"", OPEN_ACL, False, 1).encode(), zxid=1, digest=12345)
    )
    assert database.digest_mismatches == 1
    assert "/a" in database.tree.nodes


@pytest.mark.parametrize(
    "content",
    [
        payload(OpCode.GET_DATA, b""),
        payload(OpCode.CREATE, b"\0\0\0\x09/a"),
        payload(OpCode.SET_DATA, b""),
        payload(OpCode.DELETE, b"\xff\xff\xff\xff"),
        payload(OpCode.MULTI, b"\x7f\xff\xff\xff"),
        payload(OpCode.MULTI, MultiTxn((Txn(OpCode.CREATE, b"\0\0\0\x09/a"),)).encode()),
        payload(OpCode.MULTI, MultiTxn((Txn(OpCode.CREATE, None),)).encode()),
        payload(OpCode.MULTI, MultiTxn((Txn(99, b""),)).encode()),
        payload(OpCode.MULTI, MultiTxn((Txn(OpCode.GET_DATA, b""),)).encode()),
        payload(OpCode.MULTI, MultiTxn((Txn(OpCode.MULTI, MultiTxn(()).encode()),)).encode()),
    ],
    ids=[
        "a read",
        "cut off",
        "empty",
        "null path",
        "absurd count",
        "cut off in a multi",
        "null in a multi",
        "unknown in a multi",
        "a read in a multi",
        "a multi in a multi",
    ],
)
def test_what_cannot_be_a_txn_is_damage_with_its_place(content: bytes) -> None:
    with pytest.raises(Corrupt) as caught:
        replay(content)
    assert "/log/version-2/log.1" in str(caught.value)


# --- files of the original ------------------------------------------------------------------------------


def restore_from(folder: Path, *names: str) -> ZKDatabase:
    """A database restored from some of the golden files, on a disk in memory."""
    disk = SimDisk()
    for name in names:
        disk.put(f"/data/version-2/{name}", (folder / name).read_bytes())
    storage = FileTxnSnapLog(disk, "/data", "/data")
    try:
        database = ZKDatabase()
        database.restore(storage.open())
        return database
    finally:
        storage.close()


def test_javas_log_is_replayed_to_the_digests_java_logged() -> None:
    database = restore_from(GOLDEN, "snapshot.0", "log.1")
    assert database.digest_mismatches == 0
    assert database.tree.last_processed_zxid == 0x1A
    # What a client of that server was told: a session's nodes went with it, others stayed.
    assert sorted(database.tree.get("/").children or ()) == ["a", "auth", "cont", "ttl", "zookeeper"]
    assert sorted(database.tree.get("/a").children or ()) == ["b-0000000000", "e", "\u00e4\u6f22"]
    assert database.tree.get("/a").data == b"two two"
    assert database.tree.get("/auth").acl == (ACL(31, Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")),)
    assert database.tree.get("/cont").stat().ephemeralOwner == 0
    assert database.tree.get("/ttl").ephemeral_owner == -(1 << 56) | 60_000
    [(owner, paths)] = database.tree.ephemerals.items()
    assert (list(paths), database.sessions) == (["/a/e"], {owner: 10_000})
    check_tree(database.tree)


def test_javas_snapshot_gives_the_same_database_as_its_log() -> None:
    by_log = restore_from(GOLDEN, "snapshot.0", "log.1")
    by_snapshot = restore_from(GOLDEN, "snapshot.1a")
    both = restore_from(GOLDEN, "snapshot.1a", "log.1")
    for database in (by_snapshot, both):
        assert database.tree.digest == by_log.tree.digest
        assert database.sessions == by_log.sessions
        assert database.tree.last_processed_zxid == 0x1A
        check_tree(database.tree)
        for path, node in by_log.tree.nodes.items():
            if path != "/zookeeper/config":  # its mtime is each server's own clock
                assert database.tree.get(path).stat() == node.stat(), path
                assert database.tree.get(path).acl == node.acl


def test_files_of_3_8_are_restored_without_a_mismatch() -> None:
    for names in (("snapshot.0", "log.1", "log.11"), ("snapshot.10", "log.11")):
        database = restore_from(STORAGE_GOLDEN, *names)
        assert database.digest_mismatches == 0
        check_tree(database.tree)


def test_an_empty_folder_is_a_fresh_database(tmp_path: Path) -> None:
    storage = FileTxnSnapLog(RealDisk(), str(tmp_path), str(tmp_path))
    database = ZKDatabase()
    try:
        assert database.restore(storage.open()) == 0
    finally:
        storage.close()
    assert database.tree.last_processed_zxid == 0
    check_tree(database.tree)
