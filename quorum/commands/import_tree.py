"""`zoolet import`: an exported tree into a running server, or into a new data folder.

    zoolet import tree.json fresh                   as a snapshot: every stat, ACL and session as it was
    zoolet import tree.json 127.0.0.1:2181          as new nodes, created by a client

A server gives new zxids, versions and times. Ephemerals are left out there, since their sessions are not, and
so is everything below /zookeeper; nodes that exist are an error unless `--overwrite` sets their data and ACL.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import click

from ...jute.codes import CreateMode, ErrorCode, OpCode
from ...jute.proto import CreateRequest, CreateTTLRequest, SetACLRequest, SetDataRequest
from ...server.database import ZKDatabase
from ...server.snapshot_job import SnapshotJob
from ...server.storage_folder import write_snapshot
from ...server.tools.folder import Folder, NotThere
from ...server.tools.recovery import recover
from ...server.tools.tree_json import build_tree, check_header
from ...server.tools.values import BadValue, Json, acl_of, data_of, hex_text, number_of, printable
from ...storage.real_disk import RealDisk
from ...storage.snap_log import FileTxnSnapLog
from .disk_tools import absolute, explaining
from .process import EXIT_BAD_INVOCATION, EXIT_UNEXPECTED, complain, say
from .wire_client import ServerTrouble, WireClient, error_text, split_address

_TOGETHER: Final = 200
"""So many nodes are sent at once."""


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("target", metavar="HOST:PORT|DATA_DIR")
@click.option("--overwrite", is_flag=True, help="Into a server: set data and ACL of nodes that exist.")
@click.option(
    "--auth", multiple=True, metavar="SCHEME:CREDENTIALS", help="Into a server: an identity to have."
)
@click.pass_context
def import_tree(
    context: click.Context, file: Path, target: str, overwrite: bool, auth: tuple[str, ...]
) -> None:
    """Read a tree as `zoolet export` writes it, from FILE, or from standard input if that is "-"."""
    address = None if Path(target).is_dir() else split_address(target)
    with explaining(context):
        try:
            value = check_header(json.loads(_read(file)))
            if address is None:
                _into_folder(value, absolute(Path(target)))
            else:
                with WireClient(address, auth) as client:
                    _into_server(client, value["nodes"], overwrite=overwrite)
        except (BadValue, ValueError) as error:
            complain(f"{file}: {error}")
            context.exit(EXIT_BAD_INVOCATION)
        except ServerTrouble as error:
            complain(str(error))
            context.exit(EXIT_UNEXPECTED)
        except OSError as error:
            complain(f"{error.filename or file}: {error.strerror or error}")
            context.exit(EXIT_UNEXPECTED)


def _read(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8", "surrogatepass")


def _into_folder(value: Json, data_dir: str) -> None:
    disk, folder = RealDisk(), Folder(data_dir, data_dir)
    if disk.exists(folder.snap_directory) and (names := disk.listdir(folder.snap_directory)):
        raise NotThere(f"{folder.snap_directory} is not empty: it has {names[0]}")
    tree, sessions = build_tree(value)
    database = ZKDatabase()
    database.adopt(tree, sessions)
    storage = FileTxnSnapLog(disk, data_dir, data_dir)
    try:
        storage.open()
        write_snapshot(storage, SnapshotJob(database))
    finally:
        storage.close()
    recovered = recover(disk, folder, check_digests=True)
    say(f"Imported {recovered.node_count} nodes into {data_dir}, zxid {hex_text(recovered.zxid)}.")


def _into_server(client: WireClient, nodes: dict[str, Json], *, overwrite: bool) -> None:
    """Parents before children; a session's requests are done in order, so many can be under way."""
    created = changed = 0
    wanted = [path for path in nodes if path != "/" and not f"{path}/".startswith("/zookeeper/")]
    staying = [path for path in wanted if not nodes[path].get("ephemeral_owner")]
    staying.sort(key=lambda path: path.count("/"))
    if overwrite and "/" in nodes:
        changed += _overwrite(client, ["/"], nodes)
    for start in range(0, len(staying), _TOGETHER):
        paths = staying[start : start + _TOGETHER]
        replies = client.call_all([_creation(path, nodes[path]) for path in paths])
        existing = []
        for path, (err, _) in zip(paths, replies, strict=True):
            if err == ErrorCode.NODE_EXISTS and overwrite:
                existing.append(path)
            elif err:
                raise ServerTrouble(f"{printable(path)}: {error_text(err)}")
        created += len(paths) - len(existing)
        changed += _overwrite(client, existing, nodes)
    left_out = len(wanted) - len(staying)
    say(f"Created {created} nodes, changed {changed}; left out {left_out} ephemerals.")


def _creation(path: str, node: Json) -> tuple[int, bytes]:
    try:
        data, acl = data_of(node), acl_of(node.get("acl"))
        if node.get("container"):
            mode = CreateMode.CONTAINER
            return OpCode.CREATE_CONTAINER, CreateRequest(path, data, acl, mode).encode()
        if "ttl_ms" in node:
            ttl_ms = number_of(node["ttl_ms"], "ttl_ms")
            mode = CreateMode.PERSISTENT_WITH_TTL
            return OpCode.CREATE_TTL, CreateTTLRequest(path, data, acl, mode, ttl_ms).encode()
        return OpCode.CREATE, CreateRequest(path, data, acl, CreateMode.PERSISTENT).encode()
    except BadValue as error:
        raise BadValue(f"{path}: {error}") from None


def _overwrite(client: WireClient, paths: list[str], nodes: dict[str, Json]) -> int:
    """Set data and ACL of these; how many they are."""
    requests: list[tuple[int, bytes]] = []
    for path in paths:
        node = nodes[path]
        requests.append((OpCode.SET_DATA, SetDataRequest(path, data_of(node), -1).encode()))
        requests.append((OpCode.SET_ACL, SetACLRequest(path, acl_of(node.get("acl")), -1).encode()))
    for index, (err, _) in enumerate(client.call_all(requests)):
        if err:
            raise ServerTrouble(f"{printable(paths[index // 2])}: {error_text(err)}")
    return len(paths)
