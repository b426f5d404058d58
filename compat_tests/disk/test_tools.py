"""The original's tools read our files, and ours read its: both say the same about every txn and node."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from zoolet.server.data_node import wire_owner
from zoolet.server.tools.log_files import LogFile
from zoolet.server.tools.txn_text import Txn
from zoolet.storage.file_names import list_logs, list_snapshots
from zoolet.storage.log_record import Ending
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_store import SnapStore

from ..conftest import StartServer
from ..tree_dump import SUPER_PROPERTY
from .commands import (
    snapshot_comparer,
    snapshot_formatter,
    snapshot_formatter_json,
    txn_log_toolkit,
    zoolet,
)
from .workload import CLOCK, PROVIDERS, write_everything

SETTINGS = {**CLOCK, "snapCount": "1000000"}
PROPERTIES = {**SUPER_PROPERTY, **PROVIDERS}


class Files(NamedTuple):
    """What both servers wrote of the same kind of work, each all of it in one log, and snapshots of ours."""

    our_log: Path
    their_log: Path
    our_snapshot: Path
    their_snapshot: Path
    """Of the tree that our log leads to, as ours."""


@pytest.fixture(scope="module")
def files(new_subject: StartServer, new_reference: StartServer) -> Iterator[Files]:
    with tempfile.TemporaryDirectory(prefix="compat-tools-") as temporary:
        ours, theirs, imported, opened = (Path(temporary) / name for name in ("z", "j", "imported", "opened"))
        for make, folder in ((new_subject, ours), (new_reference, theirs)):
            folder.mkdir()
            with make(settings=SETTINGS, properties=PROPERTIES, data_dir=folder) as server:
                write_everything(server.port, "/first")
                server.kill()
        shutil.copytree(ours, opened)
        zoolet("export", str(ours), str(ours / "tree.json"))
        zoolet("import", str(ours / "tree.json"), str(imported))
        with new_reference(settings=SETTINGS, properties=PROPERTIES, data_dir=opened) as server:
            server.kill()  # it has begun with a snapshot
        yield Files(ours / "version-2/log.1", theirs / "version-2/log.1", newest(imported), newest(opened))


def newest(folder: Path) -> Path:
    return Path(list_snapshots(RealDisk(), str(folder / "version-2"))[0].path)


@pytest.mark.parametrize("whose", ["our_log", "their_log"])
def test_both_read_the_same_txns_in_a_log(files: Files, whose: str) -> None:
    path: Path = getattr(files, whose)
    [stored] = list_logs(RealDisk(), str(path.parent))
    log = LogFile(RealDisk(), stored)
    ours = [Txn(entry.payload) for entry in log]
    assert log.verdict is not None
    assert log.verdict.ending is not Ending.DAMAGE
    theirs = txn_log_toolkit(path)
    mask = (1 << 64) - 1
    assert [(txn.session, txn.cxid, txn.zxid, txn.type) for txn in theirs] == [
        (txn.header.clientId & mask, txn.header.cxid & mask, txn.header.zxid, txn.name) for txn in ours
    ]
    for one, other in zip(ours, theirs, strict=True):
        for _, record in one.parts():
            for named in (getattr(record, "path", ""), *(getattr(record, "paths2Delete", None) or ())):
                assert named in other.text, other
    printed = zoolet("log", str(path), "--json").splitlines()
    assert [int(json.loads(line)["zxid"], 16) for line in printed] == [txn.zxid for txn in theirs]


@pytest.mark.parametrize("whose", ["our_snapshot", "their_snapshot"])
def test_both_read_the_same_nodes_in_a_snapshot(files: Files, whose: str) -> None:
    path: Path = getattr(files, whose)
    stored = list_snapshots(RealDisk(), str(path.parent))[0]
    nodes, sessions = snapshot_formatter(path)
    ours: dict[str, Any] = {}
    owned: dict[int, int] = {}
    with SnapStore(RealDisk(), "").source(stored).open() as decoder:
        for row in decoder.nodes():
            name, data, _, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = row
            ours[name or "/"] = {
                "cZxid": czxid,
                "ctime": as_java_date(ctime),
                "mZxid": mzxid,
                "mtime": as_java_date(mtime),
                "pZxid": pzxid,
                "cversion": cversion,
                "dataVersion": version,
                "aclVersion": aversion,
                "ephemeralOwner": owner & (1 << 64) - 1,
                "data": data or b"",
            }
            if wire_owner(owner):
                owned[owner] = owned.get(owner, 0) + 1
    assert sorted(nodes) == sorted(ours)
    assert nodes == ours
    assert sessions == {
        session: (timeout_ms, owned.get(session, 0)) for session, timeout_ms in decoder.sessions.items()
    }
    assert len(sessions) == 2
    told = json.loads(zoolet("snapshot", str(path), "--json", "--tree"))
    assert {one["path"]: one["data_bytes"] for one in told["tree"]} == sizes_by_formatter(path)


def test_our_snapshot_and_theirs_of_one_tree_hold_the_same(files: Files) -> None:
    ours, theirs = files.our_snapshot, files.their_snapshot
    assert ours.name == theirs.name
    assert snapshot_comparer(ours, theirs) == []
    assert snapshot_formatter(ours) == snapshot_formatter(theirs)
    # The comparer does tell differences.
    assert any("/first" in line for line in snapshot_comparer(ours, theirs.with_name("snapshot.0")))


def sizes_by_formatter(path: Path) -> dict[str, int]:
    """Bytes of data by path, out of the original's nested lists."""
    found: dict[str, int] = {}

    def walk(entry: Any, above: str) -> None:
        node, *children = entry if isinstance(entry, list) else [entry]
        here = f"{above}/{node['name']}" if node["name"] != "/" else ""
        found[here or "/"] = node["dsize"]
        for child in children:
            walk(child, here)

    walk(json.loads(snapshot_formatter_json(path))[3], "")
    return found


def as_java_date(moment_ms: int) -> str:
    """As Date.toString does in UTC."""
    return time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(moment_ms // 1000))
