"""`zoolet log`, `snapshot`, `check` and `tree`, as a user sees them; on folders of Java's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from zoolet.quorum.main import COMMANDS, cli
from zoolet.server.tools.tests.folders import JAVA_38, JAVA_39, ROOT, damage, our_folder, payload
from zoolet.storage.log_record import FILE_HEADER, frame


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A data folder that Java 3.8 left: snapshots 0 and 0x10, logs 1 and 0x11."""
    folder = tmp_path / "java"
    (folder / "version-2").mkdir(parents=True)
    for name in ("snapshot.0", "snapshot.10", "log.1", "log.11"):
        shutil.copy(JAVA_38 / name, folder / "version-2")
    return folder


def run(*arguments: object, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), input=input)


def test_log_shows_each_txn_on_a_line(java: Path) -> None:
    lines = run("log", java).stdout.splitlines()
    assert len(lines) == 22
    assert lines[8] == (
        "0x9  2026-11-23T09:41:47.835Z  session 0x100001b3e2a0000  cxid 8"
        "  create  /app/eph  1 bytes  ephemeral  parent cversion 7"
    )
    assert lines[14].endswith(
        "multi [create  /app/multi  1 bytes  parent cversion 8; setData  /app  8 bytes  version 2;"
        " check  /app  version 3]"
    )


def test_log_hides_hashes_but_not_in_json(java: Path) -> None:
    assert "digest:bob:x:cdrwa" in run("log", java, "--from", "0x5", "--to", 5).stdout
    [line] = run("log", java, "--from", "0x5", "--to", 5, "--json").stdout.splitlines()
    assert json.loads(line)["acl"][1]["id"].startswith("bob:ikI")


def test_log_as_json_has_one_object_a_line_with_data(java: Path) -> None:
    txns = [json.loads(line) for line in run("log", java / "version-2/log.11", "--json").stdout.splitlines()]
    assert [txn["zxid"] for txn in txns] == [f"0x{zxid:x}" for zxid in range(0x11, 0x17)]
    assert {"data", "data_bytes", "path"} < txns[0].keys() or txns[0]["type"] == "createSession"
    assert all(txn["offset"] > 0 for txn in txns)


def test_the_line_in_the_page_about_storage_is_what_is_printed() -> None:
    page = (ROOT / "docs/storage.md").read_text()
    assert f"\n    {run('log', JAVA_39, '--from', '2', '--to', '2').stdout}" in page


def test_every_kind_of_txn_can_be_shown() -> None:
    result = run("log", JAVA_39)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 26
    for kind in ("createTTL", "createContainer", "closeSession", "setACL", "error", "multi"):
        assert f"  {kind}" in result.stdout


def test_log_tells_damage_with_its_offset_and_ends_with_1(java: Path) -> None:
    damage(java / "version-2/log.11", 300)
    result = run("log", java)
    assert result.exit_code == 1
    assert "log.11: damage at offset 271, after zxid 0x13: CRC check failed" in result.stderr
    assert len(result.stdout.splitlines()) == 19


def test_log_tells_a_torn_tail_and_ends_with_0(java: Path) -> None:
    log = java / "version-2/log.11"
    log.write_bytes(log.read_bytes()[:300])
    result = run("log", log)
    assert result.exit_code == 0
    assert "torn tail at offset 271" in result.stderr


