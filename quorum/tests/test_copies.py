"""`zoolet export`, `import`, `backup` and `restore`, as a user sees them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from zoolet.jute.codes import CreateMode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.proto import CreateRequest
from zoolet.quorum.commands.wire_client import ServerTrouble, WireClient, split_address
from zoolet.quorum.main import cli
from zoolet.quorum.tests.test_main import Running
from zoolet.server.digest import as_long
from zoolet.server.tools.folder import Folder
from zoolet.server.tools.recovery import Recovered, recover
from zoolet.server.tools.tests.folders import JAVA_38, JAVA_39
from zoolet.storage.real_disk import RealDisk


def run(*arguments: object, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), input=input)


def recovered(folder: Path) -> Recovered:
    return recover(RealDisk(), Folder(str(folder), str(folder)), check_digests=True)


@pytest.fixture(params=[JAVA_38, JAVA_39], ids=lambda path: path.name)
def java(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A data folder of Java's."""
    folder = tmp_path / "java"
    (folder / "version-2").mkdir(parents=True)
    for path in request.param.iterdir():
        if path.name.startswith(("log.", "snapshot.")):
            shutil.copy(path, folder / "version-2")
    return folder


def test_a_folder_comes_back_from_its_export_as_it_was(java: Path, tmp_path: Path) -> None:
    """Every node, stat, ACL and session: the digests of both trees are equal."""
    assert run("export", java, tmp_path / "tree.json").exit_code == 0
    result = run("import", tmp_path / "tree.json", tmp_path / "fresh")
    assert result.exit_code == 0, result.output
    before, after = recovered(java), recovered(tmp_path / "fresh")
    assert (after.zxid, after.node_count) == (before.zxid, before.node_count)
    assert as_long(after.database.tree.digest) == as_long(before.database.tree.digest)
    assert after.database.sessions == before.database.sessions
    assert {path: node.acl for path, node in after.database.tree.nodes.items()} == {
        path: node.acl for path, node in before.database.tree.nodes.items()
    }
    assert run("export", tmp_path / "fresh", tmp_path / "again.json").exit_code == 0
    both = [json.loads((tmp_path / name).read_text()) for name in ("tree.json", "again.json")]
    assert both[0] == both[1]


def test_a_subtree_of_an_earlier_moment_can_be_exported(java: Path) -> None:
    value = json.loads(run("export", java, "-", "--path", "/zookeeper", "--at", "0x2").stdout)
    assert value["zxid"] == "0x2"
    assert sorted(value["nodes"]) == ["/zookeeper", "/zookeeper/config", "/zookeeper/quota"]


def test_a_subtree_gets_the_nodes_above_it(tmp_path: Path) -> None:
    value = {"format": "zoolet-tree", "version": 1, "nodes": {"/a/b/c": {"data": "x"}}}
    result = run("import", "-", tmp_path / "fresh", input=json.dumps(value))
    assert result.exit_code == 0, result.output
    nodes = recovered(tmp_path / "fresh").database.tree.nodes
    assert nodes["/a/b/c"].data == b"x"
    assert nodes["/a/b"].child_count == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "the file is no export"),
        ("[", "Expecting value"),
        ('{"format": "zoolet-tree", "version": 9, "nodes": {}}', "the file has version 9"),
        ('{"format": "zoolet-tree", "version": 1, "nodes": {"a": {}}}', "'a' is no path"),
        ('{"format": "zoolet-tree", "version": 1, "nodes": {"/a": {"data": 3}}}', "/a: data is 3"),
        (
            '{"format": "zoolet-tree", "version": 1, "nodes": {"/a": {"acl": [1]}}}',
            "which is no list of perms",
        ),
        ('{"format": "zoolet-tree", "version": 1, "nodes": {"/a": {"data_base64": "?"}}}', "not base64"),
        ('{"format": "zoolet-tree", "version": 1, "nodes": {"/a": 7}}', "/a: is 7, which is no node"),
    ],
)
def test_what_is_no_export_is_named(tmp_path: Path, text: str, reason: str) -> None:
    result = run("import", "-", tmp_path / "fresh", input=text)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (tmp_path / "fresh").exists()


