"""ZKDatabase: the tree, the sessions, and how both come back from disk.

A txn payload, as the log and proposals carry it, is a 32-byte header, the txn's record, and (with digests
on, and not behind an error) twelve bytes of tree digest. Here it is taken apart, applied, and put together.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from ..jute.codes import DIGEST_VERSION, OpCode
from ..jute.errors import JuteError, Truncated
from ..jute.ids import Zxid, hex64
from ..jute.txn import CreateTxn, CreateTxnV0, TxnDigest, TxnHeader
from ..storage.errors import Corrupt
from ..storage.snap_log import RestorePlan, StartingPoint
from .data_tree import DataTree
from .digest import as_long
from .errors import KeeperError, NoNode
from .metrics import ServerMetrics
from .ops.context import TxnContext
from .ops.table import OPERATIONS

_HEADER: Final = Struct(">qiqqi")
_DIGEST: Final = Struct(">iq")
_VERSION: Final = DIGEST_VERSION.to_bytes(4, "big")
_log = logging.getLogger(__name__)

DIGEST_LOG_MASK: Final = 127
"""Digests are kept of zxids without these bits: every 128th (``DataTree.DIGEST_LOG_INTERVAL``)."""
DIGEST_LOG_LIMIT: Final = 1024
"""How many are kept."""


def encode_payload(
    session_id: int, cxid: int, zxid: int, time_ms: int, txn_type: int, body: bytes, digest: int | None
) -> bytes:
    """Bytes of one txn for the log: header, encoded record, digest (None: none).

    The digest comes as the running sum that trees and change records keep.
    """
    header = _HEADER.pack(session_id, cxid, zxid, time_ms, txn_type)
    if digest is None:
        return header + body
    return header + body + _DIGEST.pack(DIGEST_VERSION, as_long(digest))


def decode_payload(payload: bytes) -> tuple[TxnHeader, Any, TxnDigest | None]:
    """Take a payload apart. Raises JuteError for anything that is no txn."""
    session_id, cxid, zxid, time_ms, kind, txn, digest = read_payload(payload)
    header = TxnHeader(session_id, cxid, zxid, time_ms, kind)
    return header, txn, None if digest is None else TxnDigest(*digest)


def read_payload(payload: bytes) -> tuple[int, int, int, int, int, Any, tuple[int, int] | None]:
    """The same, for broadcasts: the header's fields, the txn, version and value of the digest.

    Quirks of old logs: a create without the parent's counter, a closeSession without a body.
    """
    if len(payload) < _HEADER.size:
        TxnHeader.decode(payload)  # says what is missing
    session_id, cxid, zxid, time_ms, kind = _HEADER.unpack_from(payload)
    operation = OPERATIONS.get(kind)
    if operation is None or operation.txn is None:
        raise JuteError("TxnHeader", "type", 28, f"no txn has type {kind}")
    txn: Any = None
    offset = _HEADER.size
    if kind != OpCode.CLOSE_SESSION or not _is_bare(payload):
        try:
            txn, offset = operation.txn.decode(payload, offset)
        except Truncated:
            if operation.txn is not CreateTxn:
                raise
            old, offset = CreateTxnV0.decode(payload, offset)
            txn = CreateTxn(old.path, old.data, old.acl, old.ephemeral, -1)
    digest = _DIGEST.unpack_from(payload, offset) if len(payload) - offset >= _DIGEST.size else None
    return session_id, cxid, zxid, time_ms, kind, txn, digest


def _is_bare(payload: bytes) -> bool:
    """Whether there is nothing between the header and the digest, or the end."""
    body = payload[_HEADER.size :]
    return not body or (len(body) == _DIGEST.size and body.startswith(_VERSION))


class ZKDatabase:
    """Tree and session table of one server.

    Args:
        digest_enabled: keep and compare tree digests.
    """

    def __init__(self, *, digest_enabled: bool = True) -> None:
        self.tree = DataTree.fresh(digest_enabled=digest_enabled)
        self.sessions: dict[int, int] = {}
        """Timeout in ms by session id, as applied."""
        self.digest_mismatches = 0
        self.metrics = ServerMetrics()
        self.clock: Callable[[], int] = lambda: 0
        """Time in ms, to measure by how long restoring takes; a shell sets it."""
        self.digest_log: deque[tuple[int, int]] = deque(maxlen=DIGEST_LOG_LIMIT)
        """Zxid and digest of the tree at every 128th zxid, oldest first; what ``hash`` answers."""
        self._context = TxnContext(self.tree, OPERATIONS)
        self._digest_from_zxid = 0

    def adopt(self, tree: DataTree, sessions: dict[int, int]) -> None:
        """Become what another server sent."""
        self.tree = tree
        self.sessions = sessions
        self._context = TxnContext(tree, OPERATIONS)
        self._digest_from_zxid = 0
        self.digest_log.clear()

    def clear(self) -> None:
        """Forget tree and sessions (``ZKDatabase.clear``); what was counted goes on."""
        self.adopt(DataTree.fresh(digest_enabled=self.tree.digest_enabled), {})

    def reset_metrics(self) -> None:
        """Every count starts again (``srst``)."""
        self.metrics.reset()
        self.digest_mismatches = 0
        for fired in self.tree.watches.fired:
            fired.reset()

    def restore(self, plan: RestorePlan, replayed_txn: Callable[[int, bytes], None] | None = None) -> int:
        """Rebuild tree and sessions from disk; returns how many txns were replayed.

        ``replayed_txn`` is told zxid and payload of each.
        Raises StorageError (``Corrupt`` names file, offset and zxid) when that can't be done truthfully.
        """
        clock, observe = self.clock, self.metrics.observe
        began_ms = clock()
        if plan.snapshot is not None:
            self._load_snapshot(plan)
        loaded_ms = clock()
        observe("startup_snap_load_time", loaded_ms - began_ms)
        replayed = 0
        if plan.start is StartingPoint.DATA:
            for entry in plan.entries():
                if replayed and entry.zxid <= self.tree.last_processed_zxid:
                    continue  # Java's followers sometimes log a txn twice while they are synchronised
                try:
                    header, txn, digest = decode_payload(entry.payload)
                    self.apply(header.clientId, header.zxid, header.time, header.type, txn, digest)
                except JuteError as error:
                    raise Corrupt(entry.file, entry.offset, entry.zxid, str(error)) from None
                if replayed_txn is not None:
                    replayed_txn(entry.zxid, entry.payload)
                replayed += 1
            observe("startup_txns_loaded", replayed)
            observe("startup_txns_load_time", clock() - loaded_ms)
        self._drop_orphans()
        observe("dbinittime", clock() - began_ms)
        return replayed

    def _load_snapshot(self, plan: RestorePlan) -> None:
        assert plan.snapshot is not None
        tree = DataTree(digest_enabled=self.tree.digest_enabled)
        with plan.snapshot.open() as decoder:
            self.sessions = dict(decoder.sessions)
            tree.acls.load(decoder.acls)
            try:
                tree.load_rows(decoder.nodes())
            except NoNode as orphan:
                raise Corrupt(
                    plan.snapshot.path, 0, plan.snapshot.zxid, f"{orphan} comes before its parent"
                ) from None
            if decoder.zxid_digest is not None:
                self._digest_from_zxid = decoder.zxid_digest.zxid
        if "" not in tree.nodes:
            raise Corrupt(plan.snapshot.path, 0, plan.snapshot.zxid, "there is no root")
        tree.finish_loading()
        tree.last_processed_zxid = Zxid(plan.snapshot.zxid)
        self.tree = tree
        self._context = TxnContext(tree, OPERATIONS)

    def _drop_orphans(self) -> None:
        """Ephemerals of sessions that are in no table go, as in ``ZooKeeperServer.loadData``."""
        for session_id in [owner for owner in self.tree.ephemerals if owner not in self.sessions]:
            self.tree.kill_session(session_id, self.tree.last_processed_zxid, None)

    def apply(
        self, session_id: int, zxid: int, time_ms: int, txn_type: int, txn: Any, digest: TxnDigest | None
    ) -> None:
        """Apply a txn that nobody waits for: replay, or a learner's commit.

        Errors are what a fuzzy snapshot makes of a txn it already holds, and are passed over.
        """
        context = self._context
        context.session_id = session_id
        context.zxid = zxid
        context.time_ms = time_ms
        operation = OPERATIONS[txn_type]
        assert operation.apply is not None
        try:
            operation.apply(context, txn)
        except KeeperError as error:
            _log.debug("txn 0x%s: %r", hex64(zxid), error)
        self.note_session(session_id, txn_type, txn)
        self.tree.last_processed_zxid = Zxid(max(zxid, self.tree.last_processed_zxid))
        if digest is not None:
            self.compare_digest(zxid, digest.version, digest.treeDigest)
        if not zxid & DIGEST_LOG_MASK:
            self.note_digest(zxid)

    def note_session(self, session_id: int, txn_type: int, txn: Any) -> None:
        """Keep the session table up to date with a txn that was applied."""
        if txn_type == OpCode.CREATE_SESSION:
            self.sessions[session_id] = txn.timeOut
        elif txn_type == OpCode.CLOSE_SESSION:
            self.sessions.pop(session_id, None)

    def compare_digest(self, zxid: int, version: int, expected: int) -> None:
        """Count and log a tree that is not what the txn's author had; silent within a fuzzy snapshot."""
        tree = self.tree
        if not tree.digest_enabled or version != DIGEST_VERSION or zxid <= self._digest_from_zxid:
            return
        if as_long(tree.digest) != expected:
            self.report_mismatch(zxid, expected)

    def note_digest(self, zxid: int) -> None:
        """Keep the digest behind this zxid (``DataTree.logZxidDigest``); none within a fuzzy snapshot.

        The caller has found that the zxid has none of ``DIGEST_LOG_MASK``: that test is on every write's way.
        """
        if zxid > self._digest_from_zxid:
            self.digest_log.append((zxid, as_long(self.tree.digest)))

    def report_mismatch(self, zxid: int, expected: int) -> None:
        """The tree is not what a txn's author had: counted, and said once (as in the original)."""
        self.digest_mismatches += 1
        if self.digest_mismatches == 1:
            found = as_long(self.tree.digest)
            _log.error("digest mismatch at zxid 0x%s: expected %d, tree has %d", hex64(zxid), expected, found)
