"""A tree as JSON, for `zoolet export` and `import`. Lossless from a data folder and back.

    {"format": "zoolet-tree", "version": 1, "zxid": "0x1a", "sessions": {"0x1000...": 30000},
     "nodes": {"/": NODE, "/app": NODE, ...}}                       parents before children

    NODE := {"data": "text" | null  or  "data_base64": "...",
             "acl": [{"perms": "cdrwa", "scheme": "world", "id": "anyone"}],       left out: the open ACL
             "ephemeral_owner": "0x1000..."  or  "container": true  or  "ttl_ms": 5000,  left out: it stays
             "stat": {"czxid", "mzxid", "pzxid", "ctime_ms", "mtime_ms", "version", "cversion", "aversion",
                      "creations"}}

`creations` is what a snapshot holds for cversion: how many children there ever were. A client cannot see it,
and where it is missing it is worked out of cversion, which is creations and deletions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...jute.data import OPEN_ACL, Stat
from ..data_node import DataNode
from ..data_tree import DataTree
from .values import (
    BadValue,
    Json,
    acl_of,
    acl_value,
    data_of,
    data_value,
    hex_text,
    number_of,
    owner_of,
    owner_value,
)

FORMAT: Final = "zoolet-tree"
VERSION: Final = 1


def header_value(zxid: int, sessions: Mapping[int, int]) -> Json:
    """Everything in front of the nodes."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "zxid": hex_text(zxid),
        "sessions": {hex_text(session): timeout_ms for session, timeout_ms in sessions.items()},
    }


def node_value(node: DataNode) -> Json:
    """One node out of a tree."""
    acl = {} if node.acl == OPEN_ACL else {"acl": acl_value(node.acl)}
    stat = stat_value(node.stat())
    stat["creations"] = node.cversion
    return {**data_value(node.data), **acl, **owner_value(node.ephemeral_owner), "stat": stat}


def stat_value(stat: Stat) -> Json:
    """A Stat as a client sees it, without what the tree says anyway."""
    return {
        "czxid": hex_text(stat.czxid),
        "mzxid": hex_text(stat.mzxid),
        "pzxid": hex_text(stat.pzxid),
        "ctime_ms": stat.ctime,
        "mtime_ms": stat.mtime,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
    }


def nodes_of(tree: DataTree, start: str = "") -> Iterator[tuple[str, DataNode]]:
    """(path, node) of a node and all below it, parents first; the root's path is "/"."""
    stack = [start]
    while stack:
        path = stack.pop()
        node = tree.nodes[path]
        yield path or "/", node
        stack.extend(f"{path}/{name}" for name in reversed(node.children or ()))


def check_header(value: Any) -> Json:
    """The exported object, if it is one that can be read here. Raises BadValue."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BadValue(f'the file is no export: its "format" is not "{FORMAT}"')
    if value.get("version") != VERSION:
        raise BadValue(f"the file has version {value.get('version')!r}; version {VERSION} can be read")
    if not isinstance(value.get("nodes"), dict):
        raise BadValue('the file has no "nodes"')
    return value


def build_tree(value: Json) -> tuple[DataTree, dict[int, int]]:
    """Tree and sessions as they were exported. Raises BadValue, which names the path.

    An export of a subtree, without the nodes above it, gets those as new ones, and /zookeeper's.
    """
    fresh = DataTree.fresh()
    tree = DataTree()
    zxid = number_of(value.get("zxid", 0), "zxid")
    nodes: dict[str, Json] = value["nodes"]
    children: dict[str, int] = {}
    for path in nodes:
        if path != "/":
            parent = path.rpartition("/")[0]
            children[parent] = children.get(parent, 0) + 1
    rows: dict[str, DataNode] = {}
    for path, node in nodes.items():
        key = "" if path == "/" else path
        _check_path(path)
        try:
            rows[key] = _node(node, children.get(key, 0), zxid, tree)
        except BadValue as error:
            raise BadValue(f"{path}: {error}") from None
    for path in ("", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"):
        if path not in rows:
            new = fresh.nodes[path]
            rows[path] = DataNode(new.data, tree.acls.add(new.acl), 0, 0, 0, 0, 0, 0, new.aversion, 0, 0)
    for path in sorted(rows, key=lambda path: path.count("/") if path else -1):
        _add_missing(tree, rows, path)
        tree._attach(path, rows[path])
    tree.finish_loading()
    tree.last_processed_zxid = type(tree.last_processed_zxid)(zxid)
    sessions = {
        number_of(session, "session"): number_of(timeout_ms, "timeout")
        for session, timeout_ms in (value.get("sessions") or {}).items()
    }
    return tree, sessions


def _add_missing(tree: DataTree, rows: dict[str, DataNode], path: str) -> None:
    """The nodes above one whose parents are not in the export."""
    parent = path.rpartition("/")[0]
    if not path or parent in tree.nodes:
        return
    _add_missing(tree, rows, parent)
    tree._attach(parent, DataNode(b"", tree.acls.add(OPEN_ACL), 0, 0, 0, 0, 0, 0, 0, 0, 0))


def _node(value: Any, child_count: int, zxid: int, tree: DataTree) -> DataNode:
    if not isinstance(value, dict):
        raise BadValue(f"is {value!r}, which is no node")
    stat = value.get("stat") or {}

    def number(name: str, default: int = 0) -> int:
        return number_of(stat.get(name, default), name)

    czxid = number("czxid", zxid)
    cversion = number("creations", (number("cversion", child_count) + child_count) // 2)
    return DataNode(
        data_of(value),
        tree.acls.add(acl_of(value.get("acl"))),
        czxid,
        number("mzxid", czxid),
        number("ctime_ms"),
        number("mtime_ms", number("ctime_ms")),
        number("version"),
        cversion,
        number("aversion"),
        owner_of(value),
        number("pzxid", czxid),
    )


def _check_path(path: str) -> None:
    if not path.startswith("/") or (path != "/" and path.endswith("/")) or "//" in path:
        raise BadValue(f"{path!r} is no path")
