"""The tree of znodes and what transactions do to it. No I/O, no clock: zxid and time come with the txn.

Nodes live in one dict by full path; the root has the paths "" and "/". Changes keep the tree digest, the
ephemerals of each session, the interned ACLs and the approximate size, and set off watches. The same
methods serve live requests and replay after a restart, where a fuzzy snapshot may already hold part of a
txn's effect; the branches for that are marked.

Source: ``DataTree``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..jute.codes import CONTAINER_OWNER
from ..jute.data import OPEN_ACL, READ_ACL
from ..jute.ids import Zxid
from .acl import AclCache, AclTuple
from .data_node import DataNode, wire_owner
from .digest import node_digest
from .errors import NodeExists, NoNode
from .pauses import Pauses, pausing, with_pauses
from .quota import QUOTA_NODES, data_changed, node_created, node_deleted, set_up
from .reply_cache import ReplyCache
from .tree_loader import load_rows
from .watches import Watches

CONFIG_NODE = "/zookeeper/config"
_SYSTEM_NODES = ("/zookeeper", "/zookeeper/quota", CONFIG_NODE)

NodeRow = tuple[str, bytes | None, int, int, int, int, int, int, int, int, int, int]
"""(path, data, acl id, czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner, pzxid)"""


class DataTree:
    """The tree, its indexes and its watches.

    Args:
        digest_enabled: keep the tree digest (``digest.enabled``).
    """

    def __init__(self, *, digest_enabled: bool = True) -> None:
        self.digest_enabled = digest_enabled
        self.nodes: dict[str, DataNode] = {}
        self.ephemerals: dict[int, dict[str, None]] = {}
        self.containers: dict[str, None] = {}
        """Paths of the containers, oldest first."""
        self.ttls: dict[str, None] = {}
        """Paths of the nodes with a time to live, oldest first."""
        self.acls = AclCache()
        self.watches = Watches()
        self.replies = ReplyCache()
        self.digest = 0
        self.known_digests: dict[str, int] = {}
        """Digests of nodes as the txn being applied leaves them, where preparation knows them already."""
        self.data_bytes = 0
        self.quotas: dict[str, None] = {}
        """Paths that have limits (``quota``)."""
        self.last_processed_zxid = Zxid(0)
        self.pauses = Pauses()
        """Taken in the middle of long work (``pause_with``)."""
        self.on_ephemeral_gone: Callable[[int, str, bool], None] | None = None
        """Told of each node that goes with its session: session, path, and whether it was there."""

    @classmethod
    def fresh(cls, *, digest_enabled: bool = True) -> DataTree:
        """The tree of a server that has never run: the root and ``/zookeeper``'s three nodes."""
        tree = cls(digest_enabled=digest_enabled)
        for path in ("", *_SYSTEM_NODES):
            acl, aversion = (READ_ACL, -1) if path == CONFIG_NODE else (OPEN_ACL, 0)
            node = DataNode(b"", tree.acls.add(acl), 0, 0, 0, 0, 0, 0, aversion, 0, 0)
            tree._attach(path, node)
        tree.finish_loading()
        return tree

    # -- reading ---------------------------------------------------------------------------------

    def get(self, path: str) -> DataNode:
        """The node at ``path``. Raises NoNode."""
        node = self.nodes.get(path)
        if node is None:
            raise NoNode
        return node

    def descendant_count(self, path: str) -> int:
        """Nodes below ``path`` (``getAllChildrenNumber``); "" and "/" are both keys, as in the original."""
        if path in ("", "/"):
            return len(self.nodes) - (2 if path else 1)
        return sum(1 for _ in pausing(self.subtree(path), self.pauses.take)) - 1

    def subtree(self, path: str) -> Iterator[tuple[str, DataNode]]:
        """A node and all below it, parents first; nothing if it is not there. The tree must not change."""
        nodes = self.nodes
        levels: list[Iterator[str]] = [iter((path,))]
        while levels:
            below = next(levels[-1], None)
            if below is None:
                levels.pop()
                continue
            node = nodes.get(below)
            if node is not None:
                yield below, node
                if node.children:
                    levels.append(map(f"{below}/".__add__, node.children))

    def pause_with(self, pauses: Pauses) -> None:
        """From now on take these pauses in the middle of long work."""
        self.pauses = self.watches.account.pauses = self.replies.pauses = pauses

    def ephemeral_count(self) -> int:
        return sum(map(len, self.ephemerals.values()))

    # -- changing --------------------------------------------------------------------------------

    def create(
        self,
        path: str,
        data: bytes | None,
        acl: AclTuple | None,
        ephemeral_owner: int,
        parent_cversion: int,
        zxid: int,
        time_ms: int,
    ) -> DataNode:
        """Add a node. ``parent_cversion`` is the parent's creation count afterwards, -1 to count one up.

        Raises NoNode without a parent, and NodeExists (only while replaying over a fuzzy snapshot), in
        which case the ACL is taken over and the parent's counters are caught up.
        """
        slash = path.rfind("/")
        parent_path = path[:slash]
        parent = self.nodes.get(parent_path)
        if parent is None:
            raise NoNode
        stored_acl = self.acls.add(acl or ())
        existing = self.nodes.get(path)
        if existing is not None:
            self.acls.remove(existing.acl)
            existing.acl = stored_acl
            self._catch_up_parent(parent_path, parent, parent_cversion, zxid)
            raise NodeExists
        self._catch_up_parent(parent_path, parent, parent_cversion, zxid)
        node = DataNode(data, stored_acl, zxid, zxid, time_ms, time_ms, 0, 0, 0, ephemeral_owner, zxid)
        if parent.children is None:
            parent.children = {}
        name = path[slash + 1 :]
        parent.children[name] = None
        parent.tail = parent.names = None
        self.nodes[path] = node
        self.data_bytes += len(path) + (len(data) if data else 0)
        if ephemeral_owner:
            self.own(ephemeral_owner, path)
        self._restamp(path, node)
        if self.quotas or name in QUOTA_NODES:
            node_created(self, parent_path, name, path, node)
        watches = self.watches
        if watches.data.paths or watches.children.paths:
            watches.node_created(path, zxid, stored_acl, parent_path, parent.acl)
        return node

    def _catch_up_parent(self, path: str, parent: DataNode, cversion: int, zxid: int) -> None:
        """Set the parent's counters, unless a fuzzy snapshot already had later ones."""
        if cversion == -1:
            cversion = parent.cversion + 1
        if cversion > parent.cversion:
            parent.cversion = cversion
            parent.pzxid = zxid
            parent.tail = None
            self._restamp(path, parent)

    def delete(self, path: str, zxid: int) -> None:
        """Remove a node. Raises NoNode if it or its parent is missing (only while replaying)."""
        slash = path.rfind("/")
        parent_path = path[:slash]
        parent = self.nodes.get(parent_path)
        if parent is None:
            raise NoNode
        if parent.children:
            parent.children.pop(path[slash + 1 :], None)
            if not parent.children:
                parent.children = None
        if zxid > parent.pzxid:
            parent.pzxid = zxid
        parent.tail = parent.names = None
        self._restamp(parent_path, parent)
        node = self.nodes.pop(path, None)
        if node is None:
            raise NoNode
        self.digest -= node.digest
        self.data_bytes -= len(path) + (len(node.data) if node.data else 0)
        self.acls.remove(node.acl)
        if node.ephemeral_owner:
            self._disown(node.ephemeral_owner, path)
        if self.quotas:
            node_deleted(self, parent_path, path, node)
        watches = self.watches
        if watches.data.paths or watches.children.paths:
            watches.node_deleted(path, zxid, node.acl, parent_path, parent.acl)
        # Whoever still holds the node (the reply cache) must not hold its data.
        node.data = node.tail = node.names = None

    def set_data(self, path: str, data: bytes | None, version: int, zxid: int, time_ms: int) -> DataNode:
        """Replace a node's data; ``version`` is the new one. Raises NoNode."""
        node = self.nodes.get(path)
        if node is None:
            raise NoNode
        bytes_diff = (len(data) if data else 0) - (len(node.data) if node.data else 0)
        self.data_bytes += bytes_diff
        node.data = data
        node.mtime = time_ms
        node.mzxid = zxid
        node.version = version
        node.tail = None
        self._restamp(path, node)
        if self.quotas:
            data_changed(self, path, bytes_diff)
        if self.watches.data.paths:
            self.watches.data_changed(path, zxid, node.acl)
        return node

    def set_config(self, text: bytes, version: Zxid, time_ms: int) -> None:
        """Put the ensemble's configuration into its node, as each member does for itself (no txn does).

        The node's data version is -1, its mzxid the configuration's version (``initConfigInZKDatabase``).
        """
        node = self.nodes.get(CONFIG_NODE)
        if node is not None and (node.data, node.mzxid, node.version) != (text, version, -1):
            self.set_data(CONFIG_NODE, text, -1, version, time_ms)

    def set_acl(self, path: str, acl: AclTuple | None, aversion: int) -> DataNode:
        """Replace a node's ACL; ``aversion`` is the new one. Raises NoNode. No watch fires."""
        node = self.get(path)
        stored = self.acls.add(acl or ())
        self.acls.remove(node.acl)
        node.acl = stored
        node.aversion = aversion
        node.tail = None
        self._restamp(path, node)
        return node

    def kill_session(self, session_id: int, zxid: int, paths: tuple[str, ...] | None) -> None:
        """Delete a closed session's ephemerals: those the txn lists, then any that are left.

        A path that is gone already is passed over (replay over a fuzzy snapshot).
        """
        everything = dict.fromkeys(paths or ())
        everything.update(self.ephemerals.pop(session_id, {}))
        tell = self.on_ephemeral_gone
        for path in with_pauses(everything, self.pauses.take):
            was_there = True
            try:
                self.delete(path, zxid)
            except NoNode:
                was_there = False
            if tell is not None:
                tell(session_id, path, was_there)

    # -- loading and saving ----------------------------------------------------------------------

    def load_rows(self, rows: Iterable[NodeRow]) -> None:
        """Add nodes of a snapshot, parents before their children. Raises NoNode naming one that does not."""
        load_rows(self, rows)

    def _attach(self, path: str, node: DataNode) -> None:
        slash = path.rfind("/")
        if slash >= 0:
            parent = self.nodes.get(path[:slash])
            if parent is None:
                raise NoNode(path)
            if parent.children is None:
                parent.children = {}
            parent.children[path[slash + 1 :]] = None
            if node.ephemeral_owner:
                self.own(node.ephemeral_owner, path)
        self.nodes[path] = node
        self.data_bytes += len(path) + (len(node.data) if node.data else 0)
        self._restamp(path, node)

    def finish_loading(self) -> None:
        """After the last row: the root's second name, the configuration's node, quotas, unused ACLs."""
        root = self.nodes[""]
        self.nodes["/"] = root
        self.data_bytes += 1 + (len(root.data) if root.data else 0)
        if CONFIG_NODE not in self.nodes and "/zookeeper" in self.nodes:
            node = DataNode(b"", self.acls.add(READ_ACL), 0, 0, 0, 0, 0, 0, -1, 0, 0)
            self._attach(CONFIG_NODE, node)
        set_up(self)
        self.acls.purge_unused()

    def rows_since(self, snapshot_zxid: int, acl_ids: dict[AclTuple, int]) -> Iterator[NodeRow]:
        """Every node for a snapshot that carries ``snapshot_zxid``, while changes go on in between.

        A parent precedes its children. Nodes created after the snapshot began are left out: replay makes
        them. ``acl_ids`` is the ACL table already written; an ACL set later is written as open, because
        its txn will be replayed too.
        """
        nodes = self.nodes
        levels: list[Iterator[str]] = [iter(("",))]
        while levels:
            path = next(levels[-1], None)
            if path is None:
                levels.pop()
                continue
            node = nodes.get(path)
            if node is None or node.czxid > snapshot_zxid:
                continue
            acl_id = -1 if node.acl is OPEN_ACL else acl_ids.get(node.acl, -1)
            children = node.children
            yield (
                path,
                node.data,
                acl_id,
                node.czxid,
                node.mzxid,
                node.ctime,
                node.mtime,
                node.version,
                node.cversion,
                node.aversion,
                node.ephemeral_owner,
                node.pzxid,
            )
            if children:
                # The names are copied at once; a million paths would take long to make.
                levels.append(map(f"{path}/".__add__, reversed([*children])))

    # -- bookkeeping -----------------------------------------------------------------------------

    def own(self, ephemeral_owner: int, path: str) -> None:
        """Note a node that is not to stay for ever: whose it is, or of which kind."""
        if wire_owner(ephemeral_owner):
            owned = self.ephemerals.get(ephemeral_owner)
            if owned is None:
                owned = self.ephemerals[ephemeral_owner] = {}
            owned[path] = None
        elif ephemeral_owner == CONTAINER_OWNER:
            self.containers[path] = None
        else:
            self.ttls[path] = None

    def _disown(self, ephemeral_owner: int, path: str) -> None:
        """Forget such a node."""
        if wire_owner(ephemeral_owner):
            owned = self.ephemerals.get(ephemeral_owner)
            if owned is not None:
                owned.pop(path, None)
                if not owned:
                    del self.ephemerals[ephemeral_owner]
        elif ephemeral_owner == CONTAINER_OWNER:
            self.containers.pop(path, None)
        else:
            self.ttls.pop(path, None)

    def _restamp(self, path: str, node: DataNode) -> None:
        """Bring the tree digest up to date with a changed node."""
        if self.digest_enabled:
            fresh = self.known_digests.get(path)
            if fresh is None:
                fresh = node_digest(path, node)
            self.digest += fresh - node.digest
            node.digest = fresh