def test_a_folder_with_data_is_not_imported_into(java: Path, tmp_path: Path) -> None:
    run("export", java, tmp_path / "tree.json")
    result = run("import", tmp_path / "tree.json", java)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr


def test_a_running_server_can_be_exported_and_imported_into(java: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree.json"
    run("export", java, tree)
    value = json.loads(tree.read_text())
    for node in value["nodes"].values():
        node.pop("acl", None)  # which would keep us from changing it, and from seeing it
    tree.write_text(json.dumps(value))
    with Running("--temporary", "-Dzookeeper.extendedTypesEnabled=true", folder=tmp_path) as server:
        address = f"127.0.0.1:{server.port}"
        result = run("import", tree, address)
        assert result.exit_code == 0, result.output
        result = run("import", tree, address)
        assert result.exit_code == 1
        assert "node exists (-110)" in result.stderr
        assert run("import", tree, address, "--overwrite").exit_code == 0
        assert run("export", address, tmp_path / "back.json").exit_code == 0
        acl = (ACL(31, Id("auth", "")),)
        with WireClient(("127.0.0.1", server.port), ["digest:bob:secret"]) as client:
            closed = CreateRequest("/closed", b"", acl, CreateMode.PERSISTENT)
            assert client.call(OpCode.CREATE, closed.encode())[0] == 0
        result = run("export", address, "-")
        assert "left out /closed: no auth (-102)" in result.stderr
        assert '"/closed": ' in run("export", address, "-", "--auth", "digest:bob:secret").stdout
        assert run("backup", tmp_path / "nowhere", tmp_path / "b.tar").exit_code == 2
    before, after = (
        json.loads((tmp_path / name).read_text())["nodes"] for name in ("tree.json", "back.json")
    )
    kept = {path for path, node in before.items() if "ephemeral_owner" not in node}
    assert set(after) == kept
    for path in kept - {"/zookeeper/config"}:
        keys = ("data", "data_base64", "acl")
        assert [after[path].get(key) for key in keys] == [before[path].get(key) for key in keys]


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("export", "127.0.0.1:1", tmp_path / "tree.json")
    assert result.exit_code == 1
    assert "cannot connect to 127.0.0.1:1" in result.stderr
    assert not (tmp_path / "tree.json").exists()
    with pytest.raises(ServerTrouble):
        WireClient(("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:2181", ("localhost", 2181)),
        ("[::1]:2181", ("::1", 2181)),
        (":2181", ("127.0.0.1", 2181)),
        ("data", None),
        ("data:x", None),
        ("./data:1", None),
        ("host:0", None),
    ],
)
def test_an_address_is_told_from_a_folder(text: str, address: tuple[str, int] | None) -> None:
    assert split_address(text) == address


def test_a_backup_of_a_running_server_is_restored(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Running("0", str(data), folder=tmp_path) as server:
        with WireClient(("127.0.0.1", server.port)) as client:
            for number in range(5):
                request = CreateRequest(f"/n{number}", b"x", OPEN_ACL, CreateMode.PERSISTENT)
                assert client.call(OpCode.CREATE, request.encode())[0] == 0
        assert run("check", data).exit_code == 0
        assert "in use by process" in run("check", data, "--repair", "--yes").stderr
        result = run("backup", data, tmp_path / "copy.tgz")
        assert result.exit_code == 0, result.output
    result = run("restore", tmp_path / "copy.tgz", tmp_path / "again")
    assert result.exit_code == 0, result.output
    assert {f"/n{number}" for number in range(5)} <= recovered(tmp_path / "again").database.tree.nodes.keys()
    assert run("restore", tmp_path / "copy.tgz", tmp_path / "again").exit_code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "copy.tgz", "data"]
