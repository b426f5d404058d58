"""Files that real ZooKeeper servers wrote; see golden/README.md for how."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.data import Stat
from zoolet.jute.txn import CloseSessionTxn, CreateTxn, MultiTxn, SetDataTxn, TxnDigest, TxnHeader
from zoolet.storage.log_record import Ending, frame
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StartingPoint
from zoolet.storage.snap_store import SnapStore
from zoolet.storage.snapshot import SnapshotDecoder, SnapshotEncoder
from zoolet.storage.tests.samples import log_bytes, scan
from zoolet.storage.tree_codec import NodeTuple

GOLDEN = Path(__file__).parent / "golden"
JAVA_38 = GOLDEN / "java-3.8.0"
EXPECTED: dict[str, Any] = json.loads((JAVA_38 / "expected.json").read_text())


def decode(path: Path) -> tuple[SnapshotDecoder, dict[str, NodeTuple]]:
    store = SnapStore(RealDisk(), str(path.parent))
    [source] = [store.source(file) for file in store.stored() if file.name == path.name]
    with source.open() as decoder:
        return decoder, {node[0] or "/": node for node in decoder.nodes()}


def check_against_client(decoder: SnapshotDecoder, nodes: dict[str, NodeTuple], seen: dict[str, Any]) -> None:
    """Every node as a client saw it, but for /zookeeper, whose quota and config a client sees otherwise."""
    assert set(nodes) == set(seen)
    children = Counter(path.rpartition("/")[0] or "/" for path in nodes if path != "/")
    for path, (data_hex, wire_stat, acl) in seen.items():
        _, data, acl_id, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = nodes[path]
        stat = Stat(*wire_stat)
        assert (data or b"").hex() == data_hex
        assert (czxid, mzxid, pzxid) == (stat.czxid, stat.mzxid, stat.pzxid)
        assert (version, aversion, owner) == (stat.version, stat.aversion, stat.ephemeralOwner)
        assert cversion * 2 - children[path] == stat.cversion
        assert children[path] == stat.numChildren
        assert ctime == stat.ctime
        if path != "/zookeeper/config":  # its mtime is each server's own clock
            assert mtime == stat.mtime
        entries = decoder.acls[acl_id] if acl_id != -1 else ()
        if entries:
            assert [[entry.perms, entry.id.scheme, entry.id.id] for entry in entries] == acl


def test_java_snapshot_holds_what_its_clients_saw() -> None:
    decoder, nodes = decode(JAVA_38 / "snapshot.10")
    check_against_client(decoder, nodes, EXPECTED["at_restart"])
    assert decoder.sessions == {EXPECTED["session"]: 20000}
    assert decoder.zxid_digest is not None
    assert (decoder.zxid_digest.zxid, decoder.zxid_digest.version) == (0x10, 2)
    assert decoder.last_zxid is None


def test_java_snapshot_of_an_empty_server_has_five_nodes_less_the_double_root() -> None:
    decoder, nodes = decode(JAVA_38 / "snapshot.0")
    assert set(nodes) == {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}
    assert decoder.sessions == {}


@pytest.mark.parametrize("name", ["snapshot.10", "snapshot.10.gz", "snapshot.10.snappy"])
def test_snapshot_of_3_9_is_read_in_every_compression(name: str) -> None:
    decoder, nodes = decode(GOLDEN / "java-3.9.4" / name)
    assert decoder.last_zxid == 0x10
    assert decoder.zxid_digest is not None

    def timeless(node: NodeTuple) -> tuple[object, ...]:
        return (*node[:5], *node[7:10], bool(node[10]), node[11])

    _, of_38 = decode(JAVA_38 / "snapshot.10")
    assert {path: timeless(node)[3:] for path, node in nodes.items()} == {
        path: timeless(node)[3:] for path, node in of_38.items()
    }
    assert {path: node[1] for path, node in nodes.items()} == {p: node[1] for p, node in of_38.items()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*/snapshot.*[0-9]")), ids=lambda path: path.parent.name)
def test_java_snapshot_encodes_back_to_the_same_bytes(path: Path) -> None:
    decoder, nodes = decode(path)
    encoder = SnapshotEncoder()
    encoder.start(decoder.sessions, decoder.acls)
    for node in nodes.values():
        encoder.add_node("" if node[0] == "/" else node[0], *node[1:])
    content = encoder.take_chunk() + encoder.finish(decoder.zxid_digest, decoder.last_zxid)
    assert content == path.read_bytes()


@pytest.mark.parametrize(("name", "count"), [("log.1", 16), ("log.11", 6)])
def test_java_log_is_read_whole_and_frames_back_to_the_same_bytes(name: str, count: int) -> None:
    content = (JAVA_38 / name).read_bytes()
    entries, verdict = scan(content)
    first = int(name.partition(".")[2], 16)
    assert [entry.zxid for entry in entries] == list(range(first, first + count))
    assert verdict.ending is Ending.CLEAN_END
    assert content == log_bytes(*(entry.payload for entry in entries), padding=64)
    assert frame(entries[-1].payload) == content[entries[-1].offset : -64]


def test_java_log_holds_the_transactions_of_its_clients() -> None:
    entries, _ = scan((JAVA_38 / "log.1").read_bytes())
    types = [TxnHeader.decode(entry.payload)[0].type for entry in entries]
    assert types[0] == OpCode.CREATE_SESSION
    create, _ = CreateTxn.decode(entries[1].payload, 32)
    assert (create.path, create.data, create.ephemeral) == ("/app", b"hello", False)
    multi, end = MultiTxn.decode(entries[14].payload, 32)
    assert [txn.type for txn in multi.txns or ()] == [OpCode.CREATE, OpCode.SET_DATA, OpCode.CHECK]
    assert TxnDigest.parse(entries[14].payload[end:]).version == 2
    failed, _ = MultiTxn.decode(entries[15].payload, 32)
    assert [txn.type for txn in failed.txns or ()] == [OpCode.CREATE, OpCode.ERROR]

    entries, _ = scan((JAVA_38 / "log.11").read_bytes())
    change, _ = SetDataTxn.decode(entries[1].payload, 32)
    assert (change.path, change.data, change.version) == ("/second", b"2", 1)
    closed, _ = CloseSessionTxn.decode(entries[5].payload, 32)
    assert closed.paths2Delete == ("/gone",)


def test_directory_of_a_killed_java_server_opens(tmp_path: Path) -> None:
    shutil.copytree(JAVA_38, tmp_path / "version-2", ignore=shutil.ignore_patterns("*.json"))
    store = FileTxnSnapLog(RealDisk(), str(tmp_path), str(tmp_path))
    plan = store.open()
    assert plan.start is StartingPoint.DATA
    assert plan.snapshot is not None
    assert plan.snapshot.zxid == 0x10
    assert [entry.zxid for entry in plan.entries()] == list(range(0x11, 0x17))
    store.close()
