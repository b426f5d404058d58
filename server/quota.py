"""Quotas: how many nodes and bytes a subtree has, and how many it may have.

A quota on ``/a`` is two nodes: ``/zookeeper/quota/a/zookeeper_limits`` with what a client allows, and
``/zookeeper/quota/a/zookeeper_stats``, in which the server counts. It counts without txns: the data of the
second node changes while zxid, version and times stay (which is why the digest leaves out what is below
``/zookeeper/``). A change counts towards the deepest quota above it only; a count from scratch, made when the
node of the stats is created and after every restart, takes in everything below.

Here are the words of those nodes (``StatsTrack``) and what the tree does about them: it calls
``node_created``, ``node_deleted`` and ``data_changed``, and while there is no quota pays one look at an empty
dict. Whether a write may pass is preparation's question (``quota_guard``).

Sources: ``Quotas``, ``StatsTrack``, ``PathTrie``, ``DataTree``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from .pauses import pausing

if TYPE_CHECKING:
    from .data_node import DataNode
    from .data_tree import DataTree

QUOTA_ROOT: Final = "/zookeeper/quota"
LIMITS: Final = "zookeeper_limits"
STATS: Final = "zookeeper_stats"
QUOTA_NODES: Final = frozenset((LIMITS, STATS))
"""Names of the nodes that make a quota."""

_SYSTEM: Final = "/zookeeper"
_LIMITS_END: Final = f"/{LIMITS}"
_STATS_END: Final = f"/{STATS}"
_SEPARATORS: Final = re.compile("[,;]+")
_NUMBER: Final = re.compile(r"[+-]?\d+")
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_log = logging.getLogger(__name__)


class BadStats(ValueError):
    """Data of a quota's node that cannot be read; the original trips over it."""


class StatsTrack:
    """The numbers in a quota's node: ``count=3,bytes=100=;byteHardLimit=5;countHardLimit=7``.

    The odd ``=`` and the ``;`` are for parsers of 3.4, which must not see the hard limits.
    """

    __slots__ = ("values",)

    def __init__(self, values: dict[str, int] | None = None) -> None:
        self.values = {} if values is None else values

    @classmethod
    def parse(cls, data: bytes | None) -> StatsTrack:
        """What a node says. Raises BadStats for null and for what is not ``key=number``, key by key."""
        if data is None:
            raise BadStats("null")
        values: dict[str, int] = {}
        if data:
            pairs = _SEPARATORS.split(data.decode("utf-8", "replace"))
            while pairs and not pairs[-1]:
                pairs.pop()
            for pair in pairs:
                fields = pair.rstrip("=").split("=")
                if len(fields) < 2:
                    raise BadStats(pair)
                values[fields[0]] = _long(fields[1]) if fields[1] else -1
        return cls(values)

    @property
    def count(self) -> int:
        """Nodes; -1 for no limit."""
        return self.values.get("count", -1)

    @property
    def size(self) -> int:
        """Bytes of data; -1 for no limit."""
        return self.values.get("bytes", -1)

    @property
    def count_hard_limit(self) -> int:
        """Nodes past which a write is refused; -1 for no limit."""
        return self.values.get("countHardLimit", -1)

    @property
    def byte_hard_limit(self) -> int:
        """Bytes past which a write is refused; -1 for no limit."""
        return self.values.get("byteHardLimit", -1)

    def encode(self) -> bytes:
        """As it is kept in a node."""
        text = f"count={self.count},bytes={self.size}"
        others = sorted(self.values.keys() - {"count", "bytes"})
        if others:
            text += "=" + "".join(f";{key}={self.values[key]}" for key in others)
        return text.encode("utf-8", "replace")


def _long(text: str) -> int:
    """As Java's ``Long.parseLong``. Raises BadStats."""
    if _NUMBER.fullmatch(text) is None or not _LONG_MIN <= (value := int(text)) <= _LONG_MAX:
        raise BadStats(text)
    return value


# --- which quota a path is under --------------------------------------------------------------------------


def quota_path(path: str) -> str:
    """The path a quota is known by: the original's trie passes over empty names and names of blanks."""
    if "//" in path or "/ " in path or path[:1] != "/":
        return "/" + "/".join(name for name in path.split("/") if name.strip(" "))
    return path


def max_prefix(quotas: dict[str, None], path: str) -> str | None:
    """The deepest quota at or above a path, or None (``DataTree.getMaxPrefixWithQuota``)."""
    prefix = quota_path(path)
    while prefix:
        if prefix in quotas:
            return prefix
        prefix = prefix[: prefix.rfind("/")]
    return None


def top_namespace(path: str) -> str | None:
    """The first name of a path, by which the statistics of quotas are told; None for the root."""
    names = path.split("/", 2)
    return names[1] if len(names) > 1 and names[1] else None


def limits_of(quota: str) -> str:
    """Path of the node with a quota's limits."""
    return f"{QUOTA_ROOT}{quota}/{LIMITS}"


def stats_of(quota: str) -> str:
    """Path of the node with a quota's counts."""
    return f"{QUOTA_ROOT}{quota}/{STATS}"


# --- what `mntr` tells ------------------------------------------------------------------------------------


