"""Payloads, logs and snapshots for tests, small and made without randomness."""

from __future__ import annotations

from zoolet.jute.codes import OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.ids import Zxid
from zoolet.jute.txn import SetDataTxn, TxnHeader
from zoolet.storage.log_record import FILE_HEADER, LogEntry, LogScanner, Verdict, frame
from zoolet.storage.snapshot import SnapshotEncoder, ZxidDigest
from zoolet.storage.tree_codec import NodeTuple

SESSION = 0x1000123456789AB
NODES: list[NodeTuple] = [
    ("", b"", -1, 0, 0, 0, 0, 0, -1, 0, 0, 0),
    ("/zookeeper", None, 1, 0, 0, 0, 0, 0, -2, 0, 0, 0),
    ("/app", b"data", 2, 5, 7, 1700000000000, 1700000000009, 3, 4, 1, 0, 9),
    ("/app/ephemeral", b"", 1, 6, 6, 1700000000001, 1700000000001, 0, 0, 0, SESSION, 6),
    ("/app/container", b"c", 1, 7, 7, 1700000000002, 1700000000002, 0, 0, 0, -(1 << 63), 7),
    ("/app/\u00e4\u6f22", bytes(range(256)), 1, 8, 8, 1700000000003, 1700000000003, 0, 0, 0, 0, 8),
]
SESSIONS = {SESSION: 30000, 5: 4000}
ACLS = {
    1: (ACL(31, Id("world", "anyone")),),
    2: (ACL(1, Id("world", "anyone")), ACL(31, Id("digest", "bob:hash"))),
}
DIGEST = ZxidDigest(9, 2, -123456789)


def payload(zxid: int, data: bytes = b"some data") -> bytes:
    """A setData transaction."""
    header = TxnHeader(SESSION, zxid & 0x7FFFFFFF, zxid, 1700000000000 + zxid, OpCode.SET_DATA)
    return header.encode() + SetDataTxn("/node", data, 1).encode()


def log_bytes(*payloads: bytes, padding: int = 0) -> bytes:
    """A whole log file."""
    return FILE_HEADER + b"".join(frame(p) for p in payloads) + bytes(padding)


def scan(content: bytes) -> tuple[list[LogEntry], Verdict]:
    """All entries of a log file in memory, and the verdict on its end."""

    def pread(length: int, offset: int) -> bytes:
        return content[offset : offset + length]

    scanner = LogScanner(pread, lambda offset: offset, len(content), "log")
    entries = list(scanner)
    assert scanner.verdict is not None
    return entries, scanner.verdict


def zxids(*values: int) -> list[Zxid]:
    return [Zxid(value) for value in values]


def snapshot_bytes(
    nodes: list[NodeTuple] = NODES,
    *,
    digest: ZxidDigest | None = DIGEST,
    last_zxid: int | None = 9,
) -> bytes:
    """A whole snapshot file."""
    encoder = SnapshotEncoder()
    encoder.start(SESSIONS, ACLS)
    for node in nodes:
        encoder.add_node(*node)
    return encoder.take_chunk() + encoder.finish(digest, last_zxid)
