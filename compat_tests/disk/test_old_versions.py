"""A folder that 3.4 left: without digests, lists of closed sessions and `/zookeeper/config`.

Both servers make the same of it, and it is what 3.4 had shown its clients. The files are those of
`storage/tests/golden/java-3.4.14`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute.data import Stat
from zoolet.server.tools.recovery import recover
from zoolet.storage.real_disk import RealDisk

from ..comparison import assert_same_lines
from ..conftest import StartServer
from ..tree_dump import SUPER_PROPERTY, dump_tree
from .life import Place, assert_digests_agree, assert_reads_well, served_sessions, served_zxid
from .workload import CLOCK

GOLDEN = Path(__file__).parents[2] / "storage/tests/golden/java-3.4.14"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())


def lay_out(folder: Path, *, with_snapshot: bool) -> Path:
    left_out = ["expected.json"] if with_snapshot else ["expected.json", "snapshot.*"]
    shutil.copytree(GOLDEN, folder / "version-2", ignore=shutil.ignore_patterns(*left_out))
    return folder


@pytest.mark.parametrize("with_snapshot", [True, False], ids=["snapshot", "logs-alone"])
def test_both_make_the_same_of_what_3_4_left(
    new_subject: StartServer, new_reference: StartServer, tmp_path: Path, *, with_snapshot: bool
) -> None:
    """But for one node: a server of Java's own has no `/zookeeper/config` until 3.5 began the folder."""
    trees = []
    for name, make in (("one", new_subject), ("other", new_reference)):
        folder = lay_out(tmp_path / name, with_snapshot=with_snapshot)
        settings = {**CLOCK, "snapshot.trust.empty": str(not with_snapshot).lower()}
        with make(settings=settings, properties=SUPER_PROPERTY, data_dir=folder) as server:
            assert EXPECTED["session"] in served_sessions(server)
            assert served_zxid(server) == EXPECTED["zxid"]
            trees.append([line for line in dump_tree(server.port) if not line.startswith("'/zookeeper' ")])
            assert_digests_agree(server)
            server.kill()
        assert_reads_well(Place(folder, folder))
    assert_same_lines(trees[0], trees[1], "both make the same of it")


def test_it_is_what_clients_of_3_4_saw(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "data", with_snapshot=True)
    recovered = recover(RealDisk(), Place(folder, folder).folder)
    assert recovered.zxid == EXPECTED["zxid"]
    assert recovered.database.sessions[EXPECTED["session"]] == EXPECTED["timeout_ms"]
    tree = recovered.database.tree
    seen = EXPECTED["at_end"]
    assert {path or "/" for path in tree.nodes if path != "/"} >= set(seen)
    for path, (data_hex, stat, acl) in seen.items():
        if path == "/zookeeper":
            continue  # it has one more child now
        node = tree.get(path)
        assert node.data == (None if data_hex is None else bytes.fromhex(data_hex)), path
        assert node.stat() == Stat(*stat), path
        assert [[entry.perms, entry.id.scheme, entry.id.id] for entry in node.acl] == acl, path
