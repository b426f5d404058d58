"""A snapshot summed up: how many nodes and bytes, where they are, whose sessions, whether its digest fits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ...jute.data import OPEN_ACL
from ...storage.disk import Disk
from ...storage.file_names import StoredFile
from ...storage.snap_store import SnapStore
from ...storage.snapshot import ZxidDigest
from ...storage.tree_codec import NodeTuple
from ..data_node import DataNode, wire_owner
from ..digest import as_long, node_digest
from .values import Json, hex_text

ORDERS: Final = ("children", "bytes", "subtree")
"""By what the largest nodes can be asked for: children, bytes of data, bytes of data with all below."""

DOES_NOT_FIT: Final = "does not fit the nodes"
"""The digest's verdict that should never be."""


class NodeSize:
    """What one node takes."""

    __slots__ = ("children", "data_bytes", "descendants", "ephemeral_owner", "path", "subtree_bytes")

    def __init__(self, path: str, data_bytes: int, ephemeral_owner: int) -> None:
        self.path = path
        """"" is the root."""
        self.data_bytes = data_bytes
        self.ephemeral_owner = ephemeral_owner
        self.children = 0
        self.descendants = 0
        self.subtree_bytes = data_bytes
        """Its data and that of everything below it."""

    def as_json(self) -> Json:
        """All figures, by name."""
        return {
            "path": self.path or "/",
            "children": self.children,
            "descendants": self.descendants,
            "data_bytes": self.data_bytes,
            "subtree_bytes": self.subtree_bytes,
        }


@dataclass
class SnapshotView:
    """A snapshot that was read to its end, and is whole."""

    path: str
    zxid: int
    """Of its name; -1 if that has none."""
    compression: str
    file_bytes: int
    sessions: dict[int, int]
    """Timeout in ms by session id."""
    acls: int
    """How many ACLs there are besides the open one."""
    zxid_digest: ZxidDigest | None
    last_zxid: int | None
    digest: int
    """Of the nodes as they are here, signed."""
    nodes: dict[str, NodeSize] = field(default_factory=dict)
    """Parents before children."""

    @property
    def root(self) -> NodeSize:
        return self.nodes[""]

    @property
    def ephemerals(self) -> dict[int, int]:
        """How many nodes go with each session."""
        counts: dict[int, int] = {}
        for node in self.nodes.values():
            if wire_owner(node.ephemeral_owner):
                counts[node.ephemeral_owner] = counts.get(node.ephemeral_owner, 0) + 1
        return counts

    @property
    def digest_verdict(self) -> str:
        """What the digest at the end says about the nodes."""
        stored = self.zxid_digest
        if stored is None or not (stored.zxid or stored.digest):
            return "none is stored"
        if stored.version != 2:
            return f"of version {stored.version}, which cannot be compared"
        if stored.digest == self.digest:
            return "fits the nodes"
        if self.zxid < 0 or stored.zxid > self.zxid:
            return "of a later txn: the log has to be replayed up to there"
        return DOES_NOT_FIT

    def largest(self, order: str, count: int) -> list[NodeSize]:
        """The largest nodes by one of `ORDERS`, largest first."""
        attribute = {"children": "children", "bytes": "data_bytes", "subtree": "subtree_bytes"}[order]
        key: Callable[[NodeSize], Any] = lambda node: getattr(node, attribute)  # noqa: E731
        return [node for node in heapq.nlargest(count, self.nodes.values(), key=key) if key(node)]

    def as_json(self, top: int) -> Json:
        """The summary."""
        stored = self.zxid_digest
        owned = self.ephemerals
        return {
            "file": self.path,
            "zxid": hex_text(self.zxid) if self.zxid >= 0 else None,
            "compression": self.compression or None,
            "file_bytes": self.file_bytes,
            "nodes": len(self.nodes),
            "data_bytes": self.root.subtree_bytes,
            "acls": self.acls,
            "digest": {
                "of_nodes": hex_text(self.digest),
                "stored": hex_text(stored.digest) if stored else None,
                "stored_zxid": hex_text(stored.zxid) if stored else None,
                "version": stored.version if stored else None,
                "verdict": self.digest_verdict,
            },
            "last_zxid": hex_text(self.last_zxid) if self.last_zxid is not None else None,
            "sessions": [
                {"id": hex_text(session), "timeout_ms": timeout_ms, "ephemerals": owned.get(session, 0)}
                for session, timeout_ms in self.sessions.items()
            ],
            "largest": {order: [node.as_json() for node in self.largest(order, top)] for order in ORDERS},
        }


def read_snapshot(disk: Disk, stored: StoredFile) -> SnapshotView:
    """Read a snapshot to its end. Raises Corrupt and DiskError."""
    file = disk.open(stored.path)
    try:
        file_bytes = file.size()
    finally:
        file.close()
    nodes: dict[str, NodeSize] = {}
    digest = 0
    with SnapStore(disk, "").source(stored).open() as decoder:
        for row in decoder.nodes():
            path = row[0]
            nodes[path] = NodeSize(path, len(row[1] or b""), row[10])
            digest += node_digest(path, _node(row))
    for path, node in reversed(nodes.items()):
        parent = nodes.get(path[: path.rfind("/")]) if path else None
        if parent is not None:
            parent.children += 1
            parent.descendants += node.descendants + 1
            parent.subtree_bytes += node.subtree_bytes
    return SnapshotView(
        stored.path,
        stored.zxid,
        stored.compression,
        file_bytes,
        decoder.sessions,
        len(decoder.acls),
        decoder.zxid_digest,
        decoder.last_zxid,
        as_long(digest),
        nodes,
    )


def _node(row: NodeTuple) -> DataNode:
    return DataNode(row[1], OPEN_ACL, *row[3:])
