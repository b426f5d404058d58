"""What `zoolet check` says that a member of an ensemble would do with a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.server.tools.check import Check, Level
from zoolet.server.tools.folder import Folder
from zoolet.server.tools.tests.folders import damage, our_folder
from zoolet.storage.real_disk import RealDisk

REFETCH = (
    "a member would start without a vote, get everything from the leader that the others elect, and set the"
    " damaged files aside as damaged.*"
)


def findings(folder: Folder, subject: str) -> list[tuple[Level, str]]:
    return [(one.level, one.text) for one in Check(RealDisk(), folder).findings() if one.subject == subject]


def members_folder(path: Path, accepted: str = "1", current: str = "1") -> Folder:
    folder = our_folder(path, range(1, 9))
    for name, content in (("acceptedEpoch", accepted), ("currentEpoch", current)):
        Path(folder.snap_directory, name).write_text(content)
    return folder


def test_a_damaged_member_would_get_everything_from_the_leader(tmp_path: Path) -> None:
    folder = members_folder(tmp_path)
    damage(Path(folder.log_directory, "log.1"), 300)
    [(level, text)] = findings(folder, "recovery")
    assert level is Level.BAD
    assert text.startswith("a server would not start")
    assert findings(folder, "member") == [(Level.NOTE, REFETCH)]


def test_a_server_of_its_own_would_not(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 9))
    damage(Path(folder.log_directory, "log.1"), 300)
    assert findings(folder, "member") == []


@pytest.mark.parametrize("accepted", ["", "x"])
def test_a_member_that_does_not_know_its_promises_would_not(tmp_path: Path, accepted: str) -> None:
    folder = members_folder(tmp_path, accepted)
    damage(Path(folder.log_directory, "log.1"), 300)
    [(level, text)] = findings(folder, "member")
    assert level is Level.BAD
    assert text.startswith("a member could not get its data from a leader either")
    assert "acceptedEpoch" in text


def test_current_epoch_need_not_be_readable(tmp_path: Path) -> None:
    folder = members_folder(tmp_path, "1", "?")
    assert findings(folder, "epochs")[0][0] is Level.BAD
    assert findings(folder, "member") == [(Level.NOTE, REFETCH)]


def test_a_history_that_has_vanished_is_told_of(tmp_path: Path) -> None:
    folder = members_folder(tmp_path)
    for name in ("log.1", "snapshot.0"):
        Path(folder.log_directory, name).unlink()
    *_, (level, text) = findings(folder, "recovery")
    assert level is Level.BAD
    assert "would have no say until a leader sends all" in text


@pytest.mark.parametrize(("epochs", "has_marker"), [("0", False), ("-1", False), ("1", True)])
def test_an_empty_folder_on_which_a_member_would_start_is_good(
    tmp_path: Path, epochs: str, has_marker: bool
) -> None:
    folder = members_folder(tmp_path, epochs, epochs)
    for path in (Path(folder.log_directory, "log.1"), Path(folder.snap_directory, "snapshot.0")):
        path.unlink()
    if has_marker:
        Path(folder.log_dir, "initialize").touch()
    checked = Check(RealDisk(), folder)
    assert "a server would begin with an empty tree" in [f.text for f in checked.findings()][-2]
    assert not checked.is_bad


def test_files_set_aside_are_no_strangers(tmp_path: Path) -> None:
    folder = members_folder(tmp_path)
    for name in ("damaged.log.1", "damaged.2.snapshot.0.gz"):
        Path(folder.log_directory, name).write_bytes(b"x")
        assert "was damaged; set aside" in findings(folder, name)[0][1]
