"""`zoolet export`: a tree as JSON, from a running server or a data folder.

    zoolet export data tree.json                    everything, sessions too
    zoolet export 127.0.0.1:2181 tree.json          what a client may read
    zoolet export data - --path /app                below /app, to standard output

The format is in `server/tools/tree_json.py`; `zoolet import` reads it. From a folder the export is lossless,
with `--at` behind an earlier txn. From a server it is what one client sees, node by node, while others may
write: what it may not read is left out, and said; hashes in ACLs are hidden from it, and containers and nodes
with a time to live look like any other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from ...jute.codes import ErrorCode, OpCode
from ...jute.data import OPEN_ACL
from ...jute.proto import (
    GetACLRequest,
    GetACLResponse,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
)
from ...server.tools.folder import NotThere, find_folder
from ...server.tools.recovery import recover, recover_at
from ...server.tools.tree_json import header_value, node_value, nodes_of, stat_value
from ...server.tools.values import Json, acl_value, data_value, hex_text, printable
from ...storage.real_disk import RealDisk
from .disk_tools import ZXID, absolute, explaining, watched_disk
from .process import EXIT_UNEXPECTED, complain
from .wire_client import ServerTrouble, WireClient, error_text, split_address

_TOGETHER = 100
"""So many nodes are asked for at once."""


@click.command()
@click.argument("source", metavar="HOST:PORT|DATA_DIR")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--path", "start", default="/", metavar="PATH", help="Only this node and what is below it.")
@click.option(
    "--log-dir", type=click.Path(path_type=Path), metavar="DIR", help="dataLogDir, if there is one."
)
@click.option("--at", "zxid", type=ZXID, metavar="ZXID", help="From a folder: the tree behind this txn.")
@click.option("--auth", multiple=True, metavar="SCHEME:CREDENTIALS", help="To a server: an identity to have.")
@click.pass_context
def export(
    context: click.Context,
    source: str,
    file: Path,
    start: str,
    log_dir: Path | None,
    zxid: int | None,
    auth: tuple[str, ...],
) -> None:
    """Write a tree as JSON to FILE, or to standard output if that is "-"."""
    address = None if Path(source).is_dir() else split_address(source)
    start = start.rstrip("/") or "/"
    with explaining(context):
        try:
            if address is None:
                count = _export_folder(source, file, start, log_dir, zxid)
            elif zxid is not None:
                raise click.UsageError("--at needs a data folder: a server has its present tree only")
            else:
                count = _export_server(address, auth, file, start)
        except ServerTrouble as error:
            complain(str(error))
            context.exit(EXIT_UNEXPECTED)
        except OSError as error:
            complain(f"{error.filename or file}: {error.strerror or error}")
            context.exit(EXIT_UNEXPECTED)
        print(f"Exported {count} nodes.", file=sys.stderr)


def _export_folder(source: str, file: Path, start: str, log_dir: Path | None, zxid: int | None) -> int:
    folder = find_folder(RealDisk(), absolute(Path(source)), absolute(log_dir) if log_dir else "")
    with watched_disk("Reading", folder.directories, passes=2) as disk:
        recovered = recover(disk, folder) if zxid is None else recover_at(disk, folder, zxid)
    tree, sessions = recovered.database.tree, recovered.database.sessions
    key = "" if start == "/" else start
    if key not in tree.nodes:
        raise NotThere(f"there is no node {printable(start)} at zxid {hex_text(recovered.zxid)}")
    nodes = ((path, node_value(node)) for path, node in nodes_of(tree, key))
    return _write(file, header_value(recovered.zxid, sessions), nodes)


def _export_server(address: tuple[str, int], auth: tuple[str, ...], file: Path, start: str) -> int:
    with WireClient(address, auth) as client:
        err, _ = client.call(OpCode.GET_DATA, GetDataRequest(start, False).encode())
        if err:
            raise ServerTrouble(f"{printable(start)}: {error_text(err)}")
        return _write(file, header_value(0, {}), _nodes(client, start))


def _nodes(client: WireClient, start: str) -> Iterator[tuple[str, Json]]:
    """Every node that can be read, parents first."""
    waiting = [start]
    while waiting:
        paths = waiting[-_TOGETHER:]
        del waiting[-_TOGETHER:]
        requests = [
            request
            for path in paths
            for request in (
                (OpCode.GET_DATA, GetDataRequest(path, False).encode()),
                (OpCode.GET_ACL, GetACLRequest(path).encode()),
                (OpCode.GET_CHILDREN, GetChildrenRequest(path, False).encode()),
            )
        ]
        replies = iter(client.call_all(requests))
        for path, data, acl, children in zip(paths, replies, replies, replies, strict=True):
            failed = next((err for err, _ in (data, acl, children) if err), 0)
            if failed:
                if failed != ErrorCode.NO_NODE:
                    complain(f"left out {printable(path)}: {error_text(failed)}")
                continue
            yield path, _node(data[1], acl[1])
            names = GetChildrenResponse.decode(children[1])[0].children
            waiting += [f"{path.rstrip('/')}/{name}" for name in reversed(names or ())]


def _node(data_body: bytes, acl_body: bytes) -> Json:
    content = GetDataResponse.decode(data_body)[0]
    acl = GetACLResponse.decode(acl_body)[0].acl or ()
    owner = content.stat.ephemeralOwner
    return {
        **data_value(content.data),
        **({} if tuple(acl) == OPEN_ACL else {"acl": acl_value(acl)}),
        **({"ephemeral_owner": hex_text(owner)} if owner else {}),
        "stat": stat_value(content.stat),
    }


def _write(file: Path, head: Json, nodes: Iterator[tuple[str, Json]]) -> int:
    """One node a line, so that two exports can be compared."""
    count = 0
    with _opened(file) as out:
        out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "nodes": {\n')
        for path, node in nodes:
            out.write(",\n" if count else "")
            out.write(f"{json.dumps(path, ensure_ascii=False)}: {json.dumps(node, ensure_ascii=False)}")
            count += 1
        out.write("\n}}\n")
    return count


@contextmanager
def _opened(file: Path) -> Iterator[IO[str]]:
    """Standard output, or a file that gets its name when it is complete."""
    if str(file) == "-":
        yield sys.stdout
        return
    unfinished = file.with_name(f".{file.name}.new")
    try:
        with unfinished.open("w", encoding="utf-8", errors="surrogatepass") as out:
            yield out
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
