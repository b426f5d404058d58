"""`zoolet tree`: the nodes in a data folder, now or behind an earlier txn, and the history of one of them.

    zoolet tree data                                as a start would find it
    zoolet tree data /app --at 0x100000005          below /app, behind that txn
    zoolet tree data /app --data --stat             with contents
    zoolet tree data --history /app/leader          each txn that touched the node

It works on the logs and snapshots that are still there: `zoolet check` says which. Nothing is changed, and a
server may be running on the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from ...server.acl import redacted
from ...server.data_node import DataNode
from ...server.data_tree import DataTree
from ...server.tools.folder import Folder, NotThere, find_folder
from ...server.tools.node_history import Touch, node_history
from ...server.tools.recovery import covered, recover, recover_at
from ...server.tools.tree_json import node_value
from ...server.tools.txn_text import record_json, record_words
from ...server.tools.values import Json, acl_text, hex_text, owner_value, printable
from ...storage.real_disk import RealDisk
from .disk_tools import ZXID, absolute, bytes_text, explaining, time_text, watched_disk
from .process import complain

_DATA_SHOWN = 200


@click.command()
@click.argument("data_dir", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.argument("path", metavar="[PATH]", default="/")
@click.option("--at", "zxid", type=ZXID, metavar="ZXID", help="The tree behind this txn.")
@click.option("--history", "history_path", metavar="PATH", help="Each txn that touched this node.")
@click.option("--children", is_flag=True, help="With --history: also those that made or removed a child.")
@click.option(
    "--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="dataLogDir, if there is one."
)
@click.option("--depth", type=click.IntRange(0), metavar="N", help="How many levels below PATH.")
@click.option("--data", "with_data", is_flag=True, help="Show what is in the nodes.")
@click.option("--stat", "with_stat", is_flag=True, help="Show zxids, versions, times and ACLs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with everything.")
@click.pass_context
def tree(
    context: click.Context,
    data_dir: Path,
    path: str,
    zxid: int | None,
    history_path: str | None,
    children: bool,
    log_dir: Path | None,
    depth: int | None,
    with_data: bool,
    with_stat: bool,
    as_json: bool,
) -> None:
    """Show the nodes at PATH and below, now or behind an earlier txn; or the history of one node."""
    with explaining(context):
        folder = find_folder(RealDisk(), absolute(data_dir), absolute(log_dir) if log_dir else "")
        if history_path is not None:
            _show_history(folder, history_path, with_children=children, as_json=as_json)
            return
        with watched_disk("Reading", folder.directories, passes=2) as disk:
            if zxid is None:
                recovered = recover(disk, folder)
            else:
                recovered = recover_at(disk, folder, zxid)
                first, last = covered(disk, folder) if recovered.zxid < zxid else (0, zxid)
                if zxid > last:
                    raise NotThere(
                        f"there is no txn {hex_text(zxid)}: snapshots and logs go from {hex_text(first)}"
                        f" to {hex_text(last)}"
                    )
        found = recovered.database.tree
        start = "" if path == "/" else path.rstrip("/")
        if start not in found.nodes:
            raise NotThere(f"there is no node {printable(path)} at zxid {hex_text(recovered.zxid)}")
        if not as_json:
            print(f"zxid {hex_text(recovered.zxid)}, {recovered.node_count} nodes")
        for level, below in _walk(found, start, depth):
            node = found.nodes[below]
            if as_json:
                print(json.dumps({"path": below or "/", **node_value(node)}, ensure_ascii=False))
            else:
                print(_line(level, below if level else below or "/", node, with_data=with_data))
                if with_stat:
                    for line in _stat_lines(node):
                        print(f"{'  ' * level}    {line}")


def _walk(found: DataTree, start: str, depth: int | None) -> Iterator[tuple[int, str]]:
    """(level, path) of the node and all below it, parents first, siblings by name."""
    stack = [(0, start)]
    while stack:
        level, path = stack.pop()
        yield level, path
        children = found.nodes[path].children
        if children and (depth is None or level < depth):
            stack.extend((level + 1, f"{path}/{name}") for name in sorted(children, reverse=True))


def _line(level: int, path: str, node: DataNode, *, with_data: bool) -> str:
    name = path.rpartition("/")[2] if level else path
    kind = "".join(
        f"  {key.replace('_', ' ')} {value}" for key, value in owner_value(node.ephemeral_owner).items()
    )
    kind = kind.replace("  container True", "  container")
    size = "null" if node.data is None else bytes_text(len(node.data))
    line = f"{'  ' * level}{printable(name)}  {size}  version {node.version}{kind}"
    return f"{line}  {_excerpt(node.data)}" if with_data and node.data else line


def _excerpt(data: bytes) -> str:
    text = repr(data[:_DATA_SHOWN])[1:]
    try:
        decoded = data.decode()
        text = json.dumps(decoded[:_DATA_SHOWN], ensure_ascii=False)
    except UnicodeDecodeError:
        return text + ("..." if len(data) > _DATA_SHOWN else "")
    return printable(text) + ("..." if len(decoded) > _DATA_SHOWN else "")


def _stat_lines(node: DataNode) -> Iterator[str]:
    yield f"czxid {hex_text(node.czxid)}  mzxid {hex_text(node.mzxid)}  pzxid {hex_text(node.pzxid)}"
    yield f"created {time_text(node.ctime)}  changed {time_text(node.mtime)}"
    acl = printable(acl_text(redacted(node.acl)))
    yield f"cversion {node.stat().cversion}  aversion {node.aversion}  acl {acl}"


def _show_history(folder: Folder, path: str, *, with_children: bool, as_json: bool) -> None:
    count = 0
    with watched_disk("Reading", [folder.log_directory]) as disk:
        for touch in node_history(disk, folder, path, with_children=with_children):
            count += 1
            print(json.dumps(_touch_json(touch), ensure_ascii=False) if as_json else _touch_line(touch))
    if not count:
        complain(f"no txn in the logs touched {printable(path)}")


def _touch_line(touch: Touch) -> str:
    header = touch.txn.header
    where = "" if touch.txn.name == touch.what else f" ({touch.txn.name})"
    what = f"child {touch.what}" if touch.child else touch.what
    words = "" if touch.txn.name == "closeSession" else record_words(touch.record)
    return (
        f"{hex_text(header.zxid)}  {time_text(header.time)}  session {hex_text(header.clientId)}"
        f"  cxid {header.cxid}  {what}{where}{'  ' + words if words else ''}"
    )


def _touch_json(touch: Touch) -> Json:
    header = touch.txn.header
    value = {
        "zxid": hex_text(header.zxid),
        "time_ms": header.time,
        "session": hex_text(header.clientId),
        "cxid": header.cxid,
        "type": touch.what,
        "in": touch.txn.name,
    }
    return value if touch.txn.name == "closeSession" else {**value, **record_json(touch.record)}
