"""Whatever a disk loses of a folder that a start refuses then: repair leaves no hole, no backup is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from zoolet.server.tools.backup import back_up
from zoolet.server.tools.folder import Folder
from zoolet.server.tools.recovery import recover
from zoolet.server.tools.repair import plan_repair, repair
from zoolet.server.tools.tests.folders import our_folder
from zoolet.server.tools.tests.test_crashing_tools import image_of
from zoolet.storage.disk import Disk
from zoolet.storage.errors import StorageError
from zoolet.storage.file_names import looks_like_log
from zoolet.storage.tests.crash_recorder import Image, disk_of

BLOCK = 48
EPOCHS = [range(epoch << 32 | 1, epoch << 32 | 7) for epoch in range(3)]
ZXIDS = [zxid for epoch in EPOCHS for zxid in epoch]


def spoiled(image: Image) -> Iterator[Image]:
    """Each with a block of zeros or of wrong bytes in a log, or without the file, or with less of it."""
    for path, content in image.items():
        if content is None or not looks_like_log(path.rpartition("/")[2]):
            continue
        yield {other: data for other, data in image.items() if other != path}
        for start in range(0, len(content), BLOCK):
            before, block, after = content[:start], content[start : start + BLOCK], content[start + BLOCK :]
            yield {**image, path: before}
            for bad in (bytes(len(block)), bytes(byte ^ 0x10 for byte in block)):
                yield {**image, path: before + bad + after}


def found(disk: Disk, folder: Folder) -> list[int]:
    """What a start would replay behind the empty snapshot. Raises StorageError."""
    zxids: list[int] = []
    recover(disk, folder, replayed=zxids.append)
    return zxids


@pytest.mark.parametrize("twice", [False, True], ids=["one loss", "and another log gone"])
def test_repair_and_backup_leave_no_hole_behind_any_loss(tmp_path: Path, twice: bool) -> None:
    folder = our_folder(tmp_path, *EPOCHS)
    image = image_of(Path(folder.data_dir))
    if twice:
        del image[f"{folder.log_directory}/log.200000001"]
    refused = 0
    for state in spoiled(image):
        disk = disk_of(state)
        try:
            assert found(disk, folder) == ZXIDS, "txns are missing, and nobody says so"
            continue
        except StorageError:
            refused += 1
        with pytest.raises(StorageError):
            back_up(disk, folder, f"{folder.data_dir}/b.tar")
        plan = plan_repair(disk, folder)
        for _ in repair(disk, folder, plan):
            pass
        left = found(disk, folder)
        assert left == ZXIDS[: len(left)]
        assert plan.acknowledged >= 0
        assert not set(plan.lost) & set(left)
    assert refused > 50