def test_log_follows_what_a_server_adds_into_the_next_file(tmp_path: Path) -> None:
    folder = Path(our_folder(tmp_path, range(1, 4)).log_directory)
    command = [sys.executable, "-m", "zoolet.quorum", "log", str(folder), "-f", "--from", "3", "--to", "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("0x3 ")
            with (folder / "log.1").open("ab") as file:
                file.write(frame(payload(4)))
            assert process.stdout.readline().startswith("0x4 ")
            (folder / "log.5").write_bytes(FILE_HEADER + frame(payload(5)) + frame(payload(6)))
            assert process.stdout.readline().startswith("0x5 ")
            assert process.stdout.readline().startswith("0x6 ")
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


def test_a_zxid_that_is_none_is_named(java: Path) -> None:
    result = run("log", java, "--from", "1a")
    assert result.exit_code == 2
    assert "'1a' is no zxid: write 0x1a, or 26" in result.stderr


def test_snapshot_sums_up(java: Path) -> None:
    out = run("snapshot", java, "--tree").stdout
    assert "nodes     12, 1 of them ephemeral" in out
    assert "digest    0x2e657b9b8; the stored one fits the nodes" in out
    assert "0x100001b3e2a0000   20000 ms" in out
    assert "    empty  300 B" in out.splitlines()


@pytest.mark.parametrize("name", ["snapshot.10", "snapshot.10.gz", "snapshot.10.snappy"])
def test_snapshot_reads_compressed_ones_as_well(name: str) -> None:
    path = JAVA_38.parent / "java-3.9.4" / name
    value = json.loads(run("snapshot", path, "--json", "--top", 1).stdout)
    assert (value["nodes"], value["data_bytes"]) == (12, 333)
    assert value["last_zxid"] == "0x10"
    assert value["digest"]["verdict"] == "fits the nodes"
    assert [value["largest"][order][0]["path"] for order in ("children", "bytes", "subtree")] == [
        "/app",
        "/app/empty",
        "/",
    ]


def test_snapshot_names_damage(java: Path) -> None:
    damage(java / "version-2/snapshot.10", 700)
    result = run("snapshot", java / "version-2/snapshot.10")
    assert result.exit_code == 1
    assert "snapshot.10 is damaged at offset" in result.stderr
    assert "snapshot.0 " in run("snapshot", java).stdout


def test_check_says_what_a_start_would_do(java: Path) -> None:
    result = run("check", java)
    assert result.exit_code == 0
    assert "recovery: starts from snapshot.10, replays 6 txns; then zxid 0x16, 12 nodes" in result.stdout
    assert result.stdout.splitlines()[-1] == "All is well."


def test_check_repairs_when_told_to(java: Path) -> None:
    log = java / "version-2/log.11"
    damage(log, 300)
    before = log.read_bytes()
    result = run("check", java)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1].endswith(f"zoolet check {java} --repair")
    result = run("check", java, "--repair", input="n\n")
    assert result.exit_code == 1
    assert "Will be lost: 2 transactions that can still be read one by one (0x15 to 0x16)." in result.stdout
    assert log.read_bytes() == before
    result = run("check", java, "--repair", "--yes")
    assert result.exit_code == 0
    assert log.stat().st_size == 271
    assert (java / "version-2.backup/log.11").read_bytes() == before
    assert "There is nothing to repair" in run("check", java, "--repair").stdout


def test_check_names_what_is_no_data_folder(tmp_path: Path) -> None:
    result = run("check", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path} is no data folder: it has no version-2" in result.stderr


def test_serve_says_how_to_repair(java: Path) -> None:
    damage(java / "version-2/log.11", 300)
    command = [sys.executable, "-m", "zoolet.quorum", "serve", "0", str(java)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith(f"zoolet check {java} --repair")


def test_tree_shows_the_nodes_behind_an_earlier_txn(java: Path) -> None:
    assert "  second  1 B  version 1" in run("tree", java).stdout.splitlines()
    then = run("tree", java, "/app", "--at", "0x5", "--data").stdout.splitlines()
    assert then[0] == "zxid 0x5, 8 nodes"
    assert then[1] == '/app  5 B  version 0  "hello"'
    assert [line.split()[0] for line in then[2:]] == ["empty", "secret", "umlaut-ä漢"]


def test_tree_has_the_history_of_a_node(java: Path) -> None:
    lines = run("tree", java, "--history", "/app/empty").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["0x3", "0xb", "0xd"]
    assert [line.split("  ")[4] for line in lines] == ["create", "setData", "setACL"]


def test_tree_says_how_far_it_can_see(java: Path) -> None:
    result = run("tree", java, "--at", "0x17")
    assert result.exit_code == 2
    assert "there is no txn 0x17: snapshots and logs go from 0x0 to 0x16" in result.stderr


def test_a_node_that_is_not_there_is_named(java: Path) -> None:
    assert "there is no node /nowhere at zxid 0x16" in run("tree", java, "/nowhere").stderr


def test_the_tools_cost_a_server_no_time_at_its_start() -> None:
    """`serve` must load neither rich nor them."""
    program = (
        "import sys; from zoolet.quorum.main import cli; cli.get_command(None, 'serve');"
        " print([m for m in sys.modules if m.startswith('rich') or '.tools' in m])"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    if name != "java":
        assert run(name, "--help").stdout.startswith("Usage: ")
