"""Power failures while a folder is restored or repaired: the whole result is there, or no server starts.

Which states a crash can leave is said by `storage/tests/crash_states.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from zoolet.server.tools.backup import back_up, restore_archive
from zoolet.server.tools.folder import Folder, NotThere
from zoolet.server.tools.recovery import recover
from zoolet.server.tools.repair import plan_repair, repair
from zoolet.server.tools.tests.folders import our_folder
from zoolet.storage.errors import StorageError
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_log import StartingPoint
from zoolet.storage.tests.crash_recorder import Image, RecordingDisk, disk_of
from zoolet.storage.tests.crash_states import DiskModel

PER_CALL = 60


def states_of(recording: RecordingDisk) -> Iterator[Image]:
    """What a crash can leave, each once."""
    seen = set()
    model, random = DiskModel(recording.image), Random(1)
    for call in recording.calls:
        if not model.replay(call):
            continue
        for image in model.states(PER_CALL, random):
            key = frozenset(image.items())
            if key not in seen:
                seen.add(key)
                yield image


def outcomes(recording: RecordingDisk, folder: Folder) -> tuple[set[int], int]:
    """What starts make of the states (last zxid; 0: an empty folder; -1: refused), and how many there are."""
    found = [outcome(image, folder) for image in states_of(recording)]
    return set(found), len(found)


def outcome(image: Image, folder: Folder) -> int:
    try:
        recovered = recover(disk_of(image), folder)
    except StorageError:
        return -1
    return 0 if recovered.start is StartingPoint.EMPTY else recovered.zxid


def image_of(*paths: Path) -> Image:
    """What is on the real disk below these folders, and in these files."""
    image: Image = {}
    for path in paths:
        for parent in reversed(path.parents):
            image.setdefault(str(parent), None)
        for one in [path, *sorted(path.rglob("*"))]:
            image[str(one)] = None if one.is_dir() else one.read_bytes()
    image.pop("/", None)
    return image


@pytest.mark.parametrize("logs", ["/new", "/newlogs"])
def test_a_folder_is_restored_whole_or_not_at_all(tmp_path: Path, logs: str) -> None:
    """An archive that is unpacked in part looks like an older history, or like none."""
    original = our_folder(tmp_path, range(1, 6), range(6, 9), range(9, 12), snapshot_before=(6,))
    for path in ("version-2/acceptedEpoch", "version-2/currentEpoch", "myid"):
        Path(original.data_dir, path).write_text("1")
    archive = tmp_path / "b.tar"
    back_up(RealDisk(), original, str(archive))
    folder = Folder("/new", logs)
    disk = RecordingDisk(image_of(archive))
    restore_archive(disk, str(archive), folder)
    found = set()
    for image in states_of(disk):
        made = [path for path, content in image.items() if content is not None and path != str(archive)]
        found.add(result := outcome(image, folder))
        if result == 0:
            assert [path for path in made if not path.endswith(".tmp")] == [], "an empty tree is served"
        if result != 11:  # it is done again, whatever was left
            again = disk_of(image)
            restore_archive(again, str(archive), folder)
            assert recover(again, folder).zxid == 11
            assert [name for name in again.listdir("/new/version-2") if name.startswith(("new.", "."))] == []
            assert again.listdir("/new") == ["myid", "version-2"]
    assert found == {0, -1, 11}
    assert outcome(disk.image_without_power(), folder) == 11


def test_a_folder_with_something_else_in_it_is_not_restored_again(tmp_path: Path) -> None:
    original = our_folder(tmp_path, range(1, 6))
    archive = tmp_path / "b.tar"
    back_up(RealDisk(), original, str(archive))
    image = image_of(archive)
    disk = disk_of(
        {**image, "/new/version-2/.zoolet.intent": b"restore\n", "/new/version-2/notes.txt": b"mine"}
    )
    with pytest.raises(NotThere, match=r"is not empty: it has notes\.txt"):
        restore_archive(disk, str(archive), Folder("/new", "/new"))


def test_a_folder_is_repaired_or_still_damaged(tmp_path: Path) -> None:
    original = our_folder(tmp_path, range(1, 6), range(6, 40), range(40, 50))
    log = Path(original.log_directory, "log.6")
    content = bytearray(log.read_bytes())
    content[1000] ^= 1
    log.write_bytes(content)
    disk = RecordingDisk(image_of(Path(original.data_dir)))
    plan = plan_repair(disk, original)
    kept = plan.recovered.zxid
    assert 6 < kept < 39
    assert outcome(disk.image, original) == -1
    for _ in repair(disk, original, plan):
        pass
    found, states = outcomes(disk, original)
    assert found == {-1, kept}
    assert states > 40
    assert outcome(disk.image_without_power(), original) == kept


def test_a_hole_between_epochs_is_closed_or_still_refused(tmp_path: Path) -> None:
    """Only the ends in the mark's file tell of it: with that gone first, later epochs would be served."""
    original = our_folder(
        tmp_path, range(1, 6), range(0x100000001, 0x100000005), range(0x200000001, 0x200000003)
    )
    log = Path(original.log_directory, "log.1")
    content = log.read_bytes()
    log.write_bytes(content[:-40] + bytes(40))
    disk = RecordingDisk(image_of(Path(original.data_dir)))
    plan = plan_repair(disk, original)
    assert (plan.recovered.zxid, outcome(disk.image, original)) == (4, -1)
    for _ in repair(disk, original, plan):
        pass
    assert outcomes(disk, original)[0] == {-1, 4}
    assert outcome(disk.image_without_power(), original) == 4
