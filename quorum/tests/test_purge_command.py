"""`zoolet purge`: the command line of Java's `PurgeTxnLog`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from zoolet.quorum.main import cli
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_store import SnapStore
from zoolet.storage.snapshot import SnapshotEncoder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Five snapshots, and a log for each."""
    folder = tmp_path / "version-2"
    folder.mkdir()
    for zxid in range(1, 6):
        file = SnapStore(RealDisk(), str(folder)).begin(zxid)
        encoder = SnapshotEncoder()
        encoder.start({}, {})
        encoder.add_node("", b"", -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        file.write(encoder.finish())
        file.finish()
        (folder / f"log.{zxid}").write_bytes(b"")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["purge", *map(str, arguments)])


def names(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "version-2").iterdir())


def test_it_removes_what_is_older_than_the_snapshots_that_stay(data_dir: Path) -> None:
    result = run(data_dir, "-n", 3)
    assert result.exit_code == 0
    assert names(data_dir) == ["log.3", "log.4", "log.5", "snapshot.3", "snapshot.4", "snapshot.5"]
    assert result.output.splitlines()[-1] == "3 snapshots stay, the oldest is snapshot.3."


def test_a_dry_run_only_says_what_would_go(data_dir: Path) -> None:
    before = names(data_dir)
    result = run(data_dir, "-n", 4, "--dry-run")
    assert names(data_dir) == before
    assert result.output.splitlines()[:-1] == [
        f"Would remove {data_dir}/version-2/snapshot.1",
        f"Would remove {data_dir}/version-2/log.1",
    ]


def test_logs_may_be_in_another_folder(data_dir: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "version-2").mkdir(parents=True)
    for path in (data_dir / "version-2").glob("log.*"):
        path.rename(logs / "version-2" / path.name)
    assert run(logs, data_dir, "-n", "3").exit_code == 0
    assert names(data_dir) == ["snapshot.3", "snapshot.4", "snapshot.5"]
    assert names(logs) == ["log.3", "log.4", "log.5"]


def test_a_count_below_three_is_refused(data_dir: Path) -> None:
    before = names(data_dir)
    assert run(data_dir, "-n", 2).exit_code == 2
    assert run(data_dir).exit_code == 2
    assert names(data_dir) == before


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "-n", 3)
    assert result.exit_code == 2
    assert f"{tmp_path}/nowhere is no data folder" in result.output
