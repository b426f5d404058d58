"""`zoolet snapshot`: what is in a snapshot, and where the bytes are.

    zoolet snapshot data                            the newest whole one of a data folder
    zoolet snapshot data/version-2/snapshot.1a --top 20
    zoolet snapshot data --tree --depth 2           every node down to there, with sizes

Compressed ones and those of the original, too. Damage ends the command with exit code 1, naming the offset.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from ...server.tools.folder import find_snapshot
from ...server.tools.snapshot_view import ORDERS, NodeSize, SnapshotView, read_snapshot
from ...server.tools.values import hex_text, printable
from ...storage.real_disk import RealDisk
from .disk_tools import absolute, bytes_text, console, explaining, watched_disk

_TITLES = {"children": "Most children", "bytes": "Most data", "subtree": "Most data with all below"}
_SESSIONS_SHOWN = 20


@click.command()
@click.argument("path", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="N",
    help="How many of the largest nodes to list, by each measure.",
)
@click.option("--tree", "with_tree", is_flag=True, help="List every node, with sizes.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="With --tree: how many levels down.")
@click.option(
    "--sessions", "all_sessions", is_flag=True, help=f"List all sessions, not only {_SESSIONS_SHOWN}."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --tree, it has all nodes.")
@click.pass_context
def snapshot(
    context: click.Context,
    path: Path,
    top: int,
    with_tree: bool,
    depth: int | None,
    all_sessions: bool,
    as_json: bool,
) -> None:
    """Sum up a snapshot, or the newest whole one of a data folder."""
    with explaining(context):
        stored = find_snapshot(RealDisk(), absolute(path))
        with watched_disk("Reading", [stored.path]) as disk:
            view = read_snapshot(disk, stored)
        if as_json:
            value = view.as_json(top)
            if with_tree:
                value["tree"] = [node.as_json() for node in view.nodes.values() if _within(node.path, depth)]
            print(json.dumps(value, ensure_ascii=False, indent=2))
            return
        _show_summary(view)
        _show_sessions(view, len(view.sessions) if all_sessions else _SESSIONS_SHOWN)
        for order in ORDERS if top else ():
            _show_largest(_TITLES[order], view.largest(order, top))
        if with_tree:
            print()
            for node in view.nodes.values():
                if _within(node.path, depth):
                    print(_tree_line(node))


def _show_summary(view: SnapshotView) -> None:
    compressed = f", compressed with {view.compression}" if view.compression else ""
    stored = view.zxid_digest
    digest = f"{hex_text(view.digest)}; the stored one {view.digest_verdict}"
    if stored is None or not (stored.zxid or stored.digest):
        digest = f"{hex_text(view.digest)}; none is stored"
    rows = [
        ("file", f"{view.path} ({bytes_text(view.file_bytes)}{compressed})"),
        ("zxid", hex_text(view.zxid) if view.zxid >= 0 else "unknown: the file's name does not say"),
        ("nodes", f"{len(view.nodes)}, {sum(view.ephemerals.values())} of them ephemeral"),
        ("data", bytes_text(view.root.subtree_bytes)),
        ("ACLs", f"{view.acls} besides the open one"),
        ("sessions", str(len(view.sessions))),
        ("digest", digest),
    ]
    if stored is not None and stored.zxid:
        rows.append(("", f"stored of zxid {hex_text(stored.zxid)}: {hex_text(stored.digest)}"))
    if view.last_zxid is not None:
        rows.append(("last zxid", f"{hex_text(view.last_zxid)}, applied when it was complete"))
    out = console()
    for name, text in rows:
        out.print(f"[bold]{name:<10}[/bold]", end="")
        out.print(text, markup=False)


def _show_sessions(view: SnapshotView, count: int) -> None:
    if not view.sessions:
        return
    owned = view.ephemerals
    rows = [
        (hex_text(session), f"{timeout_ms} ms", str(owned.get(session, 0)))
        for session, timeout_ms in list(view.sessions.items())[:count]
    ]
    _show_table("Sessions", ("id", "timeout", "ephemerals"), rows, numbers_from=1)
    if len(view.sessions) > count:
        print(f"... and {len(view.sessions) - count} more (--sessions)")


def _show_largest(title: str, nodes: list[NodeSize]) -> None:
    if nodes:
        rows = [
            (
                printable(node.path or "/"),
                str(node.children),
                str(node.descendants),
                bytes_text(node.data_bytes),
                bytes_text(node.subtree_bytes),
            )
            for node in nodes
        ]
        _show_table(title, ("node", "children", "all below", "data", "with all below"), rows, numbers_from=1)


def _show_table(
    title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, numbers_from: int
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index >= numbers_from else "left", no_wrap=bool(index))
    for row in rows:
        table.add_row(*map(Text, row))
    out = console()
    # A table that is not looked at must not break lines at some width.
    out.print(
        table, width=None if out.is_terminal else max(out.width, 40 + max(map(len, (r[0] for r in rows))))
    )


def _tree_line(node: NodeSize) -> str:
    depth = node.path.count("/")
    name = node.path.rpartition("/")[2] or "/"
    below = f", {node.descendants} below with {bytes_text(node.subtree_bytes - node.data_bytes)}"
    return (
        f"{'  ' * depth}{printable(name)}  {bytes_text(node.data_bytes)}{below if node.descendants else ''}"
    )


def _within(path: str, depth: int | None) -> bool:
    return depth is None or path.count("/") <= depth
