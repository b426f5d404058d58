"""`zoolet serve` on folders that cannot be used: one line each, with folder and reason, and Java's status."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from ..load import Load, prepare
from ..quorum.member import zoolet_launcher
from ..server_process import free_port
from ..waiting import PATIENCE_S
from ..zoolet_server import ZooletServer
from .conftest import StartFaulty
from .injector import Injector, On
from .server import last_words

UNUSABLE_FOLDER = 3
"""`ExitCode.UNABLE_TO_ACCESS_DATADIR`."""


def serve(
    home: Path,
    data_dir: Path,
    *,
    log_dir: Path | None = None,
    properties: Mapping[str, str] | None = None,
    prefix: Iterable[str] = (),
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `zoolet serve` until it ends by itself."""
    configuration = home / "zoo.cfg"
    lines = {"dataDir": data_dir, "dataLogDir": log_dir or data_dir, "clientPort": free_port()}
    configuration.write_text(
        "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        + "".join(f"{key}={value}\n" for key, value in lines.items())
    )
    return subprocess.run(
        [*prefix, *zoolet_launcher(configuration, properties or {})],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if stderr is None else stderr,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_folder_in_use(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with ZooletServer(data_dir=data_dir) as server:
        second = serve(tmp_path, data_dir)
        assert second.returncode == UNUSABLE_FOLDER
        expected = f"data directory {data_dir}/version-2 is in use by process {server.pid}"
        assert last_words(second.stderr) == f"zoolet: {expected}"
        assert server.is_running
        prepare(server.port)
    assert server.output.count("ERROR") == 0


def test_log_folder_in_use_by_a_server_with_another_data_folder(tmp_path: Path) -> None:
    shared = tmp_path / "logs"
    with ZooletServer(data_dir=tmp_path / "one", settings={"dataLogDir": str(shared)}) as server:
        second = serve(tmp_path, tmp_path / "two", log_dir=shared)
        assert second.returncode == UNUSABLE_FOLDER
        expected = f"data directory {shared}/version-2 is in use by process {server.pid}"
        assert last_words(second.stderr) == f"zoolet: {expected}"


def test_folder_is_free_again_when_the_process_is_gone_however_it_went(tmp_path: Path) -> None:
    with ZooletServer(data_dir=tmp_path / "data") as server:
        prepare(server.port)
        server.kill()
        server.start()
        assert server.stop() == 0


@pytest.mark.parametrize("is_new", [True, False], ids=["a new folder", "one with data"])
def test_read_only_folder(faulty: StartFaulty, injector: Injector, tmp_path: Path, is_new: bool) -> None:
    """What `mount -o remount,ro` makes of it. (For the super user permissions alone would not do.)"""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    if not is_new:
        server = faulty(data_dir)
        prepare(server.port)
        load = Load([server.port])
        load.await_acknowledged(10)
        load.stop()
        server.stop()
    injector.fail(On.CHANGE, data_dir, error=errno.EROFS)
    refused = serve(tmp_path, data_dir, prefix=injector.command_prefix)
    assert refused.returncode == UNUSABLE_FOLDER
    words = last_words(refused.stderr)
    assert re.fullmatch(rf"zoolet: create [a-z ]*{data_dir}/version-2\S*: {os.strerror(errno.EROFS)}", words)
    if not is_new:
        injector.repair()
        server.start()
        load.check(server.port)


def test_folder_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not keep the super user out")
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o500)
    refused = serve(tmp_path, data_dir)
    assert refused.returncode == UNUSABLE_FOLDER
    assert last_words(refused.stderr).endswith(os.strerror(errno.EACCES))


@pytest.mark.parametrize("below", ["", "/below/it"], ids=["it is a file", "it is below a file"])
@pytest.mark.parametrize("which", ["data", "log"])
def test_path_that_is_a_file(tmp_path: Path, which: str, below: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    path, other = Path(f"{tmp_path}/file{below}"), tmp_path / "other"
    data_dir, log_dir = (path, other) if which == "data" else (other, path)
    refused = serve(tmp_path, data_dir, log_dir=log_dir)
    assert refused.returncode == UNUSABLE_FOLDER
    words = last_words(refused.stderr)
    assert str(path) in words
    assert words.endswith(os.strerror(errno.ENOTDIR))


def test_missing_folder_that_must_not_be_made(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    refused = serve(tmp_path, missing, properties={"zookeeper.datadir.autocreate": "false"})
    assert refused.returncode == UNUSABLE_FOLDER
    expected = f"data directory {missing}/version-2 does not exist and datadir.autocreate is false"
    assert last_words(refused.stderr) == f"zoolet: {expected}"
    assert not missing.exists()


@pytest.mark.parametrize(
    ("operations", "error"),
    [
        (On.SPACE, errno.ENOSPC),
        (On.SYNC | On.SYNC_DIR, errno.EIO),
        (On.RENAME, errno.EIO),
        (On.OPEN | On.CREATE, errno.EACCES),
    ],
    ids=["full disk", "sync fails", "rename fails", "no permission"],
)
def test_first_snapshot_cannot_be_written(
    injector: Injector, tmp_path: Path, operations: On, error: int
) -> None:
    """A new folder gets a snapshot before anybody is served."""
    (tmp_path / "data" / "version-2").mkdir(parents=True)
    injector.fail(operations, tmp_path / "data", error=error)
    refused = serve(tmp_path, tmp_path / "data", prefix=injector.command_prefix)
    assert refused.returncode == UNUSABLE_FOLDER
    assert last_words(refused.stderr).endswith(f": {os.strerror(error)}")
    assert "ready" not in refused.stdout


def test_status_is_the_same_when_standard_error_is_on_the_full_disk_too(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    (tmp_path / "file").write_text("not a folder")
    with Path("/dev/full").open("wb") as full:
        refused = serve(tmp_path, tmp_path / "file", stderr=full.fileno())
    assert refused.returncode == UNUSABLE_FOLDER
