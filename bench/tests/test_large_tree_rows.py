"""The rows about a million nodes find the right files, and give Java the memory it needs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.kinds import Java
from bench.large_tree_rows import ROWS, gzipped_bytes, newest_snapshot, snapshots_finished
from bench.rows import select_rows
from bench.servers import Server
from bench.tests.fake_member import FakeKind


@pytest.mark.parametrize(
    ("method", "newest"), [("", "snapshot.a00"), ("gz", "snapshot.9ff.gz"), ("snappy", None)]
)
def test_the_newest_snapshot_is_that_of_the_highest_zxid(method: str, newest: str | None) -> None:
    names = ["snapshot.9fe", "snapshot.a00", "snapshot.9ff.gz", "snapshot.10.gz", "snapshot.tmp", "log.ffff"]
    found = newest_snapshot(map(Path, names), method)
    assert (found.name if found else None) == newest


def test_an_uncompressed_snapshot_is_not_taken_for_a_compressed_one() -> None:
    assert newest_snapshot([Path("snapshot.ff.gz")], "") is None


def test_what_gzip_would_make_of_a_file_is_what_it_makes(tmp_path: Path) -> None:
    path = tmp_path / "log.1"
    path.write_bytes(b"transaction" * 1000 + bytes(1 << 20))
    header_differs = 20
    assert abs(gzipped_bytes(path) - len(gzip.compress(path.read_bytes(), 6))) <= header_differs


def test_files_that_are_not_whole_are_no_snapshots(tmp_path: Path) -> None:
    server = Server(FakeKind(), tmp_path)
    folder = server.data_dir / "version-2"
    folder.mkdir(parents=True)
    for name in ("snapshot.1", "new.snapshot.2", "log.1", "log.2", "currentEpoch"):
        (folder / name).touch()
    assert {path.name for path in server.snapshots()} == {"snapshot.1"}
    assert {path.name for path in server.logs()} == {"log.1", "log.2"}


def test_java_has_a_larger_heap_for_a_million_nodes() -> None:
    java = Java("java", "jars")
    usual, large = (kind.command({}, Path("zoo.cfg")) for kind in (java, java.for_large_trees()))
    assert [(a, b) for a, b in zip(usual, large, strict=True) if a != b] == [("-Xmx1000m", "-Xmx4000m")]


def test_a_snapshot_counts_when_the_server_has_finished_it() -> None:
    assert snapshots_finished("zk_avg_snapshottime\t9.5\nzk_cnt_snapshottime\t2\n") == 2
    with pytest.raises(BenchError, match="does not tell"):
        snapshots_finished("This ZooKeeper instance is not currently serving requests\n")


def test_the_rows_share_one_tree_and_are_left_out_of_a_quick_run() -> None:
    assert {row.group for row in ROWS} == {"1m"}
    assert all(row.is_long for row in ROWS)
    assert [row.name for row in select_rows(("*-1m",), quick=True)] == [
        "snapshot-1m",
        "restart-1m",
        "disk-1m",
    ]
