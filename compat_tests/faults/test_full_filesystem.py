"""A file system that is really full: a small one in memory, mounted for the test, for which it takes root."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..load import Load, prepare
from ..server_process import ServerDidNotStart
from .conftest import StartFaulty


def mount(*arguments: str) -> None:
    """Run mount(8), or skip the test where that is not allowed."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount`")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"nothing can be mounted here: {error.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "none", str(folder))
    yield folder
    # Lazily: it goes when the server has let go of it.
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_server_ends_on_a_full_disk_and_goes_on_on_a_larger_one(
    faulty: StartFaulty, small_disk: Path
) -> None:
    server = faulty(small_disk / "data", preAllocSize="64")
    prepare(server.port)
    load = Load([server.port], data_bytes=1000)
    assert server.await_end() == 1
    load.ended()
    words = server.last_words()
    assert f"write {small_disk}/data/version-2/log.1: {os.strerror(errno.ENOSPC)}" in words

    mount("-o", "remount,size=16m", str(small_disk))
    server.start()
    load.check(server.port)
    again = Load([server.port])
    again.await_acknowledged(10)
    again.stop()
    again.check(server.port)


def test_disk_mounted_read_only(faulty: StartFaulty, small_disk: Path) -> None:
    server = faulty(small_disk / "data", preAllocSize="64")
    prepare(server.port)
    server.stop()
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(ServerDidNotStart, match=rf"(?s)exit code 3: .*{os.strerror(errno.EROFS)}"):
        server.start()
    mount("-o", "remount,rw", str(small_disk))
    server.start()