def limits_and_usage(tree: DataTree) -> Iterator[tuple[str, dict[str, int]]]:
    """Four sums by the first name of the path, in the original's order (``QuotaMetricsUtils``).

    A hard limit goes before a soft one. What cannot be read counts for nothing.
    """
    sums: dict[str, dict[str, int]] = {
        "quota_bytes_limit": {},
        "quota_count_usage": {},
        "quota_count_limit": {},
        "quota_bytes_usage": {},
    }
    root = tree.nodes.get(QUOTA_ROOT)
    for path, node in tree.subtree(QUOTA_ROOT) if root is not None and root.children else ():
        is_limits = path.endswith(_LIMITS_END)
        if node.children or not (is_limits or path.endswith(_STATS_END)):
            continue
        namespace = top_namespace(path[len(QUOTA_ROOT) :])
        try:
            stats = StatsTrack.parse(node.data)
        except BadStats:
            continue
        if namespace is None:
            continue
        count, size = stats.count, stats.size
        if is_limits:
            count = stats.count_hard_limit if stats.count_hard_limit > -1 else count
            size = stats.byte_hard_limit if stats.byte_hard_limit > -1 else size
        kind = "limit" if is_limits else "usage"
        for name, value in ((f"quota_count_{kind}", count), (f"quota_bytes_{kind}", size)):
            sums[name][namespace] = sums[name].get(namespace, 0) + value
    yield from sums.items()


# --- what the tree does -----------------------------------------------------------------------------------


def set_up(tree: DataTree) -> None:
    """The tree was loaded: find its quotas and count each from scratch (``DataTree.setupQuota``).

    Only leaves count, and a quota inside the path of another's limits is taken for the outer one.
    """
    root = tree.nodes.get(QUOTA_ROOT)
    if root is None or not root.children:
        return
    for path, _ in tree.subtree(QUOTA_ROOT):
        if path.endswith(_LIMITS_END) and not tree.nodes[path].children:
            quota = path[len(QUOTA_ROOT) : path.index(_LIMITS_END)]
            _recount(tree, quota)
            _add(tree, quota)


def node_created(tree: DataTree, parent_path: str, name: str, path: str, node: DataNode) -> None:
    """There is a new node: perhaps a quota's, perhaps under one."""
    if name in QUOTA_NODES and parent_path.startswith(QUOTA_ROOT):
        quota = parent_path[len(QUOTA_ROOT) :]
        if name == LIMITS:
            _add(tree, quota)
        else:
            _recount(tree, quota)
    if tree.quotas and (prefix := max_prefix(tree.quotas, path)) is not None:
        _count(tree, prefix, len(node.data) if node.data else 0, 1)


def node_deleted(tree: DataTree, parent_path: str, path: str, node: DataNode) -> None:
    """A node is gone: perhaps a quota's limits, perhaps one under a quota."""
    if path.endswith(_LIMITS_END) and parent_path.startswith(_SYSTEM):
        tree.quotas.pop(quota_path(parent_path[len(QUOTA_ROOT) :]), None)
    if tree.quotas and (prefix := max_prefix(tree.quotas, path)) is not None:
        _count(tree, prefix, -len(node.data) if node.data else 0, -1)


def data_changed(tree: DataTree, path: str, bytes_diff: int) -> None:
    """A node's data became this much longer."""
    prefix = max_prefix(tree.quotas, path)
    if prefix is not None:
        _count(tree, prefix, bytes_diff, 0)


def _add(tree: DataTree, quota: str) -> None:
    """There are limits for this path. The original ends when they are for the root (here: passed over)."""
    if quota:
        tree.quotas[quota_path(quota)] = None
    else:
        _log.warning("the quota of the root is ignored")


def _count(tree: DataTree, quota: str, bytes_diff: int, count_diff: int) -> None:
    """Add to a quota's counts (``DataTree.updateQuotaStat``)."""
    node = tree.nodes.get(stats_of(quota))
    if node is None:
        _log.error("quota %s has no %s", quota, STATS)
        return
    try:
        stats = StatsTrack.parse(node.data)
    except BadStats as bad:
        # A client wrote it. The original ends here.
        _log.warning("quota %s is counted anew: its %s cannot be read: %s", quota, STATS, bad)
        _recount(tree, quota)
        return
    stats.values["count"] = _wrap(stats.count + count_diff)
    stats.values["bytes"] = _wrap(stats.size + bytes_diff)
    _write(tree, node, stats)


def _recount(tree: DataTree, quota: str) -> None:
    """Count everything at and below a path (``DataTree.updateQuotaForPath``)."""
    node = tree.nodes.get(stats_of(quota))
    if node is None:
        _log.warning("quota %s has no %s", quota, STATS)
        return
    count = size = 0
    for _, counted in pausing(tree.subtree(quota), tree.pauses.take):
        count += 1
        size += len(counted.data) if counted.data else 0
    _write(tree, node, StatsTrack({"count": count, "bytes": size}))


def _write(tree: DataTree, node: DataNode, stats: StatsTrack) -> None:
    """Nothing but the data changes, and no watch is set off."""
    data = stats.encode()
    tree.data_bytes += len(data) - (len(node.data) if node.data else 0)
    node.data = data
    node.tail = None


def _wrap(value: int) -> int:
    """As Java's 64-bit sum."""
    return (value - _LONG_MIN) % (1 << 64) + _LONG_MIN
